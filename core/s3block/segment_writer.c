/* SPDX-License-Identifier: Apache-2.0 */
/* segment_writer.c - builds segments, one open at a time. A block that does not fit closes the open
 * one; map pages always go into the open one (up to a bound of their own), so that the last pages
 * of a sync need no object more. Closed segments are sealed here and put in the background, at
 * most as many as there are buffers beside the open one. One thread. */
#include "core/s3block/segment_internal.h"

#include "core/base/bytes.h"
#include "core/base/os.h"

#include <stdlib.h>
#include <zstd.h>

#define MAPS_ROOM ((size_t)256 << 10)
#define IDS_ROOM 4096u /* more than an ids page with its tag */

struct part { /* growing bytes of slots, each followed by room for its tag */
    uint8_t *bytes;
    size_t len, cap;
    struct slot *slots;
    unsigned n, n_cap;
};

struct buffer { /* one segment, open or under way */
    struct part maps, blocks;
    size_t block_bytes; /* stored bytes without tags */
    uint8_t *prefix;
    size_t prefix_cap;
    struct object_put put;
    bool under_way;
};

struct segment_writer {
    const struct segment_space *space;
    struct segment_name name; /* of the open one */
    struct buffer buffers[SEGMENT_BUFFERS], *open;
    unsigned n_buffers;
    size_t maps_max;
    uint64_t bytes;
    struct dynbuf packed;
    ZSTD_CCtx *zstd;
    struct ds_error failure; /* the first; sticky: what was added is not all in the store */
};

/* Remembers a first failure, and returns rc. */
static int writer_result(struct segment_writer *writer, int rc, const struct ds_error *err)
{
    if (rc && !writer->failure.code) {
        if (err)
            writer->failure = *err;
        writer->failure.code = rc;
    }
    return rc;
}

/* The failure that there has been. */
static int writer_check(const struct segment_writer *writer, struct ds_error *err)
{
    if (writer->failure.code && err)
        *err = writer->failure;
    return writer->failure.code;
}

static void part_free(struct part *part)
{
    free(part->bytes);
    free(part->slots);
}

/* Appends a row, its bytes and room for the tag. room: what the part gets at once. Blocks get all
 * that they can need: memory that is not written to costs nothing, and nothing is ever moved. */
static bool part_add(struct part *part, const struct slot *slot, const void *data, size_t room)
{
    size_t need = part->len + slot->stored + TAG_SIZE;
    if (need > part->cap) {
        size_t cap = part->cap ? part->cap * 2 : room;
        while (cap < need)
            cap *= 2;
        uint8_t *bytes = realloc(part->bytes, cap);
        if (!bytes)
            return false;
        part->bytes = bytes;
        part->cap = cap;
    }
    if (part->n == part->n_cap) {
        unsigned cap = part->n_cap ? part->n_cap * 2 : 256;
        struct slot *slots = realloc(part->slots, cap * sizeof *slots);
        if (!slots)
            return false;
        part->slots = slots;
        part->n_cap = cap;
    }
    memcpy(part->bytes + part->len, data, slot->stored);
    memset(part->bytes + need - TAG_SIZE, 0, TAG_SIZE); /* the salt is made over the whole */
    part->len = need;
    part->slots[part->n++] = *slot;
    return true;
}

struct segment_writer *segment_writer_new(const struct segment_space *space, uint64_t seq,
                                          uint64_t tag)
{
    struct segment_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return NULL;
    writer->space = space;
    writer->name = (struct segment_name){ seq, tag, 0 };
    writer->open = &writer->buffers[0];
    writer->n_buffers = SEGMENT_BUFFERS;
    writer->maps_max = SEGMENT_MAPS_MAX;
    writer->packed = (struct dynbuf)DYNBUF_INIT(BLOCK_SIZE_MAX);
    writer->failure = (struct ds_error)DS_ERROR_INIT;
    writer->zstd = ZSTD_createCCtx();
    if (!writer->zstd) {
        segment_writer_free(writer);
        return NULL;
    }
    return writer;
}

void segment_writer_bound(struct segment_writer *writer, const struct segment_bounds *bounds)
{
    writer->n_buffers = bounds->buffers;
    writer->maps_max = bounds->maps_max;
}

void segment_writer_free(struct segment_writer *writer)
{
    if (!writer)
        return;
    for (unsigned i = 0; i < SEGMENT_BUFFERS; i++) {
        struct buffer *buffer = &writer->buffers[i];
        if (buffer->under_way)
            objects_put_wait(writer->space->objects, &buffer->put, NULL);
        part_free(&buffer->maps);
        part_free(&buffer->blocks);
        free(buffer->prefix);
    }
    dynbuf_free(&writer->packed);
    ZSTD_freeCCtx(writer->zstd);
    free(writer);
}

static bool buffer_empty(const struct buffer *buffer)
{
    return buffer->maps.n + buffer->blocks.n == 0;
}

