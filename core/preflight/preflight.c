/* SPDX-License-Identifier: Apache-2.0 */
/* preflight.c - the checks; see preflight.h. */
#include "core/preflight/preflight.h"

#include "core/base/bytes.h"
#include "core/base/text.h"
#include "core/disk/disk.h"
#include "core/sync/hooks.h"
#include "core/sync/memory.h"

#include <stdio.h>

struct run {
    struct agent *agent;
    struct disk_inventory inventory;
    bool has_disks, has_repository;
    uint64_t selected_bytes;
};

typedef enum preflight_verdict check_fn(struct run *run, struct ds_error *why);

static enum preflight_verdict check_plugins(struct run *run, struct ds_error *why)
{
    unsigned refused = 0;
    for (size_t i = 0; i < run->agent->plugins.n; i++) {
        const struct plugin *plugin = &run->agent->plugins.plugins[i];
        if (plugin->loaded)
            continue;
        refused++;
        ds_fail(why, DS_EPLUGIN, "%s", plugin->verdict);
    }
    if (!refused)
        ds_fail(why, DS_OK, "%zu plugins are loaded", run->agent->plugins.n);
    return refused ? PREFLIGHT_WARNING : PREFLIGHT_OK;
}

static enum preflight_verdict check_state(struct run *run, struct ds_error *why)
{
    const char *folder = run->agent->policy->state;
    char reason[160];
    if (!os_is_trusted(folder, reason, sizeof reason)) {
        ds_fail(why, DS_EACCES, "the state folder %s: %s; let only its owner write it", folder,
                reason);
        return PREFLIGHT_REFUSAL;
    }
    if (agent_lock(run->agent, why))
        return PREFLIGHT_REFUSAL;
    ds_fail(why, DS_OK, "%s is private and free", folder);
    return PREFLIGHT_OK;
}

static enum preflight_verdict check_disks(struct run *run, struct ds_error *why)
{
    unsigned n = 0;
    char size[32];
    if (disk_inventory_read(&run->inventory, run->agent->policy, why))
        return PREFLIGHT_REFUSAL;
    for (size_t i = 0; i < run->inventory.n; i++) {
        const struct disk *disk = &run->inventory.disks[i];
        if (!disk->selected)
            continue;
        if (disk->refused) {
            ds_fail(why, DS_EIDENTITY, "%s: %s", disk->path, disk->why_not);
            return PREFLIGHT_REFUSAL;
        }
        run->selected_bytes += disk->bytes;
        n++;
    }
    if (n == 0) {
        ds_fail(why, DS_EPREFLIGHT, "no disk is selected: see disksync disks, and disks.include");
        return PREFLIGHT_REFUSAL;
    }
    run->has_disks = true;
    ds_fail(why, DS_OK, "%u disks, %s", n, text_size(size, sizeof size, run->selected_bytes));
    return PREFLIGHT_OK;
}

static enum preflight_verdict check_hooks(struct run *run, struct ds_error *why)
{
    const struct policy *policy = run->agent->policy;
    size_t n = policy->n_before_snapshot + policy->n_after_snapshot;
    if (hooks_check(policy, why))
        return PREFLIGHT_REFUSAL;
    if (hooks_left(policy)) {
        ds_fail(why, DS_OK, "a sync was cut off between its hooks, or a thaw failed: the next one "
                "begins with hooks.after_snapshot; to run them at once, run disksync sync");
        return PREFLIGHT_WARNING;
    }
    ds_fail(why, DS_OK, "%zu commands can be run", n);
    return n ? PREFLIGHT_OK : PREFLIGHT_SKIPPED;
}

static enum preflight_verdict check_memory(struct run *run, struct ds_error *why)
{
    const struct policy *policy = run->agent->policy;
    char size[32];
    if (memory_check(policy, why))
        return PREFLIGHT_REFUSAL;
    ds_fail(why, DS_OK, "a sync keeps within %s", text_size(size, sizeof size, policy->memory));
    return PREFLIGHT_OK;
}

static enum preflight_verdict check_store(struct run *run, struct ds_error *why)
{
    if (agent_open_store(run->agent, why) || objects_prove(run->agent->objects, why))
        return PREFLIGHT_REFUSAL;
    const struct ds_store_info *info = objects_info(run->agent->objects);
    if (!(info->caps & DS_STORE_CAP_IF_ABSENT)) {
        ds_fail(why, DS_OK, "%s has no conditional put: let only one machine write as this node",
                info->location);
        return PREFLIGHT_WARNING;
    }
    ds_fail(why, DS_OK, "%s answers, and conditional put holds", info->location);
    return PREFLIGHT_OK;
}

