/* SPDX-License-Identifier: Apache-2.0 */
/* disk.h - the inventory: what disks there are, their identity and layout. A disk is a whole block
 * device, a loop device, or an image file that policy includes. The inventory is read once and
 * then immutable. */
#ifndef CORE_DISK_DISK_H
#define CORE_DISK_DISK_H

#include "core/base/os.h"
#include "core/policy/policy.h"

#include <disksync/abi.h>
#include <disksync/fsmap.h>

#define DISK_ID_MAX 160

enum disk_table { DISK_TABLE_NONE = 0, DISK_TABLE_MBR, DISK_TABLE_GPT };

struct disk_partition {
    unsigned number;          /* as the system counts: 1.., logical ones from 5; 0: no table, the
                                 file system begins at the disk's first byte */
    struct ds_extent extent;  /* bytes on the disk */
    char type[48];            /* GPT type GUID, or MBR type "0x07" */
    char name[112];           /* GPT name as UTF-8 */
    uint8_t guid[16];         /* GPT unique GUID as on disk; zero on MBR */
    char fs[16];              /* "ntfs", "ext4", "vfat", ... or "" */
    char label[64];           /* of the file system, or "" */
    char mount[256];          /* where it is mounted, or "" */
};

/* Result of reading a partition table; pure parser over a reader, fuzzed. */
struct disk_layout {
    enum disk_table table;
    uint32_t sector;          /* bytes per sector that the table counts in; 0: no table */
    char id[64];              /* "gpt:GUID", "mbr:1a2b3c4d", or "" */
    bool backup_used;         /* the primary GPT header was bad, the backup one good */
    bool damaged;             /* a table is there and no copy of it is whole; note says what */
    char note[160];
    struct disk_partition *partitions;
    size_t n_partitions;
};
/* Fails with the reader's own error or DS_ENOMEM only; hostile bytes give damaged or
 * DISK_TABLE_NONE. Extents are always within the disk, ascending, not overlapping one another or
 * the table itself (else `damaged`, and every entry that takes part in an overlap is dropped: its
 * bytes belong to no partition). A disk that is one file system has DISK_TABLE_NONE and one
 * partition numbered 0. File system names and labels are filled in. reader->sector 0: the sector
 * size is not known and found out. Free with disk_layout_free, also after a failure. */
int disk_layout_read(struct disk_layout *layout, const struct ds_reader *reader,
                     struct ds_error *err);
void disk_layout_free(struct disk_layout *layout);

struct disk {
    unsigned number;          /* display only: 1.. in the order of the inventory */
    char id[DISK_ID_MAX];     /* identity: partition table id, serial and size joined, e.g.
                                 "gpt:GUID+serial:S+bytes:N". Without table id and serial:
                                 "image:PATH", for devices "path:PATH" (a path too long for this
                                 is replaced by "...END#checksum") */
    char path[OS_PATH_MAX];
    char model[80], serial[80];
    uint64_t bytes;
    uint32_t sector, physical_sector;
    uint32_t flags;           /* DS_DISK_* */
    char backing[OS_PATH_MAX]; /* loop device: its file; else "" */
    struct disk_layout layout;
    bool selected;            /* the policy replicates it */
    bool excluded;            /* policy names it in disks.exclude */
    char why_not[200];        /* why it is not selected, or what refuses it; else "" */
    bool refused;             /* selected, but cannot be replicated: sync fails on it */
};

struct disk_inventory {
    struct disk *disks;
    size_t n;
};

/* Lists the machine's disks and the image files that policy names, marks selection by
 * include/exclude (selector: number, path, glob of path, "serial:S", "gpt:GUID", "mbr:SIG", or a
 * whole identity), and refuses twins (two selected disks with one identity). Without an include
 * every fixed disk is selected; loop devices and images only where a selector names them: a glob
 * does for a loop device if it spells "loop". DS_ENOENT: an include matches nothing; the list is
 * there, unselected, to be shown. policy NULL: nothing is selected. Free it in any case. */
int disk_inventory_read(struct disk_inventory *inventory, const struct policy *policy,
                        struct ds_error *err);
void disk_inventory_free(struct disk_inventory *inventory);

/* One device or image by path, for restore targets and rereads. A partition is refused
 * (DS_EINVAL). A layout that can't be read is no failure: `refused` and why_not say so. */
int disk_probe(struct disk *disk, const char *path, struct ds_error *err);
void disk_free(struct disk *disk);

/* DS_EMOUNTED, naming where, if the device, a partition of it, or a device stacked on it is
 * mounted, used as swap or claimed; or an image file is attached to a loop device. A path that
 * does not exist is unused. */
int disk_check_unused(const char *path, struct ds_error *err);
/* True if a write to `path` may change `disk` (a device or an image file): it is the same, a
 * partition of it, a loop device on it, or a device stacked on one of these. */
bool disk_lies_on(const char *path, const char *disk);

/* A reader over an open file or device; `sector` as given. Any alignment, also on direct files;
 * any number of threads. Where direct I/O is not to be had, `direct` is false after the open. The
 * reader borrows the source. */
struct disk_source {
    struct os_file file;
    char path[OS_PATH_MAX];
    uint64_t bytes;
    bool direct, device;
};
int disk_source_open(struct disk_source *source, const char *path, bool direct,
                     struct ds_error *err);
void disk_source_close(struct disk_source *source);
struct ds_reader disk_source_reader(struct disk_source *source, uint32_t sector);

/* Fills a struct ds_disk for plugins; borrows the strings. */
struct ds_disk disk_abi(const struct disk *disk, uint32_t index);

/* Name of the file system at the start of the reader, by its magic, and its label: "" for none, or
 * where the bytes can't be read. */
void disk_fs_name(const struct ds_reader *reader, char fs[16], char label[64]);

#endif
