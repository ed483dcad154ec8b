/* SPDX-License-Identifier: Apache-2.0 */
/* sign.h - verifies AWS signatures of version 4, in the Authorization header or in the query
 * (presigned). The caller gives keys and the clock. */
#ifndef CORE_GATEWAY_SIGN_H
#define CORE_GATEWAY_SIGN_H

#include "core/gateway/http.h"
#include "core/gateway/uri.h"

#define SIGN_KEY_MAX 128u /* of an access key's name */
#define SIGN_HASH 32u
#define SIGN_WINDOW_S 900 /* how far a client's clock may be off */
#define SIGN_PRESIGN_MAX_S 604800

enum sign_verdict {
    SIGN_OK,
    SIGN_NONE,        /* not signed at all */
    SIGN_MALFORMED,   /* why is in detail */
    SIGN_REGION,      /* for another region; detail has the one it names */
    SIGN_UNKNOWN_KEY,
    SIGN_MISMATCH,
    SIGN_SKEWED,
    SIGN_EXPIRED,     /* a presigned one */
    SIGN_UNSIGNED,    /* a header that must be signed is not; detail has its name */
    SIGN_NO_HASH,     /* x-amz-content-sha256 is missing */
    SIGN_BAD_HASH,    /* it is neither a hash nor UNSIGNED-PAYLOAD */
    SIGN_STREAMING    /* a chunked upload, which is not served */
};

struct sign_policy {
    /* The secret of an access key, NULL if it is unknown; borrowed for the call. */
    const char *(*secret)(void *ud, const char *access_key);
    void *ud;
    const char *region;
    int64_t now_s;
};

struct sign_result {
    char access_key[SIGN_KEY_MAX + 1];
    bool has_hash; /* the body must have this hash */
    uint8_t hash[SIGN_HASH];
    int64_t time_s; /* when it was signed */
    char detail[160];
};

enum sign_verdict sign_verify(const struct http_request *request, const struct uri_query *query,
                              const struct sign_policy *policy, struct sign_result *out);

/* Seconds since 1970 of YYYYMMDDTHHMMSSZ. False if it is none. */
bool sign_time(int64_t *out, const char *text);

#endif
