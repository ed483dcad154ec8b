#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# crashreplay must find what a crash can do to programs that forget a sync, and must not accuse
# those that forget none. Each way to replace a file is a mode of one small program; the checker
# demands an old or a new content, whole, and the new one once the program had ended.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
. "$top_srcdir/tests/tools/faultfs.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/crashreplay.XXXXXX")
trap 'rm -rf "$work"' EXIT
faultfs_find "$work"
cat >"$work/writer.c" <<'END'
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char data[3][10000];

static void check(int bad, const char *what)
{
    if (bad) {
        perror(what);
        _exit(9);
    }
}

static int put(const char *path, int flags, int which, int sync)
{
    int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);
    check(fd < 0, path);
    check(pwrite(fd, data[which], 5000, 0) != 5000, path);
    check(pwrite(fd, data[which] + 5000, 5000, 5000) != 5000, path);
    if (sync)
        check(fsync(fd) < 0, path);
    close(fd);
    return 0;
}

static void sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    check(fd < 0 || fsync(fd) < 0, path);
    close(fd);
}

int main(int argc, char **argv)
{
    const char *mode = argv[1];
    if (argc != 3 || chdir(argv[2]) < 0)
        return 2;
    memset(data[1], 'A', sizeof data[1]);
    memset(data[2], 'B', sizeof data[2]);
    if (!strcmp(mode, "in-place")) {
        put("file", 0, 2, 1);
    } else if (!strcmp(mode, "truncate")) {
        put("file", O_TRUNC, 2, 1);
    } else if (!strcmp(mode, "no-sync-of-file")) {
        put("file.new", O_TRUNC, 2, 0);
        check(rename("file.new", "file") < 0, "rename");
        sync_folder(".");
    } else if (!strcmp(mode, "no-sync-of-folder")) {
        put("file.new", O_TRUNC, 2, 1);
        check(rename("file.new", "file") < 0, "rename");
    } else if (!strcmp(mode, "sync-before-write")) {
        int fd = open("file.new", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        check(fd < 0 || fsync(fd) < 0, "sync");
        close(fd);
        put("file.new", 0, 2, 0);
        check(rename("file.new", "file") < 0, "rename");
        sync_folder(".");
    } else if (!strcmp(mode, "remove-first")) {
        put("file.new", O_TRUNC, 2, 1);
        check(unlink("file") < 0, "unlink");
        check(link("file.new", "file") < 0, "link");
        unlink("file.new");
        sync_folder(".");
    } else if (!strcmp(mode, "new-folder")) {
        check(mkdir("sub", 0700) < 0, "mkdir");
        put("sub/file", O_TRUNC, 2, 1);
        sync_folder("sub"); /* and not the folder that holds it */
        check(unlink("file") < 0, "unlink");
    } else if (!strcmp(mode, "late-name")) {
        check(mkdir("sub", 0700) < 0, "mkdir");
        sync_folder(".");
        check(rename("file", "sub/file") < 0, "rename");
        put("sub/file.new", O_TRUNC, 2, 1);
        check(rename("sub/file.new", "sub/file") < 0, "rename");
        sync_folder("."); /* the first rename is in it, the second in sub alone */
    } else if (!strcmp(mode, "right")) {
        put("file.new", O_TRUNC, 2, 1);
        check(rename("file.new", "file") < 0, "rename");
        sync_folder(".");
    } else if (!strcmp(mode, "right-new-folder")) {
        check(mkdir("sub", 0700) < 0, "mkdir");
        put("sub/file", O_TRUNC, 2, 1);
        sync_folder("sub");
        sync_folder(".");
        check(unlink("file") < 0, "unlink");
        sync_folder(".");
    } else if (!strcmp(mode, "right-other-folder")) {
        check(mkdir("temp", 0700) < 0, "mkdir");
        put("temp/x", O_TRUNC, 2, 1);
        check(rename("temp/x", "file") < 0, "rename");
        sync_folder(".");
    } else if (!strcmp(mode, "right-moved")) {
        check(mkdir("sub", 0700) < 0, "mkdir");
        sync_folder(".");
        check(rename("file", "sub/file") < 0, "rename");
        sync_folder("."); /* gone from here: then it is there, though sub was not synced */
    } else if (!strcmp(mode, "right-syncfs")) {
        int fd = open("file.new", O_WRONLY | O_CREAT | O_TRUNC, 0600);
        put("file.new", 0, 2, 0);
        check(syncfs(fd) < 0, "syncfs");
        check(rename("file.new", "file") < 0 || syncfs(fd) < 0, "rename");
        close(fd);
    } else if (!strcmp(mode, "right-unnamed")) {
        char link_path[64];
        int fd = open(".", O_TMPFILE | O_RDWR, 0600);
        check(fd < 0, "O_TMPFILE");
        check(write(fd, data[2], 10000) != 10000 || fsync(fd) < 0, "write");
        snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", fd);
        check(linkat(AT_FDCWD, link_path, AT_FDCWD, "file.new", AT_SYMLINK_FOLLOW) < 0, "linkat");
        check(rename("file.new", "file") < 0, "rename");
        sync_folder(".");
        close(fd);
    } else {
        return 2;
    }
    return 0;
}
END
${CC:-cc} -D_GNU_SOURCE -O1 -o "$work/writer" "$work/writer.c"
cat >"$work/checker" <<'END'
#!/bin/bash
sum() { sha256sum <"$1" | cut -d ' ' -f 1; }
file=$CRASH_STATE/file
[ -e "$CRASH_STATE/sub/file" ] && [ ! -e "$file" ] && file=$CRASH_STATE/sub/file
[ -e "$file" ] || { echo "there is no file"; exit 1; }
case $(sum "$file") in
"$OLD") [ "$CRASH_EXITS" = 0 ] || [ "$PROMISE" = old ] || { echo "old, after the end"; exit 1; } ;;
"$NEW") ;;
*) echo "neither old nor new: $(stat -c %s "$file") bytes"; exit 1 ;;
esac
END
chmod +x "$work/checker"
head -c 10000 /dev/zero | tr '\0' A >"$work/old"
head -c 10000 /dev/zero | tr '\0' B >"$work/new"
OLD=$(sha256sum <"$work/old" | cut -d ' ' -f 1)
NEW=$(sha256sum <"$work/new" | cut -d ' ' -f 1)
export OLD NEW
bad=0