static void buffer_reset(struct buffer *buffer)
{
    buffer->maps.len = buffer->blocks.len = buffer->block_bytes = 0;
    buffer->maps.n = buffer->blocks.n = 0;
}

/* The object was there: ours, by an earlier try whose answer was lost, if it has our header, whose
 * salt is random. Anything else means that a random number came twice. */
static int buffer_ours(struct segment_writer *writer, struct buffer *buffer, struct ds_error *err)
{
    uint8_t there[SEGMENT_HEADER_SIZE];
    size_t got;
    int rc = objects_get(writer->space->objects, buffer->put.key, 0, there, sizeof there, &got,
                         err);
    if (!rc && (got < sizeof there || memcmp(there, buffer->prefix, sizeof there) != 0))
        rc = ds_fail(err, DS_ECONFLICT, "%s is there already and is not ours: sync again",
                     buffer->put.key);
    return rc;
}

/* Waits until the buffer's segment is durable and empties it. */
static int buffer_wait(struct segment_writer *writer, struct buffer *buffer, struct ds_error *err)
{
    if (!buffer->under_way)
        return DS_OK;
    buffer->under_way = false;
    buffer_reset(buffer);
    int rc = objects_put_wait(writer->space->objects, &buffer->put, err);
    return rc == DS_EEXIST ? buffer_ours(writer, buffer, err) : rc;
}

static bool part_seal(const struct part *part, const uint8_t key[KEY_SIZE], unsigned first,
                      const uint8_t header[SEGMENT_HEADER_SIZE])
{
    struct sealer *sealer = sealer_new(key);
    uint8_t *p = part->bytes;
    bool good = sealer != NULL;
    for (unsigned i = 0; good && i < part->n; i++) {
        size_t n = part->slots[i].stored;
        good = sealer_seal(sealer, first + i, header, SEGMENT_HEADER_SIZE, p, n, p + n);
        p += n + TAG_SIZE;
    }
    sealer_free(sealer);
    return good;
}

/* Header, bitmap and sealed table of the buffer, and all slots sealed in place. */
static int buffer_seal(struct segment_writer *writer, struct buffer *buffer, size_t *prefix_len,
                       struct ds_error *err)
{
    const struct segment_space *space = writer->space;
    struct segment_head head = { .name = writer->name, .epoch = space->keys.epoch,
                                 .n_maps = buffer->maps.n, .n_blocks = buffer->blocks.n };
    unsigned n = buffer->maps.n + buffer->blocks.n;
    size_t bitmap = (n + 7) / 8, rows = (size_t)n * SLOT_ROW_SIZE;
    size_t len = SEGMENT_HEADER_SIZE + bitmap + rows + TAG_SIZE;
    uint8_t random[SALT_SIZE], data_key[KEY_SIZE], map_key[KEY_SIZE];
    if (len > buffer->prefix_cap) {
        free(buffer->prefix);
        buffer->prefix = malloc(len);
        buffer->prefix_cap = buffer->prefix ? len : 0;
        if (!buffer->prefix)
            return ds_fail(err, DS_ENOMEM, "no memory to close a segment");
    }
    uint8_t *table = buffer->prefix + SEGMENT_HEADER_SIZE + bitmap, *row = table;
    for (unsigned i = 0; i < buffer->maps.n; i++, row += SLOT_ROW_SIZE)
        slot_write(row, &buffer->maps.slots[i]);
    for (unsigned i = 0; i < buffer->blocks.n; i++, row += SLOT_ROW_SIZE)
        slot_write(row, &buffer->blocks.slots[i]);
    memset(buffer->prefix + SEGMENT_HEADER_SIZE, 0, bitmap);
    for (unsigned i = 0; i < n; i++)
        buffer->prefix[SEGMENT_HEADER_SIZE + i / 8] |= (uint8_t)(1u << i % 8);
    memcpy(head.node, space->node, UUID_SIZE);
    int rc = os_random(random, sizeof random, err);
    if (rc)
        return rc;
    segment_header_write(buffer->prefix, &head, space->repository);
    struct segment_content content = { buffer->prefix, table, rows,
                                       { buffer->maps.bytes, buffer->maps.len },
                                       { buffer->blocks.bytes, buffer->blocks.len } };
    bool good = segment_salt(head.salt, space, random, &content) &&
                segment_keys(data_key, map_key, &space->keys, head.salt);
    segment_header_write(buffer->prefix, &head, space->repository);
    struct sealer *sealer = good ? sealer_new(map_key) : NULL;
    good = sealer && sealer_seal(sealer, TABLE_NONCE, buffer->prefix, SEGMENT_HEADER_SIZE, table,
                                 rows, table + rows);
    sealer_free(sealer);
    good = good && part_seal(&buffer->maps, map_key, SLOT_MAP, buffer->prefix) &&
           part_seal(&buffer->blocks, data_key, 0, buffer->prefix);
    wipe(data_key, sizeof data_key);
    wipe(map_key, sizeof map_key);
    *prefix_len = len;
    return good ? DS_OK : ds_fail(err, DS_ENOMEM, "libcrypto could not seal a segment");
}

