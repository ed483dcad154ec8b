/* SPDX-License-Identifier: Apache-2.0 */
/* tables.h - writes partition tables onto a sparse disk. Written from the definitions of the
 * tables, and shares nothing with the parser: its checksum is computed bit by bit. */
#ifndef TESTS_DISK_TABLES_H
#define TESTS_DISK_TABLES_H

#include "tests/disk/sparse.h"

static inline uint32_t tables_crc(const uint8_t *data, size_t n)
{
    uint32_t crc = 0xffffffff;
    while (n--) {
        crc ^= *data++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

struct table_part {
    uint64_t first, last; /* sectors, both in it */
    const char *name;
};

/* What to write; zero means the usual. */
struct table_gpt {
    uint32_t sector, entry_size, n_entries;
    uint64_t lbas; /* the size that the table believes in; 0 = the disk's */
    const struct table_part *parts;
    size_t n_parts;
    bool no_primary, no_backup, no_protective;
};

#define TABLES_ENTRIES 128u

/* The type GUID "Microsoft basic data", as it stands on disks. */
static const uint8_t tables_basic_data[16] = { 0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44,
                                               0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7 };
/* Disk GUID 03020100-0504-0706-0809-0a0b0c0d0e0f. */
static const uint8_t tables_disk_guid[16] = { 0, 1, 2,  3,  4,  5,  6,  7,
                                              8, 9, 10, 11, 12, 13, 14, 15 };

static inline void tables_mbr_entry(uint8_t mbr[512], size_t i, uint8_t type, uint32_t first,
                                    uint32_t count)
{
    uint8_t *e = mbr + 446 + 16 * i;
    e[4] = type;
    put_le32(e + 8, first);
    put_le32(e + 12, count);
    mbr[510] = 0x55;
    mbr[511] = 0xaa;
}

static inline void tables_put_header(struct sparse *s, const struct table_gpt *t, uint64_t lba,
                                     uint64_t other, uint64_t entries_lba, uint64_t first,
                                     uint64_t last, uint32_t entries_crc)
{
    uint8_t h[512] = "EFI PART";
    put_le32(h + 8, 0x00010000);
    put_le32(h + 12, 92);
    put_le64(h + 24, lba);
    put_le64(h + 32, other);
    put_le64(h + 40, first);
    put_le64(h + 48, last);
    memcpy(h + 56, tables_disk_guid, 16);
    put_le64(h + 72, entries_lba);
    put_le32(h + 80, t->n_entries ? t->n_entries : TABLES_ENTRIES);
    put_le32(h + 84, t->entry_size ? t->entry_size : 128);
    put_le32(h + 88, entries_crc);
    put_le32(h + 16, tables_crc(h, 92));
    sparse_put(s, lba * t->sector, h, sizeof h);
}

static inline void tables_put_gpt(struct sparse *s, const struct table_gpt *t)
{
    uint32_t size = t->entry_size ? t->entry_size : 128;
    uint32_t n = t->n_entries ? t->n_entries : TABLES_ENTRIES;
    uint64_t lbas = t->lbas ? t->lbas : s->bytes / t->sector;
    uint64_t used = ((uint64_t)n * size + t->sector - 1) / t->sector;
    uint8_t *entries = calloc(n, size);
    uint8_t mbr[512] = { 0 };
    for (size_t i = 0; i < t->n_parts; i++) {
        uint8_t *e = entries + i * size;
        if (t->parts[i].last == 0)
            continue;
        memcpy(e, tables_basic_data, 16);
        memset(e + 16, (int)(0x40 + i), 16);
        put_le64(e + 32, t->parts[i].first);
        put_le64(e + 40, t->parts[i].last);
        for (size_t c = 0; t->parts[i].name && t->parts[i].name[c] && c < 36; c++)
            put_le16(e + 56 + 2 * c, (uint8_t)t->parts[i].name[c]);
    }
    uint32_t crc = tables_crc(entries, (size_t)n * size);
    tables_mbr_entry(mbr, 0, 0xee, 1, lbas - 1 > UINT32_MAX ? UINT32_MAX : (uint32_t)(lbas - 1));
    if (!t->no_protective)
        sparse_put(s, 0, mbr, sizeof mbr);
    if (!t->no_primary) {
        tables_put_header(s, t, 1, lbas - 1, 2, 2 + used, lbas - 2 - used, crc);
        sparse_put(s, 2ull * t->sector, entries, (size_t)n * size);
    }
    if (!t->no_backup) {
        tables_put_header(s, t, lbas - 1, 1, lbas - 1 - used, 2 + used, lbas - 2 - used, crc);
        sparse_put(s, (lbas - 1 - used) * t->sector, entries, (size_t)n * size);
    }
    free(entries);
}

/* An EBR at sector `at`: a logical partition counted from it, and the next EBR counted from the
 * start of the extended partition (0 = the last). */
static inline void tables_put_ebr(struct sparse *s, uint32_t sector, uint64_t at, uint32_t first,
                                  uint32_t count, uint32_t next)
{
    uint8_t ebr[512] = { 0 };
    tables_mbr_entry(ebr, 0, 0x83, first, count);
    if (next)
        tables_mbr_entry(ebr, 1, 0x05, next, 1);
    sparse_put(s, at * sector, ebr, sizeof ebr);
}

/* A boot sector of NTFS, with messages where an MBR has its entries. */
static inline void tables_ntfs(uint8_t boot[512], uint64_t sectors)
{
    static const char text[] = "\r\nA disk read error occurred\r\nBOOTMGR is compressed\r\n"
                               "Press Ctrl+Alt+Del to restart\r\n";
    memset(boot, 0, 512);
    memcpy(boot, "\xeb\x52\x90NTFS    ", 11);
    put_le16(boot + 11, 512);
    boot[13] = 8;
    boot[21] = 0xf8;
    put_le64(boot + 40, sectors - 1);
    put_le64(boot + 48, 4);
    put_le64(boot + 56, 8);
    boot[64] = 0xf6;
    memcpy(boot + 510 - sizeof text, text, sizeof text);
    boot[510] = 0x55;
    boot[511] = 0xaa;
}

/* A boot sector of FAT16 (64 MiB or so) with the label "OLD LABEL". */
static inline void tables_fat16(uint8_t boot[512], uint32_t sectors)
{
    memset(boot, 0, 512);
    memcpy(boot, "\xeb\x3c\x90mkfs.fat", 11);
    put_le16(boot + 11, 512);
    boot[13] = 4;
    put_le16(boot + 14, 4);
    boot[16] = 2;
    put_le16(boot + 17, 512);
    boot[21] = 0xf8;
    put_le16(boot + 22, 128);
    put_le32(boot + 32, sectors);
    boot[38] = 0x29;
    memcpy(boot + 43, "OLD LABEL  FAT16   ", 19);
    boot[510] = 0x55;
    boot[511] = 0xaa;
}

#endif
