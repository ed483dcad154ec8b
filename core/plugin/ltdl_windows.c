/* SPDX-License-Identifier: Apache-2.0 */
/* ltdl_windows.c - libltdl's loader for Windows takes ANSI paths of 260 characters and searches for
 * the DLLs that a module needs. This one takes its place: UTF-16, any length, and the search for
 * what a module needs starts at the module's own folder (LOAD_WITH_ALTERED_SEARCH_PATH). */
#include "core/plugin/module.h"

#include "core/base/os.h"

#include <libltdl/lt_dlloader.h>
#include <ltdl.h>
#include <stdlib.h>
#include <windows.h>

const char module_extension[] = ".dll";

static char last_error[400];

static void remember(DWORD e)
{
    WCHAR wide[160];
    DWORD n = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, e, 0,
                             wide, 159, NULL);
    while (n && (wide[n - 1] <= L' ' || wide[n - 1] == L'.'))
        n--;
    wide[n] = 0;
    if (n == 0 ||
        !WideCharToMultiByte(CP_UTF8, 0, wide, -1, last_error, sizeof last_error, NULL, NULL))
        snprintf(last_error, sizeof last_error, "error %lu", (unsigned long)e);
}

static lt_module module_open(lt_user_data data, const char *path, lt_dladvise advise)
{
    (void)data, (void)advise;
    if (!os_is_absolute(path)) {
        snprintf(last_error, sizeof last_error, "%.200s is no absolute path", path);
        return NULL;
    }
    int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    WCHAR *wide = n > 0 ? malloc((size_t)n * sizeof *wide) : NULL;
    HMODULE module = NULL;
    last_error[0] = 0;
    if (wide && MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, n)) {
        for (WCHAR *p = wide; *p; p++)
            if (*p == L'/') /* the altered search wants backslashes */
                *p = L'\\';
        UINT mode = SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOOPENFILEERRORBOX);
        module = LoadLibraryExW(wide, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
        if (!module)
            remember(GetLastError());
        SetErrorMode(mode);
    } else {
        snprintf(last_error, sizeof last_error, "its path is not UTF-8");
    }
    free(wide);
    return (lt_module)module;
}

static int module_close(lt_user_data data, lt_module module)
{
    (void)data, (void)module; /* a plugin's threads may outlive its last call: never unloaded */
    return 0;
}

static void *module_symbol(lt_user_data data, lt_module module, const char *name)
{
    void *object;
    (void)data;
    FARPROC fn = GetProcAddress((HMODULE)module, name);
    memcpy(&object, &fn, sizeof object);
    return object;
}

bool ltdl_prepare(char *why, size_t cap)
{
    static const lt_dlvtable loader = {
        .name = "disksync_loadlibrary",
        .module_open = module_open,
        .module_close = module_close,
        .find_sym = module_symbol,
        .priority = LT_DLLOADER_PREPEND,
    };
    if (lt_dlloader_find("lt_loadlibrary"))
        lt_dlloader_remove("lt_loadlibrary");
    if (lt_dlloader_add(&loader)) {
        snprintf(why, cap, "%s", lt_dlerror());
        return false;
    }
    return true;
}

const char *ltdl_error(void)
{
    return last_error[0] ? last_error : NULL;
}
