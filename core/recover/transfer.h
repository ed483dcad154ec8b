/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.h - copies points of a node from one repository to another: blocks are opened and sealed
 * anew under the other's keys, points keep their time, facts and order. A first full carried on a
 * disk is seeded this way. The target is whole after each point; run again, the copy goes on after
 * the last one. */
#ifndef CORE_RECOVER_TRANSFER_H
#define CORE_RECOVER_TRANSFER_H

#include "core/s3block/point_writer.h"
#include "core/s3block/repository.h"

struct transfer_options {
    uint64_t point; /* 0: every listed point that is newer than the last one copied */
    int level;      /* of zstd */
    volatile int *interrupted;
    void (*progress)(void *ud, uint64_t point, uint64_t done, uint64_t total);
    void *ud;
};
struct transfer_report {
    uint64_t points, read_bytes, sent_bytes, stored_objects, stored_bytes, last_point;
    uint64_t ns, cpu_ns;
};

/* DS_EDAMAGED: the source can't be read whole; nothing of that point is committed. DS_ENOPOINT. */
int transfer_points(const struct segment_space *from, const struct segment_space *to,
                    const struct transfer_options *options, struct transfer_report *report,
                    struct ds_error *err);

#endif
