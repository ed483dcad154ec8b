/* SPDX-License-Identifier: Apache-2.0 */
/* loader.c - loads the modules of one folder and keeps a verdict for each. Nothing of a file is run
 * before its folder, its owner and mode, and its pin are found good. A module's file name, without
 * its extension, is its plugin's name: so a pin binds a name to a file before the file is loaded.
 * Main thread only; the plugins stay loaded until the process ends. */
#include "core/plugin/module.h"
#include "core/plugin/plugin.h"

#include "core/base/dynbuf.h"
#include "core/base/text.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define MODULES_MAX 256

/* ---- verdicts ---- */

static const char *base_name(const char *path)
{
    const char *name = path;
    for (const char *p = path; *p; p++)
        if (*p == '/' || *p == '\\')
            name = p + 1;
    return name;
}

/* Name of the file without its extension: the name that its plugin must have. */
static void stem_of(const struct plugin *plugin, char *stem, size_t cap)
{
    text_copy(stem, cap, base_name(plugin->file));
    size_t n = strlen(stem), m = strlen(module_extension);
    if (n > m && strcmp(stem + n - m, module_extension) == 0)
        stem[n - m] = 0;
}

DS_PRINTF(2, 3)
static bool refuse(struct plugin *plugin, const char *fmt, ...)
{
    char why[sizeof plugin->verdict];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    snprintf(plugin->verdict, sizeof plugin->verdict, "%.60s: %.220s", base_name(plugin->file),
             why);
    return false;
}

/* ---- one module ---- */

static int file_sha256(const char *path, char hex[65], struct ds_error *err)
{
    struct os_file file = OS_FILE_INIT;
    uint8_t sum[32], block[16384];
    uint64_t offset = 0;
    size_t got = sizeof block;
    int rc = os_open(&file, path, OS_READ, err);
    if (rc)
        return rc;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    while (good && !rc && got == sizeof block) {
        rc = os_pread(&file, block, sizeof block, offset, &got, path, err);
        good = rc || !got || EVP_DigestUpdate(ctx, block, got);
        offset += got;
    }
    if (good && !rc)
        good = EVP_DigestFinal_ex(ctx, sum, NULL);
    EVP_MD_CTX_free(ctx);
    os_close(&file);
    if (rc)
        return rc;
    if (!good)
        return ds_fail(err, DS_ENOMEM, "no memory for the SHA-256 of %s", path);
    text_hex(hex, sum, sizeof sum);
    return DS_OK;
}

