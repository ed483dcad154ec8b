/* SPDX-License-Identifier: Apache-2.0 */
/* ntfs-image.c - small NTFS volumes in memory. Written from the format's public descriptions, not
 * from the parser: the two share no code, so that one checks the other. */
#include "ntfs-image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_PAGE 4096u
#define LOG_DATA 64u
#define SEQUENCE_BITS 43u

static void put(uint8_t *p, uint64_t v, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "ntfs-image: %s\n", what);
        abort();
    }
}

static void image_seal_later(struct ntfs_image *img, size_t at, size_t size)
{
    size_t i;

    for (i = 0; i < img->seals; i++)
        if (img->seal[i] == at)
            return;
    must(img->seals < NTFS_IMAGE_SEALS, "too many pages to seal");
    img->seal[img->seals] = at;
    img->seal_size[img->seals++] = size;
}

static uint8_t image_power(uint32_t bytes)
{
    uint8_t n = 0;

    while (bytes > 1) {
        bytes >>= 1;
        n++;
    }
    return (uint8_t)(256 - n);
}

static void image_boot(struct ntfs_image *img)
{
    uint8_t *b = img->bytes;
    uint32_t sectors = img->cluster / img->sector;

    memcpy(b, "\xeb\x52\x90NTFS    ", 11);
    put(b + 0x0b, img->sector, 2);
    b[0x0d] = sectors <= 128 ? (uint8_t)sectors : image_power(sectors);
    b[0x15] = 0xf8;
    put(b + 0x28, img->clusters * sectors, 8);
    put(b + 0x30, img->mft, 8);
    put(b + 0x38, img->mirror, 8);
    b[0x40] = img->record >= img->cluster ? (uint8_t)(img->record / img->cluster)
                                          : image_power(img->record);
    b[0x44] = img->cluster <= 4096 ? (uint8_t)(4096 / img->cluster) : image_power(4096);
    put(b + 0x48, 0x0123456789abcdef, 8);
    put(b + 510, 0xaa55, 2);
    memcpy(b + img->size - img->sector, b, img->sector < 512 ? img->sector : 512);
}

uint8_t *ntfs_image_record(struct ntfs_image *img, uint64_t n)
{
    return img->bytes + img->mft * img->cluster + n * img->record;
}

void ntfs_image_start(struct ntfs_image *img, uint64_t n, bool directory, uint64_t base)
{
    uint8_t *r = ntfs_image_record(img, n);
    uint32_t attrs = (0x30 + 2 * (img->record / 512 + 1) + 7) & ~7u;

    memset(r, 0, img->record);
    memcpy(r, "FILE", 4);
    put(r + 4, 0x30, 2);
    put(r + 6, img->record / 512 + 1, 2);
    put(r + 16, 1, 2);
    put(r + 18, 1, 2);
    put(r + 20, attrs, 2);
    put(r + 22, directory ? 3 : 1, 2);
    put(r + 24, attrs + 8, 4);
    put(r + 28, img->record, 4);
    put(r + 32, base ? base | (uint64_t)1 << 48 : 0, 8);
    put(r + 44, n, 4);
    put(r + attrs, 0xffffffff, 4);
}

/* Room for an attribute of `size` bytes (with its header and name) at the end of record n. */
static uint8_t *image_attr(struct ntfs_image *img, uint64_t n, uint32_t type, size_t size)
{
    uint8_t *r = ntfs_image_record(img, n), *a;
    size_t used = (size_t)get(r + 24, 4);

    size = (size + 7) & ~(size_t)7;
    must(used + size <= img->record, "a record is full");
    a = r + used - 8;
    memset(a, 0, size);
    put(a, type, 4);
    put(a + 4, size, 4);
    put(a + 14, get(r + 40, 2), 2);
    put(r + 40, get(r + 40, 2) + 1, 2);
    put(a + size, 0xffffffff, 4);
    put(r + 24, used + size, 4);
    return a;
}

static void image_attr_name(uint8_t *a, size_t at, const char *name)
{
    size_t i;

    a[9] = (uint8_t)strlen(name);
    put(a + 10, at, 2);
    for (i = 0; name[i]; i++)
        put(a + at + 2 * i, (uint8_t)name[i], 2);
}

void ntfs_image_value(struct ntfs_image *img, uint64_t n, uint32_t type, const char *name,
                      const void *value, size_t size)
{
    size_t at = (24 + 2 * strlen(name) + 7) & ~(size_t)7;
    uint8_t *a = image_attr(img, n, type, at + size);

    image_attr_name(a, 24, name);
    put(a + 16, size, 4);
    put(a + 20, at, 2);
    memcpy(a + at, value, size);
}

