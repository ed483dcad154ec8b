/* SPDX-License-Identifier: Apache-2.0 */
/* test-transport-s3.c - the store plugin that keeps objects in a bucket, driven as core drives it,
 * against a server that answers by a script: what goes over the wire, and answers that are cut,
 * wrong, late, elsewhere, or errors with a good status. */
#include "tests/plugins/http-script.h"
#include "tests/base/scratch.h"
#include "tests/unit.h"

#include "core/base/dynbuf.h"
#include "core/plugin/plugin.h"

struct store {
    struct http_script http;
    struct plugin plugin;
    struct host_settings settings;
    struct plugin_instance instance;
    volatile int interrupted;
};

static struct ds_error last; /* of the last open or request */
static char keys[4096];      /* of the last listing */

#define MAX_KV 20
static int store_open(struct store *s, const char *const more[])
{
    char endpoint[64], metadata[64];
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", s->http.port);
    snprintf(metadata, sizeof metadata, "http://127.0.0.1:%d", s->http.port);
    struct ds_kv kv[MAX_KV] = { { "endpoint", endpoint }, { "bucket", "bucket" },
                                { "metadata_endpoint", metadata }, { "timeout", "2000000000" },
                                { "proxy", "none" } };
    size_t n = 5;
    bool own_keys = false;
    for (; more && more[0]; more += 2) {
        kv[n++] = (struct ds_kv){ more[0], more[1] };
        own_keys = own_keys || strcmp(more[0], "credentials") == 0;
    }
    if (!own_keys) {
        kv[n++] = (struct ds_kv){ "access_key", "env:S3TEST_ACCESS" };
        kv[n++] = (struct ds_kv){ "secret_key", "env:S3TEST_SECRET" };
    }
    setenv("S3TEST_ACCESS", "AKTEST", 1);
    setenv("S3TEST_SECRET", "SKTESTSKTEST", 1);
    s->settings.interrupted = &s->interrupted;
    s->plugin = (struct plugin){ .table = ds_plugin_v1(), .loaded = true };
    return plugin_open(&s->instance, &s->plugin, &s->settings, kv, n, &last);
}

static struct store *store_start_with(const char *const more[])
{
    static struct store s;
    memset(&s, 0, sizeof s);
    http_script_start(&s.http);
    ck_assert_ok(store_open(&s, more), &last);
    return &s;
}
#define store_start() store_start_with(NULL)

static void store_end(struct store *s)
{
    plugin_close(&s->instance);
    http_script_stop(&s->http);
}

static void answer(struct store *s, const char *match, const char *text)
{
    http_script_add(&s->http, (struct http_line){ .match = match, .answer = text });
}

struct outcome {
    bool done;
    int status;
    unsigned stop_after;
    struct dynbuf keys;
};

static void on_done(struct ds_store_req *req, int status, const struct ds_error *err)
{
    struct outcome *o = req->user;
    ck_assert(!o->done && (err == NULL) == (status == DS_OK));
    o->done = true;
    o->status = status;
    if (err)
        last = *err;
}

static int on_item(struct ds_store_req *req, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    struct outcome *o = req->user;
    (void)bytes;
    ck_assert_int_gt(mtime_ns, 0);
    dynbuf_printf(&o->keys, "%s;", key);
    return o->stop_after && --o->stop_after == 0;
}

static const struct ds_store_ops *ops_of(struct store *s)
{
    return s->plugin.table->ops;
}

static int run_one(struct store *s, struct ds_store_req *req, unsigned stop_after)
{
    struct outcome o = { .keys = DYNBUF_INIT(4000), .stop_after = stop_after };
    req->size = sizeof *req;
    req->done = on_done;
    req->item = on_item;
    req->user = &o;
    last = (struct ds_error)DS_ERROR_INIT;
    ck_assert_int_eq(ops_of(s)->submit(s->instance.self, req), DS_OK);
    ck_assert(!o.done);
    while (!o.done)
        ck_assert_int_ge(ops_of(s)->run(s->instance.self, 1000), 0);
    snprintf(keys, sizeof keys, "%s", o.keys.len ? (const char *)o.keys.data : "");
    dynbuf_free(&o.keys);
    return o.status;
}

