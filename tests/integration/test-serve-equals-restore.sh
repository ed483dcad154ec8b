#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `serve` exports is what `restore` writes, bit for bit, over a socket and over TCP, for every
# client; its map has holes where nothing was kept; it stays the same while later points are made;
# and it ends on a signal and leaves nothing, also with a client and when it is killed.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
. "$top_srcdir/tests/tools/serve.sh"
lab_start serve
serve_needs nbdcopy nbdinfo pgrep
trap serve_trap EXIT

promise 1
ds sync || fail 'sync 1'
image_change 60
promise 2
ds sync || fail 'sync 2'
ds restore --point 1 --to "$work/restored.raw" || fail 'restore'
cmp "$work/was/1.raw" "$work/restored.raw" || fail 'the restored point'

same() { # WHAT
    rm -f "$work/copied.raw"
    nbdcopy "$uri" "$work/copied.raw" || fail "$1: nbdcopy"
    cmp "$work/restored.raw" "$work/copied.raw" || fail "$1: it is not what restore writes"
}

# ---- a socket of its own place, and one that is named ----
serve --point 1
[ "$(stat -c %a "$socket")" = 700 ] || fail "others may connect to $socket"
! tr '\0' '\n' <"/proc/$child/cmdline" | grep -q passphrase || fail 'a secret is in the arguments'
same 'the default socket'
bad=$("$PYTHON" "$lab_tools/nbd-read.py" "$socket" "$work/restored.raw" 16384) ||
    fail 'other bytes are read than are restored'
[ -z "$bad" ] || fail "blocks can not be read: $bad"
nbdinfo --json "$uri" >"$work/info.json"
[ "$(field "$work/info.json" 'd["exports"][0]["is_read_only"]')" = True ] || fail 'it is writable'
nbdinfo --map --totals "$uri" >"$work/map"
holes=$(awk '/hole,zero/ { print $1 }' "$work/map")
data=$(awk '$NF == "data" { print $1 }' "$work/map")
[ "$((holes + data))" = "$(stat -c %s "$work/restored.raw")" ] || fail 'the map has gaps'
# 2,150 blocks with something in them, of 2,177
[ "$data" -le $((2160 * 16384)) ] && [ "$holes" -ge $((16 * 16384)) ] || {
    cat "$work/map"
    fail 'the map is not that of the disk'
}
ds sync || [ $? = 4 ] || fail 'a sync beside it'
image_rewrite 0 2100 2
ds sync || fail 'a sync beside it'
ds forget --point 2 || fail 'forget beside it'
ds collect --no-grace || fail 'collect beside it'
same 'after other points came and went'
serve_end TERM
serve --point 1 --socket "$work/a socket%.s"
socket="$work/a socket%.s"
same 'a socket that is named'
serve_end INT

# ---- TCP ----
serve --point 1 --port 0
socket=$work/none
same 'TCP'
serve_end HUP

# ---- a client that stays, and a server that is killed ----
serve --point 1
nbdcopy "$uri" - | sleep 100 & # fills the pipe and waits
client=$!
sleep 0.5
serve_end TERM
kill $client 2>/dev/null || true
serve --point 1
kill -TERM $server # twice, as timeout does
serve_end TERM
serve --point 1
kill -KILL $server
wait $server 2>/dev/null || true
server=''
serve_gone
[ -S "$socket" ] || fail 'no socket was left: the next step tests nothing'
serve --point 1
same 'behind a server that was killed'
serve_end TERM
