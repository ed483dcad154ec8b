/* SPDX-License-Identifier: Apache-2.0 */
/* test-keys.c - every core key: values that are taken and what they become, values that are refused
 * and why. Each bad value begins in a known column. */
#include "core/plugin/plugin.h"
#include "core/policy/schema.h"
#include "policy-test.h"

static struct policy *with(const char *section, const char *key, const char *value)
{
    char text[1024];
    if (strcmp(section, "transport") == 0)
        snprintf(text, sizeof text, "version: 1\ntransport: { use: dir, %s: %s }\n", key, value);
    else
        snprintf(text, sizeof text, BASE "%s: { %s: %s }\n", section, key, value);
    return parse(text);
}

/* The value must be refused at its own place. */
static void without(const char *section, const char *key, const char *value, const char *words)
{
    char text[1024], place[32];
    bool transport = strcmp(section, "transport") == 0;
    snprintf(text, sizeof text, transport ? "version: 1\ntransport: { use: dir,%s %s: %s }\n"
                                          : BASE "%s: { %s: %s }\n",
             transport ? "" : section, key, value);
    snprintf(place, sizeof place, "%d:%zu", transport ? 2 : 3,
             (transport ? strlen("transport: { use: dir, ") : strlen(section) + 4) + strlen(key) +
                 3);
    refused(text, place, words);
}

#define NUMBER(section, key, value, member, want)                                   \
    do {                                                                            \
        struct policy *p_ = with(section, key, value);                              \
        ck_assert_msg(p_->member == (want), "%s.%s: %s gave %llu", section, key, value, \
                      (unsigned long long)p_->member);                              \
        policy_free(p_);                                                            \
    } while (0)

START_TEST(limits)
{
    NUMBER("limits", "cpu", "30%", cpu_percent, 30);
    NUMBER("limits", "cpu", "30", cpu_percent, 30);
    NUMBER("limits", "cpu", "\"100 %\"", cpu_percent, 100);
    without("limits", "cpu", "0%", "`0%` is out of range; it goes from 1% to 100%");
    without("limits", "cpu", "101%", "from 1% to 100%");
    without("limits", "cpu", "1.5%", "wanted a percentage");
    without("limits", "cpu", "half", "found `half`, wanted a percentage");
    without("limits", "cpu", "-5%", "wanted a percentage");
    without("limits", "cpu", "{ a: 1 }", "found a mapping");
    NUMBER("limits", "memory", "256MiB", memory, UINT64_C(268435456));
    NUMBER("limits", "memory", "\"1.5 GiB\"", memory, UINT64_C(1610612736));
    NUMBER("limits", "memory", "100663296", memory, UINT64_C(100663296));
    NUMBER("limits", "memory", "98304KiB", memory, UINT64_C(100663296));
    NUMBER("limits", "memory", "1TiB", memory, UINT64_C(1) << 40);
    NUMBER("limits", "memory", "200MB", memory, 200000000);
    NUMBER("limits", "memory", "200M", memory, 200000000);
    NUMBER("limits", "memory", "200000k", memory, 200000000);
    without("limits", "memory", "95MiB", "it goes from 96MiB to 1TiB");
    without("limits", "memory", "2TiB", "it goes from 96MiB to 1TiB");
    without("limits", "memory", "256mib", "did you mean the unit `MiB`?");
    without("limits", "memory", "256 MiBs", "did you mean the unit `MiB`?");
    without("limits", "memory", "1.5", "wanted a size");
    without("limits", "memory", "1.0001GiB", "wanted a size");
    without("limits", "memory", "0x100000000", "wanted a size");
    without("limits", "memory", "010MiB", "wanted a size");
    without("limits", "memory", "99999999999999999999", "wanted a size");
    without("limits", "memory", "9999999999PiB", "wanted a size");
    without("limits", "memory", "\"\"", "found ``");
    NUMBER("limits", "upload", "50Mbit/s", upload, 6250000);
    NUMBER("limits", "upload", "1.5Gbit/s", upload, 187500000);
    NUMBER("limits", "upload", "64kbit/s", upload, 8000);
    NUMBER("limits", "upload", "10MiB/s", upload, 10485760);
    NUMBER("limits", "upload", "10MB/s", upload, 10000000);
    NUMBER("limits", "upload", "0", upload, 0);
    NUMBER("limits", "upload", "4096", upload, 4096);
    without("limits", "upload", "50Mbit", "did you mean the unit `Mbit/s`?");
    without("limits", "upload", "50mbit/s", "did you mean the unit `Mbit/s`?");
    without("limits", "upload", "fast", "wanted a rate");
    NUMBER("limits", "workers", "0", workers, 0);
    NUMBER("limits", "workers", "64", workers, 64);
    without("limits", "workers", "65", "`65` is out of range; it goes from 0 to 64");
    without("limits", "workers", "-1", "`-1` is out of range");
    without("limits", "workers", "4.0", "wanted a whole number");
    without("limits", "workers", "4 x", "wanted a whole number");
    refused(BASE "limits: { cpus: 1 }\n", "3:11",
            "unknown key `cpus` in limits; did you mean `cpu`?");
    refused(BASE "limits: { bandwidth: 1 }\n", "3:11", "valid are: cpu, memory, upload, workers");
}
END_TEST

