/* SPDX-License-Identifier: Apache-2.0 */
/* folder_linux.c - see folder_os.h. Notes are extended attributes in the user's name space. */
#include "core/gateway/folder_os.h"

#include "core/base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NOTE "user.disksync.object"
#define DROP_FROM ((off_t)1 << 20)

int folder_os_create(intptr_t *handle, const char *path, struct ds_error *err)
{
    int fd;
    do
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    while (fd < 0 && errno == EINTR);
    *handle = fd;
    if (fd < 0)
        return os_fail(err, "create", path);
    flock(fd, LOCK_EX | LOCK_NB);
    return DS_OK;
}

int folder_os_open(intptr_t *handle, const char *path, struct folder_stat *out,
                   struct ds_error *err)
{
    struct stat st;
    int fd;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    *handle = fd;
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG
                   ? ds_fail(err, DS_ENOENT, "%s does not exist", path)
                   : os_fail(err, "open", path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        *handle = -1;
        return ds_fail(err, DS_ENOENT, "%s is not a file", path);
    }
    *out = (struct folder_stat){ true, false, (uint64_t)st.st_size, (int64_t)st.st_mtim.tv_sec };
    return DS_OK;
}

int folder_os_write(intptr_t handle, const void *data, size_t n, struct ds_error *err)
{
    const char *p = data;
    while (n) {
        ssize_t w = write((int)handle, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return os_fail(err, "write", "a temporary file of the store");
        p += w;
        n -= (size_t)w;
    }
    return DS_OK;
}

int folder_os_read(intptr_t handle, void *data, size_t n, uint64_t offset, size_t *got,
                   struct ds_error *err)
{
    *got = 0;
    while (*got < n) {
        ssize_t r = pread((int)handle, (char *)data + *got, n - *got, (off_t)(offset + *got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return os_fail(err, "read", "an object of the store");
        if (r == 0)
            break;
        *got += (size_t)r;
    }
    return DS_OK;
}

static int append_by_hand(intptr_t to, intptr_t from, uint64_t at, uint64_t n,
                          struct ds_error *err)
{
    const size_t cap = (size_t)1 << 20;
    char *buffer = malloc(cap);
    int rc = buffer ? DS_OK : ds_fail(err, DS_ENOMEM, "no memory to join the parts");
    while (!rc && at < n) {
        size_t got, want = n - at < cap ? (size_t)(n - at) : cap;
        rc = folder_os_read(from, buffer, want, at, &got, err);
        if (!rc && got < want)
            rc = ds_fail(err, DS_EIO, "a part became shorter");
        if (!rc)
            rc = folder_os_write(to, buffer, got, err);
        at += got;
    }
    free(buffer);
    return rc;
}

int folder_os_append(intptr_t to, intptr_t from, uint64_t n, struct ds_error *err)
{
    uint64_t at = 0;
    while (at < n) {
        off_t offset = (off_t)at;
        ssize_t copied = copy_file_range((int)from, &offset, (int)to, NULL, n - at, 0);
        if (copied < 0 && errno == EINTR)
            continue;
        if (copied <= 0)
            break;
        at += (uint64_t)copied;
    }
    return append_by_hand(to, from, at, n, err);
}

int folder_os_flush(intptr_t handle, struct ds_error *err)
{
    struct stat st;
    if (fsync((int)handle) < 0)
        return os_fail(err, "flush", "a file of the store");
    /* Nobody reads a large object soon; the machine's own work keeps its cache. */
    if (fstat((int)handle, &st) == 0 && st.st_size >= DROP_FROM)
        posix_fadvise((int)handle, 0, 0, POSIX_FADV_DONTNEED);
    return DS_OK;
}

int folder_os_close(intptr_t *handle, struct ds_error *err)
{
    int fd = (int)*handle;
    *handle = -1;
    if (fd >= 0 && close(fd) < 0 && errno != EINTR)
        return os_fail(err, "close", "a file of the store");
    return DS_OK;
}

int folder_os_set_note(intptr_t handle, const void *data, size_t n, struct ds_error *err)
{
    if (fsetxattr((int)handle, NOTE, data, n, 0) == 0)
        return DS_OK;
    if (errno == ENOTSUP)
        return ds_fail(err, DS_ENOTSUP, "the file system of the store has no extended attributes: "
                                        "use another one");
    return os_fail(err, "describe", "an object of the store");
}

int folder_os_get_note(intptr_t handle, void *data, size_t cap, size_t *n, struct ds_error *err)
{
    ssize_t got = fgetxattr((int)handle, NOTE, data, cap);
    *n = got > 0 ? (size_t)got : 0;
    if (got < 0 && errno != ENODATA && errno != ENOTSUP)
        return os_fail(err, "read what describes", "an object of the store");
    return DS_OK;
}

static int is_taken(const char *path, struct ds_error *err)
{
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return ds_fail(err, DS_ECONFLICT, "%s is a folder", path);
    return ds_fail(err, DS_EEXIST, "%s exists", path);
}

int folder_os_publish(const char *temp, const char *path, bool replace, struct ds_error *err)
{
    int rc = replace ? rename(temp, path) : link(temp, path);
    if (rc == 0) {
        if (!replace)
            unlink(temp);
        return DS_OK;
    }
    if (errno == EEXIST || errno == EISDIR)
        return is_taken(path, err);
    if (errno == ENOTDIR)
        return ds_fail(err, DS_ECONFLICT, "a part of %s is a file", path);
    return os_fail(err, "create", path);
}

int folder_os_unlink(const char *path, struct ds_error *err)
{
    struct stat st;
    if (unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG)
        return DS_OK;
    if ((errno == EISDIR || errno == EPERM) && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return DS_OK; /* no object of this name */
    return os_fail(err, "remove", path);
}

int folder_os_mkdir(const char *path, bool *made, struct ds_error *err)
{
    struct stat st;
    *made = mkdir(path, 0700) == 0;
    if (*made)
        return DS_OK;
    if (errno == ENOTDIR)
        return ds_fail(err, DS_ECONFLICT, "a part of %s is a file", path);
    if (errno != EEXIST)
        return os_fail(err, "create the folder", path);
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        return ds_fail(err, DS_ECONFLICT, "%s is a file", path);
    return DS_OK;
}

bool folder_os_rmdir(const char *path)
{
    return rmdir(path) == 0;
}

int folder_os_flush_folder(const char *path, struct ds_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = DS_OK;
    if (fd < 0)
        return os_fail(err, "open the folder", path);
    if (fsync(fd) < 0 && errno != EINVAL)
        rc = os_fail(err, "flush the folder", path);
    close(fd);
    return rc;
}

struct folder_stat folder_os_stat(const char *path)
{
    struct folder_stat out = { false, false, 0, 0 };
    struct stat st;
    if (stat(path, &st) == 0)
        out = (struct folder_stat){ S_ISREG(st.st_mode), S_ISDIR(st.st_mode),
                                    (uint64_t)st.st_size, (int64_t)st.st_mtim.tv_sec };
    return out;
}

static bool entry_is_folder(DIR *dir, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
        return entry->d_type == DT_DIR;
    return fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

int folder_os_list(const char *path, int (*fn)(void *ud, const char *name, bool is_folder),
                   void *ud, struct ds_error *err)
{
    DIR *dir = opendir(path);
    int rc = 0;
    if (!dir)
        return errno == ENOENT || errno == ENOTDIR ? DS_OK : os_fail(err, "list the folder", path);
    while (!rc) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            if (errno)
                rc = os_fail(err, "list the folder", path);
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = fn(ud, entry->d_name, entry_is_folder(dir, entry));
    }
    closedir(dir);
    return rc;
}

void folder_os_sweep(const char *path, int64_t before_s)
{
    struct stat st;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (int64_t)st.st_mtim.tv_sec < before_s &&
        (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK))
        unlink(path);
    close(fd);
}
