/* SPDX-License-Identifier: Apache-2.0 */
/* hooks.c - see hooks.h. The record "hooks" is there from before the first command until behind the
 * last: a kill in between leaves it, and the next process thaws. Its lines: when it began, for
 * people; and the mark of the first command. Nothing is written for later ones: the state folder
 * may lie on what the first has frozen, and a write there waits for a thaw that never comes. */
#include "core/sync/hooks.h"

#include "core/base/log.h"
#include "core/base/os_process.h"
#include "core/base/text.h"
#include "core/plugin/plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD "hooks"
#define ENV_TEXT (OS_PATH_MAX + 32)

/* ---- the record ---- */

bool hooks_left(const struct policy *policy)
{
    struct ds_error ignored = DS_ERROR_INIT;
    void *data;
    size_t len;
    int rc = state_get(policy->state, RECORD, &data, &len, &ignored);
    if (!rc)
        free(data);
    return rc != DS_ENOENT; /* in doubt it is thawed once more than is needed */
}

static int record_make(const struct policy *policy, const char *mark, struct ds_error *err)
{
    char time[32], text[64 + OS_MARK_MAX];
    text_time(time, sizeof time, os_wall_ns(), true);
    int n = snprintf(text, sizeof text, "begun=%s\nruns=%s\n", time, mark);
    return state_put(policy->state, RECORD, text, (size_t)n, err);
}

static void record_drop(const struct policy *policy)
{
    struct ds_error err = DS_ERROR_INIT;
    if (state_put(policy->state, RECORD, NULL, 0, &err))
        log_printf(DS_LOG_WARNING, "hook.record",
                   "%s; the next sync runs hooks.after_snapshot once more", err.msg);
}

/* A command that outlived its disksync could freeze again what is thawed now. */
static void end_left(const struct policy *policy)
{
    struct ds_error ignored = DS_ERROR_INIT;
    void *data;
    size_t len;
    if (state_get(policy->state, RECORD, &data, &len, &ignored))
        return;
    char *mark = strstr(data, "\nruns="); /* a record's data ends with a zero */
    if (mark) {
        mark += strlen("\nruns=");
        mark[strcspn(mark, "\n")] = 0;
        if (os_end_marked(mark))
            log_printf(DS_LOG_WARNING, "hook.left",
                       "a hook of a sync that was killed was still running, and was ended");
    }
    free(data);
}

/* ---- one command ---- */

struct environment { /* ascending, as os_run wants it */
    char hook[64], node[256], policy[ENV_TEXT], snapshot[64];
    const char *list[5];
};

static void environment_make(struct environment *env, const struct policy *policy, const char *hook,
                             const char *snapshot)
{
    snprintf(env->hook, sizeof env->hook, "DISKSYNC_HOOK=%s", hook);
    snprintf(env->node, sizeof env->node, "DISKSYNC_NODE=%s", policy->node_name);
    snprintf(env->policy, sizeof env->policy, "DISKSYNC_POLICY=%s", policy->path);
    snprintf(env->snapshot, sizeof env->snapshot, "DISKSYNC_SNAPSHOT=%s", snapshot);
    env->list[0] = env->hook;
    env->list[1] = env->node;
    env->list[2] = env->policy;
    env->list[3] = env->snapshot;
    env->list[4] = NULL;
}

struct running {
    const struct policy *policy;
    const char *program;
};

static void said(void *ud, const char *text)
{
    const struct running *running = ud;
    log_printf(DS_LOG_INFO, "hook.output", "%s: %s", running->program, text);
}

/* The first command does not run unless a later process can end it. */
static int keep_mark(void *ud, const char *mark, struct ds_error *err)
{
    const struct running *running = ud;
    return record_make(running->policy, mark, err);
}

/* DS_EHOOK with the command, how it ended and what it said last. */
static int command_run(const struct policy *policy, const struct policy_hook *hook,
                       const struct environment *env, volatile int *interrupted,
                       struct ds_error *err)
{
    const char *program = hook->argv[0];
    bool first = hook == policy->before_snapshot && policy->n_after_snapshot;
    struct running running = { policy, program };
    struct os_process process = { .argv = hook->argv, .env = env->list,
                                  .without = policy->secret_variables,
                                  .limit_ns = policy->hook_limit_ns, .interrupted = interrupted,
                                  .mark = first ? keep_mark : NULL, .line = said, .ud = &running };
    struct os_process_end end;
    struct ds_error why = DS_ERROR_INIT;
    uint64_t begun = os_mono_ns();
    char how[128], took[32];
    int rc = os_run(&process, &end, &why);
    if (rc)
        return ds_fail(err, DS_EHOOK, "%.400s", why.msg);
    os_run_text(how, sizeof how, &process, &end);
    if (end.dropped)
        log_printf(DS_LOG_WARNING, "hook.output", "%s said more than is kept here", program);
    log_printf(DS_LOG_DEBUG, "hook.end", "%s %s after %s", program, how,
               text_duration(took, sizeof took, os_mono_ns() - begun));
    if (end.how == OS_EXITED && end.code == 0)
        return DS_OK;
    return ds_fail(err, end.how == OS_INTERRUPTED ? DS_ECANCELLED : DS_EHOOK, "%.200s %s%s%.180s",
                   program, how, *end.last ? ": " : ", and said nothing", end.last);
}

