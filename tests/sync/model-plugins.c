/* SPDX-License-Identifier: Apache-2.0 */
/* model-plugins.c - the plugins of the model's world; see model.h. A world that has died does
 * nothing more: every call fails and changes nothing, as if the process were gone. */
#include "tests/sync/model.h"

#include "core/base/bytes.h"

#include <stdlib.h>

/* The one world that the plugins serve: a plugin's open has no other way to find it. */
static struct world *the_world;

void model_die(struct world *world)
{
    struct memory_fault all = { .code = DS_EIO, .retry = DS_RETRY_NEVER };
    if (world->dead)
        return;
    world->dead = true;
    memory_store_fault(world->store, &all);
}

bool model_step(struct world *world, const char *step, const char *when)
{
    char name[64];
    snprintf(name, sizeof name, "%s:%s", step, when);
    if (!world->dead && world->die_at && strcmp(world->die_at, name) == 0) {
        if (world->die_skip)
            world->die_skip--;
        else
            model_die(world);
    }
    return world->dead;
}

static int gone(struct ds_call *call)
{
    return ds_fail(call->err, DS_EIO, "the process is gone");
}

/* What goes on while the session works. */
static void events(struct world *world)
{
    while (world->events && !world->dead && model_chance(world, 30))
        model_change(world);
    if (!world->dead && model_chance(world, world->moment_percent))
        model_save_moment(world);
}

static struct model_disk *disk_of_path(struct world *world, const char *path)
{
    for (unsigned i = 0; i < MODEL_DISKS; i++)
        if (strcmp(world->disks[i].path, path) == 0)
            return &world->disks[i];
    return NULL;
}

static struct model_disk *disk_of_id(struct world *world, const char *id)
{
    for (unsigned i = 0; i < MODEL_DISKS; i++)
        if (world->disks[i].attached && strcmp(world->disks[i].id, id) == 0)
            return &world->disks[i];
    return NULL;
}

/* ---- tracker ---- */

void model_lose(struct world *world, struct model_disk *disk)
{
    struct tracked *t = &disk->tracked;
    t->lost_running = true;
    t->lost_closing |= t->both;
    memset(t->running, 0, world->max_blocks);
    if (t->both)
        memset(t->closing, 0, world->max_blocks);
}

static int tracker_probe(void *self, const struct ds_disk *disk, uint32_t *score,
                         struct ds_call *call)
{
    (void)self, (void)disk, (void)call;
    *score = 100;
    return DS_OK;
}

static int tracker_attach(void *self, const struct ds_disk *disk, struct ds_call *call)
{
    struct world *world = self;
    struct model_disk *found = disk_of_path(world, disk->path);
    if (model_step(world, "attach", "before") || !found)
        return gone(call);
    text_copy(found->id, sizeof found->id, disk->id);
    found->attached = true;
    return DS_OK;
}

static int tracker_detach(void *self, const char *disk_id, struct ds_call *call)
{
    (void)self, (void)disk_id;
    return gone(call); /* no sync detaches */
}

static int tracker_cut(void *self, const char *consumer, const struct ds_disk *const *disks,
                       uint32_t n, struct ds_call *call)
{
    struct world *world = self;
    (void)consumer;
    events(world);
    if (model_step(world, "cut", "before"))
        return gone(call);
    for (uint32_t i = 0; i < n; i++) {
        struct tracked *t = &disk_of_id(world, disks[i]->id)->tracked;
        ck_assert_msg(!t->pending, "a cut while another awaits its end");
        memcpy(t->closing, t->running, world->max_blocks);
        memset(t->running, 0, world->max_blocks);
        t->lost_closing = t->lost_running;
        t->lost_running = false;
        t->pending = t->both = true;
        put_le64(t->end.bytes, ++world->tokens);
        put_le64(t->end.bytes + 8, world->seed);
    }
    events(world);
    return model_step(world, "cut", "after") ? gone(call) : DS_OK;
}

static int tracker_generation(void *self, const char *consumer, const char *disk_id,
                              struct ds_generation *out, struct ds_call *call)
{
    struct world *world = self;
    struct model_disk *disk = disk_of_id(world, disk_id);
    (void)consumer;
    if (model_step(world, "generation", "before") || !disk)
        return gone(call);
    const struct tracked *t = &disk->tracked;
    bool lost = t->pending ? t->lost_closing : t->lost_running;
    out->state = lost         ? DS_GENERATION_LOST
                 : t->pending ? DS_GENERATION_CUT
                              : DS_GENERATION_NONE;
    out->start = t->start;
    out->pending = t->pending;
    if (t->pending)
        out->end = t->end;
    out->granularity = world->grain * world->block;
    text_copy(out->reason, sizeof out->reason, lost ? "the model lost it" : "");
    return DS_OK;
}

