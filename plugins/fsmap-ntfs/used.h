/* SPDX-License-Identifier: Apache-2.0 */
/* used.h - which bytes of a volume hold valid data. */
#ifndef FSMAP_NTFS_USED_H
#define FSMAP_NTFS_USED_H

#include <disksync/fsmap.h>

struct ntfs_volume;

/* As ds_fsmap_ops.used: ascending, disjoint, never touching, clipped to the window. The first call
 * on a volume that was not unmounted in order reads the whole $MFT. */
int ntfs_used_walk(struct ntfs_volume *v, struct ds_window window, ds_extent_fn *fn, void *ud);

#endif
