/* SPDX-License-Identifier: Apache-2.0 */
/* test-model.c - the one rule and the session around it, against random lives of two disks: writes
 * to used and to free blocks, blocks that become used without a write, zeroed and reused ones,
 * growth, shrinking, disks that go and come back, unreadable and torn blocks, blocks altered inside
 * the snapshot, trackers that lose their memory, snapshots that are lost, processes that die at
 * every step, machines that go back in time, damaged stores. After each sync the newest point is
 * read back: zero wrong blocks. The same lives under the plainer rule "changed AND used" must give
 * wrong blocks, which shows that the model can tell.
 *
 * DISKSYNC_SEED=N replays one life; DISKSYNC_SOAK=1 runs thousands of points. */
#include "tests/sync/model.h"

#include "core/base/log.h"

#include <stdlib.h>

static const char *const steps[] = {
    "attach:before",   "cut:before",    "cut:after",     "generation:before", "create:before",
    "create:after",    "changes:before", "changes:after", "pause:before",      "mark:before",
    "altered:before",  "health:before", "commit:before", "commit:after",      "abort:before",
    "abort:after",     "root:before",   "root:after",
};
#define N_STEPS (sizeof steps / sizeof steps[0])

struct life {
    struct world world;
    bool shrunk;      /* a disk is smaller than the newest root may know it */
    bool fault;       /* the next sync may fail for a fault of the store */
    bool full;        /* the next sync is asked to be */
    uint64_t seq;     /* the newest committed point that was checked */
};

/* ---- the plainer rule, on the same facts ---- */

static void naive_point(struct world *world, const struct session_report *report)
{
    for (unsigned i = 0; i < MODEL_DISKS; i++) {
        struct model_disk *disk = &world->disks[i];
        uint64_t n = model_blocks(world, disk->frozen.bytes);
        uint8_t mode = MODE_FULL;
        for (uint32_t k = 0; k < report->n_disks; k++)
            if (strcmp(report->disks[k].path, disk->path) == 0)
                mode = report->disks[k].mode;
        if (!disk->present)
            continue;
        for (uint64_t b = 0; b < n; b++) {
            bool used = model_used(world, disk, &disk->frozen, b);
            bool changed = mode != MODE_INCREMENTAL || disk->changed[b] || disk->torn[b] ||
                           disk->altered[b] || disk->frozen_bad[b] ||
                           b >= disk->naive_bytes / world->block;
            if (changed && used)
                disk->naive[b] = disk->frozen.version[b];
            world->naive_wrong += used && disk->naive[b] != disk->frozen.version[b];
        }
        disk->naive_bytes = disk->frozen.bytes;
    }
}

/* ---- what happens between two syncs ---- */

static void change_size(struct life *life)
{
    struct world *world = &life->world;
    struct model_disk *disk = &world->disks[model_random(world, MODEL_DISKS)];
    uint64_t bytes = disk->live.bytes;
    uint64_t sectors = 1 + model_random(world, 12 * (world->block / MODEL_SECTOR));
    if (model_chance(world, 20))
        sectors += model_random(world, (uint32_t)(2 * bytes / MODEL_SECTOR));
    if (model_chance(world, 75)) {
        model_grow(world, disk, bytes + sectors * MODEL_SECTOR);
    } else if (bytes > sectors * MODEL_SECTOR + 40 * world->block) {
        model_shrink(world, disk, bytes - sectors * MODEL_SECTOR);
        life->shrunk = true;
    }
}

static void go_or_come(struct world *world)
{
    struct model_disk *disk = &world->disks[model_random(world, MODEL_DISKS)];
    disk->present = !disk->present;
    for (unsigned i = 0; i < MODEL_DISKS; i++)
        if (world->disks[i].present)
            return;
    disk->present = true;
}

static void tracker_anew(struct world *world, struct model_disk *disk)
{
    struct tracked *t = &disk->tracked;
    memset(t->running, 0, world->max_blocks);
    memset(t->closing, 0, world->max_blocks);
    memset(&t->start, 0, sizeof t->start);
    t->pending = t->both = t->lost_closing = t->lost_running = false;
}

static void clone_is_refused(struct world *world)
{
    struct session_report report;
    struct ds_error err = DS_ERROR_INIT;
    world->policy->instance = "another machine";
    ck_assert_int_eq(model_sync(world, false, false, &report, &err), DS_ECLONE);
    session_report_free(&report);
    world->policy->instance = NULL;
    world->n_refused++;
}

static void damage(struct life *life)
{
    struct world *world = &life->world;
    bool maps_only = model_chance(world, 40);
    if (world->damaged || !model_damage(world, maps_only))
        return;
    model_forget_points(world); /* they may have lost what was damaged */
    if (maps_only && model_chance(world, 50))
        world->damaged = true; /* nobody knows: the sync finds it, or a verify after it */
    else
        model_verify(world);
}

