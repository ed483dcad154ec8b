/* SPDX-License-Identifier: Apache-2.0 */
/* test-points.c - which roots a node has: the newest, with and without a hint, a store that went
 * back in time, and what a listing says of damaged and forgotten ones. */
#include "core/s3block/repository.h"

#include "core/base/log.h"
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
    struct root root = { .seq = seq, .previous = seq - 1, .flags = flags,
                         .time_ns = (int64_t)seq * 1000 };
    char key[OBJECT_KEY_MAX + 1];
    ck_assert_ok(root_seal(&object, &root, &f->space, &f->err), &f->err);
    key_of(f, 'p', seq, key);
    memory_store_put(f->store, key, object.data, object.len);
    dynbuf_free(&object);
}

static void put_mark(struct fixture *f, uint64_t seq)
{
    uint8_t mark[FORGOTTEN_SIZE];
    char key[OBJECT_KEY_MAX + 1];
    key_of(f, 'f', seq, key);
    ck_assert(forgotten_make(mark, seq, &f->space));
    memory_store_put(f->store, key, mark, sizeof mark);
}

START_TEST(newest_is_found_with_and_without_a_hint)
{
    struct fixture f;
    uint64_t seq = 9;
    fixture_open(&f, 1);
    ck_assert_ok(roots_newest(&f.space, 0, &seq, &f.err), &f.err);
    ck_assert_uint_eq(seq, 0);
    for (uint64_t i = 1; i <= 300; i++)
        put_root(&f, i, i % 3 ? 0 : ROOT_PARTIAL);
    for (uint64_t hint = 290; hint <= 300; hint++) {
        ck_assert_ok(roots_newest(&f.space, hint, &seq, &f.err), &f.err);
        ck_assert_uint_eq(seq, 300);
    }
    ck_assert_ok(roots_newest(&f.space, 0, &seq, &f.err), &f.err);
    ck_assert_uint_eq(seq, 300);
    fixture_close(&f);
}
END_TEST

START_TEST(usual_hint_costs_one_request_whatever_the_history)
{
    struct fixture f;
    struct memory_counts counts;
    uint64_t seq;
    fixture_open(&f, 1);
    for (uint64_t i = 1; i <= 500; i++)
        put_root(&f, i, 0);
    memory_store_count_reset(f.store);
    ck_assert_ok(roots_newest(&f.space, 500, &seq, &f.err), &f.err);
    ck_assert_uint_eq(seq, 500);
    memory_store_count(f.store, &counts);
    ck_assert_uint_eq(counts.total, 1);
    fixture_close(&f);
}
END_TEST

START_TEST(gap_after_the_hint_hides_nothing)
{
    struct fixture f;
    char key[OBJECT_KEY_MAX + 1];
    uint64_t seq;
    fixture_open(&f, 1);
    for (uint64_t i = 1; i <= 12; i++)
        put_root(&f, i, 0);
    for (uint64_t i = 5; i <= 9; i++) { /* collected since the hint was remembered */
        key_of(&f, 'p', i, key);
        memory_store_remove(f.store, key);
    }
    for (uint64_t hint = 1; hint <= 12; hint++) {
        ck_assert_ok(roots_newest(&f.space, hint, &seq, &f.err), &f.err);
        ck_assert_uint_eq(seq, 12);
    }
    fixture_close(&f);
}
END_TEST

START_TEST(store_that_went_back_in_time_shows_when_the_hint_is_read)
{
    struct fixture f;
    struct root root;
    uint64_t seq;
    fixture_open(&f, 1);
    for (uint64_t i = 1; i <= 5; i++)
        put_root(&f, i, 0);
    ck_assert_ok(roots_newest(&f.space, 7, &seq, &f.err), &f.err);
    ck_assert_uint_eq(seq, 7);
    ck_assert_int_eq(root_read(&root, NULL, &f.space, seq, &f.err), DS_ENOENT);
    ck_assert_ok(roots_newest(&f.space, 0, &seq, &f.err), &f.err);
    ck_assert_uint_eq(seq, 5);
    fixture_close(&f);
}
END_TEST

START_TEST(store_that_does_not_answer_is_an_error)
{
    struct fixture f;
    struct memory_fault fault = { .code = DS_ENETWORK };
    uint64_t seq;
    fixture_open(&f, 1);
    memory_store_fault(f.store, &fault);
    ck_assert_int_eq(roots_newest(&f.space, 0, &seq, &f.err), DS_ENETWORK);
    ck_assert_int_eq(roots_newest(&f.space, 3, &seq, &f.err), DS_ENETWORK);
    fixture_close(&f);
}
END_TEST

