/* SPDX-License-Identifier: Apache-2.0 */
/* test-segment.c - what goes into segments comes out again, they close where the format says, and
 * no damage to one passes for data. */
#include "core/s3block/segment.h"

#include "core/base/thread.h"
#include "tests/s3block/fixture.h"
#include "tests/unit.h"

#include <stdio.h>

#define BLOCK ((size_t)64 << 10)

/* ---- writing ---- */

static struct segment_writer *writer_of(struct fixture *f, uint64_t seq)
{
    struct segment_writer *writer = segment_writer_new(&f->space, seq, 0xabcdef);
    ck_assert_ptr_nonnull(writer);
    return writer;
}

/* A block of n bytes made from its number. */
static void block_bytes(uint64_t number, uint8_t *out, size_t n)
{
    uint64_t seed = number * 977 + 3;
    random_fill(&seed, out, n);
}

static int add_block(struct segment_writer *writer, uint64_t number, size_t n,
                     struct segment_name *name, uint16_t *slot, struct ds_error *err)
{
    static uint8_t data[BLOCK_SIZE_MAX];
    struct slot row = { .type = SLOT_BLOCK, .codec = CODEC_RAW, .disk = 1, .number = number,
                        .stored = (uint32_t)n };
    block_bytes(number, data, n);
    memcpy(row.id, data, ID_SIZE);
    return segment_writer_add(writer, &row, data, name, slot, err);
}

static unsigned segments_of_blocks(size_t count, size_t n)
{
    struct fixture f;
    fixture_open(&f, 2);
    struct segment_writer *writer = writer_of(&f, 1);
    struct segment_name name;
    uint16_t slot;
    for (size_t i = 0; i < count; i++)
        ck_assert_ok(add_block(writer, i, n, &name, &slot, &f.err), &f.err);
    unsigned expected = segment_writer_count(writer);
    ck_assert_ok(segment_writer_flush(writer, &f.err), &f.err);
    unsigned there = (unsigned)memory_store_objects(f.store);
    uint64_t bytes = 0;
    for (unsigned i = 0; i < there; i++) {
        size_t len;
        memory_store_bytes(f.store, memory_store_key(f.store, i), &len);
        bytes += len;
    }
    ck_assert_uint_eq(segment_writer_count(writer), there);
    ck_assert_uint_eq(expected, there);
    ck_assert_uint_eq(segment_writer_bytes(writer), bytes);
    segment_writer_free(writer);
    fixture_close(&f);
    return there;
}

START_TEST(segment_closes_at_16_mib_of_blocks)
{
    ck_assert_uint_eq(segments_of_blocks(0, BLOCK), 0);
    ck_assert_uint_eq(segments_of_blocks(1, BLOCK), 1);
    ck_assert_uint_eq(segments_of_blocks(256, BLOCK), 1);
    ck_assert_uint_eq(segments_of_blocks(257, BLOCK), 2);
    ck_assert_uint_eq(segments_of_blocks(1025, BLOCK), 5); /* more than are under way at once */
    ck_assert_uint_eq(segments_of_blocks(16, BLOCK_SIZE_MAX), 1);
    ck_assert_uint_eq(segments_of_blocks(17, BLOCK_SIZE_MAX), 2);
}
END_TEST

START_TEST(segment_closes_at_2048_blocks)
{
    ck_assert_uint_eq(segments_of_blocks(2048, 10), 1);
    ck_assert_uint_eq(segments_of_blocks(2049, 10), 2);
    ck_assert_uint_eq(segments_of_blocks(4097, 1), 3);
}
END_TEST

