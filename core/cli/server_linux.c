/* SPDX-License-Identifier: Apache-2.0 */
/* server_linux.c - server.h by nbdkit. The listening socket is made here, private to the user and
 * with errors of our own, and handed over as systemd hands one over ("socket activation"): nbdkit
 * never listens anywhere else. The signals that end a command are blocked but while this waits, so
 * that none is missed between looking and waiting. */
#include "core/cli/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MODULE_NAME "nbdkit-disksync-plugin.so"
#define END_SECONDS 2 /* for nbdkit to end, which waits for its clients; then it is killed */
#define KILL_SECONDS 5 /* then it is left: it may wait for a store that does not answer */

enum { FD_LISTEN = 3, FD_READY = 4 }; /* of nbdkit; the first is how systemd has it */

/* ---- what it takes ---- */

/* <program folder>/nbdkit in the build tree, else the installed place. */
static int module_path(char *out, struct ds_error *err)
{
    char program[OS_PATH_MAX], folder[OS_PATH_MAX];
    int rc = os_program_folder(program, err);
    if (!rc)
        rc = os_join(folder, program, "nbdkit", err);
    if (!rc && os_kind(folder) != OS_DIRECTORY)
        rc = os_absolute(folder, program, DS_PLUGINDIR "/nbdkit", err);
    return rc ? rc : os_join(out, folder, MODULE_NAME, err);
}

/* The first one of PATH, by its absolute path: what was looked at is what is run. Elements that are
 * relative, or empty, depend on where the program was called and don't count. */
static int nbdkit_path(char out[OS_PATH_MAX], struct ds_error *err)
{
    const char *path = getenv("PATH");
    char why[300];
    for (size_t n; path && *path; path += n + (path[n] == ':')) {
        n = strcspn(path, ":");
        if (*path != '/' ||
            snprintf(out, OS_PATH_MAX, "%.*s/nbdkit", (int)n, path) >= OS_PATH_MAX ||
            os_kind(out) != OS_REGULAR || access(out, X_OK) != 0)
            continue;
        if (os_is_trusted_path(out, why, sizeof why))
            return DS_OK;
        return ds_fail(err, DS_EACCES, "%.120s is not safe to run: %s; let only root or the user "
                       "that runs disksync write it, or take its folder out of PATH", out, why);
    }
    return ds_fail(err, DS_ENOENT, "there is no program nbdkit: install the package nbdkit");
}

int server_check(struct ds_error *err)
{
    char module[OS_PATH_MAX], nbdkit[OS_PATH_MAX], why[200];
    int rc = module_path(module, err);
    if (rc)
        return rc;
    if (os_kind(module) != OS_REGULAR)
        return ds_fail(err, DS_ENOENT, "%s is missing: disksync was built without the headers of "
                       "nbdkit; install nbdkit-plugin-dev, configure and build it again", module);
    if (!os_is_trusted(module, why, sizeof why))
        return ds_fail(err, DS_EACCES, "%s is not safe to load: %s", module, why);
    return nbdkit_path(nbdkit, err);
}

/* ---- listening ---- */

static int bind_socket(int fd, const struct sockaddr_un *address, struct ds_error *err)
{
    mode_t mask = umask(0077); /* only the same user may connect */
    int failed = bind(fd, (const struct sockaddr *)address, sizeof *address) ? errno : 0;
    umask(mask);
    if (failed == EADDRINUSE)
        return ds_fail(err, DS_EBUSY, "another program listens at %s: end it, or name another "
                       "place with --socket", address->sun_path);
    return failed ? os_fail_code(err, failed, "listen at", address->sun_path) : DS_OK;
}

/* Removes the socket of a server that did not end in order. DS_EBUSY if one answers there. */
static int socket_clear(const struct sockaddr_un *address, struct ds_error *err)
{
    struct stat st;
    const char *path = address->sun_path;
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return ds_fail(err, DS_EEXIST, "%s is there and is not a socket", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) &&
                   errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    if (!refused)
        return DS_EBUSY;
    return unlink(path) && errno != ENOENT ? os_fail(err, "remove", path) : DS_OK;
}

