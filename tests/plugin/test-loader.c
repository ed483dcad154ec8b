/* SPDX-License-Identifier: Apache-2.0 */
/* test-loader.c - real modules through the real loader: what is sound is loaded, what is broken,
 * unsafe, or not the file that the policy pins, is refused by name and reason, and a refusal before
 * loading means that nothing of the file was run. */
#include "tests/plugin/place.h"
#include "tests/unit.h"

#include "core/plugin/module.h"
#include "core/plugin/plugin.h"

#define SOUND "tracker-scripted"

#define BUILT "DISKSYNC_TEST_MODULES"

static void place(const char *folder, const char *name, const char *as)
{
    place_module(BUILT, name, folder, as);
}

static const struct plugin *load_one(struct plugin_set *set, const char *folder,
                                     const struct plugin_pin *pins, size_t n_pins)
{
    struct ds_error err = DS_ERROR_INIT;
    ck_assert_ok(plugin_set_load(set, folder, pins, n_pins, &err), &err);
    ck_assert_uint_eq(set->n, 1);
    return &set->plugins[0];
}

static void expect_refused(const struct plugin *plugin, const char *reason)
{
    ck_assert_msg(!plugin->loaded, "loaded, wanted: %s", reason);
    ck_assert_msg(strstr(plugin->verdict, reason) != NULL, "\"%s\" lacks \"%s\"", plugin->verdict,
                  reason);
}

#ifdef _WIN32
static bool is_mapped(const char *file)
{
    return GetModuleHandleA(file) != NULL;
}
static bool make_unsafe(const char *path, unsigned how)
{
    return how == 0 && expose_file(path);
}
static void search_there(const char *folder)
{
    SetEnvironmentVariableA("LTDL_LIBRARY_PATH", folder);
}
#else
static bool is_mapped(const char *file)
{
    char line[OS_PATH_MAX + 200];
    bool found = false;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f))
        found |= strstr(line, file) != NULL;
    if (f)
        fclose(f);
    return found;
}
/* 0: others may write; 1: the group may; 2: it belongs to another user. */
static bool make_unsafe(const char *path, unsigned how)
{
    if (how == 2)
        return geteuid() == 0 && chown(path, 12345, 0) == 0;
    return chmod(path, how ? 0770 : 0707) == 0;
}
static void search_there(const char *folder)
{
    setenv("LTDL_LIBRARY_PATH", folder, 1);
}
#endif

static void write_text(const char *folder, const char *name, const char *text)
{
    struct ds_error err = DS_ERROR_INIT;
    char path[OS_PATH_MAX];
    ck_assert_ok(os_join(path, folder, name, &err), &err);
    ck_assert_ok(os_write_file(path, text, strlen(text), &err), &err);
}

START_TEST(sound_modules_are_loaded_and_found)
{
    struct scratch scratch;
    const char *folder = scratch.path;
    struct ds_error err = DS_ERROR_INIT;
    struct plugin_set set;
    const struct plugin *plugin;
    scratch_make(&scratch);
    place(folder, "tracker-scripted", "tracker-scripted");
    place(folder, "snapshot-scripted", "snapshot-scripted");
    write_text(folder, "notes.txt", "no module");
    ck_assert_ok(plugin_set_load(&set, folder, NULL, 0, &err), &err);
    ck_assert_uint_eq(set.n, 2);
    for (size_t i = 0; i < set.n; i++) {
        ck_assert_msg(set.plugins[i].loaded, "%s", set.plugins[i].verdict);
        ck_assert_uint_eq(strlen(set.plugins[i].sha256), 64);
    }
    ck_assert_ok(plugin_find(&set, DS_KIND_TRACKER, "tracker-scripted", &plugin, &err), &err);
    ck_assert_uint_eq(plugin->table->kind, DS_KIND_TRACKER);
    ck_assert_ok(plugin_find(&set, DS_KIND_SNAPSHOT, "scripted", &plugin, &err), &err);
    ck_assert_str_eq(plugin->table->name, "snapshot-scripted");
    ck_assert_int_eq(plugin_find(&set, DS_KIND_STORE, "scripted", &plugin, &err), DS_EPLUGIN);
    ck_assert_ptr_nonnull(strstr(err.msg, "none of this kind"));
    ck_assert_int_eq(plugin_find(&set, DS_KIND_TRACKER, "scribbled", &plugin, &err), DS_EPLUGIN);
    ck_assert_ptr_nonnull(strstr(err.msg, "tracker-scripted"));
    plugin_set_free(&set);
    scratch_remove_tree(folder);
}
END_TEST

