/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c - see verify.h. First the maps of all points are walked, which marks every slot in use;
 * then each segment with a mark is read once, by several workers. The mutex guards the next
 * segment, the report and the list of damaged slots. Points are walked from the newest on: a page
 * that several share is seen below the one that the next sync builds on. */
#include "core/recover/verify.h"

#include "core/base/bytes.h"
#include "core/base/os.h"
#include "core/base/thread.h"
#include "core/recover/damage.h"
#include "core/s3block/marks.h"

#include <stdio.h>
#include <stdlib.h>

#define WORKERS_MAX 16u

struct bad_slot { /* slot UINT32_MAX: the whole segment */
    struct segment_name name;
    uint32_t slot;
};

struct verify {
    const struct segment_space *space;
    const struct verify_options *options;
    struct verify_report *report;
    struct points points;
    struct marks *marks;
    /* What the references above a leaf say of it; of the map of claims_of. */
    struct map_reader *claims;
    struct segment_reader *claims_scratch;
    const struct root_disk *claims_of;
    struct mark **list;
    size_t n, cap, next;
    struct mutex lock;
    struct bad_slot *bad;
    size_t n_bad;
    struct damage_run *runs;
    uint32_t n_runs;
    int rc;
    struct ds_error err;
};

struct worker {
    struct verify *verify;
    struct thread thread;
    struct segment_reader *reader;
    struct hasher *hasher;
    uint32_t epoch; /* whose ids the hasher makes */
    const struct segment *segment;
};

static void tell(struct verify *v, const struct segment_name *name, const char *what)
{
    char key[OBJECT_KEY_MAX + 1] = "";
    if (name)
        segment_key(key, v->space->node, name);
    if (v->options->damaged)
        v->options->damaged(v->options->ud, key, what);
}

static bool is_damage(int rc)
{
    return rc == DS_EDAMAGED || rc == DS_EFORMAT;
}

/* ---- maps ---- */

static int on_damaged_page(void *ud, const struct root_disk *disk, unsigned level, uint64_t index,
                           const struct ref *ref, const struct ds_error *why)
{
    struct verify *v = ud;
    (void)disk, (void)level, (void)index, (void)ref;
    v->report->damaged_pages++;
    tell(v, NULL, why->msg);
    return DS_OK;
}

/* Whether the references above say of a leaf which of its blocks are known as the leaf does: a sync
 * goes by them alone. */
static int leaf_claimed(struct verify *v, const struct root_disk *disk, uint64_t index,
                        const struct leaf *leaf, bool *rightly, struct ds_error *err)
{
    uint64_t known[2], claimed[2], span;
    if (v->claims_of != disk)
        root_map(v->claims, disk, marks_cache(v->marks), v->claims_scratch);
    v->claims_of = disk;
    leaf_known(leaf, known);
    *rightly = true;
    int rc = map_reader_known(v->claims, index, claimed, &span, err);
    if (!rc)
        *rightly = memcmp(known, claimed, sizeof known) == 0;
    return is_damage(rc) ? DS_OK : rc; /* such a page is told of where it is walked */
}

static int claim_check(struct verify *v, const struct root_disk *disk, uint64_t index,
                       const struct leaf *leaf, struct ds_error *err)
{
    char what[128];
    bool rightly;
    int rc = leaf_claimed(v, disk, index, leaf, &rightly, err);
    if (rc || rightly)
        return rc;
    snprintf(what, sizeof what, "leaf %llu of disk %u: its reference says wrongly what is known",
             (unsigned long long)index, disk->number);
    v->report->damaged_pages++;
    tell(v, NULL, what);
    return DS_OK;
}

