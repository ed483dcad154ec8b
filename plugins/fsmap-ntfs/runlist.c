/* SPDX-License-Identifier: Apache-2.0 */
/* runlist.c - mapping pairs. Each pair is a byte with two nibbles (sizes of the length and of the
 * offset that follow), the length, and the signed distance from the run before; no offset means a
 * hole. Lists in memory are bounded by NTFS_RUNS_MAX. */
#include "runlist.h"

#include "bytes.h"

#include <disksync/abi.h>
#include <stdlib.h>

void ntfs_pairs_start(struct ntfs_pairs *it, const uint8_t *p, size_t n, uint64_t vcn,
                      uint64_t clusters)
{
    it->p = p;
    it->end = p + n;
    it->vcn = vcn;
    it->lcn = 0;
    it->clusters = clusters;
}

static uint64_t pairs_number(const uint8_t *p, unsigned n, bool is_signed)
{
    uint64_t v = 0;
    unsigned i;

    for (i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    if (is_signed && n > 0 && n < 8 && (p[n - 1] & 0x80))
        v |= UINT64_MAX << (8 * n);
    return v;
}

static int pairs_bad(const char **why, const char *text)
{
    *why = text;
    return -1;
}

int ntfs_pairs_next(struct ntfs_pairs *it, struct ntfs_run *run, const char **why)
{
    unsigned length, offset;
    uint64_t next;

    if (it->p >= it->end)
        return pairs_bad(why, "run list has no end");
    length = *it->p & 15;
    offset = *it->p >> 4;
    if (*it->p == 0)
        return 0;
    it->p++;
    if (length == 0 || length > 8 || offset > 8)
        return pairs_bad(why, "run list has a run without a length");
    if ((size_t)(it->end - it->p) < length + offset)
        return pairs_bad(why, "run list runs past the end of its record");
    run->vcn = it->vcn;
    run->count = pairs_number(it->p, length, false);
    it->p += length;
    if (run->count == 0 || run->count >> 62 != 0 || !ntfs_add(it->vcn, run->count, &next) ||
        next >> 62 != 0)
        return pairs_bad(why, "run list has a run of impossible length");
    it->vcn = next;
    if (offset == 0) {
        run->lcn = NTFS_HOLE;
        return 1;
    }
    it->lcn += pairs_number(it->p, offset, true); /* modulo 2^64: the check below decides */
    it->p += offset;
    if (it->lcn >= it->clusters || run->count > it->clusters - it->lcn)
        return pairs_bad(why, "run list runs past the end of the volume");
    run->lcn = it->lcn;
    return 1;
}

int ntfs_runs_append(struct ntfs_runs *runs, const struct ntfs_run *run)
{
    struct ntfs_run *last = runs->n ? &runs->run[runs->n - 1] : NULL;

    if (last && last->lcn != NTFS_HOLE && run->lcn == last->lcn + last->count) {
        last->count += run->count;
        runs->vcns += run->count;
        return DS_OK;
    }
    if (runs->n == runs->room) {
        size_t room = runs->room ? runs->room * 2 : 16;
        struct ntfs_run *grown;
        if (room > NTFS_RUNS_MAX)
            return DS_ENOTSUP;
        grown = realloc(runs->run, room * sizeof *grown);
        if (!grown)
            return DS_ENOMEM;
        runs->run = grown;
        runs->room = room;
    }
    runs->run[runs->n++] = *run;
    runs->vcns += run->count;
    return DS_OK;
}

bool ntfs_runs_find(const struct ntfs_runs *runs, uint64_t vcn, uint64_t *lcn, uint64_t *count)
{
    size_t low = 0, high = runs->n;

    if (vcn >= runs->vcns)
        return false;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (runs->run[middle].vcn <= vcn)
            low = middle;
        else
            high = middle;
    }
    *count = runs->run[low].count - (vcn - runs->run[low].vcn);
    *lcn = runs->run[low].lcn;
    if (*lcn != NTFS_HOLE)
        *lcn += vcn - runs->run[low].vcn;
    return true;
}

void ntfs_runs_free(struct ntfs_runs *runs)
{
    free(runs->run);
    runs->run = NULL;
    runs->n = runs->room = 0;
    runs->vcns = 0;
}
