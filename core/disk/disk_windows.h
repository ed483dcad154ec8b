/* SPDX-License-Identifier: Apache-2.0 */
/* disk_windows.h - what disk_windows.c offers to usage_windows.c. */
#ifndef CORE_DISK_DISK_WINDOWS_H
#define CORE_DISK_DISK_WINDOWS_H

#include <windows.h>

/* A plain handle to ask a device or file by; INVALID_HANDLE_VALUE with GetLastError() otherwise.
 * No access rights (0) are enough for most questions. */
HANDLE disk_query_open(const char *path, DWORD access);

#endif
