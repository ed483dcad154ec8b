/* SPDX-License-Identifier: Apache-2.0 */
/* show.c - policy_show: core's rows in the order of their tables, read back from struct policy, and
 * the plugins' keys. What is written parses back to the same policy. Text that YAML could take for
 * something else is quoted, and everything that a quoted text can't hold is escaped. */
#include "core/base/dynbuf.h"
#include "core/base/text.h"
#include "core/plugin/plugin.h"
#include "core/policy/document.h"
#include "core/policy/policy.h"

#include <ctype.h>
#include <inttypes.h>

/* ---- texts ---- */

static bool is_plain(const char *text)
{
    static const char more[] = "_./-";
    struct policy_node node = { .type = NODE_SCALAR, .plain = true, .text = text };
    if (node_is_null(&node) || (!isalnum((unsigned char)*text) && *text != '/' && *text != '_'))
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr(more, *text))
            return false;
    return true;
}

/* Decodes one character and moves *text behind it; what is no UTF-8 becomes '?'. */
static unsigned next_character(const unsigned char **text)
{
    const unsigned char *s = *text;
    unsigned n = s[0] < 0x80 ? 0 : s[0] < 0xc2 ? 9 : s[0] < 0xe0 ? 1 : s[0] < 0xf0 ? 2 : 3;
    unsigned c = n == 0 ? s[0] : s[0] & (0x3fu >> n);
    *text = s + 1;
    if (s[0] > 0xf4)
        return '?';
    for (unsigned i = 1; n < 9 && i <= n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return '?';
        c = c << 6 | (s[i] & 0x3fu);
    }
    if (n == 9 || (n == 2 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) ||
        (n == 3 && (c < 0x10000 || c > 0x10ffff)))
        return '?';
    *text = s + n + 1;
    return c;
}

static void write_text(struct dynbuf *out, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    if (is_plain(text)) {
        dynbuf_text(out, text);
        return;
    }
    dynbuf_u8(out, '"');
    while (*s) {
        const unsigned char *at = s;
        unsigned c = next_character(&s);
        if (c == '"' || c == '\\')
            dynbuf_printf(out, "\\%c", (int)c);
        else if (c < 0x20 || (c >= 0x7f && c <= 0xa0))
            dynbuf_printf(out, "\\x%02x", c);
        else if (c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff)
            dynbuf_printf(out, "\\u%04x", c);
        else if (c < 0x7f)
            dynbuf_u8(out, (uint8_t)c);
        else
            dynbuf_add(out, at, (size_t)(s - at));
    }
    dynbuf_u8(out, '"');
}

static void write_key(struct dynbuf *out, unsigned depth, const char *key)
{
    dynbuf_printf(out, "%*s", (int)(depth * 2), "");
    write_text(out, key);
    dynbuf_text(out, ":");
}

static void write_reference(struct dynbuf *out, const char *reference)
{
    size_t n = strcspn(reference, ":");
    dynbuf_text(out, "{ ");
    dynbuf_add(out, reference, n);
    dynbuf_text(out, ": ");
    write_text(out, reference[n] ? reference + n + 1 : "");
    dynbuf_text(out, " }");
}

/* A canonical value of an option as a policy would write it. */
static void write_value(struct dynbuf *out, uint32_t type, const char *canonical)
{
    char text[64];
    if (type == DS_OPT_SECRET)
        write_reference(out, canonical);
    else if (value_is_number(type))
        dynbuf_text(out, value_show(text, sizeof text, type, canonical));
    else
        write_text(out, canonical);
}

static void write_list(struct dynbuf *out, const char *const *items, size_t n)
{
    dynbuf_text(out, " [");
    for (size_t i = 0; i < n; i++) {
        dynbuf_text(out, i ? ", " : "");
        write_text(out, items[i]);
    }
    dynbuf_text(out, "]\n");
}

/* ---- core's rows ---- */

static const void *member(const struct policy *policy, size_t offset)
{
    return (const char *)policy + offset;
}

static size_t count_of(const struct policy *policy, const struct schema_row *row)
{
    size_t n;
    memcpy(&n, member(policy, row->count), sizeof n);
    return n;
}

static void show_line(struct dynbuf *out, const struct schema_row *row, const char *canonical)
{
    write_key(out, 1, row->option.name);
    dynbuf_text(out, " ");
    write_value(out, row->option.type, canonical);
    dynbuf_text(out, "\n");
}

