/* SPDX-License-Identifier: Apache-2.0 */
/* objects.c - see objects.h. One mutex guards the states of requests, the queue of the loop thread
 * and the counters; it is never held over a call into the store. A store with `run` is driven by
 * one loop thread, which alone submits; others take submits from the caller's thread. */
#include "core/s3block/objects.h"

#include "core/base/bytes.h"
#include "core/base/log.h"
#include "core/base/os.h"
#include "core/base/text.h"

#include <stdlib.h>

#define RETRY_MAX 8
#define RETRY_FIRST_NS (UINT64_C(200) * 1000000)
#define RETRY_LONGEST_NS (UINT64_C(20) * 1000000000)

struct objects {
    const struct ds_store_ops *ops;
    void *self;
    const struct ds_host *host;
    volatile int *interrupted;
    struct ds_store_info info;
    struct mutex lock;
    struct cond changed;
    unsigned in_flight;
    struct objects_counters counters;
    uint64_t upload_limit, upload_free_ns; /* the bucket is empty until upload_free_ns */
    /* the loop of a store with run */
    struct thread loop;
    struct object_request *queue_first, **queue_last;
    bool stop;
};

static bool has_run(const struct objects *objects)
{
    return DS_HAS(ds_store_ops, objects->ops, run);
}

/* ---- requests ---- */

static void request_done(struct ds_store_req *req, int status, const struct ds_error *err)
{
    struct object_request *request = req->user;
    struct objects *o = request->objects;
    mutex_lock(&o->lock);
    request->status = status;
    if (status && err) { /* the store's own may be of another size */
        memcpy(&request->err, err, err->size < sizeof *err ? err->size : sizeof *err);
        request->err.size = sizeof request->err;
    }
    request->finished = true;
    o->in_flight--;
    cond_broadcast(&o->changed);
    mutex_unlock(&o->lock);
}

/* Hands a request to the store; DS_EBUSY waits for another to end. */
static void request_submit(struct objects *o, struct object_request *request)
{
    int rc;
    while ((rc = o->ops->submit(o->self, &request->req)) == DS_EBUSY) {
        if (has_run(o)) {
            o->ops->run(o->self, 50);
        } else {
            mutex_lock(&o->lock);
            cond_wait_ms(&o->changed, &o->lock, 50);
            mutex_unlock(&o->lock);
        }
    }
    if (rc) {
        struct ds_error err = DS_ERROR_INIT;
        ds_fail(&err, rc, "the store %s does not take requests", o->info.location);
        request_done(&request->req, rc, &err);
    }
}

static void request_start(struct objects *o, struct object_request *request)
{
    request->objects = o;
    request->finished = false;
    request->status = DS_OK;
    request->err = (struct ds_error)DS_ERROR_INIT;
    request->req.size = sizeof request->req;
    request->req.done = request_done;
    request->req.user = request;
    request->next = NULL;
    mutex_lock(&o->lock);
    o->in_flight++;
    if (has_run(o)) {
        *o->queue_last = request;
        o->queue_last = &request->next;
        cond_broadcast(&o->changed);
    }
    mutex_unlock(&o->lock);
    if (!has_run(o))
        request_submit(o, request);
    else if (DS_HAS(ds_store_ops, o->ops, wake))
        o->ops->wake(o->self);
}

static int request_wait(struct objects *o, struct object_request *request)
{
    mutex_lock(&o->lock);
    while (!request->finished)
        cond_wait(&o->changed, &o->lock);
    mutex_unlock(&o->lock);
    return request->status;
}

/* The one thread of a store with run. */
static void loop_thread(void *arg)
{
    struct objects *o = arg;
    mutex_lock(&o->lock);
    for (;;) {
        struct object_request *request = o->queue_first;
        if (request) {
            o->queue_first = request->next;
            if (!o->queue_first)
                o->queue_last = &o->queue_first;
            mutex_unlock(&o->lock);
            request_submit(o, request);
            mutex_lock(&o->lock);
        } else if (o->in_flight) {
            mutex_unlock(&o->lock);
            o->ops->run(o->self, 1000);
            mutex_lock(&o->lock);
        } else if (o->stop) {
            break;
        } else {
            cond_wait(&o->changed, &o->lock);
        }
    }
    mutex_unlock(&o->lock);
}

/* ---- retries ---- */

static bool interrupted(const struct objects *o)
{
    return o->interrupted && __atomic_load_n(o->interrupted, __ATOMIC_RELAXED);
}

