/* SPDX-License-Identifier: Apache-2.0 */
/* test-form.c - the form of the file: YAML faults, bounds, duplicates, anchors, bytes that are no
 * text. Each is refused at its exact line and column. */
#include "policy-test.h"

START_TEST(smallest_policy_works)
{
    struct policy *p =
        parse("version: 1\n"
              "disks: { include: [disk0.raw] }\n"
              "transport: { use: dir, path: ./repository, passphrase: { file: key } }\n");
    ck_assert_str_eq(p->transport.use, "dir");
    ck_assert_str_eq(p->snapshot.use, "auto");
    ck_assert_str_eq(p->tracker.use, "auto");
    ck_assert_uint_eq(p->n_include, 1);
    ck_assert_str_eq(p->include[0], beside(p, "disk0.raw"));
    ck_assert_str_eq(p->node_name, "web-01.example.org");
    ck_assert_str_eq(p->state, beside(p, "disksync-state"));
    ck_assert(strncmp(p->passphrase, "file:", 5) == 0);
    ck_assert_str_eq(p->passphrase + 5, beside(p, "key"));
    policy_free(p);
    policy_free(NULL);
}
END_TEST

START_TEST(places_are_exact)
{
    refused(BASE "limits:\n  cpu: 130%\n", "4:8", "limits.cpu");
    refused(BASE "limits: { cpu: 10%, memry: 1GiB }\n", "3:21", "did you mean `memory`");
    refused(BASE "limts: { cpu: 10% }\n", "3:1", "did you mean `limits`");
    refused(BASE "node: { name: \"\xc3\xbc\xc3\xbc\", labels: [\"a b\"] }\n", "3:30", "label");
    refused("\xef\xbb\xbf" "limts: 1\nversion: 1\n", "1:1", "limits");
    refused(BASE "limits: { cpu: [1] }\n", "3:16", "found a list, wanted a percentage");
    refused(BASE "limits: [1]\n", "3:9", "found a list, wanted keys");
    refused(BASE "hosts:\n  - match: { os: linux }\n    limits:\n      workers: many\n", "6:16",
            "found `many`, wanted a whole number");
    refused("transport: { use: dir }\n", "1:1", "version is missing");
    refused("transport: { use: dir }\nversion: 2\nfuture: 1\n", "2:10", "version 2 is not known");
    refused("version: 1\n", "1:1", "transport.use is missing");
    refused("version: 1\ntransport: { path: x }\n", "2:12", "transport.use is missing");
    refused("- 1\n", "1:1", "found a list");
}
END_TEST

START_TEST(yaml_faults_have_places)
{
    refused("version: 1\nlimits: { cpu: 10%\n", "3:1", "not valid YAML");
    refused("version: 1\nlimits:\n\tcpu: 10%\n", "3:1", "a tab stands here");
    refused("version: 1\n  node: x\n", "2:7", "not valid YAML");
    refused("version: 1\n---\nversion: 1\n", "2:1", "one document");
    refused("", "1:1", "empty");
    refused("# nothing\n", "2:1", "empty");
    refused("---\n...\n", "2:1", "empty");
    refused("version: 1\nnode: { name: \"a\\0b\" }\n", "2:15", "zero character");
    refused("? [a]\n: 1\n", "1:3", "a key must be text");
    refused("version: !!int 1\n", "1:10", "tags");
}
END_TEST

START_TEST(duplicates_name_both_places)
{
    refused("version: 1\nnode: {}\nversion: 1\n", "3:1", "the first is at 1:1");
    refused(BASE "limits: { cpu: 1%, memory: 1GiB, cpu: 2% }\n", "3:34", "the first is at 3:11");
}
END_TEST

START_TEST(anchors_and_aliases_are_refused)
{
    refused("version: 1\nnode: &a { name: x }\n", "2:7", "anchors");
    refused("version: 1\nnode: *a\n", "2:7", "aliases");
    refused("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\n", "1:4", "anchors");
}
END_TEST

START_TEST(what_is_no_text_is_refused)
{
    static const char utf16[] = "\xff\xfev\0e\0r\0";
    static const char zeros[64];
    refused_bytes(utf16, sizeof utf16, "1:1", "UTF-16");
    refused_bytes(zeros, sizeof zeros, "1:1", "not text in UTF-8");
    refused("version: 1\nnode: { name: \xff }\n", "2:15", "not text in UTF-8");
    refused("version: 1\nnode: { name: \x01 }\n", "2:15", "not text in UTF-8");
    unsigned char noise[4096];
    uint32_t seed = 20240229;
    for (int round = 0; round < 300; round++) {
        struct policy *policy;
        struct ds_error err = DS_ERROR_INIT;
        for (size_t i = 0; i < sizeof noise; i++) {
            seed = seed * 1664525u + 1013904223u;
            noise[i] = (unsigned char)(seed >> 24);
        }
        ck_assert_int_eq(policy_parse(&policy, "p.yaml", noise, sizeof noise, NULL, &err),
                         DS_EPOLICY);
    }
}
END_TEST

