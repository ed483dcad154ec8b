/* SPDX-License-Identifier: Apache-2.0 */
/* key.c - see key.h. A component "." or ".." would be removed by anything that tidies a URL. */
#include "key.h"

#include <string.h>

static size_t component(const char *p)
{
    return strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789.-");
}

static bool is_dots(const char *p, size_t n)
{
    return (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.');
}

static bool good(const char *key, bool prefix)
{
    const char *p = key;
    if (strlen(key) > KEY_MAX)
        return false;
    for (;;) {
        size_t n = component(p);
        bool last = p[n] == 0;
        if (prefix && last)
            return true;
        if (n == 0 || is_dots(p, n) || (!last && p[n] != '/'))
            return false;
        if (last)
            return true;
        p += n + 1;
    }
}

bool key_good(const char *key)
{
    return good(key, false);
}

bool key_good_prefix(const char *prefix)
{
    return good(prefix, true);
}
