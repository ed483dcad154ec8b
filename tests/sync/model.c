/* SPDX-License-Identifier: Apache-2.0 */
/* model.c - the world of the model test and its random changes; see model.h. */
#include "tests/sync/model.h"

#include "core/base/bytes.h"

#include <stdlib.h>

static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint32_t model_random(struct world *world, uint32_t below)
{
    return below ? (uint32_t)(mix(&world->random) % below) : 0;
}

bool model_chance(struct world *world, unsigned percent)
{
    return model_random(world, 100) < percent;
}

uint64_t model_blocks(const struct world *world, uint64_t bytes)
{
    return div_round_up(bytes, world->block);
}

/* One partition entry that makes the disk's first sector an MBR. */
static void write_mbr(const struct model_disk *disk, uint8_t *sector)
{
    uint8_t *entry = sector + 446;
    memset(entry, 0, 64);
    entry[4] = 0x07;
    put_le32(entry + 8, (uint32_t)(disk->partition.offset / MODEL_SECTOR));
    put_le32(entry + 12, (uint32_t)(disk->partition.length / MODEL_SECTOR));
    memcpy(sector + 440, "\1\2\3\4\0", 6);
    sector[510] = 0x55;
    sector[511] = 0xaa;
}

void model_bytes(const struct model_disk *disk, uint32_t version, uint64_t block, void *out,
                 size_t len)
{
    uint8_t *bytes = out;
    memset(out, version % 3 && version ? (int)(version & 0xff) : 0, len);
    if (version) {
        uint64_t state = version * UINT64_C(0x100000001b3) + block;
        size_t n = version % 3 ? 64 : len; /* some compress, some don't */
        for (size_t i = 0; i < n && i < len; i += 8) {
            uint64_t word = mix(&state);
            memcpy(bytes + i, &word, len - i < 8 ? len - i : 8);
        }
        bytes[0] |= 1; /* never zero */
    }
    if (block == 0 && len >= MODEL_SECTOR) {
        memset(bytes + 446, 0, 66);
        if (disk->partition.length)
            write_mbr(disk, bytes);
    }
}

static bool within(const struct ds_extent *extent, uint64_t from, uint64_t to)
{
    return from >= extent->offset && to <= extent->offset + extent->length;
}

bool model_used(const struct world *world, const struct model_disk *disk,
                const struct content *content, uint64_t block)
{
    uint64_t from = block * world->block, to = min_u64(from + world->block, content->bytes);
    if (disk->skip.length && within(&disk->skip, from, to))
        return false;
    if (disk->partition.length && !within(&disk->partition, from, to))
        return true;
    return content->used[block];
}

static void *zeroed(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p)
        abort();
    return p;
}

static void content_new(const struct world *world, struct content *content)
{
    content->version = zeroed(world->max_blocks, sizeof *content->version);
    content->used = zeroed(world->max_blocks, 1);
}

static void content_free(struct content *content)
{
    free(content->version);
    free(content->used);
}

void content_copy(const struct world *world, struct content *to, const struct content *from)
{
    to->bytes = from->bytes;
    memcpy(to->version, from->version, world->max_blocks * sizeof *to->version);
    memcpy(to->used, from->used, world->max_blocks);
}

static void image_size(const struct model_disk *disk)
{
    struct ds_error err = DS_ERROR_INIT;
    struct os_file file = OS_FILE_INIT;
    ck_assert_ok(os_open(&file, disk->path, OS_WRITE | OS_CREATE, &err), &err);
    ck_assert_ok(os_truncate(&file, disk->live.bytes, disk->path, &err), &err);
    os_close(&file);
}

static void disk_new(struct world *world, struct model_disk *disk, unsigned i, uint64_t blocks)
{
    char name[32];
    size_t n = world->max_blocks;
    snprintf(name, sizeof name, "disk%u.raw", i);
    scratch_file(&world->scratch, disk->path, name);
    content_new(world, &disk->live);
    content_new(world, &disk->frozen);
    content_new(world, &world->moment.content[i]);
    disk->bad = zeroed(n, 1);
    disk->frozen_bad = zeroed(n, 1);
    disk->torn = zeroed(n, 1);
    disk->altered = zeroed(n, 1);
    disk->changed = zeroed(n, 1);
    disk->naive = zeroed(n, sizeof *disk->naive);
    disk->tracked.closing = zeroed(n, 1);
    disk->tracked.running = zeroed(n, 1);
    world->moment.tracked[i].closing = zeroed(n, 1);
    world->moment.tracked[i].running = zeroed(n, 1);
    for (unsigned k = 0; k < MODEL_POINTS; k++) {
        content_new(world, &world->points[k].content[i]);
        world->points[k].bad[i] = zeroed(n, 1);
        world->points[k].torn[i] = zeroed(n, 1);
    }
    disk->present = true;
    disk->live.bytes = blocks * world->block - MODEL_SECTOR * model_random(world, 31);
    if (model_chance(world, 50) && blocks > 8) {
        disk->partition.offset = 2 * world->block + 8 * MODEL_SECTOR;
        disk->partition.length = (blocks - 4) * (uint64_t)world->block - 3 * MODEL_SECTOR;
    }
    if (model_chance(world, 50) && blocks > 30)
        disk->skip = (struct ds_extent){ 12 * world->block + 4096, 6 * world->block };
    image_size(disk);
}

