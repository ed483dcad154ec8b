/* SPDX-License-Identifier: Apache-2.0 */
/* map_writer.c - builds a map from a base; see map.h. At each level the writer holds the one page
 * that the current leaf lies under, filled from the base. Moving on writes the page if it changed.
 * So the state at any moment, with what is dirty written, is a whole map: a checkpoint. */
#include "core/s3block/map.h"

#include <string.h>

void map_writer_init(struct map_writer *writer, struct segment_writer *out, struct hasher *hasher,
                    struct map_reader *base, const struct map_shape *shape, uint16_t disk)
{
    memset(writer, 0, sizeof *writer);
    writer->out = out;
    writer->hasher = hasher;
    writer->base = base;
    writer->shape = *shape;
    writer->disk = disk;
    writer->scratch = (struct dynbuf)DYNBUF_INIT(MAP_PAGE_MAX);
    if (!base)
        return;
    if (base->shape.levels == shape->levels) {
        memcpy(writer->top, base->top, sizeof writer->top);
        return;
    }
    /* The disk grew into more levels: the base's tops go under the first page of the next level,
     * which is therefore new, and so are those above it. */
    for (unsigned level = base->shape.levels + 1; level <= shape->levels; level++) {
        writer->pages[level].index = 1;
        writer->pages[level].dirty = true;
    }
    memcpy(writer->pages[base->shape.levels + 1].refs, base->top, sizeof base->top);
}

void map_writer_free(struct map_writer *writer)
{
    dynbuf_free(&writer->scratch);
}

/* Where the reference to page `index` of a level is kept. The page above must be loaded. */
static struct ref *slot_of(struct map_writer *writer, unsigned level, uint64_t index)
{
    if (level == writer->shape.levels)
        return &writer->top[index];
    return &writer->pages[level + 1].refs[index % FANOUT];
}

/* Pages of a level that the disk has. */
static uint64_t pages_at(const struct map_shape *shape, unsigned level)
{
    uint64_t n = shape->n_leaves;
    while (level--)
        n = (n + FANOUT - 1) / FANOUT;
    return n;
}

/* Children that page `index` of a level (1..) has. */
static unsigned children_of(const struct map_shape *shape, unsigned level, uint64_t index)
{
    uint64_t n = pages_at(shape, level - 1) - index * FANOUT;
    return n < FANOUT ? (unsigned)n : FANOUT;
}

/* A page whose children are all UNKNOWN, or all ZERO and complete, needs no slot. */
static bool uniform(const struct ref *refs, unsigned n, struct ref *ref)
{
    for (unsigned i = 0; i < n; i++)
        if (refs[i].kind != refs[0].kind || refs[i].kind == REF_CHILD)
            return false;
    if (refs[0].kind == REF_ZERO && n < FANOUT)
        return false;
    memset(ref, 0, sizeof *ref);
    ref->kind = refs[0].kind;
    ref->all_known = ref->kind == REF_ZERO;
    if (ref->all_known)
        ref->known[0] = ref->known[1] = ~UINT64_C(0);
    return true;
}

/* Writes the level's page if it is dirty, and puts its reference into the page above. */
static int page_flush(struct map_writer *writer, unsigned level, struct ds_error *err)
{
    if (!writer->pages[level].index || !writer->pages[level].dirty)
        return DS_OK;
    uint64_t index = writer->pages[level].index - 1;
    struct ref *refs = writer->pages[level].refs, ref = { .kind = REF_CHILD };
    unsigned n = children_of(&writer->shape, level, index);
    if (!uniform(refs, n, &ref)) {
        ref = (struct ref){ .kind = REF_CHILD, .all_known = n == FANOUT };
        for (unsigned i = 0; i < n; i++)
            ref.all_known = ref.all_known && refs[i].all_known;
        dynbuf_reset(&writer->scratch);
        refs_encode(&writer->scratch, level, refs, n);
        if (!dynbuf_ok(&writer->scratch))
            return ds_fail(err, DS_ENOMEM, "no memory for a map page");
        int rc = segment_writer_add_map(writer->out, writer->hasher, SLOT_INNER, writer->disk,
                                        page_number(level, index), writer->scratch.data,
                                        writer->scratch.len, ref.id, &ref.segment, &ref.slot, err);
        if (rc)
            return rc;
    }
    *slot_of(writer, level, index) = ref;
    if (level < writer->shape.levels)
        writer->pages[level + 1].dirty = true;
    writer->pages[level].dirty = false;
    return DS_OK;
}

