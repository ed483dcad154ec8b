/* SPDX-License-Identifier: Apache-2.0 */
/* source.c - see source.h. */
#include "core/sync/source.h"

#include "core/base/bytes.h"
#include "core/base/text.h"

#include <stdlib.h>

#define VIEWS_MAX 65536u
#define LIVE_READS_MAX 6u

static int file_open(struct source *source, const char *path, bool direct, int *index,
                     struct ds_error *err)
{
    for (size_t i = 0; i < source->n_files; i++)
        if (strcmp(source->files[i].path, path) == 0) {
            *index = (int)i;
            return DS_OK;
        }
    struct disk_source *files = realloc(source->files, (source->n_files + 1) * sizeof *files);
    if (!files)
        return ds_fail(err, DS_ENOMEM, "no memory to read %s", path);
    source->files = files;
    int rc = disk_source_open(&files[source->n_files], path, direct, err);
    if (!rc)
        *index = (int)source->n_files++;
    return rc;
}

struct view_collect {
    struct source *source;
    struct ds_error *err;
};

/* Views ascend and do not overlap (stripes of several may interleave), and lie on the disk. */
static bool view_possible(const struct source *source, const struct ds_view *view)
{
    const struct ds_view *last = source->n_views ? &source->views[source->n_views - 1].view : NULL;
    uint64_t end, span;
    if (view->disk.length == 0 || !add_u64(view->disk.offset, view->disk.length, &end) ||
        (view->count > 1 && view->disk_step < view->disk.length) ||
        !mul_u64(view->count - 1, view->disk_step, &span) || !add_u64(end, span, &end) ||
        end > source->disk->bytes)
        return false;
    if (!last)
        return true;
    if (view->count > 1 || last->count > 1)
        return view->disk.offset > last->disk.offset;
    return view->disk.offset >= last->disk.offset + last->disk.length;
}

static int view_collected(void *ud, const struct ds_view *view)
{
    struct view_collect *collect = ud;
    struct source *source = collect->source;
    struct ds_view own = { .size = sizeof own };
    memcpy(&own, view, view->size < sizeof own ? view->size : sizeof own);
    own.size = sizeof own;
    if (own.count == 0)
        own.count = 1;
    if (!view_possible(source, &own))
        return ds_fail(collect->err, DS_EPLUGIN, "the snapshot provider %s describes an impossible "
                       "view of %s", source->provider->plugin->table->name, source->disk->path);
    if (source->n_views >= VIEWS_MAX)
        return ds_fail(collect->err, DS_EPLUGIN, "%s has more than %u views", source->disk->path,
                       VIEWS_MAX);
    if ((source->n_views & (source->n_views - 1)) == 0) {
        size_t cap = source->n_views ? source->n_views * 2 : 4;
        struct source_view *views = realloc(source->views, cap * sizeof *views);
        if (!views)
            return ds_fail(collect->err, DS_ENOMEM, "no memory for views");
        source->views = views;
    }
    int file = -1, rc = DS_OK;
    bool direct = !(own.flags & DS_VIEW_BUFFERED) && own.path &&
                  os_kind(own.path) != OS_REGULAR;
    if (own.kind != DS_VIEW_SKIP && own.path)
        rc = file_open(source, own.path, direct, &file, collect->err);
    if (rc)
        return rc;
    own.path = NULL; /* the provider's string is ours only during the call */
    source->striped |= own.count > 1;
    source->views[source->n_views++] = (struct source_view){ own, file };
    return DS_OK;
}

int source_open_live(struct source *source, const struct disk *disk, struct ds_error *err)
{
    int live;
    memset(source, 0, sizeof *source);
    source->disk = disk;
    if (!mutex_init(&source->serial))
        return ds_fail(err, DS_ENOMEM, "no memory to read %s", disk->path);
    return file_open(source, disk->path, !(disk->flags & DS_DISK_IMAGE), &live, err);
}

int source_open(struct source *source, const struct disk *disk, struct plugin_instance *provider,
                void *set, uint32_t index, struct ds_error *err)
{
    struct view_collect collect = { source, err };
    struct ds_window all = { 0, disk->bytes };
    int rc = source_open_live(source, disk, err);
    if (!rc && provider->plugin->table->threads < DS_THREADS_SERIAL)
        rc = ds_fail(err, DS_EPLUGIN, "the snapshot provider %s takes calls from one thread only, "
                     "which can't serve a sync", provider->plugin->table->name);
    if (!rc) {
        source->provider = provider;
        source->ops = provider->plugin->table->ops;
        source->set = set;
        struct ds_call call = plugin_call(provider, PLUGIN_SHORT_NS, err);
        rc = source->ops->views(set, index, all, view_collected, &collect, &call);
        plugin_failed(provider, rc, err);
    }
    if (rc)
        source_close(source);
    return rc;
}

void source_close(struct source *source)
{
    for (size_t i = 0; i < source->n_files; i++)
        disk_source_close(&source->files[i]);
    free(source->files);
    free(source->views);
    mutex_destroy(&source->serial);
    source->files = NULL;
    source->views = NULL;
    source->n_files = source->n_views = 0;
}

/* ---- finding the view of an offset ---- */

struct place {
    uint32_t kind;
    int file;                /* -1: the provider reads */
    uint64_t volume, offset; /* in the file or volume */
    uint64_t bytes;          /* that lie there in one piece */
};

