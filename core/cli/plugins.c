/* SPDX-License-Identifier: Apache-2.0 */
/* plugins.c - `plugins [NAME]`: every module of the plugin folder with its verdict; of one, its
 * options as its own table has them. Folder and pins are the policy's where there is a policy; the
 * command works without one. */
#include "core/base/dynbuf.h"
#include "core/base/text.h"
#include "core/cli/cli.h"
#include "core/plugin/plugin.h"

/* ---- words ---- */

static const char *type_name(uint32_t type)
{
    static const char *const names[] = { "unknown", "text", "bool",    "number", "size", "duration",
                                         "rate",    "percent", "path", "choice", "secret" };
    return type < sizeof names / sizeof names[0] ? names[type] : names[0];
}

/* Its own name, or the one that its file gives it. */
static void name_of(const struct plugin *plugin, char *name, size_t cap)
{
    const char *base = plugin->file;
    for (const char *p = plugin->file; *p; p++)
        if (*p == '/' || *p == '\\')
            base = p + 1;
    text_copy(name, cap, plugin->loaded ? plugin->table->name : base);
    char *dot = strrchr(name, '.');
    if (!plugin->loaded && dot)
        *dot = 0;
}

/* A newer plugin's options may be longer than ours: the stride is its own. */
static struct ds_option option_at(const struct ds_plugin *table, uint32_t i)
{
    struct ds_option option;
    memcpy(&option, (const char *)table->options + (size_t)i * table->option_size, sizeof option);
    return option;
}

/* ---- JSON ---- */

static void json_options(struct json *j, const struct ds_plugin *table)
{
    json_array(j, "options");
    for (uint32_t i = 0; i < table->n_options; i++) {
        struct ds_option option = option_at(table, i);
        json_object(j, NULL);
        json_string(j, "name", option.name);
        json_string(j, "type", type_name(option.type));
        json_bool(j, "required", (option.flags & DS_OPTF_REQUIRED) != 0);
        json_bool(j, "list", (option.flags & DS_OPTF_LIST) != 0);
        json_bool(j, "map", (option.flags & DS_OPTF_MAP) != 0);
        json_string(j, "default", option.def);
        json_string(j, "choices", option.choices);
        if (option.min || option.max) {
            json_i64(j, "min", option.min);
            json_i64(j, "max", option.max);
        }
        json_string(j, "help", option.help);
        json_object_end(j);
    }
    json_array_end(j);
}

static void json_plugin(struct json *j, const struct plugin *plugin)
{
    char name[256];
    const struct ds_plugin *table = plugin->loaded ? plugin->table : NULL;
    name_of(plugin, name, sizeof name);
    json_object(j, NULL);
    json_string(j, "name", name);
    json_string(j, "kind", table ? plugin_kind_name(table->kind) : NULL);
    json_string(j, "version", table ? table->version : NULL);
    json_string(j, "summary", table ? table->summary : NULL);
    json_bool(j, "loaded", plugin->loaded);
    json_string(j, "verdict", plugin->verdict);
    json_string(j, "file", plugin->file);
    json_string(j, "sha256", plugin->sha256[0] ? plugin->sha256 : NULL);
    if (table)
        json_options(j, table);
    json_object_end(j);
}

static int write_json(const struct cli *cli, const struct plugin_set *set,
                      const struct plugin *only)
{
    struct dynbuf out = DYNBUF_INIT(4u << 20);
    struct json j = json_to(&out, true);
    json_object(&j, NULL);
    json_string(&j, "folder", set->folder);
    json_array(&j, "plugins");
    for (size_t i = 0; i < set->n; i++)
        if (!only || only == &set->plugins[i])
            json_plugin(&j, &set->plugins[i]);
    json_array_end(&j);
    json_object_end(&j);
    int code = cli_json(cli, &out);
    dynbuf_free(&out);
    return code;
}

/* ---- text for people ---- */

