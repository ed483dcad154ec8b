/* SPDX-License-Identifier: Apache-2.0 */
/* volumes.c - see volumes.h. In doubt a byte is used: what lies outside of every volume, volumes
 * without a parser, and volumes whose parser fails. */
#include "core/sync/volumes.h"

#include "core/base/bytes.h"
#include "core/base/log.h"

#include <stdlib.h>

#define SKIPS_MAX 262144u

int fsmaps_open(struct fsmaps *fsmaps, struct agent *agent, struct ds_error *err)
{
    memset(fsmaps, 0, sizeof *fsmaps);
    fsmaps->instances = calloc(agent->plugins.n + 1, sizeof *fsmaps->instances);
    if (!fsmaps->instances)
        return ds_fail(err, DS_ENOMEM, "no memory for file system parsers");
    for (size_t i = 0; i < agent->plugins.n; i++) {
        const struct plugin *plugin = &agent->plugins.plugins[i];
        if (!plugin->loaded || plugin->table->kind != DS_KIND_FSMAP ||
            plugin->table->caps & DS_CAP_SCRIPTED)
            continue;
        int rc = plugin_open(&fsmaps->instances[fsmaps->n], plugin, &agent->settings, NULL, 0, err);
        if (rc) {
            fsmaps_close(fsmaps);
            return rc;
        }
        fsmaps->n++;
    }
    return DS_OK;
}

void fsmaps_close(struct fsmaps *fsmaps)
{
    for (size_t i = 0; i < fsmaps->n; i++)
        plugin_close(&fsmaps->instances[i]);
    free(fsmaps->instances);
    memset(fsmaps, 0, sizeof *fsmaps);
}

static const struct ds_fsmap_ops *ops_of(const struct plugin_instance *instance)
{
    return instance->plugin->table->ops;
}

/* The parser with the highest score; a parser that fails has none. */
static struct plugin_instance *best_fsmap(struct fsmaps *fsmaps, struct volume *volume)
{
    struct plugin_instance *best = NULL;
    uint32_t best_score = 0;
    for (size_t i = 0; i < fsmaps->n; i++) {
        struct plugin_instance *instance = &fsmaps->instances[i];
        struct ds_error err = DS_ERROR_INIT;
        struct ds_call call = plugin_call(instance, PLUGIN_SHORT_NS, &err);
        uint32_t score = 0;
        char name[16] = "";
        int rc = ops_of(instance)->probe(instance->self, &volume->reader, &score, name,
                                         sizeof name, &call);
        if (!rc && score > best_score) {
            best_score = score;
            best = instance;
            text_copy(volume->fs, sizeof volume->fs, name);
        }
    }
    return best;
}

static int skip_found(void *ud, const struct ds_extent *extents, size_t n)
{
    struct volume *volume = ud;
    if (volume->n_skips + n > SKIPS_MAX)
        return DS_OK; /* the rest is kept: no harm */
    struct ds_extent *skips = realloc(volume->skips, (volume->n_skips + n) * sizeof *skips);
    if (!skips)
        return DS_ENOMEM;
    volume->skips = skips;
    for (size_t i = 0; i < n; i++)
        if (extents[i].offset <= volume->part.bytes &&
            extents[i].length <= volume->part.bytes - extents[i].offset)
            volume->skips[volume->n_skips++] = (struct ds_extent){
                volume->part.offset + extents[i].offset, extents[i].length };
    return DS_OK;
}

/* Opens the parser; a failure means that all is used. */
static void volume_parse(struct volume *volume, struct fsmaps *fsmaps)
{
    struct ds_error err = DS_ERROR_INIT;
    struct plugin_instance *fsmap = best_fsmap(fsmaps, volume);
    if (!fsmap)
        return;
    struct ds_call call = plugin_call(fsmap, PLUGIN_LONG_NS, &err);
    int rc = ops_of(fsmap)->open(fsmap->self, &volume->reader, &volume->handle, &call);
    if (!rc) {
        volume->fsmap = fsmap;
        call = plugin_call(fsmap, PLUGIN_LONG_NS, &err);
        rc = ops_of(fsmap)->skip(volume->handle, skip_found, volume, &call);
    }
    if (rc) {
        log_printf(DS_LOG_WARNING, "fsmap.failed",
                   "%s, volume at %llu: %s; all of it counts as used",
                   volume->part.source->disk->path, (unsigned long long)volume->part.offset,
                   err.msg);
        text_copy(volume->note, sizeof volume->note, err.msg);
        if (volume->fsmap)
            ops_of(fsmap)->close(volume->handle);
        volume->fsmap = NULL;
        volume->n_skips = 0;
    }
}

