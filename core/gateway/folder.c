/* SPDX-License-Identifier: Apache-2.0 */
/* folder.c - objects as files in folders. A put writes a temporary file in the bucket's folder,
 * flushes it, gives it its name and flushes the folder; only then it returns. An object is durable
 * only if each folder's entry in the one above is, so folders are made one at a time, flushed, and
 * remembered; their creation and removal are serial, so that what is remembered stays true.
 *
 * A change of a key (lock examined, name changed) holds one of 64 mutexes by the key's hash. */
#include "core/gateway/folder.h"

#include "core/base/text.h"

#include <stdlib.h>

int folder_path(const struct folder *folder, char out[OS_PATH_MAX], const char *bucket,
                const char *rest, struct ds_error *err)
{
    int n = snprintf(out, OS_PATH_MAX, "%s/%s%s%s", folder->root, bucket, rest ? "/" : "",
                     rest ? rest : "");
    if (n < 0 || n >= OS_PATH_MAX)
        return ds_fail(err, DS_EINVAL, "the key is too long for the file system");
    return DS_OK;
}

int folder_key_path(const struct folder *folder, char out[OS_PATH_MAX], const char *bucket,
                    const char *key, struct ds_error *err)
{
    char rest[KEY_PATH_MAX];
    if (!key_is_good(key) || !key_to_path(rest, key))
        return ds_fail(err, DS_EINVAL, "a part of the key is too long for a file name");
    return folder_path(folder, out, bucket, rest, err);
}

