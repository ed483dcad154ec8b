/* SPDX-License-Identifier: Apache-2.0 */
/* test-host.c - the services that a plugin gets: durable records with checksums, tasks, aligned
 * buffers, cancellation, deadlines, secrets by reference, network settings; and the life of an
 * instance. The plugin is a table in this program. */
#include "tests/base/scratch.h"
#include "tests/unit.h"

#include "core/base/thread.h"
#include "core/plugin/plugin.h"

/* NULL removes it. */
#ifdef _WIN32
static void set_variable(const char *name, const char *value)
{
    SetEnvironmentVariableA(name, value);
    char text[200];
    snprintf(text, sizeof text, "%s=%s", name, value ? value : "");
    _putenv(text);
}
#else
static void set_variable(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}
#endif

/* ---- a plugin that does nothing but keep its host ---- */

struct fake {
    const struct ds_host *host;
    unsigned cancels;
};
static struct fake fake;
static unsigned opened, closed;

static int fake_check(const struct ds_kv *kv, size_t n, struct ds_call *call)
{
    if (strcmp(ds_kv_get(kv, n, "check", ""), "no") == 0)
        return ds_fail(call->err, DS_EINVAL, "check said no");
    return DS_OK;
}

static int fake_open(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                     struct ds_call *call)
{
    opened++;
    fake = (struct fake){ host, 0 };
    *self = &fake;
    if (strcmp(ds_kv_get(kv, n, "open", ""), "no") == 0)
        return ds_fail(call->err, DS_EBUSY, "open said no");
    return DS_OK;
}

static void fake_close(void *self)
{
    ck_assert_ptr_eq(self, &fake);
    closed++;
}

static void fake_cancel(void *self)
{
    ((struct fake *)self)->cancels++;
}

static const struct ds_plugin table = {
    .size = sizeof table, .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR), .kind = DS_KIND_STORE,
    .name = "store-fake", .version = "1", .summary = "s", .check = fake_check, .open = fake_open,
    .close = fake_close, .cancel = fake_cancel,
};
static const struct plugin plugin = { .table = &table, .loaded = true };

struct world {
    struct scratch scratch;
    volatile int interrupted;
    uint64_t done, total;
    struct host_settings settings;
    struct plugin_instance instance;
};

static void on_progress(void *ud, uint64_t done, uint64_t total)
{
    struct world *w = ud;
    w->done = done;
    w->total = total;
}

static const struct ds_host *world_open(struct world *w)
{
    struct ds_error err = DS_ERROR_INIT;
    memset(w, 0, sizeof *w);
    scratch_make(&w->scratch);
    w->settings = (struct host_settings){ w->scratch.path, pool_new(4), &w->interrupted,
                                          on_progress, w };
    ck_assert_ok(plugin_open(&w->instance, &plugin, &w->settings, NULL, 0, &err), &err);
    return fake.host;
}

static void world_close(struct world *w)
{
    plugin_close(&w->instance);
    pool_free(w->settings.pool);
    scratch_free(&w->scratch);
}

/* ---- records ---- */

struct bytes {
    char data[4096];
    size_t len;
    unsigned calls;
};

static int take(void *ud, const void *data, size_t len)
{
    struct bytes *b = ud;
    ck_assert_uint_le(len, sizeof b->data);
    memcpy(b->data, data, len);
    b->len = len;
    b->calls++;
    return 0;
}

START_TEST(records_are_kept_replaced_and_removed)
{
    struct world w;
    const struct ds_host *host = world_open(&w);
    struct ds_error err = DS_ERROR_INIT;
    struct bytes got = { .len = 0 };
    ck_assert_int_eq(host->state_get(host->ctx, "a", take, &got, &err), DS_ENOENT);
    ck_assert_ok(host->state_put(host->ctx, "a", "one", 3, &err), &err);
    ck_assert_ok(host->state_put(host->ctx, "b", "", 0, &err), &err);
    ck_assert_ok(host->state_get(host->ctx, "a", take, &got, &err), &err);
    ck_assert(got.len == 3 && memcmp(got.data, "one", 3) == 0);
    ck_assert_ok(host->state_put(host->ctx, "a", "second", 6, &err), &err);
    ck_assert_ok(host->state_get(host->ctx, "a", take, &got, &err), &err);
    ck_assert(got.len == 6 && memcmp(got.data, "second", 6) == 0);
    ck_assert_ok(host->state_get(host->ctx, "b", take, &got, &err), &err);
    ck_assert_uint_eq(got.len, 0);
    got.calls = 0;
    ck_assert_ok(host->state_put(host->ctx, "a", NULL, 0, &err), &err);
    ck_assert_ok(host->state_put(host->ctx, "a", NULL, 0, &err), &err);
    ck_assert_int_eq(host->state_get(host->ctx, "a", take, &got, &err), DS_ENOENT);
    ck_assert_uint_eq(got.calls, 0);
    world_close(&w);
}
END_TEST