static void note(void *ud, uint64_t seq, const struct ds_error *why)
{
    uint64_t *noted = ud;
    ck_assert_uint_ne(why->msg[0], 0);
    *noted = *noted * 100 + seq;
}

START_TEST(listing_tells_the_state_of_each_root)
{
    struct fixture f;
    struct points points;
    char key[OBJECT_KEY_MAX + 1];
    uint64_t noted = 0;
    fixture_open(&f, 2);
    for (uint64_t i = 1; i <= 10; i++)
        put_root(&f, i, i == 4 ? ROOT_PARTIAL : 0);
    key_of(&f, 'p', 3, key);
    memory_store_flip(f.store, key, 130, 1);
    key_of(&f, 'p', 7, key);
    memory_store_truncate(f.store, key, 20);
    put_mark(&f, 2);
    put_mark(&f, 7);
    put_mark(&f, 99); /* of a root that is not there any more */
    ck_assert_ok(points_read(&points, &f.space, note, &noted, &f.err), &f.err);
    ck_assert_uint_eq(points.n, 10);
    ck_assert_uint_eq(noted, 307);
    for (size_t i = 0; i < points.n; i++) {
        const struct point *p = &points.list[i];
        ck_assert_uint_eq(p->seq, i + 1);
        ck_assert_int_eq(p->partial, p->seq == 4);
        ck_assert_int_eq(p->damaged, p->seq == 3 || p->seq == 7);
        ck_assert_int_eq(p->forgotten, p->seq == 2 || p->seq == 7);
        ck_assert(p->stored_ns > 0 && (p->forgotten_ns > p->stored_ns) == p->forgotten);
        ck_assert(p->damaged || p->root.time_ns == (int64_t)p->seq * 1000);
    }
    points_free(&points);
    ck_assert_uint_eq(points.n, 0);
    fixture_close(&f);
}
END_TEST

START_TEST(mark_that_nobody_with_the_key_made_forgets_nothing)
{
    struct fixture f;
    struct points points;
    char key[OBJECT_KEY_MAX + 1], other[OBJECT_KEY_MAX + 1];
    fixture_open(&f, 1);
    log_start(DS_LOG_ERROR);
    for (uint64_t i = 1; i <= 6; i++) {
        put_root(&f, i, 0);
        put_mark(&f, i);
    }
    key_of(&f, 'f', 1, key);
    memory_store_put(f.store, key, "", 0);
    key_of(&f, 'f', 2, key);
    memory_store_flip(f.store, key, 20, 1);
    key_of(&f, 'f', 3, key);
    key_of(&f, 'f', 4, other);
    memory_store_swap(f.store, key, other);
    key_of(&f, 'f', 5, key);
    memory_store_truncate(f.store, key, FORGOTTEN_SIZE - 1);
    ck_assert_ok(points_read(&points, &f.space, NULL, NULL, &f.err), &f.err);
    ck_assert_uint_eq(points.n, 6);
    for (size_t i = 0; i < points.n; i++)
        ck_assert_int_eq(points.list[i].forgotten, i == 5);
    points_free(&points);
    fixture_close(&f);
}
END_TEST

START_TEST(one_root_that_can_not_be_opened_hides_no_other)
{
    static const size_t fields[] = { 8, 56, 64 }; /* version, key epoch, features */
    struct fixture f;
    struct points points;
    char key[OBJECT_KEY_MAX + 1];
    fixture_open(&f, 1);
    for (uint64_t i = 1; i <= 5; i++)
        put_root(&f, i, 0);
    for (uint64_t i = 0; i < 3; i++) {
        key_of(&f, 'p', 2 + i, key);
        memory_store_flip(f.store, key, fields[i], 0x40);
    }
    ck_assert_ok(points_read(&points, &f.space, NULL, NULL, &f.err), &f.err);
    ck_assert_uint_eq(points.n, 5);
    for (size_t i = 0; i < points.n; i++)
        ck_assert_int_eq(points.list[i].damaged, i >= 1 && i <= 3);
    points_free(&points);
    fixture_close(&f);
}
END_TEST

