/* SPDX-License-Identifier: Apache-2.0 */
/* target.h - what a restore writes to: a device, or an image file that is made sparse. Writes from
 * any thread; ranges must not overlap. */
#ifndef CORE_RECOVER_TARGET_H
#define CORE_RECOVER_TARGET_H

#include "core/base/os.h"

struct target {
    struct os_file file;
    struct os_file direct; /* the same past the page cache, where that works; for large writes */
    char path[OS_PATH_MAX];
    uint64_t bytes;    /* capacity */
    bool device;
    bool fresh;        /* an image file that this restore made or emptied: reads as zeros */
};

/* keep: an existing image keeps its content (compare). exclusive: fail on a device that the system
 * holds. DS_ENOSPC if a device is smaller than `bytes`. */
int target_open(struct target *target, const char *path, uint64_t bytes, bool keep, bool exclusive,
                struct ds_error *err);
void target_close(struct target *target);
/* Fastest in large pieces whose memory, offset and length are multiples of TARGET_ALIGN: they don't
 * pass through the page cache. */
#define TARGET_ALIGN 4096u
int target_write(struct target *target, const void *data, size_t n, uint64_t offset,
                 struct ds_error *err);
/* Makes a range read as zeros, as holes where the target can. */
int target_zero(struct target *target, uint64_t offset, uint64_t n, struct ds_error *err);
int target_read(struct target *target, void *data, size_t n, uint64_t offset, struct ds_error *err);
int target_sync(struct target *target, struct ds_error *err);

#endif
