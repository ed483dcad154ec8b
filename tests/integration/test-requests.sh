#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How many objects a sync stores, by its own report and by what is in the folder: one where nothing
# changed; ceil(D / 16 MiB) + 1 for D stored bytes in blocks scattered anywhere, map pages included;
# and how many it reads before it begins: 3 at most.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start requests
command -v strace >/dev/null || skip 'no strace'
sed -i 's/16KiB/64KiB/' "$policy"
repository=$live/repository

objects() { find "$live" -path '*/n/*/[ps]/*' -type f | wc -l; }

noise() { # MIB: that many blocks of 64 KiB * 16, each alone, at places all over the disk
    changes=$((changes + 1))
    "$PYTHON" - "$image" "$((SEED + changes))" "$1" <<'END'
import os, random, sys
r = random.Random(int(sys.argv[2]))
with open(sys.argv[1], "r+b") as f:
    blocks = os.fstat(f.fileno()).st_size // 65536
    for block in r.sample(range(blocks), int(sys.argv[3]) * 16):
        f.seek(block * 65536)
        f.write(r.randbytes(65536))
END
}

counted() { # WHAT MIB: a sync; D may be so much
    local before after expected=$((($2 + 15) / 16 + 1))
    before=$(objects)
    ds_json "$work/sync.json" sync || fail "$1: sync"
    after=$(objects)
    local stored sent
    stored=$(field "$work/sync.json" 'd["stored_objects"]')
    sent=$(field "$work/sync.json" 'd["sent_bytes"]')
    echo "$1: $sent bytes sent, $stored objects stored, $expected allowed"
    [ "$sent" = $(($2 << 20)) ] || fail "$1: $sent bytes were sent, not $2 MiB"
    [ $((after - before)) = "$stored" ] || fail "$1: $stored reported, $((after - before)) are there"
    [ "$stored" -le $expected ] || fail "$1: $stored objects, $expected are allowed"
    [ "$2" != 0 ] || [ "$stored" = 1 ] || fail "$1: $stored objects"
}

# A disk of 20 GiB, so that the map has two levels above its leaves; nearly all of it is a hole.
rm "$image"
truncate -s 20G "$image"
noise 40
counted 'full' 40
counted 'no change' 0
for mib in 1 15 16 17 33; do
    noise $mib
    # The same block may be hit twice in two turns, never in one.
    counted "$mib MiB scattered" $mib
done
counted 'no change again' 0

# One block alone: 2 objects and under 100 KiB.
"$PYTHON" -c 'import os, sys
with open(sys.argv[1], "r+b") as f:
    f.seek(13 << 30)
    f.write(os.urandom(65536))' "$image"
ds_json "$work/sync.json" sync || fail 'one block: sync'
[ "$(field "$work/sync.json" 'd["stored_objects"]')" -le 2 ] || fail 'one block: more than 2 objects'
[ "$(field "$work/sync.json" 'd["stored_bytes"]')" -lt 102400 ] || fail 'one block: 100 KiB or more'

# What a sync asks for besides the map that it compares with, seen from outside. At its start, that
# is before it has written down its attempt: whether the header still is one that it knows, whether
# there is a newer root (a listing), and the newest root. Then whether verify found damage in it. One
# that is short does not ask for the header again before it commits.
strace -f -qq -o "$work/trace" -e trace=%file "$DISKSYNC" sync --policy "$policy" --quiet \
    >>"$work/log" 2>&1 || fail 'sync under strace'
grep -oE "\"$repository/(h|[kn]/[^\"]+)\"" "$work/trace" |
    grep -E '/(h|k/[a-z-]+|[pdf]/[0-9a-f]{16})"' | sort -u >"$work/asked"
cat "$work/asked"
[ "$(grep -cv '/h"' "$work/asked")" -le 3 ] || fail 'more than 3 objects are asked for'
sed '/points-[0-9a-f]*\.state\.new/,$d' "$work/trace" >"$work/start"
[ "$(grep -cE "openat?\(.*\"$repository/(h|[kn]/[^\"]+)\"" "$work/start")" -le 3 ] ||
    fail 'more than 3 requests at the start'
[ "$(grep -cE "openat?\(.*\"$repository/h\"" "$work/trace")" = 1 ] || fail 'h is not read once'
grep -q "\"$repository/h\"" "$work/start" || fail 'the header is looked at too late'
[ "$(grep -c '/p/' "$work/asked")" = 2 ] || fail 'the trace does not show the two roots'
! grep -q '/k/' "$work/asked" || fail 'a node that has its slot saved asks for it'
