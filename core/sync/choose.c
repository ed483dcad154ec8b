/* SPDX-License-Identifier: Apache-2.0 */
/* choose.c - which disks take part, which plugins serve them, and how each disk comes into the
 * point. Everything that refuses a session before it touches anything is here or in base.c. */
#include "core/sync/session_internal.h"

#include "core/base/bytes.h"
#include "core/base/log.h"

#include <stdio.h>
#include <stdlib.h>

void session_identity(char out[160], const struct disk *disk)
{
    text_copy(out, 160, disk->id);
    char *size = strstr(out, "+bytes:");
    if (size)
        *size = 0;
}

static bool number_taken(const struct session *session, uint32_t n, uint32_t number)
{
    for (uint32_t i = 0; session->has_base && i < session->base.n_disks; i++)
        if (session->base.disks[i].number == number)
            return true;
    for (uint32_t i = 0; i < n; i++)
        if (session->sources[i].number == number)
            return true;
    return false;
}

/* The lowest number that no disk of the base has, nor an earlier one of this session; there are
 * fewer disks than numbers. */
static uint16_t fresh_number(const struct session *session, uint32_t n)
{
    uint32_t number = 1;
    while (number_taken(session, n, number))
        number++;
    return (uint16_t)number;
}

/* Another disk stands where the base saw this path. */
static int check_same_disk(const struct session *session, const struct session_source *source,
                           struct ds_error *err)
{
    for (uint32_t i = 0; i < session->base.n_disks; i++) {
        const struct root_disk *old = &session->base.disks[i];
        if (strcmp(old->path, source->disk->path) != 0 || !(source->disk->flags & DS_DISK_IMAGE))
            continue;
        return ds_fail(err, DS_EIDENTITY,
                       "%s is not the disk it was (%s, now %s): if that is intended, run disksync "
                       "sync --full", old->path, old->identity, source->identity);
    }
    return DS_OK;
}

static int source_init(struct session *session, struct session_source *source, struct disk *disk,
                       uint32_t index, struct ds_error *err)
{
    bool full = session->options->full;
    source->disk = disk;
    source->abi = disk_abi(disk, index);
    session_identity(source->identity, disk);
    source->abi.id = source->identity;
    source->base = session->has_base ? root_find_disk(&session->base, source->identity) : NULL;
    source->number = source->base ? source->base->number : fresh_number(session, index);
    if (disk->layout.damaged && !full)
        return ds_fail(err, DS_ESHRANK,
                       "%s: its partition table does not fit it (%s): if that is intended, run "
                       "disksync sync --full", disk->path, disk->layout.note);
    if (!source->base)
        return session->has_base && !full ? check_same_disk(session, source, err) : DS_OK;
    uint64_t before = source->base->shape.bytes;
    if (disk->bytes < before && !full)
        return ds_fail(err, DS_ESHRANK,
                       "%s shrank from %llu to %llu bytes: if that is intended, run disksync sync "
                       "--full", disk->path, (unsigned long long)before,
                       (unsigned long long)disk->bytes);
    if (full || source->base->shape.block_size != session->agent->policy->block_size)
        source->base = NULL;
    else if (disk->bytes > before)
        source->grown_from = before;
    return DS_OK;
}

int session_choose_disks(struct session *session, struct ds_error *err)
{
    struct agent *agent = session->agent;
    int rc = disk_inventory_read(&session->inventory, agent->policy, err);
    if (rc)
        return rc;
    size_t n = session->inventory.n;
    session->sources = calloc(n + 1, sizeof *session->sources);
    session->abis = calloc(n + 1, sizeof *session->abis);
    if (!session->sources || !session->abis)
        return ds_fail(err, DS_ENOMEM, "no memory for the list of disks");
    for (size_t i = 0; !rc && i < n; i++) {
        struct disk *disk = &session->inventory.disks[i];
        char identity[160];
        session_identity(identity, disk);
        if (!disk->selected || node_excludes(&agent->node, identity))
            continue;
        if (disk->refused)
            return ds_fail(err, DS_EIDENTITY, "%s can't be replicated: %s", disk->path,
                           disk->why_not);
        struct session_source *source = &session->sources[session->n];
        rc = source_init(session, source, disk, session->n, err);
        session->abis[session->n++] = &source->abi;
        session->total_bytes += disk->bytes;
    }
    if (!rc && session->n == 0)
        rc = ds_fail(err, DS_EPREFLIGHT,
                     "no disk is selected: see disksync disks, and disks.include in %s",
                     agent->policy->path);
    return rc;
}

