#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whatever is wrong, the message names the thing, the exit code is the one that `explain` tells, and
# --json has the same code: keys, versions, features, locks, rights, disks that are not what they
# were, clones, a store that went back in time, and objects of each kind that are cut short, altered,
# swapped or replayed. Never a crash, never a restore of something else.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start errors
bad=0
wrong() { echo "FAIL: $*"; bad=1; }

refused() { # WHAT CODE TEXT COMMAND...: it fails with this code, and says TEXT (a pattern)
    local status=0 expected
    "${ds_under[@]}" "$DISKSYNC" "${@:4}" --policy "$policy" --quiet --json \
        >"$work/said.json" 2>"$work/said" || status=$?
    "$DISKSYNC" explain "$2" --json >"$work/explained.json" || wrong "$1: no explanation of $2"
    expected=$(field "$work/explained.json" 'd["exit_code"]')
    if ! [ "$(field "$work/said.json" 'd["error"]["code"]' 2>&1)" = "$2" ] ||
        ! [ "$status" = "$expected" ] || ! grep -Eq "$3" "$work/said" ||
        ! [ "$(field "$work/said.json" 'd["error"]["exit_code"]')" = "$expected" ]; then
        wrong "$1: expected $2 (exit code $expected) and /$3/, got exit code $status:"
        cat "$work/said" "$work/said.json"
    fi
}
put() { # FILE OFFSET HEX
    "$PYTHON" -c 'import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    f.write(bytes.fromhex(sys.argv[3]))' "$@"
}
newcomer() { # the policy of a machine that has no state, with the key file $1
    rm -rf "$live/newcomer"
    mkdir -m 700 "$live/newcomer"
    sed "s|file: $work/key|file: $1|; s|state: [^,]*|state: $live/newcomer|" "$work/policy.yaml" \
        >"$work/newcomer.yaml"
    policy=$work/newcomer.yaml
}
owner() { policy=$work/policy.yaml; }
again() { put_back "${1:-two-points}"; owner; }

promise 1
ds sync || fail 'sync 1'
save one-point
image_change 60
promise 2
ds sync || fail 'sync 2'
save two-points
cp --sparse=always "$image" "$work/image"
repository=$live/repository
node=$(basename "$repository"/n/*)
root=n/$node/p/0000000000000002
segment=n/$node/s/$(cd "$repository/n/$node/s" && ls -d 0000000000000002-*/00000000)
first=n/$node/s/$(cd "$repository/n/$node/s" && ls -d 0000000000000001-*/00000000)

# ---- keys ----
echo wrong >"$work/wrong"
newcomer "$work/wrong"
refused 'wrong passphrase' wrong-passphrase 'passphrase' points --node lab
refused 'wrong passphrase' wrong-passphrase 'passphrase' sync
owner
cp "$work/key" "$work/kept" && cp "$work/wrong" "$work/key"
refused 'wrong passphrase of a registered node' wrong-passphrase 'passphrase' sync
: >"$work/key"
refused 'empty passphrase' invalid "$work/key" sync
rm "$work/key"
refused 'no passphrase file' not-found "$work/key" sync
cp "$work/kept" "$work/key"
chmod 600 "$work/key"

# ---- versions and features ----
put "$repository/h" 8 0200
newcomer "$work/key"
refused 'newer version in h' newer-version 'version 2' points --node lab
refused 'newer version in h' newer-version 'version 2' sync
owner
echo noise >>"$image"
truncate -s %4096 "$image"
refused 'newer version in h, registered node' newer-version 'version 2' sync
cp --sparse=always "$work/image" "$image"
[ -z "$(find "$repository/n" -path '*/s/0000000000000003-*')" ] ||
    wrong 'newer version in h, registered node: it was noticed only after the copy'
refused 'newer version in h, registered node' newer-version 'version 2' verify
again
put "$repository/h" 39 80
refused 'unknown feature in h, registered node' unknown-feature '8000000000000000' sync
newcomer "$work/key"
refused 'unknown feature in h' unknown-feature '8000000000000000' points --node lab
again
put "$repository/$root" 8 0300
for command in sync "restore --point 2 --to $work/out.raw"; do
    # shellcheck disable=SC2086
    refused "newer version in a root, ${command%% *}" newer-version 'point 2.*version 3' $command
