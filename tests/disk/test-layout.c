/* SPDX-License-Identifier: Apache-2.0 */
/* test-layout.c - what is believed of partition tables, whole ones and hostile ones. */
#include "core/disk/disk.h"

#include "tests/disk/tables.h"
#include "tests/unit.h"

#define MIB (1ull << 20)

static struct ds_error err = DS_ERROR_INIT;

/* Whatever the bytes: ascending, disjoint, within the disk, not empty, text ended. */
static void check_promises(const struct disk_layout *layout, uint64_t bytes)
{
    uint64_t end = 0;
    for (size_t i = 0; i < layout->n_partitions; i++) {
        const struct disk_partition *p = &layout->partitions[i];
        ck_assert_uint_gt(p->extent.length, 0);
        ck_assert_uint_ge(p->extent.offset, end);
        ck_assert_uint_le(p->extent.length, bytes - p->extent.offset);
        end = p->extent.offset + p->extent.length;
        ck_assert(memchr(p->name, 0, sizeof p->name) && memchr(p->label, 0, sizeof p->label) &&
                  memchr(p->fs, 0, sizeof p->fs) && memchr(p->type, 0, sizeof p->type));
    }
    ck_assert(!layout->damaged || layout->note[0]);
}

static void read_layout(struct disk_layout *layout, struct sparse *s)
{
    struct ds_reader reader = sparse_reader(s);
    ck_assert_ok(disk_layout_read(layout, &reader, &err), &err);
    check_promises(layout, s->bytes);
}

static void expect_extent(const struct disk_layout *layout, size_t i, unsigned number,
                          uint64_t offset, uint64_t length)
{
    ck_assert_uint_lt(i, layout->n_partitions);
    ck_assert_uint_eq(layout->partitions[i].number, number);
    ck_assert_uint_eq(layout->partitions[i].extent.offset, offset);
    ck_assert_uint_eq(layout->partitions[i].extent.length, length);
}

static const struct table_part two_parts[] = { { 256, 511, "EFI system" }, { 512, 8191, "Daten" } };

/* ---- GPT ---- */

START_TEST(gpt_is_read_in_both_sector_sizes_known_or_not)
{
    static const uint32_t sizes[] = { 512, 4096 };
    for (size_t i = 0; i < 2; i++)
        for (unsigned known = 0; known < 3; known++) {
            struct sparse s = { .bytes = 64 * MIB };
            struct table_gpt t = { .sector = sizes[i], .parts = two_parts, .n_parts = 2 };
            struct disk_layout layout;
            s.sector = known == 0 ? 0 : sizes[known - 1]; /* also the wrong one */
            tables_put_gpt(&s, &t);
            read_layout(&layout, &s);
            ck_assert_int_eq(layout.table, DISK_TABLE_GPT);
            ck_assert_uint_eq(layout.sector, sizes[i]);
            ck_assert_str_eq(layout.id, "gpt:03020100-0504-0706-0809-0a0b0c0d0e0f");
            ck_assert(!layout.damaged && !layout.backup_used && !layout.note[0]);
            ck_assert_uint_eq(layout.n_partitions, 2);
            expect_extent(&layout, 0, 1, 256ull * sizes[i], 256ull * sizes[i]);
            expect_extent(&layout, 1, 2, 512ull * sizes[i], 7680ull * sizes[i]);
            ck_assert_str_eq(layout.partitions[1].name, "Daten");
            ck_assert_str_eq(layout.partitions[0].type, "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7");
            ck_assert_uint_eq(layout.partitions[1].guid[15], 0x41);
            disk_layout_free(&layout);
            sparse_free(&s);
        }
}
END_TEST

static void expect_backup(struct sparse *s, const char *note)
{
    struct disk_layout layout;
    read_layout(&layout, s);
    ck_assert_int_eq(layout.table, DISK_TABLE_GPT);
    ck_assert(layout.backup_used && !layout.damaged);
    ck_assert_msg(strstr(layout.note, note), "%s", layout.note);
    ck_assert_uint_eq(layout.n_partitions, 2);
    disk_layout_free(&layout);
    sparse_free(s);
}

static struct sparse plain_gpt(uint32_t sector)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = sector };
    struct table_gpt t = { .sector = sector, .parts = two_parts, .n_parts = 2 };
    tables_put_gpt(&s, &t);
    return s;
}

