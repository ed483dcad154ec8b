/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.c - see transfer.h. One thread: leaf by leaf, what the source holds is placed over
 * what the target's base holds. A leaf that is the same page as in the point copied before is not
 * read at all. The blob "copied" of a target's root says which source and number it came from. */
#include "core/recover/transfer.h"

#include "core/base/bytes.h"
#include "core/base/log.h"
#include "core/base/os.h"

#include <stdlib.h>

#define CACHE_BYTES ((size_t)32 << 20)

struct transfer {
    const struct segment_space *from, *to;
    const struct transfer_options *options;
    struct transfer_report *report;
    struct segment_cache *cache;
    struct segment_reader *pages, *reader;
    struct preparer *preparer;
    uint8_t *out;
    struct root source, before; /* before: the source of the target's base, if it was a copy */
    bool has_before;
    struct root base;           /* the target's */
    bool has_base;
    uint8_t base_hash[HASH_SIZE];
    struct point_writer *writer;
    /* the disk and leaf at work */
    const struct root_disk *disk, *base_disk;
    struct map_reader map, map_before;
    bool can_skip;
    bool distrust; /* the target's base has damaged pages: every block is sent anew */
    struct leaf leaf, target;
    uint64_t index;
    unsigned first;
};

/* ---- where an earlier copy ended ---- */

#define COPIED_SIZE (UUID_SIZE + 8u)

static uint64_t copied_seq(const struct transfer *t, const struct root *root)
{
    for (uint32_t i = 0; i < root->n_blobs; i++)
        if (strcmp(root->blobs[i].name, "copied") == 0 && root->blobs[i].len == COPIED_SIZE &&
            memcmp(root->blobs[i].data, t->from->repository, UUID_SIZE) == 0)
            return get_le64(root->blobs[i].data + UUID_SIZE);
    return 0;
}

static int find_base(struct transfer *t, uint64_t *copied, struct ds_error *err)
{
    uint64_t newest;
    *copied = 0;
    int rc = roots_newest(t->to, 0, &newest, err);
    if (rc || newest == 0)
        return rc;
    rc = root_read(&t->base, t->base_hash, t->to, newest, err);
    t->has_base = !rc;
    if (!rc)
        *copied = copied_seq(t, &t->base);
    struct ds_error ignored = DS_ERROR_INIT;
    if (*copied && !(t->base.flags & ROOT_PARTIAL))
        t->has_before = root_read(&t->before, NULL, t->from, *copied, &ignored) == DS_OK;
    return rc;
}

/* ---- blocks ---- */

static int block_place(struct transfer *t, unsigned i, const void *plain, uint32_t len,
                       struct ds_error *err)
{
    struct prepared prepared;
    struct block_before before = { .disk = t->disk->number, .number = t->index * FANOUT + i };
    if (t->target.states[i] == BLOCK_DATA && t->target.has_ids)
        before.id = t->target.ids[i];
    before.zero = t->target.states[i] == BLOCK_ZERO;
    int rc = preparer_block(t->preparer, plain, len, &before, t->out, &prepared, err);
    t->report->read_bytes += len;
    return rc ? rc : point_writer_block(t->writer, i, &prepared, err);
}

static int block_arrived(void *ud, unsigned i, const struct slot *slot, void *plain, size_t len,
                         struct ds_error *err)
{
    struct transfer *t = ud;
    uint64_t number = t->index * FANOUT + t->first + i;
    if (slot->type != SLOT_BLOCK || slot->disk != t->disk->number || slot->number != number ||
        len != map_block_length(&t->disk->shape, number) ||
        memcmp(slot->id, t->leaf.ids[t->first + i], ID_SIZE) != 0)
        return ds_fail(err, DS_EDAMAGED, "block %llu of disk %u: its slot holds another block",
                       (unsigned long long)number, t->disk->number);
    return block_place(t, t->first + i, plain, (uint32_t)len, err);
}

static int run_place(struct transfer *t, unsigned first, unsigned count, struct ds_error *err)
{
    const struct segment *segment;
    int rc = segment_get(t->cache, &t->leaf.segments[first], &segment, err);
    if (rc)
        return rc;
    t->first = first;
    rc = segment_read(t->reader, segment, t->leaf.slots[first], count, block_arrived, t, err);
    segment_put(t->cache, segment);
    return rc;
}

static int leaf_place(struct transfer *t, const struct ref *ref, struct ds_error *err)
{
    int rc = map_reader_leaf(&t->map, t->index, ref, true, &t->leaf, err);
    if (!rc)
        rc = point_writer_peek(t->writer, t->index, &t->target, err);
    if (rc)
        return rc;
    point_writer_leaf_begin(t->writer, t->index, &t->target);
    for (unsigned i = 0; !rc && i < t->leaf.n;) {
        unsigned n = 1;
        if (t->leaf.states[i] != BLOCK_DATA) {
            struct prepared other = { .state = t->leaf.states[i] };
            rc = point_writer_block(t->writer, i, &other, err);
        } else {
            while (i + n < t->leaf.n && t->leaf.states[i + n] == BLOCK_DATA &&
                   t->leaf.slots[i + n] == t->leaf.slots[i] + n &&
                   segment_name_equal(&t->leaf.segments[i + n], &t->leaf.segments[i]))
                n++;
            rc = run_place(t, i, n, err);
        }
        i += n;
    }
    return rc ? rc : point_writer_leaf_end(t->writer, err);
}

