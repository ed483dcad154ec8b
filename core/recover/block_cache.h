/* SPDX-License-Identifier: Apache-2.0 */
/* block_cache.h - the plain bytes of the blocks of one disk that were read last: a fixed number of
 * places, the longest unused goes first. A block that one thread is loading is waited for by the
 * others, so that nothing is fetched twice at a time. Any thread. */
#ifndef CORE_RECOVER_BLOCK_CACHE_H
#define CORE_RECOVER_BLOCK_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block_cache;
/* Room for `blocks` (at least 1) of block_size bytes; that is all the memory it takes, but for some
 * 80 bytes a block. NULL without memory. */
struct block_cache *block_cache_new(uint32_t block_size, unsigned blocks);
/* No thread uses it any more, and nothing is claimed. Accepts NULL. */
void block_cache_free(struct block_cache *cache);

/* Copies n bytes from offset `within` of a block. Waits where another thread is loading it. False
 * if the block is not there. */
bool block_cache_copy(struct block_cache *cache, uint64_t number, size_t within, void *out,
                      size_t n);
/* True if the block is there or on its way. */
bool block_cache_has(struct block_cache *cache, uint64_t number);
/* Claims places for the caller to load blocks into: `first`, for which it waits until there is
 * room, and of those behind it as many, up to `count` in all, as are not there and have room now.
 * Returns how many; 0 if the first is there or on its way. A thread must settle all it has claimed
 * before it claims again. */
unsigned block_cache_claim(struct block_cache *cache, uint64_t first, unsigned count);
/* Where the bytes of a claimed block go: block_size of them. Valid until it is settled. */
uint8_t *block_cache_place(struct block_cache *cache, uint64_t number);
/* Ends a claim: the place holds the block (good), or it is given back. */
void block_cache_settle(struct block_cache *cache, uint64_t number, bool good);

#endif
