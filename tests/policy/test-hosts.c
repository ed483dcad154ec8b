/* SPDX-License-Identifier: Apache-2.0 */
/* test-hosts.c - the hosts list: who matches, how overrides merge, and that a fault in an override
 * is found on hosts that it does not match. */
#include "policy-test.h"

#define FLEET                                                                       \
    "version: 1\n"                                                                  \
    "node: { labels: [prod, sql] }\n"                                               \
    "snapshot: { use: vss, diff_area: { \"C:\": \"E:\" } }\n"                        \
    "transport: { use: s3, bucket: a, passphrase: { env: ALL }, compression: 3 }\n" \
    "limits: { cpu: 30%, memory: 512MiB }\n"

static struct policy *as(const char *entries, const char *name, const char *os, const char *label)
{
    char text[4096];
    struct policy_host host = { name, os, label };
    snprintf(text, sizeof text, "%shosts:\n%s", FLEET, entries);
    return parse_as(text, &host);
}

/* The CPU limit of a host, whose entry sets it to 60 %. */
static unsigned cpu(const char *match, const char *name, const char *os, const char *label)
{
    char entry[512];
    snprintf(entry, sizeof entry, "  - match: %s\n    limits: { cpu: 60%% }\n", match);
    struct policy *p = as(entry, name, os, label);
    unsigned percent = p->cpu_percent;
    ck_assert_uint_eq(p->memory, UINT64_C(536870912)); /* the rest of the mapping stays */
    ck_assert_uint_eq(p->n_matches, 1);
    policy_free(p);
    return percent;
}

START_TEST(matching)
{
    ck_assert_uint_eq(cpu("{ name: \"db-*\" }", "db-7", "linux", NULL), 60);
    ck_assert_uint_eq(cpu("{ name: \"db-*\" }", "DB-7.example.org", "linux", NULL), 60);
    ck_assert_uint_eq(cpu("{ name: db-7 }", "db-7.example.org", "linux", NULL), 60);
    ck_assert_uint_eq(cpu("{ name: \"*.example.org\" }", "db-7.example.org", "linux", NULL), 60);
    ck_assert_uint_eq(cpu("{ name: \"db-?\" }", "db-77", "linux", NULL), 30);
    ck_assert_uint_eq(cpu("{ name: [web, \"db-*\"] }", "db-7", "linux", NULL), 60);
    ck_assert_uint_eq(cpu("{ name: db }", "db-7", "linux", NULL), 30);
    ck_assert_uint_eq(cpu("{ os: linux }", "x", "linux", NULL), 60);
    ck_assert_uint_eq(cpu("{ os: linux }", "x", "windows", NULL), 30);
    ck_assert_uint_eq(cpu("{ os: [linux, windows] }", "x", "windows", NULL), 60);
    ck_assert_uint_eq(cpu("{ label: sql }", "x", "linux", NULL), 60);
    ck_assert_uint_eq(cpu("{ label: SQL }", "x", "linux", NULL), 30);
    ck_assert_uint_eq(cpu("{ label: lab }", "x", "linux", NULL), 30);
    ck_assert_uint_eq(cpu("{ label: lab }", "x", "linux", "lab"), 60);
    ck_assert_uint_eq(cpu("{ name: x, os: windows }", "x", "linux", NULL), 30); /* all must hold */
    ck_assert_uint_eq(cpu("{ name: x, os: linux, label: prod }", "x", "linux", NULL), 60);
}
END_TEST

START_TEST(this_machine_is_the_default)
{
    char name[256], text[512];
    struct policy *p;
    struct ds_error err = DS_ERROR_INIT;
    os_hostname(name, sizeof name);
    snprintf(text, sizeof text,
             BASE "hosts: [ { match: { name: \"%s\", os: %s }, limits: { cpu: 7%% } } ]\n", name,
             os_name());
    ck_assert_ok(policy_parse(&p, "p.yaml", text, strlen(text), NULL, &err), &err);
    ck_assert_uint_eq(p->cpu_percent, 7);
    ck_assert_str_eq(p->node_name, name);
    policy_free(p);
}
END_TEST

START_TEST(later_entries_win_and_labels_add_up)
{
    struct policy *p = as("  - match: { os: linux }\n    limits: { cpu: 10% }\n"
                          "    node: { labels: [lab] }\n"
                          "  - match: { label: lab }\n    limits: { cpu: 20%, workers: 2 }\n"
                          "  - match: { label: prod }\n    limits: { cpu: 99% }\n",
                          "x", "linux", NULL);
    ck_assert_uint_eq(p->cpu_percent, 20); /* labels were replaced: prod is gone */
    ck_assert_uint_eq(p->workers, 2);
    ck_assert_uint_eq(p->n_labels, 1);
    ck_assert_str_eq(p->labels[0], "lab");
    ck_assert_uint_eq(p->n_matches, 3);
    ck_assert_str_eq(p->matches[1].label, "lab");
    ck_assert_uint_eq(p->matches[1].line, 10);
    ck_assert_ptr_null(p->matches[1].name);
    policy_free(p);
}
END_TEST