START_TEST(ids_follow_their_leaf_in_its_segment)
{
    static const size_t sizes[] = { 4, 3400 }; /* at the bound of slots, and of bytes */
    for (size_t s = 0; s < 2; s++) {
        struct fixture f;
        fixture_open(&f, 2);
        struct segment_writer *writer = writer_of(&f, 1);
        struct hasher *hasher = hasher_new(ID_GMAC, f.space.keys.id);
        uint8_t page[4096], ids[FANOUT * ID_SIZE], id[ID_SIZE];
        uint64_t seed = 11;
        unsigned changes = 0;
        uint32_t before = 0;
        for (unsigned i = 0; i < (s ? 5500u : 33000u); i++) {
            struct segment_name leaf_at, ids_at;
            uint16_t leaf_slot, ids_slot;
            random_fill(&seed, page, sizes[s]);
            random_fill(&seed, ids, s ? sizeof ids : 16);
            ck_assert_ok(segment_writer_add_map(writer, hasher, SLOT_LEAF, 0, i, page, sizes[s], id,
                                                &leaf_at, &leaf_slot, &f.err), &f.err);
            ck_assert_ok(segment_writer_add_map(writer, hasher, SLOT_IDS, 0, i, ids,
                                                s ? sizeof ids : 16, id, &ids_at, &ids_slot,
                                                &f.err), &f.err);
            if (!segment_name_equal(&leaf_at, &ids_at) || ids_slot != leaf_slot + 1 ||
                !(leaf_slot & SLOT_MAP))
                ck_abort_msg("leaf %u: %u/%x, ids %u/%x", i, leaf_at.index, leaf_slot,
                             ids_at.index, ids_slot);
            changes += leaf_at.index != before;
            before = leaf_at.index;
        }
        ck_assert_uint_eq(changes, 2);
        ck_assert_ok(segment_writer_flush(writer, &f.err), &f.err);
        ck_assert_uint_eq(memory_store_objects(f.store), 3);
        hasher_free(hasher);
        segment_writer_free(writer);
        fixture_close(&f);
    }
}
END_TEST

START_TEST(failed_put_is_final)
{
    struct memory_fault fault = { .op = DS_STORE_PUT, .skip = 1, .count = 1, .code = DS_ENOSPC };
    struct fixture f;
    fixture_open(&f, 2);
    struct segment_writer *writer = writer_of(&f, 1);
    struct segment_name name;
    uint16_t slot;
    int rc = DS_OK;
    memory_store_fault(f.store, &fault);
    for (unsigned i = 0; i < 8 * 256 && !rc; i++)
        rc = add_block(writer, i, BLOCK, &name, &slot, &f.err);
    ck_assert_int_eq(rc, DS_ENOSPC); /* told when the buffer was wanted again */
    f.err.msg[0] = 0;
    ck_assert_int_eq(add_block(writer, 0, BLOCK, &name, &slot, &f.err), DS_ENOSPC);
    ck_assert_uint_ne(f.err.msg[0], 0);
    ck_assert_int_eq(segment_writer_flush(writer, &f.err), DS_ENOSPC);
    ck_assert_int_eq(segment_writer_flush(writer, &f.err), DS_ENOSPC);
    segment_writer_free(writer);

    writer = writer_of(&f, 2); /* the last one, found by flush */
    fault.skip = 0;
    memory_store_clear_faults(f.store);
    memory_store_fault(f.store, &fault);
    ck_assert_ok(add_block(writer, 0, BLOCK, &name, &slot, &f.err), &f.err);
    ck_assert_int_eq(segment_writer_flush(writer, &f.err), DS_ENOSPC);
    ck_assert_int_eq(segment_writer_flush(writer, &f.err), DS_ENOSPC);
    segment_writer_free(writer);
    fixture_close(&f);
}
END_TEST

START_TEST(lost_answer_of_a_put_is_no_failure)
{
    struct memory_fault fault = { .op = DS_STORE_PUT, .count = 1, .code = DS_ENETWORK,
                                  .retry = DS_RETRY_SAME, .lost = true };
    struct fixture f;
    fixture_open(&f, 2);
    struct segment_writer *writer = writer_of(&f, 1);
    struct segment_name name;
    uint16_t slot;
    memory_store_fault(f.store, &fault);
    ck_assert_ok(add_block(writer, 0, 100, &name, &slot, &f.err), &f.err);
    ck_assert_ok(segment_writer_flush(writer, &f.err), &f.err);
    ck_assert_uint_eq(memory_store_objects(f.store), 1);
    segment_writer_free(writer);
    fixture_close(&f);
}
END_TEST