static int listen_socket(struct server *server, int fd, const char *path, struct ds_error *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path)
        return ds_fail(err, DS_EINVAL, "%.200s is too long for a socket, which may have %zu "
                       "bytes: name a shorter one with --socket", path,
                       sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int rc = bind_socket(fd, &address, err);
    if (rc == DS_EBUSY) {
        rc = socket_clear(&address, err);
        if (!rc)
            rc = bind_socket(fd, &address, err);
    }
    if (!rc)
        text_copy(server->socket, sizeof server->socket, path);
    return rc;
}

static int listen_port(struct server *server, int fd, unsigned port, struct ds_error *err)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof address;
    char name[32];
    int on = 1;
    snprintf(name, sizeof name, "127.0.0.1 port %u", port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, len) ||
        getsockname(fd, (struct sockaddr *)&address, &len)) {
        if (errno == EADDRINUSE)
            return ds_fail(err, DS_EBUSY, "another program listens at %s: choose another --port, "
                           "or 0 for a free one", name);
        return os_fail(err, "listen at", name);
    }
    server->port = ntohs(address.sin_port);
    return DS_OK;
}

/* Characters that mean nothing in a URI stay as they are. */
static void uri_of(struct server *server)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789-._~/";
    if (!server->socket[0]) {
        snprintf(server->uri, sizeof server->uri, "nbd://127.0.0.1:%u/", server->port);
        return;
    }
    int n = snprintf(server->uri, sizeof server->uri, "nbd+unix:///?socket=");
    for (const char *p = server->socket; *p; p++)
        n += snprintf(server->uri + n, sizeof server->uri - (size_t)n,
                      strchr(plain, *p) ? "%c" : "%%%02X", (unsigned char)*p);
}

static int server_listen(struct server *server, const struct server_options *options, int *fd,
                         struct ds_error *err)
{
    *fd = socket(options->socket ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return os_fail(err, "make", "a socket");
    int rc = options->socket ? listen_socket(server, *fd, options->socket, err)
                             : listen_port(server, *fd, options->port, err);
    if (!rc && listen(*fd, SOMAXCONN))
        rc = os_fail(err, "listen at", options->socket ? options->socket : "127.0.0.1");
    if (!rc)
        uri_of(server);
    return rc;
}

/* ---- the child ---- */

#define WORDS_MAX 16
struct words { /* nbdkit's command line; freed by the end of the child, which becomes nbdkit */
    char *list[WORDS_MAX + 1];
    unsigned n;
};

DS_PRINTF(2, 3) static void word(struct words *words, const char *fmt, ...)
{
    char text[OS_PATH_MAX + 64];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (words->n < WORDS_MAX)
        words->list[words->n++] = strdup(text);
}

static void words_of(struct words *words, const char *module, const struct server_options *o)
{
    word(words, "nbdkit");
    word(words, "--exit-with-parent");
    word(words, "--readonly");
    word(words, "--tls=off");
    word(words, "%s", module);
    word(words, "policy=%s", o->policy);
    word(words, "plugins=%s", o->plugins);
    word(words, "node=%s", o->node);
    word(words, "point=%llu", (unsigned long long)o->point);
    word(words, "disk=%u", o->disk);
    word(words, "offset=%llu", (unsigned long long)o->offset);
    word(words, "length=%llu", (unsigned long long)o->length);
    word(words, "ready=%d", FD_READY);
}

/* Becomes nbdkit; ends with 127 if it can't. */
static void child_run(const struct server_options *options, const char *nbdkit, const char *module,
                      int listener, int ready, const sigset_t *signals)
{
    struct words words = { .n = 0 };
    char self[32];
    /* First out of the way of the numbers that they get. */
    listener = fcntl(listener, F_DUPFD_CLOEXEC, 10);
    ready = fcntl(ready, F_DUPFD_CLOEXEC, 10);
    snprintf(self, sizeof self, "%ld", (long)getpid());
    words_of(&words, module, options);
    if (dup2(listener, FD_LISTEN) < 0 || dup2(ready, FD_READY) < 0 ||
        setenv("LISTEN_PID", self, 1) || setenv("LISTEN_FDS", "1", 1))
        _exit(127);
    sigprocmask(SIG_SETMASK, signals, NULL);
    execv(nbdkit, words.list);
    _exit(127);
}

/* ---- waiting ---- */

/* The signals that os_on_interrupt watches. */
static void signals_block(sigset_t *before)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, before);
}

