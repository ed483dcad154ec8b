/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - memory that is taken piece by piece and freed at once: a policy's nodes, texts and
 * tables. Bounded, so that no input can make it grow beyond its maximum. One thread at a time. */
#ifndef CORE_POLICY_ARENA_H
#define CORE_POLICY_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *blocks; /* newest first */
    size_t total, max;          /* bytes taken from the system, and their limit */
};
#define ARENA_INIT(maximum) { NULL, 0, (maximum) }

/* n zeroed bytes, aligned for any type; NULL without memory or above the maximum. */
void *arena_alloc(struct arena *arena, size_t n);
/* n elements of `size` bytes; NULL also if the product overflows. */
void *arena_array(struct arena *arena, size_t n, size_t size);
/* A zero-terminated copy of len bytes. */
char *arena_text(struct arena *arena, const char *text, size_t len);
/* An array grown to hold at least one element more than the n it has: the same memory while *cap
 * allows, else a larger copy. */
void *arena_grow(struct arena *arena, void *array, size_t n, size_t *cap, size_t size);
void arena_free(struct arena *arena);

#endif
