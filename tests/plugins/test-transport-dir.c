/* SPDX-License-Identifier: Apache-2.0 */
/* test-transport-dir.c - the store plugin that keeps objects in a folder, driven as core drives it:
 * an object is there whole or not at all, a conditional put has one winner, keys can't leave the
 * folder, listings are in order, failures leave no trace and are told by name. */
#include "tests/base/scratch.h"
#include "tests/unit.h"

#include "core/base/dynbuf.h"
#include "core/base/thread.h"
#include "core/plugin/plugin.h"

/* ---- a repository and synchronous requests on it ---- */

struct store {
    struct scratch scratch;
    char root[OS_PATH_MAX];
    struct plugin plugin;
    struct host_settings settings;
    struct plugin_instance instance;
};

static struct ds_error last; /* of the last open */

static int store_open(struct store *s, const char *root)
{
    struct ds_kv kv[] = { { "path", root }, { "sync", "true" } };
    s->plugin = (struct plugin){ .table = ds_plugin_v1(), .loaded = true };
    if (!s->settings.pool)
        s->settings.pool = pool_new(8);
    return plugin_open(&s->instance, &s->plugin, &s->settings, kv, 2, &last);
}

static void store_start(struct store *s)
{
    memset(s, 0, sizeof *s);
    scratch_make(&s->scratch);
    scratch_file(&s->scratch, s->root, "repository");
    ck_assert_ok(store_open(s, s->root), &last);
}

static void store_end(struct store *s)
{
    plugin_close(&s->instance);
    pool_free(s->settings.pool);
    scratch_free(&s->scratch);
}

struct waiter {
    struct mutex lock;
    struct cond changed;
    bool done;
    int status;
    char msg[sizeof last.msg];
    struct dynbuf keys; /* of a listing, separated by ';' */
    unsigned stop_after;
};

static void on_done(struct ds_store_req *req, int status, const struct ds_error *err)
{
    struct waiter *w = req->user;
    mutex_lock(&w->lock);
    w->done = true;
    w->status = status;
    ck_assert_msg((err == NULL) == (status == DS_OK), "status %d", status);
    if (err)
        memcpy(w->msg, err->msg, sizeof w->msg);
    cond_signal(&w->changed);
    mutex_unlock(&w->lock);
}

static int on_item(struct ds_store_req *req, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    struct waiter *w = req->user;
    (void)bytes;
    ck_assert_int_gt(mtime_ns, 0);
    dynbuf_printf(&w->keys, "%s;", key);
    return w->stop_after && --w->stop_after == 0;
}

static int run(struct store *s, struct ds_store_req *req, struct waiter *w)
{
    const struct ds_store_ops *ops = s->plugin.table->ops;
    req->size = sizeof *req;
    req->done = on_done;
    req->item = on_item;
    req->user = w;
    ck_assert(mutex_init(&w->lock) && cond_init(&w->changed));
    int rc = ops->submit(s->instance.self, req);
    ck_assert_int_eq(rc, DS_OK);
    mutex_lock(&w->lock);
    while (!w->done)
        cond_wait(&w->changed, &w->lock);
    mutex_unlock(&w->lock);
    cond_destroy(&w->changed);
    mutex_destroy(&w->lock);
    return w->status;
}

static char message[sizeof last.msg];

static int simple(struct store *s, struct ds_store_req req)
{
    struct waiter w = { .keys = DYNBUF_INIT(65536) };
    int rc = run(s, &req, &w);
    memcpy(message, w.msg, sizeof message);
    dynbuf_free(&w.keys);
    return rc;
}

static int put(struct store *s, const char *key, const char *text, uint32_t flags)
{
    struct ds_iovec iov = { text, strlen(text) };
    return simple(s, (struct ds_store_req){ .op = DS_STORE_PUT, .key = key, .iov = &iov,
                                            .n_iov = 1, .flags = flags });
}

static int get(struct store *s, const char *key, char *text, size_t cap)
{
    struct waiter w = { .keys = DYNBUF_INIT(1) };
    struct ds_store_req req = { .op = DS_STORE_GET, .key = key, .length = cap - 1, .data = text };
    int rc = run(s, &req, &w);
    memcpy(message, w.msg, sizeof message);
    text[req.got] = 0;
    return rc;
}