static int put(struct store *s, const char *key, const char *text, uint32_t flags)
{
    struct ds_iovec iov[] = { { text, 1 }, { text + 1, strlen(text) - 1 } };
    struct ds_store_req req = { .op = DS_STORE_PUT, .key = key, .iov = iov, .n_iov = 2,
                                .flags = flags };
    return run_one(s, &req, 0);
}

static char object[256];
static int get(struct store *s, uint64_t offset, uint64_t length)
{
    struct ds_store_req req = { .op = DS_STORE_GET, .key = "n/a", .offset = offset,
                                .length = length, .data = object };
    memset(object, 0, sizeof object);
    int rc = run_one(s, &req, 0);
    ck_assert_uint_eq(rc ? 0 : strlen(object), rc ? 0 : req.got);
    return rc;
}

static int list(struct store *s, const char *prefix, const char *after, unsigned stop_after)
{
    struct ds_store_req req = { .op = DS_STORE_LIST, .key = prefix, .after = after };
    return run_one(s, &req, stop_after);
}

static const char *asked(struct store *s, unsigned i)
{
    ck_assert_uint_lt(i, s->http.n_asked);
    return s->http.asked[i];
}

static void asked_for(struct store *s, unsigned i, const char *text)
{
    ck_assert_msg(strstr(asked(s, i), text) != NULL, "%s\nis not in\n%s", text, asked(s, i));
}

static void says(const char *text)
{
    ck_assert_msg(strstr(last.msg, text) != NULL, "\"%s\" is not in \"%s\"", text, last.msg);
}

#define EMPTY "Content-Length: 0\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\n" EMPTY
/* The length of the text alone: the answers below are all short. */
static const char *doc(const char *status, const char *headers, const char *text)
{
    static char all[64][1200];
    static int next;
    char *out = all[next++ % 64];
    snprintf(out, 1200, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers,
             strlen(text), text);
    return out;
}
#define ERROR(code) \
    "<?xml version=\"1.0\"?><Error><Code>" code "</Code><Message>why</Message></Error>"

/* ---- what goes over the wire ---- */

START_TEST(a_put_is_one_request)
{
    struct store *s = store_start();
    answer(s, "PUT", doc("200 OK", "ETag: \"x\"\r\n", ""));
    answer(s, "PUT", OK);
    ck_assert_ok(put(s, "n/a", "the bytes", DS_STORE_IF_ABSENT), &last);
    ck_assert_ok(put(s, "n/b", "x", 0), &last);
    ck_assert_uint_eq(s->http.n_asked, 2);
    ck_assert_uint_eq(s->http.connections, 1); /* kept alive */
    ck_assert_uint_eq(s->http.body_bytes, 10);
    asked_for(s, 0, "PUT /bucket/n/a HTTP/1.1\r\n");
    asked_for(s, 0, "if-none-match: *\r\n");
    asked_for(s, 0, "Content-Length: 9\r\n");
    asked_for(s, 0, "x-amz-content-sha256: "
                    "ed589341c9fd5da96aaff4c5efa008226282a716186608d5a032ac75895a9c2f\r\n");
    asked_for(s, 0, "Authorization: AWS4-HMAC-SHA256 Credential=AKTEST/");
    asked_for(s, 0, "SignedHeaders=host;if-none-match;x-amz-content-sha256;x-amz-date, ");
    ck_assert_ptr_null(strstr(asked(s, 0), "Expect"));
    ck_assert_ptr_null(strstr(asked(s, 1), "if-none-match"));
    store_end(s);
}
END_TEST

START_TEST(options_become_headers)
{
    struct store *s = store_start_with((const char *const[]){
        "storage_class", "STANDARD_IA", "object_lock", "compliance", "prefix", "lab/one",
        "session_token", "env:S3TEST_SECRET", NULL });
    struct ds_iovec iov = { "x", 1 };
    struct ds_store_req req = { .op = DS_STORE_PUT, .key = "h", .iov = &iov, .n_iov = 1,
                                .until_ns = INT64_C(1440938160000000001) };
    http_script_add(&s->http, (struct http_line){ .answer = OK, .times = -1 });
    ck_assert_ok(run_one(s, &req, 0), &last);
    asked_for(s, 0, "PUT /bucket/lab/one/h HTTP/1.1");
    asked_for(s, 0, "x-amz-storage-class: STANDARD_IA\r\n");
    asked_for(s, 0, "x-amz-object-lock-mode: COMPLIANCE\r\n");
    asked_for(s, 0, "x-amz-object-lock-retain-until-date: 2015-08-30T12:36:01Z\r\n");
    asked_for(s, 0, "content-md5: ndTkYSaMgDT1yFZOFVxnpg==");
    asked_for(s, 0, "x-amz-security-token: SKTESTSKTEST\r\n");
    req.op = DS_STORE_RETAIN;
    ck_assert_ok(run_one(s, &req, 0), &last);
    asked_for(s, 1, "PUT /bucket/lab/one/h?retention= HTTP/1.1");
    plugin_close(&s->instance);
    ck_assert_ok(store_open(s, NULL), &last);
    ck_assert_int_eq(run_one(s, &req, 0), DS_ENOTSUP);
    says("object_lock");
    store_end(s);
}
END_TEST

