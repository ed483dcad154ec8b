/* SPDX-License-Identifier: Apache-2.0 */
/* disk_windows.c - the disks of a Windows machine: \\.\PhysicalDriveN, asked by device control.
 * Drives are numbered with gaps; the list goes on past them up to DRIVES_MAX. A handle without
 * access rights is enough for all but the length, so that an ordinary user sees the list. */
#include "core/disk/disk_windows.h"

#include "core/base/os_windows.h"
#include "core/base/text.h"
#include "core/base/wide_windows.h"
#include "core/disk/label.h"
#include "core/disk/system.h"

#include <winioctl.h>

#define DRIVES_MAX 256

/* Missing from the headers of the oldest system served: its numbers are fixed. */
#define PROPERTY_ALIGNMENT 6 /* StorageAccessAlignmentProperty, since NT 6.0 */
struct alignment {
    DWORD version, size, cache_line, cache_offset, logical_sector, physical_sector, offset;
};

static bool control(HANDLE device, DWORD code, const void *in, size_t in_size, void *out,
                    size_t out_size, size_t *got)
{
    memset(out, 0, out_size);
    DWORD e = os_control(device, code, in, in_size, out, out_size, got);
    SetLastError(e);
    return e == 0;
}

HANDLE disk_query_open(const char *path, DWORD access)
{
    wchar_t wide[WIDE_PATH_MAX];
    if (!wide_path(wide, path))
        return INVALID_HANDLE_VALUE;
    return CreateFileW(wide, access, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0,
                       NULL);
}

int system_list(system_path_fn *fn, void *ud, struct ds_error *err)
{
    int rc = DS_OK;
    (void)err;
    for (unsigned i = 0; i < DRIVES_MAX && !rc; i++) {
        char path[40];
        snprintf(path, sizeof path, "\\\\.\\PhysicalDrive%u", i);
        HANDLE device = disk_query_open(path, 0);
        if (device == INVALID_HANDLE_VALUE)
            continue;
        CloseHandle(device);
        rc = fn(ud, path);
    }
    return rc;
}

bool system_is_device_path(const char *path)
{
    bool slash = path[0] == '\\' || path[0] == '/';
    return slash && path[1] == path[0] && (path[2] == '.' || path[2] == '?') &&
           (path[3] == '\\' || path[3] == '/');
}

bool system_is_writable(const char *path)
{
    wchar_t wide[WIDE_PATH_MAX];
    DWORD attributes = wide_path(wide, path) ? GetFileAttributesW(wide) : INVALID_FILE_ATTRIBUTES;
    return attributes != INVALID_FILE_ATTRIBUTES && !(attributes & FILE_ATTRIBUTE_READONLY);
}

bool system_is_loop(const struct disk *disk, uint64_t *offset)
{
    (void)disk, (void)offset;
    return false;
}

/* Text at an offset of a descriptor; trimmed on both sides. Some drives swap nothing, some pad. */
static void descriptor_text(char *out, size_t cap, const uint8_t *data, size_t size, DWORD offset)
{
    size_t from = offset;
    out[0] = 0;
    if (offset == 0 || from >= size)
        return;
    while (from < size && data[from] == ' ')
        from++;
    label_of_bytes(out, cap, data + from, size - from);
}

static void describe_names(struct disk *disk, HANDLE device)
{
    STORAGE_PROPERTY_QUERY query;
    STORAGE_DEVICE_DESCRIPTOR head;
    uint8_t data[1024];
    size_t got;
    memset(&query, 0, sizeof query);
    query.PropertyId = StorageDeviceProperty;
    query.QueryType = PropertyStandardQuery;
    if (!control(device, IOCTL_STORAGE_QUERY_PROPERTY, &query, sizeof query, data, sizeof data,
                 &got) || got < sizeof head)
        return;
    memcpy(&head, data, sizeof head);
    size_t size = got < sizeof data ? got : sizeof data;
    descriptor_text(disk->model, sizeof disk->model, data, size, head.ProductIdOffset);
    /* -1 is how some drivers say that there is none */
    if (head.SerialNumberOffset != (DWORD)-1)
        descriptor_text(disk->serial, sizeof disk->serial, data, size, head.SerialNumberOffset);
    if (head.RemovableMedia)
        disk->flags |= DS_DISK_REMOVABLE;
}

static void describe_sectors(struct disk *disk, HANDLE device)
{
    STORAGE_PROPERTY_QUERY query;
    struct alignment alignment;
    DISK_GEOMETRY_EX geometry;
    size_t got;
    disk->sector = disk->physical_sector = 512;
    if (control(device, IOCTL_DISK_GET_DRIVE_GEOMETRY_EX, NULL, 0, &geometry, sizeof geometry,
                &got)) {
        if (geometry.Geometry.BytesPerSector)
            disk->sector = disk->physical_sector = geometry.Geometry.BytesPerSector;
        if (geometry.DiskSize.QuadPart > 0)
            disk->bytes = (uint64_t)geometry.DiskSize.QuadPart;
        if (geometry.Geometry.MediaType == RemovableMedia)
            disk->flags |= DS_DISK_REMOVABLE;
    }
    memset(&query, 0, sizeof query);
    query.PropertyId = (STORAGE_PROPERTY_ID)PROPERTY_ALIGNMENT;
    query.QueryType = PropertyStandardQuery;
    if (control(device, IOCTL_STORAGE_QUERY_PROPERTY, &query, sizeof query, &alignment,
                sizeof alignment, &got) && got >= sizeof alignment && alignment.physical_sector)
        disk->physical_sector = alignment.physical_sector;
}

int system_describe(struct disk *disk, struct ds_error *err)
{
    GET_LENGTH_INFORMATION length;
    size_t got;
    HANDLE device = disk_query_open(disk->path, GENERIC_READ);
    if (device == INVALID_HANDLE_VALUE && GetLastError() == ERROR_ACCESS_DENIED)
        device = disk_query_open(disk->path, 0);
    if (device == INVALID_HANDLE_VALUE)
        return os_fail_code(err, (int)GetLastError(), "open", disk->path);
    describe_sectors(disk, device);
    if (control(device, IOCTL_DISK_GET_LENGTH_INFO, NULL, 0, &length, sizeof length, &got))
        disk->bytes = (uint64_t)length.Length.QuadPart;
    describe_names(disk, device);
    if (!control(device, IOCTL_DISK_IS_WRITABLE, NULL, 0, &length, sizeof length, &got) &&
        GetLastError() == ERROR_WRITE_PROTECT)
        disk->flags |= DS_DISK_READONLY;
    CloseHandle(device);
    return DS_OK;
}
