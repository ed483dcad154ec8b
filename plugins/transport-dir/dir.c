/* SPDX-License-Identifier: Apache-2.0 */
/* dir.c - the plugin's table: options, life cycle, and requests as tasks of the host. A request is
 * counted in self->running from submit until its task has nothing more to do with self, and close
 * waits for the last one; `done` is called while it still counts. */
#include "dir.h"

#include <stdlib.h>

struct job {
    struct dir *dir;
    struct ds_store_req *req;
};

static int dir_check(const struct ds_kv *kv, size_t n, struct ds_call *call)
{
    const char *path = ds_kv_get(kv, n, "path", "");
    if (!dir_os_is_absolute(path))
        return ds_fail(call->err, DS_EINVAL, "path must be an absolute path, found \"%s\"", path);
    if (strlen(path) > DIR_ROOT_MAX)
        return ds_fail(call->err, DS_EINVAL, "path is longer than %d bytes: %.100s...",
                       DIR_ROOT_MAX, path);
    return DS_OK;
}

static void root_set(struct dir *dir, const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && (path[n - 1] == '/' || path[n - 1] == '\\') && path[n - 2] != ':')
        n--;
    memcpy(dir->root, path, n);
    dir->root[n] = 0;
}

/* The repository's folder, or at least the one above it, must be there: what lies deeper than that
 * is more likely a disk that is not mounted than a folder to be made. */
static int root_check(struct dir *dir, struct ds_error *err)
{
    struct dir_stat st;
    char above[DIR_PATH_MAX];
    int rc = dir_os_stat(dir->root, &st, err);
    if (rc || st.is_folder)
        return rc;
    if (st.is_file)
        return ds_fail(err, DS_EINVAL, "%s is a file, not a folder", dir->root);
    if (!dir_os_parent(above, dir->root))
        return ds_fail(err, DS_ENOENT, "%s does not exist", dir->root);
    rc = dir_os_stat(above, &st, err);
    if (!rc && !st.is_folder)
        rc = ds_fail(err, DS_ENOENT, "there is no folder %s to hold the repository %s: is the disk "
                                     "or network share mounted?", above, dir->root);
    return rc;
}

static int dir_open(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                    struct ds_call *call)
{
    int rc = dir_check(kv, n, call);
    if (rc)
        return rc;
    struct dir *dir = calloc(1, sizeof *dir);
    if (!dir)
        return ds_fail(call->err, DS_ENOMEM, "no memory to open the store");
    dir->host = host;
    dir->sync = strcmp(ds_kv_get(kv, n, "sync", "true"), "true") == 0;
    atomic_init(&dir->cancelled, false);
    atomic_init(&dir->running, 0);
    atomic_flag_clear(&dir->folders.lock);
    *self = dir;
    root_set(dir, ds_kv_get(kv, n, "path", ""));
    rc = root_check(dir, call->err);
    if (!rc) {
        dir->pinned = dir_os_pin(&dir->pin, dir->root);
        temp_sweep(dir);
    }
    return rc;
}

static void dir_close(void *self)
{
    struct dir *dir = self;
    atomic_store(&dir->cancelled, true);
    while (atomic_load_explicit(&dir->running, memory_order_acquire))
        dir_os_pause();
    if (dir->pinned)
        dir_os_unpin(&dir->pin);
    free(dir);
}

static void dir_cancel(void *self)
{
    struct dir *dir = self;
    atomic_store(&dir->cancelled, true);
}

static int dir_probe(void *self, struct ds_store_info *info, struct ds_call *call)
{
    return probe_run(self, info, call);
}

static int bad_key(const struct ds_store_req *req, struct ds_error *err)
{
    return ds_fail(err, DS_EINVAL, "\"%.210s\" is no key: [a-z0-9.-] between single '/', at most "
                                   "%d bytes, no component \".\" or \"..\"",
                   req->key ? req->key : "", DIR_KEY_MAX);
}

static int request_run(struct dir *dir, struct ds_store_req *req, struct ds_error *err)
{
    bool list = req->op == DS_STORE_LIST;
    if (!req->key || !(list ? key_is_good_prefix(req->key) : key_is_good(req->key)))
        return bad_key(req, err);
    int rc = object_may_go_on(dir, req, err);
    if (rc)
        return rc;
    switch (req->op) {
    case DS_STORE_PUT:
        return object_put(dir, req, err);
    case DS_STORE_GET:
        return object_get(dir, req, err);
    case DS_STORE_HEAD:
        return object_head(dir, req, err);
    case DS_STORE_LIST:
        return list_run(dir, req, err);
    case DS_STORE_REMOVE:
        return object_remove(dir, req->key, err);
    case DS_STORE_RETAIN:
        return ds_fail(err, DS_ENOTSUP, "a folder can't forbid the removal of %s", req->key);
    default:
        return ds_fail(err, DS_ENOTSUP, "transport-dir knows no request %u", req->op);
    }
}

static void job_run(void *arg)
{
    struct job job = *(struct job *)arg;
    struct ds_error err = DS_ERROR_INIT;
    free(arg);
    int rc = request_run(job.dir, job.req, &err);
    job.req->done(job.req, rc, rc ? &err : NULL);
    atomic_fetch_sub_explicit(&job.dir->running, 1, memory_order_release);
}

static int dir_submit(void *self, struct ds_store_req *req)
{
    struct dir *dir = self;
    struct job *job = malloc(sizeof *job);
    if (!job)
        return DS_ENOMEM;
    *job = (struct job){ dir, req };
    atomic_fetch_add_explicit(&dir->running, 1, memory_order_relaxed);
    int rc = dir->host->task(dir->host->ctx, job_run, job);
    if (rc) {
        atomic_fetch_sub_explicit(&dir->running, 1, memory_order_release);
        free(job);
    }
    return rc;
}

static const struct ds_option options[] = {
    { .name = "path", .type = DS_OPT_PATH, .flags = DS_OPTF_REQUIRED,
      .help = "folder of the repository; it or the folder above it must exist" },
    { .name = "sync", .type = DS_OPT_BOOL, .def = "true",
      .help = "survive power loss: flush each object and its folders before it counts as stored" },
};

static const struct ds_store_ops ops = {
    .size = sizeof ops,
    .probe = dir_probe,
    .submit = dir_submit,
};

static const struct ds_plugin plugin = {
    .size = sizeof plugin,
    .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),
    .kind = DS_KIND_STORE,
    .threads = DS_THREADS_PARALLEL,
    .name = "transport-dir",
    .version = "0.1.0",
    .summary = "keeps objects as files in a folder",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .option_size = sizeof options[0],
    .check = dir_check,
    .open = dir_open,
    .close = dir_close,
    .cancel = dir_cancel,
    .ops = &ops,
};

const struct ds_plugin *ds_plugin_v1(void)
{
    return &plugin;
}
