/* SPDX-License-Identifier: Apache-2.0 */
/* crc32.h - the CRC-32 of IEEE 802.3 (reflected, 0xEDB88320), as GPT headers carry it. No state:
 * any thread. */
#ifndef CORE_DISK_CRC32_H
#define CORE_DISK_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* crc: the result of the bytes before these, 0 at the start. */
uint32_t crc32_of(uint32_t crc, const void *data, size_t n);

#endif
