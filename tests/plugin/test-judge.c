/* SPDX-License-Identifier: Apache-2.0 */
/* test-judge.c - every way in which a plugin's table can be wrong is refused, with the reason; and
 * a good one of each kind passes, from older and newer minor versions too. */
#include "tests/unit.h"

#include "core/plugin/plugin.h"

static int some_open(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                     struct ds_call *call)
{
    (void)host, (void)kv, (void)n, (void)self, (void)call;
    return DS_OK;
}

static void some_close(void *self)
{
    (void)self;
}

static void some_slot(void)
{
}

/* Operations of any kind: every slot filled; tables are a size and pointers to functions. */
struct any_ops {
    uint32_t size, reserved;
    void (*slots[16])(void);
};

static struct any_ops ops;
static struct ds_option options[2];
static struct ds_plugin table;

static size_t ops_size(uint32_t kind)
{
    switch (kind) {
    case DS_KIND_SNAPSHOT:
        return sizeof(struct ds_snapshot_ops);
    case DS_KIND_TRACKER:
        return sizeof(struct ds_tracker_ops);
    case DS_KIND_STORE:
        return sizeof(struct ds_store_ops);
    case DS_KIND_TRANSPORT:
        return sizeof(struct ds_transport_ops);
    case DS_KIND_FSMAP:
        return sizeof(struct ds_fsmap_ops);
    default:
        return sizeof(struct ds_volmap_ops);
    }
}

static void make_good(uint32_t kind)
{
    memset(&ops, 0, sizeof ops);
    ops.size = (uint32_t)ops_size(kind);
    for (size_t i = 0; i < 16; i++)
        ops.slots[i] = some_slot;
    options[0] = (struct ds_option){ .name = "path", .help = "a path", .type = DS_OPT_PATH };
    options[1] = (struct ds_option){ .name = "mode", .help = "a choice", .type = DS_OPT_CHOICE,
                                     .choices = "a|b" };
    table = (struct ds_plugin){
        .size = sizeof table,
        .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),
        .kind = kind,
        .threads = DS_THREADS_SERIAL,
        .name = "good-1",
        .version = "1.0",
        .summary = "a good one",
        .options = options,
        .n_options = 2,
        .option_size = sizeof options[0],
        .open = some_open,
        .close = some_close,
        .ops = &ops,
    };
}

static void expect_good(void)
{
    char verdict[300] = "";
    ck_assert_msg(plugin_judge(&table, verdict, sizeof verdict), "refused: %s", verdict);
}

static void expect_refused(const char *reason)
{
    char verdict[300] = "";
    ck_assert_msg(!plugin_judge(&table, verdict, sizeof verdict), "accepted, wanted: %s", reason);
    ck_assert_msg(strstr(verdict, reason) != NULL, "\"%s\" lacks \"%s\"", verdict, reason);
}

START_TEST(good_tables_of_every_kind_pass)
{
    for (uint32_t kind = DS_KIND_SNAPSHOT; kind <= DS_KIND_VOLMAP; kind++) {
        make_good(kind);
        expect_good();
        ck_assert_str_ne(plugin_kind_name(kind), "unknown");
    }
    ck_assert_str_eq(plugin_kind_name(0), "unknown");
}
END_TEST

START_TEST(newer_minor_and_longer_tables_pass)
{
    make_good(DS_KIND_STORE);
    table.abi = DS_ABI(DS_ABI_MAJOR, 9);
    table.size = sizeof table + 64;
    table.caps = ~UINT64_C(0);
    ops.size += 64;
    expect_good();
}
END_TEST

START_TEST(wrong_heads_are_refused)
{
    char verdict[300];
    ck_assert(!plugin_judge(NULL, verdict, sizeof verdict));
    ck_assert_ptr_nonnull(strstr(verdict, "no table"));
    make_good(DS_KIND_STORE);
    table.size = offsetof(struct ds_plugin, ops);
    expect_refused("truncated");
    table.size = 0;
    expect_refused("truncated");
    table.size = (64u << 10) + 1;
    expect_refused("oversized");
    make_good(DS_KIND_STORE);
    table.abi = DS_ABI(DS_ABI_MAJOR + 1, 0);
    expect_refused("ABI major 2, wanted 1");
    make_good(DS_KIND_STORE);
    table.kind = DS_KIND_VOLMAP + 1;
    expect_refused("unknown kind 7");
    make_good(DS_KIND_STORE);
    table.threads = 150;
    expect_refused("thread declaration 150");
    make_good(DS_KIND_STORE);
    table.needs = UINT64_C(1) << 63 | DS_NEED_ADMIN;
    expect_refused("needs something");
}
END_TEST

