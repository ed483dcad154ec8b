/* SPDX-License-Identifier: Apache-2.0 */
/* judge.c - decides by its table alone whether a plugin can be run. Reads no byte beyond the sizes
 * that the plugin declares, and trusts a size only within bounds. Each refusal says what was found
 * and what is wanted. */
#include "core/plugin/plugin.h"

#define TABLE_MAX (64u << 10) /* no version of any table will be this long */
#define OPTIONS_MAX 256
#define END_OF(T, f) (offsetof(struct T, f) + sizeof(((struct T *)0)->f))

/* ---- the slots of each kind ---- */

struct slot {
    const char *name;
    size_t offset;
    bool optional;
};
#define SLOT(T, f) { #f, offsetof(struct T, f), false }
#define OPTIONAL(T, f) { #f, offsetof(struct T, f), true }

static const struct slot snapshot_slots[] = {
    SLOT(ds_snapshot_ops, probe),    SLOT(ds_snapshot_ops, create),
    SLOT(ds_snapshot_ops, views),    OPTIONAL(ds_snapshot_ops, used),
    OPTIONAL(ds_snapshot_ops, altered), OPTIONAL(ds_snapshot_ops, read),
    SLOT(ds_snapshot_ops, facts),    SLOT(ds_snapshot_ops, health),
    SLOT(ds_snapshot_ops, finish),   SLOT(ds_snapshot_ops, release),
    OPTIONAL(ds_snapshot_ops, sweep),
};
static const struct slot tracker_slots[] = {
    SLOT(ds_tracker_ops, probe),   SLOT(ds_tracker_ops, attach),
    SLOT(ds_tracker_ops, detach),  SLOT(ds_tracker_ops, cut),
    SLOT(ds_tracker_ops, generation), SLOT(ds_tracker_ops, changes),
    SLOT(ds_tracker_ops, commit),  SLOT(ds_tracker_ops, abort),
    SLOT(ds_tracker_ops, mark),
};
static const struct slot store_slots[] = {
    SLOT(ds_store_ops, probe),
    SLOT(ds_store_ops, submit),
    OPTIONAL(ds_store_ops, run),
    OPTIONAL(ds_store_ops, wake),
};
static const struct slot transport_slots[] = {
    SLOT(ds_transport_ops, probe),    SLOT(ds_transport_ops, begin),
    SLOT(ds_transport_ops, capacity), SLOT(ds_transport_ops, write),
    SLOT(ds_transport_ops, drop),     SLOT(ds_transport_ops, read),
    SLOT(ds_transport_ops, flush),    SLOT(ds_transport_ops, commit),
    SLOT(ds_transport_ops, abort),    SLOT(ds_transport_ops, stats),
    SLOT(ds_transport_ops, end),
};
static const struct slot fsmap_slots[] = {
    SLOT(ds_fsmap_ops, probe), SLOT(ds_fsmap_ops, open),  SLOT(ds_fsmap_ops, used),
    SLOT(ds_fsmap_ops, skip),  SLOT(ds_fsmap_ops, facts), SLOT(ds_fsmap_ops, close),
};
static const struct slot volmap_slots[] = { SLOT(ds_volmap_ops, volumes) };

struct kind {
    uint32_t kind;
    const char *name;
    const struct slot *slots;
    size_t n_slots;
};
#define KIND(k, n, s) { k, n, s, sizeof s / sizeof s[0] }
static const struct kind kinds[] = {
    KIND(DS_KIND_SNAPSHOT, "snapshot", snapshot_slots),
    KIND(DS_KIND_TRACKER, "tracker", tracker_slots),
    KIND(DS_KIND_STORE, "store", store_slots),
    KIND(DS_KIND_TRANSPORT, "transport", transport_slots),
    KIND(DS_KIND_FSMAP, "fsmap", fsmap_slots),
    KIND(DS_KIND_VOLMAP, "volmap", volmap_slots),
};

