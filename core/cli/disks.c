/* SPDX-License-Identifier: Apache-2.0 */
/* disks.c - `disks`: what disks there are, what is on them, which ones the policy replicates and
 * why not the others. Works without a policy, and with one that names a disk that is not there:
 * this is where people look for the right name. `disks PATH` tells of one device or image, which
 * need not be in the list, and whether it is free to be written by a restore. */
#include "core/agent/agent.h"
#include "core/base/text.h"
#include "core/cli/cli.h"
#include "core/disk/disk.h"
#include "core/sync/estimate.h"

#include <stdlib.h>
#include <string.h>

static const char *table_name(enum disk_table table)
{
    return table == DISK_TABLE_GPT ? "gpt" : table == DISK_TABLE_MBR ? "mbr" : "none";
}

/* ---- estimate ---- */

#define UNKNOWN_USED UINT64_MAX

struct listing {
    struct disk_inventory inventory;
    uint64_t *used; /* bytes in use of each disk, or UNKNOWN_USED */
    uint64_t upload; /* the policy's limit, bytes per second; 0 = none */
};

/* What a first sync would read of each replicated disk. A disk that can't be read now has none. */
static void estimate(struct cli *cli, struct listing *listing, struct policy *policy)
{
    struct ds_error err = DS_ERROR_INIT;
    struct agent agent;
    size_t n = listing->inventory.n;
    listing->used = calloc(n + 1, sizeof *listing->used);
    for (size_t i = 0; listing->used && i < n; i++)
        listing->used[i] = UNKNOWN_USED;
    if (!listing->used || !policy || agent_open(&agent, policy, &cli->interrupted, &err))
        return;
    listing->upload = policy->upload;
    for (size_t i = 0; i < n; i++) {
        const struct disk *disk = &listing->inventory.disks[i];
        uint64_t used;
        if (disk->selected && !disk->refused &&
            estimate_used(&agent, disk, &used, &err) == DS_OK)
            listing->used[i] = used;
    }
    agent_close(&agent);
}

static uint64_t used_of(const struct listing *listing, size_t i)
{
    return listing->used ? listing->used[i] : UNKNOWN_USED;
}

/* At the configured bandwidth, before compression. */
static uint64_t upload_ns(const struct listing *listing, uint64_t used)
{
    return (uint64_t)((double)used / (double)listing->upload * 1e9);
}

/* ---- for programs ---- */

static void partition_json(struct json *j, const struct disk_partition *p)
{
    json_object(j, NULL);
    json_u64(j, "partition", p->number);
    json_u64(j, "offset", p->extent.offset);
    json_u64(j, "bytes", p->extent.length);
    json_string(j, "type", p->type);
    json_string(j, "name", p->name);
    json_string(j, "file_system", p->fs);
    json_string(j, "label", p->label);
    json_string(j, "mount", p->mount);
    json_object_end(j);
}

static void layout_json(struct json *j, const struct disk_layout *layout)
{
    json_string(j, "table", table_name(layout->table));
    json_string(j, "table_id", layout->id);
    json_u64(j, "table_sector", layout->sector);
    json_bool(j, "table_backup_used", layout->backup_used);
    json_bool(j, "table_damaged", layout->damaged);
    json_string(j, "table_note", layout->note);
    json_array(j, "partitions");
    for (size_t i = 0; i < layout->n_partitions; i++)
        partition_json(j, &layout->partitions[i]);
    json_array_end(j);
}

static void disk_json(struct json *j, const char *key, const struct disk *disk, uint64_t used)
{
    json_object(j, key);
    if (used != UNKNOWN_USED)
        json_u64(j, "used_bytes", used);
    json_u64(j, "disk", disk->number);
    json_string(j, "identity", disk->id);
    json_string(j, "path", disk->path);
    json_string(j, "backing", disk->backing);
    json_string(j, "model", disk->model);
    json_string(j, "serial", disk->serial);
    json_u64(j, "disk_bytes", disk->bytes);
    json_u64(j, "sector", disk->sector);
    json_u64(j, "physical_sector", disk->physical_sector);
    json_bool(j, "image", disk->flags & DS_DISK_IMAGE);
    json_bool(j, "read_only", disk->flags & DS_DISK_READONLY);
    json_bool(j, "removable", disk->flags & DS_DISK_REMOVABLE);
    json_bool(j, "in_use", disk->flags & DS_DISK_IN_USE);
    json_bool(j, "replicated", disk->selected && !disk->refused);
    json_bool(j, "selected", disk->selected);
    json_bool(j, "refused", disk->refused);
    json_string(j, "why_not", disk->why_not);
    layout_json(j, &disk->layout);
    json_object_end(j);
}

static int print_json(struct cli *cli, const struct listing *listing)
{
    const struct disk_inventory *inventory = &listing->inventory;
    struct dynbuf out = DYNBUF_INIT((size_t)64 << 20);
    struct json j = json_to(&out, true);
    json_object(&j, NULL);
    json_array(&j, "disks");
    for (size_t i = 0; i < inventory->n; i++)
        disk_json(&j, NULL, &inventory->disks[i], used_of(listing, i));
    json_array_end(&j);
    json_object_end(&j);
    return cli_json(cli, &out);
}

/* ---- for people ---- */

