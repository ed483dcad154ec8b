/* SPDX-License-Identifier: Apache-2.0 */
/* dir_windows.c - dir_os.h on Windows. Paths become UTF-16 behind "\\?\", which lifts the limit of
 * 260 characters and the special meaning of names such as "con". MoveFileExW is the atomic step,
 * with MOVEFILE_WRITE_THROUGH for durability; without MOVEFILE_REPLACE_EXISTING it is also the
 * conditional one. A temporary file is open without sharing, so no sweep can remove a live one. */
#include "dir_os.h"

#include <disksync/helpers.h>

#include <stdio.h>
#include <string.h>
#include <windows.h>
#include <winioctl.h>

#define WIDE_MAX (DIR_PATH_MAX + 16)
#define QUOTA_EXCEEDED 1295 /* ERROR_DISK_QUOTA_EXCEEDED: not in the headers for NT 5.2 */

struct kind {
    DWORD os_code;
    int status;
    uint32_t retry;
    const char *remedy;
};

static const struct kind kinds[] = {
    { ERROR_FILE_NOT_FOUND, DS_ENOENT, DS_RETRY_NEVER, "" },
    { ERROR_PATH_NOT_FOUND, DS_ENOENT, DS_RETRY_NEVER, "" },
    { ERROR_INVALID_NAME, DS_EINVAL, DS_RETRY_NEVER, "" },
    { ERROR_DIRECTORY, DS_EINVAL, DS_RETRY_NEVER, "; an object is where its key needs a folder" },
    { ERROR_ACCESS_DENIED, DS_EACCES, DS_RETRY_NEVER,
      "; give the account that runs disksync access to the folder" },
    { ERROR_WRITE_PROTECT, DS_EACCES, DS_RETRY_NEVER, "; the medium is write-protected" },
    { ERROR_DISK_FULL, DS_ENOSPC, DS_RETRY_NEVER,
      "; free space there, forget and collect old points, or use a larger disk" },
    { ERROR_HANDLE_DISK_FULL, DS_ENOSPC, DS_RETRY_NEVER,
      "; free space there, forget and collect old points, or use a larger disk" },
    { QUOTA_EXCEEDED, DS_ENOSPC, DS_RETRY_NEVER,
      "; raise the account's quota or collect old points" },
    { ERROR_FILE_TOO_LARGE, DS_ENOSPC, DS_RETRY_NEVER, "; the file system allows no larger file" },
    { ERROR_NOT_ENOUGH_MEMORY, DS_ENOMEM, DS_RETRY_SAME, "" },
    { ERROR_OUTOFMEMORY, DS_ENOMEM, DS_RETRY_SAME, "" },
    { ERROR_SHARING_VIOLATION, DS_EBUSY, DS_RETRY_SAME, "; another program has it open" },
    { ERROR_LOCK_VIOLATION, DS_EBUSY, DS_RETRY_SAME, "; another program has it open" },
    { ERROR_ALREADY_EXISTS, DS_EEXIST, DS_RETRY_NEVER, "" },
    { ERROR_FILE_EXISTS, DS_EEXIST, DS_RETRY_NEVER, "" },
    { ERROR_SEM_TIMEOUT, DS_ETIMEDOUT, DS_RETRY_SAME, "; is the network share reachable?" },
    { ERROR_BAD_NETPATH, DS_EIO, DS_RETRY_REOPEN, "; is the network share reachable?" },
    { ERROR_NETNAME_DELETED, DS_EIO, DS_RETRY_REOPEN, "; the connection to the share was lost" },
    { ERROR_NOT_READY, DS_EIO, DS_RETRY_SAME, "; is the disk connected?" },
};

static int fail_code(struct ds_error *err, DWORD e, const char *what, const char *path)
{
    static const struct kind other = { 0, DS_EIO, DS_RETRY_SAME, "" };
    const struct kind *kind = &other;
    WCHAR wide[160];
    char text[320] = "";
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].os_code == e)
            kind = &kinds[i];
    DWORD n = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, e, 0,
                             wide, 159, NULL);
    while (n && (wide[n - 1] <= L' ' || wide[n - 1] == L'.'))
        n--;
    wide[n] = 0;
    if (n == 0 || !WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, sizeof text, NULL, NULL))
        snprintf(text, sizeof text, "error %lu", (unsigned long)e);
    ds_fail_retry(err, kind->status, kind->retry, "cannot %s %s: %s%s", what, path, text,
                  kind->remedy);
    ds_error_native(err, DS_DOMAIN_WIN32, (int32_t)e);
    return kind->status;
}

static int fail(struct ds_error *err, const char *what, const char *path)
{
    return fail_code(err, GetLastError(), what, path);
}

/* ---- paths ---- */