static int removed(struct store *s, const char *key)
{
    return simple(s, (struct ds_store_req){ .op = DS_STORE_REMOVE, .key = key });
}

static const char *list(struct store *s, const char *prefix, const char *after, unsigned stop_after)
{
    static char keys[4096];
    struct waiter w = { .keys = DYNBUF_INIT(4000), .stop_after = stop_after };
    struct ds_store_req req = { .op = DS_STORE_LIST, .key = prefix, .after = after };
    ck_assert_int_eq(run(s, &req, &w), DS_OK);
    memcpy(keys, w.keys.len ? (const char *)w.keys.data : "", w.keys.len + 1);
    dynbuf_free(&w.keys);
    return keys;
}

static int count_entry(void *ud, const char *name)
{
    (void)name;
    ++*(unsigned *)ud;
    return 0;
}

static unsigned entries(const char *root, const char *below)
{
    struct ds_error err = DS_ERROR_INIT;
    char path[OS_PATH_MAX];
    unsigned n = 0;
    ck_assert_ok(os_join(path, root, below, &err), &err);
    if (os_kind(path) == OS_DIRECTORY)
        ck_assert_ok(os_list(path, count_entry, &n, &err), &err);
    return n;
}

/* ---- objects ---- */

START_TEST(objects_come_back_as_they_went)
{
    enum { BIG = 9 << 20 };
    struct store s;
    char text[64];
    store_start(&s);
    char *data = malloc(BIG), *back = malloc(BIG + 10);
    for (size_t i = 0; i < BIG; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    struct ds_iovec iov[200];
    size_t at = 0;
    for (size_t i = 0; i < 200; i++) { /* uneven pieces, empty ones too */
        size_t n = i == 199 ? BIG - at : i % 7 == 0 ? 0 : (i * 7919) % 50000;
        iov[i] = (struct ds_iovec){ data + at, n };
        at += n;
    }
    ck_assert_int_eq(simple(&s, (struct ds_store_req){ .op = DS_STORE_PUT, .key = "n/a/big",
                                                       .iov = iov, .n_iov = 200 }), DS_OK);
    static const struct {
        uint64_t offset, length, got;
    } ranges[] = { { 0, BIG, BIG },    { 0, BIG + 10, BIG }, { 5000000, 5000000, BIG - 5000000 },
                   { BIG - 1, 10, 1 }, { BIG, 10, 0 },       { UINT64_MAX, 10, 0 },
                   { 4194303, 2, 2 },  { 3, 0, 0 } };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        struct waiter w = { .keys = DYNBUF_INIT(1) };
        struct ds_store_req req = { .op = DS_STORE_GET, .key = "n/a/big", .data = back,
                                    .offset = ranges[i].offset, .length = ranges[i].length };
        ck_assert_int_eq(run(&s, &req, &w), DS_OK);
        ck_assert_uint_eq(req.got, ranges[i].got);
        if (req.got)
            ck_assert(memcmp(back, data + ranges[i].offset, req.got) == 0);
    }
    struct waiter w = { .keys = DYNBUF_INIT(1) };
    struct ds_store_req head = { .op = DS_STORE_HEAD, .key = "n/a/big" };
    ck_assert_int_eq(run(&s, &head, &w), DS_OK);
    ck_assert_uint_eq(head.object_bytes, BIG);
    int64_t age = os_wall_ns() - head.mtime_ns;
    ck_assert(age > -INT64_C(5000000000) && age < INT64_C(600) * 1000000000);
    ck_assert_int_eq(put(&s, "empty", "", 0), DS_OK);
    ck_assert_int_eq(get(&s, "empty", text, sizeof text), DS_OK);
    ck_assert_str_eq(text, "");
    free(data);
    free(back);
    store_end(&s);
}
END_TEST

