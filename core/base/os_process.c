/* SPDX-License-Identifier: Apache-2.0 */
/* os_process.c - what both systems share: output to lines, and words for an end. See
 * os_process.h. */
#include "core/base/os_process.h"

#include "core/base/text.h"

#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 sequence at s, of which n bytes are there; 0 if it is none. */
static size_t sequence(const unsigned char *s, size_t n)
{
    size_t want = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] > 0xf4 || want > n)
        return 0;
    for (size_t i = 1; i < want; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return want;
}

/* What is no text, or could move a terminal's cursor, goes. */
static void clean(char *text, size_t len)
{
    unsigned char *s = (unsigned char *)text;
    for (size_t i = 0; i < len;) {
        size_t n = sequence(s + i, len - i);
        if (n == 0)
            s[i] = '?';
        else if (n == 1 && (s[i] < 0x20 || s[i] == 0x7f))
            s[i] = ' ';
        i += n ? n : 1;
    }
}

static void line_end(struct os_lines *lines)
{
    struct os_process_end *end = lines->end;
    size_t n = lines->len;
    lines->len = 0;
    while (n && (lines->text[n - 1] == '\r' || lines->text[n - 1] == ' '))
        n--;
    if (n == 0)
        return;
    clean(lines->text, n);
    lines->text[n] = 0;
    text_copy(end->last, sizeof end->last, lines->text);
    if (!lines->process->line || end->dropped)
        return;
    end->dropped = lines->handed + n > OS_OUTPUT_MAX;
    if (end->dropped)
        return;
    lines->handed += n;
    lines->process->line(lines->process->ud, end->last);
}

void os_lines_add(struct os_lines *lines, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (data[i] == '\n')
            line_end(lines);
        else if (lines->len < sizeof lines->text - 1)
            lines->text[lines->len++] = data[i];
    }
}

void os_lines_end(struct os_lines *lines)
{
    line_end(lines);
}

bool os_run_stops(const struct os_process *process, uint64_t begun_ns, enum os_end *how)
{
    if (process->interrupted && *process->interrupted) {
        *how = OS_INTERRUPTED;
        return true;
    }
    *how = OS_TIMED_OUT;
    return process->limit_ns && os_mono_ns() - begun_ns >= process->limit_ns;
}

char *os_run_text(char *out, size_t cap, const struct os_process *process,
                  const struct os_process_end *end)
{
    char limit[32];
    switch (end->how) {
    case OS_EXITED:
        snprintf(out, cap, "ended with exit status %d", end->code);
        break;
    case OS_SIGNALLED:
        snprintf(out, cap, "was ended by signal %d", end->code);
        break;
    case OS_TIMED_OUT:
        snprintf(out, cap, "did not end within %s and %s",
                 text_duration(limit, sizeof limit, process->limit_ns),
                 end->unended ? "could not be ended: it waits for the system" : "was killed");
        break;
    case OS_INTERRUPTED:
        snprintf(out, cap, "was interrupted%s",
                 end->unended ? " and could not be ended: it waits for the system" : "");
        break;
    }
    return out;
}
