/* SPDX-License-Identifier: Apache-2.0 */
/* section.c - from a section's checked values to the members of struct policy (document.h). Which
 * row goes where stands in schema.c; here is one way for each kind of member. */
#include "core/base/text.h"
#include "core/plugin/plugin.h"
#include "core/policy/document.h"

#include <string.h>

int section_check(const struct policy_source *src, const struct schema_section *section,
                  const struct policy_node *node)
{
    struct check check = { .src = src,
                           .section = section->name,
                           .table = option_table_core(section),
                           .open = section->plugin };
    const struct policy_node *map;
    int rc = check_is_mapping(src, section->name, node, node, &map);
    return rc ? rc : check_mapping(&check, map, NULL);
}

static void *member(struct policy *policy, size_t offset)
{
    return (char *)policy + offset;
}

static size_t count_of(const struct value_list *values, const char *name)
{
    size_t n = 0, len = strlen(name);
    for (size_t i = 0; i < values->n; i++) {
        const char *key = values->kv[i].key;
        n += strncmp(key, name, len) == 0 && (key[len] == 0 || key[len] == '[');
    }
    return n;
}

static int bind_list(const struct policy_source *src, struct policy *policy,
                     const struct schema_row *row, const struct value_list *values)
{
    size_t n = count_of(values, row->option.name), k = 0;
    const char **list = arena_array(src->arena, n + 1, sizeof *list);
    if (!list)
        return node_no_memory(src);
    for (size_t i = 0; i < values->n; i++)
        if (strcmp(values->kv[i].key, row->option.name) == 0)
            list[k++] = values->kv[i].value;
    memcpy(member(policy, row->offset), &(const char *const *){ list }, sizeof list);
    memcpy(member(policy, row->count), &n, sizeof n);
    return DS_OK;
}

static int bind_pins(const struct policy_source *src, struct policy *policy,
                     const struct schema_row *row, const struct value_list *values)
{
    size_t n = count_of(values, row->option.name), len = strlen(row->option.name), k = 0;
    struct plugin_pin *pins = arena_array(src->arena, n + 1, sizeof *pins);
    if (!pins)
        return node_no_memory(src);
    for (size_t i = 0; i < values->n; i++) {
        const char *key = values->kv[i].key;
        if (strncmp(key, row->option.name, len) != 0 || key[len] != '[')
            continue;
        char *name = arena_text(src->arena, key + len + 1, strlen(key + len + 2));
        if (!name)
            return node_no_memory(src);
        pins[k++] = (struct plugin_pin){ name, values->kv[i].value };
    }
    policy->pins = pins;
    policy->n_pins = n;
    return DS_OK;
}

static int bind_commands(const struct policy_source *src, struct policy *policy,
                         const struct schema_row *row, const struct policy_node *node)
{
    struct policy_hook *commands = NULL;
    size_t n = 0;
    int rc = node ? commands_read(src, row->option.name, node, &commands, &n) : DS_OK;
    memcpy(member(policy, row->offset), &commands, sizeof commands);
    memcpy(member(policy, row->count), &n, sizeof n);
    return rc;
}

/* A row with one value, which has been checked; NULL: absent and without a default. */
static void bind_value(struct policy *policy, const struct schema_row *row, const char *value)
{
    uint64_t number = 0;
    unsigned small, from = 0, to = 0;
    void *at = member(policy, row->offset);
    if (!value)
        return;
    switch (row->bind) {
    case BIND_TEXT:
        memcpy(at, &value, sizeof value);
        break;
    case BIND_PATH:
        text_copy(at, OS_PATH_MAX, value);
        break;
    case BIND_U64:
        text_parse_u64(&number, value, UINT64_MAX);
        memcpy(at, &number, sizeof number);
        break;
    case BIND_UNSIGNED:
        text_parse_u64(&number, value, UINT32_MAX);
        small = (unsigned)number;
        memcpy(at, &small, sizeof small);
        break;
    case BIND_WINDOW:
        window_parse(value, &from, &to);
        memcpy(at, &from, sizeof from);
        memcpy(member(policy, row->count), &to, sizeof to);
        break;
    default:
        break;
    }
}

/* Plugin keys need a plugin that is named, or nobody would ever check them. */
static int refuse_homeless(const struct policy_source *src, const struct schema_section *section,
                           const struct policy_node *map, const char *use)
{
    struct option_table table = option_table_core(section);
    char found[VALUE_QUOTE];
    bool named = strcmp(use, "auto") != 0 &&
                 !(strcmp(use, "none") == 0 && strcmp(section->name, "tracker") == 0);
    for (size_t i = 0; !named && i < map->n; i++) {
        const struct policy_node *key = map->pairs[i].key;
        struct nearest nearest = nearest_to(key->text);
        bool core = false;
        for (size_t r = 0; r < table.n; r++) {
            nearest_add(&nearest, section->rows[r].option.name);
            core = core || strcmp(section->rows[r].option.name, key->text) == 0;
        }
        if (core || node_is_null(map->pairs[i].value))
            continue;
        value_quote(found, key->text);
        if (nearest.word)
            return node_fail(src, key, "unknown key `%s` in %s; did you mean `%s`?", found,
                             section->name, nearest.word);
        return node_fail(src, key,
                         "`%s` in %s would be a plugin's, and `use: %s` names none; write `use: "
                         "NAME` beside it",
                         found, section->name, use);
    }
    return DS_OK;
}

static int bind_plugin(const struct policy_source *src, struct policy *policy,
                       const struct schema_section *section, const struct policy_node *map)
{
    struct policy_plugin *plugin = strcmp(section->name, "snapshot") == 0  ? &policy->snapshot
                                   : strcmp(section->name, "tracker") == 0 ? &policy->tracker
                                                                           : &policy->transport;
    plugin->node = map;
    if (plugin == &policy->transport && policy->passphrase && policy->node_key)
        return node_fail(src, node_pair(map, "node_key")->key,
                         "transport has both node_key and passphrase (line %u); a node opens the "
                         "repository with one of them",
                         node_pair(map, "passphrase")->key->line);
    return refuse_homeless(src, section, map, plugin->use);
}

int section_bind(const struct policy_source *src, struct policy *policy,
                 const struct schema_section *section, const struct policy_node *root)
{
    struct check check = { .src = src,
                           .section = section->name,
                           .table = option_table_core(section),
                           .open = section->plugin,
                           .complete = true };
    const struct policy_node *map;
    struct value_list values = { 0 };
    int rc = check_is_mapping(src, section->name, node_get(root, section->name), root, &map);
    if (!rc)
        rc = check_mapping(&check, map, &values);
    for (size_t i = 0; !rc && i < section->n; i++) {
        const struct schema_row *row = &section->rows[i];
        if (row->bind == BIND_LIST)
            rc = bind_list(src, policy, row, &values);
        else if (row->bind == BIND_PINS)
            rc = bind_pins(src, policy, row, &values);
        else if (row->bind == BIND_COMMANDS)
            rc = bind_commands(src, policy, row, node_get(map, row->option.name));
        else
            bind_value(policy, row, ds_kv_get(values.kv, values.n, row->option.name, NULL));
    }
    return !rc && section->plugin ? bind_plugin(src, policy, section, map) : rc;
}
