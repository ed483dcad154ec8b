/* SPDX-License-Identifier: Apache-2.0 */
/* os.h - the one seam to the operating system for files, folders, clocks, randomness and facts of
 * the machine and process. Paths are UTF-8; on Windows they become UTF-16 at this edge, and '/' and
 * '\\' both separate. Every failing call fills err with a sentence that names the path. Functions
 * may be called from any thread; one os_file serves any number of concurrent os_pread/os_pwrite.
 * Implementations: os_linux.c, os_windows.c; what both share: os.c. Programs: os_process.h. */
#ifndef CORE_BASE_OS_H
#define CORE_BASE_OS_H

#include <disksync/abi.h>
#include <disksync/helpers.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OS_PATH_MAX 4096

/* ---- files ---- */

struct os_file {
    intptr_t handle; /* descriptor or HANDLE; OS_NO_FILE when closed */
};
#define OS_NO_FILE ((intptr_t)-1)
#define OS_FILE_INIT { OS_NO_FILE }

enum {
    OS_READ = 1u << 0,
    OS_WRITE = 1u << 1,
    OS_CREATE = 1u << 2, /* private to the user (0600) */
    OS_EXCL = 1u << 3,   /* with OS_CREATE: must be new. Alone on a Linux block device: fail with
                            DS_EBUSY if it is mounted or claimed */
    OS_TRUNC = 1u << 4,
    OS_DIRECT = 1u << 5  /* past the page cache; offset, length and memory aligned to 4096. Where
                            the file system can't, DS_ENOTSUP */
};
int os_open(struct os_file *file, const char *path, unsigned flags, struct ds_error *err);
/* Accepts a closed file. Loses no error: sync first where it matters. */
void os_close(struct os_file *file);
/* Reads n bytes or up to the end of the file; *got tells. path is for messages. */
int os_pread(struct os_file *file, void *data, size_t n, uint64_t offset, size_t *got,
             const char *path, struct ds_error *err);
int os_pwrite(struct os_file *file, const void *data, size_t n, uint64_t offset, const char *path,
              struct ds_error *err);
/* Size of a regular file or capacity of a device. */
int os_file_size(struct os_file *file, uint64_t *bytes, const char *path, struct ds_error *err);
int os_truncate(struct os_file *file, uint64_t bytes, const char *path, struct ds_error *err);
int os_sync(struct os_file *file, const char *path, struct ds_error *err);
/* Makes the range a hole that reads as zeros; DS_ENOTSUP where the target can't. */
int os_punch(struct os_file *file, uint64_t offset, uint64_t n, const char *path,
             struct ds_error *err);
/* Lets the file be sparse (Windows asks for it); DS_OK where nothing is needed. */
int os_make_sparse(struct os_file *file, const char *path, struct ds_error *err);
/* First byte at or after offset that may hold data; the size if there is none; offset itself where
 * the system can't tell. */
uint64_t os_next_data(struct os_file *file, uint64_t offset);

enum os_kind { OS_ABSENT = 0, OS_REGULAR, OS_DIRECTORY, OS_BLOCK_DEVICE, OS_OTHER };
enum os_kind os_kind(const char *path);
/* Whole small file into fresh memory (free it), zero-terminated beyond *len. Fails with DS_EFORMAT
 * above max. */
int os_read_file(const char *path, size_t max, void **data, size_t *len, struct ds_error *err);
/* Temporary file, sync, rename, sync of the folder: afterwards the new content is durable, and at
 * no time is there anything but the old or the new. Private to the user. */
int os_write_file(const char *path, const void *data, size_t len, struct ds_error *err);
int os_remove(const char *path, struct ds_error *err); /* absent is DS_OK */
int os_mkdirs(const char *path, struct ds_error *err); /* mode 0700 for what is created */
/* fn for each entry but . and .., in no order; non-zero stops. */
int os_list(const char *path, int (*fn)(void *ud, const char *name), void *ud,
            struct ds_error *err);
/* Exclusive lock on a file (created if absent), held until os_close or the end of the process.
 * DS_EINUSE if another process has it. */
int os_lock(struct os_file *file, const char *path, struct ds_error *err);
/* Absolute form of path without resolving links; `base` (NULL: the current folder) for relative
 * ones. out: OS_PATH_MAX. DS_EINVAL if it does not fit. */
int os_absolute(char *out, const char *base, const char *path, struct ds_error *err);
bool os_is_absolute(const char *path);
/* True if both name one existing file or device. */
bool os_same_file(const char *a, const char *b);
/* Folder part of path into out (cap OS_PATH_MAX), "." if there is none. */
void os_dirname(char *out, const char *path);
/* Joins with the system's separator. DS_EINVAL if it does not fit in OS_PATH_MAX. */
int os_join(char *out, const char *folder, const char *name, struct ds_error *err);
/* Folder of the running program. */
int os_program_folder(char *out, struct ds_error *err);
/* True if only the administrator or the current user can change the file or folder; else why is
 * filled with who can ("group-writable (mode 0775)"). */
bool os_is_trusted(const char *path, char *why, size_t cap);
/* The same of the file and of every folder and link on the way to it: no one else can put another
 * in its place. why names the one. On Windows links are not followed one by one. */
bool os_is_trusted_path(const char *path, char *why, size_t cap);
/* Free bytes of the file system that holds path; UINT64_MAX if unknown. */
uint64_t os_free_bytes(const char *path);

/* ---- machine and process ---- */

int os_random(void *out, size_t n, struct ds_error *err);
int64_t os_wall_ns(void);
uint64_t os_mono_ns(void);
void os_sleep_ns(uint64_t ns);
uint64_t os_cpu_ns(void);        /* of this process, all threads */
uint64_t os_peak_rss(void);      /* bytes */
unsigned os_cpu_count(void);
const char *os_name(void);       /* "linux" or "windows" */
void os_hostname(char *out, size_t cap);
/* Text that tells this machine from its clones and stays over reboots and reinstalled agents:
 * firmware UUID, else the system's machine id. Empty if there is none. */
void os_machine_identity(char *out, size_t cap);
/* Environment variable into out; false if unset or too long. */
bool os_env(char *out, size_t cap, const char *name);
/* Default places: policy file and state folder. */
const char *os_default_policy(void);
const char *os_default_state(void);
/* Standard streams. */
bool os_is_tty(int stream); /* 1 or 2 */
unsigned os_columns(void);
/* Turns the program's arguments into UTF-8 and prepares the standard streams; call first. */
void os_start(int *argc, char ***argv);
/* Sets *flag to 1 on an interrupt (Ctrl-C, SIGTERM); a second one ends the process. */
void os_on_interrupt(volatile int *flag);

/* Fills err from the system's last error: "cannot WHAT PATH: reason", with the fitting code. */
int os_fail(struct ds_error *err, const char *what, const char *path);
/* As os_fail for a given system error number. */
int os_fail_code(struct ds_error *err, int os_code, const char *what, const char *path);

#endif
