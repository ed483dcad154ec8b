/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot-scripted.c - a snapshot provider for tests: its views show copies that create makes of
 * the disks' images, and its options say what goes wrong and when. Copies are named in a state
 * record before they are made, so that sweep removes what a killed process left. Calls may come
 * from any thread; what they count is atomic. */
#include "clone.h"
#include "die.h"

#include <disksync/disksync.h>
#include <stdatomic.h>
#include <stdlib.h>

#define PATH_LONG 4200
#define RECORD "copies"

struct provider {
    const struct ds_host *host;
    struct ds_kv *kv; /* own copy of the options */
    size_t n_kv;
};

struct copied_disk {
    char path[PATH_LONG];      /* of the copy */
    char live[PATH_LONG];
    uint64_t bytes;
};

struct set {
    struct provider *provider;
    uint32_t n;
    atomic_uint_fast64_t reads;
    struct copied_disk disks[];
};

/* ---- options ---- */

static const char *option(const struct provider *p, const char *name)
{
    return ds_kv_get(p->kv, p->n_kv, name, "");
}

static bool option_true(const struct provider *p, const char *name)
{
    return strcmp(option(p, name), "true") == 0;
}

static bool through_read(const struct provider *p)
{
    return option_true(p, "read") || *option(p, "lost_after");
}

/* Dies or fails where the options say so. */
static int step(const struct provider *p, const char *name, const char *when, struct ds_call *call)
{
    die_at(option(p, "die_at"), name, when);
    if (call && strcmp(when, "before") == 0 && strcmp(option(p, "fail_at"), name) == 0)
        return ds_fail(call->err, DS_EIO, "scripted failure of %s", name);
    return DS_OK;
}

/* The next extent of this disk in the list option, from *at on: "OFFSET+LENGTH" is of every disk,
 * "DISK:OFFSET+LENGTH" of the one with that index. */
static bool next_extent(const struct provider *p, const char *name, uint32_t disk, size_t *at,
                        struct ds_extent *out)
{
    for (; *at < p->n_kv; ++*at) {
        unsigned long long index = disk, offset, length;
        const char *value = p->kv[*at].value, *colon;
        if (strcmp(p->kv[*at].key, name) != 0)
            continue;
        colon = strchr(value, ':');
        if (colon && sscanf(value, "%llu:", &index) != 1)
            continue;
        if (sscanf(colon ? colon + 1 : value, "%llu+%llu", &offset, &length) != 2 ||
            index != disk)
            continue;
        *out = (struct ds_extent){ offset, length };
        ++*at;
        return true;
    }
    return false;
}

/* ---- copies ---- */

static int record_write(struct provider *p, const struct set *set, struct ds_error *err)
{
    size_t cap = (size_t)set->n * PATH_LONG + 1, n = 0;
    char *text = malloc(cap);
    if (!text)
        return ds_fail(err, DS_ENOMEM, "no memory for the record of copies");
    for (uint32_t i = 0; i < set->n; i++)
        n += (size_t)snprintf(text + n, cap - n, "%s\n", set->disks[i].path);
    int rc = p->host->state_put(p->host->ctx, RECORD, text, n, err);
    free(text);
    return rc;
}

/* Inverts the bytes of the altered extents in the copy, as a recovery inside it would. */
static int alter(const struct set *set, uint32_t disk, struct ds_error *err)
{
    struct ds_extent e;
    FILE *f = fopen(set->disks[disk].path, "rb+");
    if (!f)
        return ds_fail(err, DS_EIO, "cannot open %s", set->disks[disk].path);
    for (size_t at = 0; next_extent(set->provider, "altered", disk, &at, &e);) {
        for (uint64_t i = 0; i < e.length; i++) {
            seek64(f, (int64_t)(e.offset + i), SEEK_SET);
            int c = fgetc(f);
            seek64(f, (int64_t)(e.offset + i), SEEK_SET);
            if (c != EOF)
                fputc(c ^ 0xff, f);
        }
    }
    return fclose(f) ? ds_fail(err, DS_EIO, "cannot alter the copy") : DS_OK;
}