START_TEST(the_backup_serves_when_the_primary_is_not_whole)
{
    for (uint32_t sector = 512; sector <= 4096; sector *= 8) {
        uint8_t zeros[512] = { 0 };
        struct sparse s = plain_gpt(sector);
        sparse_put(&s, sector, zeros, sizeof zeros);
        expect_backup(&s, "missing");
        s = plain_gpt(sector);
        sparse_put(&s, sector + 40, "x", 1);
        expect_backup(&s, "header");
        s = plain_gpt(sector);
        sparse_put(&s, 2 * sector + 128 + 35, "x", 1);
        expect_backup(&s, "entries");
        s = plain_gpt(sector);
        s.bad_from = sector;
        s.bad_to = sector + 512;
        expect_backup(&s, "unreadable");
    }
}
END_TEST

START_TEST(a_backup_header_in_the_primary_place_is_not_believed)
{
    struct sparse s = plain_gpt(512);
    uint8_t backup[512];
    ck_assert_ok(sparse_pread(&s, backup, 512, s.bytes - 512, &err), &err);
    sparse_put(&s, 512, backup, 512);
    expect_backup(&s, "header");
}
END_TEST

START_TEST(a_grown_disk_with_a_bad_primary_finds_its_old_backup)
{
    struct sparse s = { .bytes = 128 * MIB, .sector = 512 };
    struct table_gpt t = { .sector = 512, .parts = two_parts, .n_parts = 2,
                           .lbas = 64 * MIB / 512 };
    tables_put_gpt(&s, &t);
    sparse_put(&s, 2 * 512 + 35, "x", 1);
    expect_backup(&s, "entries");
}
END_TEST

START_TEST(a_missing_backup_is_told_and_no_damage)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
    struct table_gpt t = { .sector = 512, .parts = two_parts, .n_parts = 2, .no_backup = true };
    struct disk_layout layout;
    tables_put_gpt(&s, &t);
    read_layout(&layout, &s);
    ck_assert(!layout.damaged && !layout.backup_used);
    ck_assert_msg(strstr(layout.note, "backup"), "%s", layout.note);
    ck_assert_uint_eq(layout.n_partitions, 2);
    disk_layout_free(&layout);
    sparse_free(&s);
}
END_TEST

START_TEST(no_whole_copy_is_damage_and_no_partitions)
{
    struct sparse s = plain_gpt(512);
    struct disk_layout layout;
    sparse_put(&s, 512 + 40, "x", 1);
    sparse_put(&s, s.bytes - 512 + 40, "x", 1);
    read_layout(&layout, &s);
    ck_assert_int_eq(layout.table, DISK_TABLE_GPT);
    ck_assert(layout.damaged && layout.n_partitions == 0 && !layout.id[0]);
    disk_layout_free(&layout);
    s.bad_from = 512;
    s.bad_to = s.bytes;
    struct ds_reader reader = sparse_reader(&s);
    ck_assert_int_eq(disk_layout_read(&layout, &reader, &err), DS_EIO);
    disk_layout_free(&layout);
    sparse_free(&s);
}
END_TEST

START_TEST(without_a_protective_mbr_a_gpt_is_an_old_one)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
    struct table_gpt t = { .sector = 512, .parts = two_parts, .n_parts = 2,
                           .no_protective = true };
    struct disk_layout layout;
    uint8_t mbr[512] = { 0 };
    tables_put_gpt(&s, &t);
    read_layout(&layout, &s);
    ck_assert(layout.table == DISK_TABLE_NONE && layout.n_partitions == 0);
    disk_layout_free(&layout);
    tables_mbr_entry(mbr, 0, 0x07, 2048, 4096); /* partitioned anew without wiping */
    sparse_put(&s, 0, mbr, sizeof mbr);
    read_layout(&layout, &s);
    ck_assert_int_eq(layout.table, DISK_TABLE_MBR);
    disk_layout_free(&layout);
    sparse_free(&s);
}
END_TEST

START_TEST(in_a_hybrid_the_gpt_wins)
{
    struct sparse s = plain_gpt(512);
    struct disk_layout layout;
    uint8_t mbr[512] = { 0 };
    tables_mbr_entry(mbr, 0, 0x07, 300, 100);
    tables_mbr_entry(mbr, 1, 0xee, 1, 255);
    put_le32(mbr + 440, 0x11223344);
    sparse_put(&s, 0, mbr, sizeof mbr);
    read_layout(&layout, &s);
    ck_assert_int_eq(layout.table, DISK_TABLE_GPT);
    ck_assert_uint_eq(layout.n_partitions, 2);
    disk_layout_free(&layout);
    sparse_free(&s);
}
END_TEST

