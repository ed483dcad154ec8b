/* SPDX-License-Identifier: Apache-2.0 */
/* test-objects.c - requests over a store that fails: retries, lost answers, listings that break
 * off, and the end of it all when the user says stop. Everything runs over both kinds of store:
 * one whose own threads answer, and one that core's loop thread drives. */
#include "core/base/log.h"
#include "core/base/os.h"
#include "core/base/thread.h"
#include "tests/s3block/fixture.h"
#include "tests/unit.h"

#include <stdio.h>

static const unsigned kinds[] = { 3, 0 }; /* threads of the store */
#define EACH_KIND(f)                                                                               \
    for (size_t kind_ = 0; kind_ < 2; kind_++)                                                     \
        for (bool once_ = (fixture_open((f), kinds[kind_]), log_start(DS_LOG_ERROR), true);        \
             once_; once_ = (fixture_close(f), false))

static struct objects_counters counted(const struct fixture *f)
{
    struct objects_counters c;
    objects_count(f->objects, &c);
    return c;
}

START_TEST(what_is_put_is_there)
{
    struct fixture f;
    EACH_KIND(&f) {
        char data[64];
        size_t got;
        uint64_t bytes;
        int64_t mtime;
        ck_assert_ok(objects_put(f.objects, "a/b", "hello world", 11, 0, &f.err), &f.err);
        ck_assert_ok(objects_get(f.objects, "a/b", 6, data, sizeof data, &got, &f.err), &f.err);
        ck_assert(got == 5 && memcmp(data, "world", 5) == 0);
        ck_assert_ok(objects_get(f.objects, "a/b", 11, data, sizeof data, &got, &f.err), &f.err);
        ck_assert_uint_eq(got, 0);
        ck_assert_ok(objects_head(f.objects, "a/b", &bytes, &mtime, &f.err), &f.err);
        ck_assert(bytes == 11 && mtime > 0);
        ck_assert_ok(objects_remove(f.objects, "a/b", &f.err), &f.err);
        ck_assert_int_eq(objects_head(f.objects, "a/b", NULL, NULL, &f.err), DS_ENOENT);
        ck_assert_int_eq(objects_get(f.objects, "a/b", 0, data, 1, &got, &f.err), DS_ENOENT);
        ck_assert_ok(objects_remove(f.objects, "a/b", &f.err), &f.err);
        struct objects_counters c = counted(&f);
        ck_assert(c.puts == 1 && c.put_bytes == 11 && c.gets == 2 && c.get_bytes == 5);
        ck_assert(c.heads == 1 && c.removes == 2 && c.retries == 0);
    }
}
END_TEST

START_TEST(temporary_failure_is_tried_again)
{
    struct fixture f;
    struct memory_fault fault = { .op = DS_STORE_PUT, .count = 2, .code = DS_ENETWORK,
                                  .retry = DS_RETRY_SAME };
    EACH_KIND(&f) {
        struct memory_counts counts;
        memory_store_fault(f.store, &fault);
        ck_assert_ok(objects_put(f.objects, "k", "x", 1, 0, &f.err), &f.err);
        memory_store_count(f.store, &counts);
        ck_assert_uint_eq(counts.puts, 3);
        ck_assert_uint_eq(counted(&f).retries, 2);
        ck_assert_uint_eq(counted(&f).puts, 1);
    }
}
END_TEST

START_TEST(final_failure_is_not_tried_again)
{
    struct fixture f;
    static const uint32_t classes[] = { DS_RETRY_NEVER, DS_RETRY_REOPEN };
    EACH_KIND(&f) {
        for (unsigned i = 0; i < 2; i++) {
            struct memory_fault fault = { .code = DS_EACCES, .retry = classes[i] };
            struct memory_counts counts;
            memory_store_count_reset(f.store);
            memory_store_clear_faults(f.store);
            memory_store_fault(f.store, &fault);
            ck_assert_int_eq(objects_put(f.objects, "the-key", "x", 1, 0, &f.err), DS_EACCES);
            ck_assert_int_eq(f.err.code, DS_EACCES);
            ck_assert_uint_eq(f.err.retry, classes[i]);
            ck_assert_ptr_nonnull(strstr(f.err.msg, "the-key"));
            memory_store_count(f.store, &counts);
            ck_assert_uint_eq(counts.total, 1);
        }
    }
}
END_TEST

START_TEST(wish_of_the_store_is_waited_for)
{
    struct fixture f;
    struct memory_fault fault = { .count = 1, .code = DS_ENETWORK, .retry = DS_RETRY_SAME,
                                  .retry_after_ms = 400 };
    fixture_open(&f, 2);
    log_start(DS_LOG_ERROR);
    memory_store_fault(f.store, &fault);
    uint64_t start = os_mono_ns();
    ck_assert_ok(objects_put(f.objects, "k", "x", 1, 0, &f.err), &f.err);
    ck_assert_uint_ge(os_mono_ns() - start, 400 * 1000000u);
    fixture_close(&f);
}
END_TEST