static const struct kind *kind_find(uint32_t number)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].kind == number)
            return &kinds[i];
    return NULL;
}

const char *plugin_kind_name(uint32_t kind)
{
    const struct kind *k = kind_find(kind);
    return k ? k->name : "unknown";
}

/* ---- judgements: each returns true, or fills the verdict ---- */

struct verdict {
    char *text;
    size_t cap;
};

DS_PRINTF(2, 3)
static bool refuse(const struct verdict *verdict, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(verdict->text, verdict->cap, fmt, ap);
    va_end(ap);
    return false;
}

/* A name of letters, digits and one kind of dash, at most max long. */
static bool is_name(const char *name, char dash, size_t max)
{
    size_t n = 0;
    if (!name)
        return false;
    for (; name[n]; n++) {
        char c = name[n];
        bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == dash;
        if (!good || n == max)
            return false;
    }
    return n > 0;
}

static bool is_line(const char *text, size_t max)
{
    size_t n = 0;
    if (!text)
        return false;
    for (; text[n]; n++)
        if ((unsigned char)text[n] < 0x20 || n == max)
            return false;
    return n > 0;
}

static bool judge_head(const struct ds_plugin *table, const struct verdict *verdict)
{
    const size_t least = END_OF(ds_plugin, ops);
    if (table->size < least)
        return refuse(verdict, "its table is truncated: %u bytes, wanted at least %zu",
                      table->size, least);
    if (table->size > TABLE_MAX)
        return refuse(verdict, "its table is oversized: %u bytes, wanted at most %u", table->size,
                      TABLE_MAX);
    if (table->abi >> 16 != DS_ABI_MAJOR)
        return refuse(verdict, "its table is of ABI major %u, wanted %u", table->abi >> 16,
                      (unsigned)DS_ABI_MAJOR);
    if (!kind_find(table->kind))
        return refuse(verdict, "unknown kind %u, wanted %u to %u", table->kind,
                      (unsigned)DS_KIND_SNAPSHOT, (unsigned)DS_KIND_VOLMAP);
    if (table->threads != DS_THREADS_ONE && table->threads != DS_THREADS_SERIAL &&
        table->threads != DS_THREADS_PARALLEL)
        return refuse(verdict, "unknown thread declaration %u, wanted %u, %u or %u", table->threads,
                      (unsigned)DS_THREADS_ONE, (unsigned)DS_THREADS_SERIAL,
                      (unsigned)DS_THREADS_PARALLEL);
    if (table->needs & ~DS_NEEDS_KNOWN)
        return refuse(verdict, "it needs something that this program does not know (bits 0x%llx, "
                               "known are 0x%llx): install a newer DiskSync",
                      (unsigned long long)table->needs, (unsigned long long)DS_NEEDS_KNOWN);
    return true;
}

static bool judge_names(const struct ds_plugin *table, const struct verdict *verdict)
{
    if (!table->name)
        return refuse(verdict, "it has no name");
    if (!is_name(table->name, '-', 32))
        return refuse(verdict, "bad name \"%.40s\", wanted 1 to 32 of [a-z0-9-]", table->name);
    if (!is_line(table->version, 64))
        return refuse(verdict, "bad version, wanted one line of at most 64 bytes");
    if (!is_line(table->summary, 200))
        return refuse(verdict, "bad summary, wanted one line of at most 200 bytes");
    return true;
}

