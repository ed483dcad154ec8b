/* SPDX-License-Identifier: Apache-2.0 */
/* key.c - `key add`, `key remove`, `key list`: what opens the repository. */
#include "core/base/bytes.h"
#include "core/base/text.h"
#include "core/cli/output.h"
#include "core/cli/pick.h"

#include <stdlib.h>
#include <string.h>

static const char *kind_name(uint32_t kind)
{
    static const char *const names[] = { "?", "passphrase", "key file", "recovery key" };
    return names[kind <= SLOT_RECOVERY ? kind : 0];
}

static int finish(struct cli *cli, const char *did, const char *name, const char *recovery)
{
    if (!cli->json) {
        cli_say(cli, "Key slot %s %s.\n", name, did);
        if (recovery)
            cli_say(cli, "Its recovery key, to be kept on paper:\n\n    %s\n\n", recovery);
        return CLI_DONE;
    }
    struct dynbuf out = DYNBUF_INIT(4096);
    struct json j = json_to(&out, true);
    json_object(&j, NULL);
    json_string(&j, "slot", name);
    json_string(&j, "did", did);
    if (recovery)
        json_string(&j, "recovery_key", recovery);
    json_object_end(&j);
    return cli_json(cli, &out);
}

struct secret {
    uint8_t *bytes;
    size_t len;
};

/* A secret loses one final line break, as where the policy names its file. */
static int read_secret(struct secret *secret, const char *path, struct ds_error *err)
{
    void *data;
    int rc = os_read_file(path, 65536, &data, &secret->len, err);
    if (rc)
        return rc;
    secret->bytes = data;
    if (secret->len && secret->bytes[secret->len - 1] == '\n') {
        secret->len--;
        if (secret->len && secret->bytes[secret->len - 1] == '\r')
            secret->len--;
    }
    return DS_OK;
}

static int add(struct cli *cli, struct agent *agent)
{
    struct ds_error err = DS_ERROR_INIT;
    struct slot_info info = { .created_ns = os_wall_ns(), .kind = SLOT_RECOVERY };
    struct secret secret = { NULL, 0 };
    const char *passphrase = cli_get(cli, "passphrase-file"), *key = cli_get(cli, "key-file");
    uint8_t random[RECOVERY_SIZE];
    char recovery[RECOVERY_TEXT] = "";
    text_copy(info.name, sizeof info.name, cli->operands[0]);
    int rc = agent_open_repository(agent, true, &err);
    if (!rc)
        rc = repository_check_write(&agent->repository, &err);
    if (!rc && (passphrase || key)) {
        info.kind = passphrase ? SLOT_PASSPHRASE : SLOT_KEY_FILE;
        rc = read_secret(&secret, passphrase ? passphrase : key, &err);
    } else if (!rc) {
        rc = os_random(random, sizeof random, &err);
        recovery_text(recovery, random);
    }
    struct repository_secret given = { info.kind, secret.bytes, secret.len };
    if (info.kind == SLOT_RECOVERY)
        given = (struct repository_secret){ SLOT_RECOVERY, recovery, strlen(recovery) };
    if (!rc)
        rc = repository_key_add(&agent->repository, &info, &given, &err);
    if (secret.bytes)
        wipe(secret.bytes, secret.len);
    free(secret.bytes);
    if (rc)
        return cli_error(cli, &err);
    return finish(cli, "added", info.name, info.kind == SLOT_RECOVERY ? recovery : NULL);
}

static int run_add(struct cli *cli)
{
    int kinds =
        cli_has(cli, "passphrase-file") + cli_has(cli, "key-file") + cli_has(cli, "recovery");
    if (kinds != 1)
        return cli_usage_error(cli, "key add needs one of --passphrase-file, --key-file and "
                                    "--recovery");
    return pick_run(cli, add);
}

