/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c - a store plugin to copy: transport-memory keeps objects in memory until it is closed.
 * It is small but whole: typed options, asynchronous requests on threads of the host, atomic put,
 * ordered listing, cancellation, deadlines, errors with a remedy. Start yours by replacing what is
 * below "objects", and keep the rest.
 *
 * Threads: requests run as tasks of the host, several at once. self->lock guards the list of
 * objects; `running` counts accepted requests, and close waits for the last. */
#include <disksync/disksync.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct object {
    struct object *next; /* ascending keys */
    char *key;
    char *data;
    size_t bytes;
    int64_t mtime_ns;
};

struct memory {
    const struct ds_host *host;
    uint64_t limit, used; /* bytes of all objects */
    struct object *first;
    atomic_flag lock;
    atomic_bool cancelled;
    atomic_uint running;
};

static void lock(struct memory *m)
{
    while (atomic_flag_test_and_set_explicit(&m->lock, memory_order_acquire))
        ;
}

static void unlock(struct memory *m)
{
    atomic_flag_clear_explicit(&m->lock, memory_order_release);
}

/* ---- objects: called with the lock held, except object_free and object_new ---- */

static void object_free(struct object *object)
{
    if (!object)
        return;
    free(object->key);
    free(object->data);
    free(object);
}

/* The link that points to the object, or to where it belongs. */
static struct object **object_place(struct memory *m, const char *key)
{
    struct object **place = &m->first;
    while (*place && strcmp((*place)->key, key) < 0)
        place = &(*place)->next;
    return place;
}

static struct object *object_find(struct memory *m, const char *key)
{
    struct object *object = *object_place(m, key);
    return object && strcmp(object->key, key) == 0 ? object : NULL;
}

/* A copy of what the request carries; NULL without memory. */
static struct object *object_new(struct memory *m, const struct ds_store_req *req)
{
    size_t bytes = 0, n = strlen(req->key) + 1;
    struct object *object = calloc(1, sizeof *object);
    if (!object)
        return NULL;
    for (uint32_t i = 0; i < req->n_iov; i++)
        bytes += req->iov[i].length;
    object->key = malloc(n);
    object->data = malloc(bytes ? bytes : 1);
    if (!object->key || !object->data) {
        object_free(object);
        return NULL;
    }
    memcpy(object->key, req->key, n);
    for (uint32_t i = 0; i < req->n_iov; i++) {
        memcpy(object->data + object->bytes, req->iov[i].data, req->iov[i].length);
        object->bytes += req->iov[i].length;
    }
    object->mtime_ns = m->host->now_wall(m->host->ctx);
    return object;
}

/* ---- requests ---- */

static int run_put(struct memory *m, const struct ds_store_req *req, struct ds_error *err)
{
    struct object *object = object_new(m, req), *old;
    int rc = DS_OK;
    if (!object)
        return ds_fail_retry(err, DS_ENOMEM, DS_RETRY_SAME, "no memory for %s", req->key);
    lock(m);
    old = object_find(m, req->key);
    uint64_t used = m->used - (old ? old->bytes : 0) + object->bytes;
    if (old && (req->flags & DS_STORE_IF_ABSENT)) {
        rc = ds_fail(err, DS_EEXIST, "%s is there already", req->key);
    } else if (used > m->limit) {
        rc = ds_fail(err, DS_ENOSPC, "%s would need more than the %llu bytes of the option limit: "
                                     "raise it", req->key, (unsigned long long)m->limit);
    } else {
        struct object **place = object_place(m, req->key);
        object->next = old ? old->next : *place;
        *place = object;
        m->used = used;
        object = old; /* what is to be freed */
    }
    unlock(m);
    object_free(object);
    return rc;
}

static int run_get(struct memory *m, struct ds_store_req *req, struct ds_error *err)
{
    int rc = DS_OK;
    req->got = 0;
    lock(m);
    const struct object *object = object_find(m, req->key);
    if (!object) {
        rc = ds_fail(err, DS_ENOENT, "there is no object %s", req->key);
    } else if (req->offset < object->bytes) {
        uint64_t left = object->bytes - req->offset;
        req->got = left < req->length ? left : req->length;
        memcpy(req->data, object->data + req->offset, (size_t)req->got);
    }
    unlock(m);
    return rc;
}

static int run_head(struct memory *m, struct ds_store_req *req, struct ds_error *err)
{
    int rc = DS_OK;
    lock(m);
    const struct object *object = object_find(m, req->key);
    if (object) {
        req->object_bytes = object->bytes;
        req->mtime_ns = object->mtime_ns;
    } else {
        rc = ds_fail(err, DS_ENOENT, "there is no object %s", req->key);
    }
    unlock(m);
    return rc;
}

/* item may take long and may submit: it is called without the lock, hence one step at a time. */
static int run_list(struct memory *m, struct ds_store_req *req)
{
    char key[201] = "";
    size_t n = strlen(req->key);
    bool inclusive = !req->after || strcmp(req->after, req->key) < 0;
    snprintf(key, sizeof key, "%s", inclusive ? req->key : req->after);
    for (;;) {
        uint64_t bytes = 0;
        int64_t mtime_ns = 0;
        lock(m);
        const struct object *object = *object_place(m, key);
        if (object && !inclusive && strcmp(object->key, key) == 0)
            object = object->next;
        bool found = object && strncmp(object->key, req->key, n) == 0;
        if (found) {
            memcpy(key, object->key, strlen(object->key) + 1);
            bytes = object->bytes;
            mtime_ns = object->mtime_ns;
        }
        unlock(m);
        if (!found || req->item(req, key, bytes, mtime_ns))
            return DS_OK;
        inclusive = false;
    }
}

