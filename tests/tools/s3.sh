# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# s3.sh - what scripts that use the S3 test server share. Source it; then
#
#   s3_start NAME ARGUMENT...  a server on a free port of 127.0.0.1, with the key AK/SK and the bucket
#                              "test" besides what the arguments say; sets s3_port, s3_log, s3_faults
#   s3_python FILE ARGUMENT... runs a script with a Python that has boto3; skips where none has
#   s3_stop [SIGNAL]           ends the servers
#
# Everything lies in $s3_work, which is removed at the end.
set -euo pipefail
s3_server=${top_builddir:?is set by make check}/tests/tools/s3-server
s3_work=$(mktemp -d "${TMPDIR:-/tmp}/test-s3.XXXXXX")
s3_pids=()
s3_bad=
s3_prelude=$(dirname "${BASH_SOURCE[0]}")

fail() { echo "FAIL: $*"; exit 1; }
skip() { echo "SKIP: $*"; exit 77; }

s3_clean() {
    local status=$?
    s3_stop
    [ $status != 0 ] || [ -z "$s3_bad" ] || { echo "FAIL: $s3_bad"; status=1; }
    if [ $status != 0 ] && [ $status != 77 ]; then
        tail -n 20 "$s3_work"/*.err "$s3_work"/*.log 2>/dev/null || true
    fi
    [ -n "${KEEP_WORK:-}" ] || rm -rf "$s3_work"
    exit $status
}
trap s3_clean EXIT

s3_stop() {
    local pid
    for pid in "${s3_pids[@]+"${s3_pids[@]}"}"; do
        kill -"${1:-TERM}" "$pid" 2>/dev/null || true
        # What a sanitizer says at the end counts as well.
        { wait "$pid"; } 2>/dev/null || [ -n "${1:-}" ] || s3_bad="a server ended with status $?"
    done
    s3_pids=()
}

s3_start() {
    local name=$1 i
    shift
    s3_root=$s3_work/$name s3_log=$s3_work/$name.log s3_faults=$s3_work/$name.faults
    rm -f "$s3_work/$name.port"
    [ -f "$s3_faults" ] || : >"$s3_faults"
    ${s3_wrapper:-} "$s3_server" --listen 127.0.0.1:0 --port-file "$s3_work/$name.port" \
        --root "$s3_root" --access-key AK --secret-key SK --bucket test --log "$s3_log" \
        --faults "$s3_faults" "$@" 2>"$s3_work/$name.err" &
    s3_pids+=($!)
    for ((i = 0; i < 200; i++)); do
        [ -s "$s3_work/$name.port" ] && break
        sleep 0.05
    done
    s3_port=$(cat "$s3_work/$name.port") || fail "the server $name does not start"
    export s3_port s3_log s3_faults s3_root s3_work
}

s3_python() {
    local python
    for python in "${PYTHON:-python3}" /usr/bin/python3; do
        if "$python" -c 'import boto3' 2>/dev/null; then
            PYTHONPATH=$s3_prelude "$python" "$@"
            return
        fi
    done
    skip 'no Python with boto3'
}
