/* SPDX-License-Identifier: Apache-2.0 */
/* answer.c - see answer.h. One table row tells one code of S3; where an answer has no document
 * (HEAD has none, and a proxy's page is none) the HTTP status decides. */
#include "answer.h"

#include "moment.h"
#include "s3.h"
#include "strbuf.h"

#include <stdlib.h>

/* ---- headers ---- */

static bool parse_number(uint64_t *out, const char **text)
{
    uint64_t v = 0;
    const char *p = *text;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (v > UINT64_MAX / 10 - 1)
            return false;
        v = v * 10 + (uint64_t)(*p - '0');
    }
    *out = v;
    *text = p;
    return true;
}

/* "bytes 0-9/100" */
static void parse_range(struct answer *answer, const char *p)
{
    answer->has_range = false; /* of two such headers the last counts, if it is one */
    if (strncmp(p, "bytes ", 6) != 0)
        return;
    p += 6;
    if (!parse_number(&answer->first, &p) || *p++ != '-' || !parse_number(&answer->last, &p) ||
        *p++ != '/')
        return;
    if (!parse_number(&answer->total, &p))
        answer->total = UINT64_MAX; /* "*": not told */
    answer->has_range = answer->last >= answer->first && answer->last != UINT64_MAX;
}

static void parse_etag(struct answer *answer, const char *value)
{
    size_t n = strlen(value);
    if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
        value++;
        n -= 2;
    }
    if (n < sizeof answer->etag) {
        memcpy(answer->etag, value, n);
        answer->etag[n] = 0;
    }
}

static void parse_retry_after(struct answer *answer, const char *value)
{
    uint64_t seconds;
    if (parse_number(&seconds, &value) && *value == 0) /* its form of a date is rare */
        answer->retry_after_ms = seconds < 3600 ? (uint32_t)seconds * 1000 : 3600000;
}

static void header(struct answer *a, const char *name, const char *value)
{
    const char *p = value;
    if (str_same(name, "date"))
        moment_parse_http(&a->date_ns, value);
    else if (str_same(name, "last-modified"))
        moment_parse_http(&a->modified_ns, value);
    else if (str_same(name, "content-length"))
        a->has_length = parse_number(&a->length, &p);
    else if (str_same(name, "content-range"))
        parse_range(a, value);
    else if (str_same(name, "etag"))
        parse_etag(a, value);
    else if (str_same(name, "retry-after"))
        parse_retry_after(a, value);
    else if (str_same(name, "x-amz-bucket-region"))
        str_copy(a->region, sizeof a->region, value);
    else if (str_same(name, "location"))
        str_copy(a->location, sizeof a->location, value);
    else if (str_same(name, "x-amz-version-id"))
        str_copy(a->version, sizeof a->version, value);
    else if (str_same(name, "x-amz-delete-marker"))
        a->delete_marker = str_same(value, "true");
    else if (str_same(name, "x-amz-server-side-encryption"))
        a->etag_plain = a->etag_plain && str_same(value, "AES256");
    else if (str_same(name, "x-amz-server-side-encryption-customer-algorithm"))
        a->etag_plain = false;
}

void answer_header(struct answer *answer, const char *line, size_t n)
{
    char text[1024];
    while (n && (line[n - 1] == '\n' || line[n - 1] == '\r' || line[n - 1] == ' '))
        n--;
    if (n > 5 && memcmp(line, "HTTP/", 5) == 0) { /* a new answer: the last one was provisional */
        memset(answer, 0, sizeof *answer);
        answer->etag_plain = true;
        const char *p = memchr(line, ' ', n);
        for (; p && p < line + n && *p == ' ';)
            p++;
        for (; p && p < line + n && *p >= '0' && *p <= '9' && answer->http < 1000; p++)
            answer->http = answer->http * 10 + (*p - '0');
        return;
    }
    if (n >= sizeof text)
        return;
    memcpy(text, line, n);
    text[n] = 0;
    char *colon = strchr(text, ':');
    if (!colon)
        return;
    *colon++ = 0;
    while (*colon == ' ' || *colon == '\t')
        colon++;
    header(answer, text, colon);
}

/* ---- what it is about ---- */

