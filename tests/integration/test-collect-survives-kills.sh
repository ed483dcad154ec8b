#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A collect, or a forget before it, that is killed at any operation or cut off by a power cut costs
# no point: what is listed verifies and restores, collect completes when it is run again, and so
# does the next sync. Full counts with DISKSYNC_SOAK=1.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start collect-kills

# Of three points two are forgotten; of the first, one segment is needed in part: it is thinned out;
# what the second alone needs is removed; so is what a sync that was cut off has left.
promise 1
ds sync || fail 'sync 1'
image_rewrite 0 1700 2
killed_at 22 sync || fail 'no sync was cut off'
image_rewrite 0 1700 2
promise 2
ds sync || fail 'sync 2'
image_rewrite 0 1700 2
promise 3
ds sync || fail 'sync 3'
promise 4
ds forget --point 1 || fail 'forget 1'
save before

logged forget --point 2 || fail 'forget 2'
save forgotten
ds_json "$work/plan.json" collect --no-grace --dry-run || fail 'dry run'
for count in points_removed segments_removed segments_rewritten; do
    [ "$(field "$work/plan.json" "d['$count']")" != 0 ] || fail "nothing to do for $count"
done
total=$(operations collect --no-grace)
echo "collect: $total operations"
killed=0
for n in $(moments "$total"); do
    put_back forgotten
    ! killed_at "$n" collect --no-grace || killed=$((killed + 1))
    check_all "killed at operation $n" 3
    again=0
    ds collect --no-grace || again=$?
    [ $again = 0 ] || [ $again = 4 ] || fail "collect behind the kill at operation $n: $again"
    check_all "collected again behind the kill at operation $n" 3
    ds_json "$work/plan.json" collect --no-grace --dry-run && fail "kill at $n: not all is collected"
    check_next "behind the kill at operation $n"
done
[ $killed -ge $(($(moments "$total" | wc -l) / 2)) ] || fail "only $killed were killed"

put_back forgotten
logged collect --no-grace || fail 'collect'
cat >"$work/check.sh" <<'END'
. "$top_srcdir/tests/tools/lab.sh"
check_all "$say" 3
again=0
ds collect --no-grace || again=$?
[ $again = 0 ] || [ $again = 4 ] || fail "$say: collect again: $again"
check_all "$say, collected" 3
check_next "$say"
END
replay before 5