/* ---- checks ---- */

#define REMEDY "let only root or the administrators, and the user that runs disksync, write it"

static int check_list(const char *name, const struct policy_hook *hooks, size_t n,
                      struct ds_error *err)
{
    char why[300];
    for (size_t i = 0; i < n; i++) {
        const char *program = hooks[i].argv[0];
        if (!os_is_command(hooks[i].argv, why, sizeof why))
            return ds_fail(err, DS_EPREFLIGHT, "hooks.%s: %.160s can't be run: %s", name, program,
                           why);
        if (!os_is_trusted_path(program, why, sizeof why))
            return ds_fail(err, DS_EPREFLIGHT, "hooks.%s: %.120s is not safe to run: %s; " REMEDY,
                           name, program, why);
    }
    return DS_OK;
}

/* Hooks run with the agent's rights: whoever may write the policy has them too. */
static int check_policy(const struct policy *policy, struct ds_error *err)
{
    char why[300];
    if (policy->n_before_snapshot + policy->n_after_snapshot == 0 ||
        os_is_trusted_path(policy->path, why, sizeof why))
        return DS_OK;
    return ds_fail(err, DS_EPREFLIGHT, "%.120s names hooks, and is not safe: %s; " REMEDY,
                   policy->path, why);
}

int hooks_check(const struct policy *policy, struct ds_error *err)
{
    int rc = check_policy(policy, err);
    if (!rc)
        rc = check_list("before_snapshot", policy->before_snapshot, policy->n_before_snapshot, err);
    return rc ? rc
              : check_list("after_snapshot", policy->after_snapshot, policy->n_after_snapshot, err);
}

/* ---- the lists ---- */

/* How many failed. */
static unsigned run_after(const struct policy *policy, const char *snapshot)
{
    struct environment env;
    unsigned failed = 0;
    environment_make(&env, policy, "after_snapshot", snapshot);
    for (size_t i = 0; i < policy->n_after_snapshot; i++) {
        struct ds_error err = DS_ERROR_INIT;
        if (!command_run(policy, &policy->after_snapshot[i], &env, NULL, &err))
            continue;
        log_printf(DS_LOG_WARNING, "hook.failed", "hooks.after_snapshot: %s", err.msg);
        failed++;
    }
    if (failed)
        log_printf(DS_LOG_WARNING, "hook.failed",
                   "the next sync runs hooks.after_snapshot again, before anything else");
    return failed;
}

unsigned hooks_sweep(const struct policy *policy)
{
    struct ds_error err = DS_ERROR_INIT;
    if (!hooks_left(policy))
        return 0;
    end_left(policy);
    /* What may not be run stays to be done; the sync ends by the same check. */
    if (check_policy(policy, &err) ||
        check_list("after_snapshot", policy->after_snapshot, policy->n_after_snapshot, &err))
        return 0;
    if (policy->n_after_snapshot == 0)
        log_printf(DS_LOG_WARNING, "hook.left",
                   "an earlier sync was cut off between its hooks, or a thaw failed, and the "
                   "policy names no hooks.after_snapshot any more: see that nothing is left "
                   "frozen");
    else
        log_printf(DS_LOG_WARNING, "hook.left",
                   "an earlier sync was cut off between its hooks, or one of its "
                   "hooks.after_snapshot failed: they are run now");
    unsigned failed = run_after(policy, "unknown");
    if (!failed)
        record_drop(policy);
    return failed;
}

int hooks_before(const struct policy *policy, volatile int *interrupted, struct ds_error *err)
{
    struct environment env;
    if (policy->n_before_snapshot + policy->n_after_snapshot == 0)
        return DS_OK;
    int rc = policy->n_after_snapshot ? record_make(policy, "", err) : DS_OK;
    if (rc)
        return rc;
    log_hold();
    environment_make(&env, policy, "before_snapshot", "none");
    for (size_t i = 0; !rc && i < policy->n_before_snapshot; i++) {
        struct ds_error why = DS_ERROR_INIT;
        rc = command_run(policy, &policy->before_snapshot[i], &env, interrupted, &why);
        if (rc)
            ds_fail(err, rc, "hooks.before_snapshot: %.470s", why.msg);
    }
    return rc;
}

unsigned hooks_after(const struct policy *policy, bool stands)
{
    unsigned failed = run_after(policy, stands ? "stands" : "failed");
    log_release();
    if (policy->n_after_snapshot && !failed)
        record_drop(policy);
    return failed;
}
