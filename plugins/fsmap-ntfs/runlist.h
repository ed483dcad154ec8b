/* SPDX-License-Identifier: Apache-2.0 */
/* runlist.h - mapping pairs (a stream's clusters on disk as NTFS packs them) and the list that
 * they make in memory. */
#ifndef FSMAP_NTFS_RUNLIST_H
#define FSMAP_NTFS_RUNLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTFS_HOLE UINT64_MAX           /* lcn of a sparse run */
#define NTFS_RUNS_MAX (1u << 20)       /* runs of one stream kept in memory: 24 MiB */

struct ntfs_run {
    uint64_t vcn, lcn, count; /* clusters; lcn may be NTFS_HOLE */
};

/* Walks mapping pairs without memory of its own. */
struct ntfs_pairs {
    const uint8_t *p, *end;
    uint64_t vcn, lcn, clusters;
};

struct ntfs_runs { /* ascending by vcn, without gaps from vcn 0 on */
    struct ntfs_run *run;
    size_t n, room;
    uint64_t vcns; /* clusters that the list covers */
};

/* clusters: of the volume; a run beyond them is an error. */
void ntfs_pairs_start(struct ntfs_pairs *it, const uint8_t *p, size_t n, uint64_t vcn,
                      uint64_t clusters);

/* 1 = *run is filled, 0 = the end, -1 = malformed and *why says how. Runs are never empty. */
int ntfs_pairs_next(struct ntfs_pairs *it, struct ntfs_run *run, const char **why);

/* Appends; run->vcn must be runs->vcns. DS_ENOMEM, DS_ENOTSUP above NTFS_RUNS_MAX; the caller
 * fills the error. */
int ntfs_runs_append(struct ntfs_runs *runs, const struct ntfs_run *run);

/* Where cluster vcn is: its lcn (or NTFS_HOLE), and in *count how many follow it in one piece.
 * False beyond the list. */
bool ntfs_runs_find(const struct ntfs_runs *runs, uint64_t vcn, uint64_t *lcn, uint64_t *count);

void ntfs_runs_free(struct ntfs_runs *runs);

#endif
