/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.h - one HTTP request on the wire, as the loop knows it: a handle of libcurl's with what
 * all of them have in common (TLS, proxy, time limits), headers, and whom to tell of its end. */
#ifndef TRANSPORT_S3_TRANSFER_H
#define TRANSPORT_S3_TRANSFER_H

#include "strbuf.h"

#include <curl/curl.h>
#include <stdint.h>

struct s3;

struct transfer {
    CURL *easy;
    struct curl_slist *headers;
    struct transfer *next, **link; /* in s3->running */
    /* The handle has left the loop; the owner looks at it and calls transfer_end. */
    void (*ended)(struct transfer *transfer, CURLcode code);
    void (*abandon)(struct transfer *transfer); /* stop and free all, tell no one */
    char said[CURL_ERROR_SIZE];                 /* by libcurl of its failure */
    bool no_memory;
};

/* A handle for this URL; DS_ENOMEM. deadline_ns: 0 = none. */
int transfer_begin(struct s3 *s3, struct transfer *transfer, const char *url, uint64_t deadline_ns,
                   struct ds_error *err);
/* What goes through the proxy of the policy or the environment. */
void transfer_through_proxy(struct s3 *s3, struct transfer *transfer);
/* An empty value takes away a header that libcurl would send. */
void transfer_header(struct transfer *transfer, const char *name, const char *value);
/* Into the loop. */
int transfer_go(struct s3 *s3, struct transfer *transfer, struct ds_error *err);
/* Out of the loop if it is there, and freed; its members may be used for another. */
void transfer_end(struct s3 *s3, struct transfer *transfer);

/* What libcurl's failures are to core. `whom` names the other side. */
int transfer_classify(const struct transfer *transfer, CURLcode code, const char *what,
                      const char *whom, struct ds_error *err);

#endif
