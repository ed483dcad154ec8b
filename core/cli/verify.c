/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c - `verify`: reads back and checks what is stored. */
#include "core/base/text.h"
#include "core/cli/output.h"
#include "core/cli/pick.h"
#include "core/recover/verify.h"

#include <stdio.h>
#include <string.h>

struct listing {
    struct cli *cli;
    struct json *j;
};

static void on_damaged(void *ud, const char *object, const char *what)
{
    struct listing *listing = ud;
    if (listing->j) {
        json_object(listing->j, NULL);
        json_string(listing->j, "object", *object ? object : NULL);
        json_string(listing->j, "what", what);
        json_object_end(listing->j);
    } else {
        cli_say(listing->cli, "damaged: %s%s%s\n", object, *object ? ": " : "", what);
    }
}

static void on_progress(void *ud, uint64_t done, uint64_t total)
{
    struct listing *listing = ud;
    cli_progress(listing->cli, "segments", done, total);
}

static int report(struct cli *cli, struct json *j, struct dynbuf *out,
                  const struct verify_report *r, int rc, const struct ds_error *err)
{
    char a[32], b[32];
    int code = rc ? cli_explanation(rc)->exit_code : CLI_DONE;
    if (!cli->json) {
        cli_say(cli, "%llu points: %llu blocks and %llu map pages in %llu segments read and "
                     "checked, %s in %s\n", (unsigned long long)r->points,
                (unsigned long long)r->blocks, (unsigned long long)r->pages,
                (unsigned long long)r->segments, text_size(a, sizeof a, r->bytes),
                text_duration(b, sizeof b, r->ns));
        dynbuf_free(out);
        return rc ? cli_error(cli, err) : (cli_say(cli, "Nothing is damaged.\n"), CLI_DONE);
    }
    json_array_end(j);
    json_u64(j, "points", r->points);
    json_u64(j, "segments", r->segments);
    json_u64(j, "blocks", r->blocks);
    json_u64(j, "pages", r->pages);
    json_u64(j, "bytes", r->bytes);
    json_u64(j, "damaged_points", r->damaged_points);
    json_u64(j, "damaged_segments", r->damaged_segments);
    json_u64(j, "damaged_blocks", r->damaged_blocks);
    json_u64(j, "damaged_pages", r->damaged_pages);
    json_u64(j, "heal_blocks", r->heal_blocks);
    output_resources(j, r->ns, r->cpu_ns);
    json_object_end(j);
    int written = cli_json(cli, out);
    if (rc)
        fprintf(stderr, "disksync: %s [%s]\n", err->msg, cli_status_name(rc));
    return written ? written : code;
}

static int verify_with(struct cli *cli, struct agent *agent)
{
    struct ds_error err = DS_ERROR_INIT;
    struct dynbuf out = DYNBUF_INIT((size_t)64 << 20);
    struct json j = json_to(&out, true);
    struct listing listing = { cli, cli->json ? &j : NULL };
    struct verify_report result;
    const char *point = cli_get(cli, "point");
    struct verify_options options = { .workers = agent->policy->workers ? agent->policy->workers
                                                                        : os_cpu_count(),
                                      .interrupted = &cli->interrupted,
                                      .progress = on_progress, .damaged = on_damaged,
                                      .ud = &listing };
    /* The header and the key slots as they are in the store, not as this node saved them. */
    int rc = agent_open_repository(agent, true, &err);
    if (!rc)
        rc = pick_open(agent, cli, &err);
    if (!rc && point && !cli_has(cli, "all")) {
        struct root root;
        rc = pick_point(&root, &agent->space, point, &err);
        if (rc == DS_EDAMAGED && text_parse_u64(&options.point, point, UINT64_MAX))
            rc = DS_OK;
        else if (!rc)
            options.point = root.seq;
        root_free(&root);
    }
    if (rc)
        return cli_error(cli, &err);
    if (cli->json) {
        json_object(&j, NULL);
        json_array(&j, "damaged");
    }
    rc = verify_points(&agent->space, &options, &result, &err);
    cli_progress_end();
    if (rc && rc != DS_EDAMAGED) {
        dynbuf_free(&out);
        return cli_error(cli, &err);
    }
    return report(cli, &j, &out, &result, rc, &err);
}

static int run(struct cli *cli)
{
    if (cli_has(cli, "all") && cli_has(cli, "point"))
        return cli_usage_error(cli, "--all and --point exclude each other");
    return pick_run(cli, verify_with);
}

static const struct cli_option options[] = {
    { "point", "POINT", "only this point: its number, or latest", false },
    { "all", NULL, "every point (the default)", false },
    { "node", "NODE", "name or UUID of the node; default: this one", false },
    { NULL, NULL, NULL, false },
};

const struct cli_command cli_verify = {
    .name = "verify", .operands = "", .summary = "Reads back and checks what is stored",
    .options = options, .run = run,
};
