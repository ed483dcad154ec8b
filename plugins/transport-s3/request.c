/* SPDX-License-Identifier: Apache-2.0 */
/* request.c - see request.h. A request is put together once as its canonical form, signed, and sent
 * from that very text. */
#include "request.h"

#include "moment.h"

#include <inttypes.h>
#include <stdlib.h>

#define URL_MAX 8192u
#define HEADERS_MAX 12
#define SHORT_DOCUMENT 8192u

static bool is_put(const struct request *request)
{
    return request->req->op == DS_STORE_PUT || request->req->op == DS_STORE_RETAIN;
}

/* What is wrong with it before anything is sent. */
static int check(struct request *request)
{
    const struct ds_store_req *req = request->req;
    const struct settings *settings = &request->s3->settings;
    bool list = req->op == DS_STORE_LIST, locks = req->op == DS_STORE_RETAIN;
    if (req->op == S3_OP_LOCK_CONFIG)
        return DS_OK;
    if ((req->op < DS_STORE_PUT || req->op > DS_STORE_RETAIN) && req->op != S3_OP_REMOVE_VERSION)
        return ds_fail(&request->err, DS_ENOTSUP, "transport-s3 knows no request %u", req->op);
    if (!req->key || !(list ? key_good_prefix(req->key) : key_good(req->key)))
        return ds_fail(&request->err, DS_EINVAL,
                       "\"%.210s\" is no key: [a-z0-9.-] between single '/', at most %d bytes, no "
                       "component \".\" or \"..\"", req->key ? req->key : "", KEY_MAX);
    if ((locks || (req->op == DS_STORE_PUT && req->until_ns)) && !settings->lock_mode[0])
        return ds_fail(&request->err, DS_ENOTSUP,
                       "%s can't be locked: the policy says object_lock: none", req->key);
    return DS_OK;
}

static void abandon(struct transfer *transfer)
{
    struct request *request = (struct request *)transfer;
    struct ds_error err = DS_ERROR_INIT;
    ds_fail(&err, DS_ECANCELLED, "cancelled");
    request_finish(request, DS_ECANCELLED, &err);
}

struct request *request_new(struct s3 *s3, struct ds_store_req *req)
{
    struct request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->s3 = s3;
    request->req = req;
    request->err = (struct ds_error)DS_ERROR_INIT;
    request->document.max = ERROR_XML_MAX;
    request->transfer.ended = outcome_of;
    request->transfer.abandon = abandon;
    request->refused = check(request);
    return request;
}

void request_finish(struct request *request, int status, const struct ds_error *err)
{
    struct ds_store_req *req = request->req;
    struct s3 *s3 = request->s3;
    transfer_end(s3, &request->transfer);
    body_free(&request->body);
    strbuf_free(&request->document);
    if (request->list)
        list_xml_free(request->list);
    free(request->list);
    s3->accepted--;
    req->done(req, status, status ? err : NULL);
    free(request);
}

struct question request_question(const struct request *request)
{
    const struct s3 *s3 = request->s3;
    static const char *const none = "";
    return (struct question){
        .op = request->req->op,
        .flags = request->req->flags,
        .locks = request->req->op == DS_STORE_PUT && request->req->until_ns,
        .key = request->req->key ? request->req->key : none,
        .bucket = s3->settings.bucket,
        .region = s3->region,
        .storage_class = s3->settings.storage_class,
        .access_key = s3->credentials.access_key,
        .now_ns = s3->host->now_wall(s3->host->ctx),
    };
}

/* ---- what is sent ---- */

static const char *method_of(const struct request *request)
{
    switch (request->req->op) {
    case DS_STORE_PUT:
    case DS_STORE_RETAIN:
        return "PUT";
    case DS_STORE_HEAD:
        return request->asks_why ? "GET" : "HEAD";
    case DS_STORE_REMOVE:
    case S3_OP_REMOVE_VERSION:
        return "DELETE";
    default:
        return "GET";
    }
}

