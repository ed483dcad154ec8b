/* SPDX-License-Identifier: Apache-2.0 */
/* session_internal.h - what the parts of a session share. */
#ifndef CORE_SYNC_SESSION_INTERNAL_H
#define CORE_SYNC_SESSION_INTERNAL_H

#include "core/sync/copy.h"
#include "core/sync/memory.h"
#include "core/sync/session.h"

#include <disksync/tracker.h>

struct session_source { /* one disk of the sync */
    struct disk *disk;
    struct ds_disk abi;
    const struct root_disk *base; /* NULL: none */
    uint16_t number;
    uint8_t mode;
    char identity[160], reason[200];
    bool tracked;
    struct ds_generation generation; /* after the cut */
    struct bitmap stale;
    uint64_t grown_from;             /* bytes of the base's disk where it was smaller; else 0 */
};

struct session {
    struct agent *agent;
    const struct session_options *options;
    struct session_report *report;
    struct disk_inventory inventory;
    struct session_source *sources;
    const struct ds_disk **abis;
    uint32_t n;
    struct plugin_instance provider, tracker;
    bool has_tracker;
    char consumer[2 * UUID_TEXT];
    struct fsmaps fsmaps;
    void *set; /* the snapshot */
    const struct source *reading; /* while workers may read from it; else NULL */
    uint8_t consistency;
    struct root base;
    bool has_base;
    bool knows_base; /* this state of the machine made it: it did not go back to before */
    uint8_t base_hash[HASH_SIZE];
    struct node_memory memory;
    struct memory_plan memory_plan;
    struct salvage *salvage;
    struct point_writer *writer;
    struct copier *copier;
    uint64_t checkpoint_ns, checkpoint_bytes; /* when the last one was */
    uint64_t total_bytes, done_bytes;         /* for progress */
    uint32_t current;                         /* the source being copied */
    uint64_t header_ns; /* when the repository's header was read last */
    uint64_t begun_mono, begun_cpu;
    int64_t begun_wall;
};

/* base.c: the newest root and whether it may be built on. */
int session_base(struct session *session, struct ds_error *err);
/* choose.c: disks, provider and tracker. */
int session_choose_disks(struct session *session, struct ds_error *err);
int session_choose_plugins(struct session *session, struct ds_error *err);
/* After the cut: how each disk comes into the point. */
void session_modes(struct session *session);
/* resume.c: blocks to salvage; then the plan for the memory that is left; when the copy begins,
 * what is damaged in the base, and before a checkpoint the same for the next one. */
int resume_salvage(struct session *session, struct ds_error *err);
int resume_memory(struct session *session, struct ds_error *err);
int resume_damage(struct session *session, struct ds_error *err);
int resume_carry(struct session *session, uint64_t seq, struct ds_error *err);
/* tracking.c */
int tracking_sweep(struct session *session, struct ds_error *err);
int tracking_cut(struct session *session, struct ds_error *err);
/* Once the snapshot stands: ends the closing generations, so that they grow no more. */
int tracking_close(struct session *session, struct ds_error *err);
int tracking_changed(struct session *session, struct session_source *source,
                     struct ds_window window, struct bitmap *map, struct ds_error *err);
int tracking_again(struct session *session, struct session_source *source,
                   const struct ds_extent *extents, size_t n, struct ds_error *err);
int tracking_altered(struct session *session, struct ds_error *err);
/* Marks the blocks that are skipped in part. */
int tracking_skipped(struct session *session, struct session_source *source,
                     const struct source *frozen, struct ds_error *err);
/* Commits or aborts every pending generation; failures are logged, the next sweep repairs. */
void tracking_end(struct session *session, bool committed);

static inline const struct ds_tracker_ops *tracker_ops(const struct session *session)
{
    return session->tracker.plugin->table->ops;
}
static inline const struct ds_snapshot_ops *provider_ops(const struct session *session)
{
    return session->provider.plugin->table->ops;
}

#endif
