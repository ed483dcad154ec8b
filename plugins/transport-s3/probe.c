/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c - tells what the store is made to give, or proves it. Proving is done by an opening of
 * its own: core may drive this one from another thread. Racing puts of one new key, on condition
 * that there is none, must have one winner; a later one must be refused; what was put is read,
 * listed and removed, in a bucket with versions each version, so that nothing is left.
 *
 * Keys that may not remove would leave an object at each proof. They prove by one fixed key, which
 * stays: from the second proof on, nothing is added. */
#include "key.h"
#include "s3.h"

#include <stdlib.h>

#define RACERS 6
#define FIXED_KEY "probe"

struct attempt {
    struct ds_store_req req; /* first */
    struct probe *probe;
    int status;
    struct ds_error err;
    struct answer answer;
};

struct probe {
    struct s3 *s3;
    struct ds_call *call;
    struct ds_store_info *info;
    char key[KEY_MAX + 1];
    unsigned waiting, listed;
    bool may_remove, stored; /* stored: something of ours is there */
    char body[64];
    size_t length;
    struct attempt racers[RACERS];
};

static void attempt_done(struct ds_store_req *req, int status, const struct ds_error *err)
{
    struct attempt *attempt = (struct attempt *)req;
    attempt->status = status;
    if (err)
        attempt->err = *err;
    attempt->probe->waiting--;
}

static void see(void *ud, const struct ds_store_req *req, const struct answer *answer)
{
    struct attempt *attempt = (struct attempt *)(uintptr_t)req;
    (void)ud;
    attempt->answer = *answer;
}

static int item(struct ds_store_req *req, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    struct attempt *attempt = (struct attempt *)req;
    struct probe *probe = attempt->probe;
    (void)mtime_ns;
    probe->listed += strcmp(key, probe->key) == 0 && bytes == probe->length;
    return 0;
}

static void attempt_start(struct probe *probe, struct attempt *attempt)
{
    attempt->probe = probe;
    attempt->err = (struct ds_error)DS_ERROR_INIT;
    attempt->req.size = sizeof attempt->req;
    attempt->req.key = probe->key;
    attempt->req.item = item;
    attempt->req.done = attempt_done;
    attempt->req.deadline_ns = probe->call->deadline_ns;
    attempt->status = s3_submit(probe->s3, &attempt->req);
    if (attempt->status)
        ds_fail(&attempt->err, attempt->status, "no memory to prove what the store can do");
    else
        probe->waiting++;
}

static void attempts_wait(struct probe *probe)
{
    while (probe->waiting)
        s3_run(probe->s3, S3_POLL_MS);
}

static int attempt_run(struct probe *probe, struct attempt *attempt)
{
    attempt_start(probe, attempt);
    attempts_wait(probe);
    return attempt->status;
}

/* The failure of an attempt becomes that of the probe. */
static int failed_by(struct probe *probe, const struct attempt *attempt)
{
    struct ds_error *err = probe->call->err;
    uint32_t size = err->size;
    memcpy(err, &attempt->err, size < sizeof *err ? size : sizeof *err);
    err->size = size;
    return attempt->status;
}

static bool has_version(const struct answer *answer)
{
    return answer->version[0] && strcmp(answer->version, "null") != 0;
}

/* One version, or the object where there are none. A version that may not be removed is left below
 * a mark that hides it. */
static void clean(struct probe *probe, const struct answer *made)
{
    struct attempt version = { .req = { .op = S3_OP_REMOVE_VERSION, .after = made->version } };
    struct attempt plain = { .req = { .op = DS_STORE_REMOVE } };
    if (has_version(made) && attempt_run(probe, &version) == DS_OK)
        return;
    int rc = attempt_run(probe, &plain);
    if (!rc && !has_version(made))
        return;
    struct ds_kv kv = { "key", probe->key };
    probe->s3->host->log(probe->s3->host->ctx, DS_LOG_WARNING, "s3.probe",
                         "an object of the proof stays in the bucket: these keys may not remove it",
                         &kv, 1);
}