replay() { # MODE [OPTION...]: prints what crashreplay says and returns its status
    local mode=$1 promise=new
    shift
    [ "$mode" != right-moved ] || promise=old
    rm -rf "$work/folder" "$work/copy" "$work/log"
    mkdir "$work/folder"
    cp "$work/old" "$work/folder/file"
    cp -a "$work/folder" "$work/copy"
    faultfs "$work/folder" FAULTFS_LOG="$work/log" "$work/writer" "$mode" "$work/folder" || return 9
    PROMISE=$promise "${PYTHON:-python3}" "$top_srcdir/tests/tools/crashreplay.py" \
        --log "$work/log" --initial "$work/copy" --actual "$work/folder" --target "$work/state" \
        "$@" -- "$work/checker"
}

for mode in right right-new-folder right-other-folder right-moved right-syncfs \
    right-unnamed; do
    status=0
    said=$(replay $mode) || status=$?
    echo "$mode: ${said##*$'\n'}"
    [ $status = 0 ] || { echo "FAIL: $mode is right and was accused"; echo "$said"; bad=1; }
done
for mode in in-place truncate no-sync-of-file no-sync-of-folder sync-before-write remove-first \
    new-folder late-name; do
    status=0
    said=$(replay $mode) || status=$?
    echo "$mode: ${said##*$'\n'}"
    [ $status = 1 ] || { echo "FAIL: the fault of $mode was not found (status $status)"; bad=1; }
done

# Each variant alone finds the fault that it is made for, and two jobs find what one does.
only() { # VARIANTS MODE [OPTION...]
    local variant=$1 mode=$2 status=0
    shift 2
    replay "$mode" --variants "$variant" "$@" >"$work/said" || status=$?
    [ $status = 1 ] || { echo "FAIL: $variant did not find $mode (status $status)"; bad=1; }
}
only lost no-sync-of-folder
only kept remove-first
only data in-place
only torn no-sync-of-file
only short no-sync-of-file
only random:4 in-place
only lost,kept no-sync-of-folder --jobs 2 --keep "$work/kept"
[ -n "$(ls -A "$work/kept")" ] || { echo "FAIL: no failed state was kept"; bad=1; }
rm -rf "$work/state".*

# A write that was not seen must not pass in silence.
replay right >/dev/null
echo x >>"$work/folder/file"
if "${PYTHON:-python3}" "$top_srcdir/tests/tools/crashreplay.py" --log "$work/log" --initial \
    "$work/copy" --actual "$work/folder" --target "$work/state" 2>"$work/said"; then
    echo "FAIL: an unseen write was not noticed"
    bad=1
fi
grep -q "don't agree" "$work/said" || { cat "$work/said"; bad=1; }
exit $bad
