/* SPDX-License-Identifier: Apache-2.0 */
/* meta.h - what a store keeps of an object beside its bytes, and its form at rest: lines of a word,
 * a space and a value. Unknown words are passed over, so that later versions may add some. */
#ifndef CORE_GATEWAY_META_H
#define CORE_GATEWAY_META_H

#include "core/base/dynbuf.h"

#define META_USER_MAX 2048u /* bytes of x-amz-meta-*, as S3 has it */
#define META_MAX 3072u      /* at rest; what file systems take beside a file */

struct meta {
    char etag[48];          /* without quotes; "" where an object was put here by other means */
    char sha256[48];        /* base64; "" if the client gave none */
    char lock_mode[12];     /* "", "GOVERNANCE" or "COMPLIANCE" */
    int64_t retain_until_s; /* with lock_mode */
    bool legal_hold;
    char storage_class[24]; /* "" is STANDARD */
    char type[128];         /* Content-Type; "" is binary/octet-stream */
    char user[META_USER_MAX + 256]; /* lines NAME:VALUE of x-amz-meta-NAME */
};

/* False if it does not fit in META_MAX. */
bool meta_write(struct dynbuf *out, const struct meta *meta);
/* False if it is damaged. */
bool meta_read(struct meta *out, const void *data, size_t len);
/* True if the object may not be replaced or removed now. */
bool meta_is_locked(const struct meta *meta, int64_t now_s, bool bypass_governance);

#endif
