/* SPDX-License-Identifier: Apache-2.0 */
/* export.c - see export.h. A read looks into the cache of blocks first. On a miss it takes a
 * fetcher (scratch of one thread; the others wait for one), finds the block in the map and fetches
 * it, in one go with those behind it that lie in the next slots: as far as the request reaches, and
 * further where the block before is in the cache, which is what reading in order looks like.
 *
 * The mutex guards the idle fetchers and the leaves. A thread takes its fetcher before it claims
 * places in the cache, and waits for no block while it has one. */
#include "core/recover/export.h"

#include "core/base/bytes.h"
#include "core/base/thread.h"
#include "core/recover/block_cache.h"

#include <stdlib.h>

#define LEAVES 512u                  /* kept in memory; 4 GiB of disk with blocks of 64 KiB */
#define RUN_BYTES ((size_t)1 << 20)  /* fetched in one go */
#define EXTENT_LEAVES 64u            /* read from the store by one export_extents */

struct kept_leaf {
    uint64_t index; /* + 1; 0: none */
    struct leaf leaf;
};

struct fetcher {
    struct export *export;
    struct segment_reader *scratch;
    struct map_reader map;
    struct leaf leaf;
    uint64_t leaf_index; /* + 1 of what is in `leaf`; 0: nothing */
    unsigned leaf_reads; /* from the store; for export_extents */
    uint64_t first;      /* block of the run that is being fetched */
    unsigned arrived;    /* of the run's blocks */
    struct fetcher *next;
};

struct export {
    const struct segment_space *space;
    const struct root_disk *disk;
    struct segment_cache *heads;
    struct block_cache *blocks;
    struct mutex lock;
    struct cond returned;
    struct kept_leaf *leaves; /* leaf i is in place i % LEAVES, or not there */
    struct fetcher *fetchers, *idle;
    unsigned n_fetchers;
};

/* ---- fetchers ---- */

static struct fetcher *fetcher_take(struct export *e)
{
    mutex_lock(&e->lock);
    while (!e->idle)
        cond_wait(&e->returned, &e->lock);
    struct fetcher *r = e->idle;
    e->idle = r->next;
    mutex_unlock(&e->lock);
    r->leaf_reads = 0;
    return r;
}

static void fetcher_return(struct fetcher *r)
{
    struct export *e = r->export;
    mutex_lock(&e->lock);
    r->next = e->idle;
    e->idle = r;
    cond_signal(&e->returned);
    mutex_unlock(&e->lock);
}

/* ---- the map ---- */

static bool is_damage(int rc)
{
    return rc == DS_EDAMAGED || rc == DS_EFORMAT;
}

/* A leaf from the kept ones into the fetcher; false if it is not there, or without its ids. */
static bool leaf_kept(struct fetcher *r, uint64_t index, bool ids)
{
    struct export *e = r->export;
    mutex_lock(&e->lock);
    const struct kept_leaf *kept = &e->leaves[index % LEAVES];
    bool found = kept->index == index + 1 && (!ids || kept->leaf.has_ids);
    if (found)
        r->leaf = kept->leaf;
    mutex_unlock(&e->lock);
    return found;
}

static void leaf_keep(struct fetcher *r, uint64_t index)
{
    struct export *e = r->export;
    mutex_lock(&e->lock);
    e->leaves[index % LEAVES].index = index + 1;
    e->leaves[index % LEAVES].leaf = r->leaf;
    mutex_unlock(&e->lock);
}

/* Makes r->leaf the leaf of that index, with the ids of its blocks where asked. */
static int leaf_load(struct fetcher *r, uint64_t index, bool ids, struct ds_error *err)
{
    struct ref ref;
    if (r->leaf_index == index + 1 && (!ids || r->leaf.has_ids))
        return DS_OK;
    r->leaf_index = 0;
    if (!leaf_kept(r, index, ids)) {
        int rc = map_reader_ref(&r->map, 0, index, &ref, err);
        if (!rc)
            rc = map_reader_leaf(&r->map, index, &ref, ids, &r->leaf, err);
        if (rc)
            return rc;
        r->leaf.has_ids |= ids; /* also where there are none, for want of DATA */
        r->leaf_reads++;
        leaf_keep(r, index);
    }
    r->leaf_index = index + 1;
    return DS_OK;
}

