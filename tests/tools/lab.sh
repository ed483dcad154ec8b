# SPDX-License-Identifier: Apache-2.0
# lab.sh - sourced by tests that break the program and look at what is left: a work folder with an
# image, a policy, and one folder `live` that holds repository and state and can be saved, put back
# and watched by faultfs.
#
#   lab_start SUBJECT        work folder, seed (SEED=... repeats a run), image, policy; not the sync
#   ds COMMAND [ARG...]      runs the program, all it says goes to $work/log; its exit code
#   ds_json FILE COMMAND...  the same with --json, whose object goes to FILE
#   field FILE EXPRESSION    a Python expression over the object d in FILE
#   image_make, image_change N, image_rewrite FROM TO STEP        content by the seed
#   promise POINT            the image is now the content that POINT must restore to, for ever
#   listed [ARG...]          numbers of the points that `points` lists
#   check_all WHAT [POINT...]     all listed points verify and restore to what was promised, and
#                                 these are listed
#   check_next WHAT          the next sync completes and its point restores to the image
#   save NAME, put_back NAME      a copy of live
#   operations COMMAND...    counts the file operations of a run, from live as it is
#   killed_at N COMMAND...   SIGKILL before the N-th operation; true if it came to that
#   killed_after MS COMMAND...    SIGKILL after a time
#   moments COUNT            which operations of COUNT to try: all with DISKSYNC_SOAK=1, else 10
#
#   logged COMMAND...        adds the file operations of a run to a log
#   replay NAME CUTS         cuts that log, which began from the state NAME, behind its operations
#                            (CUTS of them; all with DISKSYNC_SOAK=1) and runs $work/check.sh on
#                            the states that a power cut may leave there. That sources this file;
#                            what it is told: $say for messages, CRASH_EXITS as crashreplay.py has it
#
# A restore of a listed point to something else is a failure, whatever else is damaged.
. "${top_srcdir:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}/tests/tools/faultfs.sh"
export top_srcdir
: "${DISKSYNC:=$top_srcdir/build/disksync}" "${PYTHON:=python3}"
lab_tools=$top_srcdir/tests/tools

skip() { echo "SKIP: $*"; exit 77; }
fail() {
    [ ! -f "$work/log" ] || tail -n 25 "$work/log"
    echo "FAIL: $* (SEED=$SEED)"
    exit 1
}

lab_start() {
    [ -x "$DISKSYNC" ] || skip "no $DISKSYNC"
    # A program that is killed hundreds of times is slow under a sanitizer: damage, with its error
    # paths, always runs there, the others in soak. Full counts are for the program without one.
    if [ "${SANITIZER:-no}" != no ]; then
        [ -n "${DISKSYNC_SOAK:-}" ] || [ "$1" = heal ] || skip "under a sanitizer this runs in soak"
        export DISKSYNC_SOAK=0
    fi
    work=$(mktemp -d "${TMPDIR:-$(lab_place)}/$1.XXXXXX")
    [ -n "${KEEP_WORK:-}" ] || trap 'rm -rf "$work"' EXIT
    : "${SEED:=$((RANDOM * 32768 + RANDOM))}"
    RANDOM=$((SEED % 32768))
    echo "SEED=$SEED"
    live=$work/live
    image=$work/disk.raw
    policy=$work/policy.yaml
    changes=0
    mkdir -m 700 "$live" "$live/state" "$work/was"
    faultfs_find "$work"
    # As long as one that init makes: from 48 bytes on the key derivation is quick, and the program
    # runs thousands of times.
    (umask 077 && echo "a passphrase of the test, as long as one that init makes" >"$work/key")
    lab_policy "$policy" "$live/repository" "$live/state"
    image_make
}

# Memory, where there is plenty: what a power cut leaves is the matter of crashreplay.py.
lab_place() {
    local free
    free=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
    [ "${free:-0}" -gt 4000000 ] && [ -w /dev/shm ] && echo /dev/shm || echo /tmp
}

lab_policy() { # FILE REPOSITORY STATE
    (umask 077 && cat >"$1" <<END
version: 1
node: { name: lab, state: $3, instance: machine-1 }
disks: { include: [$image], block_size: 16KiB }
snapshot: { use: none }
transport: { use: dir, path: $2, passphrase: { file: $work/key } }
END
    )
}

ds() {
    local status=0
    echo "--- $*" >>"$work/log"
    "${ds_under[@]}" "$DISKSYNC" "$@" --policy "$policy" --quiet >>"$work/log" 2>&1 || status=$?
    echo "--- exit code $status" >>"$work/log"
    return $status
}
ds_under=() # what the program runs under
ds_node=()  # which node check_all looks at

ds_json() {
    local status=0 out=$1
    shift
    "$DISKSYNC" "$@" --policy "$policy" --quiet --json >"$out" 2>>"$work/log" || status=$?
    return $status
}

field() {
    "$PYTHON" -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$1" "$2"
}

# 34 MiB whose blocks shrink to a few bytes, so that there are two segments of 2,048 slots and little
# to copy about; some noise, which is stored as it is; an end within a block.
image_make() {
    "$PYTHON" - "$image" "$SEED" <<'END'
import random, sys
r = random.Random(int(sys.argv[2]))
with open(sys.argv[1], "wb") as f:
    f.truncate(34 * 1024 * 1024 + 1536)
    for block in range(2150):
        f.seek(block * 16384 + 512)
        f.write(r.randbytes(24))
    f.seek(8 * 1024 * 1024)
    f.write(r.randbytes(200000))
END
}

