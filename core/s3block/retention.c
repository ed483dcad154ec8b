/* SPDX-License-Identifier: Apache-2.0 */
/* retention.c - which points to keep, by their own times in UTC; see collect.h. */
#include "core/s3block/collect.h"

#include "core/base/bytes.h"
#include "core/base/text.h"

#include <stdio.h>

#define HOUR (INT64_C(3600) * 1000000000)
#define DAY (24 * HOUR)

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t year_of(int64_t ns)
{
    char text[40];
    text_time(text, sizeof text, ns, true);
    int64_t year = 0;
    for (const char *p = text; *p >= '0' && *p <= '9'; p++)
        year = year * 10 + (*p - '0');
    return year;
}

static int64_t month_of(int64_t ns)
{
    char text[40];
    text_time(text, sizeof text, ns, true);
    const char *dash = strchr(text, '-');
    return year_of(ns) * 12 + (dash ? (dash[1] - '0') * 10 + (dash[2] - '0') : 0);
}

static int64_t hour_of(int64_t ns)
{
    return floor_div(ns, HOUR);
}

static int64_t day_of(int64_t ns)
{
    return floor_div(ns, DAY);
}

/* Weeks begin on Monday; 1970-01-01 was a Thursday. */
static int64_t week_of(int64_t ns)
{
    return floor_div(day_of(ns) + 3, 7);
}

/* A damaged point counts for no rule, and is forgotten only by name. */
static bool eligible(const struct point *point)
{
    return !point->partial && !point->forgotten && !point->damaged;
}

/* Keeps the newest point of each of the last n periods that have one. */
static void keep_periods(const struct points *points, uint64_t n, int64_t (*period)(int64_t ns),
                         const char *name, bool *keep, const char **why)
{
    bool any = false;
    int64_t last = 0;
    for (size_t i = points->n; i-- && n;) {
        const struct point *point = &points->list[i];
        if (!eligible(point))
            continue;
        int64_t now = period(point->root.time_ns);
        if (any && now == last)
            continue;
        any = true;
        last = now;
        n--;
        keep[i] = true;
        if (!why[i])
            why[i] = name;
    }
}

static void keep_last(const struct points *points, uint64_t n, const char *name, bool *keep,
                      const char **why)
{
    for (size_t i = points->n; i-- && n;) {
        if (!eligible(&points->list[i]))
            continue;
        n--;
        keep[i] = true;
        if (!why[i])
            why[i] = name;
    }
}

void retention_apply(const struct retention *rules, const struct points *points, bool *keep,
                     const char **why)
{
    bool none = !(rules->last | rules->hourly | rules->daily | rules->weekly | rules->monthly |
                  rules->yearly);
    for (size_t i = 0; i < points->n; i++) {
        keep[i] = none || points->list[i].damaged;
        why[i] = points->list[i].damaged ? "damaged" : NULL;
    }
    keep_last(points, 1, "newest", keep, why);
    keep_last(points, rules->last, "last", keep, why);
    keep_periods(points, rules->hourly, hour_of, "hourly", keep, why);
    keep_periods(points, rules->daily, day_of, "daily", keep, why);
    keep_periods(points, rules->weekly, week_of, "weekly", keep, why);
    keep_periods(points, rules->monthly, month_of, "monthly", keep, why);
    keep_periods(points, rules->yearly, year_of, "yearly", keep, why);
}

int forget_point(const struct segment_space *space, const struct points *points, uint64_t seq,
                 struct ds_error *err)
{
    char key[OBJECT_KEY_MAX + 1], uuid[UUID_TEXT];
    const struct point *found = NULL, *newest = NULL;
    uint8_t mark[FORGOTTEN_SIZE];
    for (size_t i = 0; i < points->n; i++) {
        if (points->list[i].seq == seq && !points->list[i].partial)
            found = &points->list[i];
        if (eligible(&points->list[i]))
            newest = &points->list[i];
    }
    if (!found)
        return ds_fail(err, DS_ENOPOINT, "there is no point %llu: disksync points lists them",
                       (unsigned long long)seq);
    if (found->forgotten)
        return DS_OK;
    if (found == newest)
        return ds_fail(err, DS_EINVAL, "point %llu is the newest, on which the next is built: it "
                       "can't be forgotten", (unsigned long long)seq);
    text_uuid(uuid, space->node);
    snprintf(key, sizeof key, "n/%s/f/%016llx", uuid, (unsigned long long)seq);
    if (!forgotten_make(mark, seq, space))
        return ds_fail(err, DS_ENOMEM, "libcrypto could not make a mark");
    return objects_put(space->objects, key, mark, sizeof mark, 0, err);
}
