/* SPDX-License-Identifier: Apache-2.0 */
/* usage_windows.c - which volumes lie on a disk and where they are mounted, by the extents that
 * each volume reports; for an image file, whether another program has it open. Immutable once
 * read: any thread. */
#include "core/base/os_windows.h"
#include "core/base/text.h"
#include "core/base/wide_windows.h"
#include "core/disk/disk_windows.h"
#include "core/disk/system.h"

#include <stdlib.h>
#include <winioctl.h>

#define EXTENTS_MAX 64 /* of one volume: a spanned volume has as many as disks */

struct usage_volume {
    DWORD disk;
    uint64_t offset;
    char where[256]; /* first mount point, else the volume's name */
};

struct system_usage {
    struct usage_volume *volumes;
    size_t n, cap;
};

static bool add_volume(struct system_usage *u, DWORD disk, uint64_t offset, const char *where)
{
    if (u->n == u->cap) {
        size_t cap = u->cap ? 2 * u->cap : 16;
        struct usage_volume *volumes = realloc(u->volumes, cap * sizeof *volumes);
        if (!volumes)
            return false;
        u->volumes = volumes;
        u->cap = cap;
    }
    struct usage_volume *v = &u->volumes[u->n++];
    v->disk = disk;
    v->offset = offset;
    text_copy(v->where, sizeof v->where, where);
    return true;
}

/* First mount point of the volume; false if it has none. */
static bool mount_point(const wchar_t *volume, char *out, size_t cap)
{
    wchar_t names[1024];
    DWORD n;
    return GetVolumePathNamesForVolumeNameW(volume, names, 1024, &n) && names[0] &&
           wide_to_utf8(out, cap, names);
}

/* `volume` ends in a backslash, and is opened without it. A volume that is not mounted anywhere
 * can't be written by anyone but who opens it by name: it does not count. */
static bool read_volume(struct system_usage *u, wchar_t *volume)
{
    struct {
        VOLUME_DISK_EXTENTS head;
        DISK_EXTENT more[EXTENTS_MAX - 1];
    } extents;
    char where[256];
    size_t len = wcslen(volume);
    bool good = true;
    if (len == 0 || !mount_point(volume, where, sizeof where))
        return true;
    volume[len - 1] = 0;
    HANDLE device = CreateFileW(volume, 0, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                                0, NULL);
    volume[len - 1] = L'\\';
    if (device == INVALID_HANDLE_VALUE)
        return true;
    memset(&extents, 0, sizeof extents);
    if (os_control(device, IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS, NULL, 0, &extents,
                   sizeof extents, NULL) == 0)
        for (DWORD i = 0; i < extents.head.NumberOfDiskExtents && i < EXTENTS_MAX && good; i++) {
            const DISK_EXTENT *e = i ? &extents.more[i - 1] : &extents.head.Extents[0];
            good = add_volume(u, e->DiskNumber, (uint64_t)e->StartingOffset.QuadPart, where);
        }
    CloseHandle(device);
    return good;
}

int system_usage_read(struct system_usage **usage, struct ds_error *err)
{
    wchar_t volume[MAX_PATH];
    struct system_usage *u = calloc(1, sizeof *u);
    bool good = u != NULL;
    HANDLE find = good ? FindFirstVolumeW(volume, MAX_PATH) : INVALID_HANDLE_VALUE;
    if (find != INVALID_HANDLE_VALUE) {
        do
            good = read_volume(u, volume);
        while (good && FindNextVolumeW(find, volume, MAX_PATH));
        FindVolumeClose(find);
    }
    if (!good) {
        system_usage_free(u);
        u = NULL;
    }
    *usage = u;
    return good ? DS_OK : ds_fail(err, DS_ENOMEM, "no memory to list the volumes");
}

void system_usage_free(struct system_usage *usage)
{
    if (!usage)
        return;
    free(usage->volumes);
    free(usage);
}

/* The number of the disk that a device path leads to. */
static bool disk_number(const char *path, DWORD *number)
{
    STORAGE_DEVICE_NUMBER n;
    HANDLE device = disk_query_open(path, 0);
    if (device == INVALID_HANDLE_VALUE)
        return false;
    memset(&n, 0, sizeof n);
    bool good = os_control(device, IOCTL_STORAGE_GET_DEVICE_NUMBER, NULL, 0, &n, sizeof n,
                           NULL) == 0;
    CloseHandle(device);
    *number = n.DeviceNumber;
    return good;
}

/* A file that can't be opened alone is open elsewhere. */
static bool is_open_elsewhere(const char *path)
{
    wchar_t wide[WIDE_PATH_MAX];
    if (!wide_path(wide, path))
        return false;
    HANDLE file = CreateFileW(wide, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (file != INVALID_HANDLE_VALUE) {
        CloseHandle(file);
        return false;
    }
    return GetLastError() == ERROR_SHARING_VIOLATION;
}

int system_usage_walk(const struct system_usage *usage, const char *path, system_use_fn *fn,
                      void *ud)
{
    struct system_use use;
    DWORD number;
    int rc = DS_OK;
    memset(&use, 0, sizeof use);
    if (os_kind(path) == OS_REGULAR) {
        use.kind = SYSTEM_OPEN;
        return is_open_elsewhere(path) ? fn(ud, &use) : DS_OK;
    }
    if (!disk_number(path, &number))
        return DS_OK;
    use.kind = SYSTEM_MOUNTED;
    text_copy(use.through, sizeof use.through, "a volume on it");
    for (size_t i = 0; i < usage->n && !rc; i++) {
        if (usage->volumes[i].disk != number)
            continue;
        use.offset = usage->volumes[i].offset;
        text_copy(use.where, sizeof use.where, usage->volumes[i].where);
        rc = fn(ud, &use);
    }
    return rc;
}

/* A volume or partition has its disk's number too. */
bool disk_lies_on(const char *path, const char *disk)
{
    DWORD a, b;
    if (os_same_file(path, disk))
        return true;
    return os_kind(path) != OS_REGULAR && os_kind(disk) != OS_REGULAR && disk_number(path, &a) &&
           disk_number(disk, &b) && a == b;
}

bool system_is_claimed(const char *path)
{
    (void)path;
    return false;
}
