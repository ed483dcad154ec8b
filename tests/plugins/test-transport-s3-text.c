/* SPDX-License-Identifier: Apache-2.0 */
/* test-transport-s3-text.c - the small texts of transport-s3: URLs and their encoding, endpoints,
 * options and the rules across them, points in time, profiles and metadata, and the number of
 * requests in flight. */
#include "tests/unit.h"

#include "plugins/transport-s3/concurrency.h"
#include "plugins/transport-s3/metadata.h"
#include "plugins/transport-s3/moment.h"
#include "plugins/transport-s3/profile.h"
#include "plugins/transport-s3/settings.h"

#include <disksync/disksync.h>

static struct ds_error err = DS_ERROR_INIT;

START_TEST(text_grows_up_to_its_maximum)
{
    struct strbuf buf = STRBUF_INIT(10);
    ck_assert_str_eq(strbuf_str(&buf), "");
    strbuf_text(&buf, "12345");
    strbuf_printf(&buf, "%d", 6789);
    ck_assert_str_eq(buf.data, "123456789");
    ck_assert(!buf.failed);
    strbuf_text(&buf, "x");
    ck_assert(buf.failed);
    ck_assert_str_eq(buf.data, "123456789");
    strbuf_text(&buf, "");
    ck_assert(buf.failed);
    strbuf_reset(&buf);
    strbuf_hex(&buf, "\x01\xff", 2);
    ck_assert_str_eq(buf.data, "01ff");
    strbuf_free(&buf);
    ck_assert(str_contains("Object is WORM protected", "worm") && !str_contains("ab", "abc"));
    ck_assert(str_ends("S3.Amazonaws.COM", ".amazonaws.com") && !str_ends("com", ".com"));
}
END_TEST

START_TEST(encoding_is_the_canonical_one)
{
    struct strbuf out = STRBUF_INIT(256);
    char text[] = "a%2Fb%20c%c3%A4+", bad[] = "a%2", zero[] = "a%00b", odd[] = "%zz";
    url_encode(&out, "az AZ09-._~/!'()*+=&%\xc3\xa4", true);
    ck_assert_str_eq(out.data, "az%20AZ09-._~/%21%27%28%29%2A%2B%3D%26%25%C3%A4");
    strbuf_reset(&out);
    url_encode(&out, "a/b", false);
    ck_assert_str_eq(out.data, "a%2Fb");
    ck_assert(url_decode(text));
    ck_assert_str_eq(text, "a/b c\xc3\xa4+");
    ck_assert(!url_decode(bad) && !url_decode(zero) && !url_decode(odd));
    struct query query = { .n = 0 };
    query_add(&query, "prefix", "a/b c");
    query_add(&query, "list-type", "2");
    query_add(&query, "encoding-type", "url");
    query_add(&query, "acl", "");
    strbuf_reset(&out);
    query_text(&out, &query);
    ck_assert_str_eq(out.data, "acl=&encoding-type=url&list-type=2&prefix=a%2Fb%20c");
    strbuf_free(&out);
}
END_TEST

START_TEST(endpoints_are_understood)
{
    static const struct {
        const char *text, *host;
        bool secure, address;
    } good[] = {
        { "https://s3.example.org", "s3.example.org", true, false },
        { "https://s3.example.org:443/", "s3.example.org", true, false },
        { "http://s3.example.org:443", "s3.example.org:443", false, false },
        { "http://127.0.0.1:9000", "127.0.0.1:9000", false, true },
        { "http://[::1]:9000/", "[::1]:9000", false, true },
        { "https://[2001:db8::1]", "[2001:db8::1]", true, true },
    };
    static const char *const bad[] = { "", "s3.example.org", "ftp://host", "https://",
                                       "https://h/p",
                                       "https://user:hidden@h", "https://h?x=1", "https://h#f",
                                       "https://a b", "https://[::1", "https://h:99999" };
    struct endpoint e, other;
    char text[64];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_ok(endpoint_parse(&e, good[i].text, &err), &err);
        ck_assert_str_eq(e.host, good[i].host);
        ck_assert(e.secure == good[i].secure && e.is_address == good[i].address);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(endpoint_parse(&e, bad[i], &err) == DS_EINVAL, "%s", bad[i]);
        ck_assert_ptr_null(strstr(err.msg, "hidden"));
    }
    ck_assert_ok(endpoint_parse(&e, "https://s3.eu-west-1.amazonaws.com", &err), &err);
    ck_assert(endpoint_is_aws(&e) && endpoint_region(&e, text, sizeof text));
    ck_assert_str_eq(text, "eu-west-1");
    ck_assert_ok(endpoint_parse(&other, "https://b.s3.us-west-2.amazonaws.com", &err), &err);
    ck_assert(endpoint_same_service(&e, &other));
    ck_assert_ok(endpoint_parse(&other, "http://b.s3.us-west-2.amazonaws.com", &err), &err);
    ck_assert(!endpoint_same_service(&e, &other));
    ck_assert_ok(endpoint_parse(&other, "https://amazonaws.com.example.org", &err), &err);
    ck_assert(!endpoint_same_service(&e, &other) && !endpoint_is_aws(&other));
    ck_assert_ok(endpoint_parse(&e, "https://s3.amazonaws.com", &err), &err);
    ck_assert(!endpoint_region(&e, text, sizeof text));
}
END_TEST

