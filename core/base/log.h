/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - events: a stable id, a level, a sentence and key/values. One process, one log; sinks are
 * chosen at start (standard error as text for people, or a file). Any thread. Secrets never get
 * here: they are not text. */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include <disksync/abi.h>
#include <disksync/helpers.h>

/* Events below `level` are dropped. */
void log_start(int level);
/* Called before each line that goes to standard error, so that a progress bar can step aside. */
void log_set_interlude(void (*fn)(void));
void log_event(int level, const char *event, const char *text, const struct ds_kv *kv, size_t n);
/* While held, lines are kept in memory (up to a bound, above which they are dropped): the disk that
 * the log is on may be frozen. Main thread; releasing writes them. */
void log_hold(void);
void log_release(void);
DS_PRINTF(3, 4) void log_printf(int level, const char *event, const char *fmt, ...);

#endif
