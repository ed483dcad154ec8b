/* SPDX-License-Identifier: Apache-2.0 */
/* list.c - ListObjectsV2. A continuation token is the last key or common prefix of the page before
 * it, in hex behind a letter that tells which: nothing is kept between pages. */
#include "core/base/text.h"
#include "core/gateway/s3.h"
#include "core/gateway/xml.h"

#include <stdlib.h>

#define KEYS_MAX 1000u
#define TOKEN_MAX (2 * KEY_MAX + 1)

struct list {
    struct exchange *x;
    struct store_walk walk;
    const char *delimiter, *start;
    bool encode;
    unsigned max, n;
    bool truncated;
    char last[KEY_MAX + 1]; /* put last */
    bool last_is_prefix;
    struct dynbuf contents, prefixes;
};

static void put_name(struct list *list, struct dynbuf *out, const char *element, const char *text)
{
    struct dynbuf encoded = DYNBUF_INIT(3 * HTTP_TARGET_MAX);
    if (list->encode) {
        uri_encode(&encoded, text, strlen(text), true);
        text = encoded.data ? (const char *)encoded.data : "";
    }
    xml_element(out, element, text);
    dynbuf_free(&encoded);
}

/* The end of the common prefix of a key; 0 if it has none. */
static size_t prefix_end(const struct list *list, const char *key)
{
    const char *found;
    if (!*list->delimiter)
        return 0;
    found = strstr(key + strlen(list->walk.prefix), list->delimiter);
    return found ? (size_t)(found - key) + strlen(list->delimiter) : 0;
}

static void put_entry(struct list *list, const struct store_entry *entry)
{
    struct dynbuf *out = &list->contents;
    char time[32], etag[52];
    const char *class = entry->meta->storage_class;
    dynbuf_text(out, "<Contents>");
    put_name(list, out, "Key", entry->key);
    xml_element(out, "LastModified", s3_time(time, entry->modified_s));
    if (*entry->meta->etag)
        snprintf(etag, sizeof etag, "\"%s\"", entry->meta->etag);
    else
        snprintf(etag, sizeof etag, "\"%llx-%llx\"", (unsigned long long)entry->modified_s,
                 (unsigned long long)entry->size);
    xml_element(out, "ETag", etag);
    dynbuf_printf(out, "<Size>%llu</Size>", (unsigned long long)entry->size);
    xml_element(out, "StorageClass", *class ? class : "STANDARD");
    dynbuf_text(out, "</Contents>");
}

static int visit(void *ud, const struct store_entry *entry)
{
    struct list *list = ud;
    size_t end = prefix_end(list, entry->key);
    if (list->n == list->max) {
        list->truncated = true;
        return 1;
    }
    list->n++;
    memcpy(list->last, entry->key, strlen(entry->key) + 1);
    list->last_is_prefix = end != 0;
    if (!end) {
        put_entry(list, entry);
        return 0;
    }
    list->last[end] = 0;
    memcpy(list->walk.after, list->last, end + 1);
    list->walk.after_all = true;
    dynbuf_text(&list->prefixes, "<CommonPrefixes>");
    put_name(list, &list->prefixes, "Prefix", list->last);
    dynbuf_text(&list->prefixes, "</CommonPrefixes>");
    return 0;
}

static bool parse_token(struct list *list, const char *token)
{
    size_t n = strlen(token);
    if (n < 3 || n % 2 == 0 || n > TOKEN_MAX || (token[0] != 'k' && token[0] != 'p') ||
        !text_unhex(list->walk.after, n / 2, token + 1))
        return false;
    list->walk.after[n / 2] = 0;
    list->walk.after_all = token[0] == 'p';
    return true;
}

static bool parse(struct list *list)
{
    const struct uri_query *query = &list->x->query;
    const char *encoding = uri_get(query, "encoding-type"), *max = uri_get(query, "max-keys");
    const char *token = uri_get(query, "continuation-token"), *prefix = uri_get(query, "prefix");
    const char *type = uri_get(query, "list-type");
    uint64_t number = KEYS_MAX;
    list->walk.prefix = prefix ? prefix : "";
    list->start = uri_get(query, "start-after");
    list->delimiter = uri_get(query, "delimiter") ? uri_get(query, "delimiter") : "";
    list->encode = encoding != NULL;
    if (!type || strcmp(type, "2") != 0 || (encoding && strcmp(encoding, "url") != 0) ||
        (max && !text_parse_u64(&number, max, INT32_MAX)) || strlen(list->walk.prefix) > KEY_MAX)
        return false;
    list->max = number < KEYS_MAX ? (unsigned)number : KEYS_MAX;
    if (token)
        return parse_token(list, token);
    return !list->start || text_copy(list->walk.after, sizeof list->walk.after, list->start);
}

static void put_head(struct list *list, struct dynbuf *out)
{
    const char *token = uri_get(&list->x->query, "continuation-token");
    xml_element(out, "Name", list->x->bucket);
    put_name(list, out, "Prefix", list->walk.prefix);
    if (*list->delimiter)
        put_name(list, out, "Delimiter", list->delimiter);
    if (list->encode)
        xml_element(out, "EncodingType", "url");
    if (token)
        xml_element(out, "ContinuationToken", token);
    if (list->start)
        put_name(list, out, "StartAfter", list->start);
    dynbuf_printf(out, "<MaxKeys>%u</MaxKeys><KeyCount>%u</KeyCount><IsTruncated>%s</IsTruncated>",
                  list->max, list->n, list->truncated ? "true" : "false");
    if (list->truncated) {
        char hex[TOKEN_MAX];
        text_hex(hex, list->last, strlen(list->last));
        dynbuf_printf(out, "<NextContinuationToken>%c%s</NextContinuationToken>",
                      list->last_is_prefix ? 'p' : 'k', hex);
    }
}

static void reply(struct list *list)
{
    struct exchange *x = list->x;
    struct dynbuf *out = s3_document(x, "ListBucketResult");
    put_head(list, out);
    if (list->contents.len)
        dynbuf_add(out, list->contents.data, list->contents.len);
    if (list->prefixes.len)
        dynbuf_add(out, list->prefixes.data, list->prefixes.len);
    out->failed = out->failed || list->contents.failed || list->prefixes.failed;
    s3_document_end(x, "ListBucketResult");
}

void list_objects(struct exchange *x)
{
    struct ds_error err = DS_ERROR_INIT;
    struct list *list = calloc(1, sizeof *list);
    if (!list) {
        s3_error(x, "InternalError", NULL);
        return;
    }
    list->x = x;
    list->contents.max = list->prefixes.max = GATEWAY_DOCUMENT_MAX;
    list->walk.visit = visit;
    list->walk.ud = list;
    if (!parse(list)) {
        s3_error(x, "InvalidArgument", NULL);
    } else {
        /* A page of none is whole: there is no key to go on from. */
        int rc = list->max ? x->config->store->ops->walk(x->config->store, x->bucket, &list->walk,
                                                         &err)
                           : x->config->store->ops->bucket(x->config->store, x->bucket, &err);
        if (rc)
            s3_store_error(x, rc, &err);
        else
            reply(list);
    }
    dynbuf_free(&list->contents);
    dynbuf_free(&list->prefixes);
    free(list);
}
