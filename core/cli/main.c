/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - parses the command line by the commands' tables and runs one command. A new command is a
 * new file and one row here. */
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/cli/cli.h"
#include "core/cli/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

static const struct cli_command *const commands[] = {
    &cli_init, &cli_disks, &cli_preflight, &cli_policy_check, &cli_policy_show, &cli_register,
    &cli_unregister, &cli_sync, &cli_points, &cli_status, &cli_restore, &cli_serve, &cli_verify,
    &cli_forget, &cli_collect, &cli_copy, &cli_key_add, &cli_key_remove, &cli_key_list,
    &cli_plugins, &cli_explain,
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static const struct cli_option common[] = {
    { "policy", "FILE", "the policy; default: the system's", false },
    { "json", NULL, "print one JSON object on standard output", false },
    { "quiet", NULL, "no progress bar, warnings only", false },
    { "verbose", NULL, "say more", false },
    { "help", NULL, "show this", false },
    { NULL, NULL, NULL, false },
};

static void print_usage(void)
{
    printf("Usage: disksync COMMAND [OPTION]...\n\n"
           "Replicates disks, as consistent recovery points, to a repository, sends only what\n"
           "changed, and brings any point back.\n\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        printf("  %-14s %s\n", commands[i]->name, commands[i]->summary);
    printf("\ndisksync COMMAND --help tells a command's options. Exit codes: 0 done, 1 failed,\n"
           "2 usage or policy error, 3 refused before anything was touched, 4 nothing to do,\n"
           "5 damaged data found.\n");
}

static void print_options(const struct cli_option *options)
{
    for (; options->name; options++) {
        char text[48];
        snprintf(text, sizeof text, "--%s%s%s", options->name, options->arg ? " " : "",
                 options->arg ? options->arg : "");
        printf("  %-24s %s%s\n", text, options->help, options->list ? " (may be repeated)" : "");
    }
}

static void print_help(const struct cli_command *command)
{
    printf("Usage: disksync %s [OPTION]...%s%s\n\n%s.\n\n", command->name,
           *command->operands ? " " : "", command->operands, command->summary);
    if (command->options)
        print_options(command->options);
    print_options(common);
}

/* What shell completion is made of: a line a command, its options behind it. */
static void print_completion(void)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        printf("%s:", commands[i]->name);
        for (const struct cli_option *o = commands[i]->options; o && o->name; o++)
            printf(" --%s", o->name);
        for (const struct cli_option *o = common; o->name; o++)
            printf(" --%s", o->name);
        printf("\n");
    }
}

/* The command that argv begins with ("policy check" has two words); *used words. */
static const struct cli_command *find_command(int argc, char **argv, int *used)
{
    char two[64] = "";
    if (argc > 1)
        snprintf(two, sizeof two, "%s %s", argv[0], argv[1]);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        *used = strcmp(commands[i]->name, two) == 0 ? 2 : 1;
        if (*used == 2 || strcmp(commands[i]->name, argv[0]) == 0)
            return commands[i];
    }
    return NULL;
}

static int unknown_command(int argc, char **argv)
{
    const char *nearest = NULL;
    size_t best = 4;
    char word[64];
    snprintf(word, sizeof word, "%s", argv[0]);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        size_t distance = text_distance(word, commands[i]->name);
        if (distance < best) {
            best = distance;
            nearest = commands[i]->name;
        }
        size_t n = strlen(word);
        if (strncmp(commands[i]->name, word, n) == 0 && commands[i]->name[n] == ' ') {
            nearest = commands[i]->name;
            best = 0;
        }
    }
    (void)argc;
    fprintf(stderr, "disksync: there is no command '%s'", word);
    if (nearest)
        fprintf(stderr, ": did you mean '%s'?", nearest);
    else
        fprintf(stderr, ".");
    fprintf(stderr, " See disksync --help.\n");
    return CLI_USAGE;
}

static const struct cli_option *find_option(const struct cli_option *options, const char *name,
                                            size_t n)
{
    for (; options && options->name; options++)
        if (strlen(options->name) == n && strncmp(options->name, name, n) == 0)
            return options;
    return NULL;
}