done
"$DISKSYNC" points --policy "$policy" >/dev/null 2>"$work/said" || wrong 'points beside a newer root'
grep -q 'point 2.*version 3' "$work/said" || wrong 'points does not tell of the newer root'
again
put "$repository/$root" 64 04
for command in sync "restore --point 2 --to $work/out.raw"; do
    # shellcheck disable=SC2086
    refused "unknown feature in a root, ${command%% *}" unknown-feature 'point 2.* 4' $command
done
again

# ---- in use ----
(flock 9 && exec sleep 100) 9>>"$live/state/lock" &
holder=$!
until ! flock -n "$live/state/lock" true; do sleep 0.05; done
refused 'another process of the node' in-use "$live/state/lock" sync
refused 'another process of the node' in-use "$live/state/lock" register
check_all 'beside another process' 1 2
kill $holder
wait $holder 2>/dev/null || true

# ---- disks ----
truncate -s -65536 "$image"
refused 'a disk that shrank' disk-shrank "$image" sync
cp --sparse=always "$work/image" "$image"
put "$image" 440 deadbeef
put "$image" 446 00000000830000000100000000010000
put "$image" 510 55aa
refused 'a disk that changed identity' disk-identity "$image" sync
cp --sparse=always "$work/image" "$image"
mv "$image" "$image.away"
refused 'a disk that is gone' not-found "$image" sync
mv "$image.away" "$image"

