/* SPDX-License-Identifier: Apache-2.0 */
/* marks.c - see marks.h. */
#include "core/s3block/marks.h"

#include "core/base/bytes.h"

#include <stdlib.h>

#define CACHE_BYTES ((size_t)24 << 20)

struct marks {
    struct segment_cache *cache;
    struct segment_reader *scratch;
    struct mark **table; /* hashed by name */
    size_t n, buckets;
    struct map_reader reader;
    /* the walk */
    const struct root_disk *disk;
    const struct marks_listener *listener;
    struct leaf leaf;
};

struct marks *marks_new(const struct segment_space *space)
{
    struct marks *marks = calloc(1, sizeof *marks);
    if (!marks)
        return NULL;
    marks->buckets = 1024;
    marks->table = calloc(marks->buckets, sizeof *marks->table);
    marks->cache = segment_cache_new(space, CACHE_BYTES);
    marks->scratch = marks->cache ? segment_reader_new(marks->cache, MAP_PAGE_MAX) : NULL;
    if (!marks->table || !marks->scratch) {
        marks_free(marks);
        return NULL;
    }
    return marks;
}

void marks_free(struct marks *marks)
{
    if (!marks)
        return;
    for (size_t i = 0; marks->table && i < marks->buckets; i++)
        while (marks->table[i]) {
            struct mark *next = marks->table[i]->next;
            free(marks->table[i]->maps);
            free(marks->table[i]->blocks);
            free(marks->table[i]);
            marks->table[i] = next;
        }
    free(marks->table);
    segment_reader_free(marks->scratch);
    segment_cache_free(marks->cache);
    free(marks);
}

static size_t bucket_of(const struct marks *marks, const struct segment_name *name)
{
    uint64_t h = name->seq * UINT64_C(0x9e3779b97f4a7c15) ^ name->tag;
    h = (h ^ name->index) * UINT64_C(0xff51afd7ed558ccd);
    return (size_t)((h ^ h >> 33) & (marks->buckets - 1));
}

struct mark *marks_find(const struct marks *marks, const struct segment_name *name)
{
    for (struct mark *m = marks->table[bucket_of(marks, name)]; m; m = m->next)
        if (segment_name_equal(&m->name, name))
            return m;
    return NULL;
}

/* Doubles the table; without memory it just gets slower. */
static void table_grow(struct marks *marks)
{
    size_t old = marks->buckets;
    struct mark **table = calloc(old * 2, sizeof *table), **before = marks->table;
    if (!table)
        return;
    marks->table = table;
    marks->buckets = old * 2;
    for (size_t i = 0; i < old; i++)
        while (before[i]) {
            struct mark *m = before[i];
            before[i] = m->next;
            size_t b = bucket_of(marks, &m->name);
            m->next = table[b];
            table[b] = m;
        }
    free(before);
}

static struct mark *mark_get(struct marks *marks, const struct segment_name *name)
{
    struct mark *mark = marks_find(marks, name);
    if (mark)
        return mark;
    mark = calloc(1, sizeof *mark);
    if (!mark)
        return NULL;
    if (marks->n > 2 * marks->buckets)
        table_grow(marks);
    size_t b = bucket_of(marks, name);
    mark->name = *name;
    mark->next = marks->table[b];
    marks->table[b] = mark;
    marks->n++;
    return mark;
}

/* Sets the slot's bit; *was tells what it was. */
static bool mark_slot(struct marks *marks, const struct segment_name *name, uint16_t slot,
                      bool *was)
{
    struct mark *mark = mark_get(marks, name);
    if (!mark)
        return false;
    uint8_t **bits = slot & SLOT_MAP ? &mark->maps : &mark->blocks;
    uint32_t *len = slot & SLOT_MAP ? &mark->maps_len : &mark->blocks_len, i = slot & 0x7fffu;
    if (i / 8 >= *len) {
        uint32_t more = (i / 8 / 32 + 1) * 32;
        uint8_t *larger = realloc(*bits, more);
        if (!larger)
            return false;
        memset(larger + *len, 0, more - *len);
        *bits = larger;
        *len = more;
    }
    *was = (*bits)[i / 8] >> (i % 8) & 1;
    (*bits)[i / 8] |= (uint8_t)(1u << i % 8);
    return true;
}

static int no_memory(struct ds_error *err)
{
    return ds_fail(err, DS_ENOMEM, "no memory to mark what is in use");
}

static int leaf_marked(struct marks *marks, uint64_t index, const struct ref *ref,
                       struct ds_error *err)
{
    int rc = map_reader_leaf(&marks->reader, index, ref, true, &marks->leaf, err);
    bool any = false, was;
    if (rc && marks->listener && marks->listener->damaged &&
        (rc == DS_EDAMAGED || rc == DS_EFORMAT))
        return marks->listener->damaged(marks->listener->ud, marks->disk, 0, index, ref, err);
    for (unsigned i = 0; !rc && i < marks->leaf.n; i++) {
        if (marks->leaf.states[i] != BLOCK_DATA)
            continue;
        any = true;
        if (!mark_slot(marks, &marks->leaf.segments[i], marks->leaf.slots[i], &was))
            rc = no_memory(err);
    }
    if (!rc && any && !mark_slot(marks, &ref->segment, (uint16_t)(ref->slot + 1), &was))
        rc = no_memory(err);
    if (!rc && marks->listener && marks->listener->leaf)
        rc = marks->listener->leaf(marks->listener->ud, marks->disk, index, &marks->leaf, err);
    return rc;
}

static int page_marked(void *ud, unsigned level, uint64_t index, const struct ref *ref,
                       bool *descend, struct ds_error *err)
{
    struct marks *marks = ud;
    bool was = false;
    if (!mark_slot(marks, &ref->segment, ref->slot, &was))
        return no_memory(err);
    *descend = !was;
    return was || level > 0 ? DS_OK : leaf_marked(marks, index, ref, err);
}


static int inner_damaged(void *ud, unsigned level, uint64_t index, const struct ds_error *why)
{
    struct marks *marks = ud;
    struct ref none = { .kind = REF_UNKNOWN };
    if (level == 0 || !marks->listener || !marks->listener->damaged)
        return why->code;
    return marks->listener->damaged(marks->listener->ud, marks->disk, level, index, &none, why);
}

int marks_root(struct marks *marks, const struct root *root, const struct marks_listener *listener,
               struct ds_error *err)
{
    int rc = DS_OK;
    marks->listener = listener;
    for (uint32_t i = 0; !rc && i < root->n_disks; i++) {
        marks->disk = &root->disks[i];
        root_map(&marks->reader, marks->disk, marks->cache, marks->scratch);
        marks->reader.damaged = inner_damaged;
        marks->reader.damaged_ud = marks;
        rc = map_reader_walk(&marks->reader, page_marked, marks, err);
    }
    return rc;
}

int marks_each(const struct marks *marks, marks_fn *fn, void *ud, struct ds_error *err)
{
    int rc = DS_OK;
    for (size_t i = 0; !rc && i < marks->buckets; i++)
        for (struct mark *m = marks->table[i]; !rc && m; m = m->next)
            rc = fn(ud, m, err);
    return rc;
}

struct segment_cache *marks_cache(const struct marks *marks)
{
    return marks->cache;
}
