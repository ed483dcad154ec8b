/* SPDX-License-Identifier: Apache-2.0 */
/* copy.c - see copy.h. The main thread plans leaf after leaf and hands units of up to 2 MiB to the
 * workers through a ring; it takes them back in order and places their blocks. The ring bounds
 * memory: what is planned ahead is at most its length. The mutex guards the units' states and the
 * queue position; a unit's content belongs to whoever its state says. */
#include "core/sync/copy.h"

#include "core/base/bytes.h"
#include "core/base/log.h"
#include "core/base/os.h"
#include "core/base/thread.h"

#include <stdlib.h>

struct plan_leaf { /* what the planner knows of one leaf; shared by its units */
    uint64_t index;
    struct leaf base;
    uint64_t read[2], drop[2], stale[2];
};

enum unit_state { UNIT_FREE, UNIT_QUEUED, UNIT_DONE };

struct unit {
    enum unit_state state;
    struct plan_leaf *leaf;
    unsigned first, end;         /* blocks of the leaf */
    bool first_of_leaf, last_of_leaf;
    uint8_t *out;                /* stored bytes */
    struct prepared prepared[FANOUT]; /* [block - first] */
    uint64_t read_bytes, bad_bytes, torn_bytes, salvaged_bytes;
    int rc;
    struct ds_error err;
};

struct worker {
    struct copier *copier;
    struct thread thread;
    struct preparer *preparer;
    uint8_t *block, *data, *scratch; /* data and scratch: aligned parts of block */
};

struct copier {
    struct mutex lock;
    struct cond queued, done;
    struct unit *units;
    struct plan_leaf *leaves; /* a ring of its own: as many as units */
    unsigned n_units, n_workers;
    uint64_t head, next, tail; /* placed, taken by workers, planned */
    uint64_t leaf_tail;
    bool stop;
    struct copy *copy;
    struct copier_settings settings;
    uint64_t cpu_start, wall_start;
    struct worker workers[COPIER_WORKERS_MAX];
};

static bool bit(const uint64_t bits[2], unsigned i)
{
    return bits[i / 64] >> i % 64 & 1;
}

/* ---- workers ---- */

/* Keeps the process under its share of the processors: sleeps until the time that the work so far
 * may take has passed. */
static void governor(const struct copier *copier)
{
    if (copier->settings.cpu_percent >= 100)
        return;
    double share = (double)copier->settings.cpu_percent / 100 * os_cpu_count();
    for (unsigned i = 0; i < 40; i++) {
        double due = (double)(os_cpu_ns() - copier->cpu_start) / share;
        double wall = (double)(os_mono_ns() - copier->wall_start);
        if (due <= wall)
            break;
        os_sleep_ns(min_u64((uint64_t)(due - wall), UINT64_C(250) * 1000000));
    }
}

/* Reads blocks [from, to) of the unit's leaf into the worker's buffer. *hole: they are a hole of
 * the source's file and were not read. */
static int blocks_read(struct worker *worker, struct unit *unit, unsigned from, unsigned to,
                       bool *hole, bool *torn, struct ds_error *err)
{
    const struct copy *copy = worker->copier->copy;
    uint64_t first = unit->leaf->index * FANOUT + from;
    uint64_t offset = first * copy->shape.block_size;
    uint64_t end = min_u64(offset + (uint64_t)(to - from) * copy->shape.block_size,
                           copy->shape.bytes);
    size_t n = (size_t)(end - offset);
    *hole = source_next_data(copy->source, offset, end) >= end;
    if (*hole)
        return DS_OK;
    return source_read(copy->source, worker->data, n, offset, worker->scratch, torn, err);
}

static int block_prepare(struct worker *worker, struct unit *unit, unsigned i, const uint8_t *plain,
                         uint8_t **out, struct ds_error *err)
{
    const struct copy *copy = worker->copier->copy;
    const struct plan_leaf *leaf = unit->leaf;
    struct prepared *prepared = &unit->prepared[i - unit->first];
    bool trusted = !bit(leaf->stale, i);
    uint64_t number = leaf->index * FANOUT + i;
    struct block_before before = { .disk = copy->disk, .number = number, .salvage = copy->salvage };
    if (trusted && leaf->base.states[i] == BLOCK_DATA && leaf->base.has_ids)
        before.id = leaf->base.ids[i];
    before.zero = trusted && leaf->base.states[i] == BLOCK_ZERO;
    uint32_t len = map_block_length(&copy->shape, number);
    int rc = preparer_block(worker->preparer, plain, len, &before, *out, prepared, err);
    *out += prepared->stored;
    unit->read_bytes += len;
    if (prepared->salvaged)
        unit->salvaged_bytes += len;
    return rc;
}

