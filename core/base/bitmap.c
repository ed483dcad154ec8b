/* SPDX-License-Identifier: Apache-2.0 */
/* bitmap.c - see bitmap.h. */
#include "core/base/bitmap.h"

#include <stdlib.h>
#include <string.h>

bool bitmap_init(struct bitmap *map, uint64_t bits)
{
    map->bits = bits;
    map->n_words = (size_t)(bits / 64 + 1);
    map->words = calloc(map->n_words, sizeof *map->words);
    return map->words != NULL;
}

void bitmap_free(struct bitmap *map)
{
    free(map->words);
    map->words = NULL;
    map->bits = 0;
}

void bitmap_clear(struct bitmap *map)
{
    memset(map->words, 0, map->n_words * sizeof *map->words);
}

/* The mask of bits [from % 64, to % 64) within one word; to may be the word's end. */
static uint64_t word_mask(uint64_t word, uint64_t from, uint64_t to)
{
    uint64_t mask = ~UINT64_C(0);
    if (word == from / 64)
        mask &= ~UINT64_C(0) << (from % 64);
    if (word == to / 64)
        mask &= (UINT64_C(1) << (to % 64)) - 1;
    return mask;
}

void bitmap_set(struct bitmap *map, uint64_t from, uint64_t to)
{
    if (to > map->bits)
        to = map->bits;
    if (from >= to)
        return;
    for (uint64_t w = from / 64; w <= to / 64; w++)
        map->words[w] |= word_mask(w, from, to);
}

void bitmap_reset(struct bitmap *map, uint64_t from, uint64_t to)
{
    if (to > map->bits)
        to = map->bits;
    if (from >= to)
        return;
    for (uint64_t w = from / 64; w <= to / 64; w++)
        map->words[w] &= ~word_mask(w, from, to);
}

/* First bit at or after from that is set in (word ^ flip). */
static uint64_t next_bit(const struct bitmap *map, uint64_t from, uint64_t flip)
{
    if (from >= map->bits)
        return map->bits;
    size_t w = (size_t)(from / 64);
    uint64_t word = (map->words[w] ^ flip) & ~UINT64_C(0) << (from % 64);
    while (!word && ++w < map->n_words)
        word = map->words[w] ^ flip;
    if (!word)
        return map->bits;
    uint64_t bit = (uint64_t)w * 64 + (uint64_t)__builtin_ctzll(word);
    return bit < map->bits ? bit : map->bits;
}

uint64_t bitmap_next(const struct bitmap *map, uint64_t from)
{
    return next_bit(map, from, 0);
}

uint64_t bitmap_next_clear(const struct bitmap *map, uint64_t from)
{
    return next_bit(map, from, ~UINT64_C(0));
}

uint64_t bitmap_count(const struct bitmap *map)
{
    uint64_t n = 0;
    for (size_t w = 0; w < map->n_words; w++)
        n += (uint64_t)__builtin_popcountll(map->words[w]);
    return n;
}