/* ---- reading ---- */

/* A segment of three pages and blocks of `sizes`; its key. */
static void small_segment(struct fixture *f, uint64_t seq, const size_t *sizes, unsigned n,
                          char key[OBJECT_KEY_MAX + 1], struct segment_name *name)
{
    struct segment_writer *writer = writer_of(f, seq);
    struct hasher *hasher = hasher_new(ID_GMAC, f->space.keys.id);
    uint8_t page[300] = { (uint8_t)seq }, id[ID_SIZE];
    uint16_t slot;
    for (unsigned i = 0; i < n; i++) {
        ck_assert_ok(add_block(writer, i, sizes[i], name, &slot, &f->err), &f->err);
        ck_assert_uint_eq(slot, i);
    }
    block_bytes(seq, page + 200, 100);
    ck_assert_ok(segment_writer_add_map(writer, hasher, SLOT_LEAF, 0, 7, page, sizeof page, id,
                                        name, &slot, &f->err), &f->err);
    ck_assert_uint_eq(slot, SLOT_MAP);
    ck_assert_ok(segment_writer_add_map(writer, hasher, SLOT_IDS, 0, 7, page + 200, 48, id, name,
                                        &slot, &f->err), &f->err);
    ck_assert_ok(segment_writer_add_map(writer, hasher, SLOT_INNER, 0, 1, page, 100, id, name,
                                        &slot, &f->err), &f->err);
    ck_assert_uint_eq(slot, SLOT_MAP + 2);
    ck_assert_ok(segment_writer_flush(writer, &f->err), &f->err);
    segment_key(key, f->space.node, name);
    ck_assert_ptr_nonnull(memory_store_bytes(f->store, key, NULL));
    hasher_free(hasher);
    segment_writer_free(writer);
}

struct check {
    uint16_t first;
    unsigned n;
    const size_t *sizes;
};

/* Compares with what add_block put. */
static int check_slot(void *ud, unsigned i, const struct slot *slot, void *plain, size_t len,
                      struct ds_error *err)
{
    static uint8_t wanted[BLOCK_SIZE_MAX];
    struct check *check = ud;
    ck_assert_uint_eq(i, check->n++);
    if (slot->type != SLOT_BLOCK)
        return DS_OK;
    ck_assert_uint_eq(slot->number, check->first + i);
    ck_assert_uint_eq(slot->disk, 1);
    ck_assert_uint_eq(len, check->sizes[slot->number]);
    block_bytes(slot->number, wanted, len);
    ck_assert(memcmp(plain, wanted, len) == 0);
    ck_assert(memcmp(slot->id, wanted, len < ID_SIZE ? len : ID_SIZE) == 0);
    (void)err;
    return DS_OK;
}

static int read_slots(struct segment_cache *cache, const struct segment *segment, uint16_t first,
                      unsigned count, const size_t *sizes, struct ds_error *err)
{
    struct segment_reader *reader = segment_reader_new(cache, BLOCK_SIZE_MAX);
    struct check check = { .first = first, .sizes = sizes };
    int rc = segment_read(reader, segment, first, count, check_slot, &check, err);
    if (!rc)
        ck_assert_uint_eq(check.n, count);
    segment_reader_free(reader);
    return rc;
}

/* Reads everything in a segment through a cache of its own. */
static int read_whole(struct fixture *f, const struct segment_name *name, unsigned n,
                      const size_t *sizes)
{
    struct segment_cache *cache = segment_cache_new(&f->space, 1 << 20);
    const struct segment *segment = NULL;
    int rc = segment_get(cache, name, &segment, &f->err);
    if (!rc)
        rc = read_slots(cache, segment, SLOT_MAP, 3, sizes, &f->err);
    if (!rc)
        rc = read_slots(cache, segment, 0, n, sizes, &f->err);
    segment_put(cache, segment);
    segment_cache_free(cache);
    return rc;
}

