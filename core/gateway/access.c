/* SPDX-License-Identifier: Apache-2.0 */
/* access.c - see access.h. */
#include "core/gateway/access.h"

#include <string.h>

const struct access_key *access_find(const struct access *access, const char *name)
{
    for (size_t i = 0; i < access->n; i++)
        if (strcmp(access->keys[i].name, name) == 0)
            return &access->keys[i];
    return NULL;
}

bool access_may(const struct access_key *key, enum access_right right, const char *bucket,
                const char *text)
{
    const char *prefix = key->prefix ? key->prefix : "";
    bool confined = key->bucket || *prefix;
    if (right == ACCESS_ADMIN)
        return !confined && !key->append_only;
    if (key->bucket && strcmp(key->bucket, bucket) != 0)
        return false;
    if (right == ACCESS_BUCKET)
        return true;
    if (key->append_only && (right == ACCESS_REPLACE || right == ACCESS_REMOVE))
        return false;
    return text ? strncmp(text, prefix, strlen(prefix)) == 0 : !*prefix;
}
