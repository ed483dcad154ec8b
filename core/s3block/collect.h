/* SPDX-License-Identifier: Apache-2.0 */
/* collect.h - retention and the return of space. What is safe and why: docs/s3block.md, "Collect".
 * One thread; beside running syncs, restores and other collects. */
#ifndef CORE_S3BLOCK_COLLECT_H
#define CORE_S3BLOCK_COLLECT_H

#include "core/s3block/repository.h"

/* How many points to keep by each rule; 0 = the rule is absent. */
struct retention {
    uint64_t last, hourly, daily, weekly, monthly, yearly;
};

/* Sets keep[i] for each point that a rule keeps, and why[i] to the first rule's name ("last",
 * "daily", ...; NULL if none). Time is that of the points: no clock of this machine is asked. The
 * newest point is always kept. Without any rule all are kept. */
void retention_apply(const struct retention *rules, const struct points *points, bool *keep,
                     const char **why);

/* Marks a point as forgotten: it is no longer listed, and collect removes it after the grace. The
 * newest can't be. DS_EINVAL, DS_ENOPOINT. */
int forget_point(const struct segment_space *space, const struct points *points, uint64_t seq,
                 struct ds_error *err);

#define COLLECT_GRACE_NS (INT64_C(24) * 3600 * 1000000000)

struct collect_options {
    int64_t grace_ns;   /* how long a forgotten point stays for those who read it */
    bool dry_run;
    int64_t now_ns;     /* by the store's clock */
    volatile int *interrupted;
    void (*progress)(void *ud, uint64_t done, uint64_t total);
    void *ud;
};
struct collect_report {
    uint64_t roots_removed, segments_removed, segments_rewritten, bytes_freed, segments_kept,
        roots_waiting, /* forgotten, within the grace */
        records_removed; /* of damage, of roots that nobody builds on any more */
};
/* DS_EDAMAGED: a live map can't be read, so nothing was removed. */
int collect_run(const struct segment_space *space, const struct collect_options *options,
                struct collect_report *report, struct ds_error *err);

#endif
