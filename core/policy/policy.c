/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - see policy.h. The way of a policy: text, tree (node.c), every section and override
 * checked as it stands (section.c, hosts.c), overrides merged, the result checked once more with
 * defaults and put into struct policy. All errors of form come before anything is merged, so that
 * a fault in another host's override is found on every host. */
#include "core/policy/policy.h"

#include "core/base/text.h"
#include "core/policy/document.h"
#include "core/policy/hosts.h"

#include <stdlib.h>

#define ARENA_MAX ((size_t)64 << 20)
#define NAME_MAX_SHOWN 200 /* bytes of a file's name in messages: the message must fit too */

static int check_version(const struct policy_source *src, const struct policy_node *root)
{
    static const struct ds_option option = { "version", "", NULL, NULL, DS_OPT_INT, 0, 0, 0 };
    const struct policy_node *node = node_get(root, "version");
    const char *value;
    if (!node)
        return node_fail(src, root, "version is missing: a policy begins with `version: 1`");
    int rc = value_read(src, &option, "version", node, &value);
    if (!rc && strcmp(value, "1") != 0)
        rc = node_fail(src, node, "version %s is not known to this program, which reads version 1",
                       value);
    return rc;
}

static int unknown_section(const struct policy_source *src, const struct policy_node *key)
{
    struct nearest nearest = nearest_to(key->text);
    char found[VALUE_QUOTE], hint[220];
    nearest_add(&nearest, "version");
    for (size_t i = 0; i < schema_n_sections; i++)
        nearest_add(&nearest, schema_sections[i].name);
    nearest_add(&nearest, "hosts");
    return node_fail(src, key, "unknown key `%s`%s", value_quote(found, key->text),
                     nearest_hint(&nearest, hint, sizeof hint));
}

/* The form of the whole file, in its own order; the version first, since it says what is known. */
static int check_document(const struct policy_source *src, const struct policy_node *root)
{
    int rc;
    if (root->type != NODE_MAP)
        return node_fail(src, root,
                         node_is_null(root)
                             ? "the policy is empty; it needs at least `version: 1` and `transport`"
                             : "found %s, wanted a policy: keys with values, such as `version: 1`",
                         node_kind(root));
    rc = check_version(src, root);
    for (size_t i = 0; !rc && i < root->n; i++) {
        const struct policy_pair *pair = &root->pairs[i];
        const struct schema_section *section = schema_section(pair->key->text);
        if (section)
            rc = section_check(src, section, pair->value);
        else if (strcmp(pair->key->text, "hosts") == 0)
            rc = hosts_check(src, pair->value);
        else if (strcmp(pair->key->text, "version") != 0)
            rc = unknown_section(src, pair->key);
    }
    return rc;
}

static int set_defaults(const struct policy_source *src, struct policy *policy,
                        const struct policy_host *host)
{
    if (!policy->node_name) {
        policy->node_name = arena_text(src->arena, host->name, strlen(host->name));
        if (!policy->node_name)
            return node_no_memory(src);
    }
    if (policy->state[0])
        return DS_OK;
    if (strcmp(policy->path, os_default_policy()) == 0) {
        text_copy(policy->state, sizeof policy->state, os_default_state());
        return DS_OK;
    }
    return os_join(policy->state, policy->folder, "disksync-state", src->err);
}

/* Every mapping that looks like `{ env: NAME }`, wherever it stands: which keys of a plugin are
 * secrets is not known yet. Adds to names unless it is NULL; returns how many there are. */
static size_t find_variables(const struct policy_node *node, const char **names)
{
    size_t n = 0;
    if (!node)
        return 0;
    for (size_t i = 0; i < node->n; i++) {
        const struct policy_node *value = node->type == NODE_MAP ? node->pairs[i].value
                                                                 : node->items[i];
        bool found = node->type == NODE_MAP && value && value->type == NODE_SCALAR &&
                     strcmp(node->pairs[i].key->text, "env") == 0;
        if (found && names)
            names[n] = value->text;
        n += found ? 1 : find_variables(value, names ? names + n : NULL);
    }
    return n;
}

