/* SPDX-License-Identifier: Apache-2.0 */
/* machine.c - see machine.h. */
#include "tests/s3block/machine.h"

#include "core/s3block/repository.h"

#include <check.h>
#include <stdlib.h>

void machine_open(struct machine *m, uint64_t bytes, uint32_t block_size)
{
    memset(m, 0, sizeof *m);
    fixture_open(&m->f, 3);
    ck_assert(map_shape_of(&m->shape, bytes, block_size));
    m->preparer = preparer_new(&m->f.space, 3);
    ck_assert_ptr_nonnull(m->preparer);
}

void machine_close(struct machine *m)
{
    point_writer_free(m->writer);
    preparer_free(m->preparer);
    salvage_free(m->salvage);
    root_free(&m->base);
    fixture_close(&m->f);
}

uint32_t machine_content(const struct machine *m, uint64_t block, unsigned version, uint8_t *out)
{
    uint64_t seed = block * 1000 + version;
    uint32_t n = map_block_length(&m->shape, block);
    memset(out, 0, n);
    if (version != 0 && version != ZEROS)
        random_fill(&seed, out, n);
    return n;
}

static bool damaged(void *ud, uint32_t disk, uint64_t first, uint64_t count,
                    const struct ds_error *why)
{
    struct machine *m = ud;
    (void)disk, (void)first, (void)why;
    ck_assert_uint_gt(count, 0);
    m->damaged++;
    return false;
}

void machine_begin(struct machine *m)
{
    bool first = m->base.seq == 0;
    m->sent = m->same = m->salvaged = m->damaged = 0;
    ck_assert_msg(point_writer_new(&m->writer, &m->f.space, first ? NULL : &m->base, m->base_hash,
                                   damaged, m, &m->f.err) == DS_OK, "%s", m->f.err.msg);
    struct root *draft = point_writer_root(m->writer);
    draft->disks = calloc(1, sizeof *draft->disks);
    ck_assert_ptr_nonnull(draft->disks);
    draft->n_disks = 1;
    text_copy(draft->disks->identity, sizeof draft->disks->identity, "gpt:1");
    draft->disks->number = 1;
    draft->disks->mode = first ? MODE_FULL : MODE_INCREMENTAL;
    draft->disks->flags = ROOT_DISK_HAS_TOKEN;
    memset(draft->disks->token.bytes, (int)draft->seq, DS_TOKEN_SIZE);
    draft->disks->shape = m->shape;
    struct root_disk *base = first ? NULL : root_find_disk(&m->base, "gpt:1");
    ck_assert_msg(point_writer_disk_begin(m->writer, 0, base, &m->f.err) == DS_OK, "%s",
                  m->f.err.msg);
}

static int place(struct machine *m, const struct leaf *base, uint64_t block, unsigned version)
{
    static uint8_t plain[BLOCK_SIZE_MAX], out[2 * BLOCK_SIZE_MAX];
    unsigned i = block % FANOUT;
    struct block_before before = { .disk = 1, .number = block, .salvage = m->salvage,
                                   .zero = base->states[i] == BLOCK_ZERO,
                                   .id = base->states[i] == BLOCK_DATA ? base->ids[i] : NULL };
    struct prepared prepared = { .state = BLOCK_UNKNOWN };
    int rc = DS_OK;
    if (version) {
        uint32_t n = machine_content(m, block, version, plain);
        rc = preparer_block(m->preparer, plain, n, &before, out, &prepared, &m->f.err);
    }
    m->same += prepared.same;
    m->salvaged += prepared.salvaged;
    m->sent += prepared.state == BLOCK_DATA && !prepared.same && !prepared.salvaged;
    return rc ? rc : point_writer_block(m->writer, i, &prepared, &m->f.err);
}

int machine_write(struct machine *m, const uint64_t *blocks, const uint8_t *versions, size_t n)
{
    int rc = DS_OK;
    for (size_t i = 0; !rc && i < n;) {
        uint64_t index = blocks[i] / FANOUT;
        struct leaf base;
        rc = point_writer_peek(m->writer, index, &base, &m->f.err);
        if (rc)
            break;
        point_writer_leaf_begin(m->writer, index, &base);
        for (; !rc && i < n && blocks[i] / FANOUT == index; i++)
            rc = place(m, &base, blocks[i], versions[i]);
        if (!rc)
            rc = point_writer_leaf_end(m->writer, &m->f.err);
    }
    return rc;
}

static void range_lists(uint64_t from, uint64_t to, uint8_t version, uint64_t **blocks,
                        uint8_t **versions)
{
    *blocks = malloc((size_t)(to - from + 1) * sizeof **blocks);
    *versions = malloc((size_t)(to - from + 1));
    ck_assert(*blocks && *versions);
    for (uint64_t i = from; i < to; i++) {
        (*blocks)[i - from] = i;
        (*versions)[i - from] = version;
    }
}