struct operation {
    uint32_t op;
    const char *verb, *action; /* as a policy of a bucket names the right to it */
};

static const struct operation *operation_of(const struct question *q)
{
    static const struct operation table[] = {
        { DS_STORE_PUT, "store", "s3:PutObject" },
        { DS_STORE_GET, "read", "s3:GetObject" },
        { DS_STORE_HEAD, "look at", "s3:GetObject" },
        { DS_STORE_LIST, "list", "s3:ListBucket" },
        { DS_STORE_REMOVE, "remove", "s3:DeleteObject" },
        { DS_STORE_RETAIN, "lock", "s3:PutObjectRetention" },
        { S3_OP_LOCK_CONFIG, "ask for the locking of", "s3:GetBucketObjectLockConfiguration" },
        { S3_OP_REMOVE_VERSION, "remove a version of", "s3:DeleteObjectVersion" },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].op == q->op)
            return &table[i];
    return &table[0];
}

void answer_subject(char *out, size_t size, const struct question *q)
{
    snprintf(out, size, "cannot %s %.140s in the bucket %s at %.80s", operation_of(q)->verb,
             q->key[0] ? q->key : "objects", q->bucket, q->endpoint);
}

/* ---- codes ---- */

struct kind {
    const char *code;
    long http; /* where there is no code */
    int status;
    uint32_t retry;
    const char *text; /* what it means, and the remedy; NULL = a function of its own tells */
};

#define LOAD "the store has too much to do"
#define DAMAGED "the bytes did not arrive as they were sent"
#define TRY "the store failed; its operator's log tells why"
#define QUOTA "the store is full or its quota is used up: raise the quota, free space, or forget " \
              "and collect old points"
#define LOCKS "the bucket has no Object Lock: make one that has, or set object_lock: none"

