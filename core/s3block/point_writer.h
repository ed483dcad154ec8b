/* SPDX-License-Identifier: Apache-2.0 */
/* point_writer.h - makes one point: disks one after another, leaves in ascending order, blocks
 * prepared by any number of threads and placed by one. What is committed is a root; a checkpoint
 * is one too, so that an interrupted sync loses little. */
#ifndef CORE_S3BLOCK_POINT_WRITER_H
#define CORE_S3BLOCK_POINT_WRITER_H

#include "core/s3block/root.h"

/* ---- blocks that attempts without end have stored ---- */

struct attempt { /* names the segments of one sync that may not have been committed */
    uint64_t seq, tag;
};
/* What they hold, by disk, number and id; immutable, so that any thread may look. At most
 * SALVAGE_MAX blocks are remembered. */
struct salvage;
#define SALVAGE_MAX (UINT32_C(1) << 20)
#define SALVAGE_BLOCK 40u /* bytes of memory for each */
/* max: no more blocks than that, up to SALVAGE_MAX. */
int salvage_load(struct salvage **salvage, const struct segment_space *space,
                 const struct attempt *attempts, unsigned n, uint32_t max, struct ds_error *err);
void salvage_free(struct salvage *salvage);
uint32_t salvage_count(const struct salvage *salvage);
bool salvage_find(const struct salvage *salvage, uint16_t disk, uint64_t number,
                  const uint8_t id[ID_SIZE], struct segment_name *segment, uint16_t *slot);

/* ---- preparing blocks: one preparer a thread ---- */

struct prepared {
    uint8_t state;  /* enum block_state */
    bool same;      /* equals the base's block: nothing to place */
    uint8_t codec;
    uint32_t stored;
    const uint8_t *data; /* stored bytes; the caller's buffer */
    uint8_t id[ID_SIZE];
    bool salvaged;       /* stored already, by an attempt that did not end: here */
    struct segment_name segment;
    uint16_t slot;
};
struct preparer;
struct preparer *preparer_new(const struct segment_space *space, int level);
void preparer_free(struct preparer *preparer);
/* Memory that one takes for blocks of that size; 0 if it can't be told. */
size_t preparer_memory(int level, uint32_t block_size);
/* Room that `out` must have for a block. */
size_t preparer_room(uint32_t block_size);
/* What is known of the block before it was read. */
struct block_before {
    uint16_t disk;
    uint64_t number;
    const uint8_t *id; /* of the base's DATA block, or NULL */
    bool zero;         /* the base's block is ZERO */
    const struct salvage *salvage; /* or NULL */
};
int preparer_block(struct preparer *preparer, const void *plain, uint32_t len,
                   const struct block_before *before, uint8_t *out, struct prepared *prepared,
                   struct ds_error *err);

/* ---- the point: one thread ---- */

struct point_writer;
/* Told of a page of the base that can't be read: blocks [first, first + count) of the draft's disk
 * become UNKNOWN. True: this was known, and none of them is believed to be what it was. */
typedef bool point_damaged_fn(void *ud, uint32_t disk, uint64_t first, uint64_t count,
                              const struct ds_error *why);
/* base NULL: the node's first point. base_hash: of the base's object. The base must outlive the
 * writer. */
int point_writer_new(struct point_writer **writer, const struct segment_space *space,
                     const struct root *base, const uint8_t base_hash[HASH_SIZE],
                     point_damaged_fn *damaged, void *ud,
                     struct ds_error *err);
/* How much memory it may take beside the blocks that it is given; before the first disk begins.
 * Without this: SEGMENT_BUFFERS, SEGMENT_MAPS_MAX, POINT_CACHE_MAX. */
#define POINT_CACHE_MAX ((size_t)16 << 20)
struct point_bounds {
    struct segment_bounds segments;
    size_t cache; /* heads of the base's segments */
};
void point_writer_bound(struct point_writer *writer, const struct point_bounds *bounds);
/* Waits for what is under way; what was not committed stays behind for collect. */
void point_writer_free(struct point_writer *writer);
/* The draft: the caller sets everything but seq, previous, previous_hash and tag, and allocates
 * disks (shape, number, identity...) before the first begins. */
struct root *point_writer_root(struct point_writer *writer);
uint64_t point_writer_tag(const struct point_writer *writer);

/* Disk i of the draft, in order. base: its record in the base root, or NULL. */
int point_writer_disk_begin(struct point_writer *writer, uint32_t i, const struct root_disk *base,
                            struct ds_error *err);
/* What the base knows: see map_reader_known. May run ahead of the leaf that is being placed. */
int point_writer_known(struct point_writer *writer, uint64_t leaf, uint64_t known[2],
                       uint64_t *span, struct ds_error *err);
/* The leaf as the base has it, with ids, and as long as the disk now is. May run ahead. */
int point_writer_peek(struct point_writer *writer, uint64_t index, struct leaf *leaf,
                      struct ds_error *err);
/* Placing starts from `base`, which peek gave. Leaves in ascending order. */
void point_writer_leaf_begin(struct point_writer *writer, uint64_t index, const struct leaf *base);
/* Places block i of the leaf. */
int point_writer_block(struct point_writer *writer, unsigned i, const struct prepared *prepared,
                       struct ds_error *err);
int point_writer_leaf_end(struct point_writer *writer, struct ds_error *err);
int point_writer_disk_end(struct point_writer *writer, struct ds_error *err);

/* True if inner pages of the base could not be read. Used blocks below them may be UNKNOWN in the
 * draft, since they were taken for known before the page was needed: it is no point, but a
 * checkpoint of it tells the next one what to read. */
bool point_writer_lost_pages(const struct point_writer *writer);

/* Between leaves. Commits what is there as a partial root, the base of whatever comes next. */
int point_writer_checkpoint(struct point_writer *writer, struct ds_error *err);
/* DS_ECONFLICT: another writer committed this number first. hash: of the root. */
int point_writer_commit(struct point_writer *writer, uint8_t hash[HASH_SIZE],
                        struct ds_error *err);
/* So far: objects put by this writer (roots too), and their bytes. */
void point_writer_stored(const struct point_writer *writer, uint64_t *objects, uint64_t *bytes);

#endif
