/* SPDX-License-Identifier: Apache-2.0 */
/* dir_linux.c - dir_os.h on Linux. link() is the conditional step: it is atomic on every file
 * system that has it, network shares too; renameat2(RENAME_NOREPLACE) serves the rest. A temporary
 * file is locked (flock) while it is open, which tells a live writer from a dead one. */
#include "dir_os.h"

#include <disksync/helpers.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct kind {
    int os_code, status;
    uint32_t retry;
    const char *remedy;
};

#define GRANT "; give the user that runs disksync access to the folder"

static const struct kind kinds[] = {
    { ENOENT, DS_ENOENT, DS_RETRY_NEVER, "" },
    { ENOTDIR, DS_EINVAL, DS_RETRY_NEVER, "; an object is where its key needs a folder" },
    { EISDIR, DS_EINVAL, DS_RETRY_NEVER, "; a folder is where the object should be" },
    { EACCES, DS_EACCES, DS_RETRY_NEVER, GRANT },
    { EPERM, DS_EACCES, DS_RETRY_NEVER, GRANT },
    { EROFS, DS_EACCES, DS_RETRY_NEVER, "; mount the file system for writing" },
    { ENOSPC, DS_ENOSPC, DS_RETRY_NEVER,
      "; free space there, forget and collect old points, or use a larger disk" },
    { EDQUOT, DS_ENOSPC, DS_RETRY_NEVER, "; raise the user's quota or collect old points" },
    { EFBIG, DS_ENOSPC, DS_RETRY_NEVER, "; the file system or ulimit allows no larger file" },
    { ENOMEM, DS_ENOMEM, DS_RETRY_SAME, "" },
    { EMFILE, DS_EBUSY, DS_RETRY_SAME, "; raise the limit of open files" },
    { ENFILE, DS_EBUSY, DS_RETRY_SAME, "" },
    { EBUSY, DS_EBUSY, DS_RETRY_SAME, "" },
    { EAGAIN, DS_EBUSY, DS_RETRY_SAME, "" },
    { EEXIST, DS_EEXIST, DS_RETRY_NEVER, "" },
    { ENAMETOOLONG, DS_EINVAL, DS_RETRY_NEVER, "; choose a shorter path for the repository" },
    { ETIMEDOUT, DS_ETIMEDOUT, DS_RETRY_SAME, "; is the network share reachable?" },
    { ESTALE, DS_EIO, DS_RETRY_REOPEN, "; the network share was replaced" },
    { ENOTCONN, DS_EIO, DS_RETRY_REOPEN, "; the file system is gone: mount it again" },
    { EIO, DS_EIO, DS_RETRY_SAME, "; check the disk and the system's log" },
};

static int fail(struct ds_error *err, const char *what, const char *path)
{
    static const struct kind other = { 0, DS_EIO, DS_RETRY_SAME, "" };
    const struct kind *kind = &other;
    int e = errno;
    char text[128];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].os_code == e)
            kind = &kinds[i];
    const char *why = strerror_r(e, text, sizeof text); /* GNU: returns the text */
    ds_fail_retry(err, kind->status, kind->retry, "cannot %s %s: %s%s", what, path, why,
                  kind->remedy);
    ds_error_native(err, DS_DOMAIN_ERRNO, e);
    return kind->status;
}

/* ---- files ---- */

int dir_os_create(struct dir_file *file, const char *path, struct ds_error *err)
{
    int fd;
    do
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    while (fd < 0 && errno == EINTR);
    file->handle = fd;
    if (fd < 0)
        return fail(err, "create", path);
    /* Where locks don't work the age limit of the sweep alone has to do. */
    flock(fd, LOCK_EX | LOCK_NB);
    return DS_OK;
}

int dir_os_open(struct dir_file *file, const char *path, uint64_t *bytes, struct ds_error *err)
{
    struct stat st;
    int fd;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    file->handle = fd;
    if (fd < 0)
        return errno == ENOTDIR ? ds_fail(err, DS_ENOENT, "%s does not exist", path)
                                : fail(err, "open", path);
    if (fstat(fd, &st) < 0) {
        int rc = fail(err, "examine", path);
        dir_os_close(file);
        return rc;
    }
    if (!S_ISREG(st.st_mode)) {
        dir_os_close(file);
        return ds_fail(err, DS_ENOENT, "%s is not a file", path);
    }
    *bytes = (uint64_t)st.st_size;
    return DS_OK;
}

void dir_os_close(struct dir_file *file)
{
    if (file->handle != DIR_NO_FILE)
        close((int)file->handle);
    file->handle = DIR_NO_FILE;
}

int dir_os_write(struct dir_file *file, const struct ds_iovec *iov, size_t n, const char *path,
                 struct ds_error *err)
{
    struct iovec v[DIR_IOV_MAX];
    size_t count = n < DIR_IOV_MAX ? n : DIR_IOV_MAX, at = 0;
    for (size_t i = 0; i < count; i++)
        v[i] = (struct iovec){ (void *)(uintptr_t)iov[i].data, iov[i].length };
    while (at < count) {
        ssize_t w = writev((int)file->handle, v + at, (int)(count - at));
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return fail(err, "write", path);
        size_t done = (size_t)w;
        while (at < count && done >= v[at].iov_len)
            done -= v[at++].iov_len;
        if (at < count) {
            v[at].iov_base = (char *)v[at].iov_base + done;
            v[at].iov_len -= done;
        }
    }
    return DS_OK;
}

