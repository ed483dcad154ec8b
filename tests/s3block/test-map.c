/* SPDX-License-Identifier: Apache-2.0 */
/* test-map.c - maps against a plain array of leaves: random generations on shapes of one block up
 * to several levels, disks that grow, checkpoints in mid-generation, pages that are damaged. */
#include "core/s3block/map.h"

#include "tests/s3block/fixture.h"
#include "tests/unit.h"

#include <stdio.h>

#define BLOCK 65536u

/* One disk over its generations. */
struct model {
    struct fixture f;
    struct map_shape shape;
    struct leaf **leaves; /* NULL: all UNKNOWN */
    struct root_disk disk; /* shape and top as committed */
    struct root_disk old;  /* of the generation before */
    struct segment_cache *cache;
    struct segment_reader *scratch;
    struct hasher *hasher;
    uint64_t seed, seq;
    unsigned checkpoints;
};

static struct map_shape shape_of(uint64_t blocks, uint64_t short_by)
{
    struct map_shape shape;
    ck_assert(map_shape_of(&shape, blocks * BLOCK - short_by, BLOCK));
    return shape;
}

static void model_open(struct model *m, uint64_t blocks, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    fixture_open(&m->f, 1);
    m->shape = shape_of(blocks, seed % 2 * 1000);
    m->leaves = calloc(m->shape.n_leaves, sizeof *m->leaves);
    m->cache = segment_cache_new(&m->f.space, 4 << 20);
    m->scratch = segment_reader_new(m->cache, MAP_PAGE_MAX);
    m->hasher = hasher_new(ID_GMAC, m->f.space.keys.id);
    m->seed = seed;
    m->disk.number = 5;
    ck_assert(m->leaves && m->cache && m->scratch && m->hasher);
}

static void model_close(struct model *m)
{
    for (uint64_t i = 0; i < m->shape.n_leaves; i++)
        free(m->leaves[i]);
    free(m->leaves);
    hasher_free(m->hasher);
    segment_reader_free(m->scratch);
    segment_cache_free(m->cache);
    fixture_close(&m->f);
}

static void model_grow(struct model *m, uint64_t blocks)
{
    uint64_t before = m->shape.n_leaves;
    m->shape = shape_of(blocks, 0);
    m->leaves = realloc(m->leaves, m->shape.n_leaves * sizeof *m->leaves);
    ck_assert_ptr_nonnull(m->leaves);
    memset(m->leaves + before, 0, (m->shape.n_leaves - before) * sizeof *m->leaves);
}

/* The leaf as the model has it. */
static void model_leaf(const struct model *m, uint64_t index, struct leaf *leaf)
{
    memset(leaf, 0, sizeof *leaf);
    if (m->leaves[index])
        *leaf = *m->leaves[index];
    leaf->n = leaf_length(&m->shape, index);
}

static bool same_known(const struct model *m, uint64_t index, const uint64_t known[2])
{
    uint64_t wanted[2] = { 0, 0 }, valid[2] = { ~UINT64_C(0), ~UINT64_C(0) };
    if (m->leaves[index])
        leaf_known(m->leaves[index], wanted);
    for (unsigned i = leaf_length(&m->shape, index); i < FANOUT; i++) /* the disk has ended */
        valid[i / 64] &= ~(UINT64_C(1) << i % 64);
    return (known[0] & valid[0]) == wanted[0] && (known[1] & valid[1]) == wanted[1];
}

static void compare_leaf(struct model *m, struct map_reader *reader, uint64_t index)
{
    struct leaf leaf, wanted;
    struct ref ref;
    ck_assert_ok(map_reader_ref(reader, 0, index, &ref, &m->f.err), &m->f.err);
    ck_assert_ok(map_reader_leaf(reader, index, &ref, true, &leaf, &m->f.err), &m->f.err);
    model_leaf(m, index, &wanted);
    if (!leaf_equal(&leaf, &wanted))
        ck_abort_msg("leaf %llu differs", (unsigned long long)index);
    /* uniform leaves and what is above them take no page */
    bool uniform = wanted.states[0] == BLOCK_UNKNOWN || wanted.n == FANOUT;
    for (unsigned i = 0; i < wanted.n; i++)
        uniform = uniform && wanted.states[i] == wanted.states[0] &&
                  wanted.states[i] <= BLOCK_ZERO;
    ck_assert_msg(!uniform || ref.kind != REF_CHILD || leaf.n < wanted.n, "a page for nothing");
}

