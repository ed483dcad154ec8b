/* SPDX-License-Identifier: Apache-2.0 */
/* bitmap.h - a bit per block of a window: ranges are set and walked word by word. Not locked. */
#ifndef CORE_BASE_BITMAP_H
#define CORE_BASE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bitmap {
    uint64_t *words;
    uint64_t bits; /* valid bits; those above are zero */
    size_t n_words;
};

/* All zero; false without memory. */
bool bitmap_init(struct bitmap *map, uint64_t bits);
void bitmap_free(struct bitmap *map);
void bitmap_clear(struct bitmap *map);
/* Sets or clears [from, to); to is cut at the end of the map. */
void bitmap_set(struct bitmap *map, uint64_t from, uint64_t to);
void bitmap_reset(struct bitmap *map, uint64_t from, uint64_t to);
/* First set bit at or after from, or map->bits. */
uint64_t bitmap_next(const struct bitmap *map, uint64_t from);
/* First clear bit at or after from, or map->bits. */
uint64_t bitmap_next_clear(const struct bitmap *map, uint64_t from);
uint64_t bitmap_count(const struct bitmap *map);

static inline bool bitmap_get(const struct bitmap *map, uint64_t bit)
{
    return bit < map->bits && (map->words[bit / 64] >> (bit % 64) & 1);
}

#endif
