/* SPDX-License-Identifier: Apache-2.0 */
/* os_file_windows.c - open files of os.h on Windows: positioned I/O, size, holes, locks. Handles
 * are overlapped, so that the threads of one file don't queue behind each other, and every transfer
 * names its offset: a device has no file pointer, and one that is forgotten means offset 0. Each
 * transfer waits on an event of its own, never on the handle. Everybody may open what we have open,
 * rename it and delete it, as on Linux; what excludes is os_lock. */
#include "core/base/os_windows.h"

#include "core/base/wide_windows.h"

#include <winioctl.h>

/* Above this a transfer is cut: the system locks the whole buffer in memory at once. */
#define TRANSFER_MAX (16u << 20)
/* The byte that os_lock locks: beyond any content, so that the file can still be read. */
#define LOCK_OFFSET_HIGH 0x40000000u

static HANDLE handle_of(const struct os_file *file)
{
    return (HANDLE)file->handle;
}

/* The result of a call that took ov: 0 or the error. */
static DWORD settle(HANDLE handle, BOOL done, OVERLAPPED *ov, DWORD *moved)
{
    DWORD e = done ? 0 : GetLastError();
    if (e && e != ERROR_IO_PENDING && e != ERROR_MORE_DATA)
        return e;
    return GetOverlappedResult(handle, ov, moved, TRUE) ? 0 : GetLastError();
}

DWORD os_control(HANDLE handle, DWORD code, const void *in, size_t in_size, void *out,
                 size_t out_size, size_t *got)
{
    OVERLAPPED ov = { 0 };
    DWORD moved = 0;
    ov.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!ov.hEvent)
        return GetLastError();
    BOOL done = DeviceIoControl(handle, code, (void *)(uintptr_t)in, (DWORD)in_size, out,
                                (DWORD)out_size, NULL, &ov);
    DWORD e = settle(handle, done, &ov, &moved);
    CloseHandle(ov.hEvent);
    if (got)
        *got = moved;
    return e;
}

static DWORD disposition_of(unsigned flags)
{
    if (!(flags & OS_CREATE))
        return OPEN_EXISTING;
    return flags & OS_EXCL ? CREATE_NEW : OPEN_ALWAYS;
}

static HANDLE open_wide(const wchar_t *wide, unsigned flags)
{
    DWORD access = (flags & OS_WRITE ? GENERIC_WRITE : 0) |
                   (flags & OS_READ || !(flags & OS_WRITE) ? GENERIC_READ : 0);
    DWORD attributes = FILE_FLAG_OVERLAPPED | (flags & OS_DIRECT ? FILE_FLAG_NO_BUFFERING : 0);
    SECURITY_ATTRIBUTES security = { sizeof security, NULL, FALSE };
    if (flags & OS_CREATE) {
        security.lpSecurityDescriptor = os_private_descriptor(false);
        if (!security.lpSecurityDescriptor)
            return INVALID_HANDLE_VALUE;
    }
    HANDLE handle = CreateFileW(wide, access,
                                FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, &security,
                                disposition_of(flags), attributes, NULL);
    DWORD e = GetLastError();
    if (security.lpSecurityDescriptor)
        LocalFree(security.lpSecurityDescriptor);
    SetLastError(e);
    return handle;
}

/* A volume that is mounted and in use can't be locked; a device that knows no lock is free. */
static DWORD claim_device(HANDLE handle)
{
    DWORD e = os_control(handle, FSCTL_LOCK_VOLUME, NULL, 0, NULL, 0, NULL);
    if (e == ERROR_ACCESS_DENIED || e == ERROR_SHARING_VIOLATION)
        return ERROR_BUSY;
    return e == ERROR_INVALID_FUNCTION || e == ERROR_NOT_SUPPORTED ? 0 : e;
}

