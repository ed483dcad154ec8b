/* SPDX-License-Identifier: Apache-2.0 */
/* strbuf.c - see strbuf.h. */
#include "strbuf.h"

#include <openssl/crypto.h>
#include <stdlib.h>

static bool grow(struct strbuf *buf, size_t more)
{
    if (buf->failed || more >= buf->max - buf->len) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->len + more + 1, cap = buf->cap ? buf->cap : 64;
    if (need <= buf->cap)
        return true;
    while (cap < need)
        cap *= 2;
    char *data = malloc(cap);
    if (!data) {
        buf->failed = true;
        return false;
    }
    if (buf->data)
        memcpy(data, buf->data, buf->len + 1);
    /* not realloc: what moves may be a secret, and no copy of it stays behind */
    if (buf->data)
        OPENSSL_cleanse(buf->data, buf->cap);
    free(buf->data);
    buf->data = data;
    buf->cap = cap;
    return true;
}

void strbuf_add(struct strbuf *buf, const char *data, size_t n)
{
    if (!grow(buf, n))
        return;
    memcpy(buf->data + buf->len, data, n);
    buf->len += n;
    buf->data[buf->len] = 0;
}

void strbuf_text(struct strbuf *buf, const char *text)
{
    strbuf_add(buf, text, strlen(text));
}

void strbuf_printf(struct strbuf *buf, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        buf->failed = true;
    else if (grow(buf, (size_t)n)) {
        vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, again);
        buf->len += (size_t)n;
    }
    va_end(again);
}

void strbuf_hex(struct strbuf *buf, const void *data, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++) {
        char two[2] = { digits[p[i] >> 4], digits[p[i] & 15] };
        strbuf_add(buf, two, 2);
    }
}

void strbuf_reset(struct strbuf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = 0;
}

void strbuf_free(struct strbuf *buf)
{
    if (buf->data)
        OPENSSL_cleanse(buf->data, buf->cap);
    free(buf->data);
    buf->data = NULL;
    buf->len = buf->cap = 0;
}

bool str_copy(char *out, size_t size, const char *text)
{
    size_t n = strlen(text);
    bool fits = n < size;
    if (!fits)
        n = size - 1;
    memcpy(out, text, n);
    out[n] = 0;
    return fits;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_n(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

bool str_same(const char *a, const char *b)
{
    size_t n = strlen(a);
    return n == strlen(b) && same_n(a, b, n);
}

bool str_ends(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && same_n(text + n - m, end, m);
}

bool str_contains(const char *text, const char *word)
{
    size_t n = strlen(text), m = strlen(word);
    for (size_t i = 0; i + m <= n; i++)
        if (same_n(text + i, word, m))
            return true;
    return false;
}
