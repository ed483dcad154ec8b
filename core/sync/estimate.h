/* SPDX-License-Identifier: Apache-2.0 */
/* estimate.h - how much of a disk a first sync would read, told from the live disk: its file
 * systems may change meanwhile, so it is an estimate. Main thread. */
#ifndef CORE_SYNC_ESTIMATE_H
#define CORE_SYNC_ESTIMATE_H

#include "core/agent/agent.h"
#include "core/disk/disk.h"

int estimate_used(struct agent *agent, const struct disk *disk, uint64_t *used_bytes,
                  struct ds_error *err);

#endif
