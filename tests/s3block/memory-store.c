/* SPDX-License-Identifier: Apache-2.0 */
/* memory-store.c - see memory-store.h. One mutex guards all; it is held neither over done nor over
 * item, nor over the hook of memory_store_before_put. */
#include "tests/s3block/memory-store.h"

#include "core/base/pool.h"
#include "core/base/thread.h"

#include <disksync/helpers.h>
#include <stdio.h>
#include <stdlib.h>

#define FAULTS_MAX 16
#define CLOCK_START INT64_C(1700000000000000000) /* the store's own clock: a second an object */
#define CLOCK_STEP INT64_C(1000000000)

struct object {
    char *key;
    uint8_t *data;
    size_t len;
    int64_t mtime_ns;
};

struct job {
    struct memory_store *store;
    struct ds_store_req *req;
    struct job *next; /* of a store with run */
};

struct memory_store {
    struct mutex lock;
    struct cond woken;
    struct pool *pool; /* NULL: the store has run */
    uint64_t caps;
    unsigned limit, in_flight;
    bool wake;
    struct job *first, **last;
    struct object *objects; /* ascending keys */
    size_t n, cap;
    int64_t clock_ns;
    struct memory_fault faults[FAULTS_MAX];
    unsigned matched[FAULTS_MAX];
    size_t n_faults;
    const char *hook_key;
    void (*hook)(void *ud, const char *key);
    void *hook_ud;
    struct memory_counts counts;
    struct memory_request *log;
    size_t n_log, cap_log;
};

static void require(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "memory store: %s\n", what);
        abort();
    }
}

static void *grown(void *list, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return list;
    *cap = *cap ? *cap * 2 : 64;
    list = realloc(list, *cap * size);
    require(list != NULL, "no memory");
    return list;
}

/* ---- objects; all with the lock held ---- */

/* Index of the key, or of the first one above it. */
static size_t place_of(const struct memory_store *store, const char *key, bool *found)
{
    size_t from = 0, to = store->n;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (strcmp(store->objects[middle].key, key) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    *found = from < store->n && strcmp(store->objects[from].key, key) == 0;
    return from;
}

static struct object *find(const struct memory_store *store, const char *key)
{
    bool found;
    size_t i = place_of(store, key, &found);
    return found ? &store->objects[i] : NULL;
}

/* data: taken over. */
static void place(struct memory_store *store, const char *key, uint8_t *data, size_t len,
                  int64_t mtime_ns)
{
    bool found;
    size_t i = place_of(store, key, &found);
    if (found) {
        free(store->objects[i].data);
    } else {
        store->objects = grown(store->objects, &store->cap, store->n, sizeof *store->objects);
        memmove(&store->objects[i + 1], &store->objects[i], (store->n - i) * sizeof(struct object));
        store->n++;
        size_t size = strlen(key) + 1;
        store->objects[i].key = malloc(size);
        require(store->objects[i].key != NULL, "no memory");
        memcpy(store->objects[i].key, key, size);
    }
    store->objects[i].data = data;
    store->objects[i].len = len;
    store->objects[i].mtime_ns = mtime_ns;
}

static void drop(struct memory_store *store, struct object *object)
{
    size_t i = (size_t)(object - store->objects);
    free(object->key);
    free(object->data);
    memmove(object, object + 1, (--store->n - i) * sizeof *object);
}

static uint8_t *fresh_bytes(size_t len)
{
    uint8_t *data = malloc(len ? len : 1);
    require(data != NULL, "no memory");
    return data;
}

/* ---- the rules of the SDK ---- */

static bool key_valid(const char *key, bool prefix)
{
    size_t n = strlen(key);
    if (n > 200 || (!prefix && n == 0) || key[0] == '/')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((key[i] >= 'a' && key[i] <= 'z') || (key[i] >= '0' && key[i] <= '9') ||
              key[i] == '.' || key[i] == '/' || key[i] == '-'))
            return false;
    return !strstr(key, "./") && !strstr(key, "/.") && !strstr(key, "//");
}