/* All leaves if there are few, else those that have ever been touched, and their neighbours. */
static void compare(struct model *m, const struct root_disk *disk)
{
    static struct map_reader reader;
    root_map(&reader, disk, m->cache, m->scratch);
    for (uint64_t i = 0; i < m->shape.n_leaves; i++)
        if (m->shape.n_leaves < 400 || m->leaves[i] || (i && m->leaves[i - 1]))
            compare_leaf(m, &reader, i);
    for (uint64_t i = 0; i < m->shape.n_leaves;) {
        uint64_t known[2], span, end;
        ck_assert_ok(map_reader_known(&reader, i, known, &span, &m->f.err), &m->f.err);
        ck_assert_uint_gt(span, 0);
        ck_assert_msg(span == 1 || (known[0] == known[1] && (!known[0] || !~known[0])),
                      "a span of leaves that are not alike");
        end = span < m->shape.n_leaves - i ? i + span : m->shape.n_leaves;
        for (; i < end; i++)
            if (!same_known(m, i, known))
                ck_abort_msg("known of leaf %llu differs", (unsigned long long)i);
    }
    for (unsigned n = 0; n < 8; n++) { /* and from the middle of a page */
        uint64_t known[2], span, i = random_below(&m->seed, m->shape.n_leaves);
        ck_assert_ok(map_reader_known(&reader, i, known, &span, &m->f.err), &m->f.err);
        for (; span-- && i < m->shape.n_leaves; i++)
            if (!same_known(m, i, known))
                ck_abort_msg("known of leaf %llu differs", (unsigned long long)i);
    }
}

/* Ascending leaves to touch: scattered, in a run, or all. */
static uint64_t next_touched(struct model *m, uint64_t index, unsigned style)
{
    uint64_t step = 1;
    if (style == 0)
        step += random_below(&m->seed, m->shape.n_leaves / 8 + 2);
    else if (style == 1)
        step += random_below(&m->seed, 50) == 0 ? random_below(&m->seed, m->shape.n_leaves) : 0;
    return index + step;
}

static void store_leaf(struct model *m, struct map_writer *writer, uint64_t index)
{
    if (!m->leaves[index]) {
        m->leaves[index] = calloc(1, sizeof **m->leaves);
        ck_assert_ptr_nonnull(m->leaves[index]);
    }
    random_leaf(&m->seed, m->leaves[index], leaf_length(&m->shape, index));
    ck_assert_ok(map_writer_store(writer, index, m->leaves[index], &m->f.err), &m->f.err);
}

/* Settles, makes all durable, compares, and goes on with a new segment writer. */
static void checkpoint(struct model *m, struct map_writer *writer, struct segment_writer **out)
{
    struct root_disk *partial = malloc(sizeof *partial);
    *partial = m->disk;
    ck_assert_ok(map_writer_settle(writer, &m->f.err), &m->f.err);
    ck_assert_ok(segment_writer_flush(*out, &m->f.err), &m->f.err);
    partial->shape = m->shape;
    memcpy(partial->top, writer->top, sizeof partial->top);
    compare(m, partial);
    free(partial);
    segment_writer_free(*out);
    *out = segment_writer_new(&m->f.space, ++m->seq, m->seed);
    writer->out = *out;
    m->checkpoints++;
}

static void commit(struct model *m, struct map_writer *writer, struct segment_writer *out)
{
    ck_assert_ok(map_writer_settle(writer, &m->f.err), &m->f.err);
    ck_assert_ok(segment_writer_flush(out, &m->f.err), &m->f.err);
    m->old = m->disk;
    m->disk.shape = m->shape;
    memcpy(m->disk.top, writer->top, sizeof m->disk.top);
    map_writer_free(writer);
    segment_writer_free(out);
    compare(m, &m->disk);
}

/* One more point; touches at most max leaves. */
static void generation(struct model *m, unsigned max)
{
    static struct map_reader base;
    static struct map_writer writer;
    struct segment_writer *out = segment_writer_new(&m->f.space, ++m->seq, m->seed);
    unsigned style = (unsigned)random_below(&m->seed, 3), n = 0;
    bool first = m->disk.shape.bytes == 0;
    if (!first)
        root_map(&base, &m->disk, m->cache, m->scratch);
    map_writer_init(&writer, out, m->hasher, first ? NULL : &base, &m->shape, m->disk.number);
    uint64_t index = random_below(&m->seed, 2) ? 0 : random_below(&m->seed, m->shape.n_leaves);
    for (; index < m->shape.n_leaves && n < max; index = next_touched(m, index, style), n++) {
        store_leaf(m, &writer, index);
        if (random_below(&m->seed, max / 2 + 2) == 0)
            checkpoint(m, &writer, &out);
    }
    commit(m, &writer, out);
}