static void between(struct life *life)
{
    struct world *world = &life->world;
    struct model_disk *disk = &world->disks[model_random(world, MODEL_DISKS)];
    for (unsigned i = model_random(world, 40); i; i--)
        model_change(world);
    if (model_chance(world, 6))
        change_size(life);
    if (model_chance(world, 4))
        go_or_come(world);
    if (model_chance(world, 3))
        model_lose(world, disk);
    if (model_chance(world, 1))
        tracker_anew(world, disk);
    if (model_chance(world, 3))
        model_save_moment(world);
    if (model_chance(world, 2) && world->moment.saved) {
        model_revert(world);
        life->shrunk = true; /* the newest root may be of a later, larger disk */
    }
    if (model_chance(world, 1))
        clone_is_refused(world);
    if (model_chance(world, 3))
        damage(life);
}

/* At a root's put the process dies, before or after it is carried out; or it lives, but gets no
 * answer and can't find out. */
static void root_put(void *ud, const char *key)
{
    struct world *world = ud;
    (void)key;
    if (world->die_at) {
        model_die(world);
    } else {
        struct memory_fault get = { .op = DS_STORE_GET, .key = "/p/", .code = DS_ENETWORK };
        memory_store_fault(world->store, &get);
    }
}

static void choose_fate(struct life *life)
{
    struct world *world = &life->world;
    struct memory_fault put = { .op = DS_STORE_PUT, .key = "/p/", .count = 1, .lost = true,
                                .code = DS_ENETWORK };
    world->die_at = model_chance(world, 40) ? steps[model_random(world, N_STEPS)] : NULL;
    world->die_skip = model_random(world, 3);
    world->lost = !world->die_at && model_chance(world, 4);
    world->checkpoints_percent = model_chance(world, 40) ? 30 : 0;
    world->moment_percent = model_chance(world, 5) ? 10 : 0;
    life->fault = !world->die_at && model_chance(world, 4);
    if (life->fault || (world->die_at && strncmp(world->die_at, "root:", 5) == 0)) {
        put.lost = life->fault || strcmp(world->die_at, "root:after") == 0;
        memory_store_fault(world->store, &put);
        memory_store_before_put(world->store, "/p/", root_put, world);
    } else if (model_chance(world, 5)) {
        put.retry = DS_RETRY_SAME; /* tried again: must come out well */
        memory_store_fault(world->store, &put);
    }
}

/* ---- one sync and what it must have done ---- */

static void sums(struct world *world, const struct session_report *report)
{
    for (uint32_t i = 0; i < report->n_disks; i++) {
        world->n_modes[report->disks[i].mode % 4]++;
        world->n_salvaged += report->disks[i].salvaged_bytes;
        world->n_torn += report->disks[i].torn_bytes;
        world->n_bad += report->disks[i].bad_bytes;
    }
}

/* A failure must have a cause that the model knows. */
static void judge_failure(struct life *life, int rc, const struct ds_error *err)
{
    struct world *world = &life->world;
    bool shrunk = rc == DS_ESHRANK && life->shrunk;
    ck_assert_msg(world->dead || world->lost || life->fault || shrunk || rc == DS_ELOST ||
                      (rc == DS_EDAMAGED && world->damaged),
                  "seed %llu: a sync failed for no reason: %d %s",
                  (unsigned long long)world->seed, rc, err->msg);
    world->n_failed++;
    world->n_dead += world->dead;
    world->n_refused += shrunk;
    life->full = shrunk;
}

static void sync_once(struct life *life)
{
    struct world *world = &life->world;
    struct session_report report;
    struct ds_error err = DS_ERROR_INIT;
    bool partial = false, full = life->full || model_chance(world, 1);
    choose_fate(life);
    int rc = model_sync(world, full, model_chance(world, 3), &report, &err);
    if (rc)
        judge_failure(life, rc, &err);
    uint64_t seq = model_newest(world, &partial);
    ck_assert_msg(rc || (seq == report.point && !partial), "a sync without a point");
    if (seq > life->seq && !partial) {
        world->n_committed++;
        model_committed(world, seq);
        naive_point(world, &report);
        sums(world, &report);
        life->seq = seq;
        if (full)
            life->shrunk = life->full = false;
    }
    session_report_free(&report);
    if (world->damaged && !rc) { /* what no sync came by is found now */
        world->damaged = false;
        model_forget_points(world);
        model_verify(world);
    }
    ck_assert_msg(world->n_wrong == 0, "%llu wrong blocks; the first: %s",
                  (unsigned long long)world->n_wrong, world->first_wrong);
}

