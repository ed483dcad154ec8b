/* SPDX-License-Identifier: Apache-2.0 */
/* test-point-writer.c - points over points: what is the same is not sent again, what was stored by
 * an attempt without end is used, and a commit is whole, ours, or not at all. */
#include "core/base/log.h"
#include "tests/s3block/machine.h"
#include "tests/unit.h"

#include <stdio.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
#define BLOCK (64 * 1024u)

static struct memory_counts counted(struct machine *m)
{
    struct memory_counts counts;
    memory_store_count(m->f.store, &counts);
    return counts;
}

START_TEST(point_reads_back)
{
    struct machine m;
    machine_open(&m, 20 * MIB + 77, BLOCK);
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 0, 100, 1), &m.f.err);
    ck_assert_ok(machine_write_range(&m, 128, 256, ZEROS), &m.f.err);
    ck_assert_ok(machine_write_range(&m, 256, m.shape.n_blocks, 2), &m.f.err);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    ck_assert_uint_eq(m.base.seq, 1);
    ck_assert_uint_eq(m.base.previous, 0);
    machine_check_range(&m, &m.base, 0, 100, 1);
    machine_check_range(&m, &m.base, 100, 128, 0);
    machine_check_range(&m, &m.base, 128, 256, ZEROS);
    machine_check_range(&m, &m.base, 256, m.shape.n_blocks, 2); /* the last one is short */
    machine_close(&m);
}
END_TEST

START_TEST(no_change_costs_one_put)
{
    struct machine m;
    machine_open(&m, 20 * MIB + 77, BLOCK);
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 0, 256, 1), &m.f.err);
    ck_assert_ok(machine_write_range(&m, 256, 300, ZEROS), &m.f.err);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    struct root first = m.base;
    memset(&m.base, 0, sizeof m.base);
    machine_reopen(&m);
    memory_store_count_reset(m.f.store);
    machine_begin(&m); /* all read, all the same */
    ck_assert_ok(machine_write_range(&m, 0, 256, 1), &m.f.err);
    ck_assert_ok(machine_write_range(&m, 256, 300, ZEROS), &m.f.err);
    ck_assert_uint_eq(m.sent, 0);
    ck_assert_uint_eq(m.same, 300);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    ck_assert_uint_eq(counted(&m).puts, 1);
    ck_assert(refs_equal(first.disks->top, m.base.disks->top, FANOUT));
    machine_check_range(&m, &m.base, 0, 256, 1);
    machine_check_range(&m, &m.base, 256, 300, ZEROS);
    root_free(&first);
    machine_close(&m);
}
END_TEST

START_TEST(only_what_differs_is_sent)
{
    struct machine m;
    machine_open(&m, 40 * MIB, BLOCK);
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 0, 600, 1), &m.f.err);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    struct root first = m.base;
    memset(&m.base, 0, sizeof m.base);
    machine_reopen(&m);
    uint64_t blocks[600];
    uint8_t versions[600];
    for (unsigned i = 0; i < 600; i++) {
        blocks[i] = i;
        versions[i] = 1;
        if (i % 7 == 3)
            versions[i] = 2;
        else if (i % 11 == 5)
            versions[i] = ZEROS;
        else if (i == 300)
            versions[i] = 0;
    }
    machine_begin(&m);
    ck_assert_ok(machine_write(&m, blocks, versions, 600), &m.f.err);
    ck_assert_uint_eq(m.sent, 86);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    ck_assert_uint_eq(m.base.seq, 2);
    ck_assert_uint_eq(m.base.previous, 1);
    ck_assert_uint_eq(m.base.disks->sent_bytes, 86 * BLOCK);
    machine_check(&m, &m.base, blocks, versions, 600);
    machine_check_range(&m, &first, 0, 600, 1); /* and the earlier point is as it was */
    root_free(&first);
    machine_close(&m);
}
END_TEST

