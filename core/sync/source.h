/* SPDX-License-Identifier: Apache-2.0 */
/* source.h - the frozen bytes of one disk, wherever the snapshot provider keeps them: core reads a
 * disk at its own offsets and the source finds the view. What no view covers is read live. Once
 * opened it is constant: any thread may read. */
#ifndef CORE_SYNC_SOURCE_H
#define CORE_SYNC_SOURCE_H

#include "core/disk/disk.h"
#include "core/base/thread.h"
#include "core/plugin/plugin.h"

#include <disksync/snapshot.h>

struct source_view {
    struct ds_view view;
    int file; /* index in files, or -1: through the provider */
};

struct source {
    const struct disk *disk;
    struct plugin_instance *provider;
    const struct ds_snapshot_ops *ops;
    void *set;
    struct source_view *views; /* ascending by disk offset, then the live disk for the gaps */
    size_t n_views;
    bool striped;
    struct mutex serial; /* of a provider that takes one call at a time; else not used */
    struct disk_source *files; /* [0] is the live disk */
    size_t n_files;
};

/* index: of the disk in the snapshot set. */
int source_open(struct source *source, const struct disk *disk, struct plugin_instance *provider,
                void *set, uint32_t index, struct ds_error *err);
/* Without a snapshot: the disk as it is now. */
int source_open_live(struct source *source, const struct disk *disk, struct ds_error *err);
void source_close(struct source *source);
/* Reads a range of the disk. scratch: n bytes for comparing live reads. *torn is set (else left)
 * where live reads did not agree. */
int source_read(const struct source *source, void *data, size_t n, uint64_t offset, void *scratch,
                bool *torn, struct ds_error *err);
/* Around every other call of the provider while reads may run; NULL: none do. */
void source_enter(const struct source *source);
void source_leave(const struct source *source);
/* First byte in [offset, end) that may be other than zero, where the system can tell. */
uint64_t source_next_data(const struct source *source, uint64_t offset, uint64_t end);
/* Calls fn for each view of a kind that touches [from, to), cut to it. */
int source_each(const struct source *source, uint32_t kind, uint64_t from, uint64_t to,
                ds_extent_fn *fn, void *ud);
/* A reader over a part of the disk, for parsers. ctx: lives as long as the reader. */
struct source_part {
    const struct source *source;
    uint64_t offset, bytes;
};
struct ds_reader source_reader(struct source_part *part, uint32_t sector);

#endif
