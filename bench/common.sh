# SPDX-License-Identifier: Apache-2.0
# common.sh - what the benchmarks share; sourced. Finds the program and its plugins, makes a work
# folder that goes away at the end, measures commands, prints the machine's facts.
#
# Environment:
#   DISKSYNC       the program (build/disksync)
#   BENCH_MODULES  folder of the test plugins (tests/modules beside the program)
#   BENCH_WORK     where to work; must be on the file system that is to be measured (TMPDIR, /tmp)
#   BENCH_KEEP     1: keep the work folder
# shellcheck shell=bash disable=SC2034 # set for those who source this

bench_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bench_name=$(basename "$0" .sh)

say() { printf '%s: %s\n' "$bench_name" "$*" >&2; }
die() { say "$*"; exit 1; }

# bench_find: sets $disksync and $modules
bench_find() {
    disksync=${DISKSYNC:-$bench_top/build/disksync}
    [ -x "$disksync" ] || die "there is no $disksync: run ./bootstrap build, or set DISKSYNC"
    disksync=$(realpath "$disksync")
    modules=${BENCH_MODULES:-$(dirname "$disksync")/tests/modules}
}

# bench_begin NEED_MIB: makes $work; refuses where the space is short
bench_begin() {
    local base=${BENCH_WORK:-${TMPDIR:-/tmp}} free
    free=$(df -m --output=avail "$base" | tail -n 1)
    [ "$free" -ge "$1" ] || die "$base has $free MiB free, this run needs $1: set BENCH_WORK"
    work=$(mktemp -d "$base/disksync-bench.XXXXXX")
    trap bench_end EXIT
    trap 'exit 130' INT TERM
}

bench_end() {
    if [ -n "${BENCH_KEEP:-}" ]; then say "kept: $work"; else rm -rf "$work"; fi
}

# bench_modules NAME...: gathers these modules in $work/modules; fails if one is missing
bench_modules() {
    local name from
    mkdir -p "$work/modules"
    for name; do
        from=
        for dir in "$modules" "$(dirname "$disksync")/modules"; do
            [ -z "$from" ] && [ -f "$dir/$name.so" ] && from=$dir/$name.so
        done
        [ -n "$from" ] || return 1
        install -m 755 "$from" "$work/modules/"
    done
}

# bench_compile NAME: builds bench/NAME.c as a module into $work/modules
bench_compile() {
    mkdir -p "$work/modules"
    ${CC:-cc} -std=c11 -O2 -Wall -Wextra -fPIC -shared -fvisibility=hidden \
        -I"$bench_top/sdk/include" -o "$work/modules/$1.so" "$bench_top/bench/$1.c"
}

# measure COMMAND...: runs it; sets $wall $cpu (seconds) and $rss (MiB, of its largest process).
# What it prints goes to $work/out, its errors to $work/err.
measure() {
    local from=$EPOCHREALTIME to rc=0
    /usr/bin/time -o "$work/time" -f '%U %S %M' "$@" >"$work/out" 2>"$work/err" </dev/null || rc=$?
    to=$EPOCHREALTIME
    if [ $rc != 0 ]; then
        tail -n 20 "$work/err" >&2
        die "failed ($rc): $*"
    fi
    wall=$(awk -v a="$from" -v b="$to" 'BEGIN { printf "%.3f", b - a }')
    cpu=$(tail -n 1 "$work/time" | awk '{ printf "%.2f", $1 + $2 }')
    rss=$(tail -n 1 "$work/time" | awk '{ printf "%.1f", $3 / 1024 }')
}

# report_field NAME: a number of the last --json report, of its top level
report_field() {
    sed -n "s/^  \"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$work/out" | head -n 1
}

bytes_below() { # PATH...: sum of the files' sizes
    find "$@" -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%.0f\n", n }'
}

bench_facts() {
    local commit
    commit=$(git -C "$bench_top" rev-parse --short HEAD 2>/dev/null || echo unknown)
    echo "- date: $(date -u +%Y-%m-%dT%H:%MZ); commit $commit; $("$disksync" --version)"
    echo "- processor: $(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
    echo "- memory: $(awk '/^MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo)"
    echo "- kernel: $(uname -sr); file system: $(stat -f -c %T "$work")"
    echo "- load when this began: $(cut -d' ' -f1-3 /proc/loadavg)"
}