START_TEST(wrong_names_are_refused)
{
    static const char *const bad[] = { "", "Upper", "with space", "slash/es", "dot.dot", "under_s",
                                       "a23456789012345678901234567890123" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        make_good(DS_KIND_STORE);
        table.name = bad[i];
        expect_refused("bad name");
    }
    make_good(DS_KIND_STORE);
    table.name = "a2345678901234567890123456789012";
    expect_good();
    table.name = NULL;
    expect_refused("no name");
    make_good(DS_KIND_STORE);
    table.version = NULL;
    expect_refused("bad version");
    make_good(DS_KIND_STORE);
    table.summary = "two\nlines";
    expect_refused("bad summary");
}
END_TEST

START_TEST(wrong_options_are_refused)
{
    make_good(DS_KIND_STORE);
    table.option_size = sizeof options[0] - 8;
    expect_refused("options are");
    table.option_size = sizeof options[0] + 1;
    expect_refused("options are");
    make_good(DS_KIND_STORE);
    table.n_options = 257;
    expect_refused("257 options");
    make_good(DS_KIND_STORE);
    table.options = NULL;
    expect_refused("no table of them");
    make_good(DS_KIND_STORE);
    options[1].name = "path";
    expect_refused("path is there twice");
    make_good(DS_KIND_STORE);
    options[1].type = 99;
    expect_refused("unknown type 99");
    make_good(DS_KIND_STORE);
    options[1].choices = NULL;
    expect_refused("without choices");
    make_good(DS_KIND_STORE);
    options[0].name = "Bad-Name";
    expect_refused("bad name");
    make_good(DS_KIND_STORE);
    options[0].help = NULL;
    expect_refused("no help");
    make_good(DS_KIND_STORE);
    options[0].min = 2, options[0].max = 1;
    expect_refused("allows no value");
    make_good(DS_KIND_STORE);
    table.n_options = 0;
    table.options = NULL;
    table.option_size = 0;
    expect_good();
}
END_TEST

/* Options with a longer stride, as a newer SDK has them. */
START_TEST(longer_options_pass)
{
    static struct {
        struct ds_option option;
        void *more;
    } longer[2];
    make_good(DS_KIND_STORE);
    longer[0].option = options[0];
    longer[1].option = options[1];
    table.options = &longer[0].option;
    table.option_size = sizeof longer[0];
    expect_good();
    longer[1].option.type = 0;
    expect_refused("unknown type 0");
}
END_TEST

static const struct {
    uint32_t kind;
    unsigned slots, optional[8], n_optional;
} slot_rules[] = {
    { DS_KIND_SNAPSHOT, 11, { 3, 4, 5, 10 }, 4 }, /* used, altered, read, sweep */
    { DS_KIND_TRACKER, 9, { 0 }, 0 },
    { DS_KIND_STORE, 4, { 2 }, 1 }, /* run; wake goes with it */
    { DS_KIND_TRANSPORT, 11, { 0 }, 0 },
    { DS_KIND_FSMAP, 6, { 0 }, 0 },
    { DS_KIND_VOLMAP, 1, { 0 }, 0 },
};

START_TEST(missing_slots_are_refused)
{
    for (size_t k = 0; k < sizeof slot_rules / sizeof slot_rules[0]; k++) {
        make_good(slot_rules[k].kind);
        ck_assert_uint_eq(ops.size, 8 + slot_rules[k].slots * sizeof(void *));
        for (unsigned slot = 0; slot < slot_rules[k].slots; slot++) {
            bool optional = false;
            for (unsigned i = 0; i < slot_rules[k].n_optional; i++)
                optional |= slot_rules[k].optional[i] == slot;
            make_good(slot_rules[k].kind);
            ops.slots[slot] = NULL;
            if (optional)
                expect_good();
            else
                expect_refused("mandatory slot");
        }
    }
    make_good(DS_KIND_STORE);
    ops.slots[2] = ops.slots[3] = NULL; /* neither run nor wake */
    expect_good();
    table.open = NULL;
    expect_refused("mandatory slot open");
    make_good(DS_KIND_STORE);
    table.close = NULL;
    expect_refused("mandatory slot close");
    make_good(DS_KIND_STORE);
    table.ops = NULL;
    expect_refused("mandatory slot ops");
}
END_TEST

START_TEST(wrong_sizes_of_operations_are_refused)
{
    for (size_t k = 0; k < sizeof slot_rules / sizeof slot_rules[0]; k++) {
        make_good(slot_rules[k].kind);
        ops.size = 8;
        expect_refused("truncated");
        ops.size = UINT32_MAX;
        expect_refused("oversized");
    }
    make_good(DS_KIND_SNAPSHOT);
    ops.size = offsetof(struct ds_snapshot_ops, sweep); /* optional and last: absent */
    expect_good();
    ops.size--;
    expect_refused("truncated");
}
END_TEST

UNIT_MAIN("judge", good_tables_of_every_kind_pass, newer_minor_and_longer_tables_pass,
          wrong_heads_are_refused, wrong_names_are_refused, wrong_options_are_refused,
          longer_options_pass, missing_slots_are_refused, wrong_sizes_of_operations_are_refused)
