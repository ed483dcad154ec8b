#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `disks` sees the partitions that sfdisk and sgdisk see, on images that these made: GPT and MBR,
# logical partitions, sectors of 512 and 4096 bytes, a damaged primary GPT, and tables whose entries
# overlap or reach beyond the disk, of which nothing wrong may be believed.
set -eu
for tool in sfdisk sgdisk "${PYTHON:=python3}"; do
    command -v "$tool" >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/disks-tables.XXXXXX")
loop=
cleanup() {
    [ -z "$loop" ] || losetup -d "$loop"
    rm -rf "$work"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
image=$work/disk.img
seen=$work/seen.json

blank() { rm -f "$image"; truncate -s "$1" "$image"; }
look() { "$DISKSYNC" disks --json "${1:-$image}" >"$seen" || fail "disks ${1:-$image}"; }
field() { "$PYTHON" -c 'import json, sys
print(json.load(open(sys.argv[1]))["disk"][sys.argv[2]])' "$seen" "$1"; }
expect() { # FIELD VALUE
    local got
    got=$(field "$1")
    [ "$got" = "$2" ] || { cat "$seen"; fail "$what: $1 is $got, not $2"; }
}
# Number, first byte and length of each partition, by the number; the extended one is none.
ours() { "$PYTHON" -c 'import json, sys
for p in sorted(json.load(open(sys.argv[1]))["disk"]["partitions"], key=lambda p: p["partition"]):
    print(p["partition"], p["offset"], p["bytes"])' "$seen"; }
theirs_sfdisk() { sfdisk --json "$1" 2>/dev/null | "$PYTHON" -c 'import json, re, sys
t = json.load(sys.stdin)["partitiontable"]
s = t["sectorsize"]
parts = [p for p in t.get("partitions", []) if p["type"].lower() not in ("5", "f", "85")]
for n, p in sorted((int(re.search(r"(\d+)$", p["node"]).group(1)), p) for p in parts):
    print(n, p["start"] * s, p["size"] * s)'; }
theirs_sgdisk() { # DEVICE SECTOR
    sgdisk -p "$1" | awk -v s="$2" '$1 ~ /^[0-9]+$/ && $2 ~ /^[0-9]+$/ {
        printf "%d %.0f %.0f\n", $1, $2 * s, ($3 - $2 + 1) * s}'
}
compare() { # EXPECTED
    [ -n "$1" ] || fail "$what: the other tool saw nothing"
    diff <(echo "$1") <(ours) || fail "$what: the partitions differ"
}
gpt='label: gpt
label-id: 11223344-5566-7788-99AA-BBCCDDEEFF00
size=3M, type=U, name="EFI system"
size=4M, type=E3C9E316-0B5C-4DB8-817D-F92DF00215AE
size=9M, type=L, name="Größe 日本"'
poke() { printf '\377' | dd of="$image" bs=1 seek="$1" conv=notrunc status=none; }

what='GPT'
blank 64M
sfdisk -q "$image" <<<"$gpt"
look
compare "$(theirs_sfdisk "$image")"
expect table gpt
expect table_id gpt:11223344-5566-7788-99aa-bbccddeeff00
expect identity gpt:11223344-5566-7788-99aa-bbccddeeff00+bytes:67108864
expect table_damaged False
expect table_note ''
grep -q 'Größe 日本' "$seen" || fail 'a partition name is lost'

what='GPT whose primary header is bad'
poke $((512 + 60))
look
expect table_backup_used True
expect table_damaged False
compare "$(sfdisk --json "$image" 2>/dev/null >/dev/null; theirs_sgdisk "$image" 512 2>/dev/null)"
expect identity gpt:11223344-5566-7788-99aa-bbccddeeff00+bytes:67108864

what='GPT whose primary entries are bad'
blank 64M
sfdisk -q "$image" <<<"$gpt"
good=$(theirs_sfdisk "$image")
poke $((1024 + 60))
look
expect table_backup_used True
compare "$good"

what='GPT without a whole copy'
poke $((64 * 1024 * 1024 - 512 + 60))
look
expect table gpt
expect table_damaged True
expect partitions '[]'

what='GPT entries out of order, and many'
blank 64M
sgdisk -a 1 -n 3:100:199 -n 1:400:499 -n 2:200:399 -n 128:600:700 "$image" >/dev/null
look
compare "$(theirs_sgdisk "$image" 512)"
expect table_damaged False

what='hybrid MBR'
sgdisk -h 1:2 "$image" >/dev/null
look
expect table gpt
compare "$(theirs_sgdisk "$image" 512)"

what='an image that has grown'
truncate -s 80M "$image"
look
expect table_damaged False
compare "$(theirs_sgdisk "$image" 512 2>/dev/null)"

what='an image that was cut off within a partition'
blank 64M
sfdisk -q "$image" <<<"$gpt"
truncate -s 12M "$image"
look
expect table_damaged True
[ "$(ours | wc -l)" = 2 ] || fail "$what: the two partitions that are whole are not there"

what='MBR with logical partitions'
blank 64M
sfdisk -q "$image" <<'END'
label: dos
label-id: 0xdeadbeef
size=4M, type=7, bootable
size=4M, type=83
size=30M, type=5
size=4M, type=c
size=5M, type=7
size=6M, type=83
size=7M, type=7
END
look
compare "$(theirs_sfdisk "$image")"
expect table mbr
expect table_id mbr:deadbeef
expect table_damaged False

what='MBR whose logical partitions were deleted in between'
sfdisk -q --delete "$image" 6
look
compare "$(theirs_sfdisk "$image")"

what='MBR whose entries overlap'
blank 64M
sfdisk -q "$image" <<'END'
label: dos
start=2048, size=8192, type=7
start=20480, size=8192, type=7
END
printf '\000\020\000\000' | dd of="$image" bs=1 seek=$((446 + 16 + 8)) conv=notrunc status=none
look
expect table_damaged True
expect partitions '[]'

what='sectors of 4096 bytes'
blank 64M
loop=$(losetup -b 4096 -f --show "$image" 2>/dev/null) || loop=
if [ -n "$loop" ]; then
    sgdisk -a 1 -n 1:256:511 -n 2:600:9999 -c 2:Daten "$loop" >/dev/null
    good=$(theirs_sgdisk "$loop" 4096)
    look "$loop"
    expect sector 4096
    compare "$good"
    sync
    look
    expect table_sector 4096
    expect sector 4096
    compare "$good"
    sfdisk -q "$loop" 2>/dev/null <<'END'
label: dos
size=8M, type=7
size=32M, type=5
size=8M, type=7
END
    good=$(theirs_sfdisk "$loop")
    sync
    look "$loop"
    compare "$good"
else
    echo 'not tried: sectors of 4096 bytes (no loop device to be had)'
fi
echo 'all tables agree'
