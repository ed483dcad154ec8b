/* SPDX-License-Identifier: Apache-2.0 */
/* test-sign.c - signatures: the requests that Amazon's documentation of S3 signs as examples are
 * taken, and none of them when one byte of what was signed differs. */
#include "core/gateway/sign.h"

#include "tests/unit.h"

#define KEY "AKIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define SCOPE KEY "/20130524/us-east-1/s3/aws4_request"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HOST "Host: examplebucket.s3.amazonaws.com\r\n"
#define COMMON HOST "x-amz-date: 20130524T000000Z\r\nx-amz-content-sha256: " EMPTY "\r\n"
#define AUTH(headers, signature) \
    "Authorization: AWS4-HMAC-SHA256 Credential=" SCOPE ",SignedHeaders=" headers ",Signature=" \
    signature "\r\n\r\n"

static const char get_object[] = "GET /test.txt HTTP/1.1\r\n" COMMON "Range: bytes=0-9\r\n"
    AUTH("host;range;x-amz-content-sha256;x-amz-date",
         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
static const char put_object[] = "PUT /test$file.text HTTP/1.1\r\n" HOST
    "Date: Fri, 24 May 2013 00:00:00 GMT\r\nx-amz-date: 20130524T000000Z\r\n"
    "x-amz-storage-class: REDUCED_REDUNDANCY\r\nx-amz-content-sha256: "
    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\r\n"
    AUTH("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
static const char lifecycle[] = "GET /?lifecycle HTTP/1.1\r\n" COMMON
    AUTH("host;x-amz-content-sha256;x-amz-date",
         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
static const char list[] = "GET /?max-keys=2&prefix=J HTTP/1.1\r\n" COMMON
    AUTH("host;x-amz-content-sha256;x-amz-date",
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
static const char presigned[] = "GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
    KEY "%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
    "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1\r\n" HOST "\r\n";
static const char *const examples[] = { get_object, put_object, lifecycle, list, presigned };
#define EXAMPLES (sizeof examples / sizeof examples[0])

static const char *secret_of(void *ud, const char *access_key)
{
    return strcmp(access_key, KEY) == 0 ? ud : NULL;
}

static char secret[] = SECRET;
static struct sign_policy policy = { secret_of, secret, "us-east-1", 0 };
static struct sign_result result;

static enum sign_verdict verify_bytes(const char *text, size_t n)
{
    static struct http_request request;
    static struct uri_query query;
    char copy[2048];
    memcpy(copy, text, n);
    if (http_parse(&request, copy, n) <= 0 || !uri_parse_query(&query, request.query))
        return SIGN_MALFORMED;
    return sign_verify(&request, &query, &policy, &result);
}

static enum sign_verdict verify(const char *text)
{
    return verify_bytes(text, strlen(text));
}

static void set_clock(int64_t offset)
{
    ck_assert(sign_time(&policy.now_s, "20130524T000000Z"));
    ck_assert_int_eq(policy.now_s, 1369353600);
    policy.now_s += offset;
}

START_TEST(test_examples)
{
    set_clock(0);
    for (size_t i = 0; i < EXAMPLES; i++) {
        ck_assert_msg(verify(examples[i]) == SIGN_OK, "%zu: %d %s", i, verify(examples[i]),
                      result.detail);
        ck_assert_str_eq(result.access_key, KEY);
        ck_assert_int_eq(result.time_s, 1369353600);
    }
    ck_assert(!result.has_hash);
    verify(put_object);
    ck_assert(result.has_hash && result.hash[0] == 0x44 && result.hash[31] == 0x72);
}
END_TEST

START_TEST(test_clock)
{
    set_clock(900);
    ck_assert_int_eq(verify(get_object), SIGN_OK);
    set_clock(901);
    ck_assert_int_eq(verify(get_object), SIGN_SKEWED);
    ck_assert_int_eq(verify(presigned), SIGN_OK);
    set_clock(-901);
    ck_assert_int_eq(verify(get_object), SIGN_SKEWED);
    ck_assert_int_eq(verify(presigned), SIGN_SKEWED);
    set_clock(86401);
    ck_assert_int_eq(verify(presigned), SIGN_EXPIRED);
}
END_TEST

/* Whatever byte is changed, to whatever close to it: never taken. Bit 5 is the case of letters, and
 * the last byte of the first line the minor version of HTTP: both mean nothing. */
START_TEST(test_forged)
{
    set_clock(0);
    for (size_t i = 0; i < EXAMPLES; i++) {
        char text[2048];
        size_t n = strlen(examples[i]);
        memcpy(text, examples[i], n);
        for (size_t at = 0; at < n; at++)
            for (int bit = 0; bit < 8; bit++) {
                text[at] = (char)(examples[i][at] ^ 1 << bit);
                bool same = bit == 5 || (at && strchr(examples[i], '\r') == examples[i] + at + 1);
                if (!same)
                    ck_assert_msg(verify_bytes(text, n) != SIGN_OK, "example %zu, byte %zu: %.*s",
                                  i, at, (int)(n - at < 20 ? n - at : 20), text + at);
                text[at] = examples[i][at];
            }
    }
}
END_TEST

static const char *replaced(const char *text, const char *what, const char *by)
{
    static char out[2048];
    const char *p = strstr(text, what);
    ck_assert_ptr_nonnull(p);
    snprintf(out, sizeof out, "%.*s%s%s", (int)(p - text), text, by, p + strlen(what));
    return out;
}

START_TEST(test_verdicts)
{
    set_clock(0);
    ck_assert_int_eq(verify("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), SIGN_NONE);
    ck_assert_int_eq(verify(replaced(list, KEY, "AKIA")), SIGN_UNKNOWN_KEY);
    ck_assert_int_eq(verify(replaced(list, "/us-east-1/", "/eu-west-1/")), SIGN_REGION);
    ck_assert_str_eq(result.detail, "eu-west-1");
    ck_assert_int_eq(verify(replaced(list, "=host;", "=")), SIGN_UNSIGNED);
    ck_assert_int_eq(verify(replaced(list, "\r\n\r\n", "\r\nx-amz-acl: public\r\n\r\n")),
                     SIGN_UNSIGNED);
    ck_assert_str_eq(result.detail, "x-amz-acl");
    ck_assert_int_eq(verify(replaced(list, "x-amz-content-sha256: " EMPTY "\r\n", "")),
                     SIGN_NO_HASH);
    ck_assert_int_eq(verify(replaced(list, EMPTY, "123")), SIGN_BAD_HASH);
    ck_assert_int_eq(verify(replaced(list, EMPTY, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")),
                     SIGN_STREAMING);
    ck_assert_int_eq(verify(replaced(list, EMPTY, "UNSIGNED-PAYLOAD")), SIGN_MISMATCH);
    ck_assert_int_eq(verify(replaced(list, "/s3/", "/sqs/")), SIGN_MALFORMED);
    ck_assert_int_eq(verify(replaced(list, "Credential=", "Credential=x,Credential=")),
                     SIGN_MALFORMED);
    ck_assert_int_eq(verify(replaced(list, "/20130524/", "/20130525/")), SIGN_MALFORMED);
    ck_assert_int_eq(verify(replaced(list, "AWS4-HMAC-SHA256", "AWS")), SIGN_MALFORMED);
    ck_assert_int_eq(verify(replaced(list, "=host;x-amz-content-sha256;", "=host;host;"
                                           "x-amz-content-sha256;")), SIGN_MALFORMED);
    ck_assert_int_eq(verify(replaced(presigned, "86400", "604801")), SIGN_MALFORMED);
    secret[0] ^= 1;
    for (size_t i = 0; i < EXAMPLES; i++)
        ck_assert_int_eq(verify(examples[i]), SIGN_MISMATCH);
    secret[0] ^= 1;
}
END_TEST

START_TEST(test_time)
{
    static const char *const bad[] = { "", "20130524T000000", "20130524T000000z",
                                       "20131324T000000Z", "20130500T000000Z", "20130524 000000Z",
                                       "20130524T240000Z", "2013-05-24T00:00Z" };
    int64_t s;
    ck_assert(sign_time(&s, "19700101T000000Z") && s == 0);
    ck_assert(sign_time(&s, "20000229T235959Z") && s == 951868799);
    ck_assert(sign_time(&s, "20380119T031408Z") && s == INT64_C(2147483648));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!sign_time(&s, bad[i]), "%s", bad[i]);
}
END_TEST

UNIT_MAIN("sign", test_examples, test_clock, test_forged, test_verdicts, test_time)
