/* SPDX-License-Identifier: Apache-2.0 */
/* faultfs.h - between the parts of faultfs: faultfs.c counts, fails, kills and keeps the log,
 * faultfs-data.c stands in for calls on files, faultfs-names.c for calls on names. Every source
 * includes this first: the calls must be defined under their plain names. */
#ifndef TESTS_TOOLS_FAULTFS_H
#define TESTS_TOOLS_FAULTFS_H

#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

enum op { /* as crashreplay.py knows them */
    OP_START = 1, /* text: a root; a: pid */
    OP_FILE,      /* text: path of what was there when it was opened */
    OP_CREATE,    /* text: path */
    OP_TMPFILE,   /* a file without a name */
    OP_WRITE,     /* a: offset; data */
    OP_TRUNCATE,  /* a: size */
    OP_ZERO,      /* a: offset, b: length */
    OP_RENAME,    /* texts: from, to; a: 1 = exchange */
    OP_LINK,      /* texts: from (empty: the file given by its number), to */
    OP_UNLINK,    /* text: path */
    OP_MKDIR,     /* text: path */
    OP_RMDIR,     /* text: path */
    OP_SYNC,      /* file: made durable, a folder's names too */
    OP_SYNC_ALL,
    OP_EXIT /* the program ended by itself */
};

/* What an operation may fail with. */
enum need { NEED_SPACE = 1, NEED_RIGHT = 2, NEED_NOTHING = 0 };

struct record {
    char magic[4];
    uint32_t op;
    uint64_t file, a, b;
    uint32_t length, length2;
};

_Static_assert(sizeof(long) == 8, "off_t and off64_t must be one type");

/* Ends the program: what is asked can't be watched. */
__attribute__((noreturn)) void give_up(const char *why, const char *what);
/* True if path is under a root; out then is the path with every link but a last one resolved. */
bool watched(int dirfd, const char *path, char out[PATH_MAX]);
bool watching(void);
/* The number of the watched file behind a descriptor, 0 if it is none. */
uint64_t file_of(int fd);
void set_file_of(int fd, uint64_t file);
/* The number of an open file: a new one, and a record of it, if it was just made (its inode may
 * have been another's) or never seen. With the lock. */
uint64_t number_file(int fd, bool fresh, const char *path, enum op op);
/* True for descriptors of faultfs itself. */
bool is_own(int fd);
/* Takes the lock and counts; false if the operation has to fail, with errno set, the lock free. */
bool begin(enum need need);
/* Takes the lock without counting. */
void begin_uncounted(void);
/* Behind the operation and its record: gives back the lock and returns the result. */
long end(long result);
long end_uncounted(long result);
/* How much of a write of n bytes is let through. With the lock. */
size_t shortened(int fd, size_t n);
void log_paths(enum op op, uint64_t file, uint64_t a, const char *first, const char *second);
void log_numbers(enum op op, uint64_t file, uint64_t a, uint64_t b);
void log_data(uint64_t file, uint64_t offset, const void *data, size_t n);

#endif