int os_open(struct os_file *file, const char *path, unsigned flags, struct ds_error *err)
{
    wchar_t wide[WIDE_PATH_MAX];
    file->handle = OS_NO_FILE;
    if (!wide_path(wide, path))
        return os_fail(err, "open", path);
    HANDLE handle = open_wide(wide, flags);
    if (handle == INVALID_HANDLE_VALUE) {
        DWORD e = GetLastError();
        if (flags & OS_DIRECT && (e == ERROR_INVALID_PARAMETER || e == ERROR_NOT_SUPPORTED))
            return ds_fail(err, DS_ENOTSUP, "%s can't be opened past the page cache", path);
        return os_fail_code(err, (int)e, "open", path);
    }
    file->handle = (intptr_t)handle;
    if ((flags & (OS_EXCL | OS_CREATE)) == OS_EXCL && wide_is_device(wide)) {
        DWORD e = claim_device(handle);
        if (e) {
            os_close(file);
            return os_fail_code(err, (int)e, "open", path);
        }
    }
    int rc = flags & OS_TRUNC ? os_truncate(file, 0, path, err) : DS_OK;
    if (rc)
        os_close(file);
    return rc;
}

void os_close(struct os_file *file)
{
    if (file->handle != OS_NO_FILE)
        CloseHandle(handle_of(file));
    file->handle = OS_NO_FILE;
}

static void set_offset(OVERLAPPED *ov, uint64_t offset)
{
    ov->Offset = (DWORD)offset;
    ov->OffsetHigh = (DWORD)(offset >> 32);
}

static DWORD piece_of(size_t left)
{
    return left > TRANSFER_MAX ? TRANSFER_MAX : (DWORD)left;
}

/* Up to the end of the file; 0 or the error. */
static DWORD read_all(HANDLE handle, char *data, size_t n, uint64_t offset, size_t *done,
                      HANDLE event)
{
    bool was_short = false;
    while (*done < n) {
        OVERLAPPED ov = { .hEvent = event };
        DWORD moved = 0, piece = piece_of(n - *done);
        set_offset(&ov, offset + *done);
        DWORD e = settle(handle, ReadFile(handle, data + *done, piece, NULL, &ov), &ov, &moved);
        /* After the odd end of a file, an unbuffered read begins at an offset that it refuses. */
        if (e == ERROR_HANDLE_EOF || (e == ERROR_INVALID_PARAMETER && was_short))
            return 0;
        if (e)
            return e;
        if (moved == 0)
            return 0;
        was_short = moved < piece;
        *done += moved;
    }
    return 0;
}

int os_pread(struct os_file *file, void *data, size_t n, uint64_t offset, size_t *got,
             const char *path, struct ds_error *err)
{
    size_t done = 0;
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!event)
        return os_fail(err, "read", path);
    DWORD e = read_all(handle_of(file), data, n, offset, &done, event);
    CloseHandle(event);
    if (e)
        return os_fail_code(err, (int)e, "read", path);
    *got = done;
    return DS_OK;
}

int os_pwrite(struct os_file *file, const void *data, size_t n, uint64_t offset, const char *path,
              struct ds_error *err)
{
    HANDLE handle = handle_of(file), event = CreateEventW(NULL, TRUE, FALSE, NULL);
    DWORD e = 0;
    if (!event)
        return os_fail(err, "write", path);
    for (size_t done = 0; done < n && !e;) {
        OVERLAPPED ov = { .hEvent = event };
        DWORD moved = 0, piece = piece_of(n - done);
        set_offset(&ov, offset + done);
        e = settle(handle, WriteFile(handle, (const char *)data + done, piece, NULL, &ov), &ov,
                   &moved);
        if (!e && moved == 0)
            e = ERROR_DISK_FULL;
        done += moved;
    }
    CloseHandle(event);
    return e ? os_fail_code(err, (int)e, "write", path) : DS_OK;
}

/* A device has no file information but a length or, on old drivers, a geometry. */
static DWORD device_size(HANDLE handle, uint64_t *bytes)
{
    GET_LENGTH_INFORMATION length;
    DISK_GEOMETRY_EX geometry;
    DWORD e = os_control(handle, IOCTL_DISK_GET_LENGTH_INFO, NULL, 0, &length, sizeof length, NULL);
    if (!e) {
        *bytes = (uint64_t)length.Length.QuadPart;
        return 0;
    }
    if (os_control(handle, IOCTL_DISK_GET_DRIVE_GEOMETRY_EX, NULL, 0, &geometry, sizeof geometry,
                   NULL) != 0)
        return e;
    *bytes = (uint64_t)geometry.DiskSize.QuadPart;
    return 0;
}

