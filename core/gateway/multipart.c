/* SPDX-License-Identifier: Apache-2.0 */
/* multipart.c - objects that come in parts. The ETag of such an object is, as S3 has it, the MD5 of
 * the parts' MD5s and their number. */
#include "core/base/text.h"
#include "core/gateway/s3.h"
#include "core/gateway/xml.h"

#include <stdlib.h>

#define PART_MIN (UINT64_C(5) << 20)
#define LIST_MAX 1000u

static void upload_error(struct exchange *x, int rc, const struct ds_error *err)
{
    if (rc == DS_ENOENT)
        s3_error(x, "NoSuchUpload", NULL);
    else
        s3_store_error(x, rc, err);
}

void multipart_create_begin(struct exchange *x)
{
    char path[KEY_PATH_MAX];
    if (x->http.length)
        s3_error(x, "InvalidRequest", "This request has no body.");
    else if (!key_to_path(path, x->key))
        s3_error(x, "KeyTooLongError", NULL);
    else
        object_describe(x);
}

void multipart_create(struct exchange *x)
{
    struct ds_error err = DS_ERROR_INIT;
    struct store *store = x->config->store;
    char id[STORE_ID + 1];
    int rc = store->ops->upload_create(store, x->bucket, x->key, &x->meta, id, &err);
    if (rc == DS_ENOENT) {
        s3_error(x, "NoSuchBucket", NULL);
        return;
    }
    if (rc) {
        s3_store_error(x, rc, &err);
        return;
    }
    struct dynbuf *out = s3_document(x, "InitiateMultipartUploadResult");
    xml_element(out, "Bucket", x->bucket);
    xml_element(out, "Key", x->key);
    xml_element(out, "UploadId", id);
    s3_document_end(x, "InitiateMultipartUploadResult");
}

static bool part_number(const struct exchange *x, unsigned *out)
{
    const char *text = uri_get(&x->query, "partNumber");
    uint64_t number;
    if (!text || !text_parse_u64(&number, text, STORE_PARTS_MAX) || number == 0)
        return false;
    *out = (unsigned)number;
    return true;
}

void multipart_part_begin(struct exchange *x)
{
    unsigned number;
    if (!part_number(x, &number) || !uri_get(&x->query, "uploadId"))
        s3_error(x, "InvalidArgument", "The part number or the upload is missing or wrong.");
    else
        object_take_body(x);
}

void multipart_part(struct exchange *x)
{
    struct ds_error err = DS_ERROR_INIT;
    struct store *store = x->config->store;
    struct store_part part = { .size = x->put.size };
    part_number(x, &part.number);
    memcpy(part.etag, x->meta.etag, sizeof part.etag);
    x->putting = false; /* upload_part ends it, however it goes */
    int rc = store->ops->upload_part(store, &x->put, x->key, uri_get(&x->query, "uploadId"), &part,
                                     &err);
    if (rc) {
        upload_error(x, rc, &err);
        return;
    }
    object_etag(x, part.etag);
    x->reply.status = 200;
}

/* ---- complete ---- */

struct complete {
    struct exchange *x;
    struct store_part *asked; /* number and ETag as the client says */
    unsigned n;
};

static bool parse_field(struct xml_reader *reader, struct store_part *part)
{
    bool is_number = xml_is(reader, "PartNumber"), is_etag = xml_is(reader, "ETag");
    uint64_t number;
    enum xml_kind kind = xml_next(reader);
    if (kind == XML_CLOSE)
        return !is_number && !is_etag;
    if (kind != XML_TEXT)
        return false;
    if (is_number) {
        if (!text_parse_u64(&number, reader->text, STORE_PARTS_MAX))
            return false;
        part->number = (unsigned)number;
    } else if (is_etag) {
        const char *text = reader->text;
        size_t n = strlen(text);
        if (n >= 2 && text[0] == '"' && text[n - 1] == '"') {
            reader->text[n - 1] = 0;
            text++;
        }
        if (!text_copy(part->etag, sizeof part->etag, text))
            return false;
    }
    return xml_next(reader) == XML_CLOSE;
}

static bool parse_part(struct complete *c, struct xml_reader *reader)
{
    struct store_part part = { .number = 0 };
    enum xml_kind kind;
    while ((kind = xml_next(reader)) != XML_CLOSE) {
        if (kind == XML_TEXT)
            continue;
        if (kind != XML_OPEN || !parse_field(reader, &part))
            return false;
    }
    if (!part.number || !*part.etag || c->n == STORE_PARTS_MAX)
        return false;
    c->asked[c->n++] = part;
    return true;
}

