/* SPDX-License-Identifier: Apache-2.0 */
/* segment.h - segments: the objects that hold blocks and map pages. Format: docs/s3block.md,
 * "Segments". A segment is written once, by segment_writer, and read through segment_cache, which
 * checks everything before it is believed. */
#ifndef CORE_S3BLOCK_SEGMENT_H
#define CORE_S3BLOCK_SEGMENT_H

#include "core/s3block/keys.h"
#include "core/s3block/objects.h"

#define SEGMENT_DATA_MAX ((size_t)16 << 20) /* stored block bytes, when it closes */
#define SEGMENT_SLOTS_MAX 2048u             /* block slots, when it closes */
#define SEGMENT_MAPS_MAX ((size_t)12 << 20) /* stored map bytes, when it closes */
#define SEGMENT_MAP_SLOTS_MAX 32000u
#define SEGMENT_OBJECT_MAX ((size_t)48 << 20)
#define SLOT_MAP 0x8000u                    /* slot numbers of map pages have this bit */
#define BLOCK_SIZE_MIN (16u << 10)
#define BLOCK_SIZE_MAX (1u << 20)

struct segment_name {
    uint64_t seq, tag;
    uint32_t index;
};
static inline bool segment_name_equal(const struct segment_name *a, const struct segment_name *b)
{
    return a->seq == b->seq && a->tag == b->tag && a->index == b->index;
}
void segment_key(char out[OBJECT_KEY_MAX + 1], const uint8_t node[UUID_SIZE],
                 const struct segment_name *name);
/* Parses a key under the node's prefix; false if it is not a segment's. */
bool segment_key_parse(struct segment_name *name, const char *key);

enum slot_type { SLOT_BLOCK = 1, SLOT_LEAF = 2, SLOT_IDS = 3, SLOT_INNER = 4 };
enum slot_codec { CODEC_RAW = 0, CODEC_ZSTD = 1 };

struct slot { /* a row of the table */
    uint8_t type, codec;
    uint16_t disk;
    uint32_t stored; /* bytes after compression; sealed ones have TAG_SIZE more */
    uint64_t number; /* SLOT_BLOCK: of the block; map pages: level << 56 | index */
    uint8_t id[ID_SIZE];
};

/* What names a repository's node and how its objects are sealed; constant while in use. */
struct segment_space {
    struct objects *objects;
    uint8_t repository[UUID_SIZE], node[UUID_SIZE];
    struct keyring ring;
    struct node_keys keys; /* of the epoch to write with */
    uint32_t id_algorithm;
};

/* ---- writing: one thread. A failure is final: each later call returns it again ---- */

struct segment_writer;
struct segment_writer *segment_writer_new(const struct segment_space *space, uint64_t seq,
                                          uint64_t tag);
/* How much memory one may take; set before the first slot is added. */
#define SEGMENT_BUFFERS 3u /* the open segment and those that are being put */
#define SEGMENT_BLOCKS_ROOM (SEGMENT_DATA_MAX + BLOCK_SIZE_MAX + SEGMENT_SLOTS_MAX * TAG_SIZE)
struct segment_bounds {
    unsigned buffers; /* 2 to SEGMENT_BUFFERS */
    size_t maps_max;  /* a segment closes at so many stored map bytes; at most SEGMENT_MAPS_MAX */
};
void segment_writer_bound(struct segment_writer *writer, const struct segment_bounds *bounds);
/* Waits for what is under way; accepts NULL. */
void segment_writer_free(struct segment_writer *writer);
/* Adds a slot to the open segment (a block that does not fit closes it first) and tells where it
 * is. data is copied. */
int segment_writer_add(struct segment_writer *writer, const struct slot *slot, const void *data,
                       struct segment_name *name, uint16_t *number, struct ds_error *err);
/* Compresses where it pays, computes the id and adds a map page. */
int segment_writer_add_map(struct segment_writer *writer, struct hasher *hasher,
                           enum slot_type type, uint16_t disk, uint64_t page, const void *plain,
                           size_t len, uint8_t id[ID_SIZE], struct segment_name *name,
                           uint16_t *number, struct ds_error *err);
/* Closes the open segment and waits until all are durable. */
int segment_writer_flush(struct segment_writer *writer, struct ds_error *err);
uint32_t segment_writer_count(const struct segment_writer *writer); /* segments so far */
uint64_t segment_writer_bytes(const struct segment_writer *writer); /* of closed segments */

/* ---- reading: any thread ---- */

struct segment { /* the checked head of one; immutable */
    struct segment_name name;
    uint32_t epoch, n_maps, n_blocks;
    struct slot *slots;    /* maps, then blocks */
    uint64_t *offsets;     /* of the sealed bytes in the object; UINT64_MAX = cut out */
    uint64_t object_bytes; /* of the whole object */
    uint8_t data_key[KEY_SIZE], map_key[KEY_SIZE];
    uint8_t *head;         /* the first bytes of the object */
    size_t head_len;
    /* the cache's own */
    unsigned users;
    bool orphan;           /* not in the cache any more */
    uint64_t last_use;
    struct segment *next;
};

struct segment_cache;
struct segment_cache *segment_cache_new(const struct segment_space *space, size_t max_bytes);
void segment_cache_free(struct segment_cache *cache);
void segment_cache_bound(struct segment_cache *cache, size_t max_bytes); /* before its first use */
/* Until segment_put. DS_EDAMAGED, DS_EFORMAT: the message names the object and the field. */
int segment_get(struct segment_cache *cache, const struct segment_name *name,
                const struct segment **segment, struct ds_error *err);
void segment_put(struct segment_cache *cache, const struct segment *segment);
/* Row of a slot number, or NULL. *offset: see segment.offsets. */
const struct slot *segment_slot(const struct segment *segment, uint16_t number, uint64_t *offset);

/* Reads `count` consecutive slots that are all present and hands each, opened and decompressed, to
 * fn in order; the bytes are valid during the call. max_plain bounds the decompressed size. */
typedef int segment_slot_fn(void *ud, unsigned i, const struct slot *slot, void *plain, size_t len,
                            struct ds_error *err);
struct segment_reader; /* scratch of one thread */
struct segment_reader *segment_reader_new(struct segment_cache *cache, size_t max_plain);
void segment_reader_free(struct segment_reader *reader);
int segment_read(struct segment_reader *reader, const struct segment *segment, uint16_t first,
                 unsigned count, segment_slot_fn *fn, void *ud, struct ds_error *err);
/* Sealed bytes of consecutive slots that one read takes at most; more are read in steps. */
#define SEGMENT_READ_MAX ((size_t)2 << 20)

/* ---- the clear parts, for collect ---- */

#define SEGMENT_HEADER_SIZE 112u
struct segment_head {
    struct segment_name name;
    uint8_t node[UUID_SIZE];
    uint32_t epoch, n_maps, n_blocks;
    uint8_t salt[SALT_SIZE];
};
/* Parses header and tells the sizes of bitmap and sealed table. */
int segment_head_parse(struct segment_head *head, size_t *bitmap_len, size_t *table_len,
                       const void *object, size_t n, const char *key, struct ds_error *err);

#endif
