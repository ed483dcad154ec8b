#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A sync that is killed, at any operation on its repository and state or at any time, leaves every
# point that is listed whole; the next one completes; and what was sent is not sent again. Full
# counts with DISKSYNC_SOAK=1.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start sync-kills
kills=4

# Kills a sync from the saved state at each moment. The killed one may have got as far as its point.
killed_syncs() { # STATE POINT...: those that are there before
    local n total killed=0
    put_back "$1"
    total=$(operations sync)
    echo "$1: $total operations"
    for n in $(moments "$total"); do
        put_back "$1"
        ! killed_at "$n" sync || killed=$((killed + 1))
        check_all "$1, killed at operation $n" "${@:2}"
        check_next "$1, behind the kill at operation $n"
        ls "$live"/repository/n/*/h >/dev/null || fail "$1, kill at $n: nobody would find the node"
    done
    # Two runs differ by an operation or two: threads share the flush of a folder.
    [ $((killed * 2)) -gt "$(moments "$total" | wc -l)" ] || fail "$1: $killed syncs were killed"
}

# The first sync makes the repository, registers the node and sends all.
save nothing
promise 1
promise 2 # if the killed one committed, the next one finds nothing new
killed_syncs nothing

put_back nothing
ds sync || fail 'the first sync'
image_change 40
save one-point
promise 2
promise 3
killed_syncs one-point 1

# Killed once in the middle, and the sync that resumes it again.
put_back nothing
promise 1
total=$(operations sync)
put_back nothing
killed_at $((total * 85 / 100)) sync || fail 'no kill in the middle'
[ -n "$(find "$live/repository/n" -path '*/s/*/*')" ] || fail 'nothing was sent before the kill'
save interrupted
killed_syncs interrupted

# At random times. The copy of an image with more to read takes most of the run.
"$PYTHON" - "$image" "$SEED" <<'END'
import random, sys
r = random.Random(sys.argv[2])
with open(sys.argv[1], "r+b") as f:
    for i in range(24):
        f.seek(i << 20)
        f.write(r.randbytes(1 << 20))
END
put_back nothing
promise 1
promise 2
begin=$(date +%s%N)
ds sync || fail 'the sync that is timed'
took=$((($(date +%s%N) - begin) / 1000000))
times=3
[ "${DISKSYNC_SOAK:-0}" != 1 ] || times=200
for ((i = 0; i < times; i++)); do
    put_back nothing
    ms=$((RANDOM * took / 32768))
    killed_after $ms sync
    check_all "killed after $ms ms"
    check_next "behind the kill after $ms ms"
done

# Killed when 90 % is sent: the next run sends less than 15 % of it.
rm -rf "$live"
mkdir -m 700 "$live" "$live/state"
sed -i 's/16KiB/64KiB/' "$policy"
data=$((672 << 20))
head -c "$data" /dev/urandom >"$image"
rm "$work"/was/*
save empty
total=$(operations sync)
stored=$(find "$live/repository/n" -path '*/s/*/*' -type f | wc -l)
[ "$stored" -ge 40 ] || fail "$stored segments are too few for this test"
put_back empty
killed_at $((total * 9 / 10)) sync || fail 'the sync ended before 90 %'
there=$(du -sb "$live/repository" | cut -f 1)
[ "$there" -lt $((data * 96 / 100)) ] || fail "killed too late: $there bytes are stored"
ds_json "$work/resumed.json" sync || fail 'the sync that resumes'
sent=$(field "$work/resumed.json" 'd["sent_bytes"]')
echo "killed at 90 % of $data bytes; the next run sent $sent"
[ "$sent" -lt $((data * 15 / 100)) ] || fail "$sent of $data bytes were sent again"
[ "$sent" -gt 0 ] || fail 'nothing was left to send: the kill came too late'
[ "$(field "$work/resumed.json" 'd["sent_bytes"] + d["salvaged_bytes"] >= d["used_bytes"]')" = True ] ||
    fail 'what was neither sent nor salvaged is missing'
ln "$image" "$work/was/1.raw"
check_all 'behind the resumed sync' 1