static int read_kv(struct settings *s, const char *const words[])
{
    struct ds_kv kv[16];
    size_t n = 0;
    for (; words[2 * n]; n++)
        kv[n] = (struct ds_kv){ words[2 * n], words[2 * n + 1] };
    return settings_read(s, kv, n, &err);
}
#define READ(s, ...) read_kv(s, (const char *const[]){ __VA_ARGS__, NULL })

static void place(const struct settings *s, const char *key, const char *host, const char *path)
{
    struct strbuf out = STRBUF_INIT(1024);
    char got[URL_HOST_MAX];
    url_place(got, &out, &s->endpoint, s->bucket, s->virtual_hosted, key);
    ck_assert_str_eq(got, host);
    ck_assert_str_eq(out.data, path);
    strbuf_free(&out);
}

START_TEST(options_say_where_a_key_lies)
{
    struct settings s;
    ck_assert_ok(READ(&s, "bucket", "dr-prod"), &err);
    ck_assert_str_eq(s.region, "us-east-1");
    place(&s, "n/a", "dr-prod.s3.us-east-1.amazonaws.com", "/n/a");
    place(&s, "", "dr-prod.s3.us-east-1.amazonaws.com", "/");
    ck_assert(s.verify && s.max_in_flight == 32 && s.timeout_ns == 60000000000);
    ck_assert_str_eq(s.storage_class, "");
    settings_free(&s);
}
END_TEST

START_TEST(rules_across_options_are_told)
{
    static const struct {
        const char *key, *value, *more, *what, *says;
    } bad[] = {
        { "bucket", "ab", NULL, NULL, "no name of a bucket" },
        { "bucket", "a/b/c", NULL, NULL, "no name of a bucket" },
        { "endpoint", "ftp://x", NULL, NULL, "https://" },
        { "region", "eu west", NULL, NULL, "no name of a region" },
        { "addressing", "virtual", "endpoint", "http://127.0.0.1:9000", "say path" },
        { "prefix", "a//b", NULL, NULL, "empty" },
        { "prefix", "a/../b", NULL, NULL, ".." },
        { "storage_class", "DEEP_ARCHIVE", NULL, NULL, "restore" },
        { "storage_class", "STANDART", NULL, NULL, "none that AWS has" },
        { "access_key", "env:A", NULL, NULL, "needs secret_key" },
        { "secret_key", "env:A", NULL, NULL, "needs access_key" },
        { "session_token", "env:A", NULL, NULL, "needs access_key" },
        { "credentials", "policy", NULL, NULL, "needs access_key" },
        { "credentials", "instance", "profile", "x", "no effect" },
        { "proxy_user", "me", NULL, NULL, "needs a proxy" },
        { "proxy", "http://me:hidden@proxy", NULL, NULL, "proxy_password" },
        { "client_key", "/k", NULL, NULL, "client_cert" },
        { "metadata_endpoint", "x", NULL, NULL, "" },
    };
    struct settings s;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bool bucket = strcmp(bad[i].key, "bucket") == 0;
        const char *const words[] = { bad[i].key, bad[i].value, bucket ? "region" : "bucket",
                                      bucket ? "us-east-1" : "bucket", bad[i].more, bad[i].what,
                                      NULL };
        ck_assert_msg(read_kv(&s, words) == DS_EINVAL, "%s: %s", bad[i].key, bad[i].value);
        ck_assert_msg(strstr(err.msg, bad[i].says) != NULL, "%s", err.msg);
        ck_assert_ptr_null(strstr(err.msg, "hidden"));
    }
}
END_TEST

