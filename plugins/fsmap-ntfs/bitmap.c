/* SPDX-License-Identifier: Apache-2.0 */
/* bitmap.c - $Bitmap in pieces of BITMAP_PIECE bytes: a 16 TiB volume's bitmap has 512 MiB. Holes,
 * bytes never initialised and bits beyond its size are abnormal for this file, so they count as
 * used, whatever they would read as in another. */
#include "bitmap.h"

#include "bytes.h"
#include "record.h"
#include "volume.h"

#include <disksync/helpers.h>
#include <stdlib.h>

#define BITMAP_PIECE 65536u /* bytes read at once: 2 GiB of a volume with 4 KiB clusters */

int ntfs_bitmap_open(struct ntfs_volume *v)
{
    int rc = ntfs_stream_open(v, NTFS_BITMAP, NTFS_ATTR_DATA, "", &v->bitmap);

    v->bitmap.hole = 0xff;
    if (rc == DS_OK && (v->bitmap.flags & (NTFS_ATTR_COMPRESSED | NTFS_ATTR_ENCRYPTED)))
        rc = ds_fail(v->io.call->err, DS_ENOTSUP, "NTFS: $Bitmap is compressed or encrypted");
    return rc;
}

/* Length of the run of equal bits that starts at bit `at` of `bits`. */
static uint64_t bitmap_run(const uint8_t *piece, uint64_t at, uint64_t bits, bool *set)
{
    uint64_t start = at;
    uint8_t full;

    *set = (piece[at / 8] >> (at % 8) & 1) != 0;
    full = *set ? 0xff : 0;
    while (at < bits) {
        if (at % 8 == 0 && bits - at >= 8 && piece[at / 8] == full)
            at += 8;
        else if ((piece[at / 8] >> (at % 8) & 1) == (*set ? 1 : 0))
            at++;
        else
            break;
    }
    return at - start;
}

int ntfs_bitmap_walk(struct ntfs_volume *v, uint64_t from, uint64_t to, ntfs_bitmap_fn *fn,
                     void *ud)
{
    uint8_t *piece = malloc(BITMAP_PIECE);
    int rc = DS_OK;

    if (!piece)
        return ds_fail(v->io.call->err, DS_ENOMEM, "NTFS: no memory for a piece of $Bitmap");
    to = ntfs_min(to, v->boot.clusters);
    while (rc == DS_OK && from < to) {
        uint64_t first = from & ~(uint64_t)7;
        uint64_t bits = ntfs_min(to - first, BITMAP_PIECE * 8u);
        uint64_t at = from - first;
        rc = ntfs_stream_read(v, &v->bitmap, piece, (size_t)((bits + 7) / 8), first / 8,
                              "$Bitmap");
        while (rc == DS_OK && at < bits) {
            bool set;
            uint64_t n = bitmap_run(piece, at, bits, &set);
            rc = fn(ud, first + at, first + at + n, set);
            at += n;
        }
        from = first + bits;
    }
    free(piece);
    return rc;
}