static bool parse_complete(struct complete *c)
{
    struct xml_reader reader;
    enum xml_kind kind;
    xml_read(&reader, c->x->document.data, c->x->document.len);
    if (xml_next(&reader) != XML_OPEN || !xml_is(&reader, "CompleteMultipartUpload"))
        return false;
    while ((kind = xml_next(&reader)) != XML_CLOSE) {
        if (kind == XML_TEXT)
            continue;
        if (kind != XML_OPEN || !xml_is(&reader, "Part") || !parse_part(c, &reader))
            return false;
    }
    return c->n > 0 && xml_next(&reader) == XML_END;
}

/* What was asked for must be there; fills its sizes. NULL: good, else the error. */
static const char *check_parts(struct complete *c, const struct store_part *there, unsigned n)
{
    uint64_t min = c->x->config->part_min ? c->x->config->part_min : PART_MIN;
    unsigned at = 0;
    for (unsigned i = 0; i < c->n; i++) {
        struct store_part *part = &c->asked[i];
        if (i && part->number <= c->asked[i - 1].number)
            return "InvalidPartOrder";
        while (at < n && there[at].number < part->number)
            at++;
        if (at == n || there[at].number != part->number ||
            strcmp(there[at].etag, part->etag) != 0)
            return "InvalidPart";
        part->size = there[at].size;
        if (i + 1 < c->n && part->size < min)
            return "EntityTooSmall";
    }
    return NULL;
}

static bool joined_etag(const struct complete *c, char out[48])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    uint8_t md5[EVP_MAX_MD_SIZE];
    char hex[33];
    bool good = md && EVP_DigestInit_ex(md, EVP_md5(), NULL) == 1;
    for (unsigned i = 0; good && i < c->n; i++)
        good = text_unhex(md5, 16, c->asked[i].etag) && EVP_DigestUpdate(md, md5, 16) == 1;
    good = good && EVP_DigestFinal_ex(md, md5, NULL) == 1;
    EVP_MD_CTX_free(md);
    if (good) {
        text_hex(hex, md5, 16);
        snprintf(out, 48, "%s-%u", hex, c->n);
    }
    return good;
}

static void complete(struct complete *c, struct store_part *there)
{
    struct ds_error err = DS_ERROR_INIT;
    struct exchange *x = c->x;
    struct store *store = x->config->store;
    const char *id = uri_get(&x->query, "uploadId"), *wrong;
    char etag[48], quoted[52];
    unsigned n;
    bool more;
    int rc = store->ops->upload_parts(store, x->bucket, x->key, id, 0, there, STORE_PARTS_MAX, &n,
                                      &more, &err);
    if (rc) {
        upload_error(x, rc, &err);
        return;
    }
    wrong = check_parts(c, there, n);
    if (wrong || !joined_etag(c, etag)) {
        s3_error(x, wrong ? wrong : "InternalError", NULL);
        return;
    }
    rc = store->ops->upload_complete(store, x->bucket, x->key, id, c->asked, c->n, etag,
                                     s3_guard(x), &err);
    if (rc) {
        upload_error(x, rc, &err);
        return;
    }
    struct dynbuf *out = s3_document(x, "CompleteMultipartUploadResult");
    snprintf(quoted, sizeof quoted, "\"%s\"", etag);
    xml_element(out, "Bucket", x->bucket);
    xml_element(out, "Key", x->key);
    xml_element(out, "ETag", quoted);
    s3_document_end(x, "CompleteMultipartUploadResult");
}

void multipart_complete(struct exchange *x)
{
    struct complete c = { .x = x };
    struct store_part *there;
    if (!object_check_condition(x))
        return;
    c.asked = calloc(STORE_PARTS_MAX, sizeof c.asked[0]);
    there = calloc(STORE_PARTS_MAX, sizeof there[0]);
    if (!c.asked || !there)
        s3_error(x, "InternalError", NULL);
    else if (!parse_complete(&c))
        s3_error(x, "MalformedXML", NULL);
    else
        complete(&c, there);
    free(c.asked);
    free(there);
}

/* ---- abort and lists ---- */

void multipart_abort(struct exchange *x)
{
    struct ds_error err = DS_ERROR_INIT;
    struct store *store = x->config->store;
    int rc = store->ops->upload_abort(store, x->bucket, x->key, uri_get(&x->query, "uploadId"),
                                      &err);
    if (rc) {
        upload_error(x, rc, &err);
        return;
    }
    x->reply.status = 204;
    x->reply.bodyless = true;
}

static bool number_of(const struct exchange *x, const char *name, unsigned fallback, unsigned *out)
{
    const char *text = uri_get(&x->query, name);
    uint64_t number = fallback;
    if (text && !text_parse_u64(&number, text, INT32_MAX))
        return false;
    *out = (unsigned)number;
    return true;
}

