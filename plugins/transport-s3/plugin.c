/* SPDX-License-Identifier: Apache-2.0 */
/* plugin.c - the plugin's table: what core calls, and which of ours answers. */
#include "s3.h"

static int plugin_check(const struct ds_kv *kv, size_t n, struct ds_call *call)
{
    struct settings settings;
    int rc = settings_read(&settings, kv, n, call->err);
    if (!rc)
        settings_free(&settings);
    return rc;
}

static int plugin_open(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                       struct ds_call *call)
{
    struct settings settings;
    struct s3 *s3 = NULL;
    int rc = settings_read(&settings, kv, n, call->err);
    if (rc)
        return rc;
    rc = s3_open(&s3, host, &settings, call->err);
    *self = s3;
    if (!rc && !s3->settings.verify)
        host->log(host->ctx, DS_LOG_WARNING, "s3.verify",
                  "the store's certificate is not checked: anyone on the way can answer in its "
                  "name", NULL, 0);
    return rc;
}

static void plugin_close(void *self)
{
    s3_close(self);
}

static void plugin_cancel(void *self)
{
    s3_cancel(self);
}

static int plugin_probe(void *self, struct ds_store_info *info, struct ds_call *call)
{
    return probe_run(self, info, call);
}

static int plugin_submit(void *self, struct ds_store_req *req)
{
    return s3_submit(self, req);
}

static int plugin_run(void *self, uint32_t timeout_ms)
{
    return s3_run(self, timeout_ms);
}

static void plugin_wake(void *self)
{
    s3_wake(self);
}

static const struct ds_store_ops ops = {
    .size = sizeof ops,
    .probe = plugin_probe,
    .submit = plugin_submit,
    .run = plugin_run,
    .wake = plugin_wake,
};

static const struct ds_plugin plugin = {
    .size = sizeof plugin,
    .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),
    .kind = DS_KIND_STORE,
    .threads = DS_THREADS_SERIAL,
    .name = "transport-s3",
    .version = "0.1.0",
    .summary = "keeps objects in a bucket of an S3 service",
    .options = settings_options,
    .n_options = SETTINGS_OPTIONS,
    .option_size = sizeof settings_options[0],
    .check = plugin_check,
    .open = plugin_open,
    .close = plugin_close,
    .cancel = plugin_cancel,
    .ops = &ops,
};

const struct ds_plugin *ds_plugin_v1(void)
{
    return &plugin;
}
