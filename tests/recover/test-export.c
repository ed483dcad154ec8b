/* SPDX-License-Identifier: Apache-2.0 */
/* test-export.c - a point read from anywhere: any range gives what the disk had, many threads get
 * what one gets, blocks in order are fetched in one go, and what is damaged is an error for its own
 * blocks alone. */
#include "core/base/thread.h"
#include "core/recover/export.h"
#include "core/recover/block_cache.h"
#include "tests/s3block/machine.h"
#include "tests/unit.h"

#include <stdatomic.h>
#include <stdio.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
#define BLOCK (64 * 1024u)
#define BYTES (40 * MIB + 777) /* the last block is short */

/* A disk with data, zeros and blocks that were never read, and all its bytes. */
struct exported {
    struct machine m;
    struct export *export;
    uint8_t *wanted;
};

static unsigned version_of(uint64_t block)
{
    if (block >= 200 && block < 330)
        return 0;
    if (block >= 330 && block < 400)
        return ZEROS;
    return block % 37 == 5 ? ZEROS : (unsigned)(block % 3 + 1);
}

static void exported_make(struct exported *x, unsigned fetchers)
{
    struct machine *m = &x->m;
    machine_open(m, BYTES, BLOCK);
    x->wanted = calloc(1, BYTES);
    ck_assert_ptr_nonnull(x->wanted);
    machine_begin(m);
    for (uint64_t i = 0; i < m->shape.n_blocks; i += FANOUT) {
        uint64_t blocks[FANOUT];
        uint8_t versions[FANOUT];
        size_t n = 0;
        for (; n < FANOUT && i + n < m->shape.n_blocks; n++) {
            blocks[n] = i + n;
            versions[n] = (uint8_t)version_of(i + n);
            machine_content(m, i + n, versions[n], x->wanted + (i + n) * BLOCK);
        }
        ck_assert_ok(machine_write(m, blocks, versions, n), &m->f.err);
    }
    ck_assert_ok(machine_end(m, true), &m->f.err);
    ck_assert_ok(export_open(&x->export, &m->f.space, m->base.disks, fetchers, &m->f.err),
                 &m->f.err);
}

static void exported_free(struct exported *x)
{
    export_close(x->export);
    free(x->wanted);
    machine_close(&x->m);
}

static void again(struct exported *x) /* with empty caches */
{
    export_close(x->export);
    ck_assert_ok(export_open(&x->export, &x->m.f.space, x->m.base.disks, 2, &x->m.f.err),
                 &x->m.f.err);
}

/* True if a random range reads as it should. */
static bool range_good(struct exported *x, uint64_t *seed, uint8_t *buffer)
{
    struct ds_error err = DS_ERROR_INIT;
    uint64_t n = random_below(seed, random_below(seed, 4) ? 3 * BLOCK : 2 * MIB);
    uint64_t offset = random_below(seed, BYTES - n + 1);
    memset(buffer, 0xee, n);
    return export_read(x->export, buffer, n, offset, &err) == DS_OK &&
           memcmp(buffer, x->wanted + offset, n) == 0;
}

START_TEST(any_range_reads_as_the_disk)
{
    struct exported x;
    uint8_t *buffer = malloc(BYTES);
    uint64_t seed = 20260401;
    exported_make(&x, 2);
    ck_assert_ok(export_read(x.export, buffer, BYTES, 0, &x.m.f.err), &x.m.f.err);
    ck_assert_msg(memcmp(buffer, x.wanted, BYTES) == 0, "the whole disk");
    again(&x);
    for (unsigned i = 0; i < 400; i++)
        ck_assert_msg(range_good(&x, &seed, buffer), "range %u", i);
    ck_assert_ok(export_read(x.export, buffer, 0, BYTES, &x.m.f.err), &x.m.f.err);
    ck_assert_ok(export_read(x.export, buffer, 777, BYTES - 777, &x.m.f.err), &x.m.f.err);
    ck_assert(memcmp(buffer, x.wanted + BYTES - 777, 777) == 0);
    free(buffer);
    exported_free(&x);
}
END_TEST

