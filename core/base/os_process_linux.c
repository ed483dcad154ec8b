/* SPDX-License-Identifier: Apache-2.0 */
/* os_process_linux.c - os_process.h on Linux: posix_spawn into a process group of its own. To end
 * it the group gets SIGTERM, so that a script can undo what it has begun, and SIGKILL after a
 * grace. The program is reaped last: until then its group's number belongs to no one else. */
#include "core/base/os_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE_NS (UINT64_C(3) * 1000000000)
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

/* ---- environment ---- */

static bool same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");
    return strncmp(a, b, n) == 0 && b[n] == '=';
}

static bool is_replaced(const char *entry, const char *const *by)
{
    for (; by && *by; by++)
        if (same_name(*by, entry))
            return true;
    return false;
}

/* This process's environment with the additions; borrows every text. NULL without memory. */
static const char **environment(const char *const *more)
{
    size_t n = 0, extra = 0, k = 0;
    while (environ && environ[n])
        n++;
    while (more && more[extra])
        extra++;
    const char **env = calloc(n + extra + 1, sizeof *env);
    for (size_t i = 0; env && i < n; i++)
        if (!is_replaced(environ[i], more))
            env[k++] = environ[i];
    for (size_t i = 0; env && i < extra; i++)
        env[k++] = more[i];
    return env;
}

/* ---- start ---- */

/* Signals as a program expects them: none blocked, none ignored because this process ignores it. */
static int attributes(posix_spawnattr_t *attr)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int e = posix_spawnattr_setsigmask(attr, &none);
    if (!e)
        e = posix_spawnattr_setsigdefault(attr, &all);
    if (!e)
        e = posix_spawnattr_setpgroup(attr, 0);
    if (!e)
        e = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                               POSIX_SPAWN_SETPGROUP);
    return e;
}

static int spawn(const struct os_process *process, int out, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    const char **env = environment(process->env);
    if (!env)
        return ENOMEM;
    int e = posix_spawn_file_actions_init(&actions);
    if (!e) {
        e = posix_spawnattr_init(&attr);
        if (!e) {
            e = attributes(&attr);
            if (!e)
                e = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
            if (!e)
                e = posix_spawn_file_actions_adddup2(&actions, out, 1);
            if (!e)
                e = posix_spawn_file_actions_adddup2(&actions, out, 2);
            if (!e) /* its texts are not written to: the types are those of an older time */
                e = posix_spawn(pid, process->argv[0], &actions, &attr,
                                (char *const *)(uintptr_t)process->argv,
                                (char *const *)(uintptr_t)env);
            posix_spawnattr_destroy(&attr);
        }
        posix_spawn_file_actions_destroy(&actions);
    }
    free(env);
    return e;
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

/* Waits for output or the end, until it ends or has to; *fd becomes -1 at the end of the output. */
static bool watch(pid_t pid, int *fd, struct os_lines *lines, uint64_t until_ns,
                  const struct os_process *process, uint64_t begun_ns, enum os_end *how)
{
    for (unsigned quiet = 0;; quiet++) {
        struct pollfd wait = { *fd, POLLIN, 0 };
        if (has_ended(pid))
            return true;
        if (process ? os_run_stops(process, begun_ns, how) : os_mono_ns() >= until_ns)
            return false;
        /* The end of the output is most often that of the program: look again soon. */
        int timeout = *fd >= 0 || quiet > 20 ? POLL_MS : 1;
        if (poll(&wait, *fd >= 0, timeout) > 0 && !drain(*fd, lines)) {
            close(*fd);
            *fd = -1;
            quiet = 0;
        }
    }
}

static void end_group(pid_t pid, int *fd, struct os_lines *lines)
{
    kill(-pid, SIGTERM);
    watch(pid, fd, lines, os_mono_ns() + GRACE_NS, NULL, 0, NULL);
    kill(-pid, SIGKILL); /* also what outlived the program itself */
}

static void reap(pid_t pid, struct os_process_end *end)
{
    int status = 0;
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
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
    pid_t pid;
    memset(end, 0, sizeof *end);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return os_fail(err, "make a pipe for", process->argv[0]);
    int e = spawn(process, fds[1], &pid);
    close(fds[1]);
    if (e) {
        close(fds[0]);
        return os_fail_code(err, e, "start", process->argv[0]);
    }
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    if (!watch(pid, &fds[0], &lines, 0, process, begun, &end->how))
        end_group(pid, &fds[0], &lines);
    else
        end->how = OS_EXITED;
    if (fds[0] >= 0) { /* what was said last, and no more than that */
        drain(fds[0], &lines);
        close(fds[0]);
    }
    os_lines_end(&lines);
    reap(pid, end);
    return DS_OK;
}
