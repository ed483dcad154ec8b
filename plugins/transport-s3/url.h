/* SPDX-License-Identifier: Apache-2.0 */
/* url.h - addresses: an endpoint, the encoding of RFC 3986 that signatures want, canonical queries,
 * and where a key lies by path and by virtual host. */
#ifndef TRANSPORT_S3_URL_H
#define TRANSPORT_S3_URL_H

#include "strbuf.h"

#define URL_HOST_MAX 256

struct endpoint {
    bool secure;
    bool is_address;            /* a number: has no names below it */
    char host[URL_HOST_MAX];    /* as the Host header has it: with the port unless it is the
                                   scheme's own, IPv6 in brackets */
};
/* "https://host[:port][/]"; DS_EINVAL with the reason. */
int endpoint_parse(struct endpoint *endpoint, const char *text, struct ds_error *err);
void endpoint_text(char *out, size_t size, const struct endpoint *endpoint);
/* A service of AWS itself, where buckets are names below the host. */
bool endpoint_is_aws(const struct endpoint *endpoint);
/* Whether a redirect from one to the other stays in the service that the user named. */
bool endpoint_same_service(const struct endpoint *from, const struct endpoint *to);
/* Region in a host name of AWS: "s3.eu-west-1.amazonaws.com"; false if there is none. */
bool endpoint_region(const struct endpoint *endpoint, char *out, size_t size);

/* Everything but the unreserved is %XX; '/' too, unless it is kept. */
void url_encode(struct strbuf *out, const char *text, bool keep_slash);
/* Undoes it in place ('+' stays); false if what is left is not well formed. */
bool url_decode(char *text);

#define QUERY_MAX 8
struct query {
    size_t n;
    struct query_pair {
        const char *name, *value;
    } pairs[QUERY_MAX];
};
void query_add(struct query *query, const char *name, const char *value);
/* Encoded and sorted: canonical. */
void query_text(struct strbuf *out, struct query *query);

/* Where a key of a bucket is: the Host header and the canonical path. Key "" is the bucket. */
void url_place(char host[URL_HOST_MAX], struct strbuf *path, const struct endpoint *endpoint,
               const char *bucket, bool virtual_hosted, const char *key);

#endif
