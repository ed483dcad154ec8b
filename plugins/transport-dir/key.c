/* SPDX-License-Identifier: Apache-2.0 */
/* key.c - the grammar of keys, and how a key becomes a path. Only lower-case letters, digits, '.',
 * '-' and '/' pass, so that a key is one file on file systems that fold case too, and no key can
 * leave the repository's folder or name DIR_TEMP. */
#include "dir.h"

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

/* Length of the component at p, 0 if it is bad. */
static size_t component(const char *p)
{
    size_t n = 0;
    while (is_key_char(p[n]))
        n++;
    if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
        return 0;
    return n;
}

bool key_is_good_name(const char *name)
{
    size_t n = component(name);
    return n > 0 && n <= DIR_KEY_MAX && name[n] == 0;
}

bool key_is_good(const char *key)
{
    const char *p = key;
    for (;;) {
        size_t n = component(p);
        if (n == 0)
            return false;
        p += n;
        if ((size_t)(p - key) > DIR_KEY_MAX)
            return false;
        if (*p == 0)
            return true;
        if (*p++ != '/')
            return false;
    }
}

bool key_is_good_prefix(const char *prefix)
{
    const char *p = prefix;
    for (;;) {
        /* The last component of a prefix may be any beginning of one, "." too. */
        size_t n = 0;
        while (is_key_char(p[n]))
            n++;
        if ((size_t)(p + n - prefix) > DIR_KEY_MAX)
            return false;
        if (p[n] == 0)
            return true;
        if (p[n] != '/' || component(p) == 0)
            return false;
        p += n + 1;
    }
}

void key_path(const struct dir *dir, char *path, const char *key)
{
    size_t n = strlen(dir->root), m = strlen(key);
    if (m > DIR_PATH_MAX - DIR_ROOT_MAX - 2)
        m = DIR_PATH_MAX - DIR_ROOT_MAX - 2;
    memcpy(path, dir->root, n);
    if (m && path[n - 1] != '/')
        path[n++] = '/';
    memcpy(path + n, key, m);
    path[n + m] = 0;
}
