/* SPDX-License-Identifier: Apache-2.0 */
/* os_windows.h - what the Windows side of os.h offers to other *_windows.c and windows.c files.
 * Files opened by os_open are overlapped: whoever calls ReadFile, DeviceIoControl or the like on
 * such a handle passes an OVERLAPPED with an event, as os_control does. Any thread. */
#ifndef CORE_BASE_OS_WINDOWS_H
#define CORE_BASE_OS_WINDOWS_H

#include "core/base/os.h"

#include <windows.h>

/* A function of a library in the system's own folder, or NULL: for what the oldest Windows served
 * does not have. The library stays loaded. */
FARPROC os_system_function(const wchar_t *library, const char *name);
/* DeviceIoControl that waits; 0 or a Win32 error. *got (may be NULL) is set with ERROR_MORE_DATA
 * too. Serves overlapped and plain handles. */
DWORD os_control(HANDLE handle, DWORD code, const void *in, size_t in_size, void *out,
                 size_t out_size, size_t *got);
/* A security descriptor that lets in the current user, the administrators and the system alone, and
 * for a folder is inherited by what is created in it. Free it with LocalFree; NULL on failure. */
PSECURITY_DESCRIPTOR os_private_descriptor(bool folder);

#endif