static unsigned image_width(int64_t v, bool is_signed)
{
    unsigned n = 1;

    while (n < 8 && (is_signed ? v < -((int64_t)1 << (8 * n - 1)) || v >= (int64_t)1 << (8 * n - 1)
                               : (uint64_t)v >> (8 * n) != 0))
        n++;
    return n;
}

size_t ntfs_image_pairs(uint8_t *out, const struct ntfs_image_run *run, size_t runs)
{
    int64_t last = 0;
    size_t i, at = 0;

    for (i = 0; i < runs; i++) {
        unsigned length = image_width((int64_t)run[i].count, false);
        unsigned offset = run[i].lcn < 0 ? 0 : image_width(run[i].lcn - last, true);
        out[at++] = (uint8_t)(length | offset << 4);
        put(out + at, run[i].count, length);
        at += length;
        if (run[i].lcn >= 0) {
            put(out + at, (uint64_t)(run[i].lcn - last), offset);
            last = run[i].lcn;
        }
        at += offset;
    }
    out[at++] = 0;
    return at;
}

void ntfs_image_runs(struct ntfs_image *img, uint64_t n, uint32_t type, const char *name,
                     uint64_t lowest_vcn, const struct ntfs_image_run *run, size_t runs,
                     uint64_t size)
{
    size_t i, at = (64 + 2 * strlen(name) + 7) & ~(size_t)7, length;
    uint8_t *pairs = malloc(17 * runs + 1), *a;
    uint64_t vcns = 0;

    must(pairs != NULL, "no memory");
    length = ntfs_image_pairs(pairs, run, runs);
    a = image_attr(img, n, type, at + length);
    for (i = 0; i < runs; i++)
        vcns += run[i].count;
    a[8] = 1;
    image_attr_name(a, 64, name);
    put(a + 16, lowest_vcn, 8);
    put(a + 24, lowest_vcn + vcns - 1, 8);
    put(a + 32, at, 2);
    put(a + 40, vcns * img->cluster, 8);
    put(a + 48, size, 8);
    put(a + 56, size, 8);
    memcpy(a + at, pairs, length);
    free(pairs);
}

static size_t image_name(uint8_t *out, uint64_t parent, const char *name)
{
    size_t i, n = strlen(name);

    memset(out, 0, 66 + 2 * n);
    put(out, parent | (uint64_t)1 << 48, 8);
    out[64] = (uint8_t)n;
    out[65] = 3;
    for (i = 0; i < n; i++)
        put(out + 66 + 2 * i, (uint8_t)name[i], 2);
    return 66 + 2 * n;
}

void ntfs_image_name(struct ntfs_image *img, uint64_t n, uint64_t parent, const char *name)
{
    uint8_t value[66 + 2 * 255];

    ntfs_image_value(img, n, 0x30, "", value, image_name(value, parent, name));
}

size_t ntfs_image_find(struct ntfs_image *img, uint64_t n, uint32_t type)
{
    uint8_t *r = ntfs_image_record(img, n);
    size_t at = (size_t)get(r + 20, 2);

    while (get(r + at, 4) != 0xffffffff) {
        if (get(r + at, 4) == type)
            return at;
        at += (size_t)get(r + at + 4, 4);
    }
    return 0;
}

size_t ntfs_image_entry(uint8_t *out, uint32_t type, uint64_t lowest_vcn, uint64_t record,
                        uint16_t instance)
{
    memset(out, 0, 32);
    put(out, type, 4);
    put(out + 4, 32, 2);
    out[7] = 26;
    put(out + 8, lowest_vcn, 8);
    put(out + 16, record | (uint64_t)1 << 48, 8);
    put(out + 24, instance, 2);
    return 32;
}

size_t ntfs_image_index(uint8_t *out, uint64_t record, uint64_t parent, const char *name,
                        bool last)
{
    size_t key, length;

    memset(out, 0, 16);
    key = last ? 0 : image_name(out + 16, parent, name);
    length = (16 + key + 7) & ~(size_t)7;
    memset(out + 16 + key, 0, length - 16 - key);
    put(out, last ? 0 : record | (uint64_t)1 << 48, 8);
    put(out + 8, length, 2);
    put(out + 10, key, 2);
    put(out + 12, last ? 2 : 0, 2);
    return length;
}

size_t ntfs_image_root(uint8_t *out, const uint8_t *entries, size_t n, uint32_t block)
{
    memset(out, 0, 32);
    put(out, 0x30, 4);
    put(out + 4, 1, 4);
    put(out + 8, block, 4);
    put(out + 16, 16, 4);
    put(out + 20, 16 + n, 4);
    put(out + 24, 16 + n, 4);
    memcpy(out + 32, entries, n);
    return 32 + n;
}

