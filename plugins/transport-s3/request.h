/* SPDX-License-Identifier: Apache-2.0 */
/* request.h - one request of core's, from submit to done: as many transfers as it takes (pages of a
 * listing, a redirect to the bucket's region). request.c builds what is sent, outcome.c judges what
 * came back. */
#ifndef TRANSPORT_S3_REQUEST_H
#define TRANSPORT_S3_REQUEST_H

#include "body.h"
#include "key.h"
#include "list_xml.h"
#include "s3.h"

struct request {
    struct transfer transfer; /* first */
    struct request *next;     /* that waits behind this one */
    struct s3 *s3;
    struct ds_store_req *req;
    int refused; /* decided at submit, told in run */
    struct ds_error err;
    /* being sent */
    struct body body;
    struct ds_iovec small_iov;
    char small[256];           /* a body that we write ourselves */
    char host[URL_HOST_MAX];   /* "" = where the settings say */
    uint64_t started_ns, sent_ns, first_ns;
    /* coming back */
    struct answer answer;
    struct strbuf document;
    uint64_t got;
    bool too_much;
    struct list_xml *list;
    int item_status;           /* of the last call of item */
    char last[KEY_MAX + 1];    /* the last key that was told */
    char token[LIST_XML_TOKEN];
    /* what has been tried */
    bool redirected;
    bool asks_why; /* a HEAD, whose refusal has no document, sent again as a GET */
};

/* NULL without memory. */
struct request *request_new(struct s3 *s3, struct ds_store_req *req);
/* Into the loop; on failure the caller finishes the request with err. */
int request_send(struct request *request, struct ds_error *err);
/* Told of its end and freed. err may be NULL with DS_OK. */
void request_finish(struct request *request, int status, const struct ds_error *err);
struct question request_question(const struct request *request);

/* outcome.c: what a transfer of it came to: the request goes on, or is finished. */
void outcome_of(struct transfer *transfer, CURLcode code);

#endif
