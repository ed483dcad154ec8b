/* SPDX-License-Identifier: Apache-2.0 */
/* dynbuf.c - see dynbuf.h. */
#include "core/base/dynbuf.h"

#include "core/base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

void *dynbuf_room(struct dynbuf *buf, size_t n)
{
    if (buf->failed || n > buf->max || buf->len > buf->max - n) {
        buf->failed = true;
        return NULL;
    }
    size_t need = buf->len + n + 1; /* and the terminating zero */
    if (need > buf->cap) {
        size_t cap = buf->cap ? buf->cap : 64;
        while (cap < need)
            cap += cap / 2 + 64;
        uint8_t *data = realloc(buf->data, cap);
        if (!data) {
            buf->failed = true;
            return NULL;
        }
        buf->data = data;
        buf->cap = cap;
    }
    void *room = buf->data + buf->len;
    buf->len += n;
    buf->data[buf->len] = 0;
    return room;
}

void dynbuf_add(struct dynbuf *buf, const void *data, size_t n)
{
    void *room = dynbuf_room(buf, n);
    if (room && n)
        memcpy(room, data, n);
}

void dynbuf_text(struct dynbuf *buf, const char *text)
{
    dynbuf_add(buf, text, strlen(text));
}

void dynbuf_printf(struct dynbuf *buf, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *room = n < 0 ? NULL : dynbuf_room(buf, (size_t)n);
    if (room)
        vsnprintf(room, (size_t)n + 1, fmt, again);
    else
        buf->failed = true;
    va_end(again);
}

void dynbuf_u8(struct dynbuf *buf, uint8_t v)
{
    dynbuf_add(buf, &v, 1);
}

void dynbuf_le16(struct dynbuf *buf, uint16_t v)
{
    uint8_t b[2];
    put_le16(b, v);
    dynbuf_add(buf, b, sizeof b);
}

void dynbuf_le32(struct dynbuf *buf, uint32_t v)
{
    uint8_t b[4];
    put_le32(b, v);
    dynbuf_add(buf, b, sizeof b);
}

void dynbuf_le64(struct dynbuf *buf, uint64_t v)
{
    uint8_t b[8];
    put_le64(b, v);
    dynbuf_add(buf, b, sizeof b);
}

void dynbuf_free(struct dynbuf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->len = buf->cap = 0;
    buf->failed = false;
}

void dynbuf_reset(struct dynbuf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = 0;
}

struct reader reader_of(const void *data, size_t n)
{
    const uint8_t *p = data;
    return (struct reader){ p, p ? p + n : p, false };
}

const uint8_t *reader_take(struct reader *r, size_t n)
{
    if (r->bad || n > (size_t)(r->end - r->p)) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *p = r->p;
    r->p += n;
    return p;
}

uint8_t reader_u8(struct reader *r)
{
    const uint8_t *p = reader_take(r, 1);
    return p ? *p : 0;
}

uint16_t reader_le16(struct reader *r)
{
    const uint8_t *p = reader_take(r, 2);
    return p ? get_le16(p) : 0;
}

uint32_t reader_le32(struct reader *r)
{
    const uint8_t *p = reader_take(r, 4);
    return p ? get_le32(p) : 0;
}

uint64_t reader_le64(struct reader *r)
{
    const uint8_t *p = reader_take(r, 8);
    return p ? get_le64(p) : 0;
}
