/* SPDX-License-Identifier: Apache-2.0 */
/* collect.c - `collect`: returns the space of what no point needs. */
#include "core/base/text.h"
#include "core/cli/output.h"
#include "core/cli/pick.h"
#include "core/s3block/collect.h"

static void on_progress(void *ud, uint64_t done, uint64_t total)
{
    cli_progress(ud, "segments", done, total);
}

static int report(struct cli *cli, const struct collect_report *r, bool dry)
{
    char a[32];
    if (!cli->json) {
        cli_say(cli, "%s%llu points and %llu segments removed, %llu segments rewritten: %s freed\n",
                dry ? "would be: " : "", (unsigned long long)r->roots_removed,
                (unsigned long long)r->segments_removed,
                (unsigned long long)r->segments_rewritten, text_size(a, sizeof a, r->bytes_freed));
        if (r->records_removed)
            cli_say(cli, "%s%llu old records of damage removed\n", dry ? "would be: " : "",
                    (unsigned long long)r->records_removed);
        if (r->roots_waiting)
            cli_say(cli, "%llu forgotten points stay for their grace of 24 hours\n",
                    (unsigned long long)r->roots_waiting);
    } else {
        struct dynbuf out = DYNBUF_INIT(4096);
        struct json j = json_to(&out, true);
        json_object(&j, NULL);
        json_bool(&j, "dry_run", dry);
        json_u64(&j, "points_removed", r->roots_removed);
        json_u64(&j, "points_waiting", r->roots_waiting);
        json_u64(&j, "segments_removed", r->segments_removed);
        json_u64(&j, "segments_rewritten", r->segments_rewritten);
        json_u64(&j, "segments_kept", r->segments_kept);
        json_u64(&j, "damage_records_removed", r->records_removed);
        json_u64(&j, "bytes_freed", r->bytes_freed);
        json_object_end(&j);
        int code = cli_json(cli, &out);
        if (code)
            return code;
    }
    bool nothing = !r->roots_removed && !r->segments_removed && !r->segments_rewritten &&
                   !r->records_removed;
    return nothing ? CLI_NOTHING : CLI_DONE;
}

static int collect_with(struct cli *cli, struct agent *agent)
{
    struct ds_error err = DS_ERROR_INIT;
    struct collect_report result;
    struct collect_options options = { .grace_ns = COLLECT_GRACE_NS,
                                       .dry_run = cli_has(cli, "dry-run"),
                                       .interrupted = &cli->interrupted,
                                       .progress = on_progress, .ud = cli };
    if (cli_has(cli, "no-grace"))
        options.grace_ns = 0;
    int rc = pick_open(agent, cli, &err);
    if (!rc)
        rc = repository_check_write(&agent->repository, &err);
    if (!rc && !options.dry_run)
        rc = objects_prove(agent->objects, &err); /* may it remove? and the store's clock */
    if (!rc) {
        int64_t clock = objects_info(agent->objects)->clock_ns;
        options.now_ns = clock ? clock : os_wall_ns();
        rc = collect_run(&agent->space, &options, &result, &err);
    }
    cli_progress_end();
    return rc ? cli_error(cli, &err) : report(cli, &result, options.dry_run);
}

static int run(struct cli *cli)
{
    return pick_run(cli, collect_with);
}

static const struct cli_option options[] = {
    { "dry-run", NULL, "only show what would be removed", false },
    { "no-grace", NULL, "also points forgotten within the last 24 hours, if nobody reads them",
      false },
    { "node", "NODE", "name or UUID of the node; default: this one", false },
    { NULL, NULL, NULL, false },
};

const struct cli_command cli_collect = {
    .name = "collect", .operands = "", .summary = "Returns the space of what no point needs",
    .options = options, .run = run,
};
