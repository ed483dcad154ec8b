/* SPDX-License-Identifier: Apache-2.0 */
/* os_process_windows.c - os_process.h on Windows: CreateProcessW with the program named apart from
 * its command line, in a job of its own. A job can't be put into another before NT 6.2: there, if
 * this process is in one already, a program that has to be ended goes alone. Script files are
 * refused: CreateProcess would hand them to cmd.exe, which reads its arguments by other rules.
 * Where cmd.exe is the program, what is behind /c is written by its rules. */
#include "core/base/os_process.h"

#include "core/base/os_windows.h"
#include "core/base/wide_windows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_MAX 32767u /* of CreateProcessW, with the zero */
#define POLL_MS 20
#define PIPE_BYTES (64u << 10) /* of output that waits to be looked at */
#define KILL_MS 5000 /* a program that waits for the system stays */

bool os_is_program(const char *path, char *why, size_t cap)
{
    size_t n = strlen(path);
    const char *extension = n > 4 ? path + n - 4 : "";
    if (os_kind(path) == OS_ABSENT)
        snprintf(why, cap, "it does not exist, or can't be looked at");
    else if (os_kind(path) != OS_REGULAR)
        snprintf(why, cap, "it is not a regular file");
    else if (_stricmp(extension, ".exe") != 0 && _stricmp(extension, ".com") != 0)
        snprintf(why, cap, "it is not a program: name its interpreter, such as cmd.exe or "
                           "powershell.exe, and give the script as an argument");
    else
        return true;
    return false;
}

/* ---- the command line ---- */

struct command {
    wchar_t *text;
    size_t len;
    bool failed;
};

static void put(struct command *command, wchar_t c, size_t times)
{
    for (; times && !command->failed; times--) {
        command->failed = command->len + 1 >= COMMAND_MAX;
        if (!command->failed)
            command->text[command->len++] = c;
    }
}

static void put_text(struct command *command, const wchar_t *text)
{
    while (*text)
        put(command, *text++, 1);
}

/* As CommandLineToArgvW and the C run-time undo it: backslashes count only before a quote, where
 * each is doubled, and the quote gets one more. */
static void put_word(struct command *command, const wchar_t *word)
{
    bool quoted = !*word || wcspbrk(word, L" \t\n\v\"") != NULL;
    put(command, '"', quoted);
    while (*word) {
        size_t slashes = wcsspn(word, L"\\");
        word += slashes;
        if (*word == '"')
            put(command, '\\', 2 * slashes + 1);
        else
            put(command, '\\', *word || !quoted ? slashes : 2 * slashes);
        if (*word)
            put(command, *word++, 1);
    }
    put(command, '"', quoted);
}

/* ---- cmd.exe ---- */

static bool is_shell(const char *program)
{
    size_t n = strlen(program);
    return n >= 7 && _stricmp(program + n - 7, "cmd.exe") == 0 &&
           (n == 7 || program[n - 8] == '\\' || program[n - 8] == '/');
}

/* Where the words of cmd.exe's own command begin, behind /c; 0 if the program is another, or has
 * none. */
static size_t shell_words(const char *const *argv)
{
    for (size_t i = 1; is_shell(argv[0]) && argv[i]; i++)
        if (_stricmp(argv[i], "/c") == 0)
            return argv[i + 1] ? i + 1 : 0;
    return 0;
}

/* Within double quotes only these mean something to it, and nothing can take that away. */
static bool shell_takes(const char *word)
{
    for (; *word; word++)
        if (*word == '"' || *word == '%' || (unsigned char)*word < ' ')
            return false;
    return true;
}

static void put_shell_word(struct command *command, const wchar_t *word)
{
    bool quoted = !*word || wcspbrk(word, L" &|<>^()@,;=!'`~+[]{}") != NULL;
    put(command, '"', quoted);
    for (; *word; word++)
        put(command, *word, 1);
    put(command, '"', quoted);
}

