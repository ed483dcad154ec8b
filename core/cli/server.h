/* SPDX-License-Identifier: Apache-2.0 */
/* server.h - the program that `serve` runs: nbdkit, with the module that reads a point. It is a
 * child process, which ends with this one. server_linux.c, server_windows.c (which has none). Main
 * thread, while no other exists. */
#ifndef CORE_CLI_SERVER_H
#define CORE_CLI_SERVER_H

#include "core/base/os.h"
#include "core/base/text.h"

struct server_options { /* borrowed; all is checked but whether one can listen there */
    const char *policy;     /* absolute */
    const char *plugins;    /* folder of DiskSync's plugins */
    uint64_t point;
    unsigned disk;
    char node[UUID_TEXT];
    uint64_t offset, length; /* of the disk, in bytes; length 0: to its end */
    const char *socket;     /* absolute; NULL: TCP on the loopback address */
    unsigned port;          /* 0: a free one */
};

struct server {
    int64_t process;        /* 0: none */
    intptr_t ready;         /* its end of a pipe; the other closes with the process */
    char socket[OS_PATH_MAX]; /* to be removed; "" for TCP */
    unsigned port;          /* the one that it got; 0 for a socket */
    char uri[3 * OS_PATH_MAX + 64];
};

/* Is there all that it takes? DS_ENOTSUP: not on this system; DS_ENOENT: what is missing, and the
 * remedy. */
int server_check(struct ds_error *err);
/* Listens, starts the program and waits until it can be connected to: server->uri tells where.
 * DS_EBUSY: another one listens there. DS_ECANCELLED. On failure nothing is left. */
int server_start(struct server *server, const struct server_options *options,
                 volatile int *interrupted, struct ds_error *err);
/* Waits for an interrupt, then ends the program; clients lose their connection. DS_EIO if it ended
 * by itself. Nothing is left, neither process nor socket; further interrupts have no effect. */
int server_wait(struct server *server, volatile int *interrupted, struct ds_error *err);

#endif