struct mutex *folder_key_lock(struct folder *folder, const char *bucket, const char *key)
{
    uint32_t hash = 2166136261u;
    for (const char *p = bucket; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    for (const char *p = key; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return &folder->keys[(hash >> 8) % FOLDER_LOCKS];
}

/* ---- folders ---- */

static bool is_known(const struct folder *folder, const char *path, size_t n)
{
    for (unsigned i = 0; i < FOLDER_KNOWN; i++)
        if (folder->known[i] && strncmp(folder->known[i], path, n) == 0 && !folder->known[i][n])
            return true;
    return false;
}

static void remember(struct folder *folder, const char *path)
{
    size_t n = strlen(path) + 1;
    char *copy = malloc(n); /* without memory it is flushed again, no harm */
    if (copy)
        memcpy(copy, path, n);
    free(folder->known[folder->next]);
    folder->known[folder->next] = copy;
    folder->next = (folder->next + 1) % FOLDER_KNOWN;
}

static void forget(struct folder *folder, const char *path)
{
    for (unsigned i = 0; i < FOLDER_KNOWN; i++)
        if (folder->known[i] && strcmp(folder->known[i], path) == 0) {
            free(folder->known[i]);
            folder->known[i] = NULL;
        }
}

/* One folder: the first n bytes of path. */
static int make_one(struct folder *folder, const char *path, size_t n, struct ds_error *err)
{
    char copy[OS_PATH_MAX], above[OS_PATH_MAX];
    bool made;
    if (is_known(folder, path, n))
        return DS_OK;
    memcpy(copy, path, n);
    copy[n] = 0;
    int rc = folder_os_mkdir(copy, &made, err);
    if (rc)
        return rc;
    os_dirname(above, copy);
    rc = folder_os_flush_folder(above, err);
    if (!rc)
        remember(folder, copy);
    return rc;
}

int folder_make_parents(struct folder *folder, const char *path, size_t top, struct ds_error *err)
{
    int rc = DS_OK;
    mutex_lock(&folder->folders);
    for (const char *p = strchr(path + top + 1, '/'); p && !rc; p = strchr(p + 1, '/'))
        rc = make_one(folder, path, (size_t)(p - path), err);
    mutex_unlock(&folder->folders);
    return rc;
}

void folder_drop_parents(struct folder *folder, const char *path, size_t top)
{
    char above[OS_PATH_MAX];
    bool gone = true;
    memcpy(above, path, strlen(path) + 1);
    mutex_lock(&folder->folders);
    while (gone) {
        char *slash = strrchr(above, '/');
        if (!slash || (size_t)(slash - above) <= top)
            break;
        *slash = 0;
        /* Before, not after: whoever makes it again must flush its name. */
        forget(folder, above);
        gone = folder_os_rmdir(above);
    }
    mutex_unlock(&folder->folders);
}

/* ---- what describes a file ---- */

int folder_meta(intptr_t handle, struct meta *out, struct ds_error *err)
{
    char note[META_MAX];
    size_t n;
    int rc = folder_os_get_note(handle, note, sizeof note, &n, err);
    if (!rc && !meta_read(out, note, n))
        rc = ds_fail(err, DS_EDAMAGED, "what describes an object is damaged");
    return rc;
}

int folder_set_meta(intptr_t handle, const struct meta *meta, struct ds_error *err)
{
    struct dynbuf note = DYNBUF_INIT(META_MAX);
    int rc = meta_write(&note, meta) ? folder_os_set_note(handle, note.data, note.len, err)
                                     : ds_fail(err, DS_EINVAL, "too much user metadata");
    dynbuf_free(&note);
    return rc;
}

/* ---- reading ---- */

static int folder_bucket(struct store *store, const char *bucket, struct ds_error *err)
{
    char path[OS_PATH_MAX];
    int rc = folder_path((struct folder *)store, path, bucket, NULL, err);
    if (!rc && (!key_is_bucket(bucket) || !folder_os_stat(path).is_folder))
        rc = ds_fail(err, DS_ENOENT, "there is no bucket %s", bucket);
    return rc;
}

static int folder_bucket_create(struct store *store, const char *bucket, struct ds_error *err)
{
    struct folder *folder = (struct folder *)store;
    char path[OS_PATH_MAX];
    bool made = false;
    int rc = key_is_bucket(bucket) ? folder_path(folder, path, bucket, NULL, err)
                                   : ds_fail(err, DS_EINVAL, "%s is no bucket name", bucket);
    if (!rc)
        rc = folder_os_mkdir(path, &made, err);
    if (!rc)
        rc = folder_os_flush_folder(folder->root, err);
    if (!rc && !made)
        rc = ds_fail(err, DS_EEXIST, "the bucket %s exists", bucket);
    return rc;
}

static int folder_open(struct store *store, const char *bucket, const char *key,
                       struct store_object *out, struct ds_error *err)
{
    char path[OS_PATH_MAX];
    struct folder_stat st;
    out->handle = STORE_NO_HANDLE;
    int rc = folder_key_path((struct folder *)store, path, bucket, key, err);
    if (!rc)
        rc = folder_os_open(&out->handle, path, &st, err);
    if (rc)
        return rc;
    out->size = st.size;
    out->modified_s = st.modified_s;
    rc = folder_meta(out->handle, &out->meta, err);
    if (rc)
        folder_os_close(&out->handle, NULL);
    return rc;
}

static int folder_read(struct store *store, struct store_object *object, void *data, size_t n,
                       uint64_t offset, size_t *got, struct ds_error *err)
{
    (void)store;
    return folder_os_read(object->handle, data, n, offset, got, err);
}

static void folder_close(struct store *store, struct store_object *object)
{
    (void)store;
    folder_os_close(&object->handle, NULL);
}

/* ---- changing ---- */

/* DS_EPROTECTED if the object at path is locked. */
static int check_lock(const char *path, struct store_guard guard, struct ds_error *err)
{
    struct folder_stat st;
    struct meta meta;
    intptr_t handle;
    if (folder_os_open(&handle, path, &st, NULL))
        return DS_OK;
    int rc = folder_meta(handle, &meta, err);
    folder_os_close(&handle, NULL);
    if (!rc && meta_is_locked(&meta, guard.now_s, guard.flags & STORE_BYPASS_GOVERNANCE))
        rc = ds_fail(err, DS_EPROTECTED, "the object is locked");
    return rc;
}

static int publish_once(struct folder *folder, const char *temp, const char *path, size_t top,
                        struct store_guard guard, struct ds_error *err)
{
    bool replace = !(guard.flags & STORE_IF_ABSENT);
    int rc = folder_make_parents(folder, path, top, err);
    if (!rc && replace)
        rc = check_lock(path, guard, err);
    if (!rc)
        rc = folder_os_publish(temp, path, replace, err);
    if (rc == DS_ECONFLICT && folder_os_stat(path).is_folder) { /* perhaps one left empty */
        char below[OS_PATH_MAX];
        if (snprintf(below, sizeof below, "%s/%%", path) < (int)sizeof below)
            folder_drop_parents(folder, below, strlen(path) - 1);
        rc = folder_os_publish(temp, path, replace, err);
    }
    return rc;
}

int folder_publish(struct folder *folder, const char *temp, const char *bucket, const char *key,
                   struct store_guard guard, struct ds_error *err)
{
    char path[OS_PATH_MAX], above[OS_PATH_MAX];
    size_t top = strlen(folder->root) + 1 + strlen(bucket);
    int rc = folder_key_path(folder, path, bucket, key, err);
    if (rc)
        return rc;
    struct mutex *lock = folder_key_lock(folder, bucket, key);
    mutex_lock(lock);
    rc = publish_once(folder, temp, path, top, guard, err);
    /* A folder that another key's removal left empty may vanish between the two steps. */
    for (int tries = 0; rc == DS_ENOENT && tries < 8; tries++)
        rc = publish_once(folder, temp, path, top, guard, err);
    mutex_unlock(lock);
    os_dirname(above, path);
    if (rc == DS_OK)
        rc = folder_os_flush_folder(above, err);
    else if (rc == DS_EEXIST) /* what the caller learns of must not vanish after all */
        folder_os_flush_folder(above, NULL);
    return rc;
}

static int folder_remove(struct store *store, const char *bucket, const char *key,
                         struct store_guard guard, struct ds_error *err)
{
    struct folder *folder = (struct folder *)store;
    char path[OS_PATH_MAX], above[OS_PATH_MAX];
    int rc = folder_key_path(folder, path, bucket, key, err);
    if (rc == DS_EINVAL) /* no object can have such a key */
        return DS_OK;
    if (rc)
        return rc;
    struct mutex *lock = folder_key_lock(folder, bucket, key);
    mutex_lock(lock);
    bool there = folder_os_stat(path).is_file;
    if (there)
        rc = check_lock(path, guard, err);
    if (there && !rc)
        rc = folder_os_unlink(path, err);
    mutex_unlock(lock);
    if (there && !rc) {
        os_dirname(above, path);
        /* The folder may be gone by another removal, and then so is the name. */
        rc = folder_os_flush_folder(above, err);
        if (rc == DS_ENOENT)
            rc = DS_OK;
        folder_drop_parents(folder, path, strlen(folder->root) + 1 + strlen(bucket));
    }
    return rc;
}

static int folder_lock(struct store *store, const char *bucket, const char *key,
                       const struct meta *lock, bool hold, struct store_guard guard,
                       struct ds_error *err)
{
    struct folder *folder = (struct folder *)store;
    struct store_object object;
    struct mutex *mutex = folder_key_lock(folder, bucket, key);
    mutex_lock(mutex);
    int rc = folder_open(store, bucket, key, &object, err);
    if (!rc) {
        struct meta *meta = &object.meta;
        struct meta held = *meta;
        held.legal_hold = false; /* a hold keeps nobody from changing the time */
        bool weaker = !hold && (lock->retain_until_s < meta->retain_until_s ||
                                strcmp(lock->lock_mode, meta->lock_mode) != 0);
        if (weaker && meta_is_locked(&held, guard.now_s, guard.flags & STORE_BYPASS_GOVERNANCE))
            rc = ds_fail(err, DS_EPROTECTED, "the lock can't be made shorter");
        if (hold) {
            meta->legal_hold = lock->legal_hold;
        } else {
            memcpy(meta->lock_mode, lock->lock_mode, sizeof meta->lock_mode);
            meta->retain_until_s = lock->retain_until_s;
        }
        if (!rc)
            rc = folder_set_meta(object.handle, meta, err);
        if (!rc)
            rc = folder_os_flush(object.handle, err);
        folder_close(store, &object);
    }
    mutex_unlock(mutex);
    return rc;
}

/* ---- the store ---- */

static void folder_free(struct store *store)
{
    struct folder *folder = (struct folder *)store;
    if (!store)
        return;
    for (unsigned i = 0; i < FOLDER_LOCKS; i++)
        mutex_destroy(&folder->keys[i]);
    for (unsigned i = 0; i < FOLDER_KNOWN; i++)
        free(folder->known[i]);
    mutex_destroy(&folder->folders);
    free(folder);
}

static const struct store_ops folder_ops = {
    .bucket = folder_bucket,
    .bucket_create = folder_bucket_create,
    .open = folder_open,
    .read = folder_read,
    .close = folder_close,
    .put = folder_put,
    .write = folder_write,
    .commit = folder_commit,
    .abort = folder_abort,
    .remove = folder_remove,
    .lock = folder_lock,
    .walk = folder_walk,
    .upload_create = folder_upload_create,
    .upload_part = folder_upload_part,
    .upload_parts = folder_upload_parts,
    .upload_complete = folder_upload_complete,
    .upload_abort = folder_upload_abort,
    .uploads = folder_uploads,
    .free = folder_free,
};

static int recover_one(void *ud, const char *name, bool is_folder)
{
    if (is_folder && key_is_bucket(name)) {
        folder_sweep(ud, name);
        folder_uploads_recover(ud, name);
    }
    return 0;
}

/* Where notes can't be kept, better no server than one that fails every put. */
static int probe(const struct folder *folder, struct ds_error *err)
{
    char path[OS_PATH_MAX], name[8 + STORE_ID];
    uint8_t random[8];
    intptr_t handle;
    memcpy(name, "_probe-", 8);
    int rc = os_random(random, sizeof random, err);
    text_hex(name + 7, random, sizeof random);
    if (!rc)
        rc = os_join(path, folder->root, name, err);
    if (!rc)
        rc = folder_os_create(&handle, path, err);
    if (rc)
        return rc;
    rc = folder_os_set_note(handle, "x", 1, err);
    folder_os_close(&handle, NULL);
    folder_os_unlink(path, NULL);
    return rc;
}

int folder_store_new(struct store **out, const char *root, struct ds_error *err)
{
    struct folder *folder = calloc(1, sizeof *folder);
    bool good = folder && mutex_init(&folder->folders);
    for (unsigned i = 0; good && i < FOLDER_LOCKS; i++)
        good = mutex_init(&folder->keys[i]);
    *out = NULL;
    if (!good) {
        folder_free((struct store *)folder);
        return ds_fail(err, DS_ENOMEM, "no memory for the store");
    }
    folder->store.ops = &folder_ops;
    int rc = os_absolute(folder->root, NULL, root, err);
    if (!rc)
        rc = os_mkdirs(folder->root, err);
    if (!rc)
        rc = probe(folder, err);
    if (!rc)
        rc = folder_os_list(folder->root, recover_one, folder, err);
    if (rc)
        folder_free(&folder->store);
    else
        *out = &folder->store;
    return rc;
}
