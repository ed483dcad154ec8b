/* SPDX-License-Identifier: Apache-2.0 */
/* point_writer.c - see point_writer.h. The draft root is complete at any time but for the current
 * disk's top references, which come from its map writer. */
#include "core/s3block/point_writer.h"

#include "core/base/bytes.h"
#include "core/base/os.h"

#include <stdlib.h>
#include <zstd.h>

/* ---- preparing ---- */

struct preparer {
    struct hasher *hasher;
    ZSTD_CCtx *zstd;
    int level;
};

struct preparer *preparer_new(const struct segment_space *space, int level)
{
    struct preparer *preparer = calloc(1, sizeof *preparer);
    if (!preparer)
        return NULL;
    preparer->level = level;
    preparer->hasher = hasher_new(space->id_algorithm, space->keys.id);
    preparer->zstd = ZSTD_createCCtx();
    if (!preparer->hasher || !preparer->zstd) {
        preparer_free(preparer);
        return NULL;
    }
    return preparer;
}

void preparer_free(struct preparer *preparer)
{
    if (!preparer)
        return;
    hasher_free(preparer->hasher);
    ZSTD_freeCCtx(preparer->zstd);
    free(preparer);
}

/* By trial: the library sets up what a level and a size need when it is used first. */
size_t preparer_memory(int level, uint32_t block_size)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    size_t room = ZSTD_compressBound(block_size), n = 0;
    uint8_t *in = calloc(1, block_size), *out = malloc(room);
    if (zstd && in && out &&
        !ZSTD_isError(ZSTD_compressCCtx(zstd, out, room, in, block_size, level)))
        n = ZSTD_sizeof_CCtx(zstd);
    free(in);
    free(out);
    ZSTD_freeCCtx(zstd);
    return n;
}

size_t preparer_room(uint32_t block_size)
{
    return ZSTD_compressBound(block_size);
}

int preparer_block(struct preparer *preparer, const void *plain, uint32_t len,
                   const struct block_before *before, uint8_t *out, struct prepared *prepared,
                   struct ds_error *err)
{
    memset(prepared, 0, sizeof *prepared);
    if (is_zero(plain, len)) {
        prepared->state = BLOCK_ZERO;
        prepared->same = before->zero;
        return DS_OK;
    }
    prepared->state = BLOCK_DATA;
    if (!hasher_id(preparer->hasher, plain, len, prepared->id))
        return ds_fail(err, DS_ENOMEM, "libcrypto could not hash a block");
    prepared->same = before->id && memcmp(before->id, prepared->id, ID_SIZE) == 0;
    if (prepared->same)
        return DS_OK;
    prepared->salvaged = before->salvage &&
                         salvage_find(before->salvage, before->disk, before->number, prepared->id,
                                      &prepared->segment, &prepared->slot);
    if (prepared->salvaged)
        return DS_OK;
    size_t n = ZSTD_compressCCtx(preparer->zstd, out, ZSTD_compressBound(len), plain, len,
                                 preparer->level);
    prepared->data = out;
    prepared->codec = CODEC_ZSTD;
    if (ZSTD_isError(n) || n > len - len / 32) { /* does not pay */
        memcpy(out, plain, len);
        prepared->codec = CODEC_RAW;
        n = len;
    }
    prepared->stored = (uint32_t)n;
    return DS_OK;
}

/* ---- the point ---- */

struct point_writer {
    const struct segment_space *space;
    const struct root *base;
    struct root draft;
    struct segment_writer *segments;
    struct segment_bounds bounds; /* of every segment writer; buffers 0: its own */
    struct segment_cache *cache;
    struct segment_reader *scratch;
    struct hasher *hasher;
    point_damaged_fn *damaged;
    void *damaged_ud;
    bool lost_pages; /* inner pages of the base that can't be read, of which nobody knew */
    /* the current disk */
    uint32_t disk;     /* index in the draft */
    bool in_disk;
    uint32_t n_ended;
    const struct root_disk *base_disk;
    struct map_reader *reader; /* the base, where the map writer is */
    struct map_reader *ahead;  /* the base, where the planner is */
    struct map_writer *map;
    /* the current leaf */
    uint64_t leaf_index;
    struct leaf leaf;
    bool leaf_dirty;
    uint64_t objects, bytes; /* of finished segment writers and roots */
};

