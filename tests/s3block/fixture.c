/* SPDX-License-Identifier: Apache-2.0 */
/* fixture.c - see fixture.h. */
#include "tests/s3block/fixture.h"

#include <stdio.h>
#include <stdlib.h>

void fixture_space(struct segment_space *space)
{
    struct ds_error err = DS_ERROR_INIT;
    memset(space, 0, sizeof *space);
    memset(space->repository, 0x5a, UUID_SIZE);
    memset(space->node, 0x3c, UUID_SIZE);
    space->ring.n = 1;
    space->ring.epochs[0] = 1;
    memset(space->ring.keys[0], 0x77, KEY_SIZE);
    space->id_algorithm = ID_GMAC;
    if (node_keys_derive(&space->keys, &space->ring, space->repository, space->node, 1, &err)) {
        fprintf(stderr, "fixture: %s\n", err.msg);
        abort();
    }
}

void fixture_open(struct fixture *f, unsigned threads)
{
    memset(f, 0, sizeof *f);
    f->err = (struct ds_error)DS_ERROR_INIT;
    f->store = memory_store_new(threads);
    if (objects_new(&f->objects, memory_store_ops(f->store), f->store, NULL, &f->interrupted,
                    &f->err)) {
        fprintf(stderr, "fixture: %s\n", f->err.msg);
        abort();
    }
    fixture_space(&f->space);
    f->space.objects = f->objects;
}

void fixture_close(struct fixture *f)
{
    objects_free(f->objects);
    memory_store_free(f->store);
}

uint64_t random_u64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void random_fill(uint64_t *state, void *out, size_t n)
{
    uint8_t *p = out;
    while (n) {
        uint64_t v = random_u64(state);
        size_t take = n < sizeof v ? n : sizeof v;
        memcpy(p, &v, take);
        p += take;
        n -= take;
    }
}

/* A DATA block somewhere; in its neighbour's segment and next slot if near. */
static void random_place(uint64_t *state, struct leaf *leaf, unsigned i, bool near)
{
    bool follows = near && i > 0 && leaf->states[i - 1] == BLOCK_DATA &&
                   leaf->slots[i - 1] + 1u < SLOT_MAP;
    leaf->states[i] = BLOCK_DATA;
    random_fill(state, leaf->ids[i], ID_SIZE);
    if (follows) {
        leaf->segments[i] = leaf->segments[i - 1];
        leaf->slots[i] = (uint16_t)(leaf->slots[i - 1] + 1);
        return;
    }
    leaf->segments[i] = (struct segment_name){ random_below(state, 3) + 1, random_below(state, 2),
                                               (uint32_t)random_below(state, 1000) };
    leaf->slots[i] = (uint16_t)random_below(state, SLOT_MAP);
}

void random_leaf(uint64_t *state, struct leaf *leaf, unsigned n)
{
    uint64_t style = random_below(state, 6);
    uint8_t uniform = (uint8_t)random_below(state, 2); /* UNKNOWN or ZERO */
    memset(leaf, 0, sizeof *leaf);
    leaf->n = n;
    leaf->has_ids = true;
    for (unsigned i = 0; i < n; i++) {
        leaf->states[i] = uniform;
        if (style == 1 || (style == 2 && random_below(state, 8)))
            random_place(state, leaf, i, true);
        else if (style == 3)
            random_place(state, leaf, i, false);
        else if (style == 4 && random_below(state, 4) == 0)
            random_place(state, leaf, i, random_below(state, 2));
        else if (style >= 4)
            leaf->states[i] = (uint8_t)(random_below(state, 3) % 2 ? BLOCK_BAD
                                                                   : random_below(state, 2));
    }
}

bool leaf_equal(const struct leaf *a, const struct leaf *b)
{
    if (memcmp(a->states, b->states, sizeof a->states) != 0)
        return false;
    for (unsigned i = 0; i < FANOUT; i++)
        if (a->states[i] == BLOCK_DATA &&
            (!segment_name_equal(&a->segments[i], &b->segments[i]) ||
             a->slots[i] != b->slots[i] || memcmp(a->ids[i], b->ids[i], ID_SIZE) != 0))
            return false;
    return true;
}

bool refs_equal(const struct ref *a, const struct ref *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (a[i].kind != b[i].kind || a[i].all_known != b[i].all_known ||
            a[i].slot != b[i].slot || !segment_name_equal(&a[i].segment, &b[i].segment) ||
            memcmp(a[i].id, b[i].id, ID_SIZE) != 0 ||
            memcmp(a[i].known, b[i].known, sizeof a[i].known) != 0)
            return false;
    return true;
}

unsigned leaf_length(const struct map_shape *shape, uint64_t index)
{
    uint64_t left = shape->n_blocks - index * FANOUT;
    return left < FANOUT ? (unsigned)left : FANOUT;
}
