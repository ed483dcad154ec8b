/* SPDX-License-Identifier: Apache-2.0 */
/* logfile.h - $LogFile: was the volume unmounted in order, and the records of changes that may not
 * have reached their place yet. The log is only read; nothing is replayed. */
#ifndef FSMAP_NTFS_LOGFILE_H
#define FSMAP_NTFS_LOGFILE_H

#include "stream.h"

enum ntfs_log_state {
    NTFS_LOG_CLEAN,     /* both restart pages say: unmounted in order */
    NTFS_LOG_EMPTY,     /* never written since it was reset: holds nothing, proves nothing */
    NTFS_LOG_UNCLEAN,   /* records may wait for replay */
    NTFS_LOG_UNREADABLE /* cannot be understood; why says more */
};

enum ntfs_log_op { /* operations that matter here */
    NTFS_LOG_INITIALIZE_RECORD = 2,
    NTFS_LOG_CREATE_ATTRIBUTE = 5,
    NTFS_LOG_UPDATE_PAIRS = 9,
    NTFS_LOG_SET_BITS = 21,
    NTFS_LOG_CLEAR_BITS = 22
};

struct ntfs_log {
    enum ntfs_log_state state;
    const char *why;       /* UNREADABLE */
    struct ntfs_stream data;
    uint32_t major;        /* version */
    uint32_t restart_page; /* bytes of a restart page */
    uint32_t page;         /* bytes of a log page */
    uint32_t first;        /* byte in a log page where records start */
    uint32_t header;       /* bytes of a record's header */
    uint32_t sequence_bits;
    uint64_t size;         /* bytes of the log in use */
    uint64_t oldest;       /* records before this LSN are never replayed; 0 = not known */
};

struct ntfs_log_side { /* redo or undo */
    uint16_t op;         /* enum ntfs_log_op or another */
    const uint8_t *data;
    size_t length;
};

struct ntfs_log_record { /* one change; valid for the callback */
    uint64_t lsn;
    struct ntfs_log_side redo, undo;
    uint64_t target;        /* byte in the changed stream where the changed block starts */
    uint64_t vcn;           /* of that block */
    uint64_t lcn;           /* where that vcn was on disk; NTFS_HOLE if the record does not say */
    uint32_t record_offset; /* bytes in the block */
    uint32_t attr_offset;   /* bytes from record_offset */
};

typedef int ntfs_log_fn(void *ud, const struct ntfs_log_record *record);

/* Fills v->log from record 2. Fails only where reading fails: what cannot be understood becomes
 * NTFS_LOG_UNREADABLE. */
int ntfs_log_open(struct ntfs_volume *v);

/* Every change record not older than log.oldest, in the order of their place in the file; some may
 * come twice. v->log.state becomes UNREADABLE where a page is damaged and has no good copy. */
int ntfs_log_walk(struct ntfs_volume *v, ntfs_log_fn *fn, void *ud);

#endif