START_TEST(scattered_blocks_cost_their_bytes_by_16_mib_and_a_root)
{
    static const unsigned counts[] = { 1, 256, 257, 700 };
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct machine m;
        uint64_t blocks[700], seed = 20260307 + c;
        uint8_t versions[700];
        machine_open(&m, UINT64_C(1) << 40, BLOCK);
        for (unsigned i = 0; i < counts[c]; i++) { /* each in a leaf of its own */
            blocks[i] = (i * (m.shape.n_leaves / counts[c]) + 1) * FANOUT;
            blocks[i] += random_below(&seed, FANOUT);
            versions[i] = 1;
        }
        for (unsigned point = 0; point < 2; point++) {
            memory_store_count_reset(m.f.store);
            machine_begin(&m);
            ck_assert_ok(machine_write(&m, blocks, versions, counts[c]), &m.f.err);
            ck_assert_ok(machine_end(&m, true), &m.f.err);
            uint64_t segments = (counts[c] * BLOCK + 16 * MIB - 1) / (16 * MIB);
            ck_assert_uint_eq(counted(&m).puts, segments + 1);
            memset(versions, 2, sizeof versions);
        }
        machine_check(&m, &m.base, blocks, versions, counts[c]);
        machine_close(&m);
    }
}
END_TEST

/* ---- 16 TiB ---- */

static void random_name(uint64_t *seed, struct segment_name *name)
{
    *name = (struct segment_name){ random_below(seed, 100000), random_u64(seed),
                                   (uint32_t)random_below(seed, 2000) };
}

/* A base of 16 TiB as ill as it gets: on the way to leaf 0 each page has 128 children or blocks in
 * as many segments, and the three pages lie in three segments. */
static void worst_base(struct machine *m)
{
    uint64_t seed = 5;
    struct hasher *hasher = hasher_new(ID_GMAC, m->f.space.keys.id);
    struct root root = { .seq = 9, .n_disks = 1 };
    struct dynbuf page = DYNBUF_INIT(64 << 10), ids = DYNBUF_INIT(64 << 10);
    struct leaf leaf = { .n = FANOUT };
    struct ref refs[FANOUT];
    uint8_t id[ID_SIZE];
    struct segment_name name;
    uint16_t slot;
    for (unsigned i = 0; i < FANOUT; i++) {
        leaf.states[i] = BLOCK_DATA;
        leaf.slots[i] = (uint16_t)random_below(&seed, 256);
        random_name(&seed, &leaf.segments[i]);
        random_fill(&seed, leaf.ids[i], ID_SIZE);
    }
    leaf_encode_ids(&ids, &leaf);
    ck_assert(hasher_id(hasher, ids.data, ids.len, leaf.ids_page));
    leaf_encode(&page, &leaf);
    for (unsigned level = 0; level <= m->shape.levels; level++) {
        struct segment_writer *out = segment_writer_new(&m->f.space, 5 + level, 1);
        ck_assert_ok(segment_writer_add_map(out, hasher, level ? SLOT_INNER : SLOT_LEAF, 1,
                                            page_number(level, 0), page.data, page.len, id, &name,
                                            &slot, &m->f.err), &m->f.err);
        struct ref child = { .kind = REF_CHILD, .slot = slot, .segment = name };
        memcpy(child.id, id, ID_SIZE);
        if (!level)
            ck_assert_ok(segment_writer_add_map(out, hasher, SLOT_IDS, 1, 0, ids.data, ids.len, id,
                                                &name, &slot, &m->f.err), &m->f.err);
        ck_assert_ok(segment_writer_flush(out, &m->f.err), &m->f.err);
        segment_writer_free(out);
        for (unsigned i = 0; i < FANOUT; i++) {
            refs[i] = child;
            if (i) {
                random_name(&seed, &refs[i].segment);
                random_fill(&seed, refs[i].id, ID_SIZE);
                random_fill(&seed, refs[i].known, sizeof refs[i].known);
            }
        }
        dynbuf_reset(&page);
        refs_encode(&page, level + 1, refs, FANOUT);
    }
    struct root_disk *disk = root.disks = calloc(1, sizeof *disk);
    disk->number = 1;
    disk->shape = m->shape;
    text_copy(disk->identity, sizeof disk->identity, "gpt:1");
    memcpy(disk->top, refs, sizeof refs);
    dynbuf_reset(&page);
    ck_assert_ok(root_seal(&page, &root, &m->f.space, &m->f.err), &m->f.err);
    char key[OBJECT_KEY_MAX + 1];
    root_key(key, m->f.space.node, root.seq);
    memory_store_put(m->f.store, key, page.data, page.len);
    root_free(&root);
    dynbuf_free(&page);
    dynbuf_free(&ids);
    hasher_free(hasher);
}

