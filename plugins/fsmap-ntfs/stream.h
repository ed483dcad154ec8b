/* SPDX-License-Identifier: Apache-2.0 */
/* stream.h - the content of one attribute, wherever its pieces are: resident, one run list, or run
 * lists in many extension records that an attribute list names. */
#ifndef FSMAP_NTFS_STREAM_H
#define FSMAP_NTFS_STREAM_H

#include "runlist.h"

#include <stdbool.h>
#include <stdint.h>

#define NTFS_LIST_MAX (1u << 20)  /* bytes of an attribute list; Windows stops at 256 KiB */
#define NTFS_VALUE_MAX 65536u     /* bytes of a resident value: that of the largest record */

struct ntfs_volume;

struct ntfs_stream {
    bool found;            /* the attribute exists */
    bool resident;
    bool stale;            /* a record it was read from has newer changes in the log */
    uint8_t hole;          /* what holes and bytes never written read as */
    uint16_t flags;        /* NTFS_ATTR_COMPRESSED, ... */
    uint8_t *value;        /* resident: its bytes; owned */
    uint64_t data_size;    /* bytes */
    uint64_t initialized_size;
    struct ntfs_runs runs; /* not resident */
};

/* Finds attribute `type` called `name` of record `number`. Fills *s, which is zero before, also on
 * failure: ntfs_stream_free in any case. DS_ENOENT (error filled) where there is none. */
int ntfs_stream_open(struct ntfs_volume *v, uint64_t number, uint32_t type, const char *name,
                     struct ntfs_stream *s);

/* n bytes at offset. What lies in holes, or beyond the sizes, reads as s->hole. */
int ntfs_stream_read(struct ntfs_volume *v, const struct ntfs_stream *s, void *data, size_t n,
                     uint64_t offset, const char *what);

void ntfs_stream_free(struct ntfs_stream *s);

#endif
