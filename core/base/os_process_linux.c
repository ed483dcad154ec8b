/* SPDX-License-Identifier: Apache-2.0 */
/* os_process_linux.c - os_process.h on Linux: a child in a process group of its own, which waits
 * behind a gate until its mark is kept (so no posix_spawn). To end it the group gets SIGTERM, so
 * that a script can undo what it has begun, and SIGKILL after a grace. The program is reaped last:
 * until then its group's number belongs to no one else. A parent-death signal would not do for the
 * mark: it goes to the program alone, and not to what that has started. */
#include "core/base/os_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_NS (UINT64_C(3) * 1000000000)
#define KILL_NS (UINT64_C(5) * 1000000000) /* after SIGKILL; what waits for the system stays */
#define POLL_MS 20

extern char **environ;

bool os_is_program(const char *path, char *why, size_t cap)
{
    struct stat st;
    if (stat(path, &st) < 0)
        snprintf(why, cap, "it does not exist, or can't be looked at");
    else if (!S_ISREG(st.st_mode))
        snprintf(why, cap, "it is not a regular file");
    else if (access(path, X_OK) < 0)
        snprintf(why, cap, "it may not be executed (mode %04o)", (unsigned)(st.st_mode & 07777));
    else
        return true;
    return false;
}

bool os_is_command(const char *const *argv, char *why, size_t cap)
{
    return os_is_program(argv[0], why, cap);
}

/* ---- environment ---- */

static bool same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");
    return strncmp(a, b, n) == 0 && b[n] == '=';
}

static bool is_kept(const char *entry, const struct os_process *process)
{
    for (const char *const *by = process->env; by && *by; by++)
        if (same_name(*by, entry))
            return false;
    for (const char *const *name = process->without; name && *name; name++)
        if (same_name(*name, entry))
            return false;
    return true;
}

/* What the program gets; borrows every text. NULL without memory. */
static const char **environment(const struct os_process *process)
{
    size_t n = 0, extra = 0, k = 0;
    while (environ && environ[n])
        n++;
    while (process->env && process->env[extra])
        extra++;
    const char **env = calloc(n + extra + 1, sizeof *env);
    for (size_t i = 0; env && i < n; i++)
        if (is_kept(environ[i], process))
            env[k++] = environ[i];
    for (size_t i = 0; env && i < extra; i++)
        env[k++] = process->env[i];
    return env;
}

/* ---- marks ---- */

struct seen { /* of /proc/PID/stat */
    char state;
    long group;
    unsigned long long start; /* in ticks since the system started */
};

static bool look_at(const char *pid, struct seen *seen)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    const char *end = strrchr(text, ')'); /* of its name, which may hold anything */
    return end && sscanf(end + 1,
                         " %c %*d %ld %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                         "%*d %llu",
                         &seen->state, &seen->group, &seen->start) == 3;
}

/* True while a process of that group is there that is more than an entry for its parent. */
static bool group_lives(pid_t group)
{
    struct seen seen;
    bool lives = false;
    DIR *all = opendir("/proc");
    for (struct dirent *e; all && !lives && (e = readdir(all));)
        lives = e->d_name[0] >= '1' && e->d_name[0] <= '9' && look_at(e->d_name, &seen) &&
                seen.group == group && seen.state != 'Z' && seen.state != 'X';
    if (all)
        closedir(all);
    return lives;
}

/* "BOOT.PID.START": a number may be given again, also before the next start of the system. */
static bool mark_of(char mark[OS_MARK_MAX], pid_t pid)
{
    char boot[40] = "", text[24];
    struct seen seen;
    snprintf(text, sizeof text, "%ld", (long)pid);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, boot, sizeof boot - 1) : 0;
    if (fd >= 0)
        close(fd);
    boot[n > 0 ? strcspn(boot, "\n") : 0] = 0;
    if (!look_at(text, &seen) || seen.state == 'Z')
        return false;
    snprintf(mark, OS_MARK_MAX, "%s.%ld.%llu", boot, (long)pid, seen.start);
    return true;
}