static bool same_hex(const char *a, const char *b)
{
    while (*a && tolower((unsigned char)*a) == tolower((unsigned char)*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

/* A pin may leave out what the policy's section says, as `use` may: "dir" pins transport-dir. */
static bool is_pinned_by(const char *stem, const char *name)
{
    size_t n = strlen(stem), m = strlen(name);
    if (strcmp(stem, name) == 0)
        return true;
    return n > m && stem[n - m - 1] == '-' && strcmp(stem + n - m, name) == 0;
}

static bool check_pins(struct plugin *plugin, const char *stem, const struct plugin_pin *pins,
                       size_t n_pins)
{
    for (size_t i = 0; i < n_pins; i++)
        if (is_pinned_by(stem, pins[i].name) && !same_hex(pins[i].sha256, plugin->sha256))
            return refuse(plugin, "its SHA-256 is %s, the policy's pin wants %s", plugin->sha256,
                          pins[i].sha256);
    return true;
}

static bool check_file(struct plugin *plugin, const char *stem, const struct plugin_pin *pins,
                       size_t n_pins)
{
    struct ds_error err = DS_ERROR_INIT;
    char why[120];
    if (os_kind(plugin->file) != OS_REGULAR)
        return refuse(plugin, "it is not a regular file");
    if (!os_is_trusted(plugin->file, why, sizeof why))
        return refuse(plugin, "the file is not safe to load: %s; only root or the user that runs "
                              "disksync may be able to change it", why);
    if (file_sha256(plugin->file, plugin->sha256, &err))
        return refuse(plugin, "%s", err.msg);
    return check_pins(plugin, stem, pins, n_pins);
}

/* What the other set has loaded from this file, if it has: the hash is of what was loaded, whatever
 * is there now. */
static bool take_loaded(struct plugin *plugin, const struct plugin_set *loaded,
                        const struct plugin_pin *pins, size_t n_pins)
{
    char stem[OS_PATH_MAX];
    for (size_t i = 0; loaded && i < loaded->n; i++) {
        const struct plugin *other = &loaded->plugins[i];
        if (!other->loaded || strcmp(other->file, plugin->file) != 0)
            continue;
        *plugin = *other;
        stem_of(plugin, stem, sizeof stem);
        plugin->loaded = check_pins(plugin, stem, pins, n_pins);
        return true;
    }
    return false;
}

static void load_one(struct plugin *plugin, const struct plugin_pin *pins, size_t n_pins)
{
    char stem[OS_PATH_MAX], why[sizeof plugin->verdict];
    stem_of(plugin, stem, sizeof stem);
    if (!check_file(plugin, stem, pins, n_pins))
        return;
    ds_plugin_fn *entry = module_entry(plugin->file, why, sizeof why);
    if (!entry) {
        refuse(plugin, "%s", why);
        return;
    }
    const struct ds_plugin *table = entry();
    if (!plugin_judge(table, why, sizeof why)) {
        refuse(plugin, "%s", why);
        return;
    }
    plugin->table = table;
    if (strcmp(table->name, stem) != 0) {
        refuse(plugin, "it names itself %s, wanted the name of its file, %.40s", table->name, stem);
        return;
    }
    plugin->loaded = true;
    text_copy(plugin->verdict, sizeof plugin->verdict, "loaded");
}

/* ---- the folder ---- */

struct scan {
    struct plugin_set *set;
    size_t cap;
    struct ds_error *err;
};

static int scan_one(void *ud, const char *name)
{
    struct scan *scan = ud;
    struct plugin_set *set = scan->set;
    size_t n = strlen(name), m = strlen(module_extension);
    if (n <= m || strcmp(name + n - m, module_extension) != 0)
        return 0;
    if (set->n == MODULES_MAX)
        return ds_fail(scan->err, DS_EPLUGIN, "%s holds more than %d modules", set->folder,
                       MODULES_MAX);
    if (set->n == scan->cap) {
        size_t cap = scan->cap ? scan->cap * 2 : 8;
        struct plugin *plugins = realloc(set->plugins, cap * sizeof *plugins);
        if (!plugins)
            return ds_fail(scan->err, DS_ENOMEM, "no memory for the list of plugins");
        set->plugins = plugins;
        scan->cap = cap;
    }
    struct plugin *plugin = &set->plugins[set->n];
    memset(plugin, 0, sizeof *plugin);
    int rc = os_join(plugin->file, set->folder, name, scan->err);
    if (!rc)
        set->n++;
    return rc;
}

static int by_file(const void *a, const void *b)
{
    const struct plugin *x = a, *y = b;
    return strcmp(x->file, y->file);
}

static int choose_folder(char *out, const char *folder, struct ds_error *err)
{
    char program[OS_PATH_MAX];
    if (folder)
        return os_absolute(out, NULL, folder, err);
    int rc = os_program_folder(program, err);
    if (!rc)
        rc = os_join(out, program, "modules", err);
    if (!rc && os_kind(out) != OS_DIRECTORY)
        rc = os_absolute(out, program, DS_PLUGINDIR, err);
    return rc;
}

int plugin_set_load(struct plugin_set *set, const char *folder, const struct plugin_pin *pins,
                    size_t n_pins, struct ds_error *err)
{
    return plugin_set_load_beside(set, NULL, folder, pins, n_pins, err);
}

int plugin_set_load_beside(struct plugin_set *set, const struct plugin_set *loaded,
                           const char *folder, const struct plugin_pin *pins, size_t n_pins,
                           struct ds_error *err)
{
    struct scan scan = { set, 0, err };
    char why[160];
    memset(set, 0, sizeof *set);
    int rc = choose_folder(set->folder, folder, err);
    if (!rc && os_kind(set->folder) != OS_DIRECTORY)
        rc = ds_fail(err, DS_EPLUGIN, "there is no plugin folder %s: install the plugins, or name "
                                      "their folder in the policy (plugins: { folder: ... })",
                     set->folder);
    if (!rc && !os_is_trusted(set->folder, why, sizeof why))
        rc = ds_fail(err, DS_EPLUGIN, "the plugin folder %s is not safe to load from: %s; only "
                                      "root or the user that runs disksync may be able to change "
                                      "it",
                     set->folder, why);
    if (!rc)
        rc = module_start(err);
    if (!rc)
        rc = os_list(set->folder, scan_one, &scan, err);
    if (rc) {
        plugin_set_free(set);
        return rc;
    }
    if (set->n)
        qsort(set->plugins, set->n, sizeof set->plugins[0], by_file);
    for (size_t i = 0; i < set->n; i++)
        if (!take_loaded(&set->plugins[i], loaded, pins, n_pins))
            load_one(&set->plugins[i], pins, n_pins);
    return DS_OK;
}

void plugin_set_free(struct plugin_set *set)
{
    free(set->plugins);
    set->plugins = NULL;
    set->n = 0;
}

/* ---- search by name ---- */

/* `use: dir` under transport means transport-dir: a policy may leave out the word that its section
 * has said already. */
static bool is_named(const char *full, uint32_t kind, const char *name)
{
    const char *section = kind == DS_KIND_STORE ? "transport" : plugin_kind_name(kind);
    size_t n = strlen(section);
    if (strcmp(full, name) == 0)
        return true;
    return strncmp(full, section, n) == 0 && full[n] == '-' && strcmp(full + n + 1, name) == 0;
}

static int not_found(const struct plugin_set *set, uint32_t kind, const char *name,
                     struct ds_error *err)
{
    struct dynbuf names = DYNBUF_INIT(300);
    char stem[OS_PATH_MAX];
    for (size_t i = 0; i < set->n; i++) {
        const struct plugin *plugin = &set->plugins[i];
        stem_of(plugin, stem, sizeof stem);
        if (!plugin->loaded && (strcmp(stem, name) == 0 || (kind && is_named(stem, kind, name)))) {
            dynbuf_free(&names);
            return ds_fail(err, DS_EPLUGIN, "the plugin %s was refused: %s", name, plugin->verdict);
        }
        if (plugin->loaded && (!kind || plugin->table->kind == kind))
            dynbuf_printf(&names, "%s%s", names.len ? ", " : "", plugin->table->name);
    }
    ds_fail(err, DS_EPLUGIN, "there is no %s%splugin %s in %s; there %s %s",
            kind ? plugin_kind_name(kind) : "", kind ? " " : "", name, set->folder,
            names.len ? "are" : "is", names.len ? (const char *)names.data : "none of this kind");
    dynbuf_free(&names);
    return DS_EPLUGIN;
}

int plugin_find(const struct plugin_set *set, uint32_t kind, const char *name,
                const struct plugin **plugin, struct ds_error *err)
{
    for (int exact = 1; exact >= 0; exact--) {
        for (size_t i = 0; i < set->n; i++) {
            const struct plugin *candidate = &set->plugins[i];
            if (!candidate->loaded || (kind && candidate->table->kind != kind))
                continue;
            const char *full = candidate->table->name;
            if (exact ? strcmp(full, name) == 0 : is_named(full, candidate->table->kind, name)) {
                *plugin = candidate;
                return DS_OK;
            }
        }
    }
    return not_found(set, kind, name, err);
}
