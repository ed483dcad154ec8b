/* SPDX-License-Identifier: Apache-2.0 */
/* boot.h - the boot sector: the volume's geometry and where the $MFT starts. */
#ifndef FSMAP_NTFS_BOOT_H
#define FSMAP_NTFS_BOOT_H

#include "io.h"

#include <stdbool.h>

#define NTFS_BOOT_BYTES 512u            /* what is parsed of a boot sector */
#define NTFS_CLUSTER_MAX (2u << 20)     /* bytes: the largest that Windows formats */
#define NTFS_RECORD_MIN 512u            /* bytes of an MFT record */
#define NTFS_RECORD_MAX 65536u
#define NTFS_BOOT_REGION 8192u          /* bytes of $Boot: boot code, VSS pointer at 0x1e00 */

struct ntfs_boot {
    uint32_t sector;     /* bytes, 256..4096 */
    uint32_t cluster;    /* bytes, one sector..2 MiB */
    uint32_t record;     /* bytes of an MFT record */
    uint64_t sectors;    /* of the file system; the backup boot sector comes after them */
    uint64_t clusters;   /* whole clusters of the file system */
    uint64_t mft_lcn;    /* cluster where $MFT starts */
    uint64_t mirror_lcn; /* cluster where $MFTMirr starts; not checked */
    uint64_t serial;
    bool from_backup;    /* the first sector was damaged */
};

/* raw: NTFS_BOOT_BYTES. bytes: of the partition. DS_EFORMAT names the field. */
int ntfs_boot_parse(const uint8_t *raw, uint64_t bytes, struct ntfs_boot *boot,
                    struct ds_error *err);

/* The first sector, or, where that one is damaged but still recognisable, the backup in the
 * partition's last sector. DS_EFORMAT where neither will do. */
int ntfs_boot_read(const struct ntfs_io *io, struct ntfs_boot *boot);

#endif
