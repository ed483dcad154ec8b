/* SPDX-License-Identifier: Apache-2.0 */
/* body.c - see body.h. */
#include "body.h"

void body_start(struct body *body, const struct ds_iovec *iov, uint32_t n)
{
    *body = (struct body){ .iov = iov, .n = n };
    for (uint32_t i = 0; i < n; i++)
        body->total += iov[i].length;
}

void body_want_md5(struct body *body)
{
    if (!body->md5)
        body->md5 = EVP_MD_CTX_new();
    /* A system in FIPS mode has no MD5. */
    if (body->md5 && !EVP_DigestInit_ex(body->md5, EVP_md5(), NULL)) {
        EVP_MD_CTX_free(body->md5);
        body->md5 = NULL;
    }
}

bool body_md5(struct body *body, uint8_t out[16])
{
    if (!body->md5 || body->at != body->n)
        return false;
    bool good = EVP_DigestFinal_ex(body->md5, out, NULL);
    EVP_MD_CTX_free(body->md5);
    body->md5 = NULL;
    return good;
}

static bool digest(const struct body *body, const EVP_MD *md, unsigned char *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestInit_ex(ctx, md, NULL);
    for (uint32_t i = 0; good && i < body->n; i++)
        good = EVP_DigestUpdate(ctx, body->iov[i].data, body->iov[i].length);
    good = good && EVP_DigestFinal_ex(ctx, out, NULL);
    EVP_MD_CTX_free(ctx);
    return good;
}

bool body_sha256_hex(const struct body *body, char out[SIGN_HASH_HEX])
{
    struct strbuf text = STRBUF_INIT(SIGN_HASH_HEX);
    unsigned char hash[EVP_MAX_MD_SIZE];
    if (!digest(body, EVP_sha256(), hash))
        return false;
    strbuf_hex(&text, hash, 32);
    bool good = !text.failed && str_copy(out, SIGN_HASH_HEX, strbuf_str(&text));
    strbuf_free(&text);
    return good;
}

bool body_md5_base64(const struct body *body, char out[25])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    if (!digest(body, EVP_md5(), hash))
        return false;
    return EVP_EncodeBlock((unsigned char *)out, hash, 16) == 24;
}

/* Pieces may be empty. */
static void skip_ended(struct body *body)
{
    while (body->at < body->n && body->offset == body->iov[body->at].length) {
        body->at++;
        body->offset = 0;
    }
}

size_t body_read(struct body *body, char *out, size_t n)
{
    size_t done = 0;
    for (skip_ended(body); done < n && body->at < body->n; skip_ended(body)) {
        const struct ds_iovec *piece = &body->iov[body->at];
        size_t take = piece->length - body->offset;
        if (take > n - done)
            take = n - done;
        memcpy(out + done, (const char *)piece->data + body->offset, take);
        body->offset += take;
        done += take;
    }
    if (body->md5 && done)
        EVP_DigestUpdate(body->md5, out, done);
    return done;
}

bool body_seek(struct body *body, uint64_t offset)
{
    bool counted = body->md5 != NULL;
    if (offset > body->total)
        return false;
    body->at = 0;
    body->offset = 0;
    EVP_MD_CTX_free(body->md5);
    body->md5 = NULL;
    if (counted && offset == 0)
        body_want_md5(body);
    for (skip_ended(body); offset && body->at < body->n; skip_ended(body)) {
        size_t length = body->iov[body->at].length;
        body->offset = offset < length ? (size_t)offset : length;
        offset -= body->offset;
    }
    return true;
}

void body_free(struct body *body)
{
    EVP_MD_CTX_free(body->md5);
    body->md5 = NULL;
}
