/* SPDX-License-Identifier: Apache-2.0 */
/* key.h - object keys and bucket names, and the file names that stand for them. A key's parts
 * between slashes become folders and a file; [a-z0-9.-] stay, every other byte becomes %XX, "." and
 * ".." too, and an empty part becomes "%". So no key leaves its bucket, two keys never share a file
 * on file systems that fold case, and the keys that DiskSync writes are named as its directory
 * store names them. Names with '_' are the store's own: no key has one. */
#ifndef CORE_GATEWAY_KEY_H
#define CORE_GATEWAY_KEY_H

#include <stdbool.h>
#include <stddef.h>

#define KEY_MAX 1024u     /* bytes, as S3 has it */
#define KEY_PART_MAX 250u /* bytes of one part as a file name */
#define KEY_PATH_MAX (3u * KEY_MAX + 1)
#define BUCKET_MAX 63u

bool key_is_bucket(const char *name);
/* UTF-8, 1 to KEY_MAX bytes. */
bool key_is_good(const char *key);
/* Path relative to the bucket. False if a part is too long for a file name. */
bool key_to_path(char out[KEY_PATH_MAX], const char *key);
/* One file name back to the part of the key; room for KEY_PART_MAX + 1. False if no part of a key
 * has this name. */
bool key_part(char *out, const char *name);

#endif
