/* SPDX-License-Identifier: Apache-2.0 */
/* volume.h - an open NTFS volume: what is known of it, and which clusters count as used.
 * One call at a time (the plugin declares DS_THREADS_SERIAL), so nothing here is locked. */
#ifndef FSMAP_NTFS_VOLUME_H
#define FSMAP_NTFS_VOLUME_H

#include "boot.h"
#include "io.h"
#include "logfile.h"
#include "mft.h"
#include "rangeset.h"
#include "stream.h"

#define NTFS_EXTRA_MAX (1u << 18)  /* ranges used besides the bitmap: 4 MiB */
#define NTFS_STALE_MAX (1u << 16)  /* ranges of MFT records that the log changes: 1 MiB */
#define NTFS_LABEL_MAX 128u        /* bytes of UTF-8 and its end */
#define NTFS_NOTE_MAX 256u

struct ntfs_volume {
    struct ntfs_io io;
    struct ntfs_boot boot;
    struct ntfs_stream mft;    /* $DATA of record 0 */
    struct ntfs_stream bitmap; /* $DATA of record 6; its holes read as used */
    struct ntfs_log log;       /* what $LogFile says of the last unmount */
    bool dirty;                /* $Volume's dirty flag, or the flag cannot be read */
    bool unclean;              /* dirty, or the log is not clean: the bitmap may be behind */
    bool walk_files;           /* the runs of all files are to be united with the bitmap */
    bool all_used;             /* nothing is sure: every byte counts as used */
    struct ntfs_set extra;     /* clusters used whatever the bitmap says; sorted */
    struct ntfs_set stale;     /* MFT records that the log has newer changes of; sorted */
    char label[NTFS_LABEL_MAX];
    char note[NTFS_NOTE_MAX];  /* why all_used, or other doubts; "" for none */
};

/* Does the boot sector and the $MFT look like NTFS? *score 0 or 100 (80 by the backup). */
int ntfs_volume_probe(const struct ntfs_io *io, uint32_t *score);

int ntfs_volume_open(const struct ntfs_io *io, struct ntfs_volume **volume);
void ntfs_volume_close(struct ntfs_volume *v);

/* As ds_fsmap_ops.facts. */
int ntfs_volume_facts(struct ntfs_volume *v, ds_kv_fn *fn, void *ud);

/* From now on every byte counts as used, and facts say why. The first reason stays. */
void ntfs_volume_doubt(struct ntfs_volume *v, const char *why);

/* Marks clusters [from, from + count) as used, clipped to the volume. */
int ntfs_volume_add(struct ntfs_volume *v, uint64_t from, uint64_t count);

#endif
