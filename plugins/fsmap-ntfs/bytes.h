/* SPDX-License-Identifier: Apache-2.0 */
/* bytes.h - little-endian loads from unaligned bytes, and arithmetic that says when it overflows.
 * NTFS is little-endian throughout; every number that comes from the volume passes through here. */
#ifndef FSMAP_NTFS_BYTES_H
#define FSMAP_NTFS_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint16_t ntfs_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t ntfs_le32(const uint8_t *p)
{
    return (uint32_t)ntfs_le16(p) | (uint32_t)ntfs_le16(p + 2) << 16;
}

static inline uint64_t ntfs_le64(const uint8_t *p)
{
    return (uint64_t)ntfs_le32(p) | (uint64_t)ntfs_le32(p + 4) << 32;
}

/* *sum = a + b; false on overflow. */
static inline bool ntfs_add(uint64_t a, uint64_t b, uint64_t *sum)
{
    *sum = a + b;
    return *sum >= a;
}

/* *product = a * b; false on overflow. */
static inline bool ntfs_mul(uint64_t a, uint64_t b, uint64_t *product)
{
    if (a != 0 && b > UINT64_MAX / a)
        return false;
    *product = a * b;
    return true;
}

static inline bool ntfs_power_of_two(uint64_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

static inline uint64_t ntfs_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t ntfs_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
