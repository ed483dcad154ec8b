/* SPDX-License-Identifier: Apache-2.0 */
/* inventory.c - makes disks of what the system lists and of image files: facts, layout, identity,
 * mounts. What is replicated of them is for select.c to say. No state: any thread. */
#include "core/disk/inventory.h"

#include "core/base/bytes.h"
#include "core/base/text.h"
#include "core/disk/crc32.h"

#include <stdlib.h>

/* ---- one disk ---- */

void inventory_refuse(struct disk *disk, const char *fmt, ...)
{
    va_list ap;
    if (disk->refused)
        return;
    disk->refused = true;
    va_start(ap, fmt);
    vsnprintf(disk->why_not, sizeof disk->why_not, fmt, ap);
    va_end(ap);
}

/* Size and flags of a regular file. */
static int describe_image(struct disk *disk, struct ds_error *err)
{
    struct os_file file = OS_FILE_INIT;
    disk->flags = DS_DISK_IMAGE;
    text_copy(disk->model, sizeof disk->model, "image file");
    int rc = os_open(&file, disk->path, OS_READ, err);
    if (!rc)
        rc = os_file_size(&file, &disk->bytes, disk->path, err);
    os_close(&file);
    if (rc)
        return rc;
    if (!system_is_writable(disk->path))
        disk->flags |= DS_DISK_READONLY;
    if (disk->bytes % 512)
        inventory_refuse(disk, "its size of %llu bytes is no multiple of 512: not a disk image",
                         (unsigned long long)disk->bytes);
    return DS_OK;
}

/* A direct read where there is a cache that may be behind the disk: only devices have that. */
static void read_layout(struct disk *disk)
{
    struct disk_source source;
    struct ds_error err = DS_ERROR_INIT;
    bool image = disk->flags & DS_DISK_IMAGE;
    int rc = disk_source_open(&source, disk->path, !image, &err);
    if (!rc) {
        if (!image)
            disk->bytes = source.bytes;
        struct ds_reader reader = disk_source_reader(&source, image ? 0 : disk->sector);
        rc = disk_layout_read(&disk->layout, &reader, &err);
        disk_source_close(&source);
    }
    if (rc)
        inventory_refuse(disk, "%.180s", err.msg);
    if (image) {
        disk->sector = disk->layout.sector ? disk->layout.sector : 512;
        disk->physical_sector = 4096;
    }
}

/* Joins a path to an identity of limited length: of a long one its end, and a checksum. */
static void name_by_path(char *id, const char *kind, const char *path, uint64_t offset)
{
    size_t room = DISK_ID_MAX - 48, len = strlen(path);
    int n = len <= room ? snprintf(id, DISK_ID_MAX, "%s:%s", kind, path)
                        : snprintf(id, DISK_ID_MAX, "%s:...%s#%08x", kind, path + len - room,
                                   (unsigned)crc32_of(0, path, len));
    if (offset && n > 0 && n < DISK_ID_MAX)
        snprintf(id + n, DISK_ID_MAX - (size_t)n, "@%llu", (unsigned long long)offset);
}

static void identify(struct disk *disk)
{
    char *id = disk->id;
    uint64_t offset = 0;
    const char *table = disk->layout.id;
    if (!table[0] && !disk->serial[0]) {
        bool loop = system_is_loop(disk, &offset);
        bool image = loop || disk->flags & DS_DISK_IMAGE;
        name_by_path(id, image ? "image" : "path", loop ? disk->backing : disk->path, offset);
        return;
    }
    snprintf(id, DISK_ID_MAX, "%.40s%s%s%s+bytes:%llu", table,
             table[0] && disk->serial[0] ? "+" : "", disk->serial[0] ? "serial:" : "",
             disk->serial, (unsigned long long)disk->bytes);
}

/* One use of the disk: the flag, and the mount point of the partition that begins there. */
static int note_use(void *ud, const struct system_use *use)
{
    struct disk *disk = ud;
    if (use->kind != SYSTEM_ATTACHED || !use->read_only)
        disk->flags |= DS_DISK_IN_USE;
    for (size_t i = 0; i < disk->layout.n_partitions; i++) {
        struct disk_partition *p = &disk->layout.partitions[i];
        if (p->extent.offset != use->offset || p->mount[0])
            continue;
        if (use->kind == SYSTEM_MOUNTED)
            text_copy(p->mount, sizeof p->mount, use->where);
        else if (use->kind == SYSTEM_SWAP)
            text_copy(p->mount, sizeof p->mount, "[swap]");
    }
    return DS_OK;
}

/* Everything about the disk at disk->path. */
static int examine(struct disk *disk, const struct system_usage *usage, struct ds_error *err)
{
    enum os_kind kind = os_kind(disk->path);
    int rc;
    if (kind == OS_REGULAR)
        rc = describe_image(disk, err);
    else if (kind == OS_DIRECTORY)
        rc = ds_fail(err, DS_EINVAL, "%s is a folder, not a disk", disk->path);
    else if (kind == OS_ABSENT && !system_is_device_path(disk->path))
        rc = ds_fail(err, DS_ENOENT, "%s does not exist", disk->path);
    else
        rc = system_describe(disk, err);
    if (rc)
        return rc;
    if (disk->bytes == 0)
        inventory_refuse(disk, "it has no size");
    if (!disk->refused)
        read_layout(disk);
    identify(disk);
    return system_usage_walk(usage, disk->path, note_use, disk);
}

