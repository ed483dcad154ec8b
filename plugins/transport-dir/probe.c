/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c - tells what the folder is, or proves what it can do by doing it: an object is put under
 * a key of its own, put again on condition that there is none, read back, listed and removed.
 * Nothing is left behind, neither the folder for temporary files nor a repository folder that the
 * probe had to create. */
#include "dir.h"

struct probe {
    struct dir *dir;
    struct ds_call *call;
    char key[48];
    unsigned listed;
};

static int probe_item(struct ds_store_req *req, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    struct probe *probe = req->user;
    (void)mtime_ns;
    probe->listed += strcmp(key, probe->key) == 0 && bytes == sizeof probe->key;
    return 0;
}

static struct ds_store_req request(struct probe *probe, uint32_t op)
{
    struct ds_store_req req = { .size = sizeof req, .op = op };
    req.key = probe->key;
    req.deadline_ns = probe->call->deadline_ns;
    req.item = probe_item;
    req.user = probe;
    return req;
}

static int probe_put(struct probe *probe, struct ds_error *err)
{
    struct ds_iovec iov = { probe->key, sizeof probe->key };
    struct ds_store_req req = request(probe, DS_STORE_PUT);
    req.flags = DS_STORE_IF_ABSENT;
    req.iov = &iov;
    req.n_iov = 1;
    return object_put(probe->dir, &req, err);
}

static int probe_read(struct probe *probe, struct ds_error *err)
{
    char back[sizeof probe->key + 1];
    struct ds_store_req get = request(probe, DS_STORE_GET);
    struct ds_store_req list = request(probe, DS_STORE_LIST);
    get.data = back;
    get.length = sizeof back;
    int rc = object_get(probe->dir, &get, err);
    if (!rc && (get.got != sizeof probe->key || memcmp(back, probe->key, get.got) != 0))
        rc = ds_fail(err, DS_EIO, "%s does not give back what was written to it: check the "
                                  "disk or the network share", probe->dir->root);
    if (!rc)
        rc = list_run(probe->dir, &list, err);
    if (!rc && probe->listed != 1)
        rc = ds_fail(err, DS_EIO, "%s does not list what was written to it: check the disk or the "
                                  "network share", probe->dir->root);
    return rc;
}

static int probe_all(struct probe *probe, struct ds_store_info *info, struct ds_error *err)
{
    struct ds_error other = DS_ERROR_INIT;
    struct dir_stat st = { 0 };
    char path[DIR_PATH_MAX];
    int rc = probe_put(probe, err);
    if (rc)
        return rc;
    int second = probe_put(probe, &other);
    if (second == DS_EEXIST)
        info->caps |= DS_STORE_CAP_IF_ABSENT;
    key_path(probe->dir, path, probe->key);
    rc = dir_os_stat(path, &st, err);
    info->clock_ns = st.mtime_ns;
    if (!rc)
        rc = probe_read(probe, err);
    int removed = object_remove(probe->dir, probe->key, rc ? &other : err);
    if (!removed)
        info->caps |= DS_STORE_CAP_REMOVE;
    return rc ? rc : removed;
}

static void probe_name(struct probe *probe, const uint8_t random[16])
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 6;
    memcpy(probe->key, "probe-", n);
    for (size_t i = 0; i < 16; i++) {
        probe->key[n++] = digits[random[i] >> 4];
        probe->key[n++] = digits[random[i] & 15];
    }
}

/* Fills the members that the caller's structure has. */
static void info_fill(struct ds_store_info *out, const struct ds_store_info *info)
{
    size_t n = out->size < sizeof *out ? out->size : sizeof *out;
    if (n > sizeof out->size)
        memcpy((char *)out + sizeof out->size, (const char *)info + sizeof out->size,
               n - sizeof out->size);
}

static int probe_prove(struct dir *dir, struct ds_store_info *found, struct ds_call *call)
{
    struct probe probe = { .dir = dir, .call = call };
    struct dir_stat before = { 0 };
    uint8_t random[16];
    char temp[DIR_PATH_MAX];
    if (dir->host->random(dir->host->ctx, random, sizeof random))
        return ds_fail(call->err, DS_EIO, "the system gives no random numbers");
    probe_name(&probe, random);
    int rc = dir_os_stat(dir->root, &before, call->err);
    if (rc)
        return rc;
    rc = probe_all(&probe, found, call->err);
    key_path(dir, temp, DIR_TEMP);
    dir_os_rmdir(temp);
    if (!before.is_folder) {
        folders_forget(dir);
        dir_os_rmdir(dir->root);
    }
    return rc;
}

int probe_run(struct dir *dir, struct ds_store_info *info, struct ds_call *call)
{
    struct ds_store_info found = { .size = sizeof found, .max_in_flight = DIR_IN_FLIGHT };
    char above[DIR_PATH_MAX];
    int rc = DS_OK;
    if (info->size > offsetof(struct ds_store_info, flags))
        found.flags = info->flags;
    if (found.flags & DS_STORE_PROVE)
        rc = probe_prove(dir, &found, call);
    else
        found.caps = DS_STORE_CAP_IF_ABSENT | DS_STORE_CAP_REMOVE;
    found.free_bytes = dir_os_free_bytes(dir->root);
    if (found.free_bytes == UINT64_MAX && dir_os_parent(above, dir->root))
        found.free_bytes = dir_os_free_bytes(above); /* the first put makes the folder */
    snprintf(found.location, sizeof found.location, "folder %.240s", dir->root);
    info_fill(info, &found);
    return rc;
}
