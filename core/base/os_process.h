/* SPDX-License-Identifier: Apache-2.0 */
/* os_process.h - runs another program to its end: no shell, no search path, nothing to read on its
 * standard input, what it says handed on line by line, a time limit. Part of the seam to the
 * operating system, beside os.h. Any thread; a call returns when the program has ended or was
 * ended.
 *
 * A program that has to be ended goes with all that it has started and that stayed in its group (a
 * job on Windows). What a program that ends by itself leaves running is left running: only what it
 * still says is no longer heard. A program may also outlive this process, if that is killed: on
 * Windows its job goes with this process, elsewhere the mark tells a later one what to end.
 * Implementations: os_process_linux.c, os_process_windows.c; what both share: os_process.c. */
#ifndef CORE_BASE_OS_PROCESS_H
#define CORE_BASE_OS_PROCESS_H

#include "core/base/os.h"

#define OS_LINE_MAX 512           /* of a line of output, with the zero; the rest is dropped */
#define OS_MARK_MAX 96            /* of a mark, with the zero */
#define OS_OUTPUT_MAX (64u << 10) /* bytes of lines that are handed on; then no more are */

struct os_process {
    const char *const *argv; /* ends with NULL; argv[0] is the program's absolute path */
    const char *const *env;  /* "NAME=VALUE", ascending, ends with NULL: added to what this process
                                has, or in place of it. May be NULL */
    const char *const *without; /* names of variables that it does not get; ends with NULL. May be
                                   NULL */
    uint64_t limit_ns;       /* 0 = none */
    volatile int *interrupted; /* non-zero ends it too. May be NULL */
    /* Called before its first instruction with what os_end_marked wants to know: a word. It is not
     * run if this fails, which is then what os_run returns. Not called on Windows. May be NULL. */
    int (*mark)(void *ud, const char *mark, struct ds_error *err);
    /* A line that it wrote to standard output or standard error, as text: bytes that are none
     * became '?'. On the caller's thread. May be NULL. */
    void (*line)(void *ud, const char *text);
    void *ud;
};

enum os_end { OS_EXITED, OS_SIGNALLED, OS_TIMED_OUT, OS_INTERRUPTED };

struct os_process_end {
    enum os_end how;
    int code;             /* exit status, or number of the signal */
    char last[OS_LINE_MAX]; /* the last line that is not empty, or "" */
    bool dropped;         /* it said more than OS_OUTPUT_MAX */
    bool unended;         /* it was killed and is still there: the system does not let go of it */
};

/* DS_OK once the program was started, however it ended. */
int os_run(const struct os_process *process, struct os_process_end *end, struct ds_error *err);
/* Ends the program of that mark and its group, if the program still runs; takes a few seconds at
 * most. True if it did run. */
bool os_end_marked(const char *mark);
/* "ended with exit status 3", "was ended by signal 9", "did not end within 2m 00s and was killed".
 * Returns out. */
char *os_run_text(char *out, size_t cap, const struct os_process *process,
                  const struct os_process_end *end);
/* True if the file is a program that os_run can start; else why is filled. */
bool os_is_program(const char *path, char *why, size_t cap);
/* True if the words can be given to it as they are, too. */
bool os_is_command(const char *const *argv, char *why, size_t cap);

/* ---- for the implementations ---- */

struct os_lines { /* output on its way to lines */
    const struct os_process *process;
    struct os_process_end *end;
    char text[OS_LINE_MAX];
    size_t len, handed;
};
void os_lines_add(struct os_lines *lines, const char *data, size_t n);
void os_lines_end(struct os_lines *lines); /* the last one may lack its line break */
bool os_run_stops(const struct os_process *process, uint64_t begun_ns, enum os_end *how);

#endif
