/* SPDX-License-Identifier: Apache-2.0 */
/* faults.c - see faults.h. */
#include "core/gateway/faults.h"

#include "core/base/os.h"
#include "core/base/text.h"

#include <stdbool.h>
#include <stdlib.h>

#define RULES_MAX 256u
#define SCRIPT_MAX 65536u
#define WORDS_MAX 8u
#define ALWAYS UINT64_MAX

struct rule {
    char method[16], glob[256];
    uint64_t skip, count;
    struct fault fault;
};

struct faults {
    char path[OS_PATH_MAX];
    char *text; /* the script as it was read last, to see whether it changed */
    size_t len;
    struct rule *rules;
    size_t n;
    uint64_t percent, state; /* of random */
};

static const struct {
    const char *name;
    enum fault_action action;
    unsigned arguments;
} actions[] = {
    { "status", FAULT_STATUS, 2 },        { "cut-before", FAULT_CUT_BEFORE, 0 },
    { "cut-body", FAULT_CUT_BODY, 1 },    { "slow", FAULT_SLOW, 1 },
    { "lost-reply", FAULT_LOST_REPLY, 0 }, { "delay", FAULT_DELAY, 1 },
    { "error-in-200", FAULT_ERROR_IN_200, 0 }, { "truncated", FAULT_TRUNCATED, 0 },
    { "wrong-etag", FAULT_WRONG_ETAG, 0 }, { "redirect", FAULT_REDIRECT, 1 },
    { "skew", FAULT_SKEW, 1 },
};

const char *fault_name(enum fault_action action)
{
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (actions[i].action == action)
            return actions[i].name;
    return "-";
}

struct faults *faults_new(const char *path)
{
    struct faults *faults = calloc(1, sizeof *faults);
    if (faults && path && !text_copy(faults->path, sizeof faults->path, path)) {
        free(faults);
        return NULL;
    }
    return faults;
}

void faults_free(struct faults *faults)
{
    if (!faults)
        return;
    free(faults->text);
    free(faults->rules);
    free(faults);
}

/* ---- the script ---- */

static unsigned split(char *line, char *words[WORDS_MAX])
{
    unsigned n = 0;
    char *p = line;
    for (;;) {
        while (*p == ' ' || *p == '\t' || *p == '\r')
            *p++ = 0;
        if (!*p || *p == '#' || n == WORDS_MAX)
            break;
        words[n++] = p;
        p += strcspn(p, " \t\r");
    }
    *p = 0;
    return n;
}

static bool parse_action(struct fault *out, char **words, unsigned n)
{
    uint64_t number;
    for (size_t i = 0; n && i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(words[0], actions[i].name) != 0)
            continue;
        *out = (struct fault){ .action = actions[i].action };
        if (n - 1 != actions[i].arguments)
            return false;
        if (n == 1)
            return true;
        if (out->action == FAULT_REDIRECT)
            return text_copy(out->text, sizeof out->text, words[1]);
        const char *digits = words[1] + (out->action == FAULT_SKEW && words[1][0] == '-');
        if (!text_parse_u64(&number, digits, INT64_MAX))
            return false;
        out->number = digits == words[1] ? (int64_t)number : -(int64_t)number;
        if (out->action == FAULT_SLOW && number == 0)
            return false;
        return n == 2 || text_copy(out->text, sizeof out->text, words[2]);
    }
    return false;
}

static bool parse_rule(struct faults *faults, char **words, unsigned n)
{
    struct rule *rule = &faults->rules[faults->n];
    if (n == 3 && strcmp(words[0], "random") == 0)
        return text_parse_u64(&faults->percent, words[1], 100) &&
               text_parse_u64(&faults->state, words[2], UINT64_MAX);
    if (n < 5 || faults->n == RULES_MAX)
        return false;
    faults->n++;
    rule->count = ALWAYS;
    return text_copy(rule->method, sizeof rule->method, words[0]) &&
           text_copy(rule->glob, sizeof rule->glob, words[1]) &&
           text_parse_u64(&rule->skip, words[2], INT64_MAX) &&
           (strcmp(words[3], "*") == 0 || text_parse_u64(&rule->count, words[3], INT64_MAX)) &&
           parse_action(&rule->fault, words + 4, n - 4);
}

