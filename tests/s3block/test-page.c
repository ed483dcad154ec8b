/* SPDX-License-Identifier: Apache-2.0 */
/* test-page.c - map pages: what is encoded comes back, and no impossible field is believed. */
#include "core/s3block/page.h"

#include "tests/s3block/fixture.h"
#include "tests/unit.h"

#include <stdio.h>

static void encode(struct dynbuf *page, struct dynbuf *ids, const struct leaf *leaf)
{
    dynbuf_reset(page);
    dynbuf_reset(ids);
    leaf_encode(page, leaf);
    leaf_encode_ids(ids, leaf);
    ck_assert(dynbuf_ok(page) && dynbuf_ok(ids));
}

START_TEST(random_leaves_come_back)
{
    uint64_t seed = 20260302;
    struct dynbuf page = DYNBUF_INIT(64 << 10), ids = DYNBUF_INIT(64 << 10);
    struct ds_error err = DS_ERROR_INIT;
    printf("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 1500; round++) {
        struct leaf leaf, back;
        uint64_t known[2], wanted[2] = { 0, 0 };
        random_leaf(&seed, &leaf, 1 + (unsigned)random_below(&seed, FANOUT));
        random_fill(&seed, leaf.ids_page, ID_SIZE);
        encode(&page, &ids, &leaf);
        ck_assert_ok(leaf_decode(&back, page.data, page.len, "leaf", &err), &err);
        ck_assert(!back.has_ids);
        ck_assert_ok(leaf_decode_ids(&back, ids.data, ids.len, "ids", &err), &err);
        ck_assert(back.has_ids);
        ck_assert_uint_eq(back.n, leaf.n);
        ck_assert(leaf_equal(&leaf, &back));
        ck_assert(!ids.len || memcmp(leaf.ids_page, back.ids_page, ID_SIZE) == 0);
        leaf_known(&back, known);
        for (unsigned i = 0; i < leaf.n; i++)
            if (leaf.states[i] == BLOCK_ZERO || leaf.states[i] == BLOCK_DATA)
                wanted[i / 64] |= UINT64_C(1) << i % 64;
        ck_assert(memcmp(known, wanted, sizeof known) == 0);
        for (size_t cut = 0; round % 10 == 0 && cut < page.len; cut++)
            if (leaf_decode(&back, page.data, cut, "leaf", &err) != DS_EDAMAGED)
                ck_abort_msg("a leaf cut at %zu of %zu", cut, page.len);
    }
    dynbuf_free(&page);
    dynbuf_free(&ids);
}
END_TEST

START_TEST(largest_leaf_fits)
{
    struct leaf leaf = { .n = FANOUT }, back;
    struct dynbuf page = DYNBUF_INIT(64 << 10), ids = DYNBUF_INIT(64 << 10);
    struct ds_error err = DS_ERROR_INIT;
    for (unsigned i = 0; i < FANOUT; i++) {
        leaf.states[i] = BLOCK_DATA;
        leaf.segments[i] = (struct segment_name){ i, ~UINT64_C(0), i };
        leaf.slots[i] = SLOT_MAP - 1; /* the last that a block may have */
    }
    encode(&page, &ids, &leaf);
    ck_assert_ok(leaf_decode(&back, page.data, page.len, "leaf", &err), &err);
    ck_assert_ok(leaf_decode_ids(&back, ids.data, ids.len, "ids", &err), &err);
    ck_assert(leaf_equal(&leaf, &back));
    /* too few and too many ids */
    ck_assert_int_eq(leaf_decode_ids(&back, ids.data, ids.len - 1, "ids", &err), DS_EDAMAGED);
    dynbuf_u8(&ids, 0);
    ck_assert_int_eq(leaf_decode_ids(&back, ids.data, ids.len, "ids", &err), DS_EDAMAGED);
    dynbuf_free(&page);
    dynbuf_free(&ids);
}
END_TEST

