/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c - core's keys, one row each, and the checks that a type alone can't make. docs/policy.md
 * describes every row; a test compares the two. */
#include "core/policy/schema.h"

#include "core/base/text.h"

#include <string.h>

#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define DAY (1440 * MINUTE)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define TIB (1024 * 1024 * MIB)

#define AT(member) offsetof(struct policy, member)

/* ---- checks ---- */

static int check_name(const struct policy_source *src, const char *where,
                      const struct policy_node *node, const char **value)
{
    size_t n = strlen(*value);
    if (n == 0 || n > 128)
        return node_fail(src, node, "%s: wanted 1 to 128 bytes of text, found %zu", where, n);
    return DS_OK;
}

static bool is_word(const char *text, size_t max, const char *more)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t n = strlen(text);
    if (n == 0 || n > max)
        return false;
    for (; *text; text++)
        if (!strchr(letters, *text) && !strchr(more, *text))
            return false;
    return true;
}

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static int check_label(const struct policy_source *src, const char *where,
                       const struct policy_node *node, const char **value)
{
    char found[VALUE_QUOTE];
    if (!is_word(*value, 64, UPPER "_."))
        return node_fail(src, node,
                         "%s: `%s` is no label; one has 1 to 64 letters, digits, `-`, `_` and `.`",
                         where, value_quote(found, *value));
    return DS_OK;
}

static int check_use(const struct policy_source *src, const char *where,
                     const struct policy_node *node, const char **value)
{
    char found[VALUE_QUOTE];
    if (!is_word(*value, 32, ""))
        return node_fail(src, node,
                         "%s: `%s` is no plugin's name; one has 1 to 32 small letters, digits and "
                         "`-`",
                         where, value_quote(found, *value));
    return DS_OK;
}

static int check_transport(const struct policy_source *src, const char *where,
                           const struct policy_node *node, const char **value)
{
    if (strcmp(*value, "auto") == 0 || strcmp(*value, "none") == 0)
        return node_fail(src, node, "%s: a transport must be named; `%s` says nothing here", where,
                         *value);
    return check_use(src, where, node, value);
}

static int check_block_size(const struct policy_source *src, const char *where,
                            const struct policy_node *node, const char **value)
{
    uint64_t bytes = 0;
    char found[VALUE_QUOTE];
    text_parse_u64(&bytes, *value, UINT64_MAX);
    if (bytes & (bytes - 1))
        return node_fail(src, node,
                         "%s: `%s` is no power of two; possible are 16KiB, 32KiB, 64KiB, 128KiB, "
                         "256KiB, 512KiB and 1MiB",
                         where, value_quote(found, node->text));
    return DS_OK;
}

static int check_sha256(const struct policy_source *src, const char *where,
                        const struct policy_node *node, const char **value)
{
    uint8_t digest[32];
    char hex[65];
    if (!text_unhex(digest, sizeof digest, *value))
        return node_fail(src, node, "%s: wanted a SHA-256 of 64 hexadecimal digits", where);
    text_hex(hex, digest, sizeof digest);
    *value = arena_text(src->arena, hex, 64);
    return *value ? DS_OK : node_no_memory(src);
}

static int check_window(const struct policy_source *src, const char *where,
                        const struct policy_node *node, const char **value)
{
    unsigned from, to;
    char found[VALUE_QUOTE];
    if (!window_parse(*value, &from, &to))
        return node_fail(src, node,
                         "%s: found `%s`, wanted two different times of the day such as "
                         "\"20:00-06:00\"",
                         where, value_quote(found, *value));
    return DS_OK;
}

/* The kind of a selector: what stands before its colon, if that is two letters and more (one is a
 * drive) and no folder. Empty for a path. */
static void selector_kind(const char *text, char kind[VALUE_QUOTE])
{
    size_t n = strcspn(text, ":/\\");
    if (text[n] != ':' || n < 2)
        n = 0;
    snprintf(kind, VALUE_QUOTE, "%.*s", (int)(n < 60 ? n : 60), text);
}

