#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Syncs to a store that hurts one request in ten in some way (refused, cut, slow, without an answer
# although carried out, with an error in a good one, with a wrong ETag), and syncs that are killed:
# every one that is not killed completes, nothing is lost, every point verifies and restores to what
# it was. DISKSYNC_SOAK=1: 300 of them.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
. "$top_srcdir/tests/tools/s3-lab.sh"
lab_start s3-faults
s3_start
s3_policy "$policy" "$live/state"
ds register || fail 'register'
syncs=12
[ "${DISKSYNC_SOAK:-0}" != 1 ] || syncs=300
for ((i = 1; i <= syncs; i++)); do
    image_change 12
    s3_faults "random 10 $((SEED + i))"
    if [ $((i % 4)) = 0 ]; then
        # the point may have been committed before the kill, whoever was told
        killed_after $((RANDOM % 400)) sync
        s3_faults
        for point in $(listed); do [ -f "$work/was/$point.raw" ] || promise "$point"; done
    else
        ds_json "$work/sync.json" sync || fail "sync $i under faults"
        promise "$(field "$work/sync.json" 'd["point"]')"
    fi
done
hurt=$(awk '$(NF - 3) != "-"' "$work/requests" | wc -l)
echo "$(wc -l <"$work/requests") requests, $hurt of them hurt"
s3_faults
check_all 'after all faults'
