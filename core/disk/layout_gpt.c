/* SPDX-License-Identifier: Apache-2.0 */
/* layout_gpt.c - the GUID partition table: a header in the second sector, its copy in the last
 * one, each with a checksum of itself and of the entries that it points to. A copy is believed as
 * a whole or not at all. Sectors of the other size than the disk's are tried as well: an image
 * does not tell, and adapters between disk and machine translate. */
#include "core/disk/layout.h"

#include "core/base/bytes.h"
#include "core/base/text.h"
#include "core/disk/crc32.h"
#include "core/disk/label.h"

#include <stdlib.h>

#define GPT_ENTRIES_MAX (1u << 20) /* bytes; systems write 16 KiB */
#define GPT_HEADER_MIN 92

struct gpt {
    uint32_t sector, entry_size, n_entries;
    uint64_t lba, other_lba, entries_lba;
    uint8_t guid[16];
    uint8_t *entries; /* n_entries * entry_size bytes */
};

/* Why a copy is not believed; the order is that of how far it came. */
enum gpt_fault {
    GPT_WHOLE = 0,
    GPT_ABSENT,   /* no signature */
    GPT_HEADER,   /* header checksum, or a field out of range */
    GPT_ENTRIES,  /* checksum of the entries */
    GPT_UNREADABLE
};

static const char *fault_text(enum gpt_fault fault)
{
    static const char *const text[] = { "whole", "missing", "damaged in its header",
                                        "damaged in its entries", "unreadable" };
    return text[fault];
}

/* GUIDs keep their first three fields little-endian. */
static void guid_text(char out[UUID_TEXT], const uint8_t guid[16])
{
    static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    uint8_t uuid[16];
    for (size_t i = 0; i < 16; i++)
        uuid[i] = guid[order[i]];
    text_uuid(out, uuid);
}

static enum gpt_fault parse_header(struct gpt *gpt, uint8_t *header, uint64_t lbas)
{
    uint32_t size, crc;
    uint64_t length, end;
    if (memcmp(header, "EFI PART", 8) != 0)
        return GPT_ABSENT;
    gpt->other_lba = get_le64(header + 32);
    size = get_le32(header + 12);
    if (size < GPT_HEADER_MIN || size > gpt->sector || get_le32(header + 8) >> 16 != 1)
        return GPT_HEADER;
    crc = get_le32(header + 16);
    put_le32(header + 16, 0);
    if (crc32_of(0, header, size) != crc || get_le64(header + 24) != gpt->lba)
        return GPT_HEADER;
    memcpy(gpt->guid, header + 56, 16);
    gpt->entries_lba = get_le64(header + 72);
    gpt->n_entries = get_le32(header + 80);
    gpt->entry_size = get_le32(header + 84);
    if (gpt->entry_size < 128 || gpt->entry_size % 128 || gpt->entry_size > GPT_ENTRIES_MAX ||
        gpt->n_entries > GPT_ENTRIES_MAX / gpt->entry_size)
        return GPT_HEADER;
    length = div_round_up((uint64_t)gpt->n_entries * gpt->entry_size, gpt->sector);
    if (gpt->entries_lba < 2 || !add_u64(gpt->entries_lba, length, &end) || end > lbas)
        return GPT_HEADER;
    return GPT_WHOLE;
}

/* Reads and checks the copy at gpt->lba. A read error is a fault of this copy: *err keeps it. */
static enum gpt_fault read_copy(const struct layout_builder *b, struct gpt *gpt, int *rc,
                                struct ds_error *err)
{
    uint8_t header[4096];
    uint64_t lbas = b->reader->bytes / gpt->sector;
    uint32_t crc;
    size_t n;
    if (gpt->lba >= lbas)
        return GPT_ABSENT;
    *rc = layout_pread(b, header, gpt->sector, gpt->lba * gpt->sector, err);
    if (*rc)
        return GPT_UNREADABLE;
    crc = get_le32(header + 88);
    enum gpt_fault fault = parse_header(gpt, header, lbas);
    if (fault != GPT_WHOLE)
        return fault;
    n = (size_t)gpt->n_entries * gpt->entry_size;
    gpt->entries = malloc(n ? n : 1);
    if (!gpt->entries) {
        *rc = ds_fail(err, DS_ENOMEM, "no memory for a partition table of %zu bytes", n);
        return GPT_UNREADABLE;
    }
    *rc = n ? layout_pread(b, gpt->entries, n, gpt->entries_lba * gpt->sector, err) : DS_OK;
    if (*rc)
        fault = GPT_UNREADABLE;
    else if (crc32_of(0, gpt->entries, n) != crc)
        fault = GPT_ENTRIES;
    if (fault != GPT_WHOLE) {
        free(gpt->entries);
        gpt->entries = NULL;
    }
    return fault;
}

static int add_entries(struct layout_builder *b, const struct gpt *gpt)
{
    static const uint8_t unused[16];
    int rc = DS_OK;
    for (uint32_t i = 0; i < gpt->n_entries && !rc; i++) {
        const uint8_t *e = gpt->entries + (size_t)i * gpt->entry_size;
        uint64_t first = get_le64(e + 32), last = get_le64(e + 40);
        if (memcmp(e, unused, 16) == 0)
            continue;
        if (first > last || last == UINT64_MAX) {
            layout_damage(b->layout, "partition %u ends before it begins", (unsigned)i + 1);
            continue;
        }
        struct disk_partition *p = layout_add(b, i + 1, gpt->sector, first, last - first + 1, &rc);
        if (!p)
            continue;
        guid_text(p->type, e);
        memcpy(p->guid, e + 16, 16);
        label_of_utf16(p->name, sizeof p->name, e + 56, 36);
    }
    return rc;
}

