/* SPDX-License-Identifier: Apache-2.0 */
/* hosts.c - see hosts.h. The merged tree shares the nodes of the document, so that every value
 * keeps its own line and column. A null in an override takes the value away: its default
 * returns. */
#include "core/policy/hosts.h"

#include "core/base/text.h"
#include "core/policy/document.h"

#include <string.h>

/* ---- form ---- */

static int unknown_override(const struct policy_source *src, const struct policy_node *key)
{
    struct nearest nearest = nearest_to(key->text);
    char found[VALUE_QUOTE], hint[220];
    if (strcmp(key->text, "version") == 0 || strcmp(key->text, "hosts") == 0)
        return node_fail(src, key, "`%s` can't stand in an entry of hosts, only at the top",
                         key->text);
    nearest_add(&nearest, "match");
    for (size_t i = 0; i < schema_n_sections; i++)
        nearest_add(&nearest, schema_sections[i].name);
    return node_fail(src, key, "unknown key `%s` in hosts%s", value_quote(found, key->text),
                     nearest_hint(&nearest, hint, sizeof hint));
}

static struct check match_check(const struct policy_source *src)
{
    return (struct check){ .src = src,
                           .section = "match",
                           .table = option_table_core(&schema_match) };
}

static int check_match(const struct policy_source *src, const struct policy_node *match)
{
    const struct policy_node *map;
    struct check check = match_check(src);
    struct value_list values = { 0 };
    int rc = check_is_mapping(src, "match", match, match, &map);
    if (!rc)
        rc = check_mapping(&check, map, &values);
    if (!rc && values.n == 0)
        rc = node_fail(src, match, "match says nothing; `match: { name: \"*\" }` is every host");
    return rc;
}

static int check_entry(const struct policy_source *src, const struct policy_node *entry)
{
    bool matched = false;
    if (entry->type != NODE_MAP)
        return node_fail(src, entry, "hosts: found %s, wanted an entry with `match` and overrides",
                         node_kind(entry));
    for (size_t i = 0; i < entry->n; i++) {
        const struct policy_pair *pair = &entry->pairs[i];
        const struct schema_section *section = schema_section(pair->key->text);
        int rc;
        if (strcmp(pair->key->text, "match") == 0) {
            matched = true;
            rc = check_match(src, pair->value);
        } else if (section) {
            rc = section_check(src, section, pair->value);
        } else {
            rc = unknown_override(src, pair->key);
        }
        if (rc)
            return rc;
    }
    return matched ? DS_OK
                   : node_fail(src, entry, "this entry of hosts has no `match`, as in "
                                           "`match: { os: linux }`");
}

int hosts_check(const struct policy_source *src, const struct policy_node *hosts)
{
    if (node_is_null(hosts))
        return DS_OK;
    if (hosts->type != NODE_LIST)
        return node_fail(src, hosts, "hosts: found %s, wanted a list of entries with `match`",
                         node_kind(hosts));
    for (size_t i = 0; i < hosts->n; i++) {
        int rc = check_entry(src, hosts->items[i]);
        if (rc)
            return rc;
    }
    return DS_OK;
}

int hosts_matches(const struct policy_source *src, const struct policy_node *root,
                  const struct policy_match **matches, size_t *n)
{
    const struct policy_node *hosts = node_get(root, "hosts");
    struct check check = match_check(src);
    *matches = NULL;
    *n = 0;
    if (!hosts)
        return DS_OK;
    struct policy_match *list = arena_array(src->arena, hosts->n + 1, sizeof *list);
    if (!list)
        return node_no_memory(src);
    for (size_t i = 0; i < hosts->n; i++) {
        struct value_list values = { 0 };
        int rc = check_mapping(&check, node_get(hosts->items[i], "match"), &values);
        if (rc)
            return rc;
        list[i].name = ds_kv_get(values.kv, values.n, "name", NULL);
        list[i].os = ds_kv_get(values.kv, values.n, "os", NULL);
        list[i].label = ds_kv_get(values.kv, values.n, "label", NULL);
        list[i].line = hosts->items[i]->line;
    }
    *matches = list;
    *n = hosts->n;
    return DS_OK;
}

/* ---- merging ---- */

/* True for { env: NAME } and { file: PATH }: two of them are alternatives, not parts. */
static bool is_reference(const struct policy_node *node)
{
    return node->type == NODE_MAP && node->n == 1 &&
           (strcmp(node->pairs[0].key->text, "env") == 0 ||
            strcmp(node->pairs[0].key->text, "file") == 0);
}

