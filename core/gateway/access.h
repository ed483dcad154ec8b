/* SPDX-License-Identifier: Apache-2.0 */
/* access.h - who may do what: access keys, each confined to a bucket and a prefix where that is
 * asked, and each perhaps allowed only to add. */
#ifndef CORE_GATEWAY_ACCESS_H
#define CORE_GATEWAY_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

enum access_right { ACCESS_READ, ACCESS_LIST, ACCESS_ADD, ACCESS_REPLACE, ACCESS_REMOVE,
                    ACCESS_BUCKET /* look at a bucket as a whole */, ACCESS_ADMIN };

struct access_key {
    const char *name, *secret;
    const char *token;  /* session token that must come with it; NULL: none may */
    const char *bucket; /* NULL: all */
    const char *prefix; /* of keys that it sees; NULL or "": all */
    bool append_only;   /* neither replaces nor removes */
};

struct access {
    const struct access_key *keys;
    size_t n;
};

const struct access_key *access_find(const struct access *access, const char *name);
/* text: the object's key, or the prefix of a list; NULL where a bucket is meant. */
bool access_may(const struct access_key *key, enum access_right right, const char *bucket,
                const char *text);

#endif
