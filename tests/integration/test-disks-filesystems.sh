#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `disks` names the file systems that the tools make, with their labels, as blkid does: on an image
# that is one file system, and in a partition.
set -eu
for tool in sfdisk blkid "${PYTHON:=python3}"; do
    command -v "$tool" >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/disks-fs.XXXXXX")
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
tried=0

# What blkid calls a thing that has another name here.
name_of() {
    case $1 in
    BitLocker) echo bitlocker ;;
    crypto_LUKS) echo luks ;;
    LVM2_member) echo lvm2 ;;
    linux_raid_member) echo mdraid ;;
    *) echo "$1" ;;
    esac
}
seen() { # IMAGE: file system and label of its only partition
    "$DISKSYNC" disks --json "$1" | "$PYTHON" -c 'import json, sys
p, = json.load(sys.stdin)["disk"]["partitions"]
print(p["partition"], p["file_system"], p["label"])'
}
check() { # MEGABYTES LABEL COMMAND...: the command gets the image as its last word
    local size=$1 label=$2 bare=$work/bare.img disk=$work/disk.img want type
    shift 2
    command -v "$1" >/dev/null || { echo "not tried: $1"; return; }
    rm -f "$bare" "$disk"
    truncate -s "${size}M" "$bare"
    "$@" "$bare" >"$work/log" 2>&1 || { cat "$work/log"; fail "$*"; }
    type=$(blkid -p -o value -s TYPE "$bare") || fail "blkid knows nothing of $*"
    want="$(name_of "$type") $label"
    [ "$(seen "$bare")" = "0 $want" ] || fail "$*: '$(seen "$bare")', not '0 $want'"
    truncate -s $((size + 2))M "$disk"
    echo 'start=1M, type=L' | sfdisk -q --label gpt "$disk"
    dd if="$bare" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none
    [ "$(seen "$disk")" = "1 $want" ] || fail "$* in a partition: '$(seen "$disk")', not '1 $want'"
    tried=$((tried + 1))
}
check 16 'Daten' mkntfs -F -Q -q -L Daten
check 16 'Größe' mkntfs -F -Q -q -c 65536 -L 'Größe'
check 2 'ZWOELF' mkfs.vfat -F 12 -n ZWOELF
check 16 'SECHZEHN' mkfs.vfat -F 16 -n SECHZEHN
check 64 'GROSS' mkfs.vfat -F 32 -n GROSS
check 64 'SELBST' mkfs.vfat -F 32 --mbr=yes -n SELBST
check 64 '' mkfs.vfat -S 4096
check 16 'Foto' mkfs.exfat -L Foto
check 8 'zwei' mke2fs -q -F -t ext2 -L zwei
check 16 'drei' mke2fs -q -F -t ext3 -L drei
check 16 'vier' mke2fs -q -F -t ext4 -L vier
check 320 'ix' mkfs.xfs -q -L ix
check 128 'baum' mkfs.btrfs -q -L baum
check 8 'aus' mkswap -L aus
check 8 '' mkswap -p 65536
check 32 '' cryptsetup luksFormat -q --key-file "$0" --pbkdf pbkdf2 --pbkdf-force-iterations 1000
[ "$tried" -ge 5 ] || { echo "skipped: only $tried file systems could be made"; exit 77; }
echo "$tried file systems agree"