static void first_sync(struct life *life)
{
    struct world *world = &life->world;
    struct session_report report;
    struct ds_error err = DS_ERROR_INIT;
    ck_assert_ok(model_sync(world, false, false, &report, &err), &err);
    life->seq = report.point; /* not 1 where 64 GiB made a checkpoint */
    world->n_committed = 1;
    model_committed(world, report.point);
    naive_point(world, &report);
    session_report_free(&report);
}

static void tell(const struct world *w)
{
    printf("seed %llu: %llu points (full %llu, incremental %llu, compare %llu disks), %llu syncs "
           "failed, %llu of them died, %llu refused; %llu checkpoints, %llu bytes salvaged, "
           "%llu torn, %llu bad, %llu blocks healed; %llu blocks checked, %llu wrong; under the "
           "plainer rule %llu\n",
           (unsigned long long)w->seed, (unsigned long long)w->n_committed,
           (unsigned long long)w->n_modes[MODE_FULL],
           (unsigned long long)w->n_modes[MODE_INCREMENTAL],
           (unsigned long long)w->n_modes[MODE_COMPARE], (unsigned long long)w->n_failed,
           (unsigned long long)w->n_dead, (unsigned long long)w->n_refused,
           (unsigned long long)w->n_checkpoints, (unsigned long long)w->n_salvaged,
           (unsigned long long)w->n_torn, (unsigned long long)w->n_bad,
           (unsigned long long)w->n_healed, (unsigned long long)w->n_checked,
           (unsigned long long)w->n_wrong, (unsigned long long)w->naive_wrong);
    fflush(stdout);
}

/* Returns the wrong blocks of the plainer rule. */
static uint64_t live(uint64_t seed, uint32_t block, uint64_t blocks, uint64_t max_blocks,
                     unsigned points)
{
    static struct life life;
    log_start(getenv("DISKSYNC_VERBOSE") ? DS_LOG_DEBUG : DS_LOG_ERROR);
    memset(&life, 0, sizeof life);
    model_new(&life.world, seed, block, blocks, max_blocks);
    model_fill(&life.world, blocks > 60000 ? 1 : blocks > 5000 ? 10 : 600);
    first_sync(&life);
    while (life.world.n_committed < points) {
        between(&life);
        sync_once(&life);
    }
    tell(&life.world);
    uint64_t naive = life.world.naive_wrong;
    model_free(&life.world);
    return naive;
}

static bool soak(void)
{
    const char *value = getenv("DISKSYNC_SOAK");
    return value && *value && strcmp(value, "0") != 0;
}

static uint64_t lives(unsigned n, uint32_t block, uint64_t blocks, uint64_t max_blocks,
                      unsigned points)
{
    const char *seed = getenv("DISKSYNC_SEED");
    uint64_t naive = 0;
    if (seed)
        return live(strtoull(seed, NULL, 10), block, blocks, max_blocks, points) + 1;
    for (unsigned i = 1; i <= n; i++)
        naive += live(i, block, blocks, max_blocks, points);
    return naive;
}

START_TEST(small_disks_have_no_wrong_block)
{
    uint64_t naive = soak() ? lives(40, 16384, 300, 4000, 150) : lives(4, 16384, 300, 4000, 25);
    ck_assert_msg(naive > 0, "the plainer rule passes too: the model can't tell");
}
END_TEST

/* 16,384 blocks are one level of the map: these disks grow beyond it. */
START_TEST(disks_that_outgrow_a_map_level)
{
    if (soak())
        lives(8, 16384, 16300, 40000, 60);
    else
        lives(1, 16384, 16300, 40000, 12);
}
END_TEST

/* A window of the plan is 64 GiB: 65,536 blocks of 1 MiB. */
START_TEST(disks_longer_than_a_window)
{
    if (soak())
        lives(4, 1 << 20, 65500, 70000, 40);
    else
        lives(1, 1 << 20, 65500, 70000, 4);
}
END_TEST

/* What verify found damaged is still to be healed when the sync that would do it dies behind a
 * checkpoint. */
