#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A sync that is killed, at any operation on its repository and state or at any time, leaves every
# point that is listed whole; the next one completes; and what was sent is not sent again. Full
# counts with DISKSYNC_SOAK=1.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start sync-kills

# Kills a sync from the saved state at each moment. The killed one may have got as far as its point.
killed_syncs() { # STATE POINT...: those that are there before
    local n total
    put_back "$1"
    total=$(operations sync)
    echo "$1: $total operations"
    for n in $(moments "$total"); do
        put_back "$1"
        killed_at "$n" sync || fail "$1: the sync ended before operation $n of $total"
        check_all "$1, killed at operation $n" "${@:2}"
        check_next "$1, behind the kill at operation $n"
    done
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
killed_at $((total * 6 / 10)) sync || fail 'no kill in the middle'
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
times=5
[ "${DISKSYNC_SOAK:-0}" != 1 ] || times=200
for ((i = 0; i < times; i++)); do
    put_back nothing
    ms=$((RANDOM * took / 32768))
    killed_after $ms sync
    check_all "killed after $ms ms"
    check_next "behind the kill after $ms ms"
done
exit 0
