/* SPDX-License-Identifier: Apache-2.0 */
/* marks.h - which slots of which segments the maps of a set of roots refer to. Shared pages are
 * walked once, since the mark of a page's slot says that everything below it is marked. One thread.
 * Memory: a bit per slot of every live segment. */
#ifndef CORE_S3BLOCK_MARKS_H
#define CORE_S3BLOCK_MARKS_H

#include "core/s3block/root.h"

struct mark { /* one segment */
    struct segment_name name;
    uint8_t *maps, *blocks;       /* a bit per slot */
    uint32_t maps_len, blocks_len; /* bytes of these */
    struct mark *next;
};
static inline bool mark_has(const struct mark *mark, uint16_t slot)
{
    const uint8_t *bits = slot & SLOT_MAP ? mark->maps : mark->blocks;
    uint32_t len = slot & SLOT_MAP ? mark->maps_len : mark->blocks_len, i = slot & 0x7fffu;
    return i / 8 < len && bits[i / 8] >> (i % 8) & 1;
}

struct marks;
struct marks *marks_new(const struct segment_space *space);
void marks_free(struct marks *marks);
/* Marks everything that a root refers to. leaf (may be NULL) is told of each leaf that is walked
 * for the first time. damaged: of a page that can't be read; DS_OK goes on without what is below,
 * anything else ends the walk. */
struct marks_listener {
    int (*leaf)(void *ud, const struct root_disk *disk, uint64_t index, const struct leaf *leaf,
                struct ds_error *err);
    int (*damaged)(void *ud, const struct root_disk *disk, unsigned level, uint64_t index,
                   const struct ref *ref, const struct ds_error *why);
    void *ud;
};
int marks_root(struct marks *marks, const struct root *root, const struct marks_listener *listener,
               struct ds_error *err);
struct mark *marks_find(const struct marks *marks, const struct segment_name *name);
typedef int marks_fn(void *ud, struct mark *mark, struct ds_error *err);
int marks_each(const struct marks *marks, marks_fn *fn, void *ud, struct ds_error *err);
struct segment_cache *marks_cache(const struct marks *marks);

#endif
