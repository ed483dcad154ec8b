/* SPDX-License-Identifier: Apache-2.0 */
/* boot.c - the boot sector and its backup. The backup alone proves nothing: a partition that was
 * formatted anew with another file system often keeps NTFS's last sector. So the backup is
 * believed only where the first sector still shows the same volume. Sources: docs/ntfs.md. */
#include "boot.h"

#include "bytes.h"

#include <disksync/helpers.h>

enum { /* offsets in the boot sector */
    BOOT_OEM = 0x03,
    BOOT_SECTOR = 0x0b,
    BOOT_CLUSTER = 0x0d,
    BOOT_FAT_ONLY_A = 0x0e, /* reserved sectors, FATs, root entries, 16-bit sectors: zero here */
    BOOT_FAT_ONLY_B = 0x16, /* sectors per FAT */
    BOOT_FAT_ONLY_C = 0x20, /* 32-bit sectors */
    BOOT_SECTORS = 0x28,
    BOOT_MFT = 0x30,
    BOOT_MIRROR = 0x38,
    BOOT_RECORD = 0x40,
    BOOT_SERIAL = 0x48
};

static const uint8_t boot_oem[8] = { 'N', 'T', 'F', 'S', ' ', ' ', ' ', ' ' };

static bool boot_zero(const uint8_t *p, size_t n)
{
    while (n > 0)
        if (p[--n] != 0)
            return false;
    return true;
}

/* Sectors per cluster: up to 0x80 the number itself, above it a negative power of two. */
static uint32_t boot_cluster_sectors(uint8_t v)
{
    if (v <= 0x80)
        return v;
    return 256u - v <= 13u ? 1u << (256u - v) : 0;
}

/* An MFT record's size: clusters, or where negative a power of two of bytes. */
static uint64_t boot_record_bytes(uint8_t v, uint32_t cluster)
{
    if (v < 0x80)
        return (uint64_t)v * cluster;
    return 256u - v <= 16u ? 1u << (256u - v) : 0;
}

static int boot_sizes(const uint8_t *raw, struct ntfs_boot *boot, struct ds_error *err)
{
    uint64_t cluster, record;

    boot->sector = ntfs_le16(raw + BOOT_SECTOR);
    if (boot->sector < 256 || boot->sector > 4096 || !ntfs_power_of_two(boot->sector))
        return ds_fail(err, DS_EFORMAT, "NTFS: boot sector: %u bytes per sector is not 256..4096",
                       (unsigned)boot->sector);
    cluster = (uint64_t)boot_cluster_sectors(raw[BOOT_CLUSTER]) * boot->sector;
    if (!ntfs_power_of_two(cluster) || cluster > NTFS_CLUSTER_MAX)
        return ds_fail(err, DS_EFORMAT,
                       "NTFS: boot sector: sectors per cluster 0x%02x give no cluster size up to "
                       "2 MiB", raw[BOOT_CLUSTER]);
    boot->cluster = (uint32_t)cluster;
    record = boot_record_bytes(raw[BOOT_RECORD], boot->cluster);
    if (!ntfs_power_of_two(record) || record < NTFS_RECORD_MIN || record > NTFS_RECORD_MAX)
        return ds_fail(err, DS_EFORMAT,
                       "NTFS: boot sector: clusters per MFT record 0x%02x give no record size "
                       "from 512 bytes to 64 KiB", raw[BOOT_RECORD]);
    boot->record = (uint32_t)record;
    return DS_OK;
}

int ntfs_boot_parse(const uint8_t *raw, uint64_t bytes, struct ntfs_boot *boot,
                    struct ds_error *err)
{
    uint64_t total;
    int rc;

