/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-policy.c - any bytes as a policy: no crash, no hang; a refusal names a place; and what is
 * taken, policy_show writes so that it is taken again and shown the same. A plugin table of every
 * type checks the transport's keys. */
#include "core/base/dynbuf.h"
#include "core/policy/policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ds_option options[] = {
    { "path", "", NULL, NULL, DS_OPT_PATH, DS_OPTF_LIST, 0, 0 },
    { "secret_key", "", NULL, NULL, DS_OPT_SECRET, DS_OPTF_MAP, 0, 0 },
    { "mode", "", "fast", "fast|safe", DS_OPT_CHOICE, 0, 0, 0 },
    { "timeout", "", "30000000000", NULL, DS_OPT_DURATION, 0, 1, 60000000000 },
    { "sync", "", "true", NULL, DS_OPT_BOOL, 0, 0, 0 },
    { "share", "", NULL, NULL, DS_OPT_PERCENT, 0, 0, 0 },
    { "any", "", NULL, NULL, DS_OPT_INT, DS_OPTF_REQUIRED, 0, 0 },
    { "rate", "", NULL, NULL, DS_OPT_RATE, 0, 0, 0 },
    { "text", "", NULL, NULL, DS_OPT_STRING, 0, 0, 0 },
    { "area", "", NULL, NULL, DS_OPT_SIZE, DS_OPTF_MAP | DS_OPTF_LIST, 0, 0 },
};
static const struct ds_plugin plugin = {
    .size = sizeof plugin,
    .name = "fuzz",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .option_size = sizeof options[0],
};

static void require(int holds)
{
    if (!holds)
        abort();
}

/* A policy with its transport checked where that works; NULL if it is refused. */
static struct policy *read_policy(const void *data, size_t size, int *checked)
{
    static const struct policy_host host = { "host.example.org", "linux", "prod" };
    struct ds_error err = DS_ERROR_INIT;
    const struct ds_kv *kv;
    struct policy *policy;
    size_t n;
    int rc = policy_parse(&policy, "p.yaml", data, size, &host, &err);
    require(rc == DS_OK || rc == DS_EPOLICY || rc == DS_ENOMEM);
    require(rc != DS_EPOLICY || strncmp(err.msg, "p.yaml:", 7) == 0);
    if (rc)
        return NULL;
    rc = policy_check_plugin(policy, &policy->transport, "transport", &plugin, &kv, &n, &err);
    require(rc != DS_EPOLICY || strncmp(err.msg, "p.yaml:", 7) == 0);
    *checked = rc == DS_OK;
    return policy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dynbuf one = DYNBUF_INIT(900u << 10), two = DYNBUF_INIT(16u << 20);
    int checked = 0, again = 0;
    struct policy *policy = read_policy(data, size, &checked);
    if (!policy)
        return 0;
    policy_show(policy, &one);
    if (dynbuf_ok(&one) && checked) { /* unchecked, what may be a secret is not shown */
        struct policy *second = read_policy(one.data, one.len, &again);
        require(second && again);
        policy_show(second, &two);
        require(dynbuf_ok(&two) && two.len == one.len && memcmp(one.data, two.data, one.len) == 0);
        policy_free(second);
    }
    policy_free(policy);
    dynbuf_free(&one);
    dynbuf_free(&two);
    return 0;
}
