/* SPDX-License-Identifier: Apache-2.0 */
/* s3.c - see s3.h. What this server does not do it says (NotImplemented): a parameter or an x-amz
 * header that it does not know might change what the request means. */
#include "core/gateway/s3.h"

#include "core/base/os.h"
#include "core/base/text.h"
#include "core/disk/crc32.h"

#include <openssl/crypto.h>

enum { SERVICE, BUCKET, KEY };

/* Rows with a parameter come before the one without. */
static const struct s3_operation operations[] = {
    { "LOCATION", "GET", BUCKET, "location", " ", ACCESS_BUCKET, false, NULL, bucket_location },
    { "VERSIONING", "GET", BUCKET, "versioning", " ", ACCESS_BUCKET, false, NULL,
      bucket_versioning },
    { "UPLOADS", "GET", BUCKET, "uploads", " prefix max-uploads encoding-type ", ACCESS_LIST, false,
      NULL, multipart_list },
    { "LIST", "GET", BUCKET, "list-type",
      " prefix delimiter continuation-token start-after max-keys encoding-type fetch-owner ",
      ACCESS_LIST, false, NULL, list_objects },
    { "HEAD_BUCKET", "HEAD", BUCKET, NULL, " ", ACCESS_BUCKET, false, NULL, bucket_head },
    { "MAKE_BUCKET", "PUT", BUCKET, NULL, " ", ACCESS_ADMIN, true, NULL, bucket_create },
    { "BATCH", "POST", BUCKET, "delete", " ", ACCESS_BUCKET, true, NULL, batch_remove },
    { "PARTS", "GET", KEY, "uploadId", " max-parts part-number-marker ", ACCESS_ADD, false, NULL,
      multipart_parts },
    { "GET_RETENTION", "GET", KEY, "retention", " ", ACCESS_READ, false, NULL, lock_get_retention },
    { "GET_HOLD", "GET", KEY, "legal-hold", " ", ACCESS_READ, false, NULL, lock_get_hold },
    { "GET", "GET", KEY, NULL, " ", ACCESS_READ, false, NULL, object_get },
    { "HEAD", "HEAD", KEY, NULL, " ", ACCESS_READ, false, NULL, object_get },
    { "PART", "PUT", KEY, "partNumber", " uploadId ", ACCESS_ADD, false, multipart_part_begin,
      multipart_part },
    { "RETENTION", "PUT", KEY, "retention", " ", ACCESS_ADD, true, NULL, lock_put_retention },
    { "HOLD", "PUT", KEY, "legal-hold", " ", ACCESS_REMOVE, true, NULL, lock_put_hold },
    { "PUT", "PUT", KEY, NULL, " ", ACCESS_REPLACE, false, object_put_begin, object_put },
    { "CREATE", "POST", KEY, "uploads", " ", ACCESS_ADD, false, multipart_create_begin,
      multipart_create },
    { "COMPLETE", "POST", KEY, "uploadId", " ", ACCESS_REPLACE, true, NULL, multipart_complete },
    { "ABORT", "DELETE", KEY, "uploadId", " ", ACCESS_ADD, false, NULL, multipart_abort },
    { "DELETE", "DELETE", KEY, NULL, " ", ACCESS_REMOVE, false, NULL, object_remove },
};

void s3_start(struct exchange *x, const struct gateway_config *config)
{
    memset(x, 0, sizeof *x);
    x->config = config;
    x->put.handle = STORE_NO_HANDLE;
    x->reply.object.handle = STORE_NO_HANDLE;
    x->reply.head.max = S3_HEAD_MAX;
    x->reply.body.max = x->document.max = GATEWAY_DOCUMENT_MAX;
}

/* ---- routing ---- */

/* The bucket that stands before the domain in Host; false if there is none. */
static bool bucket_of_host(const struct exchange *x, char bucket[BUCKET_MAX + 1])
{
    const char *host = http_header(&x->http, "host"), *domain = x->config->domain;
    size_t n = strcspn(host, ":"), tail = domain ? strlen(domain) : 0;
    if (!tail || n <= tail + 1 || host[n - tail - 1] != '.' ||
        memcmp(host + n - tail, domain, tail) != 0 || n - tail - 1 > BUCKET_MAX)
        return false;
    memcpy(bucket, host, n - tail - 1);
    bucket[n - tail - 1] = 0;
    return true;
}

