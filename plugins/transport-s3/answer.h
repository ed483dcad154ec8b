/* SPDX-License-Identifier: Apache-2.0 */
/* answer.h - what the store answered, and what that is to core: a status, a retry class, and a
 * sentence that names the object, the bucket, the service and the remedy. Pure: no request is made
 * and no clock is read here. */
#ifndef TRANSPORT_S3_ANSWER_H
#define TRANSPORT_S3_ANSWER_H

#include "error_xml.h"

#include <disksync/disksync.h>
#include <stdbool.h>

struct answer {
    long http;        /* status; 0 = none came */
    int64_t date_ns;  /* the store's clock; 0 = not told */
    int64_t modified_ns;
    uint64_t length;  /* Content-Length */
    bool has_length;
    uint64_t first, last, total; /* Content-Range */
    bool has_range;
    uint32_t retry_after_ms;
    bool etag_plain;             /* encryption leaves the ETag what it is */
    bool delete_marker;
    char etag[72];               /* without its quotes */
    char region[64];             /* of the bucket */
    char location[256];
    char version[128];
    struct error_text error; /* the document, if there was one */
    bool lock_on;            /* S3_OP_LOCK_CONFIG */
};

struct question { /* what the answer is to */
    uint32_t op, flags;
    bool locks;           /* the put asks for a retention */
    const char *key;      /* as core knows it */
    const char *bucket, *region, *storage_class;
    const char *endpoint; /* URL */
    const char *access_key;
    bool ours_again;      /* other credentials may help */
    int64_t now_ns;       /* our clock */
};

/* One line of headers, as it came. */
void answer_header(struct answer *answer, const char *line, size_t n);
/* Fills err; the status of the answer, which is no success. */
int answer_classify(const struct answer *answer, const struct question *question,
                    struct ds_error *err);
/* "cannot store n/x in the bucket b at https://..." */
void answer_subject(char *out, size_t size, const struct question *question);
/* Whether the store wants fewer requests. */
bool answer_is_slow_down(const struct answer *answer);
/* Whether it names another region or host, where the same request may work. */
bool answer_is_elsewhere(const struct answer *answer);
bool answer_is_expired(const struct answer *answer);
/* The region that it names, "" if none. */
const char *answer_region(const struct answer *answer);

#endif