/* A block that can't be read is BAD and is looked at again next time. */
static void block_bad(struct worker *worker, struct unit *unit, unsigned i)
{
    const struct copy *copy = worker->copier->copy;
    unit->prepared[i - unit->first] = (struct prepared){ .state = BLOCK_BAD };
    unit->bad_bytes += map_block_length(&copy->shape, unit->leaf->index * FANOUT + i);
}

/* A block in a hole is zero without a look at it. */
static void block_zero(struct worker *worker, struct unit *unit, unsigned i)
{
    const struct copy *copy = worker->copier->copy;
    const struct plan_leaf *leaf = unit->leaf;
    bool same = !bit(leaf->stale, i) && leaf->base.states[i] == BLOCK_ZERO;
    unit->prepared[i - unit->first] = (struct prepared){ .state = BLOCK_ZERO, .same = same };
    unit->read_bytes += map_block_length(&copy->shape, leaf->index * FANOUT + i);
}

/* One run of blocks that are read together; after a read error, block by block. */
static int run_process(struct worker *worker, struct unit *unit, unsigned from, unsigned to,
                       uint8_t **out)
{
    const struct copy *copy = worker->copier->copy;
    bool torn = false, hole = false;
    int rc = blocks_read(worker, unit, from, to, &hole, &torn, &unit->err);
    if (rc == DS_EIO && to - from > 1) {
        rc = DS_OK;
        for (unsigned i = from; !rc && i < to; i++)
            rc = run_process(worker, unit, i, i + 1, out);
        return rc;
    }
    if (rc == DS_EIO) {
        log_printf(DS_LOG_WARNING, "source.unreadable", "%s", unit->err.msg);
        block_bad(worker, unit, from);
        return DS_OK;
    }
    if (hole) {
        for (unsigned i = from; i < to; i++)
            block_zero(worker, unit, i);
        return rc;
    }
    const uint8_t *plain = worker->data;
    for (unsigned i = from; !rc && i < to; i++, plain += copy->shape.block_size) {
        rc = block_prepare(worker, unit, i, plain, out, &unit->err);
        if (torn)
            unit->torn_bytes += copy->shape.block_size;
    }
    return rc;
}

static void unit_process(struct worker *worker, struct unit *unit)
{
    uint8_t *out = unit->out;
    unit->read_bytes = unit->bad_bytes = unit->torn_bytes = unit->salvaged_bytes = 0;
    unit->rc = DS_OK;
    for (unsigned i = unit->first; !unit->rc && i < unit->end;) {
        unsigned end = i;
        while (end < unit->end && bit(unit->leaf->read, end))
            end++;
        if (end > i)
            unit->rc = run_process(worker, unit, i, end, &out);
        i = end + (end == i);
    }
    governor(worker->copier);
}

static void worker_thread(void *arg)
{
    struct worker *worker = arg;
    struct copier *copier = worker->copier;
    mutex_lock(&copier->lock);
    for (;;) {
        while (copier->next == copier->tail && !copier->stop)
            cond_wait(&copier->queued, &copier->lock);
        if (copier->stop)
            break;
        struct unit *unit = &copier->units[copier->next++ % copier->n_units];
        mutex_unlock(&copier->lock);
        unit_process(worker, unit);
        mutex_lock(&copier->lock);
        unit->state = UNIT_DONE;
        cond_signal(&copier->done);
    }
    mutex_unlock(&copier->lock);
}

/* ---- life ---- */

static unsigned unit_blocks(uint32_t block_size)
{
    size_t n = COPY_UNIT / block_size;
    return n < 1 ? 1 : n > FANOUT ? FANOUT : (unsigned)n;
}

static bool worker_start(struct copier *copier, const struct segment_space *space,
                         struct worker *worker)
{
    worker->copier = copier;
    worker->preparer = preparer_new(space, copier->settings.level);
    worker->block = malloc(2 * COPY_UNIT + 4096);
    if (!worker->preparer || !worker->block)
        return false;
    worker->data = worker->block + (4096 - (uintptr_t)worker->block % 4096) % 4096;
    worker->scratch = worker->data + COPY_UNIT;
    return thread_start(&worker->thread, worker_thread, worker);
}