static const char *show(const struct policy *p)
{
    static struct dynbuf out = DYNBUF_INIT(1u << 20);
    dynbuf_reset(&out);
    policy_show(p, &out);
    ck_assert(dynbuf_ok(&out));
    return (const char *)out.data;
}

START_TEST(plugin_sections_merge_or_are_replaced)
{
    struct policy *p =
        as("  - match: { os: linux }\n    snapshot: { diff_area: { \"D:\": \"F:\" } }\n"
           "    transport: { bucket: b }\n",
           "x", "linux", NULL);
    ck_assert_str_eq(p->snapshot.use, "vss");
    ck_assert_ptr_nonnull(strstr(show(p), "diff_area: { \"C:\": \"E:\", \"D:\": \"F:\" }"));
    ck_assert_ptr_nonnull(strstr(show(p), "bucket: b"));
    ck_assert_str_eq(p->passphrase, "env:ALL");
    policy_free(p);
    p = as("  - match: { os: linux }\n    snapshot: { use: lvm }\n    transport: { use: s3 }\n",
           "x", "linux", NULL);
    ck_assert_str_eq(p->snapshot.use, "lvm"); /* another plugin: its keys are not lvm's */
    ck_assert_ptr_null(strstr(show(p), "diff_area"));
    ck_assert_ptr_nonnull(strstr(show(p), "bucket: a")); /* the same plugin: merged */
    policy_free(p);
    p = as("  - match: { os: linux }\n    transport: { use: dir, path: /x }\n", "x", "linux", NULL);
    ck_assert_str_eq(p->transport.use, "dir");
    ck_assert_ptr_null(p->passphrase);
    ck_assert_uint_eq(p->compression, 1);
    ck_assert_ptr_null(strstr(show(p), "bucket"));
    policy_free(p);
    p = as("  - match: { os: linux }\n    snapshot: { use: auto }\n", "x", "linux", NULL);
    ck_assert_str_eq(p->snapshot.use, "auto");
    policy_free(p);
}
END_TEST

START_TEST(references_replace_each_other_and_null_takes_away)
{
    struct policy *p = as("  - match: { os: linux }\n"
                          "    transport: { passphrase: { file: k }, compression: ~ }\n"
                          "    limits:\n",
                          "x", "linux", NULL);
    ck_assert_str_eq(p->passphrase + 5, beside(p, "k"));
    ck_assert_uint_eq(p->compression, 1);
    ck_assert_uint_eq(p->cpu_percent, 100);
    policy_free(p);
    p = as("  - match: { os: linux }\n    transport: { passphrase: ~, node_key: { env: K } }\n",
           "x", "linux", NULL);
    ck_assert_ptr_null(p->passphrase);
    ck_assert_str_eq(p->node_key, "env:K");
    policy_free(p);
}
END_TEST

START_TEST(faults_are_found_wherever_they_stand)
{
    refused(BASE "hosts:\n  - match: { name: other }\n    limits: { cpu: 200% }\n", "5:20",
            "limits.cpu");
    refused(BASE "hosts:\n  - match: { name: other }\n    limts: {}\n", "5:5",
            "did you mean `limits`?");
    refused(BASE "hosts:\n  - match: { name: other }\n    version: 1\n", "5:5", "only at the top");
    refused(BASE "hosts:\n  - match: { name: other }\n    hosts: []\n", "5:5", "only at the top");
    refused(BASE "hosts:\n  - limits: {}\n", "4:5", "has no `match`");
    refused(BASE "hosts:\n  - match: {}\n", "4:12", "match says nothing");
    refused(BASE "hosts:\n  - match: { os: linx }\n", "4:18", "did you mean `linux`?");
    refused(BASE "hosts:\n  - match: { nam: x }\n", "4:14", "did you mean `name`?");
    refused(BASE "hosts:\n  - match: linux\n", "4:12", "found text");
    refused(BASE "hosts: { match: x }\n", "3:8", "found a mapping, wanted a list");
    refused(BASE "hosts: [x]\n", "3:9", "found text, wanted an entry");
    struct policy *p = parse(BASE "hosts:\n");
    ck_assert_uint_eq(p->n_matches, 0);
    policy_free(p);
}
END_TEST

UNIT_MAIN("policy hosts", matching, this_machine_is_the_default,
          later_entries_win_and_labels_add_up, plugin_sections_merge_or_are_replaced,
          references_replace_each_other_and_null_takes_away, faults_are_found_wherever_they_stand)
