/* SPDX-License-Identifier: Apache-2.0 */
/* test-secret.c - references to secrets are resolved: variables, files, newlines, and all that can
 * be wrong with them. */
#include "core/policy/access.h"
#include "policy-test.h"

static char seen[70000];
static size_t seen_len;

static int take(void *ud, const char *secret, size_t len)
{
    ck_assert_ptr_eq(ud, seen);
    ck_assert_uint_lt(len, sizeof seen);
    memcpy(seen, secret, len);
    seen_len = len;
    return 42;
}

static int resolve(const char *ref, struct ds_error *err)
{
    seen_len = 0;
    return policy_secret(ref, take, seen, err);
}

/* A reference to a file with these bytes. */
static const char *file_with(const char *bytes, size_t len)
{
    static char ref[OS_PATH_MAX + 8], path[OS_PATH_MAX];
    struct ds_error err = DS_ERROR_INIT;
    ck_assert_ok(os_absolute(path, NULL, "test-secret.tmp", &err), &err);
    ck_assert_ok(os_write_file(path, bytes, len, &err), &err);
    snprintf(ref, sizeof ref, "file:%s", path);
    return ref;
}

static void holds(const char *bytes, size_t len, const char *want, size_t n)
{
    struct ds_error err = DS_ERROR_INIT;
    int rc = resolve(file_with(bytes, len), &err);
    ck_assert_msg(rc == 42, "%d %s", rc, err.msg);
    ck_assert_uint_eq(seen_len, n);
    ck_assert(memcmp(seen, want, n) == 0);
}

START_TEST(files)
{
    struct ds_error err = DS_ERROR_INIT;
    holds("abc", 3, "abc", 3);
    holds("abc\n", 4, "abc", 3);
    holds("abc\r\n", 5, "abc", 3);
    holds("abc\n\n", 5, "abc\n", 4); /* one newline is the editor's, two are meant */
    holds("abc\r", 4, "abc\r", 4);
    holds("a\0b", 3, "a\0b", 3); /* a key file may hold any byte */
    ck_assert_int_eq(resolve(file_with("", 0), &err), DS_EINVAL);
    ck_assert_int_eq(resolve(file_with("\n", 1), &err), DS_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.msg, "is empty"));
    static char large[65537];
    memset(large, 'x', sizeof large);
    holds(large, 65536, large, 65536);
    ck_assert_int_eq(resolve(file_with(large, 65537), &err), DS_EFORMAT);
    ck_assert_uint_eq(seen_len, 0);
    ck_assert_ok(os_remove("test-secret.tmp", &err), &err);
}
END_TEST

START_TEST(what_is_no_file)
{
    char path[OS_PATH_MAX], ref[OS_PATH_MAX + 8];
    struct ds_error err = DS_ERROR_INIT;
    ck_assert_ok(os_absolute(path, NULL, "no-such-secret", &err), &err);
    snprintf(ref, sizeof ref, "file:%s", path);
    ck_assert_int_eq(resolve(ref, &err), DS_ENOENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "no-such-secret"));
    os_dirname(path, path);
    snprintf(ref, sizeof ref, "file:%s", path);
    ck_assert_int_eq(resolve(ref, &err), DS_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.msg, "no regular file"));
}
END_TEST

START_TEST(files_that_others_may_read_are_known)
{
    char why[200] = "";
    struct ds_error err = DS_ERROR_INIT;
    if (strcmp(os_name(), "linux") != 0)
        return; /* elsewhere it depends on what the folder passes on */
    ck_assert(!access_is_open(file_with("x", 1) + strlen("file:"), why, sizeof why));
    ck_assert(access_is_open("/etc/passwd", why, sizeof why));
    ck_assert_str_eq(why, "mode 0644");
    ck_assert(!access_is_open("no-such-file", why, sizeof why));
    ck_assert_ok(os_remove("test-secret.tmp", &err), &err);
}
END_TEST

START_TEST(variables)
{
    struct ds_error err = DS_ERROR_INIT;
    char path[32768];
    const char *name = os_env(path, sizeof path, "PATH") ? "env:PATH" : "env:Path";
    ck_assert_int_eq(resolve(name, &err), 42); /* the one variable that every system sets */
    ck_assert_uint_eq(seen_len, strlen(path));
    ck_assert(memcmp(seen, path, seen_len) == 0);
    ck_assert_int_eq(resolve("env:DISKSYNC_TEST_NO_SUCH_VARIABLE", &err), DS_ENOENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "DISKSYNC_TEST_NO_SUCH_VARIABLE"));
}
END_TEST

START_TEST(what_is_no_reference_is_not_repeated)
{
    static const char *const refs[] = { "hunter2", "file:hunter2", "env:", "file:", "", NULL };
    for (size_t i = 0; i < sizeof refs / sizeof refs[0]; i++) {
        struct ds_error err = DS_ERROR_INIT;
        ck_assert_int_eq(resolve(refs[i], &err), DS_EINVAL);
        ck_assert_ptr_null(strstr(err.msg, "hunter2"));
    }
}
END_TEST

START_TEST(variables_with_secrets_are_known_wherever_they_stand)
{
    struct policy *policy = parse("version: 1\n"
                                  "transport:\n"
                                  "  use: dir\n"
                                  "  passphrase: { env: FIRST }\n"
                                  "  token: { env: SECOND }\n"
                                  "  proxy: { password: { env: THIRD }, file: env }\n"
                                  "hosts:\n"
                                  "  - match: { os: linux }\n"
                                  "    transport: { passphrase: { env: FOURTH } }\n");
    const char *const want[] = { "FOURTH", "SECOND", "THIRD" };
    for (size_t i = 0; i < 3; i++) {
        bool found = false;
        for (const char *const *name = policy->secret_variables; *name; name++)
            found |= strcmp(*name, want[i]) == 0;
        ck_assert_msg(found, "%s", want[i]);
    }
    ck_assert_ptr_null(policy->secret_variables[3]);
    policy_free(policy);
    policy = parse(BASE);
    ck_assert_ptr_null(policy->secret_variables[0]);
    policy_free(policy);
}
END_TEST

UNIT_MAIN("policy secret", files, what_is_no_file,
          variables_with_secrets_are_known_wherever_they_stand,
          files_that_others_may_read_are_known, variables, what_is_no_reference_is_not_repeated)
