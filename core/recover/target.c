/* SPDX-License-Identifier: Apache-2.0 */
/* target.c - see target.h. */
#include "core/recover/target.h"

#include "core/base/bytes.h"
#include "core/base/text.h"

static const uint8_t zeros[256 << 10];

int target_open(struct target *target, const char *path, uint64_t bytes, bool keep, bool exclusive,
                struct ds_error *err)
{
    enum os_kind kind = os_kind(path);
    memset(target, 0, sizeof *target);
    target->file.handle = target->direct.handle = OS_NO_FILE;
    target->device = kind == OS_BLOCK_DEVICE || kind == OS_OTHER;
    if (kind == OS_DIRECTORY)
        return ds_fail(err, DS_EINVAL, "%s is a folder: name a device or an image file", path);
    if (!text_copy(target->path, sizeof target->path, path))
        return ds_fail(err, DS_EINVAL, "the path %.200s... is too long", path);
    target->fresh = !target->device && !(keep && kind == OS_REGULAR);
    unsigned flags = OS_READ | OS_WRITE;
    if (!target->device)
        flags |= OS_CREATE | (target->fresh ? OS_TRUNC : 0);
    else if (exclusive)
        flags |= OS_EXCL;
    int rc = os_open(&target->file, path, flags, err);
    if (rc == DS_EBUSY)
        rc = ds_fail(err, DS_EMOUNTED, "%s is in use by the system: unmount it, or use --force",
                     path);
    if (!rc && target->fresh)
        rc = os_make_sparse(&target->file, path, err);
    if (!rc && !target->device)
        rc = os_truncate(&target->file, bytes, path, err);
    if (!rc)
        rc = os_file_size(&target->file, &target->bytes, path, err);
    if (!rc && target->bytes < bytes)
        rc = ds_fail(err, DS_ENOSPC, "%s has %llu bytes, the disk has %llu: use a larger target",
                     path, (unsigned long long)target->bytes, (unsigned long long)bytes);
    /* A restore writes much and reads nothing back: the page cache would cost a copy and memory. */
    struct ds_error ignored = DS_ERROR_INIT;
    if (!rc && os_open(&target->direct, path, OS_WRITE | OS_DIRECT, &ignored))
        target->direct.handle = OS_NO_FILE;
    if (rc)
        target_close(target);
    return rc;
}

void target_close(struct target *target)
{
    os_close(&target->direct);
    os_close(&target->file);
}

int target_write(struct target *target, const void *data, size_t n, uint64_t offset,
                 struct ds_error *err)
{
    bool aligned = (offset | n | (uintptr_t)data) % TARGET_ALIGN == 0;
    struct ds_error ignored = DS_ERROR_INIT;
    /* What fails past the cache is written through it, which tells the reason if there is one. */
    if (aligned && target->direct.handle != OS_NO_FILE &&
        os_pwrite(&target->direct, data, n, offset, target->path, &ignored) == DS_OK)
        return DS_OK;
    return os_pwrite(&target->file, data, n, offset, target->path, err);
}

int target_zero(struct target *target, uint64_t offset, uint64_t n, struct ds_error *err)
{
    if (target->fresh)
        return DS_OK;
    struct ds_error ignored = DS_ERROR_INIT;
    if (os_punch(&target->file, offset, n, target->path, &ignored) == DS_OK)
        return DS_OK;
    int rc = DS_OK;
    while (!rc && n) {
        size_t part = (size_t)min_u64(n, sizeof zeros);
        rc = target_write(target, zeros, part, offset, err);
        offset += part;
        n -= part;
    }
    return rc;
}

int target_read(struct target *target, void *data, size_t n, uint64_t offset, struct ds_error *err)
{
    size_t got;
    int rc = os_pread(&target->file, data, n, offset, &got, target->path, err);
    if (!rc && got < n)
        memset((uint8_t *)data + got, 0, n - got); /* a file that is to grow */
    return rc;
}

int target_sync(struct target *target, struct ds_error *err)
{
    return os_sync(&target->file, target->path, err);
}