static void parse_path(struct exchange *x)
{
    const char *path = x->http.path + 1;
    char key[KEY_MAX + 1];
    if (!bucket_of_host(x, x->bucket)) {
        size_t n = strcspn(path, "/");
        char name[3 * BUCKET_MAX + 1];
        if (n >= sizeof name || uri_decode(name, path, n, false) < 0 ||
            !text_copy(x->bucket, sizeof x->bucket, name)) {
            s3_error(x, "InvalidBucketName", NULL);
            return;
        }
        path += n;
        path += *path == '/';
    }
    if (*x->bucket && !key_is_bucket(x->bucket)) {
        *x->bucket = 0;
        s3_error(x, "InvalidBucketName", NULL);
        return;
    }
    size_t n = strlen(path);
    char decoded[HTTP_TARGET_MAX + 1];
    if (uri_decode(decoded, path, n, false) < 0 || (*decoded && !key_is_good(decoded) &&
                                                    strlen(decoded) <= KEY_MAX)) {
        s3_error(x, "InvalidURI", NULL);
        return;
    }
    if (!text_copy(key, sizeof key, decoded))
        s3_error(x, "KeyTooLongError", NULL);
    else
        memcpy(x->key, key, sizeof key);
}

/* True if the operation knows this parameter. */
static bool is_allowed(const struct s3_operation *operation, const char *name)
{
    char word[64];
    if (strncmp(name, "X-Amz-", 6) == 0 || strcmp(name, "x-id") == 0 ||
        (operation->parameter && strcmp(name, operation->parameter) == 0))
        return true;
    return snprintf(word, sizeof word, " %s ", name) < (int)sizeof word &&
           strstr(operation->allowed, word);
}

static const struct s3_operation *find_operation(const struct exchange *x)
{
    int scope = *x->key ? KEY : *x->bucket ? BUCKET : SERVICE;
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        const struct s3_operation *operation = &operations[i];
        bool good = operation->scope == scope && strcmp(operation->method, x->http.method) == 0 &&
                    (!operation->parameter || uri_get(&x->query, operation->parameter));
        if (good)
            return operation;
    }
    return NULL;
}

void s3_route(struct exchange *x)
{
    static const char *const methods[] = { "GET", "HEAD", "PUT", "POST", "DELETE" };
    bool known = false;
    x->reply.bodyless = strcmp(x->http.method, "HEAD") == 0;
    if (!uri_parse_query(&x->query, x->http.query)) {
        s3_error(x, "InvalidURI", NULL);
        return;
    }
    parse_path(x);
    if (s3_done(x))
        return;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        known = known || strcmp(methods[i], x->http.method) == 0;
    if (!known) {
        s3_error(x, "MethodNotAllowed", NULL);
        return;
    }
    x->operation = find_operation(x);
    for (size_t i = 0; i < x->query.n; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(x->query.parameters[i].name, x->query.parameters[j].name) == 0)
                s3_error(x, "InvalidArgument", "A parameter is there twice.");
    for (size_t i = 0; x->operation && i < x->query.n; i++)
        if (!is_allowed(x->operation, x->query.parameters[i].name))
            x->operation = NULL;
}

/* ---- may it? ---- */

static const char *secret_of(void *ud, const char *access_key)
{
    struct exchange *x = ud;
    x->who = access_find(&x->config->access, access_key);
    return x->who ? x->who->secret : NULL;
}

static void refuse_signature(struct exchange *x, enum sign_verdict verdict)
{
    char text[256];
    switch (verdict) {
    case SIGN_OK:
        break;
    case SIGN_NONE:
        s3_error(x, "AccessDenied", "The request is not signed.");
        break;
    case SIGN_MALFORMED:
        s3_error(x, "AuthorizationHeaderMalformed", x->sign.detail);
        break;
    case SIGN_REGION:
        snprintf(text, sizeof text, "The region '%s' is wrong; expecting '%s'.", x->sign.detail,
                 x->config->region);
        s3_error(x, "AuthorizationHeaderMalformed", text);
        break;
    case SIGN_UNKNOWN_KEY:
        s3_error(x, "InvalidAccessKeyId", NULL);
        break;
    case SIGN_MISMATCH:
        s3_error(x, "SignatureDoesNotMatch", NULL);
        break;
    case SIGN_SKEWED:
        s3_error(x, "RequestTimeTooSkewed", NULL);
        break;
    case SIGN_EXPIRED:
        s3_error(x, "AccessDenied", "The request has expired.");
        break;
    case SIGN_UNSIGNED:
        snprintf(text, sizeof text, "The header %s must be signed.", x->sign.detail);
        s3_error(x, "AccessDenied", text);
        break;
    case SIGN_NO_HASH:
        s3_error(x, "InvalidRequest", "x-amz-content-sha256 is missing.");
        break;
    case SIGN_BAD_HASH:
        s3_error(x, "InvalidArgument", "x-amz-content-sha256 is no hash.");
        break;
    case SIGN_STREAMING:
        s3_error(x, "NotImplemented", "Chunked uploads are not served.");
        break;
    }
}

