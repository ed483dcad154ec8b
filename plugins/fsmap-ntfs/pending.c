/* SPDX-License-Identifier: Apache-2.0 */
/* pending.c - what a replay of $LogFile could do to the map of used clusters.
 *
 * NTFS writes the log ahead: a change reaches its place on disk only after its log record. So what
 * a replay leaves set in $Bitmap is set on disk already, or a record newer than log.oldest sets it:
 * by its redo, or by its undo if the transaction is rolled back. All of these count as used. Bits
 * that the log clears stay as they are on disk, which errs to used.
 *
 * By the same rule nothing else would be needed. File records and run lists in the log are united
 * too, because chkdsk would believe them before the bitmap. */
#include "pending.h"

#include "bytes.h"
#include "record.h"
#include "volume.h"

#include <disksync/helpers.h>
#include <stdlib.h>

struct pending {
    struct ntfs_volume *v;
    struct ntfs_set bitmap; /* where $Bitmap lies on disk, clusters */
    uint8_t *record;        /* the MFT record that the log last spoke of */
    uint64_t number;        /* its number; UINT64_MAX for none */
    bool sound;             /* record holds it */
};

/* Every cluster that one attribute names. A run list cut short gives what it gives. */
static int pending_pairs(struct pending *p, const struct ntfs_attr *attr)
{
    struct ntfs_pairs it;
    struct ntfs_run run;
    const char *why;
    int rc = DS_OK;

    if (!attr->nonresident)
        return DS_OK;
    ntfs_pairs_start(&it, attr->pairs, attr->pairs_length, attr->lowest_vcn, p->v->boot.clusters);
    while (rc == DS_OK && ntfs_pairs_next(&it, &run, &why) > 0)
        if (run.lcn != NTFS_HOLE)
            rc = ntfs_volume_add(p->v, run.lcn, run.count);
    return rc;
}

static int pending_attrs(struct pending *p, const uint8_t *data, size_t n, size_t pos, bool all)
{
    struct ntfs_attr attr;
    int rc = DS_OK;

    while (rc == DS_OK && ntfs_attr_next(data, n, &pos, &attr) > 0) {
        rc = pending_pairs(p, &attr);
        if (!all)
            break;
    }
    return rc;
}

/* A range of bits: it is not asked of which bitmap, the few that are not $Bitmap's cost nothing. */
static int pending_bits(struct pending *p, const struct ntfs_log_record *r,
                        const struct ntfs_log_side *side)
{
    uint64_t bit;

    if (side->length < 8) {
        if (side == &r->redo)
            ntfs_volume_doubt(p->v, "$LogFile: a bitmap record is too short");
        return DS_OK;
    }
    if (!ntfs_add(r->target, r->record_offset, &bit) || !ntfs_mul(bit, 8, &bit) ||
        !ntfs_add(bit, ntfs_le32(side->data), &bit))
        return DS_OK;
    return ntfs_volume_add(p->v, bit, ntfs_le32(side->data + 4));
}

/* Another change of $Bitmap's own clusters: all bits of the bytes that it could touch. */
static int pending_bitmap_bytes(struct pending *p, const struct ntfs_log_record *r)
{
    uint64_t n = ntfs_max(r->redo.length, r->undo.length) + r->attr_offset, bit;

    if (!ntfs_add(r->target, r->record_offset, &bit) || !ntfs_mul(bit, 8, &bit))
        return DS_OK;
    return ntfs_volume_add(p->v, bit, n * 8);
}

/* The MFT record that a change is of, as it is on disk; false if it is of something else. */
static int pending_record(struct pending *p, const struct ntfs_log_record *r, bool *is_record)
{
    struct ntfs_volume *v = p->v;
    uint64_t lcn, count, number = r->target / v->boot.record;
    int rc;

    *is_record = r->lcn != NTFS_HOLE && ntfs_runs_find(&v->mft.runs, r->vcn, &lcn, &count) &&
                 lcn == r->lcn;
    if (!*is_record || number == p->number)
        return DS_OK;
    p->number = number;
    rc = ntfs_mft_record(v, number, p->record);
    p->sound = rc == DS_OK;
    return rc == DS_ECANCELLED ? rc : DS_OK;
}