static const struct kind kinds[] = {
    { "SlowDown", 0, DS_EBUSY, DS_RETRY_SAME, LOAD },
    { "SlowDownRead", 0, DS_EBUSY, DS_RETRY_SAME, LOAD },
    { "SlowDownWrite", 0, DS_EBUSY, DS_RETRY_SAME, LOAD },
    { "Throttling", 0, DS_EBUSY, DS_RETRY_SAME, LOAD },
    { "ThrottlingException", 0, DS_EBUSY, DS_RETRY_SAME, LOAD },
    { "RequestLimitExceeded", 0, DS_EBUSY, DS_RETRY_SAME, LOAD },
    { "TooManyRequests", 0, DS_EBUSY, DS_RETRY_SAME, LOAD },
    { "ServiceUnavailable", 503, DS_EBUSY, DS_RETRY_SAME, LOAD },
    { "", 429, DS_EBUSY, DS_RETRY_SAME, LOAD },
    { "InternalError", 500, DS_EIO, DS_RETRY_SAME, TRY },
    { "OperationAborted", 0, DS_EBUSY, DS_RETRY_SAME, "another request was at the same object" },
    { "ConditionalRequestConflict", 409, DS_EBUSY, DS_RETRY_SAME,
      "another request was at the same object" },
    { "RequestTimeout", 408, DS_ETIMEDOUT, DS_RETRY_SAME, "the store waited too long for bytes" },
    { "BadDigest", 0, DS_EIO, DS_RETRY_SAME, DAMAGED },
    { "XAmzContentSHA256Mismatch", 0, DS_EIO, DS_RETRY_SAME, DAMAGED },
    { "XAmzContentChecksumMismatch", 0, DS_EIO, DS_RETRY_SAME, DAMAGED },
    { "InvalidDigest", 0, DS_EIO, DS_RETRY_SAME, DAMAGED },
    { "IncompleteBody", 0, DS_EIO, DS_RETRY_SAME, DAMAGED },
    { "", 502, DS_EBUSY, DS_RETRY_SAME, "a proxy or gateway before the store has no answer of it" },
    { "", 504, DS_EBUSY, DS_RETRY_SAME, "a proxy or gateway before the store has no answer of it" },
    { "PreconditionFailed", 412, DS_EEXIST, DS_RETRY_NEVER, "it exists" },
    { "NoSuchKey", 404, DS_ENOENT, DS_RETRY_NEVER, "it does not exist" },
    { "NoSuchVersion", 0, DS_ENOENT, DS_RETRY_NEVER, "it does not exist" },
    { "NoSuchBucket", 0, DS_EINVAL, DS_RETRY_NEVER,
      "there is no such bucket: create it, or correct bucket, endpoint or region" },
    { "InvalidBucketName", 0, DS_EINVAL, DS_RETRY_NEVER, "the store takes no such name: correct "
      "bucket" },
    { "AccessDenied", 403, DS_EACCES, DS_RETRY_NEVER, NULL },
    { "UnauthorizedAccess", 401, DS_EACCES, DS_RETRY_NEVER, NULL },
    { "AccountProblem", 0, DS_EACCES, DS_RETRY_NEVER, "the account is closed or suspended" },
    { "AllAccessDisabled", 0, DS_EACCES, DS_RETRY_NEVER, "access to the bucket is disabled" },
    { "InvalidAccessKeyId", 0, DS_EACCES, DS_RETRY_NEVER, NULL },
    { "SignatureDoesNotMatch", 0, DS_EACCES, DS_RETRY_NEVER,
      "the signature is not the one of this access key: check secret_key, and that no proxy "
      "alters requests" },
    { "ExpiredToken", 0, DS_EACCES, DS_RETRY_NEVER, NULL },
    { "TokenRefreshRequired", 0, DS_EACCES, DS_RETRY_NEVER, NULL },
    { "ExpiredTokenException", 0, DS_EACCES, DS_RETRY_NEVER, NULL },
    { "InvalidToken", 0, DS_EACCES, DS_RETRY_NEVER,
      "the session token is none of these keys: check session_token" },
    { "RequestTimeTooSkewed", 0, DS_EACCES, DS_RETRY_NEVER, NULL },
    { "RequestExpired", 0, DS_EACCES, DS_RETRY_NEVER, NULL },
    { "AuthorizationHeaderMalformed", 0, DS_EINVAL, DS_RETRY_NEVER, NULL },
    { "IllegalLocationConstraintException", 0, DS_EINVAL, DS_RETRY_NEVER, NULL },
    { "PermanentRedirect", 301, DS_EINVAL, DS_RETRY_NEVER, NULL },
    { "", 302, DS_EINVAL, DS_RETRY_NEVER, NULL },
    { "", 308, DS_EINVAL, DS_RETRY_NEVER, NULL },
    { "TemporaryRedirect", 307, DS_EINVAL, DS_RETRY_NEVER, NULL },
    { "Redirect", 0, DS_EINVAL, DS_RETRY_NEVER, NULL },
    { "QuotaExceeded", 507, DS_ENOSPC, DS_RETRY_NEVER, QUOTA },
    { "InsufficientStorage", 0, DS_ENOSPC, DS_RETRY_NEVER, QUOTA },
    { "StorageFull", 0, DS_ENOSPC, DS_RETRY_NEVER, QUOTA },
    { "XMinioStorageFull", 0, DS_ENOSPC, DS_RETRY_NEVER, QUOTA },
    { "XMinioAdminBucketQuotaExceeded", 0, DS_ENOSPC, DS_RETRY_NEVER, QUOTA },
    { "StorageQuotaExceeded", 0, DS_ENOSPC, DS_RETRY_NEVER, QUOTA },
    { "EntityTooLarge", 413, DS_EINVAL, DS_RETRY_NEVER, "the store takes no object of this size" },
    { "InvalidStorageClass", 0, DS_EINVAL, DS_RETRY_NEVER, NULL },
    { "InvalidObjectState", 0, DS_EACCES, DS_RETRY_NEVER,
      "the object was moved to an archive: restore it there first, and let no lifecycle rule move "
      "a repository" },
    { "ObjectLockConfigurationNotFoundError", 0, DS_ENOTSUP, DS_RETRY_NEVER, LOCKS },
    { "NoSuchObjectLockConfiguration", 0, DS_ENOTSUP, DS_RETRY_NEVER, LOCKS },
    { "InvalidRetentionPeriod", 0, DS_EINVAL, DS_RETRY_NEVER,
      "the bucket allows no such retention" },
    { "ObjectLocked", 0, DS_EACCES, DS_RETRY_NEVER, "the object is locked (Object Lock) until its "
      "retention ends" },
    { "NotImplemented", 501, DS_ENOTSUP, DS_RETRY_NEVER, "this store can't do that" },
    { "MethodNotAllowed", 405, DS_ENOTSUP, DS_RETRY_NEVER, "this store does not allow that" },
    { "", 407, DS_EACCES, DS_RETRY_NEVER,
      "the proxy wants to know who asks: set proxy_user and proxy_password" },
};

