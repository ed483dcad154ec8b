/* SPDX-License-Identifier: Apache-2.0 */
/* nbdkit_linux.c - the module that nbdkit loads: one disk of a point as a read-only export.
 * `disksync serve` starts nbdkit with it and passes what it has checked before:
 *
 *   policy=FILE node=UUID point=NUMBER disk=NUMBER plugins=FOLDER [offset=BYTES length=BYTES]
 *   [ready=DESCRIPTOR]
 *
 * Secrets are not among them: the module opens the repository by the policy, as every command does.
 * All is opened once, in nbdkit's main thread before there is a client, and then only read by
 * nbdkit's threads, for as long as the process lives; so it may be static. A byte is written to
 * `ready` when clients may come; it stays open, so that its other end learns of nbdkit's end. */
#include "core/agent/agent.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/recover/export.h"

#include <stdlib.h>
#include <unistd.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
#define FETCHERS 8u

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

static struct {
    char *policy_path, *node, *plugins;
    uint64_t point, disk, ready;   /* UINT64_MAX: not given */
    uint64_t offset, length;       /* of the disk; length 0: to its end */
    struct policy *policy;
    struct agent agent;
    struct root root;
    struct export *export;
    volatile int interrupted;
} served = { .point = UINT64_MAX, .disk = UINT64_MAX, .ready = UINT64_MAX };

/* ---- parameters ---- */

static int served_config(const char *key, const char *value)
{
    struct {
        const char *key;
        char **text;
        uint64_t *number;
    } parameters[] = {
        { "policy", &served.policy_path, NULL }, { "node", &served.node, NULL },
        { "plugins", &served.plugins, NULL },    { "point", NULL, &served.point },
        { "disk", NULL, &served.disk },          { "ready", NULL, &served.ready },
        { "offset", NULL, &served.offset },      { "length", NULL, &served.length },
    };
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        if (strcmp(parameters[i].key, key) != 0)
            continue;
        if (parameters[i].text) {
            free(*parameters[i].text);
            *parameters[i].text = strdup(value);
            return *parameters[i].text ? 0 : -1;
        }
        if (text_parse_u64(parameters[i].number, value, INT64_MAX))
            return 0;
        nbdkit_error("%s=%s is not a number", key, value);
        return -1;
    }
    nbdkit_error("there is no parameter %s", key);
    return -1;
}

static int served_config_complete(void)
{
    if (served.policy_path && served.node && served.point != UINT64_MAX &&
        served.disk != UINT64_MAX)
        return 0;
    nbdkit_error("policy, node, point and disk must be given: use disksync serve");
    return -1;
}

/* ---- opening ---- */

static int served_find(struct ds_error *err)
{
    const struct root_disk *disk = NULL;
    for (uint32_t i = 0; i < served.root.n_disks; i++)
        if (served.root.disks[i].number == served.disk)
            disk = &served.root.disks[i];
    if (!disk)
        return ds_fail(err, DS_ENOENT, "point %llu has no disk %llu",
                       (unsigned long long)served.point, (unsigned long long)served.disk);
    uint64_t bytes = disk->shape.bytes;
    if (served.offset > bytes || served.length > bytes - served.offset)
        return ds_fail(err, DS_EINVAL, "disk %llu ends before the part that is to be served",
                       (unsigned long long)served.disk);
    if (!served.length)
        served.length = bytes - served.offset;
    return export_open(&served.export, &served.agent.space, disk, FETCHERS, err);
}

static int served_open(struct ds_error *err)
{
    int rc = policy_load(&served.policy, served.policy_path, NULL, err);
    if (rc)
        return rc;
    if (served.plugins) /* what lies beside nbdkit's program is not ours */
        served.policy->plugin_folder = served.plugins;
    rc = agent_open(&served.agent, served.policy, &served.interrupted, err);
    if (rc) {
        policy_free(served.policy);
        served.policy = NULL;
        return rc;
    }
    rc = agent_open_repository(&served.agent, false, err);
    if (!rc)
        rc = agent_use_node(&served.agent, served.node, err);
    if (!rc)
        rc = root_read(&served.root, NULL, &served.agent.space, served.point, err);
    return rc ? rc : served_find(err);
}

