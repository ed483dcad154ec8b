#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh [DEVICE|IMAGE] - the main job in a few minutes, with real data; run by ./bootstrap demo.
# Without an argument it makes a disk with a GPT and an NTFS volume full of this machine's own files,
# copies it, changes it, copies it again, brings it back and compares file by file. A disk or image
# that is named is only read: copied, copied again, brought back into an image, compared.
#
# All is done in one temporary folder, removed at the end (DISKSYNC_DEMO_KEEP=1 keeps it).
# Loop devices and FUSE need root; where they are missing the files go in and out by ntfscp and
# ntfscat instead, which takes fewer files.
set -euo pipefail

disksync=${DISKSYNC:?is set by ./bootstrap demo}
given=${1:-}
MIB=1048576
DISK_MIB=1024 FILES_MIB=300
PART_OFFSET=$MIB
PART_BYTES=$(((DISK_MIB - 2) * MIB))

if [ -t 1 ]; then
    head=$'\033[1;34m' good=$'\033[1;32m' bad=$'\033[1;31m' off=$'\033[0m'
else
    head='' good='' bad='' off=''
fi
step=0
title() { step=$((step + 1)); printf '\n%s%d. %s%s\n' "$head" "$step" "$*" "$off"; }
say() { printf '   %s\n' "$*"; }
show() { printf '   $ disksync %s\n' "$*"; }
ok() { printf '   %s%s%s\n' "$good" "$*" "$off"; }
die() { printf '%sdemo: %s%s\n' "$bad" "$*" "$off" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/disksync-demo.XXXXXX")
policy=$work/policy.yaml repo=$work/repository restored=$work/restored.img
loops=() mounts=()

release() { # undoes mounts and loop devices, newest first
    local i
    for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do umount "${mounts[i]}" || true; done
    for ((i = ${#loops[@]} - 1; i >= 0; i--)); do losetup -d "${loops[i]}" || true; done
    mounts=() loops=()
}
cleanup() {
    release
    if [ -n "${DISKSYNC_DEMO_KEEP:-}" ]; then say "kept: $work"; else rm -rf "$work"; fi
}
trap cleanup EXIT
trap 'echo "demo: stopped at line $LINENO: $BASH_COMMAND" >&2' ERR

# ---- the disk ---------------------------------------------------------------------------------

can_mount() {
    [ "$(id -u)" = 0 ] && [ -e /dev/fuse ] && command -v ntfs-3g losetup >/dev/null || return 1
    local l
    truncate -s 1M "$work/probe"
    l=$(losetup -f --show "$work/probe" 2>/dev/null) || return 1
    losetup -d "$l"
}

loop_of() { # IMAGE [-r]: a loop device of its partition, in $loop
    loop=$(losetup -f --show ${2:+"$2"} -o "$PART_OFFSET" --sizelimit "$PART_BYTES" "$1")
    loops+=("$loop")
}

mount_of() { # IMAGE FOLDER [ro]
    mkdir -p "$2"
    loop_of "$1" ${3:+-r}
    ntfs-3g -o "${3:-big_writes}" "$loop" "$2"
    mounts+=("$2")
}

choose_files() { # BYTES: names of files of 16 KiB to 16 MiB, half from each folder
    local folder
    for folder in /usr/share /usr/lib; do
        find "$folder" -xdev -type f -size +15k -size -16M -printf '%s %P\n' 2>/dev/null | LC_ALL=C sort -k2 |
            awk -v left=$(($1 / 2)) -v folder="${folder#/}/" \
                '$1 <= left { left -= $1; sub(/^[0-9]+ /, ""); print folder $0 }'
    done
}

make_table() { # IMAGE
    truncate -s ${DISK_MIB}M "$1"
    sfdisk -q "$1" <<END
label: gpt
start=$((PART_OFFSET / 512)), size=$((PART_BYTES / 512)), type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7
END
}

make_disk() { # with mounts
    make_table "$disk"
    loop_of "$disk"
    mkntfs -F -Q -q -L demo -p 2048 -H 255 -S 63 "$loop" >"$work/mkntfs" 2>&1
    release
    mount_of "$disk" "$work/mnt"
    choose_files $((FILES_MIB * MIB)) >"$work/files"
    tar -C / -cf - --hard-dereference --ignore-failed-read -T "$work/files" 2>/dev/null |
        tar -xf - -C "$work/mnt" --no-same-owner
    say "$(find "$work/mnt" -type f | wc -l) files, $(du -sm "$work/mnt" | cut -f1) MiB"
    sync -f "$work/mnt"
    release
}

change_disk() {
    mount_of "$disk" "$work/mnt"
    python3 - "$work/mnt" <<'END'
import os, sys
top, files = sys.argv[1], []
for folder, dirs, names in os.walk(top):
    dirs.sort()
    files += [os.path.join(folder, n) for n in sorted(names)]
large = [f for f in files if os.path.getsize(f) >= 1 << 20][:40]
for i, name in enumerate(large):                    # 64 KiB in the middle of large files
    with open(name, 'r+b') as f:
        f.seek(os.path.getsize(name) // 2 // 65536 * 65536)
        f.write(os.urandom(65536))
gone = files[7::50]
for name in gone:
    os.remove(name)
with open(os.path.join(top, 'new file.bin'), 'wb') as f:
    f.write(os.urandom(6 << 20))
print('   %d files changed in place (64 KiB each), %d removed, 1 of 6 MiB added'
      % (len(large), len(gone)))
END
    sync -f "$work/mnt"
    release
}

compare_disk() {
    say 'the restored file system, checked and opened read-only beside the original:'
    loop_of "$restored" -r
    ntfsfix -n "$loop" >"$work/ntfsfix" 2>&1 || { cat "$work/ntfsfix"; die 'ntfsfix finds faults'; }
    mount_of "$disk" "$work/mnt" ro
    mount_of "$restored" "$work/back" ro
    diff -r "$work/mnt" "$work/back" || die 'the restored files differ'
    ok "$(find "$work/back" -type f | wc -l) files are the same, byte for byte"
    release
}

# The same three without mounts: the volume is a file beside the disk, written into it when done.
volume_in() { # writes the volume into the disk
    dd if="$work/volume" of="$disk" bs=1M seek=$((PART_OFFSET / MIB)) conv=notrunc status=none
}

make_disk_by_tools() {
    make_table "$disk"
    truncate -s "$PART_BYTES" "$work/volume"
    mkntfs -F -Q -q -L demo -p 2048 -H 255 -S 63 "$work/volume" >"$work/mkntfs" 2>&1
    mkdir "$work/files.d"
    choose_files $((FILES_MIB * MIB)) >"$work/files"
    (cd / && split -n r/24 "$work/files" "$work/list.")
    local list name
    for list in "$work"/list.*; do
        name=${list##*.}.tar
        tar -C / -cf "$work/files.d/$name" --ignore-failed-read -T "$list" 2>/dev/null || true
        ntfscp -q -f "$work/volume" "$work/files.d/$name" "$name"
    done
    say "24 archives of this machine's files, $(du -sm "$work/files.d" | cut -f1) MiB"
    volume_in
}

change_disk_by_tools() {
    local name
    for name in aa.tar ag.tar; do
        dd if=/dev/urandom of="$work/files.d/$name" bs=64k seek=5 count=16 conv=notrunc status=none
        ntfscp -q -f "$work/volume" "$work/files.d/$name" "$name"
    done
    head -c $((6 * MIB)) /dev/urandom >"$work/files.d/new.bin"
    ntfscp -q -f "$work/volume" "$work/files.d/new.bin" new.bin
    say '2 files changed in place (1 MiB each), 1 of 6 MiB added'
    volume_in
}

compare_disk_by_tools() {
    local f n=0
    dd if="$restored" of="$work/volume" bs=1M skip=$((PART_OFFSET / MIB)) \
        count=$((PART_BYTES / MIB)) conv=sparse status=none
    ntfsfix -n "$work/volume" >"$work/ntfsfix" 2>&1 ||
        { cat "$work/ntfsfix"; die 'ntfsfix finds faults'; }
    for f in "$work"/files.d/*; do
        ntfscat -f "$work/volume" "${f##*/}" | cmp - "$f" || die "${f##*/} differs"
        n=$((n + 1))
    done
    ok "the restored file system is sound, and its $n files are the same, byte for byte"
}

# ---- the steps --------------------------------------------------------------------------------

sync_disk() { # NAME: one point; shows what it took
    show "sync --policy policy.yaml --json"
    "$disksync" sync --policy "$policy" --json >"$work/$1.json" || die 'the sync failed'
    python3 - "$work/$1.json" <<'END'
import json, sys
r = json.load(open(sys.argv[1]))
def size(n):
    for unit in ('bytes', 'KiB', 'MiB', 'GiB', 'TiB'):
        if n < 1024 or unit == 'TiB':
            return '%d %s' % (n, unit) if unit == 'bytes' else '%.1f %s' % (n, unit)
        n /= 1024
rows = [('disk', 'disk_bytes'), ('in use', 'used_bytes'), ('changed', 'changed_bytes'),
        ('read', 'read_bytes'), ('sent', 'sent_bytes')]
if r['mode'] != 'incremental':  # no one counted the changes
    del rows[2]
print('   point %s, mode %s (%s)' % (r['point'], r['mode'], r.get('reason', '')))
for name, key in rows:
    if key in r:
        print('   %10s  %12s' % (name, size(r[key])))
print('   %10s  %12d' % ('objects', r['stored_objects']))
print('   in %.1f s, %.1f s of CPU, %s of memory at most'
      % (r['seconds'], r['cpu_seconds'], size(r['peak_rss_bytes'])))
END
}

# Every block that the restored image holds must be the disk's; what it does not hold is free space.
compare_blocks() { # SOURCE
    python3 - "$1" "$restored" <<'END'
import sys
BLOCK, WINDOW = 4096, 1 << 20
zero = bytes(WINDOW)
same = left = wrong = 0
with open(sys.argv[1], 'rb') as a, open(sys.argv[2], 'rb') as b:
    while True:
        x, y = a.read(WINDOW), b.read(WINDOW)
        if not x and not y:
            break
        if x == y:
            same += len(x)
            continue
        for i in range(0, max(len(x), len(y)), BLOCK):
            p, q = x[i:i + BLOCK], y[i:i + BLOCK]
            if p == q:
                same += len(p)
            elif q == zero[:len(q)] and len(q) == len(p):
                left += len(p)
            else:
                wrong += 1
print('   %d MiB equal; %d MiB of free space were not copied' % (same >> 20, left >> 20))
sys.exit(1 if wrong else 0)
END
}

if [ -n "$given" ]; then
    [ -e "$given" ] || die "there is no $given"
    disk=$(readlink -f "$given")
    can=given
else
    disk=$work/disk.img
    need=$((2 * FILES_MIB + 700))
    [ "$(df -Pm "$work" | awk 'NR == 2 {print $4}')" -gt $need ] ||
        die "needs $need MiB free in ${TMPDIR:-/tmp}; name a larger folder by TMPDIR"
    if can_mount; then can=mount; else can=tools; fi
fi

title 'A disk'
case $can in
given) say "$disk, only read" ;;
mount)
    say "$DISK_MIB MiB, GPT, one NTFS volume, filled from /usr/share and /usr/lib"
    make_disk
    ;;
tools)
    say 'no loop devices or FUSE here: the files go in and out by ntfscp and ntfscat'
    make_disk_by_tools
    ;;
esac

title 'A policy: what to copy, and where to'
show "init --policy policy.yaml --dir repository --include $(basename "$disk") --yes"
"$disksync" init --policy "$policy" --dir "$repo" --include "$disk" --yes >"$work/init" 2>&1 ||
    { cat "$work/init" >&2; die 'init failed'; }
sed 's/^/   | /' "$work/init"

title 'The first point: everything in use is read, compressed, sealed and stored'
sync_disk first
say "the repository takes $(du -sm "$repo" | cut -f1) MiB"

case $can in
given) title 'The second point, of the same disk' ;;
*) title 'Some work on the disk' ;;
esac
case $can in
mount) change_disk ;;
tools) change_disk_by_tools ;;
esac
[ $can = given ] || title 'The second point: only what differs is sent'
sync_disk second
say "the repository takes $(du -sm "$repo" | cut -f1) MiB"

title 'What is there'
show 'points --policy policy.yaml'
"$disksync" points --policy "$policy" | sed 's/^/   | /'
show 'verify --policy policy.yaml --all'
"$disksync" verify --policy "$policy" --all 2>&1 | sed 's/^/   | /'

title 'Back again: the latest point into a new image'
show 'restore --policy policy.yaml --point latest --disk 1 --to restored.img'
"$disksync" restore --policy "$policy" --point latest --disk 1 --to "$restored" 2>&1 |
    sed 's/^/   | /'

title 'Is it the same?'
if ! compare_blocks "$disk"; then
    if [ $can = given ] && [ -b "$disk" ]; then
        say 'some blocks differ: a disk in use goes on changing'
    else
        die 'the restored image is not the disk'
    fi
fi
case $can in
mount) compare_disk ;;
tools) compare_disk_by_tools ;;
esac
printf '\n%sDone.%s The disk went out and came back.\n' "$good" "$off"
