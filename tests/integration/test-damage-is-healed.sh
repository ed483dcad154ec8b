#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Damage in the store, of blocks, maps or whole segments, is found by verify, which ends with exit
# code 5 and names each object; the next sync sends again what is missing; then its point verifies
# and restores, and so does every older one that had not lost anything.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start heal

image_rewrite 0 2100 1
promise 1
ds sync || fail 'sync 1'
image_rewrite 100 1800 3
promise 2
ds sync || fail 'sync 2'
save whole
repository=$live/repository
segments=$(cd "$repository" && ls n/*/s/*/*)
promise 3

flip() { # FILE OFFSET: all bits of 8 bytes
    "$PYTHON" -c 'import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    data = f.read(8)
    f.seek(int(sys.argv[2]))
    f.write(bytes(b ^ 255 for b in data))' "$@"
}

heals() { # WHAT OBJECT...: these are damaged
    local object status=0 p
    ds_json "$work/verify.json" verify --all || status=$?
    [ $status = 5 ] || fail "$1: verify ended with $status"
    for object in "${@:2}"; do
        [ "$(field "$work/verify.json" "any(o['object'] == '$object' or '$object' in o['what'] for o in d['damaged'])")" = True ] ||
            { cat "$work/verify.json"; fail "$1: verify does not name $object"; }
    done
    ds_json "$work/sync.json" sync || fail "$1: the next sync"
    [ "$(field "$work/sync.json" 'd["sent_bytes"]')" != 0 ] || fail "$1: nothing was sent again"
    ds verify --point 3 || fail "$1: the point that heals is damaged"
    rm -f "$work/restored.raw"
    ds restore --point 3 --to "$work/restored.raw" || fail "$1: restore of the point that heals"
    cmp "$work/was/3.raw" "$work/restored.raw" || fail "$1: it is not the image"
    for p in 1 2; do # an older point: whole or an error
        rm -f "$work/restored.raw"
        status=0
        ds restore --point $p --to "$work/restored.raw" || status=$?
        [ $status = 5 ] || { [ $status = 0 ] && cmp "$work/was/$p.raw" "$work/restored.raw"; } ||
            fail "$1: restore of point $p ended with $status"
    done
    status=0
    ds_json "$work/again.json" sync || status=$?
    [ "$(field "$work/again.json" 'd["sent_bytes"]')" = 0 ] || fail "$1: healed twice"
}

# In each segment: in the header, in the table, somewhere in the slots, in the last one; gone; cut.
# Two of the six for each, all with DISKSYNC_SOAK=1.
turn=0
for object in $segments; do
    size=$(stat -c %s "$repository/$object")
    for damage in 20 400 $((size / 2)) $((size - 12)) removed cut; do
        turn=$((turn + 1))
        [ "${DISKSYNC_SOAK:-0}" = 1 ] || [ $((turn % 7 % 3)) = 1 ] || continue
        put_back whole
        case $damage in
        removed) rm "$repository/$object" ;;
        cut) truncate -s $((size * 2 / 3)) "$repository/$object" ;;
        *) flip "$repository/$object" "$damage" ;;
        esac
        heals "$object, $damage" "$object"
    done
done

# All of them at once.
put_back whole
for object in $segments; do rm "$repository/$object"; done
# shellcheck disable=SC2086
heals 'all segments removed' $segments
# A later change does not trip over the old damage; collect waits for those who lost something.
image_change 30
cp --sparse=always "$image" "$work/was/5.raw"
ds sync || fail 'a sync behind the healing'
rm -f "$work/restored.raw"
ds restore --point 5 --to "$work/restored.raw" || fail 'restore behind the healing'
cmp "$work/was/5.raw" "$work/restored.raw" || fail 'the point behind the healing'
ds forget --point 1 --point 2 || fail 'forget what was lost'
[ -n "$(find "$repository" -path '*/d/*' -type f)" ] || fail 'verify has left no record of damage'
ds collect --no-grace || fail 'collect what was lost'
ds verify --all || fail 'verify when all that was lost is gone'
# The record of what was healed went too: no sync builds on that root any more.
[ -z "$(find "$repository" -path '*/d/*' -type f)" ] || fail 'an old record of damage is left'
