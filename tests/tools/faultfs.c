/* SPDX-License-Identifier: Apache-2.0 */
/* faultfs.c - a library for LD_PRELOAD that sits between a program and the folders under test. It
 * counts the operations that change a file or a name or make them durable, and by environment:
 *
 *   FAULTFS_ROOTS=DIR[:DIR...]     what is watched; without it nothing is
 *   FAULTFS_COUNT=FILE             writes the number of operations there at exit
 *   FAULTFS_KILL_AT=N              SIGKILL just before the N-th operation (the first is 1)
 *   FAULTFS_KILL_AFTER=N           SIGKILL just after it
 *   FAULTFS_ERROR_AT=N:NAME[:M]    the first M (default 1, 0: all) operations from the N-th on that
 *                                  can meet NAME (ENOSPC, EIO, EACCES, ...) fail with it, without
 *                                  effect
 *   FAULTFS_SHORT_WRITES=SEED      about half of the writes write only a part
 *   FAULTFS_LOG=FILE               appends every effect in order, with its data, for crashreplay.py
 *
 * Operations: open that creates or truncates, every kind of write, truncate, fallocate, rename,
 * link, unlink, mkdir, rmdir and every kind of sync. One lock is held over each watched operation
 * and its record, so the log is the order of the effects. What can't be seen here (stdio's own
 * writes, shared mappings, symbolic links) ends the program with a sentence: a test that watched
 * half of the writes would prove nothing. The kernel is called directly; own I/O is not watched.
 *
 * A record of the log: magic "FFSR", then u32 op, u64 file, u64 a, u64 b, u32 length of the first
 * text or of the data, u32 length of the second text, all in the machine's order (64-bit Linux,
 * little-endian); then the bytes. `file` names an open file or folder since its FILE, CREATE or
 * TMPFILE record. */
#include "faultfs.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define FD_MAX 65536
#define ROOTS_MAX 8
#define BUCKETS 1024

struct known {
    struct known *next;
    dev_t dev;
    ino_t ino;
    uint64_t file;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static char roots[ROOTS_MAX][PATH_MAX];
static unsigned n_roots;
static uint64_t files[FD_MAX]; /* number of the watched file behind a descriptor, 0 if none */
static struct known *known[BUCKETS];
static uint64_t last_file;
static long count, kill_at, kill_after, error_at;
static long error_left; /* -1: no end */
static int error_code, log_fd = -1, count_fd = -1;
static bool short_writes;
static uint64_t short_state;

/* ---- start and end ---- */

void give_up(const char *why, const char *what)
{
    fprintf(stderr, "faultfs: %s: %s\n", what, why);
    abort();
}

static long number_of(const char *name)
{
    const char *text = getenv(name);
    char *end;
    if (!text)
        return 0;
    long n = strtol(text, &end, 10);
    if (end == text || *end || n < 1)
        give_up("is not a number from 1 on", name);
    return n;
}

static int code_of_name(const char *name, size_t n)
{
    static const struct {
        const char *name;
        int code;
    } codes[] = { { "ENOSPC", ENOSPC }, { "EIO", EIO },     { "EACCES", EACCES },
                  { "EDQUOT", EDQUOT }, { "EROFS", EROFS }, { "EPERM", EPERM } };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strlen(codes[i].name) == n && strncmp(codes[i].name, name, n) == 0)
            return codes[i].code;
    give_up("unknown error in FAULTFS_ERROR_AT", name);
}

static void read_error_at(const char *text)
{
    char *end;
    if (!text)
        return;
    error_at = strtol(text, &end, 10);
    if (error_at < 1 || *end != ':')
        give_up("must be N:NAME[:M]", "FAULTFS_ERROR_AT");
    const char *name = end + 1;
    size_t n = strcspn(name, ":");
    error_code = code_of_name(name, n);
    error_left = 1;
    if (name[n] == ':') {
        error_left = strtol(name + n + 1, &end, 10);
        if (*end || error_left < 0)
            give_up("must be N:NAME[:M]", "FAULTFS_ERROR_AT");
        if (error_left == 0)
            error_left = -1;
    }
}

