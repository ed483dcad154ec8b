/* SPDX-License-Identifier: Apache-2.0 */
/* label.h - names found on disks, made fit to be shown: valid UTF-8, no control characters, no
 * spaces at the end. The bytes are hostile. No state: any thread. */
#ifndef CORE_DISK_LABEL_H
#define CORE_DISK_LABEL_H

#include <stddef.h>
#include <stdint.h>

/* n bytes up to the first zero; what is not UTF-8 or not printable becomes '?'. */
void label_of_bytes(char *out, size_t cap, const uint8_t *bytes, size_t n);
/* n little-endian UTF-16 units up to the first zero; a broken pair becomes U+FFFD. */
void label_of_utf16(char *out, size_t cap, const uint8_t *units, size_t n);

#endif
