/* SPDX-License-Identifier: Apache-2.0 */
/* outcome.c - what came back for a request, and what follows: done, another transfer (the next
 * page, the bucket's own region), or a failure that is classified. A success is believed only if
 * all of it fits: the range, the length, the ETag. */
#include "request.h"

#include <openssl/evp.h>

/* ---- failures ---- */

static int fail(struct request *request, int code, uint32_t retry, const char *why)
{
    struct question question = request_question(request);
    char endpoint[URL_HOST_MAX + 10], subject[400];
    endpoint_text(endpoint, sizeof endpoint, &request->s3->endpoint);
    question.endpoint = endpoint;
    answer_subject(subject, sizeof subject, &question);
    ds_fail_retry(&request->err, code, retry, "%s: %s", subject, why);
    ds_error_native(&request->err, DS_DOMAIN_HTTP, (int32_t)request->answer.http);
    return code;
}

static int not_connected(struct request *request, CURLcode code)
{
    struct question question = request_question(request);
    char endpoint[URL_HOST_MAX + 10], subject[400];
    endpoint_text(endpoint, sizeof endpoint, &request->s3->endpoint);
    question.endpoint = endpoint;
    answer_subject(subject, sizeof subject, &question);
    request->s3->doubt_names = code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT;
    return transfer_classify(&request->transfer, code, subject, "", &request->err);
}

static int refused(struct request *request)
{
    struct s3 *s3 = request->s3;
    struct question question = request_question(request);
    char endpoint[URL_HOST_MAX + 10];
    endpoint_text(endpoint, sizeof endpoint, &s3->endpoint);
    question.endpoint = endpoint;
    if (answer_is_slow_down(&request->answer))
        concurrency_slow_down(&s3->concurrency, s3->host->now_mono(s3->host->ctx));
    if (answer_is_expired(&request->answer))
        question.ours_again = credentials_expired(s3);
    return answer_classify(&request->answer, &question, &request->err);
}

/* ---- elsewhere ---- */

static bool is_region(const char *text)
{
    return text[0] && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_")] == 0;
}

/* A host of the same service, for this request alone. */
static bool follow_host(struct request *request)
{
    struct s3 *s3 = request->s3;
    struct endpoint there;
    char text[256];
    if (!str_copy(text, sizeof text, request->answer.location) || !strstr(text, "://"))
        return false;
    char *path = strstr(text, "://") + 3;
    path[strcspn(path, "/?#")] = 0;
    if (endpoint_parse(&there, text, NULL) || !endpoint_same_service(&s3->endpoint, &there) ||
        str_same(there.host, request->host))
        return false;
    str_copy(request->host, sizeof request->host, there.host);
    return true;
}

/* True if the same request is worth another try, at another place or for another region. */
static bool go_elsewhere(struct request *request)
{
    struct s3 *s3 = request->s3;
    const char *region = answer_region(&request->answer);
    struct endpoint aws;
    if (request->redirected || !answer_is_elsewhere(&request->answer))
        return false;
    request->redirected = true;
    if (request->answer.http == 307)
        return follow_host(request);
    if (!is_region(region) || strcmp(region, s3->region) == 0)
        return false;
    /* A service with one address for all regions keeps it; AWS has one for each. */
    if (endpoint_is_aws(&s3->endpoint)) {
        if (settings_aws_endpoint(&aws, region, NULL) ||
            !endpoint_same_service(&s3->endpoint, &aws))
            return false;
        s3->endpoint = aws;
    }
    str_copy(s3->region, sizeof s3->region, region);
    struct ds_kv kv = { "region", s3->region };
    s3->host->log(s3->host->ctx, DS_LOG_WARNING, "s3.region",
                  "the bucket is in another region than the policy says; set region", &kv, 1);
    return true;
}

/* ---- successes ---- */

/* An ETag is the MD5 of the body in most stores: where it once was, it has to be. */
static int check_etag(struct request *request)
{
    struct strbuf text = STRBUF_INIT(40);
    const struct answer *answer = &request->answer;
    uint8_t md5[16];
    int rc = DS_OK;
    if (!answer->etag_plain || strlen(answer->etag) != 32 || !body_md5(&request->body, md5))
        return DS_OK;
    strbuf_hex(&text, md5, sizeof md5);
    if (str_same(strbuf_str(&text), answer->etag))
        request->s3->etag_is_md5 = true;
    else if (request->s3->etag_is_md5)
        rc = fail(request, DS_EIO, DS_RETRY_SAME, "what the store says that it has is not what was "
                                                  "sent (its ETag is another)");
    strbuf_free(&text);
    return rc;
}

static int put_done(struct request *request)
{
    if (!request->body.total)
        return DS_OK;
    if (request->body.at != request->body.n)
        return fail(request, DS_EIO, DS_RETRY_SAME, "the store answered before it had all bytes");
    return check_etag(request);
}

#define NO_RANGES                                                                           \
    "the answer has more than the range that was asked for: the service, or a proxy before " \
    "it, does not know ranges"

static int get_done(struct request *request)
{
    struct ds_store_req *req = request->req;
    const struct answer *a = &request->answer;
    bool good;
    if (!req->length)
        return DS_OK;
    if (a->http == 206) {
        good = a->has_range && a->first == req->offset && a->last - a->first + 1 == request->got &&
               (request->got == req->length || a->total == UINT64_MAX || a->last + 1 == a->total);
    } else {
        good = a->http == 200 && req->offset == 0 && (!a->has_length || a->length == request->got);
        request->too_much = a->http == 200 && req->offset != 0;
    }
    if (request->too_much)
        return fail(request, DS_ENOTSUP, DS_RETRY_NEVER, NO_RANGES);
    if (!good)
        return fail(request, DS_EIO, DS_RETRY_SAME, "the answer is not the range that was asked "
                                                    "for");
    req->got = request->got;
    return DS_OK;
}

