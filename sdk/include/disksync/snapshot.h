/* SPDX-License-Identifier: Apache-2.0 */
/* disksync/snapshot.h - a snapshot provider freezes a set of disks at one instant, or none of
 * them, and describes where the frozen bytes of each disk can be read. */
#ifndef DISKSYNC_SNAPSHOT_H
#define DISKSYNC_SNAPSHOT_H

#include <disksync/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ds_view_kind {
    DS_VIEW_DATA = 1, /* frozen: two reads agree in every used cluster */
    DS_VIEW_LIVE,     /* may change while it is read: core reads until two reads agree */
    DS_VIEW_SKIP      /* never worth reading: becomes UNKNOWN */
};

/* One stretch of a disk and where its bytes are. The provider allocates. */
struct ds_view {
    uint32_t size;
    uint32_t kind;           /* enum ds_view_kind */
    struct ds_extent disk;   /* bytes of the disk that this view covers */
    uint64_t volume;         /* the provider's number of it, for used() and read(); 0 = none */
    uint64_t volume_offset;  /* of disk.offset within the volume */
    const char *path;        /* file or device to open; NULL = through ops->read */
    uint64_t path_offset;    /* of disk.offset within path */
    /* Stripes: `count` pieces of disk.length bytes, each disk_step further on the disk and
     * path_step further in path and volume. count 1 = plain. */
    uint32_t count;
    uint32_t flags;          /* DS_VIEW_BUFFERED: direct I/O on path is not needed */
    uint64_t disk_step, path_step;
};
enum { DS_VIEW_BUFFERED = 1u << 0 };

enum ds_consistency { /* facts() reports it as "consistency"; the weakest of the set */
    DS_CONSISTENCY_NONE = 0,   /* "none": not one instant */
    DS_CONSISTENCY_CRASH,      /* "crash": as after a power cut */
    DS_CONSISTENCY_FILESYSTEM, /* "filesystem": file systems flushed and frozen */
    DS_CONSISTENCY_APPLICATION /* "application": writers took part */
};
enum ds_outcome { DS_OUTCOME_COMMITTED = 1, DS_OUTCOME_FAILED };

typedef int ds_view_fn(void *ud, const struct ds_view *view);

struct ds_snapshot_ops {
    uint32_t size;
    uint32_t reserved;
    /* Can this disk be served? score: 0 no (err says why), higher is better; `auto` takes the
     * highest. No side effect. */
    int (*probe)(void *self, const struct ds_disk *disk, uint32_t *score, struct ds_call *call);
    /* Freezes all disks at one instant, or fails and leaves nothing behind. */
    int (*create)(void *self, const struct ds_disk *const *disks, uint32_t n, void **set,
                  struct ds_call *call);
    /* Views of one disk that touch the window, ascending by disk offset. */
    int (*views)(void *set, uint32_t disk, struct ds_window window, ds_view_fn *fn, void *ud,
                 struct ds_call *call);
    /* Optional: the operating system's own word on which bytes of the volume hold valid data.
     * Offsets within the volume. DS_ENOTSUP: ask fsmap. */
    int (*used)(void *set, uint64_t volume, struct ds_window window, ds_extent_fn *fn, void *ud,
                struct ds_call *call);
    /* Optional: extents of the disk that were written inside the snapshot. */
    int (*altered)(void *set, uint32_t disk, ds_extent_fn *fn, void *ud, struct ds_call *call);
    /* Mandatory where a view has no path. */
    int (*read)(void *set, uint64_t volume, uint64_t offset, void *data, size_t n,
                struct ds_call *call);
    /* Stored in the point: "consistency" is required ("none", "crash", "filesystem",
     * "application"); at most 64 KiB in all. */
    int (*facts)(void *set, ds_kv_fn *fn, void *ud, struct ds_call *call);
    /* DS_OK, or DS_ELOST with the cause and the remedy. */
    int (*health)(void *set, struct ds_call *call);
    /* Says how the sync ended; before release. outcome: enum ds_outcome. */
    int (*finish)(void *set, uint32_t outcome, struct ds_call *call);
    /* Removes the snapshot; always called once after create succeeded. */
    void (*release)(void *set);
    /* Optional: removes what an earlier process of this node left behind. */
    int (*sweep)(void *self, struct ds_call *call);
};

#ifdef __cplusplus
}
#endif
#endif
