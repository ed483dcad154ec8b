/* SPDX-License-Identifier: Apache-2.0 */
/* test-tracker-scripted.c - the scripted tracker keeps the rules of tracker.h, on which tests of a
 * session rely: both generations are marked between cut and changes, abort folds back, commit
 * and abort are idempotent and can be done by another process, LOST lasts until a commit. */
#include "tests/base/scratch.h"
#include "tests/unit.h"

#include "core/plugin/plugin.h"

#define MIB (UINT64_C(1) << 20)
#define CONSUMER "repository/node"

struct world {
    struct scratch scratch;
    char log[OS_PATH_MAX], state[OS_PATH_MAX];
    struct plugin plugin;
    struct host_settings settings;
    struct plugin_instance instance;
    struct ds_error err;
    struct ds_call call;
    struct ds_disk disk;
};

static const struct ds_tracker_ops *ops(const struct world *w)
{
    return w->plugin.table->ops;
}

static void reopen(struct world *w, const char *lose)
{
    struct ds_kv kv[] = { { "log", w->log }, { "state", w->state }, { "lose", lose } };
    if (w->instance.plugin)
        plugin_close(&w->instance);
    ck_assert_ok(plugin_open(&w->instance, &w->plugin, &w->settings, kv, 3, &w->err), &w->err);
    w->call = plugin_call(&w->instance, PLUGIN_SHORT_NS, &w->err);
    ck_assert_ok(ops(w)->attach(w->instance.self, &w->disk, &w->call), &w->err);
}

static void start(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->err.size = sizeof w->err;
    scratch_make(&w->scratch);
    scratch_file(&w->scratch, w->log, "log");
    scratch_file(&w->scratch, w->state, "state");
    w->plugin = (struct plugin){ .table = ds_plugin_v1(), .loaded = true };
    w->disk = (struct ds_disk){ .size = sizeof w->disk, .id = "image:/a b/disk",
                                .path = "/a b/disk", .model = "", .bytes = 64 * MIB, .sector = 512,
                                .physical_sector = 512 };
    reopen(w, "false");
}

static void end(struct world *w)
{
    plugin_close(&w->instance);
    scratch_free(&w->scratch);
}

static void append(struct world *w, const char *line)
{
    FILE *f = fopen(w->log, "ab");
    ck_assert_ptr_nonnull(f);
    fputs(line, f);
    fclose(f);
}

static void wrote(struct world *w, uint64_t offset, uint64_t length)
{
    char line[200];
    snprintf(line, sizeof line, "write %s %llu %llu\n", w->disk.id, (unsigned long long)offset,
             (unsigned long long)length);
    append(w, line);
}

static int cut(struct world *w)
{
    const struct ds_disk *disks[] = { &w->disk };
    return ops(w)->cut(w->instance.self, CONSUMER, disks, 1, &w->call);
}

static struct ds_generation generation(struct world *w)
{
    struct ds_generation g = { .size = sizeof g };
    ck_assert_ok(ops(w)->generation(w->instance.self, CONSUMER, w->disk.id, &g, &w->call),
                 &w->err);
    return g;
}

static int tell(void *ud, const struct ds_extent *extents, size_t n)
{
    char *text = ud;
    for (size_t i = 0; i < n; i++)
        snprintf(text + strlen(text), 400 - strlen(text), "%llu+%llu ",
                 (unsigned long long)extents[i].offset / 65536,
                 (unsigned long long)extents[i].length / 65536);
    return 0;
}

/* As "OFFSET+LENGTH " in grains of 64 KiB. */
static const char *changes(struct world *w, uint64_t from, uint64_t to)
{
    static char text[400];
    text[0] = 0;
    ck_assert_ok(ops(w)->changes(w->instance.self, CONSUMER, w->disk.id,
                                 (struct ds_window){ from, to }, tell, text, &w->call), &w->err);
    return text;
}

static void commit(struct world *w, struct ds_token token)
{
    ck_assert_ok(ops(w)->commit(w->instance.self, CONSUMER, w->disk.id, &token, &w->call),
                 &w->err);
}

static void fold(struct world *w, struct ds_token token)
{
    ck_assert_ok(ops(w)->abort(w->instance.self, CONSUMER, w->disk.id, &token, &w->call), &w->err);
}