START_TEST(slots_come_back)
{
    static const size_t small[] = { 1, 15, 16, 17, 1000 },
                        large[] = { BLOCK, BLOCK_SIZE_MAX, 1, BLOCK_SIZE_MAX, BLOCK_SIZE_MAX, 70 };
    struct fixture f;
    struct segment_name name;
    char key[OBJECT_KEY_MAX + 1];
    fixture_open(&f, 2);
    small_segment(&f, 1, small, 5, key, &name);
    memory_store_count_reset(f.store);
    ck_assert_ok(read_whole(&f, &name, 5, small), &f.err);
    struct memory_counts counts;
    memory_store_count(f.store, &counts);
    ck_assert_uint_eq(counts.total, 1); /* one read brings all of it */
    small_segment(&f, 2, large, 6, key, &name);
    ck_assert_ok(read_whole(&f, &name, 6, large), &f.err);
    fixture_close(&f);
}
END_TEST

START_TEST(every_flipped_byte_is_damage)
{
    static const size_t sizes[] = { 40, 60 };
    static const uint8_t masks[] = { 0x01, 0x80, 0xff };
    struct fixture f;
    struct segment_name name;
    char key[OBJECT_KEY_MAX + 1];
    size_t len;
    fixture_open(&f, 1);
    small_segment(&f, 1, sizes, 2, key, &name);
    memory_store_bytes(f.store, key, &len);
    for (size_t i = 0; i < len; i++)
        for (size_t m = 0; m < sizeof masks; m++) {
            memory_store_flip(f.store, key, i, masks[m]);
            int rc = read_whole(&f, &name, 2, sizes);
            ck_assert_msg(rc == DS_EDAMAGED, "byte %zu of %zu, mask %x: %d", i, len, masks[m], rc);
            ck_assert_msg(strstr(f.err.msg, key), "%s", f.err.msg);
            memory_store_flip(f.store, key, i, masks[m]);
        }
    ck_assert_ok(read_whole(&f, &name, 2, sizes), &f.err);
    fixture_close(&f);
}
END_TEST

START_TEST(segment_cut_short_is_damage)
{
    static const size_t sizes[] = { 40, 60 }, large[] = { BLOCK, BLOCK };
    struct fixture f;
    struct segment_name name;
    char key[OBJECT_KEY_MAX + 1];
    size_t len;
    fixture_open(&f, 1);
    small_segment(&f, 1, sizes, 2, key, &name);
    memory_store_bytes(f.store, key, &len);
    while (len-- > 0) {
        memory_store_truncate(f.store, key, len);
        ck_assert_msg(read_whole(&f, &name, 2, sizes) == DS_EDAMAGED, "cut at %zu", len);
    }
    memory_store_remove(f.store, key);
    ck_assert_int_eq(read_whole(&f, &name, 2, sizes), DS_EDAMAGED);
    ck_assert_ptr_nonnull(strstr(f.err.msg, "missing"));
    small_segment(&f, 2, large, 2, key, &name); /* beyond what the first read brings */
    memory_store_bytes(f.store, key, &len);
    memory_store_truncate(f.store, key, len - 1);
    ck_assert_int_eq(read_whole(&f, &name, 2, large), DS_EDAMAGED);
    fixture_close(&f);
}
END_TEST

START_TEST(object_of_another_place_is_damage)
{
    static const size_t sizes[] = { 40, 60 };
    struct fixture f;
    struct segment_name a, b;
    char key_a[OBJECT_KEY_MAX + 1], key_b[OBJECT_KEY_MAX + 1];
    fixture_open(&f, 1);
    small_segment(&f, 1, sizes, 2, key_a, &a);
    small_segment(&f, 2, sizes, 2, key_b, &b);
    memory_store_swap(f.store, key_a, key_b);
    ck_assert_int_eq(read_whole(&f, &a, 2, sizes), DS_EDAMAGED);
    ck_assert_int_eq(read_whole(&f, &b, 2, sizes), DS_EDAMAGED);
    memory_store_swap(f.store, key_a, key_b);
    struct segment_space space = f.space; /* another node's, under the same keys */
    f.space.node[3] ^= 1;
    size_t len;
    uint8_t *bytes = memory_store_bytes(f.store, key_a, &len);
    segment_key(key_b, f.space.node, &a);
    memory_store_put(f.store, key_b, bytes, len);
    ck_assert_int_eq(read_whole(&f, &a, 2, sizes), DS_EDAMAGED);
    f.space = space;
    f.space.repository[3] ^= 1;
    ck_assert_int_eq(read_whole(&f, &a, 2, sizes), DS_EDAMAGED);
    f.space = space;
    f.space.keys.map[0] ^= 1; /* another key */
    ck_assert_int_eq(read_whole(&f, &a, 2, sizes), DS_EDAMAGED);
    fixture_close(&f);
}
END_TEST