START_TEST(schedule)
{
    NUMBER("schedule", "every", "15m", schedule_every_ns, UINT64_C(900000000000));
    NUMBER("schedule", "every", "1h30m", schedule_every_ns, UINT64_C(5400000000000));
    NUMBER("schedule", "every", "\"1 d\"", schedule_every_ns, UINT64_C(86400000000000));
    NUMBER("schedule", "every", "1.5h", schedule_every_ns, UINT64_C(5400000000000));
    NUMBER("schedule", "every", "90000ms", schedule_every_ns, UINT64_C(90000000000));
    without("schedule", "every", "15", "wanted a duration");
    without("schedule", "every", "0", "it goes from 1m to 366d");
    without("schedule", "every", "59s", "it goes from 1m to 366d");
    without("schedule", "every", "367d", "it goes from 1m to 366d");
    without("schedule", "every", "15min", "wanted a duration");
    without("schedule", "every", "m", "wanted a duration");
    without("schedule", "every", "99999999999d", "wanted a duration");
    struct policy *p = with("schedule", "window", "\"20:00-06:30\"");
    ck_assert_uint_eq(p->window_from, 1200);
    ck_assert_uint_eq(p->window_to, 390);
    ck_assert_uint_eq(p->schedule_every_ns, 0);
    policy_free(p);
    NUMBER("schedule", "window", "00:00-24:00", window_to, 1440);
    NUMBER("schedule", "every", "1m", window_to, 1440);
    without("schedule", "window", "20:00", "wanted two different times");
    without("schedule", "window", "20:00-20:00", "wanted two different times");
    without("schedule", "window", "24:00-06:00", "wanted two different times");
    without("schedule", "window", "20:60-06:00", "wanted two different times");
    without("schedule", "window", "20:00-24:01", "wanted two different times");
    without("schedule", "window", "2000-0600", "found `2000-0600`");
}
END_TEST

