/* SPDX-License-Identifier: Apache-2.0 */
/* none_linux.c - none_os.h on Linux. An image file gets a read lease: the kernel grants it only
 * while no one has the file open for writing, and breaks it when someone wants to. A block device
 * is opened exclusively: that fails while it, or a partition of it, is mounted, is swap or belongs
 * to a volume manager, and keeps them from it meanwhile. A program that writes to a device without
 * claiming it can't be seen. */
#include "none_os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool lease_take(int fd, char *why, size_t cap)
{
    /* The default signal of a broken lease ends the process; this one is ignored by default. */
    if (fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
        return true;
    if (errno == EAGAIN)
        snprintf(why, cap, "a program has it open for writing");
    else if (errno == EACCES)
        snprintf(why, cap, "only its owner or root can find out whether someone writes to it");
    else
        snprintf(why, cap, "its file system can't tell whether someone writes to it");
    return false;
}

bool none_hold_take(struct none_hold *hold, const struct ds_disk *disk, char *why, size_t cap)
{
    bool image = (disk->flags & DS_DISK_IMAGE) != 0;
    hold->handle = NONE_NO_HOLD;
    hold->is_lease = image;
    if (disk->flags & DS_DISK_IN_USE) {
        snprintf(why, cap, "it is in use");
        return false;
    }
    int fd = open(disk->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (image ? 0 : O_EXCL));
    if (fd < 0) {
        char text[96];
        const char *reason = strerror_r(errno, text, sizeof text); /* GNU: returns the text */
        snprintf(why, cap, "%s", errno == EBUSY ? "it is mounted or claimed" : reason);
        return false;
    }
    if (image && !lease_take(fd, why, cap)) {
        close(fd);
        return false;
    }
    hold->handle = fd;
    return true;
}

bool none_hold_is_broken(const struct none_hold *hold)
{
    if (hold->handle == NONE_NO_HOLD || !hold->is_lease)
        return false;
    return fcntl((int)hold->handle, F_GETLEASE) != F_RDLCK;
}

void none_hold_drop(struct none_hold *hold)
{
    if (hold->handle == NONE_NO_HOLD)
        return;
    if (hold->is_lease)
        fcntl((int)hold->handle, F_SETLEASE, F_UNLCK);
    close((int)hold->handle);
    hold->handle = NONE_NO_HOLD;
}