bool os_is_command(const char *const *argv, char *why, size_t cap)
{
    if (!os_is_program(argv[0], why, cap))
        return false;
    for (size_t i = shell_words(argv); i && argv[i]; i++)
        if (!shell_takes(argv[i])) {
            snprintf(why, cap, "cmd.exe can't be given \" or %% in a word: write the command into "
                               "a script, or use powershell.exe -File");
            return false;
        }
    return true;
}

/* ---- the whole line ---- */

/* The first word is read by rules of its own: a path has no quotes, and its backslashes stand for
 * themselves. What is behind cmd.exe's /c is one more pair of quotes, which it takes off (/s). */
static bool command_make(struct command *command, const wchar_t *program, const char *const *argv)
{
    size_t shell = shell_words(argv);
    wchar_t *word = malloc(COMMAND_MAX * sizeof *word);
    command->text = malloc(COMMAND_MAX * sizeof *command->text);
    command->len = 0;
    command->failed = !word || !command->text;
    put(command, '"', 1);
    for (; *program; program++)
        put(command, *program, 1);
    put(command, '"', 1);
    for (size_t i = 1; argv[i] && !command->failed; i++) {
        bool quoted = shell && i >= shell;
        put_text(command, shell && i + 1 == shell ? L" /d /s" : L"");
        put_text(command, shell && i == shell ? L" \"" : L" ");
        command->failed |= !wide_from_utf8(word, COMMAND_MAX, argv[i]) ||
                           (quoted && !shell_takes(argv[i]));
        if (!command->failed && quoted)
            put_shell_word(command, word);
        else if (!command->failed)
            put_word(command, word);
    }
    put(command, '"', shell != 0);
    if (!command->failed)
        command->text[command->len] = 0;
    free(word);
    return !command->failed;
}

/* ---- environment ---- */

/* Compares two names up to their '='; the first character counts always: some names begin with
 * one. */
static int name_order(const wchar_t *a, const wchar_t *b)
{
    for (size_t i = 0;; i++) {
        wchar_t x = i && a[i] == '=' ? 0 : (wchar_t)towupper(a[i]);
        wchar_t y = i && b[i] == '=' ? 0 : (wchar_t)towupper(b[i]);
        if (x != y)
            return x < y ? -1 : 1;
        if (!x)
            return 0;
    }
}

static wchar_t *copy_entry(wchar_t *to, const wchar_t *entry)
{
    size_t n = wcslen(entry) + 1;
    memcpy(to, entry, n * sizeof *to);
    return to + n;
}

static bool is_left_out(const wchar_t *entry, const wchar_t *without)
{
    for (; *without; without += wcslen(without) + 1)
        if (name_order(entry, without) == 0)
            return true;
    return false;
}

/* This process's block with the additions at their places, since the system keeps blocks sorted.
 * `without` is a block of names alone. */
static void merge(wchar_t *out, const wchar_t *have, const wchar_t *mine, const wchar_t *without)
{
    while (*have || *mine) {
        int order = !*have ? 1 : !*mine ? -1 : name_order(have, mine);
        if (order >= 0 || !is_left_out(have, without))
            out = copy_entry(out, order < 0 ? have : mine);
        if (order <= 0)
            have += wcslen(have) + 1;
        if (order >= 0)
            mine += wcslen(mine) + 1;
    }
    *out = 0;
    out[1] = 0; /* an empty block has two */
}

static size_t block_size(const wchar_t *block)
{
    const wchar_t *p = block;
    while (*p)
        p += wcslen(p) + 1;
    return (size_t)(p - block) + 2;
}

/* These as a block; NULL without memory, or if one is no text. */
static wchar_t *block_of(const char *const *env)
{
    size_t room = 2, at = 0;
    for (size_t i = 0; env && env[i]; i++)
        room += strlen(env[i]) + 1;
    wchar_t *block = calloc(room, sizeof *block);
    for (size_t i = 0; block && env && env[i]; i++) {
        if (!wide_from_utf8(block + at, room - at, env[i])) {
            free(block);
            return NULL;
        }
        at += wcslen(block + at) + 1;
    }
    return block;
}