START_TEST(a_checkpoint_keeps_the_record_of_damage)
{
    static struct life life;
    struct world *world = &life.world;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct session_report report;
        struct ds_error err = DS_ERROR_INIT;
        memset(&life, 0, sizeof life);
        log_start(DS_LOG_ERROR);
        model_new(world, seed, 16384, 600, 700);
        model_fill(world, 700);
        first_sync(&life);
        world->events = false;
        for (unsigned i = 0; i < 5; i++)
            ck_assert(model_damage(world, i == 0));
        model_forget_points(world);
        model_verify(world);
        ck_assert_uint_gt(world->n_healed, 0);
        world->checkpoints_percent = 100;
        world->die_at = "pause:before";
        world->die_skip = (unsigned)seed % 3;
        int rc = model_sync(world, false, false, &report, &err);
        ck_assert(rc != DS_OK || !world->dead);
        session_report_free(&report);
        world->die_at = NULL;
        ck_assert_ok(model_sync(world, false, false, &report, &err), &err);
        model_committed(world, report.point);
        session_report_free(&report);
        ck_assert_msg(world->n_wrong == 0, "%llu wrong blocks; the first: %s",
                      (unsigned long long)world->n_wrong, world->first_wrong);
        model_free(world);
    }
}
END_TEST

/* A page above the leaves that is damaged: what hangs from it is not in the next listed point as
 * UNKNOWN. One sync may fail for it, where verify has not told that it is. */
static void inner_page(bool verified)
{
    static struct life life;
    struct world *world = &life.world;
    struct session_report report;
    struct ds_error err = DS_ERROR_INIT;
    memset(&life, 0, sizeof life);
    log_start(DS_LOG_ERROR);
    model_new(world, 1, 16384, 33000, 33100);
    world->events = false;
    for (unsigned i = 0; i < MODEL_DISKS; i++) { /* every block is known */
        world->disks[i].skip.length = 0;
        memset(world->disks[i].live.used, 1, model_blocks(world, world->disks[i].live.bytes));
        for (uint64_t b = 0; b < 16000; b += 300)
            world->disks[i].live.version[b] = ++world->last_version;
    }
    first_sync(&life);
    ck_assert_uint_gt(model_damage_inner(world), 0);
    model_forget_points(world);
    if (verified)
        model_verify(world);
    model_write(world, &world->disks[0], 10000, ++world->last_version);
    int rc = model_sync(world, false, false, &report, &err);
    ck_assert_msg(rc == DS_OK || (rc == DS_EDAMAGED && !verified), "%d %s", rc, err.msg);
    if (rc) {
        session_report_free(&report);
        ck_assert_ok(model_sync(world, false, false, &report, &err), &err);
    }
    world->damaged = true; /* disk 1 was not touched: its page is an error, no wrong block */
    model_committed(world, report.point);
    session_report_free(&report);
    ck_assert_msg(world->n_wrong == 0, "%llu wrong blocks; the first: %s",
                  (unsigned long long)world->n_wrong, world->first_wrong);
    model_free(world);
}

START_TEST(a_damaged_inner_page_loses_no_used_block)
{
    inner_page(false);
}
END_TEST

START_TEST(a_damaged_inner_page_that_is_known_fails_no_sync)
{
    inner_page(true);
}
END_TEST

/* A machine that goes back to a time before a checkpoint has a tracker that never heard of the
 * writes in it, though its generation begins where the checkpoint says. */
START_TEST(a_reverted_machine_does_not_believe_its_tracker)
{
    static struct life life;
    struct world *world = &life.world;
    for (unsigned seed = 1; seed <= 4; seed++) {
        struct session_report report;
        struct ds_error err = DS_ERROR_INIT;
        bool partial = false;
        memset(&life, 0, sizeof life);
        log_start(DS_LOG_ERROR);
        model_new(world, seed, 16384, 600, 700);
        model_fill(world, 700);
        world->events = false;
        memset(world->disks[0].live.used, 1, 500);
        first_sync(&life);
        model_save_moment(world);
        for (uint64_t b = 8; b < 500; b += 20)
            model_write(world, &world->disks[0], b, ++world->last_version);
        world->checkpoints_percent = 100;
        world->die_at = "pause:before";
        world->die_skip = 1; /* behind the checkpoint of the first pause */
        ck_assert_int_ne(model_sync(world, false, false, &report, &err), DS_OK);
        session_report_free(&report);
        model_newest(world, &partial);
        ck_assert(partial);
        world->die_at = NULL;
        world->checkpoints_percent = 0;
        model_revert(world);
        ck_assert_ok(model_sync(world, false, false, &report, &err), &err);
        model_committed(world, report.point);
        session_report_free(&report);
        ck_assert_msg(world->n_wrong == 0, "%llu wrong blocks; the first: %s",
                      (unsigned long long)world->n_wrong, world->first_wrong);
        model_free(world);
    }
}
END_TEST

UNIT_MAIN("sync-model", a_reverted_machine_does_not_believe_its_tracker,
          a_damaged_inner_page_loses_no_used_block,
          a_damaged_inner_page_that_is_known_fails_no_sync,
          a_checkpoint_keeps_the_record_of_damage, small_disks_have_no_wrong_block,
          disks_that_outgrow_a_map_level, disks_longer_than_a_window)
