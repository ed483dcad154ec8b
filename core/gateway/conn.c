/* SPDX-License-Identifier: Apache-2.0 */
/* conn.c - see conn.h. Memory of a connection is the struct alone, about 40 KiB, besides documents:
 * a body goes through the loop's buffer to the store, and an object from its file to the socket.
 * What comes after a request's body is not read before its reply is sent: pipelining just waits. */
#include "core/gateway/conn.h"

#include "core/base/bytes.h"
#include "core/base/log.h"
#include "core/base/os.h"

#include <stdlib.h>

#define SECOND UINT64_C(1000000000)
#define BUDGET ((size_t)2 << 20)      /* bytes of one turn, so that all get theirs */
#define DISCARD_MAX (UINT64_C(32) << 20) /* of a refused body, to keep the connection */
#define LINGER_S 2u

enum step { STEP_ON, STEP_WAIT, STEP_CLOSE };

static unsigned or_else(unsigned value, unsigned fallback)
{
    return value ? value : fallback;
}

static void set_deadline(struct conn *conn, unsigned seconds)
{
    conn->deadline_ns = os_mono_ns() + seconds * SECOND;
    conn->moved = 0;
}

static void await_request(struct conn *conn)
{
    conn->state = CONN_HEAD;
    conn->in_pos = 0;
    conn->wake_ns = 0;
    set_deadline(conn, or_else(conn->shared->config->idle_s, 60));
}

struct conn *conn_new(struct conn_shared *shared, net_socket socket)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (!conn || !channel_open(&conn->channel, socket, shared->tls)) {
        if (conn)
            channel_close(&conn->channel);
        else
            net_close(&socket);
        free(conn);
        return NULL;
    }
    conn->shared = shared;
    conn->want = NET_READ;
    s3_start(&conn->x, shared->config);
    await_request(conn);
    return conn;
}

void conn_free(struct conn *conn)
{
    channel_close(&conn->channel);
    s3_free(&conn->x);
    free(conn);
}

static void log_request(struct conn *conn, int status)
{
    requestlog_write(conn->shared->log, &conn->x, status, status ? conn->to_send : 0,
                     os_mono_ns() - conn->began_ns);
}

/* Ends the connection without an answer, as a fault or a failure of it does. */
static enum step cut(struct conn *conn)
{
    log_request(conn, 0);
    return STEP_CLOSE;
}

/* ---- the reply ---- */

static void put_head(struct conn *conn)
{
    struct s3_reply *reply = &conn->x.reply;
    char date[32];
    int n = snprintf(conn->out, sizeof conn->out,
                     "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: DiskSync\r\nx-amz-request-id: %s\r\n",
                     reply->status, http_reason(reply->status),
                     s3_http_date(date, s3_now(&conn->x)), conn->x.id);
    size_t at = (size_t)n;
    if (reply->head.len) {
        memcpy(conn->out + at, reply->head.data, reply->head.len);
        at += reply->head.len;
    }
    if (reply->status != 204 && reply->status != 304)
        at += (size_t)snprintf(conn->out + at, sizeof conn->out - at, "Content-Length: %llu\r\n",
                               (unsigned long long)conn->to_send);
    at += (size_t)snprintf(conn->out + at, sizeof conn->out - at, "%s\r\n",
                           reply->close ? "Connection: close\r\n" : "");
    conn->out_len = at;
    conn->out_done = 0;
}