/* Behind "\\?\" the system takes components as they are: resolves "." and ".." in place, from
 * `start`, the first character after the drive or share. */
static void resolve_dots(WCHAR *start)
{
    WCHAR *in = start, *out = start;
    while (*in) {
        size_t n = wcscspn(in, L"\\");
        if (n == 2 && in[0] == L'.' && in[1] == L'.') {
            while (out > start && *--out != L'\\')
                ;
        } else if (n && !(n == 1 && in[0] == L'.')) {
            if (out > start)
                *out++ = L'\\';
            memmove(out, in, n * sizeof *in);
            out += n;
        }
        in += n + (in[n] != 0);
    }
    *out = 0;
}

static bool wide_path(WCHAR out[WIDE_MAX], const char *path)
{
    WCHAR raw[WIDE_MAX];
    if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, raw, DIR_PATH_MAX))
        return false;
    for (WCHAR *p = raw; *p; p++)
        if (*p == L'/')
            *p = L'\\';
    if (wcsncmp(raw, L"\\\\?\\", 4) == 0 || wcsncmp(raw, L"\\\\.\\", 4) == 0) {
        memcpy(out, raw, (wcslen(raw) + 1) * sizeof *raw);
        return true;
    }
    bool share = raw[0] == L'\\' && raw[1] == L'\\';
    const WCHAR *prefix = share ? L"\\\\?\\UNC\\" : L"\\\\?\\";
    const WCHAR *rest = share ? raw + 2 : raw;
    size_t n = wcslen(prefix);
    memcpy(out, prefix, n * sizeof *out);
    memcpy(out + n, rest, (wcslen(rest) + 1) * sizeof *out);
    WCHAR *start = out + n;
    for (int fixed = share ? 2 : 1; fixed && *start; fixed--) {
        start += wcscspn(start, L"\\");
        start += *start != 0;
    }
    resolve_dots(start);
    return true;
}

static int bad_path(struct ds_error *err, const char *path)
{
    return ds_fail(err, DS_EINVAL, "the path %.200s is too long or not UTF-8", path);
}

/* A virus scanner or an indexer may hold a file for a moment. */
static bool is_momentary(DWORD e, int tries)
{
    if (tries >= 20 || (e != ERROR_SHARING_VIOLATION && e != ERROR_LOCK_VIOLATION &&
                        e != ERROR_ACCESS_DENIED))
        return false;
    Sleep(tries < 5 ? 5 : 50);
    return true;
}

/* ---- files ---- */

int dir_os_create(struct dir_file *file, const char *path, struct ds_error *err)
{
    WCHAR wide[WIDE_MAX];
    if (!wide_path(wide, path))
        return bad_path(err, path);
    HANDLE h = CreateFileW(wide, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
    file->handle = (intptr_t)h;
    return h == INVALID_HANDLE_VALUE ? fail(err, "create", path) : DS_OK;
}

int dir_os_open(struct dir_file *file, const char *path, uint64_t *bytes, struct ds_error *err)
{
    WCHAR wide[WIDE_MAX];
    LARGE_INTEGER size;
    HANDLE h = INVALID_HANDLE_VALUE;
    if (!wide_path(wide, path))
        return bad_path(err, path);
    DWORD attributes = GetFileAttributesW(wide);
    if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY))
        return ds_fail(err, DS_ENOENT, "%s is not a file", path);
    for (int tries = 0; h == INVALID_HANDLE_VALUE; tries++) {
        h = CreateFileW(wide, GENERIC_READ,
                        FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                        OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
        if (h == INVALID_HANDLE_VALUE && !is_momentary(GetLastError(), tries))
            return fail(err, "open", path);
    }
    file->handle = (intptr_t)h;
    if (!GetFileSizeEx(h, &size)) {
        int rc = fail(err, "examine", path);
        dir_os_close(file);
        return rc;
    }
    *bytes = (uint64_t)size.QuadPart;
    return DS_OK;
}

void dir_os_close(struct dir_file *file)
{
    if (file->handle != DIR_NO_FILE)
        CloseHandle((HANDLE)file->handle);
    file->handle = DIR_NO_FILE;
}

int dir_os_write(struct dir_file *file, const struct ds_iovec *iov, size_t n, const char *path,
                 struct ds_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *p = iov[i].data;
        size_t left = iov[i].length;
        while (left) {
            DWORD take = left < (1u << 22) ? (DWORD)left : 1u << 22, done = 0;
            if (!WriteFile((HANDLE)file->handle, p, take, &done, NULL))
                return fail(err, "write", path);
            if (done == 0)
                return fail_code(err, ERROR_DISK_FULL, "write", path);
            p += done;
            left -= done;
        }
    }
    return DS_OK;
}

