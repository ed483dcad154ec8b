/* SPDX-License-Identifier: Apache-2.0 */
/* test-os-process.c - running programs: the same promises on both systems. The program that is run
 * is this one, told by its first argument what to do. */
#include "core/base/os_process.h"

#include "tests/base/scratch.h"
#include "tests/unit.h"

#include <signal.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

/* ---- the program that is run ---- */

#ifdef _WIN32
#include <process.h>

/* Not by os_run, which would give it a group of its own. */
static void start_ticker(const char *self, const char *path)
{
    _spawnl(_P_NOWAIT, self, "child", "child", "tick", path, NULL);
}

static void start_tidy(const char *path)
{
    (void)path;
}

static volatile int deaf;
#else
#include <sys/syscall.h>
#include <unistd.h>

static void tick(const char *path);

static volatile int deaf; /* no signal arrives, as where the system does not let go of a process */

/* In place of the system's. */
int kill(pid_t pid, int number)
{
    return deaf ? 0 : (int)syscall(SYS_kill, pid, number);
}

static volatile sig_atomic_t told;

static void on_term(int number)
{
    told = number;
}

/* Takes a second to undo what it has begun, once it is told to end. */
static void start_tidy(const char *path)
{
    struct ds_error ignored = DS_ERROR_INIT;
    if (fork() != 0)
        return;
    signal(SIGTERM, on_term);
    for (unsigned i = 0; !told && i < 1000; i++)
        os_sleep_ns(SECOND / 50);
    os_sleep_ns(SECOND);
    os_write_file(path, "undone", 6, &ignored);
    _exit(0);
}

static void start_ticker(const char *self, const char *path)
{
    (void)self;
    if (fork() == 0) {
        tick(path);
        _exit(0);
    }
}
#endif

/* Makes the file longer for ten seconds. */
static void tick(const char *path)
{
    struct os_file file = OS_FILE_INIT;
    struct ds_error ignored = DS_ERROR_INIT;
    if (os_open(&file, path, OS_WRITE | OS_CREATE, &ignored))
        return;
    for (uint64_t i = 0; i < 500; i++) {
        os_pwrite(&file, "x", 1, i, path, &ignored);
        os_sleep_ns(SECOND / 50);
    }
    os_close(&file);
}

static int say_all(int argc, char **argv)
{
    for (int i = 3; i < argc; i++) {
        for (const char *c = argv[i]; *c; c++)
            printf("%02x", (unsigned char)*c);
        printf(".\n");
    }
    return 0;
}

static int flood(void)
{
    for (unsigned i = 0; i < 40000; i++)
        printf("line %05u of a long story\n", i);
    printf("the last words\n");
    return 0;
}

static int print_mark(void *ud, const char *text, struct ds_error *e)
{
    (void)ud, (void)e;
    printf("%s\n", text);
    fflush(stdout);
    return DS_OK;
}

static void die_now(void *ud, const char *text)
{
    (void)ud, (void)text;
    _Exit(9);
}

/* Runs another one, and is gone while that still runs. */
static int leave_another(char *self, char *path)
{
    const char *argv[] = { self, "child", "hang", path, NULL };
    struct os_process process = { .argv = argv, .mark = print_mark, .line = die_now };
    struct os_process_end end;
    struct ds_error ignored = DS_ERROR_INIT;
    return os_run(&process, &end, &ignored) ? 8 : 7;
}

static int child(int argc, char **argv)
{
    const char *what = argv[2], *more = argc > 3 ? argv[3] : "";
    char text[64] = "";
    if (strcmp(what, "another") == 0)
        return leave_another(argv[0], argv[3]);
    if (strcmp(what, "exit") == 0)
        return atoi(more);
    if (strcmp(what, "arguments") == 0)
        return say_all(argc, argv);
    if (strcmp(what, "flood") == 0)
        return flood();
    if (strcmp(what, "both") == 0) {
        fprintf(stderr, "  to the error stream\r\n\n");
        fflush(stderr);
        printf("bytes \xff\xc3\xa4\x1b no line break");
        return 3;
    }
    if (strcmp(what, "wide") == 0) {
        for (unsigned i = 0; i < 3000; i++)
            putchar('w');
        printf("\nnext\n");
    }
    if (strcmp(what, "env") == 0)
        printf("%s\n", os_env(text, sizeof text, more) ? text : "is not set");
    if (strcmp(what, "read") == 0)
        printf("%s\n", getchar() == EOF ? "nothing to read" : "something to read");
    if (strcmp(what, "die") == 0)
        raise(SIGTERM);
    if (strcmp(what, "tick") == 0)
        tick(more);
    if (strcmp(what, "tidy") == 0) {
        start_tidy(more);
        os_sleep_ns(20 * SECOND);
    }
    if (strcmp(what, "hang") == 0 || strcmp(what, "leave") == 0) {
        signal(SIGTERM, SIG_IGN);
        start_ticker(argv[0], more);
        printf("started\n");
        fflush(stdout);
        for (unsigned i = 0; *what == 'h' && i < 1000; i++)
            os_sleep_ns(SECOND / 50);
    }
    return 0;
}

