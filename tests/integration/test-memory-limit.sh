#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A sync keeps within limits.memory: 300 MiB of random data, first and then all of it changed, at
# the least that a policy may say, at 128 MiB and at the default, with small and large blocks. A
# limit that one worker can't keep is refused before anything is touched.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
[ "${SANITIZER:-no}" = no ] || skip 'a sanitizer takes memory of its own'
lab_start memory
# As init makes it: what is shorter is stretched, which takes 128 MiB for a moment.
(umask 077 && head -c 48 /dev/urandom | base64 -w0 >"$work/key")

content() { # SEED
    "$PYTHON" - "$image" "$1" <<'END'
import random, sys
r = random.Random(sys.argv[2])
with open(sys.argv[1], "wb") as f:
    for i in range(300):
        f.write(r.randbytes(1 << 20))
END
}

limited() { # LIMIT BLOCK-SIZE [LEVEL]
    sed "s|16KiB|$2|; s|path: [^,]*|&, compression: ${3:-1}|" "$work/policy.yaml" \
        >"$work/limit.yaml"
    [ "$1" = default ] || echo "limits: { memory: $1, workers: 16 }" >>"$work/limit.yaml"
    policy=$work/limit.yaml
}

measured() { # MIB WHAT
    local peak
    ds_json "$work/sync.json" sync || fail "$2: sync"
    peak=$(field "$work/sync.json" 'd["peak_rss_bytes"]')
    [ "$(field "$work/sync.json" 'd["sent_bytes"] >= 300 << 20')" = True ] ||
        fail "$2: not all was sent"
    echo "$2: $((peak >> 20)) MiB of $1"
    [ "$peak" -gt $((20 << 20)) ] || fail "$2: $peak bytes are no measure"
    [ "$peak" -le $(($1 << 20)) ] || fail "$2: $peak bytes"
}

save nothing
content 1
cp "$image" "$work/first"
content 2
mv "$image" "$work/second"
for case in '96 96MiB 64KiB' '96 96MiB 1MiB' '128 128MiB 64KiB' '256 default 64KiB' \
    '256 256MiB 1MiB'; do
    read -r mib limit block <<<"$case"
    limited "$limit" "$block"
    put_back nothing
    cp "$work/first" "$image"
    measured "$mib" "$limit, blocks of $block, the first"
    cp "$work/second" "$image"
    measured "$mib" "$limit, blocks of $block, all changed"
    rm -f "$work/restored.raw"
    ds verify || fail "$case: verify"
done

put_back nothing
limited 96MiB 1MiB 19
find "$live" ! -name lock | sort >"$work/before"
status=0
ds preflight || status=$?
[ $status = 3 ] || fail "preflight of a limit that can't be kept ended with $status"
status=0
ds_json "$work/error.json" sync || status=$?
[ $status = 3 ] || fail "a limit that can't be kept ended with $status"
field "$work/error.json" 'd["error"]["message"]' |
    grep -q 'limits.memory of 96 MiB is too little.* takes up to 1[0-9][0-9] MiB with one worker' ||
    fail "$(cat "$work/error.json")"
# the lock of the state folder may be there; a repository, a node or a record may not
find "$live" ! -name lock | sort >"$work/after"
cmp "$work/before" "$work/after" || fail "something was made before the refusal"