START_TEST(disks)
{
    struct policy *p = with("disks", "include", "[2, \"serial:WD-1\", /vm/*.raw, disk0.raw, "
                            "gpt:01234567-89ab-cdef-0123-456789abcdef, mbr:1a2b3c4d]");
    ck_assert_uint_eq(p->n_include, 6);
    ck_assert_str_eq(p->include[0], "2");
    ck_assert_str_eq(p->include[1], "serial:WD-1");
    ck_assert(os_is_absolute(p->include[2]));
    ck_assert_str_eq(p->include[3], beside(p, "disk0.raw"));
    ck_assert_str_eq(p->include[4], "gpt:01234567-89ab-cdef-0123-456789abcdef");
    ck_assert_str_eq(p->include[5], "mbr:1a2b3c4d");
    ck_assert_uint_eq(p->n_exclude, 0);
    policy_free(p);
    p = with("disks", "exclude", "2"); /* a list of one may stand without brackets */
    ck_assert_uint_eq(p->n_exclude, 1);
    ck_assert_str_eq(p->exclude[0], "2");
    ck_assert_uint_eq(p->n_include, 0);
    policy_free(p);
    NUMBER("disks", "include", "[]", n_include, 0);
    NUMBER("disks", "include", "./a:b", n_include, 1);
    without("disks", "include", "0", "numbered from 1");
    without("disks", "include", "\"\"", "the selector is empty");
    without("disks", "include", "seral:X", "did you mean `serial`?");
    without("disks", "include", "\"gpt:1234\"", "is incomplete");
    without("disks", "include", "\"mbr:1a2b3c4\"", "is incomplete");
    without("disks", "include", "\"mbr:1a2b3c4d5\"", "is incomplete");
    without("disks", "include", "\"serial:\"", "is incomplete");
    without("disks", "include", "\"a\\nb\"", "line break");
    without("disks", "include", "{ a: 1 }", "found a mapping, wanted text");
    refused(BASE "disks: { exclude: [1, [2]] }\n", "3:23", "found a list");
    refused(BASE "disks: { exclude: [1, ~] }\n", "3:23", "found nothing");
    NUMBER("disks", "block_size", "16KiB", block_size, 16384);
    NUMBER("disks", "block_size", "1MiB", block_size, 1048576);
    NUMBER("disks", "block_size", "~", block_size, 65536);
    without("disks", "block_size", "8KiB", "it goes from 16KiB to 1MiB");
    without("disks", "block_size", "2MiB", "it goes from 16KiB to 1MiB");
    without("disks", "block_size", "100KiB", "no power of two");
}
END_TEST

START_TEST(node)
{
    struct policy *p =
        parse(BASE "node: { name: web, labels: [prod, sql.2], state: st, instance: i-7 }\n");
    ck_assert_str_eq(p->node_name, "web");
    ck_assert_uint_eq(p->n_labels, 2);
    ck_assert_str_eq(p->labels[1], "sql.2");
    ck_assert_str_eq(p->state, beside(p, "st"));
    ck_assert_str_eq(p->instance, "i-7");
    policy_free(p);
    without("node", "name", "\"\"", "1 to 128 bytes");
    without("node", "name", "[a]", "found a list");
    without("node", "name", "\"a\\tb\"", "control character");
    without("node", "labels", "a/b", "is no label");
    without("node", "state", "\"\"", "the path is empty");
    without("node", "instance", "\"\"", "1 to 128 bytes");
    p = parse(BASE "node:\n");
    ck_assert_str_eq(p->node_name, test_host.name);
    ck_assert_ptr_null(p->instance);
    policy_free(p);
}
END_TEST

START_TEST(retention)
{
    struct policy *p = parse(
        BASE
        "retention: { last: 24, hourly: 1, daily: 7, weekly: 4, monthly: 12, yearly: 100000 }\n");
    ck_assert_uint_eq(p->retention.last, 24);
    ck_assert_uint_eq(p->retention.hourly, 1);
    ck_assert_uint_eq(p->retention.daily, 7);
    ck_assert_uint_eq(p->retention.weekly, 4);
    ck_assert_uint_eq(p->retention.monthly, 12);
    ck_assert_uint_eq(p->retention.yearly, 100000);
    policy_free(p);
    NUMBER("retention", "last", "3", retention.yearly, 0);
    static const char *const rules[] = { "last", "hourly", "daily", "weekly", "monthly", "yearly" };
    for (size_t i = 0; i < 6; i++) {
        without("retention", rules[i], "-1", "it goes from 0 to 100000");
        without("retention", rules[i], "100001", "it goes from 0 to 100000");
        without("retention", rules[i], "7d", "wanted a whole number");
    }
    refused(BASE "retention: { dayly: 7 }\n", "3:14", "did you mean `daily`?");
}
END_TEST

