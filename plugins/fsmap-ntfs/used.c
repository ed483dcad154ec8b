/* SPDX-License-Identifier: Apache-2.0 */
/* used.c - the used extents of a window: $Bitmap, read in pieces, merged with the ranges that count
 * as used whatever the bitmap says. Both come in ascending order, so the result does too, without
 * a list of it in memory. */
#include "used.h"

#include "bitmap.h"
#include "bytes.h"
#include "files.h"
#include "volume.h"

#include <disksync/helpers.h>

#define USED_BATCH 256u /* extents handed out at once */

struct used { /* merges two ascending sequences of ranges into disjoint extents, in batches */
    struct ntfs_volume *v;
    struct ds_window window;
    ds_extent_fn *fn;
    void *ud;
    size_t extra;               /* next range of v->extra */
    struct ds_extent pending;   /* length 0 for none */
    struct ds_extent batch[USED_BATCH];
    size_t n;
};

static int used_flush(struct used *u)
{
    int rc = u->n ? u->fn(u->ud, u->batch, u->n) : DS_OK;

    u->n = 0;
    return rc;
}

static int used_end(struct used *u)
{
    if (u->pending.length == 0)
        return DS_OK;
    u->batch[u->n++] = u->pending;
    u->pending.length = 0;
    return u->n == USED_BATCH ? used_flush(u) : DS_OK;
}

/* Bytes [from, to); `from` never goes back. */
static int used_bytes(struct used *u, uint64_t from, uint64_t to)
{
    uint64_t end = u->pending.offset + u->pending.length;
    int rc = DS_OK;

    from = ntfs_max(from, u->window.from);
    to = ntfs_min(to, u->window.to);
    if (from >= to)
        return DS_OK;
    if (u->pending.length != 0 && from <= end) {
        u->pending.length = ntfs_max(end, to) - u->pending.offset;
        return DS_OK;
    }
    rc = used_end(u);
    u->pending.offset = from;
    u->pending.length = to - from;
    return rc;
}

/* Every extra range that starts before cluster `until`. */
static int used_extra(struct used *u, uint64_t until)
{
    const struct ntfs_set *extra = &u->v->extra;
    uint64_t cluster = u->v->boot.cluster, clusters = u->v->boot.clusters;
    int rc = DS_OK;

    while (rc == DS_OK && u->extra < extra->n && extra->range[u->extra].from < until) {
        rc = used_bytes(u, extra->range[u->extra].from * cluster,
                        ntfs_min(extra->range[u->extra].to, clusters) * cluster);
        u->extra++;
    }
    return rc;
}

static int used_run(void *ud, uint64_t from, uint64_t to, bool set)
{
    struct used *u = ud;
    uint64_t cluster = u->v->boot.cluster;
    int rc;

    if (!set)
        return DS_OK;
    rc = used_extra(u, from);
    return rc == DS_OK ? used_bytes(u, from * cluster, to * cluster) : rc;
}

static int used_merge(struct used *u)
{
    struct ntfs_volume *v = u->v;
    uint64_t cluster = v->boot.cluster, clusters = v->boot.clusters;
    uint64_t from = u->window.from / cluster, to = u->window.to / cluster + 1;
    int rc;

    if (v->all_used) {
        rc = used_bytes(u, 0, v->io.reader->bytes);
    } else {
        to = ntfs_min(to, clusters);
        u->extra = ntfs_set_find(&v->extra, from);
        rc = ntfs_bitmap_walk(v, from, to, used_run, u);
        if (rc == DS_OK)
            rc = used_extra(u, to);
        if (rc == DS_OK)
            rc = used_bytes(u, clusters * cluster, v->io.reader->bytes);
    }
    if (rc == DS_OK)
        rc = used_end(u);
    return rc == DS_OK ? used_flush(u) : rc;
}

int ntfs_used_walk(struct ntfs_volume *v, struct ds_window window, ds_extent_fn *fn, void *ud)
{
    struct used u = { 0 };
    int rc = DS_OK;

    if (window.from > window.to)
        return ds_fail(v->io.call->err, DS_EINVAL, "NTFS: a window ends before it starts");
    if (v->walk_files && !v->all_used) {
        rc = ntfs_files_unite(v);
        ntfs_set_sort(&v->extra);
        v->walk_files = rc != DS_OK;
    }
    if (rc != DS_OK)
        return rc;
    u.v = v;
    u.window = window;
    u.fn = fn;
    u.ud = ud;
    return used_merge(&u);
}