static const struct kind *kind_of(const struct answer *a)
{
    static const struct kind broken = { "", 0, DS_EIO, DS_RETRY_SAME, TRY };
    static const struct kind other = { "", 0, DS_EINVAL, DS_RETRY_NEVER,
                                       "the store refuses this request" };
    size_t n = sizeof kinds / sizeof kinds[0];
    for (size_t i = 0; i < n; i++)
        if (a->error.code[0] && strcmp(kinds[i].code, a->error.code) == 0)
            return &kinds[i];
    for (size_t i = 0; i < n; i++)
        if (kinds[i].http && kinds[i].http == a->http)
            return &kinds[i];
    return a->http >= 500 || a->http == 200 ? &broken : &other;
}

static bool is_code(const struct answer *a, const char *code)
{
    return strcmp(a->error.code, code) == 0;
}

const char *answer_region(const struct answer *a)
{
    return a->error.region[0] ? a->error.region : a->region;
}

bool answer_is_slow_down(const struct answer *a)
{
    const struct kind *kind = kind_of(a);
    return kind->status == DS_EBUSY && strcmp(kind->text, LOAD) == 0;
}

bool answer_is_elsewhere(const struct answer *a)
{
    return a->http == 301 || a->http == 307 || is_code(a, "AuthorizationHeaderMalformed") ||
           (a->http == 400 && a->region[0] && !a->error.code[0]); /* HEAD has no document */
}

bool answer_is_expired(const struct answer *a)
{
    return is_code(a, "ExpiredToken") || is_code(a, "TokenRefreshRequired") ||
           is_code(a, "ExpiredTokenException");
}

/* ---- sentences that need more than a table ---- */

static void tell_skew(char *out, size_t size, const struct answer *a, const struct question *q)
{
    int64_t ahead = a->date_ns ? (q->now_ns - a->date_ns) / MOMENT_SECOND : 0;
    int64_t by = ahead < 0 ? -ahead : ahead;
    if (!a->date_ns)
        snprintf(out, size, "this machine's clock differs too much from the store's: set it");
    else
        snprintf(out, size, "this machine's clock is %lld min %lld s %s the store's: set it (the "
                            "store allows 15 minutes)",
                 (long long)(by / 60), (long long)(by % 60), ahead < 0 ? "behind" : "ahead of");
}

/* Beyond what any store takes: where a refusal has no document, this is why. */
static bool is_skewed(const struct answer *a, const struct question *q)
{
    int64_t ahead = a->date_ns ? q->now_ns - a->date_ns : 0;
    return ahead > 15 * 60 * MOMENT_SECOND || ahead < -15 * 60 * MOMENT_SECOND;
}

static void tell_denied(char *out, size_t size, const struct answer *a, const struct question *q)
{
    const char *action = operation_of(q)->action;
    if (str_contains(a->error.message, "object lock") || str_contains(a->error.message, "WORM") ||
        str_contains(a->error.message, "forbidden by object"))
        snprintf(out, size, "the object is locked (Object Lock) until its retention ends");
    else if (q->op == DS_STORE_GET || q->op == DS_STORE_HEAD)
        snprintf(out, size, "these keys lack the right %s for it, or it does not exist and they "
                            "lack s3:ListBucket, without which the store does not say so", action);
    else
        snprintf(out, size, "these keys lack the right %s%s: let the bucket's policy or the user's "
                            "allow it", action, q->locks ? " or s3:PutObjectRetention" : "");
}

