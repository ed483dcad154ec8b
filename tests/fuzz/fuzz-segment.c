/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-segment.c - segments. The first byte tells what follows: 0 a whole object, as a store may
 * hand it out; 1 the parts of one, sealed here under the key that is looked for:
 *
 *   u8 map slots, u8 block slots | rows of the table, 32 bytes each | bitmap | bytes of the slots
 *
 * Each slot that its bitmap has takes what its row says from the rest of the input. All that can be
 * read is read, alone and in runs, and map pages are decoded. */
#include "core/base/log.h"
#include "core/s3block/point_writer.h"
#include "core/s3block/segment_internal.h"
#include "tests/s3block/fixture.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct segment_name name = { 3, 4, 0 };

static void require(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "broken promise: %s\n", what);
        abort();
    }
}

static const uint8_t *take(const uint8_t **data, size_t *size, size_t n)
{
    static uint8_t part[BLOCK_SIZE_MAX]; /* what the input lacks is zeros */
    size_t there = n < *size ? n : *size;
    memset(part, 0, n);
    memcpy(part, *data, there);
    *data += there;
    *size -= there;
    return part;
}

static void seal(const uint8_t key[KEY_SIZE], uint32_t nonce, const uint8_t *header, uint8_t *data,
                 size_t n)
{
    struct sealer *sealer = sealer_new(key);
    require(sealer && sealer_seal(sealer, nonce, header, SEGMENT_HEADER_SIZE, data, n, data + n),
            "a seal");
    sealer_free(sealer);
}

/* The object that has these parts. */
static void build(struct dynbuf *out, const struct segment_space *space, const uint8_t *data,
                  size_t size)
{
    struct segment_head head = { .name = name, .epoch = 1, .salt = { 9 } };
    uint8_t header[SEGMENT_HEADER_SIZE], rows[510 * SLOT_ROW_SIZE + TAG_SIZE], bitmap[64];
    uint8_t data_key[KEY_SIZE], map_key[KEY_SIZE];
    head.n_maps = *take(&data, &size, 1);
    head.n_blocks = *take(&data, &size, 1);
    size_t n = head.n_maps + head.n_blocks;
    memcpy(head.node, space->node, UUID_SIZE);
    segment_header_write(header, &head, space->repository);
    memcpy(rows, take(&data, &size, n * SLOT_ROW_SIZE), n * SLOT_ROW_SIZE);
    memcpy(bitmap, take(&data, &size, (n + 7) / 8), (n + 7) / 8);
    require(segment_keys(data_key, map_key, &space->keys, head.salt), "keys");
    dynbuf_add(out, header, sizeof header);
    dynbuf_add(out, bitmap, (n + 7) / 8);
    for (size_t i = 0; i <= n; i++) {
        struct slot slot;
        if (i == 0) { /* the table stands before the slots */
            uint8_t sealed[sizeof rows];
            memcpy(sealed, rows, n * SLOT_ROW_SIZE);
            seal(map_key, TABLE_NONCE, header, sealed, n * SLOT_ROW_SIZE);
            dynbuf_add(out, sealed, n * SLOT_ROW_SIZE + TAG_SIZE);
        }
        if (i == n || !slot_parse_row(&slot, rows + i * SLOT_ROW_SIZE) ||
            !(bitmap[i / 8] >> i % 8 & 1))
            continue;
        uint8_t *room = dynbuf_room(out, slot.stored + TAG_SIZE);
        if (!room)
            return;
        memcpy(room, take(&data, &size, slot.stored), slot.stored);
        bool map = i < head.n_maps;
        seal(map ? map_key : data_key, (uint32_t)(map ? SLOT_MAP | i : i - head.n_maps), header,
             room, slot.stored);
    }
}

static int check_slot(void *ud, unsigned i, const struct slot *slot, void *plain, size_t len,
                      struct ds_error *err)
{
    static struct leaf leaf;
    static struct ref refs[FANOUT];
    struct reader r = reader_of(plain, len);
    unsigned n, *count = ud;
    require(i == (*count)++, "slots come in order");
    require(len <= BLOCK_SIZE_MAX, "a slot is bounded");
    if (slot->type == SLOT_LEAF)
        leaf_decode(&leaf, plain, len, "leaf", err);
    if (slot->type == SLOT_INNER)
        refs_decode(&r, slot->number >> 56 & 7, refs, &n, FANOUT, "page", err);
    return DS_OK;
}

static void read_all(struct segment_cache *cache, const struct segment *segment)
{
    struct segment_reader *reader = segment_reader_new(cache, BLOCK_SIZE_MAX);
    struct ds_error err = DS_ERROR_INIT;
    require(reader != NULL, "a reader");
    for (unsigned part = 0; part < 2; part++) {
        uint16_t first = part ? 0 : SLOT_MAP;
        unsigned n = part ? segment->n_blocks : segment->n_maps, count;
        for (unsigned i = 0; i < n && i < 64; i++) {
            uint64_t offset;
            require(segment_slot(segment, (uint16_t)(first + i), &offset) != NULL, "a row");
            count = 0;
            if (segment_read(reader, segment, (uint16_t)(first + i), n - i, check_slot, &count,
                             &err) == DS_OK)
                require(count == n - i, "all that was asked for");
        }
        require(segment_slot(segment, (uint16_t)(first + n), &(uint64_t){ 0 }) == NULL ||
                    n == SLOT_MAP, "no row beyond the last");
    }
    segment_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fixture f;
    struct dynbuf object = DYNBUF_INIT((size_t)8 << 20);
    struct attempt attempt = { name.seq, name.tag };
    struct salvage *salvage;
    const struct segment *segment;
    char key[OBJECT_KEY_MAX + 1];
    if (size == 0 || data[0] > 1 || size > 1 << 20)
        return 0;
    if (!f.store) {
        fixture_open(&f, 1);
        log_start(DS_LOG_ERROR);
    }
    if (data[0])
        build(&object, &f.space, data + 1, size - 1);
    else
        dynbuf_add(&object, data + 1, size - 1);
    segment_key(key, f.space.node, &name);
    memory_store_put(f.store, key, object.data ? object.data : (const uint8_t *)"", object.len);
    memory_store_count_reset(f.store);
    struct segment_cache *cache = segment_cache_new(&f.space, 1 << 20);
    int rc = segment_get(cache, &name, &segment, &f.err);
    require(rc == DS_OK || rc == DS_EDAMAGED, "hostile bytes are damage");
    if (rc == DS_OK) {
        read_all(cache, segment);
        require(salvage_load(&salvage, &f.space, &attempt, 1, SALVAGE_MAX, &f.err) == DS_OK,
                "salvage");
        require(salvage_count(salvage) <= segment->n_blocks, "no block twice");
        salvage_free(salvage);
        segment_put(cache, segment);
    }
    segment_cache_free(cache);
    dynbuf_free(&object);
    return 0;
}
