/* SPDX-License-Identifier: Apache-2.0 */
/* multipart.c - objects that come in parts. */
#include "core/gateway/s3.h"
void multipart_create_begin(struct exchange *x) { s3_error(x, "NotImplemented", NULL); }
void multipart_create(struct exchange *x) { s3_error(x, "NotImplemented", NULL); }
void multipart_part_begin(struct exchange *x) { s3_error(x, "NotImplemented", NULL); }
void multipart_part(struct exchange *x) { s3_error(x, "NotImplemented", NULL); }
void multipart_complete(struct exchange *x) { s3_error(x, "NotImplemented", NULL); }
void multipart_abort(struct exchange *x) { s3_error(x, "NotImplemented", NULL); }
void multipart_parts(struct exchange *x) { s3_error(x, "NotImplemented", NULL); }
void multipart_list(struct exchange *x) { s3_error(x, "NotImplemented", NULL); }
