/* SPDX-License-Identifier: Apache-2.0 */
/* folder.h - inside of the folder store: what its files share. */
#ifndef CORE_GATEWAY_FOLDER_H
#define CORE_GATEWAY_FOLDER_H

#include "core/base/os.h"
#include "core/base/thread.h"
#include "core/gateway/folder_os.h"
#include "core/gateway/store.h"

#define FOLDER_TEMP "_tmp"
#define FOLDER_UPLOADS "_uploads"
#define FOLDER_LOCKS 64u
#define FOLDER_KNOWN 64u

struct folder {
    struct store store;
    char root[OS_PATH_MAX];
    struct mutex keys[FOLDER_LOCKS]; /* a change of a key holds the one that its hash names */
    struct mutex folders;            /* creation and removal of folders; guards `known` */
    char *known[FOLDER_KNOWN];       /* folders whose name is durable, a ring */
    unsigned next;
};

/* root/BUCKET/REST, or without /REST where it is NULL. DS_EINVAL if it is too long. */
int folder_path(const struct folder *folder, char out[OS_PATH_MAX], const char *bucket,
                const char *rest, struct ds_error *err);
int folder_key_path(const struct folder *folder, char out[OS_PATH_MAX], const char *bucket,
                    const char *key, struct ds_error *err);
struct mutex *folder_key_lock(struct folder *folder, const char *bucket, const char *key);
/* Makes the folders above path, durably. `top` bytes of path are there already. */
int folder_make_parents(struct folder *folder, const char *path, size_t top, struct ds_error *err);
/* Removes the folders above path that are empty, down to its first `top` bytes. */
void folder_drop_parents(struct folder *folder, const char *path, size_t top);
/* Reads what describes an open file. */
int folder_meta(intptr_t handle, struct meta *out, struct ds_error *err);
int folder_set_meta(intptr_t handle, const struct meta *meta, struct ds_error *err);
/* Publishes the temporary file at path under the key's lock, and flushes the folder. */
int folder_publish(struct folder *folder, const char *temp, const char *bucket, const char *key,
                   struct store_guard guard, struct ds_error *err);

/* folder_put.c */
int folder_put(struct store *store, const char *bucket, struct store_put *out,
               struct ds_error *err);
int folder_temp_path(const struct folder *folder, char out[OS_PATH_MAX],
                     const struct store_put *put, struct ds_error *err);
int folder_write(struct store *store, struct store_put *put, const void *data, size_t n,
                 struct ds_error *err);
int folder_commit(struct store *store, struct store_put *put, const char *key,
                  const struct meta *meta, struct store_guard guard, struct ds_error *err);
void folder_abort(struct store *store, struct store_put *put);
/* Removes what killed processes left in the bucket's temporary folder. */
void folder_sweep(struct folder *folder, const char *bucket);

/* folder_walk.c */
int folder_walk(struct store *store, const char *bucket, struct store_walk *walk,
                struct ds_error *err);

/* folder_upload.c */
int folder_upload_create(struct store *store, const char *bucket, const char *key,
                         const struct meta *meta, char id[STORE_ID + 1], struct ds_error *err);
int folder_upload_part(struct store *store, struct store_put *put, const char *key, const char *id,
                       const struct store_part *part, struct ds_error *err);
int folder_upload_parts(struct store *store, const char *bucket, const char *key, const char *id,
                        unsigned after, struct store_part *out, unsigned max, unsigned *n,
                        bool *more, struct ds_error *err);
int folder_upload_complete(struct store *store, const char *bucket, const char *key,
                           const char *id, const struct store_part *parts, unsigned n,
                           const char *etag, struct store_guard guard, struct ds_error *err);
int folder_upload_abort(struct store *store, const char *bucket, const char *key, const char *id,
                        struct ds_error *err);
int folder_uploads(struct store *store, const char *bucket,
                   int (*visit)(void *ud, const struct store_upload *upload), void *ud,
                   struct ds_error *err);
/* Gives back the names of uploads whose completion was killed. */
void folder_uploads_recover(struct folder *folder, const char *bucket);

#endif
