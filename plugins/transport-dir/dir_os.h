/* SPDX-License-Identifier: Apache-2.0 */
/* dir_os.h - transport-dir's seam to the system: dir_linux.c, dir_windows.c. Paths are absolute
 * UTF-8; the part below the repository's folder is separated by '/'. Failures fill err with a
 * sentence that names the path and, where there is one, the remedy, and with the retry class. Any
 * thread may call; one dir_file belongs to one thread. */
#ifndef TRANSPORT_DIR_OS_H
#define TRANSPORT_DIR_OS_H

#include <disksync/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIR_ROOT_MAX 3800
#define DIR_PATH_MAX (DIR_ROOT_MAX + 256)

struct dir_file {
    intptr_t handle;
};
#define DIR_NO_FILE ((intptr_t)-1)

/* A repository that stays in use, so that its file system isn't unmounted under a session. */
struct dir_pin {
    intptr_t handle;
};

struct dir_stat {
    bool is_file, is_folder; /* neither: something else, or absent */
    uint64_t bytes;
    int64_t mtime_ns; /* since 1970-01-01 UTC, by the file system's clock */
};

/* ---- files ---- */

/* A new file for this user only, empty and locked: dir_os_sweep leaves it alone while it is open.
 * DS_ENOENT where its folder is missing. */
int dir_os_create(struct dir_file *file, const char *path, struct ds_error *err);
int dir_os_open(struct dir_file *file, const char *path, uint64_t *bytes, struct ds_error *err);
void dir_os_close(struct dir_file *file); /* accepts a closed one */
/* Appends all of it. n is at most DIR_IOV_MAX. */
#define DIR_IOV_MAX 64
int dir_os_write(struct dir_file *file, const struct ds_iovec *iov, size_t n, const char *path,
                 struct ds_error *err);
int dir_os_read(struct dir_file *file, void *data, size_t n, uint64_t offset, size_t *got,
                const char *path, struct ds_error *err);
int dir_os_flush(struct dir_file *file, const char *path, struct ds_error *err);
/* Moves the file temp (open as file, which this closes) to path in one atomic step. Without
 * replace: DS_EEXIST if there is something, and temp is left. sync: durable where the system does
 * that in the same call. */
int dir_os_publish(struct dir_file *file, const char *temp, const char *path, bool replace,
                   bool sync, struct ds_error *err);
int dir_os_remove(const char *path, struct ds_error *err); /* absent is DS_OK */
/* Absence is no failure: all fields zero. */
int dir_os_stat(const char *path, struct dir_stat *st, struct ds_error *err);

/* ---- folders ---- */

int dir_os_mkdir(const char *path, bool *made, struct ds_error *err); /* there already is DS_OK */
void dir_os_rmdir(const char *path);                                  /* only if empty */
/* What was created, moved or removed in the folder is durable on return. */
int dir_os_flush_folder(const char *path, struct ds_error *err);
/* fn for each entry but . and .., in no order; non-zero stops and is returned. An absent folder
 * has none. */
int dir_os_list(const char *path, int (*fn)(void *ud, const char *name, bool is_folder), void *ud,
                struct ds_error *err);
/* Folder part of path; false at the root of the file system. */
bool dir_os_parent(char *out, const char *path);
bool dir_os_is_absolute(const char *path);

/* ---- the rest ---- */

/* Removes a file that was last written before `before_ns` and is open nowhere. */
void dir_os_sweep(const char *path, int64_t before_ns);
uint64_t dir_os_free_bytes(const char *path); /* UINT64_MAX = unknown */
bool dir_os_pin(struct dir_pin *pin, const char *path);
void dir_os_unpin(struct dir_pin *pin);
void dir_os_pause(void); /* about a millisecond */

#endif
