/* SPDX-License-Identifier: Apache-2.0 */
/* metadata.h - temporary keys from the instance metadata service of a machine in the cloud, by its
 * second version: a token first, then the name of the role, then the role's keys. */
#ifndef TRANSPORT_S3_METADATA_H
#define TRANSPORT_S3_METADATA_H

#include "strbuf.h"

#include <stdint.h>

struct s3;

/* Begins the three requests; credentials_take is called at their end, or credentials' failure is
 * set. */
int metadata_fetch(struct s3 *s3, struct ds_error *err);
/* Ends a fetch that is under way. */
void metadata_abandon(struct s3 *s3);

/* The text of a string member of a flat JSON object; false if it is not there or has escapes that
 * no key has. */
bool metadata_member(char *out, size_t size, const char *json, const char *name);

#endif