/* ---- the steps ---- */

/* The removal of what is not there needs the right all the same. */
static int prove_remove(struct probe *probe)
{
    struct attempt attempt = { .req = { .op = DS_STORE_REMOVE } };
    int rc = attempt_run(probe, &attempt);
    if (rc == DS_EACCES && strcmp(attempt.answer.error.code, "AccessDenied") == 0)
        return DS_OK;
    if (rc)
        return failed_by(probe, &attempt);
    probe->may_remove = true;
    if (has_version(&attempt.answer)) /* the mark of a removal */
        clean(probe, &attempt.answer);
    return DS_OK;
}

static void racer_start(struct probe *probe, struct attempt *racer, struct ds_iovec *iov)
{
    *racer = (struct attempt){ .req = { .op = DS_STORE_PUT, .flags = DS_STORE_IF_ABSENT,
                                        .n_iov = 1, .iov = iov } };
    *iov = (struct ds_iovec){ probe->body, probe->length };
    attempt_start(probe, racer);
}

/* True if one of them won, and no other. */
static int race(struct probe *probe, unsigned n, bool *one)
{
    struct ds_iovec iov[RACERS];
    unsigned winners = 0;
    for (unsigned i = 0; i < n; i++)
        racer_start(probe, &probe->racers[i], &iov[i]);
    attempts_wait(probe);
    for (unsigned i = 0; i < n; i++) {
        const struct attempt *racer = &probe->racers[i];
        winners += racer->status == DS_OK;
        probe->stored = probe->stored || racer->status == DS_OK;
        if (racer->status && racer->status != DS_EEXIST && racer->answer.http != 409)
            return failed_by(probe, racer);
    }
    *one = winners == 1;
    return DS_OK;
}

static int prove_conditional(struct probe *probe)
{
    struct attempt late;
    struct ds_iovec iov;
    bool one = false;
    int rc = race(probe, probe->may_remove ? RACERS : 1, &one);
    if (rc)
        return rc;
    racer_start(probe, &late, &iov);
    attempts_wait(probe);
    if (late.status == DS_OK && has_version(&late.answer))
        clean(probe, &late.answer);
    if (late.status && late.status != DS_EEXIST)
        return failed_by(probe, &late);
    if (late.status == DS_EEXIST && (one || !probe->may_remove))
        probe->info->caps |= DS_STORE_CAP_IF_ABSENT;
    return DS_OK;
}

static int prove_reading(struct probe *probe)
{
    char back[sizeof probe->body + 1];
    struct attempt get = { .req = { .op = DS_STORE_GET, .data = back, .length = sizeof back } };
    struct attempt list = { .req = { .op = DS_STORE_LIST } };
    if (attempt_run(probe, &get))
        return failed_by(probe, &get);
    if (get.req.got != probe->length || memcmp(back, probe->body, probe->length) != 0)
        return ds_fail(probe->call->err, DS_EIO, "%s does not give back what was put there",
                       probe->s3->settings.location);
    if (attempt_run(probe, &list))
        return failed_by(probe, &list);
    if (probe->listed != 1)
        return ds_fail(probe->call->err, DS_EIO, "%s does not list what was put there",
                       probe->s3->settings.location);
    return DS_OK;
}

static int prove_lock(struct probe *probe)
{
    struct attempt attempt = { .req = { .op = S3_OP_LOCK_CONFIG } };
    if (!probe->s3->settings.lock_mode[0])
        return DS_OK;
    int rc = attempt_run(probe, &attempt);
    if (!rc && attempt.answer.lock_on)
        probe->info->caps |= DS_STORE_CAP_RETAIN;
    if (rc == DS_EACCES || rc == DS_ENOTSUP || (!rc && !attempt.answer.lock_on)) {
        struct ds_kv kv = { "why", rc ? attempt.err.msg : "the bucket has no Object Lock" };
        probe->s3->host->log(probe->s3->host->ctx, DS_LOG_WARNING, "s3.lock",
                             "objects can't be locked", &kv, 1);
        return DS_OK;
    }
    return rc ? failed_by(probe, &attempt) : DS_OK;
}

