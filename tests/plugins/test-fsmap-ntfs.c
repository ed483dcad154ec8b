/* SPDX-License-Identifier: Apache-2.0 */
/* test-fsmap-ntfs.c - the NTFS parser against volumes built in memory: what counts as used, what is
 * skipped, what is refused. Linked with the plugin's own sources, called through its table. */
#include "ntfs-image.h"

#include "../../plugins/fsmap-ntfs/rangeset.h"
#include "../unit.h"

#include <disksync/fsmap.h>
#include <disksync/helpers.h>

#define SEED 20240607u

struct disk { /* the reader, what the plugin answers, and what it read */
    struct ntfs_image *img;
    struct ds_reader reader;
    struct ds_host host;
    struct ds_call call;
    struct ds_error err;
    uint64_t read, limit; /* limit: bytes until cancelled; 0 = never */
    bool *used;           /* one per unit of 512 bytes */
    uint64_t units, extents, last;
    char note[300], unclean[8], label[64];
};

static const struct ds_fsmap_ops *ops(void)
{
    return ds_plugin_v1()->ops;
}

static int disk_pread(void *ctx, void *data, size_t n, uint64_t offset, struct ds_error *err)
{
    struct disk *d = ctx;

    d->read += n;
    if (offset > d->img->size || n > d->img->size - offset)
        return ds_fail(err, DS_EIO, "read past the end");
    memcpy(data, d->img->bytes + offset, n);
    return DS_OK;
}

static struct disk *the_disk; /* for disk_cancelled, which gets the call alone */

static int disk_cancelled(const struct ds_call *call)
{
    (void)call;
    return the_disk->limit != 0 && the_disk->read >= the_disk->limit;
}

static void disk_init(struct disk *d, struct ntfs_image *img)
{
    memset(d, 0, sizeof *d);
    d->img = img;
    d->err.size = sizeof d->err;
    d->host.size = sizeof d->host;
    d->host.cancelled = disk_cancelled;
    d->call.size = sizeof d->call;
    d->call.host = &d->host;
    d->call.err = &d->err;
    d->reader.size = sizeof d->reader;
    d->reader.sector = img->sector;
    d->reader.bytes = img->size;
    d->reader.ctx = d;
    d->reader.pread = disk_pread;
    d->units = img->size / 256;
    d->used = calloc(d->units, sizeof *d->used);
    ck_assert_ptr_nonnull(d->used);
    the_disk = d;
}

static int disk_extents(void *ud, const struct ds_extent *extents, size_t n)
{
    struct disk *d = ud;
    size_t i;
    uint64_t u;

    for (i = 0; i < n; i++) {
        ck_assert_uint_gt(extents[i].length, 0);
        ck_assert_uint_ge(extents[i].offset, d->last);
        d->last = extents[i].offset + extents[i].length;
        ck_assert_uint_le(d->last, d->img->size);
        ck_assert_uint_eq(extents[i].offset % 256, 0);
        ck_assert_uint_eq(extents[i].length % 256, 0);
        for (u = extents[i].offset / 256; u < d->last / 256; u++)
            d->used[u] = true;
        d->extents++;
    }
    return DS_OK;
}

static int disk_fact(void *ud, const char *key, const char *value)
{
    struct disk *d = ud;

    if (strcmp(key, "note") == 0)
        snprintf(d->note, sizeof d->note, "%s", value);
    if (strcmp(key, "unclean") == 0)
        snprintf(d->unclean, sizeof d->unclean, "%s", value);
    if (strcmp(key, "label") == 0)
        snprintf(d->label, sizeof d->label, "%s", value);
    return DS_OK;
}

enum what { USED, SKIP };

/* Opens, asks, closes. The answer is in d->used. */
static int disk_ask(struct disk *d, struct ntfs_image *img, enum what what)
{
    struct ds_window all = { 0, img->size };
    void *volume = NULL;
    int rc;

    disk_init(d, img);
    rc = ops()->open(NULL, &d->reader, &volume, &d->call);
    if (rc == DS_OK && what == USED)
        rc = ops()->used(volume, all, disk_extents, d, &d->call);
    else if (rc == DS_OK)
        rc = ops()->skip(volume, disk_extents, d, &d->call);
    if (rc == DS_OK)
        rc = ops()->facts(volume, disk_fact, d, &d->call);
    if (volume)
        ops()->close(volume);
    return rc;
}

static void disk_free(struct disk *d)
{
    free(d->used);
}

/* Are all (1), none (0) or some (-1) bytes of these clusters in the answer? */
static int disk_has(const struct disk *d, uint64_t from, uint64_t count)
{
    uint64_t u, n = 0, per = d->img->cluster / 256;

    for (u = from * per; u < (from + count) * per; u++)
        n += d->used[u];
    return n == count * per ? 1 : n == 0 ? 0 : -1;
}

static uint64_t disk_sum(const struct disk *d)
{
    uint64_t u, n = 0;

    for (u = 0; u < d->units; u++)
        n += d->used[u];
    return n * 256;
}

static void small(struct ntfs_image *img)
{
    ntfs_image_init(img, 512, 4096, 1024, 1500);
}

/* A file in record n whose clusters the bitmap does not have. */
static void lost_file(struct ntfs_image *img, uint64_t n, int64_t lcn, uint64_t count)
{
    struct ntfs_image_run run = { lcn, count };

    ntfs_image_start(img, n, false, 0);
    ntfs_image_name(img, n, 5, "file");
    ntfs_image_runs(img, n, 0x80, "", 0, &run, 1, count * img->cluster);
}

/* ---- probe and boot sector ------------------------------------------------------------------ */

static uint32_t probe(struct ntfs_image *img)
{
    struct disk d;
    uint32_t score = 77;
    char name[16];

    disk_init(&d, img);
    ck_assert_ok(ops()->probe(NULL, &d.reader, &score, name, sizeof name, &d.call), &d.err);
    ck_assert_uint_le(d.read, 1 << 20);
    ck_assert_str_eq(name, score ? "ntfs" : "");
    disk_free(&d);
    return score;
}

