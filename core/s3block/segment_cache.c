/* SPDX-License-Identifier: Apache-2.0 */
/* segment_cache.c - reads the heads of segments and keeps the last used ones. One mutex guards the
 * list and the counts of users; a head is read and checked outside of it, so two threads may read
 * the same one at once: the second is dropped. */
#include "core/s3block/segment_internal.h"

#include "core/base/bytes.h"

#include <stdlib.h>
#include <zstd.h>

#define HEAD_READ ((size_t)64 << 10) /* the first read: header, table and pages of most segments */

struct segment_cache {
    const struct segment_space *space;
    size_t max_bytes, bytes;
    struct mutex lock;
    struct segment *first;
    uint64_t clock;
};

static size_t segment_memory(const struct segment *segment)
{
    size_t slots = (size_t)segment->n_maps + segment->n_blocks;
    return sizeof *segment + slots * (sizeof(struct slot) + sizeof(uint64_t)) + segment->head_len;
}

static void segment_free(struct segment *segment)
{
    if (!segment)
        return;
    wipe(segment->data_key, KEY_SIZE);
    wipe(segment->map_key, KEY_SIZE);
    free(segment->slots);
    free(segment->offsets);
    free(segment->head);
    free(segment);
}

struct segment_cache *segment_cache_new(const struct segment_space *space, size_t max_bytes)
{
    struct segment_cache *cache = calloc(1, sizeof *cache);
    if (!cache || !mutex_init(&cache->lock)) {
        free(cache);
        return NULL;
    }
    cache->space = space;
    cache->max_bytes = max_bytes;
    return cache;
}

void segment_cache_bound(struct segment_cache *cache, size_t max_bytes)
{
    cache->max_bytes = max_bytes;
}

void segment_cache_free(struct segment_cache *cache)
{
    if (!cache)
        return;
    while (cache->first) {
        struct segment *next = cache->first->next;
        segment_free(cache->first);
        cache->first = next;
    }
    mutex_destroy(&cache->lock);
    free(cache);
}

/* ---- reading one head ---- */

/* Reads until at least `need` bytes of the object's beginning are in segment->head. */
static int head_fill(struct segment *segment, struct objects *objects, const char *key, size_t need,
                     struct ds_error *err)
{
    size_t want = need < HEAD_READ ? HEAD_READ : need, got;
    if (segment->head_len >= need)
        return DS_OK;
    uint8_t *head = realloc(segment->head, want);
    if (!head)
        return ds_fail(err, DS_ENOMEM, "no memory to read %s", key);
    segment->head = head;
    int rc = objects_get(objects, key, segment->head_len, head + segment->head_len,
                         want - segment->head_len, &got, err);
    if (rc == DS_ENOENT)
        return ds_fail(err, DS_EDAMAGED, "%s is missing from the store", key);
    if (rc)
        return rc;
    segment->head_len += got;
    if (segment->head_len < need)
        return ds_fail(err, DS_EDAMAGED, "%s is cut short (head)", key);
    return DS_OK;
}

/* Keys of the epoch and node that the header names. */
static int space_keys(const struct segment_space *space, const struct segment_head *head,
                      struct node_keys *keys, struct ds_error *err)
{
    if (head->epoch == space->keys.epoch) {
        *keys = space->keys;
        return DS_OK;
    }
    return node_keys_derive(keys, &space->ring, space->repository, space->node, head->epoch, err);
}

/* A newer format or a newer key epoch would have stopped the reader at the root: that a segment
 * below names one is damage, which the next sync heals. */
static int as_damage(int rc, const char *key, struct ds_error *err)
{
    if (rc == DS_EVERSION)
        return ds_fail(err, DS_EDAMAGED, "%s: the format version in its header is impossible", key);
    if (rc == DS_EPASSPHRASE)
        return ds_fail(err, DS_EDAMAGED,
                       "%s: the key epoch in its header is not among the keys at hand", key);
    return rc;
}

static int table_open(struct segment *segment, const struct segment_space *space,
                      const struct segment_head *head, uint8_t *table, size_t table_len,
                      const char *key, struct ds_error *err)
{
    struct node_keys keys;
    int rc = space_keys(space, head, &keys, err);
    if (rc)
        return as_damage(rc, key, err);
    bool good = segment_keys(segment->data_key, segment->map_key, &keys, head->salt);
    wipe(&keys, sizeof keys);
    struct sealer *sealer = good ? sealer_new(segment->map_key) : NULL;
    if (!sealer)
        return ds_fail(err, DS_ENOMEM, "no memory to open %s", key);
    good = sealer_open(sealer, TABLE_NONCE, segment->head, SEGMENT_HEADER_SIZE, table,
                       table_len - TAG_SIZE, table + table_len - TAG_SIZE);
    sealer_free(sealer);
    if (!good)
        return ds_fail(err, DS_EDAMAGED, "%s: the table fails its check", key);
    return DS_OK;
}

