/* SPDX-License-Identifier: Apache-2.0 */
/* io.h - reads of the volume for one call: range check, cancellation, the reader's own error. */
#ifndef FSMAP_NTFS_IO_H
#define FSMAP_NTFS_IO_H

#include <disksync/fsmap.h>

struct ntfs_io {
    const struct ds_reader *reader; /* borrowed from who opened the volume */
    struct ds_call *call;           /* of the call that runs now */
};

/* Exactly n bytes at byte offset of the volume; what names them in an error. DS_EFORMAT beyond the
 * volume's end, DS_ECANCELLED, or the reader's own error. */
int ntfs_io_read(const struct ntfs_io *io, void *data, size_t n, uint64_t offset,
                 const char *what);

/* DS_OK, or DS_ECANCELLED with the error filled. */
int ntfs_io_poll(const struct ntfs_io *io);

#endif
