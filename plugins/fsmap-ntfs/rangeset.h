/* SPDX-License-Identifier: Apache-2.0 */
/* rangeset.h - a set of ranges (of clusters, or of record numbers) in bounded memory. Where a set
 * would outgrow its maximum it gives up precision in the direction that its owner calls safe:
 * COARSEN rounds ranges outward until they merge, DROP forgets the newest. */
#ifndef FSMAP_NTFS_RANGESET_H
#define FSMAP_NTFS_RANGESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ntfs_range {
    uint64_t from, to; /* [from, to) */
};

enum ntfs_set_full { NTFS_SET_COARSEN, NTFS_SET_DROP };

struct ntfs_set {
    struct ntfs_range *range;
    size_t n, room, max;
    enum ntfs_set_full full;
    bool sorted;  /* ascending, disjoint, not touching */
    bool dropped; /* DROP: something was forgotten */
    uint8_t shift; /* COARSEN: ranges are rounded to 2^shift */
};

void ntfs_set_init(struct ntfs_set *set, size_t max, enum ntfs_set_full full);
/* Empty ranges are ignored. False without memory. */
bool ntfs_set_add(struct ntfs_set *set, uint64_t from, uint64_t to);
/* Sorts and merges; to be called before the set is looked at. */
void ntfs_set_sort(struct ntfs_set *set);
/* Index of the first range that ends behind x. Sorted sets only. */
size_t ntfs_set_find(const struct ntfs_set *set, uint64_t x);
bool ntfs_set_has(const struct ntfs_set *set, uint64_t x);
/* Forgets all ranges, keeps the memory. */
void ntfs_set_clear(struct ntfs_set *set);
void ntfs_set_free(struct ntfs_set *set);

#endif
