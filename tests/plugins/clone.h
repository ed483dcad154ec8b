/* SPDX-License-Identifier: Apache-2.0 */
/* clone.h - copies an image for snapshot-scripted: by reference where the file system can, else the
 * bytes, with holes where they are zero. */
#ifndef TESTS_PLUGINS_CLONE_H
#define TESTS_PLUGINS_CLONE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef _WIN32
#define seek64 fseeko64
static inline bool clone_reference(FILE *from, FILE *to)
{
    (void)from, (void)to;
    return false;
}
static inline bool clone_resize(FILE *file, uint64_t bytes)
{
    return bytes == 0 || (seek64(file, (long long)bytes - 1, SEEK_SET) == 0 && fputc(0, file) == 0);
}
#else
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>
#define seek64 fseeko
static inline bool clone_reference(FILE *from, FILE *to)
{
    return ioctl(fileno(to), FICLONE, fileno(from)) == 0;
}
static inline bool clone_resize(FILE *file, uint64_t bytes)
{
    return ftruncate(fileno(file), (off_t)bytes) == 0;
}
#endif

static inline bool clone_bytes(FILE *from, FILE *to, uint64_t bytes)
{
    static char block[1 << 20];
    if (!clone_resize(to, bytes))
        return false;
    for (uint64_t at = 0; at < bytes; at += sizeof block) {
        size_t n = bytes - at < sizeof block ? (size_t)(bytes - at) : sizeof block;
        if (fread(block, 1, n, from) != n)
            return false;
        if (block[0] == 0 && memcmp(block, block + 1, n - 1) == 0)
            continue;
        if (seek64(to, (int64_t)at, SEEK_SET) != 0 || fwrite(block, 1, n, to) != n)
            return false;
    }
    return true;
}

static inline bool clone_file(const char *from_path, const char *to_path, uint64_t bytes)
{
    FILE *from = fopen(from_path, "rb"), *to = from ? fopen(to_path, "wb+") : NULL;
    bool good = from && to;
    if (good)
        good = clone_reference(from, to) || clone_bytes(from, to, bytes);
    if (from)
        fclose(from);
    if (to)
        good &= fclose(to) == 0;
    return good;
}

#endif