static void say_table(const struct cli *cli, const struct plugin_set *set)
{
    cli_say(cli, "%-20s %-10s %-8s %s\n", "NAME", "KIND", "VERSION", "VERDICT");
    for (size_t i = 0; i < set->n; i++) {
        const struct plugin *plugin = &set->plugins[i];
        char name[256];
        name_of(plugin, name, sizeof name);
        cli_say(cli, "%-20s %-10s %-8s %s\n", name,
                plugin->loaded ? plugin_kind_name(plugin->table->kind) : "-",
                plugin->loaded ? plugin->table->version : "-",
                plugin->loaded ? "loaded" : plugin->verdict);
    }
    cli_say(cli, "%zu modules in %s\n", set->n, set->folder);
}

static void say_option(const struct cli *cli, const struct ds_option *option)
{
    cli_say(cli, "\n  %s: %s%s%s%s\n      %s\n", option->name,
            option->flags & DS_OPTF_LIST ? "list of "
            : option->flags & DS_OPTF_MAP ? "map from text to " : "",
            type_name(option->type), option->choices ? ": " : "",
            option->choices ? option->choices : "", option->help);
    if (option->flags & DS_OPTF_REQUIRED)
        cli_say(cli, "      required\n");
    else if (option->def)
        cli_say(cli, "      default: %s\n", option->def);
    if (option->min || option->max)
        cli_say(cli, "      from %lld to %lld\n", (long long)option->min, (long long)option->max);
}

static void say_plugin(const struct cli *cli, const struct plugin *plugin)
{
    const struct ds_plugin *table = plugin->table;
    static const char *const threads[] = { "one thread", "one call at a time", "any threads" };
    cli_say(cli, "%s %s (%s): %s\n", table->name, table->version, plugin_kind_name(table->kind),
            table->summary);
    cli_say(cli, "file:    %s\nsha256:  %s\nABI:     %u.%u, %s%s%s\n", plugin->file, plugin->sha256,
            table->abi >> 16, table->abi & 0xffff, threads[table->threads / 100 - 1],
            table->needs & DS_NEED_ADMIN ? ", needs administrator rights" : "",
            table->caps & DS_CAP_SCRIPTED ? ", for tests only" : "");
    cli_say(cli, table->n_options ? "options:\n" : "options: none\n");
    for (uint32_t i = 0; i < table->n_options; i++) {
        struct ds_option option = option_at(table, i);
        say_option(cli, &option);
    }
}

/* ---- the command ---- */

static int show(const struct cli *cli, const struct plugin_set *set)
{
    struct ds_error err = DS_ERROR_INIT;
    const struct plugin *only = NULL;
    if (cli->n_operands && plugin_find(set, 0, cli->operands[0], &only, &err))
        return cli_error(cli, &err);
    if (cli->json)
        return write_json(cli, set, only);
    if (only)
        say_plugin(cli, only);
    else
        say_table(cli, set);
    return CLI_DONE;
}

static int run_plugins(struct cli *cli)
{
    struct ds_error err = DS_ERROR_INIT;
    struct plugin_set set = { 0 };
    struct policy *policy = NULL;
    int code = CLI_DONE;
    if (os_kind(cli->policy_path) != OS_ABSENT) {
        policy = cli_policy(cli, &code);
        if (!policy)
            return code;
    }
    if (plugin_set_load(&set, policy ? policy->plugin_folder : NULL, policy ? policy->pins : NULL,
                        policy ? policy->n_pins : 0, &err))
        code = cli_error(cli, &err);
    else
        code = show(cli, &set);
    plugin_set_free(&set);
    policy_free(policy);
    return code;
}

static const struct cli_option options[] = { { NULL, NULL, NULL, false } };

const struct cli_command cli_plugins = {
    .name = "plugins",
    .operands = "[NAME]",
    .summary = "Lists the plugins and their verdicts, or the options of one",
    .options = options,
    .max_operands = 1,
    .run = run_plugins,
};
