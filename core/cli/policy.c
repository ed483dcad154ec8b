/* SPDX-License-Identifier: Apache-2.0 */
/* policy.c - `policy check` and `policy show`. A policy serves a fleet, so `check` looks at it as
 * this host has it and then as each entry of `hosts` would be had by a host that it matches. The
 * plugins' own keys are checked by the plugins that are here; a plugin of another system is no
 * fault of the policy there, and is named as not checked. */
#include "core/base/dynbuf.h"
#include "core/base/text.h"
#include "core/cli/cli.h"
#include "core/plugin/plugin.h"

#include <stdio.h>

enum { CHECKED, NOT_HERE, WRONG };

/* Finds the plugin of a section, and lets it check its keys. */
static int check_section(struct policy *policy, const struct plugin_set *set,
                         const struct policy_plugin *section, const char *name,
                         const uint32_t kinds[2], struct ds_error *err)
{
    const struct plugin *plugin = NULL;
    const struct ds_kv *kv;
    size_t n;
    bool none = strcmp(section->use, "none") == 0 && strcmp(name, "tracker") == 0;
    if (none || strcmp(section->use, "auto") == 0)
        return CHECKED;
    if (plugin_find(set, kinds[0], section->use, &plugin, err) &&
        (!kinds[1] || plugin_find(set, kinds[1], section->use, &plugin, err)))
        return NOT_HERE;
    return policy_check_plugin(policy, section, name, plugin->table, &kv, &n, err) ? WRONG
                                                                                   : CHECKED;
}

/* All three sections. NOT_HERE: err tells of the last one; absent, if given, gets its name. */
static int check_plugins(struct policy *policy, const struct plugin_set *set, const char **absent,
                         struct ds_error *err)
{
    const struct {
        const struct policy_plugin *section;
        const char *name;
        uint32_t kinds[2];
    } sections[] = {
        { &policy->snapshot, "snapshot", { DS_KIND_SNAPSHOT, 0 } },
        { &policy->tracker, "tracker", { DS_KIND_TRACKER, 0 } },
        { &policy->transport, "transport", { DS_KIND_STORE, DS_KIND_TRANSPORT } },
    };
    int result = CHECKED;
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        struct ds_error why = DS_ERROR_INIT;
        int found = check_section(policy, set, sections[i].section, sections[i].name,
                                  sections[i].kinds, &why);
        if (found > result) {
            result = found;
            *err = why;
        }
        if (found == NOT_HERE && absent)
            *absent = sections[i].section->use;
        if (found == WRONG)
            break;
    }
    return result;
}

/* A name that the glob matches: * stands for nothing, ? for a letter. */
static void example_name(char *out, size_t cap, const char *glob)
{
    size_t n = 0;
    for (; *glob && n + 1 < cap; glob++)
        if (*glob != '*')
            out[n++] = *glob == '?' ? 'x' : *glob;
    out[n] = 0;
}

/* The policy as a host has it that this entry matches. */
static int check_match(const struct cli *cli, const struct policy_match *match,
                       const struct plugin_set *set, struct json *j)
{
    struct policy *policy;
    struct ds_error err = DS_ERROR_INIT;
    char name[256];
    const char *absent = NULL;
    int code = CLI_DONE;
    struct policy_host host = { match->name ? name : NULL, match->os, match->label };
    if (match->name)
        example_name(name, sizeof name, match->name);
    int rc = policy_load(&policy, cli->policy_path, &host, &err);
    if (rc)
        return cli_error(cli, &err);
    rc = check_plugins(policy, set, &absent, &err);
    if (rc == WRONG) {
        code = cli_error(cli, &err);
    } else if (absent) {
        cli_say(cli, "hosts, line %u: the plugin %s is not here, its keys were not checked\n",
                match->line, absent);
        json_string(j, NULL, absent);
    }
    policy_free(policy); /* and with it the text that absent points to */
    return code;
}

static int check_all(const struct cli *cli, struct policy *policy, const struct plugin_set *set,
                     struct json *j)
{
    struct ds_error err = DS_ERROR_INIT;
    if (check_plugins(policy, set, NULL, &err) != CHECKED)
        return cli_error(cli, &err);
    json_array(j, "not_checked");
    for (size_t i = 0; i < policy->n_matches; i++) {
        int code = check_match(cli, &policy->matches[i], set, j);
        if (code != CLI_DONE)
            return code;
    }
    json_array_end(j);
    return CLI_DONE;
}

