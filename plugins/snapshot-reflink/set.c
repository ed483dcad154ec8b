/* SPDX-License-Identifier: Apache-2.0 */
/* set.c - a snapshot of a set of disks: its clones, from the record of their names to removal. All
 * are made in one go, with the file systems on the disks frozen where the policy says so. */
#include "reflink.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD "clones"

struct cloned_disk {
    struct source source;
    struct clone clone;
    uint64_t bytes; /* of the disk */
};

struct set {
    struct reflink *reflink;
    uint32_t n;
    const char *consistency;
    struct cloned_disk disks[];
};

/* The names of all clones, one after another, each with its zero. */
static int record_write(const struct set *set, struct ds_error *err)
{
    const struct ds_host *host = set->reflink->host;
    size_t n = 0;
    for (uint32_t i = 0; i < set->n; i++)
        n += strlen(set->disks[i].clone.path) + 1;
    char *names = malloc(n ? n : 1);
    if (!names)
        return ds_fail(err, DS_ENOMEM, "no memory for the names of %u clones", set->n);
    size_t at = 0;
    for (uint32_t i = 0; i < set->n; i++) {
        size_t len = strlen(set->disks[i].clone.path) + 1;
        memcpy(names + at, set->disks[i].clone.path, len);
        at += len;
    }
    int rc = host->state_put(host->ctx, RECORD, names, n, err);
    free(names);
    return rc;
}

static int prepare(struct set *set, const struct ds_disk *const *disks, struct ds_call *call)
{
    int rc = DS_OK;
    for (uint32_t i = 0; i < set->n && !rc; i++) {
        struct cloned_disk *d = &set->disks[i];
        d->bytes = disks[i]->bytes;
        rc = source_find(&d->source, disks[i], call->err);
        if (!rc)
            rc = clone_name(&d->clone, set->reflink, &d->source, i, call->err);
    }
    if (!rc)
        rc = record_write(set, call->err);
    for (uint32_t i = 0; i < set->n && !rc; i++) {
        if (call->host->cancelled(call))
            return ds_fail(call->err, DS_ECANCELLED, "cancelled");
        rc = clone_prepare(&set->disks[i].clone, &set->disks[i].source, call->err);
    }
    return rc;
}

/* What is between freeze and thaw: nothing here may write to a log or a state record. */
static int clone_all(struct set *set, struct ds_error *err)
{
    int rc = DS_OK;
    for (uint32_t i = 0; i < set->n && !rc; i++)
        if (set->disks[i].clone.device >= 0 && fsync(set->disks[i].clone.device) < 0)
            rc = reflink_fail(err, "flush", set->disks[i].source.device);
    for (uint32_t i = 0; i < set->n && !rc; i++)
        rc = clone_make(&set->disks[i].clone, &set->disks[i].source, err);
    return rc;
}

static int freeze_and_clone(struct set *set, struct ds_error *err)
{
    struct source *sources;
    struct freeze *freeze;
    set->consistency = "crash";
    if (!set->reflink->freeze)
        return clone_all(set, err);
    sources = calloc(set->n ? set->n : 1, sizeof *sources);
    freeze = calloc(1, sizeof *freeze);
    int rc = DS_OK;
    if (!sources || !freeze) {
        rc = ds_fail(err, DS_ENOMEM, "no memory to freeze file systems");
    } else {
        for (uint32_t i = 0; i < set->n; i++)
            sources[i] = set->disks[i].source;
        rc = freeze_find(freeze, set->reflink, sources, set->n, err);
        if (!rc)
            rc = freeze_start(freeze, err);
        else
            freeze_end(freeze);
        if (!rc) {
            rc = clone_all(set, err);
            freeze_end(freeze);
            if (freeze->whole)
                set->consistency = "filesystem";
        }
    }
    free(freeze);
    free(sources);
    return rc;
}

/* The clones must hold the disks whole. */
static int check_sizes(const struct set *set, struct ds_error *err)
{
    for (uint32_t i = 0; i < set->n; i++) {
        const struct cloned_disk *d = &set->disks[i];
        if (d->clone.bytes < d->source.offset || d->clone.bytes - d->source.offset < d->bytes)
            return ds_fail(err, DS_ESHRANK, "%s is shorter than the disk it stands for: %llu bytes "
                                            "from offset %llu, wanted %llu", d->source.file,
                           (unsigned long long)d->clone.bytes,
                           (unsigned long long)d->source.offset, (unsigned long long)d->bytes);
    }
    return DS_OK;
}

