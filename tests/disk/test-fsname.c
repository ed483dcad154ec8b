/* SPDX-License-Identifier: Apache-2.0 */
/* test-fsname.c - file systems are named by their magic, with their label, and bytes that only
 * begin like one harm nothing. The tools' own file systems are compared in
 * integration/test-disks-filesystems.sh. */
#include "core/disk/disk.h"

#include "tests/disk/tables.h"
#include "tests/unit.h"

#define MIB (1ull << 20)

static char fs[16], label[64];

static void name(struct sparse *s)
{
    struct ds_reader reader = sparse_reader(s);
    memset(fs, 'X', sizeof fs);
    memset(label, 'X', sizeof label);
    disk_fs_name(&reader, fs, label);
    ck_assert(memchr(fs, 0, sizeof fs) && memchr(label, 0, sizeof label));
}

/* A volume with these bytes at these places. */
static void expect(const char *fs_wanted, const char *label_wanted, uint64_t bytes,
                   const uint64_t *places, const char *const *texts, size_t n)
{
    struct sparse s = { .bytes = bytes, .sector = 512 };
    for (size_t i = 0; i < n; i++)
        sparse_put(&s, places[i], texts[i], strlen(texts[i]));
    name(&s);
    ck_assert_str_eq(fs, fs_wanted);
    ck_assert_str_eq(label, label_wanted);
    sparse_free(&s);
}

#define EXPECT(fs_wanted, label_wanted, places, ...)                                           \
    do {                                                                                       \
        const char *const texts_[] = { __VA_ARGS__ };                                          \
        expect(fs_wanted, label_wanted, 4 * MIB, places, texts_,                               \
               sizeof texts_ / sizeof texts_[0]);                                              \
    } while (0)

START_TEST(each_magic_has_its_name)
{
    EXPECT("luks", "", ((uint64_t[]){ 0, 7 }), "LUKS\xba\xbe", "\x01");
    EXPECT("luks", "geheim", ((uint64_t[]){ 0, 7, 24 }), "LUKS\xba\xbe", "\x02", "geheim");
    EXPECT("", "", ((uint64_t[]){ 0, 7 }), "LUKS\xba\xbe", "\x09");
    EXPECT("bitlocker", "", ((uint64_t[]){ 3 }), "-FVE-FS-");
    EXPECT("bitlocker", "", ((uint64_t[]){ 3, 424 }), "MSWIN4.1",
           "\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01");
    EXPECT("mdraid", "host:0", ((uint64_t[]){ 4096, 4100, 4128 }), "\xfc\x4e\x2b\xa9", "\x01",
           "host:0");
    EXPECT("mdraid", "", ((uint64_t[]){ 0, 4 }), "\xfc\x4e\x2b\xa9", "\x01");
    EXPECT("mdraid", "", ((uint64_t[]){ 4 * MIB - 8192, 4 * MIB - 8188, 1080 }),
           "\xfc\x4e\x2b\xa9", "\x01", "\x53\xef"); /* an ext2 shows through its mirror */
    EXPECT("mdraid", "", ((uint64_t[]){ 4 * MIB - 65536 }), "\xfc\x4e\x2b\xa9");
    EXPECT("lvm2", "", ((uint64_t[]){ 512, 536 }), "LABELONE", "LVM2 001");
    EXPECT("refs", "", ((uint64_t[]){ 3, 16 }), "ReFS", "FSRS");
    EXPECT("xfs", "daten", ((uint64_t[]){ 0, 108 }), "XFSB", "daten");
    EXPECT("squashfs", "", ((uint64_t[]){ 0 }), "hsqs");
    EXPECT("btrfs", "pool", ((uint64_t[]){ 65600, 65536 + 299 }), "_BHRfS_M", "pool");
    EXPECT("swap", "auslager", ((uint64_t[]){ 4086, 1052 }), "SWAPSPACE2", "auslager");
    EXPECT("swap", "", ((uint64_t[]){ 65526 }), "SWAPSPACE2");
    EXPECT("iso9660", "CD 1", ((uint64_t[]){ 32769, 32808 }), "CD001", "CD 1      ");
    EXPECT("ext2", "boot", ((uint64_t[]){ 1080, 1144 }), "\x53\xef", "boot");
    EXPECT("ext3", "", ((uint64_t[]){ 1080, 1116 }), "\x53\xef", "\x04");
    EXPECT("ext4", "root", ((uint64_t[]){ 1080, 1116, 1120, 1144 }), "\x53\xef", "\x04", "\x46",
           "root");
    EXPECT("jbd", "", ((uint64_t[]){ 1080, 1120 }), "\x53\xef", "\x08");
    EXPECT("", "", ((uint64_t[]){ 0 }), "nothing that anyone knows");
}
END_TEST

START_TEST(a_vfat_label_is_that_of_its_root_directory)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
    uint8_t boot[512], dir[96] = { 0 };
    uint64_t root = (4 + 2 * 128) * 512;
    tables_fat16(boot, 64 * MIB / 512);
    sparse_put(&s, 0, boot, sizeof boot);
    name(&s);
    ck_assert_str_eq(fs, "vfat");
    ck_assert_str_eq(label, "OLD LABEL");
    memcpy(dir, "\xe5" "ELETED    \x08", 12); /* a deleted one, a long name, the label */
    memcpy(dir + 32, "Alongname  \x0f", 12);
    memcpy(dir + 64, "NEW LABEL  \x08", 12);
    sparse_put(&s, root, dir, sizeof dir);
    name(&s);
    ck_assert_str_eq(label, "NEW LABEL");
    put_le16(boot + 11, 500); /* no sector has this size */
    sparse_put(&s, 0, boot, sizeof boot);
    name(&s);
    ck_assert_str_eq(fs, "");
    sparse_free(&s);
}
END_TEST

