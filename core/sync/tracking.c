/* SPDX-License-Identifier: Apache-2.0 */
/* tracking.c - a session's dealings with the change tracker. The order cut, snapshot, changes and
 * the rule "a change is forgotten only after the commit" are kept by session.c; here each step is
 * one function. */
#include "core/sync/session_internal.h"

#include "core/base/bytes.h"
#include "core/base/log.h"

static int generation(struct session *session, struct session_source *source,
                      struct ds_generation *out, struct ds_error *err)
{
    struct ds_call call = plugin_call(&session->tracker, PLUGIN_SHORT_NS, err);
    memset(out, 0, sizeof *out);
    out->size = sizeof *out;
    int rc = tracker_ops(session)->generation(session->tracker.self, session->consumer,
                                              source->abi.id, out, &call);
    return plugin_failed(&session->tracker, rc, err);
}

/* Ends what an earlier process left: committed if the newest root holds its token, else folded
 * back. So is the cut of a machine that went back to before its snapshot: the root shows another
 * one. */
static int sweep_one(struct session *session, struct session_source *source, struct ds_error *err)
{
    struct ds_generation left;
    int rc = generation(session, source, &left, err);
    if (rc || !left.pending)
        return rc;
    /* of the newest root, even where this sync takes no base from it */
    const struct root_disk *base =
        session->has_base ? root_find_disk(&session->base, source->identity) : NULL;
    bool committed = session->knows_base && base && base->flags & ROOT_DISK_HAS_TOKEN &&
                     strcmp(base->tracker, session->tracker.plugin->table->name) == 0 &&
                     ds_token_equal(&base->token, &left.end);
    struct ds_call call = plugin_call(&session->tracker, PLUGIN_SHORT_NS, err);
    const struct ds_tracker_ops *ops = tracker_ops(session);
    log_printf(DS_LOG_DEBUG, "tracker.sweep", "%s: an earlier sync's generation is %s",
               source->abi.path, committed ? "committed" : "folded back");
    rc = (committed ? ops->commit : ops->abort)(session->tracker.self, session->consumer,
                                                source->abi.id, &left.end, &call);
    return plugin_failed(&session->tracker, rc, err);
}

int tracking_sweep(struct session *session, struct ds_error *err)
{
    int rc = DS_OK;
    for (uint32_t i = 0; !rc && session->has_tracker && i < session->n; i++) {
        struct session_source *source = &session->sources[i];
        struct ds_call call = plugin_call(&session->tracker, PLUGIN_SHORT_NS, err);
        rc = tracker_ops(session)->attach(session->tracker.self, &source->abi, &call);
        plugin_failed(&session->tracker, rc, err);
        if (!rc)
            rc = sweep_one(session, source, err);
        source->tracked = !rc;
    }
    return rc;
}

int tracking_cut(struct session *session, struct ds_error *err)
{
    if (!session->has_tracker)
        return DS_OK;
    struct ds_call call = plugin_call(&session->tracker, PLUGIN_SHORT_NS, err);
    int rc = tracker_ops(session)->cut(session->tracker.self, session->consumer, session->abis,
                                       session->n, &call);
    plugin_failed(&session->tracker, rc, err);
    for (uint32_t i = 0; !rc && i < session->n; i++)
        rc = generation(session, &session->sources[i], &session->sources[i].generation, err);
    return rc;
}

struct change_walk {
    struct bitmap *map;
    struct ds_window window;
    uint32_t block_size;
};

static int change_found(void *ud, const struct ds_extent *extents, size_t n)
{
    struct change_walk *walk = ud;
    for (size_t i = 0; i < n; i++) {
        uint64_t from = max_u64(extents[i].offset, walk->window.from), end;
        if (!add_u64(extents[i].offset, extents[i].length, &end))
            end = walk->window.to;
        end = min_u64(end, walk->window.to);
        if (from < end)
            bitmap_set(walk->map, (from - walk->window.from) / walk->block_size,
                       div_round_up(end - walk->window.from, walk->block_size));
    }
    return 0;
}

static int nothing(void *ud, const struct ds_extent *extents, size_t n)
{
    (void)ud, (void)extents, (void)n;
    return 0;
}

int tracking_close(struct session *session, struct ds_error *err)
{
    int rc = DS_OK;
    for (uint32_t i = 0; !rc && session->has_tracker && i < session->n; i++) {
        struct session_source *source = &session->sources[i];
        struct ds_window begin = { 0, session->agent->policy->block_size };
        struct ds_call call = plugin_call(&session->tracker, PLUGIN_LONG_NS, err);
        if (source->generation.state == DS_GENERATION_LOST)
            continue;
        rc = tracker_ops(session)->changes(session->tracker.self, session->consumer,
                                           source->abi.id, begin, nothing, NULL, &call);
        plugin_failed(&session->tracker, rc, err);
        if (!rc) /* it may have been lost since the cut: the modes are chosen by what holds now */
            rc = generation(session, source, &source->generation, err);
    }
    return rc;
}

