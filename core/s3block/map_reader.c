/* SPDX-License-Identifier: Apache-2.0 */
/* map_reader.c - walks a committed map; see map.h. */
#include "core/s3block/map.h"

#include <stdio.h>
#include <string.h>

/* One page's bytes on their way into a structure. */
struct page_in {
    enum slot_type type;
    uint16_t disk;
    uint64_t number;
    const uint8_t *id;
    int (*decode)(struct page_in *in, const void *plain, size_t len, struct ds_error *err);
    char what[64];
    struct leaf *leaf;
    struct ref *refs;
    unsigned level;
};

static int page_arrived(void *ud, unsigned i, const struct slot *slot, void *plain, size_t len,
                        struct ds_error *err)
{
    struct page_in *in = ud;
    (void)i;
    if (slot->type != in->type || slot->disk != in->disk || slot->number != in->number ||
        memcmp(slot->id, in->id, ID_SIZE) != 0)
        return ds_fail(err, DS_EDAMAGED, "%s: its slot holds another page", in->what);
    return in->decode(in, plain, len, err);
}

static int decode_leaf(struct page_in *in, const void *plain, size_t len, struct ds_error *err)
{
    return leaf_decode(in->leaf, plain, len, in->what, err);
}

static int decode_ids(struct page_in *in, const void *plain, size_t len, struct ds_error *err)
{
    return leaf_decode_ids(in->leaf, plain, len, in->what, err);
}

static int decode_refs(struct page_in *in, const void *plain, size_t len, struct ds_error *err)
{
    struct reader r = reader_of(plain, len);
    unsigned n;
    int rc = refs_decode(&r, in->level, in->refs, &n, FANOUT, in->what, err);
    if (!rc && (r.bad || reader_left(&r)))
        rc = ds_fail(err, DS_EDAMAGED, "%s: has bytes too many", in->what);
    if (!rc) /* a disk that grew: what the page does not name is unknown */
        memset(in->refs + n, 0, (FANOUT - n) * sizeof *in->refs);
    return rc;
}

static int page_read(struct map_reader *reader, const struct ref *ref, uint16_t slot,
                     struct page_in *in, struct ds_error *err)
{
    const struct segment *segment;
    int rc = segment_get(reader->cache, &ref->segment, &segment, err);
    if (rc)
        return rc;
    rc = segment_read(reader->scratch, segment, slot, 1, page_arrived, in, err);
    segment_put(reader->cache, segment);
    return rc;
}

/* True where a failure means that stored bytes are wrong or gone. */
static bool is_damage(int rc)
{
    return rc == DS_EDAMAGED || rc == DS_EFORMAT;
}

/* Hands damage to the listener, who may settle for UNKNOWN. */
static int page_damaged(struct map_reader *reader, unsigned level, uint64_t index, int rc,
                        const struct ds_error *err)
{
    if (!is_damage(rc) || !reader->damaged)
        return rc;
    return reader->damaged(reader->damaged_ud, level, index, err);
}

/* The inner page `index` of a level, into the level's place; a damaged one becomes UNKNOWN. */
static int inner_load(struct map_reader *reader, unsigned level, uint64_t index,
                      const struct ref *ref, struct ds_error *err)
{
    struct ref *refs = reader->pages[level];
    struct page_in in = { .type = SLOT_INNER, .disk = reader->disk,
                          .number = page_number(level, index), .id = ref->id,
                          .decode = decode_refs, .refs = refs, .level = level };
    if (reader->page_index[level] == index + 1)
        return DS_OK;
    snprintf(in.what, sizeof in.what, "inner page %u/%llu of disk %u", level,
             (unsigned long long)index, reader->disk);
    reader->page_index[level] = 0;
    int rc = page_read(reader, ref, ref->slot, &in, err);
    if (rc) {
        rc = page_damaged(reader, level, index, rc, err);
        if (rc)
            return rc;
        memset(refs, 0, FANOUT * sizeof *refs);
    }
    reader->page_index[level] = index + 1;
    return DS_OK;
}

int map_reader_ref(struct map_reader *reader, unsigned level, uint64_t index, struct ref *ref,
                   struct ds_error *err)
{
    memset(ref, 0, sizeof *ref);
    if (level > reader->shape.levels) /* only when a map grew by a level: see map_writer.c */
        return DS_OK;
    if (level == reader->shape.levels) {
        if (index < reader->shape.n_top)
            *ref = reader->top[index];
        return DS_OK;
    }
    struct ref parent;
    int rc = map_reader_ref(reader, level + 1, index / FANOUT, &parent, err);
    if (rc || parent.kind != REF_CHILD) {
        *ref = parent;
        return rc;
    }
    rc = inner_load(reader, level + 1, index / FANOUT, &parent, err);
    if (!rc)
        *ref = reader->pages[level + 1][index % FANOUT];
    return rc;
}

