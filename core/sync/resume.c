/* SPDX-License-Identifier: Apache-2.0 */
/* resume.c - what earlier runs have left for this sync: blocks that attempts without end have
 * stored, which need not be sent again, and the record of what verify found damaged in the base,
 * which is read anew. And how much memory the rest may then take. */
#include "core/sync/session_internal.h"

#include "core/base/bytes.h"
#include "core/base/log.h"
#include "core/recover/damage.h"

#include <stdlib.h>

/* ---- salvage and memory ---- */

/* What was salvaged has its share of the memory already; the rest is for the copy. */
int resume_memory(struct session *session, struct ds_error *err)
{
    const struct policy *policy = session->agent->policy;
    struct memory_need need = memory_need_of(policy);
    if (session->salvage)
        need.salvage = (uint64_t)salvage_count(session->salvage) * SALVAGE_BLOCK;
    int rc = memory_plan(&session->memory_plan, policy->memory, &need, err);
    if (!rc)
        log_printf(DS_LOG_DEBUG, "memory", "%u workers and %u units, up to %llu MiB",
                   session->memory_plan.workers, session->memory_plan.units,
                   (unsigned long long)(session->memory_plan.bytes >> 20));
    return rc;
}

int resume_salvage(struct session *session, struct ds_error *err)
{
    const struct policy *policy = session->agent->policy;
    struct node_memory *memory = &session->memory;
    /* Only those above the base are out of collect's reach. */
    while (memory->n_attempts && memory->attempts[0].seq <= session->base.seq) {
        memory->n_attempts--;
        memmove(memory->attempts, memory->attempts + 1,
                memory->n_attempts * sizeof memory->attempts[0]);
    }
    if (memory->n_attempts == 0)
        return DS_OK;
    struct memory_need need = memory_need_of(policy);
    int rc = salvage_load(&session->salvage, &session->agent->space, memory->attempts,
                          memory->n_attempts, memory_salvage(policy->memory, &need), err);
    if (!rc && salvage_count(session->salvage))
        log_printf(DS_LOG_INFO, "salvage",
                   "an earlier sync did not end: its %u stored blocks are used again",
                   (unsigned)salvage_count(session->salvage));
    return rc;
}

/* ---- damage ---- */

static int stale_found(void *ud, uint16_t disk, uint64_t first, uint64_t count)
{
    struct session *session = ud;
    for (uint32_t i = 0; i < session->n; i++) {
        struct session_source *source = &session->sources[i];
        if (!source->base || source->number != disk)
            continue;
        uint64_t blocks = div_round_up(source->disk->bytes, session->agent->policy->block_size);
        if (!source->stale.words && !bitmap_init(&source->stale, blocks))
            return DS_ENOMEM;
        if (first < blocks)
            bitmap_set(&source->stale, first, first + min_u64(count, blocks - first));
    }
    return DS_OK;
}

/* What verify found damaged in the base is read anew. Asked for when the copy begins: a start-up
 * makes three requests, for the header, a newer root and the newest. */
int resume_damage(struct session *session, struct ds_error *err)
{
    if (!session->has_base)
        return DS_OK;
    int rc = damage_read(&session->agent->space, session->base.seq, stale_found, session, err);
    if (rc == DS_ENOMEM)
        return ds_fail(err, rc, "no memory for the record of damage");
    return rc == DS_ENOENT || rc == DS_EDAMAGED ? DS_OK : rc;
}

static uint32_t stale_runs(const struct session *session, struct damage_run *runs, uint32_t cap)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < session->n; i++) {
        const struct session_source *source = &session->sources[i];
        const struct bitmap *map = &source->stale;
        uint64_t first = map->words ? bitmap_next(map, 0) : 0;
        while (map->words && first < map->bits) {
            uint64_t end = bitmap_next_clear(map, first);
            if (n < cap)
                runs[n++] = (struct damage_run){ source->number, first, end - first };
            else if (runs[n - 1].disk == source->number) /* no more room: the last one grows */
                runs[n - 1].count = end - runs[n - 1].first;
            first = bitmap_next(map, end);
        }
    }
    return n;
}

/* The record of damage is of the base. A checkpoint that becomes the next one needs it too, from
 * before it is there: what was not healed until then is still damaged. */
int resume_carry(struct session *session, uint64_t seq, struct ds_error *err)
{
    struct damage_run *runs;
    bool any = false;
    for (uint32_t i = 0; i < session->n; i++)
        any |= session->sources[i].stale.words != NULL;
    if (!any)
        return DS_OK;
    runs = calloc(DAMAGE_RUNS_MAX, sizeof *runs);
    if (!runs)
        return ds_fail(err, DS_ENOMEM, "no memory for the record of damage");
    uint32_t n = stale_runs(session, runs, DAMAGE_RUNS_MAX);
    int rc = n ? damage_write(&session->agent->space, seq, runs, n, err) : DS_OK;
    free(runs);
    return rc;
}
