/* SPDX-License-Identifier: Apache-2.0 */
/* skip.h - clusters never worth keeping: page, swap and hibernation files, shadow copy storage. */
#ifndef FSMAP_NTFS_SKIP_H
#define FSMAP_NTFS_SKIP_H

#include <disksync/fsmap.h>

#define NTFS_SKIP_MAX (1u << 16) /* extents; what goes beyond is not skipped */

struct ntfs_volume;

/* As ds_fsmap_ops.skip. Whole clusters, ascending and disjoint. Nothing where the volume's state
 * leaves it open to whom a cluster belongs. */
int ntfs_skip_walk(struct ntfs_volume *v, ds_extent_fn *fn, void *ud);

#endif