START_TEST(records_outlive_the_instance)
{
    struct world w;
    const struct ds_host *host = world_open(&w);
    struct ds_error err = DS_ERROR_INIT;
    struct bytes got = { .len = 0 };
    ck_assert_ok(host->state_put(host->ctx, "kept", "x", 1, &err), &err);
    plugin_close(&w.instance);
    ck_assert_ok(plugin_open(&w.instance, &plugin, &w.settings, NULL, 0, &err), &err);
    host = fake.host;
    ck_assert_ok(host->state_get(host->ctx, "kept", take, &got, &err), &err);
    world_close(&w);
}
END_TEST

START_TEST(bad_names_and_sizes_of_records_are_refused)
{
    static const char *const bad[] = {
        "", "A", "a/b", "..", "a.b", "a_b",
        "a1234567890123456789012345678901234567890123456789012345678901234"
    };
    struct world w;
    const struct ds_host *host = world_open(&w);
    struct ds_error err = DS_ERROR_INIT;
    struct bytes got = { .len = 0 };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(host->state_put(host->ctx, bad[i], "x", 1, &err), DS_EINVAL);
        ck_assert_int_eq(host->state_get(host->ctx, bad[i], take, &got, &err), DS_EINVAL);
    }
    char *large = calloc(1, (1u << 20) + 1);
    ck_assert_int_eq(host->state_put(host->ctx, "a", large, (1u << 20) + 1, &err), DS_EINVAL);
    ck_assert_ok(host->state_put(host->ctx, "a", large, 1u << 20, &err), &err);
    free(large);
    world_close(&w);
}
END_TEST

/* Each byte of a record matters: with any one bit turned it is not believed. */
START_TEST(damaged_records_are_noticed)
{
    struct world w;
    const struct ds_host *host = world_open(&w);
    struct ds_error err = DS_ERROR_INIT;
    struct bytes got = { .len = 0 };
    char folder[OS_PATH_MAX], path[OS_PATH_MAX];
    void *data;
    size_t len;
    ck_assert_ok(host->state_put(host->ctx, "r", "payload", 7, &err), &err);
    ck_assert_ok(os_join(folder, w.scratch.path, "plugin-store-fake", &err), &err);
    ck_assert_ok(os_join(path, folder, "r.state", &err), &err);
    ck_assert_ok(os_read_file(path, 4096, &data, &len, &err), &err);
    for (size_t i = 0; i < len; i++) {
        ((char *)data)[i] ^= 1;
        ck_assert_ok(os_write_file(path, data, len, &err), &err);
        int rc = host->state_get(host->ctx, "r", take, &got, &err);
        ck_assert_msg(rc == DS_EDAMAGED || (i >= 8 && i < 12 && rc == DS_EVERSION),
                      "byte %zu: %d", i, rc);
        ((char *)data)[i] ^= 1;
    }
    for (size_t n = 0; n < len; n++) {
        ck_assert_ok(os_write_file(path, data, n, &err), &err);
        ck_assert_int_eq(host->state_get(host->ctx, "r", take, &got, &err), DS_EDAMAGED);
    }
    ck_assert_uint_eq(got.calls, 0);
    free(data);
    world_close(&w);
}
END_TEST

struct writer {
    const struct ds_host *host;
    char letter;
};

static void write_often(void *arg)
{
    const struct writer *writer = arg;
    struct ds_error err = DS_ERROR_INIT;
    char data[512];
    memset(data, writer->letter, sizeof data);
    for (int i = 0; i < 10; i++)
        ck_assert_ok(writer->host->state_put(writer->host->ctx, "r", data, sizeof data, &err),
                     &err);
}

