/* SPDX-License-Identifier: Apache-2.0 */
/* key.h - the grammar of keys, as store.h has it. */
#ifndef TRANSPORT_S3_KEY_H
#define TRANSPORT_S3_KEY_H

#include <stdbool.h>

#define KEY_MAX 200

bool key_good(const char *key);
/* A prefix may be empty, and end anywhere in a key. */
bool key_good_prefix(const char *prefix);

#endif
