/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot-scripted.c - a snapshot provider for tests: its views show copies that create makes of
 * the disks' images, and its options say what goes wrong and when. Copies are named in a state
 * record before they are made, so that sweep removes what a killed process left. Calls may come
 * from any thread; what they count is atomic. */
#include "clone.h"
#include "script.h"

#define PATH_LONG 4200
#define RECORD "copies"

struct provider {
    const struct ds_host *host;
    struct script script;
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

static bool through_read(const struct provider *p)
{
    return script_true(&p->script, "read") || *script_get(&p->script, "lost_after");
}

/* The next extent of this disk in the list option, from *at on: "OFFSET+LENGTH" is of every disk,
 * "DISK:OFFSET+LENGTH" of the one with that index. */
static bool next_extent(const struct provider *p, const char *name, uint32_t disk, size_t *at,
                        struct ds_extent *out)
{
    for (; *at < p->script.n; ++*at) {
        unsigned long long index = disk, offset, length;
        const char *value = p->script.kv[*at].value, *colon;
        if (strcmp(p->script.kv[*at].key, name) != 0)
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
        snprintf(kept, sizeof kept, "%s/kept-%u.img", script_get(&p->script, "dir"), i);
        if (script_true(&p->script, "keep")) {
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
        if (script_true(&set->provider->script, "alter")) {
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
    struct provider *p = self;
    int rc = script_step(&p->script, "probe", "before", call);
    (void)disk;
    if (!rc)
        rc = script_step(&p->script, "probe", "after", call);
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
                         script_get(&p->script, "dir"), random[0], random[1], random[2],
                         random[3], i);
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
    int rc = script_step(&p->script, "create", "before", call);
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
        rc = script_step(&p->script, "create", "after", call);
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
    uint32_t kind = script_true(&set->provider->script, "live") ? DS_VIEW_LIVE : DS_VIEW_DATA;
    uint64_t from = 0, bytes = set->disks[disk].bytes;
    struct ds_extent skip;
    int rc = script_step(&set->provider->script, "views", "before", call);
    for (size_t at = 0; !rc && next_extent(set->provider, "skip", disk, &at, &skip);) {
        rc = tell(set, disk, kind, from, skip.offset, window, fn, ud);
        if (!rc)
            rc = tell(set, disk, DS_VIEW_SKIP, skip.offset, skip.offset + skip.length, window, fn,
                      ud);
        from = skip.offset + skip.length;
    }
    if (!rc)
        rc = tell(set, disk, kind, from, bytes, window, fn, ud);
    return rc ? rc : script_step(&set->provider->script, "views", "after", call);
}

static int snapshot_altered(void *self, uint32_t disk, ds_extent_fn *fn, void *ud,
                            struct ds_call *call)
{
    struct set *set = self;
    struct ds_extent e;
    int rc = script_step(&set->provider->script, "altered", "before", call);
    for (size_t at = 0; !rc && next_extent(set->provider, "altered", disk, &at, &e);)
        rc = fn(ud, &e, 1);
    return rc ? rc : script_step(&set->provider->script, "altered", "after", call);
}

static bool lost(const struct set *set)
{
    const char *limit = script_get(&set->provider->script, "lost_after");
    return *limit && atomic_load(&set->reads) >= strtoull(limit, NULL, 10);
}

static int snapshot_read(void *self, uint64_t volume, uint64_t offset, void *data, size_t n,
                         struct ds_call *call)
{
    struct set *set = self;
    int rc = script_step(&set->provider->script, "read", "before", call);
    if (rc)
        return rc;
    if (lost(set))
        return ds_fail(call->err, DS_EIO, "the scripted snapshot is gone");
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
    return script_step(&set->provider->script, "read", "after", call);
}

static int snapshot_facts(void *self, ds_kv_fn *fn, void *ud, struct ds_call *call)
{
    struct set *set = self;
    int rc = script_step(&set->provider->script, "facts", "before", call);
    if (!rc)
        rc = fn(ud, "consistency", script_get(&set->provider->script, "consistency"));
    if (!rc)
        rc = fn(ud, "writer[scripted]", "stable");
    return rc ? rc : script_step(&set->provider->script, "facts", "after", call);
}

static int snapshot_health(void *self, struct ds_call *call)
{
    struct set *set = self;
    int rc = script_step(&set->provider->script, "health", "before", call);
    if (!rc && lost(set))
        rc = ds_fail_retry(call->err, DS_ELOST, DS_RETRY_SAME,
                           "the scripted snapshot was lost after %s reads: scripted cause",
                           script_get(&set->provider->script, "lost_after"));
    return rc ? rc : script_step(&set->provider->script, "health", "after", call);
}

static int snapshot_finish(void *self, uint32_t outcome, struct ds_call *call)
{
    struct set *set = self;
    (void)outcome;
    int rc = script_step(&set->provider->script, "finish", "before", call);
    return rc ? rc : script_step(&set->provider->script, "finish", "after", call);
}

static void snapshot_release(void *self)
{
    struct set *set = self;
    struct provider *p = set->provider;
    script_step(&p->script, "release", "before", NULL);
    copies_remove(set);
    free(set);
    script_step(&p->script, "release", "after", NULL);
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
    int rc = script_step(&p->script, "sweep", "before", call);
    if (!rc)
        rc = p->host->state_get(p->host->ctx, RECORD, sweep_record, NULL, call->err);
    if (!rc)
        rc = p->host->state_put(p->host->ctx, RECORD, NULL, 0, call->err);
    if (rc && rc != DS_ENOENT)
        return rc;
    return script_step(&p->script, "sweep", "after", call);
}

/* ---- life ---- */

static void snapshot_close(void *self)
{
    struct provider *p = self;
    script_step(&p->script, "close", "before", NULL);
    script_step(&p->script, "close", "after", NULL);
    script_close(&p->script);
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
    int rc = script_open(&p->script, "snapshot-scripted", kv, n, call->err);
    if (!rc)
        rc = script_step(&p->script, "open", "before", call);
    if (!rc && !*script_get(&p->script, "dir"))
        rc = ds_fail(call->err, DS_EINVAL, "snapshot-scripted wants dir");
    return rc ? rc : script_step(&p->script, "open", "after", call);
}

static const struct ds_option options[] = {
    { .name = "dir", .type = DS_OPT_PATH, .flags = DS_OPTF_REQUIRED,
      .help = "folder of the copies" },
    { .name = "keep", .type = DS_OPT_BOOL, .def = "false",
      .help = "keep the last copies, as kept-0.img, kept-1.img, ..., for the test to compare" },
    SCRIPT_OPTIONS,
    { .name = "lost_after", .type = DS_OPT_INT, .max = INT64_C(1000000000),
      .help = "lost after so many reads: later ones fail, and so does health; implies read" },
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
