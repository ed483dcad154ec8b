/* SPDX-License-Identifier: Apache-2.0 */
/* host.c - the services that core gives to one opened plugin (struct ds_host), and its life: open,
 * call frames, close. The context outlives every call of its plugin. Any thread of the plugin may
 * call a service; context->lock keeps two writers of one record apart, the rest is constant or
 * atomic. */
#include "core/plugin/plugin.h"

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/base/thread.h"
#include "core/policy/policy.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_ALIGN 4096u

struct host_context {
    struct ds_host host; /* here, not in the instance: it must not move */
    const char *name; /* of the plugin */
    struct host_settings settings;
    char state[OS_PATH_MAX]; /* its own folder */
    struct mutex lock;       /* one state record is written at a time */
    atomic_uint buffers;     /* handed out */
};

/* ---- log, progress, cancellation ---- */

static void host_log(void *ctx, int32_t level, const char *event, const char *text,
                     const struct ds_kv *kv, size_t n)
{
    const struct host_context *context = ctx;
    char line[1024];
    if (level < DS_LOG_DEBUG)
        level = DS_LOG_DEBUG;
    if (level > DS_LOG_ERROR)
        level = DS_LOG_ERROR;
    snprintf(line, sizeof line, "%s: %s", context->name, text ? text : "");
    log_event(level, event ? event : "plugin", line, kv, kv ? n : 0);
}

static int host_cancelled(const struct ds_call *call)
{
    const struct host_context *context = call->host->ctx;
    return context->settings.interrupted && *context->settings.interrupted;
}

static void host_progress(const struct ds_call *call, uint64_t done, uint64_t total)
{
    const struct host_context *context = call->host->ctx;
    if (context->settings.progress)
        context->settings.progress(context->settings.ud, done, total);
}

/* ---- secrets and network settings ---- */

static int host_secret(void *ctx, const char *ref,
                       int (*use)(void *ud, const char *secret, size_t len), void *ud,
                       struct ds_error *err)
{
    (void)ctx;
    return policy_secret(ref, use, ud, err);
}

static int tell_env(const char *variable, const char *key, ds_kv_fn *fn, void *ud, bool *told)
{
    char value[2048];
    if (*told || !os_env(value, sizeof value, variable) || !value[0])
        return 0;
    *told = true;
    return fn(ud, key, value);
}

/* The variables that network clients agree on. HTTP_PROXY in capitals is left out as they do: a web
 * server sets it from a request's header. */
static int host_net(void *ctx, const char *url, ds_kv_fn *fn, void *ud)
{
    bool secure = strncmp(url, "https:", 6) == 0, proxy = false, no_proxy = false, ca_file = false;
    int rc = 0;
    (void)ctx;
    if (secure) {
        rc = tell_env("https_proxy", "proxy", fn, ud, &proxy);
        if (!rc)
            rc = tell_env("HTTPS_PROXY", "proxy", fn, ud, &proxy);
    } else {
        rc = tell_env("http_proxy", "proxy", fn, ud, &proxy);
    }
    if (!rc)
        rc = tell_env("all_proxy", "proxy", fn, ud, &proxy);
    if (!rc)
        rc = tell_env("no_proxy", "no_proxy", fn, ud, &no_proxy);
    if (!rc)
        rc = tell_env("NO_PROXY", "no_proxy", fn, ud, &no_proxy);
    if (!rc)
        rc = tell_env("SSL_CERT_FILE", "ca_file", fn, ud, &ca_file);
    return rc;
}

/* ---- records ---- */

static int host_state_put(void *ctx, const char *name, const void *data, size_t len,
                          struct ds_error *err)
{
    struct host_context *context = ctx;
    if (!context->state[0])
        return ds_fail(err, DS_ENOTSUP, "%s keeps no state in this command", context->name);
    mutex_lock(&context->lock);
    int rc = state_put(context->state, name, data, len, err);
    mutex_unlock(&context->lock);
    return rc;
}

static int host_state_get(void *ctx, const char *name,
                          int (*use)(void *ud, const void *data, size_t len), void *ud,
                          struct ds_error *err)
{
    struct host_context *context = ctx;
    void *data;
    size_t len;
    if (!context->state[0])
        return ds_fail(err, DS_ENOENT, "%s keeps no state in this command", context->name);
    mutex_lock(&context->lock);
    int rc = state_get(context->state, name, &data, &len, err);
    mutex_unlock(&context->lock);
    if (rc)
        return rc;
    rc = use(ud, data, len);
    free(data);
    return rc;
}

/* ---- tasks, buffers, clocks, randomness ---- */

static int host_task(void *ctx, void (*fn)(void *arg), void *arg)
{
    struct host_context *context = ctx;
    if (!context->settings.pool)
        return DS_ENOTSUP;
    return pool_run(context->settings.pool, fn, arg) ? DS_OK : DS_ENOMEM;
}

