/* SPDX-License-Identifier: Apache-2.0 */
/* source.c - reads a device or image at any alignment. Direct reads, which see the disk and not a
 * page cache that may be behind it, must be aligned in memory and on the disk: reads that are not
 * go through a buffer. No lock: each read has its own buffer. */
#include "core/disk/disk.h"

#include "core/base/bytes.h"
#include "core/base/text.h"

#include <stdlib.h>

#define DIRECT_ALIGN 4096u
#define BOUNCE_MAX (1u << 20)

int disk_source_open(struct disk_source *source, const char *path, bool direct,
                     struct ds_error *err)
{
    struct os_file closed = OS_FILE_INIT;
    source->file = closed;
    source->direct = direct;
    source->device = os_kind(path) != OS_REGULAR;
    if (!text_copy(source->path, sizeof source->path, path))
        return ds_fail(err, DS_EINVAL, "the path %.200s... is too long", path);
    int rc = os_open(&source->file, path, OS_READ | (direct ? OS_DIRECT : 0), err);
    if (rc == DS_ENOTSUP && direct) {
        source->direct = false;
        rc = os_open(&source->file, path, OS_READ, err);
    }
    if (!rc)
        rc = os_file_size(&source->file, &source->bytes, path, err);
    if (rc)
        disk_source_close(source);
    return rc;
}

void disk_source_close(struct disk_source *source)
{
    os_close(&source->file);
}

static int fail_short(const struct disk_source *source, uint64_t offset, struct ds_error *err)
{
    return ds_fail(err, DS_EIO, "%s ended at byte %llu; it was %llu bytes long", source->path,
                   (unsigned long long)offset, (unsigned long long)source->bytes);
}

/* An aligned read; the last one may ask for more than there is. Devices get no request beyond
 * their end, files get whole units: each refuses the other. */
static int read_aligned(const struct disk_source *source, void *data, size_t n, uint64_t offset,
                        struct ds_error *err)
{
    struct os_file file = source->file;
    size_t got, want = (size_t)min_u64(n, source->bytes - offset);
    int rc = os_pread(&file, data, source->device ? want : n, offset, &got, source->path, err);
    return rc || got >= want ? rc : fail_short(source, offset + got, err);
}

static int read_bounced(const struct disk_source *source, uint8_t *data, size_t n, uint64_t offset,
                        struct ds_error *err)
{
    uint64_t first = offset / DIRECT_ALIGN * DIRECT_ALIGN;
    uint64_t need = div_round_up(offset - first + n, DIRECT_ALIGN) * DIRECT_ALIGN;
    size_t size = (size_t)min_u64(need, BOUNCE_MAX);
    uint8_t *block = malloc(size + DIRECT_ALIGN);
    int rc = DS_OK;
    if (!block)
        return ds_fail(err, DS_ENOMEM, "no memory to read %s", source->path);
    uint8_t *bounce = block + (DIRECT_ALIGN - (uintptr_t)block % DIRECT_ALIGN) % DIRECT_ALIGN;
    while (n && !rc) {
        size_t skip = (size_t)(offset % DIRECT_ALIGN);
        size_t part = n < size - skip ? n : size - skip;
        size_t units = (size_t)div_round_up(skip + part, DIRECT_ALIGN) * DIRECT_ALIGN;
        rc = read_aligned(source, bounce, units, offset - skip, err);
        if (rc)
            break;
        memcpy(data, bounce + skip, part);
        data += part;
        offset += part;
        n -= part;
    }
    free(block);
    return rc;
}

static int source_pread(void *ctx, void *data, size_t n, uint64_t offset, struct ds_error *err)
{
    const struct disk_source *source = ctx;
    uint64_t end;
    if (n == 0)
        return DS_OK;
    if (!add_u64(offset, n, &end) || end > source->bytes)
        return ds_fail(err, DS_EIO, "a read of %zu bytes at %llu is beyond the end of %s", n,
                       (unsigned long long)offset, source->path);
    if (source->direct && (offset % DIRECT_ALIGN || n % DIRECT_ALIGN ||
                           (uintptr_t)data % DIRECT_ALIGN))
        return read_bounced(source, data, n, offset, err);
    return read_aligned(source, data, n, offset, err);
}

struct ds_reader disk_source_reader(struct disk_source *source, uint32_t sector)
{
    struct ds_reader reader = { (uint32_t)sizeof reader, sector, source->bytes, source,
                                source_pread };
    return reader;
}