static void check_request(const struct ds_store_req *req)
{
    require(req->size == sizeof *req, "a request of a wrong size");
    require(req->done != NULL && req->key != NULL, "a request without done or key");
    require(key_valid(req->key, req->op == DS_STORE_LIST), "a key against the rules");
    require(req->op >= DS_STORE_PUT && req->op <= DS_STORE_RETAIN, "an unknown operation");
    require(req->op != DS_STORE_GET || req->data || !req->length, "a get into nothing");
    require(req->op != DS_STORE_LIST || req->item, "a list without item");
}

/* ---- carrying out ---- */

static int do_put(struct memory_store *store, struct ds_store_req *req)
{
    size_t len = 0, at = 0;
    for (uint32_t i = 0; i < req->n_iov; i++)
        len += req->iov[i].length;
    uint8_t *data = fresh_bytes(len);
    for (uint32_t i = 0; i < req->n_iov; i++) {
        if (req->iov[i].length)
            memcpy(data + at, req->iov[i].data, req->iov[i].length);
        at += req->iov[i].length;
    }
    mutex_lock(&store->lock);
    bool refused = (req->flags & DS_STORE_IF_ABSENT) && (store->caps & DS_STORE_CAP_IF_ABSENT) &&
                   find(store, req->key);
    if (!refused)
        place(store, req->key, data, len, store->clock_ns += CLOCK_STEP);
    mutex_unlock(&store->lock);
    if (refused)
        free(data);
    return refused ? DS_EEXIST : DS_OK;
}

static int do_get(struct memory_store *store, struct ds_store_req *req)
{
    mutex_lock(&store->lock);
    const struct object *object = find(store, req->key);
    if (object) {
        uint64_t left = req->offset < object->len ? object->len - req->offset : 0;
        req->got = left < req->length ? left : req->length;
        if (req->got)
            memcpy(req->data, object->data + req->offset, (size_t)req->got);
    }
    mutex_unlock(&store->lock);
    return object ? DS_OK : DS_ENOENT;
}

static int do_head(struct memory_store *store, struct ds_store_req *req)
{
    mutex_lock(&store->lock);
    const struct object *object = find(store, req->key);
    if (object) {
        req->object_bytes = object->len;
        req->mtime_ns = object->mtime_ns;
    }
    mutex_unlock(&store->lock);
    return object ? DS_OK : DS_ENOENT;
}

/* One key at a time, so that item runs without the lock. *items: keys delivered, at most max. */
static int do_list(struct memory_store *store, struct ds_store_req *req, unsigned max,
                   uint64_t *items)
{
    char last[256] = "";
    if (req->after)
        snprintf(last, sizeof last, "%s", req->after);
    for (*items = 0; *items < max; ++*items) {
        bool found;
        mutex_lock(&store->lock);
        const char *from = strcmp(last, req->key) > 0 ? last : req->key;
        size_t i = place_of(store, from, &found);
        if (found && from == last)
            i++;
        bool more = i < store->n && strncmp(store->objects[i].key, req->key,
                                            strlen(req->key)) == 0;
        struct object object = more ? store->objects[i] : (struct object){ 0 };
        if (more)
            snprintf(last, sizeof last, "%s", object.key);
        mutex_unlock(&store->lock);
        if (!more)
            break;
        int stop = req->item(req, last, object.len, object.mtime_ns);
        if (stop)
            return stop < 0 ? stop : DS_OK;
    }
    return DS_OK;
}

static int do_remove(struct memory_store *store, struct ds_store_req *req)
{
    mutex_lock(&store->lock);
    struct object *object = find(store, req->key);
    if (object)
        drop(store, object);
    mutex_unlock(&store->lock);
    return DS_OK;
}

static void count_request(struct memory_store *store, const struct ds_store_req *req, int status,
                          uint64_t bytes)
{
    struct memory_counts *counts = &store->counts;
    uint64_t *const by_op[] = { NULL, &counts->puts, &counts->gets, &counts->heads,
                                &counts->lists, &counts->removes, &counts->retains };
    mutex_lock(&store->lock);
    ++*by_op[req->op];
    counts->total++;
    if (req->op == DS_STORE_PUT)
        counts->put_bytes += bytes;
    if (req->op == DS_STORE_GET)
        counts->get_bytes += bytes;
    store->log = grown(store->log, &store->cap_log, store->n_log, sizeof *store->log);
    struct memory_request *entry = &store->log[store->n_log++];
    *entry = (struct memory_request){ .op = req->op, .flags = req->flags, .status = status,
                                      .offset = req->offset, .bytes = bytes };
    snprintf(entry->key, sizeof entry->key, "%s", req->key);
    mutex_unlock(&store->lock);
}

