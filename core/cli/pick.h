/* SPDX-License-Identifier: Apache-2.0 */
/* pick.h - what commands on points share: opening agent, repository and node by the command line,
 * and finding the point and disk that it names. */
#ifndef CORE_CLI_PICK_H
#define CORE_CLI_PICK_H

#include "core/agent/agent.h"
#include "core/cli/cli.h"

/* Loads the policy, opens the agent, runs fn, closes all; returns fn's exit code. */
int pick_run(struct cli *cli, int (*fn)(struct cli *cli, struct agent *agent));
/* Repository and the node that --node names. */
int pick_open(struct agent *agent, struct cli *cli, struct ds_error *err);
/* NULL or "latest": the newest point that is no checkpoint and not forgotten. DS_ENOPOINT. */
int pick_point(struct root *root, const struct segment_space *space, const char *name,
               struct ds_error *err);
/* By number, path or identity; NULL: the only one. */
int pick_disk(const struct root_disk **disk, const struct root *root, const char *name,
              struct ds_error *err);

#endif
