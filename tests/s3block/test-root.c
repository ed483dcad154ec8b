/* SPDX-License-Identifier: Apache-2.0 */
/* test-root.c - the root of a point: what is sealed comes back, and nothing else opens. */
#include "core/s3block/root.h"

#include "tests/s3block/fixture.h"
#include "tests/unit.h"

#include <stdio.h>

enum { AT_VERSION = 8, AT_SIZE = 12, AT_REPOSITORY = 16, AT_NODE = 32, AT_SEQ = 48, AT_EPOCH = 56,
       AT_BODY = 60, AT_READ = 64, AT_WRITE = 72, AT_SALT = 80, HEADER = 112 };

static void fill_text(uint64_t *seed, char *out, size_t cap)
{
    size_t n = random_below(seed, cap);
    for (size_t i = 0; i < n; i++)
        out[i] = (char)(' ' + random_below(seed, 95));
    out[n] = 0;
}

static void fill_disk(uint64_t *seed, struct root_disk *disk, unsigned i)
{
    disk->number = (uint16_t)i;
    disk->mode = (uint8_t)(1 + i % 3);
    disk->consistency = (uint8_t)random_below(seed, 4);
    disk->flags = (uint32_t)random_u64(seed);
    fill_text(seed, disk->identity, sizeof disk->identity);
    fill_text(seed, disk->path, sizeof disk->path);
    fill_text(seed, disk->reason, sizeof disk->reason);
    fill_text(seed, disk->tracker, sizeof disk->tracker);
    random_fill(seed, disk->token.bytes, DS_TOKEN_SIZE);
    disk->sector = 512;
    disk->physical_sector = 4096;
    disk->used_bytes = random_u64(seed);
    disk->changed_bytes = random_u64(seed);
    disk->read_bytes = random_u64(seed);
    disk->sent_bytes = random_u64(seed);
    disk->unknown_used = random_u64(seed);
    ck_assert(map_shape_of(&disk->shape, 1 + random_below(seed, UINT64_C(1) << (20 + i * 3 % 30)),
                           65536));
    for (unsigned r = 0; r < disk->shape.n_top; r++)
        if (random_below(seed, 2)) {
            disk->top[r].kind = REF_CHILD;
            disk->top[r].slot = (uint16_t)(SLOT_MAP | random_below(seed, 100));
            disk->top[r].segment.seq = random_below(seed, 4);
            random_fill(seed, disk->top[r].id, ID_SIZE);
        }
}

static void fill_root(struct root *root, uint64_t seed, unsigned disks, unsigned blobs)
{
    struct ds_error err = DS_ERROR_INIT;
    memset(root, 0, sizeof *root);
    root->seq = 1 + random_below(&seed, 1000);
    root->previous = root->seq - 1;
    random_fill(&seed, root->previous_hash, HASH_SIZE);
    random_fill(&seed, root->instance, HASH_SIZE);
    root->tag = random_u64(&seed);
    root->flags = ROOT_PARTIAL;
    root->time_ns = -5;
    root->begun_ns = INT64_MAX;
    root->ended_ns = 1700000000000000000;
    root->immutable_until_ns = 1;
    fill_text(&seed, root->node_name, sizeof root->node_name);
    fill_text(&seed, root->agent, sizeof root->agent);
    root->disks = calloc(disks + 1, sizeof *root->disks);
    root->n_disks = disks;
    for (unsigned i = 0; i < disks; i++)
        fill_disk(&seed, &root->disks[i], i);
    for (unsigned i = 0; i < blobs; i++) {
        char name[40];
        uint8_t data[3000];
        snprintf(name, sizeof name, "facts-%u", i);
        random_fill(&seed, data, sizeof data);
        ck_assert_ok(root_add_blob(root, name, data, random_below(&seed, sizeof data), &err), &err);
    }
}

