/* SPDX-License-Identifier: Apache-2.0 */
/* usage_linux.c - what is mounted, swapped on or stacked on a disk. Mounts and swap name devices;
 * sysfs tells which partitions a device has, what holds it (LVM, RAID, encryption) and which file
 * a loop device stands for. From a disk the walk goes up all of these, adding up offsets, so that a
 * mount through a loop device with an offset is found on the partition of the image that it is.
 * Depth is bounded: the kernel allows no deeper stacks. Immutable once read: any thread. */
#include "core/base/bytes.h"
#include "core/base/text.h"
#include "core/disk/sysfs_linux.h"
#include "core/disk/system.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PROC_MAX (16u << 20)
#define DEPTH_MAX 12

struct usage_entry {
    uint32_t kind; /* SYSTEM_MOUNTED or SYSTEM_SWAP */
    dev_t dev;     /* block device, or 0 */
    dev_t file_dev;
    ino_t file_ino; /* a file that is mounted by a user-space driver, or 0 */
    char *where;
};

struct usage_loop {
    char name[32];
    dev_t dev;
    struct stat backing;
    uint64_t offset, bytes; /* of the file */
    bool read_only;
};

struct system_usage {
    struct usage_entry *entries;
    size_t n_entries, cap_entries;
    struct usage_loop *loops;
    size_t n_loops, cap_loops;
};

/* Room for one more item of an array. */
static bool grow(void *array, size_t item, size_t n, size_t *cap)
{
    void **items = array;
    if (n < *cap)
        return true;
    size_t wanted = *cap ? 2 * *cap : 16;
    void *more = realloc(*items, wanted * item);
    if (!more)
        return false;
    *items = more;
    *cap = wanted;
    return true;
}

static int add_entry(struct system_usage *u, uint32_t kind, dev_t dev, const struct stat *file,
                     const char *where)
{
    if (!grow(&u->entries, sizeof *u->entries, u->n_entries, &u->cap_entries))
        return DS_ENOMEM;
    struct usage_entry *e = &u->entries[u->n_entries];
    memset(e, 0, sizeof *e);
    e->kind = kind;
    e->dev = dev;
    if (file) {
        e->file_dev = file->st_dev;
        e->file_ino = file->st_ino;
    }
    e->where = strdup(where);
    if (!e->where)
        return DS_ENOMEM;
    u->n_entries++;
    return DS_OK;
}

/* The kernel writes space, tab, newline and backslash as \ooo. In place. */
static void unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in; out++) {
        if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
            in[3] >= '0' && in[3] <= '7') {
            *out = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
            in += 4;
        } else {
            *out = *in++;
        }
    }
    *out = 0;
}

/* Cuts the next word off *line; NULL at the end. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " \t");
    if (!*word)
        return NULL;
    char *end = word + strcspn(word, " \t");
    *line = *end ? end + 1 : end;
    *end = 0;
    return word;
}

/* ID PARENT MAJOR:MINOR ROOT WHERE OPTIONS [TAGS] - TYPE SOURCE SUPER */
static int parse_mount(struct system_usage *u, char *line)
{
    char *words[5], *word, *type, *source;
    unsigned major_no, minor_no;
    struct stat st;
    for (size_t i = 0; i < 5; i++)
        if (!(words[i] = next_word(&line)))
            return DS_OK;
    while ((word = next_word(&line)) && strcmp(word, "-") != 0)
        ;
    type = next_word(&line);
    source = next_word(&line);
    if (!type || !source || sscanf(words[2], "%u:%u", &major_no, &minor_no) != 2)
        return DS_OK;
    unescape(words[4]);
    unescape(source);
    if (major_no)
        return add_entry(u, SYSTEM_MOUNTED, makedev(major_no, minor_no), NULL, words[4]);
    /* a file system with a device number of its own: btrfs, or a driver in user space */
    if (source[0] != '/' || stat(source, &st) < 0)
        return DS_OK;
    if (S_ISBLK(st.st_mode))
        return add_entry(u, SYSTEM_MOUNTED, st.st_rdev, NULL, words[4]);
    return S_ISREG(st.st_mode) ? add_entry(u, SYSTEM_MOUNTED, 0, &st, words[4]) : DS_OK;
}

static int parse_swap(struct system_usage *u, char *line)
{
    char *path = next_word(&line);
    struct stat st;
    if (!path || path[0] != '/')
        return DS_OK;
    unescape(path);
    if (stat(path, &st) < 0)
        return DS_OK;
    return S_ISBLK(st.st_mode) ? add_entry(u, SYSTEM_SWAP, st.st_rdev, NULL, path)
                               : add_entry(u, SYSTEM_SWAP, 0, &st, path);
}