static int remove_slot(struct cli *cli, struct agent *agent)
{
    struct ds_error err = DS_ERROR_INIT;
    int rc = agent_open_repository(agent, true, &err);
    if (!rc)
        rc = repository_check_write(&agent->repository, &err);
    if (!rc)
        rc = repository_key_remove(&agent->repository, cli->operands[0], &err);
    return rc ? cli_error(cli, &err) : finish(cli, "removed", cli->operands[0], NULL);
}

static int run_remove(struct cli *cli)
{
    return pick_run(cli, remove_slot);
}

struct listing {
    struct cli *cli;
    struct json *j;
    struct ds_error damage; /* of the last damaged slot */
};

static void listed_bad(struct listing *listing, const struct slot_info *info,
                       const struct ds_error *bad)
{
    const char *kind = bad->code == DS_EDAMAGED ? "damaged" : "newer";
    if (bad->code == DS_EDAMAGED)
        listing->damage = *bad;
    if (!listing->j) {
        cli_say(listing->cli, "%-20s %-13s %s\n", info->name, kind, bad->msg);
        return;
    }
    json_object(listing->j, NULL);
    json_string(listing->j, "slot", info->name);
    json_string(listing->j, "kind", kind);
    json_string(listing->j, "created", NULL);
    json_string(listing->j, "why", bad->msg);
    json_object_end(listing->j);
}

static int listed(void *ud, const struct slot_info *info, const struct ds_error *bad)
{
    struct listing *listing = ud;
    char time[32];
    if (bad) {
        listed_bad(listing, info, bad);
        return 0;
    }
    text_time(time, sizeof time, info->created_ns, listing->j != NULL);
    if (!listing->j) {
        cli_say(listing->cli, "%-20s %-13s %s  %s\n", info->name, kind_name(info->kind), time,
                info->label);
        return 0;
    }
    json_object(listing->j, NULL);
    json_string(listing->j, "slot", info->name);
    json_string(listing->j, "kind", kind_name(info->kind));
    json_string(listing->j, "created", time);
    json_object_end(listing->j);
    return 0;
}

static int list(struct cli *cli, struct agent *agent)
{
    struct ds_error err = DS_ERROR_INIT;
    struct dynbuf out = DYNBUF_INIT(65536);
    struct json j = json_to(&out, true);
    struct listing listing = { cli, cli->json ? &j : NULL, DS_ERROR_INIT };
    int rc = agent_open_store(agent, &err);
    if (!rc && !cli->json)
        cli_say(cli, "SLOT                 KIND          CREATED (UTC)\n");
    json_object(&j, NULL);
    json_array(&j, "slots");
    if (!rc)
        rc = repository_key_list(agent->objects, listed, &listing, &err);
    json_array_end(&j);
    json_object_end(&j);
    int code = rc ? cli_error(cli, &err) : CLI_DONE;
    if (!rc && cli->json)
        code = cli_json(cli, &out);
    else
        dynbuf_free(&out);
    return code ? code : listing.damage.code ? CLI_DAMAGED : CLI_DONE;
}

static int run_list(struct cli *cli)
{
    return pick_run(cli, list);
}

static const struct cli_option add_options[] = {
    { "passphrase-file", "FILE", "a passphrase", false },
    { "key-file", "FILE", "at least 32 random bytes", false },
    { "recovery", NULL, "a fresh recovery key, which is printed", false },
    { NULL, NULL, NULL, false },
};

const struct cli_command cli_key_add = {
    .name = "key add", .operands = "SLOT", .summary = "Adds what opens the repository",
    .options = add_options, .min_operands = 1, .max_operands = 1, .run = run_add,
};
const struct cli_command cli_key_remove = {
    .name = "key remove", .operands = "SLOT", .summary = "Removes a key slot, but never the last",
    .min_operands = 1, .max_operands = 1, .run = run_remove,
};
const struct cli_command cli_key_list = {
    .name = "key list", .operands = "", .summary = "Lists the key slots", .run = run_list,
};