/* A leaf by hand: two segments, blocks 1..3 and 5. Offsets of its fields: */
enum { VERSION = 0, BLOCKS = 1, STATES = 2, N_SEGMENTS = 4, SEGMENTS = 6, N_RUNS = 46, RUN = 48,
       IDS_PAGE = 60, LEAF_SIZE = 76 };

static size_t hand_leaf(uint8_t out[LEAF_SIZE])
{
    memset(out, 0, LEAF_SIZE);
    out[VERSION] = 1;
    out[BLOCKS] = 7;
    out[STATES] = BLOCK_DATA << 2 | BLOCK_DATA << 4 | BLOCK_DATA << 6;
    out[STATES + 1] = BLOCK_ZERO | BLOCK_DATA << 2 | BLOCK_BAD << 4;
    put_le16(out + N_SEGMENTS, 2);
    put_le64(out + SEGMENTS, 5);
    put_le64(out + SEGMENTS + 20, 6);
    put_le16(out + N_RUNS, 2);
    memcpy(out + RUN, (const uint8_t[]){ 1, 3, 0, 0, 9, 0, 5, 1, 1, 0, 2, 0 }, 12);
    memset(out + IDS_PAGE, 0xcc, ID_SIZE);
    return LEAF_SIZE;
}

START_TEST(leaf_with_an_impossible_field_is_refused)
{
    static const struct {
        size_t at;
        uint8_t value;
        const char *what;
    } cases[] = {
        { VERSION, 0, "version 0" },       { VERSION, 2, "version 2" },
        { BLOCKS, 0, "no blocks" },        { BLOCKS, 129, "129 blocks" },
        { BLOCKS, 255, "255 blocks" },     { BLOCKS, 5, "fewer blocks than runs have" },
        { BLOCKS, 9, "longer states" },    { STATES, 0x28, "a run over a block without data" },
        { STATES, 0xaa, "data before the first run" },
        { STATES + 1, 0x3a, "a run too short for the data" },
        { STATES + 1, 0x29, "data after the last run" },
        { N_SEGMENTS, 1, "fewer segments" }, { N_SEGMENTS, 3, "more segments" },
        { N_SEGMENTS, 129, "129 segments" }, { N_SEGMENTS + 1, 0xff, "65k segments" },
        { N_RUNS, 0, "no runs" },          { N_RUNS, 1, "one run missing" },
        { N_RUNS, 3, "a run too many" },   { N_RUNS + 1, 0xff, "65k runs" },
        { RUN, 0, "a run too early" },     { RUN, 2, "a run too late" },
        { RUN, 0xff, "a run beyond the end" },
        { RUN + 1, 0, "an empty run" },    { RUN + 1, 0xff, "a run that is too long" },
        { RUN + 2, 2, "a segment that is not there" },
        { RUN + 3, 1, "segment 256" },     { RUN + 5, 0x80, "slots of map pages" },
        { RUN + 6, 3, "runs that overlap" }, { RUN + 6, 1, "runs out of order" },
        { RUN + 9, 0xff, "segment 65k" },
    };
    uint8_t bytes[LEAF_SIZE + 1] = { 0 };
    struct leaf leaf;
    struct ds_error err = DS_ERROR_INIT;
    size_t n = hand_leaf(bytes);
    ck_assert_ok(leaf_decode(&leaf, bytes, n, "leaf 3", &err), &err);
    ck_assert_uint_eq(leaf.slots[3], 11);
    ck_assert_uint_eq(leaf.segments[5].seq, 6);
    ck_assert_uint_eq(leaf.states[6], BLOCK_BAD);
    ck_assert_uint_eq(leaf.ids_page[15], 0xcc);
    ck_assert_int_eq(leaf_decode(&leaf, bytes, n - 1, "leaf", &err), DS_EDAMAGED);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hand_leaf(bytes);
        bytes[cases[i].at] = cases[i].value;
        err.msg[0] = 0;
        ck_assert_msg(leaf_decode(&leaf, bytes, n, "leaf 3", &err) == DS_EDAMAGED, "%s",
                      cases[i].what);
        ck_assert_ptr_nonnull(strstr(err.msg, "leaf 3"));
    }
    hand_leaf(bytes);
    ck_assert_int_eq(leaf_decode(&leaf, bytes, n + 1, "leaf", &err), DS_EDAMAGED);
    put_le16(bytes + RUN + 4, SLOT_MAP - 2); /* the last of three would be a map page's number */
    ck_assert_int_eq(leaf_decode(&leaf, bytes, n, "leaf", &err), DS_EDAMAGED);
    put_le16(bytes + RUN + 4, SLOT_MAP - 3);
    ck_assert_ok(leaf_decode(&leaf, bytes, n, "leaf", &err), &err);
}
END_TEST

