/* SPDX-License-Identifier: Apache-2.0 */
/* test-plugin.c - a plugin's section by the plugin's own table: canonical values, defaults, maps,
 * lists, required keys, faults at their place, older tables, and what policy_show makes of it. */
#include "policy-test.h"

static const struct ds_option options[] = {
    { "path", "where", NULL, NULL, DS_OPT_PATH, DS_OPTF_REQUIRED, 0, 0 },
    { "secret_key", "key", NULL, NULL, DS_OPT_SECRET, 0, 0, 0 },
    { "mode", "how", "fast", "fast|safe", DS_OPT_CHOICE, 0, 0, 0 },
    { "timeout", "limit", "30000000000", NULL, DS_OPT_DURATION, 0, 1000000000, 60000000000 },
    { "sync", "flush", "true", NULL, DS_OPT_BOOL, 0, 0, 0 },
    { "share", "part", NULL, NULL, DS_OPT_PERCENT, 0, 0, 0 },
    { "any", "number", NULL, NULL, DS_OPT_INT, 0, 0, 0 },
    { "hosts", "peers", NULL, NULL, DS_OPT_STRING, DS_OPTF_LIST, 0, 0 },
    { "area", "areas", NULL, NULL, DS_OPT_SIZE, DS_OPTF_MAP | DS_OPTF_LIST, 0, 0 },
};

static int check_rules(const struct ds_kv *kv, size_t n, struct ds_call *call)
{
    call->host->log(call->host->ctx, DS_LOG_DEBUG, "test", "checking", NULL, 0);
    if (strcmp(ds_kv_get(kv, n, "any", ""), "13") == 0)
        return ds_fail(call->err, DS_EINVAL, "thirteen brings bad luck");
    return DS_OK;
}

static const struct ds_plugin plugin = {
    .size = sizeof plugin,
    .name = "test",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .option_size = sizeof options[0],
    .check = check_rules,
};

static const struct ds_kv *kv;
static size_t n_kv;

static struct policy *checked(const char *section)
{
    char text[2048];
    struct ds_error err = DS_ERROR_INIT;
    snprintf(text, sizeof text, "version: 1\ntransport: %s\n", section);
    struct policy *p = parse(text);
    ck_assert_ok(policy_check_plugin(p, &p->transport, "transport", &plugin, &kv, &n_kv, &err),
                 &err);
    return p;
}

static void bad(const char *section, const char *place, const char *words)
{
    char text[2048], begin[64];
    struct ds_error err = DS_ERROR_INIT;
    snprintf(text, sizeof text, "version: 1\ntransport: %s\n", section);
    snprintf(begin, sizeof begin, "p.yaml:%s: ", place);
    struct policy *p = parse(text);
    ck_assert_int_eq(policy_check_plugin(p, &p->transport, "transport", &plugin, &kv, &n_kv, &err),
                     DS_EPOLICY);
    ck_assert_msg(strncmp(err.msg, begin, strlen(begin)) == 0 && strstr(err.msg, words),
                  "`%s`, not `%s ... %s`", err.msg, begin, words);
    ck_assert_ptr_null(strstr(err.msg, "hunter2"));
    policy_free(p);
}

static const char *get(const char *key)
{
    return ds_kv_get(kv, n_kv, key, "(absent)");
}

START_TEST(values_are_canonical)
{
    struct policy *p = checked("{ use: test, path: ./r, secret_key: { env: K }, mode: safe,\n"
                               "  timeout: 1.5s, sync: No, share: 30%, any: -7, hosts: [b, a, b],\n"
                               "  area: { \"C:\": 1MiB, \"D:\": [1KiB, 2KiB], \"E:\": ~ },\n"
                               "  passphrase: { env: P }, node_key: ~, compression: 5 }");
    ck_assert_str_eq(get("path"), beside(p, "r"));
    ck_assert_str_eq(get("secret_key"), "env:K");
    ck_assert_str_eq(get("mode"), "safe");
    ck_assert_str_eq(get("timeout"), "1500000000");
    ck_assert_str_eq(get("sync"), "false");
    ck_assert_str_eq(get("share"), "30");
    ck_assert_str_eq(get("any"), "-7");
    ck_assert_str_eq(get("area[C:]"), "1048576");
    ck_assert_str_eq(get("area[D:]"), "1024");
    ck_assert_str_eq(get("area[E:]"), "(absent)");
    ck_assert_str_eq(get("use"), "(absent)"); /* core's keys are core's */
    ck_assert_str_eq(get("passphrase"), "(absent)");
    ck_assert_uint_eq(n_kv, 7 + 3 + 3);
    ck_assert_str_eq(kv[7].value, "b"); /* a list repeats its name, in order */
    ck_assert_str_eq(kv[8].value, "a");
    ck_assert_str_eq(kv[9].value, "b");
    policy_free(p);
}
END_TEST

