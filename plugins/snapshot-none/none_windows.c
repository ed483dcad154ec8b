/* SPDX-License-Identifier: Apache-2.0 */
/* none_windows.c - none_os.h on Windows. An image file is opened with writers locked out: that
 * fails while one has it open, and keeps others away meanwhile. Sharing modes mean nothing on a raw
 * disk, so a disk is never at rest here. */
#include "none_os.h"

#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

bool none_hold_take(struct none_hold *hold, const struct ds_disk *disk, char *why, size_t cap)
{
    hold->handle = NONE_NO_HOLD;
    hold->is_lease = false;
    if (!(disk->flags & DS_DISK_IMAGE) || (disk->flags & DS_DISK_IN_USE)) {
        snprintf(why, cap, "%s",
                 disk->flags & DS_DISK_IN_USE ? "it is in use"
                                              : "nothing keeps writers away from a disk");
        return false;
    }
    int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, disk->path, -1, NULL, 0);
    WCHAR *wide = n > 0 ? malloc((size_t)n * sizeof *wide) : NULL;
    HANDLE handle = INVALID_HANDLE_VALUE;
    if (wide && MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, disk->path, -1, wide, n))
        handle = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    DWORD e = GetLastError();
    free(wide);
    if (handle == INVALID_HANDLE_VALUE) {
        if (e == ERROR_SHARING_VIOLATION)
            snprintf(why, cap, "a program has it open for writing");
        else
            snprintf(why, cap, "it can't be opened (error %lu)", (unsigned long)e);
        return false;
    }
    hold->handle = (intptr_t)handle;
    return true;
}

bool none_hold_is_broken(const struct none_hold *hold)
{
    (void)hold;
    return false;
}

void none_hold_drop(struct none_hold *hold)
{
    if (hold->handle != NONE_NO_HOLD)
        CloseHandle((HANDLE)hold->handle);
    hold->handle = NONE_NO_HOLD;
}
