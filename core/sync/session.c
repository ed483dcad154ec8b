/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - one sync, step by step. The order of the steps is what keeps every write:
 *
 *     lock, base, sweep | hooks before | tracker.cut | snapshot.create | hooks after |
 *     tracker.changes, copy | health | root commit | tracker.commit | snapshot.finish, release
 *
 * Nothing is forgotten before the root is committed, and the root alone says whether it was. */
#include "core/sync/session_internal.h"

#include "core/base/bytes.h"
#include "core/base/log.h"
#include "core/sync/hooks.h"

#include <stdio.h>
#include <stdlib.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define CHECKPOINT_NS (UINT64_C(15) * 60 * 1000000000)
#define HEADER_NS (UINT64_C(60) * 1000000000)
#define CHECKPOINT_BYTES (UINT64_C(64) << 30)
#define FACTS_MAX ((size_t)64 << 10)

/* ---- registration ---- */

static int freeze_excluded(struct agent *agent, struct ds_error *err)
{
    struct disk_inventory inventory;
    int rc = disk_inventory_read(&inventory, agent->policy, err);
    if (rc)
        return rc == DS_ENOENT ? DS_OK : rc; /* sync tells what is missing */
    for (size_t i = 0; !rc && i < inventory.n; i++) {
        char identity[160];
        session_identity(identity, &inventory.disks[i]);
        if (inventory.disks[i].excluded)
            rc = node_exclude(&agent->node, identity, err);
    }
    disk_inventory_free(&inventory);
    return rc;
}

static int register_node(struct agent *agent, struct ds_error *err)
{
    int rc = node_create(&agent->node, agent->policy->node_name, err);
    if (!rc)
        rc = freeze_excluded(agent, err);
    if (!rc)
        rc = node_save(&agent->node, agent->policy->state, err);
    agent->registered = !rc;
    return rc;
}

int session_register(struct agent *agent, bool make, bool *created, bool *registered,
                     char recovery[RECOVERY_TEXT], struct ds_error *err)
{
    uint8_t key[RECOVERY_SIZE];
    *created = *registered = false;
    recovery[0] = 0;
    int known = node_load(&agent->node, agent->policy->state, err);
    if (known && known != DS_ENOENT)
        return known;
    agent->registered = !known;
    int rc = agent_open_repository(agent, known != DS_OK, err);
    /* A node that has committed points never takes an empty store for a new one. */
    if (rc == DS_ENOENT && make && known) {
        rc = agent_create_repository(agent, key, err);
        if (!rc)
            recovery_text(recovery, key);
        wipe(key, sizeof key);
        *created = !rc;
    }
    if (!rc && known) {
        rc = register_node(agent, err);
        *registered = !rc;
    }
    if (!rc && known)
        rc = repository_add_node(&agent->repository, agent->node.uuid, err);
    return rc ? rc : agent_use_own_node(agent, err);
}

/* ---- the draft root ---- */

static int draft_disks(struct session *session, struct ds_error *err)
{
    struct root *draft = point_writer_root(session->writer);
    draft->disks = calloc(session->n, sizeof *draft->disks);
    if (!draft->disks)
        return ds_fail(err, DS_ENOMEM, "no memory for a point");
    draft->n_disks = session->n;
    for (uint32_t i = 0; i < session->n; i++) {
        const struct session_source *source = &session->sources[i];
        struct root_disk *disk = &draft->disks[i];
        if (!map_shape_of(&disk->shape, source->disk->bytes,
                          (uint32_t)session->agent->policy->block_size))
            return ds_fail(err, DS_EINVAL, "%s: a disk of %llu bytes can't be replicated",
                           source->disk->path, (unsigned long long)source->disk->bytes);
        disk->number = source->number;
        disk->mode = source->mode;
        disk->consistency = session->consistency;
        disk->sector = source->disk->sector;
        disk->physical_sector = source->disk->physical_sector;
        text_copy(disk->identity, sizeof disk->identity, source->identity);
        text_copy(disk->path, sizeof disk->path, source->disk->path);
        text_copy(disk->reason, sizeof disk->reason, source->reason);
        if (source->generation.pending) {
            text_copy(disk->tracker, sizeof disk->tracker,
                      session->tracker.plugin->table->name);
            disk->token = source->generation.end;
            disk->flags |= ROOT_DISK_HAS_TOKEN;
            if (source->generation.flags & DS_TRACK_NOT_PROVED)
                disk->flags |= ROOT_DISK_NOT_PROVED;
        }
    }
    return DS_OK;
}