/* The sectors that both copies occupy, so that no partition may lie over them. */
static int add_tables(struct layout_builder *b, const struct gpt *gpt)
{
    uint64_t entries = div_round_up((uint64_t)gpt->n_entries * gpt->entry_size, gpt->sector);
    uint64_t lbas = b->reader->bytes / gpt->sector;
    int rc;
    layout_add(b, LAYOUT_RESERVED, gpt->sector, 0, 2, &rc);
    if (!rc && entries)
        layout_add(b, LAYOUT_RESERVED, gpt->sector, gpt->entries_lba, entries, &rc);
    if (!rc && gpt->lba > 1)
        layout_add(b, LAYOUT_RESERVED, gpt->sector, gpt->lba, 1, &rc);
    if (!rc && gpt->other_lba < lbas)
        layout_add(b, LAYOUT_RESERVED, gpt->sector, gpt->other_lba, 1, &rc);
    return rc;
}

static int take(struct layout_builder *b, struct gpt *gpt)
{
    char guid[UUID_TEXT];
    struct disk_layout *layout = b->layout;
    layout->table = DISK_TABLE_GPT;
    layout->sector = gpt->sector;
    guid_text(guid, gpt->guid);
    snprintf(layout->id, sizeof layout->id, "gpt:%s", guid);
    int rc = add_tables(b, gpt);
    if (!rc)
        rc = add_entries(b, gpt);
    free(gpt->entries);
    gpt->entries = NULL;
    return rc;
}

/* After a whole primary copy: says if the backup is not where it belongs. */
static void check_backup(struct layout_builder *b, const struct gpt *primary)
{
    struct ds_error ignored = DS_ERROR_INIT;
    struct gpt backup = { .sector = primary->sector, .lba = primary->other_lba };
    int rc = DS_OK;
    enum gpt_fault fault = read_copy(b, &backup, &rc, &ignored);
    free(backup.entries);
    if (fault != GPT_WHOLE && !b->layout->note[0])
        snprintf(b->layout->note, sizeof b->layout->note, "the backup GPT is %s",
                 fault_text(fault));
}

/* The backup in the last sector, or, on a disk that has grown since, where a primary header that
 * is damaged elsewhere points to. */
static enum gpt_fault read_backup(const struct layout_builder *b, struct gpt *gpt, uint64_t hint,
                                  int *rc, struct ds_error *err)
{
    uint64_t lbas = b->reader->bytes / gpt->sector;
    if (lbas < 3)
        return GPT_ABSENT;
    gpt->lba = lbas - 1;
    enum gpt_fault fault = read_copy(b, gpt, rc, err);
    if (fault == GPT_WHOLE || hint < 2 || hint >= lbas || hint == gpt->lba)
        return fault;
    gpt->lba = hint;
    enum gpt_fault second = read_copy(b, gpt, rc, err);
    return second == GPT_WHOLE || second > fault ? second : fault;
}

int layout_gpt_read(struct layout_builder *b, bool *found, bool *any, struct ds_error *err)
{
    const uint32_t sizes[2] = { b->reader->sector == 4096 ? 4096 : 512,
                                b->reader->sector == 4096 ? 512 : 4096 };
    enum gpt_fault primary[2], backup[2];
    uint64_t hint[2] = { 0, 0 };
    int rc = DS_OK, worst = DS_OK;
    *found = *any = false;
    for (size_t i = 0; i < 2; i++) {
        struct gpt gpt = { .sector = sizes[i], .lba = 1 };
        primary[i] = read_copy(b, &gpt, &rc, err);
        hint[i] = gpt.other_lba;
        if (primary[i] == GPT_WHOLE) {
            *found = *any = true;
            rc = take(b, &gpt);
            check_backup(b, &gpt);
            return rc;
        }
        worst = primary[i] == GPT_UNREADABLE ? rc : worst;
    }
    for (size_t i = 0; i < 2; i++) {
        struct gpt gpt = { .sector = sizes[i] };
        backup[i] = read_backup(b, &gpt, hint[i], &rc, err);
        if (backup[i] == GPT_WHOLE) {
            *found = *any = b->layout->backup_used = true;
            snprintf(b->layout->note, sizeof b->layout->note,
                     "the primary GPT is %s; the backup is used", fault_text(primary[i]));
            return take(b, &gpt);
        }
        worst = backup[i] == GPT_UNREADABLE ? rc : worst;
    }
    if (worst)
        return worst;
    size_t i = primary[0] == GPT_ABSENT && backup[0] == GPT_ABSENT;
    *any = primary[i] != GPT_ABSENT || backup[i] != GPT_ABSENT;
    if (*any)
        layout_damage(b->layout, "the primary GPT is %s, the backup is %s", fault_text(primary[i]),
                      fault_text(backup[i]));
    return DS_OK;
}
