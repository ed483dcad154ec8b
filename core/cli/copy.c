/* SPDX-License-Identifier: Apache-2.0 */
/* copy.c - `copy`: points to another repository, which another policy names. */
#include "core/base/text.h"
#include "core/cli/output.h"
#include "core/cli/pick.h"
#include "core/recover/transfer.h"

#include <stdio.h>
#include <string.h>

static void on_progress(void *ud, uint64_t point, uint64_t done, uint64_t total)
{
    char what[32];
    snprintf(what, sizeof what, "point %llu", (unsigned long long)point);
    cli_progress(ud, what, done, total);
}

static int report(struct cli *cli, const struct transfer_report *r)
{
    char a[32], b[32];
    if (!cli->json) {
        cli_say(cli, "%llu points copied, %s sent, in %s\n", (unsigned long long)r->points,
                text_size(a, sizeof a, r->sent_bytes), text_duration(b, sizeof b, r->ns));
        return r->points ? CLI_DONE : CLI_NOTHING;
    }
    struct dynbuf out = DYNBUF_INIT(4096);
    struct json j = json_to(&out, true);
    json_object(&j, NULL);
    json_u64(&j, "points", r->points);
    json_u64(&j, "last_point", r->last_point);
    json_u64(&j, "read_bytes", r->read_bytes);
    json_u64(&j, "sent_bytes", r->sent_bytes);
    json_u64(&j, "stored_objects", r->stored_objects);
    json_u64(&j, "stored_bytes", r->stored_bytes);
    output_resources(&j, r->ns, r->cpu_ns);
    json_object_end(&j);
    int code = cli_json(cli, &out);
    return code ? code : r->points ? CLI_DONE : CLI_NOTHING;
}

/* Opens the target's repository, or makes it, and the same node there. */
static int open_target(struct cli *cli, struct agent *to, const uint8_t node[UUID_SIZE],
                       struct ds_error *err)
{
    uint8_t key[RECOVERY_SIZE];
    char recovery[RECOVERY_TEXT];
    int rc = agent_open_repository(to, true, err);
    if (rc == DS_ENOENT) {
        rc = agent_create_repository(to, key, err);
        if (!rc) {
            recovery_text(recovery, key);
            cli_say(cli, "The other repository was made. Its recovery key, to be kept on paper:\n\n"
                         "    %s\n\n", recovery);
        }
    }
    if (!rc)
        rc = repository_check_write(&to->repository, err);
    if (!rc)
        rc = repository_space(&to->space, &to->repository, node, err);
    return rc ? rc : repository_add_node(&to->repository, node, err);
}

static int copy_to(struct cli *cli, struct agent *from, struct agent *to)
{
    struct ds_error err = DS_ERROR_INIT;
    struct transfer_report result;
    struct transfer_options options = { .level = (int)to->policy->compression,
                                        .interrupted = &cli->interrupted,
                                        .progress = on_progress, .ud = cli };
    const char *point = cli_get(cli, "point");
    int rc = pick_open(from, cli, &err);
    if (!rc && point) {
        struct root root;
        rc = pick_point(&root, &from->space, point, &err);
        options.point = root.seq;
        root_free(&root);
    }
    if (!rc)
        rc = agent_lock(to, &err);
    if (!rc)
        rc = open_target(cli, to, from->space.node, &err);
    if (!rc && memcmp(from->space.repository, to->space.repository, UUID_SIZE) == 0)
        rc = ds_fail(&err, DS_EUSAGE, "both policies name the same repository");
    if (!rc)
        rc = transfer_points(&from->space, &to->space, &options, &result, &err);
    cli_progress_end();
    return rc ? cli_error(cli, &err) : report(cli, &result);
}

/* The plugins of both, and only then the threads of either. */
static int open_both(struct cli *cli, struct agent *from, struct policy *from_policy,
                     struct agent *to, struct policy *to_policy, struct ds_error *err)
{
    int rc = agent_load(from, from_policy, NULL, err);
    if (!rc)
        rc = agent_load(to, to_policy, from, err);
    if (!rc)
        rc = agent_start(from, &cli->interrupted, err);
    if (!rc)
        rc = agent_start(to, &cli->interrupted, err);
    return rc;
}

static int copy_with(struct cli *cli, struct policy *from_policy, struct policy *to_policy)
{
    struct ds_error err = DS_ERROR_INIT;
    struct agent from = { .lock = OS_FILE_INIT }, to = { .lock = OS_FILE_INIT };
    int rc = open_both(cli, &from, from_policy, &to, to_policy, &err);
    int code = rc ? cli_error(cli, &err) : copy_to(cli, &from, &to);
    agent_close(&to);
    agent_close(&from);
    return code;
}

static int run(struct cli *cli)
{
    struct ds_error err = DS_ERROR_INIT;
    struct policy *from, *to = NULL;
    char path[OS_PATH_MAX];
    int code = CLI_DONE;
    if (!cli_has(cli, "to"))
        return cli_usage_error(cli, "copy needs --to: the policy that names the other repository");
    from = cli_policy(cli, &code);
    if (!from)
        return code;
    int rc = os_absolute(path, NULL, cli_get(cli, "to"), &err);
    if (!rc)
        rc = policy_load(&to, path, NULL, &err);
    code = rc ? cli_error(cli, &err) : copy_with(cli, from, to);
    policy_free(to);
    policy_free(from);
    return code;
}

static const struct cli_option options[] = {
    { "to", "POLICY", "the policy that names the other repository", false },
    { "point", "POINT", "only this point; default: all that are newer than the last copied",
      false },
    { "node", "NODE", "name or UUID of the node; default: this one", false },
    { NULL, NULL, NULL, false },
};

const struct cli_command cli_copy = {
    .name = "copy", .operands = "", .summary = "Copies points to another repository",
    .options = options, .run = run,
};