static int tracker_changes(void *self, const char *consumer, const char *disk_id,
                           struct ds_window window, ds_extent_fn *fn, void *ud,
                           struct ds_call *call)
{
    struct world *world = self;
    struct model_disk *disk = disk_of_id(world, disk_id);
    (void)consumer;
    if (model_step(world, "changes", "before") || !disk)
        return gone(call);
    struct tracked *t = &disk->tracked;
    ck_assert_msg(t->pending, "changes without a cut");
    events(world);
    if (t->both && model_chance(world, 2))
        model_lose(world, disk); /* only now it is noticed */
    t->both = false;
    uint64_t n = model_blocks(world, disk->frozen.bytes);
    memcpy(disk->changed, t->closing, world->max_blocks);
    for (uint64_t i = window.from / world->block; i < n && i * world->block < window.to;) {
        uint64_t end = i;
        while (end < n && t->closing[end])
            end++;
        if (end > i) {
            struct ds_extent extent = { i * world->block, (end - i) * world->block };
            int rc = fn(ud, &extent, 1);
            if (rc)
                return rc;
        }
        i = end + (end == i);
    }
    return model_step(world, "changes", "after") ? gone(call) : DS_OK;
}

static bool token_pending(const struct tracked *t, const struct ds_token *token)
{
    return t->pending && ds_token_equal(&t->end, token);
}

static int tracker_commit(void *self, const char *consumer, const char *disk_id,
                          const struct ds_token *token, struct ds_call *call)
{
    struct world *world = self;
    struct model_disk *disk = disk_of_id(world, disk_id);
    (void)consumer;
    events(world);
    if (model_step(world, "commit", "before") || !disk)
        return gone(call);
    struct tracked *t = &disk->tracked;
    if (token_pending(t, token)) {
        memset(t->closing, 0, world->max_blocks);
        t->start = t->end;
        t->pending = t->both = t->lost_closing = false;
    }
    return model_step(world, "commit", "after") ? gone(call) : DS_OK;
}

static int tracker_abort(void *self, const char *consumer, const char *disk_id,
                         const struct ds_token *token, struct ds_call *call)
{
    struct world *world = self;
    struct model_disk *disk = disk_of_id(world, disk_id);
    (void)consumer;
    if (model_step(world, "abort", "before") || !disk)
        return gone(call);
    struct tracked *t = &disk->tracked;
    if (token_pending(t, token)) {
        for (uint64_t i = 0; i < world->max_blocks; i++)
            t->running[i] |= t->closing[i];
        memset(t->closing, 0, world->max_blocks);
        t->lost_running |= t->lost_closing;
        t->pending = t->both = t->lost_closing = false;
    }
    return model_step(world, "abort", "after") ? gone(call) : DS_OK;
}

static int tracker_mark(void *self, const char *consumer, const char *disk_id,
                        const struct ds_extent *extents, size_t n, struct ds_call *call)
{
    struct world *world = self;
    struct model_disk *disk = disk_of_id(world, disk_id);
    (void)consumer;
    if (model_step(world, "mark", "before") || !disk)
        return gone(call);
    for (size_t i = 0; i < n; i++)
        for (uint64_t b = extents[i].offset / world->block;
             b * world->block < extents[i].offset + extents[i].length && b < world->max_blocks; b++)
            disk->tracked.running[b] = 1;
    return DS_OK;
}

/* ---- snapshot provider ---- */

struct set {
    struct world *world;
    unsigned n;
    struct model_disk *disks[MODEL_DISKS];
};

static int snapshot_probe(void *self, const struct ds_disk *disk, uint32_t *score,
                          struct ds_call *call)
{
    (void)self, (void)disk, (void)call;
    *score = 100;
    return DS_OK;
}

static void freeze_disk(struct world *world, struct model_disk *disk)
{
    uint64_t n = model_blocks(world, disk->live.bytes);
    content_copy(world, &disk->frozen, &disk->live);
    memcpy(disk->frozen_bad, disk->bad, world->max_blocks);
    memset(disk->torn, 0, world->max_blocks);
    memset(disk->altered, 0, world->max_blocks);
    disk->is_live = model_chance(world, 10);
    for (unsigned i = model_random(world, 4); disk->is_live && i; i--) {
        uint64_t block = model_random(world, (uint32_t)n);
        if (block > 8 && block + 8 < n)
            disk->torn[block] = 1;
    }
    for (unsigned i = model_chance(world, 10) ? 1 + model_random(world, 5) : 0; i; i--) {
        uint64_t block = model_random(world, (uint32_t)n);
        disk->altered[block] = 1;
        disk->frozen.version[block] = ++world->last_version;
    }
}

