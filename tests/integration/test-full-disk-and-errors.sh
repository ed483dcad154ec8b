#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# No space, no right or a failing device, at any operation on state and repository: the error names
# the thing and has its exit code, nothing that was there is lost, and the next sync completes. The
# same on a file system that is really full. Full counts with DISKSYNC_SOAK=1.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start full-disk
kills=2

promise 1
ds sync || fail 'sync 1'
image_rewrite 0 1700 2
promise 2
promise 3
save one-point

# An error that passes is tried again, one that stays ends the sync.
faulty() { # ERROR HOW-OFTEN CODE
    local n total status code
    put_back one-point
    total=$(operations sync)
    for n in $(moments "$total"); do
        put_back one-point
        status=0
        env FAULTFS_ROOTS="$live" FAULTFS_ERROR_AT="$n:$1:$2" LD_PRELOAD="$FAULTFS" timeout 120 \
            "$DISKSYNC" sync --policy "$policy" --quiet --json >"$work/said.json" 2>"$work/said" ||
            status=$?
        if [ $status != 0 ]; then
            code=$(field "$work/said.json" 'd["error"]["code"]')
            cat "$work/said" >>"$work/log"
            [ "$code" = "$3" ] && [ $status = 1 ] || fail "$1 at operation $n: $code, status $status"
            grep -q "disksync: .*$live.*\[$3\]" "$work/said" || fail "$1 at $n: what failed?"
        elif [ "$2" = 0 ] && [ "$n" -lt $((total * 3 / 4)) ]; then
            fail "$1 at operation $n of $total and at all later ones went unseen"
        fi
        if [ $status = 0 ]; then check_all "$1 at $n" 1 2; else check_all "$1 at $n" 1; fi
        check_next "behind $1 at operation $n"
    done
}
faulty ENOSPC 1 no-space
faulty ENOSPC 0 no-space
faulty EACCES 0 no-permission
faulty EIO 1 io

# Short writes lose nothing.
put_back one-point
under "FAULTFS_SHORT_WRITES=$SEED" sync || fail 'a sync whose writes are short'
check_all 'short writes' 1 2

# The same for collect, copy and key add, at fewer places.
lab_policy "$work/target.yaml" "$live/target" "$live/target-state"
mkdir -m 700 "$live/target-state"
(umask 077 && echo "another passphrase, as long as one that init makes: quick" >"$work/other")
put_back one-point
mkdir -m 700 "$live/target-state"
ds sync || fail 'sync 2'
ds forget --point 1 || fail 'forget'
save forgotten
others() { # ERROR CODE COMMAND...
    local n total status
    put_back forgotten
    total=$(operations "${@:3}")
    kills=1
    for n in $(moments "$total"); do
        put_back forgotten
        status=0
        under "FAULTFS_ERROR_AT=$n:$1:0" "${@:3}" || status=$?
        [ $status = 0 ] || [ $status = 1 ] || fail "$3 with $1 at operation $n ended with $status"
        [ $status = 0 ] || tail -n 12 "$work/log" | grep -q "\[$2\]" || fail "$3: which error?"
        check_all "$3 with $1 at operation $n" 2
        status=0
        ds "${@:3}" || status=$?
        [ $status = 0 ] || [ $status = 4 ] || { [ "$3" = key ] && [ $status = 1 ]; } ||
            fail "$3 behind $1 at operation $n ended with $status"
    done
}
others ENOSPC no-space collect --no-grace
others EACCES no-permission collect --no-grace
others ENOSPC no-space copy --to "$work/target.yaml"
others ENOSPC no-space key add spare --passphrase-file "$work/other"

# A file system that is full.
full=$work/full
mkdir "$full"
mount -t tmpfs -o size=24m tmpfs "$full" 2>/dev/null || {
    echo 'no mount: not tested on a full file system'
    exit 0
}
trap 'umount "$full"; rm -rf "$work"' EXIT
rm -rf "$live/state" "$work"/was/*
mkdir -m 700 "$live/state"
lab_policy "$policy" "$full/repository" "$live/state"
image_make
promise 1
promise 2
ds sync || fail 'a sync that fits'
head -c 23M /dev/urandom >"$full/other" 2>/dev/null || true
head -c 30M /dev/urandom | dd of="$image" conv=notrunc status=none
status=0
ds_json "$work/said.json" sync || status=$?
[ $status = 1 ] && [ "$(field "$work/said.json" 'd["error"]["code"]')" = no-space ] ||
    fail "a full file system: $status"
field "$work/said.json" 'd["error"]["message"]' | grep -q "$full/repository" || fail 'what is full?'
check_all 'on the full file system' 1
rm "$full/other"
status=0
ds_json "$work/said.json" sync || status=$?
[ $status = 1 ] || fail "30 MiB of noise in a file system of 24: $status"
check_all 'on the full file system again' 1
mount -o remount,size=80m "$full"
promise 2
promise 3
ds_json "$work/said.json" sync || fail 'a sync with space again'
[ "$(field "$work/said.json" 'd["salvaged_bytes"]')" -gt 0 ] || fail 'all was sent again'
check_all 'with space again' 1 2
check_next 'with space again'
