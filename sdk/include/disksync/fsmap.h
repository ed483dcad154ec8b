/* SPDX-License-Identifier: Apache-2.0 */
/* disksync/fsmap.h - an fsmap tells which extents of a volume hold valid data; a volmap tells
 * which volumes lie on a set of disks beyond plain partitions. Both are pure parsers over a read
 * callback: no device, no mount, no platform. Their input is hostile. In doubt, a byte is used. */
#ifndef DISKSYNC_FSMAP_H
#define DISKSYNC_FSMAP_H

#include <disksync/abi.h>
#include <disksync/snapshot.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Core allocates. Reads at any alignment; short reads are errors. Valid until the close of what
 * was opened on it. */
struct ds_reader {
    uint32_t size;
    uint32_t sector; /* logical sector size, bytes */
    uint64_t bytes;  /* of the volume or disk */
    void *ctx;
    int (*pread)(void *ctx, void *data, size_t n, uint64_t offset, struct ds_error *err);
};

struct ds_fsmap_ops {
    uint32_t size;
    uint32_t reserved;
    /* Is this my file system? *score 0 no, 100 certain. name (at least 16 bytes) gets its name.
     * Reads at most 1 MiB. DS_OK also for "no". */
    int (*probe)(void *self, const struct ds_reader *reader, uint32_t *score, char *name,
                 size_t name_size, struct ds_call *call);
    int (*open)(void *self, const struct ds_reader *reader, void **volume, struct ds_call *call);
    /* Extents within the window that hold valid data, of the volume. Also valid: everything that
     * the file system needs to be mounted, boot sectors and their backups. */
    int (*used)(void *volume, struct ds_window window, ds_extent_fn *fn, void *ud,
                struct ds_call *call);
    /* Extents never worth keeping: page, swap and hibernation files, snapshot storage. */
    int (*skip)(void *volume, ds_extent_fn *fn, void *ud, struct ds_call *call);
    /* What was found, for messages: "label", "cluster_bytes", "unclean", "note". */
    int (*facts)(void *volume, ds_kv_fn *fn, void *ud, struct ds_call *call);
    void (*close)(void *volume);
};

typedef int ds_volmap_fn(void *ud, uint32_t disk, const struct ds_view *view);

struct ds_volmap_ops {
    uint32_t size;
    uint32_t reserved;
    /* Volumes on the disks: views {disk extent, volume, volume_offset, stripes}, path NULL. */
    int (*volumes)(void *self, const struct ds_reader *const *disks, uint32_t n, ds_volmap_fn *fn,
                   void *ud, struct ds_call *call);
};

#ifdef __cplusplus
}
#endif
#endif