/* Until nbdkit says that it is ready, or ends, or an interrupt comes: 1, 0, -1. Signals come in
 * here alone. Without `interrupted` they do not; then it is -1 after END_SECONDS. */
static int pipe_wait(intptr_t fd, volatile int *interrupted, const sigset_t *signals)
{
    struct timespec limit = { END_SECONDS, 0 };
    struct pollfd poll = { .fd = (int)fd, .events = POLLIN };
    char byte;
    for (;;) {
        if (interrupted && *interrupted)
            return -1;
        int n = ppoll(&poll, 1, interrupted ? NULL : &limit, interrupted ? signals : NULL);
        if (n == 0)
            return -1;
        if (n < 0 && errno == EINTR)
            continue;
        return n > 0 && read((int)fd, &byte, 1) == 1;
    }
}

/* Waits for the end of a child for a while. */
static bool reap(pid_t pid, uint64_t seconds)
{
    uint64_t until = os_mono_ns() + seconds * UINT64_C(1000000000);
    pid_t got;
    while ((got = waitpid(pid, NULL, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
        if (os_mono_ns() >= until)
            return false;
        os_sleep_ns(UINT64_C(5000000));
    }
    return true;
}

/* Ends the child, if there is one, and removes what is left of it. A second interrupt does not get
 * in between, as `timeout` sends one. */
static void server_end(struct server *server)
{
    if (server->process > 0) {
        kill((pid_t)server->process, SIGTERM);
        if (pipe_wait(server->ready, NULL, NULL) < 0 ||
            !reap((pid_t)server->process, END_SECONDS)) {
            kill((pid_t)server->process, SIGKILL);
            if (!reap((pid_t)server->process, KILL_SECONDS))
                fprintf(stderr, "disksync: nbdkit (process %ld) can't be ended: it waits for the "
                                "system\n", (long)server->process);
        }
    }
    if (server->ready >= 0)
        close((int)server->ready);
    if (server->socket[0])
        unlink(server->socket);
    memset(server, 0, sizeof *server);
    server->ready = -1;
}

int server_start(struct server *server, const struct server_options *options,
                 volatile int *interrupted, struct ds_error *err)
{
    char module[OS_PATH_MAX], nbdkit[OS_PATH_MAX];
    int listener = -1, pipes[2] = { -1, -1 };
    sigset_t signals;
    memset(server, 0, sizeof *server);
    server->ready = -1;
    signals_block(&signals);
    int rc = module_path(module, err);
    if (!rc)
        rc = nbdkit_path(nbdkit, err);
    if (!rc)
        rc = server_listen(server, options, &listener, err);
    if (!rc && pipe2(pipes, O_CLOEXEC))
        rc = os_fail(err, "make", "a pipe");
    server->ready = pipes[0];
    if (!rc) {
        server->process = fork();
        if (server->process == 0)
            child_run(options, nbdkit, module, listener, pipes[1], &signals);
        if (server->process < 0)
            rc = os_fail(err, "start", "nbdkit");
    }
    if (listener >= 0)
        close(listener);
    if (pipes[1] >= 0)
        close(pipes[1]);
    int answer = rc ? 0 : pipe_wait(server->ready, interrupted, &signals);
    if (answer < 1)
        server_end(server);
    if (!rc && answer < 0)
        rc = ds_fail(err, DS_ECANCELLED, "interrupted");
    else if (!rc && answer == 0)
        rc = ds_fail(err, DS_EIO, "nbdkit did not start: its own message tells why");
    sigprocmask(SIG_SETMASK, &signals, NULL);
    return rc;
}

int server_wait(struct server *server, volatile int *interrupted, struct ds_error *err)
{
    sigset_t signals;
    signals_block(&signals);
    bool ended = pipe_wait(server->ready, interrupted, &signals) >= 0;
    server_end(server);
    /* Signals stay blocked: the command is at its end, and has ended well. */
    return ended ? ds_fail(err, DS_EIO, "nbdkit has ended by itself: its own message tells why")
                 : DS_OK;
}