START_TEST(probe_knows_ntfs_and_nothing_else)
{
    struct ntfs_image img;

    small(&img);
    ntfs_image_finish(&img);
    ck_assert_uint_eq(probe(&img), 100);
    memcpy(img.bytes + 3, "-FVE-FS-", 8); /* BitLocker, all else left alone: two parts differ */
    memset(img.bytes + 0x28, 7, 40);
    ck_assert_uint_eq(probe(&img), 0);
    memset(img.bytes, 0, 4096); /* another file system may live here: the backup proves nothing */
    ck_assert_uint_eq(probe(&img), 0);
    ntfs_image_free(&img);
    small(&img);
    memset(img.bytes + img.mft * 4096, 0, 4096); /* no $MFT where it should be */
    memset(img.bytes + img.mirror * 4096, 0, 4096);
    ck_assert_uint_eq(probe(&img), 0);
    ntfs_image_free(&img);
}
END_TEST

START_TEST(backup_boot_sector_serves_a_damaged_first)
{
    static const size_t at[] = { 0x03, 0x0b, 0x0d, 0x28 + 7, 0x30 + 7, 0x40 };
    size_t i;

    for (i = 0; i < sizeof at / sizeof at[0]; i++) {
        struct ntfs_image img;
        struct disk d;
        small(&img);
        ntfs_image_finish(&img);
        img.bytes[at[i]] = 0x7f;
        ck_assert_uint_eq(probe(&img), 80);
        ck_assert_ok(disk_ask(&d, &img, USED), &d.err);
        ck_assert_ptr_nonnull(strstr(d.note, "backup"));
        ck_assert_int_eq(disk_has(&d, 0, img.free), 1);
        ck_assert_int_eq(disk_has(&d, img.free, img.clusters - img.free), 0);
        disk_free(&d);
        ntfs_image_free(&img);
    }
}
END_TEST

START_TEST(boot_errors_name_the_field)
{
    static const struct { size_t at; uint8_t value; const char *says; } bad[] = {
        { 0x0c, 0x20, "bytes per sector" }, { 0x0d, 3, "sectors per cluster" },
        { 0x0d, 0x90, "sectors per cluster" }, { 0x2f, 1, "more than the partition" },
        { 0x37, 1, "$MFT starts" }, { 0x40, 3, "MFT record" }, { 0x40, 0xc0, "MFT record" },
        { 0x10, 2, "FAT" }
    };
    size_t i;

    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ntfs_image img;
        struct disk d;
        small(&img);
        ntfs_image_finish(&img);
        img.bytes[bad[i].at] = bad[i].value;
        img.bytes[img.size - 512 + bad[i].at] = bad[i].value;
        ck_assert_int_eq(disk_ask(&d, &img, USED), DS_EFORMAT);
        ck_assert_msg(strstr(d.err.msg, bad[i].says) != NULL, "%s", d.err.msg);
        disk_free(&d);
        ntfs_image_free(&img);
    }
}
END_TEST

/* ---- $Bitmap --------------------------------------------------------------------------------- */

START_TEST(used_is_the_bitmap_at_every_geometry)
{
    static const struct { uint32_t sector, cluster, record; uint64_t clusters; } g[] = {
        { 256, 256, 1024, 9000 },    { 512, 512, 1024, 5001 },     { 512, 1024, 1024, 3000 },
        { 512, 4096, 1024, 1501 },   { 512, 4096, 4096, 1502 },    { 4096, 4096, 4096, 1503 },
        { 512, 65536, 1024, 130 },   { 4096, 65536, 4096, 131 },   { 512, 131072, 1024, 70 },
        { 1024, 2048, 1024, 2001 },  { 512, 2097152, 1024, 17 }
    };
    unsigned rnd = SEED;
    size_t i;

    for (i = 0; i < sizeof g / sizeof g[0]; i++) {
        struct ntfs_image img;
        struct disk d;
        bool *bits;
        uint64_t c;
        ntfs_image_init(&img, g[i].sector, g[i].cluster, g[i].record, g[i].clusters);
        bits = calloc(g[i].clusters, sizeof *bits);
        ck_assert_ptr_nonnull(bits);
        for (c = 0; c < g[i].clusters; c++) {
            rnd = rnd * 1103515245u + 12345u;
            bits[c] = c < img.free || (rnd >> 16 & 7) < 2 + (c / 64 & 3);
            ntfs_image_bits(&img, c, 1, bits[c]);
        }
        ntfs_image_finish(&img);
        ck_assert_ok(disk_ask(&d, &img, USED), &d.err);
        for (c = 0; c < g[i].clusters; c++)
            ck_assert_msg(disk_has(&d, c, 1) == bits[c], "geometry %zu cluster %u (seed %u)", i,
                          (unsigned)c, SEED);
        for (c = g[i].clusters * g[i].cluster / 256; c < d.units; c++)
            ck_assert(d.used[c]); /* the backup boot sector */
        ck_assert_str_eq(d.unclean, "false");
        ck_assert_str_eq(d.label, "Test\xc3\xa9");
        ck_assert_str_eq(d.note, "");
        disk_free(&d);
        free(bits);
        ntfs_image_free(&img);
    }
}
END_TEST

START_TEST(windows_add_up_to_the_whole)
{
    static const uint64_t sizes[] = { 512, 4096, 5120, 65536, 1000448 };
    struct ntfs_image img;
    struct disk whole, d;
    void *volume = NULL;
    uint64_t c;
    size_t i;

    small(&img);
    for (c = img.free; c < img.clusters; c += 3)
        ntfs_image_bits(&img, c, 1 + c % 2, true);
    lost_file(&img, 30, (int64_t)img.free + 100, 7);
    ntfs_image_finish(&img);
    ck_assert_ok(disk_ask(&whole, &img, USED), &whole.err);
    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct ds_window w = { 0, 0 };
        disk_init(&d, &img);
        ck_assert_ok(ops()->open(NULL, &d.reader, &volume, &d.call), &d.err);
        for (; w.from < img.size; w.from = w.to) {
            w.to = w.from + sizes[i] < img.size ? w.from + sizes[i] : img.size;
            ck_assert_ok(ops()->used(volume, w, disk_extents, &d, &d.call), &d.err);
            ck_assert_uint_le(d.last, w.to);
        }
        ck_assert_int_eq(memcmp(d.used, whole.used, d.units * sizeof *d.used), 0);
        ops()->close(volume);
        disk_free(&d);
    }
    disk_free(&whole);
    ntfs_image_free(&img);
}
END_TEST

