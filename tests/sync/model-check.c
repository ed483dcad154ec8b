/* SPDX-License-Identifier: Apache-2.0 */
/* model-check.c - what the points of the model hold, read back by map_reader and segment_read and
 * compared with what the disks were; see model.h. The promise is stronger than what a restore
 * needs: every block that a point claims to know, used or not, is what the snapshot showed. */
#include "tests/sync/model.h"

#include "core/base/bytes.h"
#include "core/recover/verify.h"

#include <stdlib.h>

struct check {
    struct world *world;
    struct plugin_instance store;
    struct objects *objects;
    struct segment_space space;
    struct segment_cache *cache;
    struct segment_reader *pages, *blocks;
    const struct model_point *point;
    unsigned disk;
    const struct root_disk *root_disk;
    struct map_reader map;
    struct leaf leaf;
    uint64_t index;
    uint8_t *want;
    bool same;
};

static void check_open(struct check *check, struct world *world)
{
    struct host_settings settings = { .pool = world->pool };
    struct ds_error err = DS_ERROR_INIT;
    memset(check, 0, sizeof *check);
    check->world = world;
    ck_assert_ok(plugin_open(&check->store, &world->plugins[3], &settings, NULL, 0, &err), &err);
    ck_assert_ok(objects_new(&check->objects, check->store.plugin->table->ops, check->store.self,
                             &check->store.host, NULL, &err), &err);
    check->space = world->space;
    check->space.objects = check->objects;
    check->cache = segment_cache_new(&check->space, (size_t)16 << 20);
    check->pages = segment_reader_new(check->cache, MAP_PAGE_MAX);
    check->blocks = segment_reader_new(check->cache, world->block);
    check->want = malloc(world->block);
}

static void check_close(struct check *check)
{
    segment_reader_free(check->pages);
    segment_reader_free(check->blocks);
    segment_cache_free(check->cache);
    objects_free(check->objects);
    plugin_close(&check->store);
    free(check->want);
}

static void wrong(struct check *check, uint64_t block, const char *what)
{
    struct world *world = check->world;
    if (world->n_wrong++)
        return;
    snprintf(world->first_wrong, sizeof world->first_wrong,
             "seed %llu, point %llu, disk %u (%s), block %llu of %llu: %s",
             (unsigned long long)world->seed, (unsigned long long)check->point->seq, check->disk,
             root_mode_name(check->root_disk->mode), (unsigned long long)block,
             (unsigned long long)check->root_disk->shape.n_blocks, what);
    fprintf(stderr, "%s\n", world->first_wrong);
}

static int block_arrived(void *ud, unsigned i, const struct slot *slot, void *plain, size_t len,
                         struct ds_error *err)
{
    struct check *check = ud;
    (void)i, (void)slot, (void)err;
    check->same = len == map_block_length(&check->root_disk->shape, check->index) &&
                  memcmp(plain, check->want, len) == 0;
    return DS_OK;
}

static void data_check(struct check *check, unsigned i, bool torn)
{
    const struct segment *segment;
    struct ds_error err = DS_ERROR_INIT;
    int rc = segment_get(check->cache, &check->leaf.segments[i], &segment, &err);
    check->same = false;
    if (!rc) {
        rc = segment_read(check->blocks, segment, check->leaf.slots[i], 1, block_arrived, check,
                          &err);
        segment_put(check->cache, segment);
    }
    if (rc)
        wrong(check, check->index, err.msg);
    else if (!check->same && !torn)
        wrong(check, check->index, "other bytes than the snapshot showed");
}

static void block_check(struct check *check, uint64_t leaf, unsigned i)
{
    const struct model_point *point = check->point;
    const struct model_disk *disk = &check->world->disks[check->disk];
    const struct content *content = &point->content[check->disk];
    uint64_t block = leaf * FANOUT + i;
    uint32_t len = map_block_length(&check->root_disk->shape, block);
    bool used = model_used(check->world, disk, content, block);
    bool torn = point->torn[check->disk][block];
    check->index = block;
    check->world->n_checked++;
    model_bytes(disk, content->version[block], block, check->want, len);
    switch (check->leaf.states[i]) {
    case BLOCK_DATA:
        data_check(check, i, torn);
        break;
    case BLOCK_ZERO:
        if (!torn && !is_zero(check->want, len))
            wrong(check, block, "ZERO, but the snapshot showed bytes");
        break;
    case BLOCK_BAD:
        if (used && !point->bad[check->disk][block])
            wrong(check, block, "BAD, but it could be read");
        break;
    default:
        if (used)
            wrong(check, block, "UNKNOWN, but it is used");
    }
}

static void disk_check(struct check *check)
{
    const struct map_shape *shape = &check->root_disk->shape;
    ck_assert_uint_eq(shape->bytes, check->point->content[check->disk].bytes);
    root_map(&check->map, check->root_disk, check->cache, check->pages);
    for (uint64_t leaf = 0; leaf < shape->n_leaves; leaf++) {
        struct ds_error err = DS_ERROR_INIT;
        struct ref ref;
        int rc = map_reader_ref(&check->map, 0, leaf, &ref, &err);
        if (!rc)
            rc = map_reader_leaf(&check->map, leaf, &ref, true, &check->leaf, &err);
        if (rc) { /* an error is no wrong block, if there is a cause */
            if (rc != DS_EDAMAGED || !check->world->damaged)
                wrong(check, leaf * FANOUT, err.msg);
            continue;
        }
        ck_assert_uint_eq(check->leaf.n, leaf + 1 < shape->n_leaves
                                             ? FANOUT : shape->n_blocks - leaf * FANOUT);
        for (unsigned i = 0; i < check->leaf.n; i++)
            block_check(check, leaf, i);
    }
}