START_TEST(beyond_the_end_is_refused)
{
    struct exported x;
    uint8_t byte[2];
    exported_make(&x, 1);
    ck_assert_int_eq(export_read(x.export, byte, 2, BYTES - 1, &x.m.f.err), DS_EINVAL);
    ck_assert_int_eq(export_read(x.export, byte, 1, BYTES, &x.m.f.err), DS_EINVAL);
    ck_assert_int_eq(export_read(x.export, byte, 1, UINT64_MAX, &x.m.f.err), DS_EINVAL);
    ck_assert_int_eq(export_extents(x.export, BYTES - 1, UINT64_MAX, false, NULL, NULL,
                                    &x.m.f.err), DS_EINVAL);
    exported_free(&x);
}
END_TEST

/* ---- threads ---- */

#define THREADS 12u

struct many {
    struct exported *x;
    atomic_uint next, wrong;
};

static void many_thread(void *arg)
{
    struct many *many = arg;
    uint8_t *buffer = malloc(2 * MIB);
    uint64_t seed = 7 * (atomic_fetch_add(&many->next, 1) + 1);
    for (unsigned i = 0; i < 80; i++)
        if (!buffer || !range_good(many->x, &seed, buffer))
            atomic_fetch_add(&many->wrong, 1);
    free(buffer);
}

