/* SPDX-License-Identifier: Apache-2.0 */
/* test-show.c - the effective policy as text: complete, the same when parsed again, whatever its
 * texts hold, and without what may be a secret. */
#include "policy-test.h"

static char *shown(const struct policy *p)
{
    struct dynbuf out = DYNBUF_INIT(4u << 20);
    policy_show(p, &out);
    ck_assert(dynbuf_ok(&out));
    return (char *)out.data;
}

/* Shows, parses, shows again: nothing may differ. Returns the text. */
static char *round_trip(const char *text)
{
    struct policy *first = parse(text);
    char *one = shown(first);
    struct policy *second = parse(one);
    char *two = shown(second);
    ck_assert_str_eq(one, two);
    ck_assert_uint_eq(first->memory, second->memory);
    ck_assert_uint_eq(first->schedule_every_ns, second->schedule_every_ns);
    ck_assert_uint_eq(first->n_before_snapshot, second->n_before_snapshot);
    ck_assert_str_eq(first->node_name, second->node_name);
    ck_assert_str_eq(first->state, second->state);
    policy_free(first);
    policy_free(second);
    free(two);
    return one;
}

START_TEST(defaults_are_shown)
{
    static const char *const lines[] = {
        "version: 1\n", "\n  name: web-01.example.org\n", "\n  labels: []\n",
        "\n  block_size: 64KiB\n", "snapshot:\n  use: auto\n", "tracker:\n  use: auto\n",
        "transport:\n  use: dir\n  compression: 1\n",
        "limits:\n  cpu: 100%\n  memory: 256MiB\n  upload: 0\n  workers: 0\n",
        "schedule:\n  window: \"00:00-24:00\"\n", "retention:\n  last: 0\n",
        "hooks:\n  before_snapshot: []\n",
    };
    char *text = round_trip(BASE);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        ck_assert_msg(strstr(text, lines[i]) != NULL, "%s lacks %s", text, lines[i]);
    ck_assert_ptr_null(strstr(text, "plugins:")); /* nothing set, no default */
    free(text);
}
END_TEST

START_TEST(everything_comes_back)
{
    char *text =
        round_trip("version: 1\n"
                   "node: { name: \"n: \\\"q\\\" \\\\ # x\", labels: [a, b], state: \"s p\", "
                   "instance: \"null\" }\n"
                   "disks: { include: [1, \"serial:A B\", \"/d/*.raw\"], exclude: "
                   "[\"mbr:00112233\"], block_size: 1MiB }\n"
                   "snapshot: { use: vss, diff_area: { \"C:\": \"E:\", x: [1, {y: ~}] } }\n"
                   "tracker: { use: cbt }\n"
                   "transport: { use: s3, passphrase: { file: \"a b\" }, compression: 9, "
                   "access_key: { env: AK } }\n"
                   "limits: { cpu: 30%, memory: 1536MiB, upload: 50Mbit/s, workers: 3 }\n"
                   "schedule: { every: 90m, window: \"20:00-06:00\" }\n"
                   "retention: { last: 24, daily: 7 }\n"
                   "hooks: { before_snapshot: [[/bin/x, \"-y\", \"\"], z], after_snapshot: [w] }\n"
                   "plugins: { folder: m, pin: { dir: "
                   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef } }\n"
                   "hosts: [ { match: { os: linux }, limits: { workers: 4 } } ]\n");
    ck_assert_ptr_nonnull(strstr(text, "upload: 50Mbit/s\n  workers: 4\n"));
    ck_assert_ptr_nonnull(strstr(text, "every: 90m\n  window: \"20:00-06:00\"\n"));
    ck_assert_ptr_nonnull(strstr(text, "diff_area: { \"C:\": \"E:\", x: [1, { y: null }] }"));
    ck_assert_ptr_nonnull(strstr(text, "access_key: { env: AK }"));
    ck_assert_ptr_null(strstr(text, "hosts:"));
    free(text);
}
END_TEST

START_TEST(odd_characters_come_back)
{
    char text[512];
    static const char *const odd[] = {
        "\\u0080", "\\u0085", "\\u00a0", "\\u2028", "\\u2029", "\\ufeff", "\\U0001f600", "\xc3\xbc",
        "\xf0\x9f\x98\x80", " lead", "trail ", "- x", "a: b", "# c", "~", "true", "*x", "&x", "!x",
        "%x", "@x", "`x", "{", "]", "'", "?", "|", ">", "\\\"", "\\\\", "1e3", "..", "---",
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        snprintf(text, sizeof text,
                 BASE "node: { name: \"%s\" }\nhooks: { after_snapshot: [[x, \"%s\"]] }\n", odd[i],
                 odd[i]);
        free(round_trip(text));
    }
}
END_TEST

START_TEST(a_secret_by_mistake_is_not_shown)
{
    struct policy *p =
        parse("version: 1\ntransport: { use: s3, secret_key: hunter2, Password: [hunter2],\n"
              "  auth: { token: hunter2 }, my_key: { x: hunter2 }, bucket: b }\n");
    char *text = shown(p);
    ck_assert_ptr_null(strstr(text, "hunter2"));
    ck_assert_ptr_nonnull(strstr(text, "secret_key: \"(not shown)\""));
    ck_assert_ptr_nonnull(strstr(text, "bucket: b"));
    free(text);
    policy_free(p);
}
END_TEST

UNIT_MAIN("policy show", defaults_are_shown, everything_comes_back, odd_characters_come_back,
          a_secret_by_mistake_is_not_shown)
