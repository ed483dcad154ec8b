/* SPDX-License-Identifier: Apache-2.0 */
/* fsname_dos.c - NTFS, FAT12/16/32 and exFAT: boot sectors that begin alike, and labels that are
 * kept in a directory or in a file. Only first clusters are read: a label is for people. */
#include "core/disk/fsname.h"

#include "core/base/bytes.h"
#include "core/base/text.h"

#include <stdlib.h>

#define DIRECTORY_MAX (64u << 10) /* bytes of a root directory that are searched */

static bool is_power_of_2(uint32_t v)
{
    return v && (v & (v - 1)) == 0;
}

/* ---- NTFS ---- */

static bool ntfs_geometry(const struct fsname *v, uint32_t *sector, uint64_t *cluster)
{
    uint8_t spc = v->head[13];
    *sector = get_le16(v->head + 11);
    if (!is_power_of_2(*sector) || *sector < 256 || *sector > 4096)
        return false;
    if (spc > 0x80 && spc < 0xf0) /* beyond 128 the count is a negative power of two */
        return false;
    if (spc <= 0x80 && !is_power_of_2(spc))
        return false;
    *cluster = (uint64_t)*sector * (spc <= 0x80 ? spc : 1u << (256 - spc));
    return *cluster <= 2u << 20;
}

bool fsname_is_ntfs(const struct fsname *v)
{
    uint32_t sector;
    uint64_t cluster;
    return ntfs_geometry(v, &sector, &cluster) && get_le64(v->head + 40) &&
           get_le64(v->head + 48);
}

/* Puts back the last two bytes of each 512, which hold a sequence number on disk. */
static bool ntfs_fixup(uint8_t *record, size_t size)
{
    size_t at = get_le16(record + 4), n = get_le16(record + 6);
    if (memcmp(record, "FILE", 4) != 0 || n != size / 512 + 1 || at + 2 * n > size)
        return false;
    for (size_t i = 1; i < n; i++) {
        if (memcmp(record + 512 * i - 2, record + at, 2) != 0)
            return false;
        memcpy(record + 512 * i - 2, record + at + 2 * i, 2);
    }
    return true;
}

/* The label is the resident attribute 0x60 of MFT record 3. */
void fsname_ntfs_label(const struct fsname *v, char *label)
{
    uint8_t record[4096];
    uint32_t sector;
    uint64_t cluster, mft;
    if (!ntfs_geometry(v, &sector, &cluster))
        return;
    int8_t code = (int8_t)v->head[64];
    uint64_t size = code > 0 ? cluster * (uint64_t)code : code > -32 ? 1ull << -code : 0;
    if (size < 512 || size > sizeof record || size % 512 ||
        !mul_u64(get_le64(v->head + 48), cluster, &mft) || !add_u64(mft, 3 * size, &mft) ||
        !fsname_pread(v, record, (size_t)size, mft) || !ntfs_fixup(record, (size_t)size))
        return;
    size_t at = get_le16(record + 20);
    while (at + 24 <= size) {
        uint32_t type = get_le32(record + at), length = get_le32(record + at + 4);
        if (type == 0xffffffff || length < 24 || length > size - at)
            return;
        if (type == 0x60 && record[at + 8] == 0) {
            uint32_t n = get_le32(record + at + 16), from = get_le16(record + at + 20);
            if (from <= length && n <= length - from)
                label_of_utf16(label, FSNAME_LABEL, record + at + from, n / 2);
            return;
        }
        at += length;
    }
}

/* ---- FAT ---- */

struct fat {
    uint32_t sector, cluster; /* bytes */
    uint64_t root;            /* offset of the root directory, or of its first cluster */
    uint32_t root_bytes;
    bool fat32;
};

