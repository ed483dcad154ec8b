/* SPDX-License-Identifier: Apache-2.0 */
/* net.h - sockets that don't block, and waiting for many of them. Implementation: net_linux.c. */
#ifndef CORE_GATEWAY_NET_H
#define CORE_GATEWAY_NET_H

#include <disksync/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef intptr_t net_socket;
#define NET_NONE ((net_socket)-1)

enum { NET_READ = 1u << 0, NET_WRITE = 1u << 1, NET_ERROR = 1u << 2 };
enum { NET_AGAIN = -1, NET_FAILED = -2 }; /* instead of a number of bytes */

struct net_wait {
    net_socket socket;  /* NET_NONE: passed over */
    unsigned want, got; /* NET_ bits */
};

/* What the process needs once: a peer that is gone must not end it. */
void net_start(void);
/* address: numeric, with a port, 0 for any free one. */
int net_listen(net_socket *out, const char *address, unsigned *port, struct ds_error *err);
/* NET_NONE if nobody waits, or none can be taken now. */
net_socket net_accept(net_socket listener);
/* 0: the other side ended. */
int64_t net_receive(net_socket socket, void *data, size_t n);
int64_t net_send(net_socket socket, const void *data, size_t n);
/* From a file of the store, without a copy in this process where the system can. */
int64_t net_send_file(net_socket socket, intptr_t file, uint64_t offset, size_t n);
void net_end_sending(net_socket socket);
/* As if the machine had died: no orderly end where the system allows that. */
void net_reset(net_socket socket);
void net_close(net_socket *socket);
/* timeout_ms -1: for ever. */
int net_wait(struct net_wait *waits, size_t n, int timeout_ms, struct ds_error *err);
/* A pair that wakes net_wait from any thread: wait for READ on wake[0]. */
int net_wake_new(net_socket wake[2], struct ds_error *err);
void net_wake(net_socket wake[2]);
void net_wake_drain(net_socket wake[2]);

#endif
