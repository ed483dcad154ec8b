/* SPDX-License-Identifier: Apache-2.0 */
/* test-snapshot-none.c - the provider that freezes nothing says DATA only of a disk that nobody
 * writes, keeps that promise or says LOST, and says LIVE of the rest. */
#include "provider.h"

#include "core/base/dynbuf.h"

#define BYTES (1u << 20)

static void make_image(struct provider *p, char *path)
{
    struct ds_error err = DS_ERROR_INIT;
    char *data = calloc(1, BYTES);
    scratch_file(&p->scratch, path, "disk.img");
    ck_assert_ok(os_write_file(path, data, BYTES, &err), &err);
    free(data);
}

static void *create(struct provider *p, const char *path, uint32_t flags)
{
    struct ds_disk disk = provider_disk(path, BYTES, flags);
    const struct ds_disk *disks[] = { &disk };
    void *set = NULL;
    uint32_t score = 0;
    ck_assert_ok(provider_ops(p)->probe(p->instance.self, &disk, &score, &p->call), &p->err);
    ck_assert_uint_eq(score, 10);
    ck_assert_ok(provider_ops(p)->create(p->instance.self, disks, 1, &set, &p->call), &p->err);
    return set;
}

/* One view of the whole disk by its own path. */
static uint32_t view_kind(struct provider *p, void *set, const char *path)
{
    static struct views views;
    provider_views(p, set, (struct ds_window){ BYTES, 2 * BYTES }, &views);
    ck_assert_uint_eq(views.n, 0);
    provider_views(p, set, (struct ds_window){ 4096, 8192 }, &views);
    ck_assert_uint_eq(views.n, 1);
    ck_assert_str_eq(views.path[0], path);
    ck_assert_uint_eq(views.view[0].disk.offset, 0);
    ck_assert_uint_eq(views.view[0].disk.length, BYTES);
    ck_assert_uint_eq(views.view[0].path_offset, 0);
    ck_assert_uint_eq(views.view[0].count, 1);
    ck_assert_uint_eq(views.view[0].flags, DS_VIEW_BUFFERED);
    return views.view[0].kind;
}

START_TEST(an_image_that_is_written_is_live)
{
    struct provider p = { .err = DS_ERROR_INIT };
    struct os_file writer = OS_FILE_INIT;
    char path[OS_PATH_MAX];
    scratch_make(&p.scratch);
    make_image(&p, path);
    provider_open(&p, NULL, 0);
    ck_assert_ok(os_open(&writer, path, OS_READ | OS_WRITE, &p.err), &p.err);
    void *set = create(&p, path, DS_DISK_IMAGE);
    ck_assert_uint_eq(view_kind(&p, set, path), DS_VIEW_LIVE);
    ck_assert_str_eq(provider_consistency(&p, set), "none");
    ck_assert_ok(provider_ops(&p)->health(set, &p.call), &p.err);
    ck_assert_ok(provider_ops(&p)->finish(set, DS_OUTCOME_FAILED, &p.call), &p.err);
    provider_ops(&p)->release(set);
    os_close(&writer);
    set = create(&p, path, DS_DISK_IMAGE | DS_DISK_IN_USE);
    ck_assert_uint_eq(view_kind(&p, set, path), DS_VIEW_LIVE);
    provider_ops(&p)->release(set);
    plugin_close(&p.instance);
    scratch_free(&p.scratch);
}
END_TEST

#ifdef _WIN32
static bool at_rest_can_be_told(const char *path)
{
    (void)path;
    return true;
}
/* Nobody gets in. */
static bool try_to_write(const char *path)
{
    struct ds_error err = DS_ERROR_INIT;
    struct os_file file = OS_FILE_INIT;
    bool opened = os_open(&file, path, OS_READ | OS_WRITE, &err) == DS_OK;
    os_close(&file);
    ck_assert(!opened);
    return false;
}
#else
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
/* Some file systems have no leases. */
static bool at_rest_can_be_told(const char *path)
{
    int fd = open(path, O_RDONLY);
    fcntl(fd, F_SETSIG, SIGURG);
    bool good = fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
    close(fd);
    return good;
}
/* The kernel asks the holder to let go. True: it was noticed. */
static bool try_to_write(const char *path)
{
    int fd = open(path, O_RDWR | O_NONBLOCK);
    ck_assert(fd < 0 && errno == EWOULDBLOCK);
    return true;
}
#endif

START_TEST(an_image_at_rest_is_data_and_held)
{
    struct provider p = { .err = DS_ERROR_INIT };
    struct os_file again = OS_FILE_INIT;
    char path[OS_PATH_MAX];
    scratch_make(&p.scratch);
    make_image(&p, path);
    provider_open(&p, NULL, 0);
    void *set = create(&p, path, DS_DISK_IMAGE);
    if (at_rest_can_be_told(path)) {
        ck_assert_uint_eq(view_kind(&p, set, path), DS_VIEW_DATA);
        ck_assert_str_eq(provider_consistency(&p, set), "crash");
        ck_assert_ok(provider_ops(&p)->health(set, &p.call), &p.err);
        ck_assert_ok(os_open(&again, path, OS_READ, &p.err), &p.err); /* readers may */
        os_close(&again);
        if (try_to_write(path)) {
            ck_assert_int_eq(provider_ops(&p)->health(set, &p.call), DS_ELOST);
            ck_assert_ptr_nonnull(strstr(p.err.msg, path));
        }
    } else {
        printf("skipped: this file system can't tell whether a file is written\n");
        ck_assert_uint_eq(view_kind(&p, set, path), DS_VIEW_LIVE);
    }
    provider_ops(&p)->release(set);
    ck_assert_ok(os_open(&again, path, OS_READ | OS_WRITE, &p.err), &p.err); /* let go */
    os_close(&again);
    plugin_close(&p.instance);
    scratch_free(&p.scratch);
}
END_TEST

UNIT_MAIN("snapshot-none", an_image_that_is_written_is_live, an_image_at_rest_is_data_and_held)
