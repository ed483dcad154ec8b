/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - see log.h. Lines go to standard error in one write each. */
#include "core/base/log.h"

#include "core/base/dynbuf.h"

#include <stdio.h>

static int log_level = DS_LOG_INFO;
static void (*log_interlude)(void);

void log_start(int level)
{
    log_level = level;
}

void log_set_interlude(void (*fn)(void))
{
    log_interlude = fn;
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
    if (dynbuf_ok(&line)) {
        if (log_interlude)
            log_interlude();
        fwrite(line.data, 1, line.len, stderr);
        fflush(stderr);
    }
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
