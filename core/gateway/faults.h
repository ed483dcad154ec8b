/* SPDX-License-Identifier: Apache-2.0 */
/* faults.h - faults on script, for tests of clients. The script has one rule a line, and is read
 * again whenever it changes; '#' begins a comment:
 *
 *      METHOD KEYGLOB SKIP COUNT ACTION [ARGUMENT...]
 *      random PERCENT SEED
 *
 * METHOD is an HTTP method, the name of an operation (LIST, COMPLETE, ... as in the request log) or
 * '*'. KEYGLOB is matched with the key, "" for a bucket ('*' matches that too). The first SKIP
 * matching requests pass, the next COUNT ('*': all) are hurt. The first rule that applies wins.
 *
 *      status CODE S3CODE      refused so, without being carried out
 *      cut-before              the connection ends, nothing is carried out
 *      cut-body AFTER          it ends when so many bytes of the body have come or gone
 *      slow BYTES_PER_S        both ways
 *      lost-reply              carried out, and the connection ends without an answer
 *      delay MS                before the answer
 *      error-in-200            status 200 with an error as the body, nothing is carried out
 *      truncated               half of the body, with a length that says it were all
 *      wrong-etag
 *      redirect REGION         301 PermanentRedirect
 *      skew SECONDS            the server's clock for this request
 *
 * `random` hurts that share of all requests in one of these ways, drawn from SEED. */
#ifndef CORE_GATEWAY_FAULTS_H
#define CORE_GATEWAY_FAULTS_H

#include <disksync/abi.h>
#include <stdint.h>

enum fault_action { FAULT_NONE, FAULT_STATUS, FAULT_CUT_BEFORE, FAULT_CUT_BODY, FAULT_SLOW,
                    FAULT_LOST_REPLY, FAULT_DELAY, FAULT_ERROR_IN_200, FAULT_TRUNCATED,
                    FAULT_WRONG_ETAG, FAULT_REDIRECT, FAULT_SKEW };

struct fault {
    enum fault_action action;
    int64_t number;  /* status, bytes, rate, milliseconds or seconds */
    char text[64];   /* S3 code or region */
};

struct faults;
/* NULL without memory; path NULL: no faults. The file need not exist yet. */
struct faults *faults_new(const char *path);
/* Reads the script if it changed. A wrong line fails with its number; the rules stay as before. */
int faults_refresh(struct faults *faults, struct ds_error *err);
/* What happens to this request; counts it. One thread at a time. */
struct fault faults_pick(struct faults *faults, const char *method, const char *operation,
                         const char *key);
const char *fault_name(enum fault_action action);
void faults_free(struct faults *faults);

#endif