static int run_check(struct cli *cli)
{
    struct plugin_set set = { 0 };
    struct dynbuf out = DYNBUF_INIT(1u << 20);
    struct json j = json_to(&out, true);
    struct ds_error err = DS_ERROR_INIT;
    int code = CLI_DONE;
    struct policy *policy = cli_policy(cli, &code);
    if (!policy)
        return code;
    json_object(&j, NULL);
    json_string(&j, "policy", policy->path);
    json_string(&j, "node", policy->node_name);
    json_u64(&j, "hosts", policy->n_matches);
    if (plugin_set_load(&set, policy->plugin_folder, policy->pins, policy->n_pins, &err))
        code = cli_error(cli, &err);
    else
        code = check_all(cli, policy, &set, &j);
    if (code == CLI_DONE) {
        json_object_end(&j);
        cli_say(cli, "%s is valid (%zu entries of hosts)\n", policy->path, policy->n_matches);
        if (cli->json)
            code = cli_json(cli, &out);
    }
    dynbuf_free(&out);
    plugin_set_free(&set);
    policy_free(policy);
    return code;
}

static int write_out(const struct cli *cli, const struct policy *policy)
{
    struct dynbuf text = DYNBUF_INIT(8u << 20), out = DYNBUF_INIT(16u << 20);
    struct json j = json_to(&out, true);
    int code = CLI_DONE;
    policy_show(policy, &text);
    if (!dynbuf_ok(&text)) {
        struct ds_error err = DS_ERROR_INIT;
        ds_fail(&err, DS_ENOMEM, "no memory to show %.300s", policy->path);
        code = cli_error(cli, &err);
    } else if (cli->json) { /* one object; the policy is text for a reader of YAML */
        json_object(&j, NULL);
        json_string(&j, "policy", policy->path);
        json_string(&j, "yaml", (const char *)text.data);
        json_object_end(&j);
        code = cli_json(cli, &out);
    } else if (fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout)) {
        code = CLI_FAILED;
    }
    dynbuf_free(&text);
    dynbuf_free(&out);
    return code;
}

static int run_show(struct cli *cli)
{
    struct policy_host host = { cli_get(cli, "host"), cli_get(cli, "os"), cli_get(cli, "label") };
    struct plugin_set set = { 0 };
    struct policy *policy;
    struct ds_error err = DS_ERROR_INIT;
    int code;
    if (host.os && strcmp(host.os, "linux") != 0 && strcmp(host.os, "windows") != 0)
        return cli_usage_error(cli, "--os is linux or windows, not %.60s", host.os);
    if (policy_load(&policy, cli->policy_path, &host, &err))
        return cli_error(cli, &err);
    /* Plugins fill in their defaults and refuse literal secrets; the policy of another system is
     * shown without them, and a plugin folder of its own may not be here at all. */
    if (plugin_set_load(&set, policy->plugin_folder, policy->pins, policy->n_pins, &err) == DS_OK &&
        check_plugins(policy, &set, NULL, &err) == WRONG)
        code = cli_error(cli, &err);
    else
        code = write_out(cli, policy);
    policy_free(policy);
    plugin_set_free(&set);
    return code;
}

static const struct cli_option check_options[] = { { NULL, NULL, NULL, false } };
static const struct cli_option show_options[] = {
    { "host", "NAME", "as the host of this name has it (default: this one)", false },
    { "os", "linux|windows", "as a host of this system has it (default: this one's)", false },
    { "label", "WORD", "as a host with this label has it", false },
    { NULL, NULL, NULL, false },
};

const struct cli_command cli_policy_check = {
    .name = "policy check",
    .operands = "",
    .summary = "Validates the policy, with line numbers",
    .options = check_options,
    .run = run_check,
};

const struct cli_command cli_policy_show = {
    .name = "policy show",
    .operands = "",
    .summary = "Shows the effective policy of a host, with every default",
    .options = show_options,
    .run = run_show,
};
