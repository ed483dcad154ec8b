/* SPDX-License-Identifier: Apache-2.0 */
/* mft.c - the master file table. Record 0 describes the table itself, so it is read by the boot
 * sector's word alone, and the table grows while its own attribute list is followed: an extension
 * record must lie in a part that earlier pieces have already told. */
#include "mft.h"

#include "bytes.h"
#include "record.h"
#include "volume.h"

#include <disksync/helpers.h>

#define MFT_MIRRORED 4u /* records that $MFTMirr holds */

static int mft_fail(struct ntfs_volume *v, uint64_t number, const char *why)
{
    return ds_fail(v->io.call->err, DS_EFORMAT, "NTFS: MFT record %llu: %s",
                   (unsigned long long)number, why);
}

/* Reads at a byte offset of the volume and checks. */
static int mft_read_at(struct ntfs_volume *v, uint64_t number, uint64_t at, uint8_t *data)
{
    const char *why;
    int rc = ntfs_io_read(&v->io, data, v->boot.record, at, "MFT record");

    if (rc != DS_OK)
        return rc;
    why = ntfs_fixup(data, v->boot.record);
    if (!why)
        why = ntfs_record_check(data, v->boot.record);
    return why ? mft_fail(v, number, why) : DS_OK;
}

static int mft_read_mirror(struct ntfs_volume *v, uint64_t number, uint8_t *data)
{
    uint64_t at;

    if (!ntfs_mul(v->boot.mirror_lcn, v->boot.cluster, &at) ||
        !ntfs_add(at, number * v->boot.record, &at))
        return mft_fail(v, number, "is damaged, and $MFTMirr lies outside of the volume");
    return mft_read_at(v, number, at, data);
}

static int mft_read_table(struct ntfs_volume *v, uint64_t number, uint8_t *data)
{
    uint64_t offset, end;
    const char *why;
    int rc;

    if (number == NTFS_MFT)
        return mft_read_at(v, number, v->boot.mft_lcn * v->boot.cluster, data);
    if (!ntfs_mul(number, v->boot.record, &offset) || !ntfs_add(offset, v->boot.record, &end) ||
        end > v->mft.data_size)
        return mft_fail(v, number, "lies past the end of $MFT");
    if ((end - 1) / v->boot.cluster >= v->mft.runs.vcns)
        return mft_fail(v, number, "lies in a part of $MFT that no run list tells");
    rc = ntfs_stream_read(v, &v->mft, data, v->boot.record, offset, "MFT record");
    if (rc != DS_OK)
        return rc;
    why = ntfs_fixup(data, v->boot.record);
    if (!why)
        why = ntfs_record_check(data, v->boot.record);
    return why ? mft_fail(v, number, why) : DS_OK;
}

int ntfs_mft_record(struct ntfs_volume *v, uint64_t number, uint8_t *data)
{
    char first[sizeof ((struct ds_error *)0)->msg];
    int rc = mft_read_table(v, number, data);

    if (rc == DS_OK || rc == DS_ECANCELLED || number >= MFT_MIRRORED)
        return rc;
    snprintf(first, sizeof first, "%s", v->io.call->err->msg);
    if (mft_read_mirror(v, number, data) == DS_OK)
        return DS_OK;
    return ds_fail(v->io.call->err, rc, "%s", first); /* says more than the mirror's fault */
}

int ntfs_mft_open(struct ntfs_volume *v)
{
    struct ds_error *err = v->io.call->err;
    uint64_t bytes = v->boot.clusters * v->boot.cluster;
    int rc = ntfs_stream_open(v, NTFS_MFT, NTFS_ATTR_DATA, "", &v->mft);

    if (rc != DS_OK)
        return rc;
    if (v->mft.resident)
        return ds_fail(err, DS_EFORMAT, "NTFS: $MFT: its data is resident");
    if (v->mft.data_size > bytes || v->mft.initialized_size > v->mft.data_size)
        return ds_fail(err, DS_EFORMAT, "NTFS: $MFT: its sizes are impossible");
    if (v->mft.data_size < (NTFS_BITMAP + 1) * (uint64_t)v->boot.record)
        return ds_fail(err, DS_EFORMAT, "NTFS: $MFT: %llu bytes are too few for $Bitmap's record",
                       (unsigned long long)v->mft.data_size);
    return DS_OK;
}