void ntfs_image_block(struct ntfs_image *img, size_t at, const uint8_t *entries, size_t n)
{
    uint8_t *b = img->bytes + at;

    memset(b, 0, 4096);
    memcpy(b, "INDX", 4);
    put(b + 4, 0x28, 2);
    put(b + 6, 9, 2);
    put(b + 24, 0x28, 4);
    put(b + 28, 0x28 + n, 4);
    put(b + 32, 4096 - 24, 4);
    memcpy(b + 24 + 0x28, entries, n);
    image_seal_later(img, at, 4096);
}

void ntfs_image_bits(struct ntfs_image *img, uint64_t from, uint64_t count, bool set)
{
    uint8_t *b = img->bytes + img->bitmap * img->cluster;

    for (; count > 0; from++, count--)
        b[from / 8] = (uint8_t)(set ? b[from / 8] | 1 << (from % 8)
                                    : b[from / 8] & ~(1 << (from % 8)));
}

void ntfs_image_dirty(struct ntfs_image *img, bool dirty)
{
    size_t at = ntfs_image_find(img, 3, 0x70);

    must(at != 0, "$Volume has no information");
    put(ntfs_image_record(img, 3) + at + 24 + 10, dirty, 2);
}

static void image_one(struct ntfs_image *img, uint64_t n, uint64_t lcn, uint64_t count,
                      uint64_t size)
{
    struct ntfs_image_run run = { (int64_t)lcn, count };

    ntfs_image_start(img, n, false, 0);
    ntfs_image_runs(img, n, 0x80, "", 0, &run, 1, size);
}

static void image_root(struct ntfs_image *img)
{
    uint8_t entry[16], value[64];

    ntfs_image_start(img, 5, true, 0);
    ntfs_image_value(img, 5, 0x90, "$I30", value,
                     ntfs_image_root(value, entry, ntfs_image_index(entry, 0, 0, "", true), 4096));
}

void ntfs_image_init(struct ntfs_image *img, uint32_t sector, uint32_t cluster, uint32_t record,
                     uint64_t clusters)
{
    uint64_t mft_bytes = NTFS_IMAGE_RECORDS * (uint64_t)record, n;
    uint8_t information[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0 };
    uint64_t log_clusters = (NTFS_IMAGE_LOG_PAGES * LOG_PAGE + cluster - 1) / cluster;

    memset(img, 0, sizeof *img);
    img->sector = sector;
    img->cluster = cluster;
    img->record = record;
    img->clusters = clusters;
    img->size = (size_t)(clusters * cluster + sector);
    img->mft = (8192 + cluster - 1) / cluster + 1;
    img->mirror = img->mft + (mft_bytes + cluster - 1) / cluster;
    img->bitmap = img->mirror + (4 * (uint64_t)record + cluster - 1) / cluster;
    img->bitmap_count = ((clusters + 63) / 64 * 8 + cluster - 1) / cluster;
    img->log = img->bitmap + img->bitmap_count;
    img->free = img->log + log_clusters;
    must(img->free < clusters, "the volume is too small");
    img->bytes = calloc(1, img->size);
    must(img->bytes != NULL, "no memory");
    image_boot(img);
    image_one(img, 0, img->mft, img->mirror - img->mft, mft_bytes);
    image_one(img, 1, img->mirror, img->bitmap - img->mirror, 4 * (uint64_t)record);
    image_one(img, 2, img->log, log_clusters, NTFS_IMAGE_LOG_PAGES * LOG_PAGE);
    ntfs_image_start(img, 3, false, 0);
    ntfs_image_value(img, 3, 0x60, "", "T\0e\0s\0t\0\xe9\0", 10);
    ntfs_image_value(img, 3, 0x70, "", information, sizeof information);
    image_root(img);
    image_one(img, 6, img->bitmap, img->bitmap_count, (clusters + 63) / 64 * 8);
    memset(img->bytes + img->log * cluster, 0xff, NTFS_IMAGE_LOG_PAGES * LOG_PAGE);
    ntfs_image_bits(img, 0, img->free, true);
    for (n = clusters; n < (clusters + 63) / 64 * 64; n++)
        ntfs_image_bits(img, n, 1, true);
}

void ntfs_image_free(struct ntfs_image *img)
{
    free(img->bytes);
    img->bytes = NULL;
}

