/* SPDX-License-Identifier: Apache-2.0 */
/* sign.c - see sign.h. The canonical request is hashed as it is made: nothing is kept but its hash.
 * Host and every x-amz-* header must be signed, or whoever carries the request could change them.
 * S3 signs the path as it is, with neither "." nor "//" resolved.
 *
 * An unknown key is told apart from a wrong secret, as S3 does; but the compare takes the same time
 * wherever the signatures differ. */
#include "core/gateway/sign.h"

#include "core/base/bytes.h"
#include "core/base/text.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#define ALGORITHM "AWS4-HMAC-SHA256"

/* What the Authorization header or the query says. */
struct claim {
    char access_key[SIGN_KEY_MAX + 1];
    char date[9];                  /* of the scope */
    char region[64], service[16];
    char headers[2048];            /* signed ones, separated by ';' */
    uint8_t signature[SIGN_HASH];
    char time[20];
    bool presigned;
    int64_t expires_s;
};

static enum sign_verdict malformed(struct sign_result *out, const char *why)
{
    text_copy(out->detail, sizeof out->detail, why);
    return SIGN_MALFORMED;
}

/* ---- time ---- */

static bool number(int64_t *out, const char *text, size_t digits)
{
    *out = 0;
    for (size_t i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *out = *out * 10 + (text[i] - '0');
    }
    return true;
}

bool sign_time(int64_t *out, const char *text)
{
    int64_t y, m, d, hour, minute, second;
    if (strlen(text) != 16 || text[8] != 'T' || text[15] != 'Z' || !number(&y, text, 4) ||
        !number(&m, text + 4, 2) || !number(&d, text + 6, 2) || !number(&hour, text + 9, 2) ||
        !number(&minute, text + 11, 2) || !number(&second, text + 13, 2))
        return false;
    if (y < 1970 || m < 1 || m > 12 || d < 1 || d > 31 || hour > 23 || minute > 59 || second > 60)
        return false;
    /* Days by the civil calendar, with years that begin in March. */
    int64_t year = m <= 2 ? y - 1 : y, era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    *out = ((days * 24 + hour) * 60 + minute) * 60 + second;
    return true;
}

/* ---- what is claimed ---- */

/* Copies text[0..n) to out; false if it does not fit. */
static bool take(char *out, size_t cap, const char *text, size_t n)
{
    if (n >= cap)
        return false;
    memcpy(out, text, n);
    out[n] = 0;
    return true;
}

/* KEY/DATE/REGION/SERVICE/aws4_request; the key may have slashes. */
static bool parse_credential(struct claim *claim, const char *text, size_t n)
{
    const char *part[5], *end[5], *p = text + n;
    for (int i = 4; i >= 0; i--) {
        end[i] = p;
        while (p > text && (i == 0 || p[-1] != '/'))
            p--;
        part[i] = p;
        if (i && p-- == text)
            return false;
    }
    return end[0] > part[0] &&
           take(claim->access_key, sizeof claim->access_key, part[0],
                (size_t)(end[0] - part[0])) &&
           take(claim->date, sizeof claim->date, part[1], (size_t)(end[1] - part[1])) &&
           take(claim->region, sizeof claim->region, part[2], (size_t)(end[2] - part[2])) &&
           take(claim->service, sizeof claim->service, part[3], (size_t)(end[3] - part[3])) &&
           end[4] - part[4] == 12 && memcmp(part[4], "aws4_request", 12) == 0;
}

static bool parse_signature(struct claim *claim, const char *text, size_t n)
{
    char hex[2 * SIGN_HASH + 1];
    return n == 2 * SIGN_HASH && take(hex, sizeof hex, text, n) &&
           text_unhex(claim->signature, SIGN_HASH, hex);
}

/* One NAME=VALUE of the header. */
static bool parse_part(struct claim *claim, const char *p, size_t n, unsigned *seen)
{
    static const char *const names[] = { "Credential=", "SignedHeaders=", "Signature=" };
    for (unsigned i = 0; i < 3; i++) {
        size_t name = strlen(names[i]);
        if (n < name || memcmp(p, names[i], name) != 0)
            continue;
        if (*seen & 1u << i)
            return false;
        *seen |= 1u << i;
        p += name;
        n -= name;
        return i == 0   ? parse_credential(claim, p, n)
               : i == 1 ? take(claim->headers, sizeof claim->headers, p, n)
                        : parse_signature(claim, p, n);
    }
    return false;
}