START_TEST(options_choose_addressing_and_keys)
{
    struct settings s;
    ck_assert_ok(READ(&s, "bucket", "my.bucket", "endpoint", "https://s3.eu-west-1.amazonaws.com",
                      "prefix", "/lab/x/"), &err);
    ck_assert_str_eq(s.region, "eu-west-1");
    ck_assert_str_eq(s.prefix, "lab/x/");
    place(&s, "lab/x/h", "s3.eu-west-1.amazonaws.com", "/my.bucket/lab/x/h");
    settings_free(&s);
    ck_assert_ok(READ(&s, "bucket", "bucket", "endpoint", "http://[::1]:9000", "access_key",
                      "env:A", "secret_key", "file:/s", "storage_class", "cold"), &err);
    place(&s, "h", "[::1]:9000", "/bucket/h");
    place(&s, "", "[::1]:9000", "/bucket");
    ck_assert_int_eq(s.credentials, CREDENTIALS_POLICY);
    ck_assert_str_eq(s.storage_class, "cold");
    settings_free(&s);
    ck_assert_ok(READ(&s, "bucket", "bucket", "endpoint", "https://store.example.org", "addressing",
                      "virtual", "profile", "lab", "object_lock", "compliance"), &err);
    place(&s, "h", "bucket.store.example.org", "/h");
    ck_assert_int_eq(s.credentials, CREDENTIALS_FILE);
    ck_assert_str_eq(s.lock_mode, "COMPLIANCE");
    settings_free(&s);
}
END_TEST

START_TEST(times_are_written_and_read)
{
    static const struct {
        int64_t seconds;
        const char *stamp, *iso, *http;
    } table[] = {
        { 0, "19700101T000000Z", "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT" },
        { 1440938160, "20150830T123600Z", "2015-08-30T12:36:00Z", "Sun, 30 Aug 2015 12:36:00 GMT" },
        { 951782400, "20000229T000000Z", "2000-02-29T00:00:00Z", "Tue, 29 Feb 2000 00:00:00 GMT" },
        { 4107542399, "21000228T235959Z", "2100-02-28T23:59:59Z", "Sun, 28 Feb 2100 23:59:59 GMT" },
        { 4107542400, "21000301T000000Z", "2100-03-01T00:00:00Z", "Mon, 01 Mar 2100 00:00:00 GMT" },
    };
    static const char *const bad[] = { "", "2015", "2015-08-30 12:36:00Z", "2015-13-30T12:36:00Z",
                                       "2015-08-30T12:36:00", "2015-08-30T12:36:00.000+02:00",
                                       "2015-08-30T25:36:00Z", "x015-08-30T12:36:00Z" };
    char stamp[MOMENT_STAMP], iso[MOMENT_ISO];
    int64_t ns;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int64_t at = table[i].seconds * MOMENT_SECOND;
        moment_stamp(stamp, at + 999999999);
        moment_iso(iso, at);
        ck_assert_str_eq(stamp, table[i].stamp);
        ck_assert_str_eq(iso, table[i].iso);
        ck_assert(moment_parse_iso(&ns, iso) && ns == at);
        ck_assert(moment_parse_http(&ns, table[i].http) && ns == at);
    }
    ck_assert(moment_parse_iso(&ns, "2015-08-30T12:36:00.025Z"));
    ck_assert_int_eq(ns, 1440938160 * MOMENT_SECOND + 25000000);
    ck_assert(moment_parse_iso(&ns, "9999-12-31T23:59:59.9Z") && ns > INT64_C(9000000000000000000));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!moment_parse_iso(&ns, bad[i]), "%s", bad[i]);
    ck_assert(!moment_parse_http(&ns, "tomorrow"));
}
END_TEST

static void value_is(const struct profile_value *value, const char *text)
{
    ck_assert_uint_eq(value->n, strlen(text));
    ck_assert(value->n == 0 || memcmp(value->text, text, value->n) == 0);
}

START_TEST(a_profile_is_found_in_its_file)
{
    static const char text[] = "# keys of the lab\n"
                               "[default]\r\n"
                               "aws_access_key_id = AK0\r\n"
                               "aws_secret_access_key=SK0==\r\n"
                               "[ profile  lab ]\n"
                               "; the lab's\n"
                               "aws_access_key_id=AK1\n"
                               "s3 =\n"
                               "  aws_access_key_id = not this\n"
                               "aws_secret_access_key = S/K+1\n"
                               "aws_session_token = T1==\n"
                               "region = eu-west-1\n"
                               "nonsense\n"
                               "[empty]\n"
                               "[last]\n"
                               "aws_access_key_id = AK3";
    struct profile p;
    profile_parse(&p, text, sizeof text - 1, "default");
    value_is(&p.access_key, "AK0");
    value_is(&p.secret_key, "SK0==");
    value_is(&p.session_token, "");
    profile_parse(&p, text, sizeof text - 1, "lab");
    value_is(&p.access_key, "AK1");
    value_is(&p.secret_key, "S/K+1");
    value_is(&p.session_token, "T1==");
    profile_parse(&p, text, sizeof text - 1, "last");
    value_is(&p.access_key, "AK3");
    profile_parse(&p, text, sizeof text - 1, "empty");
    ck_assert(p.found && !p.access_key.n);
    profile_parse(&p, text, sizeof text - 1, "profile");
    ck_assert(!p.found);
    for (size_t n = 0; n < sizeof text; n++) { /* cut anywhere */
        char *copy = malloc(n ? n : 1);
        memcpy(copy, text, n);
        profile_parse(&p, copy, n, "lab");
        free(copy);
    }
}
END_TEST

