/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h - a fixed set of threads that run queued tasks in order of arrival. */
#ifndef CORE_BASE_POOL_H
#define CORE_BASE_POOL_H

#include <stdbool.h>

struct pool;
struct pool *pool_new(unsigned threads); /* NULL without memory or threads */
/* Any thread. False without memory: fn will not run. */
bool pool_run(struct pool *pool, void (*fn)(void *arg), void *arg);
/* Returns when the queue is empty and no task runs. */
void pool_drain(struct pool *pool);
void pool_free(struct pool *pool); /* drains; accepts NULL */

#endif
