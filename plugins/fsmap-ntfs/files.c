/* SPDX-License-Identifier: Apache-2.0 */
/* files.c - every run of every file, compared with $Bitmap. Runs are gathered in batches, sorted,
 * and each batch is compared in ascending order, so that a piece of the bitmap is read once a batch
 * and memory does not grow with the volume. A cluster belongs to one file: records that name more
 * clusters than there are come from a damaged or hostile volume, and end the walk in doubt. */
#include "files.h"

#include "bitmap.h"
#include "bytes.h"
#include "record.h"
#include "volume.h"

#include <disksync/helpers.h>
#include <stdlib.h>

#define FILES_BATCH (1u << 18)   /* runs: 4 MiB */
#define FILES_PIECE (1u << 18)   /* bytes of $MFT read at once */

struct files {
    struct ntfs_volume *v;
    struct ntfs_set batch; /* clusters, not yet compared */
    uint64_t budget;       /* clusters that may still be named */
    uint64_t damaged;      /* records that could not be read */
};

static int files_no_memory(struct files *f)
{
    return ds_fail(f->v->io.call->err, DS_ENOMEM, "NTFS: no memory to compare files with $Bitmap");
}

static int files_missing(void *ud, uint64_t from, uint64_t to, bool set)
{
    struct files *f = ud;

    return set ? DS_OK : ntfs_volume_add(f->v, from, to - from);
}

static int files_flush(struct files *f)
{
    size_t i;
    int rc = DS_OK;

    ntfs_set_sort(&f->batch);
    for (i = 0; rc == DS_OK && i < f->batch.n; i++)
        rc = ntfs_bitmap_walk(f->v, f->batch.range[i].from, f->batch.range[i].to, files_missing,
                              f);
    ntfs_set_clear(&f->batch);
    return rc;
}

static int files_run(struct files *f, const struct ntfs_run *run)
{
    int rc = DS_OK;

    if (run->lcn == NTFS_HOLE)
        return DS_OK;
    if (run->count > f->budget) {
        ntfs_volume_doubt(f->v, "file records name more clusters than the volume has");
        return DS_OK;
    }
    f->budget -= run->count;
    if (f->batch.n + 1 >= FILES_BATCH)
        rc = files_flush(f);
    if (rc == DS_OK && !ntfs_set_add(&f->batch, run->lcn, run->lcn + run->count))
        rc = files_no_memory(f);
    return rc;
}

static int files_record(struct files *f, uint8_t *data)
{
    size_t n = f->v->boot.record, pos;
    struct ntfs_attr attr;
    int more, rc = DS_OK;

    if (memcmp(data, "FILE", 4) != 0) {
        f->damaged += memcmp(data, "BAAD", 4) == 0;
        return DS_OK;
    }
    if (ntfs_fixup(data, n) || ntfs_record_check(data, n)) {
        f->damaged++;
        return DS_OK;
    }
    if (!ntfs_record_in_use(data))
        return DS_OK;
    pos = ntfs_record_attrs(data);
    while (rc == DS_OK && (more = ntfs_attr_next(data, n, &pos, &attr)) != 0) {
        struct ntfs_pairs it;
        struct ntfs_run run;
        const char *why;
        int pair = 0;
        if (more > 0 && attr.nonresident) {
            ntfs_pairs_start(&it, attr.pairs, attr.pairs_length, attr.lowest_vcn,
                             f->v->boot.clusters);
            while (rc == DS_OK && (pair = ntfs_pairs_next(&it, &run, &why)) > 0)
                rc = files_run(f, &run);
        }
        if (more < 0 || pair < 0) {
            f->damaged++;
            break;
        }
    }
    return rc;
}

static int files_walk(struct files *f, uint8_t *piece)
{
    struct ntfs_volume *v = f->v;
    uint64_t offset, size = ntfs_min(v->mft.data_size, v->mft.initialized_size);
    int rc = DS_OK;

    size -= size % v->boot.record;
    for (offset = 0; rc == DS_OK && offset < size && !v->all_used; offset += FILES_PIECE) {
        size_t i, n = (size_t)ntfs_min(FILES_PIECE, size - offset);
        rc = ntfs_stream_read(v, &v->mft, piece, n, offset, "$MFT");
        for (i = 0; rc == DS_OK && i < n && !v->all_used; i += v->boot.record)
            rc = files_record(f, piece + i);
    }
    if (rc == DS_OK && !v->all_used)
        rc = files_flush(f);
    return rc;
}

int ntfs_files_unite(struct ntfs_volume *v)
{
    struct files f = { 0 };
    uint8_t *piece = malloc(FILES_PIECE);
    int rc;

    f.v = v;
    f.budget = v->boot.clusters;
    ntfs_set_init(&f.batch, FILES_BATCH, NTFS_SET_COARSEN);
    rc = piece ? files_walk(&f, piece) : files_no_memory(&f);
    if (rc == DS_OK && f.damaged > 0 && v->note[0] == 0)
        snprintf(v->note, sizeof v->note, "%llu file records are damaged; their clusters are used "
                 "as far as $Bitmap has them", (unsigned long long)f.damaged);
    free(piece);
    ntfs_set_free(&f.batch);
    return rc;
}
