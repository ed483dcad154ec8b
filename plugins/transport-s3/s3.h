/* SPDX-License-Identifier: Apache-2.0 */
/* s3.h - the store plugin transport-s3: objects in a bucket of a service that speaks S3's protocol.
 * What its sources share.
 *
 * Threads: one at a time calls submit and run, and owns everything here; `wake` and `cancel` may
 * come from any, and touch only the flag and curl_multi_wakeup. A request waits in `waiting` until
 * there is a place for it, then runs as a transfer of libcurl's multi interface, and is told of its
 * end inside run. Bodies are read and written where the caller has them. Memory is bounded by the
 * number of requests (S3_ACCEPTED_MAX) and by that of transfers (concurrency.h). */
#ifndef TRANSPORT_S3_S3_H
#define TRANSPORT_S3_S3_H

#include "answer.h"
#include "concurrency.h"
#include "credentials.h"
#include "transfer.h"

#include <disksync/disksync.h>
#include <stdatomic.h>

#define S3_ACCEPTED_MAX 1024u
#define S3_POLL_MS 250 /* between two looks at the flags */
#define S3_AGENT "DiskSync/0.1"

struct request;

/* Requests that only the probe makes; their numbers are out of reach of enum ds_store_op. */
enum {
    S3_OP_LOCK_CONFIG = 1001, /* whether the bucket has Object Lock */
    S3_OP_REMOVE_VERSION      /* after = the version */
};

struct s3 {
    const struct ds_host *host;
    struct settings settings;
    CURLM *multi;
    bool curl_started;
    atomic_bool cancelled;
    atomic_bool *cancelled_above; /* of the self that this one serves (probe); NULL = none */
    /* learnt from answers */
    char region[SETTINGS_REGION_MAX];
    struct endpoint endpoint;
    bool etag_is_md5; /* it was, once: then it always has to be */
    int64_t clock_ns; /* the store's, at clock_mono_ns on ours; 0 = not told yet */
    uint64_t clock_mono_ns;
    bool doubt_names; /* a connection failed: ask the resolver, not the cache */
    struct credentials credentials;
    struct concurrency concurrency;
    struct request *waiting, **waiting_last;
    struct transfer *running;
    unsigned accepted; /* and not yet told of their end */
    unsigned in_flight;
    /* The probe wants to see answers. NULL = nobody does. */
    void (*witness)(void *ud, const struct ds_store_req *req, const struct answer *answer);
    void *witness_ud;
};

/* err filled on failure, *s3 set even then, for s3_close. Takes the settings over. */
int s3_open(struct s3 **s3, const struct ds_host *host, struct settings *settings,
            struct ds_error *err);
void s3_close(struct s3 *s3);
void s3_cancel(struct s3 *s3);
bool s3_is_cancelled(const struct s3 *s3);
int s3_submit(struct s3 *s3, struct ds_store_req *req);
int s3_run(struct s3 *s3, uint32_t timeout_ms);
void s3_wake(struct s3 *s3);
/* Puts a request in front of those that wait. */
void s3_again(struct s3 *s3, struct request *request);

/* probe.c */
int probe_run(struct s3 *s3, struct ds_store_info *info, struct ds_call *call);

#endif
