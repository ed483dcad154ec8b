/* SPDX-License-Identifier: Apache-2.0 */
/* restore.c - see restore.h. Workers take leaves in turn; each reads the leaf's runs from their
 * segments and writes them. Blocks that hold partition tables or boot sectors are kept back and
 * written by the main thread at the end. The mutex guards the next leaf, the first error and the
 * report. */
#include "core/recover/restore.h"

#include "core/base/bytes.h"
#include "core/base/log.h"
#include "core/base/thread.h"
#include "core/disk/disk.h"
#include "core/recover/target.h"

#include <stdlib.h>

#define CACHE_BYTES ((size_t)32 << 20)
#define WORKERS_MAX 16u
#define HELD_MAX 4096u
#define GATHER_BYTES ((size_t)2 << 20)

struct held { /* a block that is written last */
    uint64_t number;
    uint8_t *data; /* NULL: zero */
    uint32_t len;
};

struct restore {
    const struct segment_space *space;
    const struct root_disk *disk;
    const struct restore_options *options;
    struct restore_report *report;
    struct target target;
    struct segment_cache *cache;
    struct mutex lock;
    uint64_t next; /* leaf */
    int rc;
    struct ds_error err;
    struct held *held; /* ascending by number; fixed before the workers start */
    unsigned n_held;
};

struct worker {
    struct restore *restore;
    struct thread thread;
    struct segment_reader *reader, *pages;
    struct hasher *hasher;
    struct map_reader map;
    struct leaf leaf;
    uint64_t index;
    uint8_t *scratch; /* a block of the target */
    uint8_t *block, *gather; /* gather: the aligned part of block; blocks not yet written */
    size_t gathered;         /* bytes in gather, for gather_offset on */
    uint64_t gather_offset;
    struct restore_report part;
    unsigned first;   /* of the run */
};

static struct held *held_find(struct restore *restore, uint64_t number)
{
    for (unsigned i = 0; i < restore->n_held; i++)
        if (restore->held[i].number == number)
            return &restore->held[i];
    return NULL;
}

/* ---- one block ---- */

/* With --compare: does the target hold these bytes already? By id, or for zeros by looking. */
static int target_has(struct worker *w, uint64_t offset, uint32_t len, const uint8_t *id,
                      bool *same, struct ds_error *err)
{
    uint8_t found[ID_SIZE];
    *same = false;
    int rc = target_read(&w->restore->target, w->scratch, len, offset, err);
    if (rc)
        return rc;
    if (!id)
        *same = is_zero(w->scratch, len);
    else if (!is_zero(w->scratch, len))
        *same = hasher_id(w->hasher, w->scratch, len, found) && memcmp(found, id, ID_SIZE) == 0;
    return DS_OK;
}

/* Writes what was gathered; at the latest at the end of each leaf. */
static int gather_write(struct worker *w, struct ds_error *err)
{
    size_t n = w->gathered;
    w->gathered = 0;
    return n ? target_write(&w->restore->target, w->gather, n, w->gather_offset, err) : DS_OK;
}

/* Joins neighbouring blocks to large, aligned writes. */
static int gather_add(struct worker *w, const void *plain, uint32_t len, uint64_t offset,
                      struct ds_error *err)
{
    int rc = DS_OK;
    if (w->gather_offset + w->gathered != offset || w->gathered + len > GATHER_BYTES)
        rc = gather_write(w, err);
    if (w->gathered == 0)
        w->gather_offset = offset;
    memcpy(w->gather + w->gathered, plain, len);
    w->gathered += len;
    return rc;
}

static int block_write(struct worker *w, uint64_t number, const void *plain, uint32_t len,
                       struct ds_error *err)
{
    struct restore *r = w->restore;
    struct held *held = held_find(r, number);
    if (held) {
        held->data = malloc(len);
        if (!held->data)
            return ds_fail(err, DS_ENOMEM, "no memory to restore");
        memcpy(held->data, plain, len);
        held->len = len;
        return DS_OK;
    }
    w->part.written_bytes += len;
    return gather_add(w, plain, len, number * r->disk->shape.block_size, err);
}