static int check_identity(const struct policy_source *src, const char *where,
                          const struct policy_node *node, const char *text, const char *kind)
{
    static const char *const kinds[] = { "serial", "gpt", "mbr" };
    char found[VALUE_QUOTE], hint[220];
    const char *rest = strchr(text, ':') + 1;
    struct nearest nearest = nearest_to(kind);
    uint8_t bytes[16];
    if ((strcmp(kind, "serial") == 0 && *rest) ||
        (strcmp(kind, "gpt") == 0 && text_parse_uuid(bytes, rest)) ||
        (strcmp(kind, "mbr") == 0 && text_unhex(bytes, 4, rest)))
        return DS_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        nearest_add(&nearest, kinds[i]);
    value_quote(found, text);
    if (nearest.word && strcmp(nearest.word, kind) == 0)
        return node_fail(
            src, node,
            "%s: `%s` is incomplete; wanted serial:TEXT, gpt:GUID or mbr:8 hexadecimal "
            "digits",
            where, found);
    return node_fail(src, node, "%s: `%s` is no selector%s", where, found,
                     nearest_hint(&nearest, hint, sizeof hint));
}

/* A selector of disks: a number, serial:S, gpt:GUID, mbr:SIGNATURE, or a path (also a glob), which
 * becomes absolute. */
static int check_selector(const struct policy_source *src, const char *where,
                          const struct policy_node *node, const char **value)
{
    char kind[VALUE_QUOTE], path[OS_PATH_MAX];
    const char *text = *value;
    uint64_t number;
    struct ds_error err = DS_ERROR_INIT;

    if (*text && strspn(text, "0123456789") == strlen(text)) {
        if (!text_parse_u64(&number, text, 65535) || number == 0)
            return node_fail(src, node, "%s: disks are numbered from 1 to 65535, not %s", where,
                             value_quote(kind, text));
        return DS_OK;
    }
    if (!*text)
        return node_fail(src, node, "%s: the selector is empty", where);
    selector_kind(text, kind);
    if (*kind)
        return check_identity(src, where, node, text, kind);
    if (os_absolute(path, src->folder, text, &err))
        return node_fail(src, node, "%s: %.200s", where, err.msg);
    *value = arena_text(src->arena, path, strlen(path));
    return *value ? DS_OK : node_no_memory(src);
}

/* ---- rows ---- */

static const struct schema_row node_rows[] = {
    { .option = { "name", "how the node is called in the repository and in messages; default: the "
                          "host name", NULL, NULL, DS_OPT_STRING, 0, 0, 0 },
      .bind = BIND_TEXT, .offset = AT(node_name), .check = check_name },
    { .option = { "labels", "words that hosts entries can match", NULL, NULL, DS_OPT_STRING,
                  DS_OPTF_LIST, 0, 0 },
      .bind = BIND_LIST, .offset = AT(labels), .count = AT(n_labels), .check = check_label },
    { .option = { "state", "folder of the node's own records; default: the system's place, or "
                           "disksync-state beside any other policy", NULL, NULL, DS_OPT_PATH, 0, 0,
                  0 },
      .bind = BIND_PATH, .offset = AT(state) },
    { .option = { "instance", "tells this machine from its clones, instead of the machine's own "
                              "identity", NULL, NULL, DS_OPT_STRING, 0, 0, 0 },
      .bind = BIND_TEXT, .offset = AT(instance), .check = check_name },
};

