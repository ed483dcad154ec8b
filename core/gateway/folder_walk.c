/* SPDX-License-Identifier: Apache-2.0 */
/* folder_walk.c - lists the keys of a bucket in the order of their bytes. A folder's names are
 * decoded and sorted as keys sort: a folder as NAME/, so that "a-b" comes before "a/x". Of a large
 * folder only the smallest names behind the place reached are kept; it is read again for the next
 * ones, so that memory is bounded whatever it holds: 2 * BATCH names, and less in deep folders. */
#include "core/gateway/folder.h"

#include <stdlib.h>

#define BATCH 1024u      /* a page of S3 is 1000 */
#define BATCH_DEEP 64u   /* below DEEP folders */
#define DEEP 6u

struct names {
    char **sorted; /* decoded; folders with a final '/' */
    size_t n, keep;
    bool cut;      /* there are others behind the last */
};

struct walker {
    struct folder *folder;
    struct store_walk *walk;
    struct ds_error *err;
    size_t prefix_len, depth;
    char path[OS_PATH_MAX]; /* of the folder being read, without a final '/' */
    char key[KEY_MAX + 2];  /* that it stands for; "" or with a final '/' */
    size_t key_len;
    char bare[KEY_PART_MAX + 1], part[KEY_PATH_MAX]; /* for append_part */
    struct names *names;    /* being collected */
    const char *bound;      /* names up to this one are done; NULL: none is */
};

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->sorted[i]);
    free(names->sorted);
    *names = (struct names){ NULL, 0, 0, false };
}

/* Keeps the smallest names->keep. */
static void names_trim(struct names *names)
{
    qsort(names->sorted, names->n, sizeof names->sorted[0], compare);
    while (names->n > names->keep) {
        free(names->sorted[--names->n]);
        names->cut = true;
    }
}

/* True if keys that begin with key (a folder), or key itself, may be wanted. */
static bool is_wanted(const struct walker *w, const char *key, size_t len, bool is_folder)
{
    const struct store_walk *walk = w->walk;
    size_t n = len < w->prefix_len ? len : w->prefix_len, after = strlen(walk->after);
    if (memcmp(key, walk->prefix, n) != 0 || (!is_folder && len < w->prefix_len))
        return false;
    if (walk->after_all && after <= len && memcmp(key, walk->after, after) == 0)
        return false;
    if (strcmp(key, walk->after) > 0)
        return true;
    return is_folder && strncmp(walk->after, key, len) == 0;
}

static int collect(void *ud, const char *name, bool is_folder)
{
    struct walker *w = ud;
    struct names *names = w->names;
    char key[KEY_MAX + 2 + KEY_PART_MAX];
    size_t len;
    memcpy(key, w->key, w->key_len);
    if (!key_part(key + w->key_len, name))
        return 0;
    len = w->key_len + strlen(key + w->key_len);
    if (is_folder)
        key[len++] = '/';
    key[len] = 0;
    if (len > KEY_MAX || !is_wanted(w, key, len, is_folder) ||
        (w->bound && strcmp(key + w->key_len, w->bound) <= 0))
        return 0;
    char *copy = malloc(len - w->key_len + 1);
    if (!copy)
        return ds_fail(w->err, DS_ENOMEM, "no memory for a list");
    memcpy(copy, key + w->key_len, len - w->key_len + 1);
    names->sorted[names->n++] = copy;
    if (names->n == 2 * names->keep)
        names_trim(names);
    return 0;
}

static int names_read(struct walker *w, struct names *names, const char *bound)
{
    names->keep = w->depth < DEEP ? BATCH : BATCH_DEEP;
    names->n = 0;
    names->cut = false;
    names->sorted = malloc(2 * names->keep * sizeof names->sorted[0]);
    if (!names->sorted)
        return ds_fail(w->err, DS_ENOMEM, "no memory for a list");
    w->names = names;
    w->bound = bound;
    int rc = folder_os_list(w->path, collect, w, w->err);
    names_trim(names);
    return rc;
}

