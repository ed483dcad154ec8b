/* SPDX-License-Identifier: Apache-2.0 */
/* init.c - `init`: writes a commented policy that works at once, with a fresh passphrase file,
 * makes the repository and registers the node. Asks where a terminal is there to answer. */
#include "core/base/text.h"
#include "core/cli/output.h"
#include "core/sync/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 64u

struct answers {
    char repository[OS_PATH_MAX], folder[OS_PATH_MAX], key_file[OS_PATH_MAX];
    const char *include[LIST_MAX];
    unsigned n_include;
    const char *name;
    bool own_key; /* --passphrase-file names one that is there */
};

/* Asks on a terminal; false on end of input or an empty answer without a default. */
static bool ask(const char *question, char *answer, size_t cap)
{
    fprintf(stderr, "%s ", question);
    fflush(stderr);
    if (!fgets(answer, (int)cap, stdin))
        return false;
    answer[strcspn(answer, "\r\n")] = 0;
    return answer[0] != 0;
}

static int gather(struct cli *cli, struct answers *a, struct ds_error *err)
{
    static char typed[2][OS_PATH_MAX];
    const char *repository = cli_get(cli, "dir"), *key = cli_get(cli, "passphrase-file");
    bool may_ask = os_is_tty(2) && !cli_has(cli, "yes") && !cli->json;
    os_dirname(a->folder, cli->policy_path);
    for (unsigned i = 0; i < cli->n_values; i++)
        if (strcmp(cli->values[i].name, "include") == 0 && a->n_include < LIST_MAX)
            a->include[a->n_include++] = cli->values[i].value;
    if (!repository && may_ask && ask("Folder of the repository:", typed[0], OS_PATH_MAX))
        repository = typed[0];
    if (!repository)
        return ds_fail(err, DS_EUSAGE, "init needs --dir: the folder of the repository");
    if (!a->n_include && may_ask &&
        ask("Disk or image to replicate (empty: every fixed disk):", typed[1], OS_PATH_MAX))
        a->include[a->n_include++] = typed[1];
    a->name = cli_get(cli, "name");
    int rc = os_absolute(a->repository, NULL, repository, err);
    a->own_key = key != NULL;
    if (!rc)
        rc = key ? os_absolute(a->key_file, NULL, key, err)
                 : os_join(a->key_file, a->folder, "disksync.key", err);
    return rc;
}

/* Writes text as a YAML double-quoted scalar. */
static void quote(struct dynbuf *out, const char *text)
{
    dynbuf_u8(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            dynbuf_u8(out, '\\');
        dynbuf_u8(out, (uint8_t)*text);
    }
    dynbuf_u8(out, '"');
}

static int write_include(struct dynbuf *out, const struct answers *a, struct ds_error *err)
{
    dynbuf_text(out, "# Which disks: by path, \"serial:S\", \"gpt:GUID\", or the path of an image "
                     "file.\n# disksync disks shows what there is. Without include, every fixed "
                     "disk.\ndisks:\n");
    if (a->n_include == 0)
        dynbuf_text(out, "  exclude: []\n");
    else
        dynbuf_text(out, "  include:\n");
    for (unsigned i = 0; i < a->n_include; i++) {
        char path[OS_PATH_MAX];
        const char *name = a->include[i];
        if (os_kind(name) != OS_ABSENT) {
            int rc = os_absolute(path, NULL, name, err);
            if (rc)
                return rc;
            name = path;
        }
        dynbuf_text(out, "    - ");
        quote(out, name);
        dynbuf_u8(out, '\n');
    }
    return DS_OK;
}

static int policy_text(struct dynbuf *out, const struct answers *a, struct ds_error *err)
{
    dynbuf_text(out, "# The policy of DiskSync: what this machine replicates, where to, and how "
                     "long it is kept.\n# Every key: docs/policy.md. After a change: disksync "
                     "policy check.\nversion: 1\n\n");
    if (a->name) {
        dynbuf_text(out, "node:\n  name: ");
        quote(out, a->name);
        dynbuf_text(out, "\n\n");
    }
    int rc = write_include(out, a, err);
    dynbuf_text(out, "\n# Where points are kept. The passphrase opens the repository: without it, "
                     "or the\n# recovery key, nobody can read what is stored, you neither.\n"
                     "transport:\n  use: dir\n  path: ");
    quote(out, a->repository);
    dynbuf_text(out, "\n  passphrase: { file: ");
    quote(out, a->key_file);
    dynbuf_text(out,
                " }\n\n# How the disks are frozen and how changes are known: auto takes the "
                "best that serves\n# them. disksync plugins shows what there is.\nsnapshot: { "
                "use: auto }\ntracker:  { use: auto }\n\n# Limits on what a sync may use.\n"
                "# limits: { cpu: 30%, upload: 50Mbit/s }\n\n# What disksync forget keeps, by "
                "the time of each point.\nretention: { last: 24, daily: 7, weekly: 4, monthly: "
                "12 }\n");
    return rc;
}

