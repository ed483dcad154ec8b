/* SPDX-License-Identifier: Apache-2.0 */
/* inventory.h - what inventory.c and select.c share. */
#ifndef CORE_DISK_INVENTORY_H
#define CORE_DISK_INVENTORY_H

#include "core/disk/system.h"

/* Examines the disk at path and appends it. On failure the new, last disk may be half filled. */
int inventory_add(struct disk_inventory *inventory, const char *path,
                  const struct system_usage *usage, struct ds_error *err);
/* Sets refused and why_not; the first reason stays. */
DS_PRINTF(2, 3) void inventory_refuse(struct disk *disk, const char *fmt, ...);

/* Adds the image files and further devices that policy names, and fills selected, why_not and
 * refused of each disk. */
int inventory_select(struct disk_inventory *inventory, const struct policy *policy,
                     const struct system_usage *usage, struct ds_error *err);

#endif
