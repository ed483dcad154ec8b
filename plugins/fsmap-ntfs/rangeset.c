/* SPDX-License-Identifier: Apache-2.0 */
/* rangeset.c - ranges are appended as they come and sorted when the array is full or somebody
 * looks. Memory is bounded by max; n log n in all, since each sort frees at least half or
 * coarsens. */
#include "rangeset.h"

#include <stdlib.h>
#include <string.h>

void ntfs_set_init(struct ntfs_set *set, size_t max, enum ntfs_set_full full)
{
    memset(set, 0, sizeof *set);
    set->max = max;
    set->full = full;
    set->sorted = true;
}

static int set_compare(const void *a, const void *b)
{
    const struct ntfs_range *x = a, *y = b;

    return (x->from > y->from) - (x->from < y->from);
}

void ntfs_set_sort(struct ntfs_set *set)
{
    size_t i, out = 0;

    if (set->sorted)
        return;
    qsort(set->range, set->n, sizeof *set->range, set_compare);
    for (i = 1; i < set->n; i++) {
        if (set->range[i].from > set->range[out].to)
            set->range[++out] = set->range[i];
        else if (set->range[i].to > set->range[out].to)
            set->range[out].to = set->range[i].to;
    }
    if (set->n > 0)
        set->n = out + 1;
    set->sorted = true;
}

static struct ntfs_range set_round(const struct ntfs_set *set, struct ntfs_range range)
{
    uint64_t mask = ((uint64_t)1 << set->shift) - 1;

    range.from &= ~mask;
    range.to = range.to > UINT64_MAX - mask ? UINT64_MAX : (range.to + mask) & ~mask;
    return range;
}

static void set_coarsen(struct ntfs_set *set)
{
    size_t i;

    while (set->n > set->max / 2 && set->shift < 63) {
        set->shift++;
        for (i = 0; i < set->n; i++)
            set->range[i] = set_round(set, set->range[i]);
        set->sorted = false;
        ntfs_set_sort(set);
    }
}

/* Room for one more range. False: none, and *memory says whether that was for want of memory. */
static bool set_room(struct ntfs_set *set, bool *memory)
{
    size_t room = set->room ? set->room * 2 : 64;
    struct ntfs_range *grown;

    *memory = true;
    if (set->n < set->room)
        return true;
    if (set->room == set->max) {
        ntfs_set_sort(set);
        if (set->full == NTFS_SET_COARSEN)
            set_coarsen(set);
        return set->n < set->max - set->max / 8; /* or each add would sort again */
    }
    if (room > set->max)
        room = set->max;
    grown = realloc(set->range, room * sizeof *grown);
    if (!grown) {
        *memory = false;
        return false;
    }
    set->range = grown;
    set->room = room;
    return true;
}

bool ntfs_set_add(struct ntfs_set *set, uint64_t from, uint64_t to)
{
    struct ntfs_range range = { from, to };
    bool memory;

    if (from >= to)
        return true;
    if (set->dropped)
        return true;
    if (!set_room(set, &memory)) {
        set->dropped = memory;
        return memory;
    }
    range = set_round(set, range);
    if (set->n > 0) {
        struct ntfs_range *last = &set->range[set->n - 1];
        if (range.from >= last->from && range.from <= last->to) {
            if (range.to > last->to)
                last->to = range.to;
            return true;
        }
        if (range.from < last->from)
            set->sorted = false;
    }
    set->range[set->n++] = range;
    return true;
}

size_t ntfs_set_find(const struct ntfs_set *set, uint64_t x)
{
    size_t low = 0, high = set->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->range[middle].to <= x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool ntfs_set_has(const struct ntfs_set *set, uint64_t x)
{
    size_t i = ntfs_set_find(set, x);

    return i < set->n && set->range[i].from <= x;
}

void ntfs_set_clear(struct ntfs_set *set)
{
    set->n = 0;
    set->sorted = true;
}

void ntfs_set_free(struct ntfs_set *set)
{
    free(set->range);
    set->range = NULL;
    set->n = set->room = 0;
}