/* Never the same twice, also where a machine was cloned or set back with its random generator: the
 * clocks go on. */
static int tag_make(uint8_t tag[HASH_SIZE], struct ds_error *err)
{
    uint8_t seed[48];
    int rc = os_random(seed, 24, err);
    put_le64(seed + 24, (uint64_t)os_wall_ns());
    put_le64(seed + 32, os_mono_ns());
    put_le64(seed + 40, os_cpu_ns());
    if (!rc && !crypto_sha256(tag, seed, sizeof seed))
        rc = ds_fail(err, DS_ENOMEM, "libcrypto could not make a tag");
    return rc;
}

int point_writer_new(struct point_writer **writer, const struct segment_space *space,
                     const struct root *base, const uint8_t base_hash[HASH_SIZE],
                     point_damaged_fn *damaged, void *ud,
                     struct ds_error *err)
{
    struct point_writer *w = calloc(1, sizeof *w);
    uint8_t tag[HASH_SIZE];
    *writer = NULL;
    if (!w)
        return ds_fail(err, DS_ENOMEM, "no memory for a point");
    w->space = space;
    w->base = base;
    w->damaged = damaged;
    w->damaged_ud = ud;
    int rc = tag_make(tag, err);
    w->draft.tag = get_le64(tag);
    w->draft.seq = base ? base->seq + 1 : 1;
    if (base) {
        w->draft.previous = base->seq;
        memcpy(w->draft.previous_hash, base_hash, HASH_SIZE);
    }
    w->cache = segment_cache_new(space, POINT_CACHE_MAX);
    w->scratch = w->cache ? segment_reader_new(w->cache, MAP_PAGE_MAX) : NULL;
    w->hasher = hasher_new(space->id_algorithm, space->keys.id);
    w->segments = segment_writer_new(space, w->draft.seq, w->draft.tag);
    w->reader = calloc(1, sizeof *w->reader);
    w->ahead = calloc(1, sizeof *w->ahead);
    w->map = calloc(1, sizeof *w->map);
    if (!rc && (!w->ahead || !w->scratch || !w->hasher || !w->segments || !w->reader || !w->map))
        rc = ds_fail(err, DS_ENOMEM, "no memory for a point");
    if (rc)
        point_writer_free(w);
    else
        *writer = w;
    return rc;
}

void point_writer_bound(struct point_writer *w, const struct point_bounds *bounds)
{
    w->bounds = bounds->segments;
    segment_writer_bound(w->segments, &w->bounds);
    segment_cache_bound(w->cache, bounds->cache);
}

void point_writer_free(struct point_writer *w)
{
    if (!w)
        return;
    segment_writer_free(w->segments);
    if (w->map)
        map_writer_free(w->map);
    free(w->map);
    free(w->reader);
    free(w->ahead);
    hasher_free(w->hasher);
    segment_reader_free(w->scratch);
    segment_cache_free(w->cache);
    root_free(&w->draft);
    free(w);
}

struct root *point_writer_root(struct point_writer *w)
{
    return &w->draft;
}

uint64_t point_writer_tag(const struct point_writer *w)
{
    return w->draft.tag;
}

static int base_damaged(void *ud, unsigned level, uint64_t index, const struct ds_error *why)
{
    struct point_writer *w = ud;
    uint64_t width = (uint64_t)FANOUT << 7 * level, first = index * width;
    uint64_t count = min_u64(width, w->base_disk->shape.n_blocks - first);
    bool known = w->damaged && w->damaged(w->damaged_ud, w->disk, first, count, why);
    w->lost_pages |= level > 0 && !known;
    return DS_OK;
}

bool point_writer_lost_pages(const struct point_writer *w)
{
    return w->lost_pages;
}

int point_writer_disk_begin(struct point_writer *w, uint32_t i, const struct root_disk *base,
                            struct ds_error *err)
{
    struct root_disk *disk = &w->draft.disks[i];
    if (base && base->shape.block_size != disk->shape.block_size)
        return ds_fail(err, DS_EINVAL, "the block size of disk %u changed: sync it full",
                       disk->number);
    w->disk = i;
    w->in_disk = true;
    w->base_disk = base;
    if (base) {
        root_map(w->reader, base, w->cache, w->scratch);
        w->reader->damaged = base_damaged;
        w->reader->damaged_ud = w;
        *w->ahead = *w->reader;
    } else {
        memset(w->ahead, 0, sizeof *w->ahead);
        w->ahead->shape = (struct map_shape){ .block_size = disk->shape.block_size };
    }
    map_writer_free(w->map);
    map_writer_init(w->map, w->segments, w->hasher, base ? w->reader : NULL, &disk->shape,
                    disk->number);
    return DS_OK;
}