/* A first point in which every block is in one state. */
static void uniform_generation(struct model *m, uint8_t state)
{
    static struct map_writer writer;
    struct segment_writer *out = segment_writer_new(&m->f.space, ++m->seq, m->seed);
    map_writer_init(&writer, out, m->hasher, NULL, &m->shape, m->disk.number);
    for (uint64_t i = 0; i < m->shape.n_leaves; i++) {
        struct leaf *leaf = m->leaves[i] = calloc(1, sizeof *leaf);
        ck_assert_ptr_nonnull(leaf);
        leaf->n = leaf_length(&m->shape, i);
        memset(leaf->states, state, leaf->n);
        ck_assert_ok(map_writer_store(&writer, i, leaf, &m->f.err), &m->f.err);
    }
    commit(m, &writer, out);
}

START_TEST(random_generations_equal_a_plain_array)
{
    static const struct {
        uint64_t blocks;
        unsigned generations, touched;
    } runs[] = {
        { 1, 8, 4 },
        { 127, 8, 4 },
        { 128, 8, 4 },
        { 129, 8, 4 },
        { 1000, 20, 10 },
        { 128 * 128, 12, 60 },              /* the last shape without a level */
        { 128 * 128 + 1, 12, 60 },          /* the first with one */
        { 128 * 300 + 5, 8, 80 },  
        { 128 * 128 * 128, 4, 60 },         /* 16,384 leaves: a level full of pages */
        { 128 * 128 * 128 + 1, 4, 60 },     /* two levels */
        { UINT64_C(128) * 128 * 140 + 77, 4, 60 },
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        struct model *m = malloc(sizeof *m);
        model_open(m, runs[i].blocks, 20260304 + i);
        printf("%llu blocks, seed %llu\n", (unsigned long long)runs[i].blocks,
               (unsigned long long)m->seed);
        for (unsigned g = 0; g < runs[i].generations; g++)
            generation(m, runs[i].touched);
        ck_assert_uint_gt(m->checkpoints, 0);
        model_close(m);
        free(m);
    }
}
END_TEST

START_TEST(sixteen_tib_take_few_pages_for_few_leaves)
{
    struct model *m = malloc(sizeof *m);
    model_open(m, UINT64_C(1) << 28, 4);
    ck_assert_uint_eq(m->shape.levels, 2);
    for (unsigned g = 0; g < 3; g++)
        generation(m, 40);
    struct memory_counts counts;
    memory_store_count_reset(m->f.store);
    generation(m, 1);
    memory_store_count(m->f.store, &counts);
    ck_assert_uint_ge(counts.puts, 1); /* a checkpoint takes one more */
    ck_assert_uint_lt(counts.put_bytes, 64 << 10);
    model_close(m);
    free(m);
}
END_TEST

START_TEST(disk_that_grows_keeps_its_map)
{
    /* within the last leaf, by leaves, to a first level, within it, to two levels, far above */
    static const uint64_t sizes[] = { 1, 100, 128, 129, 500, 128 * 128, 128 * 128 + 1, 128 * 200,
                                      128 * 128 * 128, 128 * 128 * 128 + 130,
                                      UINT64_C(128) * 128 * 300 };
    for (unsigned run = 0; run < 3; run++) {
        struct model *m = malloc(sizeof *m);
        model_open(m, sizes[run * 2], 20260305 + run);
        printf("seed %llu\n", (unsigned long long)m->seed);
        generation(m, 80);
        for (size_t i = run * 2 + 1; i < sizeof sizes / sizeof sizes[0]; i += run + 1) {
            model_grow(m, sizes[i]);
            generation(m, (unsigned)random_below(&m->seed, 30)); /* maybe none at all */
            generation(m, 30);
        }
        model_close(m);
        free(m);
    }
}
END_TEST

START_TEST(disk_that_grows_by_levels_untouched_keeps_its_map)
{
    struct model *m = malloc(sizeof *m);
    model_open(m, 300, 9);
    generation(m, 100);
    model_grow(m, UINT64_C(128) * 128 * 200); /* two levels at once, and nothing stored */
    generation(m, 0);
    ck_assert_uint_eq(m->disk.shape.levels, 2);
    generation(m, 5);
    model_close(m);
    free(m);
}
END_TEST

