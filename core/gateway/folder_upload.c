/* SPDX-License-Identifier: Apache-2.0 */
/* folder_upload.c - uploads in parts: _uploads/ID/ of a bucket holds a file that tells the key and
 * what describes the object to be, and each part under its number in five digits. Whoever completes
 * or aborts an upload renames its folder first: of several that try, one does it. A completion that
 * fails gives the name back; one that was killed has it given back when the store is opened. */
#include "core/gateway/folder.h"

#include "core/base/text.h"

#include <stdlib.h>

#define CLAIMED ".claimed"
#define NOTE_MAX (KEY_MAX + 1 + META_MAX)

static bool is_id(const char *id)
{
    return strlen(id) == STORE_ID && strspn(id, "0123456789abcdef") == STORE_ID;
}

/* _uploads/ID + suffix, and a name in it where name is not NULL. */
static int upload_path(const struct folder *folder, char out[OS_PATH_MAX], const char *bucket,
                       const char *id, const char *suffix, const char *name, struct ds_error *err)
{
    char rest[128];
    if (!is_id(id))
        return ds_fail(err, DS_ENOENT, "there is no such upload");
    snprintf(rest, sizeof rest, FOLDER_UPLOADS "/%s%s%s%s", id, suffix, name ? "/" : "",
             name ? name : "");
    return folder_path(folder, out, bucket, rest, err);
}

/* Reads what the upload in this folder is for: its key, and its description where meta is not
 * NULL. */
static int read_note(const char *folder_name, char key[KEY_MAX + 1], struct meta *meta,
                     struct ds_error *err)
{
    char path[OS_PATH_MAX];
    void *data = NULL;
    size_t len = 0;
    int rc = os_join(path, folder_name, "key", err);
    if (!rc)
        rc = os_read_file(path, NOTE_MAX, &data, &len, err);
    if (rc)
        return rc;
    const char *end = memchr(data, 0, len);
    size_t n = end ? (size_t)(end - (const char *)data) : KEY_MAX + 1;
    struct meta unused;
    if (n > KEY_MAX || !meta_read(meta ? meta : &unused, end + 1, len - n - 1))
        rc = ds_fail(err, DS_EDAMAGED, "what describes an upload is damaged");
    else
        memcpy(key, data, n + 1);
    free(data);
    return rc;
}

/* DS_ENOENT if there is no such upload of this key. */
static int check_upload(const struct folder *folder, const char *bucket, const char *key,
                        const char *id, struct ds_error *err)
{
    char path[OS_PATH_MAX], own[KEY_MAX + 1];
    int rc = upload_path(folder, path, bucket, id, "", NULL, err);
    if (!rc)
        rc = read_note(path, own, NULL, err);
    if (!rc && strcmp(own, key) != 0)
        rc = ds_fail(err, DS_ENOENT, "there is no such upload");
    return rc;
}

int folder_upload_create(struct store *store, const char *bucket, const char *key,
                         const struct meta *meta, char id[STORE_ID + 1], struct ds_error *err)
{
    struct folder *folder = (struct folder *)store;
    struct dynbuf note = DYNBUF_INIT(NOTE_MAX);
    char path[OS_PATH_MAX];
    uint8_t random[STORE_ID / 2];
    int rc = store->ops->bucket(store, bucket, err);
    if (!rc)
        rc = os_random(random, sizeof random, err);
    if (rc)
        return rc;
    text_hex(id, random, sizeof random);
    rc = upload_path(folder, path, bucket, id, "", "key", err);
    if (!rc)
        rc = folder_make_parents(folder, path, strlen(folder->root) + 1 + strlen(bucket), err);
    dynbuf_add(&note, key, strlen(key) + 1);
    if (!rc && !meta_write(&note, meta))
        rc = ds_fail(err, DS_EINVAL, "too much user metadata");
    if (!rc)
        rc = os_write_file(path, note.data, note.len, err);
    dynbuf_free(&note);
    return rc;
}

static void part_name(char out[8], unsigned number)
{
    snprintf(out, 8, "%05u", number % 100000);
}