START_TEST(larger_and_more_entries_are_read)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
    struct table_gpt t = { .sector = 512, .parts = two_parts, .n_parts = 2, .entry_size = 256,
                           .n_entries = 200 };
    struct disk_layout layout;
    tables_put_gpt(&s, &t);
    read_layout(&layout, &s);
    ck_assert_uint_eq(layout.n_partitions, 2);
    ck_assert(!layout.damaged && !layout.note[0]);
    ck_assert_str_eq(layout.partitions[0].name, "EFI system");
    disk_layout_free(&layout);
    sparse_free(&s);
}
END_TEST

/* Reads one GPT with these entries on 64 MiB and expects these to be left, by number. */
static void expect_kept(const struct table_part *parts, size_t n, const char *kept,
                        const char *note)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
    struct table_gpt t = { .sector = 512, .parts = parts, .n_parts = n };
    struct disk_layout layout;
    char got[64] = "";
    tables_put_gpt(&s, &t);
    read_layout(&layout, &s);
    for (size_t i = 0; i < layout.n_partitions; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%u ", layout.partitions[i].number);
    ck_assert_str_eq(got, kept);
    ck_assert_int_eq(layout.damaged, note[0] != 0);
    ck_assert_msg(strstr(layout.note, note), "%s", layout.note);
    disk_layout_free(&layout);
    sparse_free(&s);
}

START_TEST(entries_come_in_the_order_of_the_disk)
{
    const struct table_part parts[] = { { 9000, 9999, "" }, { 0, 0, "" }, { 100, 199, "" },
                                        { 200, 8999, "" } };
    expect_kept(parts, 4, "3 4 1 ", "");
}
END_TEST

START_TEST(all_that_overlap_are_dropped)
{
    const struct table_part one_in_one[] = { { 100, 999, "" }, { 200, 299, "" },
                                             { 5000, 5999, "" } };
    const struct table_part same[] = { { 100, 199, "" }, { 100, 199, "" }, { 200, 299, "" } };
    /* the third overlaps the first, which began before the second */
    const struct table_part long_first[] = { { 100, 900, "" }, { 200, 299, "" }, { 800, 999, "" },
                                             { 1000, 1099, "" } };
    const struct table_part by_one[] = { { 100, 200, "" }, { 200, 300, "" } };
    expect_kept(one_in_one, 3, "3 ", "partitions 1 and 2 overlap");
    expect_kept(same, 3, "3 ", "overlap");
    expect_kept(long_first, 4, "4 ", "overlap");
    expect_kept(by_one, 2, "", "overlap");
}
END_TEST

START_TEST(entries_out_of_range_are_dropped)
{
    const struct table_part beyond[] = { { 100, 199, "" }, { 200, 131072, "" } };
    const struct table_part backwards[] = { { 200, 100, "" }, { 300, 399, "" } };
    const struct table_part huge[] = { { 1ull << 62, UINT64_MAX, "" }, { 300, 399, "" } };
    const struct table_part wraps[] = { { (1ull << 55) + 300, (1ull << 55) + 310, "" } };
    const struct table_part over_table[] = { { 10, 199, "" }, { 300, 399, "" } };
    const struct table_part over_backup[] = { { 300, 131071, "" } };
    expect_kept(beyond, 2, "1 ", "partition 2 ends beyond");
    expect_kept(backwards, 2, "2 ", "partition 1 ends before");
    expect_kept(huge, 2, "2 ", "partition 1");
    expect_kept(wraps, 1, "", "partition 1 ends beyond");
    expect_kept(over_table, 2, "2 ", "over the partition table");
    expect_kept(over_backup, 1, "", "over the partition table");
}
END_TEST

/* Sets a field of the primary header, repairs its checksum and leaves no backup. */
static void expect_refused(size_t at, uint64_t value, size_t size)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
    struct table_gpt t = { .sector = 512, .parts = two_parts, .n_parts = 2, .no_backup = true };
    struct disk_layout layout;
    uint8_t h[512];
    tables_put_gpt(&s, &t);
    ck_assert_ok(sparse_pread(&s, h, 512, 512, &err), &err);
    for (size_t i = 0; i < size; i++)
        h[at + i] = (uint8_t)(value >> 8 * i);
    put_le32(h + 16, 0);
    uint32_t crc = tables_crc(h, get_le32(h + 12) <= 512 ? get_le32(h + 12) : 92);
    put_le32(h + 16, crc);
    sparse_put(&s, 512, h, 512);
    read_layout(&layout, &s);
    ck_assert_msg(layout.damaged && layout.n_partitions == 0, "field at %zu", at);
    disk_layout_free(&layout);
    sparse_free(&s);
}