static bool judge_option(const struct ds_plugin *table, uint32_t i, const struct verdict *verdict)
{
    const char *base = (const char *)table->options;
    struct ds_option option, other;
    memcpy(&option, base + (size_t)i * table->option_size, sizeof option);
    if (!is_name(option.name, '_', 40))
        return refuse(verdict, "option %u has a bad name \"%.50s\", wanted 1 to 40 of [a-z0-9_]", i,
                      option.name ? option.name : "");
    if (option.type < DS_OPT_STRING || option.type > DS_OPT_SECRET)
        return refuse(verdict, "option %s is of unknown type %u", option.name, option.type);
    if (option.type == DS_OPT_CHOICE && (!option.choices || !*option.choices))
        return refuse(verdict, "option %s is a choice without choices", option.name);
    if (!is_line(option.help, 400))
        return refuse(verdict, "option %s has no help of one line", option.name);
    if (option.min > option.max)
        return refuse(verdict, "option %s allows no value: its minimum is above its maximum",
                      option.name);
    for (uint32_t j = 0; j < i; j++) {
        memcpy(&other, base + (size_t)j * table->option_size, sizeof other);
        if (strcmp(other.name, option.name) == 0)
            return refuse(verdict, "option %s is there twice", option.name);
    }
    return true;
}

static bool judge_options(const struct ds_plugin *table, const struct verdict *verdict)
{
    const size_t least = sizeof(struct ds_option);
    if (table->n_options == 0)
        return true;
    if (table->n_options > OPTIONS_MAX)
        return refuse(verdict, "it has %u options, wanted at most %d", table->n_options,
                      OPTIONS_MAX);
    if (!table->options)
        return refuse(verdict, "it has %u options and no table of them", table->n_options);
    if (table->option_size < least || table->option_size > TABLE_MAX ||
        table->option_size % sizeof(void *) != 0)
        return refuse(verdict, "its options are %u bytes each, wanted %zu or a larger multiple of "
                               "%zu", table->option_size, least, sizeof(void *));
    for (uint32_t i = 0; i < table->n_options; i++)
        if (!judge_option(table, i, verdict))
            return false;
    return true;
}

/* A function pointer of any type, by its bytes. */
static bool slot_is_filled(const void *ops, uint32_t size, const struct slot *slot)
{
    void (*fn)(void);
    if (size < slot->offset + sizeof fn)
        return false;
    memcpy(&fn, (const char *)ops + slot->offset, sizeof fn);
    return fn != NULL;
}

static bool judge_ops(const struct ds_plugin *table, const struct verdict *verdict)
{
    const struct kind *kind = kind_find(table->kind);
    uint32_t size;
    size_t least = 0;
    if (!table->open || !table->close)
        return refuse(verdict, "mandatory slot %s is empty", table->open ? "close" : "open");
    if (!table->ops)
        return refuse(verdict, "mandatory slot ops is empty");
    memcpy(&size, table->ops, sizeof size);
    for (size_t i = 0; i < kind->n_slots; i++)
        if (!kind->slots[i].optional)
            least = kind->slots[i].offset + sizeof(void (*)(void));
    if (size < least)
        return refuse(verdict, "its %s operations are truncated: %u bytes, wanted at least %zu",
                      kind->name, size, least);
    if (size > TABLE_MAX)
        return refuse(verdict, "its %s operations are oversized: %u bytes, wanted at most %u",
                      kind->name, size, TABLE_MAX);
    for (size_t i = 0; i < kind->n_slots; i++)
        if (!kind->slots[i].optional && !slot_is_filled(table->ops, size, &kind->slots[i]))
            return refuse(verdict, "mandatory slot %s.%s is empty", kind->name,
                          kind->slots[i].name);
    if (table->kind == DS_KIND_STORE) {
        const struct ds_store_ops *store = table->ops;
        if (DS_HAS(ds_store_ops, store, run) && !DS_HAS(ds_store_ops, store, wake))
            return refuse(verdict, "mandatory slot store.wake is empty: run is filled");
    }
    return true;
}

bool plugin_judge(const struct ds_plugin *table, char *text, size_t cap)
{
    const struct verdict verdict = { text, cap };
    if (!table)
        return refuse(&verdict, "its entry point returned no table");
    return judge_head(table, &verdict) && judge_names(table, &verdict) &&
           judge_options(table, &verdict) && judge_ops(table, &verdict);
}