/* The texts that a request is made of, until libcurl has its copies. */
struct draft {
    struct strbuf key, after, path, query, url, authorization;
    char host[URL_HOST_MAX];
    char stamp[MOMENT_STAMP], until[MOMENT_ISO], range[64], md5[25], payload[SIGN_HASH_HEX];
    struct sign_header headers[HEADERS_MAX];
    size_t n;
};

static void draft_free(struct draft *d)
{
    strbuf_free(&d->key);
    strbuf_free(&d->after);
    strbuf_free(&d->path);
    strbuf_free(&d->query);
    strbuf_free(&d->url);
    strbuf_free(&d->authorization);
}

static void draft_header(struct draft *d, const char *name, const char *value)
{
    if (d->n < HEADERS_MAX)
        d->headers[d->n++] = (struct sign_header){ name, value };
}

static void draft_query(struct draft *d, const struct request *request)
{
    const struct ds_store_req *req = request->req;
    struct query query = { .n = 0 };
    if (req->op == DS_STORE_LIST) {
        query_add(&query, "list-type", "2");
        query_add(&query, "encoding-type", "url");
        query_add(&query, "prefix", strbuf_str(&d->key));
        if (request->token[0])
            query_add(&query, "continuation-token", request->token);
        else if (req->after)
            query_add(&query, "start-after", strbuf_str(&d->after));
    } else if (req->op == DS_STORE_RETAIN) {
        query_add(&query, "retention", "");
    } else if (req->op == S3_OP_LOCK_CONFIG) {
        query_add(&query, "object-lock", "");
    } else if (req->op == S3_OP_REMOVE_VERSION) {
        query_add(&query, "versionId", req->after);
    }
    query_text(&d->query, &query);
}

static void draft_place(struct draft *d, const struct request *request)
{
    const struct s3 *s3 = request->s3;
    const struct settings *settings = &s3->settings;
    bool bucket = request->req->op == DS_STORE_LIST || request->req->op == S3_OP_LOCK_CONFIG;
    strbuf_printf(&d->key, "%s%s", settings->prefix, request->req->key ? request->req->key : "");
    if (request->req->op == DS_STORE_LIST && request->req->after)
        strbuf_printf(&d->after, "%s%s", settings->prefix, request->req->after);
    url_place(d->host, &d->path, &s3->endpoint, settings->bucket, settings->virtual_hosted,
              bucket ? "" : strbuf_str(&d->key));
    if (request->host[0])
        str_copy(d->host, sizeof d->host, request->host);
    draft_query(d, request);
    strbuf_printf(&d->url, "%s://%s%s%s%s", s3->endpoint.secure ? "https" : "http", d->host,
                  strbuf_str(&d->path), d->query.len ? "?" : "", strbuf_str(&d->query));
}

/* Over TLS the transport vouches for the bytes of a body; else its hash, which is signed, does. */
static bool draft_payload(struct draft *d, const struct request *request)
{
    if (request->body.total && request->s3->endpoint.secure) {
        str_copy(d->payload, sizeof d->payload, SIGN_UNSIGNED);
        return true;
    }
    return body_sha256_hex(&request->body, d->payload);
}

static void draft_lock(struct draft *d, const struct request *request)
{
    moment_iso(d->until, request->req->until_ns + MOMENT_SECOND - 1);
    draft_header(d, "x-amz-object-lock-mode", request->s3->settings.lock_mode);
    draft_header(d, "x-amz-object-lock-retain-until-date", d->until);
}

