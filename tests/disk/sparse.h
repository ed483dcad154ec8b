/* SPDX-License-Identifier: Apache-2.0 */
/* sparse.h - a disk in memory of which only some pieces are not zero, as a reader. Also in the form
 * that the fuzz target and its corpus have, so that a disk of terabytes is a file of kilobytes:
 *
 *   bytes of the disk  8   little-endian
 *   sector             4   0 = not known
 *   pieces: offset 8, length 2, that many bytes; later ones lie over earlier ones
 */
#ifndef TESTS_DISK_SPARSE_H
#define TESTS_DISK_SPARSE_H

#include "core/base/bytes.h"

#include <disksync/disksync.h>
#include <stdlib.h>

#define SPARSE_PIECES 4096

struct sparse {
    uint64_t bytes;
    uint32_t sector;
    struct {
        uint64_t offset;
        size_t length;
        const uint8_t *data;
    } pieces[SPARSE_PIECES];
    size_t n;
    uint8_t *owned; /* what sparse_put wrote */
    size_t n_owned, cap_owned;
    uint64_t bad_from, bad_to; /* reads that touch this range fail */
    size_t reads;              /* count */
    uint64_t read_bytes;
};

/* pread beyond the end is a fault of the parser: it aborts. */
static inline int sparse_pread(void *ctx, void *data, size_t n, uint64_t offset,
                               struct ds_error *err)
{
    struct sparse *s = ctx;
    uint8_t *out = data;
    if (offset > s->bytes || n > s->bytes - offset) {
        fprintf(stderr, "read of %zu bytes at %llu beyond the end of the disk\n", n,
                (unsigned long long)offset);
        abort();
    }
    s->reads++;
    s->read_bytes += n;
    if (offset < s->bad_to && offset + n > s->bad_from)
        return ds_fail(err, DS_EIO, "a bad sector at %llu", (unsigned long long)offset);
    memset(out, 0, n);
    for (size_t i = 0; i < s->n; i++) {
        uint64_t from = max_u64(offset, s->pieces[i].offset);
        uint64_t to = min_u64(offset + n, s->pieces[i].offset + s->pieces[i].length);
        if (from < to)
            memcpy(out + (from - offset), s->pieces[i].data + (from - s->pieces[i].offset),
                   (size_t)(to - from));
    }
    return DS_OK;
}

static inline struct ds_reader sparse_reader(struct sparse *s)
{
    struct ds_reader reader = { (uint32_t)sizeof reader, s->sector, s->bytes, s, sparse_pread };
    return reader;
}

/* Writes a copy of the bytes. The store holds SPARSE_STORE bytes in all. */
#define SPARSE_STORE (8u << 20)
static inline void sparse_put(struct sparse *s, uint64_t offset, const void *data, size_t n)
{
    if (!s->owned)
        s->owned = malloc(SPARSE_STORE);
    if (!s->owned || s->n == SPARSE_PIECES || n > SPARSE_STORE - s->n_owned)
        abort();
    memcpy(s->owned + s->n_owned, data, n);
    s->pieces[s->n].offset = offset;
    s->pieces[s->n].length = n;
    s->pieces[s->n].data = s->owned + s->n_owned;
    s->n_owned += n;
    s->n++;
}

static inline void sparse_free(struct sparse *s)
{
    free(s->owned);
    s->owned = NULL;
    s->n = s->n_owned = 0;
}

/* From its file form; what does not fit is left out. The pieces point into data. */
static inline void sparse_parse(struct sparse *s, const uint8_t *data, size_t size)
{
    memset(s, 0, sizeof *s);
    if (size < 12)
        return;
    s->bytes = get_le64(data) & (UINT64_MAX >> 1);
    s->sector = get_le32(data + 8) == 0 ? 0 : get_le32(data + 8) == 4096 ? 4096 : 512;
    for (size_t at = 12; size - at >= 10 && s->n < SPARSE_PIECES;) {
        uint64_t offset = get_le64(data + at);
        size_t length = get_le16(data + at + 8);
        at += 10;
        if (length > size - at)
            length = size - at;
        if (offset <= UINT64_MAX / 2) {
            s->pieces[s->n].offset = offset;
            s->pieces[s->n].length = length;
            s->pieces[s->n++].data = data + at;
        }
        at += length;
    }
}

#endif