START_TEST(a_good_checksum_does_not_excuse_bad_fields)
{
    expect_refused(8, 0x00020000, 4);         /* revision */
    expect_refused(12, 91, 4);                /* header size */
    expect_refused(12, 513, 4);
    expect_refused(12, UINT32_MAX, 4);
    expect_refused(24, 2, 8);                 /* its own place */
    expect_refused(72, 1, 8);                 /* entries over the header */
    expect_refused(72, UINT64_MAX, 8);        /* entries beyond the disk */
    expect_refused(72, 64 * MIB / 512 - 1, 8);
    expect_refused(80, UINT32_MAX, 4);        /* number of entries */
    expect_refused(80, 127, 4);               /* their checksum is of 128 */
    expect_refused(84, 0, 4);                 /* entry size */
    expect_refused(84, 64, 4);
    expect_refused(84, 192, 4);
    expect_refused(84, 1u << 31, 4);
}
END_TEST

/* ---- MBR ---- */

START_TEST(mbr_with_logical_partitions_is_read)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
    struct disk_layout layout;
    uint8_t mbr[512] = { 0 };
    put_le32(mbr + 440, 0xdeadbeef);
    tables_mbr_entry(mbr, 0, 0x07, 2048, 2048);
    tables_mbr_entry(mbr, 1, 0x0f, 10000, 50000);
    tables_mbr_entry(mbr, 3, 0x83, 4096, 100); /* the third is not in use */
    sparse_put(&s, 0, mbr, sizeof mbr);
    tables_put_ebr(&s, 512, 10000, 63, 1000, 20000); /* the chain need not ascend */
    tables_put_ebr(&s, 512, 30000, 63, 1000, 10000);
    tables_put_ebr(&s, 512, 20000, 63, 1000, 0);
    read_layout(&layout, &s);
    ck_assert_int_eq(layout.table, DISK_TABLE_MBR);
    ck_assert_str_eq(layout.id, "mbr:deadbeef");
    ck_assert_msg(!layout.damaged, "%s", layout.note);
    ck_assert_uint_eq(layout.n_partitions, 5);
    expect_extent(&layout, 0, 1, 2048 * 512, 2048 * 512);
    expect_extent(&layout, 1, 4, 4096 * 512, 100 * 512);
    expect_extent(&layout, 2, 5, 10063 * 512, 1000 * 512);
    expect_extent(&layout, 3, 7, 20063 * 512, 1000 * 512);
    expect_extent(&layout, 4, 6, 30063 * 512, 1000 * 512);
    ck_assert_str_eq(layout.partitions[0].type, "0x07");
    disk_layout_free(&layout);
    sparse_free(&s);
}
END_TEST

/* An MBR with one partition (1) and an extended one of sectors 10000 to 60000. */
static struct sparse extended_disk(void)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
    uint8_t mbr[512] = { 0 };
    put_le32(mbr + 440, 1);
    tables_mbr_entry(mbr, 0, 0x83, 2048, 2048);
    tables_mbr_entry(mbr, 1, 0x05, 10000, 50000);
    sparse_put(&s, 0, mbr, sizeof mbr);
    return s;
}

static void expect_chain(struct sparse *s, size_t n, const char *note)
{
    struct disk_layout layout;
    read_layout(&layout, s);
    ck_assert_int_eq(layout.table, DISK_TABLE_MBR);
    ck_assert_uint_eq(layout.n_partitions, n);
    ck_assert_int_eq(layout.damaged, note[0] != 0);
    ck_assert_msg(strstr(layout.note, note), "%s", layout.note);
    ck_assert_uint_lt(s->reads, 3000);
    disk_layout_free(&layout);
    sparse_free(s);
}

