#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Hooks that freeze the very file system that holds the state folder: nothing is written to it until
# it is thawed, so that the sync does not wait for itself, and what it froze goes on.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start frozen-state
[ "$(id -u)" = 0 ] || skip 'needs root to freeze a file system'
command -v fsfreeze mkfs.ext4 >/dev/null || skip 'no fsfreeze or mkfs.ext4'
mounted=$work/mounted
thaw() {
    fsfreeze -u "$mounted" 2>/dev/null || true
    umount -l "$mounted" 2>/dev/null || true # a sync that hung may still be there
    rm -rf "$work"
}
mkdir "$mounted"
truncate -s 64M "$work/file-system"
mkfs.ext4 -q -F "$work/file-system"
mount -o loop "$work/file-system" "$mounted" 2>/dev/null || skip 'no loop mount'
trap thaw EXIT
mkdir -m 700 "$mounted/state"
lab_policy "$policy" "$live/repository" "$mounted/state"
cat >>"$policy" <<END
hooks:
  before_snapshot: [[$(command -v fsfreeze), -f, "$mounted"], [$(command -v sleep), "0.2"]]
  after_snapshot: [[$(command -v sleep), "0.2"], [$(command -v fsfreeze), -u, "$mounted"]]
END
promise 1
promise 2
for point in 1 2; do
    status=0
    ds_under=(timeout -s KILL 60)
    ds sync || status=$?
    ds_under=()
    [ $status = 0 ] || fail "sync $point beside a frozen state folder ended with $status"
    timeout 5 touch "$mounted/state/is-thawed" || fail 'it is still frozen'
done
[ ! -e "$mounted/state/hooks.state" ] || fail 'the record of hooks is still there'
check_all 'behind the thaw' 1 2
