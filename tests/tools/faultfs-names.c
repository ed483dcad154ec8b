/* SPDX-License-Identifier: Apache-2.0 */
/* faultfs-names.c - the calls on names that faultfs (faultfs.c) stands in for. */
#include "faultfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rename_any(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    char full_from[PATH_MAX], full_to[PATH_MAX];
    bool leaves = watched(from_dir, from, full_from), comes = watched(to_dir, to, full_to);
    if (!leaves && !comes)
        return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    if (leaves != comes)
        give_up("a rename over the edge of what is watched", leaves ? full_from : full_to);
    if (!begin(NEED_SPACE | NEED_RIGHT))
        return -1;
    int result = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    if (result == 0)
        log_paths(OP_RENAME, 0, flags & RENAME_EXCHANGE ? 1 : 0, full_from, full_to);
    return (int)end(result);
}

API int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return rename_any(from_dir, from, to_dir, to, flags);
}

API int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return rename_any(from_dir, from, to_dir, to, 0);
}

API int rename(const char *from, const char *to)
{
    return rename_any(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* The watched file that linkat is given by descriptor: with AT_EMPTY_PATH or through /proc. */
static uint64_t linked_file(int dirfd, const char *from, int flags)
{
    static const char proc[] = "/proc/self/fd/";
    if (flags & AT_EMPTY_PATH && !*from)
        return file_of(dirfd);
    if (flags & AT_SYMLINK_FOLLOW && strncmp(from, proc, sizeof proc - 1) == 0)
        return file_of((int)strtol(from + sizeof proc - 1, NULL, 10));
    return 0;
}

API int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    char full_from[PATH_MAX], full_to[PATH_MAX];
    if (!watched(to_dir, to, full_to))
        return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    uint64_t file = linked_file(from_dir, from, flags);
    if (!file && !watched(from_dir, from, full_from))
        give_up("a link over the edge of what is watched", full_to);
    if (!begin(NEED_SPACE | NEED_RIGHT))
        return -1;
    int result = (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    if (result == 0)
        log_paths(OP_LINK, file, 0, file ? NULL : full_from, full_to);
    return (int)end(result);
}

API int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

API int unlinkat(int dirfd, const char *path, int flags)
{
    char full[PATH_MAX];
    if (!watched(dirfd, path, full))
        return (int)syscall(SYS_unlinkat, dirfd, path, flags);
    if (!begin(NEED_RIGHT))
        return -1;
    int result = (int)syscall(SYS_unlinkat, dirfd, path, flags);
    if (result == 0)
        log_paths(flags & AT_REMOVEDIR ? OP_RMDIR : OP_UNLINK, 0, 0, full, NULL);
    return (int)end(result);
}

API int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

API int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

API int remove(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path);
}

API int mkdirat(int dirfd, const char *path, mode_t mode)
{
    char full[PATH_MAX];
    struct stat st;
    /* Folders that are there already are no operation, however often a program makes sure. */
    if (!watched(dirfd, path, full) || lstat(full, &st) == 0)
        return (int)syscall(SYS_mkdirat, dirfd, path, mode);
    if (!begin(NEED_SPACE | NEED_RIGHT))
        return -1;
    int result = (int)syscall(SYS_mkdirat, dirfd, path, mode);
    if (result == 0)
        log_paths(OP_MKDIR, 0, 0, full, NULL);
    return (int)end(result);
}

API int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

API int symlinkat(const char *target, int dirfd, const char *path)
{
    char full[PATH_MAX];
    if (watched(dirfd, path, full))
        give_up("symbolic links are not modelled", full);
    return (int)syscall(SYS_symlinkat, target, dirfd, path);
}

API int symlink(const char *target, const char *path)
{
    return symlinkat(target, AT_FDCWD, path);
}
