/* SPDX-License-Identifier: Apache-2.0 */
/* test-rules.c - who may do what, what is kept beside an object, and the script of faults. */
#include "core/gateway/access.h"
#include "core/gateway/faults.h"
#include "core/gateway/meta.h"

#include "core/base/os.h"
#include "tests/base/scratch.h"
#include "tests/unit.h"

START_TEST(test_access)
{
    static const struct access_key all = { .name = "a", .secret = "s" };
    static const struct access_key node = { .name = "n", .secret = "s", .bucket = "b",
                                            .prefix = "n/1/", .append_only = true };
    ck_assert(access_may(&all, ACCESS_ADMIN, "b", NULL) && access_may(&all, ACCESS_LIST, "b", ""));
    ck_assert(access_may(&all, ACCESS_REMOVE, "x", "any"));
    ck_assert(access_may(&node, ACCESS_READ, "b", "n/1/x"));
    ck_assert(access_may(&node, ACCESS_ADD, "b", "n/1/x"));
    ck_assert(access_may(&node, ACCESS_LIST, "b", "n/1/"));
    ck_assert(access_may(&node, ACCESS_BUCKET, "b", NULL));
    ck_assert(!access_may(&node, ACCESS_BUCKET, "other", NULL));
    ck_assert(!access_may(&node, ACCESS_READ, "other", "n/1/x"));
    ck_assert(!access_may(&node, ACCESS_READ, "b", "n/10/x"));
    ck_assert(!access_may(&node, ACCESS_READ, "b", "n/1"));
    ck_assert(!access_may(&node, ACCESS_LIST, "b", "n/"));
    ck_assert(!access_may(&node, ACCESS_LIST, "b", ""));
    ck_assert(!access_may(&node, ACCESS_READ, "b", NULL));
    ck_assert(!access_may(&node, ACCESS_REPLACE, "b", "n/1/x"));
    ck_assert(!access_may(&node, ACCESS_REMOVE, "b", "n/1/x"));
    ck_assert(!access_may(&node, ACCESS_ADMIN, "b", NULL));
}
END_TEST

START_TEST(test_meta_returns)
{
    struct meta meta = { .etag = "abc-2", .sha256 = "x=", .lock_mode = "COMPLIANCE",
                         .retain_until_s = 1700000000, .legal_hold = true,
                         .storage_class = "STANDARD_IA", .type = "text/plain; x",
                         .user = "a:1\nb:two words\n" };
    struct dynbuf out = DYNBUF_INIT(META_MAX);
    struct meta back;
    ck_assert(meta_write(&out, &meta));
    ck_assert(meta_read(&back, out.data, out.len));
    ck_assert_int_eq(memcmp(&meta, &back, sizeof meta), 0);
    ck_assert(!meta_read(&back, out.data, out.len - 1));
    ck_assert(!meta_read(&back, "etag\n", 5) && !meta_read(&back, "until x\n", 8));
    ck_assert(!meta_read(&back, "etag a\0b\n", 9));
    ck_assert(meta_read(&back, "later word\n", 11) && meta_read(&back, "", 0));
    dynbuf_free(&out);
}
END_TEST

START_TEST(test_meta_lock)
{
    struct meta meta = { .lock_mode = "GOVERNANCE", .retain_until_s = 100 };
    ck_assert(meta_is_locked(&meta, 99, false) && !meta_is_locked(&meta, 100, false));
    ck_assert(!meta_is_locked(&meta, 99, true));
    memcpy(meta.lock_mode, "COMPLIANCE", 11);
    ck_assert(meta_is_locked(&meta, 99, true));
    meta.legal_hold = true;
    ck_assert(meta_is_locked(&meta, 1000, true));
}
END_TEST

static struct faults *faults;
static struct ds_error err = DS_ERROR_INIT;

static void script(const char *path, const char *text)
{
    ck_assert_ok(os_write_file(path, text, strlen(text), &err), &err);
}

static enum fault_action pick(const char *method, const char *operation, const char *key)
{
    return faults_pick(faults, method, operation, key).action;
}

START_TEST(test_faults)
{
    struct scratch scratch;
    char path[OS_PATH_MAX];
    scratch_make(&scratch);
    scratch_file(&scratch, path, "faults");
    faults = faults_new(path);
    ck_assert_ok(faults_refresh(faults, &err), &err); /* absent: none */
    ck_assert_int_eq(pick("GET", "GET", "a"), FAULT_NONE);
    script(path, "# comment\nPUT n/* 1 2 status 503 SlowDown\nLIST * 0 * delay 50\n"
                 "* * 0 1 skew -5 # one\n");
    ck_assert_ok(faults_refresh(faults, &err), &err);
    ck_assert_int_eq(pick("PUT", "PUT", "n/1"), FAULT_SKEW); /* skipped by the first rule */
    ck_assert_int_eq(pick("GET", "GET", "n/1"), FAULT_NONE);
    struct fault fault = faults_pick(faults, "PUT", "PUT", "n/1");
    ck_assert(fault.action == FAULT_STATUS && fault.number == 503);
    ck_assert_str_eq(fault.text, "SlowDown");
    ck_assert_ok(faults_refresh(faults, &err), &err); /* unchanged: the counts go on */
    ck_assert_int_eq(pick("PUT", "PUT", "n/2"), FAULT_STATUS);
    ck_assert_int_eq(pick("PUT", "PUT", "n/3"), FAULT_NONE);
    ck_assert_int_eq(pick("PUT", "PUT", "m/3"), FAULT_NONE);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(pick("GET", "LIST", ""), FAULT_DELAY);
    static const char *const bad[] = { "PUT *", "PUT * 0 1 burn", "PUT * x 1 cut-before",
                                       "PUT * 0 1 delay", "PUT * 0 1 delay -1", "random 101 1",
                                       "PUT * 0 1 slow 0", "PUT * 0 1 status 500" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        script(path, bad[i]);
        ck_assert_msg(faults_refresh(faults, &err) == DS_EINVAL, "%s", bad[i]);
        ck_assert_ptr_nonnull(strstr(err.msg, ":1:"));
    }
    ck_assert_int_eq(pick("GET", "LIST", ""), FAULT_DELAY); /* the last good ones */
    faults_free(faults);
    scratch_free(&scratch);
}
END_TEST

START_TEST(test_random_faults)
{
    struct scratch scratch;
    char path[OS_PATH_MAX];
    scratch_make(&scratch);
    scratch_file(&scratch, path, "faults");
    unsigned first[12] = { 0 }, second[12] = { 0 }, hurt = 0;
    for (unsigned turn = 0; turn < 2; turn++) {
        faults = faults_new(path);
        script(path, "random 10 77");
        ck_assert_ok(faults_refresh(faults, &err), &err);
        for (unsigned i = 0; i < 10000; i++)
            (turn ? second : first)[pick(i % 2 ? "PUT" : "POST", "x", "k")]++;
        faults_free(faults);
    }
    ck_assert_int_eq(memcmp(first, second, sizeof first), 0);
    for (unsigned i = FAULT_NONE + 1; i < 12; i++)
        hurt += first[i];
    ck_assert(hurt > 900 && hurt < 1100);
    scratch_free(&scratch);
    ck_assert(first[FAULT_STATUS] && first[FAULT_LOST_REPLY] && first[FAULT_CUT_BODY]);
}
END_TEST

UNIT_MAIN("rules", test_access, test_meta_returns, test_meta_lock, test_faults, test_random_faults)
