/* SPDX-License-Identifier: Apache-2.0 */
/* test-transport-s3-xml.c - the documents that a store sends, right and hostile: listings in any
 * pieces, cut anywhere, bombs of entities, depth and length; errors; and what each answer is to
 * core. */
#include "tests/unit.h"

#include "plugins/transport-s3/answer.h"
#include "plugins/transport-s3/list_xml.h"
#include "plugins/transport-s3/moment.h"
#include "plugins/transport-s3/s3.h"
#include "plugins/transport-s3/xml.h"

static const char page[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
    "<Prefix>n%2F</Prefix><KeyCount>3</KeyCount><MaxKeys>1000</MaxKeys>"
    "<IsTruncated>true</IsTruncated>"
    "<Contents><Key>n%2Fa</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified>"
    "<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><Size>434234</Size>"
    "<Owner><ID>x</ID><DisplayName>Key</DisplayName></Owner>"
    "<StorageClass>STANDARD</StorageClass></Contents>"
    "<Contents><Key>n/b&amp;c</Key><LastModified>2009-10-12T17:50:31.000Z</LastModified>"
    "<Size>0</Size></Contents>"
    "<Contents><Size>18446744073709551615</Size><Key>n%2Fz%01</Key>"
    "<LastModified>2009-10-12T17:50:31Z</LastModified></Contents>"
    "<NextContinuationToken>1/to+ken==</NextContinuationToken></ListBucketResult>\n";

struct seen {
    struct strbuf text;
    unsigned stop_after;
};

static int on_item(void *ud, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    struct seen *seen = ud;
    ck_assert_int_gt(mtime_ns, 1255369830 * MOMENT_SECOND - 1);
    strbuf_printf(&seen->text, "%s %llu;", key, (unsigned long long)bytes);
    return seen->stop_after && --seen->stop_after == 0;
}

#define ALL "n/a 434234;n/b&c 0;"

/* What comes of a document that arrives in pieces of this size. */
static const char *list(struct list_xml *l, struct seen *seen, const char *text, size_t n,
                        size_t piece)
{
    strbuf_reset(&seen->text);
    ck_assert(list_xml_start(l, on_item, seen));
    for (size_t at = 0; at < n; at += piece)
        list_xml_feed(l, text + at, n - at < piece ? n - at : piece);
    const char *wrong = list_xml_end(l);
    list_xml_free(l);
    return wrong;
}

START_TEST(a_listing_is_read_in_any_pieces)
{
    struct seen seen = { STRBUF_INIT(4096), 0 };
    struct list_xml l;
    size_t n = sizeof page - 1;
    for (size_t piece = 1; piece <= n; piece = piece < 40 ? piece + 1 : piece * 2) {
        /* the last has a size that can't be: what is too long for a number is none */
        ck_assert_ptr_nonnull(list(&l, &seen, page, n, piece));
        ck_assert_str_eq(strbuf_str(&seen.text), ALL);
    }
    struct strbuf whole = STRBUF_INIT(4096);
    const char *size = strstr(page, "18446744073709551615");
    strbuf_add(&whole, page, (size_t)(size - page));
    strbuf_text(&whole, "7");
    strbuf_text(&whole, size + 20);
    ck_assert_ptr_null(list(&l, &seen, whole.data, whole.len, 7));
    ck_assert_str_eq(seen.text.data, ALL "n/z\x01 7;");
    ck_assert(l.more);
    ck_assert_str_eq(l.token, "1/to+ken==");
    seen.stop_after = 1;
    ck_assert_ptr_null(list(&l, &seen, whole.data, whole.len, 7));
    ck_assert_str_eq(seen.text.data, "n/a 434234;");
    seen.stop_after = 0;
    for (size_t cut = 0; cut < whole.len - 1; cut++)
        ck_assert_msg(list(&l, &seen, whole.data, cut, 64) != NULL, "cut at %zu", cut);
    strbuf_free(&whole);
    strbuf_free(&seen.text);
}
END_TEST

static void refused(const char *text)
{
    struct seen seen = { STRBUF_INIT(65536), 0 };
    struct list_xml l;
    ck_assert_msg(list(&l, &seen, text, strlen(text), 100) != NULL, "%.80s", text);
    strbuf_free(&seen.text);
}

#define CONTENTS(x) "<ListBucketResult><Contents>" x "</Contents></ListBucketResult>"
#define REST "<Size>1</Size><LastModified>2009-10-12T17:50:31Z</LastModified>"

START_TEST(hostile_listings_are_refused)
{
    struct strbuf deep = STRBUF_INIT(1 << 20);
    refused("");
    refused("not xml");
    refused("<html><body>It works</body></html>");
    refused("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>");
    refused(CONTENTS("<Key>a</Key>"));
    refused(CONTENTS(REST));
    refused(CONTENTS("<Key>a</Key><Size>-1</Size>"
                     "<LastModified>2009-10-12T17:50:31Z</LastModified>"));
    refused(CONTENTS("<Key>a</Key><Size>1</Size><LastModified>yesterday</LastModified>"));
    refused("<ListBucketResult/><ListBucketResult/>");
    refused("<ListBucketResult>\xff</ListBucketResult>");
    refused("<!DOCTYPE l [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">"
            "<!ENTITY c \"&b;&b;&b;&b;\">]><ListBucketResult><Name>&c;</Name></ListBucketResult>");
    refused("<!DOCTYPE l SYSTEM \"http://127.0.0.1:1/x\"><ListBucketResult/>");
    refused("<ListBucketResult><Name>&undefined;</Name></ListBucketResult>");
    for (int i = 0; i < 10000; i++)
        strbuf_text(&deep, "<a>");
    refused(deep.data);
    strbuf_free(&deep);
}
END_TEST

START_TEST(long_keys_are_passed_over)
{
    struct strbuf text = STRBUF_INIT(1 << 20);
    struct seen seen = { STRBUF_INIT(4096), 0 };
    struct list_xml l;
    strbuf_text(&text, "<ListBucketResult>");
    for (int i = 0; i < 3; i++) {
        static const int lengths[] = { 1024, 1025, 9000 };
        strbuf_text(&text, "<Contents><Key>");
        for (int k = 0; k < lengths[i]; k++)
            strbuf_text(&text, "k");
        strbuf_text(&text, "</Key>" REST "</Contents>");
    }
    strbuf_text(&text, "<Contents><Key>%zz</Key>" REST "</Contents></ListBucketResult>");
    ck_assert_ptr_null(list(&l, &seen, text.data, text.len, 1000));
    ck_assert_uint_eq(seen.text.len, 1024 + 3);
    strbuf_free(&text);
    strbuf_free(&seen.text);
}
END_TEST

static void ignore(void *ud, const char *parent, const char *name, const char *text, bool cut)
{
    (void)ud, (void)parent, (void)name, (void)text, (void)cut;
}

START_TEST(a_document_has_a_maximum)
{
    char spaces[1000];
    memset(spaces, ' ', sizeof spaces);
    struct xml *xml = xml_new(ignore, NULL, 5000);
    ck_assert(xml_feed(xml, "<a>", 3));
    for (int i = 0; i < 4; i++)
        ck_assert(xml_feed(xml, spaces, sizeof spaces));
    ck_assert(!xml_feed(xml, spaces, sizeof spaces));
    ck_assert_str_eq(xml_end(xml), "is too long");
    xml_free(xml);
}
END_TEST

START_TEST(errors_are_read_as_far_as_they_go)
{
    static const char text[] = "<?xml version='1.0'?><Error><Code>Slow\nDown</Code>"
                               "<Message>Please &lt;reduce&gt;</Message><Region>eu-1</Region>"
                               "<StringToSign>secret things</StringToSign></Error>";
    struct error_text e;
    ck_assert(error_xml_parse(&e, text, sizeof text - 1));
    ck_assert_str_eq(e.code, "Slow Down");
    ck_assert_str_eq(e.message, "Please <reduce>");
    ck_assert_str_eq(e.region, "eu-1");
    ck_assert(error_xml_parse(&e, text, 60));
    ck_assert_str_eq(e.code, "Slow Down");
    ck_assert(!error_xml_parse(&e, text, 40));
    ck_assert(!error_xml_parse(&e, "", 0));
    ck_assert(!error_xml_parse(&e, "<html>", 6));
    ck_assert(!error_xml_parse(&e, page, sizeof page - 1));
    ck_assert_str_eq(e.message, "");
}
END_TEST

/* ---- what answers are ---- */

#define NOW (1440938160 * MOMENT_SECOND)

struct answered {
    uint32_t op, flags;
    long http;
    const char *code, *message;
    int status;
    uint32_t retry;
    const char *says;
};

static struct question question_of(uint32_t op, uint32_t flags)
{
    return (struct question){ .op = op, .flags = flags, .key = "n/x", .bucket = "dr-prod",
                              .region = "us-east-1", .storage_class = "COLD",
                              .endpoint = "https://s3.example.org", .access_key = "AKTEST",
                              .now_ns = NOW };
}

#define PUT DS_STORE_PUT
#define GET DS_STORE_GET
#define HEAD DS_STORE_HEAD
#define LIST DS_STORE_LIST
#define NEVER DS_RETRY_NEVER
#define SAME DS_RETRY_SAME

static const struct answered table[] = {
    { PUT, 0, 503, "SlowDown", "Reduce", DS_EBUSY, SAME, "too much to do" },
    { PUT, 0, 503, "", "", DS_EBUSY, SAME, "too much to do" },
    { PUT, 0, 500, "InternalError", "We", DS_EIO, SAME, "InternalError: We" },
    { GET, 0, 500, "", "", DS_EIO, SAME, "failed" },
    { PUT, 0, 599, "NeverHeardOf", "", DS_EIO, SAME, "NeverHeardOf" },
    { PUT, 0, 200, "InternalError", "", DS_EIO, SAME, "InternalError" },
    { PUT, 0, 200, "NeverHeardOf", "", DS_EIO, SAME, "NeverHeardOf" },
    { GET, 0, 502, "", "", DS_EBUSY, SAME, "gateway" },
    { PUT, 0, 400, "RequestTimeout", "", DS_ETIMEDOUT, SAME, "waited" },
    { PUT, 0, 400, "XAmzContentSHA256Mismatch", "", DS_EIO, SAME, "arrive" },
    { PUT, DS_STORE_IF_ABSENT, 412, "PreconditionFailed", "", DS_EEXIST, NEVER, "exists" },
    { PUT, DS_STORE_IF_ABSENT, 412, "", "", DS_EEXIST, NEVER, "exists" },
    { PUT, 0, 412, "PreconditionFailed", "", DS_EINVAL, NEVER, "exists" },
    { PUT, DS_STORE_IF_ABSENT, 409, "ConditionalRequestConflict", "", DS_EBUSY, SAME, "another" },
    { GET, 0, 404, "NoSuchKey", "", DS_ENOENT, NEVER, "does not exist" },
    { HEAD, 0, 404, "", "", DS_ENOENT, NEVER, "does not exist" },
    { GET, 0, 404, "", "", DS_ENETWORK, NEVER, "no document" },
    { GET, 0, 404, "NoSuchBucket", "", DS_EINVAL, NEVER, "no such bucket" },
    { LIST, 0, 404, "NoSuchBucket", "", DS_EINVAL, NEVER, "create it" },
    { PUT, 0, 403, "AccessDenied", "", DS_EACCES, NEVER, "s3:PutObject" },
    { GET, 0, 403, "AccessDenied", "", DS_EACCES, NEVER, "s3:ListBucket" },
    { LIST, 0, 403, "AccessDenied", "", DS_EACCES, NEVER, "s3:ListBucket" },
    { DS_STORE_REMOVE, 0, 403, "AccessDenied", "", DS_EACCES, NEVER, "s3:DeleteObject" },
    { DS_STORE_REMOVE, 0, 403, "AccessDenied", "object protected by object lock.", DS_EACCES,
      NEVER, "is locked" },
    { PUT, 0, 403, "InvalidAccessKeyId", "", DS_EACCES, NEVER, "AKTEST" },
    { PUT, 0, 403, "SignatureDoesNotMatch", "", DS_EACCES, NEVER, "secret_key" },
    { PUT, 0, 400, "ExpiredToken", "", DS_EACCES, NEVER, "expired" },
    { PUT, 0, 403, "RequestTimeTooSkewed", "", DS_EACCES, NEVER, "20 min 5 s ahead" },
    { HEAD, 0, 403, "", "", DS_EACCES, NEVER, "20 min 5 s ahead" },
    { PUT, 0, 400, "InvalidStorageClass", "", DS_EINVAL, NEVER, "COLD" },
    { PUT, 0, 403, "QuotaExceeded", "", DS_ENOSPC, NEVER, "quota" },
    { PUT, 0, 507, "XMinioStorageFull", "", DS_ENOSPC, NEVER, "full" },
    { PUT, 0, 501, "NotImplemented", "", DS_ENOTSUP, NEVER, "can't" },
    { GET, 0, 403, "InvalidObjectState", "", DS_EACCES, NEVER, "archive" },
    { DS_STORE_RETAIN, 0, 400, "InvalidRequest", "Bucket is missing Object Lock", DS_ENOTSUP, NEVER,
      "no Object Lock" },
    { S3_OP_LOCK_CONFIG, 0, 404, "ObjectLockConfigurationNotFoundError", "", DS_ENOTSUP, NEVER,
      "no Object Lock" },
    { PUT, 0, 407, "", "", DS_EACCES, NEVER, "proxy_user" },
    { PUT, 0, 403, "", "", DS_EACCES, NEVER, "no document" },
    { PUT, 0, 400, "Strange", "words", DS_EINVAL, NEVER, "Strange: words" },
};

START_TEST(every_answer_has_its_class_and_remedy)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct answered *t = &table[i];
        struct answer a = { .http = t->http, .date_ns = NOW - 1205 * MOMENT_SECOND };
        struct question q = question_of(t->op, t->flags);
        struct ds_error err = DS_ERROR_INIT;
        str_copy(a.error.code, sizeof a.error.code, t->code);
        str_copy(a.error.message, sizeof a.error.message, t->message);
        ck_assert_msg(answer_classify(&a, &q, &err) == t->status, "%ld %s: %d %s", t->http, t->code,
                      err.code, err.msg);
        ck_assert_int_eq(err.code, t->status);
        ck_assert_msg(err.retry == t->retry, "%ld %s", t->http, t->code);
        ck_assert_msg(strstr(err.msg, t->says) != NULL, "%ld %s: %s", t->http, t->code, err.msg);
        ck_assert_ptr_nonnull(
            strstr(err.msg, "n/x in the bucket dr-prod at https://s3.example.org"));
        ck_assert_int_eq(err.os_code, t->http);
    }
}
END_TEST

