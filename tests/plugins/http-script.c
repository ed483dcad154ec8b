/* SPDX-License-Identifier: Apache-2.0 */
/* http-script.c - see http-script.h. One thread accepts, one serves each connection. */
#include "tests/plugins/http-script.h"

#include "core/base/os.h"

#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    struct http_script *script;
    int fd;
    struct thread thread;
};

static void pick(struct http_script *script, const char *head, struct http_line *out)
{
    *out = (struct http_line){ .answer = "HTTP/1.1 500 no line fits\r\nContent-Length: 0\r\n\r\n" };
    mutex_lock(&script->lock);
    if (script->n_asked < HTTP_SCRIPT_ASKED)
        snprintf(script->asked[script->n_asked++], HTTP_SCRIPT_HEAD, "%s", head);
    for (int i = 0; i < script->n; i++) {
        struct http_line *line = &script->lines[i];
        if (line->times == 0 || (line->match && !strstr(head, line->match)))
            continue;
        if (line->times > 0)
            line->times--;
        *out = *line;
        break;
    }
    mutex_unlock(&script->lock);
}

static bool stopped(struct http_script *script)
{
    mutex_lock(&script->lock);
    bool stop = script->stop;
    mutex_unlock(&script->lock);
    return stop;
}

/* Waits for input, and for the end of the test. */
static bool readable(struct connection *c)
{
    for (;;) {
        struct pollfd p = { .fd = c->fd, .events = POLLIN };
        if (stopped(c->script))
            return false;
        if (poll(&p, 1, 20) > 0)
            return true;
    }
}

static bool read_head(struct connection *c, char *head)
{
    size_t n = 0;
    while (n < HTTP_SCRIPT_HEAD - 1) {
        if (!readable(c) || read(c->fd, head + n, 1) != 1)
            return false;
        head[++n] = 0;
        if (n >= 4 && strcmp(head + n - 4, "\r\n\r\n") == 0)
            return true;
    }
    return false;
}

static bool read_body(struct connection *c, const char *head)
{
    const char *length = strstr(head, "Content-Length: ");
    size_t left = length ? strtoul(length + 16, NULL, 10) : 0;
    char buffer[65536];
    while (left) {
        ssize_t n = readable(c) ? read(c->fd, buffer, left < sizeof buffer ? left : sizeof buffer)
                                : 0;
        if (n <= 0)
            return false;
        left -= (size_t)n;
        mutex_lock(&c->script->lock);
        c->script->body_bytes += (size_t)n;
        mutex_unlock(&c->script->lock);
    }
    return true;
}

static void serve(void *arg)
{
    struct connection *c = arg;
    char head[HTTP_SCRIPT_HEAD];
    struct http_line line;
    bool more = true;
    while (more && read_head(c, head) && read_body(c, head)) {
        pick(c->script, head, &line);
        for (unsigned waited = 0; waited < line.delay_ms && !stopped(c->script); waited += 10)
            os_sleep_ns(10000000);
        more = line.answer && !c->script->hangup &&
               send(c->fd, line.answer, strlen(line.answer), MSG_NOSIGNAL) >= 0;
        if (line.answer && c->script->hangup)
            send(c->fd, line.answer, strlen(line.answer), MSG_NOSIGNAL);
    }
    close(c->fd);
    mutex_lock(&c->script->lock);
    c->script->open--;
    cond_broadcast(&c->script->changed);
    mutex_unlock(&c->script->lock);
}

static void accept_all(void *arg)
{
    static struct connection connections[256];
    struct http_script *script = arg;
    unsigned n = 0;
    for (;;) {
        struct pollfd p = { .fd = script->listener, .events = POLLIN };
        if (stopped(script))
            break;
        if (poll(&p, 1, 20) <= 0 || n == 256)
            continue;
        struct connection *c = &connections[n++];
        c->script = script;
        c->fd = accept(script->listener, NULL, NULL);
        mutex_lock(&script->lock);
        script->connections++;
        script->open++;
        mutex_unlock(&script->lock);
        ck_assert(thread_start(&c->thread, serve, c));
    }
    for (unsigned i = 0; i < n; i++)
        thread_join(&connections[i].thread);
}

void http_script_start(struct http_script *script)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    memset(script, 0, sizeof *script);
    ck_assert(mutex_init(&script->lock) && cond_init(&script->changed));
    script->listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert(bind(script->listener, (struct sockaddr *)&at, sizeof at) == 0);
    ck_assert(listen(script->listener, 64) == 0);
    ck_assert(getsockname(script->listener, (struct sockaddr *)&at, &size) == 0);
    script->port = ntohs(at.sin_port);
    ck_assert(thread_start(&script->accepter, accept_all, script));
}

void http_script_add(struct http_script *script, struct http_line line)
{
    mutex_lock(&script->lock);
    ck_assert_int_lt(script->n, HTTP_SCRIPT_LINES);
    if (line.times == 0)
        line.times = 1;
    script->lines[script->n++] = line;
    mutex_unlock(&script->lock);
}

unsigned http_script_count(struct http_script *script)
{
    mutex_lock(&script->lock);
    unsigned n = script->n_asked;
    mutex_unlock(&script->lock);
    return n;
}

void http_script_stop(struct http_script *script)
{
    mutex_lock(&script->lock);
    script->stop = true;
    mutex_unlock(&script->lock);
    thread_join(&script->accepter);
    close(script->listener);
    cond_destroy(&script->changed);
    mutex_destroy(&script->lock);
}