/* Seals the open segment, starts its put and opens the next. */
static int segment_close(struct segment_writer *writer, struct ds_error *err)
{
    struct buffer *buffer = writer->open;
    size_t prefix = 0;
    if (buffer_empty(buffer))
        return DS_OK;
    int rc = buffer_seal(writer, buffer, &prefix, err);
    if (rc)
        return rc;
    segment_key(buffer->put.key, writer->space->node, &writer->name);
    buffer->put.parts[0] = (struct ds_iovec){ buffer->prefix, prefix };
    buffer->put.parts[1] = (struct ds_iovec){ buffer->maps.bytes, buffer->maps.len };
    buffer->put.parts[2] = (struct ds_iovec){ buffer->blocks.bytes, buffer->blocks.len };
    buffer->put.flags = DS_STORE_IF_ABSENT;
    rc = objects_put_start(writer->space->objects, &buffer->put, err);
    if (rc)
        return rc;
    buffer->under_way = true;
    writer->bytes += prefix + buffer->maps.len + buffer->blocks.len;
    writer->name.index++;
    size_t next = (size_t)(buffer - writer->buffers + 1) % writer->n_buffers;
    writer->open = &writer->buffers[next];
    return buffer_wait(writer, writer->open, err);
}

int segment_writer_add(struct segment_writer *writer, const struct slot *slot, const void *data,
                       struct segment_name *name, uint16_t *number, struct ds_error *err)
{
    int rc = writer_check(writer, err);
    if (rc)
        return rc;
    struct buffer *open = writer->open;
    bool map = slot->type != SLOT_BLOCK;
    /* A leaf takes room for its ids too: they follow it in the same segment. */
    unsigned ids = slot->type == SLOT_LEAF;
    bool full = map ? open->maps.len + slot->stored + ids * IDS_ROOM > writer->maps_max ||
                          open->maps.n + ids >= SEGMENT_MAP_SLOTS_MAX
                    : open->block_bytes + slot->stored > SEGMENT_DATA_MAX ||
                          open->blocks.n >= SEGMENT_SLOTS_MAX;
    if (full) {
        rc = writer_result(writer, segment_close(writer, err), err);
        if (rc)
            return rc;
        open = writer->open;
    }
    struct part *part = map ? &open->maps : &open->blocks;
    *name = writer->name;
    *number = (uint16_t)(part->n | (map ? SLOT_MAP : 0));
    if (!part_add(part, slot, data, map ? MAPS_ROOM : SEGMENT_BLOCKS_ROOM))
        return writer_result(writer, ds_fail(err, DS_ENOMEM, "no memory for a segment"), err);
    if (!map)
        open->block_bytes += slot->stored;
    return DS_OK;
}

int segment_writer_add_map(struct segment_writer *writer, struct hasher *hasher,
                           enum slot_type type, uint16_t disk, uint64_t page, const void *plain,
                           size_t len, uint8_t id[ID_SIZE], struct segment_name *name,
                           uint16_t *number, struct ds_error *err)
{
    struct slot slot = { .type = (uint8_t)type, .disk = disk, .number = page,
                         .stored = (uint32_t)len, .codec = CODEC_RAW };
    const void *bytes = plain;
    dynbuf_reset(&writer->packed);
    void *room = dynbuf_room(&writer->packed, ZSTD_compressBound(len));
    if (!room || !hasher_id(hasher, plain, len, slot.id))
        return ds_fail(err, DS_ENOMEM, "no memory for a map page");
    size_t packed = type == SLOT_IDS ? len /* random bytes */
                                     : ZSTD_compressCCtx(writer->zstd, room,
                                                         ZSTD_compressBound(len), plain, len, 3);
    if (!ZSTD_isError(packed) && packed < len) {
        slot.codec = CODEC_ZSTD;
        slot.stored = (uint32_t)packed;
        bytes = room;
    }
    memcpy(id, slot.id, ID_SIZE);
    return segment_writer_add(writer, &slot, bytes, name, number, err);
}

int segment_writer_flush(struct segment_writer *writer, struct ds_error *err)
{
    int rc = writer_check(writer, err);
    if (!rc)
        rc = segment_close(writer, err);
    for (unsigned i = 0; i < SEGMENT_BUFFERS; i++) {
        int waited = buffer_wait(writer, &writer->buffers[i], rc ? NULL : err);
        if (!rc)
            rc = waited;
    }
    return writer_result(writer, rc, err);
}

uint32_t segment_writer_count(const struct segment_writer *writer)
{
    return writer->name.index + !buffer_empty(writer->open);
}

uint64_t segment_writer_bytes(const struct segment_writer *writer)
{
    return writer->bytes;
}