static void check_disk(const struct root_disk *a, const struct root_disk *b)
{
    ck_assert(a->number == b->number && a->mode == b->mode && a->consistency == b->consistency);
    ck_assert(a->flags == b->flags && a->sector == b->sector);
    ck_assert(a->physical_sector == b->physical_sector);
    ck_assert_str_eq(a->identity, b->identity);
    ck_assert_str_eq(a->path, b->path);
    ck_assert_str_eq(a->reason, b->reason);
    ck_assert_str_eq(a->tracker, b->tracker);
    ck_assert(ds_token_equal(&a->token, &b->token));
    ck_assert(a->used_bytes == b->used_bytes && a->changed_bytes == b->changed_bytes);
    ck_assert(a->read_bytes == b->read_bytes && a->sent_bytes == b->sent_bytes);
    ck_assert(a->unknown_used == b->unknown_used);
    ck_assert(a->shape.bytes == b->shape.bytes && a->shape.levels == b->shape.levels);
    ck_assert(a->shape.n_top == b->shape.n_top && a->shape.block_size == b->shape.block_size);
    for (unsigned i = 0; i < FANOUT; i++)
        ck_assert(a->top[i].kind == b->top[i].kind && a->top[i].slot == b->top[i].slot &&
                  segment_name_equal(&a->top[i].segment, &b->top[i].segment) &&
                  memcmp(a->top[i].id, b->top[i].id, ID_SIZE) == 0);
}

static void check_root(const struct root *a, const struct root *b)
{
    ck_assert(a->seq == b->seq && a->previous == b->previous && a->tag == b->tag);
    ck_assert(memcmp(a->previous_hash, b->previous_hash, HASH_SIZE) == 0);
    ck_assert(memcmp(a->instance, b->instance, HASH_SIZE) == 0);
    ck_assert(a->flags == b->flags && a->time_ns == b->time_ns && a->begun_ns == b->begun_ns);
    ck_assert(a->ended_ns == b->ended_ns && a->immutable_until_ns == b->immutable_until_ns);
    ck_assert_str_eq(a->node_name, b->node_name);
    ck_assert_str_eq(a->agent, b->agent);
    ck_assert_uint_eq(a->n_disks, b->n_disks);
    for (unsigned i = 0; i < a->n_disks; i++)
        check_disk(&a->disks[i], &b->disks[i]);
    ck_assert_uint_eq(a->n_blobs, b->n_blobs);
    for (unsigned i = 0; i < a->n_blobs; i++) {
        ck_assert_str_eq(a->blobs[i].name, b->blobs[i].name);
        ck_assert_uint_eq(a->blobs[i].len, b->blobs[i].len);
        ck_assert(memcmp(a->blobs[i].data, b->blobs[i].data, a->blobs[i].len) == 0);
        ck_assert_uint_eq(b->blobs[i].data[b->blobs[i].len], 0);
    }
}

START_TEST(root_comes_back)
{
    static const unsigned counts[][2] = { { 0, 0 }, { 1, 1 }, { 3, 0 }, { 24, 7 }, { 200, 256 } };
    struct ds_error err = DS_ERROR_INIT;
    struct segment_space space;
    fixture_space(&space);
    for (unsigned i = 0; i < 5; i++) {
        struct dynbuf object = DYNBUF_INIT(ROOT_MAX);
        struct root root, back;
        fill_root(&root, 20260306 + i, counts[i][0], counts[i][1]);
        ck_assert_ok(root_seal(&object, &root, &space, &err), &err);
        ck_assert_ok(root_open(&back, object.data, object.len, root.seq, &space, &err), &err);
        check_root(&root, &back);
        root_free(&back);
        root_free(&root);
        dynbuf_free(&object);
    }
}
END_TEST

START_TEST(root_is_read_from_the_store_with_its_hash)
{
    struct fixture f;
    struct dynbuf object = DYNBUF_INIT(ROOT_MAX);
    struct root root, back;
    uint8_t hash[HASH_SIZE], wanted[HASH_SIZE];
    char key[OBJECT_KEY_MAX + 1];
    fixture_open(&f, 1);
    fill_root(&root, 5, 100, 20); /* more than one request brings */
    ck_assert_ok(root_seal(&object, &root, &f.space, &f.err), &f.err);
    root_key(key, f.space.node, root.seq);
    memory_store_put(f.store, key, object.data, object.len);
    ck_assert_ok(root_read(&back, hash, &f.space, root.seq, &f.err), &f.err);
    check_root(&root, &back);
    ck_assert(crypto_sha256(wanted, object.data, object.len));
    ck_assert(memcmp(hash, wanted, HASH_SIZE) == 0);
    root_free(&back);
    ck_assert_int_eq(root_read(&back, hash, &f.space, root.seq + 1, &f.err), DS_ENOENT);
    root_free(&root);
    dynbuf_free(&object);
    fixture_close(&f);
}
END_TEST

