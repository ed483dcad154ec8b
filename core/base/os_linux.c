/* SPDX-License-Identifier: Apache-2.0 */
/* os_linux.c - os.h on Linux. */
#include "core/base/os.h"

#include "core/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

static int status_of_errno(int e)
{
    switch (e) {
    case ENOENT:
    case ENOTDIR:
    case ENXIO:
    case ENODEV:
        return DS_ENOENT;
    case EACCES:
    case EPERM:
    case EROFS:
        return DS_EACCES;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return DS_ENOSPC;
    case ENOMEM:
        return DS_ENOMEM;
    case EEXIST:
        return DS_EEXIST;
    case EBUSY:
    case ETXTBSY:
        return DS_EBUSY;
    case EOPNOTSUPP:
    case ENOSYS:
    case ENOTTY:
        return DS_ENOTSUP;
    default:
        return DS_EIO;
    }
}

int os_fail_code(struct ds_error *err, int os_code, const char *what, const char *path)
{
    char text[128];
    /* The GNU strerror_r: thread-safe, returns the text. */
    const char *why = strerror_r(os_code, text, sizeof text);
    int code = status_of_errno(os_code);
    ds_fail(err, code, "cannot %s %s: %s", what, path, why);
    ds_error_native(err, DS_DOMAIN_ERRNO, os_code);
    return code;
}

int os_fail(struct ds_error *err, const char *what, const char *path)
{
    return os_fail_code(err, errno, what, path);
}

int os_open(struct os_file *file, const char *path, unsigned flags, struct ds_error *err)
{
    int mode = (flags & OS_WRITE) ? ((flags & OS_READ) ? O_RDWR : O_WRONLY) : O_RDONLY;
    mode |= O_CLOEXEC;
    if (flags & OS_CREATE)
        mode |= O_CREAT;
    if (flags & OS_EXCL)
        mode |= O_EXCL;
    if (flags & OS_TRUNC)
        mode |= O_TRUNC;
    if (flags & OS_DIRECT)
        mode |= O_DIRECT;
    int fd;
    do
        fd = open(path, mode, 0600);
    while (fd < 0 && errno == EINTR);
    file->handle = fd;
    if (fd < 0 && errno == EINVAL && (flags & OS_DIRECT))
        return ds_fail(err, DS_ENOTSUP, "%s can't be opened past the page cache", path);
    return fd < 0 ? os_fail(err, "open", path) : DS_OK;
}

void os_close(struct os_file *file)
{
    if (file->handle != OS_NO_FILE)
        close((int)file->handle);
    file->handle = OS_NO_FILE;
}

int os_pread(struct os_file *file, void *data, size_t n, uint64_t offset, size_t *got,
             const char *path, struct ds_error *err)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r = pread((int)file->handle, (char *)data + done, n - done,
                          (off_t)(offset + done));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return os_fail(err, "read", path);
        if (r == 0)
            break;
        done += (size_t)r;
    }
    *got = done;
    return DS_OK;
}

int os_pwrite(struct os_file *file, const void *data, size_t n, uint64_t offset, const char *path,
              struct ds_error *err)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r = pwrite((int)file->handle, (const char *)data + done, n - done,
                           (off_t)(offset + done));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return os_fail(err, "write", path);
        done += (size_t)r;
    }
    return DS_OK;
}

int os_file_size(struct os_file *file, uint64_t *bytes, const char *path, struct ds_error *err)
{
    struct stat st;
    if (fstat((int)file->handle, &st) < 0)
        return os_fail(err, "examine", path);
    if (S_ISBLK(st.st_mode)) {
        if (ioctl((int)file->handle, BLKGETSIZE64, bytes) < 0)
            return os_fail(err, "get the capacity of", path);
        return DS_OK;
    }
    *bytes = (uint64_t)st.st_size;
    return DS_OK;
}

int os_truncate(struct os_file *file, uint64_t bytes, const char *path, struct ds_error *err)
{
    return ftruncate((int)file->handle, (off_t)bytes) < 0 ? os_fail(err, "resize", path) : DS_OK;
}

int os_sync(struct os_file *file, const char *path, struct ds_error *err)
{
    return fsync((int)file->handle) < 0 ? os_fail(err, "flush", path) : DS_OK;
}

int os_punch(struct os_file *file, uint64_t offset, uint64_t n, const char *path,
             struct ds_error *err)
{
    if (fallocate((int)file->handle, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                  (off_t)n) < 0)
        return os_fail(err, "free a range of", path);
    return DS_OK;
}

