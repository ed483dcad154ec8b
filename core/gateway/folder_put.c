/* SPDX-License-Identifier: Apache-2.0 */
/* folder_put.c - an object on its way into the folder store: a temporary file with a random name,
 * locked while it is written. What a killed process left is removed a day later. */
#include "core/gateway/folder.h"

#include "core/base/text.h"

#define STALE_S 86400

int folder_temp_path(const struct folder *folder, char out[OS_PATH_MAX],
                     const struct store_put *put, struct ds_error *err)
{
    char rest[sizeof FOLDER_TEMP + 1 + STORE_ID];
    snprintf(rest, sizeof rest, FOLDER_TEMP "/%s", put->name);
    return folder_path(folder, out, put->bucket, rest, err);
}

int folder_put(struct store *store, const char *bucket, struct store_put *out,
               struct ds_error *err)
{
    struct folder *folder = (struct folder *)store;
    char path[OS_PATH_MAX], above[OS_PATH_MAX];
    uint8_t random[STORE_ID / 2];
    bool made;
    *out = (struct store_put){ .handle = STORE_NO_HANDLE };
    int rc = store->ops->bucket(store, bucket, err);
    if (!rc)
        rc = os_random(random, sizeof random, err);
    if (rc)
        return rc;
    text_hex(out->name, random, sizeof random);
    text_copy(out->bucket, sizeof out->bucket, bucket);
    rc = folder_temp_path(folder, path, out, err);
    if (!rc)
        rc = folder_os_create(&out->handle, path, err);
    if (rc == DS_ENOENT) { /* the first one makes the folder; its name need not be durable */
        os_dirname(above, path);
        rc = folder_os_mkdir(above, &made, err);
        if (!rc)
            rc = folder_os_create(&out->handle, path, err);
    }
    return rc;
}

int folder_write(struct store *store, struct store_put *put, const void *data, size_t n,
                 struct ds_error *err)
{
    (void)store;
    put->size += n;
    return folder_os_write(put->handle, data, n, err);
}

int folder_commit(struct store *store, struct store_put *put, const char *key,
                  const struct meta *meta, struct store_guard guard, struct ds_error *err)
{
    struct folder *folder = (struct folder *)store;
    char temp[OS_PATH_MAX];
    int rc = folder_temp_path(folder, temp, put, err);
    if (!rc)
        rc = folder_set_meta(put->handle, meta, err);
    if (!rc)
        rc = folder_os_flush(put->handle, err);
    if (!rc)
        rc = folder_os_close(&put->handle, err);
    if (!rc)
        rc = folder_publish(folder, temp, put->bucket, key, guard, err);
    if (rc)
        folder_abort(store, put);
    return rc;
}

void folder_abort(struct store *store, struct store_put *put)
{
    char path[OS_PATH_MAX];
    folder_os_close(&put->handle, NULL);
    if (*put->name && folder_temp_path((struct folder *)store, path, put, NULL) == DS_OK)
        folder_os_unlink(path, NULL);
    *put->name = 0;
}

static int sweep_one(void *ud, const char *name, bool is_folder)
{
    char path[OS_PATH_MAX];
    if (!is_folder && strlen(name) == STORE_ID &&
        snprintf(path, sizeof path, "%s/%s", (const char *)ud, name) < (int)sizeof path)
        folder_os_sweep(path, os_wall_ns() / 1000000000 - STALE_S);
    return 0;
}

void folder_sweep(struct folder *folder, const char *bucket)
{
    char path[OS_PATH_MAX];
    if (folder_path(folder, path, bucket, FOLDER_TEMP, NULL) == DS_OK)
        folder_os_list(path, sweep_one, path, NULL);
}
