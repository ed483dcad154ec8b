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

cat >"$work/check.py" <<'END'
import os, sys
repository = os.path.join(os.environ["CRASH_STATE"], "repository")
ended = int(os.environ["CRASH_EXITS"])
steps = [line.split() for line in open(sys.argv[1])]
allowed = {}
for i, (kind, key, letter) in enumerate(steps[:ended + 1]):
    state = None if letter == "-" else letter * 9000
    # The step that ran when the power went may have been done or not.
    allowed[key] = {state} if i < ended else allowed.get(key, {None}) | {state}
bad = 0
for key, states in allowed.items():
    try:
        found = open(os.path.join(repository, key)).read()
    except FileNotFoundError:
        found = None
    if found not in states:
        print(key, "is", None if found is None else (len(found), found[:1]))
        bad = 1
for folder, _, files in os.walk(repository):
    for name in files:
        key = os.path.relpath(os.path.join(folder, name), repository)
        if not key.startswith("_tmp/") and key not in allowed:
            print(key, "was never put")
            bad = 1
sys.exit(bad)
END
"$PYTHON" "$top_srcdir/tests/tools/crashreplay.py" --log "$work/log" --initial "$work/before" \
    --target "$work/state" --actual "$work/top" -- "$PYTHON" "$work/check.py" "$work/steps"
