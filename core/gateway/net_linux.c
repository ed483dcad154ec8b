/* SPDX-License-Identifier: Apache-2.0 */
/* net_linux.c - see net.h. */
#include "core/gateway/net.h"

#include "core/base/os.h"
#include "core/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILES_MAX 16384u

void net_start(void)
{
    struct rlimit limit;
    signal(SIGPIPE, SIG_IGN); /* sendfile has no flag for that */
    /* A connection takes two descriptors; the usual limit is for programs that use select. */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* "HOST:PORT" or "[HOST]:PORT" */
static bool split(const char *address, char host[64], char port[8])
{
    const char *colon = strrchr(address, ':'), *from = address;
    size_t n = colon ? (size_t)(colon - address) : 0;
    if (!colon || !text_copy(port, 8, colon + 1))
        return false;
    if (n >= 2 && from[0] == '[' && from[n - 1] == ']') {
        from++;
        n -= 2;
    }
    if (n == 0 || n >= 64)
        return false;
    memcpy(host, from, n);
    host[n] = 0;
    return true;
}

static int open_listener(net_socket *out, const struct addrinfo *info, unsigned *port)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    int one = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, 512) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &len) < 0) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    *port = bound.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&bound)->sin6_port)
                                        : ntohs(((struct sockaddr_in *)&bound)->sin_port);
    *out = fd;
    return 0;
}

int net_listen(net_socket *out, const char *address, unsigned *port, struct ds_error *err)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                              .ai_socktype = SOCK_STREAM };
    struct addrinfo *info = NULL;
    char host[64], service[8];
    *out = NET_NONE;
    if (!split(address, host, service) || getaddrinfo(host, service, &hints, &info) != 0)
        return ds_fail(err, DS_EINVAL, "'%s' is no numeric address with a port", address);
    int rc = open_listener(out, info, port) < 0 ? os_fail(err, "listen on", address) : DS_OK;
    freeaddrinfo(info);
    return rc;
}

net_socket net_accept(net_socket listener)
{
    int one = 1;
    int fd = accept4((int)listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd < 0 ? NET_NONE : fd;
}

static int64_t result(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? NET_AGAIN : NET_FAILED;
}

int64_t net_receive(net_socket socket, void *data, size_t n)
{
    return result(recv((int)socket, data, n, 0));
}

int64_t net_send(net_socket socket, const void *data, size_t n)
{
    return result(send((int)socket, data, n, MSG_NOSIGNAL));
}

int64_t net_send_file(net_socket socket, intptr_t file, uint64_t offset, size_t n)
{
    off_t at = (off_t)offset;
    ssize_t sent = sendfile((int)socket, (int)file, &at, n);
    return sent == 0 && n ? NET_FAILED : result(sent); /* 0: the file became shorter */
}

void net_end_sending(net_socket socket)
{
    shutdown((int)socket, SHUT_WR);
}

void net_reset(net_socket socket)
{
    struct linger linger = { 1, 0 };
    setsockopt((int)socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

void net_close(net_socket *socket)
{
    if (*socket != NET_NONE)
        close((int)*socket);
    *socket = NET_NONE;
}

int net_wait(struct net_wait *waits, size_t n, int timeout_ms, struct ds_error *err)
{
    struct pollfd *fds = malloc((n ? n : 1) * sizeof *fds);
    if (!fds)
        return ds_fail(err, DS_ENOMEM, "no memory to wait for connections");
    for (size_t i = 0; i < n; i++)
        fds[i] = (struct pollfd){ (int)waits[i].socket,
                                  (short)((waits[i].want & NET_READ ? POLLIN : 0) |
                                          (waits[i].want & NET_WRITE ? POLLOUT : 0)), 0 };
    int rc = poll(fds, n, timeout_ms);
    if (rc < 0 && errno != EINTR)
        rc = os_fail(err, "wait for", "connections");
    else
        rc = DS_OK;
    for (size_t i = 0; i < n; i++) {
        short got = fds[i].revents;
        waits[i].got = (got & POLLIN ? NET_READ : 0u) | (got & POLLOUT ? NET_WRITE : 0u) |
                       (got & (POLLERR | POLLHUP | POLLNVAL) ? NET_ERROR : 0u);
    }
    free(fds);
    return rc;
}

int net_wake_new(net_socket wake[2], struct ds_error *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return os_fail(err, "create", "a pipe");
    wake[0] = fds[0];
    wake[1] = fds[1];
    return DS_OK;
}

void net_wake(net_socket wake[2])
{
    ssize_t n = write((int)wake[1], "", 1); /* a full pipe wakes as well */
    (void)n;
}

void net_wake_drain(net_socket wake[2])
{
    char some[64];
    while (read((int)wake[0], some, sizeof some) > 0)
        ;
}
