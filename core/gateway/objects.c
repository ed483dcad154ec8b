/* SPDX-License-Identifier: Apache-2.0 */
/* objects.c - requests about one object: put, get, head, delete. */
#include "core/base/text.h"
#include "core/gateway/s3.h"

#define PUT_MAX (UINT64_C(5) << 30) /* as S3 has it */

/* ---- put ---- */

static void describe_user(struct exchange *x)
{
    size_t len = 0, counted = 0;
    for (size_t i = 0; i < x->http.n; i++) {
        const struct http_header *h = &x->http.headers[i];
        if (strncmp(h->name, "x-amz-meta-", 11) != 0)
            continue;
        size_t name = strlen(h->name + 11), value = strlen(h->value);
        counted += name + value;
        if (counted > META_USER_MAX || len + name + value + 3 > sizeof x->meta.user) {
            s3_error(x, "MetadataTooLarge", NULL);
            return;
        }
        len += (size_t)snprintf(x->meta.user + len, sizeof x->meta.user - len, "%s:%s\n",
                                h->name + 11, h->value);
    }
}

void object_describe(struct exchange *x)
{
    static const char *const classes[] = { "STANDARD", "STANDARD_IA" };
    const char *class = http_header(&x->http, "x-amz-storage-class");
    const char *type = http_header(&x->http, "content-type");
    bool known = !class;
    for (size_t i = 0; class && i < sizeof classes / sizeof classes[0]; i++)
        known = known || strcmp(class, classes[i]) == 0;
    if (!known) {
        s3_error(x, "InvalidStorageClass", NULL);
        return;
    }
    if (class && strcmp(class, "STANDARD") != 0)
        text_copy(x->meta.storage_class, sizeof x->meta.storage_class, class);
    if (type)
        text_copy(x->meta.type, sizeof x->meta.type, type);
    if (lock_headers(x, &x->meta))
        describe_user(x);
}

bool object_check_condition(struct exchange *x)
{
    const char *absent = http_header(&x->http, "if-none-match");
    if ((absent && strcmp(absent, "*") != 0) || http_header(&x->http, "if-match"))
        s3_error(x, "NotImplemented", "The only condition on a write is If-None-Match: *");
    return !s3_done(x);
}

void object_take_body(struct exchange *x)
{
    struct ds_error err = DS_ERROR_INIT;
    uint64_t max = x->config->object_max ? x->config->object_max : PUT_MAX;
    if (!x->http.has_length) {
        s3_error(x, "MissingContentLength", NULL);
        return;
    }
    if (x->http.length > max) {
        s3_error(x, "EntityTooLarge", NULL);
        return;
    }
    int rc = x->config->store->ops->put(x->config->store, x->bucket, &x->put, &err);
    if (rc == DS_ENOENT)
        s3_error(x, "NoSuchBucket", NULL);
    else if (rc)
        s3_store_error(x, rc, &err);
    else
        x->putting = true;
}

void object_put_begin(struct exchange *x)
{
    char path[KEY_PATH_MAX];
    if (!key_to_path(path, x->key)) {
        s3_error(x, "KeyTooLongError", NULL);
        return;
    }
    if (object_check_condition(x))
        object_describe(x);
    if (!s3_done(x) && *x->meta.lock_mode && !s3_has_digest(x))
        s3_error(x, "InvalidRequest", "Content-MD5 or a checksum is required with a lock.");
    if (!s3_done(x))
        object_take_body(x);
}

void object_etag(struct exchange *x, const char *etag)
{
    char text[48];
    text_copy(text, sizeof text, etag);
    if (x->fault.action == FAULT_WRONG_ETAG && *text)
        text[0] = text[0] == '0' ? '1' : '0';
    s3_header(x, "ETag", "\"%s\"", text);
}

void object_put(struct exchange *x)
{
    struct ds_error err = DS_ERROR_INIT;
    x->putting = false; /* commit ends it, however it goes */
    int rc = x->config->store->ops->commit(x->config->store, &x->put, x->key, &x->meta,
                                           s3_guard(x), &err);
    if (rc) {
        s3_store_error(x, rc, &err);
        return;
    }
    object_etag(x, x->meta.etag);
    if (*x->meta.sha256)
        s3_header(x, "x-amz-checksum-sha256", "%s", x->meta.sha256);
    x->reply.status = 200;
}

/* ---- get and head ---- */

enum range { RANGE_NONE, RANGE_GOOD, RANGE_BAD };

/* bytes=A-B, bytes=A- and bytes=-N. What is no single range is passed over, as HTTP says. */
static enum range parse_range(const char *text, uint64_t size, uint64_t *from, uint64_t *length)
{
    char first[24], last[24];
    uint64_t a, b;
    if (!text || strncmp(text, "bytes=", 6) != 0)
        return RANGE_NONE;
    const char *dash = strchr(text + 6, '-');
    if (!dash || dash - (text + 6) >= (ptrdiff_t)sizeof first)
        return RANGE_NONE;
    memcpy(first, text + 6, (size_t)(dash - (text + 6)));
    first[dash - (text + 6)] = 0;
    if (!text_copy(last, sizeof last, dash + 1))
        return RANGE_NONE;
    if (!*first) {
        if (!text_parse_u64(&b, last, UINT64_MAX))
            return RANGE_NONE;
        *length = b < size ? b : size;
        *from = size - *length;
        return *length ? RANGE_GOOD : RANGE_BAD;
    }
    if (!text_parse_u64(&a, first, UINT64_MAX))
        return RANGE_NONE;
    if (!*last)
        b = UINT64_MAX;
    else if (!text_parse_u64(&b, last, UINT64_MAX) || b < a)
        return RANGE_NONE;
    if (a >= size)
        return RANGE_BAD;
    *from = a;
    *length = (b < size ? b : size - 1) - a + 1;
    return RANGE_GOOD;
}

