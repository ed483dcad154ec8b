/* SPDX-License-Identifier: Apache-2.0 */
/* os_trust_linux.c - who may change a file on Linux, by owner and mode. Trusted are root and the
 * current user. Access lists show in the group's bits of the mode, so they count as well. */
#include "core/base/os.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as many as the system follows */

static bool has_trusted_owner(const struct stat *st, char *why, size_t cap)
{
    if (st->st_uid == 0 || st->st_uid == geteuid())
        return true;
    snprintf(why, cap, "its owner is user %u, not root or user %u", (unsigned)st->st_uid,
             (unsigned)geteuid());
    return false;
}

bool os_is_trusted(const char *path, char *why, size_t cap)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        snprintf(why, cap, "it can't be examined");
        return false;
    }
    if (!has_trusted_owner(&st, why, cap))
        return false;
    if (st.st_mode & 022) {
        snprintf(why, cap, "others may write it (mode %04o)", (unsigned)(st.st_mode & 07777));
        return false;
    }
    return true;
}

/* In a folder such as /tmp (sticky) everyone may make entries, and no one touches those of others;
 * each entry's owner is looked at by itself. */
static bool is_trusted_step(const char *path, struct stat *st, char *why, size_t cap)
{
    char own[120];
    bool trusted = lstat(path, st) == 0;
    snprintf(own, sizeof own, "it can't be examined");
    if (trusted)
        trusted = has_trusted_owner(st, own, sizeof own);
    if (trusted && st->st_mode & 022 && !S_ISLNK(st->st_mode) &&
        !(S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX)) {
        snprintf(own, sizeof own, "others may write it (mode %04o)",
                 (unsigned)(st->st_mode & 07777));
        trusted = false;
    }
    if (!trusted)
        snprintf(why, cap, "%.120s: %s", path, own);
    return trusted;
}

static bool is_trusted_way(const char *path, unsigned *links, char *why, size_t cap);

static bool is_trusted_link(const char *path, unsigned *links, char *why, size_t cap)
{
    struct ds_error ignored = DS_ERROR_INIT;
    char target[OS_PATH_MAX], folder[OS_PATH_MAX], whole[OS_PATH_MAX];
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = 0;
    os_dirname(folder, path);
    if (n > 0 && ++*links <= LINKS_MAX && !os_absolute(whole, folder, target, &ignored))
        return is_trusted_way(whole, links, why, cap);
    snprintf(why, cap, "%.120s: this link can't be followed", path);
    return false;
}

/* Every folder from the root on, then the file itself; a link with all that it goes through. */
static bool is_trusted_way(const char *path, unsigned *links, char *why, size_t cap)
{
    char step[OS_PATH_MAX];
    struct stat st;
    for (size_t n = 0;; n++) { /* both are as long as os_absolute makes them */
        if (path[n] && path[n] != '/')
            continue;
        size_t len = n ? n : 1; /* the root itself */
        memcpy(step, path, len);
        step[len] = 0;
        if (!is_trusted_step(step, &st, why, cap) ||
            (S_ISLNK(st.st_mode) && !is_trusted_link(step, links, why, cap)))
            return false;
        if (!path[n])
            return true;
    }
}

bool os_is_trusted_path(const char *path, char *why, size_t cap)
{
    struct ds_error ignored = DS_ERROR_INIT;
    char whole[OS_PATH_MAX];
    unsigned links = 0;
    if (!os_absolute(whole, NULL, path, &ignored))
        return is_trusted_way(whole, &links, why, cap);
    snprintf(why, cap, "its path is too long");
    return false;
}