START_TEST(put_if_absent_leaves_what_is_there)
{
    struct fixture f;
    EACH_KIND(&f) {
        size_t len;
        ck_assert_ok(objects_put(f.objects, "k", "first", 5, DS_STORE_IF_ABSENT, &f.err), &f.err);
        ck_assert_int_eq(objects_put(f.objects, "k", "2nd", 3, DS_STORE_IF_ABSENT, &f.err),
                         DS_EEXIST);
        const uint8_t *bytes = memory_store_bytes(f.store, "k", &len);
        ck_assert(len == 5 && memcmp(bytes, "first", 5) == 0);
        ck_assert_ok(objects_put(f.objects, "k", "2nd", 3, 0, &f.err), &f.err);
        memory_store_bytes(f.store, "k", &len);
        ck_assert_uint_eq(len, 3);
    }
}
END_TEST

START_TEST(lost_answer_shows_as_an_object_that_is_there)
{
    struct fixture f;
    struct memory_fault fault = { .op = DS_STORE_PUT, .count = 1, .code = DS_ENETWORK,
                                  .retry = DS_RETRY_SAME, .lost = true };
    EACH_KIND(&f) {
        memory_store_fault(f.store, &fault);
        ck_assert_int_eq(objects_put(f.objects, "k", "mine", 4, DS_STORE_IF_ABSENT, &f.err),
                         DS_EEXIST);
        ck_assert_ptr_nonnull(memory_store_bytes(f.store, "k", NULL));
    }
}
END_TEST

START_TEST(lost_answer_of_a_get_is_read_again)
{
    struct fixture f;
    struct memory_fault fault = { .op = DS_STORE_GET, .count = 1, .code = DS_ENETWORK,
                                  .retry = DS_RETRY_SAME, .lost = true };
    EACH_KIND(&f) {
        char data[8] = "";
        size_t got;
        memory_store_put(f.store, "k", "1234567", 7);
        memory_store_fault(f.store, &fault);
        ck_assert_ok(objects_get(f.objects, "k", 0, data, sizeof data, &got, &f.err), &f.err);
        ck_assert(got == 7 && memcmp(data, "1234567", 7) == 0);
        ck_assert_uint_eq(counted(&f).get_bytes, 7);
    }
}
END_TEST

struct seen {
    char keys[64][32];
    unsigned n, stop_at;
    int stop;
};

static int see(void *ud, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    struct seen *seen = ud;
    ck_assert(bytes == 1 && mtime_ns > 0);
    ck_assert_uint_lt(seen->n, 64);
    snprintf(seen->keys[seen->n++], sizeof seen->keys[0], "%s", key);
    return seen->n == seen->stop_at ? seen->stop : 0;
}

static void put_many(const struct fixture *f)
{
    for (unsigned i = 0; i < 20; i++) {
        char key[32];
        snprintf(key, sizeof key, "p/%02u", i);
        memory_store_put(f->store, key, "x", 1);
    }
    memory_store_put(f->store, "o/z", "x", 1);
    memory_store_put(f->store, "p0", "x", 1);
}

START_TEST(listing_is_complete_and_ordered)
{
    struct fixture f;
    EACH_KIND(&f) {
        struct seen seen = { .n = 0 };
        put_many(&f);
        ck_assert_ok(objects_list(f.objects, "p/", NULL, see, &seen, &f.err), &f.err);
        ck_assert_uint_eq(seen.n, 20);
        ck_assert_str_eq(seen.keys[0], "p/00");
        ck_assert_str_eq(seen.keys[19], "p/19");
        seen = (struct seen){ .n = 0 };
        ck_assert_ok(objects_list(f.objects, "p/", "p/16", see, &seen, &f.err), &f.err);
        ck_assert_uint_eq(seen.n, 3);
        ck_assert_str_eq(seen.keys[0], "p/17");
        seen = (struct seen){ .n = 0 };
        ck_assert_ok(objects_list(f.objects, "q", NULL, see, &seen, &f.err), &f.err);
        ck_assert_uint_eq(seen.n, 0);
    }
}
END_TEST