/* Rewrites a segment as collect does: the bits and sealed bytes of dead slots are cut out. */
static void cut_out(struct fixture *f, const struct segment_name *name, const uint16_t *dead,
                    unsigned n_dead)
{
    struct segment_cache *cache = segment_cache_new(&f->space, 1 << 20);
    struct dynbuf out = DYNBUF_INIT((size_t)32 << 20);
    const struct segment *segment;
    struct segment_head head;
    size_t bitmap, table, len;
    char key[OBJECT_KEY_MAX + 1];
    segment_key(key, f->space.node, name);
    const uint8_t *object = memory_store_bytes(f->store, key, &len);
    ck_assert_ok(segment_get(cache, name, &segment, &f->err), &f->err);
    ck_assert_ok(segment_head_parse(&head, &bitmap, &table, object, len, key, &f->err), &f->err);
    dynbuf_add(&out, object, SEGMENT_HEADER_SIZE + bitmap + table);
    for (unsigned i = 0; i < segment->n_maps + segment->n_blocks; i++) {
        bool is_dead = false;
        for (unsigned d = 0; d < n_dead; d++)
            is_dead |= i == (dead[d] & SLOT_MAP ? dead[d] & ~SLOT_MAP
                                                : segment->n_maps + dead[d]);
        if (is_dead)
            out.data[SEGMENT_HEADER_SIZE + i / 8] &= (uint8_t)~(1u << i % 8);
        else if (segment->offsets[i] != UINT64_MAX)
            dynbuf_add(&out, object + segment->offsets[i], segment->slots[i].stored + TAG_SIZE);
    }
    ck_assert(dynbuf_ok(&out));
    memory_store_put(f->store, key, out.data, out.len);
    dynbuf_free(&out);
    segment_put(cache, segment);
    segment_cache_free(cache);
}

START_TEST(rewritten_segment_is_readable_through_a_stale_head)
{
    static const size_t small[] = { 500, 500, 500, 500, 500, 500 },
                        large[] = { BLOCK, BLOCK, BLOCK, BLOCK, BLOCK, 500 };
    static const size_t *const both[] = { small, large };
    static const uint16_t dead[] = { SLOT_MAP + 1, 0, 2 };
    for (unsigned s = 0; s < 2; s++) {
        struct fixture f;
        struct segment_name name;
        char key[OBJECT_KEY_MAX + 1];
        const struct segment *stale, *fresh;
        fixture_open(&f, 2);
        small_segment(&f, 1, both[s], 6, key, &name);
        struct segment_cache *cache = segment_cache_new(&f.space, 1 << 20);
        ck_assert_ok(segment_get(cache, &name, &stale, &f.err), &f.err);
        cut_out(&f, &name, dead, 3);
        ck_assert_ok(read_slots(cache, stale, 1, 1, both[s], &f.err), &f.err);
        ck_assert_ok(read_slots(cache, stale, 3, 3, both[s], &f.err), &f.err);
        ck_assert_ok(read_slots(cache, stale, SLOT_MAP, 1, both[s], &f.err), &f.err);
        ck_assert_ok(read_slots(cache, stale, SLOT_MAP + 2, 1, both[s], &f.err), &f.err);
        ck_assert_ok(segment_get(cache, &name, &fresh, &f.err), &f.err);
        if (s == 1) { /* the small one's stale head holds all there was */
            ck_assert_ptr_ne(fresh, stale);
            ck_assert_int_eq(read_slots(cache, stale, 2, 1, both[s], &f.err), DS_EDAMAGED);
            ck_assert_int_eq(read_slots(cache, fresh, 2, 1, both[s], &f.err), DS_EDAMAGED);
            ck_assert_ptr_nonnull(strstr(f.err.msg, "slot 2"));
        }
        segment_put(cache, stale);
        segment_put(cache, fresh);
        segment_cache_free(cache);
        fixture_close(&f);
    }
}
END_TEST

