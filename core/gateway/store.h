/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - what the gateway asks of the place that keeps its objects. Functions return DS_OK or a
 * negative DS_ code, and fill err: DS_ENOENT (no bucket, object or upload), DS_EEXIST (IF_ABSENT),
 * DS_EPROTECTED (locked), DS_ECONFLICT (a key that is the folder of others, or the reverse, where a
 * store can't have both), DS_EINVAL (a key it can't hold), else a failure of the system.
 * Any thread; one put or object belongs to one thread at a time. */
#ifndef CORE_GATEWAY_STORE_H
#define CORE_GATEWAY_STORE_H

#include "core/gateway/key.h"
#include "core/gateway/meta.h"

#define STORE_ID 32u /* characters of an upload's id and of a temporary name */
#define STORE_PARTS_MAX 10000u
#define STORE_NO_HANDLE ((intptr_t)-1)

struct store_object { /* open for reading; its bytes stay, whatever becomes of the key */
    intptr_t handle; /* what net_send_file takes */
    uint64_t size;
    int64_t modified_s;
    struct meta meta;
};

struct store_put { /* bytes on their way in */
    intptr_t handle;
    char bucket[BUCKET_MAX + 1];
    char name[STORE_ID + 1];
    uint64_t size;
};

enum { STORE_IF_ABSENT = 1u << 0, STORE_BYPASS_GOVERNANCE = 1u << 1 };

struct store_guard { /* what a change of a key must respect */
    unsigned flags;
    int64_t now_s; /* for locks */
};

struct store_entry {
    const char *key;
    uint64_t size;
    int64_t modified_s;
    const struct meta *meta;
};

struct store_walk { /* keys in the order of their bytes */
    const char *prefix;
    char after[KEY_MAX + 1]; /* only keys behind this one; visit may move it forward */
    bool after_all;          /* nor those that begin with it */
    int (*visit)(void *ud, const struct store_entry *entry); /* 1: enough */
    void *ud;
};

struct store_part {
    unsigned number;
    uint64_t size;
    int64_t modified_s;
    char etag[48];
};

struct store_upload {
    const char *key, *id;
    int64_t modified_s;
};

struct store;
struct store_ops {
    int (*bucket)(struct store *store, const char *bucket, struct ds_error *err);
    int (*bucket_create)(struct store *store, const char *bucket, struct ds_error *err);

    int (*open)(struct store *store, const char *bucket, const char *key, struct store_object *out,
                struct ds_error *err);
    int (*read)(struct store *store, struct store_object *object, void *data, size_t n,
                uint64_t offset, size_t *got, struct ds_error *err);
    void (*close)(struct store *store, struct store_object *object);

    int (*put)(struct store *store, const char *bucket, struct store_put *out,
               struct ds_error *err);
    int (*write)(struct store *store, struct store_put *put, const void *data, size_t n,
                 struct ds_error *err);
    /* Durable when it returns. Ends the put, also when it fails. */
    int (*commit)(struct store *store, struct store_put *put, const char *key,
                  const struct meta *meta, struct store_guard guard, struct ds_error *err);
    void (*abort)(struct store *store, struct store_put *put);

    int (*remove)(struct store *store, const char *bucket, const char *key,
                  struct store_guard guard, struct ds_error *err); /* absent is DS_OK */
    /* Replaces an object's legal hold, or else mode and time of its lock. */
    int (*lock)(struct store *store, const char *bucket, const char *key, const struct meta *lock,
                bool hold, struct store_guard guard, struct ds_error *err);
    int (*walk)(struct store *store, const char *bucket, struct store_walk *walk,
                struct ds_error *err);

    int (*upload_create)(struct store *store, const char *bucket, const char *key,
                         const struct meta *meta, char id[STORE_ID + 1], struct ds_error *err);
    /* Ends the put. A part of the same number is replaced. */
    int (*upload_part)(struct store *store, struct store_put *put, const char *key, const char *id,
                       const struct store_part *part, struct ds_error *err);
    /* Fills at most max parts behind `after`, ascending; *more: there are others. */
    int (*upload_parts)(struct store *store, const char *bucket, const char *key, const char *id,
                        unsigned after, struct store_part *out, unsigned max, unsigned *n,
                        bool *more, struct ds_error *err);
    /* Joins these parts, which the caller has checked, into one object and ends the upload. */
    int (*upload_complete)(struct store *store, const char *bucket, const char *key,
                           const char *id, const struct store_part *parts, unsigned n,
                           const char *etag, struct store_guard guard, struct ds_error *err);
    int (*upload_abort)(struct store *store, const char *bucket, const char *key, const char *id,
                        struct ds_error *err);
    int (*uploads)(struct store *store, const char *bucket,
                   int (*visit)(void *ud, const struct store_upload *upload), void *ud,
                   struct ds_error *err);
    void (*free)(struct store *store);
};
struct store {
    const struct store_ops *ops;
};

/* Objects as files in folders: root/BUCKET/KEY. See key.h for names. */
int folder_store_new(struct store **out, const char *root, struct ds_error *err);

#endif
