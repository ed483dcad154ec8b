/* SPDX-License-Identifier: Apache-2.0 */
/* test-snapshot-reflink.c - clones on a real XFS, of an image and of what a loop device stands on:
 * they stay as they were while the disk is written, nothing is left behind by release, probe, or a
 * killed process; frozen file systems are thawed, by a watchdog too. Needs root, loop devices and
 * mkfs.xfs, and skips loudly without. */
#include "plugins/snapshot-reflink/reflink.h"
#include "provider.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES (32u << 20)

/* ---- a mounted XFS with a disk on it ---- */

struct world {
    struct provider p;
    char xfs[OS_PATH_MAX], outer[128], image[OS_PATH_MAX], disk[128], inside[OS_PATH_MAX];
    bool ready;
};

/* Runs a program; its first line of output goes to out. True if it ended well. */
static bool tool(char *out, size_t cap, const char *const argv[])
{
    int ends[2], status = 0;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(ends[1], 1);
        dup2(null, 2);
        close(ends[0]);
        close(ends[1]);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(ends[1]);
    char text[4096];
    size_t n = 0;
    for (ssize_t r; (r = read(ends[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)r;
    close(ends[0]);
    text[n] = 0;
    text[strcspn(text, "\n")] = 0;
    if (out)
        snprintf(out, cap, "%s", text);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
#define TOOL(out, ...) tool(out, sizeof(out), (const char *const[]){ __VA_ARGS__, NULL })

static bool make_file(const char *path, off_t bytes)
{
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    bool good = fd >= 0 && ftruncate(fd, bytes) == 0;
    close(fd);
    return good;
}

static void world_make(struct world *w)
{
    char back[OS_PATH_MAX], none[8];
    memset(w, 0, sizeof *w);
    w->p.err.size = sizeof w->p.err;
    scratch_make(&w->p.scratch);
    scratch_file(&w->p.scratch, back, "xfs.img");
    scratch_file(&w->p.scratch, w->xfs, "xfs");
    scratch_file(&w->p.scratch, w->inside, "inside");
    w->ready = geteuid() == 0 && make_file(back, (off_t)320 << 20) &&
               TOOL(none, "mkfs.xfs", "-q", "-m", "reflink=1", back) &&
               mkdir(w->xfs, 0700) == 0 && mkdir(w->inside, 0700) == 0 &&
               TOOL(w->outer, "losetup", "--show", "-f", back) &&
               mount(w->outer, w->xfs, "xfs", 0, "") == 0;
    if (!w->ready) {
        printf("skipped: needs root, loop devices, XFS and mkfs.xfs\n");
        return;
    }
    snprintf(w->image, sizeof w->image, "%.4000s/disk.img", w->xfs);
    ck_assert(make_file(w->image, BYTES));
}

static void world_end(struct world *w)
{
    char none[8];
    if (w->p.instance.plugin)
        plugin_close(&w->p.instance);
    umount(w->inside);
    if (w->disk[0])
        TOOL(none, "losetup", "-d", w->disk);
    if (w->ready)
        ck_assert_int_eq(umount(w->xfs), 0);
    if (w->outer[0])
        TOOL(none, "losetup", "-d", w->outer);
    scratch_free(&w->p.scratch);
}

static void fill(const char *path, off_t at, char byte)
{
    char data[65536];
    int fd = open(path, O_WRONLY);
    memset(data, byte, sizeof data);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, data, sizeof data, at), (ssize_t)sizeof data);
    ck_assert_int_eq(fsync(fd), 0);
    close(fd);
}

static char byte_at(const char *path, uint64_t at)
{
    char c = 0;
    int fd = open(path, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &c, 1, (off_t)at), 1);
    close(fd);
    return c;
}

static int count(void *ud, const char *name)
{
    (void)name;
    ++*(unsigned *)ud;
    return 0;
}

static unsigned files_in(const char *folder)
{
    struct ds_error err = DS_ERROR_INIT;
    unsigned n = 0;
    ck_assert_ok(os_list(folder, count, &n, &err), &err);
    return n;
}

static void *create(struct world *w, const char *path, uint64_t bytes)
{
    struct ds_disk disk = provider_disk(path, bytes, 0);
    const struct ds_disk *disks[] = { &disk };
    void *set = NULL;
    ck_assert_ok(provider_ops(&w->p)->create(w->p.instance.self, disks, 1, &set, &w->p.call),
                 &w->p.err);
    return set;
}

static uint32_t score_of(struct world *w, const char *path)
{
    struct ds_disk disk = provider_disk(path, BYTES, 0);
    uint32_t score = 99;
    ck_assert_ok(provider_ops(&w->p)->probe(w->p.instance.self, &disk, &score, &w->p.call),
                 &w->p.err);
    return score;
}

/* ---- images ---- */

START_TEST(an_image_is_cloned_and_stays_as_it_was)
{
    static struct world w;
    static struct views views;
    world_make(&w);
    if (w.ready) {
        provider_open(&w.p, NULL, 0);
        ck_assert_uint_eq(score_of(&w, w.image), 50);
        ck_assert_uint_eq(files_in(w.xfs), 1); /* the probe left nothing */
        fill(w.image, 1 << 20, 'a');
        void *set = create(&w, w.image, BYTES);
        fill(w.image, 1 << 20, 'b');
        provider_views(&w.p, set, (struct ds_window){ 0, BYTES }, &views);
        ck_assert_uint_eq(views.n, 1);
        ck_assert_uint_eq(views.view[0].kind, DS_VIEW_DATA);
        ck_assert_uint_eq(views.view[0].disk.length, BYTES);
        ck_assert_str_ne(views.path[0], w.image);
        ck_assert_int_eq(byte_at(views.path[0], 1 << 20), 'a');
        ck_assert_int_eq(byte_at(w.image, 1 << 20), 'b');
        ck_assert_str_eq(provider_consistency(&w.p, set), "crash");
        ck_assert_ok(provider_ops(&w.p)->health(set, &w.p.call), &w.p.err);
        ck_assert_ok(provider_ops(&w.p)->finish(set, DS_OUTCOME_COMMITTED, &w.p.call), &w.p.err);
        provider_ops(&w.p)->release(set);
        ck_assert_uint_eq(files_in(w.xfs), 1);
        set = create(&w, w.image, BYTES);
        provider_views(&w.p, set, (struct ds_window){ 0, BYTES }, &views);
        ck_assert_int_eq(unlink(views.path[0]), 0);
        ck_assert_int_eq(provider_ops(&w.p)->health(set, &w.p.call), DS_ELOST);
        provider_ops(&w.p)->release(set);
    }
    world_end(&w);
}
END_TEST

START_TEST(what_can_not_be_cloned_is_told)
{
    static struct world w;
    char elsewhere[OS_PATH_MAX];
    world_make(&w);
    if (w.ready) {
        struct ds_kv kv[] = { { "folder", w.p.scratch.path } };
        struct ds_disk disk = provider_disk(w.image, BYTES, 0);
        const struct ds_disk *disks[] = { &disk };
        void *set = NULL;
        provider_open(&w.p, kv, 1); /* another file system */
        ck_assert_uint_eq(score_of(&w, w.image), 0);
        ck_assert_ptr_nonnull(strstr(w.p.err.msg, "on the file system of its source"));
        ck_assert_uint_eq(score_of(&w, "/dev/null"), 0);
        scratch_file(&w.p.scratch, elsewhere, "absent.img");
        ck_assert_uint_eq(score_of(&w, elsewhere), 0);
        unsigned before = files_in(w.p.scratch.path);
        int rc = provider_ops(&w.p)->create(w.p.instance.self, disks, 1, &set, &w.p.call);
        ck_assert_int_eq(rc, DS_ENOTSUP);
        ck_assert_ptr_null(set);
        /* Nothing but the folder of its state records was added. */
        ck_assert_uint_eq(files_in(w.p.scratch.path), before + 1);
    }
    world_end(&w);
}
END_TEST

START_TEST(a_killed_process_leaves_nothing_after_sweep)
{
    static struct world w;
    int status;
    world_make(&w);
    if (w.ready) {
        pid_t pid = fork();
        if (pid == 0) {
            provider_open(&w.p, NULL, 0);
            create(&w, w.image, BYTES);
            raise(SIGKILL);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status));
        ck_assert_uint_eq(files_in(w.xfs), 2);
        provider_open(&w.p, NULL, 0);
        ck_assert_ok(provider_ops(&w.p)->sweep(w.p.instance.self, &w.p.call), &w.p.err);
        ck_assert_uint_eq(files_in(w.xfs), 1);
        ck_assert_ok(provider_ops(&w.p)->sweep(w.p.instance.self, &w.p.call), &w.p.err);
        ck_assert_int_eq(os_kind(w.image), OS_REGULAR);
    }
    world_end(&w);
}
END_TEST