int point_writer_known(struct point_writer *w, uint64_t leaf, uint64_t known[2], uint64_t *span,
                       struct ds_error *err)
{
    return map_reader_known(w->ahead, leaf, known, span, err);
}

int point_writer_peek(struct point_writer *w, uint64_t index, struct leaf *leaf,
                      struct ds_error *err)
{
    const struct map_shape *shape = &w->draft.disks[w->disk].shape;
    struct ref ref;
    int rc = map_reader_ref(w->ahead, 0, index, &ref, err);
    if (!rc)
        rc = map_reader_leaf(w->ahead, index, &ref, true, leaf, err);
    /* A disk that grew: the old last leaf was shorter. */
    uint64_t left = shape->n_blocks - index * FANOUT;
    leaf->n = left < FANOUT ? (unsigned)left : FANOUT;
    return rc;
}

void point_writer_leaf_begin(struct point_writer *w, uint64_t index, const struct leaf *base)
{
    w->leaf = *base;
    w->leaf_index = index;
    w->leaf_dirty = false;
}

int point_writer_block(struct point_writer *w, unsigned i, const struct prepared *prepared,
                       struct ds_error *err)
{
    struct root_disk *disk = &w->draft.disks[w->disk];
    /* UNKNOWN over UNKNOWN replaces a leaf that could not be read: see copy.c. */
    if (prepared->same || ((prepared->state == BLOCK_ZERO || prepared->state == BLOCK_BAD) &&
                           w->leaf.states[i] == prepared->state))
        return DS_OK;
    w->leaf_dirty = true;
    w->leaf.states[i] = prepared->state;
    if (prepared->state != BLOCK_DATA)
        return DS_OK;
    memcpy(w->leaf.ids[i], prepared->id, ID_SIZE);
    if (prepared->salvaged) {
        w->leaf.segments[i] = prepared->segment;
        w->leaf.slots[i] = prepared->slot;
        return DS_OK;
    }
    struct slot slot = { .type = SLOT_BLOCK, .codec = prepared->codec, .disk = disk->number,
                         .stored = prepared->stored, .number = w->leaf_index * FANOUT + i };
    memcpy(slot.id, prepared->id, ID_SIZE);
    disk->sent_bytes += prepared->stored;
    return segment_writer_add(w->segments, &slot, prepared->data, &w->leaf.segments[i],
                              &w->leaf.slots[i], err);
}

int point_writer_leaf_end(struct point_writer *w, struct ds_error *err)
{
    return w->leaf_dirty ? map_writer_store(w->map, w->leaf_index, &w->leaf, err) : DS_OK;
}

int point_writer_disk_end(struct point_writer *w, struct ds_error *err)
{
    int rc = map_writer_settle(w->map, err);
    if (rc)
        return rc;
    memcpy(w->draft.disks[w->disk].top, w->map->top, sizeof w->map->top);
    w->in_disk = false;
    w->n_ended = w->disk + 1;
    return DS_OK;
}

/* Puts a root; tells an answer that was lost from another writer's commit by reading it back. */
static int root_commit(struct point_writer *w, const struct root *root, uint8_t hash[HASH_SIZE],
                       struct ds_error *err)
{
    char key[OBJECT_KEY_MAX + 1];
    struct dynbuf object = DYNBUF_INIT(ROOT_MAX), there = DYNBUF_INIT(2 * ROOT_MAX);
    root_key(key, w->space->node, root->seq);
    int rc = root_seal(&object, root, w->space, err);
    for (unsigned attempt = 0; !rc && attempt < 2; attempt++) {
        struct ds_error why = DS_ERROR_INIT;
        rc = objects_put(w->space->objects, key, object.data, object.len, DS_STORE_IF_ABSENT, err);
        if (rc == DS_OK)
            break;
        dynbuf_reset(&there);
        int found = objects_get_all(w->space->objects, key, ROOT_MAX, &there, &why);
        if (found == DS_ENOENT && attempt == 0 && err->retry != DS_RETRY_NEVER) {
            rc = DS_OK; /* nobody's: once more */
            continue;
        }
        if (found == DS_OK && there.len == object.len &&
            memcmp(there.data, object.data, there.len) == 0)
            rc = DS_OK;
        else if (found == DS_OK)
            rc = ds_fail(err, DS_ECONFLICT,
                         "another writer committed point %llu of this node meanwhile: sync again",
                         (unsigned long long)root->seq);
        break;
    }
    if (!rc && !crypto_sha256(hash, object.data, object.len))
        rc = ds_fail(err, DS_ENOMEM, "libcrypto could not hash a root");
    if (!rc) {
        w->objects++;
        w->bytes += object.len;
    }
    dynbuf_free(&there);
    dynbuf_free(&object);
    return rc;
}