/* ---- blocks ---- */

static int block_arrived(void *ud, unsigned i, const struct slot *slot, void *plain, size_t len,
                         struct ds_error *err)
{
    struct fetcher *r = ud;
    struct export *e = r->export;
    uint64_t number = r->first + i;
    unsigned at = (unsigned)(number % FANOUT);
    if (slot->type != SLOT_BLOCK || slot->disk != e->disk->number || slot->number != number ||
        len != map_block_length(&e->disk->shape, number) ||
        memcmp(slot->id, r->leaf.ids[at], ID_SIZE) != 0) {
        char key[OBJECT_KEY_MAX + 1];
        segment_key(key, e->space->node, &r->leaf.segments[at]);
        return ds_fail(err, DS_EDAMAGED, "%s: slot %u holds another block", key,
                       r->leaf.slots[at]);
    }
    memcpy(block_cache_place(e->blocks, number), plain, len);
    r->arrived = i + 1;
    return DS_OK;
}

/* Blocks of the leaf from r->first on that lie in consecutive slots, at most max. */
static unsigned run_length(const struct fetcher *r, unsigned max)
{
    const struct leaf *leaf = &r->leaf;
    unsigned i = (unsigned)(r->first % FANOUT), n = 1;
    while (n < max && i + n < leaf->n && leaf->states[i + n] == BLOCK_DATA &&
           leaf->slots[i + n] == leaf->slots[i] + n &&
           segment_name_equal(&leaf->segments[i + n], &leaf->segments[i]))
        n++;
    return n;
}

/* How many blocks to fetch in one go, of which `wanted` are asked for. */
static unsigned run_limit(const struct export *e, uint64_t first, uint64_t wanted)
{
    uint64_t most = RUN_BYTES / e->disk->shape.block_size;
    if (first > 0 && block_cache_has(e->blocks, first - 1))
        wanted = most;
    return (unsigned)max_u64(1, min_u64(wanted, most));
}

/* What part of one block goes where. */
struct piece {
    uint64_t block, wanted; /* wanted: blocks of the request, from this one on */
    size_t within, n;
    void *out;
};

/* Fetches the claimed run. That a block behind the first is damaged is the matter of who asks for
 * it. */
static int run_fetch(struct fetcher *r, unsigned n, const struct piece *piece,
                     struct ds_error *err)
{
    struct export *e = r->export;
    const struct segment *segment;
    unsigned i = (unsigned)(r->first % FANOUT);
    r->arrived = 0;
    int rc = segment_get(e->heads, &r->leaf.segments[i], &segment, err);
    if (!rc) {
        rc = segment_read(r->scratch, segment, r->leaf.slots[i], n, block_arrived, r, err);
        segment_put(e->heads, segment);
    }
    if (r->arrived) {
        memcpy(piece->out, block_cache_place(e->blocks, r->first) + piece->within, piece->n);
        rc = DS_OK;
    }
    for (unsigned k = 0; k < n; k++)
        block_cache_settle(e->blocks, r->first + k, k < r->arrived);
    return rc;
}

/* Fills the piece from the store. *again: another thread has begun to load the block. */
static int piece_load(struct fetcher *r, const struct piece *piece, bool *again,
                      struct ds_error *err)
{
    struct export *e = r->export;
    *again = false;
    int rc = leaf_load(r, piece->block / FANOUT, true, err);
    if (rc)
        return rc;
    if (r->leaf.states[piece->block % FANOUT] != BLOCK_DATA) {
        memset(piece->out, 0, piece->n);
        return DS_OK;
    }
    r->first = piece->block;
    unsigned n = run_length(r, run_limit(e, r->first, piece->wanted));
    n = block_cache_claim(e->blocks, r->first, n);
    *again = n == 0;
    return n ? run_fetch(r, n, piece, err) : DS_OK;
}