static int list_variables(const struct policy_source *src, struct policy *policy,
                          const struct policy_node *effective)
{
    const char **names = arena_array(src->arena, find_variables(effective, NULL) + 1,
                                     sizeof *names);
    if (!names)
        return node_no_memory(src);
    names[find_variables(effective, names)] = NULL;
    policy->secret_variables = names;
    return DS_OK;
}

static int read_document(const struct policy_source *src, struct policy *policy, const void *text,
                         size_t len, const struct policy_host *given)
{
    char here[256];
    struct policy_host host = given ? *given : (struct policy_host){ NULL, NULL, NULL };
    const struct policy_node *root, *effective = NULL;
    if (!host.name) {
        os_hostname(here, sizeof here);
        host.name = here;
    }
    if (!host.os)
        host.os = os_name();
    int rc = node_parse(src, text, len, &root);
    if (!rc)
        rc = check_document(src, root);
    if (!rc)
        rc = hosts_matches(src, root, &policy->matches, &policy->n_matches);
    if (!rc)
        rc = hosts_merge(src, root, &host, &effective);
    for (size_t i = 0; !rc && i < schema_n_sections; i++)
        rc = section_bind(src, policy, &schema_sections[i], effective);
    policy->document->effective = effective;
    if (!rc)
        rc = list_variables(src, policy, effective);
    return rc ? rc : set_defaults(src, policy, &host);
}

/* The name in messages: the end of it where it is long, cut at a character. */
static const char *shown_name(struct arena *arena, const char *name)
{
    char text[NAME_MAX_SHOWN + 8];
    size_t n = strlen(name);
    if (n > NAME_MAX_SHOWN) {
        name += n - NAME_MAX_SHOWN;
        while (((unsigned char)*name & 0xc0) == 0x80)
            name++;
        snprintf(text, sizeof text, "...%s", name);
        name = text;
    }
    return arena_text(arena, name, strlen(name));
}

int policy_parse(struct policy **result, const char *name, const void *text, size_t len,
                 const struct policy_host *host, struct ds_error *err)
{
    struct policy *policy = calloc(1, sizeof *policy);
    struct policy_source src = { .err = err };
    int rc = DS_OK;
    *result = NULL;
    if (policy)
        policy->document = calloc(1, sizeof *policy->document);
    if (!policy || !policy->document) {
        free(policy);
        return ds_fail(err, DS_ENOMEM, "no memory for the policy %.200s", name);
    }
    policy->document->arena = (struct arena)ARENA_INIT(ARENA_MAX);
    src.arena = &policy->document->arena;
    src.folder = policy->folder;
    src.name = policy->document->name = shown_name(src.arena, name);
    if (!src.name)
        rc = ds_fail(err, DS_ENOMEM, "no memory for the policy %.200s", name);
    if (!rc)
        rc = os_absolute(policy->path, NULL, name, err);
    if (!rc) {
        os_dirname(policy->folder, policy->path);
        rc = read_document(&src, policy, text ? text : "", text ? len : 0, host);
    }
    if (rc) {
        policy_free(policy);
        return rc;
    }
    *result = policy;
    return DS_OK;
}

int policy_load(struct policy **policy, const char *path, const struct policy_host *host,
                struct ds_error *err)
{
    void *text;
    size_t len;
    *policy = NULL;
    if (os_kind(path) == OS_DIRECTORY)
        return ds_fail(err, DS_EPOLICY, "%.200s:1:1: this is a folder, not a policy", path);
    int rc = os_read_file(path, NODE_MAX_FILE + 1, &text, &len, err);
    if (rc == DS_EFORMAT)
        return ds_fail(err, DS_EPOLICY, "%.200s:1:1: the policy is larger than 1 MiB", path);
    if (rc)
        return rc;
    rc = policy_parse(policy, path, text, len, host, err);
    free(text);
    return rc;
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    arena_free(&policy->document->arena);
    free(policy->document);
    free(policy);
}