static void point_check(struct check *check, const struct model_point *point)
{
    struct ds_error err = DS_ERROR_INIT;
    struct root root;
    check->point = point;
    ck_assert_ok(root_read(&root, NULL, &check->space, point->seq, &err), &err);
    ck_assert(!(root.flags & ROOT_PARTIAL));
    uint32_t n = 0;
    for (unsigned i = 0; i < MODEL_DISKS; i++) {
        if (!point->present[i])
            continue;
        check->disk = i;
        check->root_disk = root_find_disk(&root, check->world->disks[i].id);
        ck_assert_ptr_nonnull(check->root_disk);
        disk_check(check);
        n++;
    }
    ck_assert_uint_eq(n, root.n_disks);
    root_free(&root);
}

static void remember(struct world *world, struct model_point *point, uint64_t seq)
{
    point->seq = seq;
    for (unsigned i = 0; i < MODEL_DISKS; i++) {
        const struct model_disk *disk = &world->disks[i];
        point->present[i] = disk->present;
        content_copy(world, &point->content[i], &disk->frozen);
        memcpy(point->bad[i], disk->frozen_bad, world->max_blocks);
        memcpy(point->torn[i], disk->torn, world->max_blocks);
    }
}

void model_committed(struct world *world, uint64_t seq)
{
    struct check check;
    struct model_point *point = &world->points[world->n_points++ % MODEL_POINTS];
    struct model_point *older = &world->points[model_random(world, MODEL_POINTS)];
    remember(world, point, seq);
    check_open(&check, world);
    point_check(&check, point);
    if (older->seq && model_chance(world, 20))
        point_check(&check, older);
    check_close(&check);
}

void model_forget_points(struct world *world)
{
    for (unsigned i = 0; i < MODEL_POINTS; i++)
        world->points[i].seq = 0;
}

uint64_t model_newest(struct world *world, bool *partial)
{
    struct check check;
    struct ds_error err = DS_ERROR_INIT;
    struct root root;
    uint64_t seq = 0;
    check_open(&check, world);
    ck_assert_ok(roots_newest(&check.space, 0, &seq, &err), &err);
    if (seq) {
        ck_assert_ok(root_read(&root, NULL, &check.space, seq, &err), &err);
        *partial = root.flags & ROOT_PARTIAL;
        root_free(&root);
    }
    check_close(&check);
    return seq;
}

/* ---- damage ---- */

static bool segment_damage(struct check *check, const char *key, bool maps_only)
{
    struct world *world = check->world;
    struct segment_name name;
    const struct segment *segment;
    struct ds_error err = DS_ERROR_INIT;
    if (!segment_key_parse(&name, key) || segment_get(check->cache, &name, &segment, &err))
        return false;
    uint32_t slot = model_random(world, maps_only ? segment->n_maps
                                                  : segment->n_maps + segment->n_blocks);
    bool good = !maps_only || segment->n_maps;
    if (good)
        memory_store_flip(world->store, key,
                          segment->offsets[slot] + model_random(world, segment->slots[slot].stored),
                          0x40);
    segment_put(check->cache, segment);
    return good;
}

bool model_damage(struct world *world, bool maps_only)
{
    struct check check;
    bool done = false;
    check_open(&check, world);
    for (unsigned tries = 0; !done && tries < 50; tries++) {
        char key[OBJECT_KEY_MAX + 1];
        size_t n = memory_store_objects(world->store);
        text_copy(key, sizeof key, memory_store_key(world->store,
                                                    n - 1 - model_random(world, n < 20 ? (uint32_t)n
                                                                                       : 20)));
        done = segment_damage(&check, key, maps_only);
    }
    check_close(&check);
    return done;
}

unsigned model_damage_inner(struct world *world)
{
    struct check check;
    unsigned done = 0;
    check_open(&check, world);
    for (size_t i = 0; i < memory_store_objects(world->store); i++) {
        const char *key = memory_store_key(world->store, i);
        struct segment_name name;
        const struct segment *segment;
        struct ds_error err = DS_ERROR_INIT;
        if (!segment_key_parse(&name, key))
            continue;
        ck_assert_ok(segment_get(check.cache, &name, &segment, &err), &err);
        for (uint32_t k = 0; k < segment->n_maps; k++)
            if (segment->slots[k].type == SLOT_INNER) {
                memory_store_flip(world->store, key, segment->offsets[k], 1);
                done++;
            }
        segment_put(check.cache, segment);
    }
    check_close(&check);
    return done;
}

void model_verify(struct world *world)
{
    struct check check;
    struct verify_options options = { .workers = 2 };
    struct verify_report report;
    struct ds_error err = DS_ERROR_INIT;
    check_open(&check, world);
    int rc = verify_points(&check.space, &options, &report, &err);
    ck_assert_msg(rc == DS_OK || rc == DS_EDAMAGED, "verify: %d %s", rc, err.msg);
    world->n_healed += report.heal_blocks;
    check_close(&check);
}