void model_new(struct world *world, uint64_t seed, uint32_t block, uint64_t blocks,
               uint64_t max_blocks)
{
    memset(world, 0, sizeof *world);
    world->seed = world->random = seed;
    world->block = block;
    world->max_blocks = max_blocks;
    world->grain = model_chance(world, 50) ? 1 : 4;
    world->events = true;
    scratch_make(&world->scratch);
    world->store = memory_store_new(2);
    for (unsigned i = 0; i < MODEL_DISKS; i++)
        disk_new(world, &world->disks[i], i, i ? blocks / 2 + 3 : blocks);
    model_plugins(world);
}

void model_free(struct world *world)
{
    for (unsigned i = 0; i < MODEL_DISKS; i++) {
        struct model_disk *disk = &world->disks[i];
        content_free(&disk->live);
        content_free(&disk->frozen);
        content_free(&world->moment.content[i]);
        free(disk->bad);
        free(disk->frozen_bad);
        free(disk->torn);
        free(disk->altered);
        free(disk->changed);
        free(disk->naive);
        free(disk->tracked.closing);
        free(disk->tracked.running);
        free(world->moment.tracked[i].closing);
        free(world->moment.tracked[i].running);
        for (unsigned k = 0; k < MODEL_POINTS; k++) {
            content_free(&world->points[k].content[i]);
            free(world->points[k].bad[i]);
            free(world->points[k].torn[i]);
        }
    }
    pool_free(world->pool);
    policy_free(world->policy);
    if (world->has_repository)
        repository_close(&world->repository);
    memory_store_free(world->store);
    scratch_free(&world->scratch);
}

/* ---- changes ---- */

void model_write(struct world *world, struct model_disk *disk, uint64_t block, uint32_t version)
{
    struct tracked *t = &disk->tracked;
    uint64_t from = block / world->grain * world->grain;
    disk->live.version[block] = version;
    for (uint64_t i = from; i < from + world->grain && i < world->max_blocks; i++) {
        t->running[i] = 1;
        if (t->both)
            t->closing[i] = 1;
    }
}

static uint32_t some_version(struct world *world, const struct model_disk *disk, uint64_t block)
{
    uint32_t roll = model_random(world, 100);
    if (roll < 12)
        return 0;
    if (roll < 20)
        return disk->frozen.version[block]; /* as it was in the last snapshot */
    if (roll < 24)
        return disk->live.version[block];
    return ++world->last_version;
}

void model_grow(struct world *world, struct model_disk *disk, uint64_t bytes)
{
    uint64_t old = disk->live.bytes, n = model_blocks(world, bytes);
    if (bytes <= old || n > world->max_blocks)
        return;
    for (unsigned i = 0; i < MODEL_DISKS; i++) /* the parser tells disks apart by their sizes */
        if (world->disks[i].live.bytes == bytes)
            return;
    /* What comes behind the old end is whatever was there, and nobody writes it. */
    for (uint64_t i = old / world->block; i < n; i++) {
        disk->live.version[i] = model_chance(world, 40) ? 0 : ++world->last_version;
        disk->live.used[i] = i == old / world->block && old % world->block ? disk->live.used[i]
                                                                           : model_chance(world, 5);
    }
    disk->live.bytes = bytes;
    image_size(disk);
}

void model_shrink(struct world *world, struct model_disk *disk, uint64_t bytes)
{
    uint64_t n = model_blocks(world, bytes);
    if (disk->partition.length && bytes < disk->partition.offset + disk->partition.length)
        return;
    memset(disk->live.version + n, 0, (world->max_blocks - n) * sizeof *disk->live.version);
    memset(disk->live.used + n, 0, world->max_blocks - n);
    memset(disk->bad + n, 0, world->max_blocks - n);
    disk->live.bytes = bytes;
    image_size(disk);
}