static int piece_read(struct export *e, const struct piece *piece, struct ds_error *err)
{
    bool again = true;
    int rc = DS_OK;
    while (!rc && again) {
        if (block_cache_copy(e->blocks, piece->block, piece->within, piece->out, piece->n))
            return DS_OK;
        struct fetcher *r = fetcher_take(e);
        rc = piece_load(r, piece, &again, err);
        fetcher_return(r);
    }
    if (rc) {
        struct ds_error why = *err;
        rc = ds_fail(err, rc, "block %llu of disk %u, at byte %llu, can't be read: %s",
                     (unsigned long long)piece->block, e->disk->number,
                     (unsigned long long)(piece->block * e->disk->shape.block_size), why.msg);
    }
    return rc;
}

static int check_range(const struct export *e, uint64_t offset, uint64_t n, struct ds_error *err)
{
    uint64_t bytes = e->disk->shape.bytes;
    if (offset <= bytes && n <= bytes - offset)
        return DS_OK;
    return ds_fail(err, DS_EINVAL, "%llu bytes at %llu are beyond the end of disk %u, %llu",
                   (unsigned long long)n, (unsigned long long)offset, e->disk->number,
                   (unsigned long long)bytes);
}

int export_read(struct export *export, void *data, size_t n, uint64_t offset, struct ds_error *err)
{
    uint32_t size = export->disk->shape.block_size;
    uint8_t *out = data;
    int rc = check_range(export, offset, n, err);
    while (!rc && n) {
        struct piece piece = { .block = offset / size, .within = (size_t)(offset % size),
                               .out = out };
        piece.n = (size_t)min_u64(n, size - piece.within);
        piece.wanted = (offset + n - 1) / size - piece.block + 1;
        rc = piece_read(export, &piece, err);
        out += piece.n;
        offset += piece.n;
        n -= piece.n;
    }
    return rc;
}

/* ---- extents ---- */

/* How many blocks from `block` on are alike. Whole subtrees of the map have one answer. */
static int span_find(struct fetcher *r, uint64_t block, uint64_t *blocks, bool *hole,
                     struct ds_error *err)
{
    uint64_t index = block / FANOUT, width;
    unsigned level = r->map.shape.levels, i = (unsigned)(block % FANOUT), n = 1;
    struct ref ref;
    int rc;
    do {
        width = UINT64_C(1) << 7 * level;
        rc = map_reader_ref(&r->map, level, index / width, &ref, err);
    } while (!rc && ref.kind == REF_CHILD && level-- > 0);
    *hole = !rc && ref.kind != REF_CHILD;
    *blocks = (width - index % width) * FANOUT - i;
    if (!rc && ref.kind == REF_CHILD)
        rc = leaf_load(r, index, false, err);
    if (is_damage(rc)) /* who reads it learns of it */
        return DS_OK;
    if (rc || ref.kind != REF_CHILD)
        return rc;
    const uint8_t *states = r->leaf.states;
    *hole = states[i] == BLOCK_UNKNOWN || states[i] == BLOCK_ZERO;
    while (i + n < r->leaf.n &&
           (states[i + n] == BLOCK_UNKNOWN || states[i + n] == BLOCK_ZERO) == *hole)
        n++;
    *blocks = n;
    return DS_OK;
}

struct extent_walk {
    struct fetcher *fetcher;
    uint64_t begin, at, end; /* begin: of the extent that is growing, up to `at` */
    bool hole;
    export_extent_fn *fn;
    void *ud;
};