START_TEST(many_threads_read_what_one_reads)
{
    struct exported x;
    struct many many = { .x = &x };
    struct thread threads[THREADS];
    exported_make(&x, 4);
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert(thread_start(&threads[i], many_thread, &many));
    for (unsigned i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    ck_assert_uint_eq(many.wrong, 0);
    exported_free(&x);
}
END_TEST

/* All want the same few blocks of a cache of three, again and again. */
struct crowd {
    struct block_cache *cache;
    atomic_uint next, wrong;
};

static void crowd_step(struct crowd *crowd, uint64_t number)
{
    uint8_t bytes[64];
    if (block_cache_copy(crowd->cache, number, 0, bytes, sizeof bytes)) {
        for (unsigned i = 0; i < sizeof bytes; i++)
            if (bytes[i] != (uint8_t)number)
                atomic_fetch_add(&crowd->wrong, 1);
        return;
    }
    unsigned n = block_cache_claim(crowd->cache, number, 2);
    for (unsigned i = 0; i < n; i++) {
        memset(block_cache_place(crowd->cache, number + i), (int)(number + i), sizeof bytes);
        block_cache_settle(crowd->cache, number + i, (number + i) % 5 != 0);
    }
}

static void crowd_thread(void *arg)
{
    struct crowd *crowd = arg;
    uint64_t seed = atomic_fetch_add(&crowd->next, 1);
    for (unsigned i = 0; i < 4000; i++)
        crowd_step(crowd, random_below(&seed, 12));
}

START_TEST(a_crowded_cache_gives_the_right_blocks)
{
    struct crowd crowd = { .cache = block_cache_new(64, 3) };
    struct thread threads[THREADS];
    ck_assert_ptr_nonnull(crowd.cache);
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert(thread_start(&threads[i], crowd_thread, &crowd));
    for (unsigned i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    ck_assert_uint_eq(crowd.wrong, 0);
    block_cache_free(crowd.cache);
}
END_TEST

/* ---- requests ---- */

static uint64_t requests(struct exported *x)
{
    struct memory_counts counts;
    memory_store_count(x->m.f.store, &counts);
    memory_store_count_reset(x->m.f.store);
    return counts.gets;
}

START_TEST(in_order_is_fetched_in_one_go)
{
    struct exported x;
    uint8_t buffer[4096];
    exported_make(&x, 1);
    requests(&x);
    for (uint64_t at = 600 * BLOCK; at < 632 * BLOCK; at += sizeof buffer)
        ck_assert_ok(export_read(x.export, buffer, sizeof buffer, at, &x.m.f.err), &x.m.f.err);
    /* 512 reads of 32 blocks; head, leaf, ids, and a handful of runs */
    ck_assert_uint_lt(requests(&x), 12);
    for (uint64_t at = 600 * BLOCK; at < 632 * BLOCK; at += sizeof buffer)
        ck_assert_ok(export_read(x.export, buffer, sizeof buffer, at, &x.m.f.err), &x.m.f.err);
    ck_assert_uint_eq(requests(&x), 0); /* all kept */
    exported_free(&x);
}
END_TEST

/* ---- damage ---- */

/* The object and place of a block's sealed bytes. */
static uint64_t place_of(struct exported *x, uint64_t block, char key[OBJECT_KEY_MAX + 1])
{
    struct segment_cache *cache = segment_cache_new(&x->m.f.space, 8 << 20);
    struct segment_reader *scratch = segment_reader_new(cache, BLOCK_SIZE_MAX);
    static struct map_reader map;
    const struct segment *segment;
    struct leaf leaf;
    struct ref ref;
    uint64_t offset;
    root_map(&map, x->m.base.disks, cache, scratch);
    ck_assert_ok(map_reader_ref(&map, 0, block / FANOUT, &ref, &x->m.f.err), &x->m.f.err);
    ck_assert_ok(map_reader_leaf(&map, block / FANOUT, &ref, true, &leaf, &x->m.f.err),
                 &x->m.f.err);
    segment_key(key, x->m.f.space.node, &leaf.segments[block % FANOUT]);
    ck_assert_ok(segment_get(cache, &leaf.segments[block % FANOUT], &segment, &x->m.f.err),
                 &x->m.f.err);
    ck_assert_ptr_nonnull(segment_slot(segment, leaf.slots[block % FANOUT], &offset));
    segment_put(cache, segment);
    segment_reader_free(scratch);
    segment_cache_free(cache);
    return offset;
}

START_TEST(a_damaged_block_is_an_error_of_its_own)
{
    struct exported x;
    uint8_t *buffer = malloc(16 * BLOCK);
    char key[OBJECT_KEY_MAX + 1];
    exported_make(&x, 2);
    memory_store_flip(x.m.f.store, key, place_of(&x, 610, key) + 100, 1);
    for (unsigned round = 0; round < 2; round++) {
        /* readahead meets it and is silent */
        ck_assert_ok(export_read(x.export, buffer, 2 * BLOCK, 608 * BLOCK, &x.m.f.err),
                     &x.m.f.err);
        ck_assert_int_eq(export_read(x.export, buffer, 1, 610 * BLOCK + 5, &x.m.f.err),
                         DS_EDAMAGED);
        ck_assert_ptr_nonnull(strstr(x.m.f.err.msg, "block 610 of disk 1"));
        ck_assert_ptr_nonnull(strstr(x.m.f.err.msg, key));
        ck_assert_int_eq(export_read(x.export, buffer, 16 * BLOCK, 604 * BLOCK, &x.m.f.err),
                         DS_EDAMAGED);
        ck_assert_ok(export_read(x.export, buffer, 10 * BLOCK, 611 * BLOCK, &x.m.f.err),
                     &x.m.f.err);
        ck_assert(memcmp(buffer, x.wanted + 611 * BLOCK, 10 * BLOCK) == 0);
    }
    memory_store_flip(x.m.f.store, key, place_of(&x, 610, key) + 100, 1);
    ck_assert_ok(export_read(x.export, buffer, 16 * BLOCK, 604 * BLOCK, &x.m.f.err), &x.m.f.err);
    ck_assert_msg(memcmp(buffer, x.wanted + 604 * BLOCK, 16 * BLOCK) == 0, "once it is whole");
    free(buffer);
    exported_free(&x);
}
END_TEST

START_TEST(a_store_that_fails_for_a_while_is_no_damage)
{
    struct exported x;
    uint8_t byte;
    exported_make(&x, 1);
    memory_store_fault(x.m.f.store, &(struct memory_fault){ .op = DS_STORE_GET, .count = 1,
                                                            .code = DS_EACCES });
    ck_assert_int_eq(export_read(x.export, &byte, 1, 600 * BLOCK, &x.m.f.err), DS_EACCES);
    ck_assert_ok(export_read(x.export, &byte, 1, 600 * BLOCK, &x.m.f.err), &x.m.f.err);
    ck_assert_uint_eq(byte, x.wanted[600 * BLOCK]);
    exported_free(&x);
}
END_TEST

/* ---- extents ---- */

struct told {
    uint8_t *map; /* for each byte of the disk: 1 data, 2 hole */
    uint64_t at;
    unsigned n;
};

static int tell(void *ud, uint64_t offset, uint64_t bytes, bool hole)
{
    struct told *told = ud;
    ck_assert_uint_eq(offset, told->at);
    ck_assert_uint_gt(bytes, 0);
    for (uint64_t i = offset; i < offset + bytes; i++)
        told->map[i] = hole ? 2 : 1;
    told->at += bytes;
    told->n++;
    return 0;
}

static void extents_check(struct exported *x, uint64_t step, bool one)
{
    struct told told = { .map = calloc(1, BYTES) };
    while (told.at < BYTES) {
        uint64_t before = told.at, left = BYTES - before;
        unsigned n = told.n;
        ck_assert_ok(export_extents(x->export, before, step < left ? step : left, one, tell, &told,
                                    &x->m.f.err), &x->m.f.err);
        ck_assert_uint_gt(told.at, before);
        ck_assert(!one || told.n == n + 1);
    }
    for (uint64_t i = 0; i < BYTES; i += i % BLOCK ? BLOCK - 1 : 1) {
        unsigned version = version_of(i / BLOCK);
        ck_assert_uint_eq(told.map[i], version && version != ZEROS ? 1 : 2);
    }
    free(told.map);
}

START_TEST(extents_tell_what_reads_as_zeros)
{
    struct exported x;
    exported_make(&x, 1);
    extents_check(&x, BYTES, false);
    extents_check(&x, BYTES, true);
    extents_check(&x, 999999, false);
    exported_free(&x);
}
END_TEST

static int count(void *ud, uint64_t offset, uint64_t bytes, bool hole)
{
    uint64_t *sums = ud;
    (void)offset;
    sums[hole] += bytes;
    return 0;
}

/* 16 TiB with one block: the extents of all of it cost a few requests. */
START_TEST(extents_of_a_huge_empty_disk_are_cheap)
{
    struct machine m;
    struct export *export;
    uint64_t block = 77777777, sums[2] = { 0, 0 };
    uint8_t version = 1;
    machine_open(&m, UINT64_C(16) << 40, BLOCK);
    machine_begin(&m);
    ck_assert_ok(machine_write(&m, &block, &version, 1), &m.f.err);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    ck_assert_ok(export_open(&export, &m.f.space, m.base.disks, 1, &m.f.err), &m.f.err);
    memory_store_count_reset(m.f.store);
    ck_assert_ok(export_extents(export, 0, UINT64_C(16) << 40, false, count, sums, &m.f.err),
                 &m.f.err);
    ck_assert_uint_eq(sums[0], BLOCK);
    ck_assert_uint_eq(sums[0] + sums[1], UINT64_C(16) << 40);
    struct memory_counts counts;
    memory_store_count(m.f.store, &counts);
    ck_assert_uint_lt(counts.gets, 8);
    export_close(export);
    machine_close(&m);
}
END_TEST

START_TEST(a_damaged_map_has_no_holes_and_is_an_error)
{
    struct exported x;
    uint64_t sums[2] = { 0, 0 };
    uint8_t byte;
    exported_make(&x, 1);
    for (size_t i = memory_store_objects(x.m.f.store); i-- > 0;)
        if (strstr(memory_store_key(x.m.f.store, i), "/s/"))
            memory_store_truncate(x.m.f.store, memory_store_key(x.m.f.store, i), 300);
    ck_assert_ok(export_extents(x.export, 0, BYTES, false, count, sums, &x.m.f.err), &x.m.f.err);
    ck_assert_uint_eq(sums[0], BYTES);
    ck_assert_int_eq(export_read(x.export, &byte, 1, 600 * BLOCK, &x.m.f.err), DS_EDAMAGED);
    ck_assert_ptr_nonnull(strstr(x.m.f.err.msg, "block 600 of disk 1"));
    ck_assert_ptr_nonnull(strstr(x.m.f.err.msg, "/s/"));
    exported_free(&x);
}
END_TEST

UNIT_MAIN("export", any_range_reads_as_the_disk, beyond_the_end_is_refused,
          many_threads_read_what_one_reads, a_crowded_cache_gives_the_right_blocks,
          in_order_is_fetched_in_one_go, a_damaged_block_is_an_error_of_its_own,
          a_store_that_fails_for_a_while_is_no_damage, extents_tell_what_reads_as_zeros,
          extents_of_a_huge_empty_disk_are_cheap, a_damaged_map_has_no_holes_and_is_an_error)