void model_fill(struct world *world, unsigned per_mille)
{
    for (unsigned d = 0; d < MODEL_DISKS; d++) {
        struct model_disk *disk = &world->disks[d];
        uint64_t n = model_blocks(world, disk->live.bytes);
        for (uint64_t i = 0; i < n; i++) {
            if (model_random(world, 1000) >= per_mille)
                continue;
            disk->live.version[i] = model_chance(world, 20) ? 0 : ++world->last_version;
            disk->live.used[i] = model_chance(world, 60);
        }
    }
}

/* Changes of which the tracker hears nothing, since nothing is written. */
static void change_used(struct world *world, struct model_disk *disk, uint64_t block, uint64_t n,
                        uint8_t used)
{
    uint64_t end = model_blocks(world, disk->live.bytes);
    (void)world;
    for (uint64_t i = block; i < block + n && i < end; i++)
        disk->live.used[i] = used;
}

static void change_blocks(struct world *world, struct model_disk *disk, uint64_t block, uint64_t n,
                          bool zero, int used)
{
    uint64_t end = model_blocks(world, disk->live.bytes);
    for (uint64_t i = block; i < block + n && i < end; i++) {
        model_write(world, disk, i, zero ? 0 : some_version(world, disk, i));
        if (used >= 0)
            disk->live.used[i] = (uint8_t)used;
    }
}

/* Never in the first and last blocks, where a partition table would be looked for. */
static void change_bad(struct world *world, struct model_disk *disk, uint64_t block)
{
    uint64_t n = model_blocks(world, disk->live.bytes);
    if (block > 8 && block + 8 < n)
        disk->bad[block] = !disk->bad[block];
}

void model_change(struct world *world)
{
    struct model_disk *disk = &world->disks[model_random(world, MODEL_DISKS)];
    uint64_t n = model_blocks(world, disk->live.bytes);
    uint64_t block = model_random(world, (uint32_t)n), run = 1;
    if (model_chance(world, 30)) /* most of the life is in few places */
        block %= 40;
    if (model_chance(world, 10))
        run = 1 + model_random(world, 150);
    uint32_t roll = model_random(world, 100);
    if (roll < 25)
        change_blocks(world, disk, block, run, false, 1);
    else if (roll < 45)
        change_blocks(world, disk, block, run, false, 0);
    else if (roll < 60)
        change_used(world, disk, block, run, 1);
    else if (roll < 75)
        change_used(world, disk, block, run, 0);
    else if (roll < 85)
        change_blocks(world, disk, block, run, true, -1);
    else if (roll < 97)
        change_blocks(world, disk, block, run, false, -1);
    else
        change_bad(world, disk, block);
}

/* ---- moments ---- */

static void tracked_copy(const struct world *world, struct tracked *to, const struct tracked *from)
{
    uint8_t *closing = to->closing, *running = to->running;
    *to = *from;
    to->closing = closing;
    to->running = running;
    memcpy(closing, from->closing, world->max_blocks);
    memcpy(running, from->running, world->max_blocks);
}

void model_save_moment(struct world *world)
{
    struct moment *moment = &world->moment;
    struct ds_error err = DS_ERROR_INIT;
    if (!world->has_repository)
        return; /* it is made by the first sync */
    ck_assert_ok(node_memory_load(&moment->memory, world->policy->state, world->repository.uuid,
                                  world->node, &err), &err);
    moment->saved = true;
    for (unsigned i = 0; i < MODEL_DISKS; i++) {
        moment->present[i] = world->disks[i].present;
        moment->attached[i] = world->disks[i].attached;
        content_copy(world, &moment->content[i], &world->disks[i].live);
        tracked_copy(world, &moment->tracked[i], &world->disks[i].tracked);
    }
}

void model_revert(struct world *world)
{
    struct moment *moment = &world->moment;
    struct ds_error err = DS_ERROR_INIT;
    ck_assert(moment->saved);
    ck_assert_ok(node_memory_save(&moment->memory, world->policy->state, world->repository.uuid,
                                  world->node, &err), &err);
    for (unsigned i = 0; i < MODEL_DISKS; i++) {
        world->disks[i].present = moment->present[i];
        world->disks[i].attached = moment->attached[i];
        content_copy(world, &world->disks[i].live, &moment->content[i]);
        tracked_copy(world, &world->disks[i].tracked, &moment->tracked[i]);
        image_size(&world->disks[i]);
    }
}
