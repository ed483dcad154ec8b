/* SPDX-License-Identifier: Apache-2.0 */
/* gateway.c - the loop: it owns all connections, waits for their sockets, for the listener and for
 * the workers. Only `done`, under its mutex, is touched by other threads, and `stop`. */
#include "core/gateway/gateway.h"

#include "core/base/bytes.h"
#include "core/base/os.h"
#include "core/base/thread.h"
#include "core/gateway/conn.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CONNECTIONS 512u
#define WORKERS 4u
#define PAUSE_NS (UINT64_C(100) * 1000000)
#define GRACE_NS (UINT64_C(5) * 1000000000) /* for what runs, when it stops */

struct gateway {
    struct gateway_config config;
    struct conn_shared shared;
    net_socket listener, wake[2];
    unsigned port;
    uint64_t accept_ns; /* not before */
    struct conn **conns;
    size_t n, max;
    struct net_wait *waits; /* the wake, the listener, and one for each connection */
    struct mutex lock;
    struct conn *done;
    atomic_bool stop;
};

static void on_done(void *ud, struct conn *conn)
{
    struct gateway *gateway = ud;
    mutex_lock(&gateway->lock);
    conn->next = gateway->done;
    gateway->done = conn;
    mutex_unlock(&gateway->lock);
    net_wake(gateway->wake);
}

static int start(struct gateway *gateway, struct ds_error *err)
{
    struct gateway_config *config = &gateway->config;
    struct conn_shared *shared = &gateway->shared;
    net_start();
    int rc = net_wake_new(gateway->wake, err);
    if (!rc)
        rc = os_random(&shared->id, sizeof shared->id, err);
    if (!rc && config->tls_certificate)
        rc = channel_tls_new(&shared->tls, config->tls_certificate, config->tls_key, err);
    if (!rc && config->log)
        rc = requestlog_new(&shared->log, config->log, err);
    if (!rc && config->faults) {
        shared->faults = faults_new(config->faults);
        rc = shared->faults ? faults_refresh(shared->faults, err)
                            : ds_fail(err, DS_ENOMEM, "no memory for the faults");
    }
    if (!rc) {
        shared->pool = pool_new(config->workers ? config->workers : WORKERS);
        if (!shared->pool)
            rc = ds_fail(err, DS_ENOMEM, "no memory for the workers");
    }
    if (!rc)
        rc = net_listen(&gateway->listener, config->address, &gateway->port, err);
    return rc;
}

int gateway_new(struct gateway **out, const struct gateway_config *config, struct ds_error *err)
{
    struct gateway *gateway = calloc(1, sizeof *gateway);
    int rc;
    *out = NULL;
    if (!gateway || !mutex_init(&gateway->lock)) {
        free(gateway);
        return ds_fail(err, DS_ENOMEM, "no memory for the gateway");
    }
    gateway->config = *config;
    gateway->max = config->connections ? config->connections : CONNECTIONS;
    gateway->listener = gateway->wake[0] = gateway->wake[1] = NET_NONE;
    gateway->shared.config = &gateway->config;
    gateway->shared.done = on_done;
    gateway->shared.ud = gateway;
    gateway->shared.buffer = malloc(CONN_BUFFER);
    gateway->conns = calloc(gateway->max, sizeof gateway->conns[0]);
    gateway->waits = calloc(gateway->max + 2, sizeof gateway->waits[0]);
    if (gateway->shared.buffer && gateway->conns && gateway->waits)
        rc = start(gateway, err);
    else
        rc = ds_fail(err, DS_ENOMEM, "no memory for the gateway");
    if (rc)
        gateway_free(gateway);
    else
        *out = gateway;
    return rc;
}

unsigned gateway_port(const struct gateway *gateway)
{
    return gateway->port;
}

void gateway_stop(struct gateway *gateway)
{
    atomic_store(&gateway->stop, true);
    net_wake(gateway->wake);
}

void gateway_free(struct gateway *gateway)
{
    if (!gateway)
        return;
    pool_free(gateway->shared.pool); /* before the connections that it works for */
    for (size_t i = 0; i < gateway->n; i++)
        conn_free(gateway->conns[i]);
    net_close(&gateway->listener);
    net_close(&gateway->wake[0]);
    net_close(&gateway->wake[1]);
    requestlog_free(gateway->shared.log);
    faults_free(gateway->shared.faults);
    channel_tls_free(gateway->shared.tls);
    free(gateway->shared.buffer);
    free(gateway->conns);
    free(gateway->waits);
    mutex_destroy(&gateway->lock);
    free(gateway);
}

