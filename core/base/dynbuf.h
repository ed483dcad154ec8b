/* SPDX-License-Identifier: Apache-2.0 */
/* dynbuf.h - a growing buffer with a mandatory maximum. A failure (no memory, over the maximum) is
 * sticky: later appends do nothing, and dynbuf_ok tells once at the end. Zero-initialise with
 * DYNBUF_INIT(max). Text users may rely on data[len] == 0 when data is not NULL. */
#ifndef CORE_BASE_DYNBUF_H
#define CORE_BASE_DYNBUF_H

#include <disksync/helpers.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dynbuf {
    uint8_t *data;
    size_t len, cap, max;
    bool failed;
};
#define DYNBUF_INIT(maximum) { NULL, 0, 0, (maximum), false }

/* Room for n more bytes, appended uninitialised; NULL on failure. */
void *dynbuf_room(struct dynbuf *buf, size_t n);
void dynbuf_add(struct dynbuf *buf, const void *data, size_t n);
void dynbuf_text(struct dynbuf *buf, const char *text);
DS_PRINTF(2, 3) void dynbuf_printf(struct dynbuf *buf, const char *fmt, ...);
void dynbuf_u8(struct dynbuf *buf, uint8_t v);
void dynbuf_le16(struct dynbuf *buf, uint16_t v);
void dynbuf_le32(struct dynbuf *buf, uint32_t v);
void dynbuf_le64(struct dynbuf *buf, uint64_t v);
void dynbuf_free(struct dynbuf *buf);
/* Empties it and keeps the memory. */
void dynbuf_reset(struct dynbuf *buf);
static inline bool dynbuf_ok(const struct dynbuf *buf)
{
    return !buf->failed;
}

/* Reads back what the functions above wrote. A read past the end is sticky: `bad` is set and zeros
 * are returned, so that a parser checks once per structure. */
struct reader {
    const uint8_t *p, *end;
    bool bad;
};
struct reader reader_of(const void *data, size_t n);
const uint8_t *reader_take(struct reader *r, size_t n); /* NULL past the end */
uint8_t reader_u8(struct reader *r);
uint16_t reader_le16(struct reader *r);
uint32_t reader_le32(struct reader *r);
uint64_t reader_le64(struct reader *r);
static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->p);
}

#endif