/* A small sealed root. */
static uint64_t sealed(struct dynbuf *object, const struct segment_space *space)
{
    struct ds_error err = DS_ERROR_INIT;
    struct root root;
    fill_root(&root, 6, 1, 1);
    root.blobs[0].len = 5;
    ck_assert_ok(root_seal(object, &root, space, &err), &err);
    uint64_t seq = root.seq;
    root_free(&root);
    return seq;
}

START_TEST(every_flipped_byte_is_noticed)
{
    struct ds_error err = DS_ERROR_INIT;
    struct segment_space space;
    struct dynbuf object = DYNBUF_INIT(ROOT_MAX);
    struct root root;
    fixture_space(&space);
    uint64_t seq = sealed(&object, &space);
    for (size_t i = 0; i < object.len; i++)
        for (unsigned mask = 1; mask <= 0x80; mask <<= 1) {
            int wanted = i >= AT_VERSION && i < AT_VERSION + 2 ? DS_EVERSION
                         : i >= AT_READ && i < AT_READ + 8     ? DS_EFEATURE
                         : i >= AT_EPOCH && i < AT_EPOCH + 4   ? DS_EPASSPHRASE
                                                               : DS_EDAMAGED;
            object.data[i] ^= (uint8_t)mask;
            int rc = root_open(&root, object.data, object.len, seq, &space, &err);
            ck_assert_msg(rc == wanted, "byte %zu, mask %x: %d", i, mask, rc);
            ck_assert(root.disks == NULL && root.blobs == NULL);
            object.data[i] ^= (uint8_t)mask;
        }
    for (size_t n = 0; n < object.len; n++) {
        uint8_t *exact = malloc(n + 1); /* so that a read beyond it shows */
        memcpy(exact, object.data, n);
        ck_assert_int_eq(root_open(&root, exact, n, seq, &space, &err), DS_EDAMAGED);
        free(exact);
    }
    dynbuf_u8(&object, 0);
    ck_assert_int_eq(root_open(&root, object.data, object.len, seq, &space, &err), DS_EDAMAGED);
    dynbuf_free(&object);
}
END_TEST

START_TEST(root_of_another_point_node_or_repository_is_refused)
{
    struct ds_error err = DS_ERROR_INIT;
    struct segment_space space, other;
    struct dynbuf object = DYNBUF_INIT(ROOT_MAX);
    struct root root;
    fixture_space(&space);
    uint64_t seq = sealed(&object, &space);
    ck_assert_int_eq(root_open(&root, object.data, object.len, seq + 1, &space, &err), DS_EDAMAGED);
    other = space;
    other.node[0] ^= 1;
    ck_assert_int_eq(root_open(&root, object.data, object.len, seq, &other, &err), DS_EDAMAGED);
    other = space;
    other.repository[0] ^= 1;
    ck_assert_int_eq(root_open(&root, object.data, object.len, seq, &other, &err), DS_EDAMAGED);
    other = space;
    other.keys.root[0] ^= 1;
    ck_assert_int_eq(root_open(&root, object.data, object.len, seq, &other, &err), DS_EDAMAGED);
    ck_assert_ptr_nonnull(strstr(err.msg, "check"));
    dynbuf_free(&object);
}
END_TEST

START_TEST(what_a_newer_program_wrote_is_named_so)
{
    struct ds_error err = DS_ERROR_INIT;
    struct segment_space space;
    struct dynbuf object = DYNBUF_INIT(ROOT_MAX);
    struct root root;
    fixture_space(&space);
    uint64_t seq = sealed(&object, &space);
    object.data[AT_READ + 3] = 0x10;
    ck_assert_int_eq(root_open(&root, object.data, object.len, seq, &space, &err), DS_EFEATURE);
    ck_assert_ptr_nonnull(strstr(err.msg, "10000000"));
    object.data[AT_VERSION] = 2;
    ck_assert_int_eq(root_open(&root, object.data, object.len, seq, &space, &err), DS_EVERSION);
    ck_assert_ptr_nonnull(strstr(err.msg, "newer"));
    dynbuf_free(&object);
}
END_TEST

