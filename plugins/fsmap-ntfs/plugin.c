/* SPDX-License-Identifier: Apache-2.0 */
/* plugin.c - the plugin's table: which clusters of an NTFS volume hold valid data. A pure parser
 * over the reader's callback: no device, no platform, no thread, no state but the open volumes.
 * Threads: serial; every call of a volume sets v->io.call for its duration. There is no cancel:
 * nothing here blocks but the reader's own read, and every read polls the host first. */
#include "skip.h"
#include "used.h"
#include "volume.h"

#include <disksync/helpers.h>

static int plugin_open(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                       struct ds_call *call)
{
    (void)host;
    (void)kv;
    (void)n;
    (void)call;
    *self = NULL; /* no state of its own */
    return DS_OK;
}

static void plugin_close(void *self)
{
    (void)self;
}

static int plugin_probe(void *self, const struct ds_reader *reader, uint32_t *score, char *name,
                        size_t name_size, struct ds_call *call)
{
    struct ntfs_io io = { reader, call };
    int rc = ntfs_volume_probe(&io, score);

    (void)self;
    if (name_size > 0)
        snprintf(name, name_size, "%s", rc == DS_OK && *score > 0 ? "ntfs" : "");
    return rc;
}

static int plugin_volume_open(void *self, const struct ds_reader *reader, void **volume,
                              struct ds_call *call)
{
    struct ntfs_io io = { reader, call };
    struct ntfs_volume *v = NULL;
    int rc = ntfs_volume_open(&io, &v);

    (void)self;
    *volume = v;
    return rc;
}

static int plugin_used(void *volume, struct ds_window window, ds_extent_fn *fn, void *ud,
                       struct ds_call *call)
{
    struct ntfs_volume *v = volume;

    v->io.call = call;
    return ntfs_used_walk(v, window, fn, ud);
}

static int plugin_skip(void *volume, ds_extent_fn *fn, void *ud, struct ds_call *call)
{
    struct ntfs_volume *v = volume;

    v->io.call = call;
    return ntfs_skip_walk(v, fn, ud);
}

static int plugin_facts(void *volume, ds_kv_fn *fn, void *ud, struct ds_call *call)
{
    struct ntfs_volume *v = volume;

    v->io.call = call;
    return ntfs_volume_facts(v, fn, ud);
}

static void plugin_volume_close(void *volume)
{
    ntfs_volume_close(volume);
}

static const struct ds_fsmap_ops plugin_ops = {
    .size = sizeof plugin_ops,
    .probe = plugin_probe,
    .open = plugin_volume_open,
    .used = plugin_used,
    .skip = plugin_skip,
    .facts = plugin_facts,
    .close = plugin_volume_close
};

static const struct ds_plugin plugin_table = {
    .size = sizeof plugin_table,
    .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),
    .kind = DS_KIND_FSMAP,
    .threads = DS_THREADS_SERIAL,
    .name = "fsmap-ntfs",
    .version = "1.0",
    .summary = "Used clusters of NTFS volumes, by an own parser",
    .option_size = sizeof(struct ds_option),
    .open = plugin_open,
    .close = plugin_close,
    .ops = &plugin_ops
};

const struct ds_plugin *ds_plugin_v1(void)
{
    return &plugin_table;
}