static int run_remove(struct memory *m, const char *key)
{
    lock(m);
    struct object **place = object_place(m, key), *object = object_find(m, key);
    if (object) {
        *place = object->next;
        m->used -= object->bytes;
    }
    unlock(m);
    object_free(object);
    return DS_OK;
}

/* The grammar of store.h; a prefix may also be empty or end anywhere. */
static bool is_key(const char *key, bool prefix)
{
    size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789./-");
    if (key[n] || n > 200)
        return false;
    for (const char *p = key;; p++) {
        size_t part = strcspn(p, "/");
        bool last = p[part] == 0;
        bool dots = (part == 1 && p[0] == '.') || (part == 2 && p[0] == '.' && p[1] == '.');
        if ((part == 0 || dots) && !(last && prefix))
            return false;
        if (last)
            return true;
        p += part;
    }
}

static int run(struct memory *m, struct ds_store_req *req, struct ds_error *err)
{
    if (!req->key || !is_key(req->key, req->op == DS_STORE_LIST))
        return ds_fail(err, DS_EINVAL, "\"%.200s\" is no key", req->key ? req->key : "");
    if (atomic_load(&m->cancelled))
        return ds_fail(err, DS_ECANCELLED, "cancelled");
    if (req->deadline_ns && m->host->now_mono(m->host->ctx) > req->deadline_ns)
        return ds_fail_retry(err, DS_ETIMEDOUT, DS_RETRY_SAME, "too late for %s", req->key);
    switch (req->op) {
    case DS_STORE_PUT:
        return run_put(m, req, err);
    case DS_STORE_GET:
        return run_get(m, req, err);
    case DS_STORE_HEAD:
        return run_head(m, req, err);
    case DS_STORE_LIST:
        return run_list(m, req);
    case DS_STORE_REMOVE:
        return run_remove(m, req->key);
    default:
        return ds_fail(err, DS_ENOTSUP, "transport-memory can't do request %u", req->op);
    }
}

/* ---- asynchronous: accepted in submit, run and finished on a thread of the host ---- */

struct job {
    struct memory *memory;
    struct ds_store_req *req;
};

static void job_run(void *arg)
{
    struct job job = *(struct job *)arg;
    struct ds_error err = DS_ERROR_INIT;
    free(arg);
    int rc = run(job.memory, job.req, &err);
    job.req->done(job.req, rc, rc ? &err : NULL); /* req is core's again: don't touch it */
    atomic_fetch_sub_explicit(&job.memory->running, 1, memory_order_release);
}

static int memory_submit(void *self, struct ds_store_req *req)
{
    struct memory *m = self;
    struct job *job = malloc(sizeof *job);
    if (!job)
        return DS_ENOMEM;
    *job = (struct job){ m, req };
    atomic_fetch_add(&m->running, 1);
    int rc = m->host->task(m->host->ctx, job_run, job);
    if (rc) {
        atomic_fetch_sub(&m->running, 1);
        free(job);
    }
    return rc;
}

/* Says what holds. Asked to (DS_STORE_PROVE), a store on a network proves it here by trying, and
 * leaves no trace. */
static int memory_probe(void *self, struct ds_store_info *info, struct ds_call *call)
{
    struct memory *m = self;
    struct ds_store_info found = { .size = info->size, .flags = info->flags, .max_in_flight = 4 };
    (void)call;
    found.caps = DS_STORE_CAP_IF_ABSENT | DS_STORE_CAP_REMOVE;
    found.clock_ns = m->host->now_wall(m->host->ctx);
    lock(m);
    found.free_bytes = m->limit - m->used;
    unlock(m);
    snprintf(found.location, sizeof found.location, "memory");
    memcpy(info, &found, info->size < sizeof found ? info->size : sizeof found);
    return DS_OK;
}

/* ---- life ---- */

static int memory_open(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                       struct ds_call *call)
{
    struct memory *m = calloc(1, sizeof *m);
    if (!m)
        return ds_fail(call->err, DS_ENOMEM, "no memory to open transport-memory");
    m->host = host;
    m->limit = strtoull(ds_kv_get(kv, n, "limit", "268435456"), NULL, 10);
    atomic_flag_clear(&m->lock);
    *self = m;
    return DS_OK;
}

static void memory_cancel(void *self)
{
    atomic_store(&((struct memory *)self)->cancelled, true);
}

static void memory_close(void *self)
{
    struct memory *m = self;
    memory_cancel(m);
    while (atomic_load_explicit(&m->running, memory_order_acquire))
        ; /* no request here takes long; wait on something where yours does */
    while (m->first) {
        struct object *object = m->first;
        m->first = object->next;
        object_free(object);
    }
    free(m);
}

static const struct ds_option options[] = {
    { .name = "limit", .type = DS_OPT_SIZE, .def = "268435456", .min = 1 << 20,
      .max = INT64_C(1) << 40, .help = "most bytes that all objects together may have" },
};

static const struct ds_store_ops ops = {
    .size = sizeof ops,
    .probe = memory_probe,
    .submit = memory_submit,
};

static const struct ds_plugin plugin = {
    .size = sizeof plugin,
    .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),
    .kind = DS_KIND_STORE,
    .threads = DS_THREADS_PARALLEL,
    .name = "transport-memory",
    .version = "1.0.0",
    .summary = "keeps objects in memory until it is closed: a plugin to copy",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .option_size = sizeof options[0],
    .open = memory_open,
    .close = memory_close,
    .cancel = memory_cancel,
    .ops = &ops,
};

const struct ds_plugin *ds_plugin_v1(void)
{
    return &plugin;
}