START_TEST(one_block_of_16_tib_costs_two_puts_and_under_100_kib)
{
    struct machine m;
    uint64_t block = 5;
    uint8_t version = 1;
    machine_open(&m, UINT64_C(16) << 40, BLOCK);
    worst_base(&m);
    machine_reopen(&m);
    memory_store_count_reset(m.f.store);
    machine_begin(&m);
    ck_assert_ok(machine_write(&m, &block, &version, 1), &m.f.err);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    printf("%llu bytes in %llu puts\n", (unsigned long long)counted(&m).put_bytes,
           (unsigned long long)counted(&m).puts);
    ck_assert_uint_eq(counted(&m).puts, 2);
    ck_assert_uint_lt(counted(&m).put_bytes, 100 * KIB);
    machine_check(&m, &m.base, &block, &version, 1);
    machine_close(&m);
}
END_TEST

START_TEST(point_of_16_tib_opens_in_under_ten_requests)
{
    static struct map_reader map;
    struct machine m;
    struct root root;
    struct leaf leaf;
    struct ref ref;
    machine_open(&m, UINT64_C(16) << 40, BLOCK);
    worst_base(&m);
    memory_store_count_reset(m.f.store);
    ck_assert_ok(root_read(&root, NULL, &m.f.space, 9, &m.f.err), &m.f.err);
    struct segment_cache *cache = segment_cache_new(&m.f.space, 8 << 20);
    struct segment_reader *reader = segment_reader_new(cache, MAP_PAGE_MAX);
    root_map(&map, root.disks, cache, reader);
    ck_assert_ok(map_reader_ref(&map, 0, 0, &ref, &m.f.err), &m.f.err);
    ck_assert_ok(map_reader_leaf(&map, 0, &ref, true, &leaf, &m.f.err), &m.f.err);
    ck_assert_uint_eq(leaf.states[127], BLOCK_DATA);
    printf("%llu requests\n", (unsigned long long)counted(&m).total);
    ck_assert_uint_lt(counted(&m).total, 10);
    segment_reader_free(reader);
    segment_cache_free(cache);
    root_free(&root);
    machine_close(&m);
}
END_TEST

/* ---- attempts without end ---- */

/* Sends blocks 0..599 and ends as a killed process would; tells the attempt. */
static struct attempt attempt_without_end(struct machine *m)
{
    machine_begin(m);
    ck_assert_ok(machine_write_range(m, 0, 600, 1), &m->f.err);
    struct attempt attempt = { point_writer_root(m->writer)->seq, point_writer_tag(m->writer) };
    ck_assert_ok(machine_end(m, false), &m->f.err);
    return attempt;
}

