/* SPDX-License-Identifier: Apache-2.0 */
/* xml.c - see xml.h. The reader takes hostile documents: it never looks past `end`, its depth and
 * the length of a text are bounded, and elements must close in order. */
#include "core/gateway/xml.h"

#include <string.h>

void xml_text(struct dynbuf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&')
            dynbuf_text(out, "&amp;");
        else if (c == '<')
            dynbuf_text(out, "&lt;");
        else if (c == '>')
            dynbuf_text(out, "&gt;");
        else if (c == '"')
            dynbuf_text(out, "&quot;");
        else if (c < 0x20 || c == 0x7f)
            dynbuf_printf(out, "&#x%X;", c);
        else
            dynbuf_u8(out, c);
    }
}

void xml_element(struct dynbuf *out, const char *name, const char *text)
{
    dynbuf_printf(out, "<%s>", name);
    xml_text(out, text);
    dynbuf_printf(out, "</%s>", name);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void xml_read(struct xml_reader *reader, const void *data, size_t len)
{
    *reader = (struct xml_reader){ .p = data, .end = (const char *)data + len };
    if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
        reader->p += 3;
    while (reader->p < reader->end && is_space(*reader->p))
        reader->p++;
    if (reader->end - reader->p >= 5 && memcmp(reader->p, "<?xml", 5) == 0) {
        const char *close = memchr(reader->p, '>', (size_t)(reader->end - reader->p));
        reader->p = close ? close + 1 : reader->end;
    }
}

bool xml_is(const struct xml_reader *reader, const char *name)
{
    return strlen(name) == reader->name_len && memcmp(name, reader->name, reader->name_len) == 0;
}

/* UTF-8 of a code point; 0 if there is none. */
static size_t utf8(char out[4], uint32_t c)
{
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
    return n;
}

/* The reference in name[0..n), without '&' and ';'. */
static size_t reference(char out[4], const char *name, size_t n)
{
    static const struct {
        const char *name;
        char c;
    } known[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' }, { "apos", '\'' } };
    uint32_t c = 0, base = 10;
    if (n >= 2 && name[0] == '#') {
        size_t i = 1;
        if (name[1] == 'x') {
            base = 16;
            i = 2;
        }
        if (i == n)
            return 0;
        for (; i < n; i++) {
            static const char digits[] = "0123456789abcdef";
            const char *d = name[i] ? strchr(digits, name[i] >= 'A' && name[i] <= 'F'
                                                         ? name[i] | 0x20 : name[i]) : NULL;
            if (!d || (uint32_t)(d - digits) >= base || c > 0x10ffff)
                return 0;
            c = c * base + (uint32_t)(d - digits);
        }
        return utf8(out, c);
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i].name) == n && memcmp(known[i].name, name, n) == 0) {
            out[0] = known[i].c;
            return 1;
        }
    return 0;
}

static enum xml_kind read_text(struct xml_reader *reader)
{
    size_t len = 0;
    while (reader->p < reader->end && *reader->p != '<') {
        char bytes[4] = { *reader->p };
        size_t n = 1;
        if (*reader->p == '&') {
            size_t room = (size_t)(reader->end - reader->p);
            const char *stop = memchr(reader->p, ';', room < 12 ? room : 12);
            if (!stop)
                return XML_BAD;
            n = reference(bytes, reader->p + 1, (size_t)(stop - reader->p - 1));
            reader->p = stop;
        }
        if (!n || !bytes[0] || len + n >= sizeof reader->text)
            return XML_BAD;
        memcpy(reader->text + len, bytes, n);
        len += n;
        reader->p++;
    }
    reader->text[len] = 0;
    return XML_TEXT;
}

static enum xml_kind close_element(struct xml_reader *reader)
{
    unsigned top = reader->depth - 1;
    if (reader->depth == 0 || reader->open_len[top] != reader->name_len ||
        memcmp(reader->open[top], reader->name, reader->name_len) != 0)
        return XML_BAD;
    reader->depth--;
    return XML_CLOSE;
}

/* Behind the '<' of a tag. */
static enum xml_kind read_tag(struct xml_reader *reader)
{
    bool closing = reader->p < reader->end && *reader->p == '/', self;
    const char *stop, *p, *colon;
    reader->p += closing;
    stop = memchr(reader->p, '>', (size_t)(reader->end - reader->p));
    if (!stop || stop == reader->p || *reader->p == '!' || *reader->p == '?')
        return XML_BAD;
    self = !closing && stop[-1] == '/';
    for (p = reader->p; p < stop && !is_space(*p) && *p != '/'; p++)
        if (*p == '<' || *p == '&')
            return XML_BAD;
    colon = memchr(reader->p, ':', (size_t)(p - reader->p));
    reader->name = colon ? colon + 1 : reader->p;
    reader->name_len = (size_t)(p - reader->name);
    reader->p = stop + 1;
    if (!reader->name_len)
        return XML_BAD;
    if (closing)
        return close_element(reader);
    if (reader->depth == XML_DEPTH_MAX)
        return XML_BAD;
    reader->open[reader->depth] = reader->name;
    reader->open_len[reader->depth++] = reader->name_len;
    reader->closing = self;
    return XML_OPEN;
}

enum xml_kind xml_next(struct xml_reader *reader)
{
    if (reader->closing) {
        reader->closing = false;
        return close_element(reader);
    }
    if (reader->depth == 0)
        while (reader->p < reader->end && is_space(*reader->p))
            reader->p++;
    if (reader->p == reader->end)
        return reader->depth ? XML_BAD : XML_END;
    if (*reader->p != '<')
        return reader->depth ? read_text(reader) : XML_BAD;
    reader->p++;
    return read_tag(reader);
}
