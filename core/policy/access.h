/* SPDX-License-Identifier: Apache-2.0 */
/* access.h - who may read a file that holds a secret. access_linux.c, access_windows.c. */
#ifndef CORE_POLICY_ACCESS_H
#define CORE_POLICY_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

/* True if others than its owner and the administrator may read the file; why is then filled with
 * how ("mode 0644"). False also where the system does not tell. Any thread. */
bool access_is_open(const char *path, char *why, size_t cap);

#endif