static wchar_t *environment(const struct os_process *process)
{
    wchar_t *mine = block_of(process->env), *without = block_of(process->without);
    wchar_t *have = GetEnvironmentStringsW(), *block = NULL;
    if (mine && without && have)
        block = malloc((block_size(mine) + block_size(have)) * sizeof *block);
    if (block)
        merge(block, have, mine, without);
    if (have)
        FreeEnvironmentStringsW(have);
    free(without);
    free(mine);
    return block;
}

/* ---- start ---- */

struct running {
    HANDLE process, job, output; /* job: NULL if there is none */
};

static bool pipe_make(HANDLE *from, HANDLE *to)
{
    SECURITY_ATTRIBUTES inherited = { sizeof inherited, NULL, TRUE };
    if (!CreatePipe(from, to, &inherited, PIPE_BYTES))
        return false;
    SetHandleInformation(*from, HANDLE_FLAG_INHERIT, 0);
    return true;
}

static HANDLE nothing_open(void)
{
    SECURITY_ATTRIBUTES inherited = { sizeof inherited, NULL, TRUE };
    return CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited,
                       OPEN_EXISTING, 0, NULL);
}

/* What NT 6.0 brought, and its headers with it: a list of the handles that a program inherits.
 * Without it the program has every handle that can be inherited; disksync has no others. */
#define STARTUP_IS_EXTENDED 0x00080000u
#define ATTRIBUTE_HANDLES 0x00020002u
struct extended_start {
    STARTUPINFOW start;
    void *attributes; /* NULL: none */
};
typedef BOOL(WINAPI *initialize_fn)(void *, DWORD, DWORD, SIZE_T *);
typedef BOOL(WINAPI *update_fn)(void *, DWORD, DWORD_PTR, void *, SIZE_T, void *, SIZE_T *);
typedef void(WINAPI *delete_fn)(void *);

static void attributes_free(struct extended_start *start)
{
    delete_fn delete;
    FARPROC found = os_system_function(L"kernel32.dll", "DeleteProcThreadAttributeList");
    memcpy(&delete, &found, sizeof delete);
    if (start->attributes && delete)
        delete (start->attributes);
    free(start->attributes);
    start->attributes = NULL;
}

/* handles must stay where they are until the program is made. */
static void attributes_make(struct extended_start *start, HANDLE *handles, size_t n)
{
    initialize_fn initialize;
    update_fn update;
    SIZE_T size = 0;
    FARPROC found = os_system_function(L"kernel32.dll", "InitializeProcThreadAttributeList");
    memcpy(&initialize, &found, sizeof initialize);
    found = os_system_function(L"kernel32.dll", "UpdateProcThreadAttribute");
    memcpy(&update, &found, sizeof update);
    if (!initialize || !update)
        return;
    initialize(NULL, 1, 0, &size);
    void *list = malloc(size ? size : 1);
    if (!list || !initialize(list, 1, 0, &size)) {
        free(list);
        return;
    }
    start->attributes = list;
    if (update(list, 0, ATTRIBUTE_HANDLES, handles, n * sizeof *handles, NULL, NULL))
        start->start.cb = sizeof *start;
    else
        attributes_free(start);
}

/* Whether the end of this process ends all that is in the job. */
static void job_goes_with_this(HANDLE job, bool on)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits;
    memset(&limits, 0, sizeof limits);
    limits.BasicLimitInformation.LimitFlags = on ? JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE : 0;
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
}

/* Suspended until it is in its job, so that it can start nothing outside. */
static bool create(struct running *running, const wchar_t *program, wchar_t *command,
                   wchar_t *env, HANDLE in, HANDLE out)
{
    struct extended_start start = { { .cb = sizeof start.start, .dwFlags = STARTF_USESTDHANDLES,
                                      .hStdInput = in, .hStdOutput = out, .hStdError = out },
                                    NULL };
    PROCESS_INFORMATION info;
    HANDLE handles[] = { in, out };
    attributes_make(&start, handles, 2);
    DWORD flags = CREATE_SUSPENDED | CREATE_NO_WINDOW | CREATE_UNICODE_ENVIRONMENT |
                  (start.attributes ? STARTUP_IS_EXTENDED : 0);
    BOOL made = CreateProcessW(program, command, NULL, NULL, TRUE, flags, env, NULL, &start.start,
                               &info);
    DWORD error = GetLastError();
    attributes_free(&start);
    SetLastError(error);
    if (!made)
        return false;
    running->process = info.hProcess;
    running->job = CreateJobObjectW(NULL, NULL);
    if (running->job && !AssignProcessToJobObject(running->job, info.hProcess)) {
        CloseHandle(running->job);
        running->job = NULL;
    }
    /* If this process is killed, the job's last handle is closed. */
    if (running->job)
        job_goes_with_this(running->job, true);
    ResumeThread(info.hThread);
    CloseHandle(info.hThread);
    return true;
}

