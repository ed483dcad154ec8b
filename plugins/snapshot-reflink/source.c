/* SPDX-License-Identifier: Apache-2.0 */
/* source.c - finds the file behind a disk: an image itself, or what the kernel says that a loop
 * device stands on. */
#include "reflink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* One line of a file of sysfs, without its end. */
static bool read_line(const char *path, char *out, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, cap - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    out[n] = 0;
    out[strcspn(out, "\n")] = 0;
    return true;
}

static bool read_attribute(dev_t rdev, const char *name, char *out, size_t cap)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/loop/%s", major(rdev), minor(rdev), name);
    return read_line(path, out, cap);
}

static int loop_file(struct source *source, const struct ds_disk *disk, struct ds_error *err)
{
    char file[PATH_MAX], number[32];
    struct stat st;
    if (!read_attribute(source->rdev, "backing_file", file, sizeof file))
        return ds_fail(err, DS_ENOTSUP, "%s is no loop device: snapshot-reflink clones files only",
                       disk->path);
    /* The kernel appends " (deleted)"; then there is no file left to clone by name. */
    if (!realpath(file, source->file) || stat(source->file, &st) < 0)
        return ds_fail(err, DS_ENOTSUP, "the file %s behind %s can't be reached", file, disk->path);
    if (!S_ISREG(st.st_mode))
        return ds_fail(err, DS_ENOTSUP, "%s, which is behind %s, is not a file", file, disk->path);
    source->offset = read_attribute(source->rdev, "offset", number, sizeof number)
                         ? strtoull(number, NULL, 10) : 0;
    return DS_OK;
}

int source_find(struct source *source, const struct ds_disk *disk, struct ds_error *err)
{
    struct stat st;
    memset(source, 0, sizeof *source);
    if (stat(disk->path, &st) < 0)
        return reflink_fail(err, "examine", disk->path);
    if (S_ISREG(st.st_mode))
        return realpath(disk->path, source->file) ? DS_OK : reflink_fail(err, "find", disk->path);
    if (!S_ISBLK(st.st_mode))
        return ds_fail(err, DS_ENOTSUP, "%s is neither an image file nor a loop device",
                       disk->path);
    if (!realpath(disk->path, source->device))
        return reflink_fail(err, "find", disk->path);
    source->rdev = st.st_rdev;
    return loop_file(source, disk, err);
}
