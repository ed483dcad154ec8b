/* SPDX-License-Identifier: Apache-2.0 */
/* lock.c - Object Lock: what headers and documents ask for, and what an object has. */
#include "core/base/text.h"
#include "core/gateway/s3.h"
#include "core/gateway/xml.h"

static bool is_mode(const char *text)
{
    return strcmp(text, "GOVERNANCE") == 0 || strcmp(text, "COMPLIANCE") == 0;
}

bool lock_headers(struct exchange *x, struct meta *out)
{
    const char *mode = http_header(&x->http, "x-amz-object-lock-mode");
    const char *until = http_header(&x->http, "x-amz-object-lock-retain-until-date");
    const char *hold = http_header(&x->http, "x-amz-object-lock-legal-hold");
    if (!mode != !until || (mode && !is_mode(mode)) ||
        (hold && strcmp(hold, "ON") != 0 && strcmp(hold, "OFF") != 0) ||
        (until && !s3_parse_time(&out->retain_until_s, until))) {
        s3_error(x, "InvalidArgument", "The lock headers are wrong or incomplete.");
        return false;
    }
    if (until && out->retain_until_s <= s3_now(x)) {
        s3_error(x, "InvalidArgument", "The retain until date must be in the future.");
        return false;
    }
    if (mode)
        text_copy(out->lock_mode, sizeof out->lock_mode, mode);
    out->legal_hold = hold && strcmp(hold, "ON") == 0;
    return true;
}

/* Opens the object to see its lock. */
static bool read_lock(struct exchange *x, struct meta *out)
{
    struct ds_error err = DS_ERROR_INIT;
    struct store_object object;
    int rc = x->config->store->ops->open(x->config->store, x->bucket, x->key, &object, &err);
    if (rc) {
        s3_store_error(x, rc, &err);
        return false;
    }
    *out = object.meta;
    x->config->store->ops->close(x->config->store, &object);
    return true;
}

static void write_lock(struct exchange *x, const struct meta *lock, bool hold)
{
    struct ds_error err = DS_ERROR_INIT;
    int rc = x->config->store->ops->lock(x->config->store, x->bucket, x->key, lock, hold,
                                         s3_guard(x), &err);
    if (rc)
        s3_store_error(x, rc, &err);
    else
        x->reply.status = 200;
}

/* The text of two elements of a flat document; a[0] and b[0] stay 0 where one is absent. */
static bool read_document(struct exchange *x, const char *name_a, char a[64], const char *name_b,
                          char b[64])
{
    struct xml_reader reader;
    enum xml_kind kind;
    char *into = NULL;
    a[0] = b[0] = 0;
    xml_read(&reader, x->document.data, x->document.len);
    while ((kind = xml_next(&reader)) != XML_END && kind != XML_BAD) {
        if (kind == XML_OPEN)
            into = reader.depth != 2 ? NULL : xml_is(&reader, name_a) ? a :
                   xml_is(&reader, name_b) ? b : NULL;
        else if (kind == XML_CLOSE)
            into = NULL;
        else if (into && !text_copy(into, 64, reader.text))
            return false;
    }
    return kind == XML_END;
}

void lock_put_retention(struct exchange *x)
{
    struct meta lock = { .retain_until_s = 0 };
    char mode[64], until[64];
    if (!read_document(x, "Mode", mode, "RetainUntilDate", until) || !is_mode(mode)) {
        s3_error(x, "MalformedXML", NULL);
        return;
    }
    text_copy(lock.lock_mode, sizeof lock.lock_mode, mode);
    if (!s3_parse_time(&lock.retain_until_s, until) || lock.retain_until_s <= s3_now(x))
        s3_error(x, "InvalidArgument", "The retain until date must be in the future.");
    else
        write_lock(x, &lock, false);
}

void lock_get_retention(struct exchange *x)
{
    struct meta lock;
    char time[32];
    if (!read_lock(x, &lock))
        return;
    if (!*lock.lock_mode) {
        s3_error(x, "NoSuchObjectLockConfiguration", NULL);
        return;
    }
    struct dynbuf *body = s3_document(x, "Retention");
    xml_element(body, "Mode", lock.lock_mode);
    xml_element(body, "RetainUntilDate", s3_time(time, lock.retain_until_s));
    s3_document_end(x, "Retention");
}

void lock_put_hold(struct exchange *x)
{
    struct meta lock = { .retain_until_s = 0 };
    char status[64], none[64];
    if (!read_document(x, "Status", status, "-", none) ||
        (strcmp(status, "ON") != 0 && strcmp(status, "OFF") != 0)) {
        s3_error(x, "MalformedXML", NULL);
        return;
    }
    lock.legal_hold = strcmp(status, "ON") == 0;
    write_lock(x, &lock, true);
}

void lock_get_hold(struct exchange *x)
{
    struct meta lock;
    if (!read_lock(x, &lock))
        return;
    struct dynbuf *body = s3_document(x, "LegalHold");
    xml_element(body, "Status", lock.legal_hold ? "ON" : "OFF");
    s3_document_end(x, "LegalHold");
}