START_TEST(bad_chains_of_logical_partitions_end)
{
    struct sparse s = extended_disk(); /* never filled: no EBR at all */
    expect_chain(&s, 1, "");

    s = extended_disk();
    tables_put_ebr(&s, 512, 10000, 63, 100, 10000);
    tables_put_ebr(&s, 512, 20000, 63, 100, 10000); /* to itself */
    expect_chain(&s, 3, "loop");

    s = extended_disk();
    tables_put_ebr(&s, 512, 10000, 63, 100, 10000);
    tables_put_ebr(&s, 512, 20000, 63, 100, 50000); /* just beyond its end */
    expect_chain(&s, 3, "leads out");

    s = extended_disk();
    tables_put_ebr(&s, 512, 10000, 63, 100, UINT32_MAX);
    expect_chain(&s, 2, "leads out");

    s = extended_disk();
    tables_put_ebr(&s, 512, 10000, 63, 100, 10000); /* to nothing */
    expect_chain(&s, 2, "broken");

    s = extended_disk();
    for (uint32_t i = 0; i < 200; i++)
        tables_put_ebr(&s, 512, 10000 + 200 * i, 63, 100, i < 199 ? 200 * (i + 1) : 0);
    expect_chain(&s, 129, "more than");

    s = extended_disk();
    tables_put_ebr(&s, 512, 10000, 63, 60000, 20000); /* partition beyond the extended one */
    tables_put_ebr(&s, 512, 30000, 63, 100, 0);
    expect_chain(&s, 2, "logical partition 5");

    s = extended_disk();
    tables_put_ebr(&s, 512, 10000, 0, 100, 0); /* over its own EBR */
    expect_chain(&s, 1, "over the partition table");
}
END_TEST

START_TEST(an_extended_partition_beyond_the_disk_is_damage)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
    uint8_t mbr[512] = { 0 };
    tables_mbr_entry(mbr, 0, 0x83, 2048, 2048);
    tables_mbr_entry(mbr, 1, 0x05, UINT32_MAX, UINT32_MAX);
    sparse_put(&s, 0, mbr, sizeof mbr);
    expect_chain(&s, 1, "leads out");
}
END_TEST

START_TEST(the_sector_size_of_an_mbr_image_is_told_by_what_it_leads_to)
{
    struct sparse s = { .bytes = 64 * MIB };
    struct disk_layout layout;
    uint8_t mbr[512] = { 0 }, boot[512];
    tables_mbr_entry(mbr, 0, 0x07, 256, 2048);
    sparse_put(&s, 0, mbr, sizeof mbr);
    tables_ntfs(boot, 2048 * 8);
    sparse_put(&s, 256 * 4096, boot, sizeof boot);
    read_layout(&layout, &s);
    ck_assert_uint_eq(layout.sector, 4096);
    expect_extent(&layout, 0, 1, 256 * 4096, 2048 * 4096);
    ck_assert_str_eq(layout.partitions[0].fs, "ntfs");
    disk_layout_free(&layout);
    s.sector = 512; /* a device knows */
    read_layout(&layout, &s);
    expect_extent(&layout, 0, 1, 256 * 512, 2048 * 512);
    disk_layout_free(&layout);
    sparse_free(&s);
}
END_TEST

START_TEST(an_empty_mbr_is_one_and_zeros_are_none)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
    struct disk_layout layout;
    uint8_t mbr[512] = { 0 };
    read_layout(&layout, &s);
    ck_assert(layout.table == DISK_TABLE_NONE && !layout.id[0] && !layout.n_partitions);
    disk_layout_free(&layout);
    mbr[510] = 0x55;
    mbr[511] = 0xaa;
    put_le32(mbr + 440, 7);
    sparse_put(&s, 0, mbr, sizeof mbr);
    read_layout(&layout, &s);
    ck_assert(layout.table == DISK_TABLE_MBR && !layout.n_partitions && !layout.damaged);
    ck_assert_str_eq(layout.id, "mbr:00000007");
    disk_layout_free(&layout);
    s.bytes = 100; /* no room for a sector */
    read_layout(&layout, &s);
    ck_assert_int_eq(layout.table, DISK_TABLE_NONE);
    disk_layout_free(&layout);
    sparse_free(&s);
}
END_TEST

/* ---- no table ---- */

static void expect_bare(struct sparse *s, const char *fs)
{
    struct disk_layout layout;
    read_layout(&layout, s);
    ck_assert_int_eq(layout.table, DISK_TABLE_NONE);
    ck_assert_uint_eq(layout.n_partitions, 1);
    expect_extent(&layout, 0, 0, 0, s->bytes);
    ck_assert_str_eq(layout.partitions[0].fs, fs);
    ck_assert(!layout.damaged && !layout.id[0]);
    disk_layout_free(&layout);
    sparse_free(s);
}