START_TEST(what_an_attempt_stored_is_not_sent_again)
{
    struct machine m;
    machine_open(&m, 60 * MIB, BLOCK);
    struct attempt attempts[2] = { attempt_without_end(&m), { 1, 12345 } };
    machine_reopen(&m);
    ck_assert_uint_eq(m.base.seq, 0);
    ck_assert_ok(salvage_load(&m.salvage, &m.f.space, attempts, 2, SALVAGE_MAX, &m.f.err),
                 &m.f.err);
    ck_assert_uint_eq(salvage_count(m.salvage), 512); /* two whole segments */
    memory_store_count_reset(m.f.store);
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 0, 128, 1), &m.f.err);
    ck_assert_ok(machine_write_range(&m, 128, 256, 2), &m.f.err); /* written to meanwhile */
    ck_assert_ok(machine_write_range(&m, 256, 600, 1), &m.f.err);
    ck_assert_uint_eq(m.salvaged, 512 - 128);
    ck_assert_uint_eq(m.sent, 128 + 88);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    ck_assert_uint_eq(counted(&m).puts, 2);
    machine_check_range(&m, &m.base, 0, 128, 1);
    machine_check_range(&m, &m.base, 128, 256, 2);
    machine_check_range(&m, &m.base, 256, 600, 1);
    machine_close(&m);
}
END_TEST

START_TEST(damaged_segment_is_not_salvaged)
{
    struct machine m;
    char key[OBJECT_KEY_MAX + 1];
    machine_open(&m, 60 * MIB, BLOCK);
    struct attempt attempt = attempt_without_end(&m);
    struct segment_name name = { attempt.seq, attempt.tag, 0 };
    segment_key(key, m.f.space.node, &name);
    memory_store_flip(m.f.store, key, 200, 1);
    ck_assert_ok(salvage_load(&m.salvage, &m.f.space, &attempt, 1, SALVAGE_MAX, &m.f.err),
                 &m.f.err);
    ck_assert_uint_eq(salvage_count(m.salvage), 256);
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 0, 600, 1), &m.f.err);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    machine_check_range(&m, &m.base, 0, 600, 1);
    machine_close(&m);
}
END_TEST

START_TEST(slot_that_was_cut_out_is_not_salvaged)
{
    struct machine m;
    char key[OBJECT_KEY_MAX + 1];
    machine_open(&m, 60 * MIB, BLOCK);
    struct attempt attempt = attempt_without_end(&m);
    struct segment_name name = { attempt.seq, attempt.tag, 0 };
    segment_key(key, m.f.space.node, &name);
    struct segment_cache *cache = segment_cache_new(&m.f.space, 1 << 20);
    const struct segment *segment;
    uint64_t at;
    size_t len;
    ck_assert_ok(segment_get(cache, &name, &segment, &m.f.err), &m.f.err);
    const struct slot *slot = segment_slot(segment, 2, &at);
    uint8_t *bytes = memory_store_bytes(m.f.store, key, &len);
    size_t row = segment->n_maps + 2, cut = slot->stored + TAG_SIZE;
    bytes[SEGMENT_HEADER_SIZE + row / 8] &= (uint8_t)~(1u << row % 8); /* as collect cuts it */
    memmove(bytes + at, bytes + at + cut, len - at - cut);
    memory_store_truncate(m.f.store, key, len - cut);
    segment_put(cache, segment);
    segment_cache_free(cache);
    ck_assert_ok(salvage_load(&m.salvage, &m.f.space, &attempt, 1, SALVAGE_MAX, &m.f.err),
                 &m.f.err);
    ck_assert_uint_eq(salvage_count(m.salvage), 511);
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 0, 256, 1), &m.f.err);
    ck_assert_uint_eq(m.sent, 1);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    machine_check_range(&m, &m.base, 0, 256, 1);
    machine_close(&m);
}
END_TEST

START_TEST(salvage_fails_if_the_store_does)
{
    struct machine m;
    struct memory_fault fault = { .op = DS_STORE_GET, .skip = 1, .code = DS_ENETWORK };
    machine_open(&m, 60 * MIB, BLOCK);
    struct attempt attempt = attempt_without_end(&m);
    memory_store_fault(m.f.store, &fault);
    ck_assert_int_eq(salvage_load(&m.salvage, &m.f.space, &attempt, 1, SALVAGE_MAX, &m.f.err),
                 DS_ENETWORK);
    ck_assert_ptr_null(m.salvage);
    machine_close(&m);
}
END_TEST

/* ---- checkpoints ---- */

