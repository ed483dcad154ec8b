/* SPDX-License-Identifier: Apache-2.0 */
/* die.h - a scripted plugin kills its own process at a named step, as a power cut would: nothing is
 * flushed, no handler runs. The steps are "NAME:before" and "NAME:after". */
#ifndef TESTS_PLUGINS_DIE_H
#define TESTS_PLUGINS_DIE_H

#include <stdio.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
static inline void die_now(void)
{
    TerminateProcess(GetCurrentProcess(), 137);
}
#else
#include <signal.h>
static inline void die_now(void)
{
    raise(SIGKILL);
}
#endif

/* wanted: the option die_at, may be NULL. when: "before" or "after". */
static inline void die_at(const char *wanted, const char *step, const char *when)
{
    char name[64];
    snprintf(name, sizeof name, "%s:%s", step, when);
    if (wanted && strcmp(wanted, name) == 0)
        die_now();
}

#endif
