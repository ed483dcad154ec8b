/* SPDX-License-Identifier: Apache-2.0 */
/* credentials.h - the keys that requests are signed with. The secret is read where it lies, turned
 * into the signing key of one day and region, and forgotten; a new day, another region, an expired
 * token read it again. */
#ifndef TRANSPORT_S3_CREDENTIALS_H
#define TRANSPORT_S3_CREDENTIALS_H

#include "settings.h"
#include "sign.h"

struct metadata;
struct s3;

#define CREDENTIALS_PENDING 1 /* being fetched: ask again after the next turn of the loop */

struct credentials {
    bool ready;
    enum credentials_choice source; /* where the present ones came from */
    char access_key[160];
    struct strbuf session_token; /* "" = none */
    uint8_t key[SIGN_KEY];
    char day[9], region[SETTINGS_REGION_MAX]; /* that the key is of */
    int64_t expires_ns;                       /* 0 = not told */
    char refused[160];                        /* access key that the store called expired */
    struct metadata *metadata;                /* a fetch under way */
    int failure;                              /* of the last fetch, for all that waited for it */
    uint64_t failed_ns;                       /* when */
    struct ds_error failed;
};

void credentials_start(struct credentials *credentials);
/* DS_OK: they are there and of this day and region. CREDENTIALS_PENDING, or a failure. */
int credentials_need(struct s3 *s3, const char *day, const char *region, struct ds_error *err);
/* The store says they are expired. True if other ones may be found by another try. */
bool credentials_expired(struct s3 *s3);
void credentials_free(struct s3 *s3);

/* What a source found; day and region are those that were asked for. */
struct credentials_found {
    enum credentials_choice source;
    const char *access_key, *secret_key, *session_token;
    size_t access_len, secret_len, session_len;
    int64_t expires_ns;
};
int credentials_take(struct s3 *s3, const struct credentials_found *found, struct ds_error *err);

#endif
