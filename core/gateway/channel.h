/* SPDX-License-Identifier: Apache-2.0 */
/* channel.h - the bytes of one connection, plain or through TLS. Never waits. */
#ifndef CORE_GATEWAY_CHANNEL_H
#define CORE_GATEWAY_CHANNEL_H

#include "core/gateway/net.h"

/* Certificate and key of a server; NULL is plain. Loaded once, used by the loop thread alone. */
struct channel_tls;
int channel_tls_new(struct channel_tls **out, const char *certificate, const char *key,
                    struct ds_error *err);
void channel_tls_free(struct channel_tls *tls);

struct channel {
    net_socket socket;
    void *ssl;     /* NULL: plain */
    unsigned want; /* after NET_AGAIN: what to wait for */
};

bool channel_open(struct channel *channel, net_socket socket, struct channel_tls *tls);
/* As net_receive and net_send. After NET_AGAIN a send must be repeated with the same bytes. */
int64_t channel_receive(struct channel *channel, void *data, size_t n);
int64_t channel_send(struct channel *channel, const void *data, size_t n);
/* True if bytes were taken from the socket and wait to be received: nothing would wake for them. */
bool channel_has_more(const struct channel *channel);
void channel_end_sending(struct channel *channel);
void channel_close(struct channel *channel);

#endif
