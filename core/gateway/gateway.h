/* SPDX-License-Identifier: Apache-2.0 */
/* gateway.h - an S3 server for the requests that DiskSync makes. One loop thread owns all
 * connections; what may wait for the disk runs on a few workers. Bodies go straight to the store: a
 * connection takes about 40 KiB, and up to GATEWAY_DOCUMENT_MAX more while an XML document comes in
 * or goes out; plus what OpenSSL takes with TLS. */
#ifndef CORE_GATEWAY_GATEWAY_H
#define CORE_GATEWAY_GATEWAY_H

#include "core/gateway/access.h"
#include "core/gateway/store.h"

#define GATEWAY_DOCUMENT_MAX ((size_t)4 << 20)

struct gateway_config {
    const char *address; /* numeric, with a port: "127.0.0.1:0", "[::1]:13260" */
    const char *region;
    const char *domain;  /* bucket names stand before it in Host; NULL: paths only */
    struct access access;
    struct store *store; /* borrowed */
    const char *faults;  /* script, or NULL */
    const char *log;     /* file of requests, or NULL */
    const char *tls_certificate, *tls_key; /* PEM files; NULL: plain HTTP */
    int64_t skew_s;      /* of the server's clock */
    unsigned workers, connections; /* at most; 0: 4 and 512 */
    uint64_t object_max; /* bytes of one put; 0: 5 GiB */
    uint64_t part_min;   /* bytes of all parts but the last; 0: 5 MiB */
    /* Seconds until a client is given up: that sends no request, whose head is not whole, whose
     * body moves less than rate_min bytes a second. 0: 60, 20, 30 and 128. */
    unsigned idle_s, head_s, stall_s, rate_min;
};

struct gateway;
/* Listens when it returns. */
int gateway_new(struct gateway **out, const struct gateway_config *config, struct ds_error *err);
unsigned gateway_port(const struct gateway *gateway);
/* Serves until *stop is set or gateway_stop is called; then ends what runs. */
int gateway_run(struct gateway *gateway, const volatile int *stop, struct ds_error *err);
void gateway_stop(struct gateway *gateway); /* any thread */
void gateway_free(struct gateway *gateway);

#endif