static enum sign_verdict parse_header_claim(struct claim *claim, const struct http_request *request,
                                            const char *p, struct sign_result *out)
{
    unsigned seen = 0;
    const char *date = http_header(request, "x-amz-date");
    size_t scheme = strlen(ALGORITHM);
    if (strncmp(p, ALGORITHM " ", scheme + 1) != 0)
        return malformed(out, "the Authorization header does not begin with " ALGORITHM);
    p += scheme + 1;
    while (*p) {
        size_t n, skip = strspn(p, " ,");
        p += skip;
        n = strcspn(p, ", ");
        if (n && !parse_part(claim, p, n, &seen))
            return malformed(out, "a part of the Authorization header is wrong");
        p += n;
    }
    if (seen != 7)
        return malformed(out, "Credential, SignedHeaders or Signature is missing");
    if (!date || !take(claim->time, sizeof claim->time, date, strlen(date)))
        return malformed(out, "x-amz-date is missing or wrong");
    return SIGN_OK;
}

static enum sign_verdict parse_query_claim(struct claim *claim, const struct uri_query *query,
                                           struct sign_result *out)
{
    const char *algorithm = uri_get(query, "X-Amz-Algorithm");
    const char *credential = uri_get(query, "X-Amz-Credential");
    const char *headers = uri_get(query, "X-Amz-SignedHeaders");
    const char *signature = uri_get(query, "X-Amz-Signature");
    const char *date = uri_get(query, "X-Amz-Date"), *expires = uri_get(query, "X-Amz-Expires");
    uint64_t seconds;
    claim->presigned = true;
    if (!algorithm || strcmp(algorithm, ALGORITHM) != 0)
        return malformed(out, "X-Amz-Algorithm is not " ALGORITHM);
    if (!credential || !headers || !signature || !date || !expires)
        return malformed(out, "a parameter of the signature is missing");
    if (!parse_credential(claim, credential, strlen(credential)) ||
        !take(claim->headers, sizeof claim->headers, headers, strlen(headers)) ||
        !parse_signature(claim, signature, strlen(signature)) ||
        !take(claim->time, sizeof claim->time, date, strlen(date)) ||
        !text_parse_u64(&seconds, expires, SIGN_PRESIGN_MAX_S) || seconds == 0)
        return malformed(out, "a parameter of the signature is wrong");
    claim->expires_s = (int64_t)seconds;
    return SIGN_OK;
}

static bool is_signed(const struct claim *claim, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = claim->headers; *p;) {
        size_t len = strcspn(p, ";");
        if (len == n && memcmp(p, name, n) == 0)
            return true;
        p += len;
        p += *p == ';';
    }
    return false;
}

static enum sign_verdict check_headers(const struct claim *claim,
                                       const struct http_request *request, struct sign_result *out)
{
    const char *last = "";
    if (!is_signed(claim, "host")) {
        text_copy(out->detail, sizeof out->detail, "host");
        return SIGN_UNSIGNED;
    }
    for (size_t i = 0; i < request->n; i++) {
        const char *name = request->headers[i].name;
        if (strncmp(name, "x-amz-", 6) == 0 && !is_signed(claim, name)) {
            text_copy(out->detail, sizeof out->detail, name);
            return SIGN_UNSIGNED;
        }
    }
    for (const char *p = claim->headers; *p;) { /* ascending, so that none is there twice */
        size_t n = strcspn(p, ";"), m = strcspn(last, ";"), k = n < m ? n : m;
        int order = memcmp(p, last, k);
        if (!n || order < 0 || (order == 0 && n <= m))
            return malformed(out, "SignedHeaders are not sorted");
        last = p;
        p += n;
        p += *p == ';';
    }
    return SIGN_OK;
}

/* ---- the canonical request ---- */

static void hash_text(EVP_MD_CTX *md, const char *text)
{
    EVP_DigestUpdate(md, text, strlen(text));
}

static bool hash_path(EVP_MD_CTX *md, const char *path)
{
    struct dynbuf out = DYNBUF_INIT(3 * HTTP_TARGET_MAX);
    char *text = malloc(strlen(path) + 1);
    int n = text ? uri_decode(text, path, strlen(path), false) : -1;
    if (n >= 0)
        uri_encode(&out, text, (size_t)n, true);
    bool good = n >= 0 && dynbuf_ok(&out);
    if (good)
        EVP_DigestUpdate(md, out.data, out.len);
    free(text);
    dynbuf_free(&out);
    return good;
}

