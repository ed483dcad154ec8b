#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Random lives of a machine, in real processes: disks that are written, freed, reused, grow, shrink,
# go and come; a tracker that loses track; snapshots that are lost or altered; processes that die or
# fail at any step; machines that go back in time or turn up twice; points that are forgotten. Every
# point that is listed holds all that was used when its snapshot was taken. 10 lives, or 300 with
# DISKSYNC_SOAK=1, or LIVES=N; life I has the seed SEED + I, so that SEED=... LIVES=1 repeats one.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start processes
lives=10
[ "${DISKSYNC_SOAK:-0}" = 0 ] || lives=300
export DISKSYNC FAULTFS
"$PYTHON" "$lab_tools/lives.py" "$work" "$SEED" "${LIVES:-$lives}" || fail 'see above'
