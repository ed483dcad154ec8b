/* SPDX-License-Identifier: Apache-2.0 */
/* io.c - reads of the volume. Every byte that the parser sees comes through ntfs_io_read, which
 * is also where a long walk notices that it was cancelled. */
#include "io.h"

#include <disksync/helpers.h>

int ntfs_io_poll(const struct ntfs_io *io)
{
    const struct ds_host *host = io->call->host;

    if (host && DS_HAS(ds_host, host, cancelled) && host->cancelled(io->call))
        return ds_fail(io->call->err, DS_ECANCELLED, "NTFS: cancelled while reading the volume");
    return DS_OK;
}

int ntfs_io_read(const struct ntfs_io *io, void *data, size_t n, uint64_t offset,
                 const char *what)
{
    const struct ds_reader *reader = io->reader;
    int rc = ntfs_io_poll(io);

    if (rc != DS_OK)
        return rc;
    if (offset > reader->bytes || n > reader->bytes - offset)
        return ds_fail(io->call->err, DS_EFORMAT,
                       "NTFS: %s: %zu bytes at %llu lie past the end of the volume (%llu bytes)",
                       what, n, (unsigned long long)offset, (unsigned long long)reader->bytes);
    return reader->pread(reader->ctx, data, n, offset, io->call->err);
}