int dir_os_read(struct dir_file *file, void *data, size_t n, uint64_t offset, size_t *got,
                const char *path, struct ds_error *err)
{
    *got = 0;
    while (*got < n) {
        uint64_t at = offset + *got;
        size_t left = n - *got;
        DWORD take = left < (1u << 22) ? (DWORD)left : 1u << 22, done = 0;
        OVERLAPPED position = { 0 };
        position.Offset = (DWORD)at;
        position.OffsetHigh = (DWORD)(at >> 32);
        if (!ReadFile((HANDLE)file->handle, (char *)data + *got, take, &done, &position)) {
            if (GetLastError() == ERROR_HANDLE_EOF)
                break;
            return fail(err, "read", path);
        }
        if (done == 0)
            break;
        *got += done;
    }
    return DS_OK;
}

int dir_os_flush(struct dir_file *file, const char *path, struct ds_error *err)
{
    return FlushFileBuffers((HANDLE)file->handle) ? DS_OK : fail(err, "flush", path);
}

int dir_os_publish(struct dir_file *file, const char *temp, const char *path, bool replace,
                   bool sync, struct ds_error *err)
{
    WCHAR from[WIDE_MAX], to[WIDE_MAX];
    DWORD flags = (replace ? MOVEFILE_REPLACE_EXISTING : 0) | (sync ? MOVEFILE_WRITE_THROUGH : 0);
    dir_os_close(file);
    if (!wide_path(from, temp) || !wide_path(to, path))
        return bad_path(err, path);
    for (int tries = 0;; tries++) {
        if (MoveFileExW(from, to, flags))
            return DS_OK;
        DWORD e = GetLastError();
        /* With some servers an existing target shows as a denial. */
        if (!replace && e == ERROR_ACCESS_DENIED &&
            GetFileAttributesW(to) != INVALID_FILE_ATTRIBUTES)
            e = ERROR_ALREADY_EXISTS;
        if (!is_momentary(e, tries))
            return fail_code(err, e, replace ? "replace" : "create", path);
    }
}

int dir_os_remove(const char *path, struct ds_error *err)
{
    WCHAR wide[WIDE_MAX];
    if (!wide_path(wide, path))
        return bad_path(err, path);
    for (int tries = 0; !DeleteFileW(wide); tries++) {
        DWORD e = GetLastError();
        if (e == ERROR_FILE_NOT_FOUND || e == ERROR_PATH_NOT_FOUND)
            break;
        if (!is_momentary(e, tries))
            return fail_code(err, e, "remove", path);
    }
    return DS_OK;
}

/* FILETIME counts 100 ns since 1601-01-01 UTC. */
static int64_t unix_ns(FILETIME t)
{
    int64_t ticks = (int64_t)((uint64_t)t.dwHighDateTime << 32 | t.dwLowDateTime);
    return (ticks - INT64_C(116444736000000000)) * 100;
}

