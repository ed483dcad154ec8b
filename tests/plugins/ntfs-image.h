/* SPDX-License-Identifier: Apache-2.0 */
/* ntfs-image.h - builds small NTFS volumes in memory for tests: only what a parser of used clusters
 * looks at, but that in the true format. Change `bytes` at will before ntfs_image_finish, which
 * seals records and pages with update sequence numbers, and after it to do damage. */
#ifndef TESTS_NTFS_IMAGE_H
#define TESTS_NTFS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTFS_IMAGE_RECORDS 64u    /* MFT records */
#define NTFS_IMAGE_LOG_PAGES 40u  /* pages of 4096 bytes of $LogFile: 2 restart, 2 tail, the log */
#define NTFS_IMAGE_SEALS 256u

struct ntfs_image {
    uint8_t *bytes;
    size_t size;                  /* of the partition: the volume, and the backup boot sector */
    uint32_t sector, cluster, record;
    uint64_t clusters;
    uint64_t mft, mirror, bitmap, log; /* first clusters */
    uint64_t bitmap_count, free;  /* clusters of $Bitmap; first cluster that nothing uses */
    size_t seal[NTFS_IMAGE_SEALS], seal_size[NTFS_IMAGE_SEALS];
    size_t seals;
};

struct ntfs_image_run {
    int64_t lcn; /* -1 = hole */
    uint64_t count;
};

/* A volume of that geometry: $MFT, $MFTMirr, $LogFile (all 0xff), $Volume, the root and $Bitmap. */
void ntfs_image_init(struct ntfs_image *img, uint32_t sector, uint32_t cluster, uint32_t record,
                     uint64_t clusters);
void ntfs_image_free(struct ntfs_image *img);

/* Bytes of MFT record n, before it is sealed. */
uint8_t *ntfs_image_record(struct ntfs_image *img, uint64_t n);
/* Starts record n anew: in use, no attributes. base: the base record, 0 for none. */
void ntfs_image_start(struct ntfs_image *img, uint64_t n, bool directory, uint64_t base);
/* Appends attributes. name: ASCII, "" for none. The instance is the attribute's count. */
void ntfs_image_value(struct ntfs_image *img, uint64_t n, uint32_t type, const char *name,
                      const void *value, size_t size);
void ntfs_image_runs(struct ntfs_image *img, uint64_t n, uint32_t type, const char *name,
                     uint64_t lowest_vcn, const struct ntfs_image_run *run, size_t runs,
                     uint64_t size);
/* Appends a FILE_NAME attribute. */
void ntfs_image_name(struct ntfs_image *img, uint64_t n, uint64_t parent, const char *name);
/* Packs runs as mapping pairs; returns the bytes written, at most 17 a run and 1. */
size_t ntfs_image_pairs(uint8_t *out, const struct ntfs_image_run *run, size_t runs);
/* Offset of the first attribute of that type in record n; 0 if there is none. */
size_t ntfs_image_find(struct ntfs_image *img, uint64_t n, uint32_t type);
/* Fills an entry of an attribute list; returns its length. */
size_t ntfs_image_entry(uint8_t *out, uint32_t type, uint64_t lowest_vcn, uint64_t record,
                        uint16_t instance);
/* Fills an index entry for a file; returns its length. last: the end entry, without a name. */
size_t ntfs_image_index(uint8_t *out, uint64_t record, uint64_t parent, const char *name,
                        bool last);
/* The value of an INDEX_ROOT attribute around `n` bytes of entries; returns its length. */
size_t ntfs_image_root(uint8_t *out, const uint8_t *entries, size_t n, uint32_t block);
/* An INDX block of 4096 bytes at byte `at` of the volume. */
void ntfs_image_block(struct ntfs_image *img, size_t at, const uint8_t *entries, size_t n);

/* Sets or clears bits of $Bitmap. */
void ntfs_image_bits(struct ntfs_image *img, uint64_t from, uint64_t count, bool set);
/* $Volume's dirty flag. */
void ntfs_image_dirty(struct ntfs_image *img, bool dirty);

/* Writes both restart pages. oldest is an LSN, as ntfs_image_lsn makes them. */
void ntfs_image_restart(struct ntfs_image *img, unsigned major, bool clean, uint64_t oldest);
uint64_t ntfs_image_lsn(unsigned sequence, size_t offset);
struct ntfs_image_change {
    uint16_t redo, undo;
    const void *redo_data, *undo_data;
    uint16_t redo_size, undo_size;
    uint16_t record_offset, attr_offset, block; /* block: in units of 512 bytes */
    uint64_t vcn;
    int64_t lcn; /* -1: none follows */
};
/* Writes a change record at byte `at` of page `page`, which belongs at page `real` of the log (a
 * tail page of version 1 where they differ). What does not fit goes on in page `next`. Returns the
 * byte behind it in `page`. */
size_t ntfs_image_change(struct ntfs_image *img, unsigned page, unsigned real, unsigned next,
                         size_t at, unsigned sequence, const struct ntfs_image_change *change);

/* Seals all records, pages and blocks, and copies records 0 to 3 to the mirror. */
void ntfs_image_finish(struct ntfs_image *img);

#endif