START_TEST(listing_that_breaks_off_goes_on_where_it_was)
{
    struct fixture f;
    /* after some keys, and once after the last */
    struct memory_fault faults[] = {
        { .op = DS_STORE_LIST, .count = 1, .code = DS_ENETWORK, .retry = DS_RETRY_SAME,
          .items = 7 },
        { .op = DS_STORE_LIST, .count = 1, .code = DS_ENETWORK, .retry = DS_RETRY_SAME,
          .lost = true },
    };
    EACH_KIND(&f) {
        struct seen seen = { .n = 0 };
        put_many(&f);
        for (unsigned i = 0; i < 2; i++)
            memory_store_fault(f.store, &faults[i]);
        ck_assert_ok(objects_list(f.objects, "p/", NULL, see, &seen, &f.err), &f.err);
        ck_assert_uint_eq(seen.n, 20);
        for (unsigned i = 0; i < 20; i++) {
            char key[32];
            snprintf(key, sizeof key, "p/%02u", i);
            ck_assert_str_eq(seen.keys[i], key);
        }
        ck_assert_uint_eq(counted(&f).retries, 2);
        ck_assert_uint_eq(counted(&f).lists, 1);
    }
}
END_TEST

START_TEST(listing_ends_when_its_caller_says_so)
{
    struct fixture f;
    struct memory_fault fault = { .op = DS_STORE_LIST, .code = DS_ENETWORK, .items = 5,
                                  .retry = DS_RETRY_SAME };
    EACH_KIND(&f) {
        struct seen seen = { .stop_at = 3, .stop = 1 };
        put_many(&f);
        ck_assert_int_eq(objects_list(f.objects, "p/", NULL, see, &seen, &f.err), 1);
        ck_assert_uint_eq(seen.n, 3);
        seen = (struct seen){ .stop_at = 3, .stop = DS_ENOMEM };
        ck_assert_int_eq(objects_list(f.objects, "p/", NULL, see, &seen, &f.err), DS_ENOMEM);
        ck_assert_uint_eq(seen.n, 3);
        /* and is not asked again if the store fails besides */
        memory_store_fault(f.store, &fault);
        seen = (struct seen){ .stop_at = 5, .stop = DS_ENOMEM };
        ck_assert_int_eq(objects_list(f.objects, "p/", NULL, see, &seen, &f.err), DS_ENOMEM);
        ck_assert_uint_eq(seen.n, 5);
    }
}
END_TEST

START_TEST(whole_objects_are_read_at_any_size)
{
    static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 327679, 327680, 327681, 1376256,
                                    6000000 };
    struct fixture f;
    EACH_KIND(&f) {
        uint64_t seed = 4;
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct dynbuf out = DYNBUF_INIT((size_t)16 << 20);
            uint8_t *data = malloc(sizes[i] + 1);
            random_fill(&seed, data, sizes[i]);
            memory_store_put(f.store, "k", data, sizes[i]);
            dynbuf_text(&out, "before");
            ck_assert_ok(objects_get_all(f.objects, "k", sizes[i], &out, &f.err), &f.err);
            ck_assert_uint_eq(out.len, sizes[i] + 6);
            ck_assert(memcmp(out.data + 6, data, sizes[i]) == 0);
            if (sizes[i]) {
                dynbuf_reset(&out);
                ck_assert_int_eq(objects_get_all(f.objects, "k", sizes[i] - 1, &out, &f.err),
                                 DS_EFORMAT);
            }
            free(data);
            dynbuf_free(&out);
        }
    }
}
END_TEST

START_TEST(puts_go_on_in_the_background)
{
    struct fixture f;
    struct memory_fault fault = { .op = DS_STORE_PUT, .skip = 1, .count = 1, .code = DS_ENETWORK,
                                  .retry = DS_RETRY_SAME };
    EACH_KIND(&f) {
        static struct object_put puts[4];
        memory_store_fault(f.store, &fault);
        for (unsigned i = 0; i < 4; i++) {
            snprintf(puts[i].key, sizeof puts[i].key, "k%u", i);
            puts[i].flags = DS_STORE_IF_ABSENT;
            puts[i].parts[0] = (struct ds_iovec){ "abc", 3 };
            puts[i].parts[1] = (struct ds_iovec){ NULL, 0 };
            puts[i].parts[2] = (struct ds_iovec){ "defgh", i };
            ck_assert_ok(objects_put_start(f.objects, &puts[i], &f.err), &f.err);
        }
        for (unsigned i = 4; i-- > 0;) {
            size_t len;
            ck_assert_ok(objects_put_wait(f.objects, &puts[i], &f.err), &f.err);
            memory_store_bytes(f.store, puts[i].key, &len);
            ck_assert_uint_eq(len, 3 + i);
        }
        ck_assert_uint_eq(counted(&f).puts, 4);
        ck_assert_uint_eq(counted(&f).put_bytes, 4 * 3 + 6);
    }
}
END_TEST

