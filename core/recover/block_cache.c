/* SPDX-License-Identifier: Apache-2.0 */
/* block_cache.c - see block_cache.h. One mutex guards all but the bytes: those of a loading entry
 * belong to the thread that claimed it, those of a ready one are read by its users, who are counted
 * so that it is not taken from under them. The condition tells of entries that were settled or lost
 * their last user. Nobody waits while holding a claim, so whoever waits is waited for by no one. */
#include "core/recover/block_cache.h"

#include "core/base/thread.h"

#include <stdlib.h>
#include <string.h>

enum entry_state { ENTRY_FREE = 0, ENTRY_LOADING, ENTRY_READY };

struct entry {
    uint64_t number;
    enum entry_state state;
    unsigned users;               /* that copy from it */
    uint8_t *data;
    struct entry *chain;          /* of the same bucket */
    struct entry *newer, *older;  /* by last use; all entries are in this ring */
};

struct block_cache {
    struct mutex lock;
    struct cond changed;
    unsigned n_entries, n_buckets;
    struct entry *entries, **buckets;
    struct entry ring; /* ring.older: the newest, ring.newer: the oldest */
    uint8_t *memory;
};

static void ring_remove(struct entry *entry)
{
    entry->newer->older = entry->older;
    entry->older->newer = entry->newer;
}

/* As the newest. */
static void ring_add(struct block_cache *cache, struct entry *entry)
{
    entry->newer = &cache->ring;
    entry->older = cache->ring.older;
    entry->older->newer = entry;
    cache->ring.older = entry;
}

struct block_cache *block_cache_new(uint32_t block_size, unsigned blocks)
{
    struct block_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    cache->n_entries = blocks;
    cache->n_buckets = 2 * blocks;
    cache->entries = calloc(blocks, sizeof *cache->entries);
    cache->buckets = calloc(cache->n_buckets, sizeof *cache->buckets);
    cache->memory = malloc((size_t)blocks * block_size);
    if (!mutex_init(&cache->lock) || !cond_init(&cache->changed) || !cache->entries ||
        !cache->buckets || !cache->memory) {
        block_cache_free(cache);
        return NULL;
    }
    cache->ring.newer = cache->ring.older = &cache->ring;
    for (unsigned i = 0; i < blocks; i++) {
        cache->entries[i].data = cache->memory + (size_t)i * block_size;
        ring_add(cache, &cache->entries[i]);
    }
    return cache;
}

void block_cache_free(struct block_cache *cache)
{
    if (!cache)
        return;
    cond_destroy(&cache->changed);
    mutex_destroy(&cache->lock);
    free(cache->entries);
    free((void *)cache->buckets);
    free(cache->memory);
    free(cache);
}

/* ---- under the lock ---- */

static struct entry **bucket_of(struct block_cache *cache, uint64_t number)
{
    return &cache->buckets[number % cache->n_buckets];
}

static struct entry *entry_find(struct block_cache *cache, uint64_t number)
{
    struct entry *entry = *bucket_of(cache, number);
    while (entry && entry->number != number)
        entry = entry->chain;
    return entry;
}

static void entry_unhash(struct block_cache *cache, struct entry *entry)
{
    struct entry **p = bucket_of(cache, entry->number);
    while (*p != entry)
        p = &(*p)->chain;
    *p = entry->chain;
    entry->state = ENTRY_FREE;
}

/* The longest unused entry that nobody needs, as one that is loading `number`; or NULL. */
static struct entry *entry_take(struct block_cache *cache, uint64_t number)
{
    struct entry *entry = cache->ring.newer;
    while (entry != &cache->ring && (entry->users || entry->state == ENTRY_LOADING))
        entry = entry->newer;
    if (entry == &cache->ring)
        return NULL;
    if (entry->state == ENTRY_READY)
        entry_unhash(cache, entry);
    entry->number = number;
    entry->state = ENTRY_LOADING;
    entry->chain = *bucket_of(cache, number);
    *bucket_of(cache, number) = entry;
    ring_remove(entry);
    ring_add(cache, entry);
    return entry;
}

/* ---- the calls ---- */

bool block_cache_copy(struct block_cache *cache, uint64_t number, size_t within, void *out,
                      size_t n)
{
    struct entry *entry;
    mutex_lock(&cache->lock);
    while ((entry = entry_find(cache, number)) && entry->state == ENTRY_LOADING)
        cond_wait(&cache->changed, &cache->lock);
    if (entry) {
        entry->users++;
        ring_remove(entry);
        ring_add(cache, entry);
    }
    mutex_unlock(&cache->lock);
    if (!entry)
        return false;
    memcpy(out, entry->data + within, n);
    mutex_lock(&cache->lock);
    if (--entry->users == 0)
        cond_broadcast(&cache->changed);
    mutex_unlock(&cache->lock);
    return true;
}

bool block_cache_has(struct block_cache *cache, uint64_t number)
{
    mutex_lock(&cache->lock);
    bool found = entry_find(cache, number) != NULL;
    mutex_unlock(&cache->lock);
    return found;
}

unsigned block_cache_claim(struct block_cache *cache, uint64_t first, unsigned count)
{
    unsigned n = 0;
    mutex_lock(&cache->lock);
    while (!entry_find(cache, first)) {
        n = entry_take(cache, first) != NULL;
        if (n)
            break;
        cond_wait(&cache->changed, &cache->lock);
    }
    while (n && n < count && !entry_find(cache, first + n) && entry_take(cache, first + n))
        n++;
    mutex_unlock(&cache->lock);
    return n;
}

uint8_t *block_cache_place(struct block_cache *cache, uint64_t number)
{
    mutex_lock(&cache->lock);
    uint8_t *data = entry_find(cache, number)->data;
    mutex_unlock(&cache->lock);
    return data;
}

void block_cache_settle(struct block_cache *cache, uint64_t number, bool good)
{
    mutex_lock(&cache->lock);
    struct entry *entry = entry_find(cache, number);
    if (good)
        entry->state = ENTRY_READY;
    else
        entry_unhash(cache, entry);
    cond_broadcast(&cache->changed);
    mutex_unlock(&cache->lock);
}
