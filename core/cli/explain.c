/* SPDX-License-Identifier: Apache-2.0 */
/* explain.c - `explain CODE`: the one table of what every status means, which exit code it ends
 * with, what causes it and what helps. */
#include "core/cli/output.h"

#include "core/base/text.h"

#include <stdio.h>
#include <string.h>

static const struct cli_explanation table[] = {
    { DS_EINVAL, "invalid", "An argument, an option or a request is wrong.",
      "Correct what the message names.", CLI_FAILED },
    { DS_ENOMEM, "no-memory", "The system has no memory or no thread left.",
      "Free memory, or lower limits.workers.", CLI_FAILED },
    { DS_EIO, "io", "A device or file could not be read or written.",
      "Check the device and the system's log.", CLI_FAILED },
    { DS_ENOTSUP, "not-supported", "This plugin, device or system can't do that.",
      "Choose another plugin or target: see disksync plugins.", CLI_FAILED },
    { DS_ECANCELLED, "cancelled", "The run was interrupted.",
      "Run it again: what was stored is used again.", CLI_FAILED },
    { DS_ENOENT, "not-found", "A file, device, object or repository does not exist.",
      "Check the path, or make the repository with disksync init.", CLI_FAILED },
    { DS_EACCES, "no-permission", "The user that disksync runs as lacks a right.",
      "Run as administrator, or correct the owner and mode of what the message names.",
      CLI_FAILED },
    { DS_EFORMAT, "format", "Bytes don't follow their format.",
      "Check that the file is what it is taken for.", CLI_FAILED },
    { DS_ELOST, "snapshot-lost", "The snapshot vanished while it was read; nothing was committed.",
      "See the cause in the message; give the snapshot more room, then sync again: only the rest "
      "is sent.", CLI_FAILED },
    { DS_ENOSPC, "no-space", "A disk, a quota or the target has no room left.",
      "Free space (disksync forget, disksync collect) or use a larger target.", CLI_FAILED },
    { DS_EBUSY, "busy", "Something is in use by somebody else.", "Wait, or close what uses it.",
      CLI_FAILED },
    { DS_EEXIST, "exists", "What should be made is there already.",
      "Use another name or place, or go on with what is there.", CLI_FAILED },
    { DS_ETIMEDOUT, "timed-out", "A call took longer than its kind may take.",
      "Check what the message names; try again.", CLI_FAILED },
    { DS_ENETWORK, "network", "Name resolution, the connection or TLS failed.",
      "Check address, proxy, certificate and firewall.", CLI_FAILED },
    { DS_EUSAGE, "usage", "The command line is wrong.", "See disksync COMMAND --help.", CLI_USAGE },
    { DS_EPOLICY, "policy", "The policy file is wrong at the place that the message names.",
      "Correct it; disksync policy check tells all is well.", CLI_USAGE },
    { DS_EPLUGIN, "plugin-refused", "A plugin is missing, was refused, or broke its contract.",
      "disksync plugins shows each verdict.", CLI_REFUSED },
    { DS_EPREFLIGHT, "preflight", "A check refused to start; nothing was touched.",
      "Follow the message.", CLI_REFUSED },
    { DS_EPASSPHRASE, "wrong-passphrase", "No key slot opens with this passphrase or key.",
      "Check transport.passphrase, or use the recovery key in its place.", CLI_REFUSED },
    { DS_EVERSION, "newer-version", "A newer disksync wrote this.", "Install a newer disksync.",
      CLI_REFUSED },
    { DS_EFEATURE, "unknown-feature", "A feature is needed that this program does not know.",
      "Install a newer disksync.", CLI_REFUSED },
    { DS_EDAMAGED, "damaged", "Stored data fails its check.",
      "disksync verify lists what is damaged; the next sync heals what the source still has.",
      CLI_DAMAGED },
    { DS_EINUSE, "in-use", "Another process works for this node.", "Wait until it has ended.",
      CLI_REFUSED },
    { DS_ESHRANK, "disk-shrank", "A disk is smaller than it was, or than its partitions.",
      "Check that it is the right disk; sync --full accepts it.", CLI_REFUSED },
    { DS_EIDENTITY, "disk-identity",
      "A disk is not the one it was, changed while it was read, or two disks have one identity.",
      "Check which disk it is; sync --full accepts a new one; exclude one of two twins.",
      CLI_REFUSED },
    { DS_ECLONE, "clone", "Another machine wrote this node's newest point.",
      "disksync register --takeover goes on as this node, --new becomes one of its own.",
      CLI_REFUSED },
    { DS_EROLLBACK, "store-rollback", "The store lacks points that this node committed.",
      "Find out why; disksync register --takeover goes on with what there is.", CLI_REFUSED },
    { DS_EMOUNTED, "target-in-use", "The target is mounted or in use.",
      "Unmount it, or use --force.", CLI_REFUSED },
    { DS_EPROTECTED, "target-protected", "The target is a disk that the policy replicates.",
      "Restore to another target, or use --force.", CLI_REFUSED },
    { DS_ENOPOINT, "no-such-point", "There is no such recovery point.",
      "disksync points lists them.", CLI_FAILED },
    { DS_EDIFFERENT, "different", "A comparison found differences.", "See the report.",
      CLI_DAMAGED },
    { DS_EHOOK, "hook-failed", "A command of hooks.before_snapshot failed; no point was made.",
      "Run the command by hand and see what it says; its output is in the log.", CLI_FAILED },
    { DS_ECONFLICT, "conflict", "Another writer committed first.", "Sync again.", CLI_FAILED },
};
#define N_TABLE (sizeof table / sizeof table[0])

