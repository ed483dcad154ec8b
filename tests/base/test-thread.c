/* SPDX-License-Identifier: Apache-2.0 */
/* test-thread.c - mutual exclusion, condition variables (no signal lost, broadcast reaches all,
 * timeouts end) and the thread pool on top of them. */
#include "core/base/os.h"
#include "core/base/pool.h"
#include "core/base/thread.h"
#include "tests/unit.h"

#include <string.h>

#define THREADS 8

struct shared {
    struct mutex lock;
    struct cond cond, other;
    unsigned waiting, woken, turn, queue, taken;
    bool go, stop;
    volatile unsigned long count;
};

static void shared_init(struct shared *s)
{
    memset(s, 0, sizeof *s);
    ck_assert(mutex_init(&s->lock) && cond_init(&s->cond) && cond_init(&s->other));
}

static void shared_free(struct shared *s)
{
    cond_destroy(&s->cond);
    cond_destroy(&s->other);
    mutex_destroy(&s->lock);
}

static void start_all(struct thread *threads, unsigned n, void (*fn)(void *arg), void *arg)
{
    for (unsigned i = 0; i < n; i++)
        ck_assert(thread_start(&threads[i], fn, arg));
}

static void join_all(struct thread *threads, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        thread_join(&threads[i]);
}

static void count_up(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < 20000; i++) {
        mutex_lock(&s->lock);
        s->count = s->count + 1;
        mutex_unlock(&s->lock);
    }
}

START_TEST(mutex_lets_one_in)
{
    struct shared s;
    struct thread threads[THREADS];
    shared_init(&s);
    start_all(threads, THREADS, count_up, &s);
    join_all(threads, THREADS);
    ck_assert_uint_eq(s.count, THREADS * 20000);
    shared_free(&s);
}
END_TEST

/* Waits for go, and says so before. */
static void wait_for_go(void *arg)
{
    struct shared *s = arg;
    mutex_lock(&s->lock);
    s->waiting++;
    cond_signal(&s->other);
    while (!s->go)
        cond_wait(&s->cond, &s->lock);
    s->woken++;
    cond_signal(&s->other);
    mutex_unlock(&s->lock);
}

START_TEST(broadcast_wakes_everyone)
{
    struct shared s;
    struct thread threads[THREADS];
    shared_init(&s);
    for (int round = 0; round < 50; round++) {
        s.go = false;
        s.waiting = s.woken = 0;
        start_all(threads, THREADS, wait_for_go, &s);
        mutex_lock(&s.lock);
        while (s.waiting < THREADS)
            cond_wait(&s.other, &s.lock);
        ck_assert_uint_eq(s.woken, 0);
        s.go = true;
        cond_broadcast(&s.cond);
        mutex_unlock(&s.lock);
        join_all(threads, THREADS);
        ck_assert_uint_eq(s.woken, THREADS);
    }
    shared_free(&s);
}
END_TEST

/* Takes from the queue until stop. */
static void take(void *arg)
{
    struct shared *s = arg;
    mutex_lock(&s->lock);
    for (;;) {
        while (!s->queue && !s->stop)
            cond_wait(&s->cond, &s->lock);
        if (!s->queue)
            break;
        s->queue--;
        s->taken++;
        cond_signal(&s->other);
    }
    mutex_unlock(&s->lock);
}

START_TEST(no_signal_is_lost)
{
    struct shared s;
    struct thread threads[THREADS];
    shared_init(&s);
    start_all(threads, THREADS, take, &s);
    /* One signal per item: a lost one leaves the item lying, and the test's time limit ends it. */
    for (unsigned i = 1; i <= 5000; i++) {
        mutex_lock(&s.lock);
        s.queue++;
        cond_signal(&s.cond);
        while (i % 7 == 0 && s.taken < i)
            cond_wait(&s.other, &s.lock);
        mutex_unlock(&s.lock);
    }
    mutex_lock(&s.lock);
    s.stop = true;
    cond_broadcast(&s.cond);
    mutex_unlock(&s.lock);
    join_all(threads, THREADS);
    ck_assert_uint_eq(s.taken, 5000);
    shared_free(&s);
}
END_TEST

START_TEST(timeout_ends_a_wait)
{
    struct shared s;
    shared_init(&s);
    mutex_lock(&s.lock);
    uint64_t start = os_mono_ns();
    bool woken = true;
    while (woken && os_mono_ns() - start < 5000000000u)
        woken = cond_wait_ms(&s.cond, &s.lock, 60);
    uint64_t took = os_mono_ns() - start;
    ck_assert(!woken);
    ck_assert_msg(took >= 50000000u && took < 4000000000u, "%llu ns", (unsigned long long)took);
    ck_assert(!cond_wait_ms(&s.cond, &s.lock, 0));
    /* A signal that nobody waited for is gone. */
    cond_signal(&s.cond);
    cond_broadcast(&s.cond);
    ck_assert(!cond_wait_ms(&s.cond, &s.lock, 20));
    mutex_unlock(&s.lock);
    shared_free(&s);
}
END_TEST

