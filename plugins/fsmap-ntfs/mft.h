/* SPDX-License-Identifier: Apache-2.0 */
/* mft.h - the master file table: reading a record by its number. */
#ifndef FSMAP_NTFS_MFT_H
#define FSMAP_NTFS_MFT_H

#include <stdint.h>

enum { /* records with a fixed number */
    NTFS_MFT = 0,
    NTFS_LOGFILE = 2,
    NTFS_VOLUME = 3,
    NTFS_ROOT = 5,
    NTFS_BITMAP = 6
};

struct ntfs_volume;

/* Opens v->mft. Needs v->io and v->boot. */
int ntfs_mft_open(struct ntfs_volume *v);

/* Record `number` into data (v->boot.record bytes), fix-ups undone and header checked. A damaged
 * record 0 to 3 is taken from $MFTMirr. DS_EFORMAT names the record and what is wrong. */
int ntfs_mft_record(struct ntfs_volume *v, uint64_t number, uint8_t *data);

#endif
