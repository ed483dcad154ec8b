/* SPDX-License-Identifier: Apache-2.0 */
/* s3.c - see s3.h: the life of an opening, and the loop. */
#include "request.h"

#include <stdlib.h>

/* ---- life ---- */

int s3_open(struct s3 **out, const struct ds_host *host, struct settings *settings,
            struct ds_error *err)
{
    struct s3 *s3 = calloc(1, sizeof *s3);
    *out = s3;
    if (!s3) {
        settings_free(settings);
        return ds_fail(err, DS_ENOMEM, "no memory to open the store");
    }
    s3->host = host;
    s3->settings = *settings;
    settings->values = NULL;
    atomic_init(&s3->cancelled, false);
    s3->waiting_last = &s3->waiting;
    s3->endpoint = s3->settings.endpoint;
    str_copy(s3->region, sizeof s3->region, s3->settings.region);
    credentials_start(&s3->credentials);
    concurrency_start(&s3->concurrency, s3->settings.max_in_flight);
    s3->curl_started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (s3->curl_started)
        s3->multi = curl_multi_init();
    if (!s3->multi)
        return ds_fail(err, DS_ENOMEM, "libcurl could not be set up");
    curl_multi_setopt(s3->multi, CURLMOPT_MAXCONNECTS, (long)s3->settings.max_in_flight + 4);
    curl_multi_setopt(s3->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return DS_OK;
}

static struct request *waiting_take(struct s3 *s3)
{
    struct request *request = s3->waiting;
    if (request) {
        s3->waiting = request->next;
        if (!s3->waiting)
            s3->waiting_last = &s3->waiting;
        request->next = NULL;
    }
    return request;
}

static void end_all(struct s3 *s3)
{
    struct ds_error err = DS_ERROR_INIT;
    struct request *request;
    ds_fail(&err, DS_ECANCELLED, "cancelled");
    while (s3->running)
        s3->running->abandon(s3->running);
    s3->in_flight = 0;
    while ((request = waiting_take(s3)) != NULL)
        request_finish(request, DS_ECANCELLED, &err);
}

void s3_close(struct s3 *s3)
{
    if (!s3)
        return;
    s3_cancel(s3);
    if (s3->multi)
        end_all(s3);
    credentials_free(s3);
    curl_multi_cleanup(s3->multi);
    if (s3->curl_started)
        curl_global_cleanup();
    settings_free(&s3->settings);
    free(s3);
}

void s3_cancel(struct s3 *s3)
{
    atomic_store(&s3->cancelled, true);
    s3_wake(s3);
}

void s3_wake(struct s3 *s3)
{
    if (s3->multi)
        curl_multi_wakeup(s3->multi);
}

bool s3_is_cancelled(const struct s3 *s3)
{
    struct ds_error err = DS_ERROR_INIT;
    struct ds_call call = { .size = sizeof call, .host = s3->host, .err = &err };
    return atomic_load(&s3->cancelled) ||
           (s3->cancelled_above && atomic_load(s3->cancelled_above)) ||
           s3->host->cancelled(&call);
}

/* ---- the loop ---- */

static void waiting_add(struct s3 *s3, struct request *request)
{
    request->next = NULL;
    *s3->waiting_last = request;
    s3->waiting_last = &request->next;
}

void s3_again(struct s3 *s3, struct request *request)
{
    request->next = s3->waiting;
    s3->waiting = request;
    if (!request->next)
        s3->waiting_last = &request->next;
}

int s3_submit(struct s3 *s3, struct ds_store_req *req)
{
    if (s3->accepted >= S3_ACCEPTED_MAX)
        return DS_EBUSY;
    struct request *request = request_new(s3, req);
    if (!request)
        return DS_ENOMEM;
    s3->accepted++;
    waiting_add(s3, request);
    return DS_OK;
}

/* As many as there are places for. Those that were refused at once need none. */
static void start_waiting(struct s3 *s3)
{
    while (s3->waiting && (s3->in_flight < s3->concurrency.limit || s3->waiting->refused)) {
        struct request *request = waiting_take(s3);
        int rc = request->refused;
        if (!rc)
            rc = request_send(request, &request->err);
        if (rc == CREDENTIALS_PENDING) {
            s3_again(s3, request);
            return;
        }
        if (rc)
            request_finish(request, rc, &request->err);
        else
            s3->in_flight++;
    }
}

/* True if a transfer ended. */
static bool harvest(struct s3 *s3)
{
    bool any = false;
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(s3->multi, &left)) != NULL) {
        struct transfer *transfer = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        transfer->ended(transfer, code);
        any = true;
    }
    return any;
}

static bool turn(struct s3 *s3)
{
    int running;
    start_waiting(s3);
    curl_multi_perform(s3->multi, &running);
    return harvest(s3);
}

int s3_run(struct s3 *s3, uint32_t timeout_ms)
{
    if (s3_is_cancelled(s3)) {
        end_all(s3);
        return 0;
    }
    if (!turn(s3) && s3->accepted) {
        curl_multi_poll(s3->multi, NULL, 0, timeout_ms < S3_POLL_MS ? (int)timeout_ms : S3_POLL_MS,
                        NULL);
        turn(s3);
    }
    return (int)s3->accepted;
}