START_TEST(checkpoint_is_the_base_of_what_comes_next)
{
    struct machine m;
    machine_open(&m, 60 * MIB, BLOCK);
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 0, 300, 1), &m.f.err);
    ck_assert_ok(machine_end(&m, true), &m.f.err); /* point 1 */
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 0, 256, 2), &m.f.err);
    ck_assert_ok(point_writer_checkpoint(m.writer, &m.f.err), &m.f.err);
    ck_assert_ok(machine_write_range(&m, 256, 384, 2), &m.f.err);
    ck_assert_ok(machine_end(&m, false), &m.f.err); /* killed */

    machine_reopen(&m);
    ck_assert_uint_eq(m.base.seq, 2);
    ck_assert_uint_eq(m.base.flags, ROOT_PARTIAL);
    ck_assert_uint_eq(m.base.previous, 1);
    machine_check_range(&m, &m.base, 0, 256, 2);
    machine_check_range(&m, &m.base, 256, 300, 1);
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 0, 384, 2), &m.f.err);
    ck_assert_uint_eq(m.same, 256);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    ck_assert_uint_eq(m.base.seq, 3);
    ck_assert_uint_eq(m.base.flags, 0);
    machine_check_range(&m, &m.base, 0, 384, 2);
    machine_close(&m);
}
END_TEST

START_TEST(writer_goes_on_after_checkpoints)
{
    struct machine m;
    uint64_t objects, bytes;
    machine_open(&m, 60 * MIB, BLOCK);
    machine_begin(&m);
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_ok(machine_write_range(&m, i * 128, i * 128 + 128, (uint8_t)(i + 1)), &m.f.err);
        if (i % 2)
            ck_assert_ok(point_writer_checkpoint(m.writer, &m.f.err), &m.f.err);
    }
    ck_assert_ok(machine_write_range(&m, 800, 810, 9), &m.f.err);
    ck_assert_ok(point_writer_disk_end(m.writer, &m.f.err), &m.f.err);
    ck_assert_ok(point_writer_checkpoint(m.writer, &m.f.err), &m.f.err); /* after the last disk */
    uint8_t hash[HASH_SIZE];
    ck_assert_ok(point_writer_commit(m.writer, hash, &m.f.err), &m.f.err);
    point_writer_stored(m.writer, &objects, &bytes);
    ck_assert_uint_eq(objects, counted(&m).puts);
    ck_assert_uint_eq(bytes, counted(&m).put_bytes);
    ck_assert_ok(machine_end(&m, false), &m.f.err);
    uint64_t seq = 1;
    for (uint8_t previous[HASH_SIZE] = { 0 }; seq <= 5; seq++) { /* each names the one before */
        struct root root;
        ck_assert_ok(root_read(&root, hash, &m.f.space, seq, &m.f.err), &m.f.err);
        ck_assert_uint_eq(root.previous, seq - 1);
        ck_assert(memcmp(root.previous_hash, previous, HASH_SIZE) == 0);
        ck_assert_uint_eq(root.flags, seq < 5 ? ROOT_PARTIAL : 0);
        memcpy(previous, hash, HASH_SIZE);
        root_free(&root);
    }
    machine_reopen(&m);
    ck_assert_uint_eq(m.base.seq, 5);
    for (unsigned i = 0; i < 6; i++)
        machine_check_range(&m, &m.base, i * 128, i * 128 + 128, (uint8_t)(i + 1));
    machine_check_range(&m, &m.base, 800, 810, 9);
    machine_close(&m);
}
END_TEST

