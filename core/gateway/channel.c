/* SPDX-License-Identifier: Apache-2.0 */
/* channel.c - see channel.h. The handshake happens within the first receive. TLS 1.2 at least; what
 * a handshake costs is bounded by the time that a client has for its first head. */
#include "core/gateway/channel.h"

#include <disksync/helpers.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

int channel_tls_new(struct channel_tls **out, const char *certificate, const char *key,
                    struct ds_error *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    *out = NULL;
    if (!ctx)
        return ds_fail(err, DS_ENOMEM, "no memory for TLS");
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        char text[160];
        ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
        ERR_clear_error();
        SSL_CTX_free(ctx);
        return ds_fail(err, DS_EINVAL, "cannot use the certificate %s with the key %s: %s",
                       certificate, key, text);
    }
    *out = (struct channel_tls *)ctx;
    return DS_OK;
}

void channel_tls_free(struct channel_tls *tls)
{
    SSL_CTX_free((SSL_CTX *)tls);
}

bool channel_open(struct channel *channel, net_socket socket, struct channel_tls *tls)
{
    *channel = (struct channel){ socket, NULL, NET_READ };
    if (!tls)
        return true;
    channel->ssl = SSL_new((SSL_CTX *)tls);
    if (!channel->ssl || SSL_set_fd(channel->ssl, (int)socket) != 1)
        return false;
    SSL_set_accept_state(channel->ssl);
    return true;
}

/* What OpenSSL says instead of a number of bytes. */
static int64_t verdict(struct channel *channel, int rc)
{
    switch (SSL_get_error(channel->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        channel->want = NET_READ;
        return NET_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        channel->want = NET_WRITE;
        return NET_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return NET_FAILED;
    }
}

int64_t channel_receive(struct channel *channel, void *data, size_t n)
{
    if (!channel->ssl) {
        channel->want = NET_READ;
        return net_receive(channel->socket, data, n);
    }
    ERR_clear_error();
    int rc = SSL_read(channel->ssl, data, n < INT_MAX ? (int)n : INT_MAX);
    return rc > 0 ? rc : verdict(channel, rc);
}

int64_t channel_send(struct channel *channel, const void *data, size_t n)
{
    if (!channel->ssl) {
        channel->want = NET_WRITE;
        return net_send(channel->socket, data, n);
    }
    ERR_clear_error();
    int rc = SSL_write(channel->ssl, data, n < INT_MAX ? (int)n : INT_MAX);
    return rc > 0 ? rc : verdict(channel, rc);
}

bool channel_has_more(const struct channel *channel)
{
    return channel->ssl && SSL_pending(channel->ssl) > 0;
}

void channel_end_sending(struct channel *channel)
{
    if (channel->ssl && SSL_is_init_finished(channel->ssl)) {
        ERR_clear_error();
        SSL_shutdown(channel->ssl);
    }
    net_end_sending(channel->socket);
}

void channel_close(struct channel *channel)
{
    SSL_free(channel->ssl);
    channel->ssl = NULL;
    net_close(&channel->socket);
}