/* $Bitmap moved to scattered clusters, its run lists spread over extension records. */
START_TEST(bitmap_is_gathered_through_an_attribute_list)
{
    struct ntfs_image img;
    struct disk d;
    struct ntfs_image_run run[3];
    uint8_t list[160];
    size_t n, i;

    ntfs_image_init(&img, 512, 512, 1024, 30000); /* 8 clusters of bitmap */
    ck_assert_uint_eq(img.bitmap_count, 8);
    for (i = 0; i < 5; i++)
        ntfs_image_bits(&img, img.free + 5000 * i, 7 + i, true);
    for (i = 0; i < 8; i++) /* cluster i of the bitmap goes to free + 20000 - 10 * i */
        memcpy(img.bytes + (img.free + 20000 - 10 * i) * 512,
               img.bytes + (img.bitmap + i) * 512, 512);
    memset(img.bytes + img.bitmap * 512, 0, 8 * 512);
    ntfs_image_start(&img, 6, false, 0);
    n = ntfs_image_entry(list, 0x80, 0, 6, 1);
    n += ntfs_image_entry(list + n, 0x80, 3, 40, 0);
    n += ntfs_image_entry(list + n, 0x80, 6, 41, 0);
    ntfs_image_value(&img, 6, 0x20, "", list, n);
    for (i = 0; i < 8; i++) {
        run[i % 3].lcn = (int64_t)(img.free + 20000 - 10 * i);
        run[i % 3].count = 1;
        if (i % 3 == 2 || i == 7) {
            if (i > 2)
                ntfs_image_start(&img, 39 + i / 3, false, 6);
            ntfs_image_runs(&img, i > 2 ? 39 + i / 3 : 6, 0x80, "", i / 3 * 3, run, i % 3 + 1,
                            3752);
        }
    }
    ntfs_image_finish(&img);
    ck_assert_ok(disk_ask(&d, &img, USED), &d.err);
    for (i = 0; i < 5; i++) {
        ck_assert_int_eq(disk_has(&d, img.free + 5000 * i, 7 + i), 1);
        ck_assert_int_eq(disk_has(&d, img.free + 5000 * i + 7 + i, 1), 0);
    }
    disk_free(&d);
    ntfs_image_free(&img);
}
END_TEST

/* The table itself in pieces that its own extension records tell, the later in the earlier. */
START_TEST(mft_is_gathered_through_an_attribute_list)
{
    struct ntfs_image img;
    struct disk d;
    struct ntfs_image_run run;
    uint8_t list[160];
    uint64_t second;
    size_t n;

    small(&img); /* 16 clusters of $MFT: 8 stay, 4 + 4 move */
    second = img.free + 50;
    lost_file(&img, 60, 900, 5);
    ntfs_image_start(&img, 0, false, 0);
    n = ntfs_image_entry(list, 0x80, 0, 0, 1);
    n += ntfs_image_entry(list + n, 0x80, 8, 20, 0);
    n += ntfs_image_entry(list + n, 0x80, 12, 33, 0); /* lies in the part that 20 tells */
    ntfs_image_value(&img, 0, 0x20, "", list, n);
    run.lcn = (int64_t)img.mft;
    run.count = 8;
    ntfs_image_runs(&img, 0, 0x80, "", 0, &run, 1, 64 * 1024);
    ntfs_image_start(&img, 20, false, 0);
    memcpy(ntfs_image_record(&img, 20) + 32, "\0\0\0\0\0\0\1", 8);
    run.lcn = (int64_t)second;
    run.count = 4;
    ntfs_image_runs(&img, 20, 0x80, "", 8, &run, 1, 0);
    ntfs_image_start(&img, 33, false, 0);
    memcpy(ntfs_image_record(&img, 33) + 32, "\0\0\0\0\0\0\1", 8);
    run.lcn = (int64_t)second + 20;
    ntfs_image_runs(&img, 33, 0x80, "", 12, &run, 1, 0);
    ntfs_image_finish(&img);
    memcpy(img.bytes + second * 4096, img.bytes + (img.mft + 8) * 4096, 4 * 4096);
    memcpy(img.bytes + (second + 20) * 4096, img.bytes + (img.mft + 12) * 4096, 4 * 4096);
    memset(img.bytes + (img.mft + 8) * 4096, 0, 8 * 4096);
    ck_assert_ok(disk_ask(&d, &img, USED), &d.err);
    ck_assert_int_eq(disk_has(&d, 900, 5), 1); /* record 60's file: the last piece was read */
    ck_assert_int_eq(disk_has(&d, second, 4), 1);
    ck_assert_int_eq(disk_has(&d, second + 20, 4), 1);
    ck_assert_int_eq(disk_has(&d, second + 4, 16), 0);
    disk_free(&d);
    ntfs_image_free(&img);
}
END_TEST