START_TEST(hooks)
{
    struct policy *p = parse(BASE "hooks:\n  before_snapshot:\n    - [/bin/echo, \"a b\", \"\"]\n"
                                  "    - freeze.sh\n  after_snapshot: []\n");
    ck_assert_uint_eq(p->n_before_snapshot, 2);
    ck_assert_uint_eq(p->n_after_snapshot, 0);
    ck_assert_str_eq(p->before_snapshot[0].argv[1], "a b");
    ck_assert_str_eq(p->before_snapshot[0].argv[2], "");
    ck_assert_ptr_null(p->before_snapshot[0].argv[3]);
    ck_assert_str_eq(p->before_snapshot[1].argv[0], beside(p, "freeze.sh"));
    ck_assert_ptr_null(p->before_snapshot[1].argv[1]);
    policy_free(p);
    without("hooks", "before_snapshot", "freeze.sh", "found text, wanted a list of commands");
    without("hooks", "after_snapshot", "{ a: b }", "found a mapping");
    NUMBER("hooks", "timeout", "~", hook_limit_ns, UINT64_C(120000000000));
    NUMBER("hooks", "timeout", "1s", hook_limit_ns, UINT64_C(1000000000));
    NUMBER("hooks", "timeout", "1h", hook_limit_ns, UINT64_C(3600000000000));
    without("hooks", "timeout", "0s", "it goes from 1s to 1h");
    without("hooks", "timeout", "61m", "it goes from 1s to 1h");
    without("hooks", "timeout", "90", "wanted a duration");
    refused(BASE "hooks: { after_snapshot: [[]] }\n", "3:27", "the command is empty");
    refused(BASE "hooks: { after_snapshot: [[\"\"]] }\n", "3:28", "the path is empty");
    refused(BASE "hooks: { after_snapshot: [~] }\n", "3:27", "found nothing");
    refused(BASE "hooks: { after_snapshot: [[a, [b]]] }\n", "3:31", "found a list, wanted text");
}
END_TEST

START_TEST(plugins)
{
    static const char digits[] =
        "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef";
    char text[512];
    snprintf(text, sizeof text, BASE "plugins: { folder: mods, pin: { dir: %s, s3: ~ } }\n",
             digits);
    struct policy *p = parse(text);
    ck_assert_str_eq(p->plugin_folder, beside(p, "mods"));
    ck_assert_uint_eq(p->n_pins, 1);
    ck_assert_str_eq(p->pins[0].name, "dir");
    ck_assert(strncmp(p->pins[0].sha256, "0123456789abcdef", 16) == 0);
    ck_assert_uint_eq(strlen(p->pins[0].sha256), 64);
    policy_free(p);
    without("plugins", "pin", "abc", "found text, wanted keys");
    refused(BASE "plugins: { pin: { dir: abc } }\n", "3:24", "plugins.pin[dir]: wanted a SHA-256");
    refused(BASE "plugins: { pin: { \"\": abc } }\n", "3:19", "1 to 255 bytes");
}
END_TEST

START_TEST(transport_and_secrets)
{
    struct policy *p = with("transport", "passphrase", "{ env: DS_PASS }");
    ck_assert_str_eq(p->passphrase, "env:DS_PASS");
    ck_assert_ptr_null(p->node_key);
    ck_assert_uint_eq(p->compression, 1);
    policy_free(p);
    p = with("transport", "node_key", "{ file: keys/node }");
    ck_assert(strncmp(p->node_key, "file:", 5) == 0 && os_is_absolute(p->node_key + 5));
    policy_free(p);
    NUMBER("transport", "compression", "19", compression, 19);
    without("transport", "compression", "0", "it goes from 1 to 19");
    without("transport", "compression", "20", "it goes from 1 to 19");
    refused("version: 1\ntransport: { use: auto }\n", "2:19", "must be named");
    refused("version: 1\ntransport: { use: none }\n", "2:19", "must be named");
    refused("version: 1\ntransport: { use: S3 }\n", "2:19", "no plugin's name");
    refused("version: 1\ntransport:\n  use: x\n  passphrase: { env: A }\n  node_key: { env: B }\n",
            "5:3", "both node_key and passphrase (line 4)");
    refused("version: 1\ntransport: { use: dir, passphrase: { env: 1A } }\n", "2:43",
            "no name of a variable");
}
END_TEST