/* The fault that acts on this request, into *fault. */
static bool take_fault(struct memory_store *store, const struct ds_store_req *req,
                       struct memory_fault *fault)
{
    bool acts = false;
    mutex_lock(&store->lock);
    for (size_t i = 0; i < store->n_faults && !acts; i++) {
        const struct memory_fault *f = &store->faults[i];
        if ((f->op && f->op != req->op) || (f->key && !strstr(req->key, f->key)))
            continue;
        unsigned nth = store->matched[i]++;
        acts = nth >= f->skip && (!f->count || nth - f->skip < f->count);
        *fault = *f;
    }
    mutex_unlock(&store->lock);
    return acts;
}

static void run_hook(struct memory_store *store, const struct ds_store_req *req)
{
    void (*fn)(void *, const char *) = NULL;
    mutex_lock(&store->lock);
    if (store->hook && req->op == DS_STORE_PUT && strstr(req->key, store->hook_key)) {
        fn = store->hook;
        store->hook = NULL;
    }
    mutex_unlock(&store->lock);
    if (fn)
        fn(store->hook_ud, req->key);
}

static int carry_out(struct memory_store *store, struct ds_store_req *req, unsigned items,
                     uint64_t *bytes)
{
    int rc;
    *bytes = 0;
    switch (req->op) {
    case DS_STORE_PUT:
        for (uint32_t i = 0; i < req->n_iov; i++)
            *bytes += req->iov[i].length;
        return do_put(store, req);
    case DS_STORE_GET:
        rc = do_get(store, req);
        *bytes = req->got;
        return rc;
    case DS_STORE_HEAD:
        return do_head(store, req);
    case DS_STORE_LIST:
        return do_list(store, req, items, bytes);
    case DS_STORE_REMOVE:
        return do_remove(store, req);
    default:
        return DS_ENOTSUP;
    }
}

static void finish(struct job *job)
{
    struct memory_store *store = job->store;
    struct ds_store_req *req = job->req;
    struct ds_error err = DS_ERROR_INIT;
    struct memory_fault fault;
    uint64_t bytes = 0;
    int rc;
    free(job);
    run_hook(store, req);
    if (take_fault(store, req, &fault)) {
        if (fault.lost || (req->op == DS_STORE_LIST && fault.items))
            carry_out(store, req, fault.items ? fault.items : UINT32_MAX, &bytes);
        rc = ds_fail_retry(&err, fault.code, fault.retry, "%s: a fault on demand", req->key);
        err.retry_after_ms = fault.retry_after_ms;
        if (fault.lost && req->op == DS_STORE_GET && req->length)
            memset(req->data, 0xee, (size_t)req->length); /* nobody may rely on it */
    } else {
        rc = carry_out(store, req, UINT32_MAX, &bytes);
        if (rc)
            ds_fail(&err, rc, "%s: %s", req->key,
                    rc == DS_ENOENT ? "no such object"
                                    : rc == DS_EEXIST ? "there already" : "ended by its caller");
    }
    count_request(store, req, rc, bytes);
    mutex_lock(&store->lock);
    store->in_flight--;
    mutex_unlock(&store->lock);
    req->done(req, rc, rc ? &err : NULL);
}

static void pool_job(void *arg)
{
    finish(arg);
}

/* ---- the vtable ---- */

static int store_probe(void *self, struct ds_store_info *info, struct ds_call *call)
{
    struct memory_store *store = self;
    require(call && call->err, "a call without an error to fill");
    mutex_lock(&store->lock);
    info->max_in_flight = store->limit ? store->limit : 4;
    info->caps = store->caps;
    info->free_bytes = UINT64_MAX;
    info->clock_ns = store->clock_ns;
    mutex_unlock(&store->lock);
    snprintf(info->location, sizeof info->location, "memory");
    return DS_OK;
}

