/* SPDX-License-Identifier: Apache-2.0 */
/* test-transport-s3-sign.c - signatures of transport-s3 are the published ones: of AWS's test suite
 * for Signature Version 4 and of the examples in S3's documentation. Keys, dates and hosts are
 * theirs. */
#include "tests/unit.h"

#include "plugins/transport-s3/body.h"
#include "plugins/transport-s3/sign.h"
#include "plugins/transport-s3/url.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct vector {
    const char *method, *path;
    struct query query;
    const char *payload;
    struct sign_header headers[8];
    const char *names, *signature;
};

struct suite {
    const char *access_key, *secret, *service, *stamp, *day;
};
static const struct suite general = { "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                      "service", "20150830T123600Z", "20150830" };
static const struct suite s3 = { "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                 "s3", "20130524T000000Z", "20130524" };

static void check(const struct suite *suite, struct vector v)
{
    struct strbuf path = STRBUF_INIT(1024), query = STRBUF_INIT(1024), got = STRBUF_INIT(4096);
    struct strbuf want = STRBUF_INIT(4096);
    uint8_t key[SIGN_KEY];
    size_t n = 0;
    while (n < 8 && v.headers[n].name)
        n++;
    url_encode(&path, v.path, true);
    query_text(&query, &v.query);
    ck_assert(sign_key(key, suite->secret, strlen(suite->secret), suite->day, "us-east-1",
                       suite->service));
    struct sign_request what = { v.method, path.data, strbuf_str(&query), v.payload, v.headers, n };
    struct sign_identity who = { suite->access_key, "us-east-1", suite->service, suite->stamp,
                                 key };
    sign_authorization(&got, &what, &who);
    ck_assert(!got.failed);
    strbuf_printf(&want, "AWS4-HMAC-SHA256 Credential=%s/%s/us-east-1/%s/aws4_request, "
                         "SignedHeaders=%s, Signature=%s",
                  suite->access_key, suite->day, suite->service, v.names, v.signature);
    ck_assert_str_eq(got.data, want.data);
    strbuf_free(&path);
    strbuf_free(&query);
    strbuf_free(&got);
    strbuf_free(&want);
}

START_TEST(the_key_of_a_day_is_the_published_one)
{
    static const char want[] = "938127b5336810ddb6a5d6af445fcac9e371f9ed418ed386b022aed82901be75";
    struct strbuf hex = STRBUF_INIT(100);
    uint8_t key[SIGN_KEY];
    ck_assert(sign_key(key, general.secret, strlen(general.secret), "20150830", "us-east-1",
                       "service"));
    strbuf_hex(&hex, key, sizeof key);
    ck_assert_str_eq(hex.data, want);
    strbuf_free(&hex);
}
END_TEST

#define PLAIN { "x-amz-date", "20150830T123600Z" }, { "host", "example.amazonaws.com" }

START_TEST(the_test_suite_is_signed_as_published)
{
    check(&general, (struct vector){ /* get-vanilla */
        "GET", "/", { .n = 0 }, EMPTY, { PLAIN }, "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" });
    check(&general, (struct vector){ /* get-vanilla-query-order-key-case */
        "GET", "/", { 2, { { "Param2", "value2" }, { "Param1", "value1" } } }, EMPTY, { PLAIN },
        "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" });
    check(&general, (struct vector){ /* get-utf8 */
        "GET", "/\xe1\x88\xb4", { .n = 0 }, EMPTY, { PLAIN }, "host;x-amz-date",
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85" });
    check(&general, (struct vector){ /* post-vanilla */
        "POST", "/", { .n = 0 }, EMPTY, { PLAIN }, "host;x-amz-date",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" });
}
END_TEST

#define BUCKET { "host", "examplebucket.s3.amazonaws.com" }, \
               { "x-amz-date", "20130524T000000Z" }
#define HASH_EMPTY { "x-amz-content-sha256", EMPTY }

START_TEST(the_examples_of_s3_are_signed_as_published)
{
    static const char text[] = "Welcome to Amazon S3.";
    struct ds_iovec iov[] = { { text, 8 }, { text + 8, 0 }, { text + 8, sizeof text - 9 } };
    struct body body;
    char hash[SIGN_HASH_HEX];
    check(&s3, (struct vector){
        "GET", "/test.txt", { .n = 0 }, EMPTY,
        { BUCKET, HASH_EMPTY, { "range", "bytes=0-9" } },
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" });
    body_start(&body, iov, 3);
    ck_assert(body_sha256_hex(&body, hash));
    check(&s3, (struct vector){
        "PUT", "/test$file.text", { .n = 0 }, hash,
        { BUCKET, { "x-amz-content-sha256", hash }, { "date", "Fri, 24 May 2013 00:00:00 GMT" },
          { "x-amz-storage-class", "REDUCED_REDUNDANCY" } },
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" });
    check(&s3, (struct vector){
        "GET", "/", { 1, { { "lifecycle", "" } } }, EMPTY, { BUCKET, HASH_EMPTY },
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" });
    check(&s3, (struct vector){
        "GET", "/", { 2, { { "prefix", "J" }, { "max-keys", "2" } } }, EMPTY,
        { BUCKET, HASH_EMPTY }, "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" });
}
END_TEST

/* Blanks around a value and runs of them don't count, as in the suite's get-header-value-trim; that
 * two ways of writing it are signed alike is what is looked at here. */
START_TEST(blanks_in_values_are_canonical)
{
    struct sign_header plain[] = { { "my-header1", "value1" }, { "my-header2", "a b c" } };
    struct sign_header spaced[] = { { "my-header2", "a  b \t c " }, { "my-header1", "  value1" } };
    struct strbuf one = STRBUF_INIT(1024), two = STRBUF_INIT(1024);
    uint8_t key[SIGN_KEY] = { 1 };
    struct sign_identity who = { "A", "us-east-1", "s3", "20150830T123600Z", key };
    struct sign_request a = { "GET", "/", "", EMPTY, plain, 2 }, b = a;
    b.headers = spaced;
    sign_authorization(&one, &a, &who);
    sign_authorization(&two, &b, &who);
    ck_assert_str_eq(one.data, two.data);
    strbuf_free(&one);
    strbuf_free(&two);
}
END_TEST

START_TEST(a_body_is_read_in_any_pieces_and_again)
{
    static const char text[] = "0123456789abcdef";
    struct ds_iovec iov[] = { { text, 0 }, { text, 3 }, { text + 3, 10 }, { text, 0 },
                              { text + 13, 3 }, { text, 0 } };
    uint8_t md5[16];
    char out[32], base64[25];
    struct body body;
    body_start(&body, iov, 6);
    ck_assert_uint_eq(body.total, 16);
    for (size_t step = 1; step <= 17; step++) {
        size_t done = 0, n;
        ck_assert(body_seek(&body, 0));
        while ((n = body_read(&body, out + done, step)) > 0)
            done += n;
        ck_assert_uint_eq(done, 16);
        ck_assert(memcmp(out, text, 16) == 0);
    }
    for (size_t at = 0; at <= 16; at++) {
        ck_assert(body_seek(&body, at));
        ck_assert_uint_eq(body_read(&body, out, 32), 16 - at);
        ck_assert(memcmp(out, text + at, 16 - at) == 0);
    }
    ck_assert(!body_seek(&body, 17));
    ck_assert(!body_md5(&body, md5));
    ck_assert(body_seek(&body, 0));
    body_want_md5(&body);
    ck_assert_uint_eq(body_read(&body, out, 7), 7);
    ck_assert(!body_md5(&body, md5)); /* not all was read */
    ck_assert(body_seek(&body, 0));   /* and from the start again, as after a broken connection */
    ck_assert_uint_eq(body_read(&body, out, 32), 16);
    ck_assert(body_md5(&body, md5));
    static const uint8_t want[16] = { 0x40, 0x32, 0xaf, 0x8d, 0x61, 0x03, 0x51, 0x23,
                                      0x90, 0x6e, 0x58, 0xe0, 0x67, 0x14, 0x0c, 0xc5 };
    ck_assert(memcmp(md5, want, 16) == 0);
    ck_assert(body_md5_base64(&body, base64));
    ck_assert_str_eq(base64, "QDKvjWEDUSOQbljgZxQMxQ==");
    body_free(&body);
}
END_TEST

UNIT_MAIN("transport-s3-sign", the_key_of_a_day_is_the_published_one,
          the_test_suite_is_signed_as_published, the_examples_of_s3_are_signed_as_published,
          blanks_in_values_are_canonical, a_body_is_read_in_any_pieces_and_again)
