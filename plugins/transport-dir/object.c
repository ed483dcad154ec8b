/* SPDX-License-Identifier: Apache-2.0 */
/* object.c - put, get, head and remove of one object. See dir.h for what a put promises. */
#include "dir.h"

int object_may_go_on(struct dir *dir, const struct ds_store_req *req, struct ds_error *err)
{
    if (atomic_load_explicit(&dir->cancelled, memory_order_relaxed))
        return ds_fail(err, DS_ECANCELLED, "cancelled");
    if (req->deadline_ns && dir->host->now_mono(dir->host->ctx) > req->deadline_ns)
        return ds_fail_retry(err, DS_ETIMEDOUT, DS_RETRY_SAME,
                             "the time limit for %s passed: the storage below %s is too slow",
                             req->key, dir->root);
    return DS_OK;
}

/* Position in a request's iov. */
struct gather {
    const struct ds_iovec *iov;
    size_t n, at, offset;
};

/* The next batch of at most DIR_CHUNK bytes; 0 at the end. */
static size_t gather_next(struct gather *g, struct ds_iovec batch[DIR_IOV_MAX])
{
    size_t count = 0, left = DIR_CHUNK;
    while (g->at < g->n && count < DIR_IOV_MAX && left) {
        const struct ds_iovec *v = &g->iov[g->at];
        size_t take = v->length - g->offset;
        if (take > left)
            take = left;
        if (take) {
            batch[count].data = (const char *)v->data + g->offset;
            batch[count++].length = take;
        }
        left -= take;
        g->offset += take;
        if (g->offset == v->length) {
            g->at++;
            g->offset = 0;
        }
    }
    return count;
}

static int write_all(struct dir *dir, const struct ds_store_req *req, struct dir_file *file,
                     const char *path, struct ds_error *err)
{
    struct gather g = { req->iov, req->n_iov, 0, 0 };
    struct ds_iovec batch[DIR_IOV_MAX];
    int rc = DS_OK;
    for (size_t n; !rc && (n = gather_next(&g, batch)) > 0;) {
        rc = object_may_go_on(dir, req, err);
        if (!rc)
            rc = dir_os_write(file, batch, n, path, err);
    }
    if (!rc && dir->sync)
        rc = dir_os_flush(file, path, err);
    return rc ? rc : object_may_go_on(dir, req, err);
}

static int flush_folder_of(struct dir *dir, const char *path, struct ds_error *err)
{
    char folder[DIR_PATH_MAX];
    if (!dir->sync || !dir_os_parent(folder, path))
        return DS_OK;
    return dir_os_flush_folder(folder, err);
}

int object_put(struct dir *dir, const struct ds_store_req *req, struct ds_error *err)
{
    struct dir_file file = { DIR_NO_FILE };
    char temp[DIR_PATH_MAX], path[DIR_PATH_MAX];
    if (req->until_ns)
        return ds_fail(err, DS_ENOTSUP, "a folder can't forbid removal: remove the retention "
                                        "lock from the policy, or use another store");
    int rc = temp_create(dir, &file, temp, err);
    if (rc)
        return rc;
    key_path(dir, path, req->key);
    rc = write_all(dir, req, &file, temp, err);
    if (!rc)
        rc = folders_ensure(dir, req->key, err);
    if (!rc)
        rc = dir_os_publish(&file, temp, path, !(req->flags & DS_STORE_IF_ABSENT), dir->sync, err);
    dir_os_close(&file);
    if (rc) {
        struct ds_error ignored = DS_ERROR_INIT;
        dir_os_remove(temp, &ignored);
    }
    /* "There is one" must mean a durable one as well: who lost the race, or tries again after a
     * flush that failed, reads the key and takes what it finds for stored. */
    if (rc == DS_OK || rc == DS_EEXIST) {
        int flushed = flush_folder_of(dir, path, err);
        if (flushed)
            rc = flushed;
    }
    return rc;
}

static int absent(const struct dir *dir, const char *key, struct ds_error *err)
{
    return ds_fail(err, DS_ENOENT, "there is no object %s in %s", key, dir->root);
}

int object_get(struct dir *dir, struct ds_store_req *req, struct ds_error *err)
{
    struct dir_file file = { DIR_NO_FILE };
    char path[DIR_PATH_MAX];
    uint64_t bytes;
    req->got = 0;
    key_path(dir, path, req->key);
    int rc = dir_os_open(&file, path, &bytes, err);
    if (rc)
        return rc == DS_ENOENT ? absent(dir, req->key, err) : rc;
    req->object_bytes = bytes;
    uint64_t left = req->offset < bytes ? bytes - req->offset : 0;
    if (left > req->length)
        left = req->length;
    while (left && !rc) {
        size_t n = left < DIR_CHUNK ? (size_t)left : DIR_CHUNK, got = 0;
        rc = object_may_go_on(dir, req, err);
        if (!rc)
            rc = dir_os_read(&file, (char *)req->data + req->got, n, req->offset + req->got, &got,
                             path, err);
        if (!rc && got < n)
            rc = ds_fail_retry(err, DS_EIO, DS_RETRY_SAME, "%s became shorter while it was read",
                               path);
        req->got += got;
        left -= got;
    }
    dir_os_close(&file);
    return rc;
}

int object_head(struct dir *dir, struct ds_store_req *req, struct ds_error *err)
{
    char path[DIR_PATH_MAX];
    struct dir_stat st;
    key_path(dir, path, req->key);
    int rc = dir_os_stat(path, &st, err);
    if (rc)
        return rc;
    if (!st.is_file)
        return absent(dir, req->key, err);
    req->object_bytes = st.bytes;
    req->mtime_ns = st.mtime_ns;
    return DS_OK;
}

int object_remove(struct dir *dir, const char *key, struct ds_error *err)
{
    char path[DIR_PATH_MAX];
    struct dir_stat st;
    key_path(dir, path, key);
    int rc = dir_os_stat(path, &st, err);
    if (!rc && st.is_file)
        rc = dir_os_remove(path, err);
    /* Absent already: perhaps by an earlier call whose flush failed. */
    if (!rc)
        rc = flush_folder_of(dir, path, err);
    return rc == DS_ENOENT ? DS_OK : rc;
}