/* Rows and offsets from the opened table and the bitmap. */
static int table_parse(struct segment *segment, const uint8_t *bitmap, const uint8_t *table,
                       uint64_t at, const char *key, struct ds_error *err)
{
    size_t n = (size_t)segment->n_maps + segment->n_blocks;
    segment->slots = calloc(n, sizeof *segment->slots);
    segment->offsets = calloc(n, sizeof *segment->offsets);
    if (!segment->slots || !segment->offsets)
        return ds_fail(err, DS_ENOMEM, "no memory to open %s", key);
    for (size_t i = 0; i < n; i++) {
        struct slot *slot = &segment->slots[i];
        if (!slot_parse_row(slot, table + i * SLOT_ROW_SIZE) ||
            (slot->type == SLOT_BLOCK) != (i >= segment->n_maps))
            return ds_fail(err, DS_EDAMAGED, "%s: row %zu of the table is impossible", key, i);
        bool present = bitmap[i / 8] >> (i % 8) & 1;
        segment->offsets[i] = present ? at : UINT64_MAX;
        if (present)
            at += slot->stored + TAG_SIZE;
    }
    if (n % 8 && bitmap[n / 8] >> n % 8)
        return ds_fail(err, DS_EDAMAGED, "%s: the bitmap has slots too many", key);
    segment->object_bytes = at;
    return DS_OK;
}

static int segment_load(struct segment *segment, const struct segment_space *space,
                        struct ds_error *err)
{
    char key[OBJECT_KEY_MAX + 1];
    struct segment_head head;
    size_t bitmap_len, table_len;
    segment_key(key, space->node, &segment->name);
    int rc = head_fill(segment, space->objects, key, SEGMENT_HEADER_SIZE, err);
    if (!rc)
        rc = segment_head_parse(&head, &bitmap_len, &table_len, segment->head, segment->head_len,
                                key, err);
    if (rc)
        return as_damage(rc, key, err);
    if (!segment_name_equal(&head.name, &segment->name) ||
        memcmp(head.node, space->node, UUID_SIZE) != 0 ||
        memcmp(segment->head + 16, space->repository, UUID_SIZE) != 0)
        return ds_fail(err, DS_EDAMAGED, "%s holds another object (header)", key);
    rc = head_fill(segment, space->objects, key, SEGMENT_HEADER_SIZE + bitmap_len + table_len,
                   err);
    if (rc)
        return rc;
    segment->epoch = head.epoch;
    segment->n_maps = head.n_maps;
    segment->n_blocks = head.n_blocks;
    uint8_t *bitmap = segment->head + SEGMENT_HEADER_SIZE, *table = bitmap + bitmap_len;
    rc = table_open(segment, space, &head, table, table_len, key, err);
    if (!rc)
        rc = table_parse(segment, bitmap, table, SEGMENT_HEADER_SIZE + bitmap_len + table_len, key,
                         err);
    return rc;
}

/* ---- the cache ---- */

static struct segment *cache_find(struct segment_cache *cache, const struct segment_name *name)
{
    for (struct segment *s = cache->first; s; s = s->next)
        if (segment_name_equal(&s->name, name)) {
            s->users++;
            s->last_use = ++cache->clock;
            return s;
        }
    return NULL;
}

/* Drops the longest unused ones until the bound holds. */
static void cache_trim(struct segment_cache *cache)
{
    while (cache->bytes > cache->max_bytes) {
        struct segment **oldest = NULL;
        for (struct segment **p = &cache->first; *p; p = &(*p)->next)
            if (!(*p)->users && (!oldest || (*p)->last_use < (*oldest)->last_use))
                oldest = p;
        if (!oldest)
            break;
        struct segment *gone = *oldest;
        *oldest = gone->next;
        cache->bytes -= segment_memory(gone);
        segment_free(gone);
    }
}

/* Reads a head, which nobody uses yet. */
static int segment_new(struct segment **segment, const struct segment_space *space,
                       const struct segment_name *name, struct ds_error *err)
{
    struct segment *fresh = calloc(1, sizeof *fresh);
    *segment = fresh;
    if (!fresh)
        return ds_fail(err, DS_ENOMEM, "no memory to open a segment");
    fresh->name = *name;
    int rc = segment_load(fresh, space, err);
    if (rc) {
        segment_free(fresh);
        *segment = NULL;
    }
    return rc;
}

static void cache_add(struct segment_cache *cache, struct segment *segment)
{
    segment->users = 1;
    segment->last_use = ++cache->clock;
    segment->next = cache->first;
    cache->first = segment;
    cache->bytes += segment_memory(segment);
    cache_trim(cache);
}