static void random_ref(uint64_t *seed, struct ref *ref, unsigned level)
{
    memset(ref, 0, sizeof *ref);
    ref->kind = (uint8_t)random_below(seed, 3);
    ref->all_known = ref->kind == REF_ZERO || (ref->kind == REF_CHILD && random_below(seed, 2));
    if (ref->all_known)
        ref->known[0] = ref->known[1] = ~UINT64_C(0);
    if (ref->kind != REF_CHILD)
        return;
    ref->slot = (uint16_t)(SLOT_MAP | random_below(seed, 3000));
    ref->segment = (struct segment_name){ random_below(seed, 9), random_below(seed, 2),
                                          (uint32_t)random_below(seed, 20) };
    random_fill(seed, ref->id, ID_SIZE);
    if (level == 1 && !ref->all_known)
        random_fill(seed, ref->known, sizeof ref->known);
}

START_TEST(random_references_come_back)
{
    uint64_t seed = 20260303;
    struct dynbuf page = DYNBUF_INIT(64 << 10);
    struct ds_error err = DS_ERROR_INIT;
    printf("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 1000; round++) {
        struct ref refs[FANOUT], back[FANOUT];
        unsigned n = 1 + (unsigned)random_below(&seed, FANOUT), found;
        unsigned level = 1 + (unsigned)random_below(&seed, 3);
        for (unsigned i = 0; i < n; i++)
            random_ref(&seed, &refs[i], level);
        dynbuf_reset(&page);
        refs_encode(&page, level, refs, n);
        ck_assert(dynbuf_ok(&page));
        struct reader r = reader_of(page.data, page.len);
        ck_assert_ok(refs_decode(&r, level, back, &found, FANOUT, "refs", &err), &err);
        ck_assert_uint_eq(reader_left(&r), 0);
        ck_assert_uint_eq(found, n);
        ck_assert(refs_equal(refs, back, n));
        r = reader_of(page.data, page.len);
        ck_assert_int_eq(refs_decode(&r, level + 1, back, &found, FANOUT, "refs", &err),
                         DS_EDAMAGED);
        for (size_t cut = 0; round % 10 == 0 && cut < page.len; cut++) {
            r = reader_of(page.data, cut);
            if (refs_decode(&r, level, back, &found, FANOUT, "refs", &err) != DS_EDAMAGED)
                ck_abort_msg("references cut at %zu of %zu", cut, page.len);
        }
    }
    dynbuf_free(&page);
}
END_TEST