struct pair {
    size_t name, value; /* where they begin in the text; each ends with a zero */
    const char *text;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = strcmp(x->text + x->name, y->text + y->name);
    return order ? order : strcmp(x->text + x->value, y->text + y->value);
}

static bool hash_query(EVP_MD_CTX *md, const struct uri_query *query, bool presigned)
{
    struct dynbuf text = DYNBUF_INIT(4 * URI_QUERY_MAX);
    struct pair pairs[URI_PARAMETERS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < query->n; i++) {
        const struct uri_parameter *p = &query->parameters[i];
        if (presigned && strcmp(p->name, "X-Amz-Signature") == 0)
            continue;
        pairs[n].name = text.len;
        uri_encode(&text, p->name, strlen(p->name), false);
        dynbuf_u8(&text, 0);
        pairs[n].value = text.len;
        uri_encode(&text, p->value, strlen(p->value), false);
        dynbuf_u8(&text, 0);
        n++;
    }
    for (size_t i = 0; i < n; i++)
        pairs[i].text = (const char *)text.data;
    bool good = dynbuf_ok(&text);
    if (good && n)
        qsort(pairs, n, sizeof pairs[0], compare_pairs);
    for (size_t i = 0; good && i < n; i++) {
        hash_text(md, i ? "&" : "");
        hash_text(md, pairs[i].text + pairs[i].name);
        hash_text(md, "=");
        hash_text(md, pairs[i].text + pairs[i].value);
    }
    dynbuf_free(&text);
    return good;
}

/* A value with its runs of spaces made one. */
static void hash_value(EVP_MD_CTX *md, const char *value)
{
    while (*value) {
        size_t n = strcspn(value, " ");
        EVP_DigestUpdate(md, value, n);
        value += n;
        n = strspn(value, " ");
        if (n)
            EVP_DigestUpdate(md, " ", 1);
        value += n;
    }
}

static bool hash_headers(EVP_MD_CTX *md, const struct claim *claim,
                         const struct http_request *request)
{
    for (const char *p = claim->headers; *p;) {
        size_t n = strcspn(p, ";");
        bool found = false;
        EVP_DigestUpdate(md, p, n);
        hash_text(md, ":");
        for (size_t i = 0; i < request->n; i++) {
            const struct http_header *h = &request->headers[i];
            if (strlen(h->name) != n || memcmp(h->name, p, n) != 0)
                continue;
            hash_text(md, found ? "," : "");
            hash_value(md, h->value);
            found = true;
        }
        if (!found)
            return false;
        hash_text(md, "\n");
        p += n;
        p += *p == ';';
    }
    return true;
}

static bool hash_request(uint8_t out[SIGN_HASH], const struct claim *claim,
                         const struct http_request *request, const struct uri_query *query,
                         const char *payload)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
    if (good) {
        hash_text(md, request->method);
        hash_text(md, "\n");
        good = hash_path(md, request->path);
    }
    if (good) {
        hash_text(md, "\n");
        good = hash_query(md, query, claim->presigned);
    }
    if (good) {
        hash_text(md, "\n");
        good = hash_headers(md, claim, request);
    }
    if (good) {
        hash_text(md, "\n");
        hash_text(md, claim->headers);
        hash_text(md, "\n");
        hash_text(md, payload);
        good = EVP_DigestFinal_ex(md, out, NULL) == 1;
    }
    EVP_MD_CTX_free(md);
    return good;
}

/* ---- the signature ---- */

static bool mac(uint8_t out[SIGN_HASH], const void *key, size_t key_len, const void *data, size_t n)
{
    return HMAC(EVP_sha256(), key, (int)key_len, data, n, out, NULL) != NULL;
}

static bool sign(uint8_t out[SIGN_HASH], const struct claim *claim, const char *secret,
                 const uint8_t request_hash[SIGN_HASH])
{
    char text[256], hex[2 * SIGN_HASH + 1], key[260];
    uint8_t k[SIGN_HASH];
    text_hex(hex, request_hash, SIGN_HASH);
    int n = snprintf(text, sizeof text, ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", claim->time,
                     claim->date, claim->region, claim->service, hex);
    int len = snprintf(key, sizeof key, "AWS4%s", secret);
    bool good = n > 0 && (size_t)n < sizeof text && len > 0 && (size_t)len < sizeof key &&
                mac(k, key, (size_t)len, claim->date, strlen(claim->date)) &&
                mac(k, k, SIGN_HASH, claim->region, strlen(claim->region)) &&
                mac(k, k, SIGN_HASH, claim->service, strlen(claim->service)) &&
                mac(k, k, SIGN_HASH, "aws4_request", 12) && mac(out, k, SIGN_HASH, text, (size_t)n);
    wipe(key, sizeof key);
    wipe(k, sizeof k);
    return good;
}

