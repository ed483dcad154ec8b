/* SPDX-License-Identifier: Apache-2.0 */
/* page.c - encodes and decodes map pages.
 *
 *   leaf: u8 version 1 | u8 blocks | 2 bits a block | u16 n segments, n x {u64 seq, u64 tag, u32
 *         index} | u16 n runs, n x {u8 first, u8 count, u16 segment, u16 slot} | with a run: id[16]
 *         of the ids page
 *   ids:  16 bytes for each DATA block, in order
 *   refs: u8 version 1 | u8 level | u16 n | u16 n segments, segments as above | n x {u8 kind |
 *         all known << 7, for a child: u16 segment, u16 slot, id[16], and at level 1 where not all
 *         known: known[16]} */
#include "core/s3block/page.h"

#include "core/base/bytes.h"

bool map_shape_of(struct map_shape *shape, uint64_t bytes, uint32_t block_size)
{
    if (bytes == 0 || bytes > UINT64_C(1) << 60 || block_size < BLOCK_SIZE_MIN ||
        block_size > BLOCK_SIZE_MAX || (block_size & (block_size - 1)) != 0)
        return false;
    shape->bytes = bytes;
    shape->block_size = block_size;
    shape->n_blocks = div_round_up(bytes, block_size);
    shape->n_leaves = div_round_up(shape->n_blocks, FANOUT);
    shape->levels = 0;
    shape->n_top = shape->n_leaves;
    while (shape->n_top > FANOUT) {
        shape->n_top = div_round_up(shape->n_top, FANOUT);
        shape->levels++;
    }
    return shape->levels < MAP_LEVELS_MAX;
}

uint32_t map_block_length(const struct map_shape *shape, uint64_t block)
{
    uint64_t left = shape->bytes - block * shape->block_size;
    return left < shape->block_size ? (uint32_t)left : shape->block_size;
}

void leaf_known(const struct leaf *leaf, uint64_t known[2])
{
    known[0] = known[1] = 0;
    for (unsigned i = 0; i < leaf->n; i++)
        if (leaf->states[i] == BLOCK_ZERO || leaf->states[i] == BLOCK_DATA)
            known[i / 64] |= UINT64_C(1) << i % 64;
}

/* ---- the list of distinct segments ---- */

struct names {
    struct segment_name names[FANOUT];
    unsigned n;
};

static unsigned names_add(struct names *list, const struct segment_name *name)
{
    /* Neighbours mostly share a segment: look from the end. */
    for (unsigned i = list->n; i--;)
        if (segment_name_equal(&list->names[i], name))
            return i;
    list->names[list->n] = *name;
    return list->n++;
}

static void names_encode(struct dynbuf *out, const struct names *list)
{
    dynbuf_le16(out, (uint16_t)list->n);
    for (unsigned i = 0; i < list->n; i++) {
        dynbuf_le64(out, list->names[i].seq);
        dynbuf_le64(out, list->names[i].tag);
        dynbuf_le32(out, list->names[i].index);
    }
}

static bool names_decode(struct names *list, struct reader *r)
{
    list->n = reader_le16(r);
    if (list->n > FANOUT)
        return false;
    for (unsigned i = 0; i < list->n; i++) {
        list->names[i].seq = reader_le64(r);
        list->names[i].tag = reader_le64(r);
        list->names[i].index = reader_le32(r);
    }
    return !r->bad;
}

/* ---- leaves ---- */

/* Length of the run of DATA blocks in consecutive slots of one segment that starts at i. */
static unsigned run_at(const struct leaf *leaf, unsigned i)
{
    unsigned n = 1;
    while (i + n < leaf->n && leaf->states[i + n] == BLOCK_DATA &&
           leaf->slots[i + n] == leaf->slots[i] + n &&
           segment_name_equal(&leaf->segments[i + n], &leaf->segments[i]))
        n++;
    return n;
}