static int merge(const struct policy_source *src, const struct policy_node *base,
                 const struct policy_node *over, const struct policy_node **out)
{
    if (!base || base->type != NODE_MAP || over->type != NODE_MAP ||
        (is_reference(base) && is_reference(over))) {
        *out = over;
        return DS_OK;
    }
    struct policy_node *map = node_new_map(src, base);
    if (!map)
        return node_no_memory(src);
    for (size_t i = 0; i < base->n; i++) {
        const struct policy_pair *pair = &base->pairs[i], *by = node_pair(over, pair->key->text);
        const struct policy_node *value = pair->value;
        int rc = by ? merge(src, pair->value, by->value, &value) : DS_OK;
        if (!rc)
            rc = node_add(src, map, by ? by->key : pair->key, value);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < over->n; i++) {
        const struct policy_pair *pair = &over->pairs[i];
        int rc = node_pair(base, pair->key->text) ? DS_OK
                                                  : node_add(src, map, pair->key, pair->value);
        if (rc)
            return rc;
    }
    *out = map;
    return DS_OK;
}

/* The plugin that a section uses; both sections are checked, so it is text or absent. */
static const char *use_of(const struct policy_node *section)
{
    const struct policy_node *use = node_get(section, "use");
    return use && use->type == NODE_SCALAR ? use->text : "auto";
}

/* The keys beside another `use` would be another plugin's: the override stands alone. */
static bool replaces(const struct schema_section *section, const struct policy_node *base,
                     const struct policy_node *over)
{
    return section->plugin && node_pair(over, "use") && strcmp(use_of(base), use_of(over)) != 0;
}

static int merge_entry(const struct policy_source *src, const struct policy_node *base,
                       const struct policy_node *entry, const struct policy_node **out)
{
    struct policy_node *root = node_new_map(src, base);
    if (!root)
        return node_no_memory(src);
    for (size_t i = 0; i < schema_n_sections; i++) {
        const struct schema_section *section = &schema_sections[i];
        const struct policy_pair *old = node_pair(base, section->name);
        const struct policy_pair *by = node_pair(entry, section->name);
        const struct policy_node *value = old ? old->value : NULL;
        int rc = DS_OK;
        if (by && (!old || replaces(section, old->value, by->value)))
            value = by->value;
        else if (by)
            rc = merge(src, old->value, by->value, &value);
        if (!rc && value)
            rc = node_add(src, root, by ? by->key : old->key, value);
        if (rc)
            return rc;
    }
    *out = root;
    return DS_OK;
}

/* ---- matching ---- */

static bool name_matches(const char *glob, const char *name)
{
    char first[256];
    text_copy(first, sizeof first, name);
    first[strcspn(first, ".")] = 0;
    return text_glob(glob, name) || text_glob(glob, first);
}

static bool has_label(const struct policy_node *root, const struct policy_host *host,
                      const char *label)
{
    const struct policy_node *labels = node_get(node_get(root, "node"), "labels");
    if (host->label && strcmp(host->label, label) == 0)
        return true;
    if (labels && labels->type == NODE_SCALAR)
        return strcmp(labels->text, label) == 0;
    for (size_t i = 0; labels && i < labels->n; i++)
        if (strcmp(labels->items[i]->text, label) == 0)
            return true;
    return false;
}

/* Every fact that the entry names must hold; of a list of values one is enough. */
static int matches(const struct policy_source *src, const struct policy_node *root,
                   const struct policy_node *entry, const struct policy_host *host, bool *result)
{
    struct check check = match_check(src);
    struct value_list values = { 0 };
    static const char *const facts[] = { "name", "os", "label" };
    int rc = check_mapping(&check, node_get(entry, "match"), &values);
    *result = !rc;
    for (size_t f = 0; !rc && f < 3; f++) {
        bool named = false, holds = false;
        for (size_t i = 0; i < values.n; i++) {
            const char *value = values.kv[i].value;
            if (strcmp(values.kv[i].key, facts[f]) != 0)
                continue;
            named = true;
            holds = holds || (f == 0   ? name_matches(value, host->name)
                              : f == 1 ? strcmp(value, host->os) == 0
                                       : has_label(root, host, value));
        }
        if (named && !holds)
            *result = false;
    }
    return rc;
}

int hosts_merge(const struct policy_source *src, const struct policy_node *root,
                const struct policy_host *host, const struct policy_node **effective)
{
    const struct policy_node *hosts = node_get(root, "hosts");
    const struct policy_node *merged = root;
    for (size_t i = 0; hosts && i < hosts->n; i++) {
        bool match;
        int rc = matches(src, merged, hosts->items[i], host, &match);
        if (!rc && match)
            rc = merge_entry(src, merged, hosts->items[i], &merged);
        if (rc)
            return rc;
    }
    *effective = merged;
    return DS_OK;
}
