#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# peers.sh [-n TIMES] [-s DISK_MIB] [-c CONTENT_MIB] [-d FOLDER] [-o FILE] - DiskSync beside restic,
# borg and qemu-img on one data set in one run; prints Markdown. What is compared, and why that is
# fair, is in README.md.
#
#   -n  repetitions (3)      -s, -c  size of the disk and of its content (4096, 1536)
#   -d  folder of images that are kept and taken again: base.img, second.img, third.img
#   -o  also appends each measurement to FILE, tab-separated
set -euo pipefail
. "$(dirname "$0")/common.sh"

times=3 disk_mib=4096 content_mib=1536 data='' log=''
while getopts n:s:c:d:o: option; do
    case $option in
    n) times=$OPTARG ;;
    s) disk_mib=$OPTARG ;;
    c) content_mib=$OPTARG ;;
    d) data=$OPTARG ;;
    o) log=$OPTARG ;;
    *) exit 2 ;;
    esac
done

for tool in restic borg qemu-img /usr/bin/time python3; do
    command -v $tool >/dev/null || die "$tool is missing: ./bootstrap packages bench"
done
bench_find
bench_begin $((content_mib * 12))
data=${data:-$work/data}
mkdir -p "$data"
tracker=yes
bench_modules transport-dir snapshot-none fsmap-ntfs || die "no plugins beside $disksync"
if ! bench_modules tracker-scripted; then
    tracker=
    say "WARNING: no $modules/tracker-scripted.so (make check builds it): NO INCREMENTAL"
fi

# ---- the data ---------------------------------------------------------------------------------

make_data() {
    local a b
    if [ ! -f "$data/third.img" ]; then
        say "making the data set"
        "$bench_top/bench/dataset.sh" create "$data/base.img" "$disk_mib" "$content_mib" >&2
        # a copy has holes where the original has blocks that were never written
        cp "$data/base.img" "$data/second.img"
        mv "$data/second.img" "$data/base.img"
        for pair in base:second:2 second:third:3; do
            IFS=: read -r a b seed <<<"$pair"
            cp "$data/$a.img" "$data/$b.img" # with the same holes: borg cuts its chunks there
            "$bench_top/bench/dataset.sh" change "$data/$b.img" 3 "$seed" >&2
        done
    fi
    # what a tracker would have seen: the 64 KiB pieces that differ
    python3 - "$data/second.img" "$data/third.img" >"$work/writes" <<'END'
import sys
a, b = (open(n, 'rb') for n in sys.argv[1:])
at = 0
while True:
    x, y = a.read(4 << 20), b.read(4 << 20)
    if not x and not y:
        break
    if x != y:
        for i in range(0, len(y), 65536):
            if x[i:i + 65536] != y[i:i + 65536]:
                print('write * %d %d' % (at + i, len(y[i:i + 65536])))
    at += len(y)
END
    changed_mib=$(awk '{ n += $4 } END { printf "%.1f", n / 1048576 }' "$work/writes")
}

# The disk is one path whose content is switched, as a real disk's content changes under it.
present() { # base|second|third [STORE]: and reads it and the store, so that both are cached
    ln -f "$data/$1.img" "$work/disk.img"
    find "$work/disk.img" ${2:+"$2"} -type f -exec cat {} + >/dev/null
    sync
}

# ---- measuring --------------------------------------------------------------------------------

results=$work/results
# note TOOL STAGE STORED_BYTES: the last measure, and how long it takes until its output is safe
note() {
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$round" "$wall" "$flush" "$cpu" "$rss" \
        "$3" | tee -a "$results" ${log:+"$log"} >/dev/null
    say "round $round: $1 $2: $wall s + $flush s flush, cpu $cpu s, $rss MiB, stored $3"
}

# flushed FILE|FOLDER: makes what a tool wrote durable; those that did it themselves lose nothing
flushed() {
    local from=$EPOCHREALTIME
    sync -f "$1"
    flush=$(awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }')
}

same() { # FILE: as the disk
    cmp -s "$1" "$work/disk.img" || die "$1 is not what was copied"
    rm -f "$1"
}

# ---- the tools: each makes its stages, in its own fresh folder $home ---------------------------

