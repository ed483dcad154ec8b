/* SPDX-License-Identifier: Apache-2.0 */
/* thread_windows.c - thread.h on Windows. The condition variables of the system came with NT 6, so
 * each is a queue of waiters here, and each waiter has an event of its own. Whoever signals takes
 * waiters off the queue, oldest first, so a signal is for one that waited before it and a broadcast
 * for exactly those. Locks: the queue's own lock is taken last and held shortly; nobody waits for
 * the caller's mutex with it. */
#include "core/base/thread.h"

#include <process.h>
#include <stdlib.h>
#include <windows.h>

struct start {
    HANDLE thread;
    void (*fn)(void *arg);
    void *arg;
};

struct waiter {
    struct waiter *before, *next; /* in the queue; next also in the list of spares */
    HANDLE event;                 /* resets itself */
    bool woken;                   /* taken off the queue by a signal */
};

struct waiters {
    CRITICAL_SECTION lock;
    struct waiter *first, *last;
    struct waiter *spare; /* kept with their events: making one costs more than a wait */
    unsigned inside;      /* threads between entry to and exit from a wait */
};

bool mutex_init(struct mutex *m)
{
    m->impl = malloc(sizeof(CRITICAL_SECTION));
    if (m->impl && !InitializeCriticalSectionAndSpinCount(m->impl, 1000)) {
        free(m->impl);
        m->impl = NULL;
    }
    return m->impl != NULL;
}

void mutex_destroy(struct mutex *m)
{
    if (m->impl)
        DeleteCriticalSection(m->impl);
    free(m->impl);
    m->impl = NULL;
}

void mutex_lock(struct mutex *m)
{
    EnterCriticalSection(m->impl);
}

void mutex_unlock(struct mutex *m)
{
    LeaveCriticalSection(m->impl);
}

bool cond_init(struct cond *c)
{
    struct waiters *q = calloc(1, sizeof *q);
    c->impl = q;
    if (q && !InitializeCriticalSectionAndSpinCount(&q->lock, 1000)) {
        free(q);
        c->impl = NULL;
    }
    return c->impl != NULL;
}

void cond_destroy(struct cond *c)
{
    struct waiters *q = c->impl;
    if (!q)
        return;
    /* Threads that were woken just now may still be on their way out. */
    EnterCriticalSection(&q->lock);
    while (q->inside) {
        LeaveCriticalSection(&q->lock);
        Sleep(1);
        EnterCriticalSection(&q->lock);
    }
    LeaveCriticalSection(&q->lock);
    while (q->spare) {
        struct waiter *w = q->spare;
        q->spare = w->next;
        CloseHandle(w->event);
        free(w);
    }
    DeleteCriticalSection(&q->lock);
    free(q);
    c->impl = NULL;
}

/* A waiter at the end of the queue, or NULL without memory. */
static struct waiter *enqueue(struct waiters *q)
{
    struct waiter *w = q->spare;
    if (w) {
        q->spare = w->next;
    } else {
        w = malloc(sizeof *w);
        if (!w)
            return NULL;
        w->event = CreateEventW(NULL, FALSE, FALSE, NULL);
        if (!w->event) {
            free(w);
            return NULL;
        }
    }
    w->woken = false;
    w->next = NULL;
    w->before = q->last;
    if (q->last)
        q->last->next = w;
    else
        q->first = w;
    q->last = w;
    return w;
}

static void unlink_waiter(struct waiters *q, struct waiter *w)
{
    if (w->before)
        w->before->next = w->next;
    else
        q->first = w->next;
    if (w->next)
        w->next->before = w->before;
    else
        q->last = w->before;
}

static bool wait_for(struct waiters *q, struct mutex *m, DWORD timeout_ms)
{
    EnterCriticalSection(&q->lock);
    struct waiter *w = enqueue(q);
    q->inside += w != NULL;
    LeaveCriticalSection(&q->lock);
    mutex_unlock(m);
    if (!w) {
        /* Wakes without a signal, which the caller expects. */
        Sleep(timeout_ms ? 1 : 0);
        mutex_lock(m);
        return true;
    }
    DWORD result = WaitForSingleObject(w->event, timeout_ms);
    EnterCriticalSection(&q->lock);
    bool woken = w->woken;
    if (!woken)
        unlink_waiter(q, w);
    else if (result != WAIT_OBJECT_0)
        ResetEvent(w->event); /* the signal came between the timeout and the lock */
    w->next = q->spare;
    q->spare = w;
    q->inside--;
    LeaveCriticalSection(&q->lock);
    mutex_lock(m);
    return woken;
}

void cond_wait(struct cond *c, struct mutex *m)
{
    wait_for(c->impl, m, INFINITE);
}

bool cond_wait_ms(struct cond *c, struct mutex *m, uint32_t timeout_ms)
{
    return wait_for(c->impl, m, timeout_ms < INFINITE ? timeout_ms : INFINITE - 1);
}

/* Wakes up to n of those that wait now. */
static void wake(struct waiters *q, unsigned n)
{
    EnterCriticalSection(&q->lock);
    while (n-- && q->first) {
        struct waiter *w = q->first;
        unlink_waiter(q, w);
        w->woken = true;
        SetEvent(w->event);
    }
    LeaveCriticalSection(&q->lock);
}

void cond_signal(struct cond *c)
{
    wake(c->impl, 1);
}

void cond_broadcast(struct cond *c)
{
    wake(c->impl, ~0u);
}

static unsigned __stdcall run(void *arg)
{
    struct start *start = arg;
    start->fn(start->arg);
    return 0;
}

bool thread_start(struct thread *t, void (*fn)(void *arg), void *arg)
{
    struct start *start = malloc(sizeof *start);
    t->impl = NULL;
    if (!start)
        return false;
    start->fn = fn;
    start->arg = arg;
    start->thread = (HANDLE)_beginthreadex(NULL, 0, run, start, 0, NULL);
    if (!start->thread) {
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
    WaitForSingleObject(start->thread, INFINITE);
    CloseHandle(start->thread);
    free(start);
    t->impl = NULL;
}