static void check_signature(struct exchange *x)
{
    struct sign_policy policy = { secret_of, x, x->config->region, s3_now(x) };
    const char *token = http_header(&x->http, "x-amz-security-token");
    if (!token)
        token = uri_get(&x->query, "X-Amz-Security-Token");
    refuse_signature(x, sign_verify(&x->http, &x->query, &policy, &x->sign));
    if (s3_done(x))
        return;
    const char *want = x->who->token;
    bool good = !want == !token && (!want || (strlen(want) == strlen(token) &&
                                              CRYPTO_memcmp(want, token, strlen(want)) == 0));
    if (!good)
        s3_error(x, "InvalidToken", NULL);
}

static void check_rights(struct exchange *x)
{
    enum access_right right = x->operation->right;
    const char *condition = http_header(&x->http, "if-none-match");
    const char *text = *x->key ? x->key : NULL;
    if (right == ACCESS_REPLACE && x->operation->scope == KEY && condition)
        right = ACCESS_ADD;
    if (right == ACCESS_LIST) {
        text = uri_get(&x->query, "prefix");
        text = text ? text : "";
    }
    if (!access_may(x->who, right, x->bucket, text))
        s3_error(x, "AccessDenied", NULL);
}

static void check_headers(struct exchange *x)
{
    static const char *const known[] = {
        "date", "content-sha256", "security-token", "user-agent", "storage-class",
        "checksum-sha256", "checksum-crc32", "checksum-mode", "sdk-checksum-algorithm",
        "object-lock-mode", "object-lock-retain-until-date", "object-lock-legal-hold",
        "bypass-governance-retention", "request-payer", "bucket-object-lock-enabled"
    };
    for (size_t i = 0; i < x->http.n; i++) {
        const char *name = x->http.headers[i].name;
        bool good = strncmp(name, "x-amz-", 6) != 0 || strncmp(name, "x-amz-meta-", 11) == 0;
        for (size_t j = 0; !good && j < sizeof known / sizeof known[0]; j++)
            good = strcmp(name + 6, known[j]) == 0;
        if (!good) {
            char text[256];
            snprintf(text, sizeof text, "The header %.128s is not known here.", name);
            s3_error(x, "NotImplemented", text);
            return;
        }
    }
}

/* ---- digests of the body ---- */

static bool from_base64(uint8_t *out, size_t n, const char *text)
{
    uint8_t bytes[48];
    size_t len = strlen(text);
    if (len != (n + 2) / 3 * 4 ||
        EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len) != (int)(len / 4 * 3))
        return false;
    for (size_t i = 0; i < len / 4 * 3 - n; i++) /* as many '=' as bytes too many */
        if (text[len - 1 - i] != '=')
            return false;
    memcpy(out, bytes, n);
    return true;
}

static bool start_digest(EVP_MD_CTX **md, const EVP_MD *type)
{
    if (!*md)
        *md = EVP_MD_CTX_new();
    return *md && EVP_DigestInit_ex(*md, type, NULL) == 1;
}

static void start_digests(struct exchange *x)
{
    const char *md5 = http_header(&x->http, "content-md5");
    const char *sha256 = http_header(&x->http, "x-amz-checksum-sha256");
    const char *crc32 = http_header(&x->http, "x-amz-checksum-crc32");
    if ((md5 && !from_base64(x->want_md5, sizeof x->want_md5, md5)) ||
        (crc32 && !from_base64(x->want_crc32, sizeof x->want_crc32, crc32)) ||
        (sha256 && !from_base64(x->want_sha256, sizeof x->want_sha256, sha256))) {
        s3_error(x, "InvalidDigest", NULL);
        return;
    }
    x->has_md5 = md5 != NULL;
    x->has_sha256 = sha256 != NULL;
    x->has_crc32 = crc32 != NULL;
    x->digesting = x->has_md5 || x->operation->begin;
    x->hashing = x->has_sha256 || x->sign.has_hash;
    if (sha256)
        text_copy(x->meta.sha256, sizeof x->meta.sha256, sha256);
    if ((x->digesting && !start_digest(&x->md5, EVP_md5())) ||
        (x->hashing && !start_digest(&x->sha256, EVP_sha256())))
        s3_error(x, "InternalError", NULL);
}