/* ---- running it ---- */

static struct ds_error err = DS_ERROR_INIT;

struct heard {
    char text[70000];
    size_t len, lines;
};

static void hear(void *ud, const char *text)
{
    struct heard *heard = ud;
    heard->len += (size_t)snprintf(heard->text + heard->len, sizeof heard->text - heard->len,
                                   "%s\n", text);
    heard->lines++;
    ck_assert(heard->len < sizeof heard->text);
}

static const char *self(void)
{
    static char path[OS_PATH_MAX];
    char folder[OS_PATH_MAX];
    ck_assert_ok(os_program_folder(folder, &err), &err);
    ck_assert_ok(os_join(path, folder, strcmp(os_name(), "windows") == 0 ? "test-os-process.exe"
                                                                         : "test-os-process",
                         &err), &err);
    return path;
}

static struct os_process_end run_with(struct os_process process, struct heard *heard,
                                      const char *what, const char *more)
{
    const char *argv[] = { self(), "child", what, more, NULL };
    struct os_process_end end;
    if (!process.argv)
        process.argv = argv;
    if (!process.limit_ns)
        process.limit_ns = 60 * SECOND;
    process.line = heard ? hear : NULL;
    process.ud = heard;
    if (heard)
        memset(heard, 0, sizeof *heard);
    ck_assert_ok(os_run(&process, &end, &err), &err);
    return end;
}

static struct os_process_end run(struct heard *heard, const char *what, const char *more)
{
    return run_with((struct os_process){ .argv = NULL }, heard, what, more);
}

static uint64_t size_of(const char *path)
{
    struct os_file file = OS_FILE_INIT;
    uint64_t bytes = 0;
    if (os_open(&file, path, OS_READ, &err) == DS_OK) {
        ck_assert_ok(os_file_size(&file, &bytes, path, &err), &err);
        os_close(&file);
    }
    return bytes;
}

static struct heard heard;

START_TEST(exit_status_is_told)
{
    char text[128];
    static const struct os_process process = { .limit_ns = 125 * SECOND };
    struct os_process_end end = run(NULL, "exit", "0");
    ck_assert(end.how == OS_EXITED && end.code == 0);
    end = run(NULL, "exit", "7");
    ck_assert(end.how == OS_EXITED && end.code == 7);
    ck_assert_str_eq(os_run_text(text, sizeof text, &process, &end), "ended with exit status 7");
    end.how = OS_TIMED_OUT;
    ck_assert_str_eq(os_run_text(text, sizeof text, &process, &end),
                     "did not end within 2m 05s and was killed");
}
END_TEST

START_TEST(death_by_a_signal_is_told)
{
    struct os_process_end end = run(NULL, "die", "");
    if (strcmp(os_name(), "windows") == 0)
        ck_assert(end.how == OS_EXITED && end.code != 0);
    else
        ck_assert(end.how == OS_SIGNALLED && end.code == SIGTERM);
}
END_TEST

START_TEST(output_comes_line_by_line_as_text)
{
    struct os_process_end end = run(&heard, "both", "");
    ck_assert_int_eq(end.code, 3);
    ck_assert_str_eq(heard.text, "  to the error stream\nbytes ?\xc3\xa4  no line break\n");
    ck_assert_str_eq(end.last, "bytes ?\xc3\xa4  no line break");
    end = run(&heard, "wide", "");
    ck_assert_uint_eq(heard.lines, 2);
    ck_assert_uint_eq(heard.len, OS_LINE_MAX - 1 + 1 + 5);
    ck_assert_str_eq(end.last, "next");
}
END_TEST

START_TEST(output_is_bounded_and_its_last_line_known)
{
    struct os_process_end end = run(&heard, "flood", "");
    ck_assert(end.dropped && end.code == 0);
    ck_assert(heard.len - heard.lines <= OS_OUTPUT_MAX && heard.len > OS_OUTPUT_MAX / 2);
    ck_assert_str_eq(end.last, "the last words");
    end = run(NULL, "flood", "");
    ck_assert(!end.dropped);
    ck_assert_str_eq(end.last, "the last words");
}
END_TEST

