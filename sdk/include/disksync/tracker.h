/* SPDX-License-Identifier: Apache-2.0 */
/* disksync/tracker.h - a tracker knows which extents of a disk changed since a cut.
 *
 * Time is divided into generations by cuts; each cut has a token that is never issued twice. A
 * consumer (a repository and node) has its own set of changes:
 *
 *      cut            opens the next generation; from here a write is marked in the closing and
 *                     in the new one, at issue and at completion
 *      (snapshot)
 *      changes        ends the closing generation and reads it
 *      commit(end)    forgets the closing generation; the new one now starts at `end`
 *      abort(end)     folds the closing generation into the new one, which starts at `start`
 *
 * commit and abort go by token, per disk, and are idempotent, so that any later process can do
 * them. A tracker that may have missed a write says LOST for that disk, with the reason, until the
 * next cut has been committed. */
#ifndef DISKSYNC_TRACKER_H
#define DISKSYNC_TRACKER_H

#include <disksync/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ds_generation_state {
    DS_GENERATION_NONE = 0, /* no cut since the last commit or abort: `start` names what runs */
    DS_GENERATION_CUT,      /* a cut awaits commit or abort: [start, end) is closing */
    DS_GENERATION_LOST      /* the changes since `start` are not trusted; after a cut, end holds */
};

struct ds_generation { /* core allocates, the plugin fills */
    uint32_t size;
    uint32_t state;          /* enum ds_generation_state */
    struct ds_token start;   /* token that opened the closing generation; zero = never cut */
    struct ds_token end;     /* token of the pending cut */
    uint32_t granularity;    /* bytes per mark */
    uint32_t pending;        /* non-zero: a cut awaits commit or abort */
    uint64_t changed_bytes;  /* marked so far; an upper bound */
    char reason[160];        /* for LOST: why */
    uint32_t flags;          /* DS_TRACK_* */
    uint32_t reserved;
};

enum { DS_TRACK_NOT_PROVED = 1u << 0 }; /* cut could not prove that it sees this disk's writes */

struct ds_tracker_ops {
    uint32_t size;
    uint32_t reserved;
    /* Can this disk be tracked? score as in snapshot.h. No side effect. */
    int (*probe)(void *self, const struct ds_disk *disk, uint32_t *score, struct ds_call *call);
    /* Starts tracking; idempotent; survives restarts where the tracker can. */
    int (*attach)(void *self, const struct ds_disk *disk, struct ds_call *call);
    /* Stops tracking and forgets. */
    int (*detach)(void *self, const char *disk_id, struct ds_call *call);
    /* Opens the next generation of this consumer for all disks at one instant. */
    int (*cut)(void *self, const char *consumer, const struct ds_disk *const *disks, uint32_t n,
               struct ds_call *call);
    int (*generation)(void *self, const char *consumer, const char *disk_id,
                      struct ds_generation *generation, struct ds_call *call);
    /* Extents of the closing generation within the window, on the disk. Only after cut; the first
     * call ends the closing generation, after a grace for writes in flight. */
    int (*changes)(void *self, const char *consumer, const char *disk_id, struct ds_window window,
                   ds_extent_fn *fn, void *ud, struct ds_call *call);
    /* token = the generation's `end`. A token that is not pending is DS_OK and changes nothing. */
    int (*commit)(void *self, const char *consumer, const char *disk_id,
                  const struct ds_token *token, struct ds_call *call);
    int (*abort)(void *self, const char *consumer, const char *disk_id,
                 const struct ds_token *token, struct ds_call *call);
    /* Marks extents as changed in the running generation. */
    int (*mark)(void *self, const char *consumer, const char *disk_id,
                const struct ds_extent *extents, size_t n, struct ds_call *call);
};

#ifdef __cplusplus
}
#endif
#endif