START_TEST(bad_keys_make_no_request)
{
    static const char *const bad[] = { "", "/a", "a/", "a//b", ".", "..", "a/../b", "A",
                                       "a b", "a?" };
    struct store *s = store_start();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(put(s, bad[i], "xy", 0), DS_EINVAL);
    ck_assert_int_eq(list(s, "../", NULL, 0), DS_EINVAL);
    struct ds_store_req req = { .op = 77, .key = "a" };
    ck_assert_int_eq(run_one(s, &req, 0), DS_ENOTSUP);
    ck_assert_uint_eq(s->http.n_asked, 0);
    store_end(s);
}
END_TEST

/* ---- answers ---- */

START_TEST(ranges_are_exact)
{
    static const struct {
        uint64_t offset, length;
        const char *status, *headers, *body;
        int rc;
        const char *got;
    } table[] = {
        { 2, 3, "206 P", "Content-Range: bytes 2-4/10\r\n", "abc", DS_OK, "abc" },
        { 8, 5, "206 P", "Content-Range: bytes 8-9/10\r\n", "ab", DS_OK, "ab" },
        { 0, 5, "200 OK", "", "ab", DS_OK, "ab" },
        { 10, 5, "416 R", "Content-Range: bytes */10\r\n", "", DS_OK, "" },
        { 2, 3, "206 P", "Content-Range: bytes 3-5/10\r\n", "abc", DS_EIO, "" },
        { 2, 3, "206 P", "Content-Range: bytes 2-3/10\r\n", "ab", DS_EIO, "" },
        { 2, 3, "206 P", "", "abc", DS_EIO, "" },
        { 2, 3, "206 P", "Content-Range: bytes 2-5/10\r\n", "abcd", DS_ENOTSUP, "" },
        { 2, 3, "200 OK", "", "abcdefghij", DS_ENOTSUP, "" },
        { 0, 3, "200 OK", "", "abcdefghij", DS_ENOTSUP, "" },
        { 0, 0, "206 P", "Content-Range: bytes 0-0/10\r\n", "a", DS_OK, "" },
        { 0, 200, "200 OK", "", ERROR("InternalError"), DS_EIO, "" },
        { 2, 5, "200 OK", "", ERROR("InternalError"), DS_EIO, "" },
        { 0, 5, "404 N", "", ERROR("NoSuchKey"), DS_ENOENT, "" },
    };
    struct store *s = store_start();
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        answer(s, NULL, doc(table[i].status, table[i].headers, table[i].body));
        int rc = get(s, table[i].offset, table[i].length);
        ck_assert_msg(rc == table[i].rc, "%zu: %d %s", i, rc, last.msg);
        if (!rc)
            ck_assert_str_eq(object, table[i].got);
    }
    asked_for(s, 0, "GET /bucket/n/a HTTP/1.1\r\n");
    asked_for(s, 0, "range: bytes=2-4\r\n");
    store_end(s);
}
END_TEST

START_TEST(cut_answers_are_tried_again_by_core)
{
    struct store *s = store_start();
    s->http.hangup = true;
    answer(s, "GET", "HTTP/1.1 206 P\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nab");
    answer(s, "GET", "HTTP/1.1 206 P\r\nContent-Range: bytes 0-4/5\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n5\r\nab");
    answer(s, "GET", "HTTP/1.1 206");
    answer(s, "GET", NULL);
    for (int i = 0; i < 4; i++) {
        int rc = get(s, 0, 5);
        ck_assert_msg(rc == DS_ENETWORK, "%d: %d %s", i, rc, last.msg);
        ck_assert_uint_eq(last.retry, DS_RETRY_SAME);
        says("cannot read n/a in the bucket bucket at http://127.0.0.1:");
    }
    answer(s, "PUT", NULL);
    ck_assert_int_eq(put(s, "n/a", "bytes", 0), DS_ENETWORK);
    ck_assert_uint_eq(last.retry, DS_RETRY_SAME);
    store_end(s);
}
END_TEST

