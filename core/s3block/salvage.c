/* SPDX-License-Identifier: Apache-2.0 */
/* salvage.c - what syncs that were cut off have left in the store. Their segments have predictable
 * keys and tables of their own; a block that turns out to have the disk, number and id of a slot
 * there need not be sent again. Declared in point_writer.h. */
#include "core/s3block/point_writer.h"

#include "core/base/bytes.h"

#include <stdlib.h>

#define MISSING_MAX 4u /* segments are put two at a time: a gap is no end */

struct found {
    uint64_t number;
    uint32_t index; /* of the segment within its attempt */
    uint16_t disk, slot;
    uint8_t attempt;
    uint8_t id[ID_SIZE];
};

_Static_assert(sizeof(struct found) <= SALVAGE_BLOCK, "what a salvaged block takes");

struct salvage {
    struct attempt attempts[256];
    struct found *list;
    uint32_t n, cap, max;
};

static int found_order(const void *a, const void *b)
{
    const struct found *fa = a, *fb = b;
    if (fa->disk != fb->disk)
        return fa->disk < fb->disk ? -1 : 1;
    if (fa->number != fb->number)
        return fa->number < fb->number ? -1 : 1;
    return memcmp(fa->id, fb->id, ID_SIZE);
}

static bool found_add(struct salvage *salvage, uint8_t attempt, const struct segment *segment)
{
    for (uint32_t i = 0; i < segment->n_blocks && salvage->n < salvage->max; i++) {
        const struct slot *slot = &segment->slots[segment->n_maps + i];
        if (segment->offsets[segment->n_maps + i] == UINT64_MAX) /* collect has cut it out */
            continue;
        if (salvage->n == salvage->cap) {
            uint32_t cap = salvage->cap ? salvage->cap * 2 : 1024;
            cap = cap < salvage->max ? cap : salvage->max;
            struct found *list = realloc(salvage->list, cap * sizeof *list);
            if (!list)
                return false;
            salvage->list = list;
            salvage->cap = cap;
        }
        struct found *found = &salvage->list[salvage->n++];
        *found = (struct found){ .number = slot->number, .index = segment->name.index,
                                 .disk = slot->disk, .slot = (uint16_t)i, .attempt = attempt };
        memcpy(found->id, slot->id, ID_SIZE);
    }
    return true;
}

/* A segment that is absent or broken is just not salvaged. */
static int attempt_load(struct salvage *salvage, uint8_t attempt, struct segment_cache *cache,
                        struct ds_error *err)
{
    const struct attempt *from = &salvage->attempts[attempt];
    unsigned missing = 0;
    for (uint32_t i = 0; missing < MISSING_MAX && salvage->n < salvage->max; i++) {
        struct segment_name name = { from->seq, from->tag, i };
        const struct segment *segment;
        int rc = segment_get(cache, &name, &segment, err);
        if (rc == DS_EDAMAGED || rc == DS_EFORMAT || rc == DS_ENOENT) {
            missing++;
            continue;
        }
        if (rc)
            return rc;
        missing = 0;
        bool good = found_add(salvage, attempt, segment);
        segment_put(cache, segment);
        if (!good)
            return ds_fail(err, DS_ENOMEM, "no memory to salvage an earlier sync");
    }
    return DS_OK;
}

int salvage_load(struct salvage **out, const struct segment_space *space,
                 const struct attempt *attempts, unsigned n, uint32_t max, struct ds_error *err)
{
    struct salvage *salvage = calloc(1, sizeof *salvage);
    struct segment_cache *cache = segment_cache_new(space, 1);
    int rc = DS_OK;
    *out = salvage;
    if (!salvage || !cache || n > 256)
        rc = ds_fail(err, DS_ENOMEM, "no memory to salvage an earlier sync");
    else
        salvage->max = max < SALVAGE_MAX ? max : SALVAGE_MAX;
    for (unsigned i = 0; !rc && i < n; i++) {
        salvage->attempts[i] = attempts[i];
        rc = attempt_load(salvage, (uint8_t)i, cache, err);
    }
    segment_cache_free(cache);
    if (rc) {
        salvage_free(salvage);
        *out = NULL;
        return rc;
    }
    if (salvage->n)
        qsort(salvage->list, salvage->n, sizeof *salvage->list, found_order);
    return DS_OK;
}

void salvage_free(struct salvage *salvage)
{
    if (salvage)
        free(salvage->list);
    free(salvage);
}

uint32_t salvage_count(const struct salvage *salvage)
{
    return salvage->n;
}

bool salvage_find(const struct salvage *salvage, uint16_t disk, uint64_t number,
                  const uint8_t id[ID_SIZE], struct segment_name *segment, uint16_t *slot)
{
    struct found wanted = { .number = number, .disk = disk };
    memcpy(wanted.id, id, ID_SIZE);
    if (!salvage->n)
        return false;
    const struct found *found = bsearch(&wanted, salvage->list, salvage->n, sizeof wanted,
                                        found_order);
    if (!found)
        return false;
    const struct attempt *from = &salvage->attempts[found->attempt];
    *segment = (struct segment_name){ from->seq, from->tag, found->index };
    *slot = found->slot;
    return true;
}
