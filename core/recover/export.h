/* SPDX-License-Identifier: Apache-2.0 */
/* export.h - one disk of a point as something to read from anywhere: what `disksync serve` gives to
 * NBD clients. Every block is checked, as a restore checks it, before a byte of it is handed out.
 *
 * Memory: EXPORT_CACHE_BYTES of plain blocks, EXPORT_HEADS_BYTES of segment heads (more only while
 * more are in use at a time), 3 MiB of map leaves, and for each fetcher 2 MiB, a block and some
 * 200 KiB. That is about 90 MiB with 8 fetchers, whatever the size of the disk. */
#ifndef CORE_RECOVER_EXPORT_H
#define CORE_RECOVER_EXPORT_H

#include "core/s3block/root.h"

#define EXPORT_CACHE_BYTES ((size_t)32 << 20)
#define EXPORT_HEADS_BYTES ((size_t)32 << 20)
#define EXPORT_FETCHERS_MAX 16u

struct export;
/* Borrows space and disk until export_close. fetchers: how many threads fetch at a time, 1 to
 * EXPORT_FETCHERS_MAX; any number may call. Makes no request. DS_ENOMEM. */
int export_open(struct export **out, const struct segment_space *space,
                const struct root_disk *disk, unsigned fetchers, struct ds_error *err);
/* When no call is running any more. Accepts NULL. */
void export_close(struct export *export);

/* n bytes at an offset, both in bytes and of any alignment. What is ZERO, UNKNOWN or BAD reads as
 * zeros. Any thread. DS_EINVAL: not all of the range is on the disk. DS_EDAMAGED: a block of it
 * fails its check or is gone; the message names the block and the object, and what is in data then
 * is not to be used. Other failures of the store are tried again by the next call. */
int export_read(struct export *export, void *data, size_t n, uint64_t offset,
                struct ds_error *err);

/* Tells what a range (bytes) is made of, in order and without gaps from its beginning on: holes
 * read as zeros and need not be read; where the map is damaged there is no hole. Neighbours differ,
 * but for the seams between two calls. Ends early, after at least one extent, behind the first one
 * (if `one`) or where much of the map had to be read. fn ends it by a value other than 0, which is
 * returned. Any thread; fn is called without a lock, and may not call the export. */
typedef int export_extent_fn(void *ud, uint64_t offset, uint64_t bytes, bool hole);
int export_extents(struct export *export, uint64_t offset, uint64_t bytes, bool one,
                   export_extent_fn *fn, void *ud, struct ds_error *err);

#endif
