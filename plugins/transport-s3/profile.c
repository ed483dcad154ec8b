/* SPDX-License-Identifier: Apache-2.0 */
/* profile.c - see profile.h. The form: [heading] lines, NAME = VALUE lines below them; a comment
 * begins with # or ;. A heading may say "profile NAME", as the file's companion does. Settings of
 * other profiles and settings below settings are passed over. */
#include "profile.h"

#include <string.h>

struct line {
    const char *p, *end;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void trim(struct line *line)
{
    while (line->p < line->end && is_blank(*line->p))
        line->p++;
    while (line->end > line->p && is_blank(line->end[-1]))
        line->end--;
}

static bool is_word(const struct line *line, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(line->end - line->p) == n && memcmp(line->p, word, n) == 0;
}

static bool heads(struct line line, const char *name)
{
    static const char word[] = "profile";
    size_t n = sizeof word - 1;
    if (line.end - line.p < 2 || line.end[-1] != ']')
        return false;
    line.p++;
    line.end--;
    trim(&line);
    if (is_word(&line, name))
        return true;
    if ((size_t)(line.end - line.p) > n && memcmp(line.p, word, n) == 0 && is_blank(line.p[n])) {
        line.p += n;
        trim(&line);
        return is_word(&line, name);
    }
    return false;
}

static void setting(struct profile *profile, struct line line)
{
    struct line name = { line.p, memchr(line.p, '=', (size_t)(line.end - line.p)) };
    if (!name.end)
        return;
    struct line value = { name.end + 1, line.end };
    trim(&name);
    trim(&value);
    struct profile_value found = { value.p, (size_t)(value.end - value.p) };
    if (is_word(&name, "aws_access_key_id"))
        profile->access_key = found;
    else if (is_word(&name, "aws_secret_access_key"))
        profile->secret_key = found;
    else if (is_word(&name, "aws_session_token"))
        profile->session_token = found;
}

void profile_parse(struct profile *profile, const char *text, size_t n, const char *name)
{
    const char *end = text + n;
    bool ours = false;
    memset(profile, 0, sizeof *profile);
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        struct line line = { text, newline ? newline : end };
        bool indented = line.p < line.end && is_blank(*line.p);
        text = newline ? newline + 1 : end;
        trim(&line);
        if (line.p == line.end || *line.p == '#' || *line.p == ';')
            continue;
        if (*line.p == '[') {
            ours = heads(line, name);
            profile->found = profile->found || ours;
        } else if (ours && !indented) {
            setting(profile, line);
        }
    }
}
