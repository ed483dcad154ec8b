/* SPDX-License-Identifier: Apache-2.0 */
/* layout.c - reads a disk's partition table: decides between GPT, MBR and a file system without a
 * table, and keeps of the entries those that can be believed.
 *
 * Who reads a layout may leave out what a partition's file system calls free. So in doubt there is
 * no partition: entries beyond the disk, over a table or over each other are dropped, all that
 * take part, and their bytes are plain bytes of the disk. No state: any thread. */
#include "core/disk/layout.h"

#include "core/base/bytes.h"
#include "core/base/text.h"

#include <stdlib.h>

int layout_pread(const struct layout_builder *b, void *data, size_t n, uint64_t offset,
                 struct ds_error *err)
{
    return b->reader->pread(b->reader->ctx, data, n, offset, err);
}

void layout_damage(struct disk_layout *layout, const char *fmt, ...)
{
    va_list ap;
    if (layout->damaged)
        return;
    layout->damaged = true;
    va_start(ap, fmt);
    vsnprintf(layout->note, sizeof layout->note, fmt, ap);
    va_end(ap);
}

struct disk_partition *layout_add(struct layout_builder *b, unsigned number, uint32_t sector,
                                  uint64_t first, uint64_t count, int *rc)
{
    uint64_t offset, length, end;
    *rc = DS_OK;
    if (!mul_u64(first, sector, &offset) || !mul_u64(count, sector, &length) ||
        !add_u64(offset, length, &end) || end > b->reader->bytes) {
        if (number != LAYOUT_RESERVED)
            layout_damage(b->layout, "partition %u ends beyond the end of the disk", number);
        return NULL;
    }
    if (b->n == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 16;
        struct disk_partition *items = realloc(b->items, cap * sizeof *items);
        if (!items) {
            *rc = DS_ENOMEM;
            return NULL;
        }
        b->items = items;
        b->cap = cap;
    }
    struct disk_partition *item = &b->items[b->n++];
    memset(item, 0, sizeof *item);
    item->number = number;
    item->extent = (struct ds_extent){ offset, length };
    return item;
}

