/* SPDX-License-Identifier: Apache-2.0 */
/* fsname.c - names what is at the start of a volume by its magic, and finds its label. A new kind
 * is one row of the table. Containers come first: what they hold may show its own magic through
 * them. All bytes are hostile: every read is bounded, and a name is only for people and for the
 * choice of who is asked next; what is in use is fsmap's to say. No state: any thread. */
#include "core/disk/fsname.h"

#include "core/base/bytes.h"
#include "core/base/text.h"

#include <stdlib.h>

/* What the volume begins with; zeros where it is shorter or can't be read. */
static void read_head(struct fsname *v)
{
    struct ds_error ignored = DS_ERROR_INIT;
    const struct ds_reader *r = v->reader;
    size_t n = (size_t)min_u64(r->bytes, FSNAME_HEAD), piece = 4096;
    if (n && r->pread(r->ctx, v->head, n, 0, &ignored) == DS_OK)
        return;
    memset(v->head, 0, FSNAME_HEAD);
    for (size_t at = 0; at < n; at += piece)
        if (r->pread(r->ctx, v->head + at, n - at < piece ? n - at : piece, at, &ignored))
            memset(v->head + at, 0, n - at < piece ? n - at : piece);
}

bool fsname_pread(const struct fsname *v, void *data, size_t n, uint64_t offset)
{
    struct ds_error ignored = DS_ERROR_INIT;
    const struct ds_reader *r = v->reader;
    uint64_t end;
    return add_u64(offset, n, &end) && end <= r->bytes &&
           r->pread(r->ctx, data, n, offset, &ignored) == DS_OK;
}

static bool is_luks(const struct fsname *v)
{
    return v->head[6] == 0 && (v->head[7] == 1 || v->head[7] == 2);
}

static void luks_label(const struct fsname *v, char *label)
{
    if (v->head[7] == 2)
        label_of_bytes(label, FSNAME_LABEL, v->head + 24, 48);
}

/* "BitLocker To Go" looks like FAT but for a GUID. */
static bool is_bitlocker_to_go(const struct fsname *v)
{
    static const uint8_t guid[16] = { 0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a,
                                      0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 0x01 };
    return memcmp(v->head + 424, guid, sizeof guid) == 0;
}

/* RAID members with their superblock at the start say version 1. */
static bool is_md_start(const struct fsname *v)
{
    return get_le32(v->head + 4) == 1;
}
static bool is_md_4k(const struct fsname *v)
{
    return get_le32(v->head + 4096 + 4) == 1;
}
static void md_label(const struct fsname *v, char *label)
{
    label_of_bytes(label, FSNAME_LABEL, v->head + 32, 32);
}
static void md_4k_label(const struct fsname *v, char *label)
{
    label_of_bytes(label, FSNAME_LABEL, v->head + 4096 + 32, 32);
}

/* Versions 1.0 and 0.90 keep it near the end, so that a member of a mirror begins like what the
 * array holds. */
static bool is_md_end(const struct fsname *v)
{
    static const uint8_t magic[4] = { 0xfc, 0x4e, 0x2b, 0xa9 };
    uint8_t sb[8];
    uint64_t bytes = v->reader->bytes;
    if (bytes >= 65536 && fsname_pread(v, sb, 8, (bytes - 8192) / 4096 * 4096) &&
        memcmp(sb, magic, 4) == 0 && get_le32(sb + 4) == 1)
        return true;
    return bytes >= 2 * 65536 && fsname_pread(v, sb, 8, bytes / 65536 * 65536 - 65536) &&
           memcmp(sb, magic, 4) == 0 && get_le32(sb + 4) == 0;
}

/* The label of a physical volume is in one of the first four sectors. */
static bool is_lvm2(const struct fsname *v)
{
    for (size_t at = 0; at < 4 * 512; at += 512)
        if (memcmp(v->head + at, "LABELONE", 8) == 0 &&
            memcmp(v->head + at + 24, "LVM2 001", 8) == 0)
            return true;
    return false;
}

static bool is_refs(const struct fsname *v)
{
    return memcmp(v->head + 16, "FSRS", 4) == 0;
}

static void xfs_label(const struct fsname *v, char *label)
{
    label_of_bytes(label, FSNAME_LABEL, v->head + 108, 12);
}

static void btrfs_label(const struct fsname *v, char *label)
{
    label_of_bytes(label, FSNAME_LABEL, v->head + 65536 + 0x12b, 256);
}

