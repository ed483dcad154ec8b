/* SPDX-License-Identifier: Apache-2.0 */
/* agent.c - see agent.h. */
#include "core/agent/agent.h"

#include "core/base/bytes.h"
#include "core/base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define POOL_THREADS 6u

int agent_load(struct agent *agent, struct policy *policy, const struct agent *beside,
               struct ds_error *err)
{
    memset(agent, 0, sizeof *agent);
    agent->policy = policy;
    agent->lock.handle = OS_NO_FILE;
    return plugin_set_load_beside(&agent->plugins, beside ? &beside->plugins : NULL,
                                  policy->plugin_folder, policy->pins, policy->n_pins, err);
}

int agent_start(struct agent *agent, volatile int *interrupted, struct ds_error *err)
{
    int rc = os_mkdirs(agent->policy->state, err);
    if (!rc) {
        agent->settings.state_folder = agent->policy->state;
        agent->settings.interrupted = interrupted;
        agent->settings.pool = pool_new(POOL_THREADS);
        if (!agent->settings.pool)
            rc = ds_fail(err, DS_ENOMEM, "no threads for the agent");
    }
    if (rc)
        agent_close(agent);
    return rc;
}

int agent_open(struct agent *agent, struct policy *policy, volatile int *interrupted,
               struct ds_error *err)
{
    int rc = agent_load(agent, policy, NULL, err);
    return rc ? rc : agent_start(agent, interrupted, err);
}

void agent_close(struct agent *agent)
{
    if (agent->repository_open)
        repository_close(&agent->repository);
    objects_free(agent->objects);
    plugin_close(&agent->store);
    if (agent->secret)
        wipe(agent->secret, agent->secret_len);
    free(agent->secret);
    wipe(&agent->space, sizeof agent->space);
    pool_free(agent->settings.pool);
    plugin_set_free(&agent->plugins);
    node_free(&agent->node);
    os_close(&agent->lock);
    memset(agent, 0, sizeof *agent);
    agent->lock.handle = OS_NO_FILE;
}

int agent_open_plugin(struct agent *agent, struct plugin_instance *instance, uint32_t kind,
                      const struct policy_plugin *section, const char *section_name,
                      struct ds_error *err)
{
    const struct plugin *plugin;
    const struct ds_kv *kv;
    size_t n;
    int rc = plugin_find(&agent->plugins, kind, section->use, &plugin, err);
    if (!rc)
        rc = policy_check_plugin(agent->policy, section, section_name, plugin->table, &kv, &n, err);
    if (!rc)
        rc = plugin_open(instance, plugin, &agent->settings, kv, n, err);
    return rc;
}

int agent_open_store(struct agent *agent, struct ds_error *err)
{
    const struct policy *policy = agent->policy;
    const struct plugin *plugin;
    if (agent->objects)
        return DS_OK;
    int rc = plugin_find(&agent->plugins, 0, policy->transport.use, &plugin, err);
    if (!rc && plugin->table->kind == DS_KIND_TRANSPORT)
        rc = ds_fail(err, DS_ENOTSUP, "the transport %s keeps no points: this needs a store",
                     policy->transport.use);
    if (!rc)
        rc = agent_open_plugin(agent, &agent->store, DS_KIND_STORE, &policy->transport, "transport",
                               err);
    if (!rc)
        rc = objects_new(&agent->objects, plugin->table->ops, agent->store.self, &agent->store.host,
                         agent->settings.interrupted, err);
    if (!rc)
        objects_limit_upload(agent->objects, policy->upload);
    return rc;
}

/* ---- repository ---- */

static int keep_secret(void *ud, const char *secret, size_t len)
{
    struct agent *agent = ud;
    agent->secret = malloc(len + 1);
    if (!agent->secret)
        return DS_ENOMEM;
    memcpy(agent->secret, secret, len);
    agent->secret_len = len;
    return DS_OK;
}

static int secret_load(struct agent *agent, struct repository_secret *secret, struct ds_error *err)
{
    int rc = DS_OK;
    if (agent->policy->node_key)
        return ds_fail(err, DS_ENOTSUP, "%s: this version opens repositories by passphrase or "
                       "recovery key only, not by transport.node_key", agent->policy->path);
    if (!agent->policy->passphrase)
        return ds_fail(err, DS_EPOLICY,
                       "%s: transport.passphrase is missing: name a file or an environment "
                       "variable that holds it", agent->policy->path);
    if (!agent->secret)
        rc = policy_secret(agent->policy->passphrase, keep_secret, agent, err);
    if (!rc && agent->secret_len == 0)
        rc = ds_fail(err, DS_EPOLICY, "the passphrase in %s is empty", agent->policy->passphrase);
    *secret = (struct repository_secret){ 0, agent->secret, agent->secret_len };
    return rc;
}

/* Name of the record that saves the header of the repository at this place. */
static void saved_name(const struct agent *agent, char out[64])
{
    uint8_t hash[HASH_SIZE];
    char hex[17];
    const char *location = objects_info(agent->objects)->location;
    crypto_sha256(hash, location, strlen(location));
    text_hex(hex, hash, 8);
    snprintf(out, 64, "header-%s", hex);
}

