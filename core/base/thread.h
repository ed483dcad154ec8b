/* SPDX-License-Identifier: Apache-2.0 */
/* thread.h - threads, mutexes and condition variables on both systems. Windows' own condition
 * variables are newer than the oldest Windows served, so they are made of events there.
 * Implementations: thread_linux.c, thread_windows.c. */
#ifndef CORE_BASE_THREAD_H
#define CORE_BASE_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mutex {
    void *impl;
};
struct cond {
    void *impl;
};
struct thread {
    void *impl;
};

/* Initialisers return false without memory; destroying a zeroed one is fine. */
bool mutex_init(struct mutex *m);
void mutex_destroy(struct mutex *m);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool cond_init(struct cond *c);
void cond_destroy(struct cond *c);
/* May wake without a signal: test the condition in a loop. */
void cond_wait(struct cond *c, struct mutex *m);
/* False when timeout_ms passed. */
bool cond_wait_ms(struct cond *c, struct mutex *m, uint32_t timeout_ms);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);
bool thread_start(struct thread *t, void (*fn)(void *arg), void *arg);
void thread_join(struct thread *t); /* accepts a zeroed one */

#endif
