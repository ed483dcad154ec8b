/* SPDX-License-Identifier: Apache-2.0 */
/* volumes.h - the volumes on one frozen disk, and which of its bytes hold valid data. A volume is a
 * partition, or the whole disk where there is no table. One thread. */
#ifndef CORE_SYNC_VOLUMES_H
#define CORE_SYNC_VOLUMES_H

#include "core/agent/agent.h"
#include "core/base/bitmap.h"
#include "core/sync/source.h"

struct volume {
    struct source_part part;
    struct ds_reader reader;
    struct plugin_instance *fsmap; /* NULL: every byte counts as used */
    void *handle;
    struct ds_extent *skips;       /* on the disk, ascending */
    size_t n_skips;
    char fs[16], note[160];
};

struct fsmaps { /* the loaded fsmap plugins, opened */
    struct plugin_instance *instances;
    size_t n;
};
int fsmaps_open(struct fsmaps *fsmaps, struct agent *agent, struct ds_error *err);
void fsmaps_close(struct fsmaps *fsmaps);

struct volumes {
    const struct source *source;
    struct disk_layout layout; /* read from the frozen disk */
    struct volume *list;
    size_t n;
};
int volumes_open(struct volumes *volumes, const struct source *source, struct fsmaps *fsmaps,
                 struct ds_error *err);
void volumes_close(struct volumes *volumes);
/* Sets the bits of the blocks in the window that hold valid data: used is rounded outward to
 * blocks, skip inward. map is clear and has a bit per block of the window. */
int volumes_used(struct volumes *volumes, struct ds_window window, uint32_t block_size,
                 struct bitmap *map, struct ds_error *err);

#endif