/* The leaf's ids and places against the tables of the segments. */
static int on_leaf(void *ud, const struct root_disk *disk, uint64_t index, const struct leaf *leaf,
                   struct ds_error *err)
{
    struct verify *v = ud;
    int claim = claim_check(v, disk, index, leaf, err);
    if (claim)
        return claim;
    for (unsigned i = 0; i < leaf->n; i++) {
        const struct segment *segment;
        struct ds_error why = DS_ERROR_INIT;
        uint64_t offset;
        if (leaf->states[i] != BLOCK_DATA)
            continue;
        int rc = segment_get(marks_cache(v->marks), &leaf->segments[i], &segment, &why);
        if (rc == DS_EDAMAGED || rc == DS_EFORMAT)
            continue; /* told when the segment is read */
        if (rc) {
            *err = why;
            return rc;
        }
        const struct slot *slot = segment_slot(segment, leaf->slots[i], &offset);
        if (!slot || offset == UINT64_MAX || slot->type != SLOT_BLOCK ||
            slot->disk != disk->number || slot->number != index * FANOUT + i ||
            memcmp(slot->id, leaf->ids[i], ID_SIZE) != 0) {
            v->report->damaged_blocks++;
            tell(v, &leaf->segments[i], "a slot holds another block than the map says");
        }
        segment_put(marks_cache(v->marks), segment);
    }
    return DS_OK;
}

/* A root names the one before it and its hash: where both are there, they must fit. */
static int chain_check(struct verify *v, size_t i, struct ds_error *err)
{
    const struct point *point = &v->points.list[i], *before = i ? point - 1 : NULL;
    uint8_t hash[HASH_SIZE];
    char what[128];
    struct root root;
    bool good = point->root.previous == point->seq - 1;
    if (good && before && before->seq == point->root.previous && !before->damaged) {
        int rc = root_read(&root, hash, v->space, before->seq, err);
        if (rc)
            return rc == DS_ENOENT || is_damage(rc) ? DS_OK : rc; /* since it was listed */
        root_free(&root);
        good = memcmp(hash, point->root.previous_hash, HASH_SIZE) == 0;
    }
    if (good)
        return DS_OK;
    snprintf(what, sizeof what, "point %llu was built on another root than the one before it",
             (unsigned long long)point->seq);
    v->report->damaged_points++;
    tell(v, NULL, what);
    return DS_OK;
}

static int mark_points(struct verify *v, struct ds_error *err)
{
    struct marks_listener listener = { on_leaf, on_damaged_page, v };
    int rc = DS_OK;
    for (size_t i = v->points.n; !rc && i-- > 0;) {
        const struct point *point = &v->points.list[i];
        bool newest = i + 1 == v->points.n;
        if ((v->options->point && point->seq != v->options->point) ||
            (!v->options->point && (point->forgotten || (point->partial && !newest))))
            continue;
        v->report->points++;
        if (point->damaged)
            v->report->damaged_points++;
        else
            rc = chain_check(v, i, err);
        if (!rc && !point->damaged)
            rc = marks_root(v->marks, &point->root, &listener, err);
        if (!rc && v->options->interrupted && *v->options->interrupted)
            rc = ds_fail(err, DS_ECANCELLED, "interrupted");
    }
    if (!rc && v->report->points == 0 && v->options->point)
        rc = ds_fail(err, DS_ENOPOINT, "there is no point %llu: disksync points lists them",
                     (unsigned long long)v->options->point);
    return rc;
}

/* ---- segments ---- */

static void bad_add(struct verify *v, const struct segment_name *name, uint32_t slot,
                    const char *what)
{
    mutex_lock(&v->lock);
    struct bad_slot *bad = realloc(v->bad, (v->n_bad + 1) * sizeof *bad);
    if (bad) {
        v->bad = bad;
        v->bad[v->n_bad++] = (struct bad_slot){ *name, slot };
    }
    if (slot == UINT32_MAX)
        v->report->damaged_segments++;
    else if (slot & SLOT_MAP)
        v->report->damaged_pages++;
    else
        v->report->damaged_blocks++;
    tell(v, name, what);
    mutex_unlock(&v->lock);
}