static int parse_lines(struct system_usage *u, const char *path,
                       int (*parse)(struct system_usage *, char *), struct ds_error *err)
{
    void *data;
    size_t len;
    int rc = os_read_file(path, PROC_MAX, &data, &len, err);
    if (rc)
        return rc;
    for (char *line = data; line && *line && !rc;) {
        char *end = strchr(line, '\n');
        if (end)
            *end++ = 0;
        rc = parse(u, line);
        line = end;
    }
    free(data);
    return rc;
}

/* The devices of one mounted btrfs; its mount names only one of them. */
struct btrfs {
    struct system_usage *usage;
    char folder[PATH_MAX];
    char where[OS_PATH_MAX];
    bool add;
};

static int visit_btrfs_device(void *ud, const char *name)
{
    struct btrfs *fs = ud;
    struct system_usage *u = fs->usage;
    char folder[PATH_MAX];
    dev_t dev;
    bool known = false;
    if (snprintf(folder, sizeof folder, "%s/%s", fs->folder, name) >= (int)sizeof folder ||
        !sysfs_dev(folder, &dev))
        return DS_OK;
    for (size_t i = 0; i < u->n_entries && !known; i++)
        if (u->entries[i].dev == dev) {
            known = true;
            text_copy(fs->where, sizeof fs->where, u->entries[i].where);
        }
    return fs->add && !known ? add_entry(u, SYSTEM_MOUNTED, dev, NULL, fs->where) : DS_OK;
}

static int collect_btrfs(void *ud, const char *uuid)
{
    struct btrfs fs = { .usage = ud, .where = "btrfs" };
    struct ds_error ignored = DS_ERROR_INIT;
    snprintf(fs.folder, sizeof fs.folder, "/sys/fs/btrfs/%s/devices", uuid);
    if (!sysfs_has(fs.folder, ""))
        return DS_OK;
    int rc = os_list(fs.folder, visit_btrfs_device, &fs, &ignored);
    fs.add = true;
    return rc ? rc : os_list(fs.folder, visit_btrfs_device, &fs, &ignored);
}

static int collect_loop(void *ud, const char *name)
{
    struct system_usage *u = ud;
    char folder[PATH_MAX], backing[OS_PATH_MAX];
    struct usage_loop loop;
    if (strncmp(name, "loop", 4) != 0)
        return DS_OK;
    snprintf(folder, sizeof folder, "/sys/block/%s", name);
    memset(&loop, 0, sizeof loop);
    if (!sysfs_text(folder, "loop/backing_file", backing, sizeof backing) ||
        !sysfs_dev(folder, &loop.dev) || stat(backing, &loop.backing) < 0)
        return DS_OK;
    text_copy(loop.name, sizeof loop.name, name);
    loop.offset = sysfs_u64(folder, "loop/offset");
    loop.bytes = sysfs_u64(folder, "size") * 512;
    loop.read_only = sysfs_u64(folder, "ro") != 0;
    if (!grow(&u->loops, sizeof *u->loops, u->n_loops, &u->cap_loops))
        return DS_ENOMEM;
    u->loops[u->n_loops++] = loop;
    return DS_OK;
}

int system_usage_read(struct system_usage **usage, struct ds_error *err)
{
    struct system_usage *u = calloc(1, sizeof *u);
    int rc = u ? parse_lines(u, "/proc/self/mountinfo", parse_mount, err) : DS_ENOMEM;
    if (!rc && os_kind("/proc/swaps") != OS_ABSENT)
        rc = parse_lines(u, "/proc/swaps", parse_swap, err);
    if (!rc)
        rc = os_list("/sys/block", collect_loop, u, err);
    if (!rc && os_kind("/sys/fs/btrfs") == OS_DIRECTORY)
        rc = os_list("/sys/fs/btrfs", collect_btrfs, u, err);
    if (rc == DS_ENOMEM)
        ds_fail(err, rc, "no memory to list what is mounted");
    if (rc) {
        system_usage_free(u);
        u = NULL;
    }
    *usage = u;
    return rc;
}

void system_usage_free(struct system_usage *usage)
{
    if (!usage)
        return;
    for (size_t i = 0; i < usage->n_entries; i++)
        free(usage->entries[i].where);
    free(usage->entries);
    free(usage->loops);
    free(usage);
}

/* ---- the walk ---- */

