/* SPDX-License-Identifier: Apache-2.0 */
/* concurrency.c - see concurrency.h. */
#include "concurrency.h"

#define WINDOW_NS (UINT64_C(250) * 1000000)
#define WINDOW_ANSWERS 2u /* for each place */
#define HALVE_NS (UINT64_C(2) * 1000000000)
#define REQUEST_BYTES 65536.0 /* small requests count too */
#define LATE 4.0              /* times the best wait, and */
#define LATE_NS 50e6          /* that much more */
#define PAUSE 16u

void concurrency_start(struct concurrency *c, unsigned max)
{
    *c = (struct concurrency){ .max = max ? max : 1 };
    c->limit = c->max < CONCURRENCY_START ? c->max : CONCURRENCY_START;
}

static void window_open(struct concurrency *c, uint64_t now_ns)
{
    c->started_ns = now_ns;
    c->bytes = 0;
    c->wait_ns = 0;
    c->answers = 0;
    c->full = false;
}

static void halve(struct concurrency *c, uint64_t now_ns)
{
    c->limit = c->limit > 1 ? c->limit / 2 : 1;
    c->halved_ns = now_ns;
    c->grew = false;
    c->rate = 0;
    c->pause = PAUSE;
    window_open(c, now_ns);
}

void concurrency_slow_down(struct concurrency *c, uint64_t now_ns)
{
    if (c->halved_ns && now_ns - c->halved_ns < HALVE_NS)
        return;
    halve(c, now_ns);
}

/* Keeps the smoothed wait and the best one, which is forgotten slowly: paths change. */
static void wait_learn(struct concurrency *c, double wait)
{
    c->wait = c->wait > 0 ? c->wait * 0.5 + wait * 0.5 : wait;
    if (c->calm <= 0 || c->wait < c->calm)
        c->calm = c->wait;
    else
        c->calm += (c->wait - c->calm) * 0.01;
}

static void grow(struct concurrency *c, double rate)
{
    unsigned step = c->limit / 4 > 1 ? c->limit / 4 : 1;
    if (c->grew && rate < c->rate * 1.02) { /* the last step gained nothing: back, for a while */
        c->limit -= c->limit / 5 > 1 ? c->limit / 5 : c->limit > 1;
        c->grew = false;
        c->pause = PAUSE;
        return;
    }
    c->grew = false;
    if (c->pause) {
        c->pause--;
        return;
    }
    if (c->limit < c->max) {
        c->limit = c->limit + step < c->max ? c->limit + step : c->max;
        c->grew = true;
    }
}

static void window_close(struct concurrency *c, uint64_t now_ns)
{
    double seconds = (double)(now_ns - c->started_ns) / 1e9;
    double rate = ((double)c->bytes + REQUEST_BYTES * c->answers) / seconds;
    wait_learn(c, (double)c->wait_ns / c->answers);
    bool late = c->wait > c->calm * LATE && c->wait > c->calm + LATE_NS && rate <= c->rate * 1.02;
    if (late && now_ns - c->halved_ns >= HALVE_NS) {
        halve(c, now_ns);
        return;
    }
    if (c->full) {
        grow(c, rate);
        c->rate = rate;
    }
    window_open(c, now_ns);
}

void concurrency_answered(struct concurrency *c, uint64_t now_ns, uint64_t bytes, uint64_t wait_ns,
                          bool held)
{
    if (!c->started_ns)
        window_open(c, now_ns);
    c->bytes += bytes;
    c->wait_ns += wait_ns;
    c->answers++;
    c->full = c->full || held;
    if (c->answers >= c->limit * WINDOW_ANSWERS && now_ns - c->started_ns >= WINDOW_NS)
        window_close(c, now_ns);
}