static int store_submit(void *self, struct ds_store_req *req)
{
    struct memory_store *store = self;
    check_request(req);
    struct job *job = malloc(sizeof *job);
    require(job != NULL, "no memory");
    *job = (struct job){ store, req, NULL };
    req->got = 0;
    mutex_lock(&store->lock);
    bool full = store->limit && store->in_flight >= store->limit;
    store->counts.busy += full;
    store->in_flight += !full;
    if (!full && !store->pool) {
        *store->last = job;
        store->last = &job->next;
    }
    mutex_unlock(&store->lock);
    if (full) {
        free(job);
        return DS_EBUSY;
    }
    if (store->pool)
        require(pool_run(store->pool, pool_job, job), "no memory");
    return DS_OK;
}

/* Carries out one request; waits for a wake where there is none. */
static int store_run(void *self, uint32_t timeout_ms)
{
    struct memory_store *store = self;
    mutex_lock(&store->lock);
    if (!store->first && !store->wake)
        cond_wait_ms(&store->woken, &store->lock, timeout_ms);
    store->wake = false;
    struct job *job = store->first;
    if (job) {
        store->first = job->next;
        if (!store->first)
            store->last = &store->first;
    }
    mutex_unlock(&store->lock);
    if (job)
        finish(job);
    mutex_lock(&store->lock);
    int left = (int)store->in_flight;
    mutex_unlock(&store->lock);
    return left;
}

static void store_wake(void *self)
{
    struct memory_store *store = self;
    mutex_lock(&store->lock);
    store->wake = true;
    cond_signal(&store->woken);
    mutex_unlock(&store->lock);
}

const struct ds_store_ops *memory_store_ops(const struct memory_store *store)
{
    static const struct ds_store_ops threaded = { .size = sizeof threaded, .probe = store_probe,
                                                  .submit = store_submit };
    static const struct ds_store_ops looped = { .size = sizeof looped, .probe = store_probe,
                                                .submit = store_submit, .run = store_run,
                                                .wake = store_wake };
    return store->pool ? &threaded : &looped;
}

/* ---- life ---- */

struct memory_store *memory_store_new(unsigned threads)
{
    struct memory_store *store = calloc(1, sizeof *store);
    require(store && mutex_init(&store->lock) && cond_init(&store->woken), "no memory");
    store->last = &store->first;
    store->clock_ns = CLOCK_START;
    store->caps = DS_STORE_CAP_IF_ABSENT | DS_STORE_CAP_REMOVE;
    if (threads) {
        store->pool = pool_new(threads);
        require(store->pool != NULL, "no threads");
    }
    return store;
}

static void clear(struct memory_store *store)
{
    while (store->n)
        drop(store, &store->objects[store->n - 1]);
}

void memory_store_free(struct memory_store *store)
{
    if (!store)
        return;
    pool_free(store->pool);
    require(!store->first && !store->in_flight, "freed with requests in flight");
    clear(store);
    free(store->objects);
    free(store->log);
    cond_destroy(&store->woken);
    mutex_destroy(&store->lock);
    free(store);
}

void memory_store_set_caps(struct memory_store *store, uint64_t caps)
{
    mutex_lock(&store->lock);
    store->caps = caps;
    mutex_unlock(&store->lock);
}

void memory_store_set_limit(struct memory_store *store, unsigned in_flight)
{
    mutex_lock(&store->lock);
    store->limit = in_flight;
    mutex_unlock(&store->lock);
}

/* ---- counters, log, faults ---- */

void memory_store_count(struct memory_store *store, struct memory_counts *out)
{
    mutex_lock(&store->lock);
    *out = store->counts;
    mutex_unlock(&store->lock);
}

void memory_store_count_reset(struct memory_store *store)
{
    mutex_lock(&store->lock);
    memset(&store->counts, 0, sizeof store->counts);
    store->n_log = 0;
    mutex_unlock(&store->lock);
}