static int open_own(const char *name, int flags)
{
    const char *path = getenv(name);
    if (!path)
        return -1;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
    if (fd < 0)
        give_up(strerror(errno), path);
    /* Out of the way of programs that expect the lowest descriptors. */
    int high = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900);
    if (high < 0)
        return fd;
    syscall(SYS_close, fd);
    return high;
}

static void append_log(const struct record *r, const void *first, const void *second)
{
    struct iovec parts[3] = { { (void *)(uintptr_t)r, sizeof *r },
                              { (void *)(uintptr_t)first, r->length },
                              { (void *)(uintptr_t)second, r->length2 } };
    if (log_fd < 0)
        return;
    ssize_t n = syscall(SYS_writev, log_fd, parts, 3);
    if (n != (ssize_t)(sizeof *r + r->length + r->length2))
        give_up("the log can't be written", "FAULTFS_LOG");
}

void log_paths(enum op op, uint64_t file, uint64_t a, const char *first, const char *second)
{
    struct record r = { .magic = "FFSR", .op = op, .file = file, .a = a };
    r.length = first ? (uint32_t)strlen(first) : 0;
    r.length2 = second ? (uint32_t)strlen(second) : 0;
    append_log(&r, first, second);
}

void log_numbers(enum op op, uint64_t file, uint64_t a, uint64_t b)
{
    struct record r = { .magic = "FFSR", .op = op, .file = file, .a = a, .b = b };
    append_log(&r, NULL, NULL);
}

void log_data(uint64_t file, uint64_t offset, const void *data, size_t n)
{
    const size_t piece = 64u << 20;
    for (size_t done = 0; done < n;) {
        size_t part = n - done > piece ? piece : n - done;
        struct record r = { .magic = "FFSR", .op = OP_WRITE, .file = file, .a = offset + done };
        r.length = (uint32_t)part;
        append_log(&r, (const char *)data + done, NULL);
        done += part;
    }
}

static void add_root(const char *text, size_t n)
{
    char given[PATH_MAX];
    if (n == 0)
        return;
    if (n_roots == ROOTS_MAX || n >= sizeof given)
        give_up("too many or too long", "FAULTFS_ROOTS");
    memcpy(given, text, n);
    given[n] = 0;
    if (!realpath(given, roots[n_roots]))
        give_up(strerror(errno), given); /* it must be there: what is it a copy of, else? */
    n_roots++;
}

static void start(void)
{
    const char *text = getenv("FAULTFS_ROOTS");
    while (text && *text) {
        size_t n = strcspn(text, ":");
        add_root(text, n);
        text += n + (text[n] == ':');
    }
    if (n_roots == 0)
        return;
    kill_at = number_of("FAULTFS_KILL_AT");
    kill_after = number_of("FAULTFS_KILL_AFTER");
    read_error_at(getenv("FAULTFS_ERROR_AT"));
    text = getenv("FAULTFS_SHORT_WRITES");
    short_writes = text != NULL;
    short_state = text ? strtoull(text, NULL, 10) : 0;
    log_fd = open_own("FAULTFS_LOG", O_APPEND);
    count_fd = open_own("FAULTFS_COUNT", O_TRUNC);
    last_file = (uint64_t)getpid() << 32; /* numbers of two programs in one log differ */
    for (unsigned i = 0; i < n_roots; i++)
        log_paths(OP_START, 0, (uint64_t)getpid(), roots[i], NULL);
}

__attribute__((constructor)) static void at_load(void)
{
    pthread_once(&once, start);
}

__attribute__((destructor)) static void at_exit(void)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", count);
    if (count_fd >= 0 && syscall(SYS_pwrite64, count_fd, text, (size_t)n, 0L) != n)
        give_up("can't be written", "FAULTFS_COUNT");
    if (n_roots)
        log_numbers(OP_EXIT, 0, 0, 0);
    n_roots = 0;
}

API void _exit(int status)
{
    at_exit();
    for (;;)
        syscall(SYS_exit_group, status);
}

/* ---- what is watched ---- */

static bool under_root(const char *path)
{
    for (unsigned i = 0; i < n_roots; i++) {
        size_t n = strlen(roots[i]);
        if (strncmp(path, roots[i], n) == 0 && (path[n] == '/' || path[n] == 0))
            return true;
    }
    return false;
}