static void put_parts(struct exchange *x, const struct store_part *parts, unsigned n, bool more,
                      unsigned after, unsigned max)
{
    struct dynbuf *out = s3_document(x, "ListPartsResult");
    char time[32], quoted[52];
    xml_element(out, "Bucket", x->bucket);
    xml_element(out, "Key", x->key);
    xml_element(out, "UploadId", uri_get(&x->query, "uploadId"));
    dynbuf_printf(out, "<PartNumberMarker>%u</PartNumberMarker>"
                       "<NextPartNumberMarker>%u</NextPartNumberMarker>"
                       "<MaxParts>%u</MaxParts><IsTruncated>%s</IsTruncated>",
                  after, n ? parts[n - 1].number : after, max, more ? "true" : "false");
    for (unsigned i = 0; i < n; i++) {
        snprintf(quoted, sizeof quoted, "\"%s\"", parts[i].etag);
        dynbuf_printf(out, "<Part><PartNumber>%u</PartNumber><Size>%llu</Size>", parts[i].number,
                      (unsigned long long)parts[i].size);
        xml_element(out, "LastModified", s3_time(time, parts[i].modified_s));
        xml_element(out, "ETag", quoted);
        dynbuf_text(out, "</Part>");
    }
    s3_document_end(x, "ListPartsResult");
}

void multipart_parts(struct exchange *x)
{
    struct ds_error err = DS_ERROR_INIT;
    struct store *store = x->config->store;
    unsigned after, max, n = 0;
    bool more = false;
    if (!number_of(x, "part-number-marker", 0, &after) || !number_of(x, "max-parts", 1000, &max)) {
        s3_error(x, "InvalidArgument", NULL);
        return;
    }
    max = max < LIST_MAX ? max : LIST_MAX;
    struct store_part *parts = calloc(LIST_MAX, sizeof parts[0]);
    int rc = parts ? store->ops->upload_parts(store, x->bucket, x->key,
                                              uri_get(&x->query, "uploadId"), after, parts, max,
                                              &n, &more, &err)
                   : DS_ENOMEM;
    if (rc)
        upload_error(x, rc, &err);
    else
        put_parts(x, parts, n, more, after, max);
    free(parts);
}

struct uploads {
    struct exchange *x;
    const char *prefix;
    struct dynbuf out;
    unsigned n, max;
    bool encode, more;
};

static int visit_upload(void *ud, const struct store_upload *upload)
{
    struct uploads *uploads = ud;
    struct dynbuf key = DYNBUF_INIT(3 * KEY_MAX + 1);
    char time[32];
    if (strncmp(upload->key, uploads->prefix, strlen(uploads->prefix)) != 0)
        return 0;
    if (uploads->n == uploads->max) {
        uploads->more = true;
        return 1;
    }
    uploads->n++;
    dynbuf_text(&uploads->out, "<Upload>");
    if (uploads->encode)
        uri_encode(&key, upload->key, strlen(upload->key), true);
    xml_element(&uploads->out, "Key", key.data ? (const char *)key.data : upload->key);
    dynbuf_free(&key);
    xml_element(&uploads->out, "UploadId", upload->id);
    xml_element(&uploads->out, "Initiated", s3_time(time, upload->modified_s));
    dynbuf_text(&uploads->out, "</Upload>");
    return 0;
}

/* In no order, and one page: whoever cleans up aborts these and asks again. */
void multipart_list(struct exchange *x)
{
    struct ds_error err = DS_ERROR_INIT;
    struct store *store = x->config->store;
    const char *prefix = uri_get(&x->query, "prefix");
    struct uploads uploads = { .x = x, .prefix = prefix ? prefix : "",
                               .out = DYNBUF_INIT(GATEWAY_DOCUMENT_MAX) };
    uploads.encode = uri_get(&x->query, "encoding-type") != NULL;
    if (!number_of(x, "max-uploads", LIST_MAX, &uploads.max)) {
        s3_error(x, "InvalidArgument", NULL);
        return;
    }
    uploads.max = uploads.max < LIST_MAX ? uploads.max : LIST_MAX;
    int rc = store->ops->uploads(store, x->bucket, visit_upload, &uploads, &err);
    if (rc) {
        s3_store_error(x, rc, &err);
    } else {
        struct dynbuf *out = s3_document(x, "ListMultipartUploadsResult");
        xml_element(out, "Bucket", x->bucket);
        xml_element(out, "Prefix", uploads.prefix);
        if (uploads.encode)
            xml_element(out, "EncodingType", "url");
        dynbuf_printf(out, "<MaxUploads>%u</MaxUploads><IsTruncated>%s</IsTruncated>", uploads.max,
                      uploads.more ? "true" : "false");
        if (uploads.out.len)
            dynbuf_add(out, uploads.out.data, uploads.out.len);
        out->failed = out->failed || uploads.out.failed;
        s3_document_end(x, "ListMultipartUploadsResult");
    }
    dynbuf_free(&uploads.out);
}