static const struct cli_explanation unknown = { 0, "failed", "Unknown.", "See the message.",
                                                CLI_FAILED };

const struct cli_explanation *cli_explanation(int status)
{
    for (size_t i = 0; i < N_TABLE; i++)
        if (table[i].status == status)
            return &table[i];
    return &unknown;
}

const struct cli_explanation *cli_explanation_by_name(const char *name)
{
    for (size_t i = 0; i < N_TABLE; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

const char *cli_status_name(int status)
{
    return cli_explanation(status)->name;
}

static void explain_json(struct json *j, const struct cli_explanation *e)
{
    json_object(j, NULL);
    json_string(j, "code", e->name);
    json_i64(j, "status", e->status);
    json_string(j, "cause", e->cause);
    json_string(j, "remedy", e->remedy);
    json_i64(j, "exit_code", e->exit_code);
    json_object_end(j);
}

static int explain_all(struct cli *cli)
{
    struct dynbuf out = DYNBUF_INIT(65536);
    struct json j = json_to(&out, true);
    json_object(&j, NULL);
    json_array(&j, "codes");
    for (size_t i = 0; i < N_TABLE; i++) {
        if (cli->json)
            explain_json(&j, &table[i]);
        else
            cli_say(cli, "%-18s %s\n", table[i].name, table[i].cause);
    }
    json_array_end(&j);
    json_object_end(&j);
    if (cli->json)
        return cli_json(cli, &out);
    dynbuf_free(&out);
    return CLI_DONE;
}

static int explain_one(struct cli *cli, const struct cli_explanation *e)
{
    if (cli->json) {
        struct dynbuf out = DYNBUF_INIT(8192);
        struct json j = json_to(&out, true);
        explain_json(&j, e);
        return cli_json(cli, &out);
    }
    cli_say(cli, "%s (status %d, exit code %d)\n  cause:  %s\n  remedy: %s\n", e->name, e->status,
            e->exit_code, e->cause, e->remedy);
    return CLI_DONE;
}

static int run(struct cli *cli)
{
    uint64_t number;
    if (cli->n_operands == 0)
        return explain_all(cli);
    const char *name = cli->operands[0];
    const struct cli_explanation *e = cli_explanation_by_name(name);
    if (!e && text_parse_u64(&number, name[0] == '-' ? name + 1 : name, 1000) &&
        cli_explanation(-(int)number) != &unknown)
        e = cli_explanation(-(int)number);
    if (!e)
        return cli_usage_error(cli, "there is no code '%s': disksync explain lists them", name);
    return explain_one(cli, e);
}

const struct cli_command cli_explain = {
    .name = "explain", .operands = "[CODE]", .summary = "An error code: its cause and its remedy",
    .max_operands = 1, .run = run,
};
