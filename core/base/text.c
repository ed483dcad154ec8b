/* SPDX-License-Identifier: Apache-2.0 */
/* text.c - see text.h. */
#include "core/base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";

void text_hex(char *out, const void *data, size_t n)
{
    const uint8_t *b = data;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = hex_digits[b[i] >> 4];
        out[2 * i + 1] = hex_digits[b[i] & 15];
    }
    out[2 * n] = 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool text_unhex(void *out, size_t n, const char *hex)
{
    uint8_t *b = out;
    for (size_t i = 0; i < n; i++) {
        int hi = hex_value(hex[2 * i]);
        int lo = hi < 0 ? -1 : hex_value(hex[2 * i + 1]);
        if (lo < 0)
            return false;
        b[i] = (uint8_t)(hi << 4 | lo);
    }
    return hex[2 * n] == 0;
}

void text_uuid(char out[UUID_TEXT], const uint8_t uuid[UUID_SIZE])
{
    char hex[2 * UUID_SIZE + 1];
    text_hex(hex, uuid, UUID_SIZE);
    snprintf(out, UUID_TEXT, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}

bool text_parse_uuid(uint8_t uuid[UUID_SIZE], const char *text)
{
    char hex[2 * UUID_SIZE + 1];
    size_t n = 0;
    if (strlen(text) != UUID_TEXT - 1)
        return false;
    for (size_t i = 0; text[i]; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash != (text[i] == '-'))
            return false;
        if (!dash)
            hex[n++] = text[i];
    }
    hex[n] = 0;
    return text_unhex(uuid, UUID_SIZE, hex);
}

char *text_size(char *out, size_t cap, uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1023.5 && unit < 6) {
        value /= 1024;
        unit++;
    }
    int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(out, cap, "%.*f %s", digits, value, units[unit]);
    return out;
}

char *text_duration(char *out, size_t cap, uint64_t ns)
{
    uint64_t s = ns / 1000000000u;
    if (s < 10)
        snprintf(out, cap, "%.2fs", (double)ns / 1e9);
    else if (s < 60)
        snprintf(out, cap, "%.1fs", (double)ns / 1e9);
    else if (s < 3600)
        snprintf(out, cap, "%um %02us", (unsigned)(s / 60), (unsigned)(s % 60));
    else
        snprintf(out, cap, "%lluh %02um", (unsigned long long)(s / 3600),
                 (unsigned)(s / 60 % 60));
    return out;
}

/* Days since 1970-01-01 to a civil date: the era-based formula of H. Hinnant's "chrono-compatible
 * low-level date algorithms". */
static void civil_of_days(int64_t days, int64_t *y, unsigned *m, unsigned *d)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned doe = (unsigned)(days - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    *d = doy - (153 * mp + 2) / 5 + 1;
    *m = mp < 10 ? mp + 3 : mp - 9;
    *y = (int64_t)yoe + era * 400 + (*m <= 2);
}

char *text_time(char *out, size_t cap, int64_t ns, bool iso)
{
    int64_t s = ns / 1000000000 - (ns % 1000000000 < 0);
    int64_t days = s / 86400 - (s % 86400 < 0);
    unsigned sec = (unsigned)(s - days * 86400);
    int64_t y;
    unsigned m, d;
    civil_of_days(days, &y, &m, &d);
    snprintf(out, cap, "%04lld-%02u-%02u%c%02u:%02u:%02u%s", (long long)y, m, d, iso ? 'T' : ' ',
             sec / 3600, sec / 60 % 60, sec % 60, iso ? "Z" : "");
    return out;
}

bool text_parse_u64(uint64_t *out, const char *text, uint64_t max)
{
    uint64_t v = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        unsigned digit = (unsigned)(*text - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    if (v > max)
        return false;
    *out = v;
    return true;
}

bool text_copy(char *out, size_t cap, const char *text)
{
    size_t n = strlen(text);
    bool fits = n < cap;
    if (cap == 0)
        return false;
    if (!fits) {
        n = cap - 1;
        while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
    }
    memcpy(out, text, n);
    out[n] = 0;
    return fits;
}

size_t text_distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    size_t la = strnlen(a, MAX), lb = strnlen(b, MAX);
    size_t rows[3][MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= lb; j++)
        last[j] = j;
    for (size_t i = 1; i <= la; i++) {
        now[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[lb];
}

bool text_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *mark = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            mark = text;
        } else if (*pattern == '?' ||
                   tolower((unsigned char)*pattern) == tolower((unsigned char)*text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++mark;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}
