/* SPDX-License-Identifier: Apache-2.0 */
/* crypto.h - the cryptographic primitives of S3Block, all by OpenSSL's libcrypto: HKDF-SHA-256 (RFC
 * 5869), HMAC-SHA-256 (RFC 2104), AES-256-GCM and GMAC (NIST SP 800-38D), scrypt (RFC 7914).
 * Contexts belong to one thread at a time. */
#ifndef CORE_S3BLOCK_CRYPTO_H
#define CORE_S3BLOCK_CRYPTO_H

#include <disksync/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_SIZE 32
#define HASH_SIZE 32
#define ID_SIZE 16
#define TAG_SIZE 16
#define SALT_SIZE 32

/* out: KEY_SIZE bytes. info = label followed by extra. False only if libcrypto fails. */
bool crypto_hkdf(uint8_t out[KEY_SIZE], const uint8_t *key, size_t key_len, const void *salt,
                 size_t salt_len, const char *label, const void *extra, size_t extra_len);
bool crypto_hmac(uint8_t out[HASH_SIZE], const uint8_t key[KEY_SIZE], const void *a, size_t a_len,
                 const void *b, size_t b_len);
bool crypto_sha256(uint8_t out[HASH_SIZE], const void *data, size_t len);
bool crypto_equal(const void *a, const void *b, size_t n); /* in constant time */

struct scrypt_cost {
    uint8_t log2_n;
    uint32_t r, p;
};
/* The bounds of what is accepted: at most 256 MiB of memory. */
bool scrypt_cost_valid(const struct scrypt_cost *cost);
bool crypto_scrypt(uint8_t out[KEY_SIZE], const void *secret, size_t len,
                   const uint8_t salt[SALT_SIZE], const struct scrypt_cost *cost);

/* AES-256-GCM under one key. The nonce is a slot number: 4 bytes little-endian, then zeros. */
struct sealer;
struct sealer *sealer_new(const uint8_t key[KEY_SIZE]);
void sealer_free(struct sealer *sealer);
/* In place; tag gets TAG_SIZE bytes. aad and then the nonce's 4 bytes are authenticated. */
bool sealer_seal(struct sealer *sealer, uint32_t nonce, const void *aad, size_t aad_len, void *data,
                 size_t len, uint8_t *tag);
/* False if the tag does not fit: the data is then undefined. */
bool sealer_open(struct sealer *sealer, uint32_t nonce, const void *aad, size_t aad_len, void *data,
                 size_t len, const uint8_t *tag);

/* Keyed ids of plaintext: equal ids mean equal blocks. */
enum id_algorithm {
    ID_GMAC = 1,       /* GMAC under AES-256 with an all-zero nonce: a keyed universal hash. Sound
                          because ids never leave sealed parts, so nobody sees an input-tag pair */
    ID_HMAC_SHA256 = 2 /* truncated to 16 bytes */
};
struct hasher;
struct hasher *hasher_new(uint32_t algorithm, const uint8_t key[KEY_SIZE]);
void hasher_free(struct hasher *hasher);
bool hasher_id(struct hasher *hasher, const void *data, size_t len, uint8_t id[ID_SIZE]);

#endif
