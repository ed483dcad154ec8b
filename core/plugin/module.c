/* SPDX-License-Identifier: Apache-2.0 */
/* module.c - see module.h. libltdl searches (LTDL_LIBRARY_PATH, its own search path) only for names
 * without a folder; the loader passes absolute paths alone, and this file insists on it. */
#include "core/plugin/module.h"

#include "core/base/os.h"

#include <ltdl.h>

int module_start(struct ds_error *err)
{
    static bool started;
    char why[200];
    if (started)
        return DS_OK;
    if (lt_dlinit())
        return ds_fail(err, DS_EPLUGIN, "libltdl does not start: %s", lt_dlerror());
    if (!ltdl_prepare(why, sizeof why))
        return ds_fail(err, DS_EPLUGIN, "libltdl takes no loader: %s", why);
    started = true;
    return DS_OK;
}

/* libltdl returns object pointers for functions. */
static ds_plugin_fn *entry_of(lt_dlhandle handle, const char *symbol)
{
    void *object = lt_dlsym(handle, symbol);
    ds_plugin_fn *fn;
    memcpy(&fn, &object, sizeof fn);
    return fn;
}

static void explain_missing(lt_dlhandle handle, char *why, size_t cap)
{
    char symbol[] = "ds_plugin_v0";
    for (char major = '0'; major <= '9'; major++) {
        symbol[sizeof symbol - 2] = major;
        if (entry_of(handle, symbol)) {
            snprintf(why, cap, "built for major %c of the plugin ABI (%s), this program runs major "
                               "%d (%s)", major, symbol, DS_ABI_MAJOR, DS_PLUGIN_SYMBOL);
            return;
        }
    }
    snprintf(why, cap, "not a plugin: it has no symbol %s", DS_PLUGIN_SYMBOL);
}

ds_plugin_fn *module_entry(const char *path, char *why, size_t cap)
{
    lt_dladvise advise;
    if (!os_is_absolute(path)) {
        snprintf(why, cap, "only an absolute path can be loaded");
        return NULL;
    }
    if (lt_dladvise_init(&advise) || lt_dladvise_local(&advise)) {
        snprintf(why, cap, "no memory to load it");
        return NULL;
    }
    lt_dlhandle handle = lt_dlopenadvise(path, advise);
    lt_dladvise_destroy(&advise);
    if (!handle) {
        const char *text = ltdl_error();
        if (!text)
            text = lt_dlerror();
        snprintf(why, cap, "the system can't load it: %s", text ? text : "unknown reason");
        return NULL;
    }
    ds_plugin_fn *entry = entry_of(handle, DS_PLUGIN_SYMBOL);
    if (!entry)
        explain_missing(handle, why, cap);
    return entry;
}
