/* SPDX-License-Identifier: Apache-2.0 */
/* model.h - a small world around the real session: disks of numbered contents with a file system
 * that says which blocks are used, a tracker, a snapshot provider and a store, all in memory, and
 * all able to die at any step. A block's content is a number, its version; 0 is all zero bytes. The
 * session, copier, map, segments and roots are the real ones.
 *
 * Everything happens on the test's thread but for read(), which only looks at the frozen state. */
#ifndef TESTS_SYNC_MODEL_H
#define TESTS_SYNC_MODEL_H

#include "core/agent/agent.h"
#include "core/sync/session.h"
#include "tests/base/scratch.h"
#include "tests/s3block/memory-store.h"
#include "tests/unit.h"

#include <stdatomic.h>

#define MODEL_DISKS 2u
#define MODEL_POINTS 3u   /* older points whose content is remembered and checked again */
#define MODEL_SECTOR 512u

struct content { /* of one disk at one instant */
    uint64_t bytes;
    uint32_t *version; /* per block, up to the world's max_blocks */
    uint8_t *used;
};

struct tracked { /* the tracker's set of one disk */
    uint8_t *closing, *running; /* a byte per block */
    struct ds_token start, end;
    bool pending, both, lost_closing, lost_running;
};

struct model_disk {
    char path[OS_PATH_MAX], id[OS_PATH_MAX];
    bool present, attached;
    struct content live, frozen;
    uint8_t *bad;      /* can't be read */
    uint8_t *frozen_bad;
    uint8_t *torn;     /* of the frozen state: no two reads agree */
    uint8_t *altered;  /* of the frozen state: written inside the snapshot */
    struct ds_extent skip, partition; /* length 0: none; bytes on the disk, fixed */
    bool is_live;      /* this time the view is a live one */
    struct tracked tracked;
    /* What the plainer rule would have in its newest point: see model_naive. */
    uint32_t *naive;
    uint64_t naive_bytes;
    uint8_t *changed;  /* what the tracker told of the closing generation */
};

struct model_point { /* what a committed point must hold */
    uint64_t seq;
    bool present[MODEL_DISKS];
    struct content content[MODEL_DISKS];
    uint8_t *bad[MODEL_DISKS], *torn[MODEL_DISKS];
};

struct moment { /* of the whole machine, to come back to */
    bool saved;
    bool present[MODEL_DISKS], attached[MODEL_DISKS];
    struct content content[MODEL_DISKS];
    struct tracked tracked[MODEL_DISKS];
    struct node_memory memory;
};

struct world {
    uint64_t seed, random;
    uint32_t block, last_version;
    uint64_t max_blocks, tokens;
    unsigned grain; /* blocks per mark */
    struct scratch scratch;
    struct memory_store *store;
    struct policy *policy;
    const char *include[MODEL_DISKS];
    struct plugin plugins[4];
    struct pool *pool;
    volatile int interrupted;
    struct model_disk disks[MODEL_DISKS];
    struct repository repository;
    bool has_repository;
    uint8_t node[UUID_SIZE];
    struct segment_space space; /* without objects: for reading points */
    /* the running sync */
    const char *die_at;      /* "STEP:before" or "STEP:after"; NULL: it lives */
    unsigned die_skip;       /* that many such steps go well first */
    bool dead, lost;         /* lost: the snapshot's health */
    bool damaged; /* a map page may be damaged and nobody has noticed yet */
    bool events;             /* writes go on while the sync runs */
    unsigned checkpoints_percent, moment_percent;
    uint64_t clock;          /* added to the session's clock */
    atomic_uint reads;
    struct moment moment;
    struct model_point points[MODEL_POINTS];
    unsigned n_points;
    /* sums */
    uint64_t n_committed, n_modes[4], n_failed, n_dead, n_checked, n_wrong, naive_wrong,
        n_checkpoints, n_refused, n_healed, n_salvaged, n_torn, n_bad;
    char first_wrong[240];
};

/* model.c: the world and its changes */
uint32_t model_random(struct world *world, uint32_t below);
bool model_chance(struct world *world, unsigned percent);
uint64_t model_blocks(const struct world *world, uint64_t bytes);
/* The bytes that a version stands for, in a block of the disk; len may be short. */
void model_bytes(const struct model_disk *disk, uint32_t version, uint64_t block, void *out,
                 size_t len);
/* True if the block holds anything that must be kept. */
bool model_used(const struct world *world, const struct model_disk *disk,
                const struct content *content, uint64_t block);
void model_new(struct world *world, uint64_t seed, uint32_t block, uint64_t blocks,
               uint64_t max_blocks);
void model_free(struct world *world);
void model_fill(struct world *world, unsigned per_mille);
/* One random change of a random disk. */
void model_change(struct world *world);
void model_write(struct world *world, struct model_disk *disk, uint64_t block, uint32_t version);
void model_grow(struct world *world, struct model_disk *disk, uint64_t bytes);
void model_shrink(struct world *world, struct model_disk *disk, uint64_t bytes);
void content_copy(const struct world *world, struct content *to, const struct content *from);
void model_save_moment(struct world *world);
void model_revert(struct world *world);

/* model-plugins.c: the tracker, provider, parser and store that the session sees */
void model_plugins(struct world *world);
void model_die(struct world *world);
/* True if the process dies, or is dead. when: "before", "after". */
bool model_step(struct world *world, const char *step, const char *when);
void model_lose(struct world *world, struct model_disk *disk);

/* model-session.c: one process that syncs once */
int model_sync(struct world *world, bool full, bool compare, struct session_report *report,
               struct ds_error *err);

/* model-check.c: what points hold, against what they must hold */
/* Remembers what the frozen disks were, as point seq, and checks it and an older one. */
void model_committed(struct world *world, uint64_t seq);
/* The newest root, checkpoints too; 0: none. */
uint64_t model_newest(struct world *world, bool *partial);
void model_forget_points(struct world *world);
/* Damages a stored slot. maps_only: a map page. False if there was none to damage. */
bool model_damage(struct world *world, bool maps_only);
/* Damages every inner page of every map. */
unsigned model_damage_inner(struct world *world);
void model_verify(struct world *world);

#endif