static const struct schema_row disks_rows[] = {
    { .option = { "include", "selectors of the disks to replicate, and image files; default: every "
                             "disk", NULL, NULL, DS_OPT_STRING, DS_OPTF_LIST, 0, 0 },
      .bind = BIND_LIST, .offset = AT(include), .count = AT(n_include), .check = check_selector },
    { .option = { "exclude", "selectors of the disks to leave alone", NULL, NULL, DS_OPT_STRING,
                  DS_OPTF_LIST, 0, 0 },
      .bind = BIND_LIST, .offset = AT(exclude), .count = AT(n_exclude), .check = check_selector },
    { .option = { "block_size", "unit of comparison and storage; a power of two", "65536", NULL,
                  DS_OPT_SIZE, 0, 16 * KIB, MIB },
      .bind = BIND_U64, .offset = AT(block_size), .check = check_block_size },
};

static const struct schema_row snapshot_rows[] = {
    { .option = { "use", "the snapshot provider; auto: the best that serves the disks; none: disks "
                         "are read live", "auto", NULL, DS_OPT_STRING, 0, 0, 0 },
      .bind = BIND_TEXT, .offset = AT(snapshot.use), .check = check_use },
};

static const struct schema_row tracker_rows[] = {
    { .option = { "use", "the change tracker; auto: the best that serves the disks; none: every "
                         "sync compares", "auto", NULL, DS_OPT_STRING, 0, 0, 0 },
      .bind = BIND_TEXT, .offset = AT(tracker.use), .check = check_use },
};

static const struct schema_row transport_rows[] = {
    { .option = { "use", "the plugin that keeps the points", NULL, NULL, DS_OPT_STRING,
                  DS_OPTF_REQUIRED, 0, 0 },
      .bind = BIND_TEXT, .offset = AT(transport.use), .check = check_transport },
    { .option = { "passphrase", "opens the repository", NULL, NULL, DS_OPT_SECRET, 0, 0, 0 },
      .bind = BIND_TEXT, .offset = AT(passphrase) },
    { .option = { "node_key", "the key of this node alone, instead of the passphrase", NULL, NULL,
                  DS_OPT_SECRET, 0, 0, 0 },
      .bind = BIND_TEXT, .offset = AT(node_key) },
    { .option = { "compression", "zstd level; higher is smaller and slower", "1", NULL, DS_OPT_INT,
                  0, 1, 19 },
      .bind = BIND_UNSIGNED, .offset = AT(compression) },
};

static const struct schema_row limits_rows[] = {
    { .option = { "cpu", "share of all processors; 100% is no limit", "100", NULL, DS_OPT_PERCENT,
                  0, 1, 100 },
      .bind = BIND_UNSIGNED, .offset = AT(cpu_percent) },
    { .option = { "memory", "main memory of a sync, at most", "268435456", NULL, DS_OPT_SIZE, 0,
                  96 * MIB, TIB },
      .bind = BIND_U64, .offset = AT(memory) },
    { .option = { "upload", "network rate of a sync; 0 is no limit", "0", NULL, DS_OPT_RATE, 0, 0,
                  TIB },
      .bind = BIND_U64, .offset = AT(upload) },
    { .option = { "workers", "threads that hash and compress, at most; 0: as many as processors, "
                             "at most 4", "0", NULL, DS_OPT_INT, 0, 0, 64 },
      .bind = BIND_UNSIGNED, .offset = AT(workers) },
};

static const struct schema_row schedule_rows[] = {
    { .option = { "every", "time from the start of one sync to the next; without it nothing is "
                           "scheduled", NULL, NULL, DS_OPT_DURATION, 0, MINUTE, 366 * DAY },
      .bind = BIND_U64, .offset = AT(schedule_every_ns) },
    { .option = { "window", "time of the day, by the node's clock, in which a sync may start",
                  "00:00-24:00", NULL, DS_OPT_STRING, 0, 0, 0 },
      .bind = BIND_WINDOW, .offset = AT(window_from), .count = AT(window_to),
      .check = check_window },
};