START_TEST(a_boot_sector_of_a_file_system_is_no_mbr)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
    uint8_t boot[512];
    tables_ntfs(boot, 64 * MIB / 512);
    sparse_put(&s, 0, boot, sizeof boot);
    expect_bare(&s, "ntfs");

    tables_fat16(boot, 64 * MIB / 512); /* zeros where the entries would be */
    sparse_put(&s, 0, boot, sizeof boot);
    expect_bare(&s, "vfat");

    put_le32(boot + 440, 0x12345678); /* and something like a signature */
    sparse_put(&s, 0, boot, sizeof boot);
    expect_bare(&s, "vfat");

    tables_fat16(boot, 64 * MIB / 512); /* one entry for itself, as some tools write it */
    tables_mbr_entry(boot, 0, 0x0c, 0, 64 * MIB / 512);
    sparse_put(&s, 0, boot, sizeof boot);
    expect_bare(&s, "vfat");

    memset(boot, 0, sizeof boot);
    memcpy(boot, "\xeb\x76\x90" "EXFAT   ", 11);
    put_le32(boot + 96, 5);
    boot[108] = 9;
    boot[109] = 3;
    memset(boot + 120, 0xf4, 390);
    boot[510] = 0x55;
    boot[511] = 0xaa;
    sparse_put(&s, 0, boot, sizeof boot);
    expect_bare(&s, "exfat");
}
END_TEST

START_TEST(entries_that_fit_make_an_mbr_of_what_was_a_boot_sector)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
    struct disk_layout layout;
    uint8_t boot[512];
    tables_fat16(boot, 64 * MIB / 512); /* partitioning tools leave the code area as it was */
    tables_mbr_entry(boot, 0, 0x07, 2048, 4096);
    sparse_put(&s, 0, boot, sizeof boot);
    read_layout(&layout, &s);
    ck_assert_int_eq(layout.table, DISK_TABLE_MBR);
    ck_assert_uint_eq(layout.n_partitions, 1);
    disk_layout_free(&layout);
    sparse_free(&s);
}
END_TEST

/* ---- anything ---- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

START_TEST(damaged_tables_keep_the_promises)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 20261122, state = seed;
    printf("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 3000; round++) {
        struct sparse s = round & 1 ? plain_gpt(round & 2 ? 4096 : 512) : extended_disk();
        struct disk_layout layout;
        if (!(round & 1)) {
            tables_put_ebr(&s, 512, 10000, 63, 100, 10000);
            tables_put_ebr(&s, 512, 20000, 63, 100, 0);
        }
        for (uint64_t n = next_random(&state) % 6; n; n--) {
            static const uint64_t places[] = { 440, 512, 1024, 4096, 8192, 10000 * 512 + 440,
                                               20000 * 512 + 440 };
            uint8_t value = (uint8_t)next_random(&state);
            sparse_put(&s, places[next_random(&state) % 7] + next_random(&state) % 192, &value, 1);
        }
        struct ds_reader reader = sparse_reader(&s);
        ck_assert_ok(disk_layout_read(&layout, &reader, &err), &err);
        check_promises(&layout, s.bytes);
        disk_layout_free(&layout);
        sparse_free(&s);
    }
}
END_TEST

UNIT_MAIN("disk-layout", gpt_is_read_in_both_sector_sizes_known_or_not,
          the_backup_serves_when_the_primary_is_not_whole,
          a_backup_header_in_the_primary_place_is_not_believed,
          a_grown_disk_with_a_bad_primary_finds_its_old_backup,
          a_missing_backup_is_told_and_no_damage, no_whole_copy_is_damage_and_no_partitions,
          without_a_protective_mbr_a_gpt_is_an_old_one, in_a_hybrid_the_gpt_wins,
          larger_and_more_entries_are_read, entries_come_in_the_order_of_the_disk,
          all_that_overlap_are_dropped, entries_out_of_range_are_dropped,
          a_good_checksum_does_not_excuse_bad_fields, mbr_with_logical_partitions_is_read,
          bad_chains_of_logical_partitions_end,
          an_extended_partition_beyond_the_disk_is_damage,
          the_sector_size_of_an_mbr_image_is_told_by_what_it_leads_to,
          an_empty_mbr_is_one_and_zeros_are_none, a_boot_sector_of_a_file_system_is_no_mbr,
          entries_that_fit_make_an_mbr_of_what_was_a_boot_sector,
          damaged_tables_keep_the_promises)