START_TEST(a_literal_secret_is_never_repeated)
{
    static const char *const wrong[] = {
        "hunter2", "\"hunter2\"", "[hunter2]", "{ hunter2: x }", "{ value: hunter2 }",
        "{ env: hunter2%, file: hunter2 }", "{ env: hunter2% }", "{ env: [hunter2] }",
        "{ file: { hunter2: hunter2 } }", "{ file: \"hunter2\\n\" }", "{ hunter2 }",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[256];
        struct policy *policy;
        struct ds_error err = DS_ERROR_INIT;
        snprintf(text, sizeof text, "version: 1\ntransport:\n  use: x\n  passphrase: %s\n",
                 wrong[i]);
        ck_assert_int_eq(policy_parse(&policy, "p.yaml", text, strlen(text), NULL, &err),
                         DS_EPOLICY);
        ck_assert_msg(!strstr(err.msg, "hunter"), "%s", err.msg);
        ck_assert(strncmp(err.msg, "p.yaml:4:", 9) == 0);
        ck_assert_ptr_nonnull(strstr(err.msg, "transport.passphrase"));
    }
}
END_TEST

START_TEST(plugin_sections)
{
    struct policy *p = parse(BASE "snapshot: { use: none, a: 1 }\ntracker: { use: none }\n");
    ck_assert_str_eq(p->snapshot.use, "none");
    ck_assert_str_eq(p->tracker.use, "none");
    policy_free(p);
    refused(BASE "snapshot: { diff_area: 1 }\n", "3:13", "`use: auto` names none");
    refused(BASE "tracker: { use: none, x: 1 }\n", "3:23", "`use: none` names none");
    refused(BASE "tracker: { usee: x }\n", "3:12", "did you mean `use`?");
    refused(BASE "tracker: cbt\n", "3:10", "tracker: found text, wanted keys");
    refused(BASE "tracker: { use: a_b }\n", "3:17", "no plugin's name");
}
END_TEST

/* The reference page names every key, its default and nothing that is not there. */
START_TEST(every_key_is_documented)
{
    const char *top = getenv("top_srcdir");
    char path[OS_PATH_MAX], word[200];
    void *text;
    size_t len, rows = 0, headings = 0;
    struct ds_error err = DS_ERROR_INIT;
    ck_assert_ok(os_join(path, top ? top : ".", "docs/policy.md", &err), &err);
    ck_assert_ok(os_read_file(path, 1u << 20, &text, &len, &err), &err);
    for (size_t s = 0; s < schema_n_sections; s++)
        for (size_t r = 0; r < schema_sections[s].n; r++, rows++) {
            const struct ds_option *o = &schema_sections[s].rows[r].option;
            char shown[64] = "";
            snprintf(word, sizeof word, "| `%s.%s` |", schema_sections[s].name, o->name);
            const char *line = strstr(text, word);
            ck_assert_msg(line != NULL, "docs/policy.md lacks %s.%s", schema_sections[s].name,
                          o->name);
            if (!o->def)
                continue;
            snprintf(word, sizeof word, "`%s`", value_show(shown, sizeof shown, o->type, o->def));
            const char *found = strstr(line, word);
            ck_assert_msg(found && !memchr(line, '\n', (size_t)(found - line)),
                          "docs/policy.md: the default of %s.%s is not %s", schema_sections[s].name,
                          o->name, word);
        }
    for (const char *p = text; (p = strstr(p, "\n| `")) != NULL; p++)
        headings += memchr(p, '.', strcspn(p + 4, "`") + 4) != NULL;
    ck_assert_uint_eq(headings, rows);
    free(text);
}
END_TEST

UNIT_MAIN("policy keys", limits, schedule, disks, node, retention, hooks, plugins,
          transport_and_secrets, a_literal_secret_is_never_repeated, plugin_sections,
          every_key_is_documented)