/* A change of a run list, laid over the record as it is on disk. */
static int pending_update(struct pending *p, const struct ntfs_log_record *r,
                          const struct ntfs_log_side *side)
{
    size_t n = p->v->boot.record, at = (size_t)r->record_offset + r->attr_offset;
    uint8_t *copy;
    int rc;

    if (!p->sound || r->record_offset >= n || at > n || side->length > n - at)
        return DS_OK;
    copy = malloc(n);
    if (!copy)
        return ds_fail(p->v->io.call->err, DS_ENOMEM, "NTFS: no memory for an MFT record");
    memcpy(copy, p->record, n);
    memcpy(copy + at, side->data, side->length);
    rc = pending_attrs(p, copy, n, r->record_offset, false);
    free(copy);
    return rc;
}

static int pending_side(struct pending *p, const struct ntfs_log_record *r,
                        const struct ntfs_log_side *side, bool is_record)
{
    switch (side->op) {
    case NTFS_LOG_SET_BITS:
        return pending_bits(p, r, side);
    case NTFS_LOG_CREATE_ATTRIBUTE:
        return pending_attrs(p, side->data, side->length, 0, false);
    case NTFS_LOG_INITIALIZE_RECORD:
        if (side->length >= NTFS_STRIDE && memcmp(side->data, "FILE", 4) == 0)
            return pending_attrs(p, side->data, side->length, ntfs_record_attrs(side->data), true);
        return DS_OK;
    case NTFS_LOG_UPDATE_PAIRS:
        return is_record ? pending_update(p, r, side) : DS_OK;
    default:
        return DS_OK;
    }
}

static bool pending_of_bits(uint16_t op)
{
    return op == NTFS_LOG_SET_BITS || op == NTFS_LOG_CLEAR_BITS;
}

static int pending_change(void *ud, const struct ntfs_log_record *r)
{
    struct pending *p = ud;
    bool is_record;
    int rc = pending_record(p, r, &is_record);

    if (rc == DS_OK && is_record && (!p->sound || ntfs_record_lsn(p->record) < r->lsn) &&
        !ntfs_set_add(&p->v->stale, p->number, p->number + 1))
        rc = ds_fail(p->v->io.call->err, DS_ENOMEM, "NTFS: no memory for $LogFile's changes");
    if (rc == DS_OK)
        rc = pending_side(p, r, &r->redo, is_record);
    if (rc == DS_OK)
        rc = pending_side(p, r, &r->undo, is_record);
    if (rc == DS_OK && r->lcn != NTFS_HOLE && ntfs_set_has(&p->bitmap, r->lcn) &&
        !pending_of_bits(r->redo.op) && !pending_of_bits(r->undo.op))
        rc = pending_bitmap_bytes(p, r);
    return rc;
}

static int pending_where(struct pending *p)
{
    const struct ntfs_runs *runs = &p->v->bitmap.runs;
    size_t i;

    for (i = 0; i < runs->n; i++)
        if (runs->run[i].lcn != NTFS_HOLE &&
            !ntfs_set_add(&p->bitmap, runs->run[i].lcn, runs->run[i].lcn + runs->run[i].count))
            return ds_fail(p->v->io.call->err, DS_ENOMEM, "NTFS: no memory for $Bitmap's runs");
    ntfs_set_sort(&p->bitmap);
    return DS_OK;
}

int ntfs_pending_read(struct ntfs_volume *v)
{
    struct pending p = { 0 };
    int rc;

    p.v = v;
    p.number = UINT64_MAX;
    ntfs_set_init(&p.bitmap, NTFS_RUNS_MAX, NTFS_SET_COARSEN);
    p.record = malloc(v->boot.record);
    rc = p.record ? pending_where(&p)
                  : ds_fail(v->io.call->err, DS_ENOMEM, "NTFS: no memory for an MFT record");
    if (rc == DS_OK)
        rc = ntfs_log_walk(v, pending_change, &p);
    ntfs_set_sort(&v->stale);
    free(p.record);
    ntfs_set_free(&p.bitmap);
    return rc;
}