static int slot_read(void *ud, unsigned i, const struct slot *slot, void *plain, size_t len,
                     struct ds_error *err)
{
    struct worker *w = ud;
    uint8_t id[ID_SIZE];
    (void)i;
    if (!hasher_id(w->hasher, plain, len, id))
        return ds_fail(err, DS_ENOMEM, "libcrypto could not hash a block");
    if (memcmp(id, slot->id, ID_SIZE) != 0)
        return ds_fail(err, DS_EDAMAGED, "its content is not what its id says");
    mutex_lock(&w->verify->lock);
    if (slot->type == SLOT_BLOCK)
        w->verify->report->blocks++;
    else
        w->verify->report->pages++;
    w->verify->report->bytes += len;
    mutex_unlock(&w->verify->lock);
    return DS_OK;
}

/* Marked slots [from, to) of one kind: as runs, and one by one where a run has damage. */
static int slots_check(struct worker *w, const struct mark *mark, uint32_t n, uint16_t kind,
                       struct ds_error *err)
{
    int rc = DS_OK;
    for (uint32_t i = 0; !rc && i < n;) {
        uint32_t end = i;
        while (end < n && mark_has(mark, (uint16_t)(end | kind)))
            end++;
        if (end == i) {
            i++;
            continue;
        }
        rc = segment_read(w->reader, w->segment, (uint16_t)(i | kind), end - i, slot_read, w, err);
        if (is_damage(rc)) {
            rc = DS_OK;
            for (uint32_t k = i; !rc && k < end; k++) {
                rc =
                    segment_read(w->reader, w->segment, (uint16_t)(k | kind), 1, slot_read, w, err);
                if (is_damage(rc)) {
                    bad_add(w->verify, &mark->name, k | kind, err->msg);
                    rc = DS_OK;
                }
            }
        }
        i = end;
    }
    return rc;
}

/* Ids are made under the key of the segment's epoch. */
static int hasher_for(struct worker *w, uint32_t epoch, struct ds_error *err)
{
    const struct segment_space *space = w->verify->space;
    struct node_keys keys;
    if (w->hasher && w->epoch == epoch)
        return DS_OK;
    int rc = node_keys_derive(&keys, &space->ring, space->repository, space->node, epoch, err);
    if (rc)
        return rc;
    hasher_free(w->hasher);
    w->hasher = hasher_new(space->id_algorithm, keys.id);
    w->epoch = epoch;
    wipe(&keys, sizeof keys);
    return w->hasher ? DS_OK : ds_fail(err, DS_ENOMEM, "no memory to verify");
}

static int segment_check(struct worker *w, const struct mark *mark, struct ds_error *err)
{
    struct segment_cache *cache = marks_cache(w->verify->marks);
    int rc = segment_get(cache, &mark->name, &w->segment, err);
    if (is_damage(rc)) {
        bad_add(w->verify, &mark->name, UINT32_MAX, err->msg);
        return DS_OK;
    }
    if (rc)
        return rc;
    rc = hasher_for(w, w->segment->epoch, err);
    if (!rc)
        rc = slots_check(w, mark, w->segment->n_maps, SLOT_MAP, err);
    if (!rc)
        rc = slots_check(w, mark, w->segment->n_blocks, 0, err);
    segment_put(cache, w->segment);
    return rc;
}

static const struct mark *mark_take(struct verify *v)
{
    const struct mark *mark = NULL;
    mutex_lock(&v->lock);
    if (!v->rc && v->options->interrupted && *v->options->interrupted)
        v->rc = ds_fail(&v->err, DS_ECANCELLED, "interrupted");
    if (!v->rc && v->next < v->n)
        mark = v->list[v->next++];
    if (mark && v->options->progress)
        v->options->progress(v->options->ud, v->next, v->n);
    mutex_unlock(&v->lock);
    return mark;
}

