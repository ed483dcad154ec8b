/* SPDX-License-Identifier: Apache-2.0 */
/* memory.h - how a sync keeps within limits.memory: a model of what it takes at most, and from it
 * how many workers, units and segments under way there may be. Figures: docs/sync.md, "Memory". */
#ifndef CORE_SYNC_MEMORY_H
#define CORE_SYNC_MEMORY_H

#include "core/policy/policy.h"
#include "core/sync/copy.h"

struct memory_need { /* what the policy and the disks ask for */
    unsigned workers;    /* at most so many, at least 1 */
    uint32_t block_size;
    uint64_t context;    /* of one compressor: preparer_memory */
    uint64_t salvage;    /* bytes that are taken already for salvaged blocks */
};
struct memory_plan {
    unsigned workers, units;
    struct point_bounds bounds;
    uint64_t bytes; /* at most */
};

struct memory_need memory_need_of(const struct policy *policy); /* with nothing salvaged */

/* DS_EPREFLIGHT if not even one worker fits: the message says what would. */
int memory_plan(struct memory_plan *plan, uint64_t limit, const struct memory_need *need,
                struct ds_error *err);
/* Whether there is a plan for what the policy asks for: before anything is touched. */
int memory_check(const struct policy *policy, struct ds_error *err);
/* Blocks that may be salvaged so that a plan is still found. */
uint32_t memory_salvage(uint64_t limit, const struct memory_need *need);

#endif