struct facts {
    struct dynbuf text;
    uint8_t consistency;
};

static int fact(void *ud, const char *key, const char *value)
{
    struct facts *facts = ud;
    for (uint8_t c = 0; strcmp(key, "consistency") == 0 && c <= DS_CONSISTENCY_APPLICATION; c++)
        if (strcmp(value, consistency_name(c)) == 0)
            facts->consistency = c;
    dynbuf_printf(&facts->text, "%s=%s\n", key, value);
    return 0;
}

static int collect_facts(struct session *session, struct facts *facts, struct ds_error *err)
{
    struct ds_call call = plugin_call(&session->provider, PLUGIN_SHORT_NS, err);
    facts->text = (struct dynbuf)DYNBUF_INIT(FACTS_MAX);
    facts->consistency = DS_CONSISTENCY_NONE;
    dynbuf_printf(&facts->text, "provider=%s\n", session->provider.plugin->table->name);
    int rc = provider_ops(session)->facts(session->set, fact, facts, &call);
    plugin_failed(&session->provider, rc, err);
    if (!rc && !dynbuf_ok(&facts->text))
        rc = ds_fail(err, DS_EPLUGIN, "the snapshot provider %s reports more facts than a point "
                     "can hold", session->provider.plugin->table->name);
    session->consistency = facts->consistency;
    return rc;
}

/* What the record of damage names is read again as it is. */
static bool base_page_damaged(void *ud, uint32_t disk, uint64_t first, uint64_t count,
                              const struct ds_error *why)
{
    const struct session *session = ud;
    const struct bitmap *stale = &session->sources[disk].stale;
    log_printf(DS_LOG_WARNING, "repository.damaged",
               "%s; the blocks below are read again and healed", why->msg);
    return stale->words && bitmap_next_clear(stale, first) >= min_u64(first + count, stale->bits);
}

static int draft_point(struct session *session, struct ds_error *err)
{
    struct agent *agent = session->agent;
    struct facts facts;
    int rc = point_writer_new(&session->writer, &agent->space,
                              session->has_base ? &session->base : NULL, session->base_hash,
                              base_page_damaged, session, err);
    if (rc)
        return rc;
    point_writer_bound(session->writer, &session->memory_plan.bounds);
    rc = collect_facts(session, &facts, err);
    if (!rc)
        rc = draft_disks(session, err);
    struct root *draft = point_writer_root(session->writer);
    if (!rc)
        rc = root_add_blob(draft, "facts", facts.text.data, facts.text.len, err);
    dynbuf_free(&facts.text);
    memcpy(draft->instance, agent->node.instance, HASH_SIZE);
    draft->time_ns = session->report->time_ns;
    draft->begun_ns = session->begun_wall;
    text_copy(draft->node_name, sizeof draft->node_name, agent->node.name);
    snprintf(draft->agent, sizeof draft->agent, "disksync %s", PACKAGE_VERSION);
    return rc;
}

/* ---- copying ---- */

static int memory_save(struct session *session, struct ds_error *err)
{
    return node_memory_save(&session->memory, session->agent->policy->state,
                            session->agent->repository.uuid, session->agent->node.uuid, err);
}

/* Names this attempt durably before it stores anything, so that a later one can salvage it. */
static int remember_attempt(struct session *session, struct ds_error *err)
{
    const struct root *draft = point_writer_root(session->writer);
    node_memory_attempt(&session->memory, draft->seq, draft->tag);
    session->memory.marked = false;
    return memory_save(session, err);
}

/* Right before a root is put: a machine that goes back to a time before this one may lack marks of
 * what the root holds, and must not believe its tracker. */