START_TEST(puts_replace_unless_told_not_to)
{
    struct store s;
    char text[64];
    store_start(&s);
    ck_assert_int_eq(put(&s, "k/one", "first", DS_STORE_IF_ABSENT), DS_OK);
    ck_assert_int_eq(put(&s, "k/one", "second", DS_STORE_IF_ABSENT), DS_EEXIST);
    ck_assert_int_eq(get(&s, "k/one", text, sizeof text), DS_OK);
    ck_assert_str_eq(text, "first");
    ck_assert_int_eq(put(&s, "k/one", "third, longer", 0), DS_OK);
    ck_assert_int_eq(get(&s, "k/one", text, sizeof text), DS_OK);
    ck_assert_str_eq(text, "third, longer");
    ck_assert_uint_eq(entries(s.root, "_tmp"), 0);
    ck_assert_int_eq(removed(&s, "k/one"), DS_OK);
    ck_assert_int_eq(removed(&s, "k/one"), DS_OK);
    ck_assert_int_eq(removed(&s, "k/never/was"), DS_OK);
    ck_assert_int_eq(get(&s, "k/one", text, sizeof text), DS_ENOENT);
    ck_assert_ptr_nonnull(strstr(message, "there is no object k/one"));
    ck_assert_int_eq(put(&s, "k/one", "again", DS_STORE_IF_ABSENT), DS_OK);
    ck_assert_int_eq(simple(&s, (struct ds_store_req){ .op = DS_STORE_RETAIN, .key = "k/one" }),
                     DS_ENOTSUP);
    ck_assert_int_eq(simple(&s, (struct ds_store_req){ .op = 77, .key = "k/one" }), DS_ENOTSUP);
    store_end(&s);
}
END_TEST

struct racer {
    struct store *store;
    struct thread thread;
    char text[8192];
    int status[16];
};

static void race(void *arg)
{
    struct racer *r = arg;
    for (int i = 0; i < 16; i++) {
        char key[32];
        snprintf(key, sizeof key, "race/%d/root", i);
        struct ds_iovec iov = { r->text, sizeof r->text };
        struct waiter w = { .keys = DYNBUF_INIT(1) };
        struct ds_store_req req = { .op = DS_STORE_PUT, .key = key, .iov = &iov, .n_iov = 1,
                                    .flags = DS_STORE_IF_ABSENT };
        r->status[i] = run(r->store, &req, &w);
    }
}

/* Two openings of one repository, as two processes have them, and four writers on each. */
START_TEST(one_conditional_put_of_many_wins)
{
    static struct store s, other;
    static struct racer racers[8];
    static char text[8193];
    store_start(&s);
    ck_assert_ok(store_open(&other, s.root), &last);
    for (int i = 0; i < 8; i++) {
        racers[i].store = i % 2 ? &s : &other;
        memset(racers[i].text, 'a' + i, sizeof racers[i].text);
        ck_assert(thread_start(&racers[i].thread, race, &racers[i]));
    }
    for (int i = 0; i < 8; i++)
        thread_join(&racers[i].thread);
    for (int k = 0; k < 16; k++) {
        char key[32];
        int winner = -1;
        for (int i = 0; i < 8; i++) {
            if (racers[i].status[k] == DS_EEXIST)
                continue;
            ck_assert_int_eq(racers[i].status[k], DS_OK);
            ck_assert_msg(winner < 0, "round %d: %d and %d both won", k, winner, i);
            winner = i;
        }
        ck_assert_int_ge(winner, 0);
        snprintf(key, sizeof key, "race/%d/root", k);
        ck_assert_int_eq(get(&s, key, text, sizeof text), DS_OK);
        ck_assert_uint_eq(strlen(text), 8192);
        ck_assert(memcmp(text, racers[winner].text, 8192) == 0);
    }
    ck_assert_uint_eq(entries(s.root, "_tmp"), 0);
    plugin_close(&other.instance);
    pool_free(other.settings.pool);
    store_end(&s);
}
END_TEST

/* ---- keys and listings ---- */