static bool draft_headers(struct draft *d, const struct request *request)
{
    const struct s3 *s3 = request->s3;
    const struct ds_store_req *req = request->req;
    bool put = req->op == DS_STORE_PUT, locks = put && req->until_ns;
    draft_header(d, "host", d->host);
    draft_header(d, "x-amz-date", d->stamp);
    draft_header(d, "x-amz-content-sha256", d->payload);
    if (s3->credentials.session_token.len)
        draft_header(d, "x-amz-security-token", strbuf_str(&s3->credentials.session_token));
    if (put && s3->settings.storage_class[0])
        draft_header(d, "x-amz-storage-class", s3->settings.storage_class);
    if (put && (req->flags & DS_STORE_IF_ABSENT))
        draft_header(d, "if-none-match", "*");
    if (locks)
        draft_lock(d, request);
    if (locks || req->op == DS_STORE_RETAIN) { /* a service of AWS wants it with every lock */
        if (!body_md5_base64(&request->body, d->md5))
            return false;
        draft_header(d, "content-md5", d->md5);
    }
    if (req->op == DS_STORE_GET && req->length)
        snprintf(d->range, sizeof d->range, "bytes=%" PRIu64 "-%" PRIu64, req->offset,
                 req->offset + req->length - 1);
    else if (req->op == DS_STORE_GET || request->asks_why)
        str_copy(d->range, sizeof d->range, "bytes=0-0");
    if (d->range[0])
        draft_header(d, "range", d->range);
    return true;
}

static void draft_sign(struct draft *d, const struct request *request)
{
    const struct s3 *s3 = request->s3;
    struct sign_request what = { method_of(request), strbuf_str(&d->path), strbuf_str(&d->query),
                                 d->payload, d->headers, d->n };
    struct sign_identity who = { s3->credentials.access_key, s3->region, "s3", d->stamp,
                                 s3->credentials.key };
    sign_authorization(&d->authorization, &what, &who);
}

/* ---- callbacks ---- */

static size_t on_read(char *out, size_t one, size_t n, void *ud)
{
    struct request *request = ud;
    size_t done = body_read(&request->body, out, one * n);
    if (request->body.at == request->body.n)
        request->sent_ns = request->s3->host->now_mono(request->s3->host->ctx);
    return done;
}

static int on_seek(void *ud, curl_off_t offset, int origin)
{
    struct request *request = ud;
    return origin == SEEK_SET && offset >= 0 && body_seek(&request->body, (uint64_t)offset)
               ? CURL_SEEKFUNC_OK
               : CURL_SEEKFUNC_FAIL;
}

static size_t on_header(char *line, size_t one, size_t n, void *ud)
{
    struct request *request = ud;
    answer_header(&request->answer, line, one * n);
    if (!request->first_ns && request->answer.http >= 200)
        request->first_ns = request->s3->host->now_mono(request->s3->host->ctx);
    return one * n;
}

/* An object's bytes, straight to where core wants them; never more than it has room for. */
static size_t on_object(struct request *request, const char *data, size_t n)
{
    struct ds_store_req *req = request->req;
    /* The range was not heeded; unless this is an error with a good status, which is short. */
    if (request->answer.http == 200 && req->offset != 0) {
        strbuf_add(&request->document, data, n);
        request->too_much = request->document.len > SHORT_DOCUMENT || request->document.failed;
        return request->too_much ? 0 : n;
    }
    if (n > req->length - request->got) {
        request->too_much = true;
        return 0;
    }
    memcpy((char *)req->data + request->got, data, n);
    request->got += n;
    return n;
}

static size_t on_body(char *data, size_t one, size_t size, void *ud)
{
    struct request *request = ud;
    size_t n = one * size;
    bool good = request->answer.http >= 200 && request->answer.http < 300;
    if (good && request->req->op == DS_STORE_GET && request->req->length)
        return on_object(request, data, n);
    if (good && request->list)
        list_xml_feed(request->list, data, n);
    else
        strbuf_add(&request->document, data, n); /* what is too long is cut: the rest is no news */
    return n;
}

/* ---- sending ---- */

static void set_callbacks(struct request *request)
{
    CURL *easy = request->transfer.easy;
    const char *method = method_of(request);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    if (is_put(request)) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(easy, CURLOPT_READDATA, request);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, request);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body.total);
    } else if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    }
}