int os_make_sparse(struct os_file *file, const char *path, struct ds_error *err)
{
    (void)file, (void)path, (void)err;
    return DS_OK;
}

uint64_t os_next_data(struct os_file *file, uint64_t offset)
{
    off_t r = lseek((int)file->handle, (off_t)offset, SEEK_DATA);
    if (r >= 0)
        return (uint64_t)r;
    struct stat st;
    if (errno == ENXIO && fstat((int)file->handle, &st) == 0 && S_ISREG(st.st_mode))
        return (uint64_t)st.st_size;
    return offset;
}

enum os_kind os_kind(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return OS_ABSENT;
    if (S_ISREG(st.st_mode))
        return OS_REGULAR;
    if (S_ISDIR(st.st_mode))
        return OS_DIRECTORY;
    return S_ISBLK(st.st_mode) ? OS_BLOCK_DEVICE : OS_OTHER;
}

int os_read_file(const char *path, size_t max, void **data, size_t *len, struct ds_error *err)
{
    struct os_file file = OS_FILE_INIT;
    int rc = os_open(&file, path, OS_READ, err);
    if (rc)
        return rc;
    char *bytes = malloc(max + 2);
    if (!bytes)
        rc = ds_fail(err, DS_ENOMEM, "no memory to read %s", path);
    else
        rc = os_pread(&file, bytes, max + 1, 0, len, path, err);
    os_close(&file);
    if (!rc && *len > max)
        rc = ds_fail(err, DS_EFORMAT, "%s is larger than the %zu bytes that it may have", path,
                     max);
    if (rc) {
        free(bytes);
        return rc;
    }
    bytes[*len] = 0;
    *data = bytes;
    return DS_OK;
}

static int sync_folder_of(const char *path, struct ds_error *err)
{
    char folder[OS_PATH_MAX];
    os_dirname(folder, path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return os_fail(err, "open", folder);
    int rc = fsync(fd) < 0 ? os_fail(err, "flush", folder) : DS_OK;
    close(fd);
    return rc;
}

int os_write_file(const char *path, const void *data, size_t len, struct ds_error *err)
{
    char temp[OS_PATH_MAX];
    struct os_file file = OS_FILE_INIT;
    if (snprintf(temp, sizeof temp, "%s.new", path) >= (int)sizeof temp)
        return ds_fail(err, DS_EINVAL, "the path %.200s... is too long", path);
    int rc = os_open(&file, temp, OS_WRITE | OS_CREATE | OS_TRUNC, err);
    if (!rc)
        rc = os_pwrite(&file, data, len, 0, temp, err);
    if (!rc)
        rc = os_sync(&file, temp, err);
    os_close(&file);
    if (!rc && rename(temp, path) < 0)
        rc = os_fail(err, "replace", path);
    if (rc)
        unlink(temp);
    return rc ? rc : sync_folder_of(path, err);
}

int os_remove(const char *path, struct ds_error *err)
{
    return unlink(path) < 0 && errno != ENOENT ? os_fail(err, "remove", path) : DS_OK;
}

int os_mkdirs(const char *path, struct ds_error *err)
{
    char part[OS_PATH_MAX];
    if (!text_copy(part, sizeof part, path))
        return ds_fail(err, DS_EINVAL, "the path %.200s... is too long", path);
    for (char *p = part + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char end = *p;
        *p = 0;
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return os_fail(err, "create the folder", part);
        if (!end)
            break;
        *p = end;
    }
    if (os_kind(path) != OS_DIRECTORY)
        return ds_fail(err, DS_EINVAL, "%s is not a folder", path);
    return DS_OK;
}

int os_list(const char *path, int (*fn)(void *ud, const char *name), void *ud,
            struct ds_error *err)
{
    DIR *dir = opendir(path);
    if (!dir)
        return os_fail(err, "list", path);
    int rc = DS_OK;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) {
            if (errno)
                rc = os_fail(err, "list", path);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        rc = fn(ud, entry->d_name);
        if (rc)
            break;
    }
    closedir(dir);
    return rc;
}

int os_lock(struct os_file *file, const char *path, struct ds_error *err)
{
    int rc = os_open(file, path, OS_READ | OS_WRITE | OS_CREATE, err);
    if (rc)
        return rc;
    if (flock((int)file->handle, LOCK_EX | LOCK_NB) == 0)
        return DS_OK;
    rc = errno == EWOULDBLOCK
             ? ds_fail(err, DS_EINUSE, "another process holds the lock %s; wait until it is done",
                       path)
             : os_fail(err, "lock", path);
    os_close(file);
    return rc;
}

