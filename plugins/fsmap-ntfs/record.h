/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - one MFT record in memory: update sequence fix-ups, header, attributes. Nothing here
 * reads the volume; everything points into the record's bytes. */
#ifndef FSMAP_NTFS_RECORD_H
#define FSMAP_NTFS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTFS_STRIDE 512u /* bytes that one update sequence number protects, at any sector size */
#define NTFS_REFERENCE(r) ((r) & 0xffffffffffffu) /* record number of a file reference */

enum ntfs_attr_type {
    NTFS_ATTR_LIST = 0x20,
    NTFS_ATTR_FILE_NAME = 0x30,
    NTFS_ATTR_VOLUME_NAME = 0x60,
    NTFS_ATTR_VOLUME_INFORMATION = 0x70,
    NTFS_ATTR_DATA = 0x80,
    NTFS_ATTR_INDEX_ROOT = 0x90,
    NTFS_ATTR_INDEX_ALLOCATION = 0xa0
};

enum {
    NTFS_ATTR_COMPRESSED = 0x00ff, /* flags of an attribute: any compression method */
    NTFS_ATTR_ENCRYPTED = 0x4000,
    NTFS_ATTR_SPARSE = 0x8000
};

struct ntfs_attr {
    uint32_t type;         /* enum ntfs_attr_type or another */
    uint16_t flags;        /* NTFS_ATTR_COMPRESSED, ... */
    uint16_t instance;
    bool nonresident;
    uint8_t name_length;   /* UTF-16 units */
    const uint8_t *name;   /* UTF-16LE */
    const uint8_t *value;  /* resident */
    uint32_t value_length;
    uint64_t lowest_vcn;   /* nonresident, from here on */
    const uint8_t *pairs;  /* mapping pairs, to the attribute's end */
    size_t pairs_length;
    uint64_t data_size, initialized_size; /* bytes; valid where lowest_vcn is 0 */
};

/* Checks and undoes the fix-ups of a record, an index block or a log page of n bytes. NULL, or
 * what is wrong with it, for an error; then data is unchanged. */
const char *ntfs_fixup(uint8_t *data, size_t n);

/* NULL if data starts a sound record (its fix-ups undone), or what is wrong. */
const char *ntfs_record_check(const uint8_t *data, size_t n);

uint64_t ntfs_record_lsn(const uint8_t *data);
uint16_t ntfs_record_sequence(const uint8_t *data);
uint16_t ntfs_record_links(const uint8_t *data);
bool ntfs_record_in_use(const uint8_t *data);
bool ntfs_record_is_directory(const uint8_t *data);
uint64_t ntfs_record_base(const uint8_t *data); /* record number of the base; 0 for a base */

/* Where the first attribute is. */
size_t ntfs_record_attrs(const uint8_t *data);

/* The attribute at *pos, and *pos behind it. 1 = one is there, 0 = the end, -1 = malformed. n
 * bounds every pointer of *attr. */
int ntfs_attr_next(const uint8_t *data, size_t n, size_t *pos, struct ntfs_attr *attr);

/* Does the attribute bear this ASCII name ("" for none)? */
bool ntfs_attr_named(const struct ntfs_attr *attr, const char *name);

#endif