static int compare_items(const void *a, const void *b)
{
    const struct disk_partition *x = a, *y = b;
    if (x->extent.offset != y->extent.offset)
        return x->extent.offset < y->extent.offset ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static void damage_overlap(struct disk_layout *layout, const struct disk_partition *x,
                           const struct disk_partition *y)
{
    bool reserved = x->number == LAYOUT_RESERVED;
    if (reserved || y->number == LAYOUT_RESERVED)
        layout_damage(layout, "partition %u lies over the partition table",
                      reserved ? y->number : x->number);
    else
        layout_damage(layout, "partitions %u and %u overlap",
                      x->number < y->number ? x->number : y->number,
                      x->number < y->number ? y->number : x->number);
}

/* Sorts, and takes out tables and everything that overlaps: an item that begins before the
 * furthest end so far overlaps the one that ends there. */
static void keep_disjoint(struct layout_builder *b, bool *drop)
{
    size_t last = 0, kept = 0;
    qsort(b->items, b->n, sizeof *b->items, compare_items);
    for (size_t i = 0; i < b->n; i++) {
        const struct ds_extent *e = &b->items[i].extent, *l = &b->items[last].extent;
        bool tables = b->items[i].number == LAYOUT_RESERVED &&
                      b->items[last].number == LAYOUT_RESERVED;
        if (i && e->offset < l->offset + l->length && !tables) {
            damage_overlap(b->layout, &b->items[last], &b->items[i]);
            drop[i] = drop[last] = true;
        }
        if (e->offset + e->length > l->offset + l->length)
            last = i;
    }
    for (size_t i = 0; i < b->n; i++)
        if (!drop[i] && b->items[i].number != LAYOUT_RESERVED)
            b->items[kept++] = b->items[i];
    b->n = kept;
}

/* A partition as a reader of its own, for the file system probes. */
struct part_reader {
    const struct ds_reader *disk;
    uint64_t offset;
};

static int part_pread(void *ctx, void *data, size_t n, uint64_t offset, struct ds_error *err)
{
    struct part_reader *part = ctx;
    return part->disk->pread(part->disk->ctx, data, n, part->offset + offset, err);
}

static void name_file_system(const struct ds_reader *disk, struct disk_partition *p)
{
    struct part_reader part = { disk, p->extent.offset };
    struct ds_reader reader = { sizeof reader, disk->sector, p->extent.length, &part, part_pread };
    disk_fs_name(&reader, p->fs, p->label);
}

/* Moves what the builder holds into the layout. */
static int finish(struct layout_builder *b)
{
    if (b->n == 0)
        return DS_OK;
    bool *drop = calloc(b->n, sizeof *drop);
    if (!drop)
        return DS_ENOMEM;
    keep_disjoint(b, drop);
    free(drop);
    for (size_t i = 0; i < b->n; i++)
        if (!b->items[i].fs[0])
            name_file_system(b->reader, &b->items[i]);
    b->layout->partitions = b->items;
    b->layout->n_partitions = b->n;
    b->items = NULL;
    return DS_OK;
}

/* How many partitions begin with a file system that we know, if sectors had this size. */
static int count_known(const struct ds_reader *reader, const uint8_t mbr[512], uint32_t sector,
                       unsigned *known, struct ds_error *err)
{
    struct disk_layout layout = { .table = DISK_TABLE_MBR, .sector = sector };
    struct layout_builder b = { &layout, reader, NULL, 0, 0 };
    int rc = layout_mbr_read(&b, mbr, err);
    if (!rc)
        rc = finish(&b);
    *known = 0;
    for (size_t i = 0; i < layout.n_partitions; i++)
        *known += layout.partitions[i].fs[0] != 0;
    free(b.items);
    disk_layout_free(&layout);
    return rc;
}

/* An MBR does not tell the size of its sectors: 512 unless only 4096 makes sense. */
static int mbr_sector(const struct ds_reader *reader, const uint8_t mbr[512], uint32_t *sector,
                      struct ds_error *err)
{
    unsigned small, large;
    *sector = reader->sector ? reader->sector : 512;
    if (reader->sector || reader->bytes % 4096)
        return DS_OK;
    int rc = count_known(reader, mbr, 512, &small, err);
    if (!rc && small == 0)
        rc = count_known(reader, mbr, 4096, &large, err);
    else
        large = 0;
    if (!rc && large)
        *sector = 4096;
    return rc;
}

static int read_mbr(struct layout_builder *b, const uint8_t mbr[512], struct ds_error *err)
{
    uint32_t signature = get_le32(mbr + 440);
    b->layout->table = DISK_TABLE_MBR;
    if (signature)
        snprintf(b->layout->id, sizeof b->layout->id, "mbr:%08x", (unsigned)signature);
    int rc = mbr_sector(b->reader, mbr, &b->layout->sector, err);
    return rc ? rc : layout_mbr_read(b, mbr, err);
}

/* A protective MBR stands before a GPT. If there is none, and the MBR has partitions of its own,
 * those are what systems see. */
static int read_gpt(struct layout_builder *b, const uint8_t mbr[512], struct ds_error *err)
{
    bool found, any;
    int rc = layout_gpt_read(b, &found, &any, err);
    if (rc || found)
        return rc;
    b->n = 0;
    if (!any) {
        for (size_t i = 0; i < 4; i++) {
            uint8_t type = mbr[446 + 16 * i + 4];
            if (type && type != 0xee)
                return read_mbr(b, mbr, err);
        }
    }
    b->layout->table = DISK_TABLE_GPT;
    layout_damage(b->layout, "a protective MBR is there, but no whole copy of the GPT");
    return DS_OK;
}

/* A disk without a table: one file system, or nothing that is known. */
static int read_bare(struct layout_builder *b, const char *fs, const char *label)
{
    int rc = DS_OK;
    if (!fs[0])
        return DS_OK;
    struct disk_partition *p = layout_add(b, 0, 1, 0, b->reader->bytes, &rc);
    if (p) {
        text_copy(p->fs, sizeof p->fs, fs);
        text_copy(p->label, sizeof p->label, label);
    }
    return rc;
}

int disk_layout_read(struct disk_layout *layout, const struct ds_reader *reader,
                     struct ds_error *err)
{
    struct layout_builder b = { layout, reader, NULL, 0, 0 };
    uint8_t mbr[512];
    char fs[16], label[64];
    memset(layout, 0, sizeof *layout);
    if (reader->bytes < sizeof mbr)
        return DS_OK;
    int rc = layout_pread(&b, mbr, sizeof mbr, 0, err);
    if (rc)
        return rc;
    enum layout_mbr verdict = layout_mbr_judge(mbr, reader->bytes);
    if (verdict == LAYOUT_MBR_PROTECTIVE) {
        rc = read_gpt(&b, mbr, err);
    } else if (verdict == LAYOUT_MBR_SOUND) {
        rc = read_mbr(&b, mbr, err);
    } else {
        /* A file system's boot sector ends in 55 AA as well, with code where entries would be. */
        disk_fs_name(reader, fs, label);
        bool table = !fs[0] && (verdict == LAYOUT_MBR_DOUBTFUL ||
                                (verdict == LAYOUT_MBR_EMPTY && get_le32(mbr + 440)));
        rc = table ? read_mbr(&b, mbr, err) : read_bare(&b, fs, label);
    }
    if (!rc)
        rc = finish(&b);
    free(b.items);
    return rc == DS_ENOMEM ? ds_fail(err, rc, "no memory to read the partition table") : rc;
}

void disk_layout_free(struct disk_layout *layout)
{
    free(layout->partitions);
    layout->partitions = NULL;
    layout->n_partitions = 0;
}
