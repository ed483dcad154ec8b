/* SPDX-License-Identifier: Apache-2.0 */
/* place.h - puts modules of the build into a folder of the test. */
#ifndef TESTS_PLUGIN_PLACE_H
#define TESTS_PLUGIN_PLACE_H

#include "tests/base/scratch.h"
#include "tests/unit.h"

#include "core/plugin/module.h"

/* The folder that the environment names, or "." */
static inline void place_env(char *out, const char *name)
{
    struct ds_error err = DS_ERROR_INIT;
    char value[OS_PATH_MAX];
    if (!os_env(value, sizeof value, name))
        text_copy(value, sizeof value, ".");
    ck_assert_ok(os_absolute(out, NULL, value, &err), &err);
}

/* Copies NAME.so or NAME.dll from the folder that the variable names, as another name. */
static inline void place_module(const char *variable, const char *name, const char *folder,
                                const char *as)
{
    struct ds_error err = DS_ERROR_INIT;
    char built[OS_PATH_MAX], from[OS_PATH_MAX], to[OS_PATH_MAX], file[128];
    void *data;
    size_t len;
    place_env(built, variable);
    snprintf(file, sizeof file, "%s%s", name, module_extension);
    ck_assert_ok(os_join(from, built, file, &err), &err);
    snprintf(file, sizeof file, "%s%s", as, module_extension);
    ck_assert_ok(os_join(to, folder, file, &err), &err);
    ck_assert_ok(os_read_file(from, 32u << 20, &data, &len, &err), &err);
    ck_assert_ok(os_write_file(to, data, len, &err), &err);
    free(data);
}

#endif
