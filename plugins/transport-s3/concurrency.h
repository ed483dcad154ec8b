/* SPDX-License-Identifier: Apache-2.0 */
/* concurrency.h - how many requests are in flight at once. The number grows while that makes more
 * bytes or requests a second, stays where it does not, and is halved when the store asks to slow
 * down or answers much later than it used to. Pure arithmetic: the caller tells the time. */
#ifndef TRANSPORT_S3_CONCURRENCY_H
#define TRANSPORT_S3_CONCURRENCY_H

#include <stdbool.h>
#include <stdint.h>

#define CONCURRENCY_START 8u

struct concurrency {
    unsigned limit, max;
    /* the window being measured: a number of answers, and at least some time */
    uint64_t started_ns, bytes, wait_ns;
    unsigned answers;
    bool full;           /* the limit held something back in it */
    /* what came before */
    double rate;         /* of the last full window: bytes/s, with an allowance for each request */
    double wait, calm;   /* ns from the end of a request to its answer: smoothed, and at its best */
    bool grew;           /* the last change was a step up */
    unsigned pause;      /* windows without growth after a step that did not help */
    uint64_t halved_ns;
};

void concurrency_start(struct concurrency *c, unsigned max);
/* A request was answered: bytes of its body, and how long the store took once it had the request.
 * held: others wait for a place. */
void concurrency_answered(struct concurrency *c, uint64_t now_ns, uint64_t bytes, uint64_t wait_ns,
                          bool held);
/* The store said so. Counts once for all requests that were under way together. */
void concurrency_slow_down(struct concurrency *c, uint64_t now_ns);

#endif