static int remember_marked(struct session *session, struct ds_error *err)
{
    session->memory.marked = true;
    return memory_save(session, err);
}

static int health(struct session *session, struct ds_error *err)
{
    source_enter(session->reading); /* the time limit begins when it is its turn */
    struct ds_call call = plugin_call(&session->provider, PLUGIN_SHORT_NS, err);
    int rc = provider_ops(session)->health(session->set, &call);
    source_leave(session->reading);
    return plugin_failed(&session->provider, rc, err);
}

/* The disks are still what they were when they were frozen. */
static int check_unchanged(struct session *session, struct ds_error *err)
{
    for (uint32_t i = 0; i < session->n; i++) {
        const struct disk *before = session->sources[i].disk;
        struct disk now;
        int rc = disk_probe(&now, before->path, err);
        if (rc)
            return rc;
        bool same = now.bytes == before->bytes && strcmp(now.layout.id, before->layout.id) == 0 &&
                    now.layout.n_partitions == before->layout.n_partitions;
        for (size_t k = 0; same && k < now.layout.n_partitions; k++)
            same = memcmp(&now.layout.partitions[k].extent, &before->layout.partitions[k].extent,
                          sizeof now.layout.partitions[k].extent) == 0;
        disk_free(&now);
        if (!same)
            return ds_fail(err, DS_EIO,
                           "%s was repartitioned or resized while it was read: nothing was "
                           "committed, sync again", before->path);
    }
    return DS_OK;
}

static uint64_t sent_bytes(struct session *session)
{
    const struct root *draft = point_writer_root(session->writer);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < draft->n_disks; i++)
        sum += draft->disks[i].sent_bytes;
    return sum;
}

static int checkpoint(struct session *session, struct ds_error *err)
{
    const struct root *draft = point_writer_root(session->writer);
    int rc = tracking_altered(session, err); /* before a root holds any of it */
    if (!rc)
        rc = health(session, err); /* what was read so far is worth keeping only then */
    if (!rc)
        rc = check_unchanged(session, err);
    if (!rc)
        rc = resume_carry(session, draft->seq, err);
    if (!rc)
        rc = remember_marked(session, err);
    if (!rc)
        rc = point_writer_checkpoint(session->writer, err);
    if (rc)
        return rc;
    session->memory.seq = draft->previous; /* the newest root is the base, listed or not */
    memcpy(session->memory.hash, draft->previous_hash, HASH_SIZE);
    rc = remember_attempt(session, err);
    session->checkpoint_ns = os_mono_ns();
    session->checkpoint_bytes = sent_bytes(session);
    return rc;
}

static int on_pause(void *ud, uint64_t position, struct ds_error *err)
{
    struct session *session = ud;
    const struct session_options *options = session->options;
    uint64_t done = session->done_bytes + position;
    if (options->progress)
        options->progress(options->ud, session->sources[session->current].disk->path, done,
                          session->total_bytes);
    /* By what was sent, not by the place on the disk: a checkpoint costs objects, and keeps nothing
     * where nothing was sent. */
    uint64_t sent = sent_bytes(session) - session->checkpoint_bytes;
    if (sent == 0 || (os_mono_ns() - session->checkpoint_ns < CHECKPOINT_NS &&
                      sent < CHECKPOINT_BYTES))
        return DS_OK;
    return checkpoint(session, err);
}

static int on_changed(void *ud, struct ds_window window, struct bitmap *map, struct ds_error *err)
{
    struct session *session = ud;
    return tracking_changed(session, &session->sources[session->current], window, map, err);
}

/* What can't be read, or read twice, may be the end of the snapshot: then the rest of a large disk
 * is not tried block by block. */
static int on_again(void *ud, const struct ds_extent *extent, struct ds_error *err)
{
    struct session *session = ud;
    int rc = health(session, err);
    return rc ? rc : tracking_again(session, &session->sources[session->current], extent, 1, err);
}