static void copies_remove(const struct set *set)
{
    struct ds_error ignored = DS_ERROR_INIT;
    struct provider *p = set->provider;
    for (uint32_t i = 0; i < set->n; i++) {
        char kept[PATH_LONG + 32];
        snprintf(kept, sizeof kept, "%s/kept-%u.img", option(p, "dir"), i);
        if (option_true(p, "keep")) {
            remove(kept);
            rename(set->disks[i].path, kept);
        } else {
            remove(set->disks[i].path);
        }
    }
    p->host->state_put(p->host->ctx, RECORD, NULL, 0, &ignored);
}

static int copies_make(struct set *set, struct ds_error *err)
{
    for (uint32_t i = 0; i < set->n; i++) {
        struct copied_disk *d = &set->disks[i];
        if (!clone_file(d->live, d->path, d->bytes))
            return ds_fail(err, DS_EIO, "cannot copy %.200s to %.200s", d->live, d->path);
        if (option_true(set->provider, "alter")) {
            int rc = alter(set, i, err);
            if (rc)
                return rc;
        }
    }
    return DS_OK;
}

/* ---- operations ---- */

static int snapshot_probe(void *self, const struct ds_disk *disk, uint32_t *score,
                          struct ds_call *call)
{
    int rc = step(self, "probe", "before", call);
    (void)disk;
    *score = rc ? 0 : 100;
    return rc;
}

static int set_name(struct set *set, const struct ds_disk *const *disks, struct ds_call *call)
{
    struct provider *p = set->provider;
    uint8_t random[8];
    if (p->host->random(p->host->ctx, random, sizeof random))
        return ds_fail(call->err, DS_EIO, "no random numbers");
    for (uint32_t i = 0; i < set->n; i++) {
        struct copied_disk *d = &set->disks[i];
        int n = snprintf(d->path, sizeof d->path, "%s/copy-%02x%02x%02x%02x-%u.img",
                         option(p, "dir"), random[0], random[1], random[2], random[3], i);
        int m = snprintf(d->live, sizeof d->live, "%s", disks[i]->path);
        if (n >= (int)sizeof d->path || m >= (int)sizeof d->live)
            return ds_fail(call->err, DS_EINVAL, "a path is too long");
        d->bytes = disks[i]->bytes;
    }
    return DS_OK;
}

static int snapshot_create(void *self, const struct ds_disk *const *disks, uint32_t n, void **out,
                           struct ds_call *call)
{
    struct provider *p = self;
    int rc = step(p, "create", "before", call);
    if (rc)
        return rc;
    struct set *set = calloc(1, sizeof *set + n * sizeof set->disks[0]);
    if (!set)
        return ds_fail(call->err, DS_ENOMEM, "no memory for a snapshot");
    set->provider = p;
    set->n = n;
    atomic_init(&set->reads, 0);
    rc = set_name(set, disks, call);
    if (!rc)
        rc = record_write(p, set, call->err);
    if (!rc)
        rc = copies_make(set, call->err);
    if (!rc)
        rc = step(p, "create", "after", call);
    if (rc) {
        copies_remove(set);
        free(set);
        return rc;
    }
    *out = set;
    return DS_OK;
}

/* One view of [from, to) of the disk, if it touches the window. */
static int tell(const struct set *set, uint32_t disk, uint32_t kind, uint64_t from, uint64_t to,
                struct ds_window window, ds_view_fn *fn, void *ud)
{
    struct ds_view view = { .size = sizeof view, .kind = kind, .count = 1 };
    if (from >= to || from >= window.to || to <= window.from)
        return 0;
    view.disk = (struct ds_extent){ from, to - from };
    view.volume = disk + 1;
    view.volume_offset = view.path_offset = from;
    view.flags = DS_VIEW_BUFFERED;
    if (kind == DS_VIEW_LIVE)
        view.path = set->disks[disk].live;
    else if (kind == DS_VIEW_DATA && !through_read(set->provider))
        view.path = set->disks[disk].path;
    return fn(ud, &view);
}