static void worker_thread(void *arg)
{
    struct worker *w = arg;
    struct verify *v = w->verify;
    const struct mark *mark;
    while ((mark = mark_take(v)) != NULL) {
        struct ds_error err = DS_ERROR_INIT;
        int rc = segment_check(w, mark, &err);
        mutex_lock(&v->lock);
        v->report->segments++;
        if (rc && !v->rc) {
            v->rc = rc;
            v->err = err;
        }
        mutex_unlock(&v->lock);
    }
}

static int list_add(void *ud, struct mark *mark, struct ds_error *err)
{
    struct verify *v = ud;
    if (v->n == v->cap) {
        size_t cap = v->cap ? v->cap * 2 : 256;
        struct mark **list = realloc(v->list, cap * sizeof(*list));
        if (!list)
            return ds_fail(err, DS_ENOMEM, "no memory to verify");
        v->list = list;
        v->cap = cap;
    }
    v->list[v->n++] = mark;
    return DS_OK;
}

static int list_order(const void *a, const void *b)
{
    const struct mark *ma = *(struct mark *const *)a, *mb = *(struct mark *const *)b;
    if (ma->name.seq != mb->name.seq)
        return ma->name.seq < mb->name.seq ? -1 : 1;
    if (ma->name.tag != mb->name.tag)
        return ma->name.tag < mb->name.tag ? -1 : 1;
    return ma->name.index < mb->name.index ? -1 : ma->name.index > mb->name.index;
}

static int read_segments(struct verify *v, struct ds_error *err)
{
    unsigned n = v->options->workers;
    int rc = marks_each(v->marks, list_add, v, err);
    if (rc)
        return rc;
    if (v->n)
        qsort(v->list, v->n, sizeof(*v->list), list_order);
    n = n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : n;
    struct worker *workers = calloc(n, sizeof *workers);
    bool good = workers != NULL;
    for (unsigned i = 0; good && i < n; i++) {
        workers[i].verify = v;
        workers[i].reader = segment_reader_new(marks_cache(v->marks), BLOCK_SIZE_MAX);
        good = workers[i].reader &&
               thread_start(&workers[i].thread, worker_thread, &workers[i]);
    }
    for (unsigned i = 0; workers && i < n; i++) {
        thread_join(&workers[i].thread);
        segment_reader_free(workers[i].reader);
        hasher_free(workers[i].hasher);
    }
    free(workers);
    if (!good)
        return ds_fail(err, DS_ENOMEM, "no memory or threads to verify");
    if (v->rc)
        *err = v->err;
    return v->rc;
}

/* ---- what the next sync must heal ---- */

static bool is_bad(const struct verify *v, const struct segment_name *name, uint16_t slot)
{
    for (size_t i = 0; i < v->n_bad; i++)
        if (segment_name_equal(&v->bad[i].name, name) &&
            (v->bad[i].slot == UINT32_MAX || v->bad[i].slot == slot))
            return true;
    return false;
}

static int run_add(struct verify *v, uint16_t disk, uint64_t first, uint64_t count,
                   struct ds_error *err)
{
    v->report->heal_blocks += count;
    struct damage_run *last = v->n_runs ? &v->runs[v->n_runs - 1] : NULL;
    bool joins = last && last->disk == disk && last->first <= first;
    /* When there is room for no more runs, the last one grows over the gap: more is read anew. */
    if (joins && (last->first + last->count == first || v->n_runs == DAMAGE_RUNS_MAX)) {
        last->count = first + count - last->first;
        return DS_OK;
    }
    if (v->n_runs == DAMAGE_RUNS_MAX)
        return ds_fail(err, DS_EDAMAGED, "more is damaged than the record holds: sync --full");
    struct damage_run *runs = realloc(v->runs, (v->n_runs + 1) * sizeof *runs);
    if (!runs)
        return ds_fail(err, DS_ENOMEM, "no memory for the record of damage");
    v->runs = runs;
    v->runs[v->n_runs++] = (struct damage_run){ disk, first, count };
    return DS_OK;
}

