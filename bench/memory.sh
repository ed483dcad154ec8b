#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# memory.sh [-q] [-p POINTS] [CASE...] - peak memory of full, compare and incremental syncs with 4
# workers, on disks that are computed (snapshot-made.c). Fails if one takes LIMIT MiB or more.
#
#   -q  a sixteenth of the data      -p  points that the incremental case makes (12)
#   CASE: 64g (64 GiB, 8 GiB in use in single blocks), 64g-dense (in runs of 4 GiB), 16t (16 TiB,
#   1 TiB in use in single blocks, 16 of 256), 16t-dense. Default: all. The large ones take long.
set -euo pipefail
. "$(dirname "$0")/common.sh"

LIMIT=220
scale=1 points=12
while getopts qp: option; do
    case $option in
    q) scale=16 ;;
    p) points=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- 64g 64g-dense 16t 16t-dense

bench_find
bench_begin 16384
bench_modules transport-dir tracker-scripted fsmap-ntfs ||
    die "modules are missing: make -C build check builds $modules/tracker-scripted.so"
bench_compile snapshot-made
worst=0

policy() { # VERSION
    cat >"$home/policy.yaml" <<END
version: 1
node: { name: bench, state: state, instance: bench }
disks: { include: [disk.img] }
plugins: { folder: $work/modules }
limits: { workers: 4 }
snapshot: { use: snapshot-made, stride: $stride, dense: $dense, random: ${random}MiB,
            change_every: $every, version: $1 }
tracker: { use: tracker-scripted, log: writes, state: tracker-state }
transport: { use: dir, path: repository, sync: false, passphrase: { file: key } }
END
}

# What the tracker is told: the blocks that follow the version
writes() {
    python3 - "$stride" "$dense" "$every" "$used_blocks" <<'END'
import sys
stride, dense, every, used = int(sys.argv[1]), sys.argv[2] == 'true', *map(int, sys.argv[3:])
run = 65536 if dense else 1
for count in range(0, used, every):
    block = count // run * run * stride + count % run
    print('write * %d 65536' % (block * 65536))
END
}

sync_as() { # MODE [OPTION]
    measure "$disksync" sync --policy "$home/policy.yaml" --json --quiet ${2:+"$2"}
    [ "$(report_field mode)" = "$1" ] || die "a sync was $(report_field mode), wanted $1"
    awk -v r="$rss" -v w="$worst" 'BEGIN { exit !(r > w) }' && worst=$rss
    say "$case $1: $rss MiB, $wall s"
}

row() { # WHAT
    printf '| %s | %s | %.1f | %.1f | %s | %s | %s |\n' "$case" "$1" \
        "$(awk -v n="$(report_field read_bytes)" 'BEGIN { print n / 2^30 }')" \
        "$(awk -v n="$(report_field stored_bytes)" 'BEGIN { print n / 2^20 }')" \
        "$(report_field stored_objects)" "$wall" "$rss" >>"$work/table"
}

run_case() {
    home=$work/case
    mkdir "$home"
    (umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$home/key")
    truncate -s $((disk_gib << 30)) "$home/disk.img" 2>/dev/null ||
        truncate -s $(((disk_gib << 30) - 65536)) "$home/disk.img" # as large as ext4 allows
    used_blocks=$(($(stat -c %s "$home/disk.img") / 65536 / stride))
    policy 0
    sync_as full
    row full
    policy 1
    sync_as compare --compare
    row "compare, $((used_blocks / every)) blocks changed"
    local i highest=0
    for i in $(seq "$points"); do
        writes >>"$home/writes"
        policy $((i + 1))
        sync_as incremental
        highest=$(awk -v a="$highest" -v b="$rss" 'BEGIN { print (a > b ? a : b) }')
        [ "$i" != 1 ] || row "incremental, the same blocks"
    done
    rss=$highest
    [ "$points" = 1 ] || row "the last of $points incremental (RSS: the highest)"
    rm -rf "$home"
}

for case; do
    dense=false
    case $case in
    64g*) disk_gib=64 stride=8 random=4096 every=512 ;;
    16t*) disk_gib=$((16384 / scale)) stride=16 random=1024 every=16384 ;;
    *) die "no case '$case'" ;;
    esac
    [ $scale = 1 ] || { random=512 every=512; }
    case $case in *-dense) dense=true ;; esac
    run_case
done

echo "# Peak memory with 4 workers"
echo
bench_facts
[ $scale = 1 ] || echo "- REDUCED: 16t is 1 TiB with 64 GiB in use"
echo
echo "| case | sync | read, GiB | stored, MiB | objects | time, s | peak RSS, MiB |"
echo "| --- | --- | --- | --- | --- | --- | --- |"
cat "$work/table"
echo
if awk -v w="$worst" -v l=$LIMIT 'BEGIN { exit !(w < l) }'; then
    echo "The highest is $worst MiB: under $LIMIT MiB, met."
else
    echo "The highest is $worst MiB: NOT under $LIMIT MiB."
    exit 1
fi