static void partition_text(const struct cli *cli, const struct disk_partition *p)
{
    char number[16] = "-", size[32];
    const char *name = p->label[0] ? p->label : p->name;
    if (p->number)
        snprintf(number, sizeof number, "%u", p->number);
    cli_say(cli, "      %3s %11s  %-9s %s%s%s\n", number,
            text_size(size, sizeof size, p->extent.length), p->fs[0] ? p->fs : "?", name,
            !p->mount[0] ? "" : name[0] ? "  at " : "at ", p->mount);
}

static void disk_text(const struct cli *cli, const struct disk *disk)
{
    char size[32];
    const char *in_use = disk->flags & DS_DISK_IN_USE ? "  in use" : "";
    cli_say(cli, "%-4u %-24s %11s  %-5s %s%s\n", disk->number, disk->path,
            text_size(size, sizeof size, disk->bytes), table_name(disk->layout.table), disk->model,
            in_use);
    cli_say(cli, "      identity: %s\n", disk->id);
    if (disk->backing[0])
        cli_say(cli, "      file: %s\n", disk->backing);
    if (disk->layout.note[0])
        cli_say(cli, "      %s: %s\n", disk->layout.damaged ? "damaged" : "note",
                disk->layout.note);
    for (size_t i = 0; i < disk->layout.n_partitions; i++)
        partition_text(cli, &disk->layout.partitions[i]);
}

static void verdict_text(const struct cli *cli, const struct listing *listing, size_t i)
{
    const struct disk *disk = &listing->inventory.disks[i];
    uint64_t used = used_of(listing, i);
    char size[32], time[32];
    if (disk->selected && !disk->refused && used == UNKNOWN_USED)
        cli_say(cli, "      replicated\n\n");
    else if (disk->selected && !disk->refused && listing->upload)
        cli_say(cli, "      replicated: %s in use, at most %s at the upload limit\n\n",
                text_size(size, sizeof size, used),
                text_duration(time, sizeof time, upload_ns(listing, used)));
    else if (disk->selected && !disk->refused)
        cli_say(cli, "      replicated: %s in use\n\n", text_size(size, sizeof size, used));
    else
        cli_say(cli, "      %s: %s\n\n", disk->refused ? "refused" : "not replicated",
                disk->why_not);
}

#define HEADING "DISK PATH                            SIZE  TABLE MODEL\n"

static void print_text(const struct cli *cli, const struct listing *listing)
{
    const struct disk_inventory *inventory = &listing->inventory;
    cli_say(cli, "%s", inventory->n ? HEADING : "There is no disk.\n");
    for (size_t i = 0; i < inventory->n; i++) {
        disk_text(cli, &inventory->disks[i]);
        verdict_text(cli, listing, i);
    }
}

/* ---- one disk ---- */

static int show_one(struct cli *cli, const char *name)
{
    struct ds_error err = DS_ERROR_INIT, in_use = DS_ERROR_INIT;
    struct disk disk = { .number = 0 };
    char path[OS_PATH_MAX];
    int code = CLI_DONE;
    int rc = os_absolute(path, NULL, name, &err);
    if (!rc)
        rc = disk_probe(&disk, path, &err);
    int used = rc ? DS_OK : disk_check_unused(path, &in_use);
    if (rc) {
        code = cli_error(cli, &err);
    } else if (cli->json) {
        struct dynbuf out = DYNBUF_INIT((size_t)64 << 20);
        struct json j = json_to(&out, true);
        json_object(&j, NULL);
        disk_json(&j, "disk", &disk, UNKNOWN_USED);
        json_bool(&j, "free", !used);
        json_string(&j, "why_not_free", in_use.msg);
        json_object_end(&j);
        code = cli_json(cli, &out);
    } else {
        cli_say(cli, "%s", HEADING);
        disk_text(cli, &disk);
        if (disk.why_not[0])
            cli_say(cli, "      %s\n", disk.why_not);
        cli_say(cli, "      %s%s\n", used ? "not free to be written: " : "free to be written",
                in_use.msg);
    }
    disk_free(&disk);
    return code;
}

/* The system's own policy need not be there yet; one that was named must be. */
static bool is_without_policy(const struct cli *cli)
{
    return !cli_get(cli, "policy") && os_kind(cli->policy_path) == OS_ABSENT;
}

static int run(struct cli *cli)
{
    struct ds_error err = DS_ERROR_INIT;
    struct listing listing = { .used = NULL };
    struct policy *policy = NULL;
    int code = CLI_DONE;
    if (cli->n_operands)
        return show_one(cli, cli->operands[0]);
    if (!is_without_policy(cli)) {
        policy = cli_policy(cli, &code);
        if (!policy)
            return code;
    }
    int rc = disk_inventory_read(&listing.inventory, policy, &err);
    if (!rc)
        estimate(cli, &listing, policy);
    if (!cli->json)
        print_text(cli, &listing);
    else if (!rc)
        code = print_json(cli, &listing);
    if (rc)
        code = cli_error(cli, &err);
    free(listing.used);
    disk_inventory_free(&listing.inventory);
    policy_free(policy);
    return code;
}

const struct cli_command cli_disks = {
    .name = "disks", .operands = "[PATH]", .max_operands = 1,
    .summary = "Lists disks, what is on them, and which ones are replicated", .options = NULL,
    .run = run,
};
