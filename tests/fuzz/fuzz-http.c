/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-http.c - all that a stranger can send to the gateway. The first byte tells what follows:
 *
 *      0   a connection's bytes: heads one after another, each routed and its signature verified
 *      1   an XML document
 *      2   a key: to a path and back
 *      3   the name of a file
 *
 * Checks besides: a head parsed in two pieces says the same; no path leaves its bucket; nothing the
 * fuzzer makes has a good signature. */
#include "core/base/bytes.h"
#include "core/gateway/s3.h"
#include "core/gateway/xml.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "broken promise: %s\n", what);
        abort();
    }
}

static const char *secret_of(void *ud, const char *access_key)
{
    (void)ud;
    return strcmp(access_key, "AK") == 0 ? "SK" : NULL;
}

static void one_request(struct exchange *x)
{
    struct sign_policy policy = { secret_of, NULL, "us-east-1", 1369353600 };
    require(x->http.path[0] == '/' && http_header(&x->http, "host"), "a path and a host");
    require(x->http.n <= HTTP_HEADERS_MAX, "a bounded number of headers");
    s3_route(x);
    if (!s3_done(x)) {
        require(!*x->bucket || key_is_bucket(x->bucket), "a good bucket");
        require(!*x->key || key_is_good(x->key), "a good key");
        require(sign_verify(&x->http, &x->query, &policy, &x->sign) != SIGN_OK, "a forgery");
    }
}

static void connection(const uint8_t *data, size_t size)
{
    static const struct gateway_config config = { .region = "us-east-1", .domain = "localhost" };
    static struct exchange x;
    char *head = malloc(HTTP_HEAD_MAX + 1), *again = malloc(HTTP_HEAD_MAX + 1);
    require(head && again, "memory");
    for (unsigned turn = 0; turn < 4 && size; turn++) {
        static struct http_request other;
        size_t n = size < HTTP_HEAD_MAX ? size : HTTP_HEAD_MAX;
        memcpy(head, data, n);
        memcpy(again, data, n);
        s3_start(&x, &config);
        int rc = http_parse(&x.http, head, n);
        int half = http_parse(&other, again, n / 2);
        require(half <= 0 || half == rc, "the same head");
        if (half == 0)
            require(http_parse(&other, again, n) == rc, "the same verdict");
        if (rc <= 0)
            break;
        one_request(&x);
        dynbuf_free(&x.reply.head);
        dynbuf_free(&x.reply.body);
        size_t used = (size_t)min_u64(size - (size_t)rc, x.http.length) + (size_t)rc;
        data += used;
        size -= used;
    }
    free(head);
    free(again);
}

static void document(const uint8_t *data, size_t size)
{
    static struct xml_reader reader;
    enum xml_kind kind;
    size_t tokens = 0;
    char *copy = malloc(size ? size : 1); /* so that a read past its end is seen */
    require(copy != NULL, "memory");
    memcpy(copy, data, size);
    xml_read(&reader, copy, size);
    while ((kind = xml_next(&reader)) != XML_END && kind != XML_BAD) {
        require(reader.depth <= XML_DEPTH_MAX && ++tokens <= 2 * size + 2, "bounds");
        if (kind == XML_TEXT)
            require(strlen(reader.text) < sizeof reader.text, "a bounded text");
    }
    free(copy);
}

static void key(const char *text)
{
    char path[KEY_PATH_MAX], part[KEY_PATH_MAX];
    if (!key_is_good(text) || !key_to_path(path, text))
        return;
    for (char *p = path, *end; p; p = end) {
        end = strchr(p, '/');
        if (end)
            *end++ = 0;
        size_t n = strcspn(text, "/");
        require(*p && strcmp(p, ".") != 0 && strcmp(p, "..") != 0, "a name that stays");
        require(key_part(part, p) && strlen(part) == n && memcmp(part, text, n) == 0, "the key");
        text += n + (end != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[KEY_PATH_MAX], part[KEY_PATH_MAX], path[KEY_PATH_MAX];
    if (size == 0 || size > 65536)
        return 0;
    if (data[0] == 0)
        connection(data + 1, size - 1);
    if (data[0] == 1)
        document(data + 1, size - 1);
    if (data[0] < 2 || size > sizeof text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    if (data[0] == 2)
        key(text);
    else if (key_part(part, text))
        require(!strchr(part, '/') && key_to_path(path, part) && strcmp(path, text) == 0,
                "one name for one part");
    return 0;
}