START_TEST(checkpoint_keeps_the_token_that_is_still_good)
{
    struct machine m;
    struct root root;
    machine_open(&m, 60 * MIB, BLOCK);
    machine_begin(&m); /* full: no token holds before the end */
    ck_assert_ok(machine_write_range(&m, 0, 10, 1), &m.f.err);
    ck_assert_ok(point_writer_checkpoint(m.writer, &m.f.err), &m.f.err);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    ck_assert_ok(root_read(&root, NULL, &m.f.space, 1, &m.f.err), &m.f.err);
    ck_assert(!(root.disks->flags & ROOT_DISK_HAS_TOKEN));
    ck_assert(is_zero(root.disks->token.bytes, DS_TOKEN_SIZE));
    root_free(&root);
    ck_assert(m.base.disks->flags & ROOT_DISK_HAS_TOKEN);
    struct ds_token token = m.base.disks->token;
    machine_begin(&m); /* incremental: that of the base */
    ck_assert_ok(machine_write_range(&m, 0, 10, 2), &m.f.err);
    ck_assert_ok(point_writer_checkpoint(m.writer, &m.f.err), &m.f.err);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    ck_assert_ok(root_read(&root, NULL, &m.f.space, 3, &m.f.err), &m.f.err);
    ck_assert(root.disks->flags & ROOT_DISK_HAS_TOKEN);
    ck_assert(ds_token_equal(&root.disks->token, &token));
    ck_assert(!ds_token_equal(&m.base.disks->token, &token));
    root_free(&root);
    machine_close(&m);
}
END_TEST

/* ---- the commit ---- */

struct other {
    struct machine *m, *theirs;
};

/* Commits what another attempt has made of the same content: as long as ours, and not ours. */
static void other_writer(void *ud, const char *key)
{
    struct other *other = ud;
    size_t len;
    const uint8_t *root = memory_store_bytes(other->theirs->f.store, key, &len);
    memory_store_put(other->m->f.store, key, root, len);
}

START_TEST(commit_of_another_writer_is_a_conflict)
{
    for (unsigned lost = 0; lost < 2; lost++) {
        struct machine m;
        struct memory_fault fault = { .op = DS_STORE_PUT, .key = "/p/", .count = 1,
                                      .code = DS_ENETWORK, .retry = DS_RETRY_SAME };
        static struct machine theirs;
        struct other other = { &m, &theirs };
        size_t len, their_len;
        char key[OBJECT_KEY_MAX + 1];
        machine_open(&theirs, 60 * MIB, BLOCK);
        machine_begin(&theirs);
        ck_assert_ok(machine_write_range(&theirs, 0, 10, 1), &theirs.f.err);
        ck_assert_ok(machine_end(&theirs, true), &theirs.f.err);
        machine_open(&m, 60 * MIB, BLOCK);
        machine_begin(&m);
        ck_assert_ok(machine_write_range(&m, 0, 10, 1), &m.f.err);
        memory_store_before_put(m.f.store, "/p/", other_writer, &other);
        if (lost) /* ours did not get there, theirs did */
            memory_store_fault(m.f.store, &fault);
        log_start(DS_LOG_ERROR);
        ck_assert_int_eq(machine_end(&m, true), DS_ECONFLICT);
        root_key(key, m.f.space.node, 1);
        const uint8_t *root = memory_store_bytes(m.f.store, key, &len);
        const uint8_t *their_root = memory_store_bytes(theirs.f.store, key, &their_len);
        ck_assert(len == their_len && memcmp(root, their_root, len) == 0); /* theirs stays */
        machine_close(&m);
        machine_close(&theirs);
    }
}
END_TEST

START_TEST(commit_whose_answer_was_lost_is_ours)
{
    static const uint32_t classes[] = { DS_RETRY_SAME, DS_RETRY_NEVER };
    log_start(DS_LOG_ERROR);
    for (unsigned i = 0; i < 4; i++) {
        struct machine m;
        struct memory_fault fault = { .op = DS_STORE_PUT, .key = "/p/", .count = 1,
                                      .code = DS_ETIMEDOUT, .retry = classes[i % 2],
                                      .lost = true };
        machine_open(&m, 60 * MIB, BLOCK);
        if (i >= 2) /* a store that can't refuse */
            memory_store_set_caps(m.f.store, DS_STORE_CAP_REMOVE);
        machine_begin(&m);
        ck_assert_ok(machine_write_range(&m, 0, 10, 1), &m.f.err);
        memory_store_fault(m.f.store, &fault);
        ck_assert_ok(machine_end(&m, true), &m.f.err);
        ck_assert_uint_eq(m.base.seq, 1);
        machine_check_range(&m, &m.base, 0, 10, 1);
        machine_close(&m);
    }
}
END_TEST

