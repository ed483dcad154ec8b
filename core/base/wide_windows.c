/* SPDX-License-Identifier: Apache-2.0 */
/* wide_windows.c - see wide_windows.h. */
#include "core/base/wide_windows.h"

#include <limits.h>
#include <string.h>
#include <wchar.h>

bool wide_from_utf8(wchar_t *out, size_t cap, const char *text)
{
    int room = cap > INT_MAX ? INT_MAX : (int)cap;
    return MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, out, room) > 0;
}

bool wide_to_utf8(char *out, size_t cap, const wchar_t *text)
{
    int room = cap > INT_MAX ? INT_MAX : (int)cap;
    if (WideCharToMultiByte(CP_UTF8, 0, text, -1, out, room, NULL, NULL) > 0)
        return true;
    if (cap)
        out[0] = 0;
    return false;
}

static bool has_prefix(const wchar_t *path)
{
    return path[0] == '\\' && path[1] == '\\' && (path[2] == '?' || path[2] == '.') &&
           path[3] == '\\';
}

bool wide_path(wchar_t out[WIDE_PATH_MAX], const char *path)
{
    wchar_t given[OS_PATH_MAX];
    if (!*path) {
        SetLastError(ERROR_PATH_NOT_FOUND);
        return false;
    }
    if (!wide_from_utf8(given, OS_PATH_MAX, path)) {
        if (GetLastError() == ERROR_INSUFFICIENT_BUFFER)
            SetLastError(ERROR_FILENAME_EXCED_RANGE);
        return false;
    }
    for (wchar_t *c = given; *c; c++)
        if (*c == '/')
            *c = '\\';
    if (has_prefix(given)) {
        memcpy(out, given, (wcslen(given) + 1) * sizeof *out);
        return true;
    }
    /* The full name goes behind room for the longest prefix, which then is put before it. */
    wchar_t *full = out + 8;
    DWORD n = GetFullPathNameW(given, OS_PATH_MAX, full, NULL);
    if (n == 0 || n >= OS_PATH_MAX) {
        if (n)
            SetLastError(ERROR_FILENAME_EXCED_RANGE);
        return false;
    }
    const wchar_t *prefix = L"\\\\?\\";
    if (has_prefix(full)) /* a reserved name such as NUL */
        prefix = L"";
    else if (full[0] == '\\' && full[1] == '\\') {
        prefix = L"\\\\?\\UNC\\";
        full += 2;
        n -= 2;
    }
    size_t m = wcslen(prefix);
    memmove(out + m, full, (n + 1) * sizeof *out);
    memcpy(out, prefix, m * sizeof *out);
    return true;
}

wchar_t *wide_plain(wchar_t *path)
{
    if (wcsncmp(path, L"\\\\?\\", 4) != 0)
        return path;
    if (wcsncmp(path + 4, L"UNC\\", 4) == 0) {
        path[6] = '\\';
        return path + 6;
    }
    return path[4] && path[5] == ':' ? path + 4 : path;
}

bool wide_is_device(const wchar_t *path)
{
    static const wchar_t root[] = L"GLOBALROOT\\Device\\";
    if (!has_prefix(path))
        return false;
    path += 4;
    if (_wcsnicmp(path, root, wcslen(root)) == 0)
        path += wcslen(root);
    return *path && !wcschr(path, '\\');
}