/* Waits before try number n + 1; false if the user or the budget says to stop. */
static bool retry_pause(struct objects *o, unsigned n, const struct object_request *request)
{
    uint64_t wait = RETRY_FIRST_NS << n;
    uint8_t jitter = 0;
    if (request->err.retry != DS_RETRY_SAME || n + 1 >= RETRY_MAX || interrupted(o))
        return false;
    if (wait > RETRY_LONGEST_NS)
        wait = RETRY_LONGEST_NS;
    os_random(&jitter, 1, NULL);
    wait = wait / 2 + wait / 512 * jitter;
    wait = max_u64(wait, (uint64_t)request->err.retry_after_ms * 1000000);
    log_printf(DS_LOG_WARNING, "store.retry", "%s; trying again in %.1f s", request->err.msg,
               (double)wait / 1e9);
    for (uint64_t end = os_mono_ns() + wait; os_mono_ns() < end && !interrupted(o);)
        os_sleep_ns(min_u64(UINT64_C(100) * 1000000, wait));
    mutex_lock(&o->lock);
    o->counters.retries++;
    mutex_unlock(&o->lock);
    return !interrupted(o);
}

static void count(struct objects *o, const struct ds_store_req *req)
{
    uint64_t bytes = 0;
    mutex_lock(&o->lock);
    switch (req->op) {
    case DS_STORE_PUT:
        for (uint32_t i = 0; i < req->n_iov; i++)
            bytes += req->iov[i].length;
        o->counters.puts++;
        o->counters.put_bytes += bytes;
        break;
    case DS_STORE_GET:
        o->counters.gets++;
        o->counters.get_bytes += req->got;
        break;
    case DS_STORE_HEAD:
        o->counters.heads++;
        break;
    case DS_STORE_LIST:
        o->counters.lists++;
        break;
    default:
        o->counters.removes++;
    }
    mutex_unlock(&o->lock);
}

/* Waits for a started request, and tries again where that may help. */
static int request_finish(struct objects *o, struct object_request *request, struct ds_error *err)
{
    int rc;
    for (unsigned n = 0; (rc = request_wait(o, request)) != DS_OK; n++) {
        /* list_status: the walk was stopped by its own side */
        if (request->list_status || !retry_pause(o, n, request))
            break;
        if (request->listed[0])
            request->req.after = request->listed;
        request_start(o, request);
    }
    if (!rc)
        count(o, &request->req);
    else if (err)
        *err = request->err;
    return rc;
}

static int request_run(struct objects *o, struct object_request *request, struct ds_error *err)
{
    if (interrupted(o))
        return ds_fail(err, DS_ECANCELLED, "interrupted");
    request_start(o, request);
    return request_finish(o, request, err);
}

/* ---- upload limit ---- */

/* Books the bytes and sleeps until their turn. */
static void upload_wait(struct objects *o, uint64_t bytes)
{
    mutex_lock(&o->lock);
    uint64_t now = os_mono_ns(), start = max_u64(now, o->upload_free_ns);
    if (o->upload_limit)
        o->upload_free_ns =
            start + (uint64_t)((double)bytes * 1e9 / (double)o->upload_limit);
    bool limited = o->upload_limit != 0;
    mutex_unlock(&o->lock);
    while (limited && os_mono_ns() < start && !interrupted(o))
        os_sleep_ns(min_u64(start - os_mono_ns(), UINT64_C(100) * 1000000));
}

void objects_limit_upload(struct objects *o, uint64_t bytes_per_second)
{
    mutex_lock(&o->lock);
    o->upload_limit = bytes_per_second;
    mutex_unlock(&o->lock);
}

/* ---- life ---- */

int objects_new(struct objects **objects, const struct ds_store_ops *ops, void *self,
                const struct ds_host *host, volatile int *interrupt_flag, struct ds_error *err)
{
    struct objects *o = calloc(1, sizeof *o);
    *objects = o;
    if (!o || !mutex_init(&o->lock) || !cond_init(&o->changed)) {
        objects_free(o);
        *objects = NULL;
        return ds_fail(err, DS_ENOMEM, "no memory to open the store");
    }
    o->ops = ops;
    o->self = self;
    o->host = host;
    o->interrupted = interrupt_flag;
    o->queue_last = &o->queue_first;
    o->info.size = sizeof o->info;
    struct ds_call call = { .size = sizeof call, .host = host, .err = err };
    int rc = ops->probe(self, &o->info, &call);
    if (!rc && has_run(o) && !thread_start(&o->loop, loop_thread, o))
        rc = ds_fail(err, DS_ENOMEM, "no thread to drive the store");
    if (rc) {
        objects_free(o);
        *objects = NULL;
    }
    return rc;
}

int objects_prove(struct objects *o, struct ds_error *err)
{
    struct ds_store_info info;
    struct object_request attempt = { .err = DS_ERROR_INIT }; /* of which only err is used */
    struct ds_call call = { .size = sizeof call, .host = o->host, .err = &attempt.err };
    int rc;
    for (unsigned n = 0;; n++) {
        info = (struct ds_store_info){ .size = sizeof info, .flags = DS_STORE_PROVE };
        rc = o->ops->probe(o->self, &info, &call);
        if (!rc || !retry_pause(o, n, &attempt))
            break;
        attempt.err = (struct ds_error)DS_ERROR_INIT;
    }
    if (!rc)
        o->info = info;
    else if (err)
        *err = attempt.err;
    return rc;
}

