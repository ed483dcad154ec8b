/* SPDX-License-Identifier: Apache-2.0 */
/* url.c - see url.h. libcurl's own URL parser takes the endpoint apart, so that what it later
 * connects to is what was understood here. */
#include "url.h"

#include <curl/curl.h>
#include <stdlib.h>

static bool part(CURLU *url, CURLUPart what, char *out, size_t size)
{
    char *text = NULL;
    out[0] = 0;
    if (curl_url_get(url, what, &text, 0) != CURLUE_OK)
        return true;
    bool fits = str_copy(out, size, text);
    curl_free(text);
    return fits;
}

static bool all_of(const char *text, const char *allowed)
{
    return text[strspn(text, allowed)] == 0;
}

static const char *take_apart(struct endpoint *endpoint, CURLU *url, const char *text)
{
    char scheme[16], host[200], port[8], path[8], more[8];
    if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK)
        return "is no URL: write https://HOST or https://HOST:PORT";
    if (!part(url, CURLUPART_SCHEME, scheme, sizeof scheme) ||
        (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0))
        return "begins neither with https:// nor with http://";
    if (!part(url, CURLUPART_USER, more, sizeof more) || more[0])
        return "has a user in it: name keys by access_key and secret_key";
    if (!part(url, CURLUPART_QUERY, more, sizeof more) || more[0] ||
        !part(url, CURLUPART_FRAGMENT, more, sizeof more) || more[0] ||
        !part(url, CURLUPART_PATH, path, sizeof path) || (path[0] && strcmp(path, "/") != 0))
        return "has a path: write the host alone, and the bucket as `bucket`";
    if (!part(url, CURLUPART_HOST, host, sizeof host) || !host[0] || str_contains(host, "%"))
        return "has no host, or one that is too long";
    part(url, CURLUPART_PORT, port, sizeof port);
    endpoint->secure = strcmp(scheme, "https") == 0;
    endpoint->is_address = host[0] == '[' || all_of(host, "0123456789.");
    bool own = !port[0] || strcmp(port, endpoint->secure ? "443" : "80") == 0;
    snprintf(endpoint->host, sizeof endpoint->host, "%s%s%s", host, own ? "" : ":",
             own ? "" : port);
    return NULL;
}

int endpoint_parse(struct endpoint *endpoint, const char *text, struct ds_error *err)
{
    CURLU *url = curl_url();
    memset(endpoint, 0, sizeof *endpoint);
    if (!url)
        return ds_fail(err, DS_ENOMEM, "no memory to read the endpoint");
    const char *wrong = take_apart(endpoint, url, text);
    curl_url_cleanup(url);
    /* Not the text itself where it may hold a password. */
    if (wrong && str_contains(text, "@"))
        return ds_fail(err, DS_EINVAL, "endpoint %s", wrong);
    return wrong ? ds_fail(err, DS_EINVAL, "endpoint \"%.200s\" %s", text, wrong) : DS_OK;
}

void endpoint_text(char *out, size_t size, const struct endpoint *endpoint)
{
    snprintf(out, size, "%s://%s", endpoint->secure ? "https" : "http", endpoint->host);
}

bool endpoint_is_aws(const struct endpoint *endpoint)
{
    return str_ends(endpoint->host, ".amazonaws.com") ||
           str_ends(endpoint->host, ".amazonaws.com.cn");
}

bool endpoint_same_service(const struct endpoint *from, const struct endpoint *to)
{
    if (from->secure != to->secure)
        return false;
    if (str_same(from->host, to->host))
        return true;
    return endpoint_is_aws(from) && endpoint_is_aws(to) &&
           str_ends(from->host, ".cn") == str_ends(to->host, ".cn");
}

bool endpoint_region(const struct endpoint *endpoint, char *out, size_t size)
{
    const char *p = endpoint->host;
    if (!endpoint_is_aws(endpoint) || strncmp(p, "s3.", 3) != 0)
        return false;
    p += strncmp(p, "s3.dualstack.", 13) == 0 ? 13 : 3;
    size_t n = strcspn(p, ".");
    if (n == 0 || n >= size || strncmp(p, "amazonaws", n) == 0)
        return false;
    memcpy(out, p, n);
    out[n] = 0;
    return true;
}

/* ---- encoding ---- */

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.' || c == '_' || c == '~';
}

void url_encode(struct strbuf *out, const char *text, bool keep_slash)
{
    for (; *text; text++) {
        if (is_unreserved(*text) || (keep_slash && *text == '/'))
            strbuf_add(out, text, 1);
        else
            strbuf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool url_decode(char *text)
{
    char *out = text;
    for (; *text; text++) {
        char c = *text;
        if (c == '%') {
            int high = digit(text[1]), low = high < 0 ? -1 : digit(text[2]);
            if (low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high << 4 | low);
            text += 2;
        }
        *out++ = c;
    }
    *out = 0;
    return true;
}

/* ---- queries ---- */

void query_add(struct query *query, const char *name, const char *value)
{
    if (query->n == QUERY_MAX)
        return;
    query->pairs[query->n].name = name;
    query->pairs[query->n++].value = value;
}

static int by_name(const void *a, const void *b)
{
    const struct query_pair *pa = a, *pb = b;
    return strcmp(pa->name, pb->name);
}

/* Names that we send are unreserved: their order is the order of their encoded forms. */
void query_text(struct strbuf *out, struct query *query)
{
    qsort(query->pairs, query->n, sizeof query->pairs[0], by_name);
    for (size_t i = 0; i < query->n; i++) {
        if (i)
            strbuf_text(out, "&");
        url_encode(out, query->pairs[i].name, false);
        strbuf_text(out, "=");
        url_encode(out, query->pairs[i].value, false);
    }
}

void url_place(char host[URL_HOST_MAX], struct strbuf *path, const struct endpoint *endpoint,
               const char *bucket, bool virtual_hosted, const char *key)
{
    if (virtual_hosted) {
        snprintf(host, URL_HOST_MAX, "%s.%s", bucket, endpoint->host);
    } else {
        str_copy(host, URL_HOST_MAX, endpoint->host);
        strbuf_text(path, "/");
        url_encode(path, bucket, false);
    }
    if (key[0] || virtual_hosted)
        strbuf_text(path, "/");
    url_encode(path, key, true);
}