static int steps(struct probe *probe)
{
    int rc = prove_remove(probe);
    if (!rc && !probe->may_remove)
        str_copy(probe->key, sizeof probe->key, FIXED_KEY);
    probe->length =
        (size_t)snprintf(probe->body, sizeof probe->body, "disksync %s", probe->key);
    if (!rc)
        rc = prove_conditional(probe);
    if (!rc)
        rc = prove_reading(probe);
    if (!rc)
        rc = prove_lock(probe);
    if (probe->may_remove)
        probe->info->caps |= DS_STORE_CAP_REMOVE;
    for (unsigned i = 0; probe->may_remove && probe->stored && i < RACERS; i++)
        if (probe->racers[i].probe && probe->racers[i].status == DS_OK)
            clean(probe, &probe->racers[i].answer);
    return rc;
}

static int64_t clock_of(const struct s3 *s3)
{
    uint64_t now = s3->host->now_mono(s3->host->ctx);
    return s3->clock_ns ? s3->clock_ns + (int64_t)(now - s3->clock_mono_ns) : 0;
}

static int name_key(struct probe *probe, const struct ds_host *host)
{
    struct strbuf name = STRBUF_INIT(sizeof probe->key);
    uint8_t random[16];
    if (host->random(host->ctx, random, sizeof random))
        return ds_fail(probe->call->err, DS_EIO, "the system gives no random numbers");
    strbuf_text(&name, "probe-");
    strbuf_hex(&name, random, sizeof random);
    str_copy(probe->key, sizeof probe->key, strbuf_str(&name));
    strbuf_free(&name);
    return DS_OK;
}

/* The options again, since the other opening takes its own. */
static int twin_open(struct s3 **twin, struct s3 *s3, struct ds_error *err)
{
    struct settings settings = s3->settings;
    settings.values = NULL; /* the texts stay the elder's, which lives longer */
    int rc = s3_open(twin, s3->host, &settings, err);
    if (*twin) {
        (*twin)->cancelled_above = &s3->cancelled;
        (*twin)->witness = see;
    }
    return rc;
}

static int prove(struct s3 *s3, struct ds_store_info *info, struct ds_call *call)
{
    struct probe *probe = calloc(1, sizeof *probe);
    struct s3 *twin = NULL;
    if (!probe)
        return ds_fail(call->err, DS_ENOMEM, "no memory to prove what the store can do");
    probe->call = call;
    probe->info = info;
    int rc = name_key(probe, s3->host);
    if (!rc)
        rc = twin_open(&twin, s3, call->err);
    if (!rc) {
        probe->s3 = twin;
        rc = steps(probe);
        info->clock_ns = clock_of(twin);
    }
    s3_close(twin);
    free(probe);
    return rc;
}

int probe_run(struct s3 *s3, struct ds_store_info *info, struct ds_call *call)
{
    struct ds_store_info found = { .size = sizeof found, .free_bytes = UINT64_MAX };
    size_t n = info->size < sizeof found ? info->size : sizeof found;
    int rc = DS_OK;
    if (info->size > offsetof(struct ds_store_info, flags))
        found.flags = info->flags;
    found.max_in_flight = s3->settings.max_in_flight;
    str_copy(found.location, sizeof found.location, s3->settings.location);
    if (found.flags & DS_STORE_PROVE)
        rc = prove(s3, &found, call);
    else
        found.caps = DS_STORE_CAP_IF_ABSENT | DS_STORE_CAP_REMOVE |
                     (s3->settings.lock_mode[0] ? (uint64_t)DS_STORE_CAP_RETAIN : 0);
    if (n > sizeof found.size)
        memcpy((char *)info + sizeof found.size, (const char *)&found + sizeof found.size,
               n - sizeof found.size);
    return rc;
}
