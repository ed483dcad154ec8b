/* SPDX-License-Identifier: Apache-2.0 */
/* pick.c - see pick.h. */
#include "core/cli/pick.h"

#include "core/base/text.h"

#include <string.h>

int pick_run(struct cli *cli, int (*fn)(struct cli *cli, struct agent *agent))
{
    struct ds_error err = DS_ERROR_INIT;
    struct agent agent;
    int code = CLI_DONE;
    struct policy *policy = cli_policy(cli, &code);
    if (!policy)
        return code;
    if (agent_open(&agent, policy, &cli->interrupted, &err)) {
        code = cli_error(cli, &err);
    } else {
        code = fn(cli, &agent);
        agent_close(&agent);
    }
    policy_free(policy);
    return code;
}

int pick_open(struct agent *agent, struct cli *cli, struct ds_error *err)
{
    int rc = agent_open_repository(agent, false, err);
    return rc ? rc : agent_use_node(agent, cli_get(cli, "node"), err);
}

static int latest(struct root *root, const struct segment_space *space, struct ds_error *err)
{
    int rc = point_newest(root, space, err);
    if (!rc && !root->seq)
        rc = ds_fail(err, DS_ENOPOINT, "this node has no point yet: run disksync sync");
    return rc;
}

int pick_point(struct root *root, const struct segment_space *space, const char *name,
               struct ds_error *err)
{
    uint64_t seq;
    memset(root, 0, sizeof *root);
    if (!name || strcmp(name, "latest") == 0)
        return latest(root, space, err);
    if (!text_parse_u64(&seq, name, UINT64_MAX))
        return ds_fail(err, DS_EUSAGE, "'%s' is not a point: give its number, or latest", name);
    int rc = root_read(root, NULL, space, seq, err);
    if (rc == DS_ENOENT || (!rc && root->flags & ROOT_PARTIAL)) {
        root_free(root);
        rc = ds_fail(err, DS_ENOPOINT, "there is no point %s: disksync points lists them", name);
    }
    return rc;
}

int pick_disk(const struct root_disk **disk, const struct root *root, const char *name,
              struct ds_error *err)
{
    uint64_t number;
    *disk = NULL;
    if (!name && root->n_disks == 1)
        *disk = &root->disks[0];
    for (uint32_t i = 0; name && i < root->n_disks; i++) {
        const struct root_disk *d = &root->disks[i];
        if ((text_parse_u64(&number, name, 65535) && number == d->number) ||
            strcmp(name, d->path) == 0 || strcmp(name, d->identity) == 0)
            *disk = d;
    }
    if (*disk)
        return DS_OK;
    return name ? ds_fail(err, DS_ENOENT, "point %llu has no disk '%s': disksync points --disks "
                          "lists them", (unsigned long long)root->seq, name)
                : ds_fail(err, DS_EUSAGE, "point %llu has %u disks: name one with --disk",
                          (unsigned long long)root->seq, (unsigned)root->n_disks);
}