START_TEST(other_objects_of_the_node_are_no_points)
{
    struct fixture f;
    struct points points;
    char key[OBJECT_KEY_MAX + 1];
    fixture_open(&f, 1);
    put_root(&f, 5, 0);
    key_of(&f, 'p', 5, key);
    memcpy(key + 41, "zz", 2);
    memory_store_put(f.store, key, "x", 1);
    key_of(&f, 'p', 5, key);
    key[50] = 0;
    memory_store_put(f.store, key, "x", 1);
    f.space.node[0] ^= 1; /* another node's */
    put_root(&f, 6, 0);
    f.space.node[0] ^= 1;
    ck_assert_ok(points_read(&points, &f.space, NULL, NULL, &f.err), &f.err);
    ck_assert_uint_eq(points.n, 1);
    ck_assert_uint_eq(points.list[0].seq, 5);
    points_free(&points);
    fixture_close(&f);
}
END_TEST

START_TEST(listing_fails_if_the_store_does)
{
    struct fixture f;
    struct points points;
    struct memory_fault fault = { .op = DS_STORE_GET, .skip = 2, .code = DS_ENETWORK };
    fixture_open(&f, 1);
    for (uint64_t i = 1; i <= 5; i++)
        put_root(&f, i, 0);
    memory_store_fault(f.store, &fault);
    ck_assert_int_eq(points_read(&points, &f.space, NULL, NULL, &f.err), DS_ENETWORK);
    ck_assert(points.n == 0 && points.list == NULL);
    fixture_close(&f);
}
END_TEST

START_TEST(newest_point_costs_a_few_requests_whatever_the_history)
{
    struct fixture f;
    struct root root;
    struct memory_counts counts;
    fixture_open(&f, 1);
    ck_assert_ok(point_newest(&root, &f.space, &f.err), &f.err);
    ck_assert_uint_eq(root.seq, 0);
    for (uint64_t i = 1; i <= 300; i++)
        put_root(&f, i, i > 298 ? ROOT_PARTIAL : 0);
    put_mark(&f, 298);
    memory_store_count_reset(f.store);
    ck_assert_ok(point_newest(&root, &f.space, &f.err), &f.err);
    ck_assert_uint_eq(root.seq, 297);
    root_free(&root);
    /* of 299 and 300 the root alone; of 298 and 297 the mark too */
    memory_store_count(f.store, &counts);
    ck_assert_uint_le(counts.total, 1 + 2 + 2 * 2);
    fixture_close(&f);
}
END_TEST

START_TEST(newest_point_is_found_past_gaps_and_marks)
{
    struct fixture f;
    struct root root;
    char key[OBJECT_KEY_MAX + 1];
    fixture_open(&f, 1);
    for (uint64_t i = 1; i <= 9; i++)
        put_root(&f, i, i == 9 ? ROOT_PARTIAL : 0);
    put_mark(&f, 8);
    key_of(&f, 'p', 7, key); /* collected: 8 names a root that is gone */
    memory_store_remove(f.store, key);
    ck_assert_ok(point_newest(&root, &f.space, &f.err), &f.err);
    ck_assert_uint_eq(root.seq, 6);
    root_free(&root);
    /* Nobody is given an older one in silence where the newest can't be read. */
    key_of(&f, 'p', 9, key);
    memory_store_truncate(f.store, key, 20);
    ck_assert_int_ne(point_newest(&root, &f.space, &f.err), DS_OK);
    for (uint64_t i = 1; i <= 6; i++)
        put_mark(&f, i);
    put_mark(&f, 9); /* forgotten and damaged, and no other left */
    ck_assert_ok(point_newest(&root, &f.space, &f.err), &f.err);
    ck_assert_uint_eq(root.seq, 0);
    memory_store_remove(f.store, key);
    ck_assert_ok(point_newest(&root, &f.space, &f.err), &f.err);
    ck_assert_uint_eq(root.seq, 0);
    struct memory_fault fault = { .op = DS_STORE_GET, .key = "/f/", .code = DS_ENETWORK };
    memory_store_fault(f.store, &fault);
    ck_assert_int_eq(point_newest(&root, &f.space, &f.err), DS_ENETWORK);
    root_free(&root);
    fixture_close(&f);
}
END_TEST

UNIT_MAIN("points", newest_is_found_with_and_without_a_hint,
          usual_hint_costs_one_request_whatever_the_history,
          gap_after_the_hint_hides_nothing,
          store_that_went_back_in_time_shows_when_the_hint_is_read,
          store_that_does_not_answer_is_an_error,
          listing_tells_the_state_of_each_root,
          mark_that_nobody_with_the_key_made_forgets_nothing,
          one_root_that_can_not_be_opened_hides_no_other, other_objects_of_the_node_are_no_points,
          listing_fails_if_the_store_does, newest_point_costs_a_few_requests_whatever_the_history,
          newest_point_is_found_past_gaps_and_marks)