START_TEST(bad_keys_are_refused_and_make_nothing)
{
    static char long_key[202];
    const char *const bad[] = { "",      "/a",    "a/",   "a//b", ".",    "..",   "a/../b", "../a",
                                "a/./b", "A",     "a b",  "a_b",  "_tmp", "_tmp/x", "a\\b", "a\nb",
                                "\xc3\xa4", "c:", "a*",   long_key };
    struct store s;
    store_start(&s);
    memset(long_key, 'k', 201);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(put(&s, bad[i], "x", 0) == DS_EINVAL, "put of \"%s\"", bad[i]);
        ck_assert_msg(removed(&s, bad[i]) == DS_EINVAL, "remove of \"%s\"", bad[i]);
    }
    ck_assert_int_eq(simple(&s, (struct ds_store_req){ .op = DS_STORE_LIST, .key = "../" }),
                     DS_EINVAL);
    ck_assert_int_eq(os_kind(s.root), OS_ABSENT);
    long_key[200] = 0;
    for (size_t i = 50; i < 200; i += 50)
        long_key[i] = '/';
    const char *const good[] = { "a", "...", "..a", "a-", "-", "0/1/2.3", long_key };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_msg(put(&s, good[i], "x", 0) == DS_OK, "put of \"%s\": %s", good[i], message);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_int_eq(removed(&s, good[i]), DS_OK);
    store_end(&s);
}
END_TEST

START_TEST(listings_are_in_byte_order)
{
    static const char *const keys[] = { "n/b", "n/a/x", "n/a-b", "n/a.c", "n/a/b/c", "h", "n/a/b-",
                                        "k/1", "k/10", "k/9" };
    struct ds_error err = DS_ERROR_INIT;
    struct store s;
    char path[OS_PATH_MAX];
    store_start(&s);
    ck_assert_str_eq(list(&s, "", NULL, 0), "");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        ck_assert_int_eq(put(&s, keys[i], "x", 0), DS_OK);
    ck_assert_str_eq(list(&s, "", NULL, 0),
                     "h;k/1;k/10;k/9;n/a-b;n/a.c;n/a/b-;n/a/b/c;n/a/x;n/b;");
    ck_assert_str_eq(list(&s, "n/a", NULL, 0), "n/a-b;n/a.c;n/a/b-;n/a/b/c;n/a/x;");
    ck_assert_str_eq(list(&s, "n/a/", NULL, 0), "n/a/b-;n/a/b/c;n/a/x;");
    ck_assert_str_eq(list(&s, "k/1", NULL, 0), "k/1;k/10;");
    ck_assert_str_eq(list(&s, "nothing/", NULL, 0), "");
    ck_assert_str_eq(list(&s, "h/", NULL, 0), "");
    ck_assert_str_eq(list(&s, "", "n/a.c", 0), "n/a/b-;n/a/b/c;n/a/x;n/b;");
    ck_assert_str_eq(list(&s, "", "n/a/b", 0), "n/a/b-;n/a/b/c;n/a/x;n/b;");
    ck_assert_str_eq(list(&s, "n/", "n/a/b/c", 0), "n/a/x;n/b;");
    ck_assert_str_eq(list(&s, "", "zzz", 0), "");
    ck_assert_str_eq(list(&s, "", NULL, 3), "h;k/1;k/10;");
    /* What others put there is not ours. */
    static const char *const foreign[] = { "README.TXT", "n/Thumbs.db", "_tmp/leftover" };
    for (size_t i = 0; i < 3; i++) {
        ck_assert_ok(os_join(path, s.root, foreign[i], &err), &err);
        ck_assert_ok(os_write_file(path, "x", 1, &err), &err);
    }
    ck_assert_str_eq(list(&s, "", NULL, 0),
                     "h;k/1;k/10;k/9;n/a-b;n/a.c;n/a/b-;n/a/b/c;n/a/x;n/b;");
    store_end(&s);
}
END_TEST

START_TEST(objects_and_folders_dont_mix)
{
    struct store s;
    char text[8];
    store_start(&s);
    ck_assert_int_eq(put(&s, "a/b", "x", 0), DS_OK);
    ck_assert_int_eq(put(&s, "a/b/c", "x", 0), DS_EINVAL);
    ck_assert_ptr_nonnull(strstr(message, "an object is where its key needs a folder"));
    ck_assert_int_ne(put(&s, "a", "x", 0), DS_OK);
    ck_assert_int_eq(get(&s, "a", text, sizeof text), DS_ENOENT);
    ck_assert_int_eq(get(&s, "a/b/c", text, sizeof text), DS_ENOENT);
    ck_assert_int_eq(removed(&s, "a"), DS_OK);
    ck_assert_str_eq(list(&s, "", NULL, 0), "a/b;");
    ck_assert_uint_eq(entries(s.root, "_tmp"), 0);
    store_end(&s);
}
END_TEST

