/* SPDX-License-Identifier: Apache-2.0 */
/* forget.c - `forget`: retention, or single points. Space comes back with `collect`. */
#include "core/base/text.h"
#include "core/cli/output.h"
#include "core/cli/pick.h"
#include "core/s3block/collect.h"

#include <stdlib.h>
#include <string.h>

struct plan {
    struct points points;
    bool *keep;
    const char **why;
};

static bool candidate(const struct point *point)
{
    return !point->partial && !point->forgotten;
}

/* Points named by --point are forgotten, all others kept. */
static int plan_named(struct cli *cli, struct plan *plan, struct ds_error *err)
{
    for (size_t i = 0; i < plan->points.n; i++)
        plan->keep[i] = true;
    for (unsigned v = 0; v < cli->n_values; v++) {
        uint64_t seq;
        size_t i = 0;
        if (strcmp(cli->values[v].name, "point") != 0)
            continue;
        if (!text_parse_u64(&seq, cli->values[v].value, UINT64_MAX))
            return ds_fail(err, DS_EUSAGE, "'%s' is not the number of a point",
                           cli->values[v].value);
        while (i < plan->points.n && plan->points.list[i].seq != seq)
            i++;
        if (i == plan->points.n || !candidate(&plan->points.list[i]))
            return ds_fail(err, DS_ENOPOINT, "there is no point %s: disksync points lists them",
                           cli->values[v].value);
        plan->keep[i] = false;
    }
    return DS_OK;
}

static int plan_make(struct cli *cli, struct agent *agent, struct plan *plan, struct ds_error *err)
{
    const struct policy_retention *r = &agent->policy->retention;
    struct retention rules = { r->last, r->hourly, r->daily, r->weekly, r->monthly, r->yearly };
    plan->keep = calloc(plan->points.n + 1, sizeof *plan->keep);
    plan->why = calloc(plan->points.n + 1, sizeof *plan->why);
    if (!plan->keep || !plan->why)
        return ds_fail(err, DS_ENOMEM, "no memory for the list of points");
    if (cli_has(cli, "point"))
        return plan_named(cli, plan, err);
    retention_apply(&rules, &plan->points, plan->keep, plan->why);
    return DS_OK;
}

static int carry_out(struct agent *agent, struct plan *plan, size_t *n, struct ds_error *err)
{
    int rc = DS_OK;
    for (size_t i = 0; !rc && i < plan->points.n; i++)
        if (candidate(&plan->points.list[i]) && !plan->keep[i]) {
            rc = forget_point(&agent->space, &plan->points, plan->points.list[i].seq, err);
            *n += !rc;
        }
    return rc;
}

static int report(struct cli *cli, const struct plan *plan, bool dry)
{
    struct dynbuf out = DYNBUF_INIT((size_t)64 << 20);
    struct json j = json_to(&out, true);
    char time[32];
    if (cli->json) {
        json_object(&j, NULL);
        json_bool(&j, "dry_run", dry);
        json_array(&j, "points");
    }
    for (size_t i = 0; i < plan->points.n; i++) {
        const struct point *point = &plan->points.list[i];
        if (!candidate(point))
            continue;
        text_time(time, sizeof time, point->root.time_ns, cli->json);
        if (cli->json) {
            json_object(&j, NULL);
            json_u64(&j, "point", point->seq);
            json_string(&j, "time", time);
            json_bool(&j, "kept", plan->keep[i]);
            json_string(&j, "rule", plan->why[i]);
            json_object_end(&j);
        } else {
            cli_say(cli, "%-7llu %s  %s%s%s\n", (unsigned long long)point->seq, time,
                    plan->keep[i] ? "kept" : dry ? "would be forgotten" : "forgotten",
                    plan->why[i] ? ": " : "", plan->why[i] ? plan->why[i] : "");
        }
    }
    if (!cli->json)
        return CLI_DONE;
    json_array_end(&j);
    json_object_end(&j);
    return cli_json(cli, &out);
}

static int forget_with(struct cli *cli, struct agent *agent)
{
    struct ds_error err = DS_ERROR_INIT;
    struct plan plan = { .keep = NULL };
    bool dry = cli_has(cli, "dry-run");
    size_t n = 0;
    int rc = pick_open(agent, cli, &err), code;
    if (!rc)
        rc = repository_check_write(&agent->repository, &err);
    if (!rc)
        rc = points_read(&plan.points, &agent->space, NULL, NULL, &err);
    if (!rc)
        rc = plan_make(cli, agent, &plan, &err);
    if (!rc && !dry)
        rc = carry_out(agent, &plan, &n, &err);
    code = rc ? cli_error(cli, &err) : report(cli, &plan, dry);
    if (!code && !dry && n == 0)
        code = CLI_NOTHING;
    free(plan.keep);
    free((void *)plan.why);
    points_free(&plan.points);
    return code;
}

static int run(struct cli *cli)
{
    return pick_run(cli, forget_with);
}

static const struct cli_option options[] = {
    { "point", "POINT", "forget this point, whatever the retention says", true },
    { "dry-run", NULL, "only show what would be forgotten", false },
    { "node", "NODE", "name or UUID of the node; default: this one", false },
    { NULL, NULL, NULL, false },
};

const struct cli_command cli_forget = {
    .name = "forget", .operands = "", .options = options, .run = run,
    .summary = "Forgets the points that the policy's retention does not keep",
};