/* 256 random bits as hex: nobody types it, the file and the recovery key stand for it. */
static int make_key(const struct answers *a, struct ds_error *err)
{
    uint8_t random[32];
    char text[66];
    if (a->own_key || os_kind(a->key_file) != OS_ABSENT)
        return DS_OK;
    int rc = os_random(random, sizeof random, err);
    if (rc)
        return rc;
    text_hex(text, random, sizeof random);
    text[64] = '\n';
    text[65] = 0;
    rc = os_write_file(a->key_file, text, 65, err);
    return rc;
}

static int write_policy(struct cli *cli, const struct answers *a, struct ds_error *err)
{
    struct dynbuf text = DYNBUF_INIT((size_t)1 << 20);
    if (os_kind(cli->policy_path) != OS_ABSENT && !cli_has(cli, "force"))
        return ds_fail(err, DS_EEXIST, "%s is there already: edit it, or use --force to replace it",
                       cli->policy_path);
    int rc = policy_text(&text, a, err);
    if (!rc && !dynbuf_ok(&text))
        rc = ds_fail(err, DS_ENOMEM, "no memory for the policy");
    if (!rc)
        rc = os_mkdirs(a->folder, err);
    if (!rc)
        rc = make_key(a, err);
    if (!rc)
        rc = os_write_file(cli->policy_path, text.data, text.len, err);
    dynbuf_free(&text);
    return rc;
}

static int report(struct cli *cli, const struct answers *a, const struct agent *agent, bool created,
                  const char *recovery)
{
    char node[UUID_TEXT];
    text_uuid(node, agent->node.uuid);
    if (cli->json) {
        struct dynbuf out = DYNBUF_INIT(65536);
        struct json j = json_to(&out, true);
        json_object(&j, NULL);
        json_string(&j, "policy", cli->policy_path);
        json_string(&j, "passphrase_file", a->key_file);
        json_string(&j, "repository", a->repository);
        json_string(&j, "node", node);
        json_bool(&j, "repository_made", created);
        json_string(&j, "recovery_key", created ? recovery : NULL);
        json_object_end(&j);
        return cli_json(cli, &out);
    }
    cli_say(cli, "Policy:      %s\nPassphrase:  %s\nRepository:  %s%s\nNode:        %s (%s)\n",
            cli->policy_path, a->key_file, a->repository, created ? " (new)" : "",
            agent->node.name, node);
    if (created)
        cli_say(cli, "\nRecovery key, to be kept on paper and not on this machine. It opens the "
                     "repository\nwhen the passphrase is gone, and is not shown again:\n\n"
                     "    %s\n", recovery);
    cli_say(cli, "\nNext: disksync sync --policy %s\n", cli->policy_path);
    return CLI_DONE;
}

static int register_now(struct cli *cli, const struct answers *a, struct policy *policy)
{
    struct ds_error err = DS_ERROR_INIT;
    struct agent agent;
    char recovery[RECOVERY_TEXT] = "";
    bool created = false, registered = false;
    int rc = agent_open(&agent, policy, &cli->interrupted, &err), code;
    if (rc)
        return cli_error(cli, &err);
    rc = agent_lock(&agent, &err);
    if (!rc)
        rc = session_register(&agent, true, &created, &registered, recovery, &err);
    code = rc ? cli_error(cli, &err) : report(cli, a, &agent, created, recovery);
    agent_close(&agent);
    return code;
}

static int run(struct cli *cli)
{
    struct ds_error err = DS_ERROR_INIT;
    struct answers a = { .n_include = 0 };
    int code = CLI_DONE, rc = gather(cli, &a, &err);
    if (!rc)
        rc = write_policy(cli, &a, &err);
    if (rc)
        return cli_error(cli, &err);
    struct policy *policy = cli_policy(cli, &code);
    if (policy)
        code = register_now(cli, &a, policy);
    policy_free(policy);
    return code;
}

static const struct cli_option options[] = {
    { "dir", "FOLDER", "the folder of the repository", false },
    { "include", "DISK", "a disk or image file to replicate", true },
    { "name", "NAME", "the node's name; default: the host's", false },
    { "passphrase-file", "FILE", "a passphrase that is there already; default: make one", false },
    { "force", NULL, "replace a policy that is there", false },
    { "yes", NULL, "ask nothing", false },
    { NULL, NULL, NULL, false },
};

const struct cli_command cli_init = {
    .name = "init", .operands = "", .options = options, .run = run,
    .summary = "Writes a policy that works, makes the repository, registers this machine",
};