START_TEST(broken_modules_are_refused_by_reason)
{
    static const char *const cases[][2] = {
        { "broken-major", "ABI major 2, wanted 1" },
        { "broken-truncated", "truncated" },
        { "broken-oversized", "oversized" },
        { "broken-slot", "mandatory slot store.submit" },
        { "broken-ops", "store operations are truncated" },
        { "broken-need", "needs something that this program does not know" },
        { "broken-kind", "unknown kind 77" },
        { "broken-name", "bad name" },
        { "broken-symbol", "built for major 2" },
        { "broken-alias", "it names itself broken" },
    };
    const size_t n = sizeof cases / sizeof cases[0];
    struct scratch scratch;
    const char *folder = scratch.path;
    struct ds_error err = DS_ERROR_INIT;
    struct plugin_set set;
    const struct plugin *plugin;
    scratch_make(&scratch);
    for (size_t i = 0; i < n; i++)
        place(folder, cases[i][0], cases[i][0]);
    ck_assert_ok(plugin_set_load(&set, folder, NULL, 0, &err), &err);
    ck_assert_uint_eq(set.n, n);
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        for (size_t j = 0; j < set.n; j++) {
            if (!strstr(set.plugins[j].file, cases[i][0]))
                continue;
            found = true;
            expect_refused(&set.plugins[j], cases[i][1]);
            expect_refused(&set.plugins[j], cases[i][0]); /* names the file */
        }
        ck_assert(found);
        ck_assert_int_eq(plugin_find(&set, 0, cases[i][0], &plugin, &err), DS_EPLUGIN);
        ck_assert_msg(strstr(err.msg, cases[i][1]) != NULL, "%s", err.msg);
    }
    plugin_set_free(&set);
    scratch_remove_tree(folder);
}
END_TEST

START_TEST(what_is_no_module_is_refused)
{
    struct scratch scratch;
    const char *folder = scratch.path;
    char name[64];
    struct plugin_set set;
    scratch_make(&scratch);
    snprintf(name, sizeof name, "junk%s", module_extension);
    write_text(folder, name, "this is not a module");
    expect_refused(load_one(&set, folder, NULL, 0), "can't load it");
    plugin_set_free(&set);
    scratch_remove_tree(folder);
}
END_TEST

START_TEST(pins_bind_a_name_to_a_file)
{
    struct scratch scratch;
    const char *folder = scratch.path;
    char good[65];
    struct plugin_set set;
    struct plugin_pin pins[] = { { "other", "00" }, { SOUND, good } };
    scratch_make(&scratch);
    place(folder, SOUND, SOUND);
    memset(good, '0', 64);
    good[64] = 0;
    const struct plugin *plugin = load_one(&set, folder, pins, 2);
    expect_refused(plugin, "the policy's pin wants 0000");
    ck_assert_ptr_null(plugin->table);
    ck_assert_msg(!is_mapped(plugin->file), "the file was loaded although its pin differs");
    memcpy(good, plugin->sha256, sizeof good);
    plugin_set_free(&set);
    pins[0].name = "scripted"; /* as the policy's section would name it */
    expect_refused(load_one(&set, folder, pins, 1), "the policy's pin wants 00");
    plugin_set_free(&set);
    pins[0].name = "cripted";
    for (char *c = good; *c; c++) /* a pin may be in capitals */
        *c = (char)(*c >= 'a' && *c <= 'f' ? *c - 32 : *c);
    plugin = load_one(&set, folder, pins, 2);
    ck_assert_msg(plugin->loaded, "%s", plugin->verdict);
    ck_assert(is_mapped(plugin->file));
    plugin_set_free(&set);
    scratch_remove_tree(folder);
}
END_TEST

