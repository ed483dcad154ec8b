/* SPDX-License-Identifier: Apache-2.0 */
/* bitmap.h - $Bitmap, one bit per cluster, walked in pieces: it is never loaded whole. */
#ifndef FSMAP_NTFS_BITMAP_H
#define FSMAP_NTFS_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

struct ntfs_volume;

/* Clusters [from, to) are all set, or all clear. Non-zero stops the walk and is returned. */
typedef int ntfs_bitmap_fn(void *ud, uint64_t from, uint64_t to, bool set);

/* Opens v->bitmap. */
int ntfs_bitmap_open(struct ntfs_volume *v);

/* Ascending runs of equal bits over [from, to), which is clipped to the volume; a long run may come
 * in pieces. Bits that the bitmap does not hold count as set. */
int ntfs_bitmap_walk(struct ntfs_volume *v, uint64_t from, uint64_t to, ntfs_bitmap_fn *fn,
                     void *ud);

#endif