/* ---- life ---- */

START_TEST(probe_proves_and_leaves_no_trace)
{
    struct store s;
    struct ds_error err = DS_ERROR_INIT;
    store_start(&s);
    for (int round = 0; round < 2; round++) {
        struct ds_store_info info = { .size = sizeof info, .flags = DS_STORE_PROVE };
        struct ds_call call = plugin_call(&s.instance, PLUGIN_SHORT_NS, &err);
        const struct ds_store_ops *ops = s.plugin.table->ops;
        ck_assert_ok(ops->probe(s.instance.self, &info, &call), &err);
        ck_assert_uint_eq(info.caps, DS_STORE_CAP_IF_ABSENT | DS_STORE_CAP_REMOVE);
        ck_assert(info.free_bytes > 0 && info.free_bytes != UINT64_MAX);
        ck_assert_uint_ge(info.max_in_flight, 1);
        ck_assert_int_gt(info.clock_ns, 0);
        ck_assert_ptr_nonnull(strstr(info.location, "repository"));
        if (round == 0) {
            ck_assert_int_eq(os_kind(s.root), OS_ABSENT);
            ck_assert_int_eq(put(&s, "h", "x", 0), DS_OK);
        } else {
            ck_assert_uint_eq(entries(s.root, "."), 1);
        }
    }
    store_end(&s);
}
END_TEST

START_TEST(a_missing_parent_is_an_error)
{
    struct store s = { .settings = { .pool = NULL } };
    struct ds_error err = DS_ERROR_INIT;
    char path[OS_PATH_MAX];
    scratch_make(&s.scratch);
    scratch_file(&s.scratch, path, "mnt/repository");
    ck_assert_int_eq(store_open(&s, path), DS_ENOENT);
    ck_assert_ptr_nonnull(strstr(last.msg, "mounted?"));
    ck_assert_int_eq(store_open(&s, "relative/path"), DS_EINVAL);
    scratch_file(&s.scratch, path, "file");
    ck_assert_ok(os_write_file(path, "x", 1, &err), &err);
    ck_assert_int_eq(store_open(&s, path), DS_EINVAL);
    pool_free(s.settings.pool);
    scratch_free(&s.scratch);
}
END_TEST

START_TEST(cancel_and_deadline_end_requests)
{
    struct store s;
    store_start(&s);
    struct ds_iovec iov = { "x", 1 };
    ck_assert_int_eq(simple(&s, (struct ds_store_req){ .op = DS_STORE_PUT, .key = "late",
                                                       .iov = &iov, .n_iov = 1, .deadline_ns = 1 }),
                     DS_ETIMEDOUT);
    plugin_cancel(&s.instance);
    ck_assert_int_eq(put(&s, "cancelled", "x", 0), DS_ECANCELLED);
    plugin_close(&s.instance);
    ck_assert_ok(store_open(&s, s.root), &last);
    ck_assert_str_eq(list(&s, "", NULL, 0), "");
    ck_assert_uint_eq(entries(s.root, "_tmp"), 0);
    store_end(&s);
}
END_TEST

/* ---- what only a POSIX system can set up ---- */

#ifdef _WIN32
START_TEST(permissions_full_disks_and_leftovers)
{
    printf("skipped: permissions, full disks and leftovers are set up on Linux only\n");
}
END_TEST
#define SYSTEM_TESTS permissions_full_disks_and_leftovers
#else
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(no_permission_is_told)
{
    struct store s;
    store_start(&s);
    ck_assert_int_eq(put(&s, "h", "x", 0), DS_OK);
    ck_assert_int_eq(chmod(s.scratch.path, 0755), 0);
    ck_assert_int_eq(chmod(s.root, 0555), 0);
    bool root = geteuid() == 0;
    if (root)
        ck_assert_int_eq(seteuid(65534), 0);
    ck_assert_int_eq(put(&s, "new/object", "x", 0), DS_EACCES);
    ck_assert_ptr_nonnull(strstr(message, "give the user that runs disksync access"));
    if (root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(s.root, 0700), 0);
    ck_assert_str_eq(list(&s, "", NULL, 0), "h;");
    store_end(&s);
}
END_TEST