static int on_stale(void *ud, struct ds_window window, struct bitmap *map, struct ds_error *err)
{
    struct session *session = ud;
    const struct session_source *source = &session->sources[session->current];
    uint64_t first = window.from / session->agent->policy->block_size;
    (void)err;
    for (uint64_t i = bitmap_next(&source->stale, first);
         i < source->stale.bits && i - first < map->bits; i = bitmap_next(&source->stale, i + 1))
        bitmap_set(map, i - first, i - first + 1);
    return DS_OK;
}

static void disk_report(struct session *session, uint32_t i, const struct copy *copy)
{
    struct session_disk *out = &session->report->disks[i];
    struct root_disk *disk = &point_writer_root(session->writer)->disks[i];
    disk->used_bytes = out->used_bytes = copy->used_bytes;
    disk->changed_bytes = out->changed_bytes = copy->changed_bytes;
    disk->read_bytes = out->read_bytes = copy->read_bytes;
    disk->unknown_used = out->bad_bytes = copy->bad_bytes;
    out->sent_bytes = disk->sent_bytes;
    out->torn_bytes = copy->torn_bytes;
    out->salvaged_bytes = copy->salvaged_bytes;
}

static int copy_one(struct session *session, uint32_t i, struct ds_error *err)
{
    struct session_source *from = &session->sources[i];
    struct source source;
    struct volumes volumes;
    struct copy copy = { .writer = session->writer, .source = &source, .volumes = &volumes,
                         .salvage = session->salvage, .disk = from->number,
                         .shape = point_writer_root(session->writer)->disks[i].shape,
                         .changed = from->mode == MODE_INCREMENTAL ? on_changed : NULL,
                         .stale = from->stale.words ? on_stale : NULL, .again = on_again,
                         .pause = on_pause, .ud = session,
                         .interrupted = session->agent->settings.interrupted };
    session->current = i;
    int rc = source_open(&source, from->disk, &session->provider, session->set, i, err);
    if (rc)
        return rc;
    rc = tracking_skipped(session, from, &source, err);
    if (!rc)
        rc = volumes_open(&volumes, &source, &session->fsmaps, err);
    if (!rc) {
        rc = point_writer_disk_begin(session->writer, i, from->base, err);
        session->reading = &source;
        if (!rc)
            rc = copy_disk(session->copier, &copy, err);
        session->reading = NULL;
        if (!rc)
            rc = point_writer_disk_end(session->writer, err);
        disk_report(session, i, &copy);
        session->done_bytes += from->disk->bytes;
        volumes_close(&volumes);
    }
    source_close(&source);
    return rc;
}

/* Where a read failed because the snapshot is gone, that is the error to tell. */
static int lost_instead(struct session *session, int rc, struct ds_error *err)
{
    struct ds_error why = DS_ERROR_INIT;
    if (health(session, &why) != DS_ELOST)
        return rc;
    *err = why;
    return DS_ELOST;
}

static int copy_all(struct session *session, struct ds_error *err)
{
    const struct policy *policy = session->agent->policy;
    struct copier_settings settings = { .workers = session->memory_plan.workers,
                                        .units = session->memory_plan.units,
                                        .cpu_percent = policy->cpu_percent,
                                        .level = (int)policy->compression,
                                        .block_size = (uint32_t)policy->block_size };
    int rc = copier_new(&session->copier, &session->agent->space, &settings, err);
    session->checkpoint_ns = os_mono_ns();
    for (uint32_t i = 0; !rc && i < session->n; i++)
        rc = copy_one(session, i, err);
    return rc && rc != DS_ECANCELLED ? lost_instead(session, rc, err) : rc;
}

/* ---- the steps ---- */

static int freeze(struct session *session, struct ds_error *err)
{
    struct ds_call call = plugin_call(&session->provider, PLUGIN_LONG_NS, err);
    int rc = provider_ops(session)->create(session->provider.self, session->abis, session->n,
                                           &session->set, &call);
    session->report->time_ns = os_wall_ns();
    return plugin_failed(&session->provider, rc, err);
}

/* What runs before and after the snapshot is told of both, whatever fails between them. */
static int freeze_between_hooks(struct session *session, struct ds_error *err)
{
    struct agent *agent = session->agent;
    int rc = hooks_before(agent->policy, agent->settings.interrupted, err);
    if (!rc)
        rc = tracking_cut(session, err);
    if (!rc)
        rc = freeze(session, err);
    session->report->hooks_failed += hooks_after(agent->policy, rc == DS_OK);
    return rc;
}

