/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - writes JSON (RFC 8259) into a dynbuf. The writer places commas and, with `pretty`,
 * line breaks. key is NULL inside arrays. Invalid UTF-8 is written as U+FFFD. */
#ifndef CORE_BASE_JSON_H
#define CORE_BASE_JSON_H

#include "core/base/dynbuf.h"

struct json {
    struct dynbuf *out;
    unsigned depth;
    bool pretty, empty; /* empty: nothing yet in the current object or array */
};

struct json json_to(struct dynbuf *out, bool pretty);
void json_object(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array(struct json *j, const char *key);
void json_array_end(struct json *j);
void json_string(struct json *j, const char *key, const char *value); /* NULL value = null */
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_double(struct json *j, const char *key, double value, int decimals);
void json_bool(struct json *j, const char *key, bool value);

#endif
