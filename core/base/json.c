/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - see json.h. */
#include "core/base/json.h"

struct json json_to(struct dynbuf *out, bool pretty)
{
    return (struct json){ .out = out, .pretty = pretty, .empty = true };
}

/* Length of the valid UTF-8 sequence at s (RFC 3629), or 0. */
static size_t utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        return (s[1] & 0xc0) == 0x80 ? 2 : 0;
    if (s[0] >= 0xe0 && s[0] <= 0xef) {
        if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80)
            return 0;
        if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
            return 0;
        return 3;
    }
    if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80)
            return 0;
        if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
            return 0;
        return 4;
    }
    return 0;
}

static void write_string(struct dynbuf *out, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    dynbuf_u8(out, '"');
    while (*s) {
        size_t n = utf8_length(s);
        if (n == 0) {
            dynbuf_text(out, "\xef\xbf\xbd");
            n = 1;
        } else if (*s == '"' || *s == '\\') {
            dynbuf_printf(out, "\\%c", *s);
        } else if (*s < 0x20) {
            dynbuf_printf(out, "\\u%04x", *s);
        } else {
            dynbuf_add(out, s, n);
        }
        s += n;
    }
    dynbuf_u8(out, '"');
}

static void new_line(struct json *j)
{
    if (j->pretty) {
        dynbuf_u8(j->out, '\n');
        for (unsigned i = 0; i < j->depth; i++)
            dynbuf_text(j->out, "  ");
    }
}

static void begin_value(struct json *j, const char *key)
{
    if (!j->empty)
        dynbuf_u8(j->out, ',');
    if (j->depth)
        new_line(j);
    j->empty = false;
    if (key) {
        write_string(j->out, key);
        dynbuf_text(j->out, j->pretty ? ": " : ":");
    }
}

static void open_nest(struct json *j, const char *key, uint8_t bracket)
{
    begin_value(j, key);
    dynbuf_u8(j->out, bracket);
    j->depth++;
    j->empty = true;
}

static void close_nest(struct json *j, uint8_t bracket)
{
    j->depth--;
    if (!j->empty)
        new_line(j);
    dynbuf_u8(j->out, bracket);
    j->empty = false;
    if (j->depth == 0)
        dynbuf_u8(j->out, '\n');
}

void json_object(struct json *j, const char *key)
{
    open_nest(j, key, '{');
}

void json_object_end(struct json *j)
{
    close_nest(j, '}');
}

void json_array(struct json *j, const char *key)
{
    open_nest(j, key, '[');
}

void json_array_end(struct json *j)
{
    close_nest(j, ']');
}

void json_string(struct json *j, const char *key, const char *value)
{
    begin_value(j, key);
    if (value)
        write_string(j->out, value);
    else
        dynbuf_text(j->out, "null");
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
    begin_value(j, key);
    dynbuf_printf(j->out, "%llu", (unsigned long long)value);
}

void json_i64(struct json *j, const char *key, int64_t value)
{
    begin_value(j, key);
    dynbuf_printf(j->out, "%lld", (long long)value);
}

void json_double(struct json *j, const char *key, double value, int decimals)
{
    begin_value(j, key);
    dynbuf_printf(j->out, "%.*f", decimals, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
    begin_value(j, key);
    dynbuf_text(j->out, value ? "true" : "false");
}