static int visit_file(struct walker *w)
{
    struct folder_stat st;
    struct meta meta;
    intptr_t handle;
    int rc = folder_os_open(&handle, w->path, &st, w->err);
    if (rc == DS_ENOENT) /* removed a moment ago */
        return DS_OK;
    if (rc)
        return rc;
    rc = folder_meta(handle, &meta, w->err);
    folder_os_close(&handle, NULL);
    if (rc == DS_EDAMAGED) /* one object's damage is no reason to hide the others */
        meta = (struct meta){ .retain_until_s = 0 };
    else if (rc)
        return rc;
    struct store_entry entry = { w->key, st.size, st.modified_s, &meta };
    return w->walk->visit(w->walk->ud, &entry);
}

/* Puts the file name of a part of the key behind the path. Its buffers are not on the stack of
 * walk_name, which calls itself for every folder of a key. */
static bool append_part(struct walker *w, const char *name, size_t n, size_t path_len)
{
    memcpy(w->bare, name, n);
    w->bare[n] = 0;
    if (!key_to_path(w->part, w->bare) || path_len + 2 + strlen(w->part) > sizeof w->path)
        return false;
    w->path[path_len] = '/';
    memcpy(w->path + path_len + 1, w->part, strlen(w->part) + 1);
    return true;
}

static int walk_folder(struct walker *w);

/* One name of the folder; its path and key are put behind the folder's own for the time. */
static int walk_name(struct walker *w, const char *name)
{
    size_t path_len = strlen(w->path), key_len = w->key_len, n = strlen(name);
    bool is_folder = n && name[n - 1] == '/';
    int rc = DS_OK;
    memcpy(w->key + key_len, name, n + 1);
    if (!is_wanted(w, w->key, key_len + n, is_folder)) {
        w->key[key_len] = 0;
        return DS_OK;
    }
    if (!append_part(w, name, n - is_folder, path_len)) {
        w->key[key_len] = 0;
        return DS_OK;
    }
    if (is_folder) {
        w->key_len += n;
        w->depth++;
        rc = walk_folder(w);
        w->depth--;
        w->key_len = key_len;
    } else {
        rc = visit_file(w);
    }
    w->path[path_len] = 0;
    w->key[key_len] = 0;
    return rc;
}

static int walk_folder(struct walker *w)
{
    struct names names;
    char bound[KEY_PART_MAX + 2];
    bool first = true, more = true;
    int rc = DS_OK;
    while (!rc && more) {
        rc = names_read(w, &names, first ? NULL : bound);
        for (size_t i = 0; !rc && i < names.n; i++)
            rc = walk_name(w, names.sorted[i]);
        more = names.cut && names.n;
        if (more)
            memcpy(bound, names.sorted[names.n - 1], strlen(names.sorted[names.n - 1]) + 1);
        first = false;
        names_free(&names);
    }
    return rc;
}

int folder_walk(struct store *store, const char *bucket, struct store_walk *walk,
                struct ds_error *err)
{
    struct folder *folder = (struct folder *)store;
    struct walker *w = calloc(1, sizeof *w);
    char *slash, part[KEY_PATH_MAX];
    if (!w)
        return ds_fail(err, DS_ENOMEM, "no memory for a list");
    w->folder = folder;
    w->walk = walk;
    w->err = err;
    w->prefix_len = strlen(walk->prefix);
    int rc = store->ops->bucket(store, bucket, err);
    if (!rc)
        rc = folder_path(folder, w->path, bucket, NULL, err);
    if (!rc && w->prefix_len <= KEY_MAX) { /* begins at the folder that the prefix names */
        memcpy(w->key, walk->prefix, w->prefix_len + 1);
        slash = strrchr(w->key, '/');
        bool good = true;
        if (slash) {
            *slash = 0;
            good = key_to_path(part, w->key) &&
                   folder_path(folder, w->path, bucket, part, NULL) == DS_OK;
            *slash = '/';
        }
        w->key_len = slash ? (size_t)(slash - w->key) + 1 : 0;
        w->key[w->key_len] = 0;
        if (good)
            rc = walk_folder(w);
    }
    free(w);
    return rc > 0 ? DS_OK : rc;
}