START_TEST(an_error_with_a_good_status_is_an_error)
{
    struct store *s = store_start();
    answer(s, "PUT", doc("200 OK", "", ERROR("InternalError")));
    ck_assert_int_eq(put(s, "n/a", "bytes", 0), DS_EIO);
    ck_assert_uint_eq(last.retry, DS_RETRY_SAME);
    answer(s, "GET", doc("200 OK", "", ERROR("SlowDown")));
    ck_assert_int_eq(list(s, "n/", NULL, 0), DS_EBUSY);
    says("SlowDown");
    answer(s, "PUT", doc("503 S", "Retry-After: 7\r\n", ERROR("SlowDown")));
    ck_assert_int_eq(put(s, "n/a", "bytes", 0), DS_EBUSY);
    ck_assert_uint_eq(last.retry_after_ms, 7000);
    answer(s, "PUT", doc("412 P", "", ERROR("PreconditionFailed")));
    ck_assert_int_eq(put(s, "n/a", "bytes", DS_STORE_IF_ABSENT), DS_EEXIST);
    answer(s, "DELETE", "HTTP/1.1 204 N\r\n\r\n");
    answer(s, "DELETE", doc("404 N", "", ERROR("NoSuchKey")));
    answer(s, "DELETE", doc("404 N", "", ERROR("NoSuchBucket")));
    struct ds_store_req req = { .op = DS_STORE_REMOVE, .key = "n/a" };
    ck_assert_ok(run_one(s, &req, 0), &last);
    ck_assert_ok(run_one(s, &req, 0), &last);
    ck_assert_int_eq(run_one(s, &req, 0), DS_EINVAL);
    says("no such bucket");
    store_end(s);
}
END_TEST

START_TEST(a_head_tells_size_and_time_or_why_not)
{
    struct store *s = store_start();
    struct ds_store_req req = { .op = DS_STORE_HEAD, .key = "n/a" };
    answer(s, "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234567890123\r\n"
                      "Last-Modified: Sun, 30 Aug 2015 12:36:00 GMT\r\n\r\n");
    ck_assert_ok(run_one(s, &req, 0), &last);
    ck_assert_uint_eq(req.object_bytes, 1234567890123);
    ck_assert_int_eq(req.mtime_ns, INT64_C(1440938160000000000));
    answer(s, "HEAD", "HTTP/1.1 404 N\r\n\r\n");
    ck_assert_int_eq(run_one(s, &req, 0), DS_ENOENT);
    answer(s, "HEAD", "HTTP/1.1 403 N\r\n\r\n"); /* no document: asked again for one */
    answer(s, "GET", doc("403 F", "", ERROR("InvalidAccessKeyId")));
    ck_assert_int_eq(run_one(s, &req, 0), DS_EACCES);
    says("no access key AKTEST");
    store_end(s);
}
END_TEST

#define CONTENTS(key)                                                                      \
    "<Contents><Key>" key "</Key><LastModified>2009-10-12T17:50:31Z</LastModified>"        \
    "<Size>1</Size></Contents>"
#define PAGE(more, rest) "<ListBucketResult><IsTruncated>" more "</IsTruncated>" rest \
                         "</ListBucketResult>"