START_TEST(another_region_is_named)
{
    struct answer a = { .http = 301 };
    struct question q = question_of(GET, 0);
    struct ds_error err = DS_ERROR_INIT;
    str_copy(a.error.code, sizeof a.error.code, "PermanentRedirect");
    ck_assert(answer_is_elsewhere(&a));
    str_copy(a.error.endpoint, sizeof a.error.endpoint, "b.s3.eu-west-1.amazonaws.com");
    str_copy(a.region, sizeof a.region, "eu-west-1");
    ck_assert_int_eq(answer_classify(&a, &q, &err), DS_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.msg, "is in the region eu-west-1, and the request was for "
                                          "us-east-1"));
    str_copy(a.error.code, sizeof a.error.code, "AuthorizationHeaderMalformed");
    a.http = 400;
    ck_assert(answer_is_elsewhere(&a));
    str_copy(a.error.region, sizeof a.error.region, "eu-2");
    ck_assert_str_eq(answer_region(&a), "eu-2");
}
END_TEST

static void header(struct answer *a, const char *line)
{
    answer_header(a, line, strlen(line));
}

START_TEST(headers_are_read)
{
    struct answer a = { .http = 0 };
    header(&a, "HTTP/1.1 100 Continue\r\n");
    header(&a, "Retry-After: 5\r\n");
    header(&a, "HTTP/1.1 206 Partial Content\r\n");
    ck_assert_uint_eq(a.retry_after_ms, 0);
    header(&a, "etag:  \"abc\"  \r\n");
    header(&a, "Content-Length: 10\r\n");
    header(&a, "CONTENT-RANGE: bytes 5-14/*\r\n");
    header(&a, "Date: Sun, 30 Aug 2015 12:36:00 GMT\r\n");
    header(&a, "Retry-After: 120\r\n");
    header(&a, "x-amz-server-side-encryption: AES256\r\n");
    header(&a, "nonsense\r\n");
    header(&a, "\r\n");
    ck_assert_int_eq(a.http, 206);
    ck_assert_str_eq(a.etag, "abc");
    ck_assert(a.has_length && a.length == 10 && a.has_range && a.first == 5 && a.last == 14 &&
              a.total == UINT64_MAX && a.etag_plain && a.date_ns == NOW);
    ck_assert_uint_eq(a.retry_after_ms, 120000);
    header(&a, "x-amz-server-side-encryption: aws:kms\r\n");
    ck_assert(!a.etag_plain);
    header(&a, "HTTP/1.1 200 OK\r\n");
    static const char *const bad[] = { "Content-Range: bytes 5-4/10", "Content-Range: 5-6/10",
                                       "Content-Range: bytes x-6/10", "Content-Range: bytes */10",
                                       "Content-Range: bytes 5-99999999999999999999999/10" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        header(&a, "Content-Range: bytes 0-9/10");
        ck_assert(a.has_range);
        header(&a, bad[i]);
        ck_assert_msg(!a.has_range, "%s", bad[i]);
    }
    header(&a, "HTTP/2 404\r\n");
    ck_assert_int_eq(a.http, 404);
}
END_TEST

UNIT_MAIN("transport-s3-xml", a_listing_is_read_in_any_pieces, hostile_listings_are_refused,
          long_keys_are_passed_over, a_document_has_a_maximum, errors_are_read_as_far_as_they_go,
          every_answer_has_its_class_and_remedy, another_region_is_named, headers_are_read)
