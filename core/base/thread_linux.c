/* SPDX-License-Identifier: Apache-2.0 */
/* thread_linux.c - thread.h on POSIX threads. */
#include "core/base/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct start {
    pthread_t thread;
    void (*fn)(void *arg);
    void *arg;
};

bool mutex_init(struct mutex *m)
{
    m->impl = malloc(sizeof(pthread_mutex_t));
    return m->impl && pthread_mutex_init(m->impl, NULL) == 0;
}

void mutex_destroy(struct mutex *m)
{
    if (m->impl)
        pthread_mutex_destroy(m->impl);
    free(m->impl);
    m->impl = NULL;
}

void mutex_lock(struct mutex *m)
{
    pthread_mutex_lock(m->impl);
}

void mutex_unlock(struct mutex *m)
{
    pthread_mutex_unlock(m->impl);
}

bool cond_init(struct cond *c)
{
    pthread_condattr_t attr;
    c->impl = malloc(sizeof(pthread_cond_t));
    if (!c->impl)
        return false;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    bool good = pthread_cond_init(c->impl, &attr) == 0;
    pthread_condattr_destroy(&attr);
    return good;
}

void cond_destroy(struct cond *c)
{
    if (c->impl)
        pthread_cond_destroy(c->impl);
    free(c->impl);
    c->impl = NULL;
}

void cond_wait(struct cond *c, struct mutex *m)
{
    pthread_cond_wait(c->impl, m->impl);
}

bool cond_wait_ms(struct cond *c, struct mutex *m, uint32_t timeout_ms)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += timeout_ms / 1000;
    ts.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }
    return pthread_cond_timedwait(c->impl, m->impl, &ts) == 0;
}

void cond_signal(struct cond *c)
{
    pthread_cond_signal(c->impl);
}

void cond_broadcast(struct cond *c)
{
    pthread_cond_broadcast(c->impl);
}

static void *run(void *arg)
{
    struct start *start = arg;
    start->fn(start->arg);
    return NULL;
}

bool thread_start(struct thread *t, void (*fn)(void *arg), void *arg)
{
    struct start *start = malloc(sizeof *start);
    t->impl = NULL;
    if (!start)
        return false;
    start->fn = fn;
    start->arg = arg;
    if (pthread_create(&start->thread, NULL, run, start) != 0) {
        free(start);
        return false;
    }
    t->impl = start;
    return true;
}

void thread_join(struct thread *t)
{
    struct start *start = t->impl;
    if (!start)
        return;
    pthread_join(start->thread, NULL);
    free(start);
    t->impl = NULL;
}