START_TEST(listings_go_on_to_their_end)
{
    struct store *s = store_start_with((const char *const[]){ "prefix", "p", NULL });
    const char *first = PAGE("true", CONTENTS("p/n/a") CONTENTS("p/n/B.txt") CONTENTS("q/n/b")
                                         CONTENTS("p%2Fn%2Fb")
                                     "<NextContinuationToken>t/1+</NextContinuationToken>");
    answer(s, "list-type=2", doc("200 OK", "", first));
    answer(s, "continuation-token=t%2F1%2B", doc("200 OK", "", PAGE("false", CONTENTS("p/n/c"))));
    ck_assert_ok(list(s, "n/", NULL, 0), &last);
    ck_assert_str_eq(keys, "n/a;n/b;n/c;");
    asked_for(s, 0, "GET /bucket?encoding-type=url&list-type=2&prefix=p%2Fn%2F HTTP/1.1\r\n");
    answer(s, "start-after=p%2Fn%2Fa", doc("200 OK", "", first));
    ck_assert_ok(list(s, "n/", "n/a", 1), &last); /* and a store that knows no start-after */
    ck_assert_str_eq(keys, "n/b;");
    answer(s, NULL, doc("200 OK", "", PAGE("false", CONTENTS("p/n/b") CONTENTS("p/n/a"))));
    ck_assert_int_eq(list(s, "n/", NULL, 0), DS_EFORMAT);
    answer(s, NULL, doc("200 OK", "", "<ListBucketResult><IsTruncated>false</Is"));
    ck_assert_int_eq(list(s, "n/", NULL, 0), DS_EFORMAT);
    ck_assert_uint_eq(last.retry, DS_RETRY_SAME);
    answer(s, NULL, doc("200 OK", "", "<html>hello</html>"));
    ck_assert_int_eq(list(s, "n/", NULL, 0), DS_EFORMAT);
    store_end(s);
}
END_TEST

START_TEST(a_region_is_learnt_once)
{
    struct store *s = store_start();
    answer(s, "us-east-1/s3", doc("400 B", "", "<Error><Code>AuthorizationHeaderMalformed</Code>"
                                               "<Region>eu-west-1</Region></Error>"));
    answer(s, "eu-west-1/s3", OK);
    answer(s, "eu-west-1/s3", OK);
    answer(s, "eu-west-1/s3", doc("301 M", "x-amz-bucket-region: ap-1\r\n",
                                  ERROR("PermanentRedirect")));
    answer(s, "ap-1/s3", doc("301 M", "x-amz-bucket-region: eu-west-1\r\n",
                             ERROR("PermanentRedirect")));
    ck_assert_ok(put(s, "n/a", "bytes", 0), &last);
    ck_assert_ok(put(s, "n/a", "bytes", 0), &last);
    ck_assert_uint_eq(s->http.n_asked, 3);
    ck_assert_int_eq(put(s, "n/a", "bytes", 0), DS_EINVAL); /* sent in circles */
    says("is in the region eu-west-1");
    ck_assert_uint_eq(s->http.n_asked, 5);
    store_end(s);
}
END_TEST

START_TEST(other_services_are_not_followed)
{
    struct store *s = store_start();
    answer(s, NULL, doc("307 T", "Location: http://127.0.0.1:1/bucket/n/a\r\n", ""));
    ck_assert_int_eq(put(s, "n/a", "bytes", 0), DS_EINVAL);
    says("sends us to http://127.0.0.1:1/");
    answer(s, NULL, doc("302 T", "Location: http://127.0.0.1:1/login\r\n", "<html>"));
    ck_assert_int_eq(put(s, "n/a", "bytes", 0), DS_EINVAL);
    ck_assert_uint_eq(s->http.n_asked, 2);
    store_end(s);
}
END_TEST

/* ---- time ---- */

static uint64_t since(uint64_t start)
{
    return (os_mono_ns() - start) / 1000000;
}

START_TEST(silence_has_an_end)
{
    struct store *s = store_start();
    uint64_t start = os_mono_ns();
    http_script_add(&s->http, (struct http_line){ .answer = OK, .delay_ms = 20000, .times = -1 });
    ck_assert_int_eq(put(s, "n/a", "bytes", 0), DS_ETIMEDOUT);
    ck_assert_uint_eq(last.retry, DS_RETRY_SAME);
    ck_assert_uint_lt(since(start), 12000); /* libcurl looks at the last 5 s */
    start = os_mono_ns();
    struct ds_store_req req = { .op = DS_STORE_HEAD, .key = "n/a",
                                .deadline_ns = os_mono_ns() + 300000000 };
    ck_assert_int_eq(run_one(s, &req, 0), DS_ETIMEDOUT);
    ck_assert_uint_lt(since(start), 1500);
    store_end(s);
}
END_TEST

static void cancel_later(void *arg)
{
    struct store *s = arg;
    os_sleep_ns(200000000);
    plugin_cancel(&s->instance);
}