START_TEST(a_full_disk_is_told_and_leaves_nothing)
{
    struct store s;
    memset(&s, 0, sizeof s);
    scratch_make(&s.scratch);
    if (mount("none", s.scratch.path, "tmpfs", 0, "size=1m") != 0) {
        printf("skipped: a full disk needs the right to mount a tmpfs\n");
        scratch_free(&s.scratch);
        return;
    }
    char *big = malloc(2u << 20);
    memset(big, 7, 2u << 20);
    scratch_file(&s.scratch, s.root, "repository");
    ck_assert_ok(store_open(&s, s.root), &last);
    struct ds_iovec iov = { big, 2u << 20 };
    ck_assert_int_eq(put(&s, "h", "x", 0), DS_OK);
    ck_assert_int_eq(simple(&s, (struct ds_store_req){ .op = DS_STORE_PUT, .key = "n/big",
                                                       .iov = &iov, .n_iov = 1 }), DS_ENOSPC);
    ck_assert_ptr_nonnull(strstr(message, "free space there"));
    ck_assert_uint_eq(entries(s.root, "_tmp"), 0);
    ck_assert_str_eq(list(&s, "", NULL, 0), "h;");
    iov.length = 512u << 10; /* the space of the failed one is free again */
    ck_assert_int_eq(simple(&s, (struct ds_store_req){ .op = DS_STORE_PUT, .key = "n/big",
                                                       .iov = &iov, .n_iov = 1 }), DS_OK);
    free(big);
    plugin_close(&s.instance);
    ck_assert_int_eq(umount(s.scratch.path), 0);
    pool_free(s.settings.pool);
    scratch_free(&s.scratch);
}
END_TEST

/* A temporary file of that age, in days. */
static int leftover(struct store *s, char digit, int days, char *path)
{
    char name[40] = "_tmp/";
    struct ds_error err = DS_ERROR_INIT;
    memset(name + 5, digit, 32);
    name[37] = 0;
    ck_assert_ok(os_join(path, s->root, name, &err), &err);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
    int64_t at = os_wall_ns() / 1000000000 - (int64_t)days * 86400 - 60;
    struct timespec times[2] = { { at, 0 }, { at, 0 } };
    ck_assert_int_eq(futimens(fd, times), 0);
    return fd;
}

START_TEST(only_stale_leftovers_of_the_dead_are_swept)
{
    char stale[OS_PATH_MAX], fresh[OS_PATH_MAX], alive[OS_PATH_MAX], tmp[OS_PATH_MAX];
    struct ds_error err = DS_ERROR_INIT;
    struct store s;
    store_start(&s);
    ck_assert_int_eq(put(&s, "h", "x", 0), DS_OK);
    plugin_close(&s.instance);
    ck_assert_ok(os_join(tmp, s.root, "_tmp", &err), &err);
    ck_assert_ok(os_mkdirs(tmp, &err), &err);
    close(leftover(&s, '1', 1, stale));
    close(leftover(&s, '2', 0, fresh));
    int fd = leftover(&s, '3', 9, alive); /* its writer lives: it holds the lock */
    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    ck_assert_ok(store_open(&s, s.root), &last);
    ck_assert_int_eq(os_kind(stale), OS_ABSENT);
    ck_assert_int_eq(os_kind(fresh), OS_REGULAR);
    ck_assert_int_eq(os_kind(alive), OS_REGULAR);
    close(fd);
    store_end(&s);
}
END_TEST
#define SYSTEM_TESTS                                                      \
    no_permission_is_told, a_full_disk_is_told_and_leaves_nothing,        \
        only_stale_leftovers_of_the_dead_are_swept
#endif

UNIT_MAIN("transport-dir", objects_come_back_as_they_went, puts_replace_unless_told_not_to,
          one_conditional_put_of_many_wins, bad_keys_are_refused_and_make_nothing,
          listings_are_in_byte_order, objects_and_folders_dont_mix,
          probe_proves_and_leaves_no_trace, a_missing_parent_is_an_error,
          cancel_and_deadline_end_requests, SYSTEM_TESTS)