bool s3_check_digests(struct exchange *x, uint8_t md5[16])
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    if (x->hashing) {
        EVP_DigestFinal_ex(x->sha256, hash, NULL);
        if (x->sign.has_hash && memcmp(hash, x->sign.hash, 32) != 0)
            s3_error(x, "XAmzContentSHA256Mismatch", NULL);
        else if (x->has_sha256 && memcmp(hash, x->want_sha256, 32) != 0)
            s3_error(x, "BadDigest", NULL);
    }
    if (x->digesting) {
        EVP_DigestFinal_ex(x->md5, hash, NULL);
        memcpy(md5, hash, 16);
        if (!s3_done(x) && x->has_md5 && memcmp(md5, x->want_md5, 16) != 0)
            s3_error(x, "BadDigest", NULL);
    }
    const uint8_t crc32[4] = { (uint8_t)(x->crc32 >> 24), (uint8_t)(x->crc32 >> 16),
                               (uint8_t)(x->crc32 >> 8), (uint8_t)x->crc32 };
    if (!s3_done(x) && x->has_crc32 && memcmp(crc32, x->want_crc32, 4) != 0)
        s3_error(x, "BadDigest", NULL);
    x->digesting = x->hashing = false;
    return !s3_done(x);
}

/* ---- the request ---- */

/* Faults that take the place of the operation. */
static void apply_fault(struct exchange *x)
{
    switch (x->fault.action) {
    case FAULT_STATUS:
        s3_error_status(x, (int)x->fault.number, x->fault.text, "This fault was asked for.");
        if (x->fault.number == 503)
            s3_header(x, "Retry-After", "1");
        break;
    case FAULT_ERROR_IN_200:
        s3_error_status(x, 200, "InternalError", "This fault was asked for.");
        break;
    case FAULT_REDIRECT:
        s3_error(x, "PermanentRedirect", NULL);
        s3_header(x, "x-amz-bucket-region", "%s", x->fault.text);
        break;
    default:
        break;
    }
}

void s3_begin(struct exchange *x)
{
    if (!s3_done(x))
        apply_fault(x);
    if (!s3_done(x))
        check_signature(x);
    if (!s3_done(x) && !x->operation)
        s3_error(x, "NotImplemented", NULL);
    if (!s3_done(x))
        check_rights(x);
    if (!s3_done(x))
        check_headers(x);
    if (!s3_done(x) && x->operation->document && x->http.length > GATEWAY_DOCUMENT_MAX)
        s3_error(x, "MaxMessageLengthExceeded", NULL);
    if (!s3_done(x) && !x->operation->document && !x->operation->begin && x->http.length)
        s3_error(x, "InvalidRequest", "This request has no body.");
    if (!s3_done(x))
        start_digests(x);
    if (!s3_done(x) && x->operation->begin)
        x->operation->begin(x);
}

void s3_body(struct exchange *x, const void *data, size_t n)
{
    struct ds_error err = DS_ERROR_INIT;
    x->received += n;
    if (s3_done(x)) /* refused: the rest is passed over */
        return;
    if (x->digesting)
        EVP_DigestUpdate(x->md5, data, n);
    if (x->hashing)
        EVP_DigestUpdate(x->sha256, data, n);
    if (x->has_crc32)
        x->crc32 = crc32_of(x->crc32, data, n);
    if (x->operation->document)
        dynbuf_add(&x->document, data, n);
    if (x->putting) {
        int rc = x->config->store->ops->write(x->config->store, &x->put, data, n, &err);
        if (rc)
            s3_store_error(x, rc, &err);
    }
}

void s3_end(struct exchange *x)
{
    uint8_t md5[16];
    char hex[33];
    if (s3_done(x))
        return;
    if (x->operation->document && !dynbuf_ok(&x->document)) {
        s3_error(x, "InternalError", NULL);
        return;
    }
    bool has_etag = x->digesting;
    if (!s3_check_digests(x, md5))
        return;
    if (has_etag && x->putting) {
        text_hex(hex, md5, sizeof md5);
        text_copy(x->meta.etag, sizeof x->meta.etag, hex);
    }
    x->operation->end(x);
}

struct store_guard s3_guard(const struct exchange *x)
{
    const char *bypass = http_header(&x->http, "x-amz-bypass-governance-retention");
    const char *condition = http_header(&x->http, "if-none-match");
    unsigned flags = 0;
    if (bypass && text_glob("true", bypass) && !x->who->append_only) /* some send "True" */
        flags |= STORE_BYPASS_GOVERNANCE;
    if (condition)
        flags |= STORE_IF_ABSENT;
    return (struct store_guard){ flags, s3_now(x) };
}

void s3_reset(struct exchange *x)
{
    struct store *store = x->config->store;
    struct exchange fresh;
    if (x->putting)
        store->ops->abort(store, &x->put);
    if (x->reply.object.handle != STORE_NO_HANDLE)
        store->ops->close(store, &x->reply.object);
    dynbuf_free(&x->document);
    dynbuf_free(&x->reply.body);
    dynbuf_free(&x->reply.head);
    s3_start(&fresh, x->config);
    fresh.md5 = x->md5;
    fresh.sha256 = x->sha256;
    *x = fresh;
}

void s3_free(struct exchange *x)
{
    s3_reset(x);
    EVP_MD_CTX_free(x->md5);
    EVP_MD_CTX_free(x->sha256);
}
