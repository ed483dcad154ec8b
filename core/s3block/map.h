/* SPDX-License-Identifier: Apache-2.0 */
/* map.h - the block map of one disk in one point: a tree of pages with a fan-out of 128. The reader
 * walks a committed map; the writer starts from a base map and replaces leaves in ascending order,
 * writing only the pages that changed. One thread each. */
#ifndef CORE_S3BLOCK_MAP_H
#define CORE_S3BLOCK_MAP_H

#include "core/s3block/page.h"

/* ---- reading ---- */

struct map_reader {
    struct segment_cache *cache;
    struct segment_reader *scratch; /* at least MAP_PAGE_MAX plain bytes */
    struct map_shape shape;
    uint16_t disk;
    struct ref top[FANOUT];
    /* The last inner page of each level (index + 1; 0 = none). */
    uint64_t page_index[MAP_LEVELS_MAX];
    struct ref pages[MAP_LEVELS_MAX][FANOUT];
    /* Told of a page that can't be read; DS_OK treats the blocks below as UNKNOWN. NULL: the error
     * is returned. */
    int (*damaged)(void *ud, unsigned level, uint64_t index, const struct ds_error *why);
    void *damaged_ud;
};
#define MAP_PAGE_MAX ((size_t)64 << 10)

/* Reference to page `index` of a level (0: leaves). Beyond the map's end: REF_UNKNOWN. */
int map_reader_ref(struct map_reader *reader, unsigned level, uint64_t index, struct ref *ref,
                   struct ds_error *err);
/* The leaf as stored; of REF_ZERO and REF_UNKNOWN, one of that state. With ids where asked. */
int map_reader_leaf(struct map_reader *reader, uint64_t index, const struct ref *ref, bool ids,
                    struct leaf *leaf, struct ds_error *err);
/* Which blocks of the leaf are known. *span: that many leaves from it on have the same answer (all
 * known or none); else 1. */
int map_reader_known(struct map_reader *reader, uint64_t leaf, uint64_t known[2], uint64_t *span,
                     struct ds_error *err);
/* Calls fn for each page of the map that is in a slot, parents first; fn tells whether to go on
 * below (inner pages). For collect and verify. */
typedef int map_walk_fn(void *ud, unsigned level, uint64_t index, const struct ref *ref,
                        bool *descend, struct ds_error *err);
int map_reader_walk(struct map_reader *reader, map_walk_fn *fn, void *ud, struct ds_error *err);

/* ---- writing ---- */

struct map_writer {
    struct segment_writer *out;
    struct hasher *hasher;
    struct map_reader *base; /* NULL: all UNKNOWN */
    struct map_shape shape;
    uint16_t disk;
    struct ref top[FANOUT];
    struct {
        uint64_t index; /* + 1; 0 = not loaded */
        bool dirty;
        struct ref refs[FANOUT];
    } pages[MAP_LEVELS_MAX]; /* [level], level 1.. */
    struct dynbuf scratch;
};
/* Borrows all. The base may be of a smaller disk, with the same block size. */
void map_writer_init(struct map_writer *writer, struct segment_writer *out, struct hasher *hasher,
                     struct map_reader *base, const struct map_shape *shape, uint16_t disk);
void map_writer_free(struct map_writer *writer);
/* Replaces the leaf: writes its pages. */
int map_writer_store(struct map_writer *writer, uint64_t index, const struct leaf *leaf,
                     struct ds_error *err);
/* Writes what is dirty so that `top` describes the whole map; more leaves may follow. */
int map_writer_settle(struct map_writer *writer, struct ds_error *err);

#endif
