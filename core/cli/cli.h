/* SPDX-License-Identifier: Apache-2.0 */
/* cli.h - what the commands share. A command is one file with a `const struct cli_command` and one
 * row in main.c's table. Its option table is the only source of --help, shell completion and the
 * man page check. Commands run on the main thread. */
#ifndef CORE_CLI_CLI_H
#define CORE_CLI_CLI_H

#include "core/base/json.h"
#include "core/base/os.h"
#include "core/policy/policy.h"

enum { /* exit codes */
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_REFUSED = 3,
    CLI_NOTHING = 4,
    CLI_DAMAGED = 5
};

struct cli_option {
    const char *name; /* without dashes */
    const char *arg;  /* placeholder of its value, NULL for a flag */
    const char *help; /* one line */
    bool list;        /* may be given more than once */
};

struct cli;
struct cli_command {
    const char *name;     /* "policy check" has a space in it */
    const char *operands; /* for the usage line, or "" */
    const char *summary;  /* one line */
    const struct cli_option *options; /* ends with a NULL name; the common ones are added */
    unsigned min_operands, max_operands;
    int (*run)(struct cli *cli);      /* an exit code; errors already reported by cli_error */
};

struct cli_value {
    const char *name, *value;
};

struct cli {
    const struct cli_command *command;
    bool json, quiet;
    char policy_path[OS_PATH_MAX];
    const char *const *operands;
    unsigned n_operands;
    struct cli_value *values; /* given options in order */
    unsigned n_values;
    volatile int interrupted; /* set by Ctrl-C */
};

/* NULL if not given; the last one wins. */
const char *cli_get(const struct cli *cli, const char *option);
bool cli_has(const struct cli *cli, const char *option);

/* Reports an error on stderr (and as {"error": {...}} on stdout with --json) and returns the exit
 * code that belongs to its status. */
int cli_error(const struct cli *cli, const struct ds_error *err);
/* Usage error: DS_EUSAGE with a formatted sentence; returns CLI_USAGE. */
DS_PRINTF(2, 3) int cli_usage_error(const struct cli *cli, const char *fmt, ...);
/* Text for people: stderr where --json is on (stdout is the object's), else stdout. */
DS_PRINTF(2, 3) void cli_say(const struct cli *cli, const char *fmt, ...);
/* Writes a finished JSON document to stdout; CLI_FAILED if that fails. */
int cli_json(const struct cli *cli, struct dynbuf *document);
/* Loads the policy that --policy names; on failure reported, *code set. */
struct policy *cli_policy(const struct cli *cli, int *code);
/* Stable name of a status, such as "wrong-passphrase"; and what `explain` says of it. */
const char *cli_status_name(int status);
struct cli_explanation {
    int status;
    const char *name, *cause, *remedy;
    int exit_code;
};
const struct cli_explanation *cli_explanation(int status);
const struct cli_explanation *cli_explanation_by_name(const char *name);

/* Progress bar on a TTY; does nothing with --json, --quiet or without one. */
void cli_progress(struct cli *cli, const char *what, uint64_t done, uint64_t total);
void cli_progress_end(void);

extern const struct cli_command cli_init, cli_disks, cli_policy_check, cli_policy_show,
    cli_register, cli_unregister, cli_sync, cli_points, cli_restore, cli_verify, cli_forget,
    cli_collect, cli_copy, cli_key_add, cli_key_remove, cli_key_list, cli_plugins, cli_explain,
    cli_status, cli_preflight, cli_serve;

#endif