START_TEST(what_a_disk_grew_by_is_unknown)
{
    static const uint8_t states[] = { BLOCK_ZERO, BLOCK_DATA };
    static const uint64_t sizes[][2] = { { 128 * 200, 128 * 250 },     /* within a page */
                                         { 128 * 200 - 3, 128 * 200 }, /* within a leaf */
                                         { 128 * 128, 128 * 129 },     /* a complete map */
                                         { 128 * 100, 128 * 300 } };
    for (unsigned i = 0; i < 8; i++) {
        struct model *m = malloc(sizeof *m);
        model_open(m, sizes[i / 2][0], 2 * i);
        uniform_generation(m, states[i % 2]);
        model_grow(m, sizes[i / 2][1]);
        compare(m, &m->disk); /* through the old shape's map */
        generation(m, 0);
        generation(m, 1);
        model_close(m);
        free(m);
    }
}
END_TEST

START_TEST(earlier_points_stay_as_they_were)
{
    struct model *m = malloc(sizeof *m);
    model_open(m, 128 * 300, 10);
    generation(m, 100);
    struct leaf **now = m->leaves, **then = calloc(m->shape.n_leaves, sizeof *then);
    for (uint64_t i = 0; i < m->shape.n_leaves; i++)
        if (now[i]) {
            then[i] = malloc(sizeof **then);
            *then[i] = *now[i];
        }
    generation(m, 100);
    m->leaves = then;
    compare(m, &m->old);
    for (uint64_t i = 0; i < m->shape.n_leaves; i++)
        free(then[i]);
    free(then);
    m->leaves = now;
    model_close(m);
    free(m);
}
END_TEST

START_TEST(unchanged_map_writes_nothing)
{
    struct model *m = malloc(sizeof *m);
    model_open(m, 128 * 300, 11);
    generation(m, 100);
    size_t before = memory_store_objects(m->f.store);
    generation(m, 0);
    ck_assert_uint_eq(memory_store_objects(m->f.store), before);
    ck_assert(refs_equal(m->old.top, m->disk.top, FANOUT));
    model_close(m);
    free(m);
}
END_TEST

struct walk {
    struct model *m;
    uint64_t leaves, inner, next[MAP_LEVELS_MAX];
};

static int walked(void *ud, unsigned level, uint64_t index, const struct ref *ref, bool *descend,
                  struct ds_error *err)
{
    struct walk *walk = ud;
    (void)err;
    ck_assert(ref->kind == REF_CHILD && *descend == (level > 0));
    ck_assert_uint_ge(index, walk->next[level]); /* ascending within a level */
    walk->next[level] = index + 1;
    if (level) {
        walk->inner++;
        return DS_OK;
    }
    walk->leaves++;
    ck_assert(index < walk->m->shape.n_leaves && walk->m->leaves[index]);
    return DS_OK;
}

START_TEST(walk_meets_each_page_once)
{
    static struct map_reader reader;
    struct model *m = malloc(sizeof *m);
    model_open(m, 128 * 128 * 128 + 200, 12);
    generation(m, 150);
    generation(m, 150);
    root_map(&reader, &m->disk, m->cache, m->scratch);
    struct walk walk = { .m = m };
    uint64_t wanted = 0;
    ck_assert_ok(map_reader_walk(&reader, walked, &walk, &m->f.err), &m->f.err);
    for (uint64_t i = 0; i < m->shape.n_leaves; i++) {
        struct ref ref;
        if (!m->leaves[i])
            continue;
        ck_assert_ok(map_reader_ref(&reader, 0, i, &ref, &m->f.err), &m->f.err);
        wanted += ref.kind == REF_CHILD;
    }
    ck_assert_uint_eq(walk.leaves, wanted);
    ck_assert_uint_gt(walk.inner, 1);
    model_close(m);
    free(m);
}
END_TEST

static int note_damage(void *ud, unsigned level, uint64_t index, const struct ds_error *why)
{
    unsigned *n = ud;
    (void)level, (void)index;
    ck_assert(strstr(why->msg, "n/") != NULL); /* names the object */
    ++*n;
    return DS_OK;
}

