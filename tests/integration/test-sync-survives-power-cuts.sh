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
init=(init --dir "$live/repository" --include "$image" --name lab --yes)
save nothing
step=0
run() { # COMMAND...: one program each, so one more exit in the log
    step=$((step + 1))
    under "FAULTFS_LOG=$work/effects" "$@" || fail "step $step: $*"
}
run "${init[@]}"
promise 1
run sync
image_change 40
promise 2
run sync
run forget --point 1
run collect --no-grace
image_change 10
promise 3
promise 4 # made by the check below where the third sync had committed
run sync

# Run on each state: CRASH_EXITS programs had ended.
cat >"$work/check.sh" <<'END'
set -euo pipefail
. "$top_srcdir/tests/tools/lab.sh"
live=$work/live policy=$live/policy.yaml image=$work/disk.raw
say="cut $CRASH_CUT, $CRASH_VARIANT, $CRASH_EXITS programs ended"
echo "=== $say" >"$work/log"
init=(init --dir "$live/repository" --include "$image" --name lab --yes --force)
must=()
case $CRASH_EXITS in
0) ds "${init[@]}" || fail "$say: init again" ;;
1) ;;
2) must=(1) ;;
3) must=(2) ;; # and 1, or it is forgotten
4 | 5) must=(2) ;;
6) must=(2 3) ;;
esac
check_all "$say" "${must[@]}"
if [ "$CRASH_EXITS" -ge 4 ] && [[ " $(listed) " = *" 1 "* ]]; then
    fail "$say: point 1 was forgotten"
fi
check_next "$say"
END
export work SEED DISKSYNC FAULTFS PYTHON
cp -a "$live" "$work/after"
cuts=(--max-cuts 9 --variants lost,torn,random:1)
[ "${DISKSYNC_SOAK:-0}" != 1 ] || cuts=(--max-cuts 0)
"$PYTHON" "$lab_tools/crashreplay.py" --log "$work/effects" --initial "$work/saved-nothing" \
    --target "$live" --actual "$work/after" --seed "$SEED" "${cuts[@]}" -- \
    bash "$work/check.sh" || fail 'a state that a crash leaves'