START_TEST(cancel_ends_all_at_once)
{
    struct store *s = store_start_with((const char *const[]){ "max_in_flight", "2", NULL });
    http_script_add(&s->http, (struct http_line){ .answer = OK, .delay_ms = 20000, .times = -1 });
    struct thread thread;
    struct outcome o[8];
    struct ds_store_req reqs[8];
    struct ds_iovec iov = { "x", 1 };
    for (int i = 0; i < 8; i++) {
        o[i] = (struct outcome){ .done = false };
        reqs[i] = (struct ds_store_req){ .size = sizeof reqs[i], .op = DS_STORE_PUT, .key = "n/a",
                                         .iov = &iov, .n_iov = 1, .done = on_done, .user = &o[i] };
        ck_assert_int_eq(ops_of(s)->submit(s->instance.self, &reqs[i]), DS_OK);
    }
    uint64_t start = os_mono_ns();
    ck_assert(thread_start(&thread, cancel_later, s));
    while (ops_of(s)->run(s->instance.self, 60000) > 0)
        ck_assert_uint_lt(since(start), 2000);
    thread_join(&thread);
    ck_assert_uint_lt(since(start), 2000);
    ck_assert_uint_le(http_script_count(&s->http), 2);
    for (int i = 0; i < 8; i++)
        ck_assert(o[i].done && o[i].status == DS_ECANCELLED);
    ck_assert_int_eq(put(s, "n/a", "bytes", 0), DS_ECANCELLED); /* sticky */
    plugin_close(&s->instance);
    ck_assert_ok(store_open(s, NULL), &last);
    s->interrupted = 1; /* the user's own interruption, by the host's flag */
    start = os_mono_ns();
    ck_assert_int_eq(put(s, "n/a", "bytes", 0), DS_ECANCELLED);
    ck_assert_uint_lt(since(start), 2000);
    store_end(s);
}
END_TEST

START_TEST(close_ends_what_runs)
{
    struct store *s = store_start();
    struct outcome o = { .done = false };
    struct ds_store_req req = { .size = sizeof req, .op = DS_STORE_HEAD, .key = "n/a",
                                .done = on_done, .user = &o };
    http_script_add(&s->http, (struct http_line){ .answer = OK, .delay_ms = 20000, .times = -1 });
    ck_assert_int_eq(ops_of(s)->submit(s->instance.self, &req), DS_OK);
    ops_of(s)->run(s->instance.self, 50);
    plugin_close(&s->instance);
    ck_assert(o.done && o.status == DS_ECANCELLED);
    http_script_stop(&s->http);
}
END_TEST

START_TEST(no_service_is_told)
{
    struct store *s = store_start();
    http_script_stop(&s->http);
    ck_assert_int_eq(get(s, 0, 5), DS_ENETWORK);
    ck_assert_uint_eq(last.retry, DS_RETRY_SAME);
    says("is the service up");
    plugin_close(&s->instance);
}
END_TEST

/* ---- keys ---- */

START_TEST(missing_keys_are_no_missing_object)
{
    struct store *s = store_start();
    unsetenv("S3TEST_SECRET");
    ck_assert_int_eq(get(s, 0, 5), DS_EACCES);
    says("S3TEST_SECRET");
    ck_assert_uint_eq(s->http.n_asked, 0);
    store_end(s);
}
END_TEST