int segment_get(struct segment_cache *cache, const struct segment_name *name,
                const struct segment **segment, struct ds_error *err)
{
    struct segment *fresh;
    mutex_lock(&cache->lock);
    struct segment *found = cache_find(cache, name);
    mutex_unlock(&cache->lock);
    if (found) {
        *segment = found;
        return DS_OK;
    }
    int rc = segment_new(&fresh, cache->space, name, err);
    if (rc)
        return rc;
    mutex_lock(&cache->lock);
    found = cache_find(cache, name);
    if (!found)
        cache_add(cache, fresh);
    mutex_unlock(&cache->lock);
    if (found)
        segment_free(fresh);
    *segment = found ? found : fresh;
    return DS_OK;
}

/* Takes the head of that name out of the cache; its users keep it. */
static void cache_drop(struct segment_cache *cache, const struct segment_name *name)
{
    for (struct segment **p = &cache->first; *p; p = &(*p)->next)
        if (segment_name_equal(&(*p)->name, name)) {
            struct segment *gone = *p;
            *p = gone->next;
            cache->bytes -= segment_memory(gone);
            gone->orphan = true;
            if (!gone->users)
                segment_free(gone);
            break;
        }
}

/* Reads a head that no longer fits its object: collect has rewritten the segment meanwhile. Not
 * from the cache: another thread may have put there what it read before that. */
static int segment_refresh(struct segment_cache *cache, const struct segment *stale,
                           const struct segment **fresh, struct ds_error *err)
{
    struct segment *read;
    int rc = segment_new(&read, cache->space, &stale->name, err);
    if (rc)
        return rc;
    mutex_lock(&cache->lock);
    cache_drop(cache, &stale->name);
    cache_add(cache, read);
    mutex_unlock(&cache->lock);
    *fresh = read;
    return DS_OK;
}

/* True if both describe the same state of the object. */
static bool segment_same(const struct segment *a, const struct segment *b)
{
    size_t n = (size_t)a->n_maps + a->n_blocks;
    return n == (size_t)b->n_maps + b->n_blocks &&
           memcmp(a->offsets, b->offsets, n * sizeof *a->offsets) == 0;
}

void segment_put(struct segment_cache *cache, const struct segment *segment)
{
    struct segment *s = (struct segment *)(uintptr_t)segment;
    if (!segment)
        return;
    mutex_lock(&cache->lock);
    bool gone = --s->users == 0 && s->orphan;
    cache_trim(cache);
    mutex_unlock(&cache->lock);
    if (gone)
        segment_free(s);
}

const struct slot *segment_slot(const struct segment *segment, uint16_t number, uint64_t *offset)
{
    uint32_t i = number & ~SLOT_MAP;
    if (number & SLOT_MAP ? i >= segment->n_maps : i >= segment->n_blocks)
        return NULL;
    if (!(number & SLOT_MAP))
        i += segment->n_maps;
    *offset = segment->offsets[i];
    return &segment->slots[i];
}

/* ---- reading slots ---- */

struct segment_reader {
    struct segment_cache *cache;
    size_t max_plain;
    uint8_t *sealed, *plain;
    ZSTD_DCtx *zstd;
};

struct segment_reader *segment_reader_new(struct segment_cache *cache, size_t max_plain)
{
    struct segment_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    reader->cache = cache;
    reader->max_plain = max_plain;
    reader->sealed = malloc(SEGMENT_READ_MAX);
    reader->plain = malloc(max_plain);
    reader->zstd = ZSTD_createDCtx();
    if (!reader->sealed || !reader->plain || !reader->zstd) {
        segment_reader_free(reader);
        return NULL;
    }
    return reader;
}

void segment_reader_free(struct segment_reader *reader)
{
    if (!reader)
        return;
    free(reader->sealed);
    free(reader->plain);
    ZSTD_freeDCtx(reader->zstd);
    free(reader);
}

/* Consecutive present slots from `first` whose sealed bytes fit into one read. */
static unsigned run_length(const struct segment *segment, uint16_t first, unsigned count,
                           uint64_t *offset, size_t *bytes)
{
    unsigned n = 0;
    *bytes = 0;
    for (; n < count; n++) {
        uint64_t at;
        const struct slot *slot = segment_slot(segment, (uint16_t)(first + n), &at);
        if (!slot || at == UINT64_MAX || (n && at != *offset + *bytes) ||
            *bytes + slot->stored + TAG_SIZE > SEGMENT_READ_MAX)
            break;
        if (n == 0)
            *offset = at;
        *bytes += slot->stored + TAG_SIZE;
    }
    return n;
}