void objects_free(struct objects *o)
{
    if (!o)
        return;
    if (o->loop.impl) {
        mutex_lock(&o->lock);
        o->stop = true;
        cond_broadcast(&o->changed);
        mutex_unlock(&o->lock);
        thread_join(&o->loop);
    }
    cond_destroy(&o->changed);
    mutex_destroy(&o->lock);
    free(o);
}

const struct ds_store_info *objects_info(const struct objects *o)
{
    return &o->info;
}

void objects_count(struct objects *o, struct objects_counters *out)
{
    mutex_lock(&o->lock);
    *out = o->counters;
    mutex_unlock(&o->lock);
}

/* ---- the calls ---- */

int objects_put(struct objects *o, const char *key, const void *data, size_t len, uint32_t flags,
                struct ds_error *err)
{
    struct ds_iovec part = { data, len };
    struct object_request request = { .req = { .op = DS_STORE_PUT, .key = key, .iov = &part,
                                               .n_iov = 1, .flags = flags } };
    upload_wait(o, len);
    return request_run(o, &request, err);
}

int objects_put_start(struct objects *o, struct object_put *put, struct ds_error *err)
{
    uint64_t bytes = 0;
    if (interrupted(o))
        return ds_fail(err, DS_ECANCELLED, "interrupted");
    for (unsigned i = 0; i < OBJECT_PUT_PARTS; i++)
        bytes += put->parts[i].length;
    upload_wait(o, bytes);
    put->request.req = (struct ds_store_req){ .op = DS_STORE_PUT, .key = put->key,
                                              .iov = put->parts, .n_iov = OBJECT_PUT_PARTS,
                                              .flags = put->flags };
    request_start(o, &put->request);
    return DS_OK;
}

int objects_put_wait(struct objects *o, struct object_put *put, struct ds_error *err)
{
    return request_finish(o, &put->request, err);
}

int objects_get(struct objects *o, const char *key, uint64_t offset, void *data, size_t len,
                size_t *got, struct ds_error *err)
{
    struct object_request request = { .req = { .op = DS_STORE_GET, .key = key, .offset = offset,
                                               .data = data, .length = len } };
    int rc = request_run(o, &request, err);
    *got = rc ? 0 : (size_t)request.req.got;
    return rc;
}

int objects_get_all(struct objects *o, const char *key, size_t max, struct dynbuf *out,
                    struct ds_error *err)
{
    size_t chunk = 64 << 10;
    for (size_t total = 0;;) {
        size_t got, start = out->len;
        uint8_t *room = dynbuf_room(out, chunk);
        if (!room)
            return ds_fail(err, DS_ENOMEM, "no memory to read %s", key);
        int rc = objects_get(o, key, total, room, chunk, &got, err);
        out->len = start + got;
        if (rc)
            return rc;
        total += got;
        if (total > max)
            return ds_fail(err, DS_EFORMAT, "%s is larger than the %zu bytes that it may have", key,
                           max);
        if (got < chunk)
            return DS_OK;
        if (chunk < (size_t)4 << 20)
            chunk *= 4;
    }
}

int objects_head(struct objects *o, const char *key, uint64_t *bytes, int64_t *mtime_ns,
                 struct ds_error *err)
{
    struct object_request request = { .req = { .op = DS_STORE_HEAD, .key = key } };
    int rc = request_run(o, &request, err);
    if (!rc && bytes)
        *bytes = request.req.object_bytes;
    if (!rc && mtime_ns)
        *mtime_ns = request.req.mtime_ns;
    return rc;
}

static int list_item(struct ds_store_req *req, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    struct object_request *request = req->user;
    text_copy(request->listed, sizeof request->listed, key);
    request->list_status = request->list(request->list_ud, key, bytes, mtime_ns);
    return request->list_status;
}

int objects_list(struct objects *o, const char *prefix, const char *after, objects_list_fn *fn,
                 void *ud, struct ds_error *err)
{
    struct object_request request = { .req = { .op = DS_STORE_LIST, .key = prefix, .after = after,
                                               .item = list_item },
                                      .list = fn, .list_ud = ud };
    int rc = request_run(o, &request, err);
    return request.list_status ? request.list_status : rc;
}

int objects_remove(struct objects *o, const char *key, struct ds_error *err)
{
    struct object_request request = { .req = { .op = DS_STORE_REMOVE, .key = key } };
    return request_run(o, &request, err);
}