int dir_os_stat(const char *path, struct dir_stat *out, struct ds_error *err)
{
    WCHAR wide[WIDE_MAX];
    WIN32_FILE_ATTRIBUTE_DATA data;
    *out = (struct dir_stat){ 0 };
    if (!wide_path(wide, path))
        return bad_path(err, path);
    if (!GetFileAttributesExW(wide, GetFileExInfoStandard, &data)) {
        DWORD e = GetLastError();
        return e == ERROR_FILE_NOT_FOUND || e == ERROR_PATH_NOT_FOUND || e == ERROR_DIRECTORY
                   ? DS_OK : fail_code(err, e, "examine", path);
    }
    out->is_folder = (data.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    out->is_file = !out->is_folder;
    out->bytes = (uint64_t)data.nFileSizeHigh << 32 | data.nFileSizeLow;
    out->mtime_ns = unix_ns(data.ftLastWriteTime);
    return DS_OK;
}

/* ---- folders ---- */

int dir_os_mkdir(const char *path, bool *made, struct ds_error *err)
{
    WCHAR wide[WIDE_MAX];
    *made = false;
    if (!wide_path(wide, path))
        return bad_path(err, path);
    if (CreateDirectoryW(wide, NULL)) {
        *made = true;
        return DS_OK;
    }
    DWORD e = GetLastError(), attributes = GetFileAttributesW(wide);
    if (attributes != INVALID_FILE_ATTRIBUTES)
        return attributes & FILE_ATTRIBUTE_DIRECTORY
                   ? DS_OK : fail_code(err, ERROR_DIRECTORY, "create the folder", path);
    return fail_code(err, e, "create the folder", path);
}

void dir_os_rmdir(const char *path)
{
    WCHAR wide[WIDE_MAX];
    if (wide_path(wide, path))
        RemoveDirectoryW(wide);
}

int dir_os_flush_folder(const char *path, struct ds_error *err)
{
    WCHAR wide[WIDE_MAX];
    if (!wide_path(wide, path))
        return bad_path(err, path);
    HANDLE h = CreateFileW(wide, GENERIC_WRITE,
                           FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                           OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    /* NTFS writes names through its log, in order, and MOVEFILE_WRITE_THROUGH has flushed that
     * already. Where a folder can't be opened or flushed there is nothing more to be done. */
    if (h == INVALID_HANDLE_VALUE)
        return DS_OK;
    DWORD e = FlushFileBuffers(h) ? 0 : GetLastError();
    CloseHandle(h);
    if (e == ERROR_DISK_FULL || e == ERROR_CRC || e == ERROR_IO_DEVICE || e == ERROR_NOT_READY)
        return fail_code(err, e, "flush the folder", path);
    return DS_OK;
}

int dir_os_list(const char *path, int (*fn)(void *ud, const char *name, bool is_folder), void *ud,
                struct ds_error *err)
{
    WCHAR wide[WIDE_MAX + 2];
    WIN32_FIND_DATAW data;
    char name[MAX_PATH * 3 + 1];
    int rc = DS_OK;
    if (!wide_path(wide, path))
        return bad_path(err, path);
    DWORD attributes = GetFileAttributesW(wide);
    if (attributes != INVALID_FILE_ATTRIBUTES && !(attributes & FILE_ATTRIBUTE_DIRECTORY))
        return DS_OK;
    size_t n = wcslen(wide);
    if (n && wide[n - 1] != L'\\')
        wide[n++] = L'\\';
    wide[n++] = L'*';
    wide[n] = 0;
    HANDLE find = FindFirstFileW(wide, &data);
    if (find == INVALID_HANDLE_VALUE) {
        DWORD e = GetLastError();
        return e == ERROR_FILE_NOT_FOUND || e == ERROR_PATH_NOT_FOUND || e == ERROR_DIRECTORY
                   ? DS_OK : fail_code(err, e, "list the folder", path);
    }
    do {
        bool dots = wcscmp(data.cFileName, L".") == 0 || wcscmp(data.cFileName, L"..") == 0;
        if (!dots && WideCharToMultiByte(CP_UTF8, 0, data.cFileName, -1, name, sizeof name, NULL,
                                         NULL))
            rc = fn(ud, name, (data.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0);
    } while (!rc && FindNextFileW(find, &data));
    if (!rc && GetLastError() != ERROR_NO_MORE_FILES)
        rc = fail(err, "list the folder", path);
    FindClose(find);
    return rc;
}

bool dir_os_parent(char *out, const char *path)
{
    size_t n = strlen(path);
    while (n && path[n - 1] != '/' && path[n - 1] != '\\')
        n--;
    while (n > 1 && (path[n - 1] == '/' || path[n - 1] == '\\') && path[n - 2] != ':')
        n--;
    /* The two slashes before a server's name, or nothing left. */
    if (n <= 1 || path[n] == 0)
        return false;
    memcpy(out, path, n);
    out[n] = 0;
    return true;
}

bool dir_os_is_absolute(const char *path)
{
    char drive = (char)(path[0] | 0x20);
    bool slashes = (path[0] == '\\' || path[0] == '/') && (path[1] == '\\' || path[1] == '/');
    return slashes || (drive >= 'a' && drive <= 'z' && path[1] == ':' &&
                       (path[2] == '\\' || path[2] == '/'));
}

/* ---- the rest ---- */

void dir_os_sweep(const char *path, int64_t before_ns)
{
    struct ds_error ignored = DS_ERROR_INIT;
    struct dir_stat st;
    WCHAR wide[WIDE_MAX];
    if (dir_os_stat(path, &st, &ignored) == DS_OK && st.is_file && st.mtime_ns < before_ns &&
        wide_path(wide, path))
        DeleteFileW(wide); /* fails while its writer has it open */
}

uint64_t dir_os_free_bytes(const char *path)
{
    WCHAR wide[WIDE_MAX];
    ULARGE_INTEGER bytes;
    if (!wide_path(wide, path) || !GetDiskFreeSpaceExW(wide, &bytes, NULL, NULL))
        return UINT64_MAX;
    return bytes.QuadPart;
}

bool dir_os_pin(struct dir_pin *pin, const char *path)
{
    WCHAR wide[WIDE_MAX];
    if (!wide_path(wide, path))
        return false;
    HANDLE h = CreateFileW(wide, FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                           OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    pin->handle = (intptr_t)h;
    return h != INVALID_HANDLE_VALUE;
}

void dir_os_unpin(struct dir_pin *pin)
{
    CloseHandle((HANDLE)pin->handle);
}

void dir_os_pause(void)
{
    Sleep(1);
}
