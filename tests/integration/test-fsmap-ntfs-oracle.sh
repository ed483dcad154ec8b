#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# fsmap-ntfs against ntfs-3g's own programs: volumes made by mkntfs at many geometries, filled and
# fragmented through the mounted file system; the used clusters are compared bit by bit with what
# ntfscat reads of $Bitmap. Then a bitmap that is behind its files, an unmount that did not happen,
# and files to skip. Needs root, loop devices and FUSE; exit 77 where they are missing.
set -euo pipefail

skip() { echo "SKIP: $*"; exit 77; }
fail() { echo "FAIL: $*"; exit 1; }
for tool in mkntfs ntfs-3g ntfscat ntfsinfo ntfsfix losetup python3; do
    command -v "$tool" >/dev/null || skip "no $tool"
done
[ "$(id -u)" = 0 ] || skip 'needs root for loop devices'
[ -e /dev/fuse ] || skip 'no /dev/fuse'
top=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/fsmap-ntfs.XXXXXX")
mnt=$tmp/mnt
mkdir "$mnt"
loop=
cleanup() {
    mountpoint -q "$mnt" && umount "$mnt" || true
    [ -z "$loop" ] || losetup -d "$loop" || true
    rm -rf "$tmp"
}
trap cleanup EXIT

dump=$tmp/fsmap-dump
# shellcheck disable=SC2086
${CC:-cc} -std=c11 -O1 -g ${SANITIZE_CFLAGS-} -I"$top/sdk/include" "$top/tests/tools/fsmap-dump.c" \
    "$top"/plugins/fsmap-ntfs/*.c -o "$dump" || fail 'fsmap-dump does not compile'

cat >"$tmp/compare.py" <<'PY'
# compare.py DUMP IMAGE WINDOW [extra FROM TO]: the dump's extents against $Bitmap as ntfscat reads
# it, the boot region, and everything behind the last cluster.
import struct, subprocess, sys, os
dump, image, window = sys.argv[1:4]
extra = [[int(a) for a in sys.argv[5:7]]] if len(sys.argv) > 4 else []
size = os.path.getsize(image)
boot = open(image, 'rb').read(512)
sector, = struct.unpack_from('<H', boot, 11)
per = boot[13] if boot[13] <= 128 else 1 << (256 - boot[13])
sectors, = struct.unpack_from('<Q', boot, 40)
cluster, clusters = sector * per, sectors // per
bits = subprocess.check_output(['ntfscat', '-f', '-i', '6', image])
used = bytearray(clusters)
for c in range(clusters):
    used[c] = bits[c >> 3] >> (c & 7) & 1
for c in range(-(-8192 // cluster)):
    used[c] = 1
for a, b in extra:
    for c in range(a, b):
        used[c] = 1
want, c = [], 0
while c < clusters:
    e = used.find(1 - used[c], c)
    e = clusters if e < 0 else e
    if used[c]:
        want.append([c * cluster, e * cluster])
    c = e
if size > clusters * cluster:
    if want and want[-1][1] == clusters * cluster:
        want[-1][1] = size
    else:
        want.append([clusters * cluster, size])
out = subprocess.check_output([dump, 'used', image, window, str(sector)], text=True)
got = []
for line in out.splitlines():
    at, n = map(int, line.split())
    if got and got[-1][1] == at:  # pieces meet at the windows' edges
        got[-1][1] = at + n
    else:
        got.append([at, at + n])
if got != want:
    w, g = {tuple(x) for x in want}, {tuple(x) for x in got}
    sys.exit('used differs: wanted %s, got %s' % (sorted(w - g)[:5], sorted(g - w)[:5]))
print('%s: cluster %d, sector %d: %d extents, %d of %d clusters' %
      (os.path.basename(image), cluster, sector, len(want), sum(used), clusters))
PY

fragment() { # FILES: every second one deleted, then large ones into the gaps
    python3 - "$mnt" "$1" <<'PY'
import os, sys
top, n = sys.argv[1], int(sys.argv[2])
os.mkdir(top + '/d')
try:
    for i in range(n):
        with open('%s/d/%05d' % (top, i), 'wb') as f:
            f.write(b'%d' % i * (300 + i % 7 * 900))
except OSError:
    pass
for i in range(0, n, 2):
    try: os.unlink('%s/d/%05d' % (top, i))
    except OSError: pass
for k in range(3):
    try:
        with open('%s/big%d' % (top, k), 'wb') as f:
            for i in range(60):
                f.write(os.urandom(16384))
                f.flush()
    except OSError: pass
PY
}

volume() { # NAME MIB CLUSTER SECTOR FILES
    local image=$tmp/$1.img
    truncate -s "$2M" "$image"
    loop=$(losetup -f --show -b "$4" "$image" 2>/dev/null) || skip 'no loop device'
    mkntfs -q -Q -F -L "$1" -c "$3" -s "$4" -p 2048 -H 255 -S 63 "$loop" >/dev/null 2>&1 ||
        fail "mkntfs -c $3 -s $4"
    "$dump" probe "$image" | grep '^score=100' >/dev/null || fail "$1: not recognised"
    python3 "$tmp/compare.py" "$dump" "$image" 0
    ntfs-3g "$loop" "$mnt" || fail "cannot mount $1"
    fragment "$5"
    umount "$mnt"
    losetup -d "$loop"
    loop=
    ntfsfix -n "$image" >/dev/null || fail "$1: ntfsfix finds faults"
    python3 "$tmp/compare.py" "$dump" "$image" 0
    python3 "$tmp/compare.py" "$dump" "$image" 1048576
    "$dump" facts "$image" | grep -x "label=$1" >/dev/null || fail "$1: label"
    "$dump" facts "$image" | grep -x "cluster_bytes=$3" >/dev/null || fail "$1: cluster size"
    "$dump" facts "$image" | grep -x 'unclean=false' >/dev/null || fail "$1: unclean"
}

volume c512 24 512 512 3000
volume c1024 24 1024 512 1000
volume c2048 24 2048 512 1000
volume c4096 40 4096 512 2000
volume c8192 40 8192 512 500
volume c65536 64 65536 512 300
volume c262144 128 262144 512 100
volume c2097152 3072 2097152 512 20
volume s4096 40 4096 4096 1500
volume s4096c65536 64 65536 4096 300

# $MFT and its attribute list in many pieces: the volume full, every second file deleted, and then
# small files whose records find room only in the gaps.
image=$tmp/mft.img
truncate -s 16M "$image"
loop=$(losetup -f --show "$image")
mkntfs -q -Q -F -c 512 -p 2048 -H 255 -S 63 "$loop" >/dev/null
ntfs-3g "$loop" "$mnt"
python3 - "$mnt" <<'PY'
import os, sys
top = sys.argv[1]
os.mkdir(top + '/a')
os.mkdir(top + '/b')
def until_full(step):
    n = 0
    try:
        while n < 3000:
            step(n)
            n += 1
    except OSError:
        pass
    return n
def put(path, data):
    with open(top + path, 'wb') as f:
        f.write(data)
until_full(lambda n: put('/a/%05d' % n, b'x' * 1000))
def fill(n):
    with open(top + '/fill', 'ab') as f:
        f.write(b'y' * (65536 if n < 2000 else 512))
while until_full(fill) == 3000:
    pass
for n in range(0, 3000, 2):
    os.unlink(top + '/a/%05d' % n)
until_full(lambda n: put('/b/%d' % n, b't' * 20))
PY
umount "$mnt"
losetup -d "$loop"
loop=
ntfsinfo -f -i 0 -v "$image" | grep 'ATTRIBUTE_LIST' >/dev/null ||
    fail '$MFT was not fragmented enough'
python3 "$tmp/compare.py" "$dump" "$image" 0

# A bitmap behind the files: take the clusters of a file out of $Bitmap, as if it had not been
# written before the machine stopped.
image=$tmp/c4096.img
cp "$image" "$tmp/behind.img"
python3 - "$tmp/behind.img" "$tmp/lost" <<'PY'
import re, subprocess, sys
RUN = re.compile(r'^\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)$', re.M)  # vcn, lcn, length
image, lost = sys.argv[1:]
text = subprocess.check_output(['ntfsinfo', '-v', '-f', '-F', 'big0', image], text=True)
runs = [(int(a, 16), int(b, 16)) for a, b in re.findall(RUN, text)]
text = subprocess.check_output(['ntfsinfo', '-v', '-f', '-i', '6', image], text=True)
home = [int(a, 16) for a, b in re.findall(RUN, text)]
assert runs and len(home) == 1, (runs, home)
run = max(runs, key=lambda r: r[1])
with open(image, 'r+b') as f:
    for c in range(run[0], run[0] + run[1]):
        f.seek(home[0] * 4096 + c // 8)
        b = f.read(1)[0]
        assert b >> (c & 7) & 1
        f.seek(-1, 1)
        f.write(bytes([b & ~(1 << (c & 7))]))
open(lost, 'w').write('%d %d\n' % (run[0], run[0] + run[1]))
PY
read -r from to <"$tmp/lost"
python3 "$tmp/compare.py" "$dump" "$tmp/behind.img" 0 extra "$from" "$to"
echo "clusters $from to $to were missing in the bitmap and are used"

# The same with $Volume's dirty flag, which ntfsfix sets; its bitmap stays as it is.
ntfsfix "$tmp/behind.img" >/dev/null
"$dump" facts "$tmp/behind.img" | grep -x 'unclean=true' >/dev/null || fail 'dirty flag not seen'
python3 "$tmp/compare.py" "$dump" "$tmp/behind.img" 0 extra "$from" "$to"

# A mounted volume, seen from outside.
cp "$image" "$tmp/live.img"
loop=$(losetup -f --show "$tmp/live.img")
ntfs-3g "$loop" "$mnt"
head -c 3000000 /dev/urandom >"$mnt/more"
sync
python3 "$tmp/compare.py" "$dump" "$tmp/live.img" 0
umount "$mnt"

# Files to skip: exactly the clusters that ntfs-3g gave them.
ntfs-3g "$loop" "$mnt"
head -c 2000000 /dev/urandom >"$mnt/pagefile.sys"
head -c 1000000 /dev/urandom >"$mnt/Hiberfil.sys"
mkdir "$mnt/System Volume Information"
store='{0badcafe-0000-1111-2222-333344445555}{3808876b-c176-4e48-b7ae-04046e6cc752}'
head -c 3000000 /dev/urandom >"$mnt/System Volume Information/$store"
mkdir "$mnt/elsewhere"
head -c 500000 /dev/urandom >"$mnt/elsewhere/pagefile.sys"
umount "$mnt"
losetup -d "$loop"
loop=
python3 - "$dump" "$tmp/live.img" "$store" <<'PY'
import re, subprocess, sys
RUN = re.compile(r'^\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)$', re.M)  # vcn, lcn, length
dump, image, store = sys.argv[1:]
want = set()
for path in ('pagefile.sys', 'Hiberfil.sys', 'System Volume Information/' + store):
    text = subprocess.check_output(['ntfsinfo', '-v', '-f', '-F', path, image], text=True)
    runs = re.findall(RUN, text)
    assert runs, path
    for a, n in runs:
        want.update(range(int(a, 16), int(a, 16) + int(n, 16)))
got = set()
for line in subprocess.check_output([dump, 'skip', image], text=True).splitlines():
    at, n = map(int, line.split())
    assert at % 4096 == 0 and n % 4096 == 0
    got.update(range(at // 4096, (at + n) // 4096))
if got != want or len(want) < 1460:
    sys.exit('skip differs: %d wanted, %d got' % (len(want), len(got)))
print('skip: %d clusters of three files' % len(got))
PY
echo PASS
