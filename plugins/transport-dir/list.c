/* SPDX-License-Identifier: Apache-2.0 */
/* list.c - lists keys below a prefix in the order of their bytes, folder by folder. A folder's
 * names are read whole and sorted as the keys sort: a folder as NAME/, so that "a-b" comes before
 * "a/x". Memory is bounded by the largest folder, and by LIST_MAX. What is no key is not ours and
 * is passed over, temporary files too. */
#include "dir.h"

#include <stdlib.h>

#define LIST_MAX ((size_t)256 << 20) /* bytes of names of one folder */

struct names { /* of one folder: text holds them one after another, each with its zero */
    char *text;
    size_t len, cap;
    const char **sorted;
    size_t n;
    bool no_memory;
};

struct list {
    struct dir *dir;
    struct ds_store_req *req;
    struct ds_error *err;
    const char *prefix;
    size_t prefix_len;
    char key[DIR_KEY_MAX + 2]; /* of the folder being listed; "" or with a final '/' */
};

static int collect(void *ud, const char *name, bool is_folder)
{
    struct names *names = ud;
    size_t n = strlen(name), need = n + 2;
    if (!key_is_good_name(name))
        return 0;
    if (need > names->cap - names->len) {
        size_t cap = names->cap ? names->cap * 2 : 8192;
        char *text = cap <= LIST_MAX ? realloc(names->text, cap) : NULL;
        if (!text) {
            names->no_memory = true;
            return 1;
        }
        names->text = text;
        names->cap = cap;
    }
    memcpy(names->text + names->len, name, n);
    names->len += n;
    if (is_folder)
        names->text[names->len++] = '/';
    names->text[names->len++] = 0;
    names->n++;
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int names_read(struct names *names, struct list *list)
{
    char path[DIR_PATH_MAX];
    key_path(list->dir, path, list->key);
    int rc = dir_os_list(path, collect, names, list->err);
    if (rc < 0)
        return rc;
    if (!names->no_memory && names->n)
        names->sorted = malloc(names->n * sizeof names->sorted[0]);
    if (names->no_memory || (names->n && !names->sorted))
        return ds_fail(list->err, DS_ENOMEM, "no memory for the names in %s", path);
    const char *p = names->text;
    for (size_t i = 0; i < names->n; i++, p += strlen(p) + 1)
        names->sorted[i] = p;
    if (names->n)
        qsort(names->sorted, names->n, sizeof names->sorted[0], compare);
    return DS_OK;
}

/* Whether keys that begin with key (a folder's, with '/'), or key itself, are asked for. */
static bool wanted(const struct list *list, size_t len, bool is_folder)
{
    const char *after = list->req->after;
    size_t common = len < list->prefix_len ? len : list->prefix_len;
    if (memcmp(list->key, list->prefix, common) != 0)
        return false;
    if (!is_folder && len < list->prefix_len)
        return false;
    if (!after)
        return true;
    if (is_folder && strncmp(after, list->key, len) == 0)
        return true;
    return strcmp(list->key, after) > 0;
}

static int list_object(struct list *list)
{
    char path[DIR_PATH_MAX];
    struct dir_stat st;
    key_path(list->dir, path, list->key);
    int rc = dir_os_stat(path, &st, list->err);
    if (rc || !st.is_file) /* removed meanwhile, or nothing of ours */
        return rc;
    rc = list->req->item(list->req, list->key, st.bytes, st.mtime_ns);
    if (rc < 0)
        ds_fail(list->err, rc, "the listing of %s was stopped", list->dir->root);
    return rc;
}

/* list->key names the folder, len is its length. Recursion ends with the longest key. */
static int list_folder(struct list *list, size_t len)
{
    struct names names = { NULL, 0, 0, NULL, 0, false };
    int rc = object_may_go_on(list->dir, list->req, list->err);
    if (!rc)
        rc = names_read(&names, list);
    for (size_t i = 0; i < names.n && !rc; i++) {
        size_t n = strlen(names.sorted[i]);
        if (len + n > DIR_KEY_MAX)
            continue;
        memcpy(list->key + len, names.sorted[i], n + 1);
        bool is_folder = names.sorted[i][n - 1] == '/';
        if (wanted(list, len + n, is_folder)) {
            rc = is_folder ? list_folder(list, len + n) : list_object(list);
            if (!rc && i % 256 == 255)
                rc = object_may_go_on(list->dir, list->req, list->err);
        }
    }
    list->key[len] = 0;
    free(names.sorted);
    free(names.text);
    return rc;
}

int list_run(struct dir *dir, struct ds_store_req *req, struct ds_error *err)
{
    struct list list = { .dir = dir, .req = req, .err = err, .prefix = req->key };
    const char *end = strrchr(req->key, '/');
    size_t len = end ? (size_t)(end - req->key) + 1 : 0;
    list.prefix_len = strlen(req->key);
    memcpy(list.key, req->key, len);
    list.key[len] = 0;
    int rc = list_folder(&list, len);
    return rc > 0 ? DS_OK : rc; /* the caller has seen enough */
}