bool watched(int dirfd, const char *path, char out[PATH_MAX])
{
    char joined[2 * PATH_MAX], folder[PATH_MAX], link[64];
    int before = errno;
    bool good = false;
    pthread_once(&once, start);
    if (n_roots == 0 || !path || !*path || strlen(path) >= PATH_MAX)
        return false;
    joined[0] = 0;
    if (path[0] != '/' && dirfd != AT_FDCWD) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
        ssize_t n = readlink(link, joined, PATH_MAX - 1);
        if (n < 0)
            goto out;
        joined[n] = 0;
    } else if (path[0] != '/' && !getcwd(joined, PATH_MAX)) {
        goto out;
    }
    size_t n = strlen(joined);
    snprintf(joined + n, sizeof joined - n, "/%s", path);
    for (n = strlen(joined); n > 1 && joined[n - 1] == '/';)
        joined[--n] = 0;
    char *name = strrchr(joined, '/') + 1;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || !*name) {
        good = realpath(joined, out) && under_root(out);
        goto out;
    }
    name[-1] = 0;
    if (!realpath(joined[0] ? joined : "/", folder))
        goto out;
    n = strlen(folder);
    if (n + strlen(name) + 2 > PATH_MAX)
        goto out;
    memcpy(out, folder, n + 1);
    snprintf(out + n, PATH_MAX - n, "%s%s", n > 1 ? "/" : "", name);
    good = under_root(out);
out:
    errno = before;
    return good;
}

uint64_t file_of(int fd)
{
    return fd >= 0 && fd < FD_MAX ? files[fd] : 0;
}

void set_file_of(int fd, uint64_t file)
{
    if (fd >= FD_MAX && file)
        give_up("too many open files", "open");
    if (fd >= 0 && fd < FD_MAX)
        files[fd] = file;
}

bool watching(void)
{
    return n_roots != 0;
}

bool is_own(int fd)
{
    return fd >= 0 && (fd == log_fd || fd == count_fd);
}

uint64_t number_file(int fd, bool fresh, const char *path, enum op op)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        give_up(strerror(errno), path);
    struct known **list = &known[(st.st_ino ^ st.st_dev) % BUCKETS], *k = *list;
    while (k && (k->dev != st.st_dev || k->ino != st.st_ino))
        k = k->next;
    if (k && !fresh)
        return k->file;
    if (!k) {
        k = malloc(sizeof *k);
        if (!k)
            give_up("no memory", path);
        *k = (struct known){ *list, st.st_dev, st.st_ino, 0 };
        *list = k;
    }
    k->file = ++last_file;
    log_paths(op, k->file, 0, op == OP_TMPFILE ? NULL : path, NULL);
    return k->file;
}

/* ---- one operation ---- */

static void die(void)
{
    for (;;)
        syscall(SYS_kill, getpid(), SIGKILL);
}

static bool error_fits(enum need need)
{
    if (error_code == EACCES || error_code == EPERM || error_code == EROFS)
        return need & NEED_RIGHT;
    return error_code == EIO || need & NEED_SPACE;
}

bool begin(enum need need)
{
    pthread_mutex_lock(&lock);
    count++;
    if (count == kill_at)
        die();
    if (error_at && count >= error_at && error_left && error_fits(need)) {
        if (error_left > 0)
            error_left--;
        pthread_mutex_unlock(&lock);
        errno = error_code;
        return false;
    }
    return true;
}

long end(long result)
{
    int before = errno;
    if (count == kill_after)
        die();
    pthread_mutex_unlock(&lock);
    errno = before;
    return result;
}

void begin_uncounted(void)
{
    pthread_mutex_lock(&lock);
}

long end_uncounted(long result)
{
    int before = errno;
    pthread_mutex_unlock(&lock);
    errno = before;
    return result;
}

size_t shortened(int fd, size_t n)
{
    size_t unit = (int)syscall(SYS_fcntl, fd, F_GETFL) & O_DIRECT ? 4096 : 1;
    short_state = short_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint64_t random = short_state >> 33;
    if (!short_writes || n < 2 * unit || random & 1)
        return n;
    size_t part = (size_t)(random >> 1) % n / unit * unit;
    return part ? part : unit;
}
