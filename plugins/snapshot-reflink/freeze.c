/* SPDX-License-Identifier: Apache-2.0 */
/* freeze.c - freezes the mounted file systems that lie on the loop devices, while their files are
 * cloned. A frozen file system stops every program that writes to it, so it must be thawed whatever
 * happens: a child process listens, and thaws when FREEZE_LIMIT_MS are over or this process ends.
 * The child runs nothing but poll, read, ioctl and _exit, which is safe after a fork of a process
 * with threads. What someone else has frozen is never thawed here. */
#include "reflink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- which file systems ---- */

/* Whether the block device dev is the disk rdev or a partition of it. */
static bool lies_on(dev_t dev, dev_t rdev)
{
    char link[64], target[PATH_MAX], want[32];
    if (dev == rdev)
        return true;
    /* ".../block/loop0/loop0p1": the folder above a partition's is its disk's. */
    snprintf(link, sizeof link, "/sys/dev/block/%u:%u/../dev", major(dev), minor(dev));
    snprintf(want, sizeof want, "%u:%u", major(rdev), minor(rdev));
    int fd = open(link, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, target, sizeof target - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    target[n] = 0;
    target[strcspn(target, "\n")] = 0;
    return strcmp(target, want) == 0;
}

/* mountinfo writes blanks and backslashes as octal numbers. */
static void unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        unsigned v;
        if (in[0] == '\\' && sscanf(in + 1, "%3o", &v) == 1 && strspn(in + 1, "01234567") >= 3) {
            *out++ = (char)v;
            in += 3;
        } else {
            *out++ = *in;
        }
    }
    *out = 0;
}

struct mount {
    dev_t dev;    /* that the file system says: not a device for btrfs */
    dev_t source; /* that it is mounted from, 0 if that is no block device */
    char point[PATH_MAX];
};

/* "36 35 98:0 /root /point options - type source super" */
static bool mount_parse(struct mount *mount, char *line)
{
    unsigned major_number, minor_number;
    char *words[16], *save = NULL;
    int n = 0, dash = 0;
    struct stat st;
    for (char *w = strtok_r(line, " \n", &save); w && n < 16; w = strtok_r(NULL, " \n", &save)) {
        if (!dash && strcmp(w, "-") == 0)
            dash = n;
        words[n++] = w;
    }
    if (n < 5 || !dash || dash + 2 >= n ||
        sscanf(words[2], "%u:%u", &major_number, &minor_number) != 2)
        return false;
    mount->dev = makedev(major_number, minor_number);
    unescape(words[4]);
    unescape(words[dash + 2]);
    snprintf(mount->point, sizeof mount->point, "%s", words[4]);
    mount->source = words[dash + 2][0] == '/' && stat(words[dash + 2], &st) == 0 &&
                    S_ISBLK(st.st_mode) ? st.st_rdev : 0;
    return true;
}

/* Whether a source or a clone lies in the file system: writing there must go on. */
static bool holds_clones(dev_t fs, const struct reflink *reflink, const struct source *sources,
                         unsigned n)
{
    struct stat st;
    char folder[PATH_MAX];
    for (unsigned i = 0; i < n; i++) {
        clone_folder(folder, reflink, &sources[i]);
        if ((stat(sources[i].file, &st) == 0 && st.st_dev == fs) ||
            (stat(folder, &st) == 0 && st.st_dev == fs))
            return true;
    }
    return false;
}

static int consider(struct freeze *freeze, const struct mount *mount, const struct reflink *reflink,
                    const struct source *sources, unsigned n, bool *covered, struct ds_error *err)
{
    struct stat st, other;
    bool ours = false;
    for (unsigned i = 0; i < n; i++) {
        if (!sources[i].device[0] ||
            (!lies_on(mount->dev, sources[i].rdev) &&
             !(mount->source && lies_on(mount->source, sources[i].rdev))))
            continue;
        ours = covered[i] = true;
    }
    if (!ours)
        return DS_OK;
    int fd = open(mount->point, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd < 0 || fstat(fd, &st) < 0) {
        if (fd >= 0)
            close(fd);
        freeze->whole = false; /* hidden below another mount, or gone meanwhile */
        return DS_OK;
    }
    bool again = false;
    for (unsigned i = 0; i < freeze->n; i++)
        again |= fstat(freeze->fds[i], &other) == 0 && other.st_dev == st.st_dev;
    if (again || holds_clones(st.st_dev, reflink, sources, n)) {
        freeze->whole = freeze->whole && again;
        close(fd);
        return DS_OK;
    }
    if (freeze->n == FREEZE_MAX) {
        close(fd);
        return ds_fail(err, DS_ENOTSUP, "more than %d file systems would have to be frozen",
                       FREEZE_MAX);
    }
    freeze->fds[freeze->n++] = fd;
    return DS_OK;
}