int folder_upload_part(struct store *store, struct store_put *put, const char *key, const char *id,
                       const struct store_part *part, struct ds_error *err)
{
    struct folder *folder = (struct folder *)store;
    char temp[OS_PATH_MAX], path[OS_PATH_MAX], above[OS_PATH_MAX], name[8];
    struct meta meta = { .retain_until_s = 0 };
    memcpy(meta.etag, part->etag, sizeof meta.etag);
    part_name(name, part->number);
    int rc = check_upload(folder, put->bucket, key, id, err);
    if (!rc)
        rc = upload_path(folder, path, put->bucket, id, "", name, err);
    if (!rc)
        rc = folder_temp_path(folder, temp, put, err);
    if (!rc)
        rc = folder_set_meta(put->handle, &meta, err);
    if (!rc)
        rc = folder_os_flush(put->handle, err);
    if (!rc)
        rc = folder_os_close(&put->handle, err);
    if (!rc)
        rc = folder_os_publish(temp, path, true, err);
    if (!rc) {
        *put->name = 0;
        os_dirname(above, path);
        rc = folder_os_flush_folder(above, err);
    }
    folder_abort(store, put);
    return rc;
}

/* ---- listing ---- */

struct parts {
    const char *path;
    unsigned after, max, n;
    struct store_part *out;
    bool more;
};

static int compare_parts(const void *a, const void *b)
{
    unsigned x = ((const struct store_part *)a)->number, y = ((const struct store_part *)b)->number;
    return x < y ? -1 : x > y;
}

/* Keeps the lowest max numbers; out has room for twice as many. */
static int collect_part(void *ud, const char *name, bool is_folder)
{
    struct parts *parts = ud;
    uint64_t number;
    if (is_folder || strlen(name) != 5 || strspn(name, "0123456789") != 5)
        return 0;
    number = strtoul(name, NULL, 10);
    if (number <= parts->after)
        return 0;
    parts->out[parts->n++].number = (unsigned)number;
    if (parts->n == 2 * parts->max) {
        qsort(parts->out, parts->n, sizeof parts->out[0], compare_parts);
        parts->n = parts->max;
        parts->more = true;
    }
    return 0;
}

static int read_part(const char *folder_name, struct store_part *part, struct ds_error *err)
{
    char path[OS_PATH_MAX], name[8];
    struct folder_stat st;
    struct meta meta;
    intptr_t handle;
    part_name(name, part->number);
    int rc = os_join(path, folder_name, name, err);
    if (!rc)
        rc = folder_os_open(&handle, path, &st, err);
    if (rc)
        return rc;
    rc = folder_meta(handle, &meta, err);
    folder_os_close(&handle, NULL);
    part->size = st.size;
    part->modified_s = st.modified_s;
    memcpy(part->etag, meta.etag, sizeof part->etag);
    return rc;
}

int folder_upload_parts(struct store *store, const char *bucket, const char *key, const char *id,
                        unsigned after, struct store_part *out, unsigned max, unsigned *n,
                        bool *more, struct ds_error *err)
{
    struct folder *folder = (struct folder *)store;
    struct parts parts = { .after = after, .max = max };
    char path[OS_PATH_MAX];
    *n = 0;
    int rc = check_upload(folder, bucket, key, id, err);
    if (!rc)
        rc = upload_path(folder, path, bucket, id, "", NULL, err);
    if (rc || !max)
        return rc;
    parts.out = calloc(2 * (size_t)max, sizeof parts.out[0]);
    if (!parts.out)
        return ds_fail(err, DS_ENOMEM, "no memory for the parts");
    rc = folder_os_list(path, collect_part, &parts, err);
    qsort(parts.out, parts.n, sizeof parts.out[0], compare_parts);
    *more = parts.more || parts.n > max;
    *n = parts.n < max ? parts.n : max;
    for (unsigned i = 0; !rc && i < *n; i++)
        rc = read_part(path, &parts.out[i], err);
    memcpy(out, parts.out, *n * sizeof out[0]);
    free(parts.out);
    return rc;
}

struct uploads {
    const char *path;
    int (*visit)(void *ud, const struct store_upload *upload);
    void *ud;
};

static int visit_upload(void *ud, const char *name, bool is_folder)
{
    struct uploads *uploads = ud;
    char path[OS_PATH_MAX], key[KEY_MAX + 1];
    if (!is_folder || !is_id(name) || os_join(path, uploads->path, name, NULL) ||
        read_note(path, key, NULL, NULL))
        return 0; /* not one, or just ended */
    struct store_upload upload = { key, name, folder_os_stat(path).modified_s };
    return uploads->visit(uploads->ud, &upload);
}

