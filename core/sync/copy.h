/* SPDX-License-Identifier: Apache-2.0 */
/* copy.h - copies one frozen disk into the point that is being written: plans window by window,
 * reads, hashes, compares and compresses with several threads, and places blocks in disk order.
 * This is where the one rule lives:
 *
 *     read = used AND (changed OR NOT known);  what changed and is not read becomes UNKNOWN
 *
 * Called on the main thread. */
#ifndef CORE_SYNC_COPY_H
#define CORE_SYNC_COPY_H

#include "core/base/bitmap.h"
#include "core/s3block/point_writer.h"
#include "core/sync/volumes.h"

#define COPY_WINDOW (UINT64_C(64) << 30) /* bytes of a disk that are planned at once */

#define COPY_UNIT ((size_t)2 << 20) /* bytes of a disk that a worker takes at once, at most */

/* Threads and buffers, for all disks of a sync. */
struct copier;
struct copier_settings {
    unsigned workers;     /* at least 1; no more than COPIER_WORKERS_MAX are used */
    unsigned units;       /* on their way between planning and placing: at least 2 */
    unsigned cpu_percent; /* of all processors; 100 = no limit */
    int level;            /* of zstd */
    uint32_t block_size;  /* the largest of all disks */
};
int copier_new(struct copier **copier, const struct segment_space *space,
               const struct copier_settings *settings, struct ds_error *err);
void copier_free(struct copier *copier);
#define COPIER_WORKERS_MAX 16u
/* So many units keep the workers busy. */
static inline unsigned copier_units(unsigned workers)
{
    return 4 * workers + 2;
}

struct copy { /* one disk */
    struct point_writer *writer;
    const struct source *source;
    struct volumes *volumes;
    const struct salvage *salvage; /* or NULL */
    uint16_t disk;
    struct map_shape shape;
    /* Sets bits of the blocks that changed; NULL: all did. map as for volumes_used. */
    int (*changed)(void *ud, struct ds_window window, struct bitmap *map, struct ds_error *err);
    /* Sets bits of blocks whose content in the base is not to be trusted; may be NULL. */
    int (*stale)(void *ud, struct ds_window window, struct bitmap *map, struct ds_error *err);
    /* An extent that must be looked at again next time: torn or unreadable. */
    int (*again)(void *ud, const struct ds_extent *extent, struct ds_error *err);
    /* Between leaves: may commit a checkpoint. position: bytes of the disk that are done. */
    int (*pause)(void *ud, uint64_t position, struct ds_error *err);
    void *ud;
    volatile int *interrupted; /* or NULL */
    /* results, bytes */
    uint64_t used_bytes, changed_bytes, read_bytes, bad_bytes, torn_bytes, salvaged_bytes;
};
int copy_disk(struct copier *copier, struct copy *copy, struct ds_error *err);

#endif