/* A session may rest on a saved header, or last for long: a newer program may have raised what is
 * needed. It is looked at before anything is touched, and before a commit if that was a while ago.
 * One that is damaged in the store does not keep a point from being stored. */
static int check_header(struct session *session, struct ds_error *err)
{
    struct ds_error why = DS_ERROR_INIT;
    int rc = repository_check_header(&session->agent->repository, &why);
    session->header_ns = os_mono_ns();
    if (rc == DS_EVERSION || rc == DS_EFEATURE) {
        *err = why;
        return rc;
    }
    if (rc)
        log_printf(DS_LOG_WARNING, "repository.header", "the header of the repository: %s",
                   why.msg);
    return DS_OK;
}

static int commit(struct session *session, struct ds_error *err)
{
    struct root *draft = point_writer_root(session->writer);
    uint8_t hash[HASH_SIZE];
    int rc = os_mono_ns() - session->header_ns < HEADER_NS ? DS_OK : check_header(session, err);
    if (!rc)
        rc = remember_marked(session, err);
    if (!rc)
        rc = point_writer_commit(session->writer, hash, err);
    if (rc)
        return rc;
    session->report->point = draft->seq;
    memset(&session->memory, 0, sizeof session->memory);
    session->memory.seq = draft->seq;
    memcpy(session->memory.hash, hash, HASH_SIZE);
    struct ds_error why = DS_ERROR_INIT;
    if (memory_save(session, &why)) /* a hint only: the root is committed */
        log_printf(DS_LOG_WARNING, "node.memory", "%s", why.msg);
    return DS_OK;
}

static void finish(struct session *session, bool committed)
{
    struct ds_error err = DS_ERROR_INIT;
    struct ds_call call = plugin_call(&session->provider, PLUGIN_SHORT_NS, &err);
    if (!session->set)
        return;
    int rc = provider_ops(session)->finish(
        session->set, committed ? DS_OUTCOME_COMMITTED : DS_OUTCOME_FAILED, &call);
    if (plugin_failed(&session->provider, rc, &err))
        log_printf(DS_LOG_WARNING, "snapshot.finish", "%s", err.msg);
    provider_ops(session)->release(session->set);
    session->set = NULL;
}

static int sweep_provider(struct session *session, struct ds_error *err)
{
    struct ds_call call = plugin_call(&session->provider, PLUGIN_LONG_NS, err);
    if (!DS_HAS(ds_snapshot_ops, provider_ops(session), sweep))
        return DS_OK;
    return plugin_failed(&session->provider,
                         provider_ops(session)->sweep(session->provider.self, &call), err);
}

static int prepare(struct session *session, struct ds_error *err)
{
    struct session_report *report = session->report;
    int rc = session_register(session->agent, true, &report->created_now, &report->registered_now,
                              report->recovery, err);
    session->header_ns = os_mono_ns();
    if (!rc && session->agent->repository_saved)
        rc = check_header(session, err);
    if (!rc)
        rc = session_base(session, err);
    /* A registration that was cut off may have left it out; without it nobody finds the node. */
    if (!rc && !session->has_base)
        rc = repository_add_node(&session->agent->repository, session->agent->node.uuid, err);
    if (!rc)
        rc = session_choose_disks(session, err);
    if (!rc)
        rc = session_choose_plugins(session, err);
    if (!rc)
        rc = sweep_provider(session, err);
    if (!rc)
        rc = tracking_sweep(session, err);
    if (!rc)
        rc = resume_salvage(session, err);
    if (!rc)
        rc = resume_memory(session, err);
    return rc;
}