int folder_uploads(struct store *store, const char *bucket,
                   int (*visit)(void *ud, const struct store_upload *upload), void *ud,
                   struct ds_error *err)
{
    char path[OS_PATH_MAX];
    struct uploads uploads = { path, visit, ud };
    int rc = store->ops->bucket(store, bucket, err);
    if (!rc)
        rc = folder_path((struct folder *)store, path, bucket, FOLDER_UPLOADS, err);
    if (!rc)
        rc = folder_os_list(path, visit_upload, &uploads, err);
    return rc > 0 ? DS_OK : rc;
}

/* ---- ending ---- */

static int remove_one(void *ud, const char *name, bool is_folder)
{
    char path[OS_PATH_MAX];
    if (!is_folder && os_join(path, ud, name, NULL) == DS_OK)
        folder_os_unlink(path, NULL);
    return 0;
}

static void remove_upload(char *path)
{
    folder_os_list(path, remove_one, path, NULL);
    folder_os_rmdir(path);
}

/* Renames the upload's folder, so that it is ours alone. */
static int claim(const struct folder *folder, const char *bucket, const char *key, const char *id,
                 char claimed[OS_PATH_MAX], struct ds_error *err)
{
    char path[OS_PATH_MAX];
    int rc = check_upload(folder, bucket, key, id, err);
    if (!rc)
        rc = upload_path(folder, path, bucket, id, "", NULL, err);
    if (!rc)
        rc = upload_path(folder, claimed, bucket, id, CLAIMED, NULL, err);
    if (!rc)
        rc = folder_os_publish(path, claimed, true, err);
    return rc;
}

static int append_part(const char *folder_name, const struct store_part *part, intptr_t to,
                       struct ds_error *err)
{
    char path[OS_PATH_MAX], name[8];
    struct folder_stat st;
    intptr_t from;
    part_name(name, part->number);
    int rc = os_join(path, folder_name, name, err);
    if (!rc)
        rc = folder_os_open(&from, path, &st, err);
    if (rc)
        return rc;
    rc = folder_os_append(to, from, st.size, err);
    folder_os_close(&from, NULL);
    return rc;
}

int folder_upload_complete(struct store *store, const char *bucket, const char *key,
                           const char *id, const struct store_part *parts, unsigned n,
                           const char *etag, struct store_guard guard, struct ds_error *err)
{
    struct folder *folder = (struct folder *)store;
    char claimed[OS_PATH_MAX], path[OS_PATH_MAX], own[KEY_MAX + 1];
    struct store_put put;
    struct meta meta;
    int rc = claim(folder, bucket, key, id, claimed, err);
    if (rc)
        return rc;
    rc = read_note(claimed, own, &meta, err);
    if (!rc)
        rc = folder_put(store, bucket, &put, err);
    if (!rc) {
        text_copy(meta.etag, sizeof meta.etag, etag);
        for (unsigned i = 0; !rc && i < n; i++)
            rc = append_part(claimed, &parts[i], put.handle, err);
        if (rc)
            folder_abort(store, &put);
        else
            rc = folder_commit(store, &put, key, &meta, guard, err);
    }
    if (rc == DS_OK)
        remove_upload(claimed);
    else if (upload_path(folder, path, bucket, id, "", NULL, NULL) == DS_OK)
        folder_os_publish(claimed, path, true, NULL);
    return rc;
}

int folder_upload_abort(struct store *store, const char *bucket, const char *key, const char *id,
                        struct ds_error *err)
{
    char claimed[OS_PATH_MAX];
    int rc = claim((struct folder *)store, bucket, key, id, claimed, err);
    if (!rc)
        remove_upload(claimed);
    return rc;
}

static int give_back(void *ud, const char *name, bool is_folder)
{
    char from[OS_PATH_MAX], to[OS_PATH_MAX], id[STORE_ID + 1];
    memset(id, 0, sizeof id);
    if (!is_folder || strlen(name) != STORE_ID + strlen(CLAIMED) ||
        strcmp(name + STORE_ID, CLAIMED) != 0)
        return 0;
    memcpy(id, name, STORE_ID);
    if (os_join(from, ud, name, NULL) == DS_OK && os_join(to, ud, id, NULL) == DS_OK)
        folder_os_publish(from, to, true, NULL);
    return 0;
}

void folder_uploads_recover(struct folder *folder, const char *bucket)
{
    char path[OS_PATH_MAX];
    if (folder_path(folder, path, bucket, FOLDER_UPLOADS, NULL) == DS_OK)
        folder_os_list(path, give_back, path, NULL);
}