static int snapshot_create(void *self, const struct ds_disk *const *disks, uint32_t n, void **out,
                           struct ds_call *call)
{
    struct world *world = self;
    events(world);
    if (model_step(world, "create", "before"))
        return gone(call);
    struct set *set = calloc(1, sizeof *set);
    if (!set)
        abort();
    set->world = world;
    set->n = n;
    for (uint32_t i = 0; i < n; i++) {
        set->disks[i] = disk_of_path(world, disks[i]->path);
        freeze_disk(world, set->disks[i]);
    }
    *out = set;
    events(world);
    model_step(world, "create", "after"); /* dead, but the session does not know yet */
    return DS_OK;
}

static int snapshot_views(void *self, uint32_t disk, struct ds_window window, ds_view_fn *fn,
                          void *ud, struct ds_call *call)
{
    struct set *set = self;
    struct ds_view view = { .size = sizeof view, .volume = disk + 1, .count = 1,
                            .disk = { 0, set->disks[disk]->frozen.bytes } };
    (void)window, (void)call;
    view.kind = set->disks[disk]->is_live ? DS_VIEW_LIVE : DS_VIEW_DATA;
    return fn(ud, &view);
}

static int snapshot_altered(void *self, uint32_t disk, ds_extent_fn *fn, void *ud,
                            struct ds_call *call)
{
    struct set *set = self;
    const struct world *world = set->world;
    int rc = 0;
    if (model_step(set->world, "altered", "before"))
        return gone(call);
    for (uint64_t i = 0; !rc && i < world->max_blocks; i++) {
        struct ds_extent extent = { i * world->block + 512, 1024 };
        if (set->disks[disk]->altered[i])
            rc = fn(ud, &extent, 1);
    }
    return rc;
}

/* Any thread. */
static int snapshot_read(void *self, uint64_t volume, uint64_t offset, void *data, size_t n,
                         struct ds_call *call)
{
    struct set *set = self;
    struct world *world = set->world;
    const struct model_disk *disk = set->disks[volume - 1];
    uint8_t *out = data, *whole = malloc(world->block);
    int rc = whole ? DS_OK : DS_ENOMEM;
    unsigned count = atomic_fetch_add(&world->reads, 1);
    while (!rc && n) {
        uint64_t block = offset / world->block, start = block * world->block;
        size_t len = (size_t)min_u64(world->block, disk->frozen.bytes - start);
        size_t part = (size_t)min_u64(n, start + len - offset);
        if (disk->frozen_bad[block])
            rc = ds_fail(call->err, DS_EIO, "block %llu can't be read", (unsigned long long)block);
        uint32_t version = disk->frozen.version[block];
        model_bytes(disk, disk->torn[block] ? 0x80000000u + count : version, block, whole, len);
        memcpy(out, whole + (offset - start), part);
        out += part;
        offset += part;
        n -= part;
    }
    free(whole);
    return rc;
}

static int snapshot_facts(void *self, ds_kv_fn *fn, void *ud, struct ds_call *call)
{
    (void)self, (void)call;
    return fn(ud, "consistency", "crash");
}

static int snapshot_health(void *self, struct ds_call *call)
{
    struct set *set = self;
    if (model_step(set->world, "health", "before"))
        return gone(call);
    return set->world->lost ? ds_fail(call->err, DS_ELOST, "the model lost the snapshot") : DS_OK;
}

static int snapshot_finish(void *self, uint32_t outcome, struct ds_call *call)
{
    (void)self, (void)outcome, (void)call;
    return DS_OK;
}

static void snapshot_release(void *self)
{
    free(self);
}

/* ---- file system ---- */

struct parsed {
    struct world *world;
    const struct model_disk *disk;
    uint64_t offset, bytes; /* of the volume on the disk */
};

static int fsmap_probe(void *self, const struct ds_reader *reader, uint32_t *score, char *name,
                       size_t name_size, struct ds_call *call)
{
    (void)self, (void)reader, (void)call;
    *score = 90;
    snprintf(name, name_size, "model");
    return DS_OK;
}

/* A pure parser can't know which disk it reads. This one may: the copies go one by one, and what
 * tells them apart is their size. */
static int fsmap_open(void *self, const struct ds_reader *reader, void **volume,
                      struct ds_call *call)
{
    struct world *world = self;
    struct parsed *parsed = calloc(1, sizeof *parsed);
    (void)call;
    if (!parsed)
        abort();
    parsed->world = world;
    parsed->bytes = reader->bytes;
    for (unsigned i = 0; i < MODEL_DISKS; i++) {
        const struct model_disk *disk = &world->disks[i];
        uint64_t bytes = disk->partition.length ? disk->partition.length : disk->frozen.bytes;
        if (!disk->present || bytes != reader->bytes)
            continue;
        ck_assert_msg(!parsed->disk, "two volumes of one size");
        parsed->disk = disk;
        parsed->offset = disk->partition.offset;
    }
    ck_assert_ptr_nonnull(parsed->disk);
    *volume = parsed;
    return DS_OK;
}

