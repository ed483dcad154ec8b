/* SPDX-License-Identifier: Apache-2.0 */
/* body.h - the bytes of a put, read where the caller has them: pieces are never copied together. */
#ifndef TRANSPORT_S3_BODY_H
#define TRANSPORT_S3_BODY_H

#include "sign.h"

#include <openssl/evp.h>

struct body {
    const struct ds_iovec *iov;
    uint32_t n, at;  /* pieces, and the one being read */
    size_t offset;   /* in that piece */
    uint64_t total;
    EVP_MD_CTX *md5; /* of what was read in order since the start; NULL = not wanted or lost */
};

void body_start(struct body *body, const struct ds_iovec *iov, uint32_t n);
/* What an ETag may be compared with; has no effect without memory or without MD5. */
void body_want_md5(struct body *body);
/* False where there is none, or not all bytes were read. */
bool body_md5(struct body *body, uint8_t out[16]);
bool body_sha256_hex(const struct body *body, char out[SIGN_HASH_HEX]);
/* The MD5 of all pieces, as the header Content-MD5 has it. */
bool body_md5_base64(const struct body *body, char out[25]);
size_t body_read(struct body *body, char *out, size_t n);
/* False for a place that it has not. */
bool body_seek(struct body *body, uint64_t offset);
void body_free(struct body *body);

#endif
