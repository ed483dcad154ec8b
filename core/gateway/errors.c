/* SPDX-License-Identifier: Apache-2.0 */
/* errors.c - what replies are made of: S3's errors, headers, documents and times. */
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/gateway/s3.h"
#include "core/gateway/xml.h"

#include <stdlib.h>

static const struct {
    const char *code;
    int status;
    const char *text;
} errors[] = {
    { "AccessDenied", 403, "Access denied." },
    { "AuthorizationHeaderMalformed", 400, "The authorization header is malformed." },
    { "BadDigest", 400, "The body does not have the digest that was given for it." },
    { "BucketAlreadyOwnedByYou", 409, "The bucket exists, and is yours." },
    { "EntityTooLarge", 400, "The body is larger than an object may be." },
    { "EntityTooSmall", 400, "A part that is not the last is smaller than a part may be." },
    { "IncompleteBody", 400, "The body is shorter than Content-Length says." },
    { "InternalError", 500, "The server failed; try again." },
    { "InvalidAccessKeyId", 403, "The access key is not known here." },
    { "InvalidArgument", 400, "An argument is invalid." },
    { "InvalidBucketName", 400, "This is no name of a bucket." },
    { "InvalidDigest", 400, "The digest given is none." },
    { "InvalidPart", 400, "A part was not found, or its ETag differs." },
    { "InvalidPartOrder", 400, "The parts are not in ascending order." },
    { "InvalidRange", 416, "The object has no byte in the range." },
    { "InvalidRequest", 400, "The request is invalid." },
    { "InvalidStorageClass", 400, "The storage class is not known here." },
    { "InvalidToken", 400, "The session token is invalid." },
    { "InvalidURI", 400, "The URI can't be decoded." },
    { "KeyTooLongError", 400, "The key, or a part of it between slashes, is too long." },
    { "MalformedXML", 400, "The XML is not what this request takes." },
    { "MaxMessageLengthExceeded", 400, "The document is too long." },
    { "MetadataTooLarge", 400, "The user metadata is too large." },
    { "MethodNotAllowed", 405, "The method is not allowed here." },
    { "MissingContentLength", 411, "Content-Length is required." },
    { "NoSuchBucket", 404, "The bucket does not exist." },
    { "NoSuchKey", 404, "The object does not exist." },
    { "NoSuchObjectLockConfiguration", 404, "The object has no lock of this kind." },
    { "NoSuchUpload", 404, "The upload does not exist; perhaps it has ended." },
    { "NotImplemented", 501, "The request asks for something that this server does not do." },
    { "ObjectParentConflict", 409, "One key is the folder of another; the store can't keep both." },
    { "PermanentRedirect", 301, "The bucket is elsewhere." },
    { "PreconditionFailed", 412, "A precondition of the request does not hold." },
    { "RequestTimeTooSkewed", 403, "The clocks of client and server are too far apart." },
    { "RequestTimeout", 400, "The client sent nothing for too long." },
    { "SignatureDoesNotMatch", 403, "The signature is not the one that the secret key makes." },
    { "SlowDown", 503, "Too many requests; send fewer." },
    { "XAmzContentSHA256Mismatch", 400, "The body does not have the hash that was signed." },
};

void s3_error_status(struct exchange *x, int status, const char *code, const char *text)
{
    struct dynbuf *body = &x->reply.body;
    dynbuf_reset(body);
    dynbuf_reset(&x->reply.head);
    dynbuf_text(body, XML_DECLARATION "<Error>");
    xml_element(body, "Code", code);
    xml_element(body, "Message", text);
    if (*x->bucket)
        xml_element(body, "BucketName", x->bucket);
    if (*x->key)
        xml_element(body, "Key", x->key);
    if (strcmp(code, "AuthorizationHeaderMalformed") == 0)
        xml_element(body, "Region", x->config->region);
    xml_element(body, "RequestId", x->id);
    dynbuf_text(body, "</Error>");
    x->reply.status = status;
    x->reply.offset = x->reply.length = 0;
    s3_header(x, "Content-Type", "application/xml");
}