/* What the body must be; *payload is the word that was signed. */
static enum sign_verdict payload_of(const struct claim *claim, const struct http_request *request,
                                    const char **payload, struct sign_result *out)
{
    *payload = http_header(request, "x-amz-content-sha256");
    if (!*payload && claim->presigned)
        *payload = "UNSIGNED-PAYLOAD";
    if (!*payload)
        return SIGN_NO_HASH;
    if (strcmp(*payload, "UNSIGNED-PAYLOAD") == 0)
        return SIGN_OK;
    if (strncmp(*payload, "STREAMING-", 10) == 0)
        return SIGN_STREAMING;
    if (!text_unhex(out->hash, SIGN_HASH, *payload))
        return SIGN_BAD_HASH;
    out->has_hash = true;
    return SIGN_OK;
}

static enum sign_verdict check_time(const struct claim *claim, const struct sign_policy *policy,
                                    struct sign_result *out)
{
    if (!sign_time(&out->time_s, claim->time))
        return malformed(out, "the time of the signature is wrong");
    if (strncmp(claim->time, claim->date, 8) != 0)
        return malformed(out, "the date of the credential is not that of the signature");
    int64_t age = policy->now_s - out->time_s;
    if (age < -SIGN_WINDOW_S)
        return SIGN_SKEWED;
    if (claim->presigned)
        return age > claim->expires_s ? SIGN_EXPIRED : SIGN_OK;
    return age > SIGN_WINDOW_S ? SIGN_SKEWED : SIGN_OK;
}

static enum sign_verdict check_scope(const struct claim *claim, const struct sign_policy *policy,
                                     struct sign_result *out)
{
    if (strcmp(claim->service, "s3") != 0)
        return malformed(out, "the credential is not for the service s3");
    if (strcmp(claim->region, policy->region) != 0) {
        text_copy(out->detail, sizeof out->detail, claim->region);
        return SIGN_REGION;
    }
    return SIGN_OK;
}

static enum sign_verdict verify(const struct claim *claim, const struct http_request *request,
                                const struct uri_query *query, const struct sign_policy *policy,
                                struct sign_result *out)
{
    uint8_t hash[SIGN_HASH], expected[SIGN_HASH];
    const char *payload = NULL, *secret;
    enum sign_verdict rc = check_scope(claim, policy, out);
    if (!rc)
        rc = check_headers(claim, request, out);
    if (!rc)
        rc = payload_of(claim, request, &payload, out);
    if (rc)
        return rc;
    secret = policy->secret(policy->ud, claim->access_key);
    if (!secret)
        return SIGN_UNKNOWN_KEY;
    /* Before the signature, as S3 does: a client whose clock is wrong learns that. */
    rc = check_time(claim, policy, out);
    if (rc)
        return rc;
    if (!hash_request(hash, claim, request, query, payload) ||
        !sign(expected, claim, secret, hash))
        return SIGN_MISMATCH;
    return CRYPTO_memcmp(expected, claim->signature, SIGN_HASH) == 0 ? SIGN_OK : SIGN_MISMATCH;
}

enum sign_verdict sign_verify(const struct http_request *request, const struct uri_query *query,
                              const struct sign_policy *policy, struct sign_result *out)
{
    struct claim claim = { .presigned = false };
    const char *header = http_header(request, "authorization");
    bool in_query = uri_get(query, "X-Amz-Signature") || uri_get(query, "X-Amz-Algorithm");
    enum sign_verdict rc;
    *out = (struct sign_result){ .has_hash = false };
    if (header && in_query)
        return malformed(out, "the request is signed in two places");
    if (!header && !in_query)
        return SIGN_NONE;
    rc = header ? parse_header_claim(&claim, request, header, out)
                : parse_query_claim(&claim, query, out);
    text_copy(out->access_key, sizeof out->access_key, claim.access_key);
    return rc ? rc : verify(&claim, request, query, policy, out);
}