static bool fat_geometry(const struct fsname *v, struct fat *fat)
{
    const uint8_t *b = v->head;
    uint32_t reserved = get_le16(b + 14), n_fats = b[16], entries = get_le16(b + 17);
    uint32_t fat_length = get_le16(b + 22) ? get_le16(b + 22) : get_le32(b + 36);
    uint32_t sectors = get_le16(b + 19) ? get_le16(b + 19) : get_le32(b + 32);
    fat->sector = get_le16(b + 11);
    if ((b[0] != 0xeb && b[0] != 0xe9) || !is_power_of_2(fat->sector) || fat->sector < 512 ||
        fat->sector > 4096 || !is_power_of_2(b[13]) || !reserved || !n_fats || n_fats > 4 ||
        (b[21] != 0xf0 && b[21] < 0xf8) || !sectors || !fat_length)
        return false;
    fat->cluster = fat->sector * b[13];
    fat->fat32 = get_le16(b + 22) == 0;
    if (fat->fat32 ? entries != 0 : entries == 0)
        return false;
    uint64_t data = reserved + (uint64_t)n_fats * fat_length;
    if (data >= sectors)
        return false;
    fat->root = data * fat->sector;
    fat->root_bytes = fat->fat32 ? fat->cluster : entries * 32;
    if (fat->fat32) {
        uint32_t first = get_le32(b + 44);
        if (first < 2)
            return false;
        fat->root += (uint64_t)(first - 2) * fat->cluster;
    }
    return true;
}

bool fsname_is_vfat(const struct fsname *v)
{
    struct fat fat;
    return fat_geometry(v, &fat);
}

/* The entry of the root directory counts; the boot sector's copy may be older. */
void fsname_vfat_label(const struct fsname *v, char *label)
{
    enum { ATTR_LONG_NAME = 0x0f, ATTR_VOLUME = 0x08 };
    struct fat fat;
    if (!fat_geometry(v, &fat))
        return;
    size_t n = fat.root_bytes < DIRECTORY_MAX ? fat.root_bytes : DIRECTORY_MAX;
    uint8_t *dir = malloc(n);
    bool good = dir && fsname_pread(v, dir, n, fat.root);
    for (size_t at = 0; good && at + 32 <= n && dir[at]; at += 32) {
        uint8_t attr = dir[at + 11];
        if (dir[at] != 0xe5 && attr != ATTR_LONG_NAME && attr & ATTR_VOLUME) {
            label_of_bytes(label, FSNAME_LABEL, dir + at, 11);
            break;
        }
    }
    free(dir);
    const uint8_t *boot = v->head + (fat.fat32 ? 66 : 38);
    if (!label[0] && boot[0] == 0x29 && memcmp(boot + 5, "NO NAME", 7) != 0)
        label_of_bytes(label, FSNAME_LABEL, boot + 5, 11);
}

/* ---- exFAT ---- */

bool fsname_is_exfat(const struct fsname *v)
{
    uint8_t sector_shift = v->head[108], cluster_shift = v->head[109];
    return sector_shift >= 9 && sector_shift <= 12 && sector_shift + cluster_shift <= 25 &&
           get_le32(v->head + 96) >= 2 && is_zero(v->head + 11, 53);
}

void fsname_exfat_label(const struct fsname *v, char *label)
{
    uint32_t sector = 1u << v->head[108], cluster = sector << v->head[109];
    uint64_t root = (uint64_t)get_le32(v->head + 88) * sector +
                    (uint64_t)(get_le32(v->head + 96) - 2) * cluster;
    size_t n = cluster < DIRECTORY_MAX ? cluster : DIRECTORY_MAX;
    uint8_t *dir = malloc(n);
    bool good = dir && fsname_pread(v, dir, n, root);
    for (size_t at = 0; good && at + 32 <= n && dir[at]; at += 32)
        if (dir[at] == 0x83 && dir[at + 1] <= 11) {
            label_of_utf16(label, FSNAME_LABEL, dir + at + 2, dir[at + 1]);
            break;
        }
    free(dir);
}