static int snapshot_views(void *self, uint32_t disk, struct ds_window window, ds_view_fn *fn,
                          void *ud, struct ds_call *call)
{
    struct set *set = self;
    uint32_t kind = option_true(set->provider, "live") ? DS_VIEW_LIVE : DS_VIEW_DATA;
    uint64_t from = 0, bytes = set->disks[disk].bytes;
    struct ds_extent skip;
    int rc = step(set->provider, "views", "before", call);
    for (size_t at = 0; !rc && next_extent(set->provider, "skip", disk, &at, &skip);) {
        rc = tell(set, disk, kind, from, skip.offset, window, fn, ud);
        if (!rc)
            rc = tell(set, disk, DS_VIEW_SKIP, skip.offset, skip.offset + skip.length, window, fn,
                      ud);
        from = skip.offset + skip.length;
    }
    if (!rc)
        rc = tell(set, disk, kind, from, bytes, window, fn, ud);
    return rc ? rc : step(set->provider, "views", "after", call);
}

static int snapshot_altered(void *self, uint32_t disk, ds_extent_fn *fn, void *ud,
                            struct ds_call *call)
{
    struct set *set = self;
    struct ds_extent e;
    int rc = step(set->provider, "altered", "before", call);
    for (size_t at = 0; !rc && next_extent(set->provider, "altered", disk, &at, &e);)
        rc = fn(ud, &e, 1);
    return rc ? rc : step(set->provider, "altered", "after", call);
}

static int snapshot_read(void *self, uint64_t volume, uint64_t offset, void *data, size_t n,
                         struct ds_call *call)
{
    struct set *set = self;
    int rc = step(set->provider, "read", "before", call);
    if (rc)
        return rc;
    if (volume == 0 || volume > set->n)
        return ds_fail(call->err, DS_EINVAL, "there is no volume %llu",
                       (unsigned long long)volume);
    FILE *f = fopen(set->disks[volume - 1].path, "rb");
    bool good = f && seek64(f, (int64_t)offset, SEEK_SET) == 0 && fread(data, 1, n, f) == n;
    if (f)
        fclose(f);
    atomic_fetch_add(&set->reads, 1);
    if (!good)
        return ds_fail(call->err, DS_EIO, "cannot read %s", set->disks[volume - 1].path);
    return step(set->provider, "read", "after", call);
}

static int snapshot_facts(void *self, ds_kv_fn *fn, void *ud, struct ds_call *call)
{
    struct set *set = self;
    int rc = step(set->provider, "facts", "before", call);
    if (!rc)
        rc = fn(ud, "consistency", option(set->provider, "consistency"));
    if (!rc)
        rc = fn(ud, "writer[scripted]", "stable");
    return rc ? rc : step(set->provider, "facts", "after", call);
}

static int snapshot_health(void *self, struct ds_call *call)
{
    struct set *set = self;
    const char *limit = option(set->provider, "lost_after");
    int rc = step(set->provider, "health", "before", call);
    if (!rc && *limit && atomic_load(&set->reads) >= strtoull(limit, NULL, 10))
        rc = ds_fail_retry(call->err, DS_ELOST, DS_RETRY_SAME,
                           "the scripted snapshot was lost after %s reads: scripted cause", limit);
    return rc ? rc : step(set->provider, "health", "after", call);
}

static int snapshot_finish(void *self, uint32_t outcome, struct ds_call *call)
{
    struct set *set = self;
    (void)outcome;
    int rc = step(set->provider, "finish", "before", call);
    return rc ? rc : step(set->provider, "finish", "after", call);
}

static void snapshot_release(void *self)
{
    struct set *set = self;
    const struct provider *p = set->provider;
    step(p, "release", "before", NULL);
    copies_remove(set);
    free(set);
    step(p, "release", "after", NULL);
}

static int sweep_record(void *ud, const void *data, size_t len)
{
    const char *text = data;
    char path[PATH_LONG];
    (void)ud;
    for (size_t i = 0, n; i < len; i += n + 1) {
        const char *end = memchr(text + i, '\n', len - i);
        n = end ? (size_t)(end - (text + i)) : len - i;
        if (n < sizeof path) {
            memcpy(path, text + i, n);
            path[n] = 0;
            remove(path);
        }
    }
    return 0;
}

static int snapshot_sweep(void *self, struct ds_call *call)
{
    struct provider *p = self;
    int rc = step(p, "sweep", "before", call);
    if (!rc)
        rc = p->host->state_get(p->host->ctx, RECORD, sweep_record, NULL, call->err);
    if (rc == DS_ENOENT)
        return DS_OK;
    return rc ? rc : p->host->state_put(p->host->ctx, RECORD, NULL, 0, call->err);
}