void s3_error(struct exchange *x, const char *code, const char *text)
{
    int status = 500;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (strcmp(errors[i].code, code) == 0) {
            status = errors[i].status;
            text = text ? text : errors[i].text;
        }
    s3_error_status(x, status, code, text ? text : code);
}

void s3_store_error(struct exchange *x, int rc, const struct ds_error *err)
{
    switch (rc) {
    case DS_ENOENT:
        s3_error(x, *x->key ? "NoSuchKey" : "NoSuchBucket", NULL);
        break;
    case DS_EEXIST:
        s3_error(x, "PreconditionFailed", NULL);
        break;
    case DS_EPROTECTED:
        s3_error(x, "AccessDenied", "The object is locked.");
        break;
    case DS_ECONFLICT:
        s3_error(x, "ObjectParentConflict", NULL);
        break;
    case DS_EINVAL:
        s3_error(x, "KeyTooLongError", NULL);
        break;
    case DS_ENOSPC: /* not S3's own word; clients know the code of XML by its status */
        s3_error_status(x, 507, "InsufficientStorage", "The store is full.");
        break;
    default: /* paths of the server are nobody else's business */
        log_printf(DS_LOG_ERROR, "gateway.store", "request %s: %s", x->id, err->msg);
        s3_error(x, "InternalError", NULL);
        break;
    }
}

void s3_header(struct exchange *x, const char *name, const char *fmt, ...)
{
    char value[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    for (char *p = value; *p; p++) /* nothing from outside ends a line */
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    dynbuf_printf(&x->reply.head, "%s: %s\r\n", name, value);
}

struct dynbuf *s3_document(struct exchange *x, const char *root)
{
    struct dynbuf *body = &x->reply.body;
    dynbuf_reset(body);
    dynbuf_printf(body, XML_DECLARATION "<%s xmlns=\"" XML_NAMESPACE "\">", root);
    return body;
}

void s3_document_end(struct exchange *x, const char *root)
{
    dynbuf_printf(&x->reply.body, "</%s>", root);
    s3_header(x, "Content-Type", "application/xml");
    x->reply.status = 200;
    if (!dynbuf_ok(&x->reply.body) || !dynbuf_ok(&x->reply.head))
        s3_error(x, "InternalError", NULL);
}

/* ---- times ---- */

char *s3_time(char out[32], int64_t s)
{
    char text[32];
    text_time(text, sizeof text, s * 1000000000, true);
    text[19] = 0;
    snprintf(out, 32, "%s.000Z", text);
    return out;
}

bool s3_parse_time(int64_t *out, const char *text)
{
    /* 2026-03-01T12:00:00[.fraction](Z|+00:00) */
    char plain[17];
    if (strlen(text) < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' ||
        text[13] != ':' || text[16] != ':')
        return false;
    const char *rest = text + 19;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (strcmp(rest, "Z") != 0 && strcmp(rest, "+00:00") != 0)
        return false;
    snprintf(plain, sizeof plain, "%.4s%.2s%.2sT%.2s%.2s%.2sZ", text, text + 5, text + 8,
             text + 11, text + 14, text + 17);
    return sign_time(out, plain);
}

char *s3_http_date(char out[32], int64_t s)
{
    static const char days[][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    char iso[32];
    if (s < 0 || s > INT64_C(253402300799))
        s = 0;
    text_time(iso, sizeof iso, s * 1000000000, true); /* 2026-03-01T12:00:00Z */
    int month = (iso[5] - '0') * 10 + (iso[6] - '0');
    snprintf(out, 32, "%s, %.2s %s %.4s %.8s GMT", days[s / 86400 % 7], iso + 8,
             months[month >= 1 && month <= 12 ? month - 1 : 0], iso, iso + 11);
    return out;
}