START_TEST(arguments_arrive_as_they_are)
{
    static const char *const words[] = {
        "plain", "", " ", "two words", "a\tb", "\"", "\"quoted\"", "a\"b c\"d", "\\", "\\\\",
        "\\\\\\", "\\\"", "\\\\\"", "ends in \\", "ends in \\\\", "C:\\a b\\", "C:\\ab\\c",
        "a\\\\b", "a\\\"b", "\\\\server\\share\\", "%PATH%", "$HOME", "`id`", "*", "?", "^&|<>;",
        "'", "--option=value", "gr\xc3\xbc\xc3\x9f", "\xe2\x82\xac \xf0\x9f\x92\xbe", "a\nb",
    };
    enum { N = sizeof words / sizeof words[0] };
    const char *argv[N + 4] = { self(), "child", "arguments" };
    char want[8192];
    size_t len = 0;
    for (size_t i = 0; i < N; i++) {
        argv[i + 3] = words[i];
        for (const char *c = words[i]; *c; c++)
            len += (size_t)snprintf(want + len, sizeof want - len, "%02x", (unsigned char)*c);
        len += (size_t)snprintf(want + len, sizeof want - len, ".\n");
    }
    struct os_process_end end = run_with((struct os_process){ .argv = argv }, &heard, NULL, NULL);
    ck_assert_int_eq(end.code, 0);
    ck_assert_str_eq(heard.text, want);
}
END_TEST

START_TEST(shell_gets_its_words_by_its_own_rules)
{
    struct scratch s;
    char folder[OS_PATH_MAX], shell[OS_PATH_MAX], path[OS_PATH_MAX], why[200];
    static const char script[] = "@echo off\r\n\"%~1\" child arguments %2 %3 %4 \"%~5\"\r\n"
                                 "exit /b 5\r\n";
    if (strcmp(os_name(), "windows") != 0)
        return;
    scratch_make(&s);
    ck_assert(os_env(folder, sizeof folder, "SystemRoot"));
    ck_assert_ok(os_join(shell, folder, "system32\\cmd.exe", &err), &err);
    ck_assert_ok(os_write_file(scratch_file(&s, path, "a (thaw) & go.cmd"), script,
                               sizeof script - 1, &err), &err);
    const char *argv[] = { shell, "/c", path, self(), "a b", "c&d^e", "plain", "(x86)", NULL };
    ck_assert_msg(os_is_command(argv, why, sizeof why), "%s", why);
    struct os_process_end end = run_with((struct os_process){ .argv = argv }, &heard, NULL, NULL);
    ck_assert_str_eq(heard.text, "612062.\n6326645e65.\n706c61696e.\n2878383629.\n");
    ck_assert_int_eq(end.code, 5);
    for (unsigned i = 0; i < 2; i++) {
        argv[4] = i ? "%PATH%" : "a\"b";
        ck_assert(!os_is_command(argv, why, sizeof why));
        struct os_process process = { .argv = argv };
        ck_assert_int_eq(os_run(&process, &end, &err), DS_EINVAL);
    }
    ck_assert_ptr_nonnull(strstr(why, "powershell.exe -File"));
    scratch_free(&s);
}
END_TEST

START_TEST(environment_is_inherited_and_added_to)
{
    static const char *const env[] = { "DISKSYNC_A=one", "DISKSYNC_B=\xc3\xa4 = two",
                                       "PATHEXTRA=three", NULL };
    static const char *const other[] = { "PATH=replaced", NULL };
    static const char *const without[] = { "PATH", "DISKSYNC_A", "no such", NULL };
    struct os_process process = { .env = env };
    run_with(process, &heard, "env", "DISKSYNC_A");
    ck_assert_str_eq(heard.text, "one\n");
    run_with(process, &heard, "env", "DISKSYNC_B");
    ck_assert_str_eq(heard.text, "\xc3\xa4 = two\n");
    run_with(process, &heard, "env", "PATHEXTRA");
    ck_assert_str_eq(heard.text, "three\n");
    run(&heard, "env", "DISKSYNC_A");
    ck_assert_str_eq(heard.text, "is not set\n");
    process.env = other;
    run_with(process, &heard, "env", "PATH");
    ck_assert_str_eq(heard.text, "replaced\n");
    process.env = env;
    process.without = without;
    run_with(process, &heard, "env", "DISKSYNC_A");
    ck_assert_str_eq(heard.text, "one\n");
    run_with(process, &heard, "env", "PATH");
    ck_assert_str_eq(heard.text, "is not set\n");
    char here[64];
    const char *name = strcmp(os_name(), "windows") == 0 ? "SystemRoot" : "LC_ALL";
    if (os_env(here, sizeof here - 1, name)) {
        run_with((struct os_process){ .env = env }, &heard, "env", name);
        ck_assert(strncmp(heard.text, here, strlen(here)) == 0);
    }
}
END_TEST