/* ---- life ---- */

static char *copy(const char *text)
{
    size_t n = strlen(text) + 1;
    char *out = malloc(n);
    return out ? memcpy(out, text, n) : NULL;
}

static void snapshot_close(void *self)
{
    struct provider *p = self;
    for (size_t i = 0; i < p->n_kv; i++) {
        free((void *)(uintptr_t)p->kv[i].key);
        free((void *)(uintptr_t)p->kv[i].value);
    }
    free(p->kv);
    free(p);
}

static int snapshot_open(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                         struct ds_call *call)
{
    struct provider *p = calloc(1, sizeof *p);
    if (!p)
        return ds_fail(call->err, DS_ENOMEM, "no memory for the provider");
    *self = p;
    p->host = host;
    p->kv = calloc(n ? n : 1, sizeof *p->kv);
    for (size_t i = 0; p->kv && i < n; i++) {
        p->kv[i] = (struct ds_kv){ copy(kv[i].key), copy(kv[i].value) };
        p->n_kv++;
        if (!p->kv[i].key || !p->kv[i].value)
            return ds_fail(call->err, DS_ENOMEM, "no memory for the options");
    }
    if (!p->kv)
        return ds_fail(call->err, DS_ENOMEM, "no memory for the options");
    if (!*option(p, "dir"))
        return ds_fail(call->err, DS_EINVAL, "snapshot-scripted wants dir");
    return DS_OK;
}

static const struct ds_option options[] = {
    { .name = "dir", .type = DS_OPT_PATH, .flags = DS_OPTF_REQUIRED,
      .help = "folder of the copies" },
    { .name = "keep", .type = DS_OPT_BOOL, .def = "false",
      .help = "keep the last copies, as kept-0.img, kept-1.img, ..., for the test to compare" },
    { .name = "fail_at", .type = DS_OPT_STRING,
      .help = "step that fails: probe, create, views, altered, read, facts, health, finish, "
              "sweep" },
    { .name = "die_at", .type = DS_OPT_STRING,
      .help = "kill the process at STEP:before or STEP:after (the steps of fail_at, release)" },
    { .name = "lost_after", .type = DS_OPT_INT, .max = INT64_C(1000000000),
      .help = "health says lost after so many reads; implies read" },
    { .name = "read", .type = DS_OPT_BOOL, .def = "false",
      .help = "views without a path: core reads through the plugin" },
    { .name = "live", .type = DS_OPT_BOOL, .def = "false", .help = "views show the live disks" },
    { .name = "altered", .type = DS_OPT_STRING, .flags = DS_OPTF_LIST,
      .help = "extents written inside the snapshot: OFFSET+LENGTH or DISK:OFFSET+LENGTH" },
    { .name = "alter", .type = DS_OPT_BOOL, .def = "false",
      .help = "really invert the bytes of the altered extents in the copies" },
    { .name = "skip", .type = DS_OPT_STRING, .flags = DS_OPTF_LIST,
      .help = "extents that are not worth reading, ascending: as altered" },
    { .name = "consistency", .type = DS_OPT_CHOICE, .def = "crash",
      .choices = "none|crash|filesystem|application", .help = "what facts report" },
};
static const struct ds_snapshot_ops ops = {
    .size = sizeof ops,
    .probe = snapshot_probe,
    .create = snapshot_create,
    .views = snapshot_views,
    .altered = snapshot_altered,
    .read = snapshot_read,
    .facts = snapshot_facts,
    .health = snapshot_health,
    .finish = snapshot_finish,
    .release = snapshot_release,
    .sweep = snapshot_sweep,
};
static const struct ds_plugin plugin = {
    .size = sizeof plugin,
    .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),
    .kind = DS_KIND_SNAPSHOT,
    .threads = DS_THREADS_PARALLEL,
    .caps = DS_CAP_SCRIPTED,
    .name = "snapshot-scripted",
    .version = "1",
    .summary = "for tests: copies of image files, with failures on demand",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .option_size = sizeof options[0],
    .open = snapshot_open,
    .close = snapshot_close,
    .ops = &ops,
};

const struct ds_plugin *ds_plugin_v1(void)
{
    return &plugin;
}
