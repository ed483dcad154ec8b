#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is mounted is found through every way there is to it: the image, a loop device on it, a loop
# device on a part of it, a partition that the kernel was told of, and swap. Each ends when its
# reason ends.
set -eu
[ "$(id -u)" = 0 ] || { echo 'skipped: only root can mount'; exit 77; }
for tool in sfdisk losetup mke2fs mkswap addpart "${PYTHON:=python3}"; do
    command -v "$tool" >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/disks-in-use.XXXXXX")
loops=()
swap=
cleanup() {
    ! mountpoint -q "$work/mnt dir" || umount "$work/mnt dir"
    [ -z "$swap" ] || swapoff "$swap" 2>/dev/null || true
    for l in "${loops[@]}"; do losetup -d "$l" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
image=$work/disk.img
part=$((1024 * 1024))
mkdir "$work/mnt dir"
truncate -s 32M "$image"
echo 'start=1M, type=L' | sfdisk -q --label gpt "$image"
mke2fs -q -F -t ext2 -E offset=$part "$image" 30M

# Prints: free? | in use? | mount points | why not
state() {
    "$DISKSYNC" disks --json "$1" | "$PYTHON" -c 'import json, sys
r = json.load(sys.stdin)
d = r["disk"]
print(r["free"], d["in_use"], ",".join(p["mount"] for p in d["partitions"]), r["why_not_free"],
      sep="|")'
}
expect() { # PATH PATTERN
    local got
    got=$(state "$1")
    case $got in
    $2) ;;
    *) fail "$what: $1 is '$got', not '$2'" ;;
    esac
}
attach() { # ARGUMENT...
    loop=$(losetup -f --show "$@") || { echo 'skipped: no loop device to be had'; exit 77; }
    loops+=("$loop")
}
mount_or_skip() {
    mount "$1" "$work/mnt dir" || { echo "skipped: $1 can't be mounted here"; exit 77; }
}

what='an image that nobody uses'
expect "$image" 'True|False||'

what='attached'
attach "$image"
whole=$loop
expect "$image" "False|True||*attached to $whole*"
expect "$whole" 'True|False||'

what='attached read-only'
losetup -d "$whole"
attach -r "$image"
expect "$image" "False|False||*attached to $loop*"
losetup -d "$loop"

what='a part of the image, mounted'
attach "$image"
whole=$loop
attach -o $part "$image"
inner=$loop
mount_or_skip "$inner"
expect "$inner" "False|True|$work/mnt dir|*mounted at $work/mnt dir*"
expect "$image" "False|True|$work/mnt dir|*mounted at $work/mnt dir*"
expect "$whole" "False|True|$work/mnt dir|*mounted at $work/mnt dir*"
what='another name of the image'
ln "$image" "$work/link.img"
expect "$work/link.img" "False|True|$work/mnt dir|*mounted at*"
what='a part of the image beside the one that is mounted'
attach --sizelimit $part "$image"
expect "$loop" 'True|False||'
losetup -d "$loop"

what='after umount'
umount "$work/mnt dir"
losetup -d "$inner"
expect "$whole" 'True|False||'

what='a partition, mounted'
if addpart "$whole" 1 2048 61440 2>/dev/null && [ -b "${whole}p1" ]; then
    mount_or_skip "${whole}p1"
    expect "$whole" "False|True|$work/mnt dir|*mounted at $work/mnt dir*"
    expect "$image" "False|True|$work/mnt dir|*mounted at $work/mnt dir*"
    if "$DISKSYNC" disks "${whole}p1" 2>"$work/err"; then fail 'a partition is taken for a disk'; fi
    grep -q 'is a partition' "$work/err" || fail "$what: $(cat "$work/err")"
    umount "$work/mnt dir"
    delpart "$whole" 1
else
    echo 'not tried: a partition device'
fi

what='a loop device on a loop device'
attach -o $part "$whole"
nested=$loop
mount_or_skip "$nested"
expect "$whole" "False|True|$work/mnt dir|*mounted at $work/mnt dir*"
expect "$image" "False|True|$work/mnt dir|*mounted at $work/mnt dir*"
umount "$work/mnt dir"
losetup -d "$nested"

what='swap'
mkswap -q "$whole" 2>/dev/null || mkswap "$whole" >/dev/null 2>&1
if swapon "$whole" 2>/dev/null; then
    swap=$whole
    expect "$whole" 'False|True|*swap*'
    expect "$image" 'False|True|*swap*'
    swapoff "$whole"
    swap=
else
    echo 'not tried: swap'
fi
losetup -d "$whole"
expect "$image" 'True|False|*'
echo 'every use was found'