void leaf_encode(struct dynbuf *out, const struct leaf *leaf)
{
    struct names list = { .n = 0 };
    struct dynbuf runs = DYNBUF_INIT(FANOUT * 6);
    uint8_t states[FANOUT / 4] = { 0 };
    unsigned n_runs = 0;
    for (unsigned i = 0; i < leaf->n; i++)
        states[i / 4] |= (uint8_t)(leaf->states[i] << 2 * (i % 4));
    for (unsigned i = 0; i < leaf->n;) {
        if (leaf->states[i] != BLOCK_DATA) {
            i++;
            continue;
        }
        unsigned n = run_at(leaf, i);
        dynbuf_u8(&runs, (uint8_t)i);
        dynbuf_u8(&runs, (uint8_t)n);
        dynbuf_le16(&runs, (uint16_t)names_add(&list, &leaf->segments[i]));
        dynbuf_le16(&runs, leaf->slots[i]);
        n_runs++;
        i += n;
    }
    dynbuf_u8(out, 1);
    dynbuf_u8(out, (uint8_t)leaf->n);
    dynbuf_add(out, states, (leaf->n + 3) / 4);
    names_encode(out, &list);
    dynbuf_le16(out, (uint16_t)n_runs);
    dynbuf_add(out, runs.data, runs.len);
    if (n_runs)
        dynbuf_add(out, leaf->ids_page, ID_SIZE);
    if (!dynbuf_ok(&runs))
        out->failed = true;
    dynbuf_free(&runs);
}

void leaf_encode_ids(struct dynbuf *out, const struct leaf *leaf)
{
    for (unsigned i = 0; i < leaf->n; i++)
        if (leaf->states[i] == BLOCK_DATA)
            dynbuf_add(out, leaf->ids[i], ID_SIZE);
}

static bool run_decode(struct leaf *leaf, const struct names *list, struct reader *r,
                       unsigned *next)
{
    unsigned first = reader_u8(r), count = reader_u8(r);
    unsigned segment = reader_le16(r), slot = reader_le16(r);
    if (r->bad || first < *next || count == 0 || first + count > leaf->n || segment >= list->n ||
        slot + count > SLOT_MAP)
        return false;
    for (unsigned i = first; i < first + count; i++) {
        if (leaf->states[i] != BLOCK_DATA)
            return false;
        leaf->segments[i] = list->names[segment];
        leaf->slots[i] = (uint16_t)(slot + i - first);
    }
    for (unsigned i = *next; i < first; i++)
        if (leaf->states[i] == BLOCK_DATA)
            return false;
    *next = first + count;
    return true;
}

int leaf_decode(struct leaf *leaf, const void *bytes, size_t len, const char *what,
                struct ds_error *err)
{
    struct reader r = reader_of(bytes, len);
    struct names list;
    memset(leaf, 0, sizeof *leaf);
    uint8_t version = reader_u8(&r);
    leaf->n = reader_u8(&r);
    if (version != 1 || leaf->n < 1 || leaf->n > FANOUT)
        return ds_fail(err, DS_EDAMAGED, "%s: wrong version or number of blocks", what);
    const uint8_t *states = reader_take(&r, (leaf->n + 3) / 4);
    for (unsigned i = 0; states && i < leaf->n; i++)
        leaf->states[i] = states[i / 4] >> 2 * (i % 4) & 3;
    if (!states || !names_decode(&list, &r))
        return ds_fail(err, DS_EDAMAGED, "%s: states or segments are cut short", what);
    unsigned n_runs = reader_le16(&r), next = 0;
    bool good = n_runs <= FANOUT;
    for (unsigned i = 0; good && i < n_runs; i++)
        good = run_decode(leaf, &list, &r, &next);
    for (unsigned i = next; good && i < leaf->n; i++)
        good = leaf->states[i] != BLOCK_DATA;
    const uint8_t *ids_page = n_runs ? reader_take(&r, ID_SIZE) : NULL;
    if (ids_page)
        memcpy(leaf->ids_page, ids_page, ID_SIZE);
    if (!good || r.bad || reader_left(&r))
        return ds_fail(err, DS_EDAMAGED, "%s: a run is impossible", what);
    return DS_OK;
}