static bool same_ref(const struct ref *a, const struct ref *b)
{
    if (a->kind != b->kind)
        return false;
    return a->kind != REF_CHILD ||
           (a->slot == b->slot && segment_name_equal(&a->segment, &b->segment));
}

static int disk_place(struct transfer *t, uint32_t i, struct ds_error *err)
{
    int rc = point_writer_disk_begin(t->writer, i, t->base_disk, err);
    for (t->index = 0; !rc && t->index < t->disk->shape.n_leaves; t->index++) {
        struct ref ref, old;
        rc = map_reader_ref(&t->map, 0, t->index, &ref, err);
        if (!rc && t->can_skip) {
            rc = map_reader_ref(&t->map_before, 0, t->index, &old, err);
            if (!rc && same_ref(&ref, &old))
                continue;
        }
        if (!rc && ref.kind == REF_UNKNOWN && !t->base_disk)
            continue;
        if (!rc)
            rc = leaf_place(t, &ref, err);
        if (t->options->progress)
            t->options->progress(t->options->ud, t->source.seq,
                                 t->index * FANOUT * t->disk->shape.block_size,
                                 t->disk->shape.bytes);
        if (!rc && t->options->interrupted && *t->options->interrupted)
            rc = ds_fail(err, DS_ECANCELLED, "interrupted");
    }
    return rc ? rc : point_writer_disk_end(t->writer, err);
}

/* The disk's records in the target's base and in the source point that this base copied. */
static void disk_choose(struct transfer *t, uint32_t i)
{
    const struct root_disk *before = NULL;
    t->disk = &t->source.disks[i];
    t->base_disk = t->has_base && !t->distrust ? root_find_disk(&t->base, t->disk->identity) : NULL;
    if (t->base_disk && (t->base_disk->number != t->disk->number ||
                         t->base_disk->shape.block_size != t->disk->shape.block_size ||
                         t->base_disk->shape.bytes != t->disk->shape.bytes))
        t->base_disk = NULL;
    if (t->has_before && t->base_disk)
        before = root_find_disk(&t->before, t->disk->identity);
    t->can_skip = before && before->number == t->disk->number &&
                  before->shape.bytes == t->disk->shape.bytes &&
                  before->shape.block_size == t->disk->shape.block_size;
    root_map(&t->map, t->disk, t->cache, t->pages);
    if (t->can_skip)
        root_map(&t->map_before, before, t->cache, t->pages);
}

/* ---- points ---- */

static int draft_point(struct transfer *t, struct ds_error *err)
{
    struct root *draft = point_writer_root(t->writer);
    const struct root *source = &t->source;
    uint8_t copied[COPIED_SIZE];
    draft->disks = calloc(source->n_disks + 1, sizeof *draft->disks);
    if (!draft->disks)
        return ds_fail(err, DS_ENOMEM, "no memory for a point");
    draft->n_disks = source->n_disks;
    memcpy(draft->disks, source->disks, source->n_disks * sizeof *draft->disks);
    for (uint32_t i = 0; i < draft->n_disks; i++) {
        /* A token belongs to the repository that it was cut for. */
        draft->disks[i].flags &= ~(uint32_t)ROOT_DISK_HAS_TOKEN;
        memset(&draft->disks[i].token, 0, sizeof draft->disks[i].token);
        memset(draft->disks[i].top, 0, sizeof draft->disks[i].top);
        draft->disks[i].sent_bytes = 0;
    }
    memcpy(draft->instance, source->instance, HASH_SIZE);
    draft->time_ns = source->time_ns;
    draft->begun_ns = os_wall_ns();
    text_copy(draft->node_name, sizeof draft->node_name, source->node_name);
    text_copy(draft->agent, sizeof draft->agent, source->agent);
    int rc = DS_OK;
    for (uint32_t i = 0; !rc && i < source->n_blobs; i++)
        if (strcmp(source->blobs[i].name, "copied") != 0)
            rc = root_add_blob(draft, source->blobs[i].name, source->blobs[i].data,
                               source->blobs[i].len, err);
    memcpy(copied, t->from->repository, UUID_SIZE);
    put_le64(copied + UUID_SIZE, source->seq);
    if (t->has_base && copied_seq(t, &t->base) >= source->seq)
        return ds_fail(err, DS_EINVAL, "point %llu is not newer than the last one that was copied, "
                       "%llu: points are copied in their order", (unsigned long long)source->seq,
                       (unsigned long long)copied_seq(t, &t->base));
    return rc ? rc : root_add_blob(draft, "copied", copied, sizeof copied, err);
}

