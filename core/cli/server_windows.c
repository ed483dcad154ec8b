/* SPDX-License-Identifier: Apache-2.0 */
/* server_windows.c - server.h where there is no nbdkit. */
#include "core/cli/server.h"

int server_check(struct ds_error *err)
{
    return ds_fail(err, DS_ENOTSUP, "serve is not there on Windows, which has no nbdkit: use "
                   "disksync restore to an image file, or serve the point from a Linux machine");
}

int server_start(struct server *server, const struct server_options *options,
                 volatile int *interrupted, struct ds_error *err)
{
    (void)server, (void)options, (void)interrupted;
    return server_check(err);
}

int server_wait(struct server *server, volatile int *interrupted, struct ds_error *err)
{
    (void)server, (void)interrupted;
    return server_check(err);
}