bool memory_store_log(struct memory_store *store, size_t i, struct memory_request *out)
{
    mutex_lock(&store->lock);
    bool there = i < store->n_log;
    if (there)
        *out = store->log[i];
    mutex_unlock(&store->lock);
    return there;
}

void memory_store_fault(struct memory_store *store, const struct memory_fault *fault)
{
    mutex_lock(&store->lock);
    require(store->n_faults < FAULTS_MAX, "too many faults");
    require(fault->code < 0, "a fault without a code");
    store->matched[store->n_faults] = 0;
    store->faults[store->n_faults++] = *fault;
    mutex_unlock(&store->lock);
}

void memory_store_clear_faults(struct memory_store *store)
{
    mutex_lock(&store->lock);
    store->n_faults = 0;
    mutex_unlock(&store->lock);
}

void memory_store_before_put(struct memory_store *store, const char *key,
                             void (*fn)(void *ud, const char *key), void *ud)
{
    mutex_lock(&store->lock);
    store->hook_key = key;
    store->hook = fn;
    store->hook_ud = ud;
    mutex_unlock(&store->lock);
}

/* ---- damage ---- */

size_t memory_store_objects(struct memory_store *store)
{
    mutex_lock(&store->lock);
    size_t n = store->n;
    mutex_unlock(&store->lock);
    return n;
}

const char *memory_store_key(struct memory_store *store, size_t i)
{
    mutex_lock(&store->lock);
    const char *key = i < store->n ? store->objects[i].key : NULL;
    mutex_unlock(&store->lock);
    return key;
}

uint8_t *memory_store_bytes(struct memory_store *store, const char *key, size_t *len)
{
    mutex_lock(&store->lock);
    struct object *object = find(store, key);
    uint8_t *data = object ? object->data : NULL;
    if (object && len)
        *len = object->len;
    mutex_unlock(&store->lock);
    return data;
}

void memory_store_put(struct memory_store *store, const char *key, const void *data, size_t len)
{
    uint8_t *copy = fresh_bytes(len);
    if (len)
        memcpy(copy, data, len);
    mutex_lock(&store->lock);
    place(store, key, copy, len, store->clock_ns += CLOCK_STEP);
    mutex_unlock(&store->lock);
}

static struct object *found_or_abort(const struct memory_store *store, const char *key)
{
    struct object *object = find(store, key);
    require(object != NULL, "the object to change is not there");
    return object;
}

void memory_store_remove(struct memory_store *store, const char *key)
{
    mutex_lock(&store->lock);
    drop(store, found_or_abort(store, key));
    mutex_unlock(&store->lock);
}

void memory_store_truncate(struct memory_store *store, const char *key, size_t len)
{
    mutex_lock(&store->lock);
    struct object *object = found_or_abort(store, key);
    require(len <= object->len, "truncated to more than it has");
    object->len = len;
    mutex_unlock(&store->lock);
}

void memory_store_flip(struct memory_store *store, const char *key, size_t offset, uint8_t mask)
{
    mutex_lock(&store->lock);
    struct object *object = found_or_abort(store, key);
    require(offset < object->len, "flipped beyond the end");
    object->data[offset] ^= mask;
    mutex_unlock(&store->lock);
}

void memory_store_swap(struct memory_store *store, const char *a, const char *b)
{
    mutex_lock(&store->lock);
    struct object *oa = found_or_abort(store, a), *ob = found_or_abort(store, b);
    struct object was = *oa;
    oa->data = ob->data;
    oa->len = ob->len;
    ob->data = was.data;
    ob->len = was.len;
    mutex_unlock(&store->lock);
}

void memory_store_copy(struct memory_store *to, struct memory_store *from)
{
    mutex_lock(&from->lock);
    mutex_lock(&to->lock);
    clear(to);
    for (size_t i = 0; i < from->n; i++) {
        const struct object *object = &from->objects[i];
        uint8_t *data = fresh_bytes(object->len);
        if (object->len)
            memcpy(data, object->data, object->len);
        place(to, object->key, data, object->len, object->mtime_ns);
    }
    to->clock_ns = from->clock_ns;
    mutex_unlock(&to->lock);
    mutex_unlock(&from->lock);
}
