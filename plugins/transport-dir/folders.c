/* SPDX-License-Identifier: Apache-2.0 */
/* folders.c - the folders that lead to an object. An object is durable only if each folder's entry
 * in the one above is, whoever created it: another process may have made it a moment ago and not
 * have flushed yet. So the first use of a folder flushes the one above it, and later uses find it
 * remembered. Key folders are never removed, hence what is remembered stays true. */
#include "dir.h"

static void lock(struct dir_folders *folders)
{
    while (atomic_flag_test_and_set_explicit(&folders->lock, memory_order_acquire))
        ;
}

static void unlock(struct dir_folders *folders)
{
    atomic_flag_clear_explicit(&folders->lock, memory_order_release);
}

static bool remembered(struct dir_folders *folders, const char *key)
{
    bool found = false;
    lock(folders);
    for (unsigned i = 0; i < folders->n && !found; i++)
        found = strcmp(folders->keys[i], key) == 0;
    unlock(folders);
    return found;
}

static void remember(struct dir_folders *folders, const char *key)
{
    const unsigned room = sizeof folders->keys / sizeof folders->keys[0];
    lock(folders);
    memcpy(folders->keys[folders->next], key, strlen(key) + 1);
    folders->next = (folders->next + 1) % room;
    if (folders->n < room)
        folders->n++;
    unlock(folders);
}

/* One folder: "" is the repository itself. */
static int ensure_one(struct dir *dir, const char *key, struct ds_error *err)
{
    char path[DIR_PATH_MAX], above[DIR_PATH_MAX];
    bool made;
    key_path(dir, path, key);
    int rc = dir_os_mkdir(path, &made, err);
    if (!rc && dir->sync && dir_os_parent(above, path))
        rc = dir_os_flush_folder(above, err);
    /* Where the repository lies may be closed to us: who made its folder had it flushed. */
    if (rc == DS_EACCES && !made && !*key)
        rc = DS_OK;
    if (!rc)
        remember(&dir->folders, key);
    return rc;
}

int folders_ensure(struct dir *dir, const char *key, struct ds_error *err)
{
    char folder[DIR_KEY_MAX + 1];
    const char *end = strrchr(key, '/');
    size_t n = end ? (size_t)(end - key) : 0;
    memcpy(folder, key, n);
    folder[n] = 0;
    if (remembered(&dir->folders, folder))
        return DS_OK;
    int rc = remembered(&dir->folders, "") ? DS_OK : ensure_one(dir, "", err);
    for (size_t i = 1; i <= n && !rc; i++) {
        if (i < n && folder[i] != '/')
            continue;
        char c = folder[i];
        folder[i] = 0;
        if (!remembered(&dir->folders, folder))
            rc = ensure_one(dir, folder, err);
        folder[i] = c;
    }
    return rc;
}

void folders_forget(struct dir *dir)
{
    lock(&dir->folders);
    dir->folders.n = dir->folders.next = 0;
    unlock(&dir->folders);
}
