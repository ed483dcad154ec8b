/* SPDX-License-Identifier: Apache-2.0 */
/* damage.h - writing the record of damaged blocks; reading it is in verify.h. */
#ifndef CORE_RECOVER_DAMAGE_H
#define CORE_RECOVER_DAMAGE_H

#include "core/recover/verify.h"

struct damage_run {
    uint16_t disk;
    uint64_t first, count; /* blocks */
};
#define DAMAGE_RUNS_MAX 65536u
/* Replaces the record of that root; n 0 removes it. */
int damage_write(const struct segment_space *space, uint64_t seq, const struct damage_run *runs,
                 uint32_t n, struct ds_error *err);

#endif