#define RULE(name, help)                                                            \
    { .option = { #name, help, "0", NULL, DS_OPT_INT, 0, 0, 100000 },               \
      .bind = BIND_U64, .offset = AT(retention.name) }
static const struct schema_row retention_rows[] = {
    RULE(last, "how many of the newest points stay"),
    RULE(hourly, "for how many hours with a point its newest one stays"),
    RULE(daily, "for how many days with a point its newest one stays"),
    RULE(weekly, "for how many weeks with a point its newest one stays"),
    RULE(monthly, "for how many months with a point its newest one stays"),
    RULE(yearly, "for how many years with a point its newest one stays"),
};

static const struct schema_row hooks_rows[] = {
    { .option = { "before_snapshot", "commands to run before the snapshot; one that fails ends the "
                                     "sync", NULL, NULL, SCHEMA_COMMANDS, 0, 0, 0 },
      .bind = BIND_COMMANDS, .offset = AT(before_snapshot), .count = AT(n_before_snapshot) },
    { .option = { "after_snapshot", "commands to run once the snapshot stands, or has failed", NULL,
                  NULL, SCHEMA_COMMANDS, 0, 0, 0 },
      .bind = BIND_COMMANDS, .offset = AT(after_snapshot), .count = AT(n_after_snapshot) },
    { .option = { "timeout", "how long each command may take before it is killed", "120000000000",
                  NULL, DS_OPT_DURATION, 0, SECOND, 60 * MINUTE },
      .bind = BIND_U64, .offset = AT(hook_limit_ns) },
};

static const struct schema_row plugins_rows[] = {
    { .option = { "folder", "where plugins are; default: beside the program, or where they were "
                            "installed", NULL, NULL, DS_OPT_PATH, 0, 0, 0 },
      .bind = BIND_TEXT, .offset = AT(plugin_folder) },
    { .option = { "pin", "a plugin's file must have this SHA-256", NULL, NULL, DS_OPT_STRING,
                  DS_OPTF_MAP, 0, 0 },
      .bind = BIND_PINS, .offset = AT(pins), .count = AT(n_pins), .check = check_sha256 },
};

static const struct schema_row match_rows[] = {
    { .option = { "name", "glob of the host's name, whole or up to its first dot", NULL, NULL,
                  DS_OPT_STRING, DS_OPTF_LIST, 0, 0 },
      .check = check_name },
    { .option = { "os", "the host's operating system", NULL, "linux|windows", DS_OPT_CHOICE,
                  DS_OPTF_LIST, 0, 0 } },
    { .option = { "label", "a word of node.labels", NULL, NULL, DS_OPT_STRING, DS_OPTF_LIST, 0, 0 },
      .check = check_label },
};

#define SECTION(name, plugin)                                                       \
    { #name, name##_rows, sizeof name##_rows / sizeof name##_rows[0], plugin }
const struct schema_section schema_sections[] = {
    SECTION(node, false),      SECTION(disks, false),  SECTION(snapshot, true),
    SECTION(tracker, true),    SECTION(transport, true), SECTION(limits, false),
    SECTION(schedule, false),  SECTION(retention, false), SECTION(hooks, false),
    SECTION(plugins, false),
};
const size_t schema_n_sections = sizeof schema_sections / sizeof schema_sections[0];
const struct schema_section schema_match = SECTION(match, false);

const struct schema_section *schema_section(const char *name)
{
    for (size_t i = 0; i < schema_n_sections; i++)
        if (strcmp(schema_sections[i].name, name) == 0)
            return &schema_sections[i];
    return NULL;
}

/* ---- windows ---- */

static bool parse_clock(const char *text, unsigned *minutes)
{
    for (int i = 0; i < 5; i++)
        if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
            return false;
    unsigned h = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
    unsigned m = (unsigned)(text[3] - '0') * 10 + (unsigned)(text[4] - '0');
    *minutes = h * 60 + m;
    return m < 60 && *minutes <= 1440;
}

bool window_parse(const char *text, unsigned *from, unsigned *to)
{
    return strlen(text) == 11 && text[5] == '-' && parse_clock(text, from) &&
           parse_clock(text + 6, to) && *from < 1440 && *from != *to;
}