/* Makes page `index` of a level (1..) the current one, and those above it. */
static int page_load(struct map_writer *writer, unsigned level, uint64_t index,
                     struct ds_error *err)
{
    if (level > writer->shape.levels || writer->pages[level].index == index + 1)
        return DS_OK;
    /* From below to above: a page's reference lands in the page that is still current. */
    for (unsigned l = 1; l <= level; l++) {
        int rc = page_flush(writer, l, err);
        if (rc)
            return rc;
        writer->pages[l].index = 0;
    }
    int rc = page_load(writer, level + 1, index / FANOUT, err);
    if (rc)
        return rc;
    struct ref *refs = writer->pages[level].refs;
    struct ref own = *slot_of(writer, level, index);
    for (unsigned i = 0; !rc && i < FANOUT; i++) {
        if (own.kind != REF_CHILD || !writer->base)
            refs[i] = own;
        else
            rc = map_reader_ref(writer->base, level - 1, index * FANOUT + i, &refs[i], err);
    }
    if (rc)
        return rc;
    writer->pages[level].index = index + 1;
    writer->pages[level].dirty = false;
    return DS_OK;
}

/* The leaf's page and behind it the page of its ids, whose id the leaf holds: together they say
 * what every block is, so no other block can stand in for one. */
static int leaf_write(struct map_writer *writer, uint64_t index, const struct leaf *leaf, bool any,
                      struct ref *ref, struct ds_error *err)
{
    struct leaf bound = *leaf;
    struct dynbuf *page = &writer->scratch;
    struct segment_name name;
    uint8_t id[ID_SIZE];
    uint16_t slot;
    dynbuf_reset(page);
    leaf_encode_ids(page, leaf);
    if (any && (!dynbuf_ok(page) ||
                !hasher_id(writer->hasher, page->data, page->len, bound.ids_page)))
        return ds_fail(err, DS_ENOMEM, "no memory for a map page");
    dynbuf_reset(page);
    leaf_encode(page, &bound);
    if (!dynbuf_ok(page))
        return ds_fail(err, DS_ENOMEM, "no memory for a map page");
    int rc = segment_writer_add_map(writer->out, writer->hasher, SLOT_LEAF, writer->disk,
                                    page_number(0, index), page->data, page->len, ref->id,
                                    &ref->segment, &ref->slot, err);
    if (rc || !any)
        return rc;
    dynbuf_reset(page);
    leaf_encode_ids(page, leaf);
    return segment_writer_add_map(writer->out, writer->hasher, SLOT_IDS, writer->disk,
                                  page_number(0, index), page->data, page->len, id, &name, &slot,
                                  err);
}

int map_writer_store(struct map_writer *writer, uint64_t index, const struct leaf *leaf,
                     struct ds_error *err)
{
    struct ref ref = { .kind = REF_CHILD };
    bool same = leaf->n == FANOUT || leaf->states[0] == BLOCK_UNKNOWN, any = false;
    int rc = page_load(writer, 1, index / FANOUT, err);
    if (rc)
        return rc;
    for (unsigned i = 0; i < leaf->n; i++) {
        same = same && leaf->states[i] == leaf->states[0] && leaf->states[i] <= BLOCK_ZERO;
        any |= leaf->states[i] == BLOCK_DATA;
    }
    leaf_known(leaf, ref.known);
    ref.all_known = ref.known[0] == ~UINT64_C(0) && ref.known[1] == ~UINT64_C(0);
    if (same) {
        ref.kind = leaf->states[0] == BLOCK_ZERO ? REF_ZERO : REF_UNKNOWN;
    } else {
        rc = leaf_write(writer, index, leaf, any, &ref, err);
        if (rc)
            return rc;
    }
    *slot_of(writer, 0, index) = ref;
    if (writer->shape.levels > 0)
        writer->pages[1].dirty = true;
    return DS_OK;
}

int map_writer_settle(struct map_writer *writer, struct ds_error *err)
{
    int rc = DS_OK;
    for (unsigned level = 1; !rc && level <= writer->shape.levels; level++)
        rc = page_flush(writer, level, err);
    return rc;
}