START_TEST(defaults_are_filled_in)
{
    struct policy *p = checked("{ use: test, path: r }");
    ck_assert_str_eq(get("mode"), "fast");
    ck_assert_str_eq(get("timeout"), "30000000000");
    ck_assert_str_eq(get("sync"), "true");
    ck_assert_str_eq(get("hosts"), "(absent)");
    ck_assert_uint_eq(n_kv, 4);
    policy_free(p);
}
END_TEST

START_TEST(faults_have_places)
{
    bad("{ use: test }", "2:12", "transport.path is missing");
    bad("{ use: test, path: r, mod: safe }", "2:34", "did you mean `mode`?");
    bad("{ use: test, path: r, pasphrase: hunter2 }", "2:34", "did you mean `passphrase`?");
    bad("{ use: test, path: r, mode: sage }", "2:40", "did you mean `safe`?");
    bad("{ use: test, path: r, mode: slow }", "2:40", "valid are: fast, safe");
    bad("{ use: test, path: r, timeout: 2m }", "2:43", "it goes from 1s to 1m");
    bad("{ use: test, path: r, timeout: [1s] }", "2:43", "found a list, wanted a duration");
    bad("{ use: test, path: r, sync: maybe }", "2:40", "found `maybe`, wanted true or false");
    bad("{ use: test, path: r, share: 101% }", "2:41", "from 0% to 100%");
    bad("{ use: test, path: r, area: 5 }", "2:40", "wanted keys with values");
    bad("{ use: test, path: r, area: { x: much } }", "2:45", "transport.area[x]: found `much`");
    bad("{ use: test, path: r, secret_key: hunter2 }", "2:46", "must not stand in the policy");
    bad("{ use: test, path: r, any: 13 }", "2:12", "transport: thirteen brings bad luck");
    bad("{ use: test, path: [a, b] }", "2:31", "found a list, wanted a path");
}
END_TEST

START_TEST(tables_of_other_ages)
{
    struct ds_plugin other = plugin;
    struct ds_error err = DS_ERROR_INIT;
    struct ds_option strange[] = { { "path", "x", NULL, NULL, 77, 0, 0, 0 } };
    struct policy *p = parse("version: 1\ntransport: { use: test, path: r }\n");
    struct { /* a newer table: a wider stride */
        struct ds_option option;
        uint64_t more[3];
    } wide[2];
    memset(wide, 0xee, sizeof wide);
    wide[0].option = options[2];
    wide[1].option = options[0];
    other.options = &wide[0].option;
    other.n_options = 2;
    other.option_size = sizeof wide[0];
    ck_assert_ok(policy_check_plugin(p, &p->transport, "transport", &other, &kv, &n_kv, &err),
                 &err);
    ck_assert_uint_eq(n_kv, 2);
    ck_assert_str_eq(get("path"), beside(p, "r"));
    other.options = strange;
    other.n_options = 1;
    other.option_size = sizeof strange[0];
    ck_assert_int_eq(policy_check_plugin(p, &p->transport, "transport", &other, &kv, &n_kv, &err),
                     DS_EPLUGIN);
    other.option_size = 0;
    ck_assert_int_eq(policy_check_plugin(p, &p->transport, "transport", &other, &kv, &n_kv, &err),
                     DS_EPLUGIN);
    other.n_options = 0; /* a plugin without options */
    other.options = NULL;
    ck_assert_int_eq(policy_check_plugin(p, &p->transport, "transport", &other, &kv, &n_kv, &err),
                     DS_EPOLICY);
    ck_assert_int_eq(policy_check_plugin(p, &p->transport, "limits", &plugin, &kv, &n_kv, &err),
                     DS_EINVAL);
    policy_free(p);
}
END_TEST

START_TEST(shown_as_checked_and_back)
{
    struct policy *p =
        checked("{ use: test, path: \"./a: b\", secret_key: { file: k }, hosts: [\"null\", x],\n"
                "  area: { \"C:\": 3MiB, \"D:\": [1KiB, 2000] } }");
    struct dynbuf one = DYNBUF_INIT(1u << 20), two = DYNBUF_INIT(1u << 20);
    struct ds_error err = DS_ERROR_INIT;
    policy_show(p, &one);
    ck_assert(dynbuf_ok(&one));
    ck_assert_ptr_nonnull(strstr((char *)one.data, "\n  timeout: 30s\n"));
    ck_assert_ptr_nonnull(
        strstr((char *)one.data, "\n  area:\n    \"C:\": 3MiB\n    \"D:\": [1KiB, 2kB]\n"));
    ck_assert_ptr_nonnull(strstr((char *)one.data, "\n  hosts: [\"null\", x]\n"));
    policy_free(p);
    p = parse((char *)one.data);
    ck_assert_ok(policy_check_plugin(p, &p->transport, "transport", &plugin, &kv, &n_kv, &err),
                 &err);
    policy_show(p, &two);
    ck_assert_str_eq((char *)one.data, (char *)two.data);
    policy_free(p);
    dynbuf_free(&one);
    dynbuf_free(&two);
}
END_TEST

UNIT_MAIN("policy plugin", values_are_canonical, defaults_are_filled_in, faults_have_places,
          tables_of_other_ages, shown_as_checked_and_back)