static int block_arrived(void *ud, unsigned i, const struct slot *slot, void *plain, size_t len,
                         struct ds_error *err)
{
    struct worker *w = ud;
    const struct root_disk *disk = w->restore->disk;
    uint64_t number = w->index * FANOUT + w->first + i;
    if (slot->type != SLOT_BLOCK || slot->disk != disk->number || slot->number != number ||
        len != map_block_length(&disk->shape, number) ||
        memcmp(slot->id, w->leaf.ids[w->first + i], ID_SIZE) != 0)
        return ds_fail(err, DS_EDAMAGED, "block %llu of disk %u: its slot holds another block",
                       (unsigned long long)number, disk->number);
    w->part.data_bytes += len;
    return block_write(w, number, plain, (uint32_t)len, err);
}

/* A run of blocks in consecutive slots; with compare only those that differ are fetched. */
static int run_restore(struct worker *w, unsigned first, unsigned count, struct ds_error *err)
{
    const struct segment *segment;
    int rc = segment_get(w->restore->cache, &w->leaf.segments[first], &segment, err);
    if (rc)
        return rc;
    w->first = first;
    rc = segment_read(w->reader, segment, w->leaf.slots[first], count, block_arrived, w, err);
    segment_put(w->restore->cache, segment);
    return rc;
}

static int empty_restore(struct worker *w, unsigned i, struct ds_error *err)
{
    struct restore *r = w->restore;
    const struct map_shape *shape = &r->disk->shape;
    uint64_t number = w->index * FANOUT + i, offset = number * shape->block_size;
    uint32_t len = map_block_length(shape, number);
    bool same = false;
    uint64_t *count = w->leaf.states[i] == BLOCK_ZERO  ? &w->part.zero_bytes
                      : w->leaf.states[i] == BLOCK_BAD ? &w->part.bad_bytes
                                                       : &w->part.unknown_bytes;
    *count += len;
    if (r->target.fresh || held_find(r, number))
        return DS_OK;
    if (r->options->compare) {
        int rc = target_has(w, offset, len, NULL, &same, err);
        if (rc)
            return rc;
        if (same)
            w->part.same_bytes += len;
        else
            w->part.written_bytes += len;
    }
    return same ? DS_OK : target_zero(&r->target, offset, len, err);
}

/* True if block i of the leaf is DATA and, with compare, differs from the target. */
static int block_wanted(struct worker *w, unsigned i, bool *wanted, struct ds_error *err)
{
    struct restore *r = w->restore;
    const struct map_shape *shape = &r->disk->shape;
    uint64_t number = w->index * FANOUT + i;
    uint32_t len = map_block_length(shape, number);
    bool same = false;
    int rc = DS_OK;
    *wanted = w->leaf.states[i] == BLOCK_DATA;
    if (*wanted && r->options->compare && !held_find(r, number))
        rc = target_has(w, number * shape->block_size, len, w->leaf.ids[i], &same, err);
    if (same) {
        w->part.same_bytes += len;
        w->part.data_bytes += len;
        *wanted = false;
    }
    return rc;
}

/* Length of the run of wanted blocks in consecutive slots from i on. */
static unsigned run_length(const struct worker *w, const bool wanted[FANOUT], unsigned i)
{
    unsigned n = 1;
    while (i + n < w->leaf.n && wanted[i + n] && w->leaf.slots[i + n] == w->leaf.slots[i] + n &&
           segment_name_equal(&w->leaf.segments[i + n], &w->leaf.segments[i]))
        n++;
    return n;
}