/* Ragged: not all of a used block is. */
static int fsmap_used(void *volume, struct ds_window window, ds_extent_fn *fn, void *ud,
                      struct ds_call *call)
{
    const struct parsed *parsed = volume;
    uint32_t block = parsed->world->block;
    uint64_t from = window.from + parsed->offset, to = window.to + parsed->offset;
    (void)call;
    for (uint64_t i = from / block; i * block < to; i++) {
        uint64_t first = i * block + i % 4 * 1024, end = (i + 1) * block - i % 3 * 2048;
        if (!parsed->disk->frozen.used[i])
            continue;
        first = max_u64(first, parsed->offset);
        end = min_u64(end, parsed->offset + parsed->bytes);
        if (first >= end)
            first = max_u64(i * block, parsed->offset), end = first + 512;
        struct ds_extent extent = { first - parsed->offset, end - first };
        int rc = fn(ud, &extent, 1);
        if (rc)
            return rc;
    }
    return DS_OK;
}

static int fsmap_skip(void *volume, ds_extent_fn *fn, void *ud, struct ds_call *call)
{
    const struct parsed *parsed = volume;
    struct ds_extent skip = parsed->disk->skip;
    (void)call;
    skip.offset -= parsed->offset;
    return skip.length ? fn(ud, &skip, 1) : DS_OK;
}

static int fsmap_facts(void *volume, ds_kv_fn *fn, void *ud, struct ds_call *call)
{
    (void)volume, (void)fn, (void)ud, (void)call;
    return DS_OK;
}

static void fsmap_close(void *volume)
{
    free(volume);
}

/* ---- store ---- */

static int store_probe(void *self, struct ds_store_info *info, struct ds_call *call)
{
    (void)self;
    return memory_store_ops(the_world->store)->probe(the_world->store, info, call);
}

static int store_submit(void *self, struct ds_store_req *req)
{
    (void)self;
    return memory_store_ops(the_world->store)->submit(the_world->store, req);
}

/* ---- tables ---- */

static int model_open(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                      struct ds_call *call)
{
    (void)host, (void)kv, (void)n, (void)call;
    *self = the_world;
    return DS_OK;
}

static void model_close(void *self)
{
    (void)self;
}

static const struct ds_tracker_ops tracker_ops = {
    .size = sizeof tracker_ops, .probe = tracker_probe, .attach = tracker_attach,
    .detach = tracker_detach, .cut = tracker_cut, .generation = tracker_generation,
    .changes = tracker_changes, .commit = tracker_commit, .abort = tracker_abort,
    .mark = tracker_mark,
};
static const struct ds_snapshot_ops snapshot_ops = {
    .size = sizeof snapshot_ops, .probe = snapshot_probe, .create = snapshot_create,
    .views = snapshot_views, .altered = snapshot_altered, .read = snapshot_read,
    .facts = snapshot_facts, .health = snapshot_health, .finish = snapshot_finish,
    .release = snapshot_release,
};
static const struct ds_fsmap_ops fsmap_ops = {
    .size = sizeof fsmap_ops, .probe = fsmap_probe, .open = fsmap_open, .used = fsmap_used,
    .skip = fsmap_skip, .facts = fsmap_facts, .close = fsmap_close,
};
static const struct ds_store_ops store_ops = {
    .size = sizeof store_ops, .probe = store_probe, .submit = store_submit,
};

#define TABLE(kind_, name_, ops_)                                                       \
    {                                                                                   \
        .size = sizeof(struct ds_plugin), .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),    \
        .kind = kind_, .threads = DS_THREADS_PARALLEL, .name = name_, .version = "1",   \
        .summary = "model", .option_size = sizeof(struct ds_option), .open = model_open, \
        .close = model_close, .ops = ops_,                                              \
    }
static const struct ds_plugin tables[4] = {
    TABLE(DS_KIND_TRACKER, "model-tracker", &tracker_ops),
    TABLE(DS_KIND_SNAPSHOT, "model-snapshot", &snapshot_ops),
    TABLE(DS_KIND_FSMAP, "model-fsmap", &fsmap_ops),
    TABLE(DS_KIND_STORE, "model-store", &store_ops),
};

void model_plugins(struct world *world)
{
    the_world = world;
    for (unsigned i = 0; i < 4; i++) {
        world->plugins[i].table = &tables[i];
        world->plugins[i].loaded = true;
    }
}
