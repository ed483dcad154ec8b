/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - `status`: who this node is, what it last stored, and whether something is going on. */
#include "core/base/text.h"
#include "core/cli/output.h"
#include "core/cli/pick.h"

struct facts {
    char node[UUID_TEXT], repository[UUID_TEXT], time[32];
    bool busy, has_point;
    struct root newest;
    struct node_memory memory;
};

static int gather(struct agent *agent, struct facts *f, struct ds_error *err)
{
    struct ds_error busy = DS_ERROR_INIT;
    uint64_t seq;
    f->busy = agent_lock(agent, &busy) == DS_EINUSE;
    int rc = agent_open_repository(agent, false, err);
    if (!rc)
        rc = agent_use_own_node(agent, err);
    if (!rc)
        rc = node_memory_load(&f->memory, agent->policy->state, agent->repository.uuid,
                              agent->node.uuid, err);
    if (!rc)
        rc = roots_newest(&agent->space, 0, &seq, err);
    if (!rc && seq)
        rc = root_read(&f->newest, NULL, &agent->space, seq, err);
    if (rc)
        return rc;
    f->has_point = seq != 0;
    text_uuid(f->node, agent->node.uuid);
    text_uuid(f->repository, agent->repository.uuid);
    text_time(f->time, sizeof f->time, f->newest.time_ns, true);
    return DS_OK;
}

static int say_json(struct cli *cli, struct agent *agent, const struct facts *f)
{
    struct dynbuf out = DYNBUF_INIT(65536);
    struct json j = json_to(&out, true);
    json_object(&j, NULL);
    json_string(&j, "node", f->node);
    json_string(&j, "name", agent->node.name);
    json_string(&j, "repository", f->repository);
    json_string(&j, "location", objects_info(agent->objects)->location);
    json_bool(&j, "running", f->busy);
    json_u64(&j, "newest", f->newest.seq);
    json_string(&j, "newest_time", f->has_point ? f->time : NULL);
    json_bool(&j, "newest_is_checkpoint", f->newest.flags & ROOT_PARTIAL);
    json_bool(&j, "interrupted", f->memory.n_attempts > 0 && !f->busy);
    json_object_end(&j);
    return cli_json(cli, &out);
}

static int status_with(struct cli *cli, struct agent *agent)
{
    struct ds_error err = DS_ERROR_INIT;
    struct facts f = { .busy = false };
    int rc = gather(agent, &f, &err), code = CLI_DONE;
    if (rc)
        return cli_error(cli, &err);
    if (cli->json) {
        code = say_json(cli, agent, &f);
    } else {
        cli_say(cli, "node        %s (%s)\nrepository  %s\n", agent->node.name, f.node,
                objects_info(agent->objects)->location);
        if (f.has_point)
            cli_say(cli, "newest      %s %llu of %s\n",
                    f.newest.flags & ROOT_PARTIAL ? "checkpoint" : "point",
                    (unsigned long long)f.newest.seq, f.time);
        else
            cli_say(cli, "newest      no point yet\n");
        cli_say(cli, "now         %s\n",
                f.busy                    ? "a process works for this node"
                : f.memory.n_attempts > 0 ? "idle; the last sync did not end, the next one uses "
                                            "what it stored"
                                          : "idle");
    }
    root_free(&f.newest);
    return code;
}

static int run(struct cli *cli)
{
    return pick_run(cli, status_with);
}

const struct cli_command cli_status = {
    .name = "status", .operands = "", .summary = "What is there and what is going on", .run = run,
};
