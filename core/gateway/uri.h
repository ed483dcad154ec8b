/* SPDX-License-Identifier: Apache-2.0 */
/* uri.h - percent encoding by RFC 3986, and the parameters of a query. */
#ifndef CORE_GATEWAY_URI_H
#define CORE_GATEWAY_URI_H

#include "core/base/dynbuf.h"

#define URI_PARAMETERS_MAX 32u
#define URI_QUERY_MAX 8192u

/* Decodes n bytes, with a zero behind them: out has room for n + 1. A '+' becomes a space where
 * `form` says so. Returns the length; -1 on a broken escape or a zero byte. */
int uri_decode(char *out, const char *in, size_t n, bool form);
/* Unreserved characters stay, and '/' where keep_slash says so; the rest becomes %XX. */
void uri_encode(struct dynbuf *out, const char *data, size_t n, bool keep_slash);

struct uri_parameter {
    const char *name, *value; /* decoded; a name without '=' has the value "" */
};
struct uri_query {
    struct uri_parameter parameters[URI_PARAMETERS_MAX];
    size_t n;
    char text[URI_QUERY_MAX + URI_PARAMETERS_MAX + 2];
};
/* False if it is too long, has too many parts or a broken escape. */
bool uri_parse_query(struct uri_query *out, const char *query);
/* NULL if it is not there. */
const char *uri_get(const struct uri_query *query, const char *name);

#endif
