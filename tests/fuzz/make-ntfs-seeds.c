/* SPDX-License-Identifier: Apache-2.0 */
/* make-ntfs-seeds.c - writes the seed corpus of fuzz-ntfs: `make-ntfs-seeds FOLDER`. Run by hand
 * when the image builder learns something new; the seeds themselves are kept in corpus/ntfs/. */
#include "../plugins/ntfs-image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void seed_number(FILE *f, uint64_t v, unsigned n)
{
    for (; n > 0; n--, v >>= 8)
        fputc((int)(v & 0xff), f);
}

static int seed_zero(const uint8_t *p, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (p[i] != 0)
            return 0;
    return 1;
}

/* Runs of units of 256 bytes that are not zero. The log's unused pages are left out: zeros are as
 * unused as 0xff. */
static void seed_write(struct ntfs_image *img, const char *folder, const char *name)
{
    char path[4096];
    size_t at, end;
    FILE *f;

    ntfs_image_finish(img);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "wb");
    if (!f) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    seed_number(f, img->size / 512, 4);
    for (at = 0; at + 256 <= img->size; at = end + 256) {
        for (end = at; end + 256 <= img->size && end - at < 32768; end += 256)
            if (seed_zero(img->bytes + end, 256))
                break;
        if (end > at) {
            seed_number(f, at / 256, 4);
            seed_number(f, end - at, 2);
            fwrite(img->bytes + at, 1, end - at, f);
            end -= 256;
        }
    }
    if (fclose(f) != 0)
        exit(EXIT_FAILURE);
    ntfs_image_free(img);
}

static void seed_start(struct ntfs_image *img, uint32_t sector, uint32_t cluster, uint32_t record)
{
    ntfs_image_init(img, sector, cluster, record, 400 * 4096 / cluster + 300);
    memset(img->bytes + img->log * cluster, 0, NTFS_IMAGE_LOG_PAGES * 4096);
}

static void seed_file(struct ntfs_image *img, uint64_t n, uint64_t parent, const char *name,
                      uint64_t at, uint64_t count)
{
    struct ntfs_image_run run[2] = { { (int64_t)at + 5, count }, { (int64_t)at, 3 } };

    ntfs_image_start(img, n, false, 0);
    ntfs_image_name(img, n, parent, name);
    ntfs_image_runs(img, n, 0x80, "", 0, run, 2, (count + 3) * img->cluster);
}

static void seed_directory(struct ntfs_image *img)
{
    uint8_t entries[512], value[600];
    struct ntfs_image_run run = { (int64_t)img->free, 2 };
    size_t n;

    seed_file(img, 30, 5, "pagefile.sys", img->free + 20, 9);
    seed_file(img, 31, 33, "{3808876b-c176-4e48-b7ae-04046e6cc752}", img->free + 60, 9);
    ntfs_image_start(img, 33, true, 0);
    n = ntfs_image_index(entries, 31, 33, "{3808876b-c176-4e48-b7ae-04046e6cc752}", false);
    n += ntfs_image_index(entries + n, 0, 0, "", true);
    ntfs_image_value(img, 33, 0x90, "$I30", value, ntfs_image_root(value, entries, n, 4096));
    ntfs_image_start(img, 5, true, 0);
    n = ntfs_image_index(entries, 30, 5, "pagefile.sys", false);
    n += ntfs_image_index(entries + n, 0, 0, "", true);
    ntfs_image_value(img, 5, 0x90, "$I30", value, ntfs_image_root(value, entries, n, 4096));
    ntfs_image_runs(img, 5, 0xa0, "$I30", 0, &run, 1, 8192);
    n = ntfs_image_index(entries, 33, 5, "System Volume Information", false);
    n += ntfs_image_index(entries + n, 0, 0, "", true);
    ntfs_image_block(img, (size_t)(img->free * img->cluster), entries, n);
}

static void seed_log(struct ntfs_image *img, unsigned major)
{
    static const uint8_t bits[8] = { 40, 1, 0, 0, 9, 0, 0, 0 };
    struct ntfs_image_change c = { 0 };
    unsigned first = major == 1 ? 4 : 34;

    ntfs_image_restart(img, major, false, ntfs_image_lsn(2, first * 4096));
    c.redo = 21;
    c.undo = 22;
    c.redo_data = c.undo_data = bits;
    c.redo_size = c.undo_size = sizeof bits;
    c.lcn = (int64_t)img->bitmap;
    ntfs_image_change(img, first, first, 0, 64, 2, &c);
    ntfs_image_change(img, first, first, first + 1, 4096 - 64, 2, &c);
    ntfs_image_change(img, 2, first + 2, 0, 64, 2, &c);
    c.redo = c.undo = 9;
    c.vcn = 7 * 4096 / img->cluster;
    c.lcn = (int64_t)(img->mft + c.vcn);
    c.record_offset = 0x38;
    c.attr_offset = 64;
    ntfs_image_change(img, first, first, 0, 512, 2, &c);
}

static void seed_list(struct ntfs_image *img)
{
    uint8_t list[64];
    struct ntfs_image_run run = { (int64_t)img->bitmap, 1 };
    size_t n = ntfs_image_entry(list, 0x80, 0, 6, 1);

    n += ntfs_image_entry(list + n, 0x80, 1, 40, 0);
    ntfs_image_start(img, 6, false, 0);
    ntfs_image_value(img, 6, 0x20, "", list, n);
    ntfs_image_runs(img, 6, 0x80, "", 0, &run, 1, (img->clusters + 63) / 64 * 8);
    ntfs_image_start(img, 40, false, 6);
    run.lcn++;
    ntfs_image_runs(img, 40, 0x80, "", 1, &run, 1, 0);
}

int main(int argc, char **argv)
{
    struct ntfs_image img;

    if (argc != 2) {
        fprintf(stderr, "usage: make-ntfs-seeds FOLDER\n");
        return EXIT_FAILURE;
    }
    seed_start(&img, 512, 4096, 1024);
    seed_write(&img, argv[1], "plain");
    seed_start(&img, 512, 4096, 1024);
    ntfs_image_dirty(&img, true);
    seed_file(&img, 30, 5, "file", img.free + 10, 20);
    seed_write(&img, argv[1], "dirty");
    seed_start(&img, 512, 4096, 1024);
    seed_directory(&img);
    seed_write(&img, argv[1], "skip");
    seed_start(&img, 512, 4096, 1024);
    seed_directory(&img);
    seed_log(&img, 1);
    seed_write(&img, argv[1], "log-1");
    seed_start(&img, 512, 4096, 4096);
    seed_log(&img, 2);
    seed_write(&img, argv[1], "log-2");
    seed_start(&img, 512, 512, 1024);
    seed_list(&img);
    seed_log(&img, 1);
    seed_write(&img, argv[1], "list-512");
    seed_start(&img, 4096, 4096, 4096);
    seed_directory(&img);
    seed_write(&img, argv[1], "sector-4096");
    return EXIT_SUCCESS;
}