static void leaf_fill(struct leaf *leaf, const struct map_shape *shape, uint64_t index,
                      uint8_t state)
{
    uint64_t left = shape->n_blocks > index * FANOUT ? shape->n_blocks - index * FANOUT : 0;
    memset(leaf, 0, sizeof *leaf);
    leaf->n = left < FANOUT ? (unsigned)left : FANOUT;
    leaf->has_ids = true;
    memset(leaf->states, state, leaf->n);
}

/* As many blocks as the disk has there: a disk that grew has a leaf that was shorter. */
static int leaf_fit(const struct map_reader *reader, uint64_t index, struct leaf *leaf,
                    const char *what, struct ds_error *err)
{
    struct leaf whole;
    leaf_fill(&whole, &reader->shape, index, BLOCK_UNKNOWN);
    if (leaf->n > whole.n)
        return ds_fail(err, DS_EDAMAGED, "%s: has more blocks than the disk", what);
    leaf->n = whole.n;
    return DS_OK;
}

static int leaf_read(struct map_reader *reader, uint64_t index, const struct ref *ref, bool ids,
                     struct leaf *leaf, struct ds_error *err)
{
    struct page_in in = { .type = SLOT_LEAF, .disk = reader->disk, .number = page_number(0, index),
                          .id = ref->id, .decode = decode_leaf, .leaf = leaf };
    snprintf(in.what, sizeof in.what, "leaf %llu of disk %u", (unsigned long long)index,
             reader->disk);
    int rc = page_read(reader, ref, ref->slot, &in, err);
    bool any = false;
    if (!rc)
        rc = leaf_fit(reader, index, leaf, in.what, err);
    for (unsigned i = 0; !rc && i < leaf->n; i++)
        any |= leaf->states[i] == BLOCK_DATA;
    if (rc || !ids || !any)
        return rc;
    in.type = SLOT_IDS;
    in.id = leaf->ids_page;
    in.decode = decode_ids;
    return page_read(reader, ref, (uint16_t)(ref->slot + 1), &in, err);
}

int map_reader_leaf(struct map_reader *reader, uint64_t index, const struct ref *ref, bool ids,
                    struct leaf *leaf, struct ds_error *err)
{
    if (ref->kind != REF_CHILD) {
        leaf_fill(leaf, &reader->shape, index,
                  ref->kind == REF_ZERO ? BLOCK_ZERO : BLOCK_UNKNOWN);
        return DS_OK;
    }
    int rc = leaf_read(reader, index, ref, ids, leaf, err);
    if (!rc)
        return DS_OK;
    rc = page_damaged(reader, 0, index, rc, err);
    if (!rc)
        leaf_fill(leaf, &reader->shape, index, BLOCK_UNKNOWN);
    return rc;
}

int map_reader_known(struct map_reader *reader, uint64_t leaf, uint64_t known[2], uint64_t *span,
                     struct ds_error *err)
{
    struct ref ref = { .kind = REF_UNKNOWN };
    unsigned level = reader->shape.levels;
    *span = UINT64_MAX;
    for (;; level--) {
        uint64_t width = UINT64_C(1) << 7 * level;
        int rc = map_reader_ref(reader, level, leaf / width, &ref, err);
        if (rc)
            return rc;
        *span = width - leaf % width;
        if (level == 0 || ref.kind != REF_CHILD || ref.all_known)
            break;
    }
    if (leaf >= reader->shape.n_leaves)
        *span = UINT64_MAX;
    if (ref.kind != REF_CHILD || ref.all_known)
        known[0] = known[1] = ref.kind == REF_UNKNOWN ? 0 : ~UINT64_C(0);
    else
        memcpy(known, ref.known, sizeof ref.known);
    return DS_OK;
}

/* Walks below one reference; the recursion is as deep as the map has levels. */
static int walk_below(struct map_reader *reader, unsigned level, uint64_t index,
                      const struct ref *ref, map_walk_fn *fn, void *ud, struct ds_error *err)
{
    bool descend = level > 0;
    if (ref->kind != REF_CHILD)
        return DS_OK;
    int rc = fn(ud, level, index, ref, &descend, err);
    for (unsigned i = 0; !rc && level > 0 && descend && i < FANOUT; i++) {
        rc = inner_load(reader, level, index, ref, err);
        if (!rc) {
            struct ref child = reader->pages[level][i];
            rc = walk_below(reader, level - 1, index * FANOUT + i, &child, fn, ud, err);
        }
    }
    return rc;
}

int map_reader_walk(struct map_reader *reader, map_walk_fn *fn, void *ud, struct ds_error *err)
{
    int rc = DS_OK;
    for (uint64_t i = 0; !rc && i < reader->shape.n_top; i++)
        rc = walk_below(reader, reader->shape.levels, i, &reader->top[i], fn, ud, err);
    return rc;
}
