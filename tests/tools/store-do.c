/* SPDX-License-Identifier: Apache-2.0 */
/* store-do.c - one request on the store plugin that it is linked with, so that scripts can watch
 * what it does to a folder:
 *
 *      store-do FOLDER put|new|remove KEY LETTER
 *
 * `put` replaces, `new` does not; the object is 9000 times the letter. Status 0: it was done. */
#include "core/base/thread.h"
#include "core/plugin/plugin.h"

#include <stdlib.h>

struct waiter {
    struct mutex lock;
    struct cond changed;
    bool done;
    int status;
};

static void on_done(struct ds_store_req *req, int status, const struct ds_error *err)
{
    struct waiter *w = req->user;
    if (err)
        fprintf(stderr, "store-do: %s\n", err->msg);
    mutex_lock(&w->lock);
    w->done = true;
    w->status = status;
    cond_signal(&w->changed);
    mutex_unlock(&w->lock);
}

static int run(struct plugin_instance *instance, struct ds_store_req *req)
{
    const struct ds_store_ops *ops = instance->plugin->table->ops;
    struct waiter w = { .done = false };
    if (!mutex_init(&w.lock) || !cond_init(&w.changed))
        return DS_ENOMEM;
    req->user = &w;
    int rc = ops->submit(instance->self, req);
    if (rc)
        return rc;
    mutex_lock(&w.lock);
    while (!w.done)
        cond_wait(&w.changed, &w.lock);
    mutex_unlock(&w.lock);
    cond_destroy(&w.changed);
    mutex_destroy(&w.lock);
    return w.status;
}

int main(int argc, char **argv)
{
    struct ds_error err = DS_ERROR_INIT;
    struct plugin plugin = { .table = ds_plugin_v1(), .loaded = true };
    struct host_settings settings = { .pool = pool_new(4) };
    struct plugin_instance instance;
    char data[9000];
    if (argc != 5 || !settings.pool)
        return 2;
    struct ds_kv kv[] = { { "path", argv[1] } };
    struct ds_iovec iov[] = { { data, 5000 }, { data, 4000 } };
    struct ds_store_req req = { .size = sizeof req, .key = argv[3], .iov = iov, .n_iov = 2,
                                .done = on_done };
    req.op = strcmp(argv[2], "remove") == 0 ? DS_STORE_REMOVE : DS_STORE_PUT;
    req.flags = strcmp(argv[2], "new") == 0 ? DS_STORE_IF_ABSENT : 0;
    memset(data, argv[4][0], sizeof data);
    if (plugin_open(&instance, &plugin, &settings, kv, 1, &err)) {
        fprintf(stderr, "store-do: %s\n", err.msg);
        return 1;
    }
    int rc = run(&instance, &req);
    plugin_close(&instance);
    pool_free(settings.pool);
    return rc ? 1 : 0;
}
