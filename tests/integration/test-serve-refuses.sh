#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is wrong is told before anything listens, with the exit code that `explain` tells; and stored
# data that is damaged is EIO for its own blocks, with a line that names block and object, while all
# others are still right.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
. "$top_srcdir/tests/tools/serve.sh"
lab_start serve
serve_needs pgrep
trap serve_trap EXIT

promise 1
ds sync || fail 'sync'
repository=$live/repository
state=$live/state

refused() { # CODE EXIT TEXT OPTION...: and nothing listens
    local status=0
    timeout 60 "$DISKSYNC" serve "${@:4}" --policy "$policy" --json \
        >"$work/said.json" 2>"$work/said" || status=$?
    [ "$status" = "$2" ] && grep -Eq "$3" "$work/said" &&
        [ "$(field "$work/said.json" 'd["error"]["code"]')" = "$1" ] || {
        cat "$work/said" "$work/said.json"
        fail "${*:4}: wanted $1 ($2) and /$3/, got exit code $status"
    }
    [ -z "$(find "$work" -type s)" ] || fail "${*:4}: a socket is left"
}

refused no-such-point 1 'no point 9' --point 9
refused usage 2 "'x' is not a point" --point x
refused not-found 1 "no disk '7'" --disk 7
refused not-found 1 'no partition 3' --partition 3
refused not-found 1 'no node' --node nobody
refused usage 2 "65536.*not a port" --port 65536
refused usage 2 'not at both' --port 0 --socket "$work/s"
refused exists 1 "$work/key is there and is not a socket" --socket "$work/key"
refused invalid 1 'too long for a socket' --socket "$work/$(printf '%0100d' 0)"
refused not-found 1 "$work/nowhere" --socket "$work/nowhere/s"
status=0
PATH=$work "$DISKSYNC" serve --policy "$policy" >"$work/said" 2>&1 || status=$?
grep -q 'install the package nbdkit' "$work/said" && [ $status = 1 ] || {
    cat "$work/said"
    fail 'without nbdkit'
}
# One that others may change is not run; one of a relative folder does not count.
mkdir -m 777 "$work/open"
chmod 777 "$work/open"
printf '#!/bin/sh\necho ran >>"%s"\n' "$work/ran" >"$work/open/nbdkit"
chmod 755 "$work/open/nbdkit"
PATH="$work/open:$PATH" refused no-permission 1 \
    "$work/open/nbdkit is not safe to run: $work/open: others may write it"
status=0
(cd "$work/open" && PATH=:.:../open "$DISKSYNC" serve --policy "$policy") >"$work/said" 2>&1 ||
    status=$?
grep -q 'install the package nbdkit' "$work/said" && [ $status = 1 ] || {
    cat "$work/said"
    fail 'an nbdkit of a relative folder'
}
[ ! -e "$work/ran" ] || fail 'an unsafe nbdkit was run'
echo wrong >"$work/wrong"
policy=$work/wrong.yaml
sed "s|file: $work/key|file: $work/wrong|" "$work/policy.yaml" >"$policy"
refused wrong-passphrase 3 passphrase
echo 'nonsense: 1' >>"$policy"
refused policy 2 "wrong.yaml:6:1.*nonsense"
policy=$work/policy.yaml

# ---- the place is taken ----
serve
! "$DISKSYNC" serve --policy "$policy" >/dev/null 2>"$work/said" || fail 'two servers at one socket'
grep -q 'another program listens.*busy' "$work/said" || { cat "$work/said"; fail 'not told why'; }
[ -S "$socket" ] || fail 'the second took the socket of the first'
serve_end
serve --port 0
socket=$work/none
port=${uri##*:}
refused busy 1 'another program listens at 127.0.0.1' --port "${port%/}"
serve_end

# ---- damage ----
damaged() { # WHAT: some blocks can't be read, none is wrong, and the log names what it was
    serve
    bad=$("$PYTHON" "$lab_tools/nbd-read.py" "$socket" "$work/was/1.raw" 16384) ||
        fail "$1: $bad"
    [ -n "$bad" ] || fail "$1: it was not noticed"
    for block in $(printf '%s\n' $bad | head -n 3); do
        grep -Eq "block $block of disk 1, .*$object" "$work/served.log" || {
            cat "$work/served.log"
            fail "$1: the log does not name block $block and $object"
        }
    done
    serve_end
}
object=$(cd "$repository" && ls -d n/*/s/*/00000000)
cp "$repository/$object" "$work/kept"
size=$(stat -c %s "$work/kept")
printf 'nonsense' | dd of="$repository/$object" bs=1 seek=$((size / 2)) conv=notrunc status=none
damaged 'a few bytes'
[ "$(wc -w <<<"$bad")" -le 2 ] || fail "a few bytes cost the blocks $bad"
truncate -s $((size / 2)) "$repository/$object"
damaged 'cut short'
rm "$repository/$object"
damaged 'removed'
cp "$work/kept" "$repository/$object"
serve
bad=$("$PYTHON" "$lab_tools/nbd-read.py" "$socket" "$work/was/1.raw" 16384) ||
    fail 'other bytes are read than were stored'
[ -z "$bad" ] || fail "what was put back is not read: $bad"
serve_end
[ -z "$(find "$state" -type s)" ] || fail 'a socket is left'