static void accept_all(struct gateway *gateway)
{
    size_t before = gateway->n;
    while (gateway->n < gateway->max) {
        net_socket socket = net_accept(gateway->listener);
        if (socket == NET_NONE)
            break;
        struct conn *conn = conn_new(&gateway->shared, socket);
        if (!conn)
            break;
        gateway->conns[gateway->n++] = conn;
    }
    /* Somebody waits and can't be taken, for want of descriptors, say: not asked all the time. */
    gateway->accept_ns = gateway->n == before ? os_mono_ns() + PAUSE_NS : 0;
}

static void take_done(struct gateway *gateway)
{
    mutex_lock(&gateway->lock);
    struct conn *conn = gateway->done;
    gateway->done = NULL;
    mutex_unlock(&gateway->lock);
    while (conn) {
        struct conn *next = conn->next;
        conn_worked(conn);
        conn_drive(conn);
        conn = next;
    }
}

/* Milliseconds until some connection must be looked at. */
static int timeout(const struct gateway *gateway)
{
    uint64_t now = os_mono_ns(), due = gateway->accept_ns > now ? gateway->accept_ns : UINT64_MAX;
    for (size_t i = 0; i < gateway->n; i++)
        due = min_u64(due, conn_due(gateway->conns[i]));
    if (due == UINT64_MAX)
        return 1000; /* so that a stop set by a signal is seen */
    return due <= now ? 0 : (int)min_u64((due - now + 999999) / 1000000, 1000);
}

static void prepare(struct gateway *gateway)
{
    bool listens = gateway->n < gateway->max && !gateway->shared.stopping &&
                   gateway->accept_ns <= os_mono_ns();
    gateway->waits[0] = (struct net_wait){ gateway->wake[0], NET_READ, 0 };
    gateway->waits[1] = (struct net_wait){ listens ? gateway->listener : NET_NONE, NET_READ, 0 };
    for (size_t i = 0; i < gateway->n; i++) {
        const struct conn *conn = gateway->conns[i];
        /* One that wants nothing is not looked at: a lost peer would wake it all the time. */
        gateway->waits[i + 2] = (struct net_wait){ conn->want ? conn->channel.socket : NET_NONE,
                                                   conn->want, 0 };
    }
}

static void serve(struct gateway *gateway, size_t n)
{
    uint64_t now = os_mono_ns();
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct conn *conn = gateway->conns[i];
        if (conn->state == CONN_WORK)
            continue;
        if (conn_due(conn) <= now)
            conn_tick(conn);
        if (gateway->waits[i + 2].got || (conn->wake_ns && conn->wake_ns <= now))
            conn_drive(conn);
        if (gateway->shared.stopping && conn->state == CONN_HEAD && !conn->in_len)
            conn->state = CONN_CLOSED;
    }
    for (size_t i = 0; i < gateway->n; i++) {
        struct conn *conn = gateway->conns[i];
        if (conn->state == CONN_CLOSED)
            conn_free(conn);
        else
            gateway->conns[kept++] = conn;
    }
    gateway->n = kept;
}

int gateway_run(struct gateway *gateway, const volatile int *stop, struct ds_error *err)
{
    uint64_t end = UINT64_MAX;
    int rc = DS_OK;
    while (!rc && os_mono_ns() < end) {
        if (end == UINT64_MAX && (atomic_load(&gateway->stop) || (stop && *stop))) {
            gateway->shared.stopping = true;
            end = os_mono_ns() + GRACE_NS;
        }
        size_t n = gateway->n;
        prepare(gateway);
        rc = net_wait(gateway->waits, n + 2, gateway->shared.stopping ? 10 : timeout(gateway),
                      err);
        if (rc)
            break;
        if (gateway->waits[0].got)
            net_wake_drain(gateway->wake);
        take_done(gateway);
        serve(gateway, n);
        if (gateway->waits[1].got)
            accept_all(gateway);
        if (gateway->shared.stopping && gateway->n == 0)
            break;
    }
    return rc;
}
