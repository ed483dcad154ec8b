/* SPDX-License-Identifier: Apache-2.0 */
/* conn.h - one connection: it reads a request, hands it to s3.h, sends the reply, and begins again.
 * All calls come from the loop thread; while the state is CONN_WORK the exchange belongs to a
 * worker. */
#ifndef CORE_GATEWAY_CONN_H
#define CORE_GATEWAY_CONN_H

#include "core/base/pool.h"
#include "core/gateway/channel.h"
#include "core/gateway/requestlog.h"

#define CONN_BUFFER ((size_t)256 << 10) /* of the loop, shared by all connections */

enum conn_state {
    CONN_HEAD,   /* a request's head comes in */
    CONN_BODY,
    CONN_WORK,   /* a worker carries it out */
    CONN_REPLY,
    CONN_LINGER, /* all is said; what still comes is passed over, so that the reply gets through */
    CONN_CLOSED
};

struct conn;
struct conn_shared { /* what all connections of a loop use */
    const struct gateway_config *config;
    struct faults *faults;
    struct requestlog *log;
    struct channel_tls *tls;
    struct pool *pool;
    uint8_t *buffer;
    uint64_t requests, id; /* counts; the ids of requests begin at a random place */
    bool stopping;
    void (*done)(void *ud, struct conn *conn); /* called by workers */
    void *ud;
};

struct conn {
    struct conn_shared *shared;
    struct channel channel;
    enum conn_state state;
    char in[HTTP_HEAD_MAX]; /* a head, and what came with it */
    size_t in_len, in_pos;
    struct exchange x;
    uint64_t body_left;
    char out[S3_HEAD_MAX + 512]; /* the reply's head */
    size_t out_len, out_done;
    uint64_t sent, to_send; /* of the reply's body */
    uint64_t began_ns, deadline_ns, wake_ns; /* 0: none */
    uint64_t moved;         /* bytes since the deadline was set */
    uint64_t rate, rate_moved, rate_from_ns; /* of a slow fault */
    uint64_t cut_at;        /* bytes of the body; UINT64_MAX: not cut */
    unsigned want;          /* NET_ bits */
    struct conn *next;      /* in the list of what workers have done */
};

struct conn *conn_new(struct conn_shared *shared, net_socket socket);
/* Goes on as far as that is possible without waiting. */
void conn_drive(struct conn *conn);
/* A worker has carried it out. */
void conn_worked(struct conn *conn);
/* Looks at its deadline. */
void conn_tick(struct conn *conn);
/* When it must be looked at; UINT64_MAX: when something happens. */
uint64_t conn_due(const struct conn *conn);
void conn_free(struct conn *conn);

#endif