int machine_write_range(struct machine *m, uint64_t from, uint64_t to, uint8_t version)
{
    uint64_t *blocks;
    uint8_t *versions;
    range_lists(from, to, version, &blocks, &versions);
    int rc = machine_write(m, blocks, versions, (size_t)(to - from));
    free(blocks);
    free(versions);
    return rc;
}

int machine_end(struct machine *m, bool commit)
{
    uint8_t hash[HASH_SIZE];
    int rc = DS_OK;
    if (commit) {
        rc = point_writer_disk_end(m->writer, &m->f.err);
        if (!rc)
            rc = point_writer_commit(m->writer, hash, &m->f.err);
    }
    point_writer_free(m->writer);
    m->writer = NULL;
    if (!rc && commit) {
        machine_reopen(m);
        ck_assert_msg(memcmp(hash, m->base_hash, HASH_SIZE) == 0, "another root than committed");
    }
    return rc;
}

void machine_reopen(struct machine *m)
{
    uint64_t seq;
    root_free(&m->base);
    ck_assert_msg(roots_newest(&m->f.space, 0, &seq, &m->f.err) == DS_OK, "%s", m->f.err.msg);
    if (seq)
        ck_assert_msg(root_read(&m->base, m->base_hash, &m->f.space, seq, &m->f.err) == DS_OK,
                      "%s", m->f.err.msg);
}

struct wanted {
    const struct machine *m;
    uint64_t block;
    unsigned version;
};

static int compare_slot(void *ud, unsigned i, const struct slot *slot, void *plain, size_t len,
                        struct ds_error *err)
{
    static uint8_t bytes[BLOCK_SIZE_MAX];
    const struct wanted *wanted = ud;
    (void)i;
    if (slot->number != wanted->block || slot->disk != 1 ||
        len != machine_content(wanted->m, wanted->block, wanted->version, bytes) ||
        memcmp(bytes, plain, len) != 0)
        return ds_fail(err, DS_EDIFFERENT, "block %llu is not version %u",
                       (unsigned long long)wanted->block, wanted->version);
    return DS_OK;
}

static int check_block(struct machine *m, struct segment_reader *reader,
                       struct segment_cache *cache, const struct leaf *leaf, uint64_t block,
                       unsigned version)
{
    unsigned i = block % FANOUT;
    uint8_t state = version == 0 ? BLOCK_UNKNOWN : version == ZEROS ? BLOCK_ZERO : BLOCK_DATA;
    if (leaf->states[i] != state)
        return ds_fail(&m->f.err, DS_EDIFFERENT, "block %llu is in state %u, not %u",
                       (unsigned long long)block, leaf->states[i], state);
    if (state != BLOCK_DATA)
        return DS_OK;
    struct wanted wanted = { m, block, version };
    const struct segment *segment;
    int rc = segment_get(cache, &leaf->segments[i], &segment, &m->f.err);
    if (rc)
        return rc;
    rc = segment_read(reader, segment, leaf->slots[i], 1, compare_slot, &wanted, &m->f.err);
    segment_put(cache, segment);
    return rc;
}

void machine_check(struct machine *m, const struct root *root, const uint64_t *blocks,
                   const uint8_t *versions, size_t n)
{
    static struct map_reader map;
    struct segment_cache *cache = segment_cache_new(&m->f.space, 8 << 20);
    struct segment_reader *reader = segment_reader_new(cache, BLOCK_SIZE_MAX);
    struct leaf leaf = { .n = 0 };
    uint64_t loaded = UINT64_MAX;
    int rc = DS_OK;
    ck_assert_ptr_nonnull(root_find_disk(root, "gpt:1"));
    root_map(&map, root_find_disk(root, "gpt:1"), cache, reader);
    for (size_t i = 0; !rc && i < n; i++) {
        struct ref ref;
        if (blocks[i] / FANOUT != loaded) {
            loaded = blocks[i] / FANOUT;
            rc = map_reader_ref(&map, 0, loaded, &ref, &m->f.err);
            if (!rc)
                rc = map_reader_leaf(&map, loaded, &ref, true, &leaf, &m->f.err);
        }
        if (!rc)
            rc = check_block(m, reader, cache, &leaf, blocks[i], versions[i]);
    }
    ck_assert_msg(rc == DS_OK, "%s", m->f.err.msg);
    segment_reader_free(reader);
    segment_cache_free(cache);
}

void machine_check_range(struct machine *m, const struct root *root, uint64_t from, uint64_t to,
                         uint8_t version)
{
    uint64_t *blocks;
    uint8_t *versions;
    range_lists(from, to, version, &blocks, &versions);
    machine_check(m, root, blocks, versions, (size_t)(to - from));
    free(blocks);
    free(versions);
}