static int leaf_restore(struct worker *w, struct ds_error *err)
{
    struct ref ref;
    bool wanted[FANOUT] = { false };
    int rc = map_reader_ref(&w->map, 0, w->index, &ref, err);
    if (!rc)
        rc = map_reader_leaf(&w->map, w->index, &ref, true, &w->leaf, err);
    for (unsigned i = 0; !rc && i < w->leaf.n; i++)
        rc = block_wanted(w, i, &wanted[i], err);
    for (unsigned i = 0; !rc && i < w->leaf.n;) {
        unsigned count = 1;
        if (wanted[i]) {
            count = run_length(w, wanted, i);
            rc = run_restore(w, i, count, err);
        } else if (w->leaf.states[i] != BLOCK_DATA) {
            rc = empty_restore(w, i, err);
        }
        i += count;
    }
    return rc ? rc : gather_write(w, err);
}

/* ---- workers ---- */

static void report_add(struct restore_report *sum, const struct restore_report *part)
{
    sum->data_bytes += part->data_bytes;
    sum->zero_bytes += part->zero_bytes;
    sum->unknown_bytes += part->unknown_bytes;
    sum->bad_bytes += part->bad_bytes;
    sum->written_bytes += part->written_bytes;
    sum->same_bytes += part->same_bytes;
}

static bool leaf_take(struct worker *w)
{
    struct restore *r = w->restore;
    mutex_lock(&r->lock);
    if (!r->rc && r->options->interrupted && *r->options->interrupted)
        r->rc = ds_fail(&r->err, DS_ECANCELLED, "interrupted: %s is not complete", r->target.path);
    bool more = !r->rc && r->next < r->disk->shape.n_leaves;
    if (more)
        w->index = r->next++;
    if (more && r->options->progress)
        r->options->progress(r->options->ud, w->index * FANOUT * r->disk->shape.block_size,
                             r->disk->shape.bytes);
    mutex_unlock(&r->lock);
    return more;
}

static void worker_thread(void *arg)
{
    struct worker *w = arg;
    struct restore *r = w->restore;
    struct ds_error err = DS_ERROR_INIT;
    while (leaf_take(w)) {
        int rc = leaf_restore(w, &err);
        mutex_lock(&r->lock);
        if (rc && !r->rc) {
            r->rc = rc;
            r->err = err;
        }
        mutex_unlock(&r->lock);
    }
    mutex_lock(&r->lock);
    report_add(r->report, &w->part);
    mutex_unlock(&r->lock);
}

static bool worker_start(struct worker *w, struct restore *r)
{
    uint32_t block = r->disk->shape.block_size;
    w->restore = r;
    w->reader = segment_reader_new(r->cache, block);
    w->pages = segment_reader_new(r->cache, MAP_PAGE_MAX);
    w->hasher = hasher_new(r->space->id_algorithm, r->space->keys.id);
    w->scratch = malloc(block);
    w->block = malloc(GATHER_BYTES + TARGET_ALIGN);
    if (!w->reader || !w->pages || !w->hasher || !w->scratch || !w->block)
        return false;
    w->gather = w->block + (TARGET_ALIGN - (uintptr_t)w->block % TARGET_ALIGN) % TARGET_ALIGN;
    root_map(&w->map, r->disk, r->cache, w->pages);
    return thread_start(&w->thread, worker_thread, w);
}

static void workers_run(struct restore *r)
{
    unsigned n = r->options->workers;
    if (n < 1 || n > WORKERS_MAX)
        n = n < 1 ? 1 : WORKERS_MAX;
    struct worker *workers = calloc(n, sizeof *workers);
    unsigned started = 0;
    while (workers && started < n && worker_start(&workers[started], r))
        started++;
    if (started < n) {
        mutex_lock(&r->lock);
        if (!r->rc)
            r->rc = ds_fail(&r->err, DS_ENOMEM, "no memory or threads to restore");
        mutex_unlock(&r->lock);
    }
    for (unsigned i = 0; workers && i < n; i++) {
        thread_join(&workers[i].thread);
        segment_reader_free(workers[i].reader);
        segment_reader_free(workers[i].pages);
        hasher_free(workers[i].hasher);
        free(workers[i].scratch);
        free(workers[i].block);
    }
    free(workers);
}