START_TEST(damaged_pages_are_told_and_become_unknown)
{
    static struct map_reader reader;
    struct model *m = malloc(sizeof *m);
    unsigned damaged = 0, unknown = 0, pages = 0;
    model_open(m, 128 * 300, 13);
    generation(m, 250);
    root_map(&reader, &m->disk, m->cache, m->scratch);
    while (memory_store_objects(m->f.store))
        memory_store_remove(m->f.store, memory_store_key(m->f.store, 0));
    segment_reader_free(m->scratch);
    segment_cache_free(m->cache);
    m->cache = reader.cache = segment_cache_new(&m->f.space, 4 << 20);
    m->scratch = reader.scratch = segment_reader_new(m->cache, MAP_PAGE_MAX);
    struct leaf leaf;
    struct ref ref;
    ck_assert_int_eq(map_reader_ref(&reader, 0, 0, &ref, &m->f.err), DS_EDAMAGED);
    ck_assert_ptr_nonnull(strstr(m->f.err.msg, "missing"));
    reader.damaged = note_damage;
    reader.damaged_ud = &damaged;
    for (uint64_t i = 0; i < m->shape.n_leaves; i++) {
        ck_assert_ok(map_reader_ref(&reader, 0, i, &ref, &m->f.err), &m->f.err);
        ck_assert_ok(map_reader_leaf(&reader, i, &ref, true, &leaf, &m->f.err), &m->f.err);
        ck_assert_uint_eq(leaf.n, leaf_length(&m->shape, i));
        unknown += leaf.states[0] == BLOCK_UNKNOWN;
    }
    for (unsigned i = 0; i < m->shape.n_top; i++)
        pages += m->disk.top[i].kind == REF_CHILD;
    ck_assert_uint_gt(pages, 0);
    ck_assert_uint_eq(damaged, pages); /* once for each inner page, not for each leaf */
    ck_assert_uint_eq(unknown, m->shape.n_leaves);
    model_close(m);
    free(m);
}
END_TEST

START_TEST(network_failure_is_not_damage)
{
    static struct map_reader reader;
    struct memory_fault fault = { .op = DS_STORE_GET, .code = DS_ENETWORK };
    struct model *m = malloc(sizeof *m);
    unsigned damaged = 0;
    struct ref ref;
    model_open(m, 128 * 300, 14);
    generation(m, 250);
    segment_reader_free(m->scratch);
    segment_cache_free(m->cache);
    m->cache = segment_cache_new(&m->f.space, 4 << 20);
    m->scratch = segment_reader_new(m->cache, MAP_PAGE_MAX);
    root_map(&reader, &m->disk, m->cache, m->scratch);
    reader.damaged = note_damage;
    reader.damaged_ud = &damaged;
    memory_store_fault(m->f.store, &fault);
    ck_assert_int_eq(map_reader_ref(&reader, 0, 0, &ref, &m->f.err), DS_ENETWORK);
    ck_assert_uint_eq(damaged, 0);
    memory_store_clear_faults(m->f.store); /* and nothing of it was kept */
    compare(m, &m->disk);
    ck_assert_ok(map_reader_ref(&reader, 0, 0, &ref, &m->f.err), &m->f.err);
    model_close(m);
    free(m);
}
END_TEST

START_TEST(page_of_another_place_is_refused)
{
    static struct map_reader reader;
    struct model *m = malloc(sizeof *m);
    struct leaf leaf;
    struct ref ref;
    model_open(m, 128 * 10, 15);
    do
        generation(m, 10);
    while (m->disk.top[3].kind != REF_CHILD);
    root_map(&reader, &m->disk, m->cache, m->scratch);
    ref = m->disk.top[3];
    ck_assert_ok(map_reader_leaf(&reader, 3, &ref, true, &leaf, &m->f.err), &m->f.err);
    ck_assert_int_eq(map_reader_leaf(&reader, 4, &ref, true, &leaf, &m->f.err), DS_EDAMAGED);
    ref.id[0] ^= 1; /* the child's id binds it to its parent */
    ck_assert_int_eq(map_reader_leaf(&reader, 3, &ref, true, &leaf, &m->f.err), DS_EDAMAGED);
    ref.id[0] ^= 1;
    reader.disk++;
    ck_assert_int_eq(map_reader_leaf(&reader, 3, &ref, true, &leaf, &m->f.err), DS_EDAMAGED);
    model_close(m);
    free(m);
}
END_TEST

UNIT_MAIN("map", random_generations_equal_a_plain_array,
          sixteen_tib_take_few_pages_for_few_leaves, disk_that_grows_keeps_its_map,
          disk_that_grows_by_levels_untouched_keeps_its_map, what_a_disk_grew_by_is_unknown,
          earlier_points_stay_as_they_were, unchanged_map_writes_nothing,
          walk_meets_each_page_once,
          damaged_pages_are_told_and_become_unknown, network_failure_is_not_damage,
          page_of_another_place_is_refused)
