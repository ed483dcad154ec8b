/* SPDX-License-Identifier: Apache-2.0 */
/* policy-test.h - what the tests of the policy share. The file is always called p.yaml and stands
 * in the current folder, so that messages begin with "p.yaml:LINE:COLUMN: ". */
#ifndef TESTS_POLICY_TEST_H
#define TESTS_POLICY_TEST_H

#include "core/base/dynbuf.h"
#include "core/policy/policy.h"
#include "unit.h"

#define BASE "version: 1\ntransport: { use: dir }\n" /* the next line is the third */

static const struct policy_host test_host = { "web-01.example.org", "linux", NULL };

static inline struct policy *parse_as(const char *text, const struct policy_host *host)
{
    struct policy *policy;
    struct ds_error err = DS_ERROR_INIT;
    int rc = policy_parse(&policy, "p.yaml", text, strlen(text), host, &err);
    ck_assert_msg(rc == 0, "%s\ngave %d %s", text, rc, err.msg);
    return policy;
}

static inline struct policy *parse(const char *text)
{
    return parse_as(text, &test_host);
}

/* The text must be refused with a message that begins with "p.yaml:" `place` and holds `words`. */
static inline void refused_bytes(const char *text, size_t len, const char *place,
                                 const char *words)
{
    struct policy *policy;
    struct ds_error err = DS_ERROR_INIT;
    char begin[64];
    int rc = policy_parse(&policy, "p.yaml", text, len, &test_host, &err);
    snprintf(begin, sizeof begin, "p.yaml:%s: ", place);
    ck_assert_msg(rc == DS_EPOLICY, "%.300s\ngave %d, not DS_EPOLICY: %s", text, rc, err.msg);
    ck_assert_ptr_null(policy);
    ck_assert_msg(strncmp(err.msg, begin, strlen(begin)) == 0 && strstr(err.msg, words),
                  "%.300s\ngave `%s`, not `%s ... %s`", text, err.msg, begin, words);
}

static inline void refused(const char *text, const char *place, const char *words)
{
    refused_bytes(text, strlen(text), place, words);
}

/* folder/name as the policy makes it. */
static inline const char *beside(const struct policy *policy, const char *name)
{
    static char path[OS_PATH_MAX];
    struct ds_error err = DS_ERROR_INIT;
    ck_assert_ok(os_join(path, policy->folder, name, &err), &err);
    return path;
}

#endif