static const char *nearest_option(const struct cli_command *command, const char *name)
{
    const char *nearest = NULL;
    size_t best = 4;
    const struct cli_option *tables[] = { command->options, common };
    for (size_t t = 0; t < 2; t++)
        for (const struct cli_option *o = tables[t]; o && o->name; o++)
            if (text_distance(o->name, name) < best) {
                best = text_distance(o->name, name);
                nearest = o->name;
            }
    return nearest;
}

/* One --option; *i moves over its value. */
static int parse_option(struct cli *cli, int argc, char **argv, int *i)
{
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    size_t n = equals ? (size_t)(equals - name) : strlen(name);
    const struct cli_option *option = find_option(cli->command->options, name, n);
    if (!option)
        option = find_option(common, name, n);
    if (!option) {
        const char *nearest = nearest_option(cli->command, name);
        return nearest ? cli_usage_error(cli, "there is no option --%s: did you mean --%s?", name,
                                         nearest)
                       : cli_usage_error(cli, "there is no option --%s", name);
    }
    const char *value = equals ? equals + 1 : NULL;
    if (!option->arg && value)
        return cli_usage_error(cli, "--%s takes no value", option->name);
    if (option->arg && !value) {
        if (*i + 1 >= argc)
            return cli_usage_error(cli, "--%s needs a value: %s", option->name, option->arg);
        value = argv[++*i];
    }
    cli->values[cli->n_values++] = (struct cli_value){ option->name, value };
    return CLI_DONE;
}

static int parse(struct cli *cli, int argc, char **argv, const char **operands)
{
    bool only_operands = false;
    int rc = CLI_DONE;
    for (int i = 0; !rc && i < argc; i++) {
        if (!only_operands && strcmp(argv[i], "--") == 0)
            only_operands = true;
        else if (!only_operands && strncmp(argv[i], "--", 2) == 0)
            rc = parse_option(cli, argc, argv, &i);
        else if (!only_operands && argv[i][0] == '-' && argv[i][1])
            rc = cli_usage_error(cli, "there is no option %s", argv[i]);
        else
            operands[cli->n_operands++] = argv[i];
    }
    cli->operands = operands;
    cli->json = cli_has(cli, "json");
    cli->quiet = cli_has(cli, "quiet");
    if (rc || cli_has(cli, "help"))
        return rc;
    if (cli->n_operands < cli->command->min_operands)
        return cli_usage_error(cli, "%s needs %s", cli->command->name, cli->command->operands);
    if (cli->n_operands > cli->command->max_operands)
        return cli_usage_error(cli, "'%s' is one word too many",
                               operands[cli->command->max_operands]);
    return rc;
}

static int set_policy_path(struct cli *cli)
{
    struct ds_error err = DS_ERROR_INIT;
    const char *given = cli_get(cli, "policy");
    int rc = os_absolute(cli->policy_path, NULL, given ? given : os_default_policy(), &err);
    return rc ? cli_error(cli, &err) : CLI_DONE;
}

static int run(struct cli *cli, int argc, char **argv)
{
    const char **operands = calloc((size_t)argc + 1, sizeof *operands);
    cli->values = calloc((size_t)argc + 1, sizeof *cli->values);
    int rc = CLI_FAILED;
    if (operands && cli->values)
        rc = parse(cli, argc, argv, operands);
    if (!rc && cli_has(cli, "help")) {
        print_help(cli->command);
    } else if (!rc) {
        log_start(cli_has(cli, "verbose") ? DS_LOG_DEBUG
                  : cli->quiet            ? DS_LOG_WARNING
                                          : DS_LOG_INFO);
        os_on_interrupt(&cli->interrupted);
        rc = set_policy_path(cli);
        if (!rc)
            rc = cli->command->run(cli);
        cli_progress_end();
    }
    free(operands);
    free(cli->values);
    return rc;
}

int main(int argc, char **argv)
{
    struct cli cli = { .json = false };
    int used;
    os_start(&argc, &argv);
    if (argc < 2) {
        print_usage();
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_usage();
        return CLI_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("disksync %s\n", PACKAGE_VERSION);
        return CLI_DONE;
    }
    if (strcmp(argv[1], "--completion") == 0) {
        print_completion();
        return CLI_DONE;
    }
    cli.command = find_command(argc - 1, argv + 1, &used);
    if (!cli.command)
        return unknown_command(argc - 1, argv + 1);
    return run(&cli, argc - 1 - used, argv + 1 + used);
}