int set_create(struct reflink *reflink, const struct ds_disk *const *disks, uint32_t n, void **out,
               struct ds_call *call)
{
    struct set *set = calloc(1, sizeof *set + n * sizeof set->disks[0]);
    if (!set)
        return ds_fail(call->err, DS_ENOMEM, "no memory for a snapshot of %u disks", n);
    set->reflink = reflink;
    set->n = n;
    for (uint32_t i = 0; i < n; i++)
        set->disks[i].clone = (struct clone)CLONE_INIT;
    int rc = prepare(set, disks, call);
    if (!rc)
        rc = freeze_and_clone(set, call->err);
    if (!rc)
        rc = check_sizes(set, call->err);
    for (uint32_t i = 0; i < n; i++)
        clone_close(&set->disks[i].clone);
    if (rc)
        set_release(set);
    else
        *out = set;
    return rc;
}

int set_views(void *arg, uint32_t disk, struct ds_window window, ds_view_fn *fn, void *ud,
              struct ds_call *call)
{
    const struct set *set = arg;
    if (disk >= set->n)
        return ds_fail(call->err, DS_EINVAL, "there is no disk %u in this snapshot", disk);
    const struct cloned_disk *d = &set->disks[disk];
    if (window.from >= window.to || window.from >= d->bytes)
        return DS_OK;
    struct ds_view view = { .size = sizeof view, .kind = DS_VIEW_DATA, .count = 1 };
    view.disk.length = d->bytes;
    view.path = d->clone.path;
    view.path_offset = d->source.offset;
    view.flags = DS_VIEW_BUFFERED; /* no one else has the file, there is no second cache */
    return fn(ud, &view);
}

int set_facts(void *arg, ds_kv_fn *fn, void *ud, struct ds_call *call)
{
    const struct set *set = arg;
    (void)call;
    int rc = fn(ud, "consistency", set->consistency);
    return rc ? rc : fn(ud, "method", "reflink");
}

int set_health(void *arg, struct ds_call *call)
{
    const struct set *set = arg;
    for (uint32_t i = 0; i < set->n; i++) {
        const struct clone *clone = &set->disks[i].clone;
        struct stat st;
        if (stat(clone->path, &st) < 0)
            return ds_fail_retry(call->err, DS_ELOST, DS_RETRY_SAME,
                                 "the clone %s is gone: something removed it while it was read",
                                 clone->path);
        if ((uint64_t)st.st_size != clone->bytes)
            return ds_fail_retry(call->err, DS_ELOST, DS_RETRY_SAME,
                                 "the clone %s was changed while it was read", clone->path);
    }
    return DS_OK;
}

int set_finish(void *arg, uint32_t outcome, struct ds_call *call)
{
    (void)arg, (void)outcome, (void)call;
    return DS_OK;
}

void set_release(void *arg)
{
    struct set *set = arg;
    const struct ds_host *host = set->reflink->host;
    struct ds_error err = DS_ERROR_INIT;
    for (uint32_t i = 0; i < set->n; i++) {
        clone_close(&set->disks[i].clone);
        if (set->disks[i].clone.path[0])
            clone_remove(set->disks[i].clone.path);
    }
    host->state_put(host->ctx, RECORD, NULL, 0, &err); /* else sweep finds nothing to remove */
    free(set);
}

static int sweep_names(void *ud, const void *data, size_t len)
{
    const char *name = data, *end = name + len;
    (void)ud;
    while (name < end) {
        const char *stop = memchr(name, 0, (size_t)(end - name));
        if (!stop)
            break;
        clone_remove(name);
        name = stop + 1;
    }
    return 0;
}

int set_sweep(struct reflink *reflink, struct ds_call *call)
{
    const struct ds_host *host = reflink->host;
    int rc = host->state_get(host->ctx, RECORD, sweep_names, NULL, call->err);
    if (rc == DS_ENOENT)
        return DS_OK;
    return rc ? rc : host->state_put(host->ctx, RECORD, NULL, 0, call->err);
}