/* What was written inside the snapshot: no tracker saw it, and the point shows it. */
static int altered_changed(struct session *session, const struct session_source *source,
                           struct change_walk *walk, struct ds_error *err)
{
    const struct ds_snapshot_ops *ops = provider_ops(session);
    if (!DS_HAS(ds_snapshot_ops, ops, altered))
        return DS_OK;
    source_enter(session->reading); /* the time limit begins when it is its turn */
    struct ds_call call = plugin_call(&session->provider, PLUGIN_SHORT_NS, err);
    int rc = ops->altered(session->set, source->abi.index, change_found, walk, &call);
    source_leave(session->reading);
    return rc == DS_ENOTSUP ? DS_OK : plugin_failed(&session->provider, rc, err);
}

int tracking_changed(struct session *session, struct session_source *source,
                     struct ds_window window, struct bitmap *map, struct ds_error *err)
{
    struct change_walk walk = { map, window, (uint32_t)session->agent->policy->block_size };
    struct ds_call call = plugin_call(&session->tracker, PLUGIN_LONG_NS, err);
    int rc = tracker_ops(session)->changes(session->tracker.self, session->consumer,
                                           source->abi.id, window, change_found, &walk, &call);
    plugin_failed(&session->tracker, rc, err);
    if (!rc)
        rc = altered_changed(session, source, &walk, err);
    /* A disk that grew: its new tail, and the block in which the old end lay. */
    if (!rc && source->grown_from) {
        struct ds_extent tail = { source->grown_from / walk.block_size * walk.block_size,
                                  source->disk->bytes };
        tail.length -= tail.offset;
        change_found(&walk, &tail, 1);
    }
    return rc;
}

int tracking_again(struct session *session, struct session_source *source,
                   const struct ds_extent *extents, size_t n, struct ds_error *err)
{
    if (!source->tracked)
        return DS_OK; /* the next sync compares everything anyway */
    struct ds_call call = plugin_call(&session->tracker, PLUGIN_SHORT_NS, err);
    int rc = tracker_ops(session)->mark(session->tracker.self, session->consumer, source->abi.id,
                                        extents, n, &call);
    return plugin_failed(&session->tracker, rc, err);
}

struct skipped_walk {
    struct session *session;
    struct session_source *source;
    struct ds_error *err;
};

static int skipped_found(void *ud, const struct ds_extent *extents, size_t n)
{
    struct skipped_walk *walk = ud;
    uint64_t block = walk->session->agent->policy->block_size, bytes = walk->source->disk->bytes;
    int rc = DS_OK;
    for (size_t i = 0; !rc && i < n; i++) {
        uint64_t ends[] = { extents[i].offset, extents[i].offset + extents[i].length };
        for (unsigned k = 0; !rc && k < 2; k++) {
            struct ds_extent edge = { ends[k] / block * block, block };
            edge.length = min_u64(edge.length, bytes - edge.offset); /* the last one may be short */
            if (ends[k] % block && ends[k] < bytes)
                rc = tracking_again(walk->session, walk->source, &edge, 1, walk->err);
        }
    }
    return rc;
}

/* A block at the edge of what the provider skips counts as known, though that part of it was not
 * read. It may be used next time, without a write. */
int tracking_skipped(struct session *session, struct session_source *source,
                     const struct source *frozen, struct ds_error *err)
{
    struct skipped_walk walk = { session, source, err };
    return source->tracked ? source_each(frozen, DS_VIEW_SKIP, 0, source->disk->bytes,
                                         skipped_found, &walk) : DS_OK;
}

struct altered_walk {
    struct session *session;
    struct session_source *source;
    struct ds_error *err;
    bool mark_failed; /* not the provider, but the tracker in its callback */
};

static int altered_found(void *ud, const struct ds_extent *extents, size_t n)
{
    struct altered_walk *walk = ud;
    int rc = tracking_again(walk->session, walk->source, extents, n, walk->err);
    walk->mark_failed |= rc != DS_OK;
    return rc;
}

int tracking_altered(struct session *session, struct ds_error *err)
{
    int rc = DS_OK;
    if (!DS_HAS(ds_snapshot_ops, provider_ops(session), altered))
        return DS_OK;
    for (uint32_t i = 0; !rc && i < session->n; i++) {
        struct altered_walk walk = { session, &session->sources[i], err, false };
        source_enter(session->reading);
        struct ds_call call = plugin_call(&session->provider, PLUGIN_SHORT_NS, err);
        rc = provider_ops(session)->altered(session->set, i, altered_found, &walk, &call);
        source_leave(session->reading);
        if (rc == DS_ENOTSUP)
            rc = DS_OK;
        else if (!walk.mark_failed)
            plugin_failed(&session->provider, rc, err);
    }
    return rc;
}

void tracking_end(struct session *session, bool committed)
{
    for (uint32_t i = 0; session->has_tracker && i < session->n; i++) {
        struct session_source *source = &session->sources[i];
        struct ds_error err = DS_ERROR_INIT;
        struct ds_call call = plugin_call(&session->tracker, PLUGIN_SHORT_NS, &err);
        const struct ds_tracker_ops *ops = tracker_ops(session);
        if (!source->generation.pending)
            continue;
        int rc = (committed ? ops->commit : ops->abort)(session->tracker.self, session->consumer,
                                                        source->abi.id, &source->generation.end,
                                                        &call);
        if (plugin_failed(&session->tracker, rc, &err))
            log_printf(DS_LOG_WARNING, "tracker.end",
                       "%s: %s; the next sync repairs this", source->abi.path, err.msg);
    }
}
