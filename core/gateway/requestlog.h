/* SPDX-License-Identifier: Apache-2.0 */
/* requestlog.h - one line a request, flushed before the last byte of the answer goes out, so that a
 * test that has its answer finds its line:
 *
 *      TIME METHOD PATH QUERY STATUS RECEIVED SENT FAULT OPERATION ACCESS_KEY MS
 *
 * separated by single spaces; '-' for what is empty. PATH and QUERY are as sent, status 0 says that
 * there was no answer, RECEIVED and SENT are bytes of the bodies. */
#ifndef CORE_GATEWAY_REQUESTLOG_H
#define CORE_GATEWAY_REQUESTLOG_H

#include "core/gateway/s3.h"

struct requestlog;
int requestlog_new(struct requestlog **out, const char *path, struct ds_error *err);
/* log may be NULL. */
void requestlog_write(struct requestlog *log, const struct exchange *x, int status, uint64_t sent,
                      uint64_t ns);
void requestlog_free(struct requestlog *log);

#endif
