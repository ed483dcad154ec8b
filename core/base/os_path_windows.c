/* SPDX-License-Identifier: Apache-2.0 */
/* os_path_windows.c - names of os.h on Windows: what is there, folders, whole files, absolute
 * paths. A rename by MoveFileEx with write-through is the durable replacement here: there is no
 * sync of a folder. A program that looks at every new file (an indexer, a virus scanner) may hold
 * one for a moment without sharing it, so replacing and removing are tried again for about two
 * seconds. */
#include "core/base/os_windows.h"

#include "core/base/text.h"
#include "core/base/wide_windows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <winioctl.h>

#define SHARE_ALL (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
#define TRIES 12

static int too_long(const char *path, struct ds_error *err)
{
    return ds_fail(err, DS_EINVAL, "the path %.200s... is too long", path);
}

/* Opens a file, folder or device to be asked about, not read. */
static HANDLE open_to_ask(const wchar_t *wide)
{
    return CreateFileW(wide, 0, SHARE_ALL, NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
}

static enum os_kind kind_of_attributes(DWORD attributes)
{
    if (attributes & FILE_ATTRIBUTE_DIRECTORY)
        return OS_DIRECTORY;
    return attributes & FILE_ATTRIBUTE_DEVICE ? OS_OTHER : OS_REGULAR;
}

/* By its type or, where a driver gave it none, by what only disks and volumes answer. */
static bool is_disk(HANDLE handle)
{
    STORAGE_DEVICE_NUMBER number;
    DISK_GEOMETRY_EX geometry;
    return GetFileType(handle) == FILE_TYPE_DISK ||
           os_control(handle, IOCTL_STORAGE_GET_DEVICE_NUMBER, NULL, 0, &number, sizeof number,
                      NULL) == 0 ||
           os_control(handle, IOCTL_DISK_GET_DRIVE_GEOMETRY_EX, NULL, 0, &geometry,
                      sizeof geometry, NULL) == 0;
}

/* What a link leads to, or what a device is. */
static enum os_kind kind_of_opened(const wchar_t *wide, bool is_device)
{
    BY_HANDLE_FILE_INFORMATION info;
    HANDLE handle = open_to_ask(wide);
    enum os_kind kind = OS_ABSENT;
    if (handle == INVALID_HANDLE_VALUE) {
        DWORD e = GetLastError();
        return e == ERROR_ACCESS_DENIED || e == ERROR_SHARING_VIOLATION ? OS_OTHER : OS_ABSENT;
    }
    if (is_device)
        kind = is_disk(handle) ? OS_BLOCK_DEVICE : OS_OTHER;
    else if (GetFileInformationByHandle(handle, &info))
        kind = kind_of_attributes(info.dwFileAttributes);
    else
        kind = OS_OTHER;
    CloseHandle(handle);
    return kind;
}

enum os_kind os_kind(const char *path)
{
    wchar_t wide[WIDE_PATH_MAX];
    if (!wide_path(wide, path))
        return OS_ABSENT;
    if (wide_is_device(wide))
        return kind_of_opened(wide, true);
    DWORD attributes = GetFileAttributesW(wide);
    if (attributes == INVALID_FILE_ATTRIBUTES)
        return OS_ABSENT;
    if (attributes & FILE_ATTRIBUTE_REPARSE_POINT)
        return kind_of_opened(wide, false);
    return kind_of_attributes(attributes);
}

int os_read_file(const char *path, size_t max, void **data, size_t *len, struct ds_error *err)
{
    struct os_file file = OS_FILE_INIT;
    int rc = os_open(&file, path, OS_READ, err);
    if (rc)
        return rc;
    char *bytes = malloc(max + 2);
    if (!bytes)
        rc = ds_fail(err, DS_ENOMEM, "no memory to read %s", path);
    else
        rc = os_pread(&file, bytes, max + 1, 0, len, path, err);
    os_close(&file);
    if (!rc && *len > max)
        rc = ds_fail(err, DS_EFORMAT, "%s is larger than the %zu bytes that it may have", path,
                     max);
    if (rc) {
        free(bytes);
        return rc;
    }
    bytes[*len] = 0;
    *data = bytes;
    return DS_OK;
}

/* True if someone else's short-lived handle may be the cause: waits, ever longer. */
static bool try_again(DWORD e, unsigned tried)
{
    if (tried >= TRIES ||
        (e != ERROR_ACCESS_DENIED && e != ERROR_SHARING_VIOLATION && e != ERROR_LOCK_VIOLATION))
        return false;
    Sleep(tried < 4 ? 10 : 200);
    return true;
}

static int replace(const char *temp, const char *path, struct ds_error *err)
{
    wchar_t from[WIDE_PATH_MAX], to[WIDE_PATH_MAX];
    if (!wide_path(from, temp) || !wide_path(to, path))
        return os_fail(err, "replace", path);
    for (unsigned tried = 1;; tried++) {
        if (MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
            return DS_OK;
        DWORD e = GetLastError();
        if (os_kind(path) == OS_DIRECTORY || !try_again(e, tried))
            return os_fail_code(err, (int)e, "replace", path);
    }
}

int os_write_file(const char *path, const void *data, size_t len, struct ds_error *err)
{
    char temp[OS_PATH_MAX];
    struct os_file file = OS_FILE_INIT;
    if (snprintf(temp, sizeof temp, "%s.new", path) >= (int)sizeof temp)
        return too_long(path, err);
    int rc = os_open(&file, temp, OS_WRITE | OS_CREATE | OS_TRUNC, err);
    if (rc)
        return rc;
    rc = os_pwrite(&file, data, len, 0, temp, err);
    if (!rc)
        rc = os_sync(&file, temp, err);
    os_close(&file);
    if (!rc)
        rc = replace(temp, path, err);
    if (rc)
        os_remove(temp, NULL);
    return rc;
}

int os_remove(const char *path, struct ds_error *err)
{
    wchar_t wide[WIDE_PATH_MAX];
    if (!wide_path(wide, path))
        return os_fail(err, "remove", path);
    for (unsigned tried = 1;; tried++) {
        if (DeleteFileW(wide))
            return DS_OK;
        DWORD e = GetLastError(), attributes = GetFileAttributesW(wide);
        if (e == ERROR_FILE_NOT_FOUND || e == ERROR_PATH_NOT_FOUND)
            return DS_OK;
        bool is_file = attributes != INVALID_FILE_ATTRIBUTES &&
                       !(attributes & FILE_ATTRIBUTE_DIRECTORY);
        /* A file marked read-only can be removed on Linux; so here. */
        if (is_file && e == ERROR_ACCESS_DENIED && attributes & FILE_ATTRIBUTE_READONLY)
            SetFileAttributesW(wide, attributes & ~(DWORD)FILE_ATTRIBUTE_READONLY);
        if (!is_file || !try_again(e, tried))
            return os_fail_code(err, (int)e, "remove", path);
    }
}

static bool is_folder(const wchar_t *wide)
{
    DWORD attributes = GetFileAttributesW(wide);
    return attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_DIRECTORY;
}

/* Where the part before the separator at the returned place, with it, is a folder: the last such
 * place at or before n, or 0. Roots of drives and volumes are folders only with their separator. */
static size_t deepest_folder(wchar_t *wide, size_t n)
{
    for (size_t at = n; at-- > 4;) {
        if (wide[at] != '\\')
            continue;
        wchar_t next = wide[at + 1];
        wide[at + 1] = 0;
        bool good = is_folder(wide);
        wide[at + 1] = next;
        if (good)
            return at;
    }
    return 0;
}

/* Creates what is missing below the deepest folder that is there; 0 or the error. */
static DWORD make_folders(wchar_t *wide, SECURITY_ATTRIBUTES *security)
{
    if (is_folder(wide))
        return 0;
    size_t n = wcslen(wide), at = deepest_folder(wide, n);
    if (at == 0)
        return ERROR_PATH_NOT_FOUND;
    for (at++; at <= n; at++) {
        if (wide[at] && wide[at] != '\\')
            continue;
        wchar_t end = wide[at];
        wide[at] = 0;
        DWORD e = CreateDirectoryW(wide, security) ? 0 : GetLastError();
        wide[at] = end;
        if (e && e != ERROR_ALREADY_EXISTS)
            return e;
    }
    return 0;
}

int os_mkdirs(const char *path, struct ds_error *err)
{
    wchar_t wide[WIDE_PATH_MAX];
    if (!wide_path(wide, path))
        return os_fail(err, "create the folder", path);
    SECURITY_ATTRIBUTES security = { sizeof security, os_private_descriptor(true), FALSE };
    if (!security.lpSecurityDescriptor)
        return os_fail(err, "create the folder", path);
    DWORD e = make_folders(wide, &security);
    LocalFree(security.lpSecurityDescriptor);
    if (e)
        return os_fail_code(err, (int)e, "create the folder", path);
    if (os_kind(path) != OS_DIRECTORY)
        return ds_fail(err, DS_EINVAL, "%s is not a folder", path);
    return DS_OK;
}

static int list_found(HANDLE search, WIN32_FIND_DATAW *entry, const char *path,
                      int (*fn)(void *ud, const char *name), void *ud, struct ds_error *err)
{
    char name[4 * MAX_PATH];
    do {
        if (wcscmp(entry->cFileName, L".") == 0 || wcscmp(entry->cFileName, L"..") == 0)
            continue;
        if (!wide_to_utf8(name, sizeof name, entry->cFileName))
            return os_fail(err, "read a name in", path);
        int rc = fn(ud, name);
        if (rc)
            return rc;
    } while (FindNextFileW(search, entry));
    return GetLastError() == ERROR_NO_MORE_FILES ? DS_OK : os_fail(err, "list", path);
}

int os_list(const char *path, int (*fn)(void *ud, const char *name), void *ud,
            struct ds_error *err)
{
    wchar_t wide[WIDE_PATH_MAX];
    WIN32_FIND_DATAW entry;
    if (!wide_path(wide, path))
        return os_fail(err, "list", path);
    size_t n = wcslen(wide);
    if (n + 3 > WIDE_PATH_MAX)
        return too_long(path, err);
    if (wide[n - 1] != '\\')
        wide[n++] = '\\';
    wide[n++] = '*';
    wide[n] = 0;
    HANDLE search = FindFirstFileW(wide, &entry);
    if (search == INVALID_HANDLE_VALUE) {
        /* The empty root of a drive has not even the entries . and .. */
        DWORD e = GetLastError();
        if (e == ERROR_FILE_NOT_FOUND && os_kind(path) == OS_DIRECTORY)
            return DS_OK;
        return os_fail_code(err, (int)e, "list", path);
    }
    int rc = list_found(search, &entry, path, fn, ud, err);
    FindClose(search);
    return rc;
}

static bool is_separator(char c)
{
    return c == '/' || c == '\\';
}

static bool has_drive(const char *path)
{
    return ((path[0] >= 'A' && path[0] <= 'Z') || (path[0] >= 'a' && path[0] <= 'z')) &&
           path[1] == ':';
}

bool os_is_absolute(const char *path)
{
    return has_drive(path) ? is_separator(path[2]) : is_separator(path[0]) && is_separator(path[1]);
}

/* What the system makes of a path: for those relative to a drive, and the current folder. */
static int system_absolute(char *out, const char *path, struct ds_error *err)
{
    wchar_t wide[WIDE_PATH_MAX];
    if (!wide_path(wide, path))
        return os_fail(err, "find", path);
    if (!wide_to_utf8(out, OS_PATH_MAX, wide_plain(wide)))
        return too_long(path, err);
    return DS_OK;
}

int os_absolute(char *out, const char *base, const char *path, struct ds_error *err)
{
    char folder[OS_PATH_MAX];
    while (path[0] == '.' && is_separator(path[1]))
        path += 2;
    if (os_is_absolute(path)) {
        if (!text_copy(out, OS_PATH_MAX, path))
            return too_long(path, err);
    } else if (is_separator(path[0]) || has_drive(path)) {
        return system_absolute(out, path, err);
    } else {
        int rc = DS_OK;
        if (base && os_is_absolute(base))
            rc = text_copy(folder, sizeof folder, base) ? DS_OK : too_long(base, err);
        else
            rc = system_absolute(folder, base ? base : ".", err);
        if (!rc)
            rc = os_join(out, folder, path, err);
        if (rc)
            return rc;
    }
    for (char *c = out; *c; c++)
        if (*c == '/')
            *c = '\\';
    return DS_OK;
}

/* Both are devices, or neither can be told. */
static bool same_device(HANDLE a, HANDLE b)
{
    STORAGE_DEVICE_NUMBER na, nb;
    if (os_control(a, IOCTL_STORAGE_GET_DEVICE_NUMBER, NULL, 0, &na, sizeof na, NULL) ||
        os_control(b, IOCTL_STORAGE_GET_DEVICE_NUMBER, NULL, 0, &nb, sizeof nb, NULL))
        return false;
    return na.DeviceType == nb.DeviceType && na.DeviceNumber == nb.DeviceNumber &&
           na.PartitionNumber == nb.PartitionNumber;
}

static bool same_opened(HANDLE a, HANDLE b)
{
    BY_HANDLE_FILE_INFORMATION ia, ib;
    bool file_a = GetFileInformationByHandle(a, &ia), file_b = GetFileInformationByHandle(b, &ib);
    if (file_a != file_b)
        return false;
    if (!file_a)
        return same_device(a, b);
    return ia.dwVolumeSerialNumber == ib.dwVolumeSerialNumber &&
           ia.nFileIndexHigh == ib.nFileIndexHigh && ia.nFileIndexLow == ib.nFileIndexLow;
}

bool os_same_file(const char *a, const char *b)
{
    wchar_t wide_a[WIDE_PATH_MAX], wide_b[WIDE_PATH_MAX];
    if (!wide_path(wide_a, a) || !wide_path(wide_b, b))
        return false;
    HANDLE ha = open_to_ask(wide_a), hb = open_to_ask(wide_b);
    bool same = false;
    if (ha != INVALID_HANDLE_VALUE && hb != INVALID_HANDLE_VALUE)
        same = same_opened(ha, hb) || _wcsicmp(wide_a, wide_b) == 0;
    if (ha != INVALID_HANDLE_VALUE)
        CloseHandle(ha);
    if (hb != INVALID_HANDLE_VALUE)
        CloseHandle(hb);
    return same;
}

int os_program_folder(char *out, struct ds_error *err)
{
    wchar_t wide[WIDE_PATH_MAX];
    char path[OS_PATH_MAX];
    DWORD n = GetModuleFileNameW(NULL, wide, WIDE_PATH_MAX);
    if (n == 0 || n >= WIDE_PATH_MAX)
        return os_fail(err, "find", "the program's own folder");
    if (!wide_to_utf8(path, sizeof path, wide_plain(wide)))
        return os_fail(err, "find", "the program's own folder");
    os_dirname(out, path);
    return DS_OK;
}

uint64_t os_free_bytes(const char *path)
{
    wchar_t wide[WIDE_PATH_MAX];
    char folder[OS_PATH_MAX];
    ULARGE_INTEGER available;
    enum os_kind kind = os_kind(path);
    if (kind == OS_ABSENT || kind == OS_BLOCK_DEVICE || kind == OS_OTHER)
        return UINT64_MAX;
    if (kind == OS_REGULAR) {
        os_dirname(folder, path);
        path = folder;
    }
    if (!wide_path(wide, path))
        return UINT64_MAX;
    size_t n = wcslen(wide);
    if (wide[n - 1] != '\\' && n + 1 < WIDE_PATH_MAX) { /* a share is asked for with it */
        wide[n] = '\\';
        wide[n + 1] = 0;
    }
    return GetDiskFreeSpaceExW(wide, &available, NULL, NULL) ? available.QuadPart : UINT64_MAX;
}