bool os_end_marked(const char *mark)
{
    char now[OS_MARK_MAX];
    const char *dot = strchr(mark, '.');
    pid_t pid = dot ? (pid_t)strtol(dot + 1, NULL, 10) : 0;
    if (pid <= 1 || !mark_of(now, pid) || strcmp(now, mark) != 0)
        return false;
    kill(-pid, SIGTERM);
    for (uint64_t until = os_mono_ns() + GRACE_NS; group_lives(pid) && os_mono_ns() < until;)
        os_sleep_ns(POLL_MS * UINT64_C(1000000));
    if (!group_lives(pid))
        return true;
    kill(-pid, SIGKILL);
    for (uint64_t until = os_mono_ns() + KILL_NS; group_lives(pid) && os_mono_ns() < until;)
        os_sleep_ns(POLL_MS * UINT64_C(1000000));
    return true;
}

/* ---- start ---- */

/* Signals as a program expects them: none blocked, none ignored because this process ignores it.
 * In the child, before anything else: until then all are blocked. */
static void signals_reset(void)
{
    struct sigaction normal = { .sa_handler = SIG_DFL };
    sigset_t none;
    sigemptyset(&none);
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &normal, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The child: calls nothing but what is safe beside threads that are gone. It waits at the gate
 * until this process lets it go; if that ended instead, it does too. Tells its error and ends. */
static void become(const struct os_process *process, const char **env, int out, int gate, int told)
{
    char byte;
    ssize_t n;
    setpgid(0, 0);
    signals_reset();
    do
        n = read(gate, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n != 1)
        _exit(127);
    /* First out of the way of the numbers that they get. */
    out = fcntl(out, F_DUPFD_CLOEXEC, 10);
    told = fcntl(told, F_DUPFD_CLOEXEC, 10);
    int nothing = fcntl(open("/dev/null", O_RDONLY | O_CLOEXEC), F_DUPFD_CLOEXEC, 10);
    if (dup2(nothing, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2)
        /* its texts are not written to: the types are those of an older time */
        execve(process->argv[0], (char *const *)(uintptr_t)process->argv,
               (char *const *)(uintptr_t)env);
    int e = errno;
    n = write(told, &e, sizeof e);
    _exit(127);
}

struct start { /* pipes: [0] is read from, [1] is written to */
    int gate[2], told[2];
};

static int child_make(const struct os_process *process, const char **env, int out,
                      const struct start *start, pid_t *pid)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before); /* no handler of this process runs in the child */
    *pid = fork();
    if (*pid == 0) {
        close(start->gate[1]);
        become(process, env, out, start->gate[0], start->told[1]);
    }
    int e = *pid < 0 ? errno : 0;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (!e)
        setpgid(*pid, *pid); /* so that the group is there, whoever of the two is first */
    return e;
}

/* Opens the gate, unless it may not; the child's error, or 0 once it is the program. */
static int let_go(const struct os_process *process, struct start *start, pid_t pid, int *rc,
                  struct ds_error *err)
{
    char mark[OS_MARK_MAX];
    int e = 0;
    close(start->told[1]);
    start->told[1] = -1;
    if (process->mark && mark_of(mark, pid))
        *rc = process->mark(process->ud, mark, err);
    bool open = !*rc && write(start->gate[1], "", 1) == 1;
    close(start->gate[1]);
    start->gate[1] = -1;
    while (open && read(start->told[0], &e, sizeof e) < 0 && errno == EINTR)
        ;
    if (!open || e) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    return e;
}