int os_file_size(struct os_file *file, uint64_t *bytes, const char *path, struct ds_error *err)
{
    BY_HANDLE_FILE_INFORMATION info;
    uint64_t size = 0;
    bool is_file = GetFileInformationByHandle(handle_of(file), &info);
    if (is_file)
        size = (uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
    /* A device behind a drive letter of an emulator looks like a file of no length. */
    DWORD e = size ? 0 : device_size(handle_of(file), &size);
    if (e && !is_file)
        return os_fail_code(err, (int)e, "get the capacity of", path);
    *bytes = size;
    return DS_OK;
}

int os_truncate(struct os_file *file, uint64_t bytes, const char *path, struct ds_error *err)
{
    LARGE_INTEGER end;
    end.QuadPart = (LONGLONG)bytes;
    if (!SetFilePointerEx(handle_of(file), end, NULL, FILE_BEGIN) || !SetEndOfFile(handle_of(file)))
        return os_fail(err, "resize", path);
    return DS_OK;
}

int os_sync(struct os_file *file, const char *path, struct ds_error *err)
{
    return FlushFileBuffers(handle_of(file)) ? DS_OK : os_fail(err, "flush", path);
}

int os_punch(struct os_file *file, uint64_t offset, uint64_t n, const char *path,
             struct ds_error *err)
{
    FILE_ZERO_DATA_INFORMATION range;
    range.FileOffset.QuadPart = (LONGLONG)offset;
    range.BeyondFinalZero.QuadPart = (LONGLONG)(offset + n);
    DWORD e = os_control(handle_of(file), FSCTL_SET_ZERO_DATA, &range, sizeof range, NULL, 0, NULL);
    return e ? os_fail_code(err, (int)e, "free a range of", path) : DS_OK;
}

int os_make_sparse(struct os_file *file, const char *path, struct ds_error *err)
{
    DWORD e = os_control(handle_of(file), FSCTL_SET_SPARSE, NULL, 0, NULL, 0, NULL);
    /* A file system without holes keeps the zeros: nothing is wrong, only larger. */
    if (e && e != ERROR_INVALID_FUNCTION && e != ERROR_NOT_SUPPORTED)
        return os_fail_code(err, (int)e, "make holes possible in", path);
    return DS_OK;
}

uint64_t os_next_data(struct os_file *file, uint64_t offset)
{
    FILE_ALLOCATED_RANGE_BUFFER ask, range;
    LARGE_INTEGER size;
    size_t got;
    if (!GetFileSizeEx(handle_of(file), &size) || size.QuadPart <= 0)
        return offset;
    if (offset >= (uint64_t)size.QuadPart)
        return (uint64_t)size.QuadPart;
    ask.FileOffset.QuadPart = (LONGLONG)offset;
    ask.Length.QuadPart = size.QuadPart - (LONGLONG)offset;
    DWORD e = os_control(handle_of(file), FSCTL_QUERY_ALLOCATED_RANGES, &ask, sizeof ask, &range,
                         sizeof range, &got);
    if (e && e != ERROR_MORE_DATA)
        return offset;
    if (got < sizeof range)
        return e ? offset : (uint64_t)size.QuadPart;
    uint64_t start = (uint64_t)range.FileOffset.QuadPart;
    return start > offset ? start : offset;
}

int os_lock(struct os_file *file, const char *path, struct ds_error *err)
{
    int rc = os_open(file, path, OS_READ | OS_WRITE | OS_CREATE, err);
    if (rc)
        return rc;
    OVERLAPPED ov = { .OffsetHigh = LOCK_OFFSET_HIGH };
    DWORD moved, e;
    ov.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!ov.hEvent) {
        e = GetLastError();
    } else {
        BOOL done = LockFileEx(handle_of(file), LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY,
                               0, 1, 0, &ov);
        e = done ? 0 : settle(handle_of(file), done, &ov, &moved);
        CloseHandle(ov.hEvent);
    }
    if (!e)
        return DS_OK;
    rc = e == ERROR_LOCK_VIOLATION
             ? ds_fail(err, DS_EINUSE, "another process holds the lock %s; wait until it is done",
                       path)
             : os_fail_code(err, (int)e, "lock", path);
    os_close(file);
    return rc;
}