START_TEST(there_is_nothing_to_read)
{
    run(&heard, "read", "");
    ck_assert_str_eq(heard.text, "nothing to read\n");
}
END_TEST

START_TEST(time_limit_ends_it_with_all_it_started)
{
    struct scratch s;
    char path[OS_PATH_MAX];
    uint64_t begun = os_mono_ns();
    scratch_make(&s);
    scratch_file(&s, path, "ticks");
    struct os_process process = { .limit_ns = SECOND };
    struct os_process_end end = run_with(process, &heard, "hang", path);
    uint64_t took = os_mono_ns() - begun;
    ck_assert_int_eq(end.how, OS_TIMED_OUT);
    ck_assert_str_eq(end.last, "started");
    ck_assert(took >= SECOND && took < 9 * SECOND);
    os_sleep_ns(SECOND / 5);
    uint64_t size = size_of(path);
    ck_assert(size > 0);
    os_sleep_ns(SECOND / 2);
    ck_assert_uint_eq(size_of(path), size);
    scratch_free(&s);
}
END_TEST

START_TEST(interrupt_ends_it)
{
    struct scratch s;
    char path[OS_PATH_MAX];
    volatile int interrupted = 1;
    scratch_make(&s);
    struct os_process process = { .interrupted = &interrupted };
    struct os_process_end end = run_with(process, NULL, "hang", scratch_file(&s, path, "ticks"));
    ck_assert_int_eq(end.how, OS_INTERRUPTED);
    os_sleep_ns(SECOND / 5);
    scratch_free(&s);
}
END_TEST

START_TEST(what_it_started_has_the_grace_too)
{
    struct scratch s;
    char path[OS_PATH_MAX];
    if (strcmp(os_name(), "windows") == 0)
        return;
    scratch_make(&s);
    struct os_process process = { .limit_ns = SECOND };
    uint64_t begun = os_mono_ns();
    struct os_process_end end = run_with(process, NULL, "tidy", scratch_file(&s, path, "undone"));
    ck_assert_int_eq(end.how, OS_TIMED_OUT);
    ck_assert_uint_eq(size_of(path), 6);
    ck_assert(!end.unended && os_mono_ns() - begun < 4 * SECOND); /* and not all of it */
    scratch_free(&s);
}
END_TEST

START_TEST(what_cannot_be_ended_is_left)
{
    struct scratch s;
    char path[OS_PATH_MAX], text[128];
    if (strcmp(os_name(), "windows") == 0)
        return;
    scratch_make(&s);
    struct os_process process = { .limit_ns = SECOND };
    uint64_t begun = os_mono_ns();
    deaf = 1;
    struct os_process_end end = run_with(process, NULL, "hang", scratch_file(&s, path, "ticks"));
    deaf = 0;
    ck_assert(os_mono_ns() - begun < 15 * SECOND);
    ck_assert(end.how == OS_TIMED_OUT && end.unended);
    ck_assert_str_eq(os_run_text(text, sizeof text, &process, &end),
                     "did not end within 1.00s and could not be ended: it waits for the system");
    for (unsigned i = 0; i < 150 && size_of(path) < 500; i++)
        os_sleep_ns(SECOND / 10); /* it holds its file */
    os_sleep_ns(SECOND / 5);
    scratch_free(&s);
}
END_TEST

static char mark[OS_MARK_MAX];

static int keep_mark(void *ud, const char *text, struct ds_error *e)
{
    (void)ud;
    if (deaf)
        return ds_fail(e, DS_EIO, "no room for a mark");
    ck_assert(text_copy(mark, sizeof mark, text));
    return DS_OK;
}

static void end_it(void *ud, const char *text)
{
    (void)text;
    *(bool *)ud = os_end_marked(mark);
}

