/* SPDX-License-Identifier: Apache-2.0 */
/* sign.c - see sign.h. */
#include "sign.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#define CANONICAL_MAX ((size_t)64 << 10) /* a session token may be long */

static bool hmac(uint8_t out[SIGN_KEY], const void *key, size_t len, const char *text)
{
    unsigned n = SIGN_KEY;
    return HMAC(EVP_sha256(), key, (int)len, (const unsigned char *)text, strlen(text), out, &n) !=
           NULL;
}

bool sign_key(uint8_t key[SIGN_KEY], const char *secret, size_t len, const char *day,
              const char *region, const char *service)
{
    struct strbuf first = STRBUF_INIT(8192);
    uint8_t next[SIGN_KEY];
    strbuf_text(&first, "AWS4");
    strbuf_add(&first, secret, len);
    bool good = !first.failed && hmac(next, first.data, first.len, day) &&
                hmac(key, next, SIGN_KEY, region) && hmac(next, key, SIGN_KEY, service) &&
                hmac(key, next, SIGN_KEY, "aws4_request");
    strbuf_free(&first);
    OPENSSL_cleanse(next, sizeof next);
    return good;
}

bool sign_sha256_hex(char out[SIGN_HASH_HEX], const void *data, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[EVP_MAX_MD_SIZE];
    if (!EVP_Digest(data, n, hash, NULL, EVP_sha256(), NULL))
        return false;
    for (size_t i = 0; i < 32; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[64] = 0;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sign_header *)a)->name, ((const struct sign_header *)b)->name);
}

/* The value without blanks around it, and one where there were several. */
static void add_value(struct strbuf *out, const char *value)
{
    bool blank = false, any = false;
    for (; *value; value++) {
        if (*value == ' ' || *value == '\t') {
            blank = any;
            continue;
        }
        if (blank)
            strbuf_text(out, " ");
        blank = false;
        any = true;
        strbuf_add(out, value, 1);
    }
}

static void add_names(struct strbuf *out, const struct sign_request *request)
{
    for (size_t i = 0; i < request->n_headers; i++)
        strbuf_printf(out, "%s%s", i ? ";" : "", request->headers[i].name);
}

static void canonical(struct strbuf *out, const struct sign_request *request)
{
    strbuf_printf(out, "%s\n%s\n%s\n", request->method, request->path, request->query);
    for (size_t i = 0; i < request->n_headers; i++) {
        strbuf_printf(out, "%s:", request->headers[i].name);
        add_value(out, request->headers[i].value);
        strbuf_text(out, "\n");
    }
    strbuf_text(out, "\n");
    add_names(out, request);
    strbuf_printf(out, "\n%s", request->payload);
}

void sign_authorization(struct strbuf *out, struct sign_request *request,
                        const struct sign_identity *identity)
{
    struct strbuf text = STRBUF_INIT(CANONICAL_MAX);
    char hash[SIGN_HASH_HEX], scope[160];
    uint8_t signature[SIGN_KEY];
    qsort(request->headers, request->n_headers, sizeof request->headers[0], by_name);
    canonical(&text, request);
    bool good = !text.failed && sign_sha256_hex(hash, text.data, text.len);
    snprintf(scope, sizeof scope, "%.8s/%s/%s/aws4_request", identity->stamp, identity->region,
             identity->service);
    strbuf_reset(&text);
    strbuf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", identity->stamp, scope, good ? hash : "");
    good = good && !text.failed && hmac(signature, identity->key, SIGN_KEY, strbuf_str(&text));
    strbuf_free(&text);
    if (!good) {
        out->failed = true;
        return;
    }
    strbuf_printf(out, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=", identity->access_key,
                  scope);
    add_names(out, request);
    strbuf_text(out, ", Signature=");
    strbuf_hex(out, signature, sizeof signature);
}