/* ---- what is written last ---- */

static int hold(struct restore *r, uint64_t offset)
{
    uint64_t number = offset / r->disk->shape.block_size;
    if (offset >= r->disk->shape.bytes || held_find(r, number) || r->n_held >= HELD_MAX)
        return DS_OK;
    struct held *held = realloc(r->held, (r->n_held + 1) * sizeof *held);
    if (!held)
        return DS_ENOMEM;
    r->held = held;
    r->held[r->n_held++] = (struct held){ .number = number };
    return DS_OK;
}

/* A reader over the point itself, to find its partitions before anything is written. */
struct point_reader {
    struct restore *restore;
    struct map_reader map;
    struct segment_reader *reader;
    uint8_t *block;
    uint64_t number; /* + 1 of the block that is in `block` */
};

static int point_block(void *ud, unsigned i, const struct slot *slot, void *plain, size_t len,
                       struct ds_error *err)
{
    struct point_reader *p = ud;
    (void)i, (void)slot;
    if (len > p->restore->disk->shape.block_size)
        return ds_fail(err, DS_EDAMAGED, "a block is larger than the disk's blocks");
    memcpy(p->block, plain, len);
    return DS_OK;
}

static int point_load(struct point_reader *p, uint64_t number, struct ds_error *err)
{
    struct ref ref;
    struct leaf leaf;
    const struct segment *segment;
    unsigned i = (unsigned)(number % FANOUT);
    if (p->number == number + 1)
        return DS_OK;
    p->number = 0;
    memset(p->block, 0, p->restore->disk->shape.block_size);
    int rc = map_reader_ref(&p->map, 0, number / FANOUT, &ref, err);
    if (!rc)
        rc = map_reader_leaf(&p->map, number / FANOUT, &ref, false, &leaf, err);
    if (!rc && leaf.states[i] == BLOCK_DATA) {
        rc = segment_get(p->restore->cache, &leaf.segments[i], &segment, err);
        if (!rc) {
            rc = segment_read(p->reader, segment, leaf.slots[i], 1, point_block, p, err);
            segment_put(p->restore->cache, segment);
        }
    }
    p->number = rc ? 0 : number + 1;
    return rc;
}

static int point_pread(void *ctx, void *data, size_t n, uint64_t offset, struct ds_error *err)
{
    struct point_reader *p = ctx;
    uint8_t *out = data;
    uint32_t block = p->restore->disk->shape.block_size;
    int rc = DS_OK;
    while (!rc && n) {
        size_t within = (size_t)(offset % block);
        size_t part = (size_t)min_u64(n, block - within);
        rc = point_load(p, offset / block, err);
        if (!rc)
            memcpy(out, p->block + within, part);
        out += part;
        offset += part;
        n -= part;
    }
    return rc;
}

static int hold_layout(struct restore *r, const struct ds_reader *reader, struct ds_error *err)
{
    struct disk_layout layout;
    int rc = disk_layout_read(&layout, reader, err);
    if (rc)
        return rc;
    rc = hold(r, 0);
    if (layout.table == DISK_TABLE_GPT && !rc)
        rc = hold(r, r->disk->shape.bytes - 1);
    for (size_t i = 0; !rc && i < layout.n_partitions; i++)
        rc = hold(r, layout.partitions[i].extent.offset);
    disk_layout_free(&layout);
    return rc ? ds_fail(err, DS_ENOMEM, "no memory to restore") : DS_OK;
}

static int hold_all(struct restore *r, struct ds_error *err)
{
    struct point_reader p = { .restore = r };
    struct segment_reader *pages = segment_reader_new(r->cache, MAP_PAGE_MAX);
    struct ds_reader reader = { sizeof reader, r->disk->sector, r->disk->shape.bytes, &p,
                                point_pread };
    int rc = DS_OK;
    p.reader = segment_reader_new(r->cache, r->disk->shape.block_size);
    p.block = malloc(r->disk->shape.block_size);
    if (!pages || !p.reader || !p.block)
        rc = ds_fail(err, DS_ENOMEM, "no memory to restore");
    if (!rc) {
        root_map(&p.map, r->disk, r->cache, pages);
        rc = hold_layout(r, &reader, err);
    }
    segment_reader_free(pages);
    segment_reader_free(p.reader);
    free(p.block);
    return rc;
}

