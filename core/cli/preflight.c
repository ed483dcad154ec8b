/* SPDX-License-Identifier: Apache-2.0 */
/* preflight.c - `preflight`: every check, before a sync is tried. */
#include "core/cli/output.h"
#include "core/cli/pick.h"
#include "core/preflight/preflight.h"

struct listing {
    struct cli *cli;
    struct json j;
    bool refused;
};

static int on_result(void *ud, const struct preflight_result *result)
{
    static const char *const names[] = { "ok", "warning", "refused", "skipped" };
    struct listing *listing = ud;
    listing->refused |= result->verdict == PREFLIGHT_REFUSAL;
    if (listing->cli->json) {
        json_object(&listing->j, NULL);
        json_string(&listing->j, "check", result->check);
        json_string(&listing->j, "verdict", names[result->verdict]);
        json_string(&listing->j, "text", result->text);
        json_object_end(&listing->j);
    } else {
        cli_say(listing->cli, "%-8s %-11s %s\n", names[result->verdict], result->check,
                result->text);
    }
    return DS_OK;
}

static int preflight_with(struct cli *cli, struct agent *agent)
{
    struct dynbuf out = DYNBUF_INIT(65536);
    struct listing listing = { cli, json_to(&out, true), false };
    struct ds_error err = DS_ERROR_INIT;
    if (cli->json) {
        json_object(&listing.j, NULL);
        json_array(&listing.j, "checks");
    }
    int rc = preflight_run(agent, on_result, &listing, &err), code = CLI_DONE;
    if (rc) {
        dynbuf_free(&out);
        return cli_error(cli, &err);
    }
    if (cli->json) {
        json_array_end(&listing.j);
        json_bool(&listing.j, "refused", listing.refused);
        json_object_end(&listing.j);
        code = cli_json(cli, &out);
    }
    return code ? code : listing.refused ? CLI_REFUSED : CLI_DONE;
}

static int run(struct cli *cli)
{
    return pick_run(cli, preflight_with);
}

const struct cli_command cli_preflight = {
    .name = "preflight", .operands = "", .run = run,
    .summary = "Checks everything that could stop a sync, with the remedy",
};
