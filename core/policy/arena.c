/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - see arena.h. Blocks of at least 16 KiB; a piece never spans two. */
#include "core/policy/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE ((size_t)16 << 10)

struct arena_block {
    struct arena_block *next;
    size_t used, size; /* of the bytes behind the header */
    max_align_t bytes[];
};

#define UNIT sizeof(max_align_t)

static struct arena_block *add_block(struct arena *arena, size_t n)
{
    size_t size = n > BLOCK_SIZE ? n : BLOCK_SIZE;
    if (size > arena->max || arena->total > arena->max - size)
        return NULL;
    struct arena_block *block = calloc(1, sizeof *block + size);
    if (!block)
        return NULL;
    block->size = size;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->total += size;
    return block;
}

void *arena_alloc(struct arena *arena, size_t n)
{
    if (n > SIZE_MAX - UNIT - sizeof(struct arena_block))
        return NULL;
    n = (n + UNIT - 1) / UNIT * UNIT;
    if (n == 0)
        n = UNIT;
    struct arena_block *block = arena->blocks;
    if (!block || n > block->size - block->used)
        block = add_block(arena, n);
    if (!block)
        return NULL;
    void *p = (char *)block->bytes + block->used;
    block->used += n;
    return p;
}

void *arena_array(struct arena *arena, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        return NULL;
    return arena_alloc(arena, n * size);
}

char *arena_text(struct arena *arena, const char *text, size_t len)
{
    char *copy = len < SIZE_MAX ? arena_alloc(arena, len + 1) : NULL;
    if (copy && len)
        memcpy(copy, text, len);
    return copy;
}

void *arena_grow(struct arena *arena, void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return array;
    size_t want = n < 4 ? 4 : n > SIZE_MAX / 2 ? SIZE_MAX : n * 2;
    void *larger = arena_array(arena, want, size);
    if (!larger)
        return NULL;
    if (n)
        memcpy(larger, array, n * size);
    *cap = want;
    return larger;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
    arena->total = 0;
}
