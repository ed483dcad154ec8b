/* SPDX-License-Identifier: Apache-2.0 */
/* crypto.c - see crypto.h. */
#include "core/s3block/crypto.h"

#include "core/base/bytes.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>

bool crypto_hkdf(uint8_t out[KEY_SIZE], const uint8_t *key, size_t key_len, const void *salt,
                 size_t salt_len, const char *label, const void *extra, size_t extra_len)
{
    uint8_t info[128];
    size_t n = strlen(label);
    if (n + extra_len > sizeof info)
        return false;
    memcpy(info, label, n);
    if (extra_len)
        memcpy(info + n, extra, extra_len);
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    OSSL_PARAM params[5], *p = params;
    char digest[] = "SHA256";
    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key, key_len);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, n + extra_len);
    if (salt_len)
        *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt,
                                                 salt_len);
    *p = OSSL_PARAM_construct_end();
    bool good = ctx && EVP_KDF_derive(ctx, out, KEY_SIZE, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return good;
}

bool crypto_hmac(uint8_t out[HASH_SIZE], const uint8_t key[KEY_SIZE], const void *a, size_t a_len,
                 const void *b, size_t b_len)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
    char digest[] = "SHA256";
    OSSL_PARAM params[2] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    size_t n = 0;
    bool good = ctx && EVP_MAC_init(ctx, key, KEY_SIZE, params) == 1 &&
                EVP_MAC_update(ctx, a, a_len) == 1 &&
                (b_len == 0 || EVP_MAC_update(ctx, b, b_len) == 1) &&
                EVP_MAC_final(ctx, out, &n, HASH_SIZE) == 1 && n == HASH_SIZE;
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return good;
}

bool crypto_sha256(uint8_t out[HASH_SIZE], const void *data, size_t len)
{
    return EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL) == 1;
}

bool crypto_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

#define SCRYPT_MEMORY_MAX (UINT64_C(256) << 20)

bool scrypt_cost_valid(const struct scrypt_cost *cost)
{
    if (cost->log2_n < 10 || cost->log2_n > 20 || cost->r < 1 || cost->r > 32 || cost->p < 1 ||
        cost->p > 16)
        return false;
    if (cost->log2_n >= 16 * cost->r) /* RFC 7914: N < 2^(128 r / 8); libcrypto fails above */
        return false;
    return (UINT64_C(128) * cost->r << cost->log2_n) <= SCRYPT_MEMORY_MAX;
}

bool crypto_scrypt(uint8_t out[KEY_SIZE], const void *secret, size_t len,
                   const uint8_t salt[SALT_SIZE], const struct scrypt_cost *cost)
{
    return EVP_PBE_scrypt(secret, len, salt, SALT_SIZE, UINT64_C(1) << cost->log2_n, cost->r,
                          cost->p, SCRYPT_MEMORY_MAX + (UINT64_C(1) << 20), out, KEY_SIZE) == 1;
}

struct sealer {
    EVP_CIPHER_CTX *ctx;
};

struct sealer *sealer_new(const uint8_t key[KEY_SIZE])
{
    struct sealer *sealer = calloc(1, sizeof *sealer);
    if (!sealer)
        return NULL;
    sealer->ctx = EVP_CIPHER_CTX_new();
    if (sealer->ctx &&
        EVP_CipherInit_ex(sealer->ctx, EVP_aes_256_gcm(), NULL, key, NULL, 1) == 1)
        return sealer;
    sealer_free(sealer);
    return NULL;
}

void sealer_free(struct sealer *sealer)
{
    if (sealer)
        EVP_CIPHER_CTX_free(sealer->ctx);
    free(sealer);
}

/* Starts one message: nonce, direction and what is authenticated but not sealed. */
static bool sealer_begin(struct sealer *sealer, uint32_t nonce, const void *aad, size_t aad_len,
                         int encrypt)
{
    uint8_t iv[12] = { 0 };
    int n;
    put_le32(iv, nonce);
    return EVP_CipherInit_ex(sealer->ctx, NULL, NULL, NULL, iv, encrypt) == 1 &&
           EVP_CipherUpdate(sealer->ctx, NULL, &n, aad, (int)aad_len) == 1 &&
           EVP_CipherUpdate(sealer->ctx, NULL, &n, iv, 4) == 1;
}

bool sealer_seal(struct sealer *sealer, uint32_t nonce, const void *aad, size_t aad_len, void *data,
                 size_t len, uint8_t *tag)
{
    uint8_t end[16];
    int n;
    return sealer_begin(sealer, nonce, aad, aad_len, 1) &&
           (len == 0 || EVP_CipherUpdate(sealer->ctx, data, &n, data, (int)len) == 1) &&
           EVP_CipherFinal_ex(sealer->ctx, end, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(sealer->ctx, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) == 1;
}

bool sealer_open(struct sealer *sealer, uint32_t nonce, const void *aad, size_t aad_len, void *data,
                 size_t len, const uint8_t *tag)
{
    uint8_t end[16];
    int n;
    return sealer_begin(sealer, nonce, aad, aad_len, 0) &&
           (len == 0 || EVP_CipherUpdate(sealer->ctx, data, &n, data, (int)len) == 1) &&
           EVP_CIPHER_CTX_ctrl(sealer->ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE,
                               (void *)(uintptr_t)tag) == 1 &&
           EVP_CipherFinal_ex(sealer->ctx, end, &n) == 1;
}

struct hasher {
    EVP_CIPHER_CTX *gmac; /* GMAC: the key schedule and the hash key's table, set up once */
    uint8_t key[KEY_SIZE];
};

struct hasher *hasher_new(uint32_t algorithm, const uint8_t key[KEY_SIZE])
{
    struct hasher *hasher = calloc(1, sizeof *hasher);
    if (!hasher)
        return NULL;
    memcpy(hasher->key, key, KEY_SIZE);
    if (algorithm == ID_HMAC_SHA256)
        return hasher;
    hasher->gmac = EVP_CIPHER_CTX_new();
    if (algorithm == ID_GMAC && hasher->gmac &&
        EVP_CipherInit_ex(hasher->gmac, EVP_aes_256_gcm(), NULL, key, NULL, 1) == 1)
        return hasher;
    hasher_free(hasher);
    return NULL;
}

void hasher_free(struct hasher *hasher)
{
    if (!hasher)
        return;
    EVP_CIPHER_CTX_free(hasher->gmac);
    wipe(hasher->key, KEY_SIZE);
    free(hasher);
}

bool hasher_id(struct hasher *hasher, const void *data, size_t len, uint8_t id[ID_SIZE])
{
    if (!hasher->gmac) {
        uint8_t full[HASH_SIZE];
        if (!crypto_hmac(full, hasher->key, data, len, NULL, 0))
            return false;
        memcpy(id, full, ID_SIZE);
        return true;
    }
    static const uint8_t iv[12];
    uint8_t end[16];
    int n;
    return EVP_CipherInit_ex(hasher->gmac, NULL, NULL, NULL, iv, 1) == 1 &&
           (len == 0 || EVP_CipherUpdate(hasher->gmac, NULL, &n, data, (int)len) == 1) &&
           EVP_CipherFinal_ex(hasher->gmac, end, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(hasher->gmac, EVP_CTRL_AEAD_GET_TAG, ID_SIZE, id) == 1;
}