START_TEST(metadata_is_read_strictly)
{
    static const char json[] = "{ \"Code\" : \"Success\",\n \"AccessKeyId\" : \"AK\", "
                               "\"SecretAccessKey\":\"S\\/K\", \"Token\" : \"T\\n\", \"Open\": \"x";
    char out[8];
    ck_assert(metadata_member(out, sizeof out, json, "AccessKeyId"));
    ck_assert_str_eq(out, "AK");
    ck_assert(metadata_member(out, sizeof out, json, "SecretAccessKey"));
    ck_assert_str_eq(out, "S/K");
    ck_assert(!metadata_member(out, sizeof out, json, "Token"));
    ck_assert(!metadata_member(out, sizeof out, json, "Open"));
    ck_assert(!metadata_member(out, sizeof out, json, "Absent"));
    ck_assert(!metadata_member(out, 2, json, "AccessKeyId"));
    ck_assert(!metadata_member(out, sizeof out, "{\"a\"", "a"));
    ck_assert(!metadata_member(out, sizeof out, "{\"a\":1}", "a"));
}
END_TEST

/* A store with this much bandwidth and a fixed delay; runs until so many answers came. */
static void drive(struct concurrency *c, uint64_t *now, double rate, double delay, unsigned answers)
{
    while (answers > 0) {
        unsigned n = c->limit < answers ? c->limit : answers;
        double seconds = delay > n * 1e6 / rate ? delay : n * 1e6 / rate;
        *now += (uint64_t)(seconds * 1e9);
        for (unsigned i = 0; i < n; i++)
            concurrency_answered(c, *now, 1000000, (uint64_t)(seconds * 1e9), true);
        answers -= n;
    }
}

START_TEST(more_requests_while_they_help)
{
    struct concurrency c;
    uint64_t now = 1;
    concurrency_start(&c, 64);
    ck_assert_uint_eq(c.limit, CONCURRENCY_START);
    drive(&c, &now, 1e12, 0.1, 20000); /* latency alone: more is always better */
    ck_assert_uint_ge(c.limit, 48);
    ck_assert_uint_le(c.limit, 64);
    concurrency_start(&c, 64);
    drive(&c, &now, 100e6, 0.01, 20000); /* 100 MB/s are full with few: more gains nothing */
    ck_assert_uint_le(c.limit, 16);
    ck_assert_uint_ge(c.limit, 2);
    concurrency_start(&c, 3);
    ck_assert_uint_eq(c.limit, 3);
    drive(&c, &now, 1e12, 0.1, 5000);
    ck_assert_uint_le(c.limit, 3);
}
END_TEST

START_TEST(a_store_that_has_too_much_gets_less)
{
    struct concurrency c;
    uint64_t now = 1000000000000;
    concurrency_start(&c, 64);
    drive(&c, &now, 1e12, 0.1, 20000);
    unsigned before = c.limit;
    concurrency_slow_down(&c, now);
    ck_assert_uint_eq(c.limit, before / 2);
    concurrency_slow_down(&c, now + 1000000); /* the others of the same moment */
    ck_assert_uint_eq(c.limit, before / 2);
    concurrency_slow_down(&c, now + 5000000000);
    ck_assert_uint_eq(c.limit, before / 4);
    for (int i = 0; i < 20; i++)
        concurrency_slow_down(&c, now += 5000000000);
    ck_assert_uint_eq(c.limit, 1);
    drive(&c, &now, 1e12, 0.1, 20000); /* and it comes back */
    ck_assert_uint_ge(c.limit, 32);
    before = c.limit;
    drive(&c, &now, 1e12, 5.0, 800); /* answers come much later, and no more of them */
    ck_assert_uint_lt(c.limit, before);
}
END_TEST

UNIT_MAIN("transport-s3-text", text_grows_up_to_its_maximum, encoding_is_the_canonical_one,
          endpoints_are_understood, options_say_where_a_key_lies, rules_across_options_are_told,
          options_choose_addressing_and_keys, times_are_written_and_read,
          a_profile_is_found_in_its_file, metadata_is_read_strictly, more_requests_while_they_help,
          a_store_that_has_too_much_gets_less)