START_TEST(commit_that_fails_leaves_no_point)
{
    static const char *const where[] = { "/p/", "/s/" };
    for (unsigned i = 0; i < 2; i++) {
        struct machine m;
        struct memory_fault fault = { .op = DS_STORE_PUT, .key = where[i], .code = DS_ENOSPC };
        machine_open(&m, 60 * MIB, BLOCK);
        machine_begin(&m);
        ck_assert_ok(machine_write_range(&m, 0, 10, 1), &m.f.err);
        memory_store_fault(m.f.store, &fault);
        ck_assert_int_eq(machine_end(&m, true), DS_ENOSPC);
        machine_reopen(&m);
        ck_assert_uint_eq(m.base.seq, 0);
        machine_close(&m);
    }
}
END_TEST

START_TEST(no_root_names_a_segment_that_was_not_stored)
{
    /* a checkpoint fails, and its caller goes on nevertheless */
    struct machine m;
    struct memory_fault fault = { .op = DS_STORE_PUT, .key = "/s/", .count = 1,
                                  .code = DS_ENOSPC };
    uint8_t hash[HASH_SIZE];
    machine_open(&m, 60 * MIB, BLOCK);
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 0, 10, 1), &m.f.err);
    memory_store_fault(m.f.store, &fault);
    ck_assert_int_eq(point_writer_checkpoint(m.writer, &m.f.err), DS_ENOSPC);
    int rc = machine_write_range(&m, 128, 138, 1);
    if (!rc)
        rc = point_writer_disk_end(m.writer, &m.f.err);
    if (!rc)
        rc = point_writer_commit(m.writer, hash, &m.f.err);
    ck_assert_int_eq(rc, DS_ENOSPC);
    ck_assert_ok(machine_end(&m, false), &m.f.err);
    machine_reopen(&m);
    ck_assert_uint_eq(m.base.seq, 0);
    machine_close(&m);
}
END_TEST

START_TEST(damage_of_the_base_is_healed)
{
    struct machine m;
    machine_open(&m, 60 * MIB, BLOCK);
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 0, 200, 1), &m.f.err);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    memory_store_remove(m.f.store, memory_store_key(m.f.store, 1)); /* keys: p/, s/ */
    machine_begin(&m);
    uint64_t known[2], span;
    ck_assert_ok(point_writer_known(m.writer, 0, known, &span, &m.f.err), &m.f.err);
    ck_assert_ok(machine_write_range(&m, 0, 200, 1), &m.f.err);
    ck_assert_uint_eq(m.damaged, 2); /* leaves */
    ck_assert_uint_eq(m.sent, 200);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    machine_check_range(&m, &m.base, 0, 200, 1);
    machine_close(&m);
}
END_TEST

START_TEST(disk_that_grew_keeps_its_blocks)
{
    struct machine m;
    machine_open(&m, 9 * MIB + 5, BLOCK);
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 0, 144, 1), &m.f.err);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    ck_assert(map_shape_of(&m.shape, UINT64_C(3) << 40, BLOCK));
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 144, 150, 3), &m.f.err); /* the last was a short one */
    uint64_t far = m.shape.n_blocks - 1;
    ck_assert_ok(machine_write_range(&m, far, far + 1, 4), &m.f.err);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    machine_check_range(&m, &m.base, 0, 144, 1);
    machine_check_range(&m, &m.base, 144, 150, 3);
    machine_check_range(&m, &m.base, 150, 260, 0);
    machine_check_range(&m, &m.base, far, far + 1, 4);
    machine_close(&m);
}
END_TEST