static int head_done(struct request *request)
{
    const struct answer *a = &request->answer;
    bool range = request->asks_why && a->http == 206;
    if (range ? !a->has_range || a->total == UINT64_MAX : !a->has_length)
        return fail(request, DS_EFORMAT, DS_RETRY_SAME, "the answer does not tell its size");
    request->req->object_bytes = range ? a->total : a->length;
    request->req->mtime_ns = a->modified_ns;
    return DS_OK;
}

/* CREDENTIALS_PENDING's peer: the request goes on with another transfer. */
#define ANOTHER 1

static int list_done(struct request *request)
{
    struct list_xml *list = request->list;
    const char *wrong = list_xml_end(list);
    char why[160];
    if (request->item_status == DS_EFORMAT && list->stopped)
        return fail(request, DS_EFORMAT, DS_RETRY_NEVER, "the listing is not in the order of keys");
    if (request->item_status < 0)
        return fail(request, request->item_status, DS_RETRY_NEVER, "the listing was stopped");
    if (request->item_status > 0)
        return DS_OK;
    if (wrong && list->error.code[0]) { /* a page that turned out to be an error */
        request->answer.error = list->error;
        return refused(request);
    }
    if (wrong) {
        snprintf(why, sizeof why, "the answer %s", wrong);
        return fail(request, DS_EFORMAT, DS_RETRY_SAME, why);
    }
    if (list->more && strcmp(list->token, request->token) == 0)
        return fail(request, DS_EFORMAT, DS_RETRY_SAME, "the listing does not go on");
    str_copy(request->token, sizeof request->token, list->more ? list->token : "");
    return list->more ? ANOTHER : DS_OK;
}

static int succeeded(struct request *request)
{
    switch (request->req->op) {
    case DS_STORE_PUT:
        return put_done(request);
    case DS_STORE_GET:
        return get_done(request);
    case DS_STORE_HEAD:
        return head_done(request);
    case DS_STORE_LIST:
        return list_done(request);
    case S3_OP_LOCK_CONFIG:
        request->answer.lock_on =
            str_contains(strbuf_str(&request->document), "<ObjectLockEnabled>Enabled<");
        return DS_OK;
    default:
        return DS_OK;
    }
}

/* ---- the end of a transfer ---- */

/* Absence is no failure of a removal, and a range behind the end has no bytes. */
static bool is_good_refusal(const struct request *request)
{
    const struct answer *a = &request->answer;
    uint32_t op = request->req->op;
    if (op == DS_STORE_REMOVE || op == S3_OP_REMOVE_VERSION)
        return a->http == 404 && (strcmp(a->error.code, "NoSuchKey") == 0 ||
                                  strcmp(a->error.code, "NoSuchVersion") == 0);
    return op == DS_STORE_GET && a->http == 416;
}

/* The error in the answer, whatever its status. The start of an object may look like one only if it
 * came as a whole although a range was asked for. */
static void read_document(struct request *request)
{
    const struct ds_store_req *req = request->req;
    struct error_text *error = &request->answer.error;
    bool object = req->op == DS_STORE_GET && request->answer.http == 200 && request->got;
    if (object && ((const char *)req->data)[0] == '<')
        error_xml_parse(error, req->data, (size_t)request->got);
    else if (request->document.len)
        error_xml_parse(error, strbuf_str(&request->document), request->document.len);
}

static int judge(struct request *request, CURLcode code)
{
    const struct answer *a = &request->answer;
    bool good = a->http >= 200 && a->http < 300;
    if (request->too_much)
        return fail(request, DS_ENOTSUP, DS_RETRY_NEVER, NO_RANGES);
    /* A refusal in full is an answer even where the connection broke behind it. */
    if (code != CURLE_OK && (good || !a->http || a->http < 200))
        return not_connected(request, code);
    read_document(request);
    if (good && !a->error.code[0])
        return succeeded(request);
    if (is_good_refusal(request)) {
        request->req->got = 0;
        return DS_OK;
    }
    if (go_elsewhere(request))
        return ANOTHER;
    if (request->req->op == DS_STORE_HEAD && !request->asks_why && a->http >= 400 &&
        a->http < 500 && a->http != 404) {
        request->asks_why = true;
        return ANOTHER;
    }
    return refused(request);
}

static void learn(struct request *request, CURLcode code)
{
    struct s3 *s3 = request->s3;
    const struct ds_store_req *req = request->req;
    uint64_t now = s3->host->now_mono(s3->host->ctx);
    if (request->answer.date_ns) {
        s3->clock_ns = request->answer.date_ns;
        s3->clock_mono_ns = now;
    }
    if (code == CURLE_OK)
        s3->doubt_names = false;
    if (code == CURLE_OK && request->answer.http < 300 && request->first_ns) {
        uint64_t wait =
            request->first_ns > request->sent_ns ? request->first_ns - request->sent_ns : 0;
        uint64_t bytes = req->op == DS_STORE_PUT ? request->body.total : request->got;
        concurrency_answered(&s3->concurrency, now, bytes, wait, s3->waiting != NULL);
    }
}

void outcome_of(struct transfer *transfer, CURLcode code)
{
    struct request *request = (struct request *)transfer;
    struct s3 *s3 = request->s3;
    s3->in_flight--;
    learn(request, code);
    int rc = judge(request, code);
    if (rc == ANOTHER) {
        transfer_end(s3, transfer);
        s3_again(s3, request);
        return;
    }
    if (s3->witness)
        s3->witness(s3->witness_ud, request->req, &request->answer);
    request_finish(request, rc, &request->err);
}
