/* SPDX-License-Identifier: Apache-2.0 */
/* fixture.h - what tests of the engine share: a store in memory with the engine's side of it, fixed
 * keys, a seeded random generator, and leaves to fill maps with. One thread. */
#ifndef TESTS_S3BLOCK_FIXTURE_H
#define TESTS_S3BLOCK_FIXTURE_H

#include "core/base/bytes.h"
#include "core/s3block/root.h"
#include "tests/s3block/memory-store.h"

struct fixture {
    struct memory_store *store;
    struct objects *objects;
    struct segment_space space; /* of objects, under fixed keys */
    int interrupted;            /* set from another thread by an atomic store */
    struct ds_error err;
};
/* threads: as memory_store_new. Aborts where it can't. */
void fixture_open(struct fixture *f, unsigned threads);
void fixture_close(struct fixture *f);
/* The keys alone, without a store. */
void fixture_space(struct segment_space *space);

/* SplitMix64. */
uint64_t random_u64(uint64_t *state);
static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
    return random_u64(state) % n;
}
/* Bytes that do not compress. */
void random_fill(uint64_t *state, void *out, size_t n);
/* A leaf of n blocks in one of several styles: uniform, runs, scattered, all states. */
void random_leaf(uint64_t *state, struct leaf *leaf, unsigned n);
/* Same states, and same segment, slot and id of each DATA block. */
bool leaf_equal(const struct leaf *a, const struct leaf *b);
/* Field by field: padding is anything. */
bool refs_equal(const struct ref *a, const struct ref *b, unsigned n);
/* Blocks of a leaf of the shape. */
unsigned leaf_length(const struct map_shape *shape, uint64_t index);

#endif