START_TEST(keys_come_from_the_environment_and_from_files)
{
    struct scratch scratch;
    char path[OS_PATH_MAX];
    struct ds_error err = DS_ERROR_INIT;
    scratch_make(&scratch);
    scratch_file(&scratch, path, "credentials");
    static const char text[] = "[default]\naws_access_key_id = AKD\naws_secret_access_key = S\n"
                               "[lab]\naws_access_key_id = AKL\naws_secret_access_key = S\n"
                               "aws_session_token = TL\n";
    ck_assert_ok(os_write_file(path, text, sizeof text - 1, &err), &err);
    setenv("AWS_ACCESS_KEY_ID", "AKE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "SE", 1);
    struct store *s = store_start_with((const char *const[]){ "credentials", "auto", NULL });
    http_script_add(&s->http, (struct http_line){ .answer = OK, .times = -1 });
    ck_assert_ok(put(s, "n/a", "bytes", 0), &last);
    asked_for(s, 0, "Credential=AKE/");
    plugin_close(&s->instance);
    ck_assert_ok(store_open(s, (const char *const[]){ "credentials", "file", "credentials_file",
                                                      path, "profile", "lab", NULL }), &last);
    ck_assert_ok(put(s, "n/a", "bytes", 0), &last);
    asked_for(s, 1, "Credential=AKL/");
    asked_for(s, 1, "x-amz-security-token: TL\r\n");
    plugin_close(&s->instance);
    unsetenv("AWS_ACCESS_KEY_ID");
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    ck_assert_ok(store_open(s, (const char *const[]){ "credentials", "auto", NULL }), &last);
    ck_assert_ok(put(s, "n/a", "bytes", 0), &last);
    asked_for(s, 2, "Credential=AKD/");
    plugin_close(&s->instance);
    ck_assert_ok(store_open(s, (const char *const[]){ "credentials", "file", "profile", "nobody",
                                                      NULL }), &last);
    ck_assert_int_eq(put(s, "n/a", "bytes", 0), DS_EACCES);
    says("has no profile nobody");
    unsetenv("AWS_SHARED_CREDENTIALS_FILE");
    scratch_free(&scratch);
    store_end(s);
}
END_TEST

#define ROLE "/latest/meta-data/iam/security-credentials/"
START_TEST(an_instance_is_told_its_keys)
{
    struct store *s = store_start_with((const char *const[]){ "credentials", "instance", NULL });
    answer(s, "PUT /latest/api/token", doc("200 OK", "", "TOKEN"));
    answer(s, "GET " ROLE " ", doc("200 OK", "", "the-role\n"));
    answer(s, "GET " ROLE "the-role", doc("200 OK", "",
        "{\"Code\":\"Success\",\"AccessKeyId\":\"AKI\",\"SecretAccessKey\":\"SKI\","
        "\"Token\":\"TI\",\"Expiration\":\"2999-01-01T00:00:00Z\"}"));
    http_script_add(&s->http, (struct http_line){ .match = "/bucket/", .answer = OK, .times = 2 });
    ck_assert_ok(put(s, "n/a", "bytes", 0), &last);
    ck_assert_ok(put(s, "n/b", "bytes", 0), &last);
    ck_assert_uint_eq(s->http.n_asked, 5);
    asked_for(s, 0, "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n");
    asked_for(s, 2, "X-aws-ec2-metadata-token: TOKEN\r\n");
    asked_for(s, 3, "Credential=AKI/");
    asked_for(s, 3, "x-amz-security-token: TI\r\n");
    /* the session ends in mid-sync: refused, and the next try has new keys */
    answer(s, "/bucket/", doc("400 B", "", ERROR("ExpiredToken")));
    answer(s, "PUT /latest/api/token", doc("200 OK", "", "TOKEN"));
    answer(s, "GET " ROLE " ", doc("200 OK", "", "the-role"));
    answer(s, "GET " ROLE "the-role", doc("200 OK", "",
        "{\"AccessKeyId\":\"AKJ\",\"SecretAccessKey\":\"SKI\","
        "\"Token\":\"TJ\",\"Expiration\":\"2999-01-01T00:00:00Z\"}"));
    answer(s, "AKJ", OK);
    ck_assert_int_eq(put(s, "n/a", "bytes", 0), DS_EACCES);
    ck_assert_uint_eq(last.retry, DS_RETRY_SAME);
    ck_assert_ok(put(s, "n/a", "bytes", 0), &last);
    plugin_close(&s->instance);
    ck_assert_ok(store_open(s, (const char *const[]){ "credentials", "instance", NULL }), &last);
    answer(s, "PUT /latest/api/token", doc("404 N", "", ""));
    ck_assert_int_eq(put(s, "n/a", "bytes", 0), DS_EACCES);
    says("instance metadata");
    store_end(s);
}
END_TEST

UNIT_MAIN("transport-s3", a_put_is_one_request, options_become_headers, bad_keys_make_no_request,
          ranges_are_exact, cut_answers_are_tried_again_by_core,
          an_error_with_a_good_status_is_an_error, a_head_tells_size_and_time_or_why_not,
          listings_go_on_to_their_end, a_region_is_learnt_once, other_services_are_not_followed,
          silence_has_an_end, cancel_ends_all_at_once, close_ends_what_runs,
          no_service_is_told, missing_keys_are_no_missing_object,
          keys_come_from_the_environment_and_from_files,
          an_instance_is_told_its_keys)
