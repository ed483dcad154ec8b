/* SPDX-License-Identifier: Apache-2.0 */
/* restore.h - writes one disk of a point back to a device or an image file. Partition tables and
 * boot sectors are written last, after everything else is durable, so that a restore that was cut
 * off leaves no disk that looks whole. */
#ifndef CORE_RECOVER_RESTORE_H
#define CORE_RECOVER_RESTORE_H

#include "core/s3block/root.h"

struct restore_options {
    const char *target;
    bool compare;       /* read the target and write only what differs */
    bool force;         /* also onto what is mounted, or a disk of the policy */
    const char *const *protected_paths; /* the policy's own disks */
    size_t n_protected;
    unsigned workers;
    volatile int *interrupted;
    void (*progress)(void *ud, uint64_t done, uint64_t total);
    void *ud;
};

struct restore_report { /* bytes */
    uint64_t disk_bytes, data_bytes, zero_bytes, unknown_bytes, bad_bytes, written_bytes,
        same_bytes, target_bytes;
    uint64_t ns, cpu_ns;
};

/* DS_EMOUNTED, DS_EPROTECTED, DS_ENOSPC (target too small), DS_EDAMAGED. */
int restore_disk(const struct segment_space *space, const struct root_disk *disk,
                 const struct restore_options *options, struct restore_report *report,
                 struct ds_error *err);

#endif