START_TEST(writers_of_one_record_leave_a_whole_one)
{
    struct world w;
    const struct ds_host *host = world_open(&w);
    struct writer writers[] = { { host, 'a' }, { host, 'b' }, { host, 'c' }, { host, 'd' } };
    struct ds_error err = DS_ERROR_INIT;
    struct bytes got = { .len = 0 };
    ck_assert_ok(host->state_put(host->ctx, "r", "", 0, &err), &err);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(host->task(host->ctx, write_often, &writers[i]), DS_OK);
    for (int i = 0; i < 50; i++) {
        ck_assert_ok(host->state_get(host->ctx, "r", take, &got, &err), &err);
        for (size_t k = 1; k < got.len; k++)
            ck_assert_int_eq(got.data[k], got.data[0]);
    }
    pool_drain(w.settings.pool);
    world_close(&w);
}
END_TEST

/* ---- tasks, buffers, clocks ---- */

struct counter {
    struct mutex lock;
    struct cond changed;
    unsigned n;
};

static void count(void *arg)
{
    struct counter *c = arg;
    mutex_lock(&c->lock);
    c->n++;
    cond_signal(&c->changed);
    mutex_unlock(&c->lock);
}

START_TEST(tasks_run)
{
    struct world w;
    const struct ds_host *host = world_open(&w);
    struct counter c = { .n = 0 };
    ck_assert(mutex_init(&c.lock) && cond_init(&c.changed));
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(host->task(host->ctx, count, &c), DS_OK);
    mutex_lock(&c.lock);
    while (c.n < 100)
        cond_wait(&c.changed, &c.lock);
    mutex_unlock(&c.lock);
    pool_drain(w.settings.pool);
    cond_destroy(&c.changed);
    mutex_destroy(&c.lock);
    world_close(&w);
}
END_TEST

START_TEST(buffers_are_aligned_and_whole)
{
    static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 65536, 1000003 };
    enum { N = sizeof sizes / sizeof sizes[0] };
    void *buffers[N];
    struct world w;
    const struct ds_host *host = world_open(&w);
    for (size_t i = 0; i < N; i++) {
        buffers[i] = host->buffer_get(host->ctx, sizes[i]);
        ck_assert_ptr_nonnull(buffers[i]);
        ck_assert_uint_eq((uintptr_t)buffers[i] % 4096, 0);
        memset(buffers[i], (int)i, sizes[i]);
    }
    ck_assert_ptr_null(host->buffer_get(host->ctx, SIZE_MAX - 10));
    for (size_t i = 0; i < N; i++)
        host->buffer_put(host->ctx, buffers[i]);
    host->buffer_put(host->ctx, NULL);
    world_close(&w);
}
END_TEST

START_TEST(clocks_and_random_numbers_work)
{
    struct world w;
    const struct ds_host *host = world_open(&w);
    uint8_t a[32] = { 0 }, b[32] = { 0 };
    uint64_t before = host->now_mono(host->ctx);
    ck_assert_int_gt(host->now_wall(host->ctx), INT64_C(1600000000) * 1000000000);
    ck_assert_uint_ge(host->now_mono(host->ctx), before);
    ck_assert_int_eq(host->random(host->ctx, a, sizeof a), DS_OK);
    ck_assert_int_eq(host->random(host->ctx, b, sizeof b), DS_OK);
    ck_assert(memcmp(a, b, sizeof a) != 0);
    world_close(&w);
}
END_TEST

/* ---- calls ---- */

START_TEST(calls_carry_deadline_cancellation_and_progress)
{
    struct world w;
    const struct ds_host *host = world_open(&w);
    struct ds_error err = DS_ERROR_INIT;
    ds_fail(&err, DS_EIO, "an old error");
    struct ds_call a = plugin_call(&w.instance, PLUGIN_SHORT_NS, &err);
    struct ds_call b = plugin_call(&w.instance, PLUGIN_SHORT_NS, &err);
    ck_assert_int_eq(err.code, DS_OK);
    ck_assert_uint_ne(a.id, b.id);
    ck_assert_ptr_eq(a.host, host);
    uint64_t left = a.deadline_ns - host->now_mono(host->ctx);
    ck_assert(left > PLUGIN_SHORT_NS / 2 && left <= PLUGIN_SHORT_NS);
    ck_assert_int_eq(host->cancelled(&a), 0);
    w.interrupted = 1;
    ck_assert_int_ne(host->cancelled(&a), 0);
    host->progress(&a, 3, 10);
    ck_assert(w.done == 3 && w.total == 10);
    plugin_cancel(&w.instance);
    ck_assert_uint_eq(fake.cancels, 1);
    world_close(&w);
}
END_TEST

