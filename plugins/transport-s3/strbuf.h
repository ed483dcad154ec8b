/* SPDX-License-Identifier: Apache-2.0 */
/* strbuf.h - text that grows up to a maximum: a URL, a header, an answer for people. A failure (no
 * memory, over the maximum) is sticky, so that a builder asks once, at its end. data is always
 * terminated; before the first append it is "". */
#ifndef TRANSPORT_S3_STRBUF_H
#define TRANSPORT_S3_STRBUF_H

#include <disksync/helpers.h>
#include <stdbool.h>

struct strbuf {
    char *data;
    size_t len, cap, max;
    bool failed;
};
#define STRBUF_INIT(maximum) { NULL, 0, 0, (maximum), false }

void strbuf_add(struct strbuf *buf, const char *data, size_t n);
void strbuf_text(struct strbuf *buf, const char *text);
DS_PRINTF(2, 3) void strbuf_printf(struct strbuf *buf, const char *fmt, ...);
/* Lower-case hexadecimal. */
void strbuf_hex(struct strbuf *buf, const void *data, size_t n);
void strbuf_reset(struct strbuf *buf);
/* Overwrites what was in it first. */
void strbuf_free(struct strbuf *buf);
static inline const char *strbuf_str(const struct strbuf *buf)
{
    return buf->data ? buf->data : "";
}

/* Copies as much as fits; false if it was cut. */
bool str_copy(char *out, size_t size, const char *text);
/* ASCII only, as header names and hosts are compared. */
bool str_same(const char *a, const char *b);
bool str_ends(const char *text, const char *end);
bool str_contains(const char *text, const char *word);

#endif