void ntfs_image_restart(struct ntfs_image *img, unsigned major, bool clean, uint64_t oldest)
{
    unsigned i;

    for (i = 0; i < 2; i++) {
        size_t at = (size_t)(img->log * img->cluster) + i * LOG_PAGE;
        uint8_t *p = img->bytes + at, *area = p + 0x30, *client = area + 64;
        memset(p, 0, LOG_PAGE);
        memcpy(p, "RSTR", 4);
        put(p + 4, 0x1e, 2);
        put(p + 6, 9, 2);
        put(p + 16, LOG_PAGE, 4);
        put(p + 20, LOG_PAGE, 4);
        put(p + 24, 0x30, 2);
        put(p + 26, major == 1 ? 1 : 0, 2);
        put(p + 28, major, 2);
        put(area, oldest + 16, 8);
        put(area + 8, 1, 2);
        put(area + 10, 0xffff, 2);
        put(area + 14, clean ? 2 : 0, 2);
        put(area + 16, SEQUENCE_BITS, 4);
        put(area + 20, 224, 2);
        put(area + 22, 64, 2);
        put(area + 24, NTFS_IMAGE_LOG_PAGES * LOG_PAGE, 8);
        put(area + 36, 48, 2);
        put(area + 38, LOG_DATA, 2);
        put(client, oldest, 8);
        put(client + 8, oldest, 8);
        put(client + 16, 0xffff, 2);
        put(client + 18, 0xffff, 2);
        put(client + 28, 8, 4);
        memcpy(client + 32, "N\0T\0F\0S", 7);
        image_seal_later(img, at, LOG_PAGE);
    }
}

uint64_t ntfs_image_lsn(unsigned sequence, size_t offset)
{
    return (uint64_t)sequence << (64 - SEQUENCE_BITS) | offset / 8;
}

static uint8_t *image_log_page(struct ntfs_image *img, unsigned page, unsigned real)
{
    size_t at = (size_t)(img->log * img->cluster) + page * LOG_PAGE;
    uint8_t *p = img->bytes + at;

    if (memcmp(p, "RCRD", 4) != 0) {
        memset(p, 0, LOG_PAGE);
        memcpy(p, "RCRD", 4);
        put(p + 4, 0x28, 2);
        put(p + 6, 9, 2);
        if (page != real) {
            put(p + 8, real * LOG_PAGE, 8);    /* version 1: the place it is a copy of */
            put(p + 0x3c, real * LOG_PAGE, 4); /* version 2 */
        }
        image_seal_later(img, at, LOG_PAGE);
    }
    return p;
}

size_t ntfs_image_change(struct ntfs_image *img, unsigned page, unsigned real, unsigned next,
                         size_t at, unsigned sequence, const struct ntfs_image_change *change)
{
    uint8_t header[48] = { 0 }, *client, *p = image_log_page(img, page, real);
    size_t redo = change->lcn >= 0 ? 40 : 32, undo = redo + ((change->redo_size + 7u) & ~7u);
    size_t n = undo + ((change->undo_size + 7u) & ~7u), room = LOG_PAGE - at - 48, first;

    client = calloc(1, n);
    must(client != NULL && at + 48 <= LOG_PAGE, "a log record does not start in its page");
    put(header, ntfs_image_lsn(sequence, real * LOG_PAGE + at), 8);
    put(header + 24, n, 4);
    put(header + 32, 1, 4);
    put(header + 40, n > room, 2);
    put(client, change->redo, 2);
    put(client + 2, change->undo, 2);
    put(client + 4, redo, 2);
    put(client + 6, change->redo_size, 2);
    put(client + 8, undo, 2);
    put(client + 10, change->undo_size, 2);
    put(client + 14, change->lcn >= 0, 2);
    put(client + 16, change->record_offset, 2);
    put(client + 18, change->attr_offset, 2);
    put(client + 20, change->block, 2);
    put(client + 24, change->vcn, 8);
    if (change->lcn >= 0)
        put(client + 32, (uint64_t)change->lcn, 8);
    if (change->redo_size)
        memcpy(client + redo, change->redo_data, change->redo_size);
    if (change->undo_size)
        memcpy(client + undo, change->undo_data, change->undo_size);
    first = n < room ? n : room;
    memcpy(p + at, header, sizeof header);
    memcpy(p + at + 48, client, first);
    if (n > first)
        memcpy(image_log_page(img, next, next) + LOG_DATA, client + first, n - first);
    free(client);
    return at + 48 + first;
}

static void image_seal(uint8_t *p, size_t n)
{
    size_t i, usa = (size_t)get(p + 4, 2);

    put(p + usa, 0x0b5e, 2);
    for (i = 1; i <= n / 512; i++) {
        memcpy(p + usa + 2 * i, p + i * 512 - 2, 2);
        put(p + i * 512 - 2, 0x0b5e, 2);
    }
}

void ntfs_image_finish(struct ntfs_image *img)
{
    uint64_t n;
    size_t i;

    for (n = 0; n < NTFS_IMAGE_RECORDS; n++)
        if (memcmp(ntfs_image_record(img, n), "FILE", 4) == 0)
            image_seal(ntfs_image_record(img, n), img->record);
    memcpy(img->bytes + img->mirror * img->cluster, ntfs_image_record(img, 0), 4 * img->record);
    for (i = 0; i < img->seals; i++)
        image_seal(img->bytes + img->seal[i], img->seal_size[i]);
}