/* Waits with timeouts so short that they race with the signals, and counts turns. */
static void wait_shortly(void *arg)
{
    struct shared *s = arg;
    mutex_lock(&s->lock);
    while (!s->stop) {
        unsigned turn = s->turn;
        while (s->turn == turn && !s->stop)
            cond_wait_ms(&s->cond, &s->lock, (turn + s->count) % 3);
        s->count = s->count + 1;
    }
    s->woken++;
    mutex_unlock(&s->lock);
}

static void wait_long(void *arg)
{
    struct shared *s = arg;
    mutex_lock(&s->lock);
    while (!s->go)
        cond_wait(&s->other, &s->lock);
    s->woken += 100;
    mutex_unlock(&s->lock);
}

START_TEST(timeouts_racing_with_signals_lose_nobody)
{
    struct shared s;
    struct thread threads[THREADS], sleeper;
    shared_init(&s);
    ck_assert(thread_start(&sleeper, wait_long, &s));
    start_all(threads, THREADS, wait_shortly, &s);
    for (int i = 0; i < 1000; i++) {
        mutex_lock(&s.lock);
        s.turn++;
        if (i % 2)
            cond_signal(&s.cond);
        else
            cond_broadcast(&s.cond);
        mutex_unlock(&s.lock);
        if (i % 50 == 0)
            os_sleep_ns(2000000);
    }
    mutex_lock(&s.lock);
    s.stop = true;
    cond_broadcast(&s.cond);
    mutex_unlock(&s.lock);
    join_all(threads, THREADS);
    ck_assert_uint_eq(s.woken, THREADS);
    /* After all that, a signal still reaches one that waits, and a waiter still times out. */
    mutex_lock(&s.lock);
    ck_assert(!cond_wait_ms(&s.cond, &s.lock, 10));
    s.go = true;
    cond_signal(&s.other);
    mutex_unlock(&s.lock);
    thread_join(&sleeper);
    ck_assert_uint_eq(s.woken, THREADS + 100);
    shared_free(&s);
}
END_TEST

START_TEST(waiters_are_out_before_destroy_returns)
{
    for (int round = 0; round < 200; round++) {
        struct shared s;
        struct thread threads[3];
        shared_init(&s);
        start_all(threads, 3, wait_for_go, &s);
        mutex_lock(&s.lock);
        while (s.waiting < 3)
            cond_wait(&s.other, &s.lock);
        s.go = true;
        cond_broadcast(&s.cond);
        while (s.woken < 3)
            cond_wait(&s.other, &s.lock);
        mutex_unlock(&s.lock);
        cond_destroy(&s.cond); /* while the last may still be leaving its wait */
        join_all(threads, 3);
        shared_free(&s); /* which destroys it again */
    }
}
END_TEST

START_TEST(zeroed_objects_may_be_ended)
{
    struct mutex m = { NULL };
    struct cond c = { NULL };
    struct thread t = { NULL };
    mutex_destroy(&m);
    cond_destroy(&c);
    thread_join(&t);
}
END_TEST

struct task {
    struct shared *s;
    struct pool *pool;
    unsigned children;
};

static void count_task(void *arg)
{
    struct task *task = arg;
    for (unsigned i = 0; i < task->children; i++)
        pool_run(task->pool, count_task, task + 1);
    mutex_lock(&task->s->lock);
    task->s->count = task->s->count + 1;
    mutex_unlock(&task->s->lock);
}

static void sleep_and_count(void *arg)
{
    struct shared *s = arg;
    os_sleep_ns(100000000);
    mutex_lock(&s->lock);
    s->count = s->count + 1;
    mutex_unlock(&s->lock);
}

START_TEST(pool_drains_what_its_own_tasks_add)
{
    struct shared s;
    shared_init(&s);
    struct pool *pool = pool_new(4);
    ck_assert_ptr_nonnull(pool);
    struct task tasks[2] = { { &s, pool, 3 }, { &s, pool, 0 } };
    for (int round = 1; round <= 20; round++) {
        for (int i = 0; i < 50; i++)
            ck_assert(pool_run(pool, count_task, &tasks[0]));
        pool_drain(pool);
        ck_assert_uint_eq(s.count, (unsigned long)round * 200);
    }
    /* A task that runs while the queue is empty is waited for, too. */
    ck_assert(pool_run(pool, sleep_and_count, &s));
    os_sleep_ns(20000000);
    pool_drain(pool);
    ck_assert_uint_eq(s.count, 20 * 200 + 1);
    pool_free(pool);
    pool_free(NULL);
    shared_free(&s);
}
END_TEST

UNIT_MAIN("thread", mutex_lets_one_in, broadcast_wakes_everyone, no_signal_is_lost,
          timeout_ends_a_wait, timeouts_racing_with_signals_lose_nobody,
          waiters_are_out_before_destroy_returns, zeroed_objects_may_be_ended,
          pool_drains_what_its_own_tasks_add)
