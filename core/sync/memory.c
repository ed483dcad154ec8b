/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c - see memory.h. The model counts what can be in use at one time:
 *
 *     the program itself, with the parsers and the bitmaps of a window
 *     + segments: 16 MiB of blocks and one more block, maps, and their tables, each
 *     + the cache of the base's segments
 *     + workers: two buffers of a unit and a compressor, each
 *     + units on their way between reading and placing, each with what it stores
 *
 * Fewer workers come before fewer segments under way, down to two workers: a line that waits costs
 * more than a processor that does. */
#include "core/sync/memory.h"

#include "core/base/bytes.h"
#include "core/base/os.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
/* Measured without any of the rest, and rounded up: the program, its libraries and threads, what
 * opening a repository by a generated key leaves, the reader of map pages. */
#define PROGRAM (24 * MIB)
#define TABLES (2 * MIB) /* rows and prefix of one segment, at most slots */
#define WINDOW_BITMAPS 3u

/* From the best on. */
static const struct point_bounds tiers[] = {
    { { SEGMENT_BUFFERS, SEGMENT_MAPS_MAX }, POINT_CACHE_MAX },
    { { 2, SEGMENT_MAPS_MAX }, 8 * MIB },
    { { 2, 4 * MIB }, 4 * MIB },
};
#define N_TIERS (sizeof tiers / sizeof tiers[0])

static uint64_t bytes_of(const struct memory_need *need, const struct point_bounds *bounds,
                         unsigned workers, unsigned units)
{
    uint64_t segment = SEGMENT_BLOCKS_ROOM + bounds->segments.maps_max + TABLES;
    uint64_t worker = 2 * COPY_UNIT + 64 * KIB + need->context;
    uint64_t unit = COPY_UNIT + preparer_room(need->block_size) + 32 * KIB;
    uint64_t bitmap = COPY_WINDOW / need->block_size / 8;
    return PROGRAM + WINDOW_BITMAPS * bitmap + bounds->segments.buffers * segment +
           bounds->cache + workers * worker + units * unit + need->salvage;
}

static bool fits(struct memory_plan *plan, uint64_t limit, const struct memory_need *need,
                 const struct point_bounds *bounds, unsigned workers, unsigned units)
{
    *plan = (struct memory_plan){ workers, units, *bounds, bytes_of(need, bounds, workers, units) };
    return plan->bytes <= limit;
}

static bool choose(struct memory_plan *plan, uint64_t limit, const struct memory_need *need)
{
    for (size_t t = 0; t < N_TIERS; t++) {
        unsigned least = t == 0 && need->workers > 1 ? 2 : 1;
        for (unsigned w = need->workers; w >= least; w--)
            if (fits(plan, limit, need, &tiers[t], w, copier_units(w)))
                return true;
    }
    /* With so few, a worker may wait for the one that places; it goes on all the same. */
    return fits(plan, limit, need, &tiers[N_TIERS - 1], 1, 3);
}

int memory_plan(struct memory_plan *plan, uint64_t limit, const struct memory_need *need,
                struct ds_error *err)
{
    if (choose(plan, limit, need))
        return DS_OK;
    return ds_fail(err, DS_EPREFLIGHT,
                   "limits.memory of %llu MiB is too little: with these blocks and this "
                   "compression a sync takes up to %llu MiB with one worker",
                   (unsigned long long)(limit / MIB),
                   (unsigned long long)div_round_up(plan->bytes, MIB));
}

struct memory_need memory_need_of(const struct policy *policy)
{
    uint64_t workers = policy->workers ? policy->workers : min_u64(os_cpu_count(), 4);
    return (struct memory_need){
        .workers = (unsigned)min_u64(workers, COPIER_WORKERS_MAX),
        .block_size = (uint32_t)policy->block_size,
        .context = preparer_memory((int)policy->compression, (uint32_t)policy->block_size),
    };
}

int memory_check(const struct policy *policy, struct ds_error *err)
{
    struct memory_need need = memory_need_of(policy);
    struct memory_plan plan;
    return memory_plan(&plan, policy->memory, &need, err);
}

uint32_t memory_salvage(uint64_t limit, const struct memory_need *need)
{
    struct memory_plan least;
    struct memory_need bare = *need;
    bare.workers = 1;
    bare.salvage = 0;
    fits(&least, limit, &bare, &tiers[N_TIERS - 1], 1, copier_units(1));
    uint64_t left = limit > least.bytes ? limit - least.bytes : 0;
    /* While they are sorted they take twice that, and there is nothing else yet. */
    left = min_u64(left, limit > PROGRAM ? (limit - PROGRAM) / 2 : 0);
    return (uint32_t)min_u64(left / SALVAGE_BLOCK, SALVAGE_MAX);
}