static void close_pair(int fds[2])
{
    for (unsigned i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static int spawn(const struct os_process *process, int out, pid_t *pid, struct ds_error *err)
{
    struct start start = { { -1, -1 }, { -1, -1 } };
    const char **env = environment(process);
    int e = 0, rc = DS_OK;
    if (!env)
        return ds_fail(err, DS_ENOMEM, "no memory to start %.300s", process->argv[0]);
    if (pipe2(start.gate, O_CLOEXEC) < 0 || pipe2(start.told, O_CLOEXEC) < 0)
        e = errno;
    if (!e)
        e = child_make(process, env, out, &start, pid);
    if (!e)
        e = let_go(process, &start, *pid, &rc, err);
    close_pair(start.gate);
    close_pair(start.told);
    free(env);
    return e ? os_fail_code(err, e, "start", process->argv[0]) : rc;
}

/* ---- while it runs ---- */

/* Hands on what is there; false at the end of the output. */
static bool drain(int fd, struct os_lines *lines)
{
    char data[4096];
    for (unsigned i = 0; i < 64; i++) { /* then the time is looked at again */
        ssize_t n = read(fd, data, sizeof data);
        if (n > 0)
            os_lines_add(lines, data, (size_t)n);
        else if (n == 0)
            return false;
        else if (errno != EINTR)
            return errno == EAGAIN;
    }
    return true;
}

static bool has_ended(pid_t pid)
{
    siginfo_t info = { .si_pid = 0 };
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ? errno == ECHILD
                                                                             : info.si_pid == pid;
}

/* Waits for output and hands it on; true at its end, when *fd becomes -1. */
static bool listen_for(int *fd, struct os_lines *lines, int timeout_ms)
{
    struct pollfd wait = { *fd, POLLIN, 0 };
    if (poll(&wait, *fd >= 0, timeout_ms) <= 0 || drain(*fd, lines))
        return false;
    close(*fd);
    *fd = -1;
    return true;
}

/* Waits for output or the end, until it ends or has to; *fd becomes -1 at the end of the output. */
static bool watch(pid_t pid, int *fd, struct os_lines *lines, const struct os_process *process,
                  uint64_t begun_ns, enum os_end *how)
{
    for (unsigned quiet = 0;; quiet++) {
        if (has_ended(pid))
            return true;
        if (os_run_stops(process, begun_ns, how))
            return false;
        /* The end of the output is most often that of the program: look again soon. */
        if (listen_for(fd, lines, *fd >= 0 || quiet > 20 ? POLL_MS : 1))
            quiet = 0;
    }
}

/* Waits until all of the group has ended, for a while. False if it has not. */
static bool watch_group(pid_t pid, int *fd, struct os_lines *lines, uint64_t limit_ns)
{
    uint64_t until = os_mono_ns() + limit_ns;
    while (!has_ended(pid) || group_lives(pid)) {
        if (os_mono_ns() >= until)
            return false;
        listen_for(fd, lines, POLL_MS);
    }
    return true;
}

/* False if the program is still there: a writer to a frozen file system can't be ended, and whoever
 * waited for it would never thaw. */
static bool end_group(pid_t pid, int *fd, struct os_lines *lines)
{
    kill(-pid, SIGTERM);
    if (watch_group(pid, fd, lines, GRACE_NS))
        return true;
    kill(-pid, SIGKILL); /* also what outlived the program itself */
    watch_group(pid, fd, lines, KILL_NS);
    return has_ended(pid);
}

/* Does not wait: has_ended said that it has. */
static void reap(pid_t pid, struct os_process_end *end)
{
    int status = 0;
    pid_t got = waitpid(pid, &status, WNOHANG);
    if (end->how != OS_EXITED)
        return;
    if (got == pid && WIFSIGNALED(status)) {
        end->how = OS_SIGNALLED;
        end->code = WTERMSIG(status);
    } else {
        end->code = got == pid ? WEXITSTATUS(status) : -1;
    }
}

int os_run(const struct os_process *process, struct os_process_end *end, struct ds_error *err)
{
    struct os_lines lines = { .process = process, .end = end };
    uint64_t begun = os_mono_ns();
    int fds[2];
    pid_t pid = -1;
    memset(end, 0, sizeof *end);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return os_fail(err, "make a pipe for", process->argv[0]);
    int rc = spawn(process, fds[1], &pid, err);
    close(fds[1]);
    if (rc) {
        close(fds[0]);
        return rc;
    }
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    if (!watch(pid, &fds[0], &lines, process, begun, &end->how))
        end->unended = !end_group(pid, &fds[0], &lines);
    else
        end->how = OS_EXITED;
    if (fds[0] >= 0) { /* what was said last, and no more than that */
        drain(fds[0], &lines);
        close(fds[0]);
    }
    os_lines_end(&lines);
    if (!end->unended) /* else it is reaped by whoever takes over what this process leaves */
        reap(pid, end);
    return DS_OK;
}