static int parse(struct faults *faults, char *text, struct ds_error *err)
{
    char *words[WORDS_MAX], *next;
    unsigned number = 1;
    faults->rules = calloc(RULES_MAX + 1, sizeof faults->rules[0]);
    if (!faults->rules)
        return ds_fail(err, DS_ENOMEM, "no memory for the faults");
    for (char *line = text; line; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        unsigned n = split(line, words);
        if (n && !parse_rule(faults, words, n))
            return ds_fail(err, DS_EINVAL, "%s:%u: no rule of faults", faults->path, number);
    }
    return DS_OK;
}

int faults_refresh(struct faults *faults, struct ds_error *err)
{
    struct faults fresh = { .n = 0 };
    void *text = NULL;
    size_t len = 0;
    if (!*faults->path)
        return DS_OK;
    int rc = os_read_file(faults->path, SCRIPT_MAX, &text, &len, err);
    if (rc == DS_ENOENT)
        rc = DS_OK;
    if (rc || (len == faults->len && (!len || memcmp(text, faults->text, len) == 0))) {
        free(text);
        return rc;
    }
    memcpy(fresh.path, faults->path, sizeof fresh.path);
    char *copy = malloc(len + 1);
    if (copy && len)
        memcpy(copy, text, len);
    if (copy)
        copy[len] = 0;
    rc = copy ? parse(&fresh, copy, err) : ds_fail(err, DS_ENOMEM, "no memory for the faults");
    free(copy);
    fresh.text = text;
    fresh.len = len;
    if (rc) { /* said once: the same text is not parsed again */
        free(fresh.rules);
        free(faults->text);
        faults->text = text;
        faults->len = len;
        return rc;
    }
    free(faults->text);
    free(faults->rules);
    *faults = fresh;
    return DS_OK;
}

/* ---- picking ---- */

static uint64_t draw(struct faults *faults) /* splitmix64 */
{
    uint64_t z = faults->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Every one of these a client can survive by asking again or by reading back what it wrote. An
 * error inside a 200 comes only where S3 itself does that. */
static struct fault random_fault(struct faults *faults, const char *method)
{
    struct fault out = { .action = FAULT_NONE };
    uint64_t amount = draw(faults);
    switch (draw(faults) % 9) {
    case 0:
        out = (struct fault){ FAULT_STATUS, 500, "InternalError" };
        break;
    case 1:
        out = (struct fault){ FAULT_STATUS, 503, "SlowDown" };
        break;
    case 2:
        out.action = FAULT_CUT_BEFORE;
        break;
    case 3:
        out = (struct fault){ FAULT_CUT_BODY, (int64_t)(amount % 65536), "" };
        break;
    case 4:
        out = (struct fault){ FAULT_SLOW, (int64_t)(1 + amount % 8) << 20, "" };
        break;
    case 5:
        out.action = FAULT_LOST_REPLY;
        break;
    case 6:
        out = (struct fault){ FAULT_DELAY, (int64_t)(1 + amount % 200), "" };
        break;
    case 7:
        out.action = FAULT_TRUNCATED;
        break;
    default:
        out.action = strcmp(method, "POST") == 0 ? FAULT_ERROR_IN_200 : FAULT_WRONG_ETAG;
        break;
    }
    return out;
}

struct fault faults_pick(struct faults *faults, const char *method, const char *operation,
                         const char *key)
{
    for (size_t i = 0; i < faults->n; i++) {
        struct rule *rule = &faults->rules[i];
        if (strcmp(rule->method, "*") != 0 && strcmp(rule->method, method) != 0 &&
            strcmp(rule->method, operation) != 0)
            continue;
        if (!text_glob(rule->glob, key) || rule->count == 0)
            continue;
        if (rule->skip) {
            rule->skip--;
            continue;
        }
        if (rule->count != ALWAYS)
            rule->count--;
        return rule->fault;
    }
    if (faults->percent && draw(faults) % 100 < faults->percent)
        return random_fault(faults, method);
    return (struct fault){ .action = FAULT_NONE };
}