START_TEST(an_exfat_label_is_in_its_root_directory)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
    uint8_t boot[512] = { 0 }, dir[64] = { 0 };
    memcpy(boot, "\xeb\x76\x90" "EXFAT   ", 11);
    put_le32(boot + 88, 4096);  /* cluster heap, sectors */
    put_le32(boot + 96, 5);     /* root cluster */
    boot[108] = 9;
    boot[109] = 3;
    sparse_put(&s, 0, boot, sizeof boot);
    dir[0] = 0x81;
    dir[32] = 0x83;
    dir[33] = 4;
    memcpy(dir + 34, "F\0o\0t\0o\0", 8);
    sparse_put(&s, 4096 * 512 + 3 * 4096, dir, sizeof dir);
    name(&s);
    ck_assert_str_eq(fs, "exfat");
    ck_assert_str_eq(label, "Foto");
    put_le32(boot + 96, UINT32_MAX); /* far beyond the volume */
    sparse_put(&s, 0, boot, sizeof boot);
    name(&s);
    ck_assert_str_eq(fs, "exfat");
    ck_assert_str_eq(label, "");
    sparse_free(&s);
}
END_TEST

/* MFT record 3 with a $VOLUME_NAME, fix-ups applied as on disk. */
static void volume_record(uint8_t record[1024])
{
    memset(record, 0, 1024);
    memcpy(record, "FILE", 4);
    put_le16(record + 4, 48);  /* fix-ups */
    put_le16(record + 6, 3);
    put_le16(record + 48, 0x1234);
    put_le16(record + 20, 56); /* first attribute */
    put_le32(record + 56, 0x30);
    put_le32(record + 60, 448); /* so that the next one lies over the end of a sector */
    put_le32(record + 504, 0x60);
    put_le32(record + 508, 40);
    put_le32(record + 504 + 16, 10);
    put_le16(record + 504 + 20, 24);
    memcpy(record + 504 + 24, "D\0a\0t\0e\0n\0", 10);
    put_le32(record + 544, 0xffffffff);
    for (size_t i = 1; i <= 2; i++) {
        memcpy(record + 48 + 2 * i, record + 512 * i - 2, 2);
        put_le16(record + 512 * i - 2, 0x1234);
    }
}

START_TEST(an_ntfs_label_is_in_the_mft)
{
    struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
    uint8_t boot[512], record[1024];
    uint64_t at = 4 * 4096 + 3 * 1024;
    tables_ntfs(boot, 64 * MIB / 512);
    volume_record(record);
    sparse_put(&s, 0, boot, sizeof boot);
    sparse_put(&s, at, record, sizeof record);
    name(&s);
    ck_assert_str_eq(fs, "ntfs");
    ck_assert_str_eq(label, "Daten");
    put_le16(record + 1022, 0x4321); /* torn: a fix-up that does not fit */
    sparse_put(&s, at, record, sizeof record);
    name(&s);
    ck_assert_str_eq(label, "");
    sparse_free(&s);
}
END_TEST

START_TEST(hostile_ntfs_records_are_left)
{
    static const struct { size_t at; uint32_t value; } faults[] = {
        { 4, 0x0003fffe }, { 4, 0xffff0030 }, { 20, 0x0000ffff }, { 60, 0 }, { 60, 23 },
        { 60, UINT32_MAX }, { 508, UINT32_MAX }, { 520, UINT32_MAX }, { 524, 0x0000ffff },
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
        uint8_t boot[512], record[1024];
        tables_ntfs(boot, 64 * MIB / 512);
        volume_record(record);
        put_le32(record + faults[i].at, faults[i].value);
        sparse_put(&s, 0, boot, sizeof boot);
        sparse_put(&s, 4 * 4096 + 3 * 1024, record, sizeof record);
        name(&s);
        ck_assert_str_eq(fs, "ntfs");
        sparse_free(&s);
    }
    for (unsigned code = 0; code < 256; code++) { /* sizes of a record and of a cluster */
        struct sparse s = { .bytes = 64 * MIB, .sector = 512 };
        uint8_t boot[512];
        tables_ntfs(boot, 64 * MIB / 512);
        boot[64] = (uint8_t)code;
        boot[13] = (uint8_t)code;
        put_le64(boot + 48, UINT64_MAX / 3);
        sparse_put(&s, 0, boot, sizeof boot);
        name(&s);
        sparse_free(&s);
    }
}
END_TEST

START_TEST(small_and_unreadable_volumes_have_no_name)
{
    struct sparse s = { .bytes = 0, .sector = 512 };
    name(&s);
    ck_assert_str_eq(fs, "");
    for (s.bytes = 1; s.bytes < 70000; s.bytes += 511)
        name(&s);
    sparse_put(&s, 1080, "\x53\xef", 2);
    s.bytes = 4 * MIB;
    s.bad_from = 8192; /* a bad sector does not hide what can be read */
    s.bad_to = 8193;
    name(&s);
    ck_assert_str_eq(fs, "ext2");
    s.bad_from = 0;
    name(&s);
    ck_assert_str_eq(fs, "");
    sparse_free(&s);
}
END_TEST

UNIT_MAIN("disk-fsname", each_magic_has_its_name, a_vfat_label_is_that_of_its_root_directory,
          an_exfat_label_is_in_its_root_directory, an_ntfs_label_is_in_the_mft,
          hostile_ntfs_records_are_left, small_and_unreadable_volumes_have_no_name)
