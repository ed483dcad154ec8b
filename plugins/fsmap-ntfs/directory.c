/* SPDX-License-Identifier: Apache-2.0 */
/* directory.c - a directory's index, read block by block instead of down the tree: no recursion, no
 * loop however the tree is tied, and no need of the volume's own collation table. What is found
 * serves only to skip data, so whatever cannot be read is left out: then nothing is skipped. */
#include "directory.h"

#include "bytes.h"
#include "record.h"
#include "volume.h"

#include <disksync/helpers.h>
#include <stdlib.h>

enum { /* offsets: in the index root's value, an index block, an index header, an entry, a name */
    ROOT_TYPE = 0,
    ROOT_BLOCK_SIZE = 8,
    ROOT_HEADER = 16,
    BLOCK_HEADER = 24,
    HEADER_ENTRIES = 0,
    HEADER_LENGTH = 4,
    HEADER_BYTES = 16,
    ENTRY_REFERENCE = 0,
    ENTRY_LENGTH = 8,
    ENTRY_KEY_LENGTH = 10,
    ENTRY_FLAGS = 12,
    ENTRY_BYTES = 16,
    ENTRY_LAST = 2,
    NAME_PARENT = 0,
    NAME_LENGTH = 64,
    NAME_TEXT = 66
};

bool ntfs_name_parse(const uint8_t *value, size_t n, struct ntfs_name *name)
{
    if (n < NAME_TEXT || value[NAME_LENGTH] * 2u > n - NAME_TEXT)
        return false;
    name->parent = ntfs_le64(value + NAME_PARENT);
    name->length = value[NAME_LENGTH];
    name->utf16 = value + NAME_TEXT;
    return true;
}

static uint16_t name_lower(uint16_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint16_t)(c + 32) : c;
}

bool ntfs_name_is(const struct ntfs_name *name, const char *ascii, bool ends)
{
    size_t i, n = strlen(ascii), from;

    if (ends ? name->length < n : name->length != n)
        return false;
    from = name->length - n;
    for (i = 0; i < n; i++)
        if (name_lower(ntfs_le16(name->utf16 + 2 * (from + i))) !=
            name_lower((uint8_t)ascii[i]))
            return false;
    return true;
}

/* The entries behind one index header of at most n bytes. */
static int directory_entries(const uint8_t *header, size_t n, ntfs_directory_fn *fn, void *ud)
{
    size_t pos, end;

    if (n < HEADER_BYTES)
        return DS_OK;
    pos = ntfs_le32(header + HEADER_ENTRIES);
    end = (size_t)ntfs_min(ntfs_le32(header + HEADER_LENGTH), n);
    while (pos < end && end - pos >= ENTRY_BYTES) {
        const uint8_t *e = header + pos;
        size_t length = ntfs_le16(e + ENTRY_LENGTH), key = ntfs_le16(e + ENTRY_KEY_LENGTH);
        struct ntfs_name name;
        int rc = DS_OK;
        if (length < ENTRY_BYTES || length > end - pos || (e[ENTRY_FLAGS] & ENTRY_LAST))
            return DS_OK;
        if (key <= length - ENTRY_BYTES && ntfs_name_parse(e + ENTRY_BYTES, key, &name))
            rc = fn(ud, ntfs_le64(e + ENTRY_REFERENCE), &name);
        if (rc != DS_OK)
            return rc;
        pos += length;
    }
    return DS_OK;
}

static int directory_blocks(struct ntfs_volume *v, const struct ntfs_stream *s, uint32_t size,
                            ntfs_directory_fn *fn, void *ud)
{
    uint64_t offset = 0, limit = ntfs_min(s->data_size, NTFS_INDEX_MAX);
    uint8_t *block = malloc(size);
    int rc = DS_OK;

    if (!block)
        return ds_fail(v->io.call->err, DS_ENOMEM, "NTFS: no memory for an index block");
    for (; rc == DS_OK && offset + size <= limit; offset += size) {
        rc = ntfs_stream_read(v, s, block, size, offset, "directory index");
        if (rc == DS_OK && memcmp(block, "INDX", 4) == 0 && !ntfs_fixup(block, size))
            rc = directory_entries(block + BLOCK_HEADER, size - BLOCK_HEADER, fn, ud);
    }
    free(block);
    return rc;
}

int ntfs_directory_walk(struct ntfs_volume *v, uint64_t number, ntfs_directory_fn *fn, void *ud)
{
    struct ntfs_stream root = { 0 }, blocks = { 0 };
    uint32_t size = 0;
    int rc = ntfs_stream_open(v, number, NTFS_ATTR_INDEX_ROOT, "$I30", &root);

    if (rc == DS_OK && root.resident && root.data_size >= ROOT_HEADER + HEADER_BYTES &&
        ntfs_le32(root.value + ROOT_TYPE) == NTFS_ATTR_FILE_NAME) {
        size = ntfs_le32(root.value + ROOT_BLOCK_SIZE);
        rc = directory_entries(root.value + ROOT_HEADER, (size_t)root.data_size - ROOT_HEADER, fn,
                               ud);
    }
    ntfs_stream_free(&root);
    if (rc != DS_OK)
        return rc;
    if (size < NTFS_STRIDE || size > NTFS_RECORD_MAX || !ntfs_power_of_two(size))
        return DS_OK;
    rc = ntfs_stream_open(v, number, NTFS_ATTR_INDEX_ALLOCATION, "$I30", &blocks);
    if (rc == DS_OK && !blocks.resident)
        rc = directory_blocks(v, &blocks, size, fn, ud);
    else if (rc == DS_ENOENT)
        rc = DS_OK; /* a small directory: all in the root */
    ntfs_stream_free(&blocks);
    return rc;
}