image_change() { # N places; of ten, two become zero
    changes=$((changes + 1))
    "$PYTHON" - "$image" "$((SEED + changes))" "$1" <<'END'
import os, random, sys
r = random.Random(int(sys.argv[2]))
with open(sys.argv[1], "r+b") as f:
    size = os.fstat(f.fileno()).st_size
    for _ in range(int(sys.argv[3])):
        n = r.choice((1, 512, 4096, 20000))
        f.seek(r.choice((0, size - n, r.randrange(size - n), r.randrange(size - n))))
        f.write(bytes(n) if r.randrange(10) < 2 else r.randbytes(min(n, 64)))
END
}

image_rewrite() { # FROM TO STEP: every STEPth block of [FROM, TO) gets other content
    changes=$((changes + 1))
    "$PYTHON" - "$image" "$((SEED + changes))" "$@" <<'END'
import random, sys
r = random.Random(int(sys.argv[2]))
with open(sys.argv[1], "r+b") as f:
    for block in range(*map(int, sys.argv[3:])):
        f.seek(block * 16384 + 512)
        f.write(r.randbytes(24))
END
}

promise() { cp --sparse=always "$image" "$work/was/$1.raw"; }

listed() {
    ds_json "$work/points.json" points "$@" || return
    field "$work/points.json" '" ".join(str(p["point"]) for p in d["points"])'
}

check_all() {
    local points p
    if ! points=$(listed "${ds_node[@]}"); then
        # A run that was killed early has made no repository yet, or no node.
        [ $# = 1 ] && [ "$(field "$work/points.json" 'd["error"]["code"]')" = not-found ] ||
            fail "$1: points can't be listed"
        return 0
    fi
    for p in "${@:2}"; do
        [[ " $points " = *" $p "* ]] || fail "$1: point $p is not listed any more, but $points"
    done
    [ -z "$points" ] || ds verify --all "${ds_node[@]}" || fail "$1: verify"
    for p in $points; do
        [ -f "$work/was/$p.raw" ] || fail "$1: point $p is listed and was never made"
        rm -f "$work/restored.raw"
        ds restore --point "$p" --to "$work/restored.raw" "${ds_node[@]}" ||
            fail "$1: restore of point $p"
        cmp "$work/was/$p.raw" "$work/restored.raw" || fail "$1: point $p is not what it was"
    done
}

check_next() {
    local point
    ds_json "$work/next.json" sync || fail "$1: the next sync"
    point=$(field "$work/next.json" 'd["point"]')
    rm -f "$work/restored.raw"
    ds restore --point "$point" --to "$work/restored.raw" || fail "$1: restore of the next point"
    cmp "$image" "$work/restored.raw" || fail "$1: the next point, $point, is not the image"
    ds verify --all || fail "$1: verify behind the next sync"
}

save() { rm -rf "$work/saved-$1" && cp -a "$live" "$work/saved-$1"; }
put_back() { rm -rf "$live" && cp -a "$work/saved-$1" "$live"; }

under() { # VAR=VALUE COMMAND...: as ds, with faultfs over live
    local ds_under=(env FAULTFS_ROOTS="${watched:-$live}" "$1" LD_PRELOAD="$FAULTFS")
    ds "${@:2}"
}

operations() {
    under "FAULTFS_COUNT=$work/count" "$@" || fail "$* without a fault"
    cat "$work/count"
}

killed_at() {
    local status=0 n=$1
    shift
    { (under "FAULTFS_KILL_AT=$n" "$@"; exit $?) || status=$?; } 2>/dev/null
    [ $status = 137 ] || [ $status = 0 ] || [ $status = 4 ] ||
        fail "$* to be killed at operation $n ended with $status"
    [ $status = 137 ]
}

killed_after() { # MILLISECONDS COMMAND...; whether it came to that or not
    local ds_under=(timeout -s KILL "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))")
    { (ds "${@:2}") || true; } 2>/dev/null
}

moments() {
    local i n=${kills:-10}
    if [ "${DISKSYNC_SOAK:-0}" = 1 ] || [ "$1" -le "$n" ]; then
        seq 1 "$1"
    else
        for ((i = 0; i < n; i++)); do
            echo $((i * $1 / n + 1 + RANDOM * ((i + 1) * $1 / n - i * $1 / n) / 32768))
        done
    fi
}

logged() {
    under "FAULTFS_LOG=$work/effects" "$@"
}

replay() {
    local options=(--max-cuts "$2" --variants lost,torn,random:1)
    [ "${DISKSYNC_SOAK:-0}" != 1 ] || options=(--max-cuts 0)
    rm -rf "$work/after"
    cp -a "$live" "$work/after"
    export work live image policy SEED DISKSYNC FAULTFS PYTHON
    "$PYTHON" "$lab_tools/crashreplay.py" --log "$work/effects" --initial "$work/saved-$1" \
        --target "$live" --actual "$work/after" --seed "$SEED" "${options[@]}" -- \
        bash -euo pipefail "$work/check.sh" || fail 'a state that a power cut may leave'
}

if [ -n "${CRASH_CUT:-}" ]; then
    say="cut $CRASH_CUT, $CRASH_VARIANT, $CRASH_EXITS programs ended"
    echo "=== $say" >"$work/log"
fi