# ---- clones, and a store that went back ----
sed 's/machine-1/machine-2/' "$work/policy.yaml" >"$work/clone.yaml"
policy=$work/clone.yaml
refused 'a clone of the node' clone 'point 2' sync
owner
rm -rf "$repository" && cp -a "$work/saved-one-point/repository" "$repository"
refused 'an older copy of the store' store-rollback 'point 2.*newest.* 1' sync
ds_under=()
cp -a "$live/state" "$work/newer-state"
rm -rf "$live/state" && cp -a "$work/saved-one-point/state" "$live/state"
ds sync || wrong 'the older machine may go on'
rm -rf "$live/state" && mv "$work/newer-state" "$live/state"
refused 'another point 2' store-rollback 'point 2 ' sync
rm -rf "${repository:?}"/*
refused 'an emptied store' store-rollback "$repository.*point 2" sync
[ ! -e "$repository/h" ] || wrong 'an emptied store was made anew without a word'
rm -rf "$repository"
refused 'no store' store-rollback "$repository.*point 2" sync
[ ! -e "$repository/h" ] || wrong 'a store that is gone was made anew without a word'
again
ds register --takeover || wrong 'takeover'
check_next 'behind a takeover'
again

# ---- the policy and the state ----
echo 'retentoin: { last: 3 }' >>"$policy"
refused 'an unknown key' policy 'policy.yaml:[0-9]+:1.*retention' sync
sed -i '$d' "$policy"
policy=$work/none.yaml
refused 'no policy' not-found "$work/none.yaml" sync
owner
refused 'no such point' no-such-point ' 9' restore --point 9 --to "$work/out.raw"
: >"$live/state/node.state"
refused 'a damaged record' damaged "$live/state/node" sync
again

# ---- rights ----
if [ "$(id -u)" = 0 ] && setpriv --reuid 65534 --clear-groups "$DISKSYNC" explain >"$work/said" 2>&1; then
    ds_under=(setpriv --reuid 65534 --clear-groups)
    chmod 711 "$work" "$live"
    chmod 644 "$policy" "$work/key" "$image"
    chown -R 65534 "$live/state"
    refused 'no right to the store' no-permission "$repository" sync
    chown -R 65534 "$repository"
    chmod 000 "$repository/n/$node/s"
    refused 'no right to the segments' no-permission "$repository/n/$node/s" sync --full
    chmod 700 "$repository/n/$node/s"
    chmod 000 "$repository/$root"
    refused 'no right to a root' no-permission "$root" sync
    chmod 600 "$repository/$root" "$image"
    refused 'no right to the disk' no-permission "$image" sync
    chmod 644 "$image"
    refused 'no right to the target' no-permission "$work/out.raw" restore --to "$work/out.raw"
    chmod 500 "$live/state"
    chown root "$live/state"
    refused 'no right to the state' no-permission "$live/state" sync
    chmod 600 "$work/key"
    chown 65534 "$live/state"
    refused 'no right to the passphrase' no-permission "$work/key" sync
    chmod 600 "$policy"
    refused 'no right to the policy' no-permission "$policy" sync
    ds_under=()
else
    echo "rights are not tested: not root, or nobody may not run $DISKSYNC"
fi
again

# ---- objects ----

# After each damage a newcomer reads: an error that names the object, or what was promised.
look() { # WHAT NAME [unseen]: by verify, which may not see it, and restore of both points
    local p status
    newcomer "$work/key"
    status=0
    ds_json "$work/said.json" verify --all --node lab 2>/dev/null || status=$?
    case $status in
    3 | 5) grep -Eq "$2" "$work/said.json" || {
        wrong "$1: verify does not name /$2/:"
        cat "$work/said.json"
    } ;;
    *) [ "${3:-}" = unseen ] && [ $status = 0 ] || wrong "$1: verify ends with $status" ;;
    esac
    for p in 1 2; do
        rm -f "$work/out.raw"
        status=0
        "$DISKSYNC" restore --point $p --to "$work/out.raw" --node lab --policy "$policy" --quiet \
            >"$work/said" 2>&1 || status=$?
        case $status in
        0) cmp "$work/was/$p.raw" "$work/out.raw" || wrong "$1: a wrong restore of point $p" ;;
        1 | 3 | 5) grep -Eq "$2" "$work/said" || {
            wrong "$1: restore of $p does not name /$2/:"
            cat "$work/said"
        } ;;
        *) wrong "$1: restore of point $p ends with $status"; cat "$work/said" ;;
        esac
    done
    owner
}
flip() { # FILE OFFSET
    "$PYTHON" -c 'import os, sys
with open(sys.argv[1], "r+b") as f:
    at = int(sys.argv[2]) % os.fstat(f.fileno()).st_size
    f.seek(at)
    b = f.read(1)[0]
    f.seek(at)
    f.write(bytes([b ^ 1 << at % 8]))' "$@"
}
try() { # WHAT OBJECT NAME [unseen]: the damage was done; then it is undone
    look "$1 $2" "${@:3}"
    cp -p "$work/saved-two-points/repository/$2" "$repository/$2"
}
names=(h "k/passphrase" "$root" "$segment")
rm "$repository/k/recovery" "$work/saved-two-points/repository/k/recovery"
for object in "${names[@]}"; do
    file=$repository/$object
    size=$(stat -c %s "$file")
    case $object in
    h) name='\bh\b|header' ;;
    k/*) name='k/passphrase|key slot' ;;
    "$root") name='point 2' ;;
    *) name=$(dirname "$object")'|segment' ;;
    esac
    for cut in 0 $((size - 1)); do
        truncate -s "$cut" "$file"
        try "cut to $cut bytes:" "$object" "$name"
    done
    offsets=$((RANDOM % size))
    [ "${DISKSYNC_SOAK:-0}" != 1 ] || offsets=$(for ((i = 0; i < 100; i++)); do
        echo $((RANDOM * 32768 % size + RANDOM % size)); done)
    for at in 16 $offsets -1; do
        flip "$file" "$at"
        try "a bit flipped at $at:" "$object" "$name"
    done
    unseen=()
    [ "$object" != "$segment" ] || unseen=(unseen) # nothing reads what is behind the last slot
    head -c 100 /dev/urandom >>"$file"
    try 'with a tail:' "$object" "$name" "${unseen[@]}"
    unseen=()
    [ "$object" != "$root" ] || unseen=(unseen) # only its own node knows that there was one
    rm "$file"
    try 'removed:' "$object" "$name" "${unseen[@]}"
done
# Swapped: each is a sound object, of another place. Replayed: of another time.
cp "$repository/n/$node/p/0000000000000001" "$repository/$root"
try 'point 1 as point 2:' "$root" 'point 2'
cp "$repository/$first" "$repository/$segment"
try 'a segment of point 1 as one of point 2:' "$segment" 's/0000000000000002'
other=$(dirname "$first")/00000001
cp "$repository/$other" "$repository/$first"
try 'a segment in the place of its neighbour:' "$first" 's/0000000000000001'
for kind in 'h:header|\bh\b' 'k/passphrase:key slot|k/'; do
    object=${kind%%:*}
    lab_policy "$work/stranger.yaml" "$live/stranger" "$live/stranger-state"
    mkdir -p -m 700 "$live/stranger-state"
    policy=$work/stranger.yaml ds register || true
    cp "$live/stranger/$object" "$repository/$object"
    try "of another repository:" "$object" "${kind#*:}"
done
check_all 'when all is undone' 1 2
exit $bad
