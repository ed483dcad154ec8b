/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot-made.c - a snapshot provider for memory.sh: the disk's blocks are computed when they are
 * read, so that a disk of terabytes needs no storage. The image file that stands for the disk gives
 * only its size and identity.
 *
 * Of every `stride` blocks of 64 KiB one is in use (scattered), or of every `stride` runs of 4 GiB
 * one (dense). Used blocks are counted; the first ones are random, so that segments fill up, the
 * others repeat 8 bytes of their own, so that they differ but hardly take room. Blocks whose count
 * is a multiple of `change_every` have another content in each `version`.
 *
 * Constant after open: any thread. */
#include <disksync/disksync.h>
#include <stdbool.h>
#include <stdlib.h>

#define BLOCK UINT64_C(65536)
#define RUN UINT64_C(65536) /* blocks */

struct made {
    uint64_t stride, random_blocks, change_every, version;
    bool dense;
    uint64_t bytes;
};

/* The count of a used block, or UINT64_MAX. */
static uint64_t used_count(const struct made *m, uint64_t block)
{
    uint64_t run = m->dense ? RUN : 1, chunk = block / (run * m->stride);
    uint64_t within = block % (run * m->stride);
    return within < run ? chunk * run + within : UINT64_MAX;
}

static void block_make(const struct made *m, uint64_t block, uint8_t out[BLOCK])
{
    uint64_t count = used_count(m, block), x = count * UINT64_C(0x9e3779b97f4a7c15) + 1;
    if (count == UINT64_MAX) {
        memset(out, 0, BLOCK);
        return;
    }
    if (m->change_every && count % m->change_every == 0)
        x += m->version * UINT64_C(0xd1342543de82ef95);
    if (count >= m->random_blocks) {
        memcpy(out, &x, sizeof x);
        for (size_t n = sizeof x; n < BLOCK; n *= 2)
            memcpy(out + n, out, n);
        return;
    }
    for (size_t i = 0; i < BLOCK; i += sizeof x) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(out + i, &x, sizeof x);
    }
}

static int made_probe(void *self, const struct ds_disk *disk, uint32_t *score, struct ds_call *call)
{
    (void)self, (void)disk, (void)call;
    *score = 1;
    return DS_OK;
}

static int made_create(void *self, const struct ds_disk *const *disks, uint32_t n, void **set,
                       struct ds_call *call)
{
    struct made *m = self;
    if (n != 1)
        return ds_fail(call->err, DS_ENOTSUP, "snapshot-made makes one disk");
    m->bytes = disks[0]->bytes;
    *set = m;
    return DS_OK;
}

static int made_views(void *set, uint32_t disk, struct ds_window window, ds_view_fn *fn, void *ud,
                      struct ds_call *call)
{
    const struct made *m = set;
    struct ds_view view = { .size = sizeof view, .kind = DS_VIEW_DATA, .disk = { 0, m->bytes },
                            .volume = 1, .count = 1, .flags = DS_VIEW_BUFFERED };
    (void)disk, (void)window, (void)call;
    return fn(ud, &view);
}

static int made_used(void *set, uint64_t volume, struct ds_window window, ds_extent_fn *fn,
                     void *ud, struct ds_call *call)
{
    const struct made *m = set;
    uint64_t run = (m->dense ? RUN : 1) * BLOCK, step = run * m->stride;
    int rc = 0;
    (void)volume, (void)call;
    for (uint64_t at = window.from / step * step; !rc && at < window.to; at += step) {
        struct ds_extent e = { at < window.from ? window.from : at, 0 };
        uint64_t end = at + run < window.to ? at + run : window.to;
        if (end <= e.offset)
            continue;
        e.length = end - e.offset;
        rc = fn(ud, &e, 1);
    }
    return rc;
}

static int made_read(void *set, uint64_t volume, uint64_t offset, void *data, size_t n,
                     struct ds_call *call)
{
    const struct made *m = set;
    uint8_t *out = data, block[BLOCK];
    (void)volume, (void)call;
    while (n) {
        uint64_t within = offset % BLOCK;
        size_t part = n < BLOCK - within ? n : (size_t)(BLOCK - within);
        if (part == BLOCK) {
            block_make(m, offset / BLOCK, out);
        } else {
            block_make(m, offset / BLOCK, block);
            memcpy(out, block + within, part);
        }
        out += part;
        offset += part;
        n -= part;
    }
    return DS_OK;
}

static int made_facts(void *set, ds_kv_fn *fn, void *ud, struct ds_call *call)
{
    (void)set, (void)call;
    return fn(ud, "consistency", "crash");
}

static int made_health(void *set, struct ds_call *call)
{
    (void)set, (void)call;
    return DS_OK;
}

static int made_finish(void *set, uint32_t outcome, struct ds_call *call)
{
    (void)set, (void)outcome, (void)call;
    return DS_OK;
}

static void made_release(void *set)
{
    (void)set; /* it is self */
}

static uint64_t number(const struct ds_kv *kv, size_t n, const char *name)
{
    return strtoull(ds_kv_get(kv, n, name, "0"), NULL, 10);
}

static int made_open(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                     struct ds_call *call)
{
    struct made *m = calloc(1, sizeof *m);
    (void)host;
    if (!m)
        return ds_fail(call->err, DS_ENOMEM, "no memory for snapshot-made");
    m->stride = number(kv, n, "stride");
    m->random_blocks = number(kv, n, "random") / BLOCK;
    m->change_every = number(kv, n, "change_every");
    m->version = number(kv, n, "version");
    m->dense = strcmp(ds_kv_get(kv, n, "dense", "false"), "true") == 0;
    *self = m;
    return m->stride ? DS_OK : ds_fail(call->err, DS_EINVAL, "snapshot-made wants stride");
}

static void made_close(void *self)
{
    free(self);
}

static const struct ds_option options[] = {
    { .name = "stride", .type = DS_OPT_INT, .flags = DS_OPTF_REQUIRED, .min = 1, .max = 1 << 20,
      .help = "one block or run in so many is in use" },
    { .name = "dense", .type = DS_OPT_BOOL, .def = "false", .help = "runs of 4 GiB, not blocks" },
    { .name = "random", .type = DS_OPT_SIZE, .def = "0",
      .help = "so many of the first used bytes are random" },
    { .name = "change_every", .type = DS_OPT_INT, .def = "0",
      .help = "one used block in so many follows version; 0: none" },
    { .name = "version", .type = DS_OPT_INT, .def = "0", .help = "of the changing blocks" },
};
static const struct ds_snapshot_ops ops = {
    .size = sizeof ops,
    .probe = made_probe,
    .create = made_create,
    .views = made_views,
    .used = made_used,
    .read = made_read,
    .facts = made_facts,
    .health = made_health,
    .finish = made_finish,
    .release = made_release,
};
static const struct ds_plugin plugin = {
    .size = sizeof plugin,
    .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),
    .kind = DS_KIND_SNAPSHOT,
    .threads = DS_THREADS_PARALLEL,
    .caps = DS_CAP_SCRIPTED,
    .name = "snapshot-made",
    .version = "1",
    .summary = "for benchmarks: a disk whose blocks are computed",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .option_size = sizeof options[0],
    .open = made_open,
    .close = made_close,
    .ops = &ops,
};

const struct ds_plugin *ds_plugin_v1(void)
{
    return &plugin;
}
