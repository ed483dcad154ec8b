/* SPDX-License-Identifier: Apache-2.0 */
/* test-collect.c - what collect does beside roots and segments: old records of damage go, those
 * that a sync may still read or is about to need stay. */
#include "core/s3block/collect.h"

#include "tests/s3block/fixture.h"
#include "tests/unit.h"

#include <stdio.h>

static void key_of(const struct fixture *f, char kind, uint64_t seq, char key[OBJECT_KEY_MAX + 1])
{
    root_key(key, f->space.node, seq);
    key[39] = kind;
}

static void put_root(struct fixture *f, uint64_t seq, uint32_t flags)
{
    struct dynbuf object = DYNBUF_INIT(ROOT_MAX);
    struct root root = { .seq = seq, .previous = seq - 1, .flags = flags };
    char key[OBJECT_KEY_MAX + 1];
    ck_assert_ok(root_seal(&object, &root, &f->space, &f->err), &f->err);
    key_of(f, 'p', seq, key);
    memory_store_put(f->store, key, object.data, object.len);
    dynbuf_free(&object);
}

static bool is_there(struct fixture *f, char kind, uint64_t seq)
{
    char key[OBJECT_KEY_MAX + 1];
    size_t len;
    key_of(f, kind, seq, key);
    return memory_store_bytes(f->store, key, &len) != NULL;
}

/* Points 1 to 5, the last of them the newest; checkpoints 6 and 7 of a sync that is under way, and
 * the record for an 8th that it is about to put. */
static void history(struct fixture *f)
{
    char key[OBJECT_KEY_MAX + 1];
    fixture_open(f, 2);
    for (uint64_t seq = 1; seq <= 7; seq++)
        put_root(f, seq, seq > 5 ? ROOT_PARTIAL : 0);
    for (uint64_t seq = 1; seq <= 8; seq++) {
        key_of(f, 'd', seq, key);
        memory_store_put(f->store, key, "record", 6);
    }
    f->space.node[0] ^= 1; /* another node's */
    key_of(f, 'd', 1, key);
    memory_store_put(f->store, key, "record", 6);
    f->space.node[0] ^= 1;
}

START_TEST(records_of_damage_before_the_newest_point_go)
{
    struct fixture f;
    struct collect_report report;
    struct collect_options options = { .dry_run = true };
    history(&f);
    size_t before = memory_store_objects(f.store);
    ck_assert_ok(collect_run(&f.space, &options, &report, &f.err), &f.err);
    ck_assert_uint_eq(report.records_removed, 4);
    ck_assert_uint_eq(memory_store_objects(f.store), before);
    options.dry_run = false;
    ck_assert_ok(collect_run(&f.space, &options, &report, &f.err), &f.err);
    ck_assert_uint_eq(report.records_removed, 4);
    ck_assert_uint_eq(report.roots_removed, 0);
    ck_assert_uint_eq(memory_store_objects(f.store), before - 4);
    for (uint64_t seq = 1; seq <= 8; seq++)
        ck_assert_int_eq(is_there(&f, 'd', seq), seq >= 5);
    f.space.node[0] ^= 1;
    ck_assert(is_there(&f, 'd', 1));
    f.space.node[0] ^= 1;
    ck_assert_ok(collect_run(&f.space, &options, &report, &f.err), &f.err);
    ck_assert_uint_eq(report.records_removed, 0);
    fixture_close(&f);
}
END_TEST

START_TEST(no_record_goes_where_only_checkpoints_are)
{
    struct fixture f;
    struct collect_report report;
    struct collect_options options = { .dry_run = false };
    char key[OBJECT_KEY_MAX + 1];
    fixture_open(&f, 2);
    put_root(&f, 1, ROOT_PARTIAL);
    put_root(&f, 2, ROOT_PARTIAL);
    key_of(&f, 'd', 1, key);
    memory_store_put(f.store, key, "record", 6);
    ck_assert_ok(collect_run(&f.space, &options, &report, &f.err), &f.err);
    ck_assert(is_there(&f, 'd', 1) && is_there(&f, 'p', 1) && report.records_removed == 0);
    fixture_close(&f);
}
END_TEST

START_TEST(a_point_that_can_not_be_read_keeps_all)
{
    struct fixture f;
    struct collect_report report;
    struct collect_options options = { .dry_run = false };
    char key[OBJECT_KEY_MAX + 1];
    history(&f);
    key_of(&f, 'p', 2, key);
    memory_store_flip(f.store, key, 130, 1);
    ck_assert_int_eq(collect_run(&f.space, &options, &report, &f.err), DS_EDAMAGED);
    for (uint64_t seq = 1; seq <= 8; seq++)
        ck_assert(is_there(&f, 'd', seq));
    fixture_close(&f);
}
END_TEST

UNIT_MAIN("collect", records_of_damage_before_the_newest_point_go,
          no_record_goes_where_only_checkpoints_are, a_point_that_can_not_be_read_keeps_all)
