/* SPDX-License-Identifier: Apache-2.0 */
/* http.c - see http.h. Nothing is copied: names are lowered and parts ended in the caller's buffer,
 * and only when the whole head is there, so that an incomplete one can be parsed again. */
#include "core/gateway/http.h"

#include "core/base/text.h"

#include <string.h>

static bool is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_text(char c) /* of a header's value */
{
    unsigned char u = (unsigned char)c;
    return u == '\t' || (u >= 0x20 && u != 0x7f);
}

/* The end of the head: the place behind its empty line; 0 if it is not there yet, -400 where a line
 * ends with LF alone. */
static int head_end(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] != '\n')
            continue;
        if (i == 0 || data[i - 1] != '\r')
            return -400;
        if (i >= 3 && data[i - 2] == '\n' && data[i - 3] == '\r')
            return (int)i + 1;
    }
    return 0;
}

/* Ends the line at p with a zero and returns the next one; NULL if its end is not CR LF. */
static char *next_line(char *p, char *end)
{
    while (p < end && *p != '\r' && *p != '\n')
        p++;
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n')
        return NULL;
    *p = 0;
    return p + 2;
}

static int parse_target(struct http_request *out, char *target)
{
    size_t n = 0;
    char *query;
    for (char *p = target; *p; p++, n++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || *p == '#')
            return -400;
    if (n > HTTP_TARGET_MAX)
        return -414;
    if (target[0] != '/')
        return -400;
    out->path = target;
    out->query = "";
    query = strchr(target, '?');
    if (query) {
        *query = 0;
        out->query = query + 1;
    }
    return 0;
}

static int parse_request_line(struct http_request *out, char *line)
{
    char *p = line, *version;
    out->method = line;
    while (is_token(*p))
        p++;
    if (p == line || *p != ' ')
        return -400;
    *p++ = 0;
    version = strchr(p, ' ');
    if (!version)
        return -400;
    *version++ = 0;
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return strncmp(version, "HTTP/", 5) == 0 ? -505 : -400;
    out->keep_alive = version[7] == '1';
    return parse_target(out, p);
}

static int parse_header(struct http_request *out, char *line)
{
    char *p = line, *value, *end;
    if (out->n == HTTP_HEADERS_MAX)
        return -431;
    for (; is_token(*p); p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    if (p == line || *p != ':')
        return -400;
    *p++ = 0;
    for (value = p; *value == ' ' || *value == '\t'; value++)
        ;
    for (end = value; *end; end++)
        if (!is_text(*end))
            return -400;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = 0;
    out->headers[out->n++] = (struct http_header){ line, value };
    return 0;
}

/* True if the list in a header has this word; ASCII case ignored. */
static bool list_has(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; *p;) {
        size_t i = 0;
        while (*p == ' ' || *p == '\t' || *p == ',')
            p++;
        while (i < n && p[i] && (p[i] | 0x20) == word[i])
            i++;
        if (i == n && (!p[n] || strchr(", \t", p[n])))
            return true;
        while (*p && *p != ',')
            p++;
    }
    return false;
}

static int check_single(const struct http_request *out)
{
    static const char *const once[] = { "host", "authorization", "content-length", "content-md5",
                                        "x-amz-date", "x-amz-content-sha256", "expect", "range",
                                        "if-none-match", "if-match", "x-amz-security-token" };
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++)
        if (http_count(out, once[i]) > 1)
            return -400;
    return 0;
}

static int parse_meaning(struct http_request *out)
{
    const char *value = http_header(out, "content-length");
    if (check_single(out))
        return -400;
    if (http_header(out, "transfer-encoding")) /* with a length beside it: smuggling */
        return value ? -400 : -501;
    if (value) {
        if (!text_parse_u64(&out->length, value, HTTP_LENGTH_MAX))
            return strspn(value, "0123456789") == strlen(value) && *value ? -413 : -400;
        out->has_length = true;
    }
    if (!http_header(out, "host"))
        return -400;
    value = http_header(out, "expect");
    if (value && !list_has(value, "100-continue"))
        return -417;
    out->expect = value != NULL;
    value = http_header(out, "connection");
    if (value && list_has(value, "close"))
        out->keep_alive = false;
    return 0;
}

int http_parse(struct http_request *out, char *data, size_t len)
{
    int total = head_end(data, len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX);
    char *line = data, *end, *next;
    memset(out, 0, sizeof *out);
    if (len && !is_token(data[0])) /* TLS on the plain port, say: no use to wait for more */
        return -400;
    if (total < 0)
        return total;
    if (!total)
        return len >= HTTP_HEAD_MAX ? -431 : 0;
    if (memchr(data, 0, (size_t)total))
        return -400;
    end = data + total;
    next = next_line(line, end);
    int rc = next ? parse_request_line(out, line) : -400;
    for (line = next; !rc && line; line = next) {
        next = next_line(line, end);
        if (!next)
            return -400;
        if (!*line)
            break;
        rc = parse_header(out, line);
    }
    if (!rc)
        rc = parse_meaning(out);
    return rc ? rc : total;
}

const char *http_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->n; i++)
        if (strcmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

unsigned http_count(const struct http_request *request, const char *name)
{
    unsigned count = 0;
    for (size_t i = 0; i < request->n; i++)
        count += strcmp(request->headers[i].name, name) == 0;
    return count;
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        { 200, "OK" }, { 204, "No Content" }, { 206, "Partial Content" },
        { 301, "Moved Permanently" }, { 304, "Not Modified" }, { 307, "Temporary Redirect" },
        { 400, "Bad Request" }, { 403, "Forbidden" }, { 404, "Not Found" },
        { 405, "Method Not Allowed" }, { 408, "Request Timeout" }, { 409, "Conflict" },
        { 411, "Length Required" }, { 412, "Precondition Failed" },
        { 413, "Content Too Large" }, { 414, "URI Too Long" }, { 416, "Range Not Satisfiable" },
        { 417, "Expectation Failed" }, { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" }, { 501, "Not Implemented" },
        { 503, "Service Unavailable" }, { 505, "HTTP Version Not Supported" },
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Status";
}
