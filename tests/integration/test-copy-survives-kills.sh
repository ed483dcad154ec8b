#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A copy of points to another repository that is killed at any operation or cut off by a power cut
# leaves both repositories whole, and completes when it is run again. Full counts with
# DISKSYNC_SOAK=1.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start copy-kills
kills=8

target=$work/target.yaml
mkdir -m 700 "$live/target-state"
lab_policy "$target" "$live/target" "$live/target-state"
promise 1
ds sync || fail 'sync 1'
image_change 40
promise 2
ds sync || fail 'sync 2'
save before

cat >"$work/common.sh" <<'END'
# What the target lists is whole; the copy completes; then it has both points, and so has the source.
check_copy() { # WHAT
    check_target "$1"
    local again=0
    ds copy --to "$work/target.yaml" || again=$?
    [ $again = 0 ] || [ $again = 4 ] || fail "$1: copy again: $again"
    check_target "$1, copied again" 1 2
    check_all "$1: the source" 1 2
}
check_target() { # as check_all; the target's machine is no node of it
    local ds_node=(--node lab) policy=$work/target.yaml
    check_all "$@"
}
END
. "$work/common.sh"

total=$(operations copy --to "$target")
echo "copy: $total operations"
killed=0
for n in $(moments "$total"); do
    put_back before
    ! killed_at "$n" copy --to "$target" || killed=$((killed + 1))
    check_copy "killed at operation $n"
done
[ $killed -ge $(($(moments "$total" | wc -l) / 2)) ] || fail "only $killed were killed"

put_back before
logged copy --to "$target" || fail 'copy'
{
    echo '. "$top_srcdir/tests/tools/lab.sh"'
    cat "$work/common.sh"
    cat <<'END'
[ "$CRASH_EXITS" = 0 ] || check_target "$say" 1 2
check_copy "$say"
END
} >"$work/check.sh"
replay before 5
