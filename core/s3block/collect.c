/* SPDX-License-Identifier: Apache-2.0 */
/* collect.c - returns the space of what no live root refers to. Why it is safe beside a sync: a
 * sync that is under way builds on the newest root, so it inherits only what that root refers to,
 * which is live; what it stores or salvages has a higher number than the newest point (checkpoints
 * do not count), and such segments are never touched. What is dead once stays dead, so collects
 * may run beside each other too. Roots go before their data: a root that is there can be read
 * whole. */
#include "core/s3block/collect.h"

#include "core/base/bytes.h"
#include "core/s3block/marks.h"
#include "core/s3block/segment_internal.h"

#include <stdio.h>
#include <stdlib.h>

struct collect {
    const struct segment_space *space;
    const struct collect_options *options;
    struct collect_report *report;
    struct points points;
    struct marks *marks;
    uint64_t newest; /* that is no checkpoint */
    struct ds_error *err;
};

/* A root that nobody needs: a checkpoint under the newest point, or forgotten for long. */
static bool root_dead(const struct collect *c, const struct point *point, bool *waiting)
{
    *waiting = false;
    if (point->seq >= c->newest)
        return false;
    if (point->partial)
        return true;
    if (!point->forgotten)
        return false;
    *waiting = c->options->now_ns - point->forgotten_ns < c->options->grace_ns;
    return !*waiting;
}

static int mark_live(struct collect *c)
{
    int rc = DS_OK;
    for (size_t i = 0; !rc && i < c->points.n; i++) {
        struct point *point = &c->points.list[i];
        bool waiting;
        if (root_dead(c, point, &waiting))
            continue;
        c->report->roots_waiting += waiting;
        if (point->damaged)
            return ds_fail(c->err, DS_EDAMAGED,
                           "point %llu can't be read, so what it needs is not known: nothing was "
                           "removed. Forget it first: disksync forget --point %llu",
                           (unsigned long long)point->seq, (unsigned long long)point->seq);
        rc = marks_root(c->marks, &point->root, NULL, c->err);
        if (rc == DS_EDAMAGED) {
            struct ds_error why = *c->err;
            ds_fail(c->err, rc, "%.400s: nothing was removed", why.msg);
        }
        if (!rc && c->options->interrupted && *c->options->interrupted)
            rc = ds_fail(c->err, DS_ECANCELLED, "interrupted");
    }
    return rc;
}

static int remove_root(struct collect *c, const struct point *point)
{
    char key[OBJECT_KEY_MAX + 1];
    root_key(key, c->space->node, point->seq);
    c->report->roots_removed++;
    if (c->options->dry_run)
        return DS_OK;
    int rc = objects_remove(c->space->objects, key, c->err);
    char *kind = strstr(key, "/p/");
    if (!rc && point->forgotten && kind) {
        kind[1] = 'f';
        rc = objects_remove(c->space->objects, key, c->err);
    }
    return rc;
}

static int remove_roots(struct collect *c)
{
    int rc = DS_OK;
    bool waiting;
    for (size_t i = 0; !rc && i < c->points.n; i++)
        if (root_dead(c, &c->points.list[i], &waiting))
            rc = remove_root(c, &c->points.list[i]);
    return rc;
}

/* ---- lists ---- */

struct found {
    char key[OBJECT_KEY_MAX + 1];
    uint64_t bytes;
};
struct found_list {
    struct found *list;
    size_t n;
    bool no_memory;
};

static int object_listed(void *ud, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    struct found_list *found = ud;
    (void)mtime_ns;
    if ((found->n & (found->n - 1)) == 0) {
        struct found *list = realloc(found->list, (found->n ? found->n * 2 : 1) * sizeof *list);
        if (!list) {
            found->no_memory = true;
            return 1;
        }
        found->list = list;
    }
    text_copy(found->list[found->n].key, sizeof found->list[0].key, key);
    found->list[found->n++].bytes = bytes;
    return 0;
}