START_TEST(checkpoint_of_a_disk_that_grew_has_no_token)
{
    struct machine m;
    struct root root;
    machine_open(&m, 9 * MIB, BLOCK);
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 0, 144, 1), &m.f.err);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    ck_assert(m.base.disks->flags & ROOT_DISK_HAS_TOKEN);
    ck_assert(map_shape_of(&m.shape, 10 * MIB, BLOCK));
    machine_begin(&m);
    ck_assert_ok(machine_write_range(&m, 144, 150, 3), &m.f.err);
    ck_assert_ok(point_writer_checkpoint(m.writer, &m.f.err), &m.f.err);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    ck_assert_ok(root_read(&root, NULL, &m.f.space, 2, &m.f.err), &m.f.err);
    ck_assert(!(root.disks->flags & ROOT_DISK_HAS_TOKEN));
    root_free(&root);
    machine_check_range(&m, &m.base, 0, 144, 1);
    machine_close(&m);
}
END_TEST

START_TEST(block_size_of_a_base_is_kept)
{
    struct machine m;
    machine_open(&m, 9 * MIB, BLOCK);
    machine_begin(&m);
    ck_assert_ok(machine_end(&m, true), &m.f.err);
    machine_begin(&m);
    point_writer_root(m.writer)->disks->shape.block_size = 2 * BLOCK;
    ck_assert_int_eq(point_writer_disk_begin(m.writer, 0, m.base.disks, &m.f.err), DS_EINVAL);
    ck_assert_ok(machine_end(&m, false), &m.f.err);
    machine_close(&m);
}
END_TEST

START_TEST(blocks_that_compress_take_less)
{
    struct machine m;
    struct block_before before = { .disk = 1 };
    static uint8_t plain[BLOCK], out[2 * BLOCK];
    struct prepared prepared;
    uint64_t seed = 3;
    machine_open(&m, 9 * MIB, BLOCK);
    memset(plain, 'a', BLOCK);
    ck_assert_uint_le(preparer_room(BLOCK), sizeof out);
    ck_assert_ok(preparer_block(m.preparer, plain, BLOCK, &before, out, &prepared, &m.f.err),
                 &m.f.err);
    ck_assert(prepared.codec == CODEC_ZSTD && prepared.stored < 100);
    random_fill(&seed, plain, BLOCK);
    ck_assert_ok(preparer_block(m.preparer, plain, BLOCK, &before, out, &prepared, &m.f.err),
                 &m.f.err);
    ck_assert(prepared.codec == CODEC_RAW && prepared.stored == BLOCK);
    ck_assert(memcmp(prepared.data, plain, BLOCK) == 0);
    ck_assert_ok(preparer_block(m.preparer, plain, 1, &before, out, &prepared, &m.f.err),
                 &m.f.err);
    ck_assert(prepared.codec == CODEC_RAW && prepared.stored == 1);
    machine_close(&m);
}
END_TEST

UNIT_MAIN("point-writer", point_reads_back, no_change_costs_one_put, only_what_differs_is_sent,
          scattered_blocks_cost_their_bytes_by_16_mib_and_a_root,
          one_block_of_16_tib_costs_two_puts_and_under_100_kib,
          point_of_16_tib_opens_in_under_ten_requests, what_an_attempt_stored_is_not_sent_again,
          damaged_segment_is_not_salvaged, slot_that_was_cut_out_is_not_salvaged,
          salvage_fails_if_the_store_does, checkpoint_is_the_base_of_what_comes_next,
          writer_goes_on_after_checkpoints, checkpoint_keeps_the_token_that_is_still_good,
          commit_of_another_writer_is_a_conflict, commit_whose_answer_was_lost_is_ours,
          commit_that_fails_leaves_no_point, no_root_names_a_segment_that_was_not_stored,
          damage_of_the_base_is_healed, disk_that_grew_keeps_its_blocks,
          checkpoint_of_a_disk_that_grew_has_no_token,
          block_size_of_a_base_is_kept, blocks_that_compress_take_less)