int dir_os_read(struct dir_file *file, void *data, size_t n, uint64_t offset, size_t *got,
                const char *path, struct ds_error *err)
{
    *got = 0;
    while (*got < n) {
        ssize_t r = pread((int)file->handle, (char *)data + *got, n - *got,
                          (off_t)(offset + *got));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return fail(err, "read", path);
        if (r == 0)
            break;
        *got += (size_t)r;
    }
    return DS_OK;
}

/* What a large object left in the page cache is given back once it is durable: nobody reads it
 * soon, and the machine's own work keeps its cache. The next object reuses the pages, which costs
 * less than fresh ones. */
#define DROP_FROM ((off_t)1 << 20)

int dir_os_flush(struct dir_file *file, const char *path, struct ds_error *err)
{
    struct stat st;
    if (fsync((int)file->handle) < 0)
        return fail(err, "flush", path);
    if (fstat((int)file->handle, &st) == 0 && st.st_size >= DROP_FROM)
        posix_fadvise((int)file->handle, 0, 0, POSIX_FADV_DONTNEED);
    return DS_OK;
}

/* An NFS server may have done what a lost answer makes us ask again: then the name that "exists"
 * is our own file. */
static bool is_same_file(const char *a, const char *b)
{
    struct stat sa, sb;
    return lstat(a, &sa) == 0 && lstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

static int publish_new(const char *temp, const char *path, struct ds_error *err)
{
    if (link(temp, path) == 0 || (errno == EEXIST && is_same_file(temp, path))) {
        unlink(temp); /* a second name that stays is swept later and harms nothing */
        return DS_OK;
    }
    if (errno == EEXIST)
        return fail(err, "create", path);
    int first = errno;
    if (first == EPERM || first == EOPNOTSUPP || first == ENOSYS || first == EMLINK) {
        if (renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
            return DS_OK;
        if (errno == EINVAL || errno == ENOSYS)
            return ds_fail(err, DS_ENOTSUP, "the file system of %s can neither link nor rename "
                                            "without replacing: use another one", path);
        return fail(err, "create", path);
    }
    return fail(err, "create", path);
}

int dir_os_publish(struct dir_file *file, const char *temp, const char *path, bool replace,
                   bool sync, struct ds_error *err)
{
    (void)sync; /* the folder is flushed by its own call here */
    /* Closing may tell of a write that failed late, as on NFS and with quotas. */
    int fd = (int)file->handle;
    file->handle = DIR_NO_FILE;
    if (close(fd) < 0 && errno != EINTR)
        return fail(err, "write", temp);
    if (!replace)
        return publish_new(temp, path, err);
    return rename(temp, path) < 0 ? fail(err, "replace", path) : DS_OK;
}

int dir_os_remove(const char *path, struct ds_error *err)
{
    return unlink(path) < 0 && errno != ENOENT ? fail(err, "remove", path) : DS_OK;
}

int dir_os_stat(const char *path, struct dir_stat *out, struct ds_error *err)
{
    struct stat st;
    *out = (struct dir_stat){ 0 };
    if (stat(path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR ? DS_OK : fail(err, "examine", path);
    out->is_file = S_ISREG(st.st_mode);
    out->is_folder = S_ISDIR(st.st_mode);
    out->bytes = (uint64_t)st.st_size;
    out->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return DS_OK;
}

/* ---- folders ---- */

int dir_os_mkdir(const char *path, bool *made, struct ds_error *err)
{
    struct stat st;
    *made = mkdir(path, 0700) == 0;
    if (*made)
        return DS_OK;
    int e = errno;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) /* EEXIST, or EROFS where it is there all the same */
            return DS_OK;
        e = ENOTDIR;
    }
    errno = e;
    return fail(err, "create the folder", path);
}

void dir_os_rmdir(const char *path)
{
    rmdir(path);
}

int dir_os_flush_folder(const char *path, struct ds_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, "open the folder", path);
    int rc = DS_OK;
    /* Some network file systems flush names by themselves and refuse this with EINVAL. */
    if (fsync(fd) < 0 && errno != EINVAL)
        rc = fail(err, "flush the folder", path);
    close(fd);
    return rc;
}

static bool entry_is_folder(DIR *dir, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
        return entry->d_type == DT_DIR;
    return fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

int dir_os_list(const char *path, int (*fn)(void *ud, const char *name, bool is_folder), void *ud,
                struct ds_error *err)
{
    DIR *dir = opendir(path);
    int rc = DS_OK;
    if (!dir)
        return errno == ENOENT || errno == ENOTDIR ? DS_OK : fail(err, "list the folder", path);
    while (!rc) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            if (errno)
                rc = fail(err, "list the folder", path);
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = fn(ud, entry->d_name, entry_is_folder(dir, entry));
    }
    closedir(dir);
    return rc;
}

bool dir_os_parent(char *out, const char *path)
{
    size_t n = strlen(path);
    while (n && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 0 || path[n] == 0)
        return false;
    memcpy(out, path, n);
    out[n] = 0;
    return true;
}

bool dir_os_is_absolute(const char *path)
{
    return path[0] == '/';
}

/* ---- the rest ---- */

void dir_os_sweep(const char *path, int64_t before_ns)
{
    struct stat st;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec < before_ns &&
        (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK))
        unlink(path);
    close(fd);
}

uint64_t dir_os_free_bytes(const char *path)
{
    struct statvfs fs;
    return statvfs(path, &fs) < 0 ? UINT64_MAX : (uint64_t)fs.f_bavail * fs.f_frsize;
}

bool dir_os_pin(struct dir_pin *pin, const char *path)
{
    pin->handle = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return pin->handle >= 0;
}

void dir_os_unpin(struct dir_pin *pin)
{
    close((int)pin->handle);
}

void dir_os_pause(void)
{
    struct timespec ms = { 0, 1000000 };
    nanosleep(&ms, NULL);
}