START_TEST(interruption_stops_before_the_store_is_asked)
{
    struct fixture f;
    EACH_KIND(&f) {
        struct memory_counts counts;
        static struct object_put put = { .key = "k" };
        struct seen seen = { .n = 0 };
        size_t got;
        f.interrupted = 1;
        ck_assert_int_eq(objects_put(f.objects, "k", "x", 1, 0, &f.err), DS_ECANCELLED);
        ck_assert_int_eq(objects_get(f.objects, "k", 0, NULL, 0, &got, &f.err), DS_ECANCELLED);
        ck_assert_int_eq(objects_list(f.objects, "", NULL, see, &seen, &f.err), DS_ECANCELLED);
        ck_assert_int_eq(objects_put_start(f.objects, &put, &f.err), DS_ECANCELLED);
        memory_store_count(f.store, &counts);
        ck_assert_uint_eq(counts.total, 0);
    }
}
END_TEST

static void interrupt_soon(void *arg)
{
    struct fixture *f = arg;
    os_sleep_ns(100 * 1000000u);
    __atomic_store_n(&f->interrupted, 1, __ATOMIC_RELAXED);
}

START_TEST(interruption_ends_the_wait_for_another_try)
{
    struct fixture f;
    struct memory_fault fault = { .code = DS_ENETWORK, .retry = DS_RETRY_SAME,
                                  .retry_after_ms = 30000 };
    EACH_KIND(&f) {
        struct thread thread;
        memory_store_fault(f.store, &fault);
        ck_assert(thread_start(&thread, interrupt_soon, &f));
        uint64_t start = os_mono_ns();
        ck_assert_int_lt(objects_put(f.objects, "k", "x", 1, 0, &f.err), 0);
        ck_assert_uint_lt(os_mono_ns() - start, UINT64_C(2000) * 1000000);
        thread_join(&thread);
    }
}
END_TEST

START_TEST(upload_keeps_to_its_limit)
{
    struct fixture f;
    static const uint8_t data[100 << 10];
    fixture_open(&f, 2);
    objects_limit_upload(f.objects, 1 << 20);
    uint64_t start = os_mono_ns();
    for (unsigned i = 0; i < 6; i++) /* the first goes at once */
        ck_assert_ok(objects_put(f.objects, "k", data, sizeof data, 0, &f.err), &f.err);
    uint64_t took = os_mono_ns() - start;
    ck_assert_uint_ge(took, 480 * 1000000u);
    ck_assert_uint_lt(took, 1500 * 1000000u);
    objects_limit_upload(f.objects, 0);
    fixture_close(&f);
}
END_TEST

struct worker {
    struct fixture *f;
    unsigned number;
    int failed;
    struct thread thread;
};

static void work(void *arg)
{
    struct worker *w = arg;
    struct ds_error err = DS_ERROR_INIT;
    for (unsigned i = 0; i < 100; i++) {
        char key[32], back[32] = "";
        size_t got;
        snprintf(key, sizeof key, "w%u/%u", w->number, i);
        w->failed |= objects_put(w->f->objects, key, key, strlen(key), DS_STORE_IF_ABSENT, &err);
        w->failed |= objects_get(w->f->objects, key, 0, back, sizeof back, &got, &err);
        w->failed |= got != strlen(key) || strcmp(key, back) != 0;
    }
}

START_TEST(many_threads_share_a_store_that_is_often_full)
{
    struct fixture f;
    EACH_KIND(&f) {
        struct worker workers[6];
        memory_store_set_limit(f.store, 2);
        for (unsigned i = 0; i < 6; i++) {
            workers[i] = (struct worker){ .f = &f, .number = i };
            ck_assert(thread_start(&workers[i].thread, work, &workers[i]));
        }
        for (unsigned i = 0; i < 6; i++) {
            thread_join(&workers[i].thread);
            ck_assert_int_eq(workers[i].failed, 0);
        }
        ck_assert_uint_eq(memory_store_objects(f.store), 600);
        ck_assert_uint_eq(counted(&f).puts, 600);
    }
}
END_TEST

UNIT_MAIN("objects", what_is_put_is_there, temporary_failure_is_tried_again,
          final_failure_is_not_tried_again, wish_of_the_store_is_waited_for,
          put_if_absent_leaves_what_is_there, lost_answer_shows_as_an_object_that_is_there,
          lost_answer_of_a_get_is_read_again, listing_is_complete_and_ordered,
          listing_that_breaks_off_goes_on_where_it_was, listing_ends_when_its_caller_says_so,
          whole_objects_are_read_at_any_size, puts_go_on_in_the_background,
          interruption_stops_before_the_store_is_asked, interruption_ends_the_wait_for_another_try,
          upload_keeps_to_its_limit, many_threads_share_a_store_that_is_often_full)
