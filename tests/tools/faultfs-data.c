/* SPDX-License-Identifier: Apache-2.0 */
/* faultfs-data.c - the calls on files that faultfs (faultfs.c) stands in for: open, everything that
 * writes, resizes or frees, and everything that makes durable. Each exists under all the names that
 * the C library gives it, for large files and for checked builds. */
#include "faultfs.h"

#include <dlfcn.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

/* ---- open and close ---- */

static int open_watched(int dirfd, const char *path, int flags, mode_t mode, const char *full)
{
    struct stat st;
    bool unnamed = (flags & O_TMPFILE) == O_TMPFILE;
    bool there = fstatat(dirfd, path, &st, 0) == 0;
    bool fresh = unnamed || (flags & O_CREAT && !there);
    bool cuts = there && flags & O_TRUNC && S_ISREG(st.st_mode) && (flags & O_ACCMODE) != O_RDONLY;
    if (fresh || cuts) {
        if (!begin(NEED_SPACE | NEED_RIGHT))
            return -1;
    } else {
        begin_uncounted();
    }
    int fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
    if (fd >= 0) {
        enum op op = unnamed ? OP_TMPFILE : fresh ? OP_CREATE : OP_FILE;
        set_file_of(fd, number_file(fd, fresh, full, op));
        if (cuts)
            log_numbers(OP_TRUNCATE, file_of(fd), 0, 0);
    }
    return (int)(fresh || cuts ? end(fd) : end_uncounted(fd));
}

static int open_any(int dirfd, const char *path, int flags, mode_t mode)
{
    char full[PATH_MAX];
    if (watched(dirfd, path, full))
        return open_watched(dirfd, path, flags, mode, full);
    int fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
    set_file_of(fd, 0);
    return fd;
}

#define MODE_ARGUMENT(flags)                                                                       \
    mode_t mode = 0;                                                                               \
    if ((flags)&O_CREAT || ((flags)&O_TMPFILE) == O_TMPFILE) {                                     \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        mode = va_arg(ap, mode_t);                                                                 \
        va_end(ap);                                                                                \
    }

#define OPEN(name)                                                                                 \
    API int name(const char *path, int flags, ...);                                                \
    API int name(const char *path, int flags, ...)                                                 \
    {                                                                                              \
        MODE_ARGUMENT(flags)                                                                       \
        return open_any(AT_FDCWD, path, flags, mode);                                              \
    }
#define OPENAT(name)                                                                               \
    API int name(int dirfd, const char *path, int flags, ...);                                     \
    API int name(int dirfd, const char *path, int flags, ...)                                      \
    {                                                                                              \
        MODE_ARGUMENT(flags)                                                                       \
        return open_any(dirfd, path, flags, mode);                                                 \
    }
OPEN(open)
OPEN(open64)
OPEN(__open_2)
OPEN(__open64_2)
OPENAT(openat)
OPENAT(openat64)
OPENAT(__openat_2)
OPENAT(__openat64_2)

API int creat(const char *path, mode_t mode)
{
    return open_any(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

API int creat64(const char *path, mode_t mode);
API int creat64(const char *path, mode_t mode)
{
    return creat(path, mode);
}

static int make_temporary(char *template, int flags)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static uint64_t next;
    size_t n = strlen(template);
    if (n < 6 || strcmp(template + n - 6, "XXXXXX") != 0) {
        errno = EINVAL;
        return -1;
    }
    for (int tries = 0; tries < 1000; tries++) {
        uint64_t v = (uint64_t)getpid() * 1000003 + __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);
        for (size_t i = n - 6; i < n; i++, v /= 36)
            template[i] = letters[v % 36];
        int fd = open_any(AT_FDCWD, template, O_RDWR | O_CREAT | O_EXCL | flags, 0600);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

#define MKSTEMP(name)                                                                              \
    API int name(char *template);                                                                  \
    API int name(char *template)                                                                   \
    {                                                                                              \
        return make_temporary(template, 0);                                                        \
    }
#define MKOSTEMP(name)                                                                             \
    API int name(char *template, int flags);                                                       \
    API int name(char *template, int flags)                                                        \
    {                                                                                              \
        return make_temporary(template, flags);                                                    \
    }
MKSTEMP(mkstemp)
MKSTEMP(mkstemp64)
MKOSTEMP(mkostemp)
MKOSTEMP(mkostemp64)

API int close(int fd)
{
    if (is_own(fd))
        return 0; /* to a program that closes whatever it may have inherited */
    set_file_of(fd, 0);
    return (int)syscall(SYS_close, fd);
}

static int copy_watch(int from, int to)
{
    set_file_of(to, file_of(from));
    return to;
}

API int dup(int fd)
{
    return copy_watch(fd, (int)syscall(SYS_dup, fd));
}

API int dup3(int fd, int to, int flags)
{
    return copy_watch(fd, (int)syscall(SYS_dup3, fd, to, flags));
}

API int dup2(int fd, int to)
{
    if (fd == to)
        return (int)syscall(SYS_fcntl, fd, F_GETFD) < 0 ? -1 : fd;
    return dup3(fd, to, 0);
}

#define FCNTL(name)                                                                                \
    API int name(int fd, int command, ...);                                                        \
    API int name(int fd, int command, ...)                                                         \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, command);                                                                     \
        long argument = va_arg(ap, long);                                                          \
        va_end(ap);                                                                                \
        int result = (int)syscall(SYS_fcntl, fd, command, argument);                               \
        if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)                                      \
            copy_watch(fd, result);                                                                \
        return result;                                                                             \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