START_TEST(bitmap_in_doubt_is_used)
{
    struct ntfs_image img;
    struct disk d;
    struct ntfs_image_run hole[2] = { { -1, 1 }, { 0, 1 } };
    uint8_t bits[100];
    uint64_t c;

    small(&img); /* resident, and shorter than the volume: 800 of 1500 bits */
    memcpy(bits, img.bytes + img.bitmap * 4096, sizeof bits);
    ntfs_image_start(&img, 6, false, 0);
    ntfs_image_value(&img, 6, 0x80, "", bits, sizeof bits);
    ntfs_image_finish(&img);
    ck_assert_ok(disk_ask(&d, &img, USED), &d.err);
    for (c = 0; c < img.clusters; c++)
        ck_assert_int_eq(disk_has(&d, c, 1), c < img.free || c >= 800);
    disk_free(&d);
    ntfs_image_free(&img);

    ntfs_image_init(&img, 512, 512, 1024, 8192); /* two clusters of bitmap, the first a hole */
    hole[1].lcn = (int64_t)img.bitmap + 1;
    ntfs_image_start(&img, 6, false, 0);
    ntfs_image_runs(&img, 6, 0x80, "", 0, hole, 2, 1024);
    ntfs_image_finish(&img);
    ck_assert_ok(disk_ask(&d, &img, USED), &d.err);
    ck_assert_int_eq(disk_has(&d, 0, 4096), 1);
    ck_assert_int_eq(disk_has(&d, 4096, 4096), 0);
    disk_free(&d);
    ntfs_image_free(&img);
}
END_TEST

/* ---- damage --------------------------------------------------------------------------------- */

START_TEST(torn_records_come_from_the_mirror_or_are_named)
{
    struct ntfs_image img;
    struct disk d;
    size_t n;

    small(&img);
    ntfs_image_finish(&img);
    for (n = 0; n < 4; n++)
        img.bytes[img.mft * 4096 + n * 1024 + 511] ^= 1;
    ck_assert_ok(disk_ask(&d, &img, USED), &d.err);
    ck_assert_int_eq(disk_has(&d, img.free, img.clusters - img.free), 0);
    disk_free(&d);
    img.bytes[img.mft * 4096 + 6 * 1024 + 1023] ^= 1;
    ck_assert_int_eq(disk_ask(&d, &img, USED), DS_EFORMAT);
    ck_assert_msg(strstr(d.err.msg, "MFT record 6: its update sequence") != NULL, "%s", d.err.msg);
    disk_free(&d);
    ntfs_image_free(&img);
}
END_TEST

START_TEST(bad_run_lists_are_named)
{
    static const struct { const char *pairs; size_t n; const char *says; } bad[] = {
        { "\x31\x01\xff\xff\x7f", 6, "past the end of the volume" },
        { "\x11\x01\xf0", 4, "past the end of the volume" }, /* lcn -16 */
        { "\x12\xff\xff\x10", 5, "past the end of the volume" },
        { "\x10\x10", 3, "without a length" },
        { "\x11\x00\x10", 4, "impossible length" },
        { "\x88\x01\x01\x01\x01\x01\x01\x01\x01\x01", 10, "past the end of its record" },
        { "\x08\xff\xff\xff\xff\xff\xff\xff\xff", 10, "past the end of its record" },
        { "\x1f\x01\x01", 4, "without a length" }
    };
    size_t i;

    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ntfs_image img;
        struct disk d;
        uint8_t *r;
        size_t at;
        small(&img);
        at = ntfs_image_find(&img, 6, 0x80);
        r = ntfs_image_record(&img, 6) + at;
        memset(r + 64, 0, 8);
        memcpy(r + 64, bad[i].pairs, bad[i].n < 8 ? bad[i].n : 8);
        ntfs_image_finish(&img);
        ck_assert_int_eq(disk_ask(&d, &img, USED), DS_EFORMAT);
        ck_assert_msg(strstr(d.err.msg, bad[i].says) && strstr(d.err.msg, "MFT record 6"),
                      "%zu: %s", i, d.err.msg);
        disk_free(&d);
        ntfs_image_free(&img);
    }
}
END_TEST

START_TEST(attribute_lists_that_loop_end)
{
    struct ntfs_image img;
    struct disk d;
    uint8_t list[640];
    struct ntfs_image_run run;
    size_t i, n = 0;

    small(&img);
    run.lcn = (int64_t)img.bitmap;
    run.count = 1;
    ntfs_image_start(&img, 6, false, 0);
    for (i = 0; i < 20; i++) /* the same piece again and again */
        n += ntfs_image_entry(list + n, 0x80, 0, 6, 1);
    ntfs_image_value(&img, 6, 0x20, "", list, n);
    ntfs_image_runs(&img, 6, 0x80, "", 0, &run, 1, 192);
    ntfs_image_finish(&img);
    ck_assert_int_eq(disk_ask(&d, &img, USED), DS_EFORMAT);
    ck_assert_msg(strstr(d.err.msg, "do not follow one another") != NULL, "%s", d.err.msg);
    disk_free(&d);
    ntfs_image_free(&img);

    small(&img); /* $MFT's list names a record that only the list itself would tell */
    ntfs_image_start(&img, 0, false, 0);
    n = ntfs_image_entry(list, 0x80, 0, 0, 1);
    n += ntfs_image_entry(list + n, 0x80, 8, 50, 0);
    ntfs_image_value(&img, 0, 0x20, "", list, n);
    run.lcn = (int64_t)img.mft;
    run.count = 8;
    ntfs_image_runs(&img, 0, 0x80, "", 0, &run, 1, 64 * 1024);
    ntfs_image_finish(&img);
    ck_assert_int_eq(disk_ask(&d, &img, USED), DS_EFORMAT);
    ck_assert_msg(strstr(d.err.msg, "no run list tells") != NULL, "%s", d.err.msg);
    disk_free(&d);
    ntfs_image_free(&img);
}
END_TEST

