/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c - see pool.h. One mutex guards the queue; tasks run without it. */
#include "core/base/pool.h"

#include "core/base/thread.h"

#include <stdlib.h>

struct task {
    struct task *next;
    void (*fn)(void *arg);
    void *arg;
};

struct pool {
    struct mutex lock;
    struct cond work, idle;
    struct task *first, **last;
    unsigned busy, n_threads;
    bool stop;
    struct thread threads[];
};

static void pool_thread(void *arg)
{
    struct pool *pool = arg;
    mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->first && !pool->stop)
            cond_wait(&pool->work, &pool->lock);
        struct task *task = pool->first;
        if (!task)
            break;
        pool->first = task->next;
        if (!pool->first)
            pool->last = &pool->first;
        pool->busy++;
        mutex_unlock(&pool->lock);
        task->fn(task->arg);
        free(task);
        mutex_lock(&pool->lock);
        pool->busy--;
        if (!pool->busy && !pool->first)
            cond_broadcast(&pool->idle);
    }
    mutex_unlock(&pool->lock);
}

struct pool *pool_new(unsigned threads)
{
    struct pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
    if (!pool)
        return NULL;
    pool->last = &pool->first;
    if (!mutex_init(&pool->lock) || !cond_init(&pool->work) || !cond_init(&pool->idle)) {
        pool_free(pool);
        return NULL;
    }
    while (pool->n_threads < threads &&
           thread_start(&pool->threads[pool->n_threads], pool_thread, pool))
        pool->n_threads++;
    if (pool->n_threads < threads) {
        pool_free(pool);
        return NULL;
    }
    return pool;
}

bool pool_run(struct pool *pool, void (*fn)(void *arg), void *arg)
{
    struct task *task = malloc(sizeof *task);
    if (!task)
        return false;
    *task = (struct task){ NULL, fn, arg };
    mutex_lock(&pool->lock);
    *pool->last = task;
    pool->last = &task->next;
    cond_signal(&pool->work);
    mutex_unlock(&pool->lock);
    return true;
}

void pool_drain(struct pool *pool)
{
    mutex_lock(&pool->lock);
    while (pool->first || pool->busy)
        cond_wait(&pool->idle, &pool->lock);
    mutex_unlock(&pool->lock);
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    if (pool->n_threads) {
        pool_drain(pool);
        mutex_lock(&pool->lock);
        pool->stop = true;
        cond_broadcast(&pool->work);
        mutex_unlock(&pool->lock);
    }
    for (unsigned i = 0; i < pool->n_threads; i++)
        thread_join(&pool->threads[i]);
    cond_destroy(&pool->idle);
    cond_destroy(&pool->work);
    mutex_destroy(&pool->lock);
    free(pool);
}