/* The disks as a checkpoint shows them: ended and current ones with their new maps, later ones as
 * in the base, none with a token that is not committed. */
static uint32_t checkpoint_disks(const struct point_writer *w, struct root_disk *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->draft.n_disks; i++) {
        const struct root_disk *draft = &w->draft.disks[i];
        const struct root_disk *base = w->base ? root_find_disk(w->base, draft->identity) : NULL;
        bool current = w->in_disk && i == w->disk;
        if (!current && i >= w->n_ended) {
            if (base)
                out[n++] = *base;
            continue;
        }
        struct root_disk *disk = &out[n++];
        *disk = *draft;
        if (current)
            memcpy(disk->top, w->map->top, sizeof disk->top);
        /* Only an incremental sync rests on the generation that starts at the base's token. Of a
         * disk that grew, the next one must look at the old end again: it compares. */
        bool keeps = base && draft->mode == MODE_INCREMENTAL &&
                     base->shape.bytes == draft->shape.bytes;
        disk->flags &= ~(uint32_t)ROOT_DISK_HAS_TOKEN;
        memset(&disk->token, 0, sizeof disk->token);
        if (keeps) {
            disk->token = base->token;
            disk->flags |= base->flags & ROOT_DISK_HAS_TOKEN;
        }
    }
    return n;
}

static int segments_finish(struct point_writer *w, struct ds_error *err)
{
    int rc = segment_writer_flush(w->segments, err);
    if (!rc) {
        w->objects += segment_writer_count(w->segments);
        w->bytes += segment_writer_bytes(w->segments);
    }
    return rc;
}

/* Later segments belong to the root after this one. */
static int segments_renew(struct point_writer *w, struct ds_error *err)
{
    struct segment_writer *next = segment_writer_new(w->space, w->draft.seq, w->draft.tag);
    if (!next)
        return ds_fail(err, DS_ENOMEM, "no memory for a point");
    if (w->bounds.buffers)
        segment_writer_bound(next, &w->bounds);
    segment_writer_free(w->segments);
    w->segments = next;
    w->map->out = next;
    return DS_OK;
}

int point_writer_checkpoint(struct point_writer *w, struct ds_error *err)
{
    struct root partial = w->draft;
    uint8_t hash[HASH_SIZE];
    int rc = w->in_disk ? map_writer_settle(w->map, err) : DS_OK;
    if (!rc)
        rc = segments_finish(w, err);
    if (rc)
        return rc;
    partial.flags |= ROOT_PARTIAL;
    partial.ended_ns = os_wall_ns();
    partial.disks = calloc(w->draft.n_disks + 1, sizeof *partial.disks);
    if (!partial.disks)
        return ds_fail(err, DS_ENOMEM, "no memory for a checkpoint");
    partial.n_disks = checkpoint_disks(w, partial.disks);
    rc = root_commit(w, &partial, hash, err);
    free(partial.disks);
    if (rc)
        return rc;
    w->draft.previous = w->draft.seq++;
    memcpy(w->draft.previous_hash, hash, HASH_SIZE);
    return segments_renew(w, err);
}

int point_writer_commit(struct point_writer *w, uint8_t hash[HASH_SIZE], struct ds_error *err)
{
    int rc = segments_finish(w, err);
    if (rc)
        return rc;
    w->draft.ended_ns = os_wall_ns();
    return root_commit(w, &w->draft, hash, err);
}

void point_writer_stored(const struct point_writer *w, uint64_t *objects, uint64_t *bytes)
{
    *objects = w->objects;
    *bytes = w->bytes;
}