/* Adds the next span to the extent that is growing, or tells that one and begins another. */
static int extent_step(struct extent_walk *walk, bool *told, struct ds_error *err)
{
    const struct map_shape *shape = &walk->fetcher->map.shape;
    uint64_t block = walk->at / shape->block_size, blocks;
    bool hole;
    int rc = span_find(walk->fetcher, block, &blocks, &hole, err);
    if (rc)
        return rc;
    blocks = min_u64(blocks, shape->n_blocks - block);
    if (walk->at > walk->begin && hole != walk->hole) {
        rc = walk->fn(walk->ud, walk->begin, walk->at - walk->begin, walk->hole);
        walk->begin = walk->at;
        *told = true;
    }
    walk->hole = hole;
    walk->at = min_u64(walk->end, (block + blocks) * shape->block_size);
    return rc;
}

int export_extents(struct export *export, uint64_t offset, uint64_t bytes, bool one,
                   export_extent_fn *fn, void *ud, struct ds_error *err)
{
    int rc = check_range(export, offset, bytes, err);
    if (rc)
        return rc;
    struct extent_walk walk = { .fetcher = fetcher_take(export), .begin = offset, .at = offset,
                                .end = offset + bytes, .fn = fn, .ud = ud };
    bool told = false;
    while (!rc && walk.at < walk.end && !(one && told) && walk.fetcher->leaf_reads < EXTENT_LEAVES)
        rc = extent_step(&walk, &told, err);
    if (!rc && walk.at > walk.begin && !(one && told))
        rc = fn(ud, walk.begin, walk.at - walk.begin, walk.hole);
    fetcher_return(walk.fetcher);
    return rc;
}

/* ---- open and close ---- */

static bool fetchers_new(struct export *e, unsigned n)
{
    size_t plain = e->disk->shape.block_size > MAP_PAGE_MAX ? e->disk->shape.block_size
                                                            : MAP_PAGE_MAX;
    e->fetchers = calloc(n, sizeof *e->fetchers);
    for (; e->fetchers && e->n_fetchers < n; e->n_fetchers++) {
        struct fetcher *r = &e->fetchers[e->n_fetchers];
        r->export = e;
        r->scratch = segment_reader_new(e->heads, plain);
        if (!r->scratch)
            return false;
        root_map(&r->map, e->disk, e->heads, r->scratch);
        r->next = e->idle;
        e->idle = r;
    }
    return e->fetchers != NULL;
}

int export_open(struct export **out, const struct segment_space *space,
                const struct root_disk *disk, unsigned fetchers, struct ds_error *err)
{
    struct export *e = calloc(1, sizeof *e);
    unsigned n = fetchers < 1 ? 1 : (unsigned)min_u64(fetchers, EXPORT_FETCHERS_MAX);
    *out = NULL;
    if (!e)
        return ds_fail(err, DS_ENOMEM, "no memory to read a point");
    e->space = space;
    e->disk = disk;
    e->heads = segment_cache_new(space, EXPORT_HEADS_BYTES);
    e->blocks = block_cache_new(disk->shape.block_size,
                                (unsigned)(EXPORT_CACHE_BYTES / disk->shape.block_size));
    e->leaves = calloc(LEAVES, sizeof *e->leaves);
    if (!mutex_init(&e->lock) || !cond_init(&e->returned) || !e->heads || !e->blocks ||
        !e->leaves || !fetchers_new(e, n)) {
        export_close(e);
        return ds_fail(err, DS_ENOMEM, "no memory to read a point");
    }
    *out = e;
    return DS_OK;
}

void export_close(struct export *export)
{
    if (!export)
        return;
    for (unsigned i = 0; i < export->n_fetchers; i++)
        segment_reader_free(export->fetchers[i].scratch);
    free(export->fetchers);
    free(export->leaves);
    block_cache_free(export->blocks);
    segment_cache_free(export->heads);
    cond_destroy(&export->returned);
    mutex_destroy(&export->lock);
    free(export);
}
