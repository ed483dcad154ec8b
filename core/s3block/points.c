/* SPDX-License-Identifier: Apache-2.0 */
/* points.c - finds and lists the roots of a node; see repository.h. */
#include "core/s3block/repository.h"

#include "core/base/bytes.h"
#include "core/base/log.h"

#include <stdio.h>
#include <stdlib.h>

static void node_prefix(char out[OBJECT_KEY_MAX + 1], const uint8_t node[UUID_SIZE], char kind)
{
    char uuid[UUID_TEXT];
    text_uuid(uuid, node);
    snprintf(out, OBJECT_KEY_MAX + 1, "n/%s/%c/", uuid, kind);
}

static int highest(void *ud, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    uint64_t seq, *best = ud;
    (void)bytes, (void)mtime_ns;
    if (root_key_parse(&seq, 'p', key) && seq > *best)
        *best = seq;
    return 0;
}

/* Lists what comes after the hint, and does not walk from number to number: collect leaves gaps,
 * and a machine that was set back remembers an old number. */
int roots_newest(const struct segment_space *space, uint64_t hint, uint64_t *seq,
                 struct ds_error *err)
{
    char prefix[OBJECT_KEY_MAX + 1], after[OBJECT_KEY_MAX + 1];
    node_prefix(prefix, space->node, 'p');
    root_key(after, space->node, hint);
    *seq = hint;
    return objects_list(space->objects, prefix, hint ? after : NULL, highest, seq, err);
}

static int point_order(const void *a, const void *b)
{
    const struct point *pa = a, *pb = b;
    return pa->seq < pb->seq ? -1 : pa->seq > pb->seq;
}

struct listing {
    struct points *points;
    char kind;
    bool no_memory;
};

static struct point *point_find(const struct points *points, uint64_t seq)
{
    struct point wanted = { .seq = seq };
    if (!points->n)
        return NULL;
    return bsearch(&wanted, points->list, points->n, sizeof wanted, point_order);
}

static int listed(void *ud, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    struct listing *listing = ud;
    struct points *points = listing->points;
    uint64_t seq;
    (void)bytes;
    if (!root_key_parse(&seq, listing->kind, key))
        return 0;
    if (listing->kind == 'f') {
        struct point *point = point_find(points, seq);
        if (point) {
            point->forgotten = true;
            point->forgotten_ns = mtime_ns;
        }
        return 0;
    }
    if ((points->n & (points->n - 1)) == 0) {
        struct point *list = realloc(points->list, (points->n ? points->n * 2 : 1) * sizeof *list);
        if (!list) {
            listing->no_memory = true;
            return 1;
        }
        points->list = list;
    }
    points->list[points->n++] = (struct point){ .seq = seq, .stored_ns = mtime_ns };
    return 0;
}

static int list_kind(struct points *points, const struct segment_space *space, char kind,
                     struct ds_error *err)
{
    struct listing listing = { points, kind, false };
    char prefix[OBJECT_KEY_MAX + 1];
    node_prefix(prefix, space->node, kind);
    int rc = objects_list(space->objects, prefix, NULL, listed, &listing, err);
    return listing.no_memory ? ds_fail(err, DS_ENOMEM, "no memory to list the points") : rc;
}

/* A mark that is not authentic forgets nothing. */
static int read_forgotten(bool *forgotten, const struct segment_space *space, uint64_t seq,
                          struct ds_error *err)
{
    char key[OBJECT_KEY_MAX + 1], uuid[UUID_TEXT];
    uint8_t mark[FORGOTTEN_SIZE], found[FORGOTTEN_SIZE];
    size_t got;
    *forgotten = false;
    text_uuid(uuid, space->node);
    snprintf(key, sizeof key, "n/%s/f/%016llx", uuid, (unsigned long long)seq);
    int rc = objects_get(space->objects, key, 0, found, sizeof found, &got, err);
    if (rc)
        return rc == DS_ENOENT ? DS_OK : rc;
    if (!forgotten_make(mark, seq, space))
        return ds_fail(err, DS_ENOMEM, "libcrypto could not check a mark");
    *forgotten = got == sizeof found && crypto_equal(mark, found, sizeof mark);
    if (!*forgotten)
        log_printf(DS_LOG_WARNING, "point.mark",
                   "%s fails its check: the point is not forgotten", key);
    return DS_OK;
}

int points_read(struct points *points, const struct segment_space *space,
                void (*damaged)(void *ud, uint64_t seq, const struct ds_error *why), void *ud,
                struct ds_error *err)
{
    memset(points, 0, sizeof *points);
    int rc = list_kind(points, space, 'p', err);
    if (!rc && points->n)
        qsort(points->list, points->n, sizeof *points->list, point_order);
    if (!rc)
        rc = list_kind(points, space, 'f', err);
    for (size_t i = 0; !rc && i < points->n; i++) {
        struct point *point = &points->list[i];
        struct ds_error why = DS_ERROR_INIT;
        if (point->forgotten)
            rc = read_forgotten(&point->forgotten, space, point->seq, err);
        if (rc)
            break;
        int read = root_read(&point->root, NULL, space, point->seq, &why);
        point->partial = !read && point->root.flags & ROOT_PARTIAL;
        if (read == DS_EDAMAGED || read == DS_EFORMAT || read == DS_ENOENT || read == DS_EVERSION ||
            read == DS_EFEATURE || read == DS_EPASSPHRASE) {
            point->damaged = true;
            if (damaged)
                damaged(ud, point->seq, &why);
        } else if (read) {
            *err = why;
            rc = read;
        }
    }
    if (rc)
        points_free(points);
    return rc;
}

/* The newest of them all, where the chain of roots has a gap. */
static int newest_listed(uint64_t *seq, const struct segment_space *space, struct ds_error *err)
{
    struct points points;
    int rc = points_read(&points, space, NULL, NULL, err);
    if (rc)
        return rc;
    *seq = 0;
    for (size_t i = 0; i < points.n; i++)
        if (!points.list[i].partial && !points.list[i].forgotten)
            *seq = points.list[i].seq;
    points_free(&points);
    return DS_OK;
}

int point_newest(struct root *root, const struct segment_space *space, struct ds_error *err)
{
    struct ds_error why = DS_ERROR_INIT;
    uint64_t seq;
    memset(root, 0, sizeof *root);
    int rc = roots_newest(space, 0, &seq, err);
    while (!rc && seq) {
        bool forgotten = false;
        int read = root_read(root, NULL, space, seq, &why);
        if (read) { /* damaged, or collected already */
            rc = newest_listed(&seq, space, err);
            if (rc || !seq)
                return rc;
            read = root_read(root, NULL, space, seq, &why);
            return read ? ds_fail(err, read, "%.300s; name another point: disksync points lists "
                                  "them", why.msg) : DS_OK;
        }
        if (!(root->flags & ROOT_PARTIAL))
            rc = read_forgotten(&forgotten, space, seq, err);
        if (!rc && !forgotten && !(root->flags & ROOT_PARTIAL))
            return DS_OK;
        seq = root->previous;
        root_free(root);
    }
    return rc; /* none; or the error */
}

void points_free(struct points *points)
{
    for (size_t i = 0; i < points->n; i++)
        root_free(&points->list[i].root);
    free(points->list);
    memset(points, 0, sizeof *points);
}
