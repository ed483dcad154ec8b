/* SPDX-License-Identifier: Apache-2.0 */
/* estimate.c - see estimate.h. The same planning as a sync's, over a source without a snapshot. */
#include "core/sync/estimate.h"

#include "core/base/bytes.h"
#include "core/sync/copy.h"

static int sum_windows(struct volumes *volumes, uint64_t bytes, uint32_t block_size,
                       uint64_t *used_bytes, struct ds_error *err)
{
    int rc = DS_OK;
    *used_bytes = 0;
    for (uint64_t from = 0; !rc && from < bytes; from += COPY_WINDOW) {
        struct ds_window window = { from, min_u64(from + COPY_WINDOW, bytes) };
        struct bitmap map;
        if (!bitmap_init(&map, div_round_up(window.to - from, block_size)))
            return ds_fail(err, DS_ENOMEM, "no memory to estimate");
        rc = volumes_used(volumes, window, block_size, &map, err);
        *used_bytes += bitmap_count(&map) * block_size;
        bitmap_free(&map);
    }
    *used_bytes = min_u64(*used_bytes, bytes);
    return rc;
}

int estimate_used(struct agent *agent, const struct disk *disk, uint64_t *used_bytes,
                  struct ds_error *err)
{
    struct fsmaps fsmaps;
    struct source source;
    struct volumes volumes;
    int rc = source_open_live(&source, disk, err);
    if (rc) {
        source_close(&source);
        return rc;
    }
    rc = fsmaps_open(&fsmaps, agent, err);
    if (!rc) {
        rc = volumes_open(&volumes, &source, &fsmaps, err);
        if (!rc) {
            rc = sum_windows(&volumes, disk->bytes, (uint32_t)agent->policy->block_size,
                             used_bytes, err);
            volumes_close(&volumes);
        }
        fsmaps_close(&fsmaps);
    }
    source_close(&source);
    return rc;
}