int copier_new(struct copier **out, const struct segment_space *space,
               const struct copier_settings *settings, struct ds_error *err)
{
    struct copier *copier = calloc(1, sizeof *copier);
    bool good = copier && mutex_init(&copier->lock) && cond_init(&copier->queued) &&
                cond_init(&copier->done);
    *out = copier;
    if (good) {
        copier->settings = *settings;
        copier->n_workers = settings->workers;
        if (copier->n_workers > COPIER_WORKERS_MAX)
            copier->n_workers = COPIER_WORKERS_MAX;
        copier->n_units = settings->units;
        copier->cpu_start = os_cpu_ns();
        copier->wall_start = os_mono_ns();
        copier->units = calloc(copier->n_units, sizeof *copier->units);
        copier->leaves = calloc(copier->n_units, sizeof *copier->leaves);
        good = copier->units && copier->leaves;
    }
    for (unsigned i = 0; good && i < copier->n_units; i++) {
        copier->units[i].out = malloc(COPY_UNIT + preparer_room(settings->block_size));
        copier->units[i].err = (struct ds_error)DS_ERROR_INIT;
        good = copier->units[i].out != NULL;
    }
    for (unsigned i = 0; good && i < copier->n_workers; i++)
        good = worker_start(copier, space, &copier->workers[i]);
    if (good)
        return DS_OK;
    copier_free(copier);
    *out = NULL;
    return ds_fail(err, DS_ENOMEM, "no memory or threads to copy a disk");
}

void copier_free(struct copier *copier)
{
    if (!copier)
        return;
    if (copier->queued.impl) {
        mutex_lock(&copier->lock);
        copier->stop = true;
        cond_broadcast(&copier->queued);
        mutex_unlock(&copier->lock);
    }
    for (unsigned i = 0; i < copier->n_workers; i++) {
        thread_join(&copier->workers[i].thread);
        preparer_free(copier->workers[i].preparer);
        free(copier->workers[i].block);
    }
    for (unsigned i = 0; copier->units && i < copier->n_units; i++)
        free(copier->units[i].out);
    free(copier->units);
    free(copier->leaves);
    cond_destroy(&copier->done);
    cond_destroy(&copier->queued);
    mutex_destroy(&copier->lock);
    free(copier);
}

/* ---- placing, in order ---- */

static int again(struct copy *copy, const struct unit *unit, struct ds_error *err)
{
    uint64_t first = unit->leaf->index * FANOUT + unit->first;
    struct ds_extent extent = { first * copy->shape.block_size,
                                (uint64_t)(unit->end - unit->first) * copy->shape.block_size };
    extent.length = min_u64(extent.length, copy->shape.bytes - extent.offset);
    return copy->again ? copy->again(copy->ud, &extent, err) : DS_OK;
}

static int drops_place(struct copy *copy, const struct plan_leaf *leaf, struct ds_error *err)
{
    struct prepared unknown = { .state = BLOCK_UNKNOWN };
    int rc = DS_OK;
    for (unsigned i = 0; !rc && i < leaf->base.n; i++)
        if (bit(leaf->drop, i))
            rc = point_writer_block(copy->writer, i, &unknown, err);
    return rc;
}

static int unit_place(struct copier *copier, struct unit *unit, struct ds_error *err)
{
    struct copy *copy = copier->copy;
    int rc = unit->rc;
    if (rc) {
        *err = unit->err;
        return rc;
    }
    if (unit->first_of_leaf) {
        point_writer_leaf_begin(copy->writer, unit->leaf->index, &unit->leaf->base);
        rc = drops_place(copy, unit->leaf, err);
    }
    for (unsigned i = unit->first; !rc && i < unit->end; i++)
        if (bit(unit->leaf->read, i))
            rc = point_writer_block(copy->writer, i, &unit->prepared[i - unit->first], err);
    copy->read_bytes += unit->read_bytes;
    copy->bad_bytes += unit->bad_bytes;
    copy->torn_bytes += unit->torn_bytes;
    copy->salvaged_bytes += unit->salvaged_bytes;
    if (!rc && (unit->bad_bytes || unit->torn_bytes))
        rc = again(copy, unit, err);
    if (!rc && unit->last_of_leaf) {
        rc = point_writer_leaf_end(copy->writer, err);
        uint64_t end = (unit->leaf->index + 1) * FANOUT * copy->shape.block_size;
        if (!rc && copy->pause)
            rc = copy->pause(copy->ud, min_u64(end, copy->shape.bytes), err);
    }
    return rc;
}

/* Takes back the oldest unit and places it. */
static int ring_take(struct copier *copier, struct ds_error *err)
{
    struct unit *unit = &copier->units[copier->head % copier->n_units];
    mutex_lock(&copier->lock);
    while (unit->state != UNIT_DONE)
        cond_wait(&copier->done, &copier->lock);
    mutex_unlock(&copier->lock);
    int rc = unit_place(copier, unit, err);
    unit->state = UNIT_FREE;
    copier->head++;
    return rc;
}