START_TEST(cancel_ends_every_call)
{
    struct ntfs_image img;
    struct disk d;
    struct ds_window all = { 0, 0 };
    void *volume = NULL;

    small(&img);
    ntfs_image_dirty(&img, true);
    ntfs_image_finish(&img);
    all.to = img.size;
    disk_init(&d, &img);
    d.limit = 1;
    ck_assert_int_eq(ops()->open(NULL, &d.reader, &volume, &d.call), DS_ECANCELLED);
    ck_assert_ptr_null(volume);
    d.limit = 0;
    ck_assert_ok(ops()->open(NULL, &d.reader, &volume, &d.call), &d.err);
    d.limit = d.read + 1;
    ck_assert_int_eq(ops()->used(volume, all, disk_extents, &d, &d.call), DS_ECANCELLED);
    d.limit = 0; /* a call that was cancelled leaves nothing half done */
    ck_assert_ok(ops()->used(volume, all, disk_extents, &d, &d.call), &d.err);
    ops()->close(volume);
    disk_free(&d);
    ntfs_image_free(&img);
}
END_TEST

/* ---- unclean volumes ------------------------------------------------------------------------ */

/* A file that the bitmap lacks: used unless the log proves an orderly unmount. */
START_TEST(bitmap_behind_the_files_is_united_with_them)
{
    enum { CLEAN, EMPTY, DIRTY, UNCLEAN, CASES };
    int i;

    for (i = 0; i < CASES; i++) {
        struct ntfs_image img;
        struct disk d;
        small(&img);
        lost_file(&img, 30, 1000, 20);
        ntfs_image_bits(&img, 1005, 3, true);
        lost_file(&img, 31, 1100, 20); /* deleted: not in use */
        ntfs_image_record(&img, 31)[22] = 0;
        ntfs_image_dirty(&img, i == DIRTY);
        if (i != EMPTY)
            ntfs_image_restart(&img, 1, i != UNCLEAN, ntfs_image_lsn(2, 4 * 4096));
        ntfs_image_finish(&img);
        ck_assert_ok(disk_ask(&d, &img, USED), &d.err);
        ck_assert_int_eq(disk_has(&d, 1000, 20), i == CLEAN ? -1 : 1);
        ck_assert_int_eq(disk_has(&d, 999, 1), 0);
        ck_assert_int_eq(disk_has(&d, 1020, 100), 0);
        ck_assert_str_eq(d.unclean, i == DIRTY || i == UNCLEAN ? "true" : "false");
        disk_free(&d);
        ntfs_image_free(&img);
    }
}
END_TEST

struct bits { uint32_t from, count; };

/* A change of $Bitmap as Windows logs it. */
static struct ntfs_image_change bits_change(struct ntfs_image *img, uint16_t redo, uint16_t undo,
                                            const struct bits *bits)
{
    struct ntfs_image_change c = { 0 };

    c.redo = redo;
    c.undo = undo;
    c.redo_data = c.undo_data = bits;
    c.redo_size = c.undo_size = sizeof *bits;
    c.lcn = (int64_t)img->bitmap;
    return c;
}

START_TEST(bits_set_in_the_log_are_used)
{
    struct bits set = { 1200, 10 }, cleared = { 1250, 5 }, old = { 1300, 5 }, spans = { 1350, 6 };
    struct bits tail = { 1400, 7 };
    unsigned major;

    for (major = 1; major <= 2; major++) {
        struct ntfs_image img;
        struct ntfs_image_change c;
        struct disk d;
        unsigned first = major == 1 ? 4 : 34, copy = 3;
        small(&img);
        ntfs_image_restart(&img, major, false, ntfs_image_lsn(2, first * 4096));
        c = bits_change(&img, 21, 22, &set);
        ntfs_image_change(&img, first, first, 0, 64, 2, &c);
        c = bits_change(&img, 22, 21, &cleared); /* set again if it is rolled back */
        ntfs_image_change(&img, first, first, 0, 1024, 2, &c);
        c = bits_change(&img, 21, 22, &old); /* before what a replay needs */
        ntfs_image_change(&img, first, first, 0, 2048, 1, &c);
        c = bits_change(&img, 21, 22, &spans); /* header at the end of a page, data in the next */
        ntfs_image_change(&img, first, first, first + 1, 4096 - 64, 2, &c);
        c = bits_change(&img, 21, 22, &tail); /* only in the copy of a page never written */
        ntfs_image_change(&img, copy, first + 3, 0, 64, 2, &c);
        ntfs_image_finish(&img);
        ck_assert_ok(disk_ask(&d, &img, USED), &d.err);
        ck_assert_str_eq(d.note, "");
        ck_assert_int_eq(disk_has(&d, 1200, 10), 1);
        ck_assert_int_eq(disk_has(&d, 1250, 5), 1);
        ck_assert_int_eq(disk_has(&d, 1300, 5), 0);
        ck_assert_int_eq(disk_has(&d, 1350, 6), 1);
        ck_assert_int_eq(disk_has(&d, 1400, 7), 1);
        ck_assert_uint_eq(disk_sum(&d), (img.free + 10 + 5 + 6 + 7) * 4096 + 512);
        ck_assert_str_eq(d.unclean, "true");
        disk_free(&d);
        ntfs_image_free(&img);
    }
}
END_TEST

/* A bit's place: vcn, block of 512 bytes and record offset all count. */
START_TEST(bits_in_the_log_are_placed_by_vcn_and_block)
{
    struct ntfs_image img;
    struct ntfs_image_change c;
    struct disk d;
    struct bits bits = { 5, 2 };

    ntfs_image_init(&img, 512, 1024, 1024, 20000);
    ntfs_image_restart(&img, 1, false, ntfs_image_lsn(2, 4 * 4096));
    c = bits_change(&img, 21, 22, &bits);
    c.vcn = 1;
    c.block = 1;
    c.record_offset = 8;
    c.lcn = (int64_t)img.bitmap + 1;
    ntfs_image_change(&img, 4, 4, 0, 64, 2, &c);
    ntfs_image_finish(&img);
    ck_assert_ok(disk_ask(&d, &img, USED), &d.err);
    ck_assert_int_eq(disk_has(&d, (1024 + 512 + 8) * 8 + 5, 2), 1);
    ck_assert_uint_eq(disk_sum(&d), (img.free + 2) * 1024 + 512);
    disk_free(&d);
    ntfs_image_free(&img);
}
END_TEST