START_TEST(writes_around_a_cut_are_in_both_generations)
{
    static const struct ds_token zero;
    struct world w;
    start(&w);
    ck_assert_ok(cut(&w), &w.err);
    struct ds_generation g = generation(&w);
    ck_assert(g.state == DS_GENERATION_CUT && g.pending);
    ck_assert(ds_token_equal(&g.start, &zero));
    changes(&w, 0, UINT64_MAX);
    commit(&w, g.end);
    ck_assert(generation(&w).state == DS_GENERATION_NONE && !generation(&w).pending);

    wrote(&w, 0, 1);             /* before the cut: grain 0 */
    ck_assert_ok(cut(&w), &w.err);
    wrote(&w, 2 * 65536 - 1, 2); /* around it: grains 1 and 2 */
    ck_assert_str_eq(changes(&w, 0, UINT64_MAX), "0+3 ");
    wrote(&w, 9 * 65536, 65536); /* after: grain 9 */
    ck_assert_str_eq(changes(&w, 0, UINT64_MAX), "0+3 ");
    ck_assert_str_eq(changes(&w, 65536, 2 * 65536), "1+1 ");
    ck_assert_str_eq(changes(&w, MIB, 2 * MIB), "");
    ck_assert_int_eq(cut(&w), DS_EBUSY);
    struct ds_generation second = generation(&w);
    ck_assert(ds_token_equal(&second.start, &g.end) && !ds_token_equal(&second.end, &g.end));
    ck_assert_uint_eq(second.changed_bytes, 3 * 65536);
    commit(&w, second.end);
    ck_assert_ok(cut(&w), &w.err);
    ck_assert_str_eq(changes(&w, 0, UINT64_MAX), "1+2 9+1 ");
    end(&w);
}
END_TEST

START_TEST(abort_folds_back_and_tokens_decide)
{
    struct world w;
    start(&w);
    ck_assert_ok(cut(&w), &w.err);
    struct ds_token first = generation(&w).end;
    commit(&w, first);
    wrote(&w, 5 * 65536, 1);
    ck_assert_ok(cut(&w), &w.err);
    struct ds_token second = generation(&w).end;
    changes(&w, 0, UINT64_MAX);
    commit(&w, first); /* not pending: changes nothing */
    fold(&w, first);
    ck_assert(generation(&w).pending);
    wrote(&w, 7 * 65536, 1);
    reopen(&w, "false"); /* another process */
    fold(&w, second);
    fold(&w, second);
    commit(&w, second);
    struct ds_generation g = generation(&w);
    ck_assert(!g.pending && ds_token_equal(&g.start, &first));
    struct ds_extent mark = { 20 * 65536, 65536 };
    ck_assert_ok(ops(&w)->mark(w.instance.self, CONSUMER, w.disk.id, &mark, 1, &w.call), &w.err);
    ck_assert_ok(cut(&w), &w.err);
    ck_assert_str_eq(changes(&w, 0, UINT64_MAX), "5+1 7+1 20+1 ");
    ck_assert(!ds_token_equal(&second, &(struct ds_token){ { 0 } }));
    struct ds_token third = generation(&w).end;
    ck_assert(!ds_token_equal(&third, &second));
    end(&w);
}
END_TEST

START_TEST(lost_lasts_until_the_next_cut_is_committed)
{
    struct world w;
    start(&w);
    ck_assert_ok(cut(&w), &w.err);
    commit(&w, generation(&w).end);
    append(&w, "lose * the power failed\n");
    struct ds_generation g = generation(&w);
    ck_assert_uint_eq(g.state, DS_GENERATION_LOST);
    ck_assert_str_eq(g.reason, "the power failed");
    ck_assert_ok(cut(&w), &w.err);
    changes(&w, 0, UINT64_MAX);
    ck_assert_uint_eq(generation(&w).state, DS_GENERATION_LOST);
    fold(&w, generation(&w).end); /* the next one is lost as well */
    ck_assert_uint_eq(generation(&w).state, DS_GENERATION_LOST);
    ck_assert_ok(cut(&w), &w.err);
    changes(&w, 0, UINT64_MAX);
    append(&w, "lose * again\n"); /* while it is pending: strikes the new one alone */
    commit(&w, generation(&w).end);
    ck_assert_uint_eq(generation(&w).state, DS_GENERATION_LOST);
    ck_assert_ok(cut(&w), &w.err);
    commit(&w, generation(&w).end);
    ck_assert_uint_eq(generation(&w).state, DS_GENERATION_NONE);
    reopen(&w, "true");
    ck_assert_ok(cut(&w), &w.err);
    ck_assert_uint_eq(generation(&w).state, DS_GENERATION_LOST);
    ck_assert_str_eq(generation(&w).reason, "scripted");
    end(&w);
}
END_TEST

START_TEST(resized_disks_are_noticed)
{
    struct world w;
    start(&w);
    ck_assert_ok(cut(&w), &w.err);
    commit(&w, generation(&w).end);
    w.disk.bytes += 2 * 65536;
    reopen(&w, "false");
    ck_assert_ok(cut(&w), &w.err);
    ck_assert_str_eq(changes(&w, 0, UINT64_MAX), "1024+2 ");
    commit(&w, generation(&w).end);
    w.disk.bytes = MIB;
    reopen(&w, "false");
    ck_assert_uint_eq(generation(&w).state, DS_GENERATION_LOST);
    ck_assert_ok(ops(&w)->detach(w.instance.self, w.disk.id, &w.call), &w.err);
    ck_assert_int_eq(cut(&w), DS_ENOENT);
    end(&w);
}
END_TEST

UNIT_MAIN("tracker-scripted", writes_around_a_cut_are_in_both_generations,
          abort_folds_back_and_tokens_decide, lost_lasts_until_the_next_cut_is_committed,
          resized_disks_are_noticed)
