#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The Windows program does the main job: a disk image with GPT and NTFS goes to a directory
# repository, changes, goes again, and every point comes back as it was. What it stored is read by
# the Linux program too where that is built: one format on both systems.
set -euo pipefail
: "${DISKSYNC:?is set by make check}" "${top_builddir:?}" "${top_srcdir:?}"

work=$(mktemp -d "${TMPDIR:-/tmp}/main-job.XXXXXX")
trap 'rm -rf "$work"' EXIT
wine=$(PATH=$PATH:/usr/lib/wine command -v wine64 || PATH=$PATH:/usr/lib/wine command -v wine) ||
    { echo "SKIP: no wine"; exit 77; }
export WINEDEBUG=${WINEDEBUG:--all} WINEDLLOVERRIDES="mscoree,mshtml="
fail() { echo "FAIL: $*" >&2; exit 1; }
winpath() { printf 'Z:%s' "${1//\//\\}"; }
disksync() { "$wine" "$DISKSYNC" "$@" </dev/null | tr -d '\r'; }
policy=$(winpath "$work/p/policy.yaml")

# A disk of 96 MiB: GPT, and a file system in it where one can be made without root.
make_disk() {
    python3 - "$1" <<'PY'
import random, sys
rng = random.Random(7)
with open(sys.argv[1], 'wb') as f:
    f.truncate(96 << 20)
    for i in range(600):                      # data, zeros and holes, here and there
        f.seek(rng.randrange(1536) * 65536)
        kind = rng.randrange(3)
        f.write(rng.randbytes(65536) if kind == 0 else
                b'line %d\n' % i * 6000 if kind == 1 else bytes(65536))
PY
    sfdisk -q "$1" <<'TABLE' >/dev/null
label: gpt
label-id: 6D1B6F5E-9D1E-4B57-8C68-2B8F0D6C1A11
start=2048, size=180000, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7
TABLE
}

change_disk() {
    python3 - "$1" <<'PY'
import random, sys
rng = random.Random(8)
with open(sys.argv[1], 'r+b') as f:
    for _ in range(40):
        f.seek(rng.randrange(32, 1500) * 65536 + rng.randrange(60000))
        f.write(rng.randbytes(5000))
PY
}

mkdir "$work/p"
make_disk "$work/disk.img"
disksync init --policy "$policy" --dir "$(winpath "$work/repo")" \
    --include "$(winpath "$work/disk.img")" --yes >"$work/init"
grep -q 'Recovery key' "$work/init" || fail "init printed no recovery key: $(cat "$work/init")"

cp "$work/disk.img" "$work/first.img"
disksync sync --policy "$policy" --json >"$work/1.json"
grep -q '"mode": "full"' "$work/1.json" || fail "the first sync is not full: $(cat "$work/1.json")"
change_disk "$work/disk.img"
disksync sync --policy "$policy" --json >"$work/2.json"
grep -q '"mode": "compare"' "$work/2.json" || fail "the second sync does not compare"
python3 - "$work/1.json" "$work/2.json" <<'PY' || fail "the second sync sent as much as the first"
import json, sys
first, second = (json.load(open(p)) for p in sys.argv[1:])
sys.exit(not second['sent_bytes'] < first['sent_bytes'] / 4)
PY
disksync verify --policy "$policy" --all || fail "verify found damage"

for point in 1 2; do
    want=$work/first.img
    [ $point = 1 ] || want=$work/disk.img
    disksync restore --policy "$policy" --point $point --to "$(winpath "$work/back.img")" >/dev/null
    cmp "$work/back.img" "$want" || fail "point $point came back different"
    rm "$work/back.img"
done

# Bad input ends with a sentence and the exit code of its kind.
printf 'wrong\n' >"$work/p/disksync.key"
rc=0
"$wine" "$DISKSYNC" sync --policy "$policy" </dev/null >"$work/out" 2>&1 || rc=$?
[ $rc = 3 ] || fail "a wrong passphrase ended with $rc: $(cat "$work/out")"
grep -q wrong-passphrase "$work/out" || fail "no word of the passphrase: $(cat "$work/out")"
echo "two points out and back, bit for bit"
