/* SPDX-License-Identifier: Apache-2.0 */
/* plugin.c - policy_check_plugin: a plugin's section by the plugin's own option table, with the
 * checker that reads core's sections. The plugin's check() is for rules across options; it gets a
 * host whose services do nothing but log, since nothing is open yet. */
#include "core/base/log.h"
#include "core/base/os.h"
#include "core/policy/document.h"
#include "core/policy/policy.h"

#include <stdlib.h>

/* ---- a host for check() ---- */

static void host_log(void *ctx, int32_t level, const char *event, const char *text,
                     const struct ds_kv *kv, size_t n)
{
    (void)ctx;
    log_event(level, event, text, kv, n);
}

static int host_cancelled(const struct ds_call *call)
{
    (void)call;
    return 0;
}

static void host_progress(const struct ds_call *call, uint64_t done, uint64_t total)
{
    (void)call, (void)done, (void)total;
}

static int host_secret(void *ctx, const char *ref,
                       int (*use)(void *ud, const char *secret, size_t len), void *ud,
                       struct ds_error *err)
{
    (void)ctx, (void)ref, (void)use, (void)ud;
    return ds_fail(err, DS_ENOTSUP, "no secret is read while options are checked");
}

static int host_net(void *ctx, const char *url, ds_kv_fn *fn, void *ud)
{
    (void)ctx, (void)url, (void)fn, (void)ud;
    return DS_ENOTSUP;
}

static int host_state_put(void *ctx, const char *name, const void *data, size_t len,
                          struct ds_error *err)
{
    (void)ctx, (void)name, (void)data, (void)len;
    return ds_fail(err, DS_ENOTSUP, "no record is kept while options are checked");
}

static int host_state_get(void *ctx, const char *name,
                          int (*use)(void *ud, const void *data, size_t len), void *ud,
                          struct ds_error *err)
{
    (void)ctx, (void)name, (void)use, (void)ud;
    return ds_fail(err, DS_ENOTSUP, "no record is read while options are checked");
}

static int host_task(void *ctx, void (*fn)(void *arg), void *arg)
{
    (void)ctx, (void)fn, (void)arg;
    return DS_ENOTSUP;
}

static void *host_buffer_get(void *ctx, size_t len)
{
    (void)ctx, (void)len;
    return NULL;
}

static void host_buffer_put(void *ctx, void *buffer)
{
    (void)ctx, (void)buffer;
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
    (void)ctx;
    return os_random(out, len, NULL) ? DS_EIO : DS_OK;
}

static const struct ds_host check_host = {
    .size = sizeof check_host,
    .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),
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

/* ---- the check ---- */

static int ask_plugin(const struct policy_source *src, const struct policy_node *at,
                      const char *section, const struct ds_plugin *plugin,
                      const struct value_list *values)
{
    struct ds_error err = DS_ERROR_INIT;
    struct ds_call call = { .size = sizeof call, .host = &check_host, .err = &err };
    if (!DS_HAS(ds_plugin, plugin, check))
        return DS_OK;
    int rc = plugin->check(values->kv, values->n, &call);
    if (rc == DS_ENOMEM)
        return node_no_memory(src);
    if (rc)
        return node_fail(src, at, "%s: %s", section,
                         err.msg[0] ? err.msg : "the plugin refuses these options");
    return DS_OK;
}

static int keep_result(const struct policy_source *src, struct policy_document *document,
                       const struct policy_checked *found)
{
    size_t i = 0;
    while (i < document->n_checked && strcmp(document->checked[i].section, found->section) != 0)
        i++;
    if (i == sizeof document->checked / sizeof document->checked[0])
        return node_fail(src, NULL, "%s is no plugin section", found->section);
    document->checked[i] = *found;
    if (i == document->n_checked)
        document->n_checked++;
    return DS_OK;
}

int policy_check_plugin(struct policy *policy, const struct policy_plugin *section,
                        const char *section_name, const struct ds_plugin *plugin,
                        const struct ds_kv **kv, size_t *n, struct ds_error *err)
{
    struct policy_document *document = policy->document;
    const struct schema_section *schema = schema_section(section_name);
    struct policy_source src = { document->name, policy->folder, &document->arena, err };
    struct value_list values = { 0 };
    *kv = NULL;
    *n = 0;
    if (!schema || !schema->plugin)
        return ds_fail(err, DS_EINVAL, "%s is no plugin section of a policy", section_name);
    if (plugin->n_options && (!plugin->options || !plugin->option_size))
        return ds_fail(err, DS_EPLUGIN, "the plugin %s has no option table of known size",
                       plugin->name);
    struct check check = { .src = &src,
                           .section = schema->name,
                           .table = { plugin->options, plugin->n_options, plugin->option_size,
                                      false },
                           .others = option_table_core(schema),
                           .complete = true };
    int rc = check_mapping(&check, section->node, &values);
    if (!rc)
        rc = ask_plugin(&src, section->node, schema->name, plugin, &values);
    if (!rc)
        rc = keep_result(&src, document,
                         &(struct policy_checked){ schema->name, plugin, values.kv, values.n });
    if (rc)
        return rc;
    *kv = values.kv;
    *n = values.n;
    return DS_OK;
}