static bool etag_matches(const char *list, const char *etag)
{
    char quoted[52];
    snprintf(quoted, sizeof quoted, "\"%s\"", etag);
    return strcmp(list, "*") == 0 || strcmp(list, etag) == 0 || strstr(list, quoted);
}

static void object_headers(struct exchange *x, const char *etag)
{
    const struct store_object *object = &x->reply.object;
    const struct meta *meta = &object->meta;
    const char *mode = http_header(&x->http, "x-amz-checksum-mode");
    char time[32];
    object_etag(x, etag);
    s3_header(x, "Last-Modified", "%s", s3_http_date(time, object->modified_s));
    s3_header(x, "Content-Type", "%s", *meta->type ? meta->type : "binary/octet-stream");
    s3_header(x, "Accept-Ranges", "bytes");
    if (*meta->storage_class)
        s3_header(x, "x-amz-storage-class", "%s", meta->storage_class);
    if (*meta->lock_mode) {
        s3_header(x, "x-amz-object-lock-mode", "%s", meta->lock_mode);
        s3_header(x, "x-amz-object-lock-retain-until-date", "%s",
                  s3_time(time, meta->retain_until_s));
    }
    if (meta->legal_hold)
        s3_header(x, "x-amz-object-lock-legal-hold", "ON");
    if (*meta->sha256 && mode && strcmp(mode, "ENABLED") == 0 && !http_header(&x->http, "range"))
        s3_header(x, "x-amz-checksum-sha256", "%s", meta->sha256);
    for (const char *p = meta->user; *p;) {
        size_t n = strcspn(p, "\n"), name = strcspn(p, ":");
        char header[256];
        snprintf(header, sizeof header, "x-amz-meta-%.*s", (int)name, p);
        s3_header(x, header, "%.*s", (int)(n - name - 1), p + name + 1);
        p += n + 1;
    }
}

static void object_send(struct exchange *x, const char *etag)
{
    struct s3_reply *reply = &x->reply;
    const char *match = http_header(&x->http, "if-match");
    const char *none = http_header(&x->http, "if-none-match");
    uint64_t size = reply->object.size;
    if (match && !etag_matches(match, etag)) {
        s3_error(x, "PreconditionFailed", NULL);
        return;
    }
    if (none && etag_matches(none, etag)) {
        object_etag(x, etag);
        reply->status = 304;
        reply->bodyless = true;
        return;
    }
    reply->length = size;
    switch (parse_range(http_header(&x->http, "range"), size, &reply->offset, &reply->length)) {
    case RANGE_NONE:
        reply->status = 200;
        break;
    case RANGE_BAD:
        s3_error(x, "InvalidRange", NULL);
        s3_header(x, "Content-Range", "bytes */%llu", (unsigned long long)size);
        return;
    case RANGE_GOOD:
        reply->status = 206;
        s3_header(x, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)reply->offset,
                  (unsigned long long)(reply->offset + reply->length - 1),
                  (unsigned long long)size);
        break;
    }
    object_headers(x, etag);
}

void object_get(struct exchange *x)
{
    struct ds_error err = DS_ERROR_INIT;
    struct store *store = x->config->store;
    struct store_object *object = &x->reply.object;
    char made_up[48];
    int rc = store->ops->bucket(store, x->bucket, &err);
    if (rc == DS_ENOENT) {
        s3_error(x, "NoSuchBucket", NULL);
        return;
    }
    rc = store->ops->open(store, x->bucket, x->key, object, &err);
    if (rc) {
        s3_store_error(x, rc == DS_EINVAL ? DS_ENOENT : rc, &err);
        return;
    }
    /* An object that came here by other means: the '-' tells that this is no MD5. */
    snprintf(made_up, sizeof made_up, "%llx-%llx", (unsigned long long)object->modified_s,
             (unsigned long long)object->size);
    object_send(x, *object->meta.etag ? object->meta.etag : made_up);
    if (x->reply.bodyless || x->reply.status >= 300)
        store->ops->close(store, object);
}

/* ---- delete ---- */

void object_remove(struct exchange *x)
{
    struct ds_error err = DS_ERROR_INIT;
    struct store *store = x->config->store;
    int rc = store->ops->bucket(store, x->bucket, &err);
    if (rc == DS_ENOENT) {
        s3_error(x, "NoSuchBucket", NULL);
        return;
    }
    rc = store->ops->remove(store, x->bucket, x->key, s3_guard(x), &err);
    if (rc) {
        s3_store_error(x, rc, &err);
        return;
    }
    x->reply.status = 204;
    x->reply.bodyless = true;
}
