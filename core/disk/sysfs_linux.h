/* SPDX-License-Identifier: Apache-2.0 */
/* sysfs_linux.h - attributes of block devices under /sys, for disk_linux.c and usage_linux.c. A
 * folder is given by its path, such as /sys/dev/block/8:0. Any thread. */
#ifndef CORE_DISK_SYSFS_LINUX_H
#define CORE_DISK_SYSFS_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* First line of folder/name without its line end and outer spaces; false if absent or empty. */
bool sysfs_text(const char *folder, const char *name, char *out, size_t cap);
uint64_t sysfs_u64(const char *folder, const char *name); /* 0 if absent */
bool sysfs_has(const char *folder, const char *name);
/* /sys/dev/block/MAJOR:MINOR of a device number; room for 64 bytes. */
void sysfs_folder(char *out, size_t cap, dev_t dev);
/* Device number from folder's `dev`; false if it has none. */
bool sysfs_dev(const char *folder, dev_t *dev);
/* Name that the kernel gave the device, such as sda1; false if there is no such device. */
bool sysfs_name(dev_t dev, char *out, size_t cap);

#endif