/* The sealed bytes of a range: from the head, or read into scratch. */
static int range_read(struct segment_reader *reader, const struct segment *segment, uint64_t offset,
                      size_t bytes, struct ds_error *err)
{
    char key[OBJECT_KEY_MAX + 1];
    size_t got;
    if (offset + bytes <= segment->head_len) {
        memcpy(reader->sealed, segment->head + offset, bytes);
        return DS_OK;
    }
    segment_key(key, reader->cache->space->node, &segment->name);
    int rc = objects_get(reader->cache->space->objects, key, offset, reader->sealed, bytes, &got,
                         err);
    if (rc == DS_ENOENT)
        return ds_fail(err, DS_EDAMAGED, "%s is missing from the store", key);
    if (!rc && got < bytes)
        return ds_fail(err, DS_EDAMAGED, "%s is cut short", key);
    return rc;
}

static int slot_damaged(const struct segment_reader *reader, const struct segment *segment,
                        uint16_t number, const char *what, struct ds_error *err)
{
    char key[OBJECT_KEY_MAX + 1];
    segment_key(key, reader->cache->space->node, &segment->name);
    return ds_fail(err, DS_EDAMAGED, "%s: slot %u %s", key, number, what);
}

/* Opens and decompresses one slot; *plain points into scratch. */
static int slot_open_bytes(struct segment_reader *reader, const struct segment *segment,
                           struct sealer *sealer, uint16_t number, const struct slot *slot,
                           uint8_t *sealed, void **plain, size_t *len, struct ds_error *err)
{
    if (!sealer_open(sealer, number, segment->head, SEGMENT_HEADER_SIZE, sealed, slot->stored,
                     sealed + slot->stored))
        return slot_damaged(reader, segment, number, "fails its check", err);
    if (slot->codec == CODEC_RAW) {
        *plain = sealed;
        *len = slot->stored;
        return slot->stored <= reader->max_plain
                   ? DS_OK
                   : slot_damaged(reader, segment, number, "is too large", err);
    }
    size_t n = ZSTD_decompressDCtx(reader->zstd, reader->plain, reader->max_plain, sealed,
                                   slot->stored);
    if (ZSTD_isError(n))
        return slot_damaged(reader, segment, number, "does not decompress", err);
    *plain = reader->plain;
    *len = n;
    return DS_OK;
}

/* Reads one run; DS_EDAMAGED before any slot was handed out leaves *done 0. */
static int run_read(struct segment_reader *reader, const struct segment *segment, uint16_t first,
                    unsigned count, unsigned base, unsigned *done, segment_slot_fn *fn, void *ud,
                    struct ds_error *err)
{
    uint64_t offset = 0;
    size_t bytes;
    *done = 0;
    unsigned n = run_length(segment, first, count, &offset, &bytes);
    if (n == 0)
        return slot_damaged(reader, segment, first, "was cut out or never was", err);
    int rc = range_read(reader, segment, offset, bytes, err);
    if (rc)
        return rc;
    struct sealer *sealer = sealer_new(first & SLOT_MAP ? segment->map_key : segment->data_key);
    uint8_t *p = reader->sealed;
    for (unsigned i = 0; !rc && i < n; i++) {
        uint16_t number = (uint16_t)(first + i);
        const struct slot *slot = segment_slot(segment, number, &offset);
        void *plain = NULL;
        size_t len = 0;
        if (!sealer)
            rc = ds_fail(err, DS_ENOMEM, "no memory to read a segment");
        else
            rc = slot_open_bytes(reader, segment, sealer, number, slot, p, &plain, &len, err);
        if (!rc) {
            *done = i + 1;
            rc = fn(ud, base + i, slot, plain, len, err);
        }
        p += slot->stored + TAG_SIZE;
    }
    sealer_free(sealer);
    return rc;
}

int segment_read(struct segment_reader *reader, const struct segment *segment, uint16_t first,
                 unsigned count, segment_slot_fn *fn, void *ud, struct ds_error *err)
{
    const struct segment *fresh = NULL;
    unsigned at = 0;
    int rc = DS_OK;
    while (!rc && at < count) {
        unsigned done;
        rc = run_read(reader, fresh ? fresh : segment, (uint16_t)(first + at), count - at, at,
                      &done, fn, ud, err);
        if (rc == DS_EDAMAGED && done == 0) {
            const struct segment *stale = fresh ? fresh : segment, *again;
            struct ds_error second = DS_ERROR_INIT;
            if (segment_refresh(reader->cache, stale, &again, &second) == DS_OK) {
                if (!fresh || !segment_same(stale, again)) /* each rewrite cuts out more */
                    rc = DS_OK;
                segment_put(reader->cache, fresh);
                fresh = again;
            }
        }
        at += done;
    }
    segment_put(reader->cache, fresh);
    return rc;
}
