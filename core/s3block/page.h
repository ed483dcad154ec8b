/* SPDX-License-Identifier: Apache-2.0 */
/* page.h - map pages: a leaf tells the states of 128 blocks and where their bytes are; an inner
 * page refers to 128 pages below it. Format: docs/s3block.md, "The map". Decoders take hostile
 * bytes. */
#ifndef CORE_S3BLOCK_PAGE_H
#define CORE_S3BLOCK_PAGE_H

#include "core/s3block/segment.h"

#define FANOUT 128u
#define MAP_LEVELS_MAX 8u

enum block_state {
    BLOCK_UNKNOWN = 0, /* never read, or changed and not sent; restores as zeros */
    BLOCK_ZERO = 1,
    BLOCK_DATA = 2,
    BLOCK_BAD = 3      /* could not be read from the source; restores as zeros */
};

struct leaf {
    unsigned n; /* blocks; the rest of the arrays is BLOCK_UNKNOWN */
    uint8_t states[FANOUT];
    struct segment_name segments[FANOUT]; /* of DATA blocks */
    uint16_t slots[FANOUT];
    uint8_t ids[FANOUT][ID_SIZE];
    uint8_t ids_page[ID_SIZE]; /* id of the page of ids, which follows the leaf's slot */
    bool has_ids;              /* ids were read */
};

enum ref_kind { REF_UNKNOWN = 0, REF_ZERO = 1, REF_CHILD = 2 };

/* Reference to a page: all blocks below UNKNOWN, all ZERO, or a page in a slot. */
struct ref {
    uint8_t kind;
    bool all_known;     /* no block below is UNKNOWN or BAD, and none is missing at the end */
    uint16_t slot;
    struct segment_name segment;
    uint8_t id[ID_SIZE];
    uint64_t known[2];  /* of leaves that are not all known: a bit per ZERO or DATA block */
};

/* Shape of one disk's map. */
struct map_shape {
    uint64_t bytes, n_blocks, n_leaves;
    uint32_t block_size;
    unsigned levels; /* inner levels; 0: the root refers to leaves */
    uint64_t n_top;  /* references in the root, at most FANOUT */
};
/* False if bytes or block size are out of range. */
bool map_shape_of(struct map_shape *shape, uint64_t bytes, uint32_t block_size);
/* Length of a block: the last one of a disk may be short. */
uint32_t map_block_length(const struct map_shape *shape, uint64_t block);
/* Number in the slot table of page `index` at a level (0 = leaf). */
static inline uint64_t page_number(unsigned level, uint64_t index)
{
    return (uint64_t)level << 56 | index;
}

/* Bits of the ZERO and DATA blocks. */
void leaf_known(const struct leaf *leaf, uint64_t known[2]);
void leaf_encode(struct dynbuf *out, const struct leaf *leaf);
void leaf_encode_ids(struct dynbuf *out, const struct leaf *leaf);
/* what names the page in messages. */
int leaf_decode(struct leaf *leaf, const void *bytes, size_t len, const char *what,
                struct ds_error *err);
int leaf_decode_ids(struct leaf *leaf, const void *bytes, size_t len, const char *what,
                    struct ds_error *err);

/* refs: n of them; level 1 refers to leaves. */
void refs_encode(struct dynbuf *out, unsigned level, const struct ref *refs, unsigned n);
/* *n at most max. */
int refs_decode(struct reader *in, unsigned level, struct ref *refs, unsigned *n, unsigned max,
                const char *what, struct ds_error *err);

#endif
