/* SPDX-License-Identifier: Apache-2.0 */
/* record.c - one MFT record in memory. Every length in it is hostile: an attribute is handed out
 * only after its header, name, value or mapping pairs were found to lie inside it, and it inside
 * the record. */
#include "record.h"

#include "bytes.h"

#include <string.h>

enum { /* offsets in a record's header */
    RECORD_USA_OFFSET = 4,
    RECORD_USA_COUNT = 6,
    RECORD_LSN = 8,
    RECORD_SEQUENCE = 16,
    RECORD_LINKS = 18,
    RECORD_ATTRS = 20,
    RECORD_FLAGS = 22,
    RECORD_USED = 24,
    RECORD_BASE = 32,
    RECORD_HEADER = 42
};

enum { /* offsets in an attribute's header */
    ATTR_LENGTH = 4,
    ATTR_NONRESIDENT = 8,
    ATTR_NAME_LENGTH = 9,
    ATTR_NAME_OFFSET = 10,
    ATTR_FLAGS = 12,
    ATTR_INSTANCE = 14,
    ATTR_VALUE_LENGTH = 16,
    ATTR_VALUE_OFFSET = 20,
    ATTR_LOWEST_VCN = 16,
    ATTR_PAIRS_OFFSET = 32,
    ATTR_DATA_SIZE = 48,
    ATTR_INITIALIZED_SIZE = 56,
    ATTR_RESIDENT_HEADER = 24,
    ATTR_NONRESIDENT_HEADER = 64
};

const char *ntfs_fixup(uint8_t *data, size_t n)
{
    size_t offset, count, i;

    if (n < NTFS_STRIDE || n % NTFS_STRIDE != 0)
        return "its size is no multiple of 512";
    offset = ntfs_le16(data + RECORD_USA_OFFSET);
    count = ntfs_le16(data + RECORD_USA_COUNT);
    if (count != n / NTFS_STRIDE + 1)
        return "its update sequence array has the wrong length";
    if (offset % 2 != 0 || offset < 8 || offset + count * 2 > NTFS_STRIDE - 2)
        return "its update sequence array is out of place";
    for (i = 1; i < count; i++)
        if (memcmp(data + i * NTFS_STRIDE - 2, data + offset, 2) != 0)
            return "its update sequence numbers do not match (a torn write)";
    for (i = 1; i < count; i++)
        memcpy(data + i * NTFS_STRIDE - 2, data + offset + i * 2, 2);
    return NULL;
}

const char *ntfs_record_check(const uint8_t *data, size_t n)
{
    size_t attrs = ntfs_le16(data + RECORD_ATTRS), used = ntfs_le32(data + RECORD_USED);

    if (memcmp(data, "FILE", 4) != 0)
        return "its signature is not FILE";
    if (attrs < RECORD_HEADER || attrs % 8 != 0 || attrs > n - 8)
        return "its first attribute is out of place";
    if (used > n || used < attrs)
        return "its used size is out of range";
    return NULL;
}

uint64_t ntfs_record_lsn(const uint8_t *data)
{
    return ntfs_le64(data + RECORD_LSN);
}

uint16_t ntfs_record_sequence(const uint8_t *data)
{
    return ntfs_le16(data + RECORD_SEQUENCE);
}

uint16_t ntfs_record_links(const uint8_t *data)
{
    return ntfs_le16(data + RECORD_LINKS);
}

bool ntfs_record_in_use(const uint8_t *data)
{
    return (ntfs_le16(data + RECORD_FLAGS) & 1) != 0;
}

bool ntfs_record_is_directory(const uint8_t *data)
{
    return (ntfs_le16(data + RECORD_FLAGS) & 2) != 0;
}

uint64_t ntfs_record_base(const uint8_t *data)
{
    return NTFS_REFERENCE(ntfs_le64(data + RECORD_BASE));
}

size_t ntfs_record_attrs(const uint8_t *data)
{
    return ntfs_le16(data + RECORD_ATTRS);
}

static bool attr_nonresident(const uint8_t *p, size_t length, struct ntfs_attr *attr)
{
    size_t pairs;

    if (length < ATTR_NONRESIDENT_HEADER)
        return false;
    pairs = ntfs_le16(p + ATTR_PAIRS_OFFSET);
    if (pairs < ATTR_NONRESIDENT_HEADER || pairs > length)
        return false;
    attr->lowest_vcn = ntfs_le64(p + ATTR_LOWEST_VCN);
    attr->pairs = p + pairs;
    attr->pairs_length = length - pairs;
    attr->data_size = ntfs_le64(p + ATTR_DATA_SIZE);
    attr->initialized_size = ntfs_le64(p + ATTR_INITIALIZED_SIZE);
    return true;
}

static bool attr_resident(const uint8_t *p, size_t length, struct ntfs_attr *attr)
{
    size_t offset = ntfs_le16(p + ATTR_VALUE_OFFSET);

    attr->value_length = ntfs_le32(p + ATTR_VALUE_LENGTH);
    if (offset > length || attr->value_length > length - offset)
        return false;
    attr->value = p + offset;
    return true;
}

int ntfs_attr_next(const uint8_t *data, size_t n, size_t *pos, struct ntfs_attr *attr)
{
    const uint8_t *p = data + *pos;
    size_t length, name;

    memset(attr, 0, sizeof *attr);
    if (*pos > n || n - *pos < 4)
        return -1;
    attr->type = ntfs_le32(p);
    if (attr->type == 0xffffffffu)
        return 0;
    if (n - *pos < ATTR_RESIDENT_HEADER)
        return -1;
    length = ntfs_le32(p + ATTR_LENGTH);
    if (length < ATTR_RESIDENT_HEADER || length % 8 != 0 || length > n - *pos)
        return -1;
    attr->flags = ntfs_le16(p + ATTR_FLAGS);
    attr->instance = ntfs_le16(p + ATTR_INSTANCE);
    attr->nonresident = p[ATTR_NONRESIDENT] != 0;
    attr->name_length = p[ATTR_NAME_LENGTH];
    name = ntfs_le16(p + ATTR_NAME_OFFSET);
    if (attr->name_length != 0 && (name > length || attr->name_length * 2u > length - name))
        return -1;
    attr->name = p + (attr->name_length ? name : 0);
    if (attr->nonresident ? !attr_nonresident(p, length, attr) : !attr_resident(p, length, attr))
        return -1;
    *pos += length;
    return 1;
}

bool ntfs_attr_named(const struct ntfs_attr *attr, const char *name)
{
    size_t i, n = strlen(name);

    if (attr->name_length != n)
        return false;
    for (i = 0; i < n; i++)
        if (ntfs_le16(attr->name + 2 * i) != (uint8_t)name[i])
            return false;
    return true;
}