START_TEST(mark_ends_it_while_it_runs)
{
    struct scratch s;
    struct os_process_end end;
    char path[OS_PATH_MAX];
    bool ended = false;
    if (strcmp(os_name(), "windows") == 0)
        return;
    scratch_make(&s);
    const char *argv[] = { self(), "child", "hang", scratch_file(&s, path, "ticks"), NULL };
    struct os_process process = { .argv = argv, .limit_ns = 60 * SECOND, .mark = keep_mark,
                                  .line = end_it, .ud = &ended };
    ck_assert_ok(os_run(&process, &end, &err), &err);
    ck_assert(ended && end.how == OS_SIGNALLED && end.code == 9);
    uint64_t size = size_of(path);
    os_sleep_ns(SECOND / 2);
    ck_assert_uint_eq(size_of(path), size);
    ck_assert(!os_end_marked(mark) && !os_end_marked("") && !os_end_marked("a.1.2"));
    os_remove(path, &err);
    deaf = 1; /* a mark that can't be kept: it is not run */
    int rc = os_run(&process, &end, &err);
    deaf = 0;
    ck_assert_int_eq(rc, DS_EIO);
    ck_assert_int_eq(os_kind(path), OS_ABSENT);
    scratch_free(&s);
}
END_TEST

START_TEST(program_whose_runner_was_killed_is_ended)
{
    struct scratch s;
    char path[OS_PATH_MAX];
    scratch_make(&s);
    struct os_process_end end = run(&heard, "another", scratch_file(&s, path, "ticks"));
    ck_assert_int_eq(end.code, 9);
    if (strcmp(os_name(), "windows") != 0) {
        for (unsigned i = 0; i < 100 && size_of(path) == 0; i++)
            os_sleep_ns(SECOND / 20);
        ck_assert_msg(os_end_marked(end.last), "%s", end.last);
    }
    os_sleep_ns(SECOND / 2);
    uint64_t size = size_of(path);
    os_sleep_ns(SECOND / 2);
    ck_assert_uint_eq(size_of(path), size);
    ck_assert(!os_end_marked(end.last));
    scratch_free(&s);
}
END_TEST

START_TEST(what_is_left_running_is_not_waited_for)
{
    struct scratch s;
    char path[OS_PATH_MAX];
    uint64_t begun = os_mono_ns();
    scratch_make(&s);
    scratch_file(&s, path, "ticks");
    struct os_process_end end = run(&heard, "leave", path);
    ck_assert(end.how == OS_EXITED && end.code == 0);
    ck_assert(os_mono_ns() - begun < 8 * SECOND);
    os_sleep_ns(SECOND / 5);
    uint64_t size = size_of(path);
    os_sleep_ns(SECOND / 2);
    ck_assert(size_of(path) > size);
    for (unsigned i = 0; i < 150 && size_of(path) < 500; i++)
        os_sleep_ns(SECOND / 10); /* it holds its file */
    os_sleep_ns(SECOND / 5);
    scratch_free(&s);
}
END_TEST

START_TEST(what_is_no_program_is_not_started)
{
    struct scratch s;
    char path[OS_PATH_MAX], why[200];
    struct os_process_end end;
    scratch_make(&s);
    const char *argv[] = { scratch_file(&s, path, "no such.exe"), NULL };
    struct os_process process = { .argv = argv };
    ck_assert_int_eq(os_run(&process, &end, &err), DS_ENOENT);
    ck_assert_ptr_nonnull(strstr(err.msg, "no such.exe"));
    ck_assert(!os_is_program(path, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "not exist"));
    ck_assert(!os_is_program(s.path, why, sizeof why));
    /* A text with no word of who reads it, or a batch file: no shell is asked. */
    scratch_file(&s, path, "script.bat");
    ck_assert_ok(os_write_file(path, "echo hello\n", 11, &err), &err);
    ck_assert(!os_is_program(path, why, sizeof why));
    if (strcmp(os_name(), "windows") != 0)
        ck_assert_int_ne(os_run(&process, &end, &err), DS_OK);
    ck_assert(os_is_program(self(), why, sizeof why));
    scratch_free(&s);
}
END_TEST

UNIT_SUITE(unit_run, "os process", exit_status_is_told, death_by_a_signal_is_told,
           output_comes_line_by_line_as_text, output_is_bounded_and_its_last_line_known,
           arguments_arrive_as_they_are, shell_gets_its_words_by_its_own_rules,
           environment_is_inherited_and_added_to,
           there_is_nothing_to_read, time_limit_ends_it_with_all_it_started, interrupt_ends_it,
           what_it_started_has_the_grace_too, what_cannot_be_ended_is_left,
           mark_ends_it_while_it_runs, program_whose_runner_was_killed_is_ended,
           what_is_left_running_is_not_waited_for, what_is_no_program_is_not_started)

int main(int argc, char **argv)
{
    os_start(&argc, &argv);
    if (argc > 2 && strcmp(argv[1], "child") == 0)
        return child(argc, argv);
    return unit_run();
}
