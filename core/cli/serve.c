/* SPDX-License-Identifier: Apache-2.0 */
/* serve.c - `serve`: a disk of a point as a live NBD export, until it is interrupted. All that can
 * be wrong with policy, repository, point and disk is found here, with the errors of every other
 * command; then the repository is closed, and the server opens it anew: so no secret is passed. */
#include "core/cli/output.h"
#include "core/cli/pick.h"
#include "core/cli/server.h"
#include "core/disk/disk.h"
#include "core/recover/export.h"

#include <stdio.h>
#include <string.h>

/* What was chosen; options borrow from it. */
struct choice {
    struct server_options options;
    char plugins[OS_PATH_MAX], socket[OS_PATH_MAX], identity[160];
    uint64_t port, partition; /* partition: UINT64_MAX: none */
};
static struct choice choice; /* for pick_run, which hands on no pointer */

/* ---- the part of the disk ---- */

static int export_pread(void *ctx, void *data, size_t n, uint64_t offset, struct ds_error *err)
{
    return export_read(ctx, data, n, offset, err);
}

static int partition_find(const struct root_disk *disk, const struct disk_layout *layout,
                          struct ds_error *err)
{
    for (size_t i = 0; i < layout->n_partitions; i++)
        if (layout->partitions[i].number == choice.partition) {
            choice.options.offset = layout->partitions[i].extent.offset;
            choice.options.length = layout->partitions[i].extent.length;
            return DS_OK;
        }
    return ds_fail(err, DS_ENOENT, "disk %u has no partition %llu; %zu are there%s%s", disk->number,
                   (unsigned long long)choice.partition, layout->n_partitions,
                   layout->damaged ? ", and the table is damaged: " : "", layout->note);
}

/* Where the partition lies, by the table in the point. */
static int choose_partition(struct agent *agent, const struct root_disk *disk,
                            struct ds_error *err)
{
    struct disk_layout layout;
    struct export *export;
    if (choice.partition == UINT64_MAX)
        return DS_OK;
    int rc = export_open(&export, &agent->space, disk, 1, err);
    if (rc)
        return rc;
    struct ds_reader reader = { sizeof reader, disk->sector, disk->shape.bytes, export,
                                export_pread };
    rc = disk_layout_read(&layout, &reader, err);
    if (!rc)
        rc = partition_find(disk, &layout, err);
    disk_layout_free(&layout);
    export_close(export);
    return rc;
}

/* ---- where to listen ---- */

/* Without --socket and --port: in the state folder, which is the user's alone. */
static int choose_place(struct cli *cli, struct agent *agent, struct ds_error *err)
{
    const char *given = cli_get(cli, "socket");
    char name[64];
    if (cli_has(cli, "port"))
        return DS_OK;
    choice.options.socket = choice.socket;
    if (given)
        return os_absolute(choice.socket, NULL, given, err);
    int n = snprintf(name, sizeof name, "serve-%llu-%u",
                     (unsigned long long)choice.options.point, choice.options.disk);
    if (choice.partition != UINT64_MAX)
        n += snprintf(name + n, sizeof name - (size_t)n, "-%llu",
                      (unsigned long long)choice.partition);
    snprintf(name + n, sizeof name - (size_t)n, ".sock");
    int rc = os_mkdirs(agent->policy->state, err);
    return rc ? rc : os_join(choice.socket, agent->policy->state, name, err);
}

/* ---- the whole ---- */

static int choose_all(struct cli *cli, struct agent *agent, struct ds_error *err)
{
    const struct root_disk *disk;
    struct root root;
    int rc = pick_open(agent, cli, err);
    if (!rc)
        rc = pick_point(&root, &agent->space, cli_get(cli, "point"), err);
    if (rc)
        return rc;
    rc = pick_disk(&disk, &root, cli_get(cli, "disk"), err);
    if (!rc) {
        choice.options.point = root.seq;
        choice.options.disk = disk->number;
        choice.options.length = disk->shape.bytes;
        text_uuid(choice.options.node, agent->space.node);
        text_copy(choice.identity, sizeof choice.identity, disk->identity);
        text_copy(choice.plugins, sizeof choice.plugins, agent->plugins.folder);
        rc = choose_partition(agent, disk, err);
    }
    if (!rc)
        rc = choose_place(cli, agent, err);
    root_free(&root);
    return rc;
}