START_TEST(references_with_an_impossible_field_are_refused)
{
    /* version, level, n = 2, one segment, a child that is not all known, one ZERO */
    enum { N = 2, NAMES = 4, KIND = 26, SEGMENT = 27, SLOT = 29, KIND_2 = 63, SIZE = 64 };
    static const struct {
        size_t at;
        uint8_t value;
        const char *what;
    } cases[] = {
        { 0, 0, "version 0" },     { 0, 2, "version 2" },      { 1, 2, "another level" },
        { N, 0, "none" },          { N, 129, "129" },          { N + 1, 1, "258" },
        { N, 3, "one too many" },  { NAMES, 0, "no segment" }, { NAMES, 2, "two segments" },
        { NAMES, 129, "129 segments" },                        { KIND, 3, "kind 3" },
        { KIND, 0x7f, "kind 127" }, { KIND_2, 0x80, "UNKNOWN and all known" },
        { SEGMENT, 1, "a segment that is not there" },         { SEGMENT + 1, 1, "segment 256" },
        { SLOT + 1, 0x7f, "a block's slot" },
    };
    uint8_t good[SIZE] = { 1, 1, 2, 0, 1, 0 }, bytes[SIZE];
    struct ref refs[FANOUT];
    struct ds_error err = DS_ERROR_INIT;
    unsigned n;
    good[KIND] = REF_CHILD;
    good[SLOT + 1] = 0x80;
    good[KIND_2] = REF_ZERO;
    struct reader r = reader_of(good, SIZE);
    ck_assert_ok(refs_decode(&r, 1, refs, &n, FANOUT, "page 4", &err), &err);
    ck_assert(n == 2 && reader_left(&r) == 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memcpy(bytes, good, SIZE);
        bytes[cases[i].at] = cases[i].value;
        r = reader_of(bytes, SIZE);
        err.msg[0] = 0;
        int rc = refs_decode(&r, 1, refs, &n, FANOUT, "page 4", &err);
        if (rc == DS_OK && reader_left(&r)) /* bytes too many are for the caller to refuse */
            continue;
        ck_assert_msg(rc == DS_EDAMAGED, "%s", cases[i].what);
        ck_assert_ptr_nonnull(strstr(err.msg, "page 4"));
    }
    r = reader_of(good, SIZE); /* more than the caller has room for */
    ck_assert_int_eq(refs_decode(&r, 1, refs, &n, 1, "page", &err), DS_EDAMAGED);
}
END_TEST

START_TEST(shape_follows_size_and_block)
{
    struct map_shape s;
    ck_assert(map_shape_of(&s, 1, 65536));
    ck_assert(s.n_blocks == 1 && s.n_leaves == 1 && s.levels == 0 && s.n_top == 1);
    ck_assert_uint_eq(map_block_length(&s, 0), 1);
    ck_assert(map_shape_of(&s, UINT64_C(128) * 128 * 65536, 65536));
    ck_assert(s.n_leaves == 128 && s.levels == 0 && s.n_top == 128);
    ck_assert(map_shape_of(&s, UINT64_C(128) * 128 * 65536 + 1, 65536));
    ck_assert(s.n_leaves == 129 && s.levels == 1 && s.n_top == 2);
    ck_assert_uint_eq(map_block_length(&s, s.n_blocks - 1), 1);
    ck_assert_uint_eq(map_block_length(&s, s.n_blocks - 2), 65536);
    ck_assert(map_shape_of(&s, UINT64_C(16) << 40, 65536));
    ck_assert(s.levels == 2 && s.n_top == 128);
    ck_assert(map_shape_of(&s, UINT64_C(1) << 60, 16384));
    ck_assert(s.levels < MAP_LEVELS_MAX && s.n_top <= FANOUT && s.n_top > 0);
    ck_assert(!map_shape_of(&s, 0, 65536));
    ck_assert(!map_shape_of(&s, (UINT64_C(1) << 60) + 1, 65536));
    ck_assert(!map_shape_of(&s, UINT64_MAX, 65536));
    ck_assert(!map_shape_of(&s, 1 << 20, 8192));
    ck_assert(!map_shape_of(&s, 1 << 20, 2 << 20));
    ck_assert(!map_shape_of(&s, 1 << 20, 65537));
    ck_assert(!map_shape_of(&s, 1 << 20, 0));
}
END_TEST

UNIT_MAIN("page", random_leaves_come_back, largest_leaf_fits,
          leaf_with_an_impossible_field_is_refused, random_references_come_back,
          references_with_an_impossible_field_are_refused, shape_follows_size_and_block)
