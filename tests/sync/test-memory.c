/* SPDX-License-Identifier: Apache-2.0 */
/* test-memory.c - the plan that keeps a sync within limits.memory: never above the limit, more with
 * more room, and a refusal that says what would do. */
#include "core/sync/memory.h"

#include "tests/unit.h"

#include <string.h>

#define MIB (UINT64_C(1) << 20)

static struct ds_error err = DS_ERROR_INIT;

static struct memory_need need_of(unsigned workers, uint32_t block_size, int level)
{
    return (struct memory_need){ workers, block_size, preparer_memory(level, block_size), 0 };
}

START_TEST(plan_stays_below_the_limit_and_grows_with_it)
{
    for (uint32_t block = BLOCK_SIZE_MIN; block <= BLOCK_SIZE_MAX; block *= 2) {
        struct memory_need need = need_of(COPIER_WORKERS_MAX, block, 1);
        unsigned workers = 0;
        ck_assert_uint_gt(need.context, 0);
        for (uint64_t limit = 96; limit <= 1024; limit += 4) {
            struct memory_plan plan;
            ck_assert_ok(memory_plan(&plan, limit * MIB, &need, &err), &err);
            ck_assert(plan.bytes <= limit * MIB && plan.bytes >= 60 * MIB);
            ck_assert(plan.workers >= 1 && plan.workers <= need.workers && plan.units >= 3);
            ck_assert(plan.bounds.segments.buffers >= 2 &&
                      plan.bounds.segments.buffers <= SEGMENT_BUFFERS);
            if (plan.bounds.segments.buffers == SEGMENT_BUFFERS) {
                ck_assert_uint_ge(plan.workers, workers);
                workers = plan.workers;
            }
        }
        ck_assert_uint_eq(workers, COPIER_WORKERS_MAX);
    }
}
END_TEST

START_TEST(default_limit_takes_nothing_away_from_four_workers)
{
    struct memory_plan plan;
    struct memory_need need = need_of(4, 64 << 10, 1);
    ck_assert_ok(memory_plan(&plan, 256 * MIB, &need, &err), &err);
    ck_assert_uint_eq(plan.workers, 4);
    ck_assert_uint_eq(plan.units, copier_units(4));
    ck_assert_uint_eq(plan.bounds.segments.buffers, SEGMENT_BUFFERS);
    ck_assert_uint_eq(plan.bounds.segments.maps_max, SEGMENT_MAPS_MAX);
    ck_assert_uint_eq(plan.bounds.cache, POINT_CACHE_MAX);
    need.workers = 1;
    ck_assert_ok(memory_plan(&plan, UINT64_C(1) << 40, &need, &err), &err);
    ck_assert_uint_eq(plan.workers, 1);
}
END_TEST

START_TEST(what_does_not_fit_is_refused_with_what_would)
{
    struct memory_plan plan;
    struct memory_need need = need_of(4, 1 << 20, 19);
    unsigned long long there, wanted;
    ck_assert_int_eq(memory_plan(&plan, 96 * MIB, &need, &err), DS_EPREFLIGHT);
    ck_assert_int_eq(sscanf(err.msg, "limits.memory of %llu MiB", &there), 1);
    const char *says = strstr(err.msg, "up to ");
    ck_assert(says && sscanf(says, "up to %llu MiB", &wanted) == 1);
    ck_assert_uint_eq(there, 96);
    ck_assert_ok(memory_plan(&plan, wanted * MIB, &need, &err), &err);
    ck_assert_uint_eq(plan.workers, 1);
    ck_assert_int_eq(memory_plan(&plan, (wanted - 1) * MIB, &need, &err), DS_EPREFLIGHT);
}
END_TEST

START_TEST(salvaged_blocks_leave_room_for_a_plan)
{
    for (uint64_t limit = 96; limit <= 512; limit += 8) {
        struct memory_need need = need_of(4, 64 << 10, 1);
        struct memory_plan plan;
        uint32_t blocks = memory_salvage(limit * MIB, &need);
        ck_assert_uint_le(blocks, SALVAGE_MAX);
        need.salvage = (uint64_t)blocks * SALVAGE_BLOCK;
        ck_assert_ok(memory_plan(&plan, limit * MIB, &need, &err), &err);
        ck_assert(limit < 256 || blocks == SALVAGE_MAX);
    }
    struct memory_need need = need_of(4, 1 << 20, 19);
    ck_assert_uint_eq(memory_salvage(96 * MIB, &need), 0);
}
END_TEST

UNIT_MAIN("memory plan", plan_stays_below_the_limit_and_grows_with_it,
          default_limit_takes_nothing_away_from_four_workers,
          what_does_not_fit_is_refused_with_what_would, salvaged_blocks_leave_room_for_a_plan)
