/* SPDX-License-Identifier: Apache-2.0 */
/* reflink.c - the plugin's table: options and life cycle. See reflink.h. */
#include "reflink.h"

#include <stdlib.h>

static int reflink_probe(void *self, const struct ds_disk *disk, uint32_t *score,
                         struct ds_call *call)
{
    const struct reflink *reflink = self;
    char folder[PATH_MAX];
    *score = 0;
    struct source *source = malloc(sizeof *source);
    if (!source)
        return ds_fail(call->err, DS_ENOMEM, "no memory to examine %s", disk->path);
    int rc = source_find(source, disk, call->err);
    if (!rc) {
        clone_folder(folder, reflink, source);
        rc = clone_try(source, folder, call->err);
    }
    free(source);
    if (!rc)
        *score = 50;
    /* "No" is an answer, not a failure: err says why. */
    return rc == DS_ENOMEM ? rc : DS_OK;
}

static int reflink_create(void *self, const struct ds_disk *const *disks, uint32_t n, void **set,
                          struct ds_call *call)
{
    return set_create(self, disks, n, set, call);
}

static int reflink_sweep(void *self, struct ds_call *call)
{
    return set_sweep(self, call);
}

static void reflink_close(void *self)
{
    struct reflink *reflink = self;
    free(reflink->folder);
    free(reflink);
}

static int reflink_open(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                        struct ds_call *call)
{
    const char *folder = ds_kv_get(kv, n, "folder", NULL);
    struct reflink *reflink = calloc(1, sizeof *reflink);
    if (!reflink)
        return ds_fail(call->err, DS_ENOMEM, "no memory to open snapshot-reflink");
    *self = reflink;
    reflink->host = host;
    reflink->freeze = strcmp(ds_kv_get(kv, n, "freeze", "false"), "true") == 0;
    if (folder && *folder) {
        if (strlen(folder) > PATH_MAX - 100)
            return ds_fail(call->err, DS_EINVAL, "folder is too long a path");
        reflink->folder = strdup(folder);
        if (!reflink->folder)
            return ds_fail(call->err, DS_ENOMEM, "no memory to open snapshot-reflink");
    }
    return DS_OK;
}

static const struct ds_option options[] = {
    { .name = "folder", .type = DS_OPT_PATH,
      .help = "where clones are made, on the file system of the images; default: beside each" },
    { .name = "freeze", .type = DS_OPT_BOOL, .def = "false",
      .help = "freeze the file systems that are mounted from the loop devices while cloning" },
};

static const struct ds_snapshot_ops ops = {
    .size = sizeof ops,
    .probe = reflink_probe,
    .create = reflink_create,
    .views = set_views,
    .facts = set_facts,
    .health = set_health,
    .finish = set_finish,
    .release = set_release,
    .sweep = reflink_sweep,
};

static const struct ds_plugin plugin = {
    .size = sizeof plugin,
    .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),
    .kind = DS_KIND_SNAPSHOT,
    .threads = DS_THREADS_PARALLEL,
    .name = "snapshot-reflink",
    .version = "0.1.0",
    .summary = "clones the files behind image disks and loop devices (XFS, btrfs)",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .option_size = sizeof options[0],
    .open = reflink_open,
    .close = reflink_close,
    .ops = &ops,
};

const struct ds_plugin *ds_plugin_v1(void)
{
    return &plugin;
}