static int list_below(struct collect *c, char kind, struct found_list *found)
{
    char prefix[OBJECT_KEY_MAX + 1], uuid[UUID_TEXT];
    text_uuid(uuid, c->space->node);
    snprintf(prefix, sizeof prefix, "n/%s/%c/", uuid, kind);
    int rc = objects_list(c->space->objects, prefix, NULL, object_listed, found, c->err);
    return found->no_memory ? ds_fail(c->err, DS_ENOMEM, "no memory to list %s", prefix) : rc;
}

/* ---- records of damage ---- */

/* Only the sync that builds on a root reads its record, and none builds on one before the newest
 * point: a sync that has begun there can't commit any more. */
static int remove_records(struct collect *c)
{
    struct found_list found = { .n = 0 };
    int rc = list_below(c, 'd', &found);
    for (size_t i = 0; !rc && i < found.n; i++) {
        uint64_t seq;
        if (!root_key_parse(&seq, 'd', found.list[i].key) || seq >= c->newest)
            continue;
        c->report->records_removed++;
        if (!c->options->dry_run)
            rc = objects_remove(c->space->objects, found.list[i].key, c->err);
    }
    free(found.list);
    return rc;
}

/* ---- segments ---- */

/* A slot that was read wrong must not be written back: each is opened before. */
static bool slot_whole(const struct segment *segment, uint32_t i, const uint8_t *object,
                       uint16_t number, uint8_t *scratch)
{
    size_t n = segment->slots[i].stored;
    struct sealer *sealer = sealer_new(number & SLOT_MAP ? segment->map_key : segment->data_key);
    memcpy(scratch, object + segment->offsets[i], n);
    bool good = sealer && sealer_open(sealer, number, object, SEGMENT_HEADER_SIZE, scratch, n,
                                      object + segment->offsets[i] + n);
    sealer_free(sealer);
    return good;
}

/* Likewise the table: it is written back as it was read. */
static bool table_whole(const struct segment *segment, const uint8_t *object, size_t bitmap_len,
                        size_t table_len)
{
    size_t rows = table_len - TAG_SIZE;
    const uint8_t *sealed = object + SEGMENT_HEADER_SIZE + bitmap_len;
    uint8_t *table = malloc(rows);
    struct sealer *sealer = sealer_new(segment->map_key);
    if (table)
        memcpy(table, sealed, rows);
    bool good = table && sealer &&
                sealer_open(sealer, TABLE_NONCE, object, SEGMENT_HEADER_SIZE, table, rows,
                            sealed + rows);
    sealer_free(sealer);
    free(table);
    return good;
}

/* The object without the slots that are not marked: header and table as they were, the bitmap and
 * the sealed bytes of what stays. False if a slot that stays fails its check. */
static bool cut_out(struct dynbuf *out, const struct segment *segment, const struct mark *mark,
                    const uint8_t *object, size_t bitmap_len, size_t table_len)
{
    size_t start = out->len, bitmap = SEGMENT_HEADER_SIZE;
    uint8_t *scratch = malloc(BLOCK_SIZE_MAX);
    bool whole = scratch != NULL;
    dynbuf_add(out, object, SEGMENT_HEADER_SIZE + bitmap_len + table_len);
    for (uint32_t i = 0; whole && dynbuf_ok(out) && i < segment->n_maps + segment->n_blocks; i++) {
        bool map = i < segment->n_maps;
        uint16_t number = (uint16_t)(map ? i | SLOT_MAP : i - segment->n_maps);
        if (segment->offsets[i] == UINT64_MAX)
            continue;
        if (mark_has(mark, number))
            whole = slot_whole(segment, i, object, number, scratch);
        if (mark_has(mark, number))
            dynbuf_add(out, object + segment->offsets[i], segment->slots[i].stored + TAG_SIZE);
        else if (dynbuf_ok(out))
            out->data[start + bitmap + i / 8] &= (uint8_t)~(1u << i % 8);
    }
    free(scratch);
    return whole;
}

