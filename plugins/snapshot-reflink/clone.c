/* SPDX-License-Identifier: Apache-2.0 */
/* clone.c - one clone: trying, naming, making, removing. */
#include "reflink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

void clone_folder(char *out, const struct reflink *reflink, const struct source *source)
{
    snprintf(out, PATH_MAX, "%s", reflink->folder ? reflink->folder : source->file);
    if (!reflink->folder) {
        char *end = strrchr(out, '/');
        end[end == out] = 0;
    }
}

/* btrfs clones between files only that both have, or both lack, copy on write. */
static void copy_nocow(int from, int to)
{
    int flags, own;
    if (ioctl(from, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_NOCOW_FL) &&
        ioctl(to, FS_IOC_GETFLAGS, &own) == 0) {
        own |= FS_NOCOW_FL;
        ioctl(to, FS_IOC_SETFLAGS, &own);
    }
}

static int open_unnamed(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%sXXXXXX", folder, CLONE_PREFIX) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

int clone_try(const struct source *source, const char *folder, struct ds_error *err)
{
    struct stat st;
    int rc = DS_OK, to = -1, from = open(source->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (from < 0 || fstat(from, &st) < 0) {
        rc = reflink_fail(err, "open", source->file);
    } else if ((to = open_unnamed(folder)) < 0) {
        rc = reflink_fail(err, "create a file in", folder);
    } else {
        struct file_clone_range range = { .src_fd = from };
        /* 0 = to the end, which need not be a whole block. */
        if (st.st_size > st.st_blksize)
            range.src_length = (__u64)st.st_blksize;
        copy_nocow(from, to);
        if (ioctl(to, FICLONERANGE, &range) < 0)
            rc = reflink_fail(err, "clone", source->file);
    }
    if (to >= 0)
        close(to);
    if (from >= 0)
        close(from);
    return rc;
}

int clone_name(struct clone *clone, const struct reflink *reflink, const struct source *source,
               unsigned index, struct ds_error *err)
{
    char folder[PATH_MAX];
    uint8_t r[8];
    if (reflink->host->random(reflink->host->ctx, r, sizeof r))
        return ds_fail(err, DS_EIO, "the system gives no random numbers");
    clone_folder(folder, reflink, source);
    int n = snprintf(clone->path, sizeof clone->path,
                     "%s/" CLONE_PREFIX "%02x%02x%02x%02x%02x%02x%02x%02x-%u",
                     strcmp(folder, "/") == 0 ? "" : folder, r[0], r[1], r[2], r[3], r[4], r[5],
                     r[6], r[7], index);
    if (n >= (int)sizeof clone->path)
        return ds_fail(err, DS_EINVAL, "the path of the clone of %.200s is too long",
                       source->file);
    return DS_OK;
}

int clone_prepare(struct clone *clone, const struct source *source, struct ds_error *err)
{
    clone->from = open(source->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (clone->from < 0)
        return reflink_fail(err, "open", source->file);
    clone->to = open(clone->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (clone->to < 0)
        return reflink_fail(err, "create", clone->path);
    if (source->device[0]) {
        clone->device = open(source->device, O_RDONLY | O_CLOEXEC);
        if (clone->device < 0)
            return reflink_fail(err, "open", source->device);
        if (fsync(clone->device) < 0)
            return reflink_fail(err, "flush", source->device);
    }
    copy_nocow(clone->from, clone->to);
    return fsync(clone->from) < 0 ? reflink_fail(err, "flush", source->file) : DS_OK;
}

int clone_make(struct clone *clone, const struct source *source, struct ds_error *err)
{
    struct stat st;
    if (ioctl(clone->to, FICLONE, clone->from) < 0)
        return reflink_fail(err, "clone", source->file);
    if (fstat(clone->to, &st) < 0)
        return reflink_fail(err, "examine", clone->path);
    clone->bytes = (uint64_t)st.st_size;
    return DS_OK;
}

void clone_close(struct clone *clone)
{
    int *fds[] = { &clone->from, &clone->to, &clone->device };
    for (size_t i = 0; i < 3; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

void clone_remove(const char *path)
{
    struct stat st;
    const char *name = strrchr(path, '/');
    if (name && strncmp(name + 1, CLONE_PREFIX, strlen(CLONE_PREFIX)) == 0 &&
        lstat(path, &st) == 0 && S_ISREG(st.st_mode))
        unlink(path);
}