static enum step start_reply(struct conn *conn)
{
    struct s3_reply *reply = &conn->x.reply;
    const struct fault *fault = &conn->x.fault;
    bool has_object = reply->object.handle != STORE_NO_HANDLE;
    if (fault->action == FAULT_LOST_REPLY)
        return cut(conn);
    if (!dynbuf_ok(&reply->head) || !dynbuf_ok(&reply->body)) {
        struct store *store = conn->shared->config->store;
        if (has_object)
            store->ops->close(store, &reply->object);
        has_object = false;
        s3_error(&conn->x, "InternalError", NULL);
    }
    if (conn->shared->stopping || (conn->x.http.path && !conn->x.http.keep_alive))
        reply->close = true;
    conn->to_send = has_object || (reply->bodyless && reply->length) ? reply->length
                                                                     : reply->body.len;
    if (fault->action == FAULT_TRUNCATED)
        conn->to_send /= 2;
    conn->cut_at = UINT64_MAX;
    if (fault->action == FAULT_CUT_BODY && !conn->x.received)
        conn->cut_at = min_u64((uint64_t)fault->number, conn->to_send ? conn->to_send - 1 : 0);
    put_head(conn);
    if (reply->bodyless)
        conn->to_send = 0;
    log_request(conn, reply->status);
    conn->sent = 0;
    conn->state = CONN_REPLY;
    if (fault->action == FAULT_DELAY)
        conn->wake_ns = os_mono_ns() + (uint64_t)fault->number * 1000000;
    set_deadline(conn, or_else(conn->shared->config->stall_s, 30) +
                           (fault->action == FAULT_DELAY ? (unsigned)(fault->number / 1000) : 0));
    return STEP_ON;
}

/* A request that HTTP itself refuses. */
static enum step refuse(struct conn *conn, int status, const char *code)
{
    s3_error_status(&conn->x, status, code, http_reason(status));
    conn->x.reply.close = true;
    return start_reply(conn);
}

/* How many bytes a slow fault lets through now; 0: wait. */
static size_t allowance(struct conn *conn, size_t n)
{
    if (!conn->rate)
        return n;
    uint64_t ns = os_mono_ns() - conn->rate_from_ns;
    uint64_t may = (uint64_t)((double)ns * (double)conn->rate / 1e9);
    if (may > conn->rate_moved)
        return (size_t)min_u64(n, may - conn->rate_moved);
    conn->wake_ns = os_mono_ns() + 10 * 1000000;
    return 0;
}

static void count_moved(struct conn *conn, size_t n)
{
    conn->moved += n;
    conn->rate_moved += n;
}

/* Sends from the document or the object; as channel_send. */
static int64_t send_some(struct conn *conn, size_t n)
{
    struct s3_reply *reply = &conn->x.reply;
    struct store *store = conn->shared->config->store;
    size_t got;
    if (reply->object.handle == STORE_NO_HANDLE)
        return channel_send(&conn->channel, reply->body.data + conn->sent, n);
    if (!conn->channel.ssl) {
        conn->channel.want = NET_WRITE;
        return net_send_file(conn->channel.socket, reply->object.handle,
                             reply->offset + conn->sent, n);
    }
    n = n < CONN_BUFFER ? n : CONN_BUFFER;
    if (store->ops->read(store, &reply->object, conn->shared->buffer, n,
                         reply->offset + conn->sent, &got, NULL) || got != n)
        return NET_FAILED;
    return channel_send(&conn->channel, conn->shared->buffer, n);
}

static enum step finish_reply(struct conn *conn)
{
    size_t rest = conn->in_len - conn->in_pos;
    bool close = conn->x.reply.close;
    s3_reset(&conn->x);
    conn->rate = 0;
    if (close) {
        channel_end_sending(&conn->channel);
        conn->state = CONN_LINGER;
        set_deadline(conn, LINGER_S);
        return STEP_ON;
    }
    memmove(conn->in, conn->in + conn->in_pos, rest);
    conn->in_len = rest;
    await_request(conn);
    return STEP_ON;
}

static enum step step_reply(struct conn *conn, size_t *budget)
{
    int64_t n;
    if (conn->wake_ns)
        return STEP_WAIT;
    if (conn->out_done < conn->out_len) {
        n = channel_send(&conn->channel, conn->out + conn->out_done,
                         conn->out_len - conn->out_done);
        if (n > 0)
            conn->out_done += (size_t)n;
    } else if (conn->sent >= conn->cut_at) {
        return STEP_CLOSE;
    } else if (conn->sent == conn->to_send) {
        return finish_reply(conn);
    } else {
        uint64_t end = min_u64(conn->to_send, conn->cut_at);
        size_t may = allowance(conn, (size_t)min_u64(end - conn->sent, BUDGET));
        if (!may)
            return STEP_WAIT;
        n = send_some(conn, may);
        if (n > 0) {
            conn->sent += (uint64_t)n;
            *budget -= (size_t)n < *budget ? (size_t)n : *budget;
        }
    }
    if (n == NET_AGAIN) {
        conn->want = conn->channel.want;
        return STEP_WAIT;
    }
    if (n <= 0)
        return STEP_CLOSE;
    count_moved(conn, (size_t)n);
    return STEP_ON;
}