static int rewrite(struct collect *c, const char *key, const struct segment *segment,
                   const struct mark *mark)
{
    struct dynbuf object = DYNBUF_INIT(SEGMENT_OBJECT_MAX + ((size_t)8 << 20));
    struct dynbuf thin = DYNBUF_INIT(SEGMENT_OBJECT_MAX);
    struct segment_head head;
    size_t bitmap_len, table_len;
    int rc = objects_get_all(c->space->objects, key, SEGMENT_OBJECT_MAX, &object, c->err);
    if (!rc)
        rc = segment_head_parse(&head, &bitmap_len, &table_len, object.data, object.len, key,
                                c->err);
    /* Another collect may have rewritten it meanwhile: then it is thin already. */
    if (!rc && object.len == segment->object_bytes &&
        memcmp(object.data, segment->head, SEGMENT_HEADER_SIZE + bitmap_len) == 0) {
        if (!table_whole(segment, object.data, bitmap_len, table_len) ||
            !cut_out(&thin, segment, mark, object.data, bitmap_len, table_len))
            rc = ds_fail(c->err, DS_EDAMAGED, "%s is damaged and was left as it is: run disksync "
                         "verify", key);
        else if (!dynbuf_ok(&thin))
            rc = ds_fail(c->err, DS_ENOMEM, "no memory to rewrite %s", key);
        if (!rc)
            rc = objects_put(c->space->objects, key, thin.data, thin.len, 0, c->err);
        if (!rc) {
            c->report->segments_rewritten++;
            c->report->bytes_freed += object.len - thin.len;
        }
    }
    dynbuf_free(&object);
    dynbuf_free(&thin);
    return rc;
}

/* Rewrites a segment of which more than a quarter is dead. */
static int thin_out(struct collect *c, const char *key, const struct mark *mark)
{
    const struct segment *segment;
    uint64_t dead = 0;
    int rc = segment_get(marks_cache(c->marks), &mark->name, &segment, c->err);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < segment->n_maps + segment->n_blocks; i++) {
        bool map = i < segment->n_maps;
        uint16_t number = (uint16_t)(map ? i | SLOT_MAP : i - segment->n_maps);
        if (segment->offsets[i] != UINT64_MAX && !mark_has(mark, number))
            dead += segment->slots[i].stored + TAG_SIZE;
    }
    c->report->segments_kept++;
    if (dead * 4 > segment->object_bytes) {
        if (c->options->dry_run) {
            c->report->segments_rewritten++;
            c->report->bytes_freed += dead;
        } else {
            rc = rewrite(c, key, segment, mark);
        }
    }
    segment_put(marks_cache(c->marks), segment);
    return rc;
}

static int sweep_one(struct collect *c, const struct found *found)
{
    struct segment_name name;
    if (!segment_key_parse(&name, found->key) || name.seq > c->newest)
        return DS_OK;
    const struct mark *mark = marks_find(c->marks, &name);
    if (mark)
        return thin_out(c, found->key, mark);
    c->report->segments_removed++;
    c->report->bytes_freed += found->bytes;
    return c->options->dry_run ? DS_OK : objects_remove(c->space->objects, found->key, c->err);
}

static int sweep(struct collect *c)
{
    struct found_list found = { .n = 0 };
    int rc = list_below(c, 's', &found);
    for (size_t i = 0; !rc && i < found.n; i++) {
        rc = sweep_one(c, &found.list[i]);
        if (c->options->progress)
            c->options->progress(c->options->ud, i + 1, found.n);
        if (!rc && c->options->interrupted && *c->options->interrupted)
            rc = ds_fail(c->err, DS_ECANCELLED, "interrupted");
    }
    free(found.list);
    return rc;
}

int collect_run(const struct segment_space *space, const struct collect_options *options,
                struct collect_report *report, struct ds_error *err)
{
    struct collect c = { .space = space, .options = options, .report = report, .err = err };
    memset(report, 0, sizeof *report);
    int rc = points_read(&c.points, space, NULL, NULL, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < c.points.n; i++)
        if (!c.points.list[i].partial)
            c.newest = max_u64(c.newest, c.points.list[i].seq);
    c.marks = marks_new(space);
    if (!c.marks)
        rc = ds_fail(err, DS_ENOMEM, "no memory to collect");
    if (!rc)
        rc = mark_live(&c);
    if (!rc)
        rc = remove_roots(&c);
    if (!rc)
        rc = remove_records(&c);
    if (!rc)
        rc = sweep(&c);
    marks_free(c.marks);
    points_free(&c.points);
    return rc;
}
