/* SPDX-License-Identifier: Apache-2.0 */
/* batch.c - DeleteObjects: up to 1000 keys in one request, each with an answer of its own. The
 * document must be whole and right before the first key is removed. */
#include "core/base/text.h"
#include "core/gateway/s3.h"
#include "core/gateway/xml.h"

#define KEYS_MAX 1000u

struct batch {
    struct exchange *x;
    struct dynbuf keys; /* one after another, each with its zero */
    unsigned n;
    bool quiet;
};

/* The text of the element just opened, up to its end. */
static bool element_text(struct xml_reader *reader, char *out, size_t cap)
{
    unsigned depth = reader->depth;
    *out = 0;
    enum xml_kind kind = xml_next(reader);
    if (kind == XML_TEXT) {
        if (!text_copy(out, cap, reader->text))
            return false;
        kind = xml_next(reader);
    }
    return kind == XML_CLOSE && reader->depth == depth - 1;
}

static bool parse_object(struct batch *batch, struct xml_reader *reader)
{
    char key[KEY_MAX + 1];
    bool found = false;
    enum xml_kind kind;
    while ((kind = xml_next(reader)) != XML_CLOSE || reader->depth != 1) {
        if (kind == XML_END || kind == XML_BAD)
            return false;
        if (kind != XML_OPEN)
            continue;
        if (!xml_is(reader, "Key") || found || !element_text(reader, key, sizeof key) || !*key)
            return false; /* a version, say: not passed over, or the wrong thing were removed */
        found = true;
    }
    if (!found || batch->n++ == KEYS_MAX)
        return false;
    dynbuf_add(&batch->keys, key, strlen(key) + 1);
    return true;
}

static bool parse(struct batch *batch)
{
    struct xml_reader reader;
    enum xml_kind kind;
    char text[8];
    xml_read(&reader, batch->x->document.data, batch->x->document.len);
    if (xml_next(&reader) != XML_OPEN || !xml_is(&reader, "Delete"))
        return false;
    while ((kind = xml_next(&reader)) != XML_END) {
        if (kind == XML_BAD)
            return false;
        if (kind != XML_OPEN)
            continue;
        if (xml_is(&reader, "Object")) {
            if (!parse_object(batch, &reader))
                return false;
        } else if (xml_is(&reader, "Quiet")) {
            if (!element_text(&reader, text, sizeof text))
                return false;
            batch->quiet = strcmp(text, "true") == 0;
        } else {
            return false;
        }
    }
    return batch->n > 0 && dynbuf_ok(&batch->keys);
}

static void remove_one(struct batch *batch, struct dynbuf *out, const char *key)
{
    struct ds_error err = DS_ERROR_INIT;
    struct exchange *x = batch->x;
    struct store *store = x->config->store;
    const char *code = NULL;
    int rc = DS_OK;
    if (!access_may(x->who, ACCESS_REMOVE, x->bucket, key))
        code = "AccessDenied";
    else
        rc = store->ops->remove(store, x->bucket, key, s3_guard(x), &err);
    if (rc)
        code = rc == DS_EPROTECTED ? "AccessDenied" : "InternalError";
    if (code) {
        dynbuf_text(out, "<Error>");
        xml_element(out, "Key", key);
        xml_element(out, "Code", code);
        xml_element(out, "Message", rc == DS_EPROTECTED ? "The object is locked." : code);
        dynbuf_text(out, "</Error>");
    } else if (!batch->quiet) {
        dynbuf_text(out, "<Deleted>");
        xml_element(out, "Key", key);
        dynbuf_text(out, "</Deleted>");
    }
}

void batch_remove(struct exchange *x)
{
    struct ds_error err = DS_ERROR_INIT;
    struct batch batch = { .x = x, .keys = DYNBUF_INIT(GATEWAY_DOCUMENT_MAX) };
    int rc = x->config->store->ops->bucket(x->config->store, x->bucket, &err);
    if (rc) {
        s3_store_error(x, rc, &err);
    } else if (!s3_has_digest(x)) {
        s3_error(x, "InvalidRequest", "Content-MD5 or a checksum is required.");
    } else if (!parse(&batch)) {
        s3_error(x, "MalformedXML", NULL);
    } else {
        struct dynbuf *out = s3_document(x, "DeleteResult");
        const char *key = (const char *)batch.keys.data;
        for (unsigned i = 0; i < batch.n; i++, key += strlen(key) + 1)
            remove_one(&batch, out, key);
        s3_document_end(x, "DeleteResult");
    }
    dynbuf_free(&batch.keys);
}
