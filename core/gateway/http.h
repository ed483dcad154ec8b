/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - the head of an HTTP/1.1 request, parsed strictly. What two parsers could read in two
 * ways is refused: bare CR or LF, folded lines, space before a colon, repeated Content-Length, Host
 * or Authorization, any Transfer-Encoding. Thus nothing can be smuggled behind a proxy. */
#ifndef CORE_GATEWAY_HTTP_H
#define CORE_GATEWAY_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 16384u   /* request line and headers */
#define HTTP_TARGET_MAX 8192u
#define HTTP_HEADERS_MAX 64u
#define HTTP_LENGTH_MAX (UINT64_C(5) << 40)

struct http_header {
    const char *name; /* lower case */
    const char *value; /* without space around it */
};

/* All text lies in the buffer that was parsed, and lives as long as it does. */
struct http_request {
    const char *method;
    const char *path;  /* as sent: begins with '/' */
    const char *query; /* as sent, without '?'; "" if there is none */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t n;
    uint64_t length; /* of the body */
    bool has_length, keep_alive, expect; /* expect: 100-continue */
};

/* Parses the head at data, and writes zeros between its parts once it is whole. Returns its length;
 * 0 if more bytes are needed; else minus the HTTP status that refuses it. */
int http_parse(struct http_request *out, char *data, size_t len);
/* The value of the first header of this name (lower case); NULL if there is none. */
const char *http_header(const struct http_request *request, const char *name);
/* How many headers have this name. */
unsigned http_count(const struct http_request *request, const char *name);
const char *http_reason(int status);

#endif