START_TEST(segment_rewritten_to_nothing_else_still_serves_its_last_slot)
{
    static const size_t sizes[] = { BLOCK, BLOCK, BLOCK };
    static const uint16_t first[] = { 1 }, second[] = { SLOT_MAP, SLOT_MAP + 1, SLOT_MAP + 2, 0 };
    struct fixture f;
    struct segment_name name;
    char key[OBJECT_KEY_MAX + 1];
    const struct segment *stale;
    fixture_open(&f, 2);
    small_segment(&f, 1, sizes, 3, key, &name);
    struct segment_cache *cache = segment_cache_new(&f.space, 1 << 20);
    ck_assert_ok(segment_get(cache, &name, &stale, &f.err), &f.err);
    cut_out(&f, &name, first, 1);
    cut_out(&f, &name, second, 4); /* rewritten twice, seen by neither head */
    ck_assert_ok(read_slots(cache, stale, 2, 1, sizes, &f.err), &f.err);
    segment_put(cache, stale);
    segment_cache_free(cache);
    fixture_close(&f);
}
END_TEST

START_TEST(slot_that_does_not_exist_is_refused)
{
    static const size_t sizes[] = { 40, 60 };
    struct fixture f;
    struct segment_name name;
    char key[OBJECT_KEY_MAX + 1];
    const struct segment *segment;
    uint64_t offset;
    fixture_open(&f, 1);
    small_segment(&f, 1, sizes, 2, key, &name);
    struct segment_cache *cache = segment_cache_new(&f.space, 1 << 20);
    ck_assert_ok(segment_get(cache, &name, &segment, &f.err), &f.err);
    ck_assert_ptr_null(segment_slot(segment, 2, &offset));
    ck_assert_ptr_null(segment_slot(segment, SLOT_MAP + 3, &offset));
    ck_assert_ptr_null(segment_slot(segment, 0xffff, &offset));
    ck_assert_ptr_nonnull(segment_slot(segment, 1, &offset));
    ck_assert_int_eq(read_slots(cache, segment, 1, 2, sizes, &f.err), DS_EDAMAGED);
    ck_assert_int_eq(read_slots(cache, segment, SLOT_MAP + 3, 1, sizes, &f.err), DS_EDAMAGED);
    segment_put(cache, segment);
    segment_cache_free(cache);
    fixture_close(&f);
}
END_TEST

START_TEST(cache_reads_a_head_once_and_keeps_to_its_bound)
{
    static const size_t sizes[] = { 40, 60 };
    struct fixture f;
    struct segment_name names[8];
    char key[OBJECT_KEY_MAX + 1];
    struct memory_counts counts;
    fixture_open(&f, 1);
    for (unsigned i = 0; i < 8; i++)
        small_segment(&f, i + 1, sizes, 2, key, &names[i]);
    for (unsigned large = 0; large < 2; large++) {
        struct segment_cache *cache = segment_cache_new(&f.space, large ? 1 << 20 : 1);
        memory_store_count_reset(f.store);
        for (unsigned i = 0; i < 24; i++) {
            const struct segment *segment;
            ck_assert_ok(segment_get(cache, &names[i % 8], &segment, &f.err), &f.err);
            ck_assert(segment_name_equal(&segment->name, &names[i % 8]));
            segment_put(cache, segment);
        }
        memory_store_count(f.store, &counts);
        ck_assert_uint_eq(counts.gets, large ? 8 : 24);
        segment_cache_free(cache);
    }
    fixture_close(&f);
}
END_TEST

