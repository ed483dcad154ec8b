/* SPDX-License-Identifier: Apache-2.0 */
/* os.c - what both systems share: path arithmetic. See os.h. */
#include "core/base/os.h"

#include "core/base/text.h"

#include <string.h>

static bool is_separator(char c)
{
    return c == '/' || (c == '\\' && os_name()[0] == 'w');
}

static size_t last_separator(const char *path)
{
    size_t n = strlen(path);
    while (n && !is_separator(path[n - 1]))
        n--;
    return n;
}

void os_dirname(char *out, const char *path)
{
    size_t n = last_separator(path);
    while (n > 1 && is_separator(path[n - 1]))
        n--;
    if (n == 0) {
        text_copy(out, OS_PATH_MAX, ".");
        return;
    }
    if (n >= OS_PATH_MAX)
        n = OS_PATH_MAX - 1;
    memmove(out, path, n);
    out[n] = 0;
}

int os_join(char *out, const char *folder, const char *name, struct ds_error *err)
{
    size_t n = strlen(folder), m = strlen(name);
    bool separated = n && is_separator(folder[n - 1]);
    if (n + m + 2 > OS_PATH_MAX)
        return ds_fail(err, DS_EINVAL, "the path %.200s... is too long", folder);
    memmove(out, folder, n);
    if (!separated)
        out[n++] = os_name()[0] == 'w' ? '\\' : '/';
    memcpy(out + n, name, m + 1);
    return DS_OK;
}
