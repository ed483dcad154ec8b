/* SPDX-License-Identifier: Apache-2.0 */
/* access_linux.c - see access.h: the mode bits. An access list shows in the group's bits. */
#include "core/policy/access.h"

#include <stdio.h>
#include <sys/stat.h>

bool access_is_open(const char *path, char *why, size_t cap)
{
    struct stat st;
    if (stat(path, &st) < 0 || !(st.st_mode & (S_IRGRP | S_IROTH)))
        return false;
    snprintf(why, cap, "mode %04o", (unsigned)(st.st_mode & 07777));
    return true;
}