static void start_body(struct request *request)
{
    struct ds_store_req *req = request->req;
    const struct ds_iovec *iov = NULL;
    char until[MOMENT_ISO];
    body_free(&request->body);
    if (req->op == DS_STORE_RETAIN) {
        moment_iso(until, req->until_ns + MOMENT_SECOND - 1);
        snprintf(request->small, sizeof request->small,
                 "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>%s</Mode>"
                 "<RetainUntilDate>%s</RetainUntilDate></Retention>",
                 request->s3->settings.lock_mode, until);
        request->small_iov = (struct ds_iovec){ request->small, strlen(request->small) };
        iov = &request->small_iov;
    } else if (req->op == DS_STORE_PUT) {
        iov = req->iov;
    }
    body_start(&request->body, iov, req->op == DS_STORE_PUT ? req->n_iov : iov != NULL);
    if (req->op == DS_STORE_PUT && request->s3->endpoint.secure)
        body_want_md5(&request->body);
}

static void start_answer(struct request *request)
{
    memset(&request->answer, 0, sizeof request->answer);
    strbuf_reset(&request->document);
    request->got = 0;
    request->too_much = false;
    request->first_ns = 0;
}

static int list_item(void *ud, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    struct request *request = ud;
    struct ds_store_req *req = request->req;
    size_t prefix = strlen(request->s3->settings.prefix);
    if (strncmp(key, request->s3->settings.prefix, prefix) != 0)
        return 0;
    key += prefix;
    /* What others put there is not ours; and a service that does not know start-after is heard. */
    if (!key_good(key) || strncmp(key, req->key, strlen(req->key)) != 0 ||
        (req->after && strcmp(key, req->after) <= 0))
        return 0;
    if (request->last[0] && strcmp(key, request->last) <= 0) {
        request->item_status = DS_EFORMAT;
        return 1;
    }
    str_copy(request->last, sizeof request->last, key);
    request->item_status = req->item(req, key, bytes, mtime_ns);
    return request->item_status;
}

static bool start_list(struct request *request)
{
    if (request->req->op != DS_STORE_LIST)
        return true;
    if (request->list)
        list_xml_free(request->list);
    else
        request->list = malloc(sizeof *request->list);
    return request->list && list_xml_start(request->list, list_item, request);
}

static int send_draft(struct request *request, struct draft *d, struct ds_error *err)
{
    struct s3 *s3 = request->s3;
    bool good = draft_payload(d, request) && draft_headers(d, request);
    draft_sign(d, request);
    if (!good || d->key.failed || d->path.failed || d->query.failed || d->url.failed ||
        d->authorization.failed)
        return ds_fail_retry(err, DS_ENOMEM, DS_RETRY_SAME, "no memory for a request to the store");
    int rc = transfer_begin(s3, &request->transfer, d->url.data, request->req->deadline_ns, err);
    if (rc)
        return rc;
    transfer_through_proxy(s3, &request->transfer);
    set_callbacks(request);
    for (size_t i = 0; i < d->n; i++)
        transfer_header(&request->transfer, d->headers[i].name, d->headers[i].value);
    transfer_header(&request->transfer, "Authorization", d->authorization.data);
    request->started_ns = request->sent_ns = s3->host->now_mono(s3->host->ctx);
    return transfer_go(s3, &request->transfer, err);
}

int request_send(struct request *request, struct ds_error *err)
{
    struct s3 *s3 = request->s3;
    struct draft d = { .key = STRBUF_INIT(1024), .after = STRBUF_INIT(1024),
                       .path = STRBUF_INIT(URL_MAX), .query = STRBUF_INIT(URL_MAX),
                       .url = STRBUF_INIT(2 * URL_MAX), .authorization = STRBUF_INIT(URL_MAX) };
    int64_t now = s3->host->now_wall(s3->host->ctx);
    start_body(request);
    start_answer(request);
    if (!start_list(request))
        return ds_fail_retry(err, DS_ENOMEM, DS_RETRY_SAME, "no memory for a request to the store");
    moment_stamp(d.stamp, now);
    draft_place(&d, request);
    int rc = credentials_need(s3, d.stamp, s3->region, err);
    if (!rc)
        rc = send_draft(request, &d, err);
    draft_free(&d);
    /* To core "no such thing" is said of objects, never of keys that can't be found. */
    if (rc == DS_ENOENT || rc == DS_EEXIST)
        err->code = rc = DS_EACCES;
    return rc;
}
