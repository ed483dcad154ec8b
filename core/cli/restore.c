/* SPDX-License-Identifier: Apache-2.0 */
/* restore.c - `restore`: one disk of a point, to a device or an image file. */
#include "core/base/text.h"
#include "core/cli/output.h"
#include "core/cli/pick.h"
#include "core/disk/disk.h"
#include "core/recover/restore.h"

#include <stdlib.h>
#include <string.h>

static void on_progress(void *ud, uint64_t done, uint64_t total)
{
    cli_progress(ud, "restoring", done, total);
}

static int report(struct cli *cli, const struct root *root, const struct root_disk *disk,
                  const struct restore_report *r, const char *target)
{
    char a[32], b[32], c[32];
    if (cli->json) {
        struct dynbuf out = DYNBUF_INIT(65536);
        struct json j = json_to(&out, true);
        json_object(&j, NULL);
        json_u64(&j, "point", root->seq);
        json_u64(&j, "disk", disk->number);
        json_string(&j, "identity", disk->identity);
        json_string(&j, "target", target);
        json_u64(&j, "disk_bytes", r->disk_bytes);
        json_u64(&j, "data_bytes", r->data_bytes);
        json_u64(&j, "zero_bytes", r->zero_bytes);
        json_u64(&j, "unknown_bytes", r->unknown_bytes);
        json_u64(&j, "unreadable_bytes", r->bad_bytes);
        json_u64(&j, "written_bytes", r->written_bytes);
        json_u64(&j, "same_bytes", r->same_bytes);
        output_resources(&j, r->ns, r->cpu_ns);
        json_object_end(&j);
        return cli_json(cli, &out);
    }
    cli_say(cli, "disk %u of point %llu is restored to %s\n", disk->number,
            (unsigned long long)root->seq, target);
    cli_say(cli, "        %s of data, %s written, in %s\n", text_size(a, sizeof a, r->data_bytes),
            text_size(b, sizeof b, r->written_bytes), text_duration(c, sizeof c, r->ns));
    if (r->unknown_bytes)
        cli_say(cli, "        %s were not in use and read as zeros\n",
                text_size(a, sizeof a, r->unknown_bytes));
    if (r->bad_bytes)
        cli_say(cli, "        %s could not be read from the source and read as zeros\n",
                text_size(a, sizeof a, r->bad_bytes));
    if (r->target_bytes > r->disk_bytes && disk->shape.bytes)
        cli_say(cli, "        the target is larger than the disk: move a GPT's backup header to "
                     "the end with the system's partition tool\n");
    return CLI_DONE;
}

/* The inventory with those of the policy's selectors that match something: one disk may be gone,
 * that is why there is a restore, and the others must be protected all the same. */
static void inventory_of_rest(struct disk_inventory *inventory, const struct policy *policy)
{
    struct ds_error ignored = DS_ERROR_INIT;
    struct policy one = *policy, rest = *policy;
    const char **found = calloc(policy->n_include + 1, sizeof *found);
    rest.include = found;
    rest.n_include = 0;
    for (size_t i = 0; found && i < policy->n_include; i++) {
        one.include = &policy->include[i];
        one.n_include = 1;
        if (disk_inventory_read(inventory, &one, &ignored) == DS_OK)
            found[rest.n_include++] = policy->include[i];
        disk_inventory_free(inventory);
    }
    if (rest.n_include)
        disk_inventory_read(inventory, &rest, &ignored);
    free((void *)found);
}

/* The policy's own disks, which a restore must not touch; those that can't be listed protect
 * nothing, and then the system's own checks remain. */
static size_t protect(struct agent *agent, struct disk_inventory *inventory, const char ***paths)
{
    struct ds_error ignored = DS_ERROR_INIT;
    size_t n = 0;
    if (disk_inventory_read(inventory, agent->policy, &ignored)) {
        disk_inventory_free(inventory);
        inventory_of_rest(inventory, agent->policy);
    }
    *paths = calloc(2 * inventory->n + 1, sizeof **paths);
    for (size_t i = 0; *paths && i < inventory->n; i++) {
        const struct disk *disk = &inventory->disks[i];
        if (!disk->selected)
            continue;
        (*paths)[n++] = disk->path;
        if (disk->backing[0])
            (*paths)[n++] = disk->backing;
    }
    return n;
}

static int restore_with(struct cli *cli, struct agent *agent)
{
    struct restore_options options = { .compare = cli_has(cli, "compare"),
                                       .force = cli_has(cli, "force"),
                                       .interrupted = &cli->interrupted,
                                       .progress = on_progress, .ud = cli };
    struct ds_error err = DS_ERROR_INIT;
    struct restore_report result;
    struct disk_inventory inventory;
    const struct root_disk *disk;
    const char **paths = NULL;
    struct root root;
    char target[OS_PATH_MAX];
    int rc = pick_open(agent, cli, &err), code = CLI_DONE;
    if (!rc)
        rc = pick_point(&root, &agent->space, cli_get(cli, "point"), &err);
    if (rc)
        return cli_error(cli, &err);
    rc = pick_disk(&disk, &root, cli_get(cli, "disk"), &err);
    if (!rc)
        rc = os_absolute(target, NULL, cli_get(cli, "to"), &err);
    if (!rc) {
        options.target = target;
        options.workers = agent->policy->workers ? agent->policy->workers : os_cpu_count();
        options.n_protected = protect(agent, &inventory, &paths);
        options.protected_paths = paths;
        rc = restore_disk(&agent->space, disk, &options, &result, &err);
        free((void *)paths);
        disk_inventory_free(&inventory);
    }
    cli_progress_end();
    code = rc ? cli_error(cli, &err) : report(cli, &root, disk, &result, target);
    root_free(&root);
    return code;
}

static int run(struct cli *cli)
{
    if (!cli_has(cli, "to"))
        return cli_usage_error(cli, "restore needs --to: a device or an image file");
    return pick_run(cli, restore_with);
}

static const struct cli_option options[] = {
    { "point", "POINT", "number of the point, or latest (the default)", false },
    { "disk", "DISK", "number, path or identity of the disk; may be left out if there is one",
      false },
    { "to", "TARGET", "device or image file", false },
    { "compare", NULL, "read the target and write only what differs", false },
    { "force", NULL, "also onto a mounted target or a disk of the policy", false },
    { "node", "NODE", "name or UUID of the node; default: this one", false },
    { NULL, NULL, NULL, false },
};

const struct cli_command cli_restore = {
    .name = "restore", .operands = "", .summary = "Writes a disk of a point to a device or image",
    .options = options, .run = run,
};