static void volume_init(struct volume *volume, const struct source *source,
                        const struct ds_extent *extent, struct fsmaps *fsmaps)
{
    volume->part = (struct source_part){ source, extent->offset, extent->length };
    volume->reader = source_reader(&volume->part, source->disk->sector);
    volume_parse(volume, fsmaps);
}

int volumes_open(struct volumes *volumes, const struct source *source, struct fsmaps *fsmaps,
                 struct ds_error *err)
{
    struct source_part whole = { source, 0, source->disk->bytes };
    struct ds_extent all = { 0, source->disk->bytes };
    struct ds_reader reader = source_reader(&whole, source->disk->sector);
    memset(volumes, 0, sizeof *volumes);
    volumes->source = source;
    int rc = disk_layout_read(&volumes->layout, &reader, err);
    if (rc)
        return rc;
    bool table = volumes->layout.table != DISK_TABLE_NONE;
    size_t n = table ? volumes->layout.n_partitions : 1;
    volumes->list = calloc(n + 1, sizeof *volumes->list);
    if (!volumes->list) {
        disk_layout_free(&volumes->layout);
        return ds_fail(err, DS_ENOMEM, "no memory for volumes");
    }
    volumes->n = n;
    for (size_t i = 0; i < n; i++)
        volume_init(&volumes->list[i], source,
                    table ? &volumes->layout.partitions[i].extent : &all, fsmaps);
    return DS_OK;
}

void volumes_close(struct volumes *volumes)
{
    for (size_t i = 0; i < volumes->n; i++) {
        struct volume *volume = &volumes->list[i];
        if (volume->fsmap)
            ops_of(volume->fsmap)->close(volume->handle);
        free(volume->skips);
    }
    free(volumes->list);
    disk_layout_free(&volumes->layout);
    memset(volumes, 0, sizeof *volumes);
}

/* ---- used ---- */

struct used_walk {
    struct bitmap *map;
    struct ds_window window;
    uint32_t block_size;
    uint64_t base; /* added to the extents: where the volume begins on the disk */
};

/* Bits of the blocks that touch [from, to), both on the disk. */
static void set_outward(const struct used_walk *walk, uint64_t from, uint64_t to)
{
    from = max_u64(from, walk->window.from);
    to = min_u64(to, walk->window.to);
    if (from < to)
        bitmap_set(walk->map, (from - walk->window.from) / walk->block_size,
                   div_round_up(to - walk->window.from, walk->block_size));
}

/* Bits of the blocks that lie within [from, to). */
static void reset_inward(const struct used_walk *walk, uint64_t from, uint64_t to)
{
    from = max_u64(from, walk->window.from);
    to = min_u64(to, walk->window.to);
    if (from < to)
        bitmap_reset(walk->map, div_round_up(from - walk->window.from, walk->block_size),
                     (to - walk->window.from) / walk->block_size);
}

static int used_found(void *ud, const struct ds_extent *extents, size_t n)
{
    const struct used_walk *walk = ud;
    for (size_t i = 0; i < n; i++) {
        uint64_t end;
        if (add_u64(extents[i].offset, extents[i].length, &end))
            set_outward(walk, walk->base + extents[i].offset, walk->base + end);
    }
    return DS_OK;
}