static int start(struct running *running, const struct os_process *process, struct ds_error *err)
{
    wchar_t path[WIDE_PATH_MAX];
    struct command command = { NULL, 0, false };
    HANDLE in = INVALID_HANDLE_VALUE, out = NULL;
    const char *name = process->argv[0];
    wchar_t *env = NULL;
    int rc = DS_OK;
    if (!wide_path(path, name))
        return os_fail(err, "start", name);
    wchar_t *program = wide_plain(path);
    if (!command_make(&command, program, process->argv))
        rc = ds_fail(err, DS_EINVAL, "the command line of %.300s is too long, or is no text", name);
    else if (!(env = environment(process)))
        rc = ds_fail(err, DS_ENOMEM, "no memory to start %.300s", name);
    else if ((in = nothing_open()) == INVALID_HANDLE_VALUE || !pipe_make(&running->output, &out))
        rc = os_fail(err, "make a pipe for", name);
    else if (!create(running, program, command.text, env, in, out))
        rc = os_fail(err, "start", name);
    if (in != INVALID_HANDLE_VALUE)
        CloseHandle(in);
    if (out)
        CloseHandle(out); /* the program has its own: its end ends the pipe */
    if (rc && running->output)
        CloseHandle(running->output);
    free(env);
    free(command.text);
    return rc;
}

/* ---- while it runs ---- */

/* Hands on what is there: an anonymous pipe can't be waited for. True if something was. */
static bool drain(const struct running *running, struct os_lines *lines)
{
    char data[4096];
    DWORD there = 0, got = 0;
    for (unsigned i = 0; i < 64; i++) { /* then the time is looked at again */
        if (!PeekNamedPipe(running->output, NULL, 0, NULL, &there, NULL) || !there)
            return i > 0;
        if (!ReadFile(running->output, data, there < sizeof data ? there : sizeof data, &got, NULL))
            return i > 0;
        os_lines_add(lines, data, got);
    }
    return true;
}

bool os_end_marked(const char *mark)
{
    (void)mark; /* it ended with its job */
    return false;
}

/* False if the system does not let go of it. */
static bool end_all(const struct running *running)
{
    if (running->job)
        TerminateJobObject(running->job, 1);
    TerminateProcess(running->process, 1);
    return WaitForSingleObject(running->process, KILL_MS) == WAIT_OBJECT_0;
}

int os_run(const struct os_process *process, struct os_process_end *end, struct ds_error *err)
{
    struct os_lines lines = { .process = process, .end = end };
    struct running running = { NULL, NULL, NULL };
    uint64_t begun = os_mono_ns();
    enum os_end how = OS_EXITED;
    DWORD code = 0;
    memset(end, 0, sizeof *end);
    int rc = start(&running, process, err);
    if (rc)
        return rc;
    bool more = false; /* where something was there may be more by now */
    while (WaitForSingleObject(running.process, more ? 0 : POLL_MS) == WAIT_TIMEOUT) {
        more = drain(&running, &lines);
        if (os_run_stops(process, begun, &how)) {
            end->unended = !end_all(&running);
            end->how = how;
            break;
        }
    }
    drain(&running, &lines);
    os_lines_end(&lines);
    GetExitCodeProcess(running.process, &code);
    end->code = (int)code;
    CloseHandle(running.output);
    CloseHandle(running.process);
    if (running.job) {
        job_goes_with_this(running.job, false); /* what it left running stays */
        CloseHandle(running.job);
    }
    return DS_OK;
}
