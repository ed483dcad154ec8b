/* SPDX-License-Identifier: Apache-2.0 */
/* test-bitmap.c - every operation against an array of bools, at sizes around the edges of words. */
#include "core/base/bitmap.h"
#include "tests/unit.h"

#include <stdio.h>

static const uint64_t sizes[] = { 0, 1, 2, 63, 64, 65, 127, 128, 129, 1000 };
#define N_SIZES (sizeof sizes / sizeof sizes[0])

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void compare(const struct bitmap *map, const bool *model)
{
    uint64_t count = 0, set = map->bits, clear = map->bits;
    for (uint64_t i = map->bits; i-- > 0;) {
        count += model[i];
        if (model[i])
            set = i;
        else
            clear = i;
        bool same = bitmap_get(map, i) == model[i] && bitmap_next(map, i) == set &&
                    bitmap_next_clear(map, i) == clear;
        if (!same) /* an assertion for each bit would take seconds */
            ck_abort_msg("bit %u of %u", (unsigned)i, (unsigned)map->bits);
    }
    ck_assert(bitmap_count(map) == count);
    /* What lies beyond is clear, and no search finds it. */
    ck_assert(!bitmap_get(map, map->bits) && !bitmap_get(map, UINT64_MAX));
    ck_assert(bitmap_next(map, map->bits) == map->bits);
    ck_assert(bitmap_next_clear(map, UINT64_MAX) == map->bits);
}

START_TEST(fresh_map_is_all_zero)
{
    for (size_t i = 0; i < N_SIZES; i++) {
        struct bitmap map;
        bool model[1000] = { false };
        ck_assert(bitmap_init(&map, sizes[i]));
        compare(&map, model);
        bitmap_free(&map);
    }
}
END_TEST

START_TEST(ranges_behave_as_a_model)
{
    uint32_t seed = 20260301;
    printf("seed %u\n", seed);
    for (size_t i = 0; i < N_SIZES; i++) {
        struct bitmap map;
        bool model[1000] = { false };
        ck_assert(bitmap_init(&map, sizes[i]));
        for (int round = 0; round < 300; round++) {
            uint64_t from = next_random(&seed) % (sizes[i] + 3);
            uint64_t to = next_random(&seed) % (sizes[i] + 130);
            bool value = next_random(&seed) % 2;
            if (value)
                bitmap_set(&map, from, to);
            else
                bitmap_reset(&map, from, to);
            for (uint64_t b = from; b < to && b < sizes[i]; b++)
                model[b] = value;
            compare(&map, model);
        }
        bitmap_free(&map);
    }
}
END_TEST

START_TEST(range_to_the_very_end_stays_inside)
{
    for (size_t i = 0; i < N_SIZES; i++) {
        struct bitmap map;
        ck_assert(bitmap_init(&map, sizes[i]));
        bitmap_set(&map, 0, UINT64_MAX);
        ck_assert(bitmap_count(&map) == sizes[i]);
        ck_assert(bitmap_next_clear(&map, 0) == sizes[i]);
        bitmap_set(&map, UINT64_MAX - 1, UINT64_MAX);
        ck_assert(bitmap_count(&map) == sizes[i]);
        bitmap_clear(&map);
        ck_assert(bitmap_count(&map) == 0);
        bitmap_free(&map);
    }
}
END_TEST

START_TEST(freed_map_is_empty_and_may_be_freed_again)
{
    struct bitmap map;
    ck_assert(bitmap_init(&map, 100));
    bitmap_set(&map, 0, 100);
    bitmap_free(&map);
    ck_assert(!bitmap_get(&map, 5));
    bitmap_free(&map);
}
END_TEST

UNIT_MAIN("bitmap", fresh_map_is_all_zero, ranges_behave_as_a_model,
          range_to_the_very_end_stays_inside, freed_map_is_empty_and_may_be_freed_again)