static void header_save(struct agent *agent, const struct repository_secret *secret)
{
    struct dynbuf saved = DYNBUF_INIT((size_t)256 << 10);
    struct ds_error ignored = DS_ERROR_INIT;
    char name[64];
    saved_name(agent, name);
    if (repository_save(&agent->repository, secret, &saved, &ignored) == DS_OK &&
        dynbuf_ok(&saved))
        state_put(agent->policy->state, name, saved.data, saved.len, &ignored);
    dynbuf_free(&saved);
}

static bool open_saved(struct agent *agent, const struct repository_secret *secret)
{
    struct ds_error ignored = DS_ERROR_INIT;
    void *data;
    size_t len;
    char name[64];
    saved_name(agent, name);
    if (state_get(agent->policy->state, name, &data, &len, &ignored))
        return false;
    int rc = repository_open_saved(&agent->repository, agent->objects, data, len, secret, &ignored);
    free(data);
    return rc == DS_OK;
}

int agent_open_repository(struct agent *agent, bool fresh, struct ds_error *err)
{
    struct repository_secret secret;
    int rc = agent_open_store(agent, err);
    if (!rc)
        rc = secret_load(agent, &secret, err);
    if (rc)
        return rc;
    if (agent->repository_open) {
        if (!fresh)
            return DS_OK;
        repository_close(&agent->repository);
        agent->repository_open = false;
    }
    agent->repository_saved = !fresh && open_saved(agent, &secret);
    if (!agent->repository_saved) {
        rc = repository_open(&agent->repository, agent->objects, &secret, err);
        if (!rc)
            header_save(agent, &secret);
    }
    agent->repository_open = !rc;
    return rc;
}

int agent_create_repository(struct agent *agent, uint8_t recovery[RECOVERY_SIZE],
                            struct ds_error *err)
{
    struct repository_secret secret;
    int rc = agent_open_store(agent, err);
    if (!rc)
        rc = objects_prove(agent->objects, err);
    if (!rc)
        rc = secret_load(agent, &secret, err);
    if (!rc)
        rc = repository_create(&agent->repository, agent->objects, &secret, recovery, err);
    if (!rc)
        header_save(agent, &secret);
    agent->repository_open = !rc;
    return rc;
}

/* ---- nodes ---- */

int agent_use_own_node(struct agent *agent, struct ds_error *err)
{
    int rc = agent->registered ? DS_OK : node_load(&agent->node, agent->policy->state, err);
    if (rc)
        return rc;
    agent->registered = true;
    node_instance(&agent->node, agent->policy->instance);
    return repository_space(&agent->space, &agent->repository, agent->node.uuid, err);
}

struct node_search {
    struct agent *agent;
    const char *name; /* NULL: any */
    uint8_t found[UUID_SIZE];
    unsigned n;
};

/* A node's name is in its newest root, or in the newest that can be read. */
static bool node_has_name(const struct segment_space *space, const char *name)
{
    struct ds_error ignored = DS_ERROR_INIT;
    struct points points;
    struct root root;
    uint64_t seq;
    bool match = false;
    if (roots_newest(space, 0, &seq, &ignored) || !seq)
        return false;
    if (root_read(&root, NULL, space, seq, &ignored) == DS_OK) {
        match = strcmp(root.node_name, name) == 0;
        root_free(&root);
        return match;
    }
    if (points_read(&points, space, NULL, NULL, &ignored))
        return false;
    for (size_t i = points.n; i-- > 0;)
        if (!points.list[i].damaged) {
            match = strcmp(points.list[i].root.node_name, name) == 0;
            break;
        }
    points_free(&points);
    return match;
}

static int node_matches(void *ud, const uint8_t uuid[UUID_SIZE])
{
    struct node_search *search = ud;
    struct ds_error ignored = DS_ERROR_INIT;
    struct segment_space space;
    if (!search->name ||
        (repository_space(&space, &search->agent->repository, uuid, &ignored) == DS_OK &&
         node_has_name(&space, search->name))) {
        memcpy(search->found, uuid, UUID_SIZE);
        search->n++;
    }
    return 0;
}

int agent_use_node(struct agent *agent, const char *name, struct ds_error *err)
{
    struct node_search search = { .agent = agent, .name = name };
    if (!name) {
        int rc = agent_use_own_node(agent, err);
        if (rc != DS_ENOENT)
            return rc;
    }
    if (name && text_parse_uuid(search.found, name))
        return repository_space(&agent->space, &agent->repository, search.found, err);
    int rc = repository_nodes(&agent->repository, node_matches, &search, err);
    if (rc)
        return rc;
    if (search.n == 0)
        return ds_fail(err, DS_ENOENT, name ? "there is no node %s in the repository"
                                            : "the repository holds no node%s", name ? name : "");
    if (search.n > 1)
        return ds_fail(err, DS_EINVAL, "%u nodes fit: name one by its UUID with --node", search.n);
    return repository_space(&agent->space, &agent->repository, search.found, err);
}

int agent_lock(struct agent *agent, struct ds_error *err)
{
    char path[OS_PATH_MAX];
    if (agent->lock.handle != OS_NO_FILE)
        return DS_OK;
    int rc = os_join(path, agent->policy->state, "lock", err);
    return rc ? rc : os_lock(&agent->lock, path, err);
}
