/* SPDX-License-Identifier: Apache-2.0 */
/* none_os.h - snapshot-none's seam to the system: none_linux.c, none_windows.c. A hold proves that
 * nobody writes to a disk, and keeps it so, or notices, until it is let go. Any thread. */
#ifndef SNAPSHOT_NONE_OS_H
#define SNAPSHOT_NONE_OS_H

#include <disksync/abi.h>
#include <stdbool.h>
#include <stdint.h>

struct none_hold {
    intptr_t handle;
    bool is_lease; /* may be broken by a writer: none_hold_is_broken tells */
};
#define NONE_NO_HOLD ((intptr_t)-1)

/* False, with why filled, where the disk is written by someone or that can't be excluded. */
bool none_hold_take(struct none_hold *hold, const struct ds_disk *disk, char *why, size_t cap);
bool none_hold_is_broken(const struct none_hold *hold);
void none_hold_drop(struct none_hold *hold); /* accepts one that was not taken */

#endif
