/* SPDX-License-Identifier: Apache-2.0 */
/* files.h - the clusters that file records name, united with the bitmap where it may be behind. */
#ifndef FSMAP_NTFS_FILES_H
#define FSMAP_NTFS_FILES_H

struct ntfs_volume;

/* Walks the whole $MFT and adds to v->extra the clusters of every record in use that $Bitmap does
 * not have. Reads the $MFT once, and parts of $Bitmap. Where the records contradict the volume
 * (they name more clusters than it has) all is in doubt. */
int ntfs_files_unite(struct ntfs_volume *v);

#endif
