/* SPDX-License-Identifier: Apache-2.0 */
/* script.h - what the scripted plugins have in common: at each step of theirs the process may be
 * killed, as a power cut would (nothing is flushed, no handler runs), the step may fail, or the
 * process waits while the test does something. A step is named NAME:before or NAME:after, each
 * repetition NAME:before:1, NAME:before:2, ... Steps may be taken from any thread. */
#ifndef TESTS_PLUGINS_SCRIPT_H
#define TESTS_PLUGINS_SCRIPT_H

#include <disksync/disksync.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
static inline void script_kill(void)
{
    TerminateProcess(GetCurrentProcess(), 137);
}
static inline void script_pause(void)
{
    Sleep(1);
}
#else
#include <signal.h>
#include <time.h>
static inline void script_kill(void)
{
    raise(SIGKILL);
}
static inline void script_pause(void)
{
    struct timespec ms = { 0, 1000000 };
    nanosleep(&ms, NULL);
}
#endif

#define SCRIPT_WAIT_MS 60000

static const char *const script_names[] = {
    "open",  "probe",   "attach", "detach", "cut",   "generation", "changes",
    "mark",  "commit",  "abort",  "sweep",  "create", "views",     "altered",
    "facts", "read",    "health", "finish", "release", "close",
};
#define SCRIPT_NAMES (sizeof script_names / sizeof script_names[0])

struct script {
    const char *plugin;
    struct ds_kv *kv; /* own copy of the options */
    size_t n;
    atomic_uint counts[SCRIPT_NAMES][2];
};

/* Options that every scripted plugin has. */
#define SCRIPT_OPTIONS                                                                            \
    { .name = "die_at", .type = DS_OPT_STRING,                                                    \
      .help = "kill the process at STEP:before or STEP:after; with :N the N-th time" },           \
    { .name = "fail_at", .type = DS_OPT_STRING,                                                   \
      .help = "step that fails each time, or as STEP:before:N or STEP:after:N" },                 \
    { .name = "wait_at", .type = DS_OPT_STRING, .flags = DS_OPTF_LIST,                            \
      .help = "write the step's name to wait_file and go on when that is gone; as die_at" },      \
    { .name = "wait_file", .type = DS_OPT_PATH, .help = "see wait_at" },                          \
    { .name = "steps", .type = DS_OPT_PATH, .help = "file to which every step is added" }

static inline char *script_copy(const char *text)
{
    size_t n = strlen(text) + 1;
    char *out = malloc(n);
    return out ? memcpy(out, text, n) : NULL;
}

static inline void script_close(struct script *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free((void *)(uintptr_t)s->kv[i].key);
        free((void *)(uintptr_t)s->kv[i].value);
    }
    free(s->kv);
    *s = (struct script){ .plugin = s->plugin };
}

static inline int script_open(struct script *s, const char *plugin, const struct ds_kv *kv,
                              size_t n, struct ds_error *err)
{
    s->plugin = plugin;
    s->kv = calloc(n ? n : 1, sizeof *s->kv);
    for (size_t i = 0; s->kv && i < n; i++) {
        s->kv[s->n++] = (struct ds_kv){ script_copy(kv[i].key), script_copy(kv[i].value) };
        if (!s->kv[i].key || !s->kv[i].value)
            return ds_fail(err, DS_ENOMEM, "no memory for the options");
    }
    return s->kv ? DS_OK : ds_fail(err, DS_ENOMEM, "no memory for the options");
}

static inline const char *script_get(const struct script *s, const char *name)
{
    return ds_kv_get(s->kv, s->n, name, "");
}

static inline bool script_true(const struct script *s, const char *name)
{
    return strcmp(script_get(s, name), "true") == 0;
}

/* wanted: NAME:WHEN is of the first time, NAME:WHEN:N of the N-th; NAME of all, before. */
static inline bool script_is(const char *wanted, const char *name, const char *when, unsigned count)
{
    char step[80];
    snprintf(step, sizeof step, "%s:%s:%u", name, when, count);
    if (strcmp(wanted, step) == 0)
        return true;
    step[strlen(name) + 1 + strlen(when)] = 0;
    if (count == 1 && strcmp(wanted, step) == 0)
        return true;
    return strcmp(when, "before") == 0 && strcmp(wanted, name) == 0;
}

static inline void script_tell(const char *path, const char *mode, const struct script *s,
                               const char *name, const char *when, unsigned count)
{
    FILE *f = fopen(path, mode);
    if (!f)
        return;
    fprintf(f, "%s %s:%s:%u\n", s->plugin, name, when, count);
    fclose(f);
}

static inline bool script_there(const char *path)
{
    FILE *f = fopen(path, "rb");
    return f && fclose(f) == 0;
}

static inline void script_wait(const struct script *s, const char *name, const char *when,
                               unsigned count)
{
    const char *path = script_get(s, "wait_file");
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->kv[i].key, "wait_at") != 0 ||
            !script_is(s->kv[i].value, name, when, count))
            continue;
        script_tell(path, "wb", s, name, when, count);
        for (unsigned ms = 0; ms < SCRIPT_WAIT_MS && script_there(path); ms++)
            script_pause();
    }
}

/* when: "before" or "after". call may be NULL where a step can't fail. */
static inline int script_step(struct script *s, const char *name, const char *when,
                              struct ds_call *call)
{
    unsigned i = 0, count;
    while (i < SCRIPT_NAMES - 1 && strcmp(script_names[i], name) != 0)
        i++;
    count = atomic_fetch_add(&s->counts[i][strcmp(when, "after") == 0], 1) + 1;
    if (*script_get(s, "steps"))
        script_tell(script_get(s, "steps"), "ab", s, name, when, count);
    script_wait(s, name, when, count);
    const char *die = script_get(s, "die_at"), *fail = script_get(s, "fail_at");
    if (strchr(die, ':') && script_is(die, name, when, count))
        script_kill();
    if (call && script_is(fail, name, when, count))
        return ds_fail(call->err, DS_EIO, "scripted failure of %s", name);
    return DS_OK;
}

#endif
