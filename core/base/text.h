/* SPDX-License-Identifier: Apache-2.0 */
/* text.h - small conversions between values and text: hex, UUIDs, sizes and times for people. */
#ifndef CORE_BASE_TEXT_H
#define CORE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_SIZE 16
#define UUID_TEXT 37 /* with the terminating zero */

/* out: 2 n + 1 bytes. */
void text_hex(char *out, const void *data, size_t n);
/* Exactly 2 n digits; false otherwise. */
bool text_unhex(void *out, size_t n, const char *hex);
/* Canonical 8-4-4-4-12 in the order of the bytes. */
void text_uuid(char out[UUID_TEXT], const uint8_t uuid[UUID_SIZE]);
bool text_parse_uuid(uint8_t uuid[UUID_SIZE], const char *text);
/* "1.5 GiB"; binary units, three digits. Returns out. */
char *text_size(char *out, size_t cap, uint64_t bytes);
/* "2m 05s". Returns out. */
char *text_duration(char *out, size_t cap, uint64_t ns);
/* "2026-03-01 12:00:00" in UTC, or with 'T' and 'Z' as ISO 8601 says. Returns out. */
char *text_time(char *out, size_t cap, int64_t ns, bool iso);
/* A decimal integer with no sign, space or rest; false otherwise or above max. */
bool text_parse_u64(uint64_t *out, const char *text, uint64_t max);
/* Copies at most cap - 1 bytes, always terminated, never splitting a UTF-8 sequence; true if all
 * fitted. */
bool text_copy(char *out, size_t cap, const char *text);
/* Edit distance (insert, delete, replace, swap of neighbours) of at most 64 characters. */
size_t text_distance(const char *a, const char *b);
/* Glob with * and ?, ASCII case ignored. */
bool text_glob(const char *pattern, const char *text);

#endif
