#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the program said is done survives a power cut at any moment after, and nothing it lists is
# less than whole: all that init, sync, sync of a change, forget, collect and another sync do to
# policy, state and repository is logged, the log is cut behind every operation, and each state that
# a crash may leave there is tried. Full counts with DISKSYNC_SOAK=1.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start power-cuts

# The policy and the passphrase are init's own work here.
policy=$live/policy.yaml
save nothing
logged init --dir "$live/repository" --include "$image" --name lab --yes || fail 'init'
promise 1
logged sync || fail 'the first sync'
image_rewrite 0 1500 2
promise 2
logged sync || fail 'the second sync'
logged forget --point 1 || fail 'forget'
logged collect --no-grace || fail 'collect'
image_change 10
promise 3
promise 4 # made by the check where the third sync had committed
logged sync || fail 'the third sync'

cat >"$work/check.sh" <<'END'
. "$top_srcdir/tests/tools/lab.sh"
must=()
case $CRASH_EXITS in
0) ds init --dir "$live/repository" --include "$image" --name lab --yes --force ||
    fail "$say: init again" ;;
2) must=(1) ;;
3 | 4 | 5) must=(2) ;;
6) must=(2 3) ;;
esac
check_all "$say" "${must[@]}"
if [ "$CRASH_EXITS" -ge 4 ] && [[ " $(listed) " = *" 1 "* ]]; then
    fail "$say: point 1 was forgotten and is listed"
fi
check_next "$say"
END
replay nothing 9