int disk_probe(struct disk *disk, const char *path, struct ds_error *err)
{
    struct system_usage *usage;
    memset(disk, 0, sizeof *disk);
    if (!text_copy(disk->path, sizeof disk->path, path))
        return ds_fail(err, DS_EINVAL, "the path %.200s... is too long", path);
    int rc = system_usage_read(&usage, err);
    if (rc)
        return rc;
    rc = examine(disk, usage, err);
    system_usage_free(usage);
    return rc;
}

void disk_free(struct disk *disk)
{
    disk_layout_free(&disk->layout);
}

struct ds_disk disk_abi(const struct disk *disk, uint32_t index)
{
    struct ds_disk abi = { (uint32_t)sizeof abi, index, disk->id, disk->path, disk->model,
                           disk->bytes, disk->sector, disk->physical_sector, disk->flags, 0 };
    return abi;
}

/* ---- is it free to be written ---- */

struct first_use {
    const char *path;
    struct ds_error *err;
    int rc;
};

static int fail_use(void *ud, const struct system_use *use)
{
    struct first_use *first = ud;
    const char *path = first->path, *where = use->where, *through = use->through;
    struct ds_error *err = first->err;
    switch (use->kind) {
    case SYSTEM_MOUNTED:
        first->rc = ds_fail(err, DS_EMOUNTED, "%s is in use: %s is mounted at %s; unmount it first",
                            path, through, where);
        break;
    case SYSTEM_SWAP:
        first->rc = ds_fail(err, DS_EMOUNTED, "%s is in use: %s is used as swap; stop that first",
                            path, where);
        break;
    case SYSTEM_HELD:
        first->rc = ds_fail(err, DS_EMOUNTED, "%s is in use: %s is a part of %s; stop that first",
                            path, through, where);
        break;
    case SYSTEM_ATTACHED:
        first->rc = ds_fail(err, DS_EMOUNTED, "%s is in use: it is attached to %s; detach it first",
                            path, where);
        break;
    default:
        first->rc = ds_fail(err, DS_EMOUNTED, "%s is open in another program", path);
    }
    return first->rc;
}

int disk_check_unused(const char *path, struct ds_error *err)
{
    struct first_use first = { path, err, DS_OK };
    struct system_usage *usage;
    if (os_kind(path) == OS_ABSENT && !system_is_device_path(path))
        return DS_OK;
    int rc = system_usage_read(&usage, err);
    if (rc)
        return rc;
    rc = system_usage_walk(usage, path, fail_use, &first);
    system_usage_free(usage);
    if (!rc && system_is_claimed(path))
        rc = ds_fail(err, DS_EMOUNTED, "%s, or a part of it, is held by another program", path);
    return rc;
}

/* ---- the list ---- */

int inventory_add(struct disk_inventory *inventory, const char *path,
                  const struct system_usage *usage, struct ds_error *err)
{
    struct disk *disks = realloc(inventory->disks, (inventory->n + 1) * sizeof *disks);
    if (!disks)
        return ds_fail(err, DS_ENOMEM, "no memory to list the disks");
    inventory->disks = disks;
    struct disk *disk = &disks[inventory->n];
    memset(disk, 0, sizeof *disk);
    disk->number = (unsigned)++inventory->n;
    if (!text_copy(disk->path, sizeof disk->path, path))
        return ds_fail(err, DS_EINVAL, "the path %.200s... is too long", path);
    return examine(disk, usage, err);
}

struct listing {
    struct disk_inventory *inventory;
    const struct system_usage *usage;
    struct ds_error *err;
};

/* A device that goes away, or that the system can't describe, is not listed. */
static int add_listed(void *ud, const char *path)
{
    struct listing *l = ud;
    int rc = inventory_add(l->inventory, path, l->usage, l->err);
    if (rc == 0 || rc == DS_ENOMEM)
        return rc;
    disk_free(&l->inventory->disks[--l->inventory->n]);
    return DS_OK;
}

int disk_inventory_read(struct disk_inventory *inventory, const struct policy *policy,
                        struct ds_error *err)
{
    struct listing listing = { inventory, NULL, err };
    struct system_usage *usage;
    inventory->disks = NULL;
    inventory->n = 0;
    int rc = system_usage_read(&usage, err);
    if (rc)
        return rc;
    listing.usage = usage;
    rc = system_list(add_listed, &listing, err);
    if (!rc)
        rc = inventory_select(inventory, policy, usage, err);
    system_usage_free(usage);
    return rc;
}

void disk_inventory_free(struct disk_inventory *inventory)
{
    for (size_t i = 0; i < inventory->n; i++)
        disk_free(&inventory->disks[i]);
    free(inventory->disks);
    inventory->disks = NULL;
    inventory->n = 0;
}