START_TEST(run_lists_in_the_log_are_used)
{
    struct ntfs_image img;
    struct ntfs_image_change c = { 0 };
    struct ntfs_image_run run = { 1000, 20 }, later[2] = { { 700, 4 }, { 800, 9 } };
    struct disk d;
    uint8_t attr[96], pairs[40];
    size_t at, n;

    small(&img);
    ntfs_image_start(&img, 32, false, 0); /* a scratch record: its attribute goes into the log */
    ntfs_image_runs(&img, 32, 0x80, "", 0, &run, 1, 20 * 4096);
    at = ntfs_image_find(&img, 32, 0x80);
    memcpy(attr, ntfs_image_record(&img, 32) + at, 72);
    memset(ntfs_image_record(&img, 32), 0, 1024);
    lost_file(&img, 30, 700, 4);
    ntfs_image_bits(&img, 700, 4, true);
    at = ntfs_image_find(&img, 30, 0x80);
    n = ntfs_image_pairs(pairs, later, 2);
    ck_assert_uint_le(n, 8);
    ntfs_image_restart(&img, 1, false, ntfs_image_lsn(2, 4 * 4096));
    c.redo = 5; /* create attribute */
    c.undo = 6;
    c.redo_data = attr;
    c.redo_size = 72;
    c.vcn = 7;
    c.lcn = (int64_t)img.mft + 7;
    ntfs_image_change(&img, 4, 4, 0, 64, 2, &c);
    c.redo = c.undo = 9; /* update mapping pairs of record 30 */
    c.redo_data = pairs;
    c.redo_size = (uint16_t)n;
    c.record_offset = (uint16_t)at;
    c.attr_offset = 64;
    c.block = 4; /* record 30: the third of cluster 7 */
    ntfs_image_change(&img, 4, 4, 0, 512, 2, &c);
    ntfs_image_finish(&img);
    ck_assert_ok(disk_ask(&d, &img, USED), &d.err);
    ck_assert_int_eq(disk_has(&d, 1000, 20), 1);
    ck_assert_int_eq(disk_has(&d, 700, 4), 1);
    ck_assert_int_eq(disk_has(&d, 800, 9), 1);
    ck_assert_uint_eq(disk_sum(&d), (img.free + 20 + 4 + 9) * 4096 + 512);
    disk_free(&d);
    ntfs_image_free(&img);
}
END_TEST

START_TEST(log_that_cannot_be_read_makes_all_used)
{
    enum { TORN_PAGE, STRANGE_PAGE, VERSION, CONTRADICTION, NO_RESTART, SHORT_BITS, CASES };
    int i;

    for (i = 0; i < CASES; i++) {
        struct ntfs_image img;
        struct ntfs_image_change c;
        struct disk d;
        struct bits bits = { 1200, 10 };
        uint8_t *log;
        small(&img);
        log = img.bytes + img.log * 4096;
        ntfs_image_restart(&img, 1, false, ntfs_image_lsn(2, 4 * 4096));
        c = bits_change(&img, 21, 22, &bits);
        if (i == SHORT_BITS)
            c.redo_size = 4;
        ntfs_image_change(&img, 5, 5, 0, 64, 2, &c);
        if (i == VERSION)
            log[0x1c] = log[4096 + 0x1c] = 9;
        if (i == CONTRADICTION)
            log[4096 + 0x30 + 24 + 1] -= 0x10;
        ntfs_image_finish(&img);
        if (i == TORN_PAGE)
            log[5 * 4096 + 1023] ^= 1;
        if (i == STRANGE_PAGE)
            log[6 * 4096] = 'X';
        if (i == NO_RESTART)
            log[511] ^= 1, log[4096 + 511] ^= 1;
        ck_assert_ok(disk_ask(&d, &img, USED), &d.err);
        ck_assert_msg(disk_sum(&d) == d.units * 256, "case %d", i);
        ck_assert_msg(strstr(d.note, "every byte counts as used: $LogFile") != NULL, "%s", d.note);
        ck_assert_str_eq(d.unclean, "true");
        disk_free(&d);
        ck_assert_ok(disk_ask(&d, &img, SKIP), &d.err);
        ck_assert_uint_eq(disk_sum(&d), 0);
        disk_free(&d);
        ntfs_image_free(&img);
    }
}
END_TEST

START_TEST(torn_log_writes_are_survived)
{
    struct ntfs_image img;
    struct ntfs_image_change c;
    struct disk d;
    struct bits bits = { 1200, 10 }, old = { 1300, 5 };
    uint8_t *log;

    small(&img);
    log = img.bytes + img.log * 4096;
    ntfs_image_restart(&img, 1, true, ntfs_image_lsn(2, 4 * 4096));
    c = bits_change(&img, 21, 22, &bits);
    ntfs_image_change(&img, 2, 5, 0, 64, 2, &c); /* whole in the tail page */
    ntfs_image_change(&img, 5, 5, 0, 64, 2, &c);
    c = bits_change(&img, 21, 22, &old);
    ntfs_image_change(&img, 7, 7, 0, 64, 1, &c);
    ntfs_image_finish(&img);
    log[5 * 4096 + 1023] ^= 1; /* torn where it belongs */
    log[1023] ^= 1;            /* a restart page torn: clean or not, who knows */
    ck_assert_ok(disk_ask(&d, &img, USED), &d.err);
    ck_assert_str_eq(d.unclean, "true");
    ck_assert_int_eq(disk_has(&d, 1200, 10), 1);
    ck_assert_int_eq(disk_has(&d, 1300, 5), 1); /* how far back a replay goes is not known either */
    ck_assert_int_eq(disk_has(&d, 1210, 90), 0);
    disk_free(&d);
    ntfs_image_free(&img);
}
END_TEST

