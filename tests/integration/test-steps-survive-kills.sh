#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A sync with a change tracker and a snapshot provider is killed, or fails, at each step of either,
# before and after it, every time that it comes there: what is listed restores bit for bit, no write
# is lost, nothing stays behind, and the next sync is incremental wherever docs/sync.md says so. All
# repetitions of all steps with DISKSYNC_SOAK=1.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start steps-kills
export DISKSYNC FAULTFS
"$PYTHON" "$lab_tools/steps.py" "$work" "$SEED" || fail 'see above'
