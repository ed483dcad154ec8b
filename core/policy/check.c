/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - see check.h. */
#include "core/policy/check.h"

#include <string.h>

#define KEY_MAX 400      /* "section.name[key]" in messages */
#define MAP_KEY_MAX 255u /* bytes of a key of a map */

struct option_table option_table_core(const struct schema_section *section)
{
    return (struct option_table){ section->rows, section->n, sizeof *section->rows, true };
}

struct ds_option option_table_get(const struct option_table *table, size_t i)
{
    struct ds_option option = { 0 };
    size_t n = table->stride < sizeof option ? table->stride : sizeof option;
    memcpy(&option, (const char *)table->rows + i * table->stride, n);
    return option;
}

/* The index of a key, or the size of the table. */
static size_t find_option(const struct option_table *table, const char *key)
{
    size_t i;
    for (i = 0; i < table->n; i++)
        if (strcmp(option_table_get(table, i).name, key) == 0)
            break;
    return i;
}

static int unknown_key(const struct check *check, const struct policy_node *key)
{
    struct nearest nearest = nearest_to(key->text);
    char found[VALUE_QUOTE], hint[220];
    const struct option_table *tables[] = { &check->others, &check->table };
    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < tables[t]->n; i++)
            nearest_add(&nearest, option_table_get(tables[t], i).name);
    return node_fail(check->src, key, "unknown key `%s` in %s%s", value_quote(found, key->text),
                     check->section, nearest_hint(&nearest, hint, sizeof hint));
}

int check_is_mapping(const struct policy_source *src, const char *what,
                     const struct policy_node *node, const struct policy_node *at,
                     const struct policy_node **map)
{
    if (node_is_null(node)) {
        *map = node_new_map(src, node ? node : at);
        return *map ? DS_OK : node_no_memory(src);
    }
    if (node->type != NODE_MAP)
        return node_fail(src, node, "%s: found %s, wanted keys with values", what, node_kind(node));
    *map = node;
    return DS_OK;
}

/* ---- values of one option ---- */

static int add_value(const struct check *check, struct value_list *out, const char *key,
                     const char *value)
{
    if (!out)
        return DS_OK;
    struct ds_kv *kv = arena_grow(check->src->arena, out->kv, out->n, &out->cap, sizeof *kv);
    if (!kv)
        return node_no_memory(check->src);
    out->kv = kv;
    out->kv[out->n++] = (struct ds_kv){ key, value };
    return DS_OK;
}

static int read_one(const struct check *check, const struct ds_option *option, size_t index,
                    const char *key, const struct policy_node *node, struct value_list *out)
{
    char where[KEY_MAX];
    const char *value = NULL;
    snprintf(where, sizeof where, "%s.%s", check->section, key);
    int rc = value_read(check->src, option, where, node, &value);
    if (!rc && check->table.core) {
        const struct schema_row *row = (const struct schema_row *)check->table.rows + index;
        if (row->check)
            rc = row->check(check->src, where, node, &value);
    }
    return rc ? rc : add_value(check, out, key, value);
}

/* One value, or a list of them where the option may be one. */
static int read_some(const struct check *check, const struct ds_option *option, size_t index,
                     const char *key, const struct policy_node *node, struct value_list *out)
{
    if (node->type != NODE_LIST || !(option->flags & DS_OPTF_LIST))
        return read_one(check, option, index, key, node, out);
    for (size_t i = 0; i < node->n; i++) {
        int rc = read_one(check, option, index, key, node->items[i], out);
        if (rc)
            return rc;
    }
    return DS_OK;
}

static int read_map(const struct check *check, const struct ds_option *option, size_t index,
                    const struct policy_node *node, struct value_list *out)
{
    if (node->type != NODE_MAP)
        return node_fail(check->src, node, "%s.%s: found %s, wanted keys with values",
                         check->section, option->name, node_kind(node));
    for (size_t i = 0; i < node->n; i++) {
        const struct policy_pair *pair = &node->pairs[i];
        size_t len = strlen(pair->key->text);
        if (len == 0 || len > MAP_KEY_MAX)
            return node_fail(check->src, pair->key, "%s.%s: a key here has 1 to %u bytes, not %zu",
                             check->section, option->name, MAP_KEY_MAX, len);
        if (node_is_null(pair->value)) /* an override takes an entry away like this */
            continue;
        size_t n = strlen(option->name) + len + 3;
        char *key = arena_alloc(check->src->arena, n);
        if (!key)
            return node_no_memory(check->src);
        snprintf(key, n, "%s[%s]", option->name, pair->key->text);
        int rc = read_some(check, option, index, key, pair->value, out);
        if (rc)
            return rc;
    }
    return DS_OK;
}