/* ext2, 3 and 4 share a superblock; the features tell them apart. */
enum {
    EXT3_COMPAT_JOURNAL = 0x4,
    EXT_INCOMPAT_2 = 0x2 | 0x10,       /* filetype, meta_bg: what ext2 itself knows */
    EXT_INCOMPAT_3 = EXT_INCOMPAT_2 | 0x4, /* and a journal to replay */
    EXT_INCOMPAT_JOURNAL = 0x8,        /* the device is another one's journal */
    EXT_RO_COMPAT_3 = 0x1 | 0x2 | 0x4
};
static bool is_ext_journal(const struct fsname *v)
{
    return get_le32(v->head + 1024 + 96) & EXT_INCOMPAT_JOURNAL;
}
static bool is_ext4(const struct fsname *v)
{
    return get_le32(v->head + 1024 + 96) & ~(uint32_t)EXT_INCOMPAT_3 ||
           get_le32(v->head + 1024 + 100) & ~(uint32_t)EXT_RO_COMPAT_3;
}
static bool is_ext3(const struct fsname *v)
{
    return get_le32(v->head + 1024 + 92) & EXT3_COMPAT_JOURNAL;
}
static void ext_label(const struct fsname *v, char *label)
{
    label_of_bytes(label, FSNAME_LABEL, v->head + 1024 + 120, 16);
}

static void swap_label(const struct fsname *v, char *label)
{
    label_of_bytes(label, FSNAME_LABEL, v->head + 1024 + 28, 16);
}

static void iso9660_label(const struct fsname *v, char *label)
{
    label_of_bytes(label, FSNAME_LABEL, v->head + 32768 + 40, 32);
}

static void f2fs_label(const struct fsname *v, char *label)
{
    label_of_utf16(label, FSNAME_LABEL, v->head + 1024 + 124, 512);
}

/* Magic "" is always there: accept decides alone. */
static const struct fs_probe {
    const char *name;
    uint32_t offset;
    const char *magic;
    uint8_t length;
    bool (*accept)(const struct fsname *v);
    void (*label)(const struct fsname *v, char *label);
} probes[] = {
    { "luks", 0, "LUKS\xba\xbe", 6, is_luks, luks_label },
    { "bitlocker", 3, "-FVE-FS-", 8, NULL, NULL },
    { "bitlocker", 3, "MSWIN4.1", 8, is_bitlocker_to_go, NULL },
    { "mdraid", 0, "\xfc\x4e\x2b\xa9", 4, is_md_start, md_label },
    { "mdraid", 4096, "\xfc\x4e\x2b\xa9", 4, is_md_4k, md_4k_label },
    { "mdraid", 0, "", 0, is_md_end, NULL },
    { "lvm2", 0, "", 0, is_lvm2, NULL },
    { "bcache", 4096 + 24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca", 8, NULL, NULL },
    { "refs", 3, "ReFS\0\0\0", 8, is_refs, NULL },
    { "exfat", 3, "EXFAT   ", 8, fsname_is_exfat, fsname_exfat_label },
    { "ntfs", 3, "NTFS    ", 8, fsname_is_ntfs, fsname_ntfs_label },
    { "xfs", 0, "XFSB", 4, NULL, xfs_label },
    { "squashfs", 0, "hsqs", 4, NULL, NULL },
    { "btrfs", 65536 + 64, "_BHRfS_M", 8, NULL, btrfs_label },
    { "jbd", 1024 + 56, "\x53\xef", 2, is_ext_journal, ext_label },
    { "ext4", 1024 + 56, "\x53\xef", 2, is_ext4, ext_label },
    { "ext3", 1024 + 56, "\x53\xef", 2, is_ext3, ext_label },
    { "ext2", 1024 + 56, "\x53\xef", 2, NULL, ext_label },
    { "vfat", 510, "\x55\xaa", 2, fsname_is_vfat, fsname_vfat_label },
    { "swap", 4086, "SWAPSPACE2", 10, NULL, swap_label },
    { "swap", 8182, "SWAPSPACE2", 10, NULL, swap_label },
    { "swap", 16374, "SWAPSPACE2", 10, NULL, swap_label },
    { "swap", 65526, "SWAPSPACE2", 10, NULL, swap_label },
    { "iso9660", 32769, "CD001", 5, NULL, iso9660_label },
    { "f2fs", 1024, "\x10\x20\xf5\xf2", 4, NULL, f2fs_label },
    { "erofs", 1024, "\xe2\xe1\xf5\xe0", 4, NULL, NULL },
    { "hfsplus", 1024, "H+\0\x04", 4, NULL, NULL },
    { "apfs", 32, "NXSB", 4, NULL, NULL },
    { "jfs", 32768, "JFS1", 4, NULL, NULL },
    { "reiserfs", 65536 + 52, "ReIsEr", 6, NULL, NULL },
};

void disk_fs_name(const struct ds_reader *reader, char fs[16], char label[64])
{
    struct fsname v = { reader, calloc(1, FSNAME_HEAD) };
    fs[0] = label[0] = 0;
    if (!v.head)
        return;
    read_head(&v);
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
        const struct fs_probe *p = &probes[i];
        if (memcmp(v.head + p->offset, p->magic, p->length) != 0 || (p->accept && !p->accept(&v)))
            continue;
        text_copy(fs, 16, p->name);
        if (p->label)
            p->label(&v, label);
        break;
    }
    free(v.head);
}
