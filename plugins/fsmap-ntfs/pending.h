/* SPDX-License-Identifier: Apache-2.0 */
/* pending.h - the changes that $LogFile still holds, as far as they concern the use of clusters. */
#ifndef FSMAP_NTFS_PENDING_H
#define FSMAP_NTFS_PENDING_H

struct ntfs_volume;

/* Reads an unclean log. Adds to v->extra every cluster that a replay could mark as used, and to
 * v->stale every MFT record of which the log has newer changes than the disk. */
int ntfs_pending_read(struct ntfs_volume *v);

#endif