    memset(boot, 0, sizeof *boot);
    if (memcmp(raw + BOOT_OEM, boot_oem, sizeof boot_oem) != 0)
        return ds_fail(err, DS_EFORMAT, "NTFS: boot sector: no NTFS signature");
    if (!boot_zero(raw + BOOT_FAT_ONLY_A, 7) || !boot_zero(raw + BOOT_FAT_ONLY_B, 2) ||
        !boot_zero(raw + BOOT_FAT_ONLY_C, 4))
        return ds_fail(err, DS_EFORMAT, "NTFS: boot sector: fields that only FAT has are not zero");
    rc = boot_sizes(raw, boot, err);
    if (rc != DS_OK)
        return rc;
    boot->sectors = ntfs_le64(raw + BOOT_SECTORS);
    boot->mft_lcn = ntfs_le64(raw + BOOT_MFT);
    boot->mirror_lcn = ntfs_le64(raw + BOOT_MIRROR);
    boot->serial = ntfs_le64(raw + BOOT_SERIAL);
    if (!ntfs_mul(boot->sectors, boot->sector, &total) || total > bytes)
        return ds_fail(err, DS_EFORMAT,
                       "NTFS: boot sector: %llu sectors of %u bytes are more than the partition's "
                       "%llu bytes", (unsigned long long)boot->sectors, (unsigned)boot->sector,
                       (unsigned long long)bytes);
    boot->clusters = total / boot->cluster;
    if (boot->mft_lcn == 0 || boot->mft_lcn >= boot->clusters)
        return ds_fail(err, DS_EFORMAT,
                       "NTFS: boot sector: $MFT starts at cluster %llu of %llu",
                       (unsigned long long)boot->mft_lcn, (unsigned long long)boot->clusters);
    return DS_OK;
}

/* How many of four independent parts of the first sector still say what the backup says. */
static unsigned boot_agreement(const uint8_t *first, const uint8_t *backup)
{
    unsigned n = 0;

    n += memcmp(first + BOOT_OEM, backup + BOOT_OEM, 8 + 3) == 0;
    n += memcmp(first + BOOT_SECTORS, backup + BOOT_SECTORS, 8) == 0;
    n += memcmp(first + BOOT_MFT, backup + BOOT_MFT, 16) == 0;
    n += memcmp(first + BOOT_SERIAL, backup + BOOT_SERIAL, 8) == 0;
    return n;
}

static int boot_read_backup(const struct ntfs_io *io, const uint8_t *first, struct ntfs_boot *boot)
{
    static const uint32_t sizes[] = { 512, 4096, 1024, 2048, 256 };
    uint8_t raw[NTFS_BOOT_BYTES];
    struct ds_error ignored = DS_ERROR_INIT;
    size_t i;

    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t n = sizes[i] < NTFS_BOOT_BYTES ? sizes[i] : NTFS_BOOT_BYTES;
        int rc;
        if (io->reader->bytes < 2 * (uint64_t)sizes[i])
            continue;
        memset(raw, 0, sizeof raw);
        rc = ntfs_io_read(io, raw, n, io->reader->bytes - sizes[i], "backup boot sector");
        if (rc == DS_ECANCELLED)
            return rc;
        if (rc != DS_OK || ntfs_boot_parse(raw, io->reader->bytes, boot, &ignored) != DS_OK)
            continue;
        if (boot->sector == sizes[i] && boot_agreement(first, raw) >= 2) {
            boot->from_backup = true;
            return DS_OK;
        }
    }
    return DS_EFORMAT;
}

int ntfs_boot_read(const struct ntfs_io *io, struct ntfs_boot *boot)
{
    uint8_t raw[NTFS_BOOT_BYTES];
    struct ds_error first = DS_ERROR_INIT;
    int rc;

    if (io->reader->bytes < NTFS_BOOT_BYTES)
        return ds_fail(io->call->err, DS_EFORMAT, "NTFS: boot sector: the volume has %llu bytes",
                       (unsigned long long)io->reader->bytes);
    rc = ntfs_io_read(io, raw, sizeof raw, 0, "boot sector");
    if (rc != DS_OK)
        return rc;
    if (ntfs_boot_parse(raw, io->reader->bytes, boot, &first) == DS_OK)
        return DS_OK;
    rc = boot_read_backup(io, raw, boot);
    if (rc == DS_EFORMAT)
        return ds_fail(io->call->err, DS_EFORMAT, "%s, and no backup of it is at the end",
                       first.msg);
    return rc;
}
