/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-page.c - map pages as they come out of a segment. The first byte tells what follows:
 *
 *   0      a leaf: u16 length of the page, the page, its ids
 *   1..9   references of that level
 *
 * What is accepted must be the same after another round of encoding and decoding. */
#include "core/s3block/page.h"

#include "tests/s3block/fixture.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "broken promise: %s\n", what);
        abort();
    }
}

static void check_leaf(const struct leaf *leaf)
{
    require(leaf->n >= 1 && leaf->n <= FANOUT, "a leaf has 1 to 128 blocks");
    for (unsigned i = 0; i < FANOUT; i++) {
        require(leaf->states[i] <= BLOCK_BAD, "a state is one of four");
        require(i < leaf->n || leaf->states[i] == BLOCK_UNKNOWN, "beyond the end is UNKNOWN");
        require(leaf->states[i] != BLOCK_DATA || leaf->slots[i] < SLOT_MAP, "a block's slot");
    }
}

static void fuzz_leaf(const uint8_t *data, size_t size)
{
    struct dynbuf page = DYNBUF_INIT(64 << 10), ids = DYNBUF_INIT(64 << 10);
    struct ds_error err = DS_ERROR_INIT;
    struct leaf leaf, back;
    uint64_t known[2];
    size_t n = size < 2 ? 0 : get_le16(data);
    data += size < 2 ? size : 2;
    size -= size < 2 ? size : 2;
    n = n < size ? n : size;
    if (leaf_decode(&leaf, data, n, "leaf", &err) == DS_OK) {
        check_leaf(&leaf);
        leaf_known(&leaf, known);
        bool with_ids = leaf_decode_ids(&leaf, data + n, size - n, "ids", &err) == DS_OK;
        require(with_ids == leaf.has_ids, "ids that were read are there");
        leaf_encode(&page, &leaf);
        leaf_encode_ids(&ids, &leaf);
        require(dynbuf_ok(&page) && dynbuf_ok(&ids), "a leaf has a bounded size");
        require(page.len <= 64 << 10, "a leaf fits into a page");
        require(leaf_decode(&back, page.data, page.len, "leaf", &err) == DS_OK &&
                    leaf_decode_ids(&back, ids.data, ids.len, "ids", &err) == DS_OK,
                "what was encoded decodes");
        require(leaf.n == back.n && leaf_equal(&leaf, &back) &&
                    memcmp(leaf.ids_page, back.ids_page, ID_SIZE) == 0, "and is the same");
    }
    dynbuf_free(&page);
    dynbuf_free(&ids);
}

static void fuzz_refs(unsigned level, const uint8_t *data, size_t size)
{
    struct dynbuf page = DYNBUF_INIT(64 << 10);
    struct ds_error err = DS_ERROR_INIT;
    static struct ref refs[FANOUT], back[FANOUT];
    struct reader r = reader_of(data, size);
    unsigned n, m;
    if (refs_decode(&r, level, refs, &n, FANOUT, "refs", &err) != DS_OK)
        return;
    require(n >= 1 && n <= FANOUT, "1 to 128 references");
    for (unsigned i = 0; i < n; i++) {
        require(refs[i].kind <= REF_CHILD, "a kind is one of three");
        require(refs[i].kind != REF_CHILD || refs[i].slot & SLOT_MAP, "a page's slot");
        require(refs[i].kind != REF_UNKNOWN || (!refs[i].all_known && !refs[i].known[0]),
                "UNKNOWN is not known");
    }
    refs_encode(&page, level, refs, n);
    require(dynbuf_ok(&page) && page.len <= 64 << 10, "references fit into a page");
    r = reader_of(page.data, page.len);
    require(refs_decode(&r, level, back, &m, FANOUT, "refs", &err) == DS_OK && m == n &&
                reader_left(&r) == 0,
            "what was encoded decodes");
    require(refs_equal(refs, back, n), "and is the same");
    dynbuf_free(&page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || data[0] > 9)
        return 0;
    if (data[0] == 0)
        fuzz_leaf(data + 1, size - 1);
    else
        fuzz_refs(data[0], data + 1, size - 1);
    return 0;
}
