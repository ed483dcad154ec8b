/* SPDX-License-Identifier: Apache-2.0 */
/* verify.h - reads back and checks what points refer to: every map page and every block, tag, id
 * and place. What is damaged is listed, and recorded in the store for the newest root, so that the
 * next sync reads those blocks anew and heals them. */
#ifndef CORE_RECOVER_VERIFY_H
#define CORE_RECOVER_VERIFY_H

#include "core/s3block/repository.h"

struct verify_options {
    uint64_t point;     /* 0: all */
    unsigned workers;
    volatile int *interrupted;
    void (*progress)(void *ud, uint64_t done, uint64_t total);
    /* Told of each damaged thing once, by any thread but one at a time. object: the key, or "". */
    void (*damaged)(void *ud, const char *object, const char *what);
    void *ud;
};
struct verify_report {
    uint64_t points, segments, blocks, pages, bytes, damaged_points, damaged_segments,
        damaged_blocks, damaged_pages, heal_blocks; /* heal_blocks: of the newest root */
    uint64_t ns, cpu_ns;
};

/* DS_EDAMAGED if something is; the report is filled. DS_ENOPOINT. */
int verify_points(const struct segment_space *space, const struct verify_options *options,
                  struct verify_report *report, struct ds_error *err);

/* The record of damaged blocks of one root: fn for each run of blocks. DS_ENOENT if there is none.
 * A record that fails its check is as none: the sync then finds damage by itself. */
typedef int damage_fn(void *ud, uint16_t disk, uint64_t first, uint64_t count);
int damage_read(const struct segment_space *space, uint64_t seq, damage_fn *fn, void *ud,
                struct ds_error *err);

#endif