int freeze_find(struct freeze *freeze, const struct reflink *reflink, const struct source *sources,
                unsigned n, struct ds_error *err)
{
    char *line = NULL;
    size_t cap = 0;
    int rc = DS_OK;
    bool *covered = calloc(n ? n : 1, sizeof *covered);
    struct mount *mount = malloc(sizeof *mount);
    FILE *file = fopen("/proc/self/mountinfo", "re");
    *freeze = (struct freeze){ .whole = true, .watchdog = -1, .pid = -1 };
    if (!covered || !mount || !file) {
        rc = ds_fail(err, DS_EIO, "the table of mounted file systems can't be read");
        goto out;
    }
    while (!rc && getline(&line, &cap, file) > 0)
        if (mount_parse(mount, line))
            rc = consider(freeze, mount, reflink, sources, n, covered, err);
    /* A disk without a mounted file system has nothing that could be flushed and frozen. */
    for (unsigned i = 0; i < n; i++)
        freeze->whole = freeze->whole && covered[i];
out:
    if (file)
        fclose(file);
    free(line);
    free(mount);
    free(covered);
    return rc;
}

/* ---- freezing and thawing ---- */

/* What the watchdog is told, a byte each: an index = this one is about to be frozen; index +
 * FREEZE_MAX = it was not, someone else has it; WATCHDOG_DONE = all are thawed. Told before the
 * deed, so that no death in between leaves one frozen. */
#define WATCHDOG_DONE 0xffu

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void watchdog_run(const struct freeze *freeze, int end)
{
    bool frozen[FREEZE_MAX] = { false };
    struct pollfd wait = { .fd = end, .events = POLLIN };
    int64_t limit = now_ms() + FREEZE_LIMIT_MS, left;
    unsigned char word;
    while ((left = limit - now_ms()) > 0) {
        int ready = poll(&wait, 1, (int)left);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0 || read(end, &word, 1) != 1)
            break;
        if (word == WATCHDOG_DONE)
            _exit(0);
        if (word < 2 * FREEZE_MAX)
            frozen[word % FREEZE_MAX] = word < FREEZE_MAX;
    }
    for (unsigned i = 0; i < freeze->n; i++)
        if (frozen[i])
            ioctl(freeze->fds[i], FITHAW, 0);
    _exit(0);
}

static bool tell(const struct freeze *freeze, unsigned word)
{
    unsigned char byte = (unsigned char)word;
    return send(freeze->watchdog, &byte, 1, MSG_NOSIGNAL) == 1;
}

static int watchdog_start(struct freeze *freeze, struct ds_error *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return reflink_fail(err, "create", "a socket to the watchdog");
    freeze->pid = fork();
    if (freeze->pid < 0) {
        int rc = reflink_fail(err, "start", "the watchdog that thaws file systems");
        close(ends[0]);
        close(ends[1]);
        return rc;
    }
    if (freeze->pid == 0) {
        close(ends[1]);
        watchdog_run(freeze, ends[0]);
    }
    close(ends[0]);
    freeze->watchdog = ends[1];
    return DS_OK;
}

static int freeze_one(struct freeze *freeze, unsigned i, struct ds_error *err)
{
    if (!tell(freeze, i))
        return ds_fail(err, DS_EIO, "the watchdog that thaws file systems ended");
    freeze->frozen[i] = ioctl(freeze->fds[i], FIFREEZE, 0) == 0;
    if (freeze->frozen[i])
        return DS_OK;
    int e = errno;
    tell(freeze, i + FREEZE_MAX);
    if (e == EOPNOTSUPP || e == ENOTTY) {
        freeze->whole = false; /* such as FUSE: written back, not frozen */
        return DS_OK;
    }
    if (e == EBUSY)
        return ds_fail_retry(err, DS_EBUSY, DS_RETRY_SAME,
                             "a file system on the disks is frozen by another program");
    errno = e;
    return reflink_fail(err, "freeze", "a file system on the disks");
}

int freeze_start(struct freeze *freeze, struct ds_error *err)
{
    int rc = DS_OK;
    if (freeze->n == 0)
        return DS_OK;
    /* The long part of a freeze is writing back what is dirty: most of it beforehand. */
    for (unsigned i = 0; i < freeze->n; i++)
        syncfs(freeze->fds[i]);
    rc = watchdog_start(freeze, err);
    for (unsigned i = 0; i < freeze->n && !rc; i++)
        rc = freeze_one(freeze, i, err);
    if (rc)
        freeze_end(freeze);
    return rc;
}

bool freeze_end(struct freeze *freeze)
{
    bool in_time = true;
    for (unsigned i = 0; i < freeze->n; i++) {
        if (freeze->frozen[i] && ioctl(freeze->fds[i], FITHAW, 0) < 0)
            in_time = false;
        close(freeze->fds[i]);
    }
    if (freeze->watchdog >= 0) {
        in_time = tell(freeze, WATCHDOG_DONE) && in_time;
        close(freeze->watchdog);
        while (waitpid(freeze->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    *freeze = (struct freeze){ .whole = freeze->whole && in_time, .watchdog = -1, .pid = -1 };
    return in_time;
}
