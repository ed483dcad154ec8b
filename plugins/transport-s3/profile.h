/* SPDX-License-Identifier: Apache-2.0 */
/* profile.h - one profile of a shared credentials file, the file that AWS's own tools keep keys in.
 * The text is the caller's and is not kept. */
#ifndef TRANSPORT_S3_PROFILE_H
#define TRANSPORT_S3_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

struct profile { /* parts of the text, not terminated; length 0 = not there */
    bool found;  /* the profile has a heading */
    struct profile_value {
        const char *text;
        size_t n;
    } access_key, secret_key, session_token;
};
void profile_parse(struct profile *profile, const char *text, size_t n, const char *name);

#endif