START_TEST(root_of_an_older_epoch_opens_with_its_key)
{
    struct ds_error err = DS_ERROR_INIT;
    struct segment_space space, rotated;
    struct dynbuf object = DYNBUF_INIT(ROOT_MAX);
    struct root root;
    fixture_space(&space);
    uint64_t seq = sealed(&object, &space);
    rotated = space;
    rotated.ring.n = 2;
    rotated.ring.epochs[1] = 2;
    memset(rotated.ring.keys[1], 0x99, KEY_SIZE);
    ck_assert_ok(node_keys_derive(&rotated.keys, &rotated.ring, rotated.repository, rotated.node, 2,
                                  &err), &err);
    ck_assert_ok(root_open(&root, object.data, object.len, seq, &rotated, &err), &err);
    root_free(&root);
    rotated.ring.epochs[0] = 7; /* the key is gone */
    ck_assert_int_eq(root_open(&root, object.data, object.len, seq, &rotated, &err),
                     DS_EPASSPHRASE);
    dynbuf_free(&object);
}
END_TEST

START_TEST(same_root_is_never_sealed_alike)
{
    struct segment_space space;
    struct dynbuf a = DYNBUF_INIT(ROOT_MAX), b = DYNBUF_INIT(ROOT_MAX);
    fixture_space(&space);
    sealed(&a, &space);
    sealed(&b, &space);
    ck_assert_uint_eq(a.len, b.len);
    ck_assert(memcmp(a.data + AT_SALT, b.data + AT_SALT, SALT_SIZE) != 0);
    ck_assert(memcmp(a.data + HEADER, b.data + HEADER, a.len - HEADER) != 0);
    dynbuf_free(&a);
    dynbuf_free(&b);
}
END_TEST

START_TEST(keys_name_points)
{
    uint8_t node[UUID_SIZE] = { 0xab };
    char key[OBJECT_KEY_MAX + 1], part[OBJECT_KEY_MAX + 1];
    uint64_t seq;
    root_key(key, node, 0x1234);
    ck_assert_str_eq(key, "n/ab000000-0000-0000-0000-000000000000/p/0000000000001234");
    ck_assert(root_key_parse(&seq, 'p', key) && seq == 0x1234);
    ck_assert(!root_key_parse(&seq, 'f', key));
    for (size_t n = strlen(key); n-- > 0;) {
        snprintf(part, sizeof part, "%.*s", (int)n, key);
        ck_assert(!root_key_parse(&seq, 'p', part));
    }
    key[50] = 'x';
    ck_assert(!root_key_parse(&seq, 'p', key));
}
END_TEST

START_TEST(too_much_is_refused)
{
    struct ds_error err = DS_ERROR_INIT;
    struct segment_space space;
    struct dynbuf object = DYNBUF_INIT(ROOT_MAX);
    struct root root;
    uint8_t *data = calloc(1, ROOT_MAX / 4 + 1);
    fixture_space(&space);
    fill_root(&root, 8, 0, 0);
    ck_assert_int_eq(root_add_blob(&root, "a", data, ROOT_MAX / 4 + 1, &err), DS_EINVAL);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_ok(root_add_blob(&root, "a", data, ROOT_MAX / 4, &err), &err);
    ck_assert_int_lt(root_seal(&object, &root, &space, &err), 0);
    root_free(&root);
    fill_root(&root, 8, 0, ROOT_BLOBS_MAX);
    ck_assert_int_eq(root_add_blob(&root, "a", "x", 1, &err), DS_EINVAL);
    root_free(&root);
    dynbuf_free(&object);
    free(data);
}
END_TEST

START_TEST(chain_of_roots_has_an_end)
{
    struct fixture f;
    fixture_open(&f, 1);
    for (uint64_t previous = 6; previous <= 9; previous++) {
        struct dynbuf object = DYNBUF_INIT(ROOT_MAX);
        struct root root = { .seq = 7, .previous = previous }, found;
        ck_assert_ok(root_seal(&object, &root, &f.space, &f.err), &f.err);
        int rc = root_open(&found, object.data, object.len, 7, &f.space, &f.err);
        ck_assert_int_eq(rc, previous < 7 ? DS_OK : DS_EDAMAGED);
        ck_assert(rc == DS_OK || found.seq == 0);
        root_free(&found);
        dynbuf_free(&object);
    }
    fixture_close(&f);
}
END_TEST

UNIT_MAIN("root", root_comes_back, root_is_read_from_the_store_with_its_hash,
          every_flipped_byte_is_noticed, root_of_another_point_node_or_repository_is_refused,
          what_a_newer_program_wrote_is_named_so, root_of_an_older_epoch_opens_with_its_key,
          same_root_is_never_sealed_alike, keys_name_points, too_much_is_refused,
          chain_of_roots_has_an_end)
