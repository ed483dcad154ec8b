/* SPDX-License-Identifier: Apache-2.0 */
/* fsname.h - what the table of file system probes (fsname.c) shares with those that have to read
 * further than the first bytes (fsname_dos.c). */
#ifndef CORE_DISK_FSNAME_H
#define CORE_DISK_FSNAME_H

#include "core/disk/disk.h"
#include "core/disk/label.h"

#define FSNAME_HEAD (72u << 10) /* bytes of `head`: beyond the last magic that is looked for */
#define FSNAME_LABEL 64         /* bytes of a label */

struct fsname {
    const struct ds_reader *reader;
    uint8_t *head; /* FSNAME_HEAD bytes from the volume's start, zeros beyond its end */
};

/* False if the range is beyond the volume or can't be read. */
bool fsname_pread(const struct fsname *v, void *data, size_t n, uint64_t offset);

bool fsname_is_ntfs(const struct fsname *v);
void fsname_ntfs_label(const struct fsname *v, char *label);
bool fsname_is_vfat(const struct fsname *v);
void fsname_vfat_label(const struct fsname *v, char *label);
bool fsname_is_exfat(const struct fsname *v);
void fsname_exfat_label(const struct fsname *v, char *label);

#endif
