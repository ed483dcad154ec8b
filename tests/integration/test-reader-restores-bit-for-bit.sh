#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Points that disksync wrote, restored by a reader that was written from docs/s3block.md alone: each
# must equal the image as it was, byte for byte, and what `disksync restore` makes of it. The image
# has no file system, so all of it counts as used. Then: wrong secrets are refused; what is sealed
# rightly and says something wrong is refused, by both programs; and so is one flipped byte in each
# kind of object, and in each part of it.
set -euo pipefail

skip() { echo "SKIP: $*"; exit 77; }
fail() { echo "FAIL: $*"; exit 1; }
top=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
DISKSYNC=${DISKSYNC:-$top/build/disksync}
[ -x "$DISKSYNC" ] || skip "no $DISKSYNC"
python=
for p in /usr/bin/python3 "${PYTHON:-}" python3; do
    [ -n "$p" ] && "$p" -c 'import cryptography, zstandard' 2>/dev/null && { python=$p; break; }
done
[ -n "$python" ] || skip 'no python3 with cryptography and zstandard'

tmp=$(mktemp -d "${TMPDIR:-/tmp}/reader.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
image=$tmp/disk.raw
repo=$tmp/repository
seed=${SEED:-1}
echo "SEED=$seed"

ds() { "$DISKSYNC" "$1" --policy "$tmp/policy.yaml" --quiet "${@:2}" >>"$tmp/log" 2>&1; }
# A machine that never saw the repository: it has no copy of header and key slot of its own.
fresh() {
    rm -rf "$tmp/other"
    mkdir -m 700 "$tmp/other"
    cp policy.yaml disksync.key other/
    sed -i "s|$tmp/disksync.key|$tmp/other/disksync.key|" other/policy.yaml
    "$DISKSYNC" "$1" --policy "$tmp/other/policy.yaml" --quiet \
        --node "$(basename "$repo"/n/*)" "${@:2}" >>"$tmp/log" 2>&1
}
reader() { # SECRET ARG... : SECRET is two words
    "$python" "$top/tests/reader/s3block_reader.py" --repository "$repo" "$@" >>"$tmp/log" 2>&1
}
key=(--passphrase-file disksync.key)

# Changes the image at places and with content that follow from the seed: runs of noise, of text,
# which compresses, and of zeros, that begin and end anywhere; most far apart in a sparse file.
cat >change.py <<'PY'
import os, random, sys
path, seed, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
r = random.Random(seed)
with open(path, 'r+b') as f:
    size = os.fstat(f.fileno()).st_size
    for _ in range(times):
        n = r.choice((1, 512, 5000, 16384, 70000, 300000))
        at = r.choice((0, size - n, r.randrange(size - n), r.randrange(size - n) & ~16383))
        kind = r.randrange(4)
        f.seek(at)
        f.write(r.randbytes(n) if kind < 2 else bytes(n) if kind == 2
                else (b'%d ' % r.randrange(1000) * n)[:n])
PY

# 16 KiB blocks, so that 300 MB need an inner page; the last block is short.
truncate -s $((300000 * 1024 + 1536)) "$image"
"$python" change.py "$image" "$seed" 60
noise() { # MEGABYTES at 200 MB, most of which the second point replaces: for collect to cut out
    dd if=/dev/urandom of="$image" bs=1M count="$1" seek=200 conv=notrunc status=none
}
noise 8
"$DISKSYNC" init --policy "$tmp/policy.yaml" --dir "$repo" --include "$image" --name reader-test \
    --yes --json >init.json 2>>log || { cat log; fail 'init'; }
recovery=$("$python" -c 'import json; print(json.load(open("init.json"))["recovery_key"])')
sed -i 's|^disks:|&\n  block_size: 16KiB|' policy.yaml
size() { stat -c %s "$image"; }

points=5
for p in $(seq $points); do
    if [ "$p" -gt 1 ]; then
        "$python" change.py "$image" $((seed + p)) 12
    fi
    [ "$p" != 2 ] || noise 7
    if [ "$p" = 3 ]; then # the disk grows, over the end of its last block and by another leaf
        truncate -s $(($(size) + 3 * 1024 * 1024)) "$image"
    fi
    if [ "$p" = 4 ]; then # a leaf's worth becomes zero
        fallocate --punch-hole --offset $((64 << 20)) --length $((4 << 20)) "$image"
    fi
    cp --sparse=always "$image" "was$p.raw"
    ds sync || { cat log; fail "sync $p"; }
done

reader "${key[@]}" verify || { cat log; fail 'the reader finds damage where none is'; }
ds verify || { cat log; fail 'disksync finds damage where none is'; }
for p in $(seq $points); do
    rm -f reader.raw own.raw
    reader "${key[@]}" restore --point "$p" --disk 1 --to reader.raw ||
        { cat log; fail "restore $p"; }
    cmp "was$p.raw" reader.raw || fail "point $p differs from what its image was (SEED=$seed)"
    ds restore --point "$p" --to "$tmp/own.raw" || { cat log; fail "disksync restore $p"; }
    cmp reader.raw own.raw || fail "disksync and the reader restore point $p otherwise"
done
reader "${key[@]}" restore --to reader.raw && cmp was$points.raw reader.raw || fail 'latest'
reader --recovery-key "$(echo "$recovery" | tr A-Z a-z | tr -d -)" --node reader-test \
    restore --point 1 --to reader.raw && cmp was1.raw reader.raw || fail 'by recovery key'

# The document's own example.
"$python" "$top/tests/reader/s3block_example.py" unpack "$top/docs/s3block.md" "$tmp/example"
echo example >example.key
"$python" "$top/tests/reader/s3block_reader.py" --repository "$tmp/example" \
    --passphrase-file example.key verify >>log 2>&1 || { cat log; fail 'the example is wrong'; }
"$python" "$top/tests/reader/s3block_reader.py" --repository "$tmp/example" \
    --passphrase-file example.key restore --to example.raw >>log 2>&1 || fail 'example'
for ((i = 0; i < 1000; i++)); do echo S3Block; done >wanted.raw
truncate -s 32768 wanted.raw
cmp wanted.raw example.raw || fail 'the example restores as something else'

# disksync reads it too; and where a reference straight to a leaf says wrongly what is known, neither.
mkdir -m 700 elsewhere
chmod 600 example.key
sed "s|$repo|$tmp/example|; s|$tmp/disksync.key|$tmp/example.key|" policy.yaml >elsewhere/policy.yaml
example() { # exit codes of the two
    local reads=0 own=0
    "$python" "$top/tests/reader/s3block_reader.py" --repository "$tmp/example" \
        --passphrase-file example.key verify >>log 2>&1 || reads=$?
    "$DISKSYNC" verify --policy "$tmp/elsewhere/policy.yaml" --quiet \
        --node "$(basename "$tmp"/example/n/*)" >>log 2>&1 || own=$?
    echo "$reads $own"
}
[ "$(example)" = '0 0' ] || { cat log; fail "the example verifies as $(example)"; }
"$python" "$top/tests/reader/s3block_forge.py" known "$tmp/example" example.key
[ "$(example)" = '5 5' ] || { cat log; fail "a forged example verifies as $(example)"; }

# ---- after collect: segments lack slots, or are gone ----

cp -a "$repo" whole
for p in 1 2 4; do ds forget --point $p || { cat log; fail "forget $p"; }; done
# A mark that anybody could make forgets nothing, for neither of the two.
cp -a "$repo" marked
"$python" "$top/tests/reader/s3block_forge.py" unmark "$repo" disksync.key || fail 'forge: unmark'
reader "${key[@]}" restore --point 1 --to reader.raw || fail 'restore 1 with a forged mark'
listed() { # the numbers of the points that each lists, one line for both if they agree
    { "$python" "$top/tests/reader/s3block_reader.py" --repository "$repo" "${key[@]}" points |
        sed -n "s/^\([0-9][0-9]*\) .*/\1/p" | sort -n | tr '\n' ' '
      echo
      "$DISKSYNC" points --policy policy.yaml --json 2>>log |
        "$python" -c 'import json, sys
print(*sorted(p["point"] for p in json.load(sys.stdin)["points"] if not p["forgotten"]), "")'
    } | uniq
}
[ "$(listed)" = '1 2 3 4 5 ' ] || fail "forged marks forget points: $(listed)"
rm -rf "$repo"
mv marked "$repo"
[ "$(listed)" = '3 5 ' ] || fail "marks forget other points: $(listed)"
ds collect --no-grace || { cat log; fail 'collect'; }
reader "${key[@]}" verify || { cat log; fail 'damage after collect'; }
for p in 3 5; do
    reader "${key[@]}" restore --point $p --to reader.raw || { cat log; fail "restore $p"; }
    cmp was$p.raw reader.raw || fail "point $p differs after collect"
done
if reader "${key[@]}" restore --point 1 --to reader.raw; then fail 'point 1 is still there'; fi
thin=0
for s in "$repo"/n/*/s/*/*; do
    cmp -s "$s" "whole/${s#"$repo/"}" || thin=$((thin + 1))
done
echo "collect rewrote $thin segments"
[ $thin -gt 0 ] || fail 'collect rewrote no segment: nothing was tested'
rm -rf "$repo"
mv whole "$repo"

# ---- wrong secrets ----

echo wrong >wrong
if reader --passphrase-file wrong points; then fail 'a wrong passphrase opens the repository'; fi
other=$(echo "$recovery" | sed 's/^\(.\)\(.\)/\2\1/')
[ "$other" = "$recovery" ] && other=$(echo "$recovery" | tr 01 10)
if reader --recovery-key "$other" points; then fail 'a wrong recovery key opens the repository'; fi
cp disksync.key saved.key
echo wrong >disksync.key
if fresh points; then fail 'disksync opens the repository with a wrong passphrase'; fi
cp saved.key disksync.key
fresh points || { cat log; fail 'disksync does not open it with the right one'; }

# ---- sealed rightly, and wrong ----

forged() { # WHAT [SLOT]: a copy of the repository with that in it takes the place of $repo
    rm -rf whole
    cp -a "$repo" whole
    "$python" "$top/tests/reader/s3block_forge.py" "$1" "$repo" disksync.key "${@:2}" 2>>log ||
        { cat log; fail "forge: $1"; }
}
unforged() {
    rm -rf "$repo"
    mv whole "$repo"
}
for what in block chain known; do
    forged $what
    reads=0 own=0
    reader "${key[@]}" verify || reads=$?
    fresh verify || own=$?
    echo "forged $what: exit codes $reads (reader), $own (disksync)"
    [ $reads = 5 ] || fail "the reader does not notice a forged $what"
    [ $own = 5 ] || fail "disksync does not notice a forged $what"
    if [ $what = block ]; then
        failed=0
        for p in $(seq $points); do
            rm -f forged.raw
            fresh restore --point "$p" --to "$tmp/forged.raw" || failed=$((failed + 1))
        done
        [ $failed -gt 0 ] || fail 'disksync restores a forged block'
    fi
    unforged
done
forged features
reader "${key[@]}" verify || fail 'the reader minds what only a writer must know'
if ds sync; then fail 'disksync builds on a root that it does not understand'; fi
tail -n 3 log | grep -q features || { tail log; fail 'a sync failed, but not for the features'; }
unforged
forged epochs passphrase
rm "$repo/k/recovery"
if reader "${key[@]}" points; then fail 'the reader takes a header from before the last key'; fi
if fresh points; then fail 'disksync takes a header from before the last key'; fi
unforged
forged alien passphrase
rm "$repo/k/recovery"
if reader "${key[@]}" points; then fail 'the reader takes keys of unknown kind'; fi
if fresh points; then fail 'disksync takes keys of unknown kind'; fi
unforged
forged node passphrase
reader "${key[@]}" restore --point 1 --to reader.raw && cmp was1.raw reader.raw ||
    fail "the reader can't restore with a node's own keys"
reader "${key[@]}" verify || fail "the reader can't verify with a node's own keys"
unforged

# ---- one flipped byte ----

flip() { # FILE OFFSET: changes the byte; again to put it back
    "$python" - "$1" "$2" <<'PY'
import os, sys
path, at = sys.argv[1], int(sys.argv[2])
with open(path, 'r+b') as f:
    at += os.fstat(f.fileno()).st_size if at < 0 else 0
    f.seek(at)
    b = f.read(1)[0]
    f.seek(at)
    f.write(bytes([b ^ 0x10]))
PY
}
finds() { # WHAT FILE OFFSET [by]: both notice it; by = "reader" where disksync reads no such thing
    local reads=0 own=0 command=verify
    case $2 in "$repo"/[hk]*) command=points ;; esac
    flip "$2" "$3"
    reader "${key[@]}" $command || reads=$?
    fresh $command || own=$?
    flip "$2" "$3"
    echo "$1: exit codes $reads (reader), $own (disksync)"
    [ $reads != 0 ] || fail "the reader does not notice a flipped byte: $1"
    [ $own != 0 ] || [ "${4:-}" = reader ] || fail "disksync does not notice a flipped byte: $1"
}
node=$(echo "$repo"/n/*)
segment=$(ls -S "$node"/s/*/* | tail -n 1) # the smallest: each of its slots is in use
root=$node/p/$(printf %016x $points)
read -r maps blocks < <("$python" -c '
import struct, sys
print(*struct.unpack_from("<II", open(sys.argv[1], "rb").read(80), 72))' "$segment")
[ "$maps" -gt 0 ] && [ "$blocks" -gt 0 ] || fail 'the smallest segment has no map or no block'
rows=$((112 + (maps + blocks + 7) / 8))
slots=$((rows + 32 * (maps + blocks) + 16))

for at in 0 8 16 32 40 56 60 64 72 100; do finds "h, byte $at" "$repo/h" $at; done
finds "n/NODE/h" "$node/h" 100 reader
rm "$repo/k/recovery" # else the listing of slots goes on to it
fresh verify || { cat log; fail 'a machine of its own finds damage where none is'; }
for at in 0 8 12 20 33 40 44 48 60 84 95 -1; do
    finds "k/passphrase, byte $at" "$repo/k/passphrase" $at
done
for at in 0 8 12 16 32 48 56 60 64 72 80 112 200 -1; do finds "root, byte $at" "$root" $at; done
for at in 0 8 10 12 16 32 48 56 64 68 72 76 80; do
    finds "segment header, byte $at" "$segment" $at
done
finds 'segment, bitmap' "$segment" 112
finds 'segment, table' "$segment" $((rows + 5))
finds "segment, the table's tag" "$segment" $((slots - 1))
finds 'segment, first map slot' "$segment" "$slots"
finds 'segment, last block slot' "$segment" -17
finds 'segment, last tag' "$segment" -1
reader "${key[@]}" verify && fresh verify || fail 'a byte that was put back still counts as damage'

truncate -s -1 "$segment"
if reader "${key[@]}" verify; then fail 'the reader does not notice a segment that is cut short'; fi
if fresh verify; then fail 'disksync does not notice a segment that is cut short'; fi
rm "$segment"
if reader "${key[@]}" verify; then fail 'the reader does not notice a missing segment'; fi
if fresh verify; then fail 'disksync does not notice a missing segment'; fi

# A root in the place of another.
cp "$node/p/0000000000000002" "$node/p/0000000000000001"
if reader "${key[@]}" restore --point 1 --to reader.raw; then fail 'a root was swapped'; fi
if fresh restore --point 1 --to "$tmp/own2.raw"; then fail 'disksync takes a swapped root'; fi
echo OK