/* Replaces "all of the volume is used" by the parser's answer, where it has one. */
static int volume_used(struct volume *volume, struct used_walk *walk, struct ds_error *err)
{
    uint64_t start = volume->part.offset, end = start + volume->part.bytes;
    if (!volume->fsmap || end <= walk->window.from || start >= walk->window.to)
        return DS_OK;
    struct ds_window window = { max_u64(start, walk->window.from) - start,
                                min_u64(end, walk->window.to) - start };
    struct ds_call call = plugin_call(volume->fsmap, PLUGIN_LONG_NS, err);
    reset_inward(walk, start, end);
    walk->base = start;
    int rc = ops_of(volume->fsmap)->used(volume->handle, window, used_found, walk, &call);
    if (rc == DS_ECANCELLED || rc == DS_ENOMEM)
        return rc;
    if (rc) {
        log_printf(DS_LOG_WARNING, "fsmap.failed",
                   "%s, volume at %llu: %s; what could not be told counts as used",
                   volume->part.source->disk->path, (unsigned long long)start, err->msg);
        set_outward(walk, start, end);
    }
    return DS_OK;
}

static bool parsed(const struct volumes *volumes, uint64_t offset)
{
    for (size_t i = 0; i < volumes->n; i++) {
        const struct volume *volume = &volumes->list[i];
        if (offset >= volume->part.offset && offset - volume->part.offset < volume->part.bytes)
            return volume->fsmap != NULL;
    }
    return false;
}

/* Unites with what the operating system itself says of a frozen volume: it knows what a log that
 * was not replayed would change. Alone where no parser serves the volume. */
static int provider_used(struct volumes *volumes, const struct ds_view *view,
                         struct used_walk *walk, struct ds_error *err)
{
    const struct source *source = volumes->source;
    uint64_t start = max_u64(view->disk.offset, walk->window.from);
    uint64_t end = min_u64(view->disk.offset + view->disk.length, walk->window.to);
    if (view->volume == 0 || view->count > 1 || start >= end ||
        view->volume_offset > view->disk.offset)
        return DS_OK;
    bool alone = !parsed(volumes, view->disk.offset);
    struct ds_window window = { start - view->disk.offset + view->volume_offset,
                                end - view->disk.offset + view->volume_offset };
    walk->base = view->disk.offset - view->volume_offset;
    if (alone)
        reset_inward(walk, start, end);
    source_enter(source);
    struct ds_call call = plugin_call(source->provider, PLUGIN_LONG_NS, err);
    int rc = source->ops->used(source->set, view->volume, window, used_found, walk, &call);
    source_leave(source);
    if (rc && alone)
        set_outward(walk, start, end);
    return rc == DS_ENOTSUP ? DS_OK : rc;
}

static int providers_used(struct volumes *volumes, struct used_walk *walk, struct ds_error *err)
{
    const struct source *source = volumes->source;
    int rc = DS_OK;
    if (!source->ops || !DS_HAS(ds_snapshot_ops, source->ops, used))
        return DS_OK;
    for (size_t i = 0; !rc && i < source->n_views; i++)
        rc = provider_used(volumes, &source->views[i].view, walk, err);
    return rc;
}

static int view_skipped(void *ud, const struct ds_extent *extents, size_t n)
{
    const struct used_walk *walk = ud;
    for (size_t i = 0; i < n; i++)
        reset_inward(walk, extents[i].offset, extents[i].offset + extents[i].length);
    return DS_OK;
}

int volumes_used(struct volumes *volumes, struct ds_window window, uint32_t block_size,
                 struct bitmap *map, struct ds_error *err)
{
    struct used_walk walk = { map, window, block_size, 0 };
    int rc = DS_OK;
    bitmap_set(map, 0, map->bits);
    for (size_t i = 0; !rc && i < volumes->n; i++)
        rc = volume_used(&volumes->list[i], &walk, err);
    if (!rc)
        rc = providers_used(volumes, &walk, err);
    for (size_t i = 0; !rc && i < volumes->n; i++)
        for (size_t k = 0; k < volumes->list[i].n_skips; k++)
            view_skipped(&walk, &volumes->list[i].skips[k], 1);
    if (!rc)
        rc = source_each(volumes->source, DS_VIEW_SKIP, window.from, window.to, view_skipped,
                         &walk);
    return rc;
}
