#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What transport-dir reported as stored survives a power cut at any moment after: a log of all that it
# does to its folder is cut behind every operation, the states that a crash may leave there are built,
# and each must hold every object that was reported before, whole, and no object that is torn.
set -eu
. "$top_srcdir/tests/tools/faultfs.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/durable.XXXXXX")
trap 'rm -rf "$work"' EXIT
faultfs_find "$work"
mkdir "$work/top" "$work/before"

# KIND KEY LETTER, one process each; a removed object has no letter.
cat >"$work/steps" <<'END'
new h a
new n/x/p/1 b
put n/x/s/1-aa/0 c
new n/x/s/1-aa/1 d
put n/x/p/1 e
new n/x/p/2 f
remove n/x/p/2 -
new n/x/p/2 g
END
while read -r kind key letter; do
    faultfs "$work/top" FAULTFS_LOG="$work/log" \
        "$builddir/tools/store-do" "$work/top/repository" "$kind" "$key" "$letter"
done <"$work/steps"

"$PYTHON" "$top_srcdir/tests/tools/crashreplay.py" --log "$work/log" --initial "$work/before" \
    --target "$work/state" --actual "$work/top" -- "$PYTHON" \
    "$top_srcdir/tests/tools/objects-kept.py" "$work/steps" repository _tmp
