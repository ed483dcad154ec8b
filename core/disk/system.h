/* SPDX-License-Identifier: Apache-2.0 */
/* system.h - the inventory's seam to the operating system: which disks it has, what it knows of
 * one, and what of them is in use. Implementations: disk_linux.c and usage_linux.c,
 * disk_windows.c and usage_windows.c. */
#ifndef CORE_DISK_SYSTEM_H
#define CORE_DISK_SYSTEM_H

#include "core/disk/disk.h"

/* Calls fn with the path of each disk that the system has, in the order in which they are to be
 * numbered: loop devices (with a file) last. Partitions, empty drives, memory disks and stacked
 * devices are left out. Non-zero from fn stops. */
typedef int system_path_fn(void *ud, const char *path);
int system_list(system_path_fn *fn, void *ud, struct ds_error *err);

/* Fills what the system knows of the device at disk->path without reading its content: bytes,
 * sectors, model, serial, flags but DS_DISK_IN_USE, backing. DS_EINVAL for a partition. */
int system_describe(struct disk *disk, struct ds_error *err);

/* True for a path that is a device by its form, whether it is there or not. */
bool system_is_device_path(const char *path);

/* False if the file at path is marked or mounted so that we can't write it. */
bool system_is_writable(const char *path);

/* A loop device: its file and where in it the device begins; false for any other device. */
bool system_is_loop(const struct disk *disk, uint64_t *offset);

/* ---- what is in use ---- */

enum system_use_kind {
    SYSTEM_MOUNTED = 1, /* where: the mount point */
    SYSTEM_SWAP,        /* where: the device or file */
    SYSTEM_HELD,        /* where: the device stacked on it */
    SYSTEM_ATTACHED,    /* where: the loop device */
    SYSTEM_OPEN         /* where: "" */
};
struct system_use {
    uint32_t kind;    /* enum system_use_kind */
    bool read_only;   /* an attachment that can't write */
    uint64_t offset;  /* on the disk, bytes */
    char where[256];
    char through[64]; /* the device that is used: the disk itself or one on it */
};
typedef int system_use_fn(void *ud, const struct system_use *use);

/* Everything that is mounted or stacked now, read once. */
struct system_usage;
int system_usage_read(struct system_usage **usage, struct ds_error *err);
void system_usage_free(struct system_usage *usage);
/* Each use of the device or image at path. Non-zero from fn stops and is returned. */
int system_usage_walk(const struct system_usage *usage, const char *path, system_use_fn *fn,
                      void *ud);
/* True if the device at path is claimed by someone whom the walk can't name: asks by opening it
 * exclusively. */
bool system_is_claimed(const char *path);

#endif