/* ---- data ---- */

/* Where the next write goes. */
static off_t position_of(int fd)
{
    struct stat st;
    if ((int)syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND && fstat(fd, &st) == 0)
        return st.st_size;
    return (off_t)syscall(SYS_lseek, fd, 0L, SEEK_CUR);
}

/* at < 0: at the file's own position. */
static ssize_t write_watched(int fd, const void *data, size_t n, off_t at)
{
    if (!begin(NEED_SPACE))
        return -1;
    n = shortened(fd, n);
    off_t offset = at < 0 ? position_of(fd) : at;
    ssize_t done = at < 0 ? syscall(SYS_write, fd, data, n)
                          : syscall(SYS_pwrite64, fd, data, n, at);
    if (done > 0)
        log_data(file_of(fd), (uint64_t)offset, data, (size_t)done);
    return end(done);
}

static ssize_t writev_watched(int fd, const struct iovec *parts, int n, off_t at)
{
    size_t total = 0, room = 0;
    for (int i = 0; i < n; i++)
        total += parts[i].iov_len;
    char *whole = aligned_alloc(4096, (total + 4096) / 4096 * 4096);
    if (!whole)
        give_up("no memory", "writev");
    for (int i = 0; i < n; i++) {
        memcpy(whole + room, parts[i].iov_base, parts[i].iov_len);
        room += parts[i].iov_len;
    }
    ssize_t done = write_watched(fd, whole, total, at);
    int before = errno;
    free(whole);
    errno = before;
    return done;
}

API ssize_t write(int fd, const void *data, size_t n)
{
    return file_of(fd) ? write_watched(fd, data, n, -1) : syscall(SYS_write, fd, data, n);
}

API ssize_t writev(int fd, const struct iovec *parts, int n)
{
    return file_of(fd) ? writev_watched(fd, parts, n, -1) : syscall(SYS_writev, fd, parts, n);
}

#define PWRITE(name)                                                                               \
    API ssize_t name(int fd, const void *data, size_t n, off_t at);                                \
    API ssize_t name(int fd, const void *data, size_t n, off_t at)                                 \
    {                                                                                              \
        return file_of(fd) && at >= 0 ? write_watched(fd, data, n, at)                             \
                                      : syscall(SYS_pwrite64, fd, data, n, at);                    \
    }
#define PWRITEV(name)                                                                              \
    API ssize_t name(int fd, const struct iovec *parts, int n, off_t at);                          \
    API ssize_t name(int fd, const struct iovec *parts, int n, off_t at)                           \
    {                                                                                              \
        return file_of(fd) && at >= 0 ? writev_watched(fd, parts, n, at)                           \
                                      : syscall(SYS_pwritev, fd, parts, (long)n, at, 0L);          \
    }
#define PWRITEV2(name)                                                                             \
    API ssize_t name(int fd, const struct iovec *parts, int n, off_t at, int flags);               \
    API ssize_t name(int fd, const struct iovec *parts, int n, off_t at, int flags)                \
    {                                                                                              \
        return file_of(fd) ? writev_watched(fd, parts, n, at)                                      \
                           : syscall(SYS_pwritev2, fd, parts, (long)n, at, 0L, flags);             \
    }
PWRITE(pwrite)
PWRITE(pwrite64)
PWRITEV(pwritev)
PWRITEV(pwritev64)
PWRITEV2(pwritev2)
PWRITEV2(pwritev64v2)

static int truncate_watched(int fd, off_t size)
{
    struct stat st;
    bool grows = fstat(fd, &st) == 0 && size > st.st_size;
    if (!begin(grows ? NEED_SPACE : NEED_NOTHING))
        return -1;
    int result = (int)syscall(SYS_ftruncate, fd, size);
    if (result == 0)
        log_numbers(OP_TRUNCATE, file_of(fd), (uint64_t)size, 0);
    return (int)end(result);
}

#define FTRUNCATE(name)                                                                            \
    API int name(int fd, off_t size);                                                              \
    API int name(int fd, off_t size)                                                               \
    {                                                                                              \
        return file_of(fd) ? truncate_watched(fd, size) : (int)syscall(SYS_ftruncate, fd, size);   \
    }
#define TRUNCATE(name)                                                                             \
    API int name(const char *path, off_t size);                                                    \
    API int name(const char *path, off_t size)                                                     \
    {                                                                                              \
        char full[PATH_MAX];                                                                       \
        if (!watched(AT_FDCWD, path, full))                                                        \
            return (int)syscall(SYS_truncate, path, size);                                         \
        int fd = open_any(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);                                \
        int result = fd < 0 ? -1 : truncate_watched(fd, size), before = errno;                     \
        if (fd >= 0)                                                                               \
            close(fd);                                                                             \
        errno = before;                                                                            \
        return result;                                                                             \
    }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)
