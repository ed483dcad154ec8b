/* SPDX-License-Identifier: Apache-2.0 */
/* sync.c - `sync`: one recovery point, now. */
#include "core/base/text.h"
#include "core/cli/output.h"
#include "core/sync/session.h"

#include <stdio.h>
#include <string.h>

static void on_progress(void *ud, const char *what, uint64_t done, uint64_t total)
{
    cli_progress(ud, what, done, total);
}

struct totals {
    uint64_t disk, used, changed, read, sent, bad, torn, salvaged;
};

static struct totals sum(const struct session_report *report)
{
    struct totals t = { 0 };
    for (uint32_t i = 0; i < report->n_disks; i++) {
        const struct session_disk *d = &report->disks[i];
        t.disk += d->disk_bytes;
        t.used += d->used_bytes;
        t.changed += d->changed_bytes;
        t.read += d->read_bytes;
        t.sent += d->sent_bytes;
        t.bad += d->bad_bytes;
        t.torn += d->torn_bytes;
        t.salvaged += d->salvaged_bytes;
    }
    return t;
}

static void json_totals(struct json *j, const struct totals *t)
{
    json_u64(j, "disk_bytes", t->disk);
    json_u64(j, "used_bytes", t->used);
    json_u64(j, "changed_bytes", t->changed);
    json_u64(j, "read_bytes", t->read);
    json_u64(j, "sent_bytes", t->sent);
    json_u64(j, "unreadable_bytes", t->bad);
    json_u64(j, "torn_bytes", t->torn);
    json_u64(j, "salvaged_bytes", t->salvaged);
}

static int report_json(struct cli *cli, const struct session_report *r, const char *transport)
{
    struct dynbuf out = DYNBUF_INIT((size_t)4 << 20);
    struct json j = json_to(&out, true);
    struct totals t = sum(r);
    char time[32];
    json_object(&j, NULL);
    json_u64(&j, "point", r->point);
    json_string(&j, "time", text_time(time, sizeof time, r->time_ns, true));
    json_string(&j, "mode", r->n_disks ? root_mode_name(r->disks[0].mode) : NULL);
    json_string(&j, "reason", r->n_disks ? r->disks[0].reason : NULL);
    json_string(&j, "snapshot", r->snapshot);
    json_string(&j, "tracker", r->tracker);
    json_string(&j, "transport", transport);
    json_string(&j, "consistency", r->consistency);
    json_totals(&j, &t);
    json_u64(&j, "stored_objects", r->stored_objects);
    json_u64(&j, "stored_bytes", r->stored_bytes);
    json_u64(&j, "hooks_failed", r->hooks_failed);
    output_resources(&j, r->ns, r->cpu_ns);
    json_array(&j, "disks");
    for (uint32_t i = 0; i < r->n_disks; i++) {
        const struct session_disk *d = &r->disks[i];
        struct totals one = { d->disk_bytes, d->used_bytes, d->changed_bytes, d->read_bytes,
                              d->sent_bytes, d->bad_bytes,  d->torn_bytes,    d->salvaged_bytes };
        json_object(&j, NULL);
        json_u64(&j, "disk", d->number);
        json_string(&j, "identity", d->identity);
        json_string(&j, "path", d->path);
        json_string(&j, "mode", root_mode_name(d->mode));
        json_string(&j, "reason", d->reason);
        json_totals(&j, &one);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
    return cli_json(cli, &out);
}

static void report_text(struct cli *cli, const struct session_report *r)
{
    char a[32], b[32], c[32], d[32], e[32];
    for (uint32_t i = 0; i < r->n_disks; i++) {
        const struct session_disk *disk = &r->disks[i];
        cli_say(cli, "disk %u  %s  %s: %s\n", disk->number, disk->path, root_mode_name(disk->mode),
                disk->reason);
        cli_say(cli, "        %s of %s in use, %s changed, %s read, %s sent\n",
                text_size(a, sizeof a, disk->used_bytes), text_size(b, sizeof b, disk->disk_bytes),
                text_size(c, sizeof c, disk->changed_bytes),
                text_size(d, sizeof d, disk->read_bytes), text_size(e, sizeof e, disk->sent_bytes));
        if (disk->bad_bytes)
            cli_say(cli, "        %s could not be read and is tried again next time\n",
                    text_size(a, sizeof a, disk->bad_bytes));
        if (disk->torn_bytes)
            cli_say(cli, "        %s changed while it was read and is looked at again next time\n",
                    text_size(a, sizeof a, disk->torn_bytes));
    }
    cli_say(cli, "point %llu  %s  snapshot %s (%s), tracker %s\n", (unsigned long long)r->point,
            text_time(d, sizeof d, r->time_ns, false), r->snapshot, r->consistency, r->tracker);
    cli_say(cli, "        stored %llu objects, %s, in %s (%s of processor time)\n",
            (unsigned long long)r->stored_objects, text_size(a, sizeof a, r->stored_bytes),
            text_duration(b, sizeof b, r->ns), text_duration(c, sizeof c, r->cpu_ns));
    if (r->hooks_failed)
        cli_say(cli, "        %u commands of hooks.after_snapshot failed: see that nothing is left "
                     "frozen; they are run again next time\n", r->hooks_failed);
}

static void say_made(struct cli *cli, const struct session_report *r)
{
    if (r->registered_now)
        cli_say(cli, "This machine is now registered as a node of the repository.\n");
    if (r->created_now)
        cli_say(cli, "The repository was made. Its recovery key, to be kept on paper and not on "
                     "this machine:\n\n    %s\n\n", r->recovery);
}

static int sync_with(struct cli *cli, struct policy *policy)
{
    struct session_options options = { .full = cli_has(cli, "full"),
                                       .compare = cli_has(cli, "compare"),
                                       .progress = on_progress, .ud = cli };
    struct session_report report = { 0 };
    struct ds_error err = DS_ERROR_INIT;
    struct agent agent;
    int rc = agent_open(&agent, policy, &cli->interrupted, &err), code = CLI_DONE;
    if (rc)
        return cli_error(cli, &err);
    rc = session_run(&agent, &options, &report, &err);
    cli_progress_end();
    say_made(cli, &report);
    if (rc)
        code = cli_error(cli, &err);
    else if (cli->json)
        code = report_json(cli, &report, policy->transport.use);
    else
        report_text(cli, &report);
    session_report_free(&report);
    agent_close(&agent);
    return code;
}

static int run(struct cli *cli)
{
    int code = CLI_DONE;
    if (cli_has(cli, "full") && cli_has(cli, "compare"))
        return cli_usage_error(cli, "--full and --compare exclude each other");
    struct policy *policy = cli_policy(cli, &code);
    if (policy)
        code = sync_with(cli, policy);
    policy_free(policy);
    return code;
}

static const struct cli_option options[] = {
    { "full", NULL, "send everything in use, whatever was sent before", false },
    { "compare", NULL, "read everything in use and send what differs", false },
    { NULL, NULL, NULL, false },
};

const struct cli_command cli_sync = {
    .name = "sync", .operands = "", .summary = "Makes one recovery point, now", .options = options,
    .run = run,
};
