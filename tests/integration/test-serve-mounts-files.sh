#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The way to single files that the man page shows: a partition of a point, served, made a file by
# nbdfuse, and mounted by ntfs-3g, gives the files as they were, also those of an earlier point.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
. "$top_srcdir/tests/tools/serve.sh"
lab_start serve-files
serve_needs nbdfuse ntfs-3g mkntfs ntfscp sfdisk fusermount pgrep
trap 'files_end; serve_trap' EXIT
fuse=''
files_end() {
    ! mountpoint -q "$work/files" || fusermount -u "$work/files"
    ! mountpoint -q "$work/export" || fusermount -u "$work/export"
    [ -z "$fuse" ] || wait $fuse || true
    fuse=''
}

content() { # STEP: a file of that content in the volume, which is then the disk's partition 1
    head -c 1500000 /dev/urandom >"$work/file.$1"
    ntfscp -q "$work/volume.raw" "$work/file.$1" "file.$1"
    dd if="$work/volume.raw" of="$image" bs=1M seek=1 conv=notrunc status=none
}
truncate -s 32M "$work/volume.raw"
mkntfs -q -F -s 512 -p 2048 -H 255 -S 63 "$work/volume.raw" >/dev/null
rm "$image"
truncate -s 36M "$image"
printf 'label: gpt\nstart=2048,size=65536\n' | sfdisk -q "$image"
content 1
ds sync || fail 'sync 1'
content 2
ds sync || fail 'sync 2'

mkdir "$work/export" "$work/files"
[ -c /dev/fuse ] && [ -w /dev/fuse ] || skip 'no FUSE here: mounting a point is not tested'

files() { # POINT FILE...: these files and no others
    serve --point "$1" --partition 1
    nbdfuse -r "$work/export" "$uri" 2>"$work/said" &
    fuse=$!
    for ((i = 0; i < 100; i++)); do
        [ ! -e "$work/export/nbd" ] || break
        kill -0 $fuse 2>/dev/null || { cat "$work/said"; skip 'nbdfuse can not mount here'; }
        sleep 0.1
    done
    [ "$(stat -c %s "$work/export/nbd")" = $((32 << 20)) ] || fail 'the export is not the partition'
    ntfs-3g -o ro "$work/export/nbd" "$work/files" || fail 'ntfs-3g does not mount it'
    for file in "${@:2}"; do
        cmp "$work/$file" "$work/files/$file" || fail "point $1: $file"
    done
    [ "$(ls "$work/files" | grep -c '^file')" = $(($# - 1)) ] || fail "point $1 has other files"
    files_end
    serve_end
}
files 1 file.1
files latest file.1 file.2