/* The pointer that malloc gave stands right before the aligned one. */
static void *host_buffer_get(void *ctx, size_t len)
{
    struct host_context *context = ctx;
    if (len > SIZE_MAX - BUFFER_ALIGN - sizeof(void *))
        return NULL;
    char *raw = malloc(len + BUFFER_ALIGN + sizeof(void *));
    if (!raw)
        return NULL;
    uintptr_t start = (uintptr_t)raw + sizeof(void *);
    size_t pad = (BUFFER_ALIGN - start % BUFFER_ALIGN) % BUFFER_ALIGN;
    char *buffer = raw + sizeof(void *) + pad;
    memcpy(buffer - sizeof raw, &raw, sizeof raw);
    atomic_fetch_add(&context->buffers, 1);
    return buffer;
}

static void host_buffer_put(void *ctx, void *buffer)
{
    struct host_context *context = ctx;
    void *raw;
    if (!buffer)
        return;
    memcpy(&raw, (char *)buffer - sizeof raw, sizeof raw);
    atomic_fetch_sub(&context->buffers, 1);
    free(raw);
}

static int64_t host_now_wall(void *ctx)
{
    (void)ctx;
    return os_wall_ns();
}

static uint64_t host_now_mono(void *ctx)
{
    (void)ctx;
    return os_mono_ns();
}

static int host_random(void *ctx, void *out, size_t len)
{
    struct ds_error err = DS_ERROR_INIT;
    (void)ctx;
    return os_random(out, len, &err) ? DS_EIO : DS_OK;
}

/* ---- life of an instance ---- */

static struct ds_host host_of(struct host_context *context)
{
    return (struct ds_host){
        .size = sizeof(struct ds_host),
        .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),
        .ctx = context,
        .log = host_log,
        .cancelled = host_cancelled,
        .progress = host_progress,
        .secret = host_secret,
        .net = host_net,
        .state_put = host_state_put,
        .state_get = host_state_get,
        .task = host_task,
        .buffer_get = host_buffer_get,
        .buffer_put = host_buffer_put,
        .now_wall = host_now_wall,
        .now_mono = host_now_mono,
        .random = host_random,
    };
}

static int context_new(struct host_context **out, const struct plugin *plugin,
                       const struct host_settings *settings, struct ds_error *err)
{
    char folder[64];
    struct host_context *context = calloc(1, sizeof *context);
    if (!context || !mutex_init(&context->lock)) {
        free(context);
        return ds_fail(err, DS_ENOMEM, "no memory to open the plugin %s", plugin->table->name);
    }
    context->name = plugin->table->name;
    context->settings = *settings;
    atomic_init(&context->buffers, 0);
    *out = context;
    snprintf(folder, sizeof folder, "plugin-%s", context->name);
    return settings->state_folder ? os_join(context->state, settings->state_folder, folder, err)
                                  : DS_OK;
}

static void context_free(struct host_context *context)
{
    if (!context)
        return;
    if (atomic_load(&context->buffers))
        log_printf(DS_LOG_WARNING, "plugin.buffers", "%s kept %u buffers beyond close",
                   context->name, atomic_load(&context->buffers));
    mutex_destroy(&context->lock);
    free(context);
}

int plugin_open(struct plugin_instance *instance, const struct plugin *plugin,
                const struct host_settings *settings, const struct ds_kv *kv, size_t n,
                struct ds_error *err)
{
    memset(instance, 0, sizeof *instance);
    if (!plugin->loaded)
        return ds_fail(err, DS_EPLUGIN, "the plugin was refused: %s", plugin->verdict);
    instance->plugin = plugin;
    int rc = context_new(&instance->context, plugin, settings, err);
    if (!rc) {
        instance->context->host = instance->host = host_of(instance->context);
        struct ds_call call = plugin_call(instance, PLUGIN_SHORT_NS, err);
        if (plugin->table->check)
            rc = plugin->table->check(kv, n, &call);
        if (!rc)
            rc = plugin->table->open(&instance->context->host, kv, n, &instance->self, &call);
        plugin_failed(instance, rc, err);
    }
    if (rc)
        plugin_close(instance);
    return rc;
}

void plugin_close(struct plugin_instance *instance)
{
    if (instance->self)
        instance->plugin->table->close(instance->self);
    context_free(instance->context);
    instance->self = NULL;
    instance->context = NULL;
    instance->plugin = NULL;
}

void plugin_cancel(struct plugin_instance *instance)
{
    if (instance->self && instance->plugin->table->cancel)
        instance->plugin->table->cancel(instance->self);
}

int plugin_failed(const struct plugin_instance *instance, int rc, struct ds_error *err)
{
    const char *name = instance->plugin->table->name;
    char said[sizeof err->msg];
    if (!rc || strstr(err->msg, name))
        return rc;
    text_copy(said, sizeof said, err->msg);
    snprintf(err->msg, sizeof err->msg, "%s: %.*s", name, (int)(sizeof said - 100), said);
    return rc;
}

struct ds_call plugin_call(struct plugin_instance *instance, uint64_t limit_ns,
                           struct ds_error *err)
{
    static atomic_uint_fast64_t last_id;
    struct ds_error clear = DS_ERROR_INIT;
    *err = clear;
    return (struct ds_call){
        .size = sizeof(struct ds_call),
        .deadline_ns = os_mono_ns() + limit_ns,
        .id = atomic_fetch_add(&last_id, 1) + 1,
        .host = &instance->context->host,
        .err = err,
    };
}
