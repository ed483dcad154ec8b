/* SPDX-License-Identifier: Apache-2.0 */
/* broken.c - a store plugin with one fault, chosen when it is built: each must be refused by name
 * and reason. Nothing but its table is ever used. */
#include <disksync/disksync.h>

#if !defined(BROKEN_MAJOR) && !defined(BROKEN_TRUNCATED) && !defined(BROKEN_OVERSIZED) && \
    !defined(BROKEN_SLOT) && !defined(BROKEN_OPS) && !defined(BROKEN_NEED) &&             \
    !defined(BROKEN_KIND) && !defined(BROKEN_NAME) && !defined(BROKEN_SYMBOL) &&          \
    !defined(BROKEN_ALIAS)
#error "say which fault: -DBROKEN_MAJOR, _TRUNCATED, _OVERSIZED, _SLOT, _OPS, _NEED, _KIND, ..."
#endif

static int broken_open(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                       struct ds_call *call)
{
    (void)host, (void)kv, (void)n, (void)self;
    return ds_fail(call->err, DS_ENOTSUP, "a broken plugin was opened");
}

static void broken_close(void *self)
{
    (void)self;
}

static int broken_probe(void *self, struct ds_store_info *info, struct ds_call *call)
{
    (void)self, (void)info;
    return ds_fail(call->err, DS_ENOTSUP, "a broken plugin was probed");
}

#ifndef BROKEN_SLOT
static int broken_submit(void *self, struct ds_store_req *req)
{
    (void)self, (void)req;
    return DS_ENOTSUP;
}
#endif

static const struct ds_store_ops ops = {
#ifdef BROKEN_OPS
    .size = offsetof(struct ds_store_ops, submit),
#else
    .size = sizeof ops,
#endif
    .probe = broken_probe,
#ifndef BROKEN_SLOT
    .submit = broken_submit,
#endif
};

static const struct ds_plugin plugin = {
#if defined(BROKEN_TRUNCATED)
    .size = offsetof(struct ds_plugin, ops),
#elif defined(BROKEN_OVERSIZED)
    .size = 1u << 20,
#else
    .size = sizeof plugin,
#endif
#ifdef BROKEN_MAJOR
    .abi = DS_ABI(DS_ABI_MAJOR + 1, 0),
#else
    .abi = DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR),
#endif
#ifdef BROKEN_KIND
    .kind = 77,
#else
    .kind = DS_KIND_STORE,
#endif
    .threads = DS_THREADS_PARALLEL,
#ifdef BROKEN_NEED
    .needs = UINT64_C(1) << 40,
#endif
#ifdef BROKEN_NAME
    .name = "Broken Name!",
#else
    .name = "broken",
#endif
    .version = "1",
    .summary = "for tests: must be refused",
    .open = broken_open,
    .close = broken_close,
    .ops = &ops,
};

#ifdef BROKEN_SYMBOL
DS_EXPORT const struct ds_plugin *ds_plugin_v2(void);
const struct ds_plugin *ds_plugin_v2(void)
#else
const struct ds_plugin *ds_plugin_v1(void)
#endif
{
    return &plugin;
}