int leaf_decode_ids(struct leaf *leaf, const void *bytes, size_t len, const char *what,
                    struct ds_error *err)
{
    struct reader r = reader_of(bytes, len);
    for (unsigned i = 0; i < leaf->n; i++) {
        if (leaf->states[i] != BLOCK_DATA)
            continue;
        const uint8_t *id = reader_take(&r, ID_SIZE);
        if (id)
            memcpy(leaf->ids[i], id, ID_SIZE);
    }
    if (r.bad || reader_left(&r))
        return ds_fail(err, DS_EDAMAGED, "%s: wrong number of ids", what);
    leaf->has_ids = true;
    return DS_OK;
}

/* ---- references ---- */

#define REF_ALL_KNOWN 0x80u

void refs_encode(struct dynbuf *out, unsigned level, const struct ref *refs, unsigned n)
{
    struct names list = { .n = 0 };
    unsigned at[FANOUT];
    for (unsigned i = 0; i < n; i++)
        if (refs[i].kind == REF_CHILD)
            at[i] = names_add(&list, &refs[i].segment);
    dynbuf_u8(out, 1);
    dynbuf_u8(out, (uint8_t)level);
    dynbuf_le16(out, (uint16_t)n);
    names_encode(out, &list);
    for (unsigned i = 0; i < n; i++) {
        const struct ref *ref = &refs[i];
        dynbuf_u8(out, (uint8_t)(ref->kind | (ref->all_known ? REF_ALL_KNOWN : 0)));
        if (ref->kind != REF_CHILD)
            continue;
        dynbuf_le16(out, (uint16_t)at[i]);
        dynbuf_le16(out, ref->slot);
        dynbuf_add(out, ref->id, ID_SIZE);
        if (level == 1 && !ref->all_known) {
            dynbuf_le64(out, ref->known[0]);
            dynbuf_le64(out, ref->known[1]);
        }
    }
}

static bool ref_decode(struct ref *ref, unsigned level, const struct names *list, struct reader *r)
{
    uint8_t kind = reader_u8(r);
    memset(ref, 0, sizeof *ref);
    ref->kind = kind & 0x7f;
    ref->all_known = kind & REF_ALL_KNOWN;
    if (ref->kind > REF_CHILD || (ref->kind == REF_UNKNOWN && ref->all_known))
        return false;
    if (ref->kind == REF_ZERO)
        ref->all_known = true;
    if (ref->all_known)
        ref->known[0] = ref->known[1] = ~UINT64_C(0);
    if (ref->kind != REF_CHILD)
        return !r->bad;
    unsigned segment = reader_le16(r);
    ref->slot = reader_le16(r);
    const uint8_t *id = reader_take(r, ID_SIZE);
    if (!id || segment >= list->n || !(ref->slot & SLOT_MAP))
        return false;
    ref->segment = list->names[segment];
    memcpy(ref->id, id, ID_SIZE);
    if (level == 1 && !ref->all_known) {
        ref->known[0] = reader_le64(r);
        ref->known[1] = reader_le64(r);
    }
    return !r->bad;
}

int refs_decode(struct reader *in, unsigned level, struct ref *refs, unsigned *n, unsigned max,
                const char *what, struct ds_error *err)
{
    struct names list;
    uint8_t version = reader_u8(in), found = reader_u8(in);
    *n = reader_le16(in);
    if (version != 1 || found != level || *n < 1 || *n > max || !names_decode(&list, in))
        return ds_fail(err, DS_EDAMAGED, "%s: wrong version, level or number of references", what);
    for (unsigned i = 0; i < *n; i++)
        if (!ref_decode(&refs[i], level, &list, in))
            return ds_fail(err, DS_EDAMAGED, "%s: reference %u is impossible", what, i);
    return DS_OK;
}