static void fill(struct dynbuf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dynbuf_text(out, text);
    ck_assert(dynbuf_ok(out));
}

START_TEST(bounds_hold)
{
    struct dynbuf out = DYNBUF_INIT(8u << 20);
    fill(&out, "[", 100000); /* depth */
    refused_bytes((char *)out.data, out.len, "1:33", "deeper than 32");
    dynbuf_reset(&out);
    fill(&out, "- ", 100000);
    refused_bytes((char *)out.data, out.len, "1:65", "deeper than 32");
    dynbuf_reset(&out);
    fill(&out, "- x\n", 100000); /* values */
    refused_bytes((char *)out.data, out.len, "65536:3", "more than 65536 values");
    dynbuf_reset(&out);
    for (int i = 0; i < 2000; i++) /* keys */
        dynbuf_printf(&out, "k%d: 1\n", i);
    refused_bytes((char *)out.data, out.len, "1025:1", "at most 1024 keys");
    dynbuf_reset(&out);
    fill(&out, BASE, 1); /* size */
    fill(&out, "# filling\n", 110000);
    refused_bytes((char *)out.data, out.len, "1:1", "larger than 1 MiB");
    out.len = 1u << 20; /* as large as it may be */
    struct policy *policy;
    struct ds_error err = DS_ERROR_INIT;
    ck_assert_ok(policy_parse(&policy, "p.yaml", out.data, out.len, &test_host, &err), &err);
    policy_free(policy);
    dynbuf_free(&out);
}
END_TEST

START_TEST(overrides_of_a_whole_fleet_stay_within_bounds)
{
    struct dynbuf out = DYNBUF_INIT(8u << 20);
    struct policy *policy;
    struct ds_error err = DS_ERROR_INIT;
    fill(&out, "version: 1\ntransport:\n  use: dir\n", 1);
    for (int i = 0; i < 900; i++)
        dynbuf_printf(&out, "  k%d: 1\n", i);
    fill(&out, "hosts:\n", 1);
    fill(&out, "  - { match: { os: linux }, transport: { k1: 2 } }\n", 6000);
    int rc = policy_parse(&policy, "p.yaml", out.data, out.len, &test_host, &err);
    ck_assert_msg(rc == DS_ENOMEM || rc == DS_OK, "%d %s", rc, err.msg);
    policy_free(policy);
    dynbuf_free(&out);
}
END_TEST

START_TEST(files_are_loaded)
{
    struct policy *policy;
    struct ds_error err = DS_ERROR_INIT;
    static const char text[] = BASE;
    const char *path = "test-form.yaml";
    ck_assert_int_eq(policy_load(&policy, "no-such-file.yaml", NULL, &err), DS_ENOENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "no-such-file.yaml"));
    ck_assert_int_eq(policy_load(&policy, ".", NULL, &err), DS_EPOLICY);
    ck_assert_ok(os_write_file(path, text, sizeof text - 1, &err), &err);
    ck_assert_ok(policy_load(&policy, path, NULL, &err), &err);
    ck_assert(os_is_absolute(policy->path) && os_is_absolute(policy->folder));
    ck_assert(os_same_file(policy->path, path));
    policy_free(policy);
    char *large = malloc((1u << 20) + 1);
    ck_assert_ptr_nonnull(large);
    memset(large, '#', (1u << 20) + 1);
    ck_assert_ok(os_write_file(path, large, (1u << 20) + 1, &err), &err);
    ck_assert_int_eq(policy_load(&policy, path, NULL, &err), DS_EPOLICY);
    ck_assert_ptr_nonnull(strstr(err.msg, "test-form.yaml:1:1: the policy is larger"));
    free(large);
    ck_assert_ok(os_remove(path, &err), &err);
}
END_TEST

START_TEST(a_long_name_leaves_room_for_the_message)
{
    char name[2000];
    struct policy *policy;
    struct ds_error err = DS_ERROR_INIT;
    memset(name, 'x', sizeof name);
    memcpy(name + sizeof name - 6, ".yaml", 6);
    ck_assert_int_eq(policy_parse(&policy, name, "a: 1", 4, NULL, &err), DS_EPOLICY);
    ck_assert(strncmp(err.msg, "...xxx", 6) == 0);
    ck_assert_ptr_nonnull(strstr(err.msg, "x.yaml:1:1: version is missing"));
}
END_TEST

UNIT_MAIN("policy form", smallest_policy_works, places_are_exact, yaml_faults_have_places,
          duplicates_name_both_places, anchors_and_aliases_are_refused, what_is_no_text_is_refused,
          bounds_hold, overrides_of_a_whole_fleet_stay_within_bounds, files_are_loaded,
          a_long_name_leaves_room_for_the_message)
