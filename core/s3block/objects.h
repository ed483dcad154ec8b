/* SPDX-License-Identifier: Apache-2.0 */
/* objects.h - the engine's side of a store: blocking and background requests by any number of
 * threads over the store's asynchronous ones. This is the one place that retries: a failure that
 * the store calls temporary is tried again with backoff and jitter, inside a budget. */
#ifndef CORE_S3BLOCK_OBJECTS_H
#define CORE_S3BLOCK_OBJECTS_H

#include "core/base/dynbuf.h"
#include "core/base/thread.h"

#include <disksync/store.h>

#define OBJECT_KEY_MAX 200

struct objects_counters { /* since open; requests that ended well */
    uint64_t puts, gets, heads, lists, removes;
    uint64_t put_bytes, get_bytes;
    uint64_t retries;
};

struct objects;
/* Borrows ops, self and host until objects_free. Makes no request. interrupted may be NULL. */
int objects_new(struct objects **objects, const struct ds_store_ops *ops, void *self,
                const struct ds_host *host, volatile int *interrupted, struct ds_error *err);
/* Proves by requests what the store claims; updates objects_info. While no other request runs. */
int objects_prove(struct objects *objects, struct ds_error *err);
/* Waits for requests in flight; accepts NULL. */
void objects_free(struct objects *objects);
const struct ds_store_info *objects_info(const struct objects *objects);
void objects_count(struct objects *objects, struct objects_counters *out);
/* Bytes per second over all puts; 0 = no limit. */
void objects_limit_upload(struct objects *objects, uint64_t bytes_per_second);

/* DS_EEXIST with DS_STORE_IF_ABSENT: the object is there, perhaps by an earlier try of this put. */
int objects_put(struct objects *objects, const char *key, const void *data, size_t len,
                uint32_t flags, struct ds_error *err);
/* *got < len only at the object's end. DS_ENOENT. */
int objects_get(struct objects *objects, const char *key, uint64_t offset, void *data, size_t len,
                size_t *got, struct ds_error *err);
/* The whole object, at most max bytes (DS_EFORMAT above), appended to out. */
int objects_get_all(struct objects *objects, const char *key, size_t max, struct dynbuf *out,
                    struct ds_error *err);
int objects_head(struct objects *objects, const char *key, uint64_t *bytes, int64_t *mtime_ns,
                 struct ds_error *err);
typedef int objects_list_fn(void *ud, const char *key, uint64_t bytes, int64_t mtime_ns);
int objects_list(struct objects *objects, const char *prefix, const char *after,
                 objects_list_fn *fn, void *ud, struct ds_error *err);
int objects_remove(struct objects *objects, const char *key, struct ds_error *err);

/* One request to the store and its outcome. The engine's own; members are objects.c's. */
struct object_request {
    struct ds_store_req req;
    struct objects *objects;
    struct ds_error err;
    int status;
    bool finished;
    struct object_request *next; /* waiting for the loop thread */
    objects_list_fn *list;
    void *list_ud;
    int list_status;
    char listed[OBJECT_KEY_MAX + 1]; /* the last key delivered: a second try starts after it */
};

/* A put that goes on in the background. The owner keeps it and its bytes until
 * objects_put_wait has returned; then it may be used again. */
#define OBJECT_PUT_PARTS 3
struct object_put {
    char key[OBJECT_KEY_MAX + 1];
    struct ds_iovec parts[OBJECT_PUT_PARTS];
    uint32_t flags;
    struct object_request request;
};
int objects_put_start(struct objects *objects, struct object_put *put, struct ds_error *err);
int objects_put_wait(struct objects *objects, struct object_put *put, struct ds_error *err);

#endif