START_TEST(files_that_claim_too_much_make_all_used)
{
    struct ntfs_image img;
    struct disk d;
    uint64_t n;

    small(&img);
    for (n = 24; n < 50; n++)
        lost_file(&img, n, 200, 1200); /* all the same clusters */
    ntfs_image_finish(&img);
    ck_assert_ok(disk_ask(&d, &img, USED), &d.err);
    ck_assert_uint_eq(disk_sum(&d), d.units * 256);
    ck_assert_msg(strstr(d.note, "more clusters than") != NULL, "%s", d.note);
    disk_free(&d);
    ntfs_image_free(&img);
}
END_TEST

/* ---- skip ----------------------------------------------------------------------------------- */

static void named_file(struct ntfs_image *img, uint64_t n, uint64_t parent, const char *name,
                       int64_t lcn, uint64_t count)
{
    struct ntfs_image_run run = { lcn, count };

    ntfs_image_start(img, n, false, 0);
    ntfs_image_name(img, n, parent, name);
    ntfs_image_runs(img, n, 0x80, "", 0, &run, 1, count * img->cluster);
    ntfs_image_bits(img, (uint64_t)lcn, count, true);
}

#define STORAGE "{3808876b-c176-4e48-b7ae-04046e6cc752}"
#define STORE "{aabbccdd-0011-2233-4455-66778899aabb}" STORAGE

/* pagefile.sys in the root's INDEX_ROOT, hiberfil.sys and the folder in a block of its index. */
static void skip_volume(struct ntfs_image *img)
{
    uint8_t entries[1024], value[1100];
    struct ntfs_image_run run;
    size_t n;

    small(img);
    named_file(img, 30, 5, "PageFile.Sys", 600, 30);
    named_file(img, 31, 5, "hiberfil.sys", 700, 10);
    named_file(img, 32, 5, "keep.sys", 750, 10);
    named_file(img, 34, 33, STORE, 800, 20);
    named_file(img, 35, 33, STORAGE, 830, 4);
    named_file(img, 36, 33, "tracking.log", 850, 4);
    ntfs_image_start(img, 33, true, 0);
    n = ntfs_image_index(entries, 34, 33, STORE, false);
    n += ntfs_image_index(entries + n, 35, 33, STORAGE, false);
    n += ntfs_image_index(entries + n, 36, 33, "tracking.log", false);
    n += ntfs_image_index(entries + n, 0, 0, "", true);
    ntfs_image_value(img, 33, 0x90, "$I30", value, ntfs_image_root(value, entries, n, 4096));
    ntfs_image_start(img, 5, true, 0);
    n = ntfs_image_index(entries, 30, 5, "PageFile.Sys", false);
    n += ntfs_image_index(entries + n, 0, 0, "", true);
    ntfs_image_value(img, 5, 0x90, "$I30", value, ntfs_image_root(value, entries, n, 4096));
    run.lcn = (int64_t)img->free;
    run.count = 2;
    ntfs_image_runs(img, 5, 0xa0, "$I30", 0, &run, 1, 2 * 4096);
    n = ntfs_image_index(entries, 31, 5, "hiberfil.sys", false);
    n += ntfs_image_index(entries + n, 32, 5, "keep.sys", false);
    n += ntfs_image_index(entries + n, 33, 5, "System Volume Information", false);
    n += ntfs_image_index(entries + n, 0, 0, "", true);
    ntfs_image_block(img, (img->free + 1) * 4096, entries, n);
}

START_TEST(skip_finds_page_hibernation_and_shadow_files)
{
    struct ntfs_image img;
    struct disk d;

    skip_volume(&img);
    ntfs_image_finish(&img);
    ck_assert_ok(disk_ask(&d, &img, SKIP), &d.err);
    ck_assert_int_eq(disk_has(&d, 600, 30), 1);
    ck_assert_int_eq(disk_has(&d, 700, 10), 1);
    ck_assert_int_eq(disk_has(&d, 800, 20), 1);
    ck_assert_int_eq(disk_has(&d, 830, 4), 1);
    ck_assert_uint_eq(disk_sum(&d), (30 + 10 + 20 + 4) * 4096);
    disk_free(&d);
    ntfs_image_free(&img);
}
END_TEST

START_TEST(skip_leaves_what_does_not_prove_itself)
{
    enum { NAME, PARENT, SEQUENCE, LINKS, FREE, FOLDER, SPARSE, COMPRESSED, ENCRYPTED, DIRTY,
           CASES };
    int i;

    for (i = 0; i < CASES; i++) {
        struct ntfs_image img;
        struct disk d;
        uint8_t *r;
        size_t name, data;
        skip_volume(&img);
        r = ntfs_image_record(&img, 30);
        name = ntfs_image_find(&img, 30, 0x30) + 24;
        data = ntfs_image_find(&img, 30, 0x80);
        switch (i) {
        case NAME: r[name + 66] = 'q'; break;
        case PARENT: r[name] = 40; break;
        case SEQUENCE: r[16] = 2; break;
        case LINKS: r[18] = 3; break;
        case FREE: r[22] = 0; break;
        case FOLDER: r[22] = 3; break;
        case SPARSE: r[data + 13] = 0x80; break;
        case COMPRESSED: r[data + 12] = 1; break;
        case ENCRYPTED: r[data + 13] = 0x40; break;
        default: ntfs_image_dirty(&img, true);
        }
        ntfs_image_finish(&img);
        ck_assert_ok(disk_ask(&d, &img, SKIP), &d.err);
        ck_assert_msg(disk_has(&d, 600, 30) == 0, "case %d", i);
        ck_assert_int_eq(disk_has(&d, 700, 10), i != DIRTY);
        disk_free(&d);
        ntfs_image_free(&img);
    }
}
END_TEST