/* ---- the request ---- */

static void work(void *arg)
{
    struct conn *conn = arg;
    s3_end(&conn->x);
    conn->shared->done(conn->shared->ud, conn);
}

static enum step finish_body(struct conn *conn)
{
    if (conn->x.fault.action == FAULT_CUT_BODY && conn->x.http.length)
        return cut(conn);
    if (s3_done(&conn->x))
        return start_reply(conn);
    conn->state = CONN_WORK;
    conn->deadline_ns = conn->wake_ns = 0;
    conn->want = 0;
    if (!pool_run(conn->shared->pool, work, conn)) {
        s3_error(&conn->x, "InternalError", NULL);
        return start_reply(conn);
    }
    return STEP_WAIT;
}

void conn_worked(struct conn *conn)
{
    if (start_reply(conn) == STEP_CLOSE)
        conn->state = CONN_CLOSED;
}

static void take_body(struct conn *conn, const void *data, size_t n)
{
    s3_body(&conn->x, data, n);
    conn->body_left -= n;
    count_moved(conn, n);
}

static enum step step_body(struct conn *conn, size_t *budget)
{
    uint64_t left = min_u64(conn->body_left, conn->cut_at - min_u64(conn->x.received,
                                                                    conn->cut_at));
    if (conn->body_left == 0 || left == 0)
        return finish_body(conn);
    size_t may = allowance(conn, (size_t)min_u64(left, CONN_BUFFER));
    if (!may)
        return STEP_WAIT;
    if (conn->in_pos < conn->in_len) {
        size_t n = (size_t)min_u64(may, conn->in_len - conn->in_pos);
        conn->in_pos += n;
        take_body(conn, conn->in + conn->in_pos - n, n);
        return STEP_ON;
    }
    int64_t n = channel_receive(&conn->channel, conn->shared->buffer, may);
    if (n == NET_AGAIN) {
        conn->want = conn->channel.want;
        return STEP_WAIT;
    }
    if (n <= 0)
        return cut(conn);
    take_body(conn, conn->shared->buffer, (size_t)n);
    *budget -= (size_t)n < *budget ? (size_t)n : *budget;
    return STEP_ON;
}

static enum step start_body(struct conn *conn)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct exchange *x = &conn->x;
    /* Also for an empty body: there are clients that go wrong where nothing comes before the
     * final answer and the connection goes on. */
    bool waits = x->http.expect && conn->in_pos == conn->in_len;
    conn->body_left = x->http.length;
    if (s3_done(x) && (waits || x->http.length > DISCARD_MAX)) {
        x->reply.close = true;
        return start_reply(conn);
    }
    /* A socket that has nothing on its way takes so little at once. */
    if (waits && channel_send(&conn->channel, go_on, sizeof go_on - 1) != sizeof go_on - 1)
        return STEP_CLOSE;
    conn->state = CONN_BODY;
    conn->cut_at = UINT64_MAX;
    if (x->fault.action == FAULT_CUT_BODY && x->http.length)
        conn->cut_at = min_u64((uint64_t)x->fault.number, x->http.length - 1);
    set_deadline(conn, or_else(conn->shared->config->stall_s, 30));
    return STEP_ON;
}

/* The script as it is at this very moment: a test that changed it expects that. */
static void pick_fault(struct conn *conn)
{
    struct faults *faults = conn->shared->faults;
    struct exchange *x = &conn->x;
    struct ds_error err = DS_ERROR_INIT;
    if (!faults)
        return;
    if (faults_refresh(faults, &err))
        log_printf(DS_LOG_ERROR, "gateway.faults", "%s", err.msg);
    x->fault = faults_pick(faults, x->http.method, x->operation ? x->operation->name : "-",
                           x->key);
}

