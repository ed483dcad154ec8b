/* SPDX-License-Identifier: Apache-2.0 */
/* requestlog.c - see requestlog.h. The loop thread alone writes; a line is one write. */
#include "core/gateway/requestlog.h"

#include "core/base/os.h"

#include <stdlib.h>

struct requestlog {
    FILE *file;
};

int requestlog_new(struct requestlog **out, const char *path, struct ds_error *err)
{
    struct requestlog *log = malloc(sizeof *log);
    *out = NULL;
    if (!log)
        return ds_fail(err, DS_ENOMEM, "no memory for the request log");
    log->file = fopen(path, "ab");
    if (!log->file) {
        free(log);
        return os_fail(err, "open", path);
    }
    *out = log;
    return DS_OK;
}

/* A request that could not be parsed has none of these. */
static const char *word(const char *text)
{
    return text && *text ? text : "-";
}

void requestlog_write(struct requestlog *log, const struct exchange *x, int status, uint64_t sent,
                      uint64_t ns)
{
    struct dynbuf line = DYNBUF_INIT(2 * HTTP_HEAD_MAX);
    char time[32];
    if (!log)
        return;
    bool parsed = x->http.path != NULL;
    dynbuf_printf(&line, "%s %s %s %s %d %llu %llu %s %s %s %llu\n",
                  s3_time(time, os_wall_ns() / 1000000000), parsed ? word(x->http.method) : "-",
                  parsed ? x->http.path : "-", parsed ? word(x->http.query) : "-", status,
                  (unsigned long long)x->received, (unsigned long long)sent,
                  fault_name(x->fault.action), x->operation ? x->operation->name : "-",
                  x->who ? x->who->name : "-", (unsigned long long)(ns / 1000000));
    if (dynbuf_ok(&line)) {
        fwrite(line.data, 1, line.len, log->file);
        fflush(log->file);
    }
    dynbuf_free(&line);
}

void requestlog_free(struct requestlog *log)
{
    if (log)
        fclose(log->file);
    free(log);
}
