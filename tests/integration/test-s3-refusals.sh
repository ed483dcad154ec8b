#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a store refuses is refused by name, with the remedy: wrong keys, a bucket that is not there, a
# clock that is wrong (and by how much), rights that lack, quota, another region; TLS with an unknown
# certificate. Nothing of it is taken for an absent object.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
. "$top_srcdir/tests/tools/s3-lab.sh"
lab_start s3-refusals
s3_start
good=$policy
s3_policy "$good" "$live/state"
ds register || fail 'register'
ds sync || fail 'sync'

refused() { # WHAT CODE TEXT COMMAND...: fails with this code and says TEXT
    local status=0
    "$DISKSYNC" "${@:4}" --policy "$policy" --quiet --json >"$work/said.json" 2>"$work/said" ||
        status=$?
    cat "$work/said" >>"$work/log"
    [ $status != 0 ] || fail "$1: it worked"
    [ "$(field "$work/said.json" 'd["error"]["code"]')" = "$2" ] || {
        cat "$work/said" "$work/said.json"
        fail "$1: the code is not $2"
    }
    grep -qE "$3" "$work/said" || { cat "$work/said"; fail "$1: it does not say $3"; }
    ! grep -qE 'SKTEST|Signature=' "$work/said" "$work/said.json" || fail "$1: a secret is told"
}
with() { # KEY VALUE...: another policy
    policy=$work/other.yaml
    s3_policy "$policy" "$live/state" "$@"
}

(umask 077 && printf AKWRONG >"$work/ak2" && printf wrong >"$work/sk2")
with access_key "{ file: $work/ak2 }"
refused 'wrong access key' no-permission 'no access key AKWRONG: check access_key' sync
with secret_key "{ file: $work/sk2 }"
refused 'wrong secret' no-permission 'check secret_key' sync
with secret_key "{ env: DISKSYNC_TEST_UNSET }"
refused 'no secret' no-permission 'DISKSYNC_TEST_UNSET' sync
with bucket no-such-bucket
refused 'wrong bucket' invalid 'no such bucket: create it' points
refused 'wrong bucket' invalid 'no such bucket: create it' register
with prefix elsewhere
refused 'wrong prefix' not-found 'no repository' points
policy=$good

s3_faults '* * 0 * skew 1205'
refused 'clock' no-permission 'clock is 20 min [0-9]+ s behind the store' sync
s3_faults '* * 0 * skew -1205'
refused 'clock' no-permission 'clock is 20 min [0-9]+ s ahead of the store' sync
s3_faults 'PUT * 0 * status 403 QuotaExceeded'
image_change 5
refused 'quota' no-space 'raise the quota' sync
s3_faults 'GET lab/* 0 * status 403 AccessDenied'
refused 'no right to read' no-permission 's3:GetObject' sync
s3_faults 'LIST * 0 * status 403 AccessDenied'
refused 'no right to list' no-permission 's3:ListBucket' sync
s3_faults 'PUT * 0 * status 403 AccessDenied'
refused 'no right to store' no-permission 's3:PutObject' sync
s3_faults 'PUT * 0 * redirect eu-west-9'
refused 'another region' invalid 'region eu-west-9' sync
s3_faults
ds sync || fail 'sync after all that'

# keys that may not remove: they sync, prove without a trace but one, and can't collect
s3_stop
s3_start --access-key AKAPPEND --secret-key SKAPPEND --append-only
(umask 077 && printf AKAPPEND >"$work/ak3" && printf SKAPPEND >"$work/sk3")
with access_key "{ file: $work/ak3 }" secret_key "{ file: $work/sk3 }"
ds preflight || fail 'preflight of keys that may not remove'
ds preflight || fail 'a second preflight'
[ "$(find "$work/buckets" -name 'probe*' | wc -l)" -le 2 ] || fail 'each proof leaves an object'
image_change 5
ds sync || fail 'sync with keys that may not remove'
ds verify --all || fail 'verify'