struct sharing {
    struct fixture *f;
    struct segment_cache *cache;
    const struct segment_name *names;
    const size_t *sizes;
    uint64_t seed;
    int rc;
    struct thread thread;
};

static int ignore_slot(void *ud, unsigned i, const struct slot *slot, void *plain, size_t len,
                       struct ds_error *err)
{
    (void)ud, (void)i, (void)slot, (void)plain, (void)len, (void)err;
    return DS_OK;
}

static void share(void *arg)
{
    struct sharing *s = arg;
    struct segment_reader *reader = segment_reader_new(s->cache, BLOCK_SIZE_MAX);
    struct ds_error err = DS_ERROR_INIT;
    for (unsigned i = 0; i < 150 && !s->rc; i++) {
        const struct segment *segment;
        s->rc = segment_get(s->cache, &s->names[random_below(&s->seed, 4)], &segment, &err);
        if (s->rc)
            break;
        s->rc = segment_read(reader, segment, 1, 1, ignore_slot, NULL, &err);
        segment_put(s->cache, segment);
    }
    segment_reader_free(reader);
}

START_TEST(threads_share_a_cache_while_segments_are_rewritten)
{
    static const size_t sizes[] = { BLOCK, 600, BLOCK };
    static const uint16_t dead[] = { 0 };
    struct fixture f;
    struct segment_name names[4];
    char key[OBJECT_KEY_MAX + 1];
    struct sharing workers[4];
    fixture_open(&f, 3);
    for (unsigned i = 0; i < 4; i++)
        small_segment(&f, i + 1, sizes, 3, key, &names[i]);
    struct segment_cache *cache = segment_cache_new(&f.space, 200 << 10);
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (struct sharing){ .f = &f, .cache = cache, .names = names, .sizes = sizes,
                                       .seed = i };
        ck_assert(thread_start(&workers[i].thread, share, &workers[i]));
    }
    for (unsigned i = 0; i < 4; i++)
        cut_out(&f, &names[i], dead, 1);
    for (unsigned i = 0; i < 4; i++) {
        thread_join(&workers[i].thread);
        ck_assert_int_eq(workers[i].rc, DS_OK);
    }
    segment_cache_free(cache);
    fixture_close(&f);
}
END_TEST

START_TEST(keys_name_segments)
{
    struct segment_name name = { 0x123, UINT64_MAX, 0xfedcba98 }, back;
    uint8_t node[UUID_SIZE] = { 0xab };
    char key[OBJECT_KEY_MAX + 1];
    segment_key(key, node, &name);
    ck_assert_str_eq(key, "n/ab000000-0000-0000-0000-000000000000/s/"
                          "0000000000000123-ffffffffffffffff/fedcba98");
    ck_assert(segment_key_parse(&back, key));
    ck_assert(segment_name_equal(&name, &back));
    for (size_t n = strlen(key); n-- > 0;) {
        char part[OBJECT_KEY_MAX + 1];
        snprintf(part, sizeof part, "%.*s", (int)n, key);
        ck_assert(!segment_key_parse(&back, part));
    }
    key[57] = '/';
    ck_assert(!segment_key_parse(&back, key));
    key[57] = '-';
    key[60] = 'F';
    ck_assert(!segment_key_parse(&back, key));
}
END_TEST

UNIT_MAIN("segment", segment_closes_at_16_mib_of_blocks, segment_closes_at_2048_blocks,
          ids_follow_their_leaf_in_its_segment, failed_put_is_final,
          lost_answer_of_a_put_is_no_failure, slots_come_back, every_flipped_byte_is_damage,
          segment_cut_short_is_damage, object_of_another_place_is_damage,
          rewritten_segment_is_readable_through_a_stale_head,
          segment_rewritten_to_nothing_else_still_serves_its_last_slot,
          slot_that_does_not_exist_is_refused, cache_reads_a_head_once_and_keeps_to_its_bound,
          threads_share_a_cache_while_segments_are_rewritten, keys_name_segments)