/* ---- plugins ---- */

typedef int probe_fn(struct plugin_instance *instance, const struct ds_disk *disk, uint32_t *score,
                     struct ds_call *call);

static int probe_snapshot(struct plugin_instance *instance, const struct ds_disk *disk,
                          uint32_t *score, struct ds_call *call)
{
    const struct ds_snapshot_ops *ops = instance->plugin->table->ops;
    return ops->probe(instance->self, disk, score, call);
}

static int probe_tracker(struct plugin_instance *instance, const struct ds_disk *disk,
                         uint32_t *score, struct ds_call *call)
{
    const struct ds_tracker_ops *ops = instance->plugin->table->ops;
    return ops->probe(instance->self, disk, score, call);
}

/* The lowest score over all disks; 0 with the reason if one can't be served. */
static uint32_t score_of(struct session *session, struct plugin_instance *instance, probe_fn *probe,
                         struct ds_error *err)
{
    uint32_t lowest = UINT32_MAX;
    for (uint32_t i = 0; i < session->n && lowest; i++) {
        struct ds_call call = plugin_call(instance, PLUGIN_SHORT_NS, err);
        uint32_t score = 0;
        if (plugin_failed(instance, probe(instance, session->abis[i], &score, &call), err))
            score = 0;
        if (score < lowest)
            lowest = score;
    }
    return lowest;
}

/* Opens the best plugin of a kind that serves every disk; *found false if none does. */
static int open_best(struct session *session, uint32_t kind, const struct policy_plugin *section,
                     const char *name, probe_fn *probe, struct plugin_instance *out, bool *found,
                     struct ds_error *err)
{
    struct agent *agent = session->agent;
    uint32_t best = 0;
    *found = false;
    for (size_t i = 0; i < agent->plugins.n; i++) {
        const struct plugin *plugin = &agent->plugins.plugins[i];
        struct ds_error why = DS_ERROR_INIT;
        struct plugin_instance instance = { 0 };
        if (!plugin->loaded || plugin->table->kind != kind ||
            plugin->table->caps & DS_CAP_SCRIPTED)
            continue;
        struct policy_plugin named = { plugin->table->name, section->node };
        if (agent_open_plugin(agent, &instance, kind, &named, name, &why))
            continue;
        uint32_t score = score_of(session, &instance, probe, &why);
        log_printf(DS_LOG_DEBUG, "choose", "%s scores %u", plugin->table->name, (unsigned)score);
        if (score > best) {
            plugin_close(out);
            *out = instance;
            best = score;
            *found = true;
        } else {
            plugin_close(&instance);
        }
    }
    (void)err;
    return DS_OK;
}

static int choose_provider(struct session *session, struct ds_error *err)
{
    const struct policy_plugin *section = &session->agent->policy->snapshot;
    if (strcmp(section->use, "auto") == 0) {
        bool found;
        int rc = open_best(session, DS_KIND_SNAPSHOT, section, "snapshot", probe_snapshot,
                           &session->provider, &found, err);
        if (!rc && !found)
            rc = ds_fail(err, DS_EPREFLIGHT, "no snapshot provider serves all disks of the policy: "
                         "see disksync plugins, and name one with snapshot.use");
        return rc;
    }
    int rc = agent_open_plugin(session->agent, &session->provider, DS_KIND_SNAPSHOT, section,
                               "snapshot", err);
    if (!rc && score_of(session, &session->provider, probe_snapshot, err) == 0)
        rc = err->code ? err->code
                       : ds_fail(err, DS_EPREFLIGHT,
                                 "the snapshot provider %s does not serve every "
                                 "disk of the policy",
                                 section->use);
    return rc;
}

