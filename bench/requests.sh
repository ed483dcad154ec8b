#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# requests.sh - objects and bytes that a sync puts, as the store's folder shows them, against what
# the format promises: D bytes changed anywhere cost ceil(D / 16 MiB) + 1 objects, no change costs
# one, one block on a disk of 16 TiB costs 2 and under 100 KiB. Fails where one is missed.
set -euo pipefail
. "$(dirname "$0")/common.sh"

bench_find
bench_begin 4096
bench_modules transport-dir snapshot-none fsmap-ntfs tracker-scripted ||
    die "modules are missing: make -C build check builds $modules/tracker-scripted.so"
(umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$work/key")
missed=0

disk() { # NAME BYTES: a sparse disk of its own repository, and its first point
    home=$work/$1
    mkdir "$home"
    truncate -s "$2" "$home/disk.img" 2>/dev/null ||
        truncate -s $((17592186044416 - 65536)) "$home/disk.img" # as large as ext4 allows
    cat >"$home/policy.yaml" <<END
version: 1
node: { name: bench, state: state, instance: bench }
disks: { include: [disk.img] }
plugins: { folder: $work/modules }
snapshot: { use: snapshot-none }
tracker: { use: tracker-scripted, log: writes, state: tracker-state }
transport: { use: dir, path: repository, passphrase: { file: ../key } }
END
    measure "$disksync" sync --policy "$home/policy.yaml" --json --quiet
    say "$1: the first point took $wall s"
}

# change COUNT SEED: random content for so many blocks of 64 KiB, anywhere, that the tracker sees
change() {
    python3 - "$home" "$1" "$2" <<'END'
import os, random, sys
home, count, seed = sys.argv[1], int(sys.argv[2]), sys.argv[3]
r = random.Random(seed)
image = os.path.join(home, 'disk.img')
blocks = os.path.getsize(image) // 65536
with open(image, 'r+b') as disk, open(os.path.join(home, 'writes'), 'a') as log:
    # not the first ones, where a partition table would be
    for block in sorted(r.sample(range(16, blocks), count)):
        disk.seek(block * 65536)
        disk.write(r.randbytes(65536))
        log.write('write * %d 65536\n' % (block * 65536))
END
}

stored() { # the objects' names and sizes
    (cd "$home/repository" && find . -type f -printf '%p %s\n' | LC_ALL=C sort)
}

# sync_and_count CASE OBJECTS BYTES: puts of the next point, at most so many, of so many bytes
sync_and_count() {
    local verdict=met n bytes
    stored >"$work/before"
    measure "$disksync" sync --policy "$home/policy.yaml" --json --quiet
    [ "$(report_field mode)" = incremental ] || die "a sync was $(report_field mode)"
    stored >"$work/after"
    read -r n bytes < <(LC_ALL=C comm -13 "$work/before" "$work/after" |
        awk '{ n++; b += $2 } END { printf "%d %.0f\n", n, b }')
    if [ "$n" -gt "$2" ] || [ "$bytes" -gt "$3" ]; then
        verdict='NOT MET'
        missed=1
    fi
    say "$1: $n objects, $bytes bytes: $verdict"
    printf '| %s | %d | %d | %.0f | %s | %s | %s |\n' "$1" "$n" "$2" \
        "$(awk -v b="$bytes" 'BEGIN { print b / 1024 }')" \
        "$([ "$3" -lt 1000000000000 ] && echo "$(($3 / 1024))" || echo -)" "$wall" "$verdict" \
        >>"$work/table"
}

any=1000000000000
disk "8g" $((8 << 30))
sync_and_count "8 GiB, nothing changed" 1 $any
seed=1
for count in 1 16 255 256 257 700 1500 4000; do
    change $count $seed
    seed=$((seed + 1))
    # random content: the bytes are stored as they are
    sync_and_count "8 GiB, $count blocks anywhere" $(((count * 65536 + 16777215) / 16777216 + 1)) \
        $any
done
disk "1t" $((1 << 40))
for count in 1 512; do
    change $count $seed
    seed=$((seed + 1))
    sync_and_count "1 TiB, $count blocks anywhere" $(((count * 65536 + 16777215) / 16777216 + 1)) \
        $any
done
disk "16t" $((1 << 44))
sync_and_count "16 TiB, nothing changed" 1 $any
change 1 $seed
sync_and_count "16 TiB, 1 block" 2 102399
change 300 again
sync_and_count "16 TiB, 300 blocks anywhere" 3 $any

echo "# Objects and bytes of an incremental sync"
echo
bench_facts
echo
echo "| case | objects | at most | KiB | at most | time, s | |"
echo "| --- | --- | --- | --- | --- | --- | --- |"
cat "$work/table"
exit $missed