/* ---- loop devices ---- */

/* The image becomes a loop device with an ext4 in it, mounted at `inside`. */
static bool mount_inside(struct world *w)
{
    char none[8];
    bool good = TOOL(none, "mkfs.ext4", "-q", "-F", w->image) &&
                TOOL(w->disk, "losetup", "--show", "-f", w->image) &&
                mount(w->disk, w->inside, "ext4", 0, "") == 0;
    if (!good)
        printf("skipped: needs mkfs.ext4 and ext4\n");
    return good;
}

static bool still_frozen(const char *mount_point)
{
    char path[OS_PATH_MAX];
    int status;
    snprintf(path, sizeof path, "%.4000s/written", mount_point);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(path, O_CREAT | O_WRONLY, 0600);
        _exit(fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0 ? 0 : 1);
    }
    for (int i = 0; i < 200; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        os_sleep_ns(10000000);
    }
    return true;
}

START_TEST(a_loop_device_is_cloned_frozen_and_thawed)
{
    static struct world w;
    static struct views views;
    char file[OS_PATH_MAX], none[8];
    world_make(&w);
    if (w.ready && mount_inside(&w)) {
        struct ds_kv kv[] = { { "freeze", "true" } };
        provider_open(&w.p, kv, 1);
        ck_assert_uint_eq(score_of(&w, w.disk), 50);
        snprintf(file, sizeof file, "%.4000s/before", w.inside);
        ck_assert(make_file(file, 70000)); /* dirty, not flushed by us */
        fill(file, 0, 'q');
        void *set = create(&w, w.disk, BYTES);
        ck_assert(!still_frozen(w.inside));
        ck_assert_str_eq(provider_consistency(&w.p, set), "filesystem");
        provider_views(&w.p, set, (struct ds_window){ 0, BYTES }, &views);
        ck_assert_ok(provider_ops(&w.p)->health(set, &w.p.call), &w.p.err);
        /* Frozen means consistent without a repair. */
        ck_assert(TOOL(none, "e2fsck", "-fn", views.path[0]));
        provider_ops(&w.p)->release(set);
        ck_assert_uint_eq(files_in(w.xfs), 1);
    }
    world_end(&w);
}
END_TEST

/* The process dies with the file system frozen: its watchdog thaws. */
START_TEST(a_watchdog_thaws_for_the_dead)
{
    static struct world w;
    static struct source source;
    int status;
    world_make(&w);
    if (w.ready && mount_inside(&w)) {
        static struct freeze freeze;
        struct reflink reflink = { .host = NULL };
        struct ds_disk disk = provider_disk(w.disk, BYTES, 0);
        ck_assert_ok(source_find(&source, &disk, &w.p.err), &w.p.err);
        pid_t pid = fork();
        if (pid == 0) {
            if (freeze_find(&freeze, &reflink, &source, 1, &w.p.err) || freeze.n != 1 ||
                freeze_start(&freeze, &w.p.err) || !freeze.frozen[0])
                _exit(3);
            raise(SIGKILL);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFSIGNALED(status), "it was not frozen");
        ck_assert(!still_frozen(w.inside));
    }
    world_end(&w);
}
END_TEST

UNIT_MAIN("snapshot-reflink", an_image_is_cloned_and_stays_as_it_was,
          what_can_not_be_cloned_is_told, a_killed_process_leaves_nothing_after_sweep,
          a_loop_device_is_cloned_frozen_and_thawed, a_watchdog_thaws_for_the_dead)
