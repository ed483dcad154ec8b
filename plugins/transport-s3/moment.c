/* SPDX-License-Identifier: Apache-2.0 */
/* moment.c - see moment.h. Days are counted in eras of 400 years, each beginning on 1 March, so
 * that the leap day is the last of its year. */
#include "moment.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define DAY INT64_C(86400)
#define LAST INT64_C(253402300799) /* 9999-12-31T23:59:59 */

struct civil {
    int year, month, day, hour, minute, second;
};

static struct civil civil_of(int64_t ns)
{
    int64_t s = ns / MOMENT_SECOND;
    if (ns < 0)
        s = 0;
    if (s > LAST)
        s = LAST;
    int64_t days = s / DAY + 719468, era = days / 146097, of_era = days % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;
    struct civil c = { .day = (int)(of_year - (153 * m + 2) / 5 + 1) };
    c.month = (int)(m < 10 ? m + 3 : m - 9);
    c.year = (int)(year + era * 400 + (c.month <= 2));
    c.hour = (int)(s % DAY / 3600);
    c.minute = (int)(s % 3600 / 60);
    c.second = (int)(s % 60);
    return c;
}

static int64_t seconds_of(const struct civil *c)
{
    int64_t year = c->year - (c->month <= 2), era = year / 400, of_era = year % 400;
    int64_t of_year = (153 * (c->month > 2 ? c->month - 3 : c->month + 9) + 2) / 5 + c->day - 1;
    int64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return days * DAY + c->hour * 3600 + c->minute * 60 + c->second;
}

/* What lies behind the last nanosecond that fits is that one: far enough for any expiry. */
static int64_t nanoseconds(int64_t seconds)
{
    return seconds < INT64_MAX / MOMENT_SECOND ? seconds * MOMENT_SECOND
                                               : INT64_MAX - MOMENT_SECOND;
}

void moment_stamp(char out[MOMENT_STAMP], int64_t ns)
{
    struct civil c = civil_of(ns);
    snprintf(out, MOMENT_STAMP, "%04d%02d%02dT%02d%02d%02dZ", c.year, c.month, c.day, c.hour,
             c.minute, c.second);
}

void moment_iso(char out[MOMENT_ISO], int64_t ns)
{
    struct civil c = civil_of(ns);
    snprintf(out, MOMENT_ISO, "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year, c.month, c.day, c.hour,
             c.minute, c.second);
}

/* n digits at text; -1 if they are none. */
static int number(const char *text, int n)
{
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        v = v * 10 + (text[i] - '0');
    }
    return v;
}

bool moment_parse_iso(int64_t *ns, const char *text)
{
    static const char form[] = "0000-00-00T00:00:00";
    int64_t fraction = 0, unit = MOMENT_SECOND / 10;
    if (strlen(text) < sizeof form - 1)
        return false;
    for (size_t i = 0; i < sizeof form - 1; i++)
        if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return false;
    struct civil c = { number(text, 4), number(text + 5, 2), number(text + 8, 2),
                       number(text + 11, 2), number(text + 14, 2), number(text + 17, 2) };
    if (c.year < 1970 || c.month < 1 || c.month > 12 || c.day < 1 || c.day > 31 || c.hour > 23 ||
        c.minute > 59 || c.second > 60)
        return false;
    const char *p = text + sizeof form - 1;
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
            fraction += (*p - '0') * unit;
    if (strcmp(p, "Z") != 0 && strcmp(p, "+00:00") != 0)
        return false;
    *ns = nanoseconds(seconds_of(&c)) + fraction;
    return true;
}

bool moment_parse_http(int64_t *ns, const char *text)
{
    int64_t s = (int64_t)curl_getdate(text, NULL);
    if (s < 0)
        return false;
    *ns = nanoseconds(s);
    return true;
}
