/* SPDX-License-Identifier: Apache-2.0 */
/* wide_windows.h - UTF-8 inside, UTF-16 at the edge: text and paths on their way to and from the
 * wide functions of Windows. Only *_windows.c and windows.c files include it. Any thread; a failing
 * function leaves its reason in the thread's last error, where os_fail finds it. */
#ifndef CORE_BASE_WIDE_WINDOWS_H
#define CORE_BASE_WIDE_WINDOWS_H

#include "core/base/os.h"

#include <windows.h>

/* Room for a path of OS_PATH_MAX bytes and the prefix \\?\UNC\. */
#define WIDE_PATH_MAX (OS_PATH_MAX + 16)

/* cap and the result's size in units of two bytes; false if it is not UTF-8 or does not fit. */
bool wide_from_utf8(wchar_t *out, size_t cap, const char *text);
/* cap in bytes; false, and out empty, if it does not fit. */
bool wide_to_utf8(char *out, size_t cap, const wchar_t *text);
/* The form that has no length limit and no reserved names: absolute, with '\\' only, and behind
 * \\?\ . Paths that already name a device or have the prefix are only given their separators. */
bool wide_path(wchar_t out[WIDE_PATH_MAX], const char *path);
/* Without the prefix that wide_path put there: for people, and for what can't take it. Returns the
 * place in path where that form begins; a share's is written over the prefix. */
wchar_t *wide_plain(wchar_t *path);
/* True for \\.\NAME, \\?\NAME and \\?\GLOBALROOT\Device\NAME with nothing behind: a device itself
 * and not a file on it. */
bool wide_is_device(const wchar_t *path);

#endif
