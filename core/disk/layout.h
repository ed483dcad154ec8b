/* SPDX-License-Identifier: Apache-2.0 */
/* layout.h - what layout.c, layout_gpt.c and layout_mbr.c share while one partition table is read.
 * The parsers add whatever the table claims; layout.c alone decides what of it can be believed. */
#ifndef CORE_DISK_LAYOUT_H
#define CORE_DISK_LAYOUT_H

#include "core/disk/disk.h"

#define LAYOUT_RESERVED UINT32_MAX /* number of an extent that holds a table, not a partition */

struct layout_builder {
    struct disk_layout *layout;
    const struct ds_reader *reader;
    struct disk_partition *items; /* as claimed, in any order; tables among them as reserved */
    size_t n, cap;
};

enum layout_mbr {
    LAYOUT_MBR_NONE = 0,  /* no signature, or entries that no table has */
    LAYOUT_MBR_EMPTY,     /* a table without entries */
    LAYOUT_MBR_DOUBTFUL,  /* entries that do not fit the disk or each other */
    LAYOUT_MBR_SOUND,
    LAYOUT_MBR_PROTECTIVE /* sound, and one entry stands for a GPT */
};

/* Reads within the disk; the caller has checked that. */
int layout_pread(const struct layout_builder *b, void *data, size_t n, uint64_t offset,
                 struct ds_error *err);
/* `damaged`, with the first reason. */
DS_PRINTF(2, 3) void layout_damage(struct disk_layout *layout, const char *fmt, ...);
/* Adds `count` sectors of `sector` bytes from `first`. An item beyond the disk is damage and left
 * out. Returns the item, for type and names, or NULL; DS_ENOMEM is kept in *rc. */
struct disk_partition *layout_add(struct layout_builder *b, unsigned number, uint32_t sector,
                                  uint64_t first, uint64_t count, int *rc);

/* GPT in any sector size, primary then backup. *found: a whole copy was read. Else the layout says
 * why not, and *any tells whether there was a signature at all. */
int layout_gpt_read(struct layout_builder *b, bool *found, bool *any, struct ds_error *err);

/* What the sector says by itself. */
enum layout_mbr layout_mbr_judge(const uint8_t mbr[512], uint64_t bytes);
/* The table in `mbr` and the chain of logical partitions, counted in b->layout->sector. */
int layout_mbr_read(struct layout_builder *b, const uint8_t mbr[512], struct ds_error *err);

#endif
