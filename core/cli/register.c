/* SPDX-License-Identifier: Apache-2.0 */
/* register.c - `register` and `unregister`: the node's identity. */
#include "core/base/text.h"
#include "core/cli/output.h"
#include "core/cli/pick.h"
#include "core/sync/session.h"

#include <stdio.h>

static int say_json(struct cli *cli, struct agent *agent, bool created, const char *recovery)
{
    struct dynbuf out = DYNBUF_INIT(65536);
    struct json j = json_to(&out, true);
    char node[UUID_TEXT], repository[UUID_TEXT];
    text_uuid(node, agent->node.uuid);
    text_uuid(repository, agent->repository.uuid);
    json_object(&j, NULL);
    json_string(&j, "node", node);
    json_string(&j, "name", agent->node.name);
    json_string(&j, "repository", repository);
    json_string(&j, "location", objects_info(agent->objects)->location);
    json_bool(&j, "repository_made", created);
    if (created)
        json_string(&j, "recovery_key", recovery);
    json_array(&j, "excluded");
    for (size_t i = 0; i < agent->node.n_excluded; i++)
        json_string(&j, NULL, agent->node.excluded[i]);
    json_array_end(&j);
    json_object_end(&j);
    return cli_json(cli, &out);
}

static int say(struct cli *cli, struct agent *agent, bool created, bool registered,
               const char *recovery)
{
    char node[UUID_TEXT];
    text_uuid(node, agent->node.uuid);
    cli_say(cli, "%s as node %s (%s) of %s\n",
            registered || cli_has(cli, "node") ? "Registered" : "Already registered",
            agent->node.name, node, objects_info(agent->objects)->location);
    for (size_t i = 0; i < agent->node.n_excluded; i++)
        cli_say(cli, "    never replicated: %s\n", agent->node.excluded[i]);
    if (created)
        cli_say(cli, "The repository was made. Its recovery key, to be kept on paper and not on "
                     "this machine:\n\n    %s\n\n", recovery);
    return CLI_DONE;
}

/* --takeover: this machine goes on as the node, whatever instance wrote last. */
static int take_over(struct agent *agent, struct ds_error *err)
{
    struct node_memory memory;
    int rc = node_memory_load(&memory, agent->policy->state, agent->repository.uuid,
                              agent->node.uuid, err);
    if (rc)
        return rc;
    memset(&memory, 0, sizeof memory);
    memory.takeover = true;
    return node_memory_save(&memory, agent->policy->state, agent->repository.uuid,
                            agent->node.uuid, err);
}

/* --node: this machine becomes a node that the repository knows. */
static int become(struct agent *agent, const char *name, struct ds_error *err)
{
    int rc = agent_open_repository(agent, true, err);
    if (!rc)
        rc = agent_use_node(agent, name, err);
    if (!rc)
        rc = node_create(&agent->node, agent->policy->node_name, err);
    if (!rc) {
        memcpy(agent->node.uuid, agent->space.node, UUID_SIZE);
        rc = node_save(&agent->node, agent->policy->state, err);
    }
    return rc ? rc : take_over(agent, err);
}

static int register_with(struct cli *cli, struct agent *agent)
{
    struct ds_error err = DS_ERROR_INIT;
    char recovery[RECOVERY_TEXT] = "";
    bool created = false, registered = false;
    int rc = agent_lock(agent, &err);
    if (!rc && cli_has(cli, "new"))
        rc = state_put(agent->policy->state, "node", NULL, 0, &err);
    if (!rc && cli_has(cli, "node"))
        rc = become(agent, cli_get(cli, "node"), &err);
    if (!rc)
        rc = session_register(agent, true, &created, &registered, recovery, &err);
    if (!rc && cli_has(cli, "takeover"))
        rc = take_over(agent, &err);
    if (rc)
        return cli_error(cli, &err);
    return cli->json ? say_json(cli, agent, created, recovery)
                     : say(cli, agent, created, registered, recovery);
}

static int run_register(struct cli *cli)
{
    if (cli_has(cli, "new") + cli_has(cli, "takeover") + cli_has(cli, "node") > 1)
        return cli_usage_error(cli, "--new, --takeover and --node exclude each other");
    return pick_run(cli, register_with);
}

static int unregister_with(struct cli *cli, struct agent *agent)
{
    struct ds_error err = DS_ERROR_INIT;
    char uuid[UUID_TEXT];
    int rc = agent_lock(agent, &err);
    if (!rc)
        rc = node_load(&agent->node, agent->policy->state, &err);
    if (rc)
        return cli_error(cli, &err);
    text_uuid(uuid, agent->node.uuid);
    rc = state_put(agent->policy->state, "node", NULL, 0, &err);
    if (rc)
        return cli_error(cli, &err);
    if (cli->json) {
        struct dynbuf out = DYNBUF_INIT(4096);
        struct json j = json_to(&out, true);
        json_object(&j, NULL);
        json_string(&j, "unregistered", uuid);
        json_object_end(&j);
        return cli_json(cli, &out);
    }
    cli_say(cli, "This machine is no node any more. Its points stay in the repository; disksync "
                 "register --node %s takes them up again.\n", uuid);
    return CLI_DONE;
}

static int run_unregister(struct cli *cli)
{
    return pick_run(cli, unregister_with);
}

static const struct cli_option options[] = {
    { "new", NULL, "become a node of its own (a clone of a registered machine)", false },
    { "takeover", NULL, "go on as this node although another machine wrote its newest point",
      false },
    { "node", "NODE", "take up a node that the repository knows, by name or UUID", false },
    { NULL, NULL, NULL, false },
};

const struct cli_command cli_register = {
    .name = "register", .operands = "", .options = options, .run = run_register,
    .summary = "Makes this machine a node of the repository, and the repository if need be",
};
const struct cli_command cli_unregister = {
    .name = "unregister", .operands = "", .run = run_unregister,
    .summary = "Forgets the node's identity on this machine; its points stay",
};
