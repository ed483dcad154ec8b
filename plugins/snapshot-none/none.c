/* SPDX-License-Identifier: Apache-2.0 */
/* none.c - the snapshot provider that freezes nothing: each disk is one view of itself. Where the
 * disk is proved to be at rest, and held so until release, the view is DATA and as good as a
 * snapshot; else it is LIVE and core reads until two reads agree. A set is constant once created,
 * so calls may come from any thread. */
#include "none_os.h"

#include <disksync/disksync.h>
#include <stdlib.h>

struct none {
    const struct ds_host *host;
};

struct held_disk {
    char *path;
    uint64_t bytes;
    uint32_t flags;
    bool at_rest;
    struct none_hold hold;
    char why[120]; /* it is not at rest */
};

struct set {
    uint32_t n;
    struct held_disk disks[];
};

static int none_probe(void *self, const struct ds_disk *disk, uint32_t *score, struct ds_call *call)
{
    (void)self, (void)disk, (void)call;
    *score = 10; /* any disk, worse than every real provider */
    return DS_OK;
}

static void none_release(void *arg)
{
    struct set *set = arg;
    for (uint32_t i = 0; i < set->n; i++) {
        none_hold_drop(&set->disks[i].hold);
        free(set->disks[i].path);
    }
    free(set);
}

static int none_create(void *self, const struct ds_disk *const *disks, uint32_t n, void **out,
                       struct ds_call *call)
{
    const struct none *none = self;
    struct set *set = calloc(1, sizeof *set + n * sizeof set->disks[0]);
    if (!set)
        return ds_fail(call->err, DS_ENOMEM, "no memory for a snapshot of %u disks", n);
    for (uint32_t i = 0; i < n; i++) {
        struct held_disk *d = &set->disks[i];
        size_t len = strlen(disks[i]->path) + 1;
        d->hold.handle = NONE_NO_HOLD;
        set->n = i + 1;
        d->path = malloc(len);
        if (!d->path) {
            none_release(set);
            return ds_fail(call->err, DS_ENOMEM, "no memory for a snapshot of %u disks", n);
        }
        memcpy(d->path, disks[i]->path, len);
        d->bytes = disks[i]->bytes;
        d->flags = disks[i]->flags;
        d->at_rest = none_hold_take(&d->hold, disks[i], d->why, sizeof d->why);
        if (!d->at_rest) {
            struct ds_kv kv[] = { { "disk", d->path }, { "reason", d->why } };
            none->host->log(none->host->ctx, DS_LOG_INFO, "snapshot.live",
                            "the disk is read live, not as of one instant", kv, 2);
        }
    }
    *out = set;
    return DS_OK;
}

static int none_views(void *arg, uint32_t disk, struct ds_window window, ds_view_fn *fn, void *ud,
                      struct ds_call *call)
{
    const struct set *set = arg;
    if (disk >= set->n)
        return ds_fail(call->err, DS_EINVAL, "there is no disk %u in this snapshot", disk);
    const struct held_disk *d = &set->disks[disk];
    if (window.from >= window.to || window.from >= d->bytes)
        return DS_OK;
    struct ds_view view = { .size = sizeof view, .count = 1 };
    view.kind = d->at_rest ? DS_VIEW_DATA : DS_VIEW_LIVE;
    view.disk.length = d->bytes;
    view.path = d->path;
    /* A device's page cache is not its partitions': only files may be read through it. */
    view.flags = d->flags & DS_DISK_IMAGE ? DS_VIEW_BUFFERED : 0;
    return fn(ud, &view);
}

static int none_facts(void *arg, ds_kv_fn *fn, void *ud, struct ds_call *call)
{
    const struct set *set = arg;
    bool at_rest = true;
    int rc = 0;
    (void)call;
    for (uint32_t i = 0; i < set->n; i++)
        at_rest = at_rest && set->disks[i].at_rest;
    rc = fn(ud, "consistency", at_rest ? "crash" : "none");
    for (uint32_t i = 0; i < set->n && !rc; i++) {
        char key[32];
        snprintf(key, sizeof key, "disk[%u]", i);
        rc = fn(ud, key, set->disks[i].at_rest ? "at rest" : set->disks[i].why);
    }
    return rc;
}

static int none_health(void *arg, struct ds_call *call)
{
    const struct set *set = arg;
    for (uint32_t i = 0; i < set->n; i++)
        if (none_hold_is_broken(&set->disks[i].hold))
            return ds_fail_retry(call->err, DS_ELOST, DS_RETRY_SAME,
                                 "a program opened %s for writing while it was read; stop it, or "
                                 "use a snapshot provider that freezes the disk",
                                 set->disks[i].path);
    return DS_OK;
}

static int none_finish(void *arg, uint32_t outcome, struct ds_call *call)
{
    (void)arg, (void)outcome, (void)call;
    return DS_OK;
}

static int none_open(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                     struct ds_call *call)
{
    struct none *none = malloc(sizeof *none);
    (void)kv, (void)n;
    if (!none)
        return ds_fail(call->err, DS_ENOMEM, "no memory to open snapshot-none");
    none->host = host;
    *self = none;
    return DS_OK;
}

static void none_close(void *self)
{
    free(self);
}

static const struct ds_snapshot_ops ops = {
    .size = sizeof ops,
    .probe = none_probe,
    .create = none_create,
    .views = none_views,
    .facts = none_facts,
    .health = none_health,
    .finish = none_finish,
    .release = none_release,
};

static const struct ds_plugin plugin = {
    .size = sizeof plugin,
    .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),
    .kind = DS_KIND_SNAPSHOT,
    .threads = DS_THREADS_PARALLEL,
    .name = "snapshot-none",
    .version = "0.1.0",
    .summary = "reads disks as they are; one instant only where they are at rest",
    .open = none_open,
    .close = none_close,
    .ops = &ops,
};

const struct ds_plugin *ds_plugin_v1(void)
{
    return &plugin;
}