disksync_write_policy() {
    cat >"$home/policy.yaml" <<END
version: 1
node: { name: bench, state: state, instance: bench }
disks: { include: [$work/disk.img] }
plugins: { folder: $work/modules }
transport: { use: dir, path: repository, passphrase: { file: key } }
END
    [ -z "$tracker" ] || cat >>"$home/policy.yaml" <<END
tracker: { use: tracker-scripted, log: writes, state: tracker-state }
END
    (umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$home/key")
}

sync_as() { # STAGE MODE [OPTION]: one point, which must come about as MODE
    local before after
    before=$(bytes_below "$home")
    measure "$disksync" sync --policy "$home/policy.yaml" --json ${3:+"$3"}
    [ "$(report_field mode)" = "$2" ] || die "a sync was $(report_field mode), wanted $2"
    flushed "$home/repository"
    after=$(bytes_below "$home")
    note disksync "$1" $((after - before))
}

# What the storage itself takes for the bytes that a full sync stores, or a restore writes: no tool
# that stores as much can be faster.
plain_write() {
    find "$home/repository" -type f -exec cat {} + >/dev/null # as cached as the disk is
    measure cp -r "$home/repository" "$home/plain"
    flushed "$home/plain"
    note plain-write full "$(bytes_below "$home/plain")"
    rm -rf "$home/plain"
    measure cp --sparse=always "$work/disk.img" "$home/plain"
    flushed "$home/plain"
    note plain-write restore 0
    rm -f "$home/plain"
    sync
}

disksync_run() {
    disksync_write_policy
    "$disksync" register --policy "$home/policy.yaml" --quiet >"$work/out" 2>&1 ||
        { cat "$work/out" >&2; die "register failed"; }
    present base
    sync_as full full
    plain_write
    present second
    sync_as second compare --compare
    present second "$home/repository"
    measure "$disksync" restore --policy "$home/policy.yaml" --to "$home/restored" --json
    flushed "$home/restored"
    note disksync restore 0
    same "$home/restored"
    [ -n "$tracker" ] || return 0
    present third
    cp "$work/writes" "$home/writes"
    sync_as incremental incremental
    "$disksync" restore --policy "$home/policy.yaml" --to "$home/restored" --json >"$work/out"
    same "$home/restored"
}

restic_run() {
    local before after
    export RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=$home/cache
    restic -q init --repository-version 2 -r "$home/repository" >"$work/out" 2>&1 ||
        restic -q init -r "$home/repository" >"$work/out"
    present base
    measure restic -q -r "$home/repository" backup "$work/disk.img"
    flushed "$home/repository"
    before=$(bytes_below "$home/repository")
    note restic full "$before"
    present second
    measure restic -q -r "$home/repository" backup "$work/disk.img"
    flushed "$home/repository"
    after=$(bytes_below "$home/repository")
    note restic second $((after - before))
    present second "$home/repository"
    local sparse=
    restic restore --help | grep -q -e --sparse && sparse=--sparse
    measure restic -q -r "$home/repository" restore latest $sparse --target "$home/restored"
    flushed "$home/restored"
    note restic restore 0
    same "$home/restored$work/disk.img"
}

borg_run() {
    local before after repo=$home/repository
    export BORG_PASSPHRASE=bench BORG_BASE_DIR=$home/base
    mkdir "$home/base"
    borg init -e repokey "$repo" >"$work/out" 2>&1
    present base
    measure borg create -C zstd,3 --chunker-params fixed,65536 --sparse "$repo::1" "$work/disk.img"
    flushed "$repo"
    before=$(bytes_below "$repo")
    note borg full "$before"
    present second
    measure borg create -C zstd,3 --chunker-params fixed,65536 --sparse "$repo::2" "$work/disk.img"
    flushed "$repo"
    after=$(bytes_below "$repo")
    note borg second $((after - before))
    present second "$repo"
    mkdir "$home/restored"
    measure env -C "$home/restored" borg extract --sparse "$repo::2"
    flushed "$home/restored"
    note borg restore 0
    same "$home/restored$work/disk.img"
}

qemu_run() {
    local convert=(qemu-img convert -c -f raw -O qcow2 -o compression_type=zstd)
    present base
    measure "${convert[@]}" "$work/disk.img" "$home/full.qcow2"
    flushed "$home/full.qcow2"
    note qemu-img full "$(bytes_below "$home/full.qcow2")"
    present second
    qemu-img convert -c -f raw -O qcow2 -o compression_type=zstd "$work/disk.img" "$home/2.qcow2"
    present second "$home/2.qcow2"
    measure qemu-img convert -f qcow2 -O raw "$home/2.qcow2" "$home/restored"
    flushed "$home/restored"
    note qemu-img restore 0
    same "$home/restored"
}

one() { # TOOL
    home=$work/$1
    mkdir "$home"
    "$1_run"
    rm -rf "$home"
    sync
}

# ---- the run ----------------------------------------------------------------------------------

make_data
bench_facts >"$work/facts"
for round in $(seq "$times"); do
    # every other round the other way round: nobody is always the first
    order=(disksync restic borg qemu)
    [ $((round % 2)) = 1 ] || order=(qemu borg restic disksync)
    for tool in "${order[@]}"; do one "$tool"; done
done

echo "# DiskSync and its peers"
echo
cat "$work/facts"
echo "- load when this ended: $(cut -d' ' -f1-3 /proc/loadavg)"
echo "- $(restic version | cut -d' ' -f1-2); $(borg --version); $(qemu-img --version | head -n 1)"
echo "- disk: $(stat -c %s "$data/base.img" | awk '{ print $1 / 1048576 }') MiB, allocated" \
    "$(du -m "$data/base.img" | cut -f1) MiB; changed for incremental: $changed_mib MiB in" \
    "$(wc -l <"$work/writes") blocks"
echo "- repetitions: $times, order alternating, page cache warm"
echo
python3 "$bench_top/bench/peers-table.py" "$results"
