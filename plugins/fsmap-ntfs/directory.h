/* SPDX-License-Identifier: Apache-2.0 */
/* directory.h - the names in a directory. */
#ifndef FSMAP_NTFS_DIRECTORY_H
#define FSMAP_NTFS_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTFS_INDEX_MAX (256u << 20) /* bytes of one directory's index that are looked at */

struct ntfs_volume;

struct ntfs_name { /* a FILE_NAME attribute's value */
    uint64_t parent;    /* file reference */
    uint8_t length;     /* UTF-16 units */
    const uint8_t *utf16;
};

/* Non-zero stops the walk and is returned. reference: the file's, with its sequence number. */
typedef int ntfs_directory_fn(void *ud, uint64_t reference, const struct ntfs_name *name);

/* Every entry of record `number`'s index $I30, in no order, stale ones too: an entry is a hint, to
 * be checked against the record that it names. Damaged blocks are passed over. */
int ntfs_directory_walk(struct ntfs_volume *v, uint64_t number, ntfs_directory_fn *fn, void *ud);

/* Reads a FILE_NAME value of n bytes; false if it is malformed. */
bool ntfs_name_parse(const uint8_t *value, size_t n, struct ntfs_name *name);

/* Compares with an ASCII name, without regard to ASCII case. ends: only the name's end. */
bool ntfs_name_is(const struct ntfs_name *name, const char *ascii, bool ends);

#endif
