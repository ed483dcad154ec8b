/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - see log.h. Lines go to standard error in one write each. The mutex guards what is held
 * back; it is made once and stays. */
#include "core/base/log.h"

#include "core/base/dynbuf.h"
#include "core/base/thread.h"

#include <stdio.h>

#define HELD_MAX ((size_t)1 << 20)

static int log_level = DS_LOG_INFO;
static void (*log_interlude)(void);
static struct mutex held_lock;
static struct dynbuf held = DYNBUF_INIT(HELD_MAX);
static int holding; /* atomic */

void log_start(int level)
{
    log_level = level;
}

void log_set_interlude(void (*fn)(void))
{
    log_interlude = fn;
}

static void log_write(const void *data, size_t n)
{
    if (log_interlude)
        log_interlude();
    fwrite(data, 1, n, stderr);
    fflush(stderr);
}

/* False if lines are not held back now. */
static bool hold_back(const struct dynbuf *line)
{
    if (!__atomic_load_n(&holding, __ATOMIC_ACQUIRE))
        return false;
    mutex_lock(&held_lock);
    bool still = __atomic_load_n(&holding, __ATOMIC_RELAXED);
    if (still)
        dynbuf_add(&held, line->data, line->len);
    mutex_unlock(&held_lock);
    return still;
}

void log_hold(void)
{
    if (held_lock.impl || mutex_init(&held_lock))
        __atomic_store_n(&holding, 1, __ATOMIC_RELEASE);
}

void log_release(void)
{
    if (!__atomic_load_n(&holding, __ATOMIC_ACQUIRE))
        return;
    mutex_lock(&held_lock);
    __atomic_store_n(&holding, 0, __ATOMIC_RELEASE);
    if (held.len)
        log_write(held.data, held.len);
    if (!dynbuf_ok(&held))
        fputs("disksync: warning: more was said than could be kept [log.dropped]\n", stderr);
    dynbuf_free(&held);
    held = (struct dynbuf)DYNBUF_INIT(HELD_MAX);
    mutex_unlock(&held_lock);
}

void log_event(int level, const char *event, const char *text, const struct ds_kv *kv, size_t n)
{
    static const char *const names[] = { "debug: ", "", "warning: ", "error: " };
    struct dynbuf line = DYNBUF_INIT(16384);
    if (level < log_level || level < 0 || level > DS_LOG_ERROR)
        return;
    dynbuf_printf(&line, "disksync: %s%s", names[level], text);
    for (size_t i = 0; i < n; i++)
        dynbuf_printf(&line, " %s=%s", kv[i].key, kv[i].value);
    if (level != DS_LOG_INFO)
        dynbuf_printf(&line, " [%s]", event);
    dynbuf_u8(&line, '\n');
    if (dynbuf_ok(&line) && !hold_back(&line))
        log_write(line.data, line.len);
    dynbuf_free(&line);
}

void log_printf(int level, const char *event, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_event(level, event, text, NULL, 0);
}
