/* SPDX-License-Identifier: Apache-2.0 */
/* scratch.h - a folder of its own for each test that works on files, made below the folder that the
 * program runs in, and removed by the test at its end. What os.h has no call for (it never removes
 * a folder, never opens a file to others) is done here per system. */
#ifndef TESTS_BASE_SCRATCH_H
#define TESTS_BASE_SCRATCH_H

#include "core/base/os.h"
#include "core/base/text.h"

#include <check.h>
#include <stdio.h>

#ifdef _WIN32
#include "core/base/wide_windows.h"

#include <sddl.h>

static inline bool remove_folder(const char *path)
{
    wchar_t wide[WIDE_PATH_MAX];
    return wide_path(wide, path) && RemoveDirectoryW(wide);
}

/* Lets everyone write the file. */
static inline bool expose_file(const char *path)
{
    wchar_t wide[WIDE_PATH_MAX];
    PSECURITY_DESCRIPTOR all;
    if (!wide_path(wide, path) || !ConvertStringSecurityDescriptorToSecurityDescriptorW(
                                      L"D:P(A;;FA;;;WD)", SDDL_REVISION_1, &all, NULL))
        return false;
    bool good = SetFileSecurityW(wide, DACL_SECURITY_INFORMATION, all);
    LocalFree(all);
    return good;
}
#else
#include <sys/stat.h>
#include <unistd.h>

static inline bool remove_folder(const char *path)
{
    return rmdir(path) == 0;
}

static inline bool expose_file(const char *path)
{
    return chmod(path, 0666) == 0;
}
#endif

struct scratch {
    char path[OS_PATH_MAX];
};

static inline void scratch_make(struct scratch *s)
{
    struct ds_error err = DS_ERROR_INIT;
    uint8_t bytes[8];
    char here[OS_PATH_MAX], hex[17], name[64];
    ck_assert_int_eq(os_random(bytes, sizeof bytes, &err), DS_OK);
    text_hex(hex, bytes, sizeof bytes);
    snprintf(name, sizeof name, "scratch-%s", hex);
    ck_assert_int_eq(os_absolute(here, NULL, name, &err), DS_OK);
    ck_assert_int_eq(os_mkdirs(here, &err), DS_OK);
    ck_assert(text_copy(s->path, sizeof s->path, here));
}

/* Path of name in the scratch folder, in out (OS_PATH_MAX); returns out. */
static inline char *scratch_file(const struct scratch *s, char *out, const char *name)
{
    struct ds_error err = DS_ERROR_INIT;
    ck_assert_int_eq(os_join(out, s->path, name, &err), DS_OK);
    return out;
}

static inline void scratch_remove_tree(const char *path);

static inline int scratch_remove_entry(void *ud, const char *name)
{
    struct ds_error err = DS_ERROR_INIT;
    char path[OS_PATH_MAX];
    if (os_join(path, ud, name, &err) == DS_OK) {
        if (os_kind(path) == OS_DIRECTORY)
            scratch_remove_tree(path);
        else
            os_remove(path, &err);
    }
    return 0;
}

static inline void scratch_remove_tree(const char *path)
{
    struct ds_error err = DS_ERROR_INIT;
    os_list(path, scratch_remove_entry, (void *)(uintptr_t)path, &err);
    remove_folder(path);
}

/* Fails if something of it can't be removed: a handle may have been forgotten. */
static inline void scratch_free(struct scratch *s)
{
    scratch_remove_tree(s->path);
    ck_assert_int_eq(os_kind(s->path), OS_ABSENT);
}

#endif