TRUNCATE(truncate)
TRUNCATE(truncate64)

static int allocate_watched(int fd, int mode, off_t at, off_t n)
{
    struct stat st;
    bool zeroes = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if (!begin(mode & FALLOC_FL_PUNCH_HOLE ? NEED_NOTHING : NEED_SPACE))
        return -1;
    off_t size = fstat(fd, &st) == 0 ? st.st_size : 0;
    int result = (int)syscall(SYS_fallocate, fd, mode, at, n);
    if (result == 0 && zeroes && at < size)
        log_numbers(OP_ZERO, file_of(fd), (uint64_t)at,
                    (uint64_t)(at + n > size ? size - at : n));
    if (result == 0 && !(mode & FALLOC_FL_KEEP_SIZE) && at + n > size)
        log_numbers(OP_TRUNCATE, file_of(fd), (uint64_t)(at + n), 0);
    return (int)end(result);
}

#define FALLOCATE(name)                                                                            \
    API int name(int fd, int mode, off_t at, off_t n);                                             \
    API int name(int fd, int mode, off_t at, off_t n)                                              \
    {                                                                                              \
        return file_of(fd) ? allocate_watched(fd, mode, at, n)                                     \
                           : (int)syscall(SYS_fallocate, fd, mode, at, n);                         \
    }
#define POSIX_FALLOCATE(name)                                                                      \
    API int name(int fd, off_t at, off_t n);                                                       \
    API int name(int fd, off_t at, off_t n)                                                        \
    {                                                                                              \
        int before = errno, result = fallocate(fd, 0, at, n) == 0 ? 0 : errno;                     \
        errno = before;                                                                            \
        return result;                                                                             \
    }
FALLOCATE(fallocate)
FALLOCATE(fallocate64)
POSIX_FALLOCATE(posix_fallocate)
POSIX_FALLOCATE(posix_fallocate64)

/* Copies within the kernel: the program is told to do it by hand, where it is seen. */
API ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags)
{
    if (!file_of(out))
        return syscall(SYS_copy_file_range, in, in_at, out, out_at, n, flags);
    errno = EXDEV;
    return -1;
}

API int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    va_start(ap, request);
    long argument = va_arg(ap, long);
    va_end(ap);
    if (file_of(fd) && (request == FICLONE || request == FICLONERANGE)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_ioctl, fd, request, argument);
}

#define MMAP(name)                                                                                 \
    API void *name(void *at, size_t n, int protection, int flags, int fd, off_t offset);           \
    API void *name(void *at, size_t n, int protection, int flags, int fd, off_t offset)            \
    {                                                                                              \
        if (file_of(fd) && flags & MAP_SHARED && protection & PROT_WRITE)                          \
            give_up("writes through a shared mapping can't be seen", "mmap");                      \
        return (void *)syscall(SYS_mmap, at, n, protection, flags, fd, offset);                    \
    }
MMAP(mmap)
MMAP(mmap64)

#define FOPEN(name)                                                                                \
    API FILE *name(const char *path, const char *mode);                                            \
    API FILE *name(const char *path, const char *mode)                                             \
    {                                                                                              \
        FILE *(*next)(const char *, const char *);                                                 \
        char full[PATH_MAX];                                                                       \
        void *found = dlsym(RTLD_NEXT, #name);                                                     \
        memcpy(&next, &found, sizeof next);                                                        \
        if (strpbrk(mode, "wa+") && watched(AT_FDCWD, path, full))                                 \
            give_up("writes of stdio can't be seen", full);                                        \
        return next(path, mode);                                                                   \
    }
FOPEN(fopen)
FOPEN(fopen64)

/* ---- durability ---- */

static int sync_watched(int fd, long number)
{
    if (!begin(NEED_SPACE))
        return -1;
    int result = (int)syscall(number, fd);
    if (result == 0)
        log_numbers(OP_SYNC, file_of(fd), 0, 0);
    return (int)end(result);
}

API int fsync(int fd)
{
    return file_of(fd) ? sync_watched(fd, SYS_fsync) : (int)syscall(SYS_fsync, fd);
}

API int fdatasync(int fd)
{
    return file_of(fd) ? sync_watched(fd, SYS_fdatasync) : (int)syscall(SYS_fdatasync, fd);
}

/* Starts or awaits writing but promises nothing: counted, without a record. */
API int sync_file_range(int fd, off_t at, off_t n, unsigned flags)
{
    if (!file_of(fd))
        return (int)syscall(SYS_sync_file_range, fd, at, n, flags);
    if (!begin(NEED_SPACE))
        return -1;
    return (int)end(syscall(SYS_sync_file_range, fd, at, n, flags));
}

API int syncfs(int fd)
{
    if (!watching())
        return (int)syscall(SYS_syncfs, fd);
    if (!begin(NEED_SPACE))
        return -1;
    int result = (int)syscall(SYS_syncfs, fd);
    if (result == 0)
        log_numbers(OP_SYNC_ALL, 0, 0, 0);
    return (int)end(result);
}
