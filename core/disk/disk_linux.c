/* SPDX-License-Identifier: Apache-2.0 */
/* disk_linux.c - the disks of a Linux machine, from /sys/block: no device is opened, so the list
 * needs no privilege, and stacked or empty drives are not woken. */
#include "core/base/bytes.h"
#include "core/base/text.h"
#include "core/disk/label.h"
#include "core/disk/sysfs_linux.h"
#include "core/disk/system.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYS_BLOCK "/sys/block"

struct name_list {
    char (*names)[64];
    size_t n, cap;
};

/* Memory, stacks of other disks, and media that come and go with each use. */
static bool is_never_a_disk(const char *name)
{
    static const char *const prefixes[] = { "ram", "zram", "dm-", "md", "sr", "scd", "fd", "mtd",
                                            "pmem-btt", "drbd", "bcache" };
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    /* the boot areas and the key store of an eMMC are devices beside it */
    return strncmp(name, "mmcblk", 6) == 0 && (strstr(name, "boot") || strstr(name, "rpmb"));
}

static int collect_name(void *ud, const char *name)
{
    struct name_list *list = ud;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, SYS_BLOCK "/%s", name);
    bool hidden = sysfs_u64(folder, "hidden") != 0;
    bool unbacked = strncmp(name, "loop", 4) == 0 && !sysfs_has(folder, "loop/backing_file");
    if (is_never_a_disk(name) || hidden || unbacked || sysfs_u64(folder, "size") == 0)
        return DS_OK;
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 16;
        void *names = realloc(list->names, cap * sizeof *list->names);
        if (!names)
            return DS_ENOMEM;
        list->names = names;
        list->cap = cap;
    }
    if (text_copy(list->names[list->n], sizeof list->names[0], name))
        list->n++;
    return DS_OK;
}

/* Loop devices last; then sda before sdb before sdaa, loop2 before loop10. */
static int compare_names(const void *a, const void *b)
{
    const char *x = a, *y = b;
    bool loop_x = strncmp(x, "loop", 4) == 0, loop_y = strncmp(y, "loop", 4) == 0;
    if (loop_x != loop_y)
        return loop_x ? 1 : -1;
    int kind = strncmp(x, y, 2);
    if (kind)
        return kind;
    size_t len_x = strlen(x), len_y = strlen(y);
    if (len_x != len_y)
        return len_x < len_y ? -1 : 1;
    return strcmp(x, y);
}

int system_list(system_path_fn *fn, void *ud, struct ds_error *err)
{
    struct name_list list = { NULL, 0, 0 };
    int rc = os_list(SYS_BLOCK, collect_name, &list, err);
    if (rc == DS_ENOMEM)
        ds_fail(err, rc, "no memory to list the disks");
    if (!rc && list.n)
        qsort(list.names, list.n, sizeof *list.names, compare_names);
    for (size_t i = 0; i < list.n && !rc; i++) {
        char path[80] = "/dev/";
        text_copy(path + 5, sizeof path - 5, list.names[i]);
        for (char *c = path; *c; c++)
            if (*c == '!') /* how sysfs writes a slash in a name */
                *c = '/';
        rc = fn(ud, path);
    }
    free(list.names);
    return rc;
}

bool system_is_device_path(const char *path)
{
    return strncmp(path, "/dev/", 5) == 0;
}

bool system_is_writable(const char *path)
{
    return access(path, W_OK) == 0;
}

/* Serial number from the SCSI page that holds it: four bytes of header, then text. */
static bool read_scsi_serial(const char *folder, char *out, size_t cap)
{
    uint8_t page[256];
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/device/vpd_pg80", folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, page, sizeof page);
    close(fd);
    if (n <= 4)
        return false;
    size_t from = 4, end = (size_t)n;
    while (from < end && page[from] == ' ')
        from++;
    label_of_bytes(out, cap, page + from, end - from);
    return out[0] != 0;
}

/* The namespaces of an NVMe drive share its serial number. */
static void add_namespace(const char *folder, char *serial, size_t cap)
{
    uint64_t nsid = sysfs_u64(folder, "nsid");
    size_t len = strlen(serial);
    if (nsid > 1)
        snprintf(serial + len, cap - len, "-ns%llu", (unsigned long long)nsid);
}

static void describe_names(struct disk *disk, const char *folder)
{
    char text[256];
    if (!sysfs_text(folder, "device/model", text, sizeof text))
        sysfs_text(folder, "device/name", text, sizeof text);
    label_of_bytes(disk->model, sizeof disk->model, (uint8_t *)text, strlen(text));

    static const char *const serials[] = { "serial", "device/serial", "wwid", "device/wwid" };
    bool scsi = read_scsi_serial(folder, disk->serial, sizeof disk->serial);
    for (size_t i = 0; i < sizeof serials / sizeof serials[0] && !scsi; i++)
        if (sysfs_text(folder, serials[i], text, sizeof text)) {
            label_of_bytes(disk->serial, sizeof disk->serial, (uint8_t *)text, strlen(text));
            if (i == 1)
                add_namespace(folder, disk->serial, sizeof disk->serial);
            break;
        }
}

int system_describe(struct disk *disk, struct ds_error *err)
{
    struct stat st;
    char folder[64];
    if (stat(disk->path, &st) < 0)
        return os_fail(err, "examine", disk->path);
    if (!S_ISBLK(st.st_mode))
        return ds_fail(err, DS_EINVAL, "%s is neither a block device nor a regular file",
                       disk->path);
    sysfs_folder(folder, sizeof folder, st.st_rdev);
    if (sysfs_has(folder, "partition"))
        return ds_fail(err, DS_EINVAL, "%s is a partition; name the whole disk", disk->path);
    if (!mul_u64(sysfs_u64(folder, "size"), 512, &disk->bytes))
        disk->bytes = 0;
    uint64_t sector = sysfs_u64(folder, "queue/logical_block_size");
    uint64_t physical = sysfs_u64(folder, "queue/physical_block_size");
    disk->sector = sector ? (uint32_t)sector : 512;
    disk->physical_sector = physical ? (uint32_t)physical : disk->sector;
    if (sysfs_u64(folder, "ro"))
        disk->flags |= DS_DISK_READONLY;
    if (sysfs_u64(folder, "removable"))
        disk->flags |= DS_DISK_REMOVABLE;
    describe_names(disk, folder);
    if (sysfs_text(folder, "loop/backing_file", disk->backing, sizeof disk->backing) &&
        !disk->model[0])
        text_copy(disk->model, sizeof disk->model, "loop device");
    return DS_OK;
}

bool system_is_loop(const struct disk *disk, uint64_t *offset)
{
    struct stat st;
    char folder[64];
    if (!disk->backing[0] || stat(disk->path, &st) < 0)
        return false;
    sysfs_folder(folder, sizeof folder, st.st_rdev);
    *offset = sysfs_u64(folder, "loop/offset");
    return true;
}