struct walk {
    const struct system_usage *usage;
    system_use_fn *fn;
    void *ud;
    unsigned depth;
};

static int report(const struct walk *w, uint32_t kind, bool read_only, uint64_t offset,
                  const char *where, const char *through)
{
    struct system_use use;
    memset(&use, 0, sizeof use);
    use.kind = kind;
    use.read_only = read_only;
    use.offset = offset;
    text_copy(use.where, sizeof use.where, where);
    text_copy(use.through, sizeof use.through, through);
    return w->fn(w->ud, &use);
}

static int walk_device(struct walk *w, dev_t dev, uint64_t offset);

static bool is_backing(const struct usage_loop *loop, const struct stat *st)
{
    if (S_ISBLK(st->st_mode))
        return S_ISBLK(loop->backing.st_mode) && loop->backing.st_rdev == st->st_rdev;
    return loop->backing.st_dev == st->st_dev && loop->backing.st_ino == st->st_ino;
}

static bool do_overlap(const struct usage_loop *a, const struct usage_loop *b)
{
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

/* Loop devices on the file or device `backing`, of which our disk's byte `at` is the first one. */
static int walk_loops(struct walk *w, const struct stat *backing, uint64_t at)
{
    int rc = DS_OK;
    for (size_t i = 0; i < w->usage->n_loops && !rc; i++) {
        const struct usage_loop *loop = &w->usage->loops[i];
        char path[40];
        if (!is_backing(loop, backing))
            continue;
        rc = walk_device(w, loop->dev, at + loop->offset);
        snprintf(path, sizeof path, "/dev/%s", loop->name);
        if (!rc)
            rc = report(w, SYSTEM_ATTACHED, loop->read_only, at + loop->offset, path, loop->name);
    }
    return rc;
}

/* Other loop devices on the same bytes of the same file. They may begin before our disk: offsets
 * are then below zero, that is, huge, and fit no partition. */
static int walk_siblings(struct walk *w, const struct usage_loop *self)
{
    int rc = DS_OK;
    for (size_t i = 0; i < w->usage->n_loops && !rc; i++) {
        const struct usage_loop *loop = &w->usage->loops[i];
        if (loop->dev != self->dev && is_backing(loop, &self->backing) && do_overlap(loop, self))
            rc = walk_device(w, loop->dev, loop->offset - self->offset);
    }
    return rc;
}

struct children {
    struct walk *w;
    char folder[128];
    uint64_t offset;
    const char *name;
    bool holders;
};

static int walk_child(void *ud, const char *name)
{
    struct children *c = ud;
    char folder[PATH_MAX];
    dev_t dev;
    snprintf(folder, sizeof folder, "%s/%s", c->folder, name);
    if (c->holders) {
        int rc = sysfs_dev(folder, &dev) ? walk_device(c->w, dev, c->offset) : DS_OK;
        return rc ? rc : report(c->w, SYSTEM_HELD, false, c->offset, name, c->name);
    }
    if (!sysfs_has(folder, "partition") || !sysfs_dev(folder, &dev))
        return DS_OK;
    return walk_device(c->w, dev, c->offset + sysfs_u64(folder, "start") * 512);
}

static int walk_device(struct walk *w, dev_t dev, uint64_t offset)
{
    struct children c = { .w = w, .offset = offset };
    struct ds_error ignored = DS_ERROR_INIT;
    struct stat self;
    char name[64];
    int rc = DS_OK;
    if (w->depth >= DEPTH_MAX)
        return DS_OK;
    w->depth++;
    if (!sysfs_name(dev, name, sizeof name))
        snprintf(name, sizeof name, "%u:%u", major(dev), minor(dev));
    c.name = name;
    for (size_t i = 0; i < w->usage->n_entries && !rc; i++)
        if (w->usage->entries[i].dev == dev)
            rc = report(w, w->usage->entries[i].kind, false, offset, w->usage->entries[i].where,
                        name);
    memset(&self, 0, sizeof self);
    self.st_mode = S_IFBLK;
    self.st_rdev = dev;
    if (!rc)
        rc = walk_loops(w, &self, offset);
    sysfs_folder(c.folder, sizeof c.folder, dev);
    if (!rc && sysfs_has(c.folder, ""))
        rc = os_list(c.folder, walk_child, &c, &ignored);
    text_copy(c.folder + strlen(c.folder), sizeof c.folder - strlen(c.folder), "/holders");
    c.holders = true;
    if (!rc && sysfs_has(c.folder, ""))
        rc = os_list(c.folder, walk_child, &c, &ignored);
    w->depth--;
    return rc;
}

/* A partition is in use as well where the whole disk that it is on is used as one. */
static int walk_parent(struct walk *w, dev_t dev)
{
    char folder[64], parent[128];
    dev_t disk;
    sysfs_folder(folder, sizeof folder, dev);
    snprintf(parent, sizeof parent, "%s/..", folder);
    if (!sysfs_has(folder, "partition") || !sysfs_dev(parent, &disk))
        return DS_OK;
    int rc = DS_OK;
    for (size_t i = 0; i < w->usage->n_entries && !rc; i++)
        if (w->usage->entries[i].dev == disk)
            rc = report(w, w->usage->entries[i].kind, false, 0, w->usage->entries[i].where,
                        "the whole disk");
    return rc;
}

int system_usage_walk(const struct system_usage *usage, const char *path, system_use_fn *fn,
                      void *ud)
{
    struct walk w = { usage, fn, ud, 0 };
    struct stat st;
    int rc = DS_OK;
    if (stat(path, &st) < 0)
        return DS_OK;
    if (S_ISREG(st.st_mode)) {
        for (size_t i = 0; i < usage->n_entries && !rc; i++) {
            const struct usage_entry *e = &usage->entries[i];
            if (e->file_ino == st.st_ino && e->file_dev == st.st_dev)
                rc = report(&w, e->kind, false, 0, e->where, "the file itself");
        }
        return rc ? rc : walk_loops(&w, &st, 0);
    }
    if (!S_ISBLK(st.st_mode))
        return DS_OK;
    rc = walk_device(&w, st.st_rdev, 0);
    if (!rc)
        rc = walk_parent(&w, st.st_rdev);
    /* other loop devices on the same file see the same bytes */
    for (size_t i = 0; i < usage->n_loops && !rc; i++)
        if (usage->loops[i].dev == st.st_rdev)
            rc = walk_siblings(&w, &usage->loops[i]);
    return rc;
}

/* ---- what lies below ---- */

static bool same_node(const struct stat *a, const struct stat *b)
{
    if (S_ISBLK(a->st_mode) || S_ISBLK(b->st_mode))
        return S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode) && a->st_rdev == b->st_rdev;
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

struct below {
    const struct stat *disk;
    char folder[128];
    unsigned depth;
    bool found;
};

static bool lies_on(const struct stat *st, const struct stat *disk, unsigned depth);

static bool device_lies_on(dev_t dev, const struct stat *disk, unsigned depth)
{
    struct stat st;
    memset(&st, 0, sizeof st);
    st.st_mode = S_IFBLK;
    st.st_rdev = dev;
    return lies_on(&st, disk, depth);
}

static int visit_slave(void *ud, const char *name)
{
    struct below *below = ud;
    char folder[PATH_MAX];
    dev_t dev;
    snprintf(folder, sizeof folder, "%s/%s", below->folder, name);
    below->found = below->found || (sysfs_dev(folder, &dev) &&
                                    device_lies_on(dev, below->disk, below->depth));
    return DS_OK;
}

/* From a partition to its disk, a loop device to its file, a stacked device to what it is on. */
static bool lies_on(const struct stat *st, const struct stat *disk, unsigned depth)
{
    struct below below = { .disk = disk, .depth = depth + 1 };
    struct ds_error ignored = DS_ERROR_INIT;
    char folder[64], path[OS_PATH_MAX];
    struct stat file;
    dev_t dev;
    if (same_node(st, disk))
        return true;
    if (!S_ISBLK(st->st_mode) || depth >= DEPTH_MAX)
        return false;
    sysfs_folder(folder, sizeof folder, st->st_rdev);
    snprintf(below.folder, sizeof below.folder, "%s/..", folder);
    if (sysfs_has(folder, "partition"))
        return sysfs_dev(below.folder, &dev) && device_lies_on(dev, disk, depth + 1);
    if (sysfs_text(folder, "loop/backing_file", path, sizeof path))
        return stat(path, &file) == 0 && lies_on(&file, disk, depth + 1);
    snprintf(below.folder, sizeof below.folder, "%s/slaves", folder);
    if (sysfs_has(below.folder, ""))
        os_list(below.folder, visit_slave, &below, &ignored);
    return below.found;
}

bool disk_lies_on(const char *path, const char *disk)
{
    struct stat st, other;
    return stat(path, &st) == 0 && stat(disk, &other) == 0 && lies_on(&st, &other, 0);
}

bool system_is_claimed(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
        return false;
    int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
    if (fd < 0)
        return errno == EBUSY;
    close(fd);
    return false;
}