static int heal_leaf(void *ud, const struct root_disk *disk, uint64_t index,
                     const struct leaf *leaf, struct ds_error *err)
{
    struct verify *v = ud;
    bool rightly;
    int rc = leaf_claimed(v, disk, index, leaf, &rightly, err);
    for (unsigned i = 0; !rc && i < leaf->n; i++)
        if (!rightly ||
            (leaf->states[i] == BLOCK_DATA && is_bad(v, &leaf->segments[i], leaf->slots[i])))
            rc = run_add(v, disk->number, index * FANOUT + i, 1, err);
    return rc;
}

static int heal_page(void *ud, const struct root_disk *disk, unsigned level, uint64_t index,
                     const struct ref *ref, const struct ds_error *why)
{
    struct verify *v = ud;
    struct ds_error err = DS_ERROR_INIT;
    uint64_t width = (uint64_t)FANOUT << 7 * level;
    (void)ref, (void)why;
    return run_add(v, disk->number, index * width, width, &err);
}

/* Records for the newest root which of its blocks are gone. */
static int record_damage(struct verify *v, struct ds_error *err)
{
    struct marks_listener listener = { heal_leaf, heal_page, v };
    const struct point *newest = v->points.n ? &v->points.list[v->points.n - 1] : NULL;
    if (!newest || newest->damaged ||
        (v->options->point && v->options->point != newest->seq))
        return DS_OK;
    int rc = DS_OK;
    if (v->n_bad || v->report->damaged_pages) {
        struct marks *again = marks_new(v->space);
        rc = again ? marks_root(again, &newest->root, &listener, err)
                   : ds_fail(err, DS_ENOMEM, "no memory to verify");
        marks_free(again);
    }
    if (!rc && v->n_runs)
        rc = damage_write(v->space, newest->seq, v->runs, v->n_runs, err);
    return rc;
}

static void on_damaged_root(void *ud, uint64_t seq, const struct ds_error *why)
{
    struct verify *v = ud;
    (void)seq;
    tell(v, NULL, why->msg);
}

static void verify_free(struct verify *v)
{
    segment_reader_free(v->claims_scratch);
    free(v->claims);
    marks_free(v->marks);
    points_free(&v->points);
    free((void *)v->list);
    free(v->bad);
    free(v->runs);
    mutex_destroy(&v->lock);
}

int verify_points(const struct segment_space *space, const struct verify_options *options,
                  struct verify_report *report, struct ds_error *err)
{
    struct verify v = { .space = space, .options = options, .report = report,
                        .err = DS_ERROR_INIT };
    uint64_t begun = os_mono_ns(), cpu = os_cpu_ns();
    memset(report, 0, sizeof *report);
    v.marks = marks_new(space);
    v.claims = calloc(1, sizeof *v.claims);
    v.claims_scratch = v.marks ? segment_reader_new(marks_cache(v.marks), MAP_PAGE_MAX) : NULL;
    bool good = v.claims && v.claims_scratch && mutex_init(&v.lock);
    int rc = good ? DS_OK : ds_fail(err, DS_ENOMEM, "no memory to verify");
    if (!rc)
        rc = points_read(&v.points, space, on_damaged_root, &v, err);
    if (!rc)
        rc = mark_points(&v, err);
    if (!rc)
        rc = read_segments(&v, err);
    if (!rc)
        rc = record_damage(&v, err);
    report->ns = os_mono_ns() - begun;
    report->cpu_ns = os_cpu_ns() - cpu;
    uint64_t damaged = report->damaged_points + report->damaged_segments + report->damaged_blocks +
                       report->damaged_pages;
    if (!rc && damaged)
        rc = ds_fail(err, DS_EDAMAGED,
                     "damaged: %llu points, %llu segments, %llu blocks, %llu map pages%s",
                     (unsigned long long)report->damaged_points,
                     (unsigned long long)report->damaged_segments,
                     (unsigned long long)report->damaged_blocks,
                     (unsigned long long)report->damaged_pages,
                     report->heal_blocks ? "; the next sync reads what it can anew" : "");
    verify_free(&v);
    return rc;
}
