/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-root.c - roots of points. The first byte tells what follows: 0 a whole object, as a store
 * may hand it out; 1 the body of a root, which is sealed here under the key that is looked for, so
 * that what is behind the seal is tried too. What is accepted must seal and open again. */
#include "core/s3block/root.h"

#include "tests/s3block/fixture.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER 112u
#define SEQ 7u

static void require(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "broken promise: %s\n", what);
        abort();
    }
}

/* The object that holds this body. */
static void seal_body(struct dynbuf *out, const struct segment_space *space, const uint8_t *body,
                      size_t n)
{
    uint8_t *p = dynbuf_room(out, HEADER + n + TAG_SIZE), key[KEY_SIZE];
    require(p != NULL, "an input fits");
    memset(p, 0, HEADER);
    memcpy(p, "S3BROOT1", 8);
    put_le16(p + 8, 1);
    put_le32(p + 12, HEADER);
    memcpy(p + 16, space->repository, UUID_SIZE);
    memcpy(p + 32, space->node, UUID_SIZE);
    put_le64(p + 48, SEQ);
    put_le32(p + 56, space->keys.epoch);
    put_le32(p + 60, (uint32_t)n);
    if (n)
        memcpy(p + HEADER, body, n);
    struct sealer *sealer = NULL;
    if (crypto_hkdf(key, space->keys.root, KEY_SIZE, p + 80, SALT_SIZE, "s3block root", NULL, 0))
        sealer = sealer_new(key);
    require(sealer && sealer_seal(sealer, 0, p, HEADER, p + HEADER, n, p + HEADER + n), "a seal");
    sealer_free(sealer);
}

static void check_disk(const struct root_disk *disk)
{
    require(disk->shape.n_top >= 1 && disk->shape.n_top <= FANOUT, "1 to 128 references");
    require(disk->shape.levels < MAP_LEVELS_MAX, "few levels");
    require(memchr(disk->identity, 0, sizeof disk->identity) &&
                memchr(disk->path, 0, sizeof disk->path) &&
                memchr(disk->reason, 0, sizeof disk->reason) &&
                memchr(disk->tracker, 0, sizeof disk->tracker),
            "text ends");
    require(root_mode_name(disk->mode)[0] && consistency_name(disk->consistency)[0], "names");
    for (unsigned i = 0; i < disk->shape.n_top; i++)
        require(disk->top[i].kind <= REF_CHILD, "a kind is one of three");
}

static void check_root(const struct root *root, const struct segment_space *space)
{
    struct dynbuf object = DYNBUF_INIT(2 * ROOT_MAX);
    struct ds_error err = DS_ERROR_INIT;
    struct root back;
    require(memchr(root->node_name, 0, sizeof root->node_name) &&
                memchr(root->agent, 0, sizeof root->agent), "text ends");
    for (uint32_t i = 0; i < root->n_disks; i++)
        check_disk(&root->disks[i]);
    for (uint32_t i = 0; i < root->n_blobs; i++)
        require(root->blobs[i].data[root->blobs[i].len] == 0, "facts end with a zero");
    require(root_seal(&object, root, space, &err) == DS_OK, "what was read can be sealed");
    require(root_open(&back, object.data, object.len, root->seq, space, &err) == DS_OK,
            "what was sealed opens");
    require(back.n_disks == root->n_disks && back.n_blobs == root->n_blobs, "and is the same");
    root_free(&back);
    dynbuf_free(&object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct segment_space space;
    struct dynbuf object = DYNBUF_INIT(ROOT_MAX);
    struct ds_error err = DS_ERROR_INIT;
    struct root root;
    if (size == 0 || data[0] > 1 || size > ROOT_MAX / 2)
        return 0;
    if (!space.ring.n)
        fixture_space(&space);
    if (data[0])
        seal_body(&object, &space, data + 1, size - 1);
    else
        dynbuf_add(&object, data + 1, size - 1);
    if (root_open(&root, object.data, object.len, SEQ, &space, &err) == DS_OK) {
        check_root(&root, &space);
        root_free(&root);
    } else {
        require(!root.disks && !root.blobs, "nothing is left of a root that was refused");
    }
    dynbuf_free(&object);
    return 0;
}