/* Before: what the held blocks have on an old target must not look like a whole disk. */
static int held_clear(struct restore *r, struct ds_error *err)
{
    int rc = DS_OK;
    if (r->target.fresh)
        return DS_OK;
    for (unsigned i = 0; !rc && i < r->n_held; i++)
        rc = target_zero(&r->target, r->held[i].number * r->disk->shape.block_size,
                         map_block_length(&r->disk->shape, r->held[i].number), err);
    return rc ? rc : target_sync(&r->target, err);
}

static int held_write(struct restore *r, struct ds_error *err)
{
    int rc = target_sync(&r->target, err);
    /* From the end: the first block, with the partition table, is the very last. */
    for (uint64_t limit = UINT64_MAX; !rc;) {
        struct held *last = NULL;
        for (unsigned i = 0; i < r->n_held; i++)
            if (r->held[i].number < limit && (!last || r->held[i].number > last->number))
                last = &r->held[i];
        if (!last)
            break;
        limit = last->number;
        uint64_t offset = last->number * r->disk->shape.block_size;
        uint32_t len = map_block_length(&r->disk->shape, last->number);
        rc = last->data ? target_write(&r->target, last->data, last->len, offset, err)
                        : target_zero(&r->target, offset, len, err);
        r->report->written_bytes += last->len;
    }
    return rc ? rc : target_sync(&r->target, err);
}

/* ---- the whole ---- */

static int check_target(const struct restore_options *options, struct ds_error *err)
{
    if (options->force)
        return DS_OK;
    for (size_t i = 0; i < options->n_protected; i++)
        if (disk_lies_on(options->target, options->protected_paths[i]))
            return ds_fail(err, DS_EPROTECTED,
                           "%s is a disk that the policy replicates, or lies on one: restore to "
                           "another target, or use --force", options->target);
    return disk_check_unused(options->target, err);
}

static void restore_free(struct restore *r)
{
    for (unsigned i = 0; i < r->n_held; i++)
        free(r->held[i].data);
    free(r->held);
    segment_cache_free(r->cache);
    target_close(&r->target);
    mutex_destroy(&r->lock);
}

int restore_disk(const struct segment_space *space, const struct root_disk *disk,
                 const struct restore_options *options, struct restore_report *report,
                 struct ds_error *err)
{
    struct restore r = { .space = space, .disk = disk, .options = options, .report = report,
                         .err = DS_ERROR_INIT,
                         .target = { .file = OS_FILE_INIT, .direct = OS_FILE_INIT } };
    uint64_t begun = os_mono_ns(), cpu = os_cpu_ns();
    memset(report, 0, sizeof *report);
    report->disk_bytes = disk->shape.bytes;
    int rc = check_target(options, err);
    if (rc)
        return rc;
    r.cache = segment_cache_new(space, CACHE_BYTES);
    if (!r.cache || !mutex_init(&r.lock))
        rc = ds_fail(err, DS_ENOMEM, "no memory to restore");
    if (!rc)
        rc = hold_all(&r, err);
    if (!rc)
        rc = target_open(&r.target, options->target, disk->shape.bytes, options->compare,
                         !options->force, err);
    report->target_bytes = r.target.bytes;
    if (!rc)
        rc = held_clear(&r, err);
    if (!rc) {
        workers_run(&r);
        rc = r.rc;
        if (rc)
            *err = r.err;
    }
    if (!rc)
        rc = held_write(&r, err);
    report->ns = os_mono_ns() - begun;
    report->cpu_ns = os_cpu_ns() - cpu;
    restore_free(&r);
    return rc;
}
