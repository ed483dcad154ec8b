/* SPDX-License-Identifier: Apache-2.0 */
/* disksync/store.h - a store keeps objects by key. The S3Block engine makes a transport of any
 * store; a store sees only sealed bytes.
 *
 * Keys are [a-z0-9./-], at most 200 bytes, no leading '/', no "." or ".." component. An object
 * appears whole or not at all, and once `done` reports a put with DS_OK it survives power loss.
 *
 * Requests are asynchronous. Core allocates a request, submits it and leaves it alone until
 * `done`, which is called exactly once, from any thread of the plugin or inside `run`, never
 * inside `submit`. A store that lives on an event loop has `run`: core then calls submit and run
 * from one thread only, and `wake` from any. A store without `run` (its work goes to host->task)
 * takes submit from any thread. */
#ifndef DISKSYNC_STORE_H
#define DISKSYNC_STORE_H

#include <disksync/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ds_store_op {
    DS_STORE_PUT = 1, /* iov -> object; replaces unless IF_ABSENT (then DS_EEXIST) */
    DS_STORE_GET,     /* offset, length -> data; got = bytes delivered, fewer only at the end */
    DS_STORE_HEAD,    /* object_bytes, mtime_ns */
    DS_STORE_LIST,    /* key = prefix; after = start after this key or NULL; item() in key order */
    DS_STORE_REMOVE,  /* absent is DS_OK */
    DS_STORE_RETAIN   /* forbid removal until until_ns; DS_ENOTSUP where the store can't */
};
enum {                                /* ds_store_req.flags */
    DS_STORE_IF_ABSENT = 1u << 0      /* PUT: only if there is none; atomic against other writers */
};
enum {                                /* ds_store_info.caps: what holds, proved or claimed */
    DS_STORE_CAP_IF_ABSENT = 1u << 0, /* conditional put holds against other processes */
    DS_STORE_CAP_RETAIN = 1u << 1,    /* retain holds */
    DS_STORE_CAP_REMOVE = 1u << 2     /* this agent may remove */
};

struct ds_store_info { /* core allocates, the plugin fills */
    uint32_t size;
    uint32_t max_in_flight; /* requests that help at once */
    uint64_t caps;          /* DS_STORE_CAP_* */
    uint64_t free_bytes;    /* UINT64_MAX = unknown */
    int64_t clock_ns;       /* the store's own time; 0 = has none */
    char location[256];     /* for people and messages */
    uint32_t flags;         /* set by core: DS_STORE_PROVE */
    uint32_t reserved;
};
enum {                          /* ds_store_info.flags */
    DS_STORE_PROVE = 1u << 0    /* prove the caps by requests that leave no trace; else make no
                                   request, and tell what this kind of store is made to give */
};

struct ds_store_req {
    uint32_t size;
    uint32_t op;    /* enum ds_store_op */
    uint32_t flags; /* DS_STORE_IF_ABSENT */
    uint32_t n_iov;
    const char *key;
    const struct ds_iovec *iov; /* PUT */
    uint64_t offset;            /* GET */
    uint64_t length;            /* GET: capacity of data */
    void *data;                 /* GET */
    const char *after;          /* LIST */
    int64_t until_ns;           /* RETAIN, and PUT where not 0 */
    uint64_t deadline_ns;       /* 0 = none */
    /* results, filled before done */
    uint64_t got;          /* GET: bytes in data */
    uint64_t object_bytes; /* HEAD */
    int64_t mtime_ns;      /* HEAD: by the store's clock */
    /* LIST: one call an object, ascending keys. Positive ends the listing with DS_OK; negative
     * ends it and is its status. */
    int (*item)(struct ds_store_req *req, const char *key, uint64_t bytes, int64_t mtime_ns);
    /* err is NULL when status is DS_OK; valid during the call. */
    void (*done)(struct ds_store_req *req, int status, const struct ds_error *err);
    void *user; /* core's */
};

struct ds_store_ops {
    uint32_t size;
    uint32_t reserved;
    /* Describes the store; with DS_STORE_PROVE in info->flags, proves it. */
    int (*probe)(void *self, struct ds_store_info *info, struct ds_call *call);
    /* DS_OK = accepted, done will come. DS_EBUSY: full, try after the next done. Never blocks. */
    int (*submit)(void *self, struct ds_store_req *req);
    /* Optional. Drives sockets for at most timeout_ms; returns the requests in flight. */
    int (*run)(void *self, uint32_t timeout_ms);
    /* With run: makes a run that waits on another thread return. Any thread. */
    void (*wake)(void *self);
};

#ifdef __cplusplus
}
#endif
#endif
