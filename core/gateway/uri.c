/* SPDX-License-Identifier: Apache-2.0 */
/* uri.c - see uri.h. */
#include "core/gateway/uri.h"

#include "core/base/text.h"

#include <string.h>

int uri_decode(char *out, const char *in, size_t n, bool form)
{
    int len = 0;
    for (size_t i = 0; i < n; i++) {
        char c = in[i];
        if (c == '%') {
            char hex[3] = { 0 };
            if (n - i < 3)
                return -1;
            memcpy(hex, in + i + 1, 2);
            if (!text_unhex(&c, 1, hex))
                return -1;
            i += 2;
        } else if (c == '+' && form) {
            c = ' ';
        }
        if (!c)
            return -1;
        out[len++] = c;
    }
    out[len] = 0;
    return len;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.' || c == '~';
}

void uri_encode(struct dynbuf *out, const char *data, size_t n, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)data[i];
        if (is_unreserved(data[i]) || (c == '/' && keep_slash)) {
            dynbuf_u8(out, c);
        } else {
            const char escape[3] = { '%', digits[c >> 4], digits[c & 15] };
            dynbuf_add(out, escape, 3);
        }
    }
}

bool uri_parse_query(struct uri_query *out, const char *query)
{
    char *text = out->text;
    out->n = 0;
    if (strlen(query) > URI_QUERY_MAX)
        return false;
    while (*query) {
        size_t n = strcspn(query, "&"), name = 0;
        if (n) {
            struct uri_parameter *p;
            int got;
            if (out->n == URI_PARAMETERS_MAX)
                return false;
            p = &out->parameters[out->n++];
            while (name < n && query[name] != '=')
                name++;
            p->name = text;
            if ((got = uri_decode(text, query, name, true)) < 0)
                return false;
            text += got + 1;
            p->value = text;
            if (name < n)
                name++;
            if ((got = uri_decode(text, query + name, n - name, true)) < 0)
                return false;
            text += got + 1;
        }
        query += n;
        query += *query == '&';
    }
    return true;
}

const char *uri_get(const struct uri_query *query, const char *name)
{
    for (size_t i = 0; i < query->n; i++)
        if (strcmp(query->parameters[i].name, name) == 0)
            return query->parameters[i].value;
    return NULL;
}