static enum step start_request(struct conn *conn)
{
    struct exchange *x = &conn->x;
    s3_route(x);
    pick_fault(conn);
    if (x->fault.action == FAULT_SKEW)
        x->now_ns += x->fault.number * 1000000000;
    if (x->fault.action == FAULT_CUT_BEFORE)
        return cut(conn);
    if (x->fault.action == FAULT_SLOW) {
        conn->rate = (uint64_t)x->fault.number;
        conn->rate_moved = 0;
        conn->rate_from_ns = os_mono_ns();
    }
    s3_begin(x);
    return start_body(conn);
}

static enum step step_head(struct conn *conn)
{
    struct exchange *x = &conn->x;
    int rc = http_parse(&x->http, conn->in, conn->in_len);
    if (rc) {
        conn->shared->requests++;
        conn->began_ns = os_mono_ns();
        x->now_ns = os_wall_ns() + conn->shared->config->skew_s * 1000000000;
        snprintf(x->id, sizeof x->id, "%016llX",
                 (unsigned long long)(conn->shared->id + conn->shared->requests));
    }
    if (rc < 0) {
        memset(&x->http, 0, sizeof x->http);
        conn->in_pos = conn->in_len;
        return refuse(conn, -rc, rc == -400 ? "BadRequest" : http_reason(-rc));
    }
    if (rc > 0) {
        conn->in_pos = (size_t)rc;
        return start_request(conn);
    }
    int64_t n = channel_receive(&conn->channel, conn->in + conn->in_len,
                                sizeof conn->in - conn->in_len);
    if (n == NET_AGAIN) {
        conn->want = conn->channel.want;
        return STEP_WAIT;
    }
    if (n <= 0)
        return STEP_CLOSE;
    if (conn->in_len == 0)
        set_deadline(conn, or_else(conn->shared->config->head_s, 20));
    conn->in_len += (size_t)n;
    return STEP_ON;
}

static enum step step_linger(struct conn *conn)
{
    int64_t n = channel_receive(&conn->channel, conn->shared->buffer, CONN_BUFFER);
    if (n == NET_AGAIN) {
        conn->want = NET_READ;
        return STEP_WAIT;
    }
    return n <= 0 ? STEP_CLOSE : STEP_ON;
}

void conn_drive(struct conn *conn)
{
    size_t budget = BUDGET;
    unsigned turns = 0;
    enum step step = STEP_ON;
    if (conn->wake_ns && conn->wake_ns <= os_mono_ns())
        conn->wake_ns = 0;
    conn->want = 0;
    while (step == STEP_ON && budget && turns++ < 256) {
        switch (conn->state) {
        case CONN_HEAD:
            step = step_head(conn);
            break;
        case CONN_BODY:
            step = step_body(conn, &budget);
            break;
        case CONN_REPLY:
            step = step_reply(conn, &budget);
            break;
        case CONN_LINGER:
            step = step_linger(conn);
            break;
        case CONN_WORK:
        case CONN_CLOSED:
            step = STEP_WAIT;
            break;
        }
    }
    if (step == STEP_CLOSE)
        conn->state = CONN_CLOSED;
    else if (step == STEP_ON) /* its turn is over, not its work */
        conn->wake_ns = 1;
}

void conn_tick(struct conn *conn)
{
    const struct gateway_config *config = conn->shared->config;
    unsigned stall = or_else(config->stall_s, 30);
    if (!conn->deadline_ns || os_mono_ns() < conn->deadline_ns)
        return;
    if (conn->state == CONN_HEAD && conn->in_len) {
        refuse(conn, 408, "RequestTimeout");
        conn->want = NET_WRITE;
    } else if ((conn->state == CONN_BODY || conn->state == CONN_REPLY) &&
               (conn->rate || conn->moved >= (uint64_t)stall * or_else(config->rate_min, 128))) {
        set_deadline(conn, stall);
    } else if (conn->state == CONN_BODY) {
        s3_error(&conn->x, "RequestTimeout", NULL);
        conn->x.reply.close = true;
        if (start_reply(conn) == STEP_CLOSE)
            conn->state = CONN_CLOSED;
        conn->want = NET_WRITE;
    } else {
        conn->state = CONN_CLOSED;
    }
}

uint64_t conn_due(const struct conn *conn)
{
    uint64_t due = conn->deadline_ns ? conn->deadline_ns : UINT64_MAX;
    return conn->wake_ns && conn->wake_ns < due ? conn->wake_ns : due;
}