static enum preflight_verdict check_space(struct run *run, struct ds_error *why)
{
    char free_text[32], need[32];
    if (!run->agent->objects || !run->has_disks)
        return PREFLIGHT_SKIPPED;
    uint64_t left = objects_info(run->agent->objects)->free_bytes;
    if (left == UINT64_MAX)
        return PREFLIGHT_SKIPPED;
    text_size(free_text, sizeof free_text, left);
    text_size(need, sizeof need, run->selected_bytes);
    if (left < (UINT64_C(64) << 20)) {
        ds_fail(why, DS_ENOSPC, "the store has only %s left: run disksync collect, or add space",
                free_text);
        return PREFLIGHT_REFUSAL;
    }
    if (left < run->selected_bytes / 2) {
        ds_fail(why, DS_OK, "the store has %s left for disks of %s", free_text, need);
        return PREFLIGHT_WARNING;
    }
    ds_fail(why, DS_OK, "%s left for disks of %s", free_text, need);
    return PREFLIGHT_OK;
}

static enum preflight_verdict check_repository(struct run *run, struct ds_error *why)
{
    int rc = agent_open_repository(run->agent, true, why);
    if (rc == DS_ENOENT)
        return PREFLIGHT_WARNING;
    if (rc)
        return PREFLIGHT_REFUSAL;
    if (repository_check_write(&run->agent->repository, why))
        return PREFLIGHT_REFUSAL;
    run->has_repository = true;
    ds_fail(why, DS_OK, "the passphrase opens it");
    return PREFLIGHT_OK;
}

static enum preflight_verdict check_node(struct run *run, struct ds_error *why)
{
    struct node_memory memory;
    struct root root;
    uint64_t newest;
    if (!run->has_repository)
        return PREFLIGHT_SKIPPED;
    if (agent_use_own_node(run->agent, why))
        return PREFLIGHT_WARNING;
    if (node_memory_load(&memory, run->agent->policy->state, run->agent->repository.uuid,
                         run->agent->node.uuid, why))
        return PREFLIGHT_REFUSAL;
    if (roots_newest(&run->agent->space, 0, &newest, why))
        return PREFLIGHT_REFUSAL;
    if (newest == 0) {
        ds_fail(why, DS_OK, "%s is registered and has no point yet", run->agent->node.name);
        return PREFLIGHT_OK;
    }
    if (root_read(&root, NULL, &run->agent->space, newest, why))
        return PREFLIGHT_REFUSAL;
    bool clone = !memory.takeover &&
                 memcmp(root.instance, run->agent->node.instance, HASH_SIZE) != 0;
    root_free(&root);
    if (clone) {
        ds_fail(why, DS_ECLONE, "another machine wrote the newest point of this node: disksync "
                "register --takeover, or --new");
        return PREFLIGHT_REFUSAL;
    }
    ds_fail(why, DS_OK, "%s is registered; its newest root is %llu", run->agent->node.name,
            (unsigned long long)newest);
    return PREFLIGHT_OK;
}

static const struct {
    const char *name;
    check_fn *check;
} checks[] = {
    { "plugins", check_plugins }, { "state", check_state }, { "disks", check_disks },
    { "hooks", check_hooks },     { "memory", check_memory }, { "store", check_store },
    { "space", check_space },     { "repository", check_repository }, { "node", check_node },
};

int preflight_run(struct agent *agent, preflight_fn *fn, void *ud, struct ds_error *err)
{
    struct run run = { .agent = agent };
    int rc = DS_OK;
    (void)err;
    for (size_t i = 0; !rc && i < sizeof checks / sizeof checks[0]; i++) {
        struct ds_error why = DS_ERROR_INIT;
        struct preflight_result result = { .check = checks[i].name };
        result.verdict = checks[i].check(&run, &why);
        text_copy(result.text, sizeof result.text, why.msg);
        if (result.verdict != PREFLIGHT_SKIPPED)
            rc = fn(ud, &result);
    }
    disk_inventory_free(&run.inventory);
    return rc;
}
