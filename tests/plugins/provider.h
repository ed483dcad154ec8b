/* SPDX-License-Identifier: Apache-2.0 */
/* provider.h - a snapshot provider as its tests use it: opened on a scratch folder, a disk made of
 * a path, and what its views and facts say. */
#ifndef TESTS_PLUGINS_PROVIDER_H
#define TESTS_PLUGINS_PROVIDER_H

#include "tests/base/scratch.h"
#include "tests/unit.h"

#include "core/plugin/plugin.h"

struct provider {
    struct scratch scratch; /* its state too */
    struct plugin plugin;
    struct host_settings settings;
    struct plugin_instance instance;
    struct ds_call call;
    struct ds_error err;
};

static inline const struct ds_snapshot_ops *provider_ops(const struct provider *p)
{
    return p->plugin.table->ops;
}

static inline void provider_open(struct provider *p, const struct ds_kv *kv, size_t n)
{
    p->plugin = (struct plugin){ .table = ds_plugin_v1(), .loaded = true };
    p->settings = (struct host_settings){ .state_folder = p->scratch.path };
    p->err.size = sizeof p->err;
    ck_assert_ok(plugin_open(&p->instance, &p->plugin, &p->settings, kv, n, &p->err), &p->err);
    p->call = plugin_call(&p->instance, PLUGIN_SHORT_NS, &p->err);
}

static inline struct ds_disk provider_disk(const char *path, uint64_t bytes, uint32_t flags)
{
    return (struct ds_disk){ .size = sizeof(struct ds_disk), .id = "test:1", .path = path,
                             .model = "", .bytes = bytes, .sector = 512, .physical_sector = 4096,
                             .flags = flags };
}

struct views {
    struct ds_view view[8];
    char path[8][OS_PATH_MAX];
    unsigned n;
};

static inline int provider_view(void *ud, const struct ds_view *view)
{
    struct views *v = ud;
    v->view[v->n] = *view;
    snprintf(v->path[v->n], OS_PATH_MAX, "%s", view->path ? view->path : "");
    v->n++;
    return 0;
}

static inline void provider_views(struct provider *p, void *set, struct ds_window window,
                                  struct views *views)
{
    views->n = 0;
    ck_assert_ok(provider_ops(p)->views(set, 0, window, provider_view, views, &p->call), &p->err);
}

static inline int provider_fact(void *ud, const char *key, const char *value)
{
    if (strcmp(key, "consistency") == 0)
        snprintf(ud, 32, "%s", value);
    return 0;
}

/* What facts call the consistency. */
static inline const char *provider_consistency(struct provider *p, void *set)
{
    static char text[32];
    text[0] = 0;
    ck_assert_ok(provider_ops(p)->facts(set, provider_fact, text, &p->call), &p->err);
    return text;
}

#endif
