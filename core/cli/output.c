/* SPDX-License-Identifier: Apache-2.0 */
/* output.c - see cli.h and output.h. Standard output carries a command's result, standard error all
 * else; with --json the result is one object. */
#include "core/cli/output.h"

#include "core/base/log.h"
#include "core/base/text.h"

#include <stdio.h>
#include <string.h>

const char *cli_get(const struct cli *cli, const char *option)
{
    for (unsigned i = cli->n_values; i--;)
        if (strcmp(cli->values[i].name, option) == 0)
            return cli->values[i].value ? cli->values[i].value : "";
    return NULL;
}

bool cli_has(const struct cli *cli, const char *option)
{
    return cli_get(cli, option) != NULL;
}

int cli_error(const struct cli *cli, const struct ds_error *err)
{
    const struct cli_explanation *explanation = cli_explanation(err->code);
    cli_progress_end();
    fprintf(stderr, "disksync: %s [%s]\n", err->msg, explanation->name);
    if (cli->json) {
        struct dynbuf out = DYNBUF_INIT(65536);
        struct json j = json_to(&out, true);
        json_object(&j, NULL);
        json_object(&j, "error");
        json_string(&j, "code", explanation->name);
        json_i64(&j, "status", err->code);
        json_string(&j, "message", err->msg);
        json_i64(&j, "exit_code", explanation->exit_code);
        json_object_end(&j);
        json_object_end(&j);
        cli_json(cli, &out);
    }
    return explanation->exit_code;
}

int cli_usage_error(const struct cli *cli, const char *fmt, ...)
{
    struct ds_error err = DS_ERROR_INIT;
    va_list ap;
    va_start(ap, fmt);
    ds_error_vset(&err, DS_EUSAGE, DS_RETRY_NEVER, fmt, ap);
    va_end(ap);
    return cli_error(cli, &err);
}

void cli_say(const struct cli *cli, const char *fmt, ...)
{
    va_list ap;
    cli_progress_end();
    va_start(ap, fmt);
    vfprintf(cli->json ? stderr : stdout, fmt, ap);
    va_end(ap);
}

int cli_json(const struct cli *cli, struct dynbuf *document)
{
    (void)cli;
    bool good = dynbuf_ok(document) &&
                fwrite(document->data, 1, document->len, stdout) == document->len &&
                fflush(stdout) == 0;
    dynbuf_free(document);
    if (!good)
        fprintf(stderr, "disksync: the result could not be written to standard output\n");
    return good ? CLI_DONE : CLI_FAILED;
}

struct policy *cli_policy(const struct cli *cli, int *code)
{
    struct ds_error err = DS_ERROR_INIT;
    struct policy *policy = NULL;
    if (policy_load(&policy, cli->policy_path, NULL, &err)) {
        *code = cli_error(cli, &err);
        return NULL;
    }
    return policy;
}

void output_resources(struct json *j, uint64_t ns, uint64_t cpu_ns)
{
    json_double(j, "seconds", (double)ns / 1e9, 3);
    json_double(j, "cpu_seconds", (double)cpu_ns / 1e9, 3);
    json_u64(j, "peak_rss_bytes", os_peak_rss());
}

/* ---- progress ---- */

static bool bar_shown;
static uint64_t bar_last_ns, bar_start_ns;

static void bar_clear(void)
{
    if (bar_shown)
        fprintf(stderr, "\r\033[K");
    bar_shown = false;
}

void cli_progress(struct cli *cli, const char *what, uint64_t done, uint64_t total)
{
    char size[32], of[32], bar[32];
    uint64_t now = os_mono_ns();
    if (cli->json || cli->quiet || !os_is_tty(2) || total == 0)
        return;
    if (!bar_start_ns) {
        bar_start_ns = now;
        log_set_interlude(bar_clear);
    }
    if (bar_shown && now - bar_last_ns < UINT64_C(100) * 1000000)
        return;
    bar_last_ns = now;
    unsigned width = os_columns() > 70 ? 24 : 10;
    unsigned filled = (unsigned)((double)done / (double)total * width);
    for (unsigned i = 0; i < width; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[width] = 0;
    fprintf(stderr, "\r\033[K[%s] %3u%%  %s of %s  %.*s", bar,
            (unsigned)((double)done / (double)total * 100), text_size(size, sizeof size, done),
            text_size(of, sizeof of, total), 24, what);
    fflush(stderr);
    bar_shown = true;
}

void cli_progress_end(void)
{
    bar_clear();
}