/* True if the view covers the offset; else *next is lowered to where it begins after it. */
static bool view_covers(const struct source_view *v, uint64_t offset, struct place *place,
                        uint64_t *next)
{
    const struct ds_view *view = &v->view;
    uint64_t piece = 0, start = view->disk.offset;
    if (view->count > 1 && offset >= start)
        piece = min_u64((offset - start) / view->disk_step, view->count - 1);
    start += piece * view->disk_step;
    if (offset < start) {
        *next = min_u64(*next, start);
        return false;
    }
    uint64_t within = offset - start;
    if (within >= view->disk.length) {
        if (piece + 1 < view->count)
            *next = min_u64(*next, start + view->disk_step);
        return false;
    }
    place->kind = view->kind;
    place->file = v->file;
    place->volume = view->volume;
    place->offset = (v->file >= 0 ? view->path_offset : view->volume_offset) +
                    piece * view->path_step + within;
    place->bytes = view->disk.length - within;
    return true;
}

static void find_place(const struct source *source, uint64_t offset, struct place *place)
{
    uint64_t next = source->disk->bytes;
    size_t from = 0;
    if (!source->striped) { /* ascending: skip those that end before */
        size_t lo = 0, hi = source->n_views;
        while (lo < hi) {
            size_t mid = (lo + hi) / 2;
            const struct ds_extent *e = &source->views[mid].view.disk;
            if (e->offset + e->length <= offset)
                lo = mid + 1;
            else
                hi = mid;
        }
        from = lo;
    }
    for (size_t i = from; i < source->n_views; i++) {
        if (view_covers(&source->views[i], offset, place, &next))
            return;
        if (!source->striped)
            break;
    }
    /* A gap: the live disk. */
    *place = (struct place){ .kind = DS_VIEW_LIVE, .file = 0, .offset = offset,
                             .bytes = next - offset };
}

static bool one_at_a_time(const struct source *source)
{
    return source && source->provider &&
           source->provider->plugin->table->threads < DS_THREADS_PARALLEL;
}

void source_enter(const struct source *source)
{
    if (one_at_a_time(source)) {
        struct mutex serial = source->serial;
        mutex_lock(&serial);
    }
}

void source_leave(const struct source *source)
{
    if (one_at_a_time(source)) {
        struct mutex serial = source->serial;
        mutex_unlock(&serial);
    }
}

static int place_read(const struct source *source, const struct place *place, void *data, size_t n,
                      struct ds_error *err)
{
    if (place->file >= 0) {
        struct ds_reader reader = disk_source_reader(&source->files[place->file], 512);
        return reader.pread(reader.ctx, data, n, place->offset, err);
    }
    source_enter(source);
    struct ds_call call = plugin_call(source->provider, PLUGIN_LONG_NS, err);
    int rc = source->ops->read(source->set, place->volume, place->offset, data, n, &call);
    source_leave(source);
    return plugin_failed(source->provider, rc, err);
}

/* Reads until two reads agree. */
static int place_read_live(const struct source *source, const struct place *place, uint8_t *data,
                           uint8_t *scratch, size_t n, bool *torn, struct ds_error *err)
{
    int rc = place_read(source, place, data, n, err);
    for (unsigned i = 1; !rc; i++) {
        rc = place_read(source, place, scratch, n, err);
        if (rc || memcmp(data, scratch, n) == 0)
            return rc;
        memcpy(data, scratch, n);
        if (i == LIVE_READS_MAX) {
            *torn = true;
            return DS_OK;
        }
    }
    return rc;
}

int source_read(const struct source *source, void *data, size_t n, uint64_t offset, void *scratch,
                bool *torn, struct ds_error *err)
{
    uint8_t *out = data;
    int rc = DS_OK;
    while (!rc && n) {
        struct place place = { 0 };
        find_place(source, offset, &place);
        size_t part = (size_t)min_u64(n, place.bytes);
        if (place.kind == DS_VIEW_SKIP)
            memset(out, 0, part);
        else if (place.kind == DS_VIEW_LIVE && scratch)
            rc = place_read_live(source, &place, out, scratch, part, torn, err);
        else
            rc = place_read(source, &place, out, part, err);
        out += part;
        offset += part;
        n -= part;
    }
    return rc;
}

uint64_t source_next_data(const struct source *source, uint64_t offset, uint64_t end)
{
    while (offset < end) {
        struct place place = { 0 };
        find_place(source, offset, &place);
        if (place.file < 0 || place.kind == DS_VIEW_SKIP)
            return offset;
        struct os_file *file = &source->files[place.file].file;
        uint64_t data = os_next_data(file, place.offset);
        if (data < place.offset + place.bytes)
            return min_u64(offset + (data - place.offset), end);
        offset += place.bytes;
    }
    return end;
}

int source_each(const struct source *source, uint32_t kind, uint64_t from, uint64_t to,
                ds_extent_fn *fn, void *ud)
{
    while (from < to) {
        struct place place = { 0 };
        find_place(source, from, &place);
        struct ds_extent extent = { from, min_u64(place.bytes, to - from) };
        if (place.kind == kind) {
            int rc = fn(ud, &extent, 1);
            if (rc)
                return rc;
        }
        from += extent.length;
    }
    return DS_OK;
}

static int part_pread(void *ctx, void *data, size_t n, uint64_t offset, struct ds_error *err)
{
    const struct source_part *part = ctx;
    uint64_t end;
    if (!add_u64(offset, n, &end) || end > part->bytes)
        return ds_fail(err, DS_EIO, "a read of %zu bytes at %llu is beyond the end of its volume",
                       n, (unsigned long long)offset);
    return source_read(part->source, data, n, part->offset + offset, NULL, NULL, err);
}

struct ds_reader source_reader(struct source_part *part, uint32_t sector)
{
    return (struct ds_reader){ (uint32_t)sizeof(struct ds_reader), sector, part->bytes, part,
                               part_pread };
}
