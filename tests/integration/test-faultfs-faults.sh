#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# faultfs must see every operation under its folders by whatever name the C library calls it, kill
# exactly where it is told, fail what is asked with no effect, and leave everything else alone.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
. "$top_srcdir/tests/tools/faultfs.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/faultfs.XXXXXX")
trap 'rm -rf "$work"' EXIT
faultfs_find "$work"
cat >"$work/ops.c" <<'END'
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define DO(call) do { if ((call) < 0) { printf("%s: %s\n", #call, strerror(errno)); failed++; } } while (0)

int main(int argc, char **argv)
{
    char text[] = "0123456789", name[] = "tmp-XXXXXX";
    struct iovec parts[2] = { { text, 4 }, { text + 4, 6 } };
    int failed = 0, flags = O_RDWR | O_CREAT, dir;
    volatile size_t n = 10; /* for the checked variants: not known to the compiler */
    volatile int cut = O_WRONLY | O_TRUNC;
    if (argc != 2 || chdir(argv[1]) < 0)
        return 2;
    if (argc > 5)
        flags |= O_APPEND;
    DO(mkdir("sub", 0700));                        /* 1 */
    dir = open("sub", O_RDONLY | O_DIRECTORY);
    int fd = openat(dir, "a", flags, 0600);        /* 2 */
    DO(fd);
    DO(write(fd, text, n));                        /* 3 */
    DO(pwrite(fd, text, n, 10));                   /* 4 */
    DO(writev(fd, parts, 2));                      /* 5: over the second ten */
    DO(pwritev(fd, parts, 2, 30));                 /* 6 */
    DO(ftruncate(fd, 35));                         /* 7 */
    DO(fsync(fd));                                 /* 8 */
    DO(fdatasync(fd));                             /* 9 */
    int copy = dup(fd);
    DO(pwrite(copy, "x", 1, 0));                   /* 10 */
    close(copy);
    close(fd);
    DO(linkat(dir, "a", AT_FDCWD, "b", 0));        /* 11 */
    DO(renameat(AT_FDCWD, "b", dir, "c"));         /* 12 */
    DO(unlink("sub/a"));                           /* 13 */
    int temp = mkstemp(name);                      /* 14 */
    DO(temp);
    DO(unlink(name));                              /* 15 */
    close(temp);
    fd = open("sub/c", cut);                       /* 16 */
    DO(fd);
    close(fd);
    fd = openat(dir, "c", cut);                    /* 17 */
    DO(fd);
    close(fd);
    DO(truncate("sub/c", 34));                     /* 18 */
    DO(fsync(dir));                                /* 19 */
    fd = open("sub/c", O_RDONLY);                  /* nothing of it counts: reading, elsewhere */
    char back[40];
    DO(read(fd, back, sizeof back) == 34 ? 0 : -1);
    close(fd);
    fd = open("../outside", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    DO(write(fd, text, n));
    DO(fsync(fd));
    close(fd);
    close(dir);
    return failed ? 1 : 0;
}
END
mkdir "$work/w"
bad=0
fail() { echo "FAIL: $*"; bad=1; }
fresh() { rm -rf "$work/w/folder" "$work/w/outside"; mkdir "$work/w/folder"; }
ops() { fresh; faultfs "$work/w/folder" "$@" "$work/ops" "$work/w/folder"; }

# The same calls under each set of names that a build may give them.
i=0
for flags in "-O0" "-O2 -D_FORTIFY_SOURCE=2 -U_FILE_OFFSET_BITS" "-O2 -D_FILE_OFFSET_BITS=64" \
    "-O2 -D_FILE_OFFSET_BITS=64 -D_FORTIFY_SOURCE=2"; do
    i=$((i + 1))
    # shellcheck disable=SC2086
    ${CC:-cc} -D_GNU_SOURCE -w $flags -o "$work/ops" "$work/ops.c"
    ops FAULTFS_COUNT="$work/count" FAULTFS_LOG="$work/log$i" || fail "ops, built with $flags"
    [ "$(cat "$work/count")" = 19 ] || fail "$(cat "$work/count") operations, built with $flags"
    [ "$(stat -c %s "$work/w/folder/sub/c")" = 34 ] || fail "a wrong result, built with $flags"
    mkdir -p "$work/empty"
    "${PYTHON:-python3}" "$top_srcdir/tests/tools/crashreplay.py" --log "$work/log$i" \
        --initial "$work/empty" --actual "$work/w/folder" --target "$work/state" ||
        fail "the log of a program built with $flags"
done
[ -s "$work/w/outside" ] || fail "a file outside was not written"

# Killed before the n-th, n - 1 operations have happened; killed after it, n.
size() { stat -c %s "$work/w/folder/sub/a" 2>/dev/null || echo none; }
for try in "AT 1 none" "AT 2 none" "AT 3 0" "AFTER 2 0" "AFTER 3 10" "AT 4 10" "AFTER 4 20" \
    "AFTER 6 40" "AFTER 7 35"; do
    read -r when n expected <<<"$try"
    status=0
    (ops "FAULTFS_KILL_$when=$n") 2>/dev/null || status=$?
    [ $status = 137 ] || fail "KILL_$when $n ended with $status"
    [ "$(size)" = "$expected" ] || fail "KILL_$when $n left $(size), not $expected"
done
ops FAULTFS_KILL_AT=20 || fail "killed at an operation that never came"

# Errors hit the operation asked for, or the first behind it that can meet them, without effect.
errors() { # FAULT CALLS-THAT-FAIL, those that miss the effect of another included
    ops FAULTFS_ERROR_AT="$1" >"$work/said" || true
    [ "$(wc -l <"$work/said")" = "$2" ] || { fail "$1 gave:"; cat "$work/said"; }
}
errors 4:ENOSPC 1
grep -q '^pwrite(fd, text, n, 10): No space' "$work/said" || fail "ENOSPC at a wrong call"
errors 8:EIO 1
grep -q '^fsync(fd): Input/output error' "$work/said" || fail "EIO at a wrong call"
errors 3:EACCES 6
grep -q '^linkat(.*Permission denied' "$work/said" || fail "EACCES at a wrong call"
errors 13:ENOSPC 2
grep -q '^temp: No space' "$work/said" || fail "ENOSPC of unlink must be the next call's"
errors 3:EIO:3 3
ops FAULTFS_ERROR_AT=3:ENOSPC:0 >"$work/said" || true
[ "$(size)" = none ] || fail "unlink must work on a full disk"
ops FAULTFS_ERROR_AT=1:EACCES FAULTFS_COUNT="$work/count" >"$work/said" 2>&1 || true
[ ! -e "$work/w/folder/sub" ] || fail "a refused mkdir made a folder"

# Short writes: a loop that minds the result writes everything, one that does not is found out.
cat >"$work/loop.c" <<'END'
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    static char data[20000];
    int fd = open(argv[1], O_WRONLY | O_CREAT, 0600);
    memset(data, 'x', sizeof data);
    for (size_t done = 0; fd >= 0 && done < sizeof data;) {
        ssize_t n = write(fd, data + done, sizeof data - done);
        if (n <= 0)
            return 1;
        done += argc > 2 ? sizeof data : (size_t)n;
    }
    return 0;
}
END
${CC:-cc} -O1 -w -o "$work/loop" "$work/loop.c"
short=0
for seed in 1 2 3 4 5 6 7 8; do
    fresh
    faultfs "$work/w" FAULTFS_SHORT_WRITES=$seed "$work/loop" "$work/w/folder/f"
    [ "$(stat -c %s "$work/w/folder/f")" = 20000 ] || fail "a careful loop lost bytes, seed $seed"
    faultfs "$work/w" FAULTFS_SHORT_WRITES=$seed "$work/loop" "$work/w/folder/g" careless
    [ "$(stat -c %s "$work/w/folder/g")" = 20000 ] || short=$((short + 1))
done
[ $short -ge 1 ] || fail "no write was short in 8 runs"

# What can't be seen ends the program instead of passing.
fresh
cat >"$work/unseen.c" <<'END'
#include <stdio.h>
int main(int argc, char **argv) { FILE *f = fopen(argv[argc - 1], "w"); return f ? 0 : 1; }
END
${CC:-cc} -w -o "$work/unseen" "$work/unseen.c"
(faultfs "$work/w" "$work/unseen" "$work/w/folder/f") >"$work/said" 2>&1 && fail "fopen went unseen"
grep -q "stdio" "$work/said" || fail "fopen was refused without a word"
exit $bad
