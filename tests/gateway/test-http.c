/* SPDX-License-Identifier: Apache-2.0 */
/* test-http.c - the parser of heads: what it takes, byte by byte and whole, and all it refuses. */
#include "core/gateway/http.h"

#include "tests/unit.h"

#include <string.h>

static struct http_request request;
static char buffer[HTTP_HEAD_MAX + 1];

static int parse(const char *text)
{
    size_t n = strlen(text);
    ck_assert_uint_le(n, HTTP_HEAD_MAX);
    memcpy(buffer, text, n + 1);
    return http_parse(&request, buffer, n);
}

#define HEAD(extra) "PUT /b/k?x=1&y HTTP/1.1\r\nHost: h\r\n" extra "\r\n"

START_TEST(test_takes)
{
    static const char text[] = HEAD("X-Amz-Date:  today \t\r\nContent-Length: 12\r\nEmpty:\r\n");
    ck_assert_int_eq(parse(text), (int)strlen(text));
    ck_assert_str_eq(request.method, "PUT");
    ck_assert_str_eq(request.path, "/b/k");
    ck_assert_str_eq(request.query, "x=1&y");
    ck_assert_str_eq(http_header(&request, "x-amz-date"), "today");
    ck_assert_str_eq(http_header(&request, "empty"), "");
    ck_assert(request.has_length && request.length == 12 && request.keep_alive);
    ck_assert_ptr_null(http_header(&request, "absent"));
}
END_TEST

START_TEST(test_waits_for_the_end)
{
    static const char text[] = HEAD("Content-Length: 3\r\n") "abc";
    size_t head = strlen(text) - 3;
    memcpy(buffer, text, sizeof text);
    for (size_t n = 1; n < head; n++)
        ck_assert_int_eq(http_parse(&request, buffer, n), 0);
    ck_assert_int_eq(memcmp(buffer, text, sizeof text), 0); /* not touched so far */
    ck_assert_int_eq(http_parse(&request, buffer, sizeof text - 1), (int)head);
}
END_TEST

START_TEST(test_keep_alive)
{
    ck_assert_int_gt(parse(HEAD("Connection: Keep-Alive, Close\r\n")), 0);
    ck_assert(!request.keep_alive);
    ck_assert_int_gt(parse(HEAD("Connection: closed\r\n")), 0);
    ck_assert(request.keep_alive);
    ck_assert_int_gt(parse("GET / HTTP/1.0\r\nHost: h\r\n\r\n"), 0);
    ck_assert(!request.keep_alive);
    ck_assert_int_gt(parse(HEAD("Expect: 100-Continue\r\n")), 0);
    ck_assert(request.expect);
    ck_assert_int_eq(parse(HEAD("Expect: tea\r\n")), -417);
}
END_TEST

START_TEST(test_refuses)
{
    static const struct {
        const char *text;
        int rc;
    } cases[] = {
        { HEAD("Content-Length: 1\r\nContent-Length: 1\r\n"), -400 },
        { HEAD("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), -400 },
        { HEAD("Transfer-Encoding: chunked\r\n"), -501 },
        { HEAD("Content-Length: 1 \r\nTransfer-Encoding : x\r\n"), -400 },
        { HEAD("Content-Length: 1,1\r\n"), -400 },
        { HEAD("Content-Length: 0x1\r\n"), -400 },
        { HEAD("Content-Length: 1e1\r\n"), -400 },
        { HEAD("Content-Length: \r\n"), -400 },
        { HEAD("Content-Length: 18446744073709551617\r\n"), -413 },
        { HEAD("Host: h\r\n"), -400 },
        { HEAD("A: 1\r\n 2\r\n"), -400 },
        { HEAD("A: 1\n"), -400 },
        { HEAD("A: \x01\r\n"), -400 },
        { HEAD("A\x80: 1\r\n"), -400 },
        { HEAD(": 1\r\n"), -400 },
        { "PUT /b HTTP/1.1\r\n\r\n", -400 },
        { "PUT b HTTP/1.1\r\nHost: h\r\n\r\n", -400 },
        { "PUT http://b/ HTTP/1.1\r\nHost: h\r\n\r\n", -400 },
        { "PUT /b#c HTTP/1.1\r\nHost: h\r\n\r\n", -400 },
        { "PUT /b  HTTP/1.1\r\nHost: h\r\n\r\n", -400 },
        { "PUT /b HTTP/1.2\r\nHost: h\r\n\r\n", -505 },
        { "PUT /b http/1.1\r\nHost: h\r\n\r\n", -400 },
        { "PUT /b\r\nHost: h\r\n\r\n", -400 },
        { " PUT /b HTTP/1.1\r\nHost: h\r\n\r\n", -400 },
        { "\r\nPUT /b HTTP/1.1\r\nHost: h\r\n\r\n", -400 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(parse(cases[i].text) == cases[i].rc, "%s: %d", cases[i].text,
                      parse(cases[i].text));
}
END_TEST

START_TEST(test_bounds)
{
    char text[HTTP_HEAD_MAX + 1] = "PUT /";
    memset(text + 5, 'a', sizeof text - 5);
    ck_assert_int_eq(http_parse(&request, text, HTTP_HEAD_MAX - 1), 0);
    ck_assert_int_eq(http_parse(&request, text, HTTP_HEAD_MAX), -431);
    strcpy(buffer, "PUT / HTTP/1.1\r\nHost: h\r\n");
    for (unsigned i = 0; i < HTTP_HEADERS_MAX; i++)
        strcat(buffer, "A: b\r\n");
    strcat(buffer, "\r\n");
    ck_assert_int_eq(http_parse(&request, buffer, strlen(buffer)), -431);
}
END_TEST

UNIT_MAIN("http", test_takes, test_waits_for_the_end, test_keep_alive, test_refuses, test_bounds)