/* After nbdkit has forked, if it does: threads are made here. */
static int served_after_fork(void)
{
    struct ds_error err = DS_ERROR_INIT;
    if (served_open(&err)) {
        nbdkit_error("%s", err.msg);
        return -1;
    }
    if (served.ready != UINT64_MAX && write((int)served.ready, "r", 1) != 1) {
        nbdkit_error("disksync serve is gone");
        return -1;
    }
    return 0;
}

static void served_unload(void)
{
    export_close(served.export);
    root_free(&served.root);
    if (served.policy) {
        agent_close(&served.agent);
        policy_free(served.policy);
    }
    free(served.policy_path);
    free(served.node);
    free(served.plugins);
}

/* ---- clients ---- */

static void *served_client(int readonly)
{
    (void)readonly;
    return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t served_size(void *handle)
{
    (void)handle;
    return (int64_t)served.length;
}

static int served_yes(void *handle)
{
    (void)handle;
    return 1;
}

static int served_no(void *handle)
{
    (void)handle;
    return 0;
}

static int served_can_cache(void *handle)
{
    (void)handle;
    return NBDKIT_CACHE_EMULATE;
}

/* The client learns no more than EIO; why is for who runs the server. */
static int served_failed(const struct ds_error *err)
{
    log_event(DS_LOG_ERROR, "serve.failed", err->msg, NULL, 0);
    nbdkit_set_error(EIO);
    return -1;
}

static int served_pread(void *handle, void *data, uint32_t n, uint64_t offset, uint32_t flags)
{
    struct ds_error err = DS_ERROR_INIT;
    (void)handle, (void)flags;
    if (export_read(served.export, data, n, served.offset + offset, &err))
        return served_failed(&err);
    return 0;
}

static int extent_tell(void *ud, uint64_t offset, uint64_t bytes, bool hole)
{
    uint32_t type = hole ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0;
    return nbdkit_add_extent(ud, offset - served.offset, bytes, type) ? DS_ENOMEM : DS_OK;
}

static int served_extents(void *handle, uint32_t n, uint64_t offset, uint32_t flags,
                          struct nbdkit_extents *extents)
{
    struct ds_error err = DS_ERROR_INIT;
    (void)handle;
    ds_fail(&err, DS_ENOMEM, "no memory to tell the extents");
    if (export_extents(served.export, served.offset + offset, n, flags & NBDKIT_FLAG_REQ_ONE,
                       extent_tell, extents, &err))
        return served_failed(&err);
    return 0;
}

static struct nbdkit_plugin served_plugin = {
    .name = "disksync",
    .longname = "DiskSync point",
    .version = PACKAGE_VERSION,
    .description = "A disk of a recovery point, read-only; started by disksync serve.",
    .unload = served_unload,
    .config = served_config,
    .config_complete = served_config_complete,
    .config_help = "policy=<FILE>    (required) The policy that names the repository.\n"
                   "node=<UUID>      (required) The node.\n"
                   "point=<NUMBER>   (required) The point.\n"
                   "disk=<NUMBER>    (required) The disk of the point.\n"
                   "plugins=<FOLDER> DiskSync's own plugins.\n"
                   "offset=<BYTES> length=<BYTES> The part of the disk; default: all.\n"
                   "ready=<FD>       Gets a byte when clients may come.",
    .after_fork = served_after_fork,
    .open = served_client,
    .get_size = served_size,
    .can_multi_conn = served_yes,
    .can_extents = served_yes,
    .can_cache = served_can_cache,
    .is_rotational = served_no,
    .pread = served_pread,
    .extents = served_extents,
};

/* nbdkit's header defines it without having declared it. */
NBDKIT_DLL_PUBLIC struct nbdkit_plugin *plugin_init(void);
NBDKIT_REGISTER_PLUGIN(served_plugin)
