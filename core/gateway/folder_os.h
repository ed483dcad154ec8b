/* SPDX-License-Identifier: Apache-2.0 */
/* folder_os.h - the system calls of the folder store. Implementation: folder_linux.c. What is kept
 * beside a file (struct meta) goes with the file's inode, so that both change at one instant. */
#ifndef CORE_GATEWAY_FOLDER_OS_H
#define CORE_GATEWAY_FOLDER_OS_H

#include <disksync/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct folder_stat {
    bool is_file, is_folder;
    uint64_t size;
    int64_t modified_s;
};

/* New, private, and locked for as long as it is open, so that a sweep passes it over. */
int folder_os_create(intptr_t *handle, const char *path, struct ds_error *err);
/* DS_ENOENT also where it is no regular file. */
int folder_os_open(intptr_t *handle, const char *path, struct folder_stat *out,
                   struct ds_error *err);
int folder_os_write(intptr_t handle, const void *data, size_t n, struct ds_error *err);
int folder_os_read(intptr_t handle, void *data, size_t n, uint64_t offset, size_t *got,
                   struct ds_error *err);
/* Appends n bytes of one file to another, sharing them where the file system can. */
int folder_os_append(intptr_t to, intptr_t from, uint64_t n, struct ds_error *err);
int folder_os_flush(intptr_t handle, struct ds_error *err);
int folder_os_close(intptr_t *handle, struct ds_error *err);
int folder_os_set_note(intptr_t handle, const void *data, size_t n, struct ds_error *err);
/* *n is 0 where there is none. */
int folder_os_get_note(intptr_t handle, void *data, size_t cap, size_t *n, struct ds_error *err);

/* Without replace DS_EEXIST where the name is taken. DS_ECONFLICT: by a folder. */
int folder_os_publish(const char *temp, const char *path, bool replace, struct ds_error *err);
int folder_os_unlink(const char *path, struct ds_error *err); /* absent is DS_OK */
/* DS_ECONFLICT where a file has the name. */
int folder_os_mkdir(const char *path, bool *made, struct ds_error *err);
bool folder_os_rmdir(const char *path); /* true: it was empty and is gone */
int folder_os_flush_folder(const char *path, struct ds_error *err);
struct folder_stat folder_os_stat(const char *path);
/* fn for each name; an absent folder has none. Non-zero stops and is returned. */
int folder_os_list(const char *path, int (*fn)(void *ud, const char *name, bool is_folder),
                   void *ud, struct ds_error *err);
/* Removes a temporary file that nobody holds and that is older than this. */
void folder_os_sweep(const char *path, int64_t before_s);

#endif
