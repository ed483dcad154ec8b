/* SPDX-License-Identifier: Apache-2.0 */
/* dir.h - the store plugin transport-dir: objects are files below a folder, a key's '/' separates
 * folders. What its sources share.
 *
 * Temporary files live in the folder DIR_TEMP, whose name no key can have. A put writes there,
 * flushes, and moves the file to its place in one atomic step; then it flushes the folders that
 * lead to it. So an object is there whole or not at all, and `done` with DS_OK means that it
 * survives power loss. Key folders are never removed, which lets self remember the ones known to
 * be durable.
 *
 * Threads: requests run on the host's I/O threads, any number at once. The only shared state is
 * atomic, or guarded by folders.lock, which is held for a few comparisons and never over I/O. */
#ifndef TRANSPORT_DIR_DIR_H
#define TRANSPORT_DIR_DIR_H

#include "dir_os.h"

#include <disksync/disksync.h>
#include <stdatomic.h>
#include <stdbool.h>

#define DIR_TEMP "_tmp"
#define DIR_KEY_MAX 200
#define DIR_CHUNK ((size_t)4 << 20) /* between two looks at the cancel flag and the deadline */
#define DIR_IN_FLIGHT 4             /* what a disk and the host's threads make use of */

struct dir_folders { /* key folders whose entries are known to be durable, the newest ones */
    atomic_flag lock;
    unsigned n, next;
    char keys[32][DIR_KEY_MAX + 1];
};

struct dir {
    const struct ds_host *host;
    char root[DIR_ROOT_MAX + 1];
    bool sync;
    bool pinned;
    struct dir_pin pin;
    atomic_bool cancelled;
    atomic_uint running; /* requests accepted whose task has not ended */
    struct dir_folders folders;
};

/* object.c: DS_OK or a negative status with err filled. */
int object_put(struct dir *dir, const struct ds_store_req *req, struct ds_error *err);
int object_get(struct dir *dir, struct ds_store_req *req, struct ds_error *err);
int object_head(struct dir *dir, struct ds_store_req *req, struct ds_error *err);
int object_remove(struct dir *dir, const char *key, struct ds_error *err);
/* DS_OK while the request may go on; between chunks. */
int object_may_go_on(struct dir *dir, const struct ds_store_req *req, struct ds_error *err);

/* list.c */
int list_run(struct dir *dir, struct ds_store_req *req, struct ds_error *err);

/* key.c: the grammar of store.h. A prefix may be empty or end within a component. */
bool key_is_good(const char *key);
bool key_is_good_prefix(const char *prefix);
bool key_is_good_name(const char *name); /* one component */
/* Path of a key, or of a folder part of one; always fits DIR_PATH_MAX. */
void key_path(const struct dir *dir, char *path, const char *key);

/* folders.c: creates the folders that lead to key and makes each durable; remembers. */
int folders_ensure(struct dir *dir, const char *key, struct ds_error *err);
void folders_forget(struct dir *dir);

/* temp.c: temporary files. create makes the repository's folder too if it is not there yet. */
int temp_create(struct dir *dir, struct dir_file *file, char *path, struct ds_error *err);
void temp_sweep(struct dir *dir);

/* probe.c */
int probe_run(struct dir *dir, struct ds_store_info *info, struct ds_call *call);

#endif