START_TEST(failed_opens_are_closed_and_say_why)
{
    static const struct ds_kv refuse[] = { { "check", "no" } }, fail[] = { { "open", "no" } };
    struct host_settings settings = { .state_folder = NULL };
    struct plugin_instance instance;
    struct ds_error err = DS_ERROR_INIT;
    opened = closed = 0;
    ck_assert_int_eq(plugin_open(&instance, &plugin, &settings, refuse, 1, &err), DS_EINVAL);
    ck_assert_str_eq(err.msg, "store-fake: check said no");
    ck_assert(opened == 0 && closed == 0);
    ck_assert_int_eq(plugin_open(&instance, &plugin, &settings, fail, 1, &err), DS_EBUSY);
    ck_assert_str_eq(err.msg, "store-fake: open said no");
    ck_assert(opened == 1 && closed == 1);
    plugin_close(&instance);
    ck_assert_uint_eq(closed, 1);
    struct plugin refused = { .table = &table, .loaded = false, .verdict = "because" };
    ck_assert_int_eq(plugin_open(&instance, &refused, &settings, NULL, 0, &err), DS_EPLUGIN);
    ck_assert_ptr_nonnull(strstr(err.msg, "because"));
    plugin_close(&instance);
}
END_TEST

/* ---- secrets and network ---- */

static int take_secret(void *ud, const char *secret, size_t len)
{
    return take(ud, secret, len);
}

START_TEST(secrets_are_given_for_a_call)
{
    struct world w;
    const struct ds_host *host = world_open(&w);
    struct ds_error err = DS_ERROR_INIT;
    struct bytes got = { .len = 0 };
    char path[OS_PATH_MAX], ref[OS_PATH_MAX + 8];
    scratch_file(&w.scratch, path, "secret");
    ck_assert_ok(os_write_file(path, "hush\n", 5, &err), &err);
    snprintf(ref, sizeof ref, "file:%s", path);
    ck_assert_ok(host->secret(host->ctx, ref, take_secret, &got, &err), &err);
    ck_assert(got.len == 4 && memcmp(got.data, "hush", 4) == 0);
    scratch_file(&w.scratch, path, "absent");
    snprintf(ref, sizeof ref, "file:%s", path);
    ck_assert_int_eq(host->secret(host->ctx, ref, take_secret, &got, &err), DS_ENOENT);
    ck_assert_uint_eq(got.calls, 1);
    world_close(&w);
}
END_TEST

/* ---- network settings: kept in one text ---- */

static int tell(void *ud, const char *key, const char *value)
{
    char *text = ud;
    size_t n = strlen(text);
    snprintf(text + n, 400 - n, "%s=%s;", key, value);
    return 0;
}

static int stop(void *ud, const char *key, const char *value)
{
    (void)ud, (void)key, (void)value;
    return 7;
}

START_TEST(network_settings_come_from_the_environment)
{
    static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY",
                                         "all_proxy",   "no_proxy",    "NO_PROXY",
                                         "SSL_CERT_FILE" };
    struct world w;
    const struct ds_host *host = world_open(&w);
    char text[400] = "";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        set_variable(names[i], NULL);
    ck_assert_int_eq(host->net(host->ctx, "https://s3.example.org/", tell, text), 0);
    ck_assert_str_eq(text, "");
    set_variable("https_proxy", "http://secure.example:1");
    set_variable("http_proxy", "http://plain.example:2");
    set_variable("no_proxy", "localhost");
    set_variable("SSL_CERT_FILE", "ca.pem");
    ck_assert_int_eq(host->net(host->ctx, "https://s3.example.org/", tell, text), 0);
    ck_assert_str_eq(text, "proxy=http://secure.example:1;no_proxy=localhost;ca_file=ca.pem;");
    text[0] = 0;
    ck_assert_int_eq(host->net(host->ctx, "http://s3.example.org/", tell, text), 0);
    ck_assert_str_eq(text, "proxy=http://plain.example:2;no_proxy=localhost;ca_file=ca.pem;");
    ck_assert_int_eq(host->net(host->ctx, "http://s3.example.org/", stop, text), 7);
    world_close(&w);
}
END_TEST

UNIT_MAIN("host", records_are_kept_replaced_and_removed, records_outlive_the_instance,
          bad_names_and_sizes_of_records_are_refused, damaged_records_are_noticed,
          writers_of_one_record_leave_a_whole_one, tasks_run, buffers_are_aligned_and_whole,
          clocks_and_random_numbers_work, calls_carry_deadline_cancellation_and_progress,
          failed_opens_are_closed_and_say_why, secrets_are_given_for_a_call,
          network_settings_come_from_the_environment)
