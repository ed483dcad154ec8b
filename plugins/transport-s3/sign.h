/* SPDX-License-Identifier: Apache-2.0 */
/* sign.h - AWS Signature Version 4, as a pure function of its input. What is signed is the
 * canonical form, and the request that is sent is built from that very text (url.h): then both
 * sides see the same. */
#ifndef TRANSPORT_S3_SIGN_H
#define TRANSPORT_S3_SIGN_H

#include "strbuf.h"

#include <stdint.h>

#define SIGN_KEY 32
#define SIGN_HASH_HEX 65 /* of SHA-256, with its zero */
#define SIGN_UNSIGNED "UNSIGNED-PAYLOAD"

struct sign_header {
    const char *name; /* lower case */
    const char *value;
};

struct sign_request {
    const char *method, *path, *query; /* path and query canonical */
    const char *payload;               /* hex SHA-256 of the body, or SIGN_UNSIGNED */
    struct sign_header *headers;       /* sorted by sign_authorization */
    size_t n_headers;
};

/* The key of one day, region and service; it does not reveal the secret. False without memory. */
bool sign_key(uint8_t key[SIGN_KEY], const char *secret, size_t len, const char *day,
              const char *region, const char *service);

/* Who signs. stamp is "20150830T123600Z", whose day the key is of. */
struct sign_identity {
    const char *access_key, *region, *service, *stamp;
    const uint8_t *key;
};
/* Appends the value of the Authorization header. */
void sign_authorization(struct strbuf *out, struct sign_request *request,
                        const struct sign_identity *identity);
bool sign_sha256_hex(char out[SIGN_HASH_HEX], const void *data, size_t n);

#endif