static void show_pins(struct dynbuf *out, const struct policy *policy)
{
    if (policy->n_pins == 0)
        return;
    write_key(out, 1, "pin");
    dynbuf_text(out, "\n");
    for (size_t i = 0; i < policy->n_pins; i++) {
        write_key(out, 2, policy->pins[i].name);
        dynbuf_text(out, " ");
        write_text(out, policy->pins[i].sha256);
        dynbuf_text(out, "\n");
    }
}

static void show_commands(struct dynbuf *out, const struct schema_row *row,
                          const struct policy_hook *commands, size_t n)
{
    write_key(out, 1, row->option.name);
    dynbuf_text(out, n ? "\n" : " []\n");
    for (size_t i = 0; i < n; i++) {
        size_t words = 0;
        while (commands[i].argv[words])
            words++;
        dynbuf_text(out, "    -");
        write_list(out, commands[i].argv, words);
    }
}

static void show_row(struct dynbuf *out, const struct policy *policy, const struct schema_row *row)
{
    const void *at = member(policy, row->offset);
    const struct policy_hook *commands;
    const char *const *items, *text;
    char number[24], window[32];
    uint64_t value;
    unsigned small;
    switch (row->bind) {
    case BIND_TEXT:
        memcpy(&text, at, sizeof text);
        if (text)
            show_line(out, row, text);
        break;
    case BIND_PATH:
        show_line(out, row, at);
        break;
    case BIND_U64:
        memcpy(&value, at, sizeof value);
        snprintf(number, sizeof number, "%" PRIu64, value);
        if (value || row->option.def)
            show_line(out, row, number);
        break;
    case BIND_UNSIGNED:
        memcpy(&small, at, sizeof small);
        snprintf(number, sizeof number, "%u", small);
        show_line(out, row, number);
        break;
    case BIND_LIST:
        memcpy(&items, at, sizeof items);
        write_key(out, 1, row->option.name);
        write_list(out, items, count_of(policy, row));
        break;
    case BIND_PINS:
        show_pins(out, policy);
        break;
    case BIND_COMMANDS:
        memcpy(&commands, at, sizeof commands);
        show_commands(out, row, commands, count_of(policy, row));
        break;
    case BIND_WINDOW:
        snprintf(window, sizeof window, "%02u:%02u-%02u:%02u", policy->window_from / 60,
                 policy->window_from % 60, policy->window_to / 60, policy->window_to % 60);
        show_line(out, row, window);
        break;
    case BIND_NONE:
        break;
    }
}

/* ---- a plugin's keys ---- */

/* The values of one option: one, a list of them, or entries of a map, each one or a list. */
static void show_values(struct dynbuf *out, const struct ds_option *option, unsigned depth,
                        const char *key, const struct policy_checked *checked, const char *full)
{
    size_t n = 0, k = 0;
    for (size_t i = 0; i < checked->n; i++)
        n += strcmp(checked->kv[i].key, full) == 0;
    write_key(out, depth, key);
    dynbuf_text(out, n > 1 ? " [" : " ");
    for (size_t i = 0; i < checked->n; i++)
        if (strcmp(checked->kv[i].key, full) == 0) {
            dynbuf_text(out, k++ ? ", " : "");
            write_value(out, option->type, checked->kv[i].value);
        }
    dynbuf_text(out, n > 1 ? "]\n" : "\n");
}

/* The text between the brackets of name[key], into out. */
static bool map_key(char *out, size_t cap, const char *full, const char *name)
{
    size_t n = strlen(name), len = strlen(full);
    if (strncmp(full, name, n) != 0 || full[n] != '[' || full[len - 1] != ']' || len - n - 1 > cap)
        return false;
    memcpy(out, full + n + 1, len - n - 2);
    out[len - n - 2] = 0;
    return true;
}

static void show_map(struct dynbuf *out, const struct ds_option *option,
                     const struct policy_checked *checked)
{
    char key[256]; /* check.c lets no longer one pass */
    bool begun = false;
    for (size_t i = 0; i < checked->n; i++) {
        const char *full = checked->kv[i].key;
        if (!map_key(key, sizeof key, full, option->name) ||
            (i && strcmp(checked->kv[i - 1].key, full) == 0))
            continue;
        if (!begun) {
            write_key(out, 1, option->name);
            dynbuf_text(out, "\n");
            begun = true;
        }
        show_values(out, option, 2, key, checked, full);
    }
}

