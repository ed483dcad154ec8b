/* SPDX-License-Identifier: Apache-2.0 */
/* points.c - `points`: the recovery points of a node. */
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/cli/output.h"
#include "core/cli/pick.h"

static void damaged(void *ud, uint64_t seq, const struct ds_error *why)
{
    (void)ud;
    log_printf(DS_LOG_WARNING, "point.damaged", "point %llu: %s", (unsigned long long)seq,
               why->msg);
}

static uint64_t sent(const struct root *root)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < root->n_disks; i++)
        n += root->disks[i].sent_bytes;
    return n;
}

static void disk_json(struct json *j, const struct root_disk *d)
{
    json_object(j, NULL);
    json_u64(j, "disk", d->number);
    json_string(j, "identity", d->identity);
    json_string(j, "path", d->path);
    json_u64(j, "disk_bytes", d->shape.bytes);
    json_u64(j, "block_size", d->shape.block_size);
    json_string(j, "mode", root_mode_name(d->mode));
    json_string(j, "reason", d->reason);
    json_string(j, "tracker", d->tracker);
    json_u64(j, "used_bytes", d->used_bytes);
    json_u64(j, "sent_bytes", d->sent_bytes);
    json_u64(j, "unreadable_bytes", d->unknown_used);
    json_object_end(j);
}

static void point_json(struct json *j, const struct point *point)
{
    char time[32];
    json_object(j, NULL);
    json_u64(j, "point", point->seq);
    json_bool(j, "damaged", point->damaged);
    json_bool(j, "forgotten", point->forgotten);
    if (!point->damaged) {
        const struct root *root = &point->root;
        json_string(j, "time", text_time(time, sizeof time, root->time_ns, true));
        json_string(j, "node", root->node_name);
        json_string(j, "mode", root->n_disks ? root_mode_name(root->disks[0].mode) : NULL);
        json_string(j, "consistency",
                    root->n_disks ? consistency_name(root->disks[0].consistency) : NULL);
        json_u64(j, "sent_bytes", sent(root));
        json_array(j, "disks");
        for (uint32_t i = 0; i < root->n_disks; i++)
            disk_json(j, &root->disks[i]);
        json_array_end(j);
    }
    json_object_end(j);
}

static bool shown(const struct cli *cli, const struct point *point)
{
    return !point->partial && (!point->forgotten || cli_has(cli, "forgotten"));
}

static int print_json(struct cli *cli, const struct points *points)
{
    struct dynbuf out = DYNBUF_INIT((size_t)256 << 20);
    struct json j = json_to(&out, true);
    json_object(&j, NULL);
    json_array(&j, "points");
    for (size_t i = 0; i < points->n; i++)
        if (shown(cli, &points->list[i]))
            point_json(&j, &points->list[i]);
    json_array_end(&j);
    json_object_end(&j);
    return cli_json(cli, &out);
}

static void point_text(struct cli *cli, const struct point *point)
{
    const struct root *root = &point->root;
    char time[32], a[32], b[32];
    if (point->damaged) {
        cli_say(cli, "%-7llu damaged: its root can't be read\n", (unsigned long long)point->seq);
        return;
    }
    cli_say(cli, "%-7llu %s  %-11s  %-11s  %5u  %10s%s\n", (unsigned long long)point->seq,
            text_time(time, sizeof time, root->time_ns, false),
            root->n_disks ? root_mode_name(root->disks[0].mode) : "-",
            root->n_disks ? consistency_name(root->disks[0].consistency) : "-",
            (unsigned)root->n_disks, text_size(a, sizeof a, sent(root)),
            point->forgotten ? "  forgotten" : "");
    for (uint32_t i = 0; cli_has(cli, "disks") && i < root->n_disks; i++) {
        const struct root_disk *d = &root->disks[i];
        cli_say(cli, "        disk %u  %s  %s, %s in use  %s\n", d->number, d->path,
                text_size(a, sizeof a, d->shape.bytes), text_size(b, sizeof b, d->used_bytes),
                d->identity);
    }
}

static int list(struct cli *cli, struct agent *agent)
{
    struct ds_error err = DS_ERROR_INIT;
    struct points points;
    int rc = pick_open(agent, cli, &err), code = CLI_DONE;
    if (!rc)
        rc = points_read(&points, &agent->space, damaged, NULL, &err);
    if (rc)
        return cli_error(cli, &err);
    if (cli->json) {
        code = print_json(cli, &points);
    } else {
        size_t n = 0;
        for (size_t i = 0; i < points.n; i++)
            n += shown(cli, &points.list[i]);
        cli_say(cli,
                n ? "POINT   TIME (UTC)           MODE         CONSISTENCY  DISKS        SENT\n"
                  : "There is no point yet: run disksync sync.\n");
        for (size_t i = 0; i < points.n; i++)
            if (shown(cli, &points.list[i]))
                point_text(cli, &points.list[i]);
    }
    points_free(&points);
    return code;
}

static int run(struct cli *cli)
{
    return pick_run(cli, list);
}

static const struct cli_option options[] = {
    { "disks", NULL, "show each point's disks", false },
    { "forgotten", NULL, "also those that are forgotten and not yet collected", false },
    { "node", "NODE", "name or UUID of the node; default: this one", false },
    { NULL, NULL, NULL, false },
};

const struct cli_command cli_points = {
    .name = "points", .operands = "", .summary = "Lists the recovery points", .options = options,
    .run = run,
};
