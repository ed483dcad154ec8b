/* SPDX-License-Identifier: Apache-2.0 */
/* fsmap-scripted.c - the parser of a file system that exists for tests alone: a bitmap of used
 * clusters and nothing else, so that a script can let a cluster become used without a write to it.
 * Little-endian:
 *
 *      0   "scripted"
 *      8   bytes per cluster, 32 bits; then 32 bits of nothing
 *      16  number of clusters, 64 bits; what is behind the last is used
 *      24  offset and length of an extent not worth keeping, 64 bits each
 *      4096  a bit per cluster, the lowest of a byte first
 *
 * Header and bitmap are used. No real volume begins like this, so it is not marked as scripted:
 * core asks no policy which parsers there are. */
#include <disksync/disksync.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "scripted"
#define HEADER 40u
#define BITMAP_AT 4096u
#define BITMAP_MAX 65536u

struct volume {
    uint64_t bytes, clusters;
    uint32_t cluster;
    struct ds_extent skip;
    size_t n; /* bytes of the bitmap */
    uint8_t bitmap[BITMAP_MAX];
};

static uint64_t le64(const uint8_t *p)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

static int fsmap_probe(void *self, const struct ds_reader *reader, uint32_t *score, char *name,
                       size_t name_size, struct ds_call *call)
{
    char magic[8];
    (void)self;
    *score = 0;
    if (reader->bytes < BITMAP_AT)
        return DS_OK;
    int rc = reader->pread(reader->ctx, magic, sizeof magic, 0, call->err);
    if (rc || memcmp(magic, MAGIC, sizeof magic) != 0)
        return rc;
    *score = 100;
    if (name_size >= sizeof MAGIC)
        memcpy(name, MAGIC, sizeof MAGIC);
    return DS_OK;
}

static int header_read(struct volume *v, const struct ds_reader *reader, struct ds_call *call)
{
    uint8_t header[HEADER];
    int rc = reader->pread(reader->ctx, header, sizeof header, 0, call->err);
    if (rc)
        return rc;
    v->bytes = reader->bytes;
    v->cluster = (uint32_t)le64(header + 8);
    v->clusters = le64(header + 16);
    v->skip = (struct ds_extent){ le64(header + 24), le64(header + 32) };
    if (v->cluster == 0 || v->clusters > (uint64_t)BITMAP_MAX * 8 ||
        v->clusters > v->bytes / v->cluster)
        return ds_fail(call->err, DS_EFORMAT, "this is no scripted file system");
    v->n = (size_t)(v->clusters + 7) / 8;
    return reader->pread(reader->ctx, v->bitmap, v->n, BITMAP_AT, call->err);
}

static int fsmap_open(void *self, const struct ds_reader *reader, void **volume,
                      struct ds_call *call)
{
    struct volume *v = calloc(1, sizeof *v);
    (void)self;
    if (!v)
        return ds_fail(call->err, DS_ENOMEM, "no memory for a volume");
    int rc = header_read(v, reader, call);
    if (rc)
        free(v);
    else
        *volume = v;
    return rc;
}

static int tell(struct ds_window window, uint64_t from, uint64_t to, ds_extent_fn *fn, void *ud)
{
    if (from < window.from)
        from = window.from;
    if (to > window.to)
        to = window.to;
    struct ds_extent e = { from, to - from };
    return from < to ? fn(ud, &e, 1) : 0;
}

static bool used(const struct volume *v, uint64_t cluster)
{
    return cluster < v->clusters && v->bitmap[cluster / 8] >> cluster % 8 & 1;
}

static int fsmap_used(void *volume, struct ds_window window, ds_extent_fn *fn, void *ud,
                      struct ds_call *call)
{
    const struct volume *v = volume;
    int rc = tell(window, 0, BITMAP_AT + v->n, fn, ud);
    (void)call;
    for (uint64_t i = window.from / v->cluster, end; !rc && i < v->clusters; i = end + 1) {
        for (end = i; used(v, end); end++)
            ;
        if (i * v->cluster >= window.to)
            break;
        rc = tell(window, i * v->cluster, end * v->cluster, fn, ud);
    }
    return rc ? rc : tell(window, v->clusters * v->cluster, v->bytes, fn, ud);
}

static int fsmap_skip(void *volume, ds_extent_fn *fn, void *ud, struct ds_call *call)
{
    const struct volume *v = volume;
    (void)call;
    return v->skip.length ? fn(ud, &v->skip, 1) : DS_OK;
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

static int plugin_open(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                       struct ds_call *call)
{
    static char nothing; /* there is no state, but self says that it is open */
    (void)host, (void)kv, (void)n, (void)call;
    *self = &nothing;
    return DS_OK;
}

static void plugin_close(void *self)
{
    (void)self;
}

static const struct ds_fsmap_ops ops = {
    .size = sizeof ops,
    .probe = fsmap_probe,
    .open = fsmap_open,
    .used = fsmap_used,
    .skip = fsmap_skip,
    .facts = fsmap_facts,
    .close = fsmap_close,
};
static const struct ds_plugin plugin = {
    .size = sizeof plugin,
    .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),
    .kind = DS_KIND_FSMAP,
    .threads = DS_THREADS_PARALLEL,
    .name = "fsmap-scripted",
    .version = "1",
    .summary = "for tests: a file system that is a bitmap",
    .option_size = sizeof(struct ds_option),
    .open = plugin_open,
    .close = plugin_close,
    .ops = &ops,
};

const struct ds_plugin *ds_plugin_v1(void)
{
    return &plugin;
}