static int read_option(const struct check *check, const struct ds_option *option, size_t index,
                       const struct policy_node *node, struct value_list *out)
{
    char where[KEY_MAX];
    if (check->table.core && option->type == SCHEMA_COMMANDS) {
        snprintf(where, sizeof where, "%s.%s", check->section, option->name);
        return commands_read(check->src, where, node, NULL, NULL);
    }
    if (option->flags & DS_OPTF_MAP)
        return read_map(check, option, index, node, out);
    return read_some(check, option, index, option->name, node, out);
}

/* ---- the mapping ---- */

static int collect(const struct check *check, const struct policy_node *map,
                   struct value_list *out)
{
    for (size_t i = 0; i < check->table.n; i++) {
        struct ds_option option = option_table_get(&check->table, i);
        const struct policy_node *node = node_get(map, option.name);
        size_t before = out ? out->n : 0;
        int rc = DS_OK;
        if (node)
            rc = read_option(check, &option, i, node, out);
        else if (check->complete && option.def)
            rc = add_value(check, out, option.name, option.def);
        if (rc)
            return rc;
        if (check->complete && (option.flags & DS_OPTF_REQUIRED) && !option.def && out &&
            out->n == before)
            return node_fail(check->src, node ? node : map, "%s.%s is missing: %s", check->section,
                             option.name, option.help ? option.help : "it has no default");
    }
    return DS_OK;
}

int check_mapping(const struct check *check, const struct policy_node *map, struct value_list *out)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct policy_pair *pair = &map->pairs[i];
        size_t index = find_option(&check->table, pair->key->text);
        int rc = DS_OK;
        if (index < check->table.n) {
            struct ds_option option = option_table_get(&check->table, index);
            if (!node_is_null(pair->value))
                rc = read_option(check, &option, index, pair->value, NULL);
        } else if (!check->open &&
                   find_option(&check->others, pair->key->text) == check->others.n) {
            rc = unknown_key(check, pair->key);
        }
        if (rc)
            return rc;
    }
    return out || check->complete ? collect(check, map, out) : DS_OK;
}

/* ---- commands ---- */

/* One command into argv (n words, NULL behind them). */
static int read_command(const struct policy_source *src, const char *where,
                        const struct policy_node *node, struct policy_hook *hook)
{
    static const struct ds_option program = { "program", NULL, NULL, NULL, DS_OPT_PATH, 0, 0, 0 };
    static const struct ds_option word = { "word", NULL, NULL, NULL, DS_OPT_STRING, 0, 0, 0 };
    const struct policy_node *const *words = &node;
    size_t n = 1;
    if (node->type == NODE_LIST) {
        words = (const struct policy_node *const *)node->items;
        n = node->n;
    }
    if (node->type == NODE_MAP || node_is_null(node))
        return node_fail(src, node,
                         "%s: found %s, wanted a command: a path, or a list of a path and its "
                         "arguments",
                         where, node_kind(node));
    if (n == 0)
        return node_fail(src, node, "%s: the command is empty", where);
    const char **argv = arena_array(src->arena, n + 1, sizeof *argv);
    if (!argv)
        return node_no_memory(src);
    for (size_t i = 0; i < n; i++) {
        int rc = value_read(src, i ? &word : &program, where, words[i], &argv[i]);
        if (rc)
            return rc;
    }
    hook->argv = argv;
    return DS_OK;
}

int commands_read(const struct policy_source *src, const char *where,
                  const struct policy_node *node, struct policy_hook **commands, size_t *n)
{
    if (node->type != NODE_LIST)
        return node_fail(src, node,
                         "%s: found %s, wanted a list of commands, each a path or a list of a path "
                         "and its arguments",
                         where, node_kind(node));
    struct policy_hook *hooks = arena_array(src->arena, node->n + 1, sizeof *hooks);
    if (!hooks)
        return node_no_memory(src);
    for (size_t i = 0; i < node->n; i++) {
        int rc = read_command(src, where, node->items[i], &hooks[i]);
        if (rc)
            return rc;
    }
    if (commands) {
        *commands = hooks;
        *n = node->n;
    }
    return DS_OK;
}
