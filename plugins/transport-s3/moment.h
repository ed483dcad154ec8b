/* SPDX-License-Identifier: Apache-2.0 */
/* moment.h - points in time as S3 writes them. No locale and no time zone has a say. */
#ifndef TRANSPORT_S3_MOMENT_H
#define TRANSPORT_S3_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#define MOMENT_SECOND INT64_C(1000000000)
#define MOMENT_STAMP 17 /* "20150830T123600Z" with its zero */
#define MOMENT_ISO 21   /* "2015-08-30T12:36:00Z" with its zero */

/* Both cut to the second; times before 1970 and after 9999 become these bounds. */
void moment_stamp(char out[MOMENT_STAMP], int64_t ns);
void moment_iso(char out[MOMENT_ISO], int64_t ns);
/* "2009-10-12T17:50:30.000Z", fraction and zone letter as S3 gives them. */
bool moment_parse_iso(int64_t *ns, const char *text);
/* An HTTP date: "Wed, 12 Oct 2009 17:50:00 GMT". */
bool moment_parse_http(int64_t *ns, const char *text);

#endif