/* Waits for the workers and forgets what they did. */
static void ring_drop(struct copier *copier)
{
    mutex_lock(&copier->lock);
    for (; copier->head < copier->tail; copier->head++) {
        struct unit *unit = &copier->units[copier->head % copier->n_units];
        while (unit->state != UNIT_DONE)
            cond_wait(&copier->done, &copier->lock);
        unit->state = UNIT_FREE;
    }
    mutex_unlock(&copier->lock);
}

static int ring_drain(struct copier *copier, struct ds_error *err)
{
    int rc = DS_OK;
    while (!rc && copier->head < copier->tail)
        rc = ring_take(copier, err);
    return rc;
}

/* ---- planning ---- */

static int unit_queue(struct copier *copier, struct plan_leaf *leaf, unsigned first, unsigned end,
                      bool first_of_leaf, bool last_of_leaf, struct ds_error *err)
{
    int rc = DS_OK;
    while (!rc && copier->tail - copier->head == copier->n_units)
        rc = ring_take(copier, err);
    if (rc)
        return rc;
    struct unit *unit = &copier->units[copier->tail % copier->n_units];
    unit->leaf = leaf;
    unit->first = first;
    unit->end = end;
    unit->first_of_leaf = first_of_leaf;
    unit->last_of_leaf = last_of_leaf;
    mutex_lock(&copier->lock);
    unit->state = UNIT_QUEUED;
    copier->tail++;
    cond_signal(&copier->queued);
    mutex_unlock(&copier->lock);
    return DS_OK;
}

/* Queues the leaf's units: those with something to read, and at least one. */
static int leaf_queue(struct copier *copier, struct plan_leaf *leaf, struct ds_error *err)
{
    unsigned step = unit_blocks(copier->copy->shape.block_size), pending = 0, pending_end = 0;
    bool first = true, any = false;
    int rc = DS_OK;
    for (unsigned i = 0; !rc && i < leaf->base.n; i += step) {
        unsigned end = i + step < leaf->base.n ? i + step : leaf->base.n;
        bool reads = false;
        for (unsigned k = i; k < end; k++)
            reads |= bit(leaf->read, k);
        if (!reads)
            continue;
        if (any) {
            rc = unit_queue(copier, leaf, pending, pending_end, first, false, err);
            first = false;
        }
        any = true;
        pending = i;
        pending_end = end;
    }
    return rc ? rc : unit_queue(copier, leaf, pending, pending_end, first, true, err);
}

/* 128 bits of a window's bitmap from a multiple of 64 on. */
static void leaf_bits(const struct bitmap *map, uint64_t first, uint64_t out[2])
{
    size_t word = (size_t)(first / 64);
    out[0] = word < map->n_words ? map->words[word] : 0;
    out[1] = word + 1 < map->n_words ? map->words[word + 1] : 0;
}

struct plan { /* one window */
    struct ds_window window;
    struct bitmap used, changed, stale;
    bool has_stale;
};

/* The rule, for one leaf. */
static int leaf_plan(struct copier *copier, const struct plan *plan, uint64_t index,
                     const uint64_t base_known[2], struct ds_error *err)
{
    struct copy *copy = copier->copy;
    uint64_t first = index * FANOUT - plan->window.from / copy->shape.block_size;
    uint64_t used[2], changed[2], stale[2] = { 0, 0 }, read[2], drop[2];
    leaf_bits(&plan->used, first, used);
    leaf_bits(&plan->changed, first, changed);
    if (plan->has_stale)
        leaf_bits(&plan->stale, first, stale);
    for (unsigned w = 0; w < 2; w++) {
        changed[w] |= stale[w];
        uint64_t known = base_known[w] & ~stale[w];
        read[w] = used[w] & (changed[w] | ~known);
        /* What is stale is dropped even if it was not known: the page itself may be damaged. */
        drop[w] = ~used[w] & changed[w] & (base_known[w] | stale[w]);
    }
    if (!(read[0] | read[1] | drop[0] | drop[1]))
        return DS_OK;
    /* A leaf's place in its ring is free once the unit before it in the ring of units is. */
    struct plan_leaf *leaf = &copier->leaves[copier->leaf_tail++ % copier->n_units];
    uint64_t there[2];
    int rc = DS_OK;
    while (!rc && copier->tail - copier->head == copier->n_units)
        rc = ring_take(copier, err);
    if (!rc)
        rc = point_writer_peek(copy->writer, index, &leaf->base, err);
    if (rc)
        return rc;
    /* A leaf that can't be read any more came as UNKNOWN: the page above promised too much. */
    leaf_known(&leaf->base, there);
    for (unsigned w = 0; w < 2; w++)
        read[w] |= used[w] & ~there[w];
    leaf->index = index;
    memcpy(leaf->read, read, sizeof read);
    memcpy(leaf->drop, drop, sizeof drop);
    memcpy(leaf->stale, stale, sizeof stale);
    return leaf_queue(copier, leaf, err);
}