static int choose(struct cli *cli, struct agent *agent)
{
    struct ds_error err = DS_ERROR_INIT;
    return choose_all(cli, agent, &err) ? cli_error(cli, &err) : CLI_DONE;
}

static int announce(struct cli *cli, const struct server *server)
{
    const struct server_options *o = &choice.options;
    char size[32], partition[40] = "";
    if (cli->json) {
        struct dynbuf out = DYNBUF_INIT(65536);
        struct json j = json_to(&out, true);
        json_object(&j, NULL);
        json_string(&j, "uri", server->uri);
        json_u64(&j, "point", o->point);
        json_u64(&j, "disk", o->disk);
        json_string(&j, "identity", choice.identity);
        json_u64(&j, "offset", o->offset);
        json_u64(&j, "bytes", o->length);
        json_object_end(&j);
        return cli_json(cli, &out);
    }
    if (choice.partition != UINT64_MAX)
        snprintf(partition, sizeof partition, "partition %llu of ",
                 (unsigned long long)choice.partition);
    cli_say(cli, "%sdisk %u of point %llu, %s, is served read-only at\n    %s\nCtrl-C ends it.\n",
            partition, o->disk, (unsigned long long)o->point,
            text_size(size, sizeof size, o->length), server->uri);
    return fflush(stdout) ? CLI_FAILED : CLI_DONE;
}

static int serve(struct cli *cli)
{
    struct ds_error err = DS_ERROR_INIT;
    static struct server server;
    if (server_start(&server, &choice.options, &cli->interrupted, &err))
        return cli_error(cli, &err);
    int code = announce(cli, &server);
    if (code)
        cli->interrupted = 1; /* nobody learns where it is */
    int rc = server_wait(&server, &cli->interrupted, &err);
    return rc ? cli_error(cli, &err) : code;
}

static int run(struct cli *cli)
{
    struct ds_error err = DS_ERROR_INIT;
    const char *port = cli_get(cli, "port"), *partition = cli_get(cli, "partition");
    if (port && cli_has(cli, "socket"))
        return cli_usage_error(cli, "serve listens at a --socket or a --port, not at both");
    if (port && !text_parse_u64(&choice.port, port, 65535))
        return cli_usage_error(cli, "'%s' is not a port: give a number up to 65535", port);
    choice.partition = UINT64_MAX;
    if (partition && !text_parse_u64(&choice.partition, partition, 65535))
        return cli_usage_error(cli, "'%s' is not the number of a partition", partition);
    if (server_check(&err))
        return cli_error(cli, &err);
    choice.options.policy = cli->policy_path;
    choice.options.plugins = choice.plugins;
    choice.options.port = (unsigned)choice.port;
    int code = pick_run(cli, choose);
    return code ? code : serve(cli);
}

static const struct cli_option options[] = {
    { "point", "POINT", "number of the point, or latest (the default)", false },
    { "disk", "DISK", "number, path or identity of the disk; may be left out if there is one",
      false },
    { "partition", "NUMBER", "serve this partition of the disk alone", false },
    { "socket", "PATH", "listen at this Unix socket; default: one in the state folder", false },
    { "port", "NUMBER", "listen at this TCP port of 127.0.0.1; 0: a free one", false },
    { "node", "NODE", "name or UUID of the node; default: this one", false },
    { NULL, NULL, NULL, false },
};

const struct cli_command cli_serve = {
    .name = "serve", .operands = "",
    .summary = "Serves a disk of a point to NBD clients, read-only",
    .options = options, .run = run,
};