static void show_checked(struct dynbuf *out, const struct policy_checked *checked)
{
    const struct ds_plugin *plugin = checked->plugin;
    struct option_table table = { plugin->options, plugin->n_options, plugin->option_size, false };
    struct option_table core = option_table_core(schema_section(checked->section));
    for (size_t i = 0; i < table.n; i++) {
        struct ds_option option = option_table_get(&table, i);
        bool shown = false;
        for (size_t c = 0; c < core.n; c++) /* a key that core has too is not the plugin's */
            shown = shown || strcmp(option_table_get(&core, c).name, option.name) == 0;
        if (shown)
            continue;
        if (option.flags & DS_OPTF_MAP)
            show_map(out, &option, checked);
        else if (ds_kv_get(checked->kv, checked->n, option.name, NULL))
            show_values(out, &option, 1, option.name, checked, option.name);
    }
}

/* No table says what this key is; its name does, well enough to keep a mistake off the screen. */
static bool sounds_secret(const char *key)
{
    static const char *const parts[] = { "*secret*", "*pass*", "*key*", "*token*", "*credential*" };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (text_glob(parts[i], key))
            return true;
    return false;
}

/* A value of an unchecked section in flow form. hide: text is not to be seen, but for the names in
 * a reference. */
static void write_node(struct dynbuf *out, const struct policy_node *node, bool hide)
{
    if (node_is_null(node)) {
        dynbuf_text(out, "null");
    } else if (node->type == NODE_SCALAR) {
        write_text(out, hide ? "(not shown)" : node->text);
    } else {
        bool map = node->type == NODE_MAP;
        bool reference = map && node->n == 1 && (strcmp(node->pairs[0].key->text, "env") == 0 ||
                                                 strcmp(node->pairs[0].key->text, "file") == 0);
        dynbuf_text(out, map ? "{" : "[");
        for (size_t i = 0; i < node->n; i++) {
            dynbuf_text(out, i ? ", " : map ? " " : "");
            if (map) {
                const char *key = node->pairs[i].key->text;
                write_text(out, key);
                dynbuf_text(out, ": ");
                write_node(out, node->pairs[i].value, !reference && (hide || sounds_secret(key)));
            } else {
                write_node(out, node->items[i], hide);
            }
        }
        dynbuf_text(out, map ? " }" : "]");
    }
}

static void show_raw(struct dynbuf *out, const struct schema_section *section,
                     const struct policy_node *map)
{
    for (size_t i = 0; i < map->n; i++) {
        const char *key = map->pairs[i].key->text;
        bool core = false;
        for (size_t r = 0; r < section->n; r++)
            core = core || strcmp(section->rows[r].option.name, key) == 0;
        if (core || node_is_null(map->pairs[i].value))
            continue;
        write_key(out, 1, key);
        dynbuf_text(out, " ");
        write_node(out, map->pairs[i].value, sounds_secret(key));
        dynbuf_text(out, "\n");
    }
}

static void show_plugin(struct dynbuf *out, const struct policy *policy,
                        const struct schema_section *section)
{
    const struct policy_document *document = policy->document;
    const struct policy_plugin *plugin = strcmp(section->name, "snapshot") == 0 ? &policy->snapshot
                                         : strcmp(section->name, "tracker") == 0
                                             ? &policy->tracker
                                             : &policy->transport;
    for (size_t i = 0; i < document->n_checked; i++)
        if (strcmp(document->checked[i].section, section->name) == 0) {
            show_checked(out, &document->checked[i]);
            return;
        }
    show_raw(out, section, plugin->node);
}

void policy_show(const struct policy *policy, struct dynbuf *out)
{
    dynbuf_text(out, "version: 1\n");
    for (size_t i = 0; i < schema_n_sections; i++) {
        const struct schema_section *section = &schema_sections[i];
        size_t before = out->len, empty;
        dynbuf_printf(out, "%s:\n", section->name);
        empty = out->len;
        for (size_t r = 0; r < section->n; r++)
            show_row(out, policy, &section->rows[r]);
        if (section->plugin)
            show_plugin(out, policy, section);
        if (out->len == empty && !out->failed) { /* nothing is set and nothing has a default */
            out->len = before;
            out->data[before] = 0;
        }
    }
}