/* Leaves from `index` on that have nothing to do, where the base knows all or nothing of them. */
static uint64_t leaves_idle(const struct plan *plan, uint64_t first_block, uint64_t known,
                            uint64_t leaves)
{
    /* All known: only a change matters. Nothing known: only what is used. */
    uint64_t next = bitmap_next(known ? &plan->changed : &plan->used, first_block);
    if (plan->has_stale)
        next = min_u64(next, bitmap_next(&plan->stale, first_block));
    return min_u64((next - first_block) / FANOUT, leaves);
}

static int window_plan(struct copier *copier, const struct plan *plan, struct ds_error *err)
{
    struct copy *copy = copier->copy;
    uint64_t width = (uint64_t)FANOUT * copy->shape.block_size;
    uint64_t index = plan->window.from / width, end = div_round_up(plan->window.to, width);
    int rc = DS_OK;
    while (!rc && index < end) {
        uint64_t known[2], span;
        rc = point_writer_known(copy->writer, index, known, &span, err);
        span = min_u64(span, end - index);
        while (!rc && span) {
            uint64_t first = (index - plan->window.from / width) * FANOUT;
            bool uniform = known[0] == known[1] && (known[0] == 0 || known[0] == ~UINT64_C(0));
            uint64_t idle = uniform ? leaves_idle(plan, first, known[0], span) : 0;
            if (!idle) {
                rc = leaf_plan(copier, plan, index, known, err);
                idle = 1;
            }
            index += idle;
            span -= idle;
            if (copy->interrupted && *copy->interrupted)
                rc = ds_fail(err, DS_ECANCELLED, "interrupted");
        }
    }
    return rc;
}

/* Bytes of the set blocks; the last block of the disk may be short. */
static uint64_t bytes_of(const struct copy *copy, const struct plan *plan, const struct bitmap *map)
{
    uint64_t n = bitmap_count(map) * copy->shape.block_size;
    uint64_t short_by = copy->shape.n_blocks * copy->shape.block_size - copy->shape.bytes;
    if (plan->window.to == copy->shape.bytes && bitmap_get(map, map->bits - 1))
        n -= short_by;
    return n;
}

static int window_copy(struct copier *copier, struct plan *plan, struct ds_error *err)
{
    struct copy *copy = copier->copy;
    int rc = volumes_used(copy->volumes, plan->window, copy->shape.block_size, &plan->used, err);
    if (!rc && copy->changed)
        rc = copy->changed(copy->ud, plan->window, &plan->changed, err);
    else
        bitmap_set(&plan->changed, 0, plan->changed.bits);
    if (!rc && copy->stale)
        rc = copy->stale(copy->ud, plan->window, &plan->stale, err);
    if (rc)
        return rc;
    plan->has_stale = bitmap_next(&plan->stale, 0) < plan->stale.bits;
    copy->used_bytes += bytes_of(copy, plan, &plan->used);
    copy->changed_bytes += bytes_of(copy, plan, &plan->changed);
    return window_plan(copier, plan, err);
}

int copy_disk(struct copier *copier, struct copy *copy, struct ds_error *err)
{
    int rc = DS_OK;
    copier->copy = copy;
    for (uint64_t from = 0; !rc && from < copy->shape.bytes; from += COPY_WINDOW) {
        struct plan plan = { .window = { from, min_u64(from + COPY_WINDOW, copy->shape.bytes) } };
        uint64_t blocks = div_round_up(plan.window.to - from, copy->shape.block_size);
        if (!bitmap_init(&plan.used, blocks) || !bitmap_init(&plan.changed, blocks) ||
            !bitmap_init(&plan.stale, blocks))
            rc = ds_fail(err, DS_ENOMEM, "no memory to plan a window");
        else
            rc = window_copy(copier, &plan, err);
        bitmap_free(&plan.used);
        bitmap_free(&plan.changed);
        bitmap_free(&plan.stale);
    }
    if (!rc)
        rc = ring_drain(copier, err);
    if (rc)
        ring_drop(copier);
    return rc;
}
