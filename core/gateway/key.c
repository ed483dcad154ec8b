/* SPDX-License-Identifier: Apache-2.0 */
/* key.c - see key.h. */
#include "core/gateway/key.h"

#include "core/base/text.h"

#include <stdint.h>
#include <string.h>

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

bool key_is_bucket(const char *name)
{
    size_t n = strlen(name);
    if (n < 3 || n > BUCKET_MAX || strstr(name, ".."))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_plain(name[i]))
            return false;
    return name[0] != '-' && name[0] != '.' && name[n - 1] != '-' && name[n - 1] != '.';
}

/* Length of the UTF-8 sequence at p, 0 if it is none. */
static size_t sequence(const unsigned char *p)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 :
               p[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

bool key_is_good(const char *key)
{
    const unsigned char *p = (const unsigned char *)key;
    size_t n;
    if (!*key || strlen(key) > KEY_MAX)
        return false;
    for (; *p; p += n)
        if ((n = sequence(p)) == 0)
            return false;
    return true;
}

static size_t escape(char *out, char c)
{
    static const char digits[] = "0123456789ABCDEF";
    out[0] = '%';
    out[1] = digits[(unsigned char)c >> 4];
    out[2] = digits[c & 15];
    return 3;
}

bool key_to_path(char out[KEY_PATH_MAX], const char *key)
{
    char *p = out;
    for (;;) {
        size_t n = strcspn(key, "/");
        char *start = p;
        bool dots = (n == 1 && key[0] == '.') || (n == 2 && key[0] == '.' && key[1] == '.');
        if (n == 0)
            *p++ = '%';
        for (size_t i = 0; i < n; i++) {
            if (is_plain(key[i]) && !dots)
                *p++ = key[i];
            else
                p += escape(p, key[i]);
        }
        if (p - start > (ptrdiff_t)KEY_PART_MAX)
            return false;
        key += n;
        if (!*key++)
            break;
        *p++ = '/';
    }
    *p = 0;
    return true;
}

bool key_part(char *out, const char *name)
{
    char check[KEY_PATH_MAX];
    size_t n = 0;
    if (!*name || strlen(name) > KEY_PART_MAX)
        return false;
    if (strcmp(name, "%") == 0) {
        *out = 0;
        return true;
    }
    for (const char *p = name; *p; p++) {
        char hex[3] = { 0 };
        if (is_plain(*p)) {
            out[n++] = *p;
            continue;
        }
        if (*p != '%' || !p[1] || !p[2])
            return false;
        hex[0] = p[1];
        hex[1] = p[2];
        if (!text_unhex(out + n, 1, hex) || !out[n] || out[n] == '/')
            return false;
        n++;
        p += 2;
    }
    out[n] = 0;
    /* A name that no key is written as is not ours, even where it could be read as one. */
    return key_to_path(check, out) && strcmp(check, name) == 0;
}