static void tell_elsewhere(char *out, size_t size, const struct answer *a, const struct question *q)
{
    const char *region = answer_region(a);
    const char *there = a->error.endpoint[0] ? a->error.endpoint : a->location;
    if (region[0])
        snprintf(out, size, "the bucket is in the region %s, and the request was for %s: set region"
                            "%s%.100s", region, q->region, there[0] ? ", and endpoint to " : "",
                 there);
    else if (there[0])
        snprintf(out, size, "the service sends us to %.120s: if that is right, set endpoint",
                 there);
    else
        snprintf(out, size, "the bucket is not in the region %s, or not at this endpoint: correct "
                            "region or endpoint", q->region);
}

static void tell(char *out, size_t size, const struct kind *kind, const struct answer *a,
                 const struct question *q)
{
    if (kind->text)
        str_copy(out, size, kind->text);
    else if (is_code(a, "RequestTimeTooSkewed") || is_code(a, "RequestExpired"))
        tell_skew(out, size, a, q);
    else if (is_code(a, "InvalidAccessKeyId"))
        snprintf(out, size, "the store knows no access key %.40s: check access_key and endpoint",
                 q->access_key);
    else if (answer_is_expired(a))
        snprintf(out, size, "the session of the access key %.40s has expired%s", q->access_key,
                 q->ours_again ? "" : ": provide a new one");
    else if (is_code(a, "InvalidStorageClass"))
        snprintf(out, size, "the store has no storage class %.60s: correct storage_class",
                 q->storage_class[0] ? q->storage_class : "STANDARD");
    else if (kind->status == DS_EACCES)
        tell_denied(out, size, a, q);
    else
        tell_elsewhere(out, size, a, q);
}

/* A lock is refused with codes that tell nothing. */
static const struct kind *lock_kind(const struct kind *kind, const struct answer *a,
                                    const struct question *q)
{
    static const struct kind no_locks = { "", 0, DS_ENOTSUP, DS_RETRY_NEVER, LOCKS };
    bool lock = q->op == DS_STORE_RETAIN || q->op == S3_OP_LOCK_CONFIG || q->locks;
    if (lock && (is_code(a, "InvalidRequest") || is_code(a, "InvalidBucketState") ||
                 (q->op != DS_STORE_PUT && kind->status == DS_ENOTSUP)))
        return &no_locks;
    return kind;
}

/* Where a store's document should be there is none: another service answers, or a proxy. Its "not
 * found" says nothing about the object. */
static bool is_stranger(const struct answer *a, const struct question *q)
{
    return q->op != DS_STORE_HEAD && !a->error.code[0] && a->http >= 400 && a->http < 500 &&
           a->http != 407 && a->http != 408 && a->http != 412 && a->http != 429;
}

int answer_classify(const struct answer *a, const struct question *q, struct ds_error *err)
{
    char subject[400], text[360], told[300] = "";
    const struct kind *kind = lock_kind(kind_of(a), a, q);
    int status = kind->status;
    uint32_t retry = kind->retry;
    answer_subject(subject, sizeof subject, q);
    if (q->op == DS_STORE_HEAD && a->http == 403 && !a->error.code[0] && is_skewed(a, q)) {
        tell_skew(text, sizeof text, a, q);
    } else if (is_stranger(a, q)) {
        snprintf(text, sizeof text,
                 "the answer %ld has no document that S3 would send; is endpoint right, or does a "
                 "proxy answer?", a->http);
        status = a->http == 403 || a->http == 401 ? DS_EACCES : DS_ENETWORK;
        retry = DS_RETRY_NEVER;
    } else {
        tell(text, sizeof text, kind, a, q);
    }
    if (answer_is_expired(a) && q->ours_again)
        retry = DS_RETRY_SAME;
    if (status == DS_EEXIST && !(q->flags & DS_STORE_IF_ABSENT))
        status = DS_EINVAL;
    if (a->error.code[0])
        snprintf(told, sizeof told, " (%s%s%.110s)", a->error.code,
                 a->error.message[0] ? ": " : "", a->error.message);
    if (status == DS_ENOENT || status == DS_EEXIST)
        told[0] = 0;
    ds_fail_retry(err, status, retry, "%s: %s%s", subject, text, told);
    ds_error_native(err, DS_DOMAIN_HTTP, (int32_t)a->http);
    err->retry_after_ms = retry == DS_RETRY_NEVER ? 0 : a->retry_after_ms;
    return status;
}
