/* SPDX-License-Identifier: Apache-2.0 */
/* plugin.h - loads plugins (libltdl), judges each with an explicit verdict, and gives them their
 * host services. All loads happen on the main thread before another exists; nothing is unloaded. */
#ifndef CORE_PLUGIN_PLUGIN_H
#define CORE_PLUGIN_PLUGIN_H

#include "core/base/os.h"
#include "core/base/pool.h"

#include <disksync/disksync.h>

struct plugin {
    char file[OS_PATH_MAX];
    char sha256[65];             /* of the file, hex */
    const struct ds_plugin *table; /* NULL if refused before it could be asked */
    bool loaded;                 /* verdict */
    char verdict[300];           /* "loaded", or why not: file, found and wanted */
};

struct plugin_set {
    struct plugin *plugins;
    size_t n;
    char folder[OS_PATH_MAX];
};

/* A pin from policy: this plugin's file must have this SHA-256. */
struct plugin_pin {
    const char *name, *sha256;
};

/* Loads every module of the folder (NULL: <program folder>/modules if there, else the installed
 * place). A module that is refused is in the set with its verdict; only a folder that can't be
 * read, or is unsafe, fails. */
int plugin_set_load(struct plugin_set *set, const char *folder, const struct plugin_pin *pins,
                    size_t n_pins, struct ds_error *err);
/* The same beside another set that is loaded (or NULL): a module of that set is not read or run
 * again, only judged by these pins. */
int plugin_set_load_beside(struct plugin_set *set, const struct plugin_set *loaded,
                           const char *folder, const struct plugin_pin *pins, size_t n_pins,
                           struct ds_error *err);
void plugin_set_free(struct plugin_set *set);
/* The loaded plugin of that kind (0 = any) and name, which may lack the word that its kind's policy
 * section says already ("dir" for the store "transport-dir"). DS_EPLUGIN: the verdict of a refused
 * one, or "there is no ..." with the names that there are. */
int plugin_find(const struct plugin_set *set, uint32_t kind, const char *name,
                const struct plugin **plugin, struct ds_error *err);
/* Judges a table by itself; verdict is filled on refusal. Used by the loader and its tests. */
bool plugin_judge(const struct ds_plugin *table, char *verdict, size_t cap);
const char *plugin_kind_name(uint32_t kind);

/* Host services for one agent process. */
struct host_settings {
    const char *state_folder;   /* where state_put keeps records, in a subfolder per plugin */
    struct pool *pool;          /* runs tasks; at least four threads */
    volatile int *interrupted;  /* non-zero cancels every call */
    void (*progress)(void *ud, uint64_t done, uint64_t total);
    void *ud;
};

/* An opened plugin: its self, its host and the call frame. */
struct plugin_instance {
    const struct plugin *plugin;
    void *self;
    struct ds_host host;
    struct host_context *context;
};
int plugin_open(struct plugin_instance *instance, const struct plugin *plugin,
                const struct host_settings *settings, const struct ds_kv *kv, size_t n,
                struct ds_error *err);
void plugin_close(struct plugin_instance *instance); /* accepts one that was never opened */
/* Makes its running and later calls and requests end with DS_ECANCELLED. Any thread. */
void plugin_cancel(struct plugin_instance *instance);
/* Puts the plugin's name before what it says of its failure, so that people know whom to ask.
 * Returns rc. */
int plugin_failed(const struct plugin_instance *instance, int rc, struct ds_error *err);
/* A call frame with the time limit of that kind of call; err is cleared. */
struct ds_call plugin_call(struct plugin_instance *instance, uint64_t limit_ns,
                           struct ds_error *err);
#define PLUGIN_SHORT_NS (UINT64_C(30) * 1000000000)
#define PLUGIN_LONG_NS (UINT64_C(600) * 1000000000)

/* Durable records in the state folder, used by core too: atomic, checksummed. */
int state_put(const char *folder, const char *name, const void *data, size_t len,
              struct ds_error *err);
int state_get(const char *folder, const char *name, void **data, size_t *len, struct ds_error *err);

#endif