/* The target's next base is what was just committed. */
static int next_base(struct transfer *t, uint64_t seq, struct ds_error *err)
{
    root_free(&t->before);
    t->before = t->source;
    t->has_before = true;
    memset(&t->source, 0, sizeof t->source);
    root_free(&t->base);
    int rc = root_read(&t->base, t->base_hash, t->to, seq, err);
    t->has_base = !rc;
    return rc;
}

static bool on_base_damaged(void *ud, uint32_t disk, uint64_t first, uint64_t count,
                            const struct ds_error *why)
{
    struct transfer *t = ud;
    (void)disk, (void)first, (void)count;
    log_printf(DS_LOG_WARNING, "repository.damaged", "%s; the point is sent whole", why->msg);
    t->distrust = true;
    return false;
}

/* Places all disks of the source point in a new point of the target. */
static int disks_place(struct transfer *t, struct ds_error *err)
{
    int rc = point_writer_new(&t->writer, t->to, t->has_base ? &t->base : NULL, t->base_hash,
                              on_base_damaged, t, err);
    if (!rc)
        rc = draft_point(t, err);
    for (uint32_t i = 0; !rc && i < t->source.n_disks; i++) {
        disk_choose(t, i);
        rc = disk_place(t, i, err);
        t->report->sent_bytes += point_writer_root(t->writer)->disks[i].sent_bytes;
    }
    return rc;
}

static int point_copy(struct transfer *t, uint64_t seq, struct ds_error *err)
{
    uint64_t objects = 0, bytes = 0, made = 0;
    uint8_t hash[HASH_SIZE];
    int rc = root_read(&t->source, NULL, t->from, seq, err);
    if (rc)
        return rc;
    t->distrust = false;
    rc = disks_place(t, err);
    if (!rc && t->distrust) { /* what lay below a damaged page was inherited as UNKNOWN */
        point_writer_free(t->writer);
        rc = disks_place(t, err);
    }
    if (!rc)
        rc = point_writer_commit(t->writer, hash, err);
    if (!rc) {
        made = point_writer_root(t->writer)->seq;
        point_writer_stored(t->writer, &objects, &bytes);
        t->report->stored_objects += objects;
        t->report->stored_bytes += bytes;
        t->report->points++;
        t->report->last_point = made;
    }
    point_writer_free(t->writer);
    t->writer = NULL;
    return rc ? rc : next_base(t, made, err);
}

static int copy_listed(struct transfer *t, uint64_t copied, struct ds_error *err)
{
    struct points points;
    bool found = false;
    int rc = points_read(&points, t->from, NULL, NULL, err);
    if (rc)
        return rc;
    for (size_t i = 0; !rc && i < points.n; i++) {
        const struct point *point = &points.list[i];
        if (t->options->point ? point->seq != t->options->point
                              : point->partial || point->forgotten || point->seq <= copied)
            continue;
        found = true;
        rc = point->damaged ? ds_fail(err, DS_EDAMAGED, "point %llu is damaged",
                                      (unsigned long long)point->seq)
                            : point_copy(t, point->seq, err);
    }
    points_free(&points);
    if (!rc && !found && t->options->point)
        rc = ds_fail(err, DS_ENOPOINT, "there is no point %llu: disksync points lists them",
                     (unsigned long long)t->options->point);
    return rc;
}

int transfer_points(const struct segment_space *from, const struct segment_space *to,
                    const struct transfer_options *options, struct transfer_report *report,
                    struct ds_error *err)
{
    struct transfer *t = calloc(1, sizeof *t);
    uint64_t begun = os_mono_ns(), cpu = os_cpu_ns(), copied;
    memset(report, 0, sizeof *report);
    if (!t)
        return ds_fail(err, DS_ENOMEM, "no memory to copy points");
    t->from = from;
    t->to = to;
    t->options = options;
    t->report = report;
    t->cache = segment_cache_new(from, CACHE_BYTES);
    t->pages = t->cache ? segment_reader_new(t->cache, MAP_PAGE_MAX) : NULL;
    t->reader = t->cache ? segment_reader_new(t->cache, BLOCK_SIZE_MAX) : NULL;
    t->preparer = preparer_new(to, options->level);
    t->out = malloc(preparer_room(BLOCK_SIZE_MAX));
    int rc = t->pages && t->reader && t->preparer && t->out
                 ? find_base(t, &copied, err)
                 : ds_fail(err, DS_ENOMEM, "no memory to copy points");
    if (!rc)
        rc = copy_listed(t, copied, err);
    root_free(&t->source);
    root_free(&t->before);
    root_free(&t->base);
    free(t->out);
    preparer_free(t->preparer);
    segment_reader_free(t->pages);
    segment_reader_free(t->reader);
    segment_cache_free(t->cache);
    free(t);
    report->ns = os_mono_ns() - begun;
    report->cpu_ns = os_cpu_ns() - cpu;
    return rc;
}