bool os_is_absolute(const char *path)
{
    return path[0] == '/';
}

int os_absolute(char *out, const char *base, const char *path, struct ds_error *err)
{
    char here[OS_PATH_MAX];
    while (path[0] == '.' && path[1] == '/')
        path += 2;
    if (os_is_absolute(path)) {
        if (!text_copy(out, OS_PATH_MAX, path))
            return ds_fail(err, DS_EINVAL, "the path %.200s... is too long", path);
        return DS_OK;
    }
    if (!base || !os_is_absolute(base)) {
        if (!getcwd(here, sizeof here))
            return os_fail(err, "find", "the current folder");
        if (base) {
            char joined[OS_PATH_MAX];
            int rc = strcmp(base, ".") == 0 ? DS_OK : os_join(joined, here, base, err);
            if (rc)
                return rc;
            if (strcmp(base, ".") != 0)
                text_copy(here, sizeof here, joined);
        }
        base = here;
    }
    return os_join(out, base, path, err);
}

bool os_same_file(const char *a, const char *b)
{
    struct stat sa, sb;
    if (stat(a, &sa) < 0 || stat(b, &sb) < 0)
        return false;
    if (S_ISBLK(sa.st_mode) && S_ISBLK(sb.st_mode))
        return sa.st_rdev == sb.st_rdev;
    return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

int os_program_folder(char *out, struct ds_error *err)
{
    char path[OS_PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n < 0)
        return os_fail(err, "read", "/proc/self/exe");
    path[n] = 0;
    os_dirname(out, path);
    return DS_OK;
}

uint64_t os_free_bytes(const char *path)
{
    struct statvfs fs;
    if (statvfs(path, &fs) < 0)
        return UINT64_MAX;
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}

int os_random(void *out, size_t n, struct ds_error *err)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r = getrandom((char *)out + done, n - done, 0);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return os_fail(err, "read", "the system's random numbers");
        done += (size_t)r;
    }
    return DS_OK;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int64_t os_wall_ns(void)
{
    return (int64_t)clock_ns(CLOCK_REALTIME);
}

uint64_t os_mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

void os_sleep_ns(uint64_t ns)
{
    struct timespec ts = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
    while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
        ;
}

uint64_t os_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t os_peak_rss(void)
{
    struct rusage ru;
    return getrusage(RUSAGE_SELF, &ru) < 0 ? 0 : (uint64_t)ru.ru_maxrss * 1024;
}

unsigned os_cpu_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (unsigned)n;
}

const char *os_name(void)
{
    return "linux";
}

void os_hostname(char *out, size_t cap)
{
    if (gethostname(out, cap) < 0)
        text_copy(out, cap, "localhost");
    out[cap - 1] = 0;
}

static bool read_line(const char *path, char *out, size_t cap)
{
    void *data;
    size_t len;
    struct ds_error err = DS_ERROR_INIT;
    if (os_read_file(path, 4096, &data, &len, &err))
        return false;
    char *line = data;
    line[strcspn(line, "\r\n")] = 0;
    bool good = *line && text_copy(out, cap, line);
    free(data);
    return good;
}

void os_machine_identity(char *out, size_t cap)
{
    if (read_line("/sys/class/dmi/id/product_uuid", out, cap) ||
        read_line("/etc/machine-id", out, cap))
        return;
    out[0] = 0;
}

bool os_env(char *out, size_t cap, const char *name)
{
    const char *value = getenv(name);
    return value && text_copy(out, cap, value);
}

const char *os_default_policy(void)
{
    return "/etc/disksync/policy.yaml";
}

const char *os_default_state(void)
{
    return "/var/lib/disksync";
}

bool os_is_tty(int stream)
{
    return isatty(stream) == 1;
}

unsigned os_columns(void)
{
    struct winsize ws;
    if (ioctl(2, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 20)
        return ws.ws_col;
    return 80;
}

void os_start(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of write(), not a death */
    signal(SIGCHLD, SIG_DFL); /* a parent may have ignored it; then no end could be waited for */
}

static volatile int *interrupt_flag;

static void on_signal(int number)
{
    if (*interrupt_flag)
        _exit(128 + number);
    *interrupt_flag = 1;
}

void os_on_interrupt(volatile int *flag)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    interrupt_flag = flag;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}
