#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# dataset.sh - makes the disk that the benchmarks copy, and changes it.
#
#   dataset.sh create IMAGE [DISK_MIB [CONTENT_MIB [SEED]]]   (4096, 1536, 1)
#   dataset.sh change IMAGE [PERCENT [SEED]]                  (3, 2)
#
# create: a sparse image with a GPT and one NTFS volume from 1 MiB on, filled with CONTENT_MIB: one
#   third random bytes, one third this machine's own text and programs, one third that compresses
#   well (log lines, runs of one byte).
# change: rewrites PERCENT of the content in place, in pieces of 64 KiB at random places, through
#   the mounted file system; every other piece is random, the others compress well.
#
# The same SEED, sizes and machine give the same files and the same changes: random bytes are the
# key stream of a cipher, choices come from a seeded generator. Times inside NTFS differ.
# Needs root (loop device, FUSE), ntfs-3g, gdisk, openssl, python3.
set -euo pipefail

START=1048576 # of the volume

die() { echo "dataset: $*" >&2; exit 1; }

command=${1:-} image=${2:-}
[ -n "$image" ] || die "usage: dataset.sh create|change IMAGE ..."
for tool in losetup ntfs-3g mkntfs sgdisk openssl python3; do
    command -v $tool >/dev/null || die "$tool is missing: ./bootstrap packages bench"
done
[ "$(id -u)" = 0 ] || die "only root can attach a loop device and mount"

folder=$(mktemp -d) loop=
release() {
    if mountpoint -q "$folder"; then umount "$folder"; fi
    if [ -n "$loop" ]; then losetup -d "$loop"; fi
    loop=
}
trap 'release; rmdir "$folder"' EXIT

attach() { # BYTES: the volume as $loop
    loop=$(losetup -f --show -o $START --sizelimit "$1" "$image")
}

volume_bytes() { # what the partition may have: up to the backup table, in whole clusters
    echo $((($(stat -c %s "$image") - START - 1048576) / 4096 * 4096))
}

make_disk() { # DISK_MIB SEED
    rm -f "$image"
    truncate -s "$1M" "$image"
    sgdisk --clear --disk-guid="$(printf 'D15C0000-0000-4000-8000-%012X' "$2")" \
        --new=1:2048:+$(($(volume_bytes) / 512)) --typecode=1:0700 --change-name=1:bench \
        --partition-guid="1:$(printf 'D15C0000-0000-4000-9000-%012X' "$2")" "$image" >/dev/null
    sgdisk --print "$image" | grep -q '^ *1  *2048 ' || die "the partition table was not written"
    attach "$(volume_bytes)"
    mkntfs --quick --force --quiet --label BENCH --cluster-size 4096 --partition-start 2048 \
        --heads 255 --sectors-per-track 63 "$loop" >/dev/null 2>&1 || die "mkntfs failed"
}

fill_random() { # BYTES SEED: 12 files
    local i key
    mkdir "$folder/random"
    for i in $(seq 12); do
        key=$(echo "dataset $2 $i" | sha256sum | cut -c1-32)
        # the cipher ends by a broken pipe
        { openssl enc -aes-128-ctr -K "$key" -iv 00000000000000000000000000000000 \
            -in /dev/zero 2>/dev/null || true; } | head -c $(($1 / 12)) >"$folder/random/$i.dat"
    done
}

fill_files() { # BYTES SEED: files of the system, half from each folder
    python3 - "$folder/files" "$1" /usr/share /usr/lib <<'END'
import os, sys
out, total, sources = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
number = 0
for source in sources:
    left = total // len(sources)
    for top, dirs, names in os.walk(source):
        dirs.sort()
        for name in sorted(names):
            path = os.path.join(top, name)
            try:
                if os.path.islink(path) or not 0 < os.path.getsize(path) <= min(left, 32 << 20):
                    continue
                with open(path, 'rb') as f:
                    data = f.read(left)
            except OSError:
                continue
            to = os.path.join(out, str(number // 400))
            os.makedirs(to, exist_ok=True)
            with open(os.path.join(to, '%d.dat' % number), 'wb') as f:
                f.write(data)
            number += 1
            left -= len(data)
        if left < 4096:
            break
END
}

fill_compressible() { # BYTES SEED: 6 files
    python3 - "$folder/logs" "$1" "$2" <<'END'
import os, random, sys
out, total, seed = sys.argv[1], int(sys.argv[2]), sys.argv[3]
r = random.Random('compressible ' + seed)
os.mkdir(out)
line, each = 0, total // 6
for i in range(6):
    with open(os.path.join(out, 'service-%d.log' % i), 'wb') as f:
        left = each
        while left > 0:
            if r.random() < 0.03:
                data = bytes([r.choice(b'\x00\xff ')]) * 65536
            else:
                data = ''.join('%010d node-%d GET /item/%d 200 %d bytes in %d ms\n'
                               % (line + k, r.randrange(6), r.randrange(40), (line + k) % 512 * 8,
                                  r.randrange(20)) for k in range(500)).encode()
                line += 500
            f.write(data[:left])
            left -= len(data[:left])
END
}

change() { # PERCENT SEED
    python3 - "$folder" "$1" "$2" <<'END'
import hashlib, os, random, sys
top, percent, seed = sys.argv[1], float(sys.argv[2]), sys.argv[3]
PIECE = 65536
files, content = [], 0
for folder, dirs, names in os.walk(top):
    dirs.sort()
    for name in sorted(names):
        path = os.path.join(folder, name)
        size = os.path.getsize(path)
        content += size
        files.append((path, size // PIECE))
places = [(path, i) for path, n in files if n >= 2 for i in range(n)]
chosen = random.Random('change ' + seed).sample(places, int(content * percent / 100) // PIECE)
for n, (path, i) in enumerate(sorted(chosen)):
    name = ('%s %d' % (seed, n)).encode()
    data = hashlib.shake_128(name).digest(PIECE) if n % 2 else (b'<' + name + b'>') * PIECE
    fd = os.open(path, os.O_WRONLY)
    os.pwrite(fd, data[:PIECE], i * PIECE)
    os.close(fd)
print('dataset: changed %d pieces of 64 KiB, %.1f MiB of %.1f MiB'
      % (len(chosen), len(chosen) / 16, content / (1 << 20)))
END
}

case $command in
create)
    disk=${3:-4096} content=${4:-1536} seed=${5:-1}
    [ "$disk" -ge 32 ] || die "a disk has at least 32 MiB"
    [ $((content * 5)) -le $((disk * 4)) ] || die "the content may fill 80% of the disk"
    make_disk "$disk" "$seed"
    ntfs-3g -o big_writes "$loop" "$folder"
    share=$((content * 1048576 / 3))
    fill_random $share "$seed"
    fill_files $share "$seed"
    fill_compressible $share "$seed"
    ;;
change)
    attach "$(volume_bytes)"
    ntfs-3g -o big_writes "$loop" "$folder"
    change "${3:-3}" "${4:-2}"
    ;;
*) die "unknown command '$command': create or change" ;;
esac
sync -f "$folder"
release
sync "$image"