static int report_begin(struct session *session, struct ds_error *err)
{
    struct session_report *report = session->report;
    report->disks = calloc(session->n, sizeof *report->disks);
    if (!report->disks)
        return ds_fail(err, DS_ENOMEM, "no memory for the report");
    report->n_disks = session->n;
    text_copy(report->snapshot, sizeof report->snapshot, session->provider.plugin->table->name);
    text_copy(report->tracker, sizeof report->tracker,
              session->has_tracker ? session->tracker.plugin->table->name : "none");
    for (uint32_t i = 0; i < session->n; i++) {
        const struct session_source *source = &session->sources[i];
        struct session_disk *disk = &report->disks[i];
        text_copy(disk->identity, sizeof disk->identity, source->identity);
        text_copy(disk->path, sizeof disk->path, source->disk->path);
        text_copy(disk->reason, sizeof disk->reason, source->reason);
        disk->number = source->number;
        disk->mode = source->mode;
        disk->disk_bytes = source->disk->bytes;
    }
    return DS_OK;
}

/* Full and compare read everything in use, whatever the base says. */
static bool believes_base(const struct session *session)
{
    bool any = false;
    for (uint32_t i = 0; i < session->n; i++)
        any |= session->sources[i].mode == MODE_INCREMENTAL;
    return any;
}

/* What hung from damaged pages was believed to be known: this is no point to list. The checkpoint
 * knows better, and the next sync reads what it lacks. */
static int base_lost(struct session *session, struct ds_error *err)
{
    int rc = checkpoint(session, err);
    return rc ? rc : ds_fail(err, DS_EDAMAGED,
                             "the map of point %llu is damaged in the store: nothing was listed. "
                             "Sync again: what was lost is then read anew",
                             (unsigned long long)session->base.seq);
}

static int replicate(struct session *session, struct ds_error *err)
{
    int rc = freeze_between_hooks(session, err);
    if (!rc)
        rc = tracking_close(session, err);
    if (rc)
        return rc;
    session_modes(session);
    rc = report_begin(session, err);
    if (!rc)
        rc = draft_point(session, err);
    if (!rc)
        rc = remember_attempt(session, err);
    if (!rc)
        rc = resume_damage(session, err);
    if (!rc)
        rc = copy_all(session, err);
    if (!rc && believes_base(session) && point_writer_lost_pages(session->writer))
        rc = base_lost(session, err);
    if (!rc)
        rc = tracking_altered(session, err);
    if (!rc)
        rc = health(session, err);
    if (!rc)
        rc = check_unchanged(session, err);
    if (!rc)
        rc = commit(session, err);
    text_copy(session->report->consistency, sizeof session->report->consistency,
              consistency_name(session->consistency));
    return rc;
}

static void session_free(struct session *session)
{
    copier_free(session->copier);
    point_writer_free(session->writer);
    salvage_free(session->salvage);
    root_free(&session->base);
    fsmaps_close(&session->fsmaps);
    plugin_close(&session->tracker);
    plugin_close(&session->provider);
    for (uint32_t i = 0; i < session->n; i++)
        bitmap_free(&session->sources[i].stale);
    free(session->sources);
    free((void *)session->abis);
    disk_inventory_free(&session->inventory);
}

int session_run(struct agent *agent, const struct session_options *options,
                struct session_report *report, struct ds_error *err)
{
    struct session session = { .agent = agent, .options = options, .report = report,
                               .begun_mono = os_mono_ns(), .begun_cpu = os_cpu_ns(),
                               .begun_wall = os_wall_ns() };
    memset(report, 0, sizeof *report);
    int rc = agent_lock(agent, err);
    if (!rc) {
        report->hooks_failed = hooks_sweep(agent->policy);
        rc = hooks_check(agent->policy, err);
    }
    if (!rc)
        rc = memory_check(agent->policy, err);
    if (!rc)
        rc = prepare(&session, err);
    if (!rc) {
        rc = replicate(&session, err);
        tracking_end(&session, rc == DS_OK);
        finish(&session, rc == DS_OK);
    }
    if (session.writer)
        point_writer_stored(session.writer, &report->stored_objects, &report->stored_bytes);
    report->ns = os_mono_ns() - session.begun_mono;
    report->cpu_ns = os_cpu_ns() - session.begun_cpu;
    session_free(&session);
    return rc;
}

void session_report_free(struct session_report *report)
{
    free(report->disks);
    memset(report, 0, sizeof *report);
}