static int choose_tracker(struct session *session, struct ds_error *err)
{
    const struct policy_plugin *section = &session->agent->policy->tracker;
    int rc = DS_OK;
    if (strcmp(section->use, "auto") == 0) {
        rc = open_best(session, DS_KIND_TRACKER, section, "tracker", probe_tracker,
                       &session->tracker, &session->has_tracker, err);
    } else if (strcmp(section->use, "none") != 0) {
        rc = agent_open_plugin(session->agent, &session->tracker, DS_KIND_TRACKER, section,
                               "tracker", err);
        if (!rc && score_of(session, &session->tracker, probe_tracker, err) == 0)
            rc = err->code ? err->code
                           : ds_fail(err, DS_EPREFLIGHT, "the tracker %s does not serve every disk "
                                     "of the policy", section->use);
        session->has_tracker = !rc;
    }
    return rc;
}

int session_choose_plugins(struct session *session, struct ds_error *err)
{
    char repository[UUID_TEXT], node[UUID_TEXT];
    text_uuid(repository, session->agent->repository.uuid);
    text_uuid(node, session->agent->node.uuid);
    snprintf(session->consumer, sizeof session->consumer, "%s/%s", repository, node);
    int rc = choose_provider(session, err);
    if (!rc)
        rc = choose_tracker(session, err);
    if (!rc)
        rc = fsmaps_open(&session->fsmaps, session->agent, err);
    return rc;
}

/* ---- modes ---- */

static void set_mode(struct session_source *source, uint8_t mode, const char *reason)
{
    source->mode = mode;
    text_copy(source->reason, sizeof source->reason, reason);
}

static void mode_of(struct session *session, struct session_source *source)
{
    const struct root_disk *base = source->base;
    const struct ds_generation *generation = &source->generation;
    const char *tracker = session->has_tracker ? session->tracker.plugin->table->name : "none";
    char text[200];
    if (!base)
        set_mode(source, MODE_FULL, session->options->full ? "asked for"
                                    : session->has_base   ? "this disk is new to the node"
                                                          : "the first point of this node");
    else if (session->options->compare)
        set_mode(source, MODE_COMPARE, "asked for");
    else if (!session->has_tracker)
        set_mode(source, MODE_COMPARE, "no change tracker serves this disk");
    else if (!(base->flags & ROOT_DISK_HAS_TOKEN))
        set_mode(source, MODE_COMPARE, "the newest point was made without a change tracker");
    else if (strcmp(base->tracker, tracker) != 0) {
        snprintf(text, sizeof text, "the newest point was made with the tracker %s", base->tracker);
        set_mode(source, MODE_COMPARE, text);
    } else if (!session->knows_base) {
        set_mode(source, MODE_COMPARE,
                 "this machine does not remember the newest point: it went back in time");
    } else if (generation->state == DS_GENERATION_LOST) {
        snprintf(text, sizeof text, "the tracker lost its changes: %s", generation->reason);
        set_mode(source, MODE_COMPARE, text);
    } else if (generation->state != DS_GENERATION_CUT || !generation->pending)
        set_mode(source, MODE_COMPARE, "the tracker made no cut");
    else if (!ds_token_equal(&base->token, &generation->start))
        set_mode(source, MODE_COMPARE, "the tracker's changes do not begin at the newest point");
    else
        set_mode(source, MODE_INCREMENTAL, "the tracker knows what changed since the newest point");
}

void session_modes(struct session *session)
{
    for (uint32_t i = 0; i < session->n; i++)
        mode_of(session, &session->sources[i]);
}