/* The log changes the page file's record after what is on disk: its clusters may be others' now. */
START_TEST(skip_leaves_files_with_pending_changes)
{
    int newer;

    for (newer = 0; newer < 2; newer++) {
        struct ntfs_image img;
        struct ntfs_image_change c = { 0 };
        struct disk d;
        uint64_t lsn = ntfs_image_lsn(2, 4 * 4096 + 64 + (newer ? 0 : 8));
        skip_volume(&img);
        memcpy(ntfs_image_record(&img, 30) + 8, &lsn, 8);
        if (newer)
            memset(ntfs_image_record(&img, 30) + 8, 0, 8);
        ntfs_image_restart(&img, 1, false, ntfs_image_lsn(2, 4 * 4096));
        c.redo = c.undo = 11; /* sizes of record 30 */
        c.vcn = 7;
        c.block = 4;
        c.lcn = (int64_t)img.mft + 7;
        ntfs_image_change(&img, 4, 4, 0, 64, 2, &c);
        ntfs_image_finish(&img);
        ck_assert_ok(disk_ask(&d, &img, SKIP), &d.err);
        ck_assert_int_eq(disk_has(&d, 600, 30), !newer);
        ck_assert_int_eq(disk_has(&d, 700, 10), 1);
        disk_free(&d);
        ntfs_image_free(&img);
    }
}
END_TEST

/* ---- sets, and bytes from nowhere ----------------------------------------------------------- */

START_TEST(range_sets_are_bounded_and_err_to_their_side)
{
    struct ntfs_set coarse, drop;
    unsigned rnd = SEED, i;
    static uint64_t from[5000];

    ntfs_set_init(&coarse, 256, NTFS_SET_COARSEN);
    ntfs_set_init(&drop, 256, NTFS_SET_DROP);
    for (i = 0; i < 5000; i++) {
        rnd = rnd * 1103515245u + 12345u;
        from[i] = (rnd >> 3) % 1000000 * 10;
        ck_assert(ntfs_set_add(&coarse, from[i], from[i] + 3));
        ck_assert(ntfs_set_add(&drop, from[i], from[i] + 3));
        ck_assert_uint_le(coarse.room, 256);
    }
    ntfs_set_sort(&coarse);
    ntfs_set_sort(&drop);
    for (i = 0; i < 5000; i++)
        ck_assert_msg(ntfs_set_has(&coarse, from[i]) && ntfs_set_has(&coarse, from[i] + 2),
                      "lost %u (seed %u)", (unsigned)from[i], SEED);
    for (i = 0; i < drop.n; i++) /* nothing that was not added */
        ck_assert_uint_le((drop.range[i].to - drop.range[i].from) % 10, 9);
    for (i = 1; i < coarse.n; i++)
        ck_assert_uint_gt(coarse.range[i].from, coarse.range[i - 1].to);
    ck_assert(drop.dropped);
    ck_assert_uint_gt(drop.n, 200);
    ntfs_set_free(&coarse);
    ntfs_set_free(&drop);
}
END_TEST

/* Thousands of damaged volumes: an answer or an error, never a crash, and the time stays small. */
START_TEST(damaged_volumes_end_in_an_answer_or_an_error)
{
    struct ntfs_image img;
    struct ntfs_image_change c;
    struct bits bits = { 1200, 10 };
    unsigned rnd = SEED, round, errors = 0;
    uint8_t *sound;

    skip_volume(&img);
    ntfs_image_restart(&img, 1, false, ntfs_image_lsn(2, 4 * 4096));
    c = bits_change(&img, 21, 22, &bits);
    ntfs_image_change(&img, 4, 4, 5, 4096 - 64, 2, &c);
    ntfs_image_finish(&img);
    sound = malloc(img.size);
    ck_assert_ptr_nonnull(sound);
    memcpy(sound, img.bytes, img.size);
    for (round = 0; round < 1500; round++) {
        static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff, 8, 0x10, 0x40 };
        struct disk d;
        unsigned i, n = 1 + round % 4;
        size_t at[4];
        for (i = 0; i < n; i++) {
            rnd = rnd * 1103515245u + 12345u;
            switch (rnd >> 8 & 3) {
            case 0: at[i] = (rnd >> 12) % 0x60; break;
            case 1: at[i] = (size_t)(img.log * 4096) + (rnd >> 12) % (6 * 4096); break;
            case 2: /* the records of the system files */
                at[i] = (size_t)(img.mft * 4096) + (rnd >> 12) % 7 * 1024 + (rnd >> 16) % 300;
                break;
            default: at[i] = (size_t)(img.mft * 4096) + (rnd >> 12) % (36 * 1024);
            }
            rnd = rnd * 1103515245u + 12345u;
            img.bytes[at[i]] = values[rnd >> 16 & 7];
        }
        errors += disk_ask(&d, &img, USED) != DS_OK;
        ck_assert_uint_lt(d.read, 64u << 20);
        disk_free(&d);
        disk_ask(&d, &img, SKIP);
        disk_free(&d);
        for (i = 0; i < n; i++)
            img.bytes[at[i]] = sound[at[i]];
    }
    ck_assert_uint_gt(errors, 20);
    ck_assert_uint_lt(errors, 1400);
    free(sound);
    ntfs_image_free(&img);
}
END_TEST

UNIT_MAIN("fsmap-ntfs", probe_knows_ntfs_and_nothing_else,
          backup_boot_sector_serves_a_damaged_first, boot_errors_name_the_field,
          used_is_the_bitmap_at_every_geometry, windows_add_up_to_the_whole,
          bitmap_is_gathered_through_an_attribute_list, mft_is_gathered_through_an_attribute_list,
          bitmap_in_doubt_is_used, torn_records_come_from_the_mirror_or_are_named,
          bad_run_lists_are_named, attribute_lists_that_loop_end, cancel_ends_every_call,
          bitmap_behind_the_files_is_united_with_them, bits_set_in_the_log_are_used,
          bits_in_the_log_are_placed_by_vcn_and_block, run_lists_in_the_log_are_used,
          log_that_cannot_be_read_makes_all_used, torn_log_writes_are_survived,
          files_that_claim_too_much_make_all_used, skip_finds_page_hibernation_and_shadow_files,
          skip_leaves_what_does_not_prove_itself, skip_leaves_files_with_pending_changes,
          range_sets_are_bounded_and_err_to_their_side,
          damaged_volumes_end_in_an_answer_or_an_error)