/* A pinned plugin can't come back under another file name, where no pin looks for it. */
START_TEST(second_set_takes_what_the_first_has_loaded)
{
    struct scratch scratch;
    struct plugin_set first, second, third;
    struct ds_error err = DS_ERROR_INIT;
    struct plugin_pin pin = { SOUND, "00" };
    scratch_make(&scratch);
    place(scratch.path, SOUND, SOUND);
    const struct plugin *plugin = load_one(&first, scratch.path, NULL, 0);
    ck_assert(plugin->loaded);
    /* What is in the file now does not matter. Windows does not let it be replaced. */
    if (strcmp(os_name(), "windows") != 0)
        write_text(scratch.path, SOUND ".so", "something else");
    ck_assert_ok(plugin_set_load_beside(&second, &first, scratch.path, NULL, 0, &err), &err);
    ck_assert_uint_eq(second.n, 1);
    ck_assert(second.plugins[0].loaded && second.plugins[0].table == plugin->table);
    ck_assert_str_eq(second.plugins[0].sha256, plugin->sha256);
    ck_assert_ok(plugin_set_load_beside(&third, &first, scratch.path, &pin, 1, &err), &err);
    expect_refused(&third.plugins[0], "the policy's pin wants 00");
    ck_assert(plugin->loaded);
    plugin_set_free(&third);
    pin.sha256 = plugin->sha256;
    ck_assert_ok(plugin_set_load_beside(&third, &first, scratch.path, &pin, 1, &err), &err);
    ck_assert(third.plugins[0].loaded);
    plugin_set_free(&third);
    plugin_set_free(&second);
    plugin_set_free(&first);
    scratch_remove_tree(scratch.path);
}
END_TEST

START_TEST(a_plugin_in_another_ones_file_is_refused)
{
    struct scratch scratch;
    const char *folder = scratch.path;
    struct plugin_set set;
    scratch_make(&scratch);
    place(folder, SOUND, "innocent");
    expect_refused(load_one(&set, folder, NULL, 0), "it names itself " SOUND);
    plugin_set_free(&set);
    scratch_remove_tree(folder);
}
END_TEST

START_TEST(unsafe_files_are_refused_unloaded)
{
    struct scratch scratch;
    const char *folder = scratch.path;
    char file[OS_PATH_MAX], name[64];
    struct ds_error err = DS_ERROR_INIT;
    struct plugin_set set;
    for (unsigned how = 0; how < 3; how++) {
        scratch_make(&scratch);
        place(folder, SOUND, SOUND);
        snprintf(name, sizeof name, "%s%s", SOUND, module_extension);
        ck_assert_ok(os_join(file, folder, name, &err), &err);
        if (make_unsafe(file, how)) {
            const struct plugin *plugin = load_one(&set, folder, NULL, 0);
            expect_refused(plugin, "the file is not safe to load");
            ck_assert(!is_mapped(plugin->file));
            plugin_set_free(&set);
        }
        scratch_remove_tree(folder);
    }
}
END_TEST

START_TEST(unsafe_and_absent_folders_are_refused)
{
    struct scratch scratch;
    const char *folder = scratch.path;
    struct ds_error err = DS_ERROR_INIT;
    struct plugin_set set;
    for (unsigned how = 0; how < 3; how++) {
        scratch_make(&scratch);
        place(folder, SOUND, SOUND);
        if (make_unsafe(folder, how)) {
            ck_assert_int_eq(plugin_set_load(&set, folder, NULL, 0, &err), DS_EPLUGIN);
            ck_assert_msg(strstr(err.msg, "not safe to load from") != NULL, "%s", err.msg);
            ck_assert_uint_eq(set.n, 0);
        }
        scratch_remove_tree(folder);
    }
    ck_assert_int_eq(plugin_set_load(&set, folder, NULL, 0, &err), DS_EPLUGIN);
    ck_assert_msg(strstr(err.msg, "there is no plugin folder") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(no_name_is_searched_for)
{
    char built[OS_PATH_MAX], name[64], why[200] = "";
    struct ds_error err = DS_ERROR_INIT;
    place_env(built, BUILT);
    search_there(built);
    ck_assert_ok(module_start(&err), &err);
    snprintf(name, sizeof name, "%s%s", SOUND, module_extension);
    ck_assert(module_entry(name, why, sizeof why) == NULL);
    ck_assert_ptr_nonnull(strstr(why, "absolute"));
}
END_TEST

UNIT_MAIN("loader", sound_modules_are_loaded_and_found, broken_modules_are_refused_by_reason,
          what_is_no_module_is_refused, pins_bind_a_name_to_a_file,
          second_set_takes_what_the_first_has_loaded, a_plugin_in_another_ones_file_is_refused,
          unsafe_files_are_refused_unloaded, unsafe_and_absent_folders_are_refused,
          no_name_is_searched_for)
