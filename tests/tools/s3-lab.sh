# SPDX-License-Identifier: Apache-2.0
# s3-lab.sh - sourced behind lab.sh by tests that keep the repository in a bucket of s3-server, the test
# server, on loopback.
#
#   s3_start [OPTION...]   starts it over $work/buckets, with the bucket dr-prod; sets $s3_url
#   s3_stop                ends it
#   s3_policy FILE STATE [KEY VALUE]...    a policy with its repository there; KEY VALUE replace or
#                          add options of the transport
#   s3_faults LINE...      the server's script of faults from now on
#   s3_mark, s3_since      a place in its log of requests, and the lines behind it
: "${S3_SERVER:=${builddir:-$top_srcdir/build/tests}/tools/s3-server}"

s3_start() {
    [ -x "$S3_SERVER" ] || skip 'no s3-server'
    mkdir -p "$work/buckets"
    rm -f "$work/port"
    touch "$work/faults" "$work/requests"
    "$S3_SERVER" --listen 127.0.0.1:0 --port-file "$work/port" --root "$work/buckets" \
        --bucket dr-prod --access-key AKTEST --secret-key SKTESTSKTEST \
        --faults "$work/faults" --log "$work/requests" "$@" >>"$work/server.log" 2>&1 &
    s3_pid=$!
    trap 's3_end' EXIT
    for _ in $(seq 100); do
        [ -s "$work/port" ] && break
        sleep 0.1
    done
    [ -s "$work/port" ] || { cat "$work/server.log"; fail 's3-server does not start'; }
    s3_url=http://127.0.0.1:$(grep -o '[0-9]*$' "$work/port")
    (umask 077 && printf AKTEST >"$work/ak" && printf SKTESTSKTEST >"$work/sk")
}

# Also what the test itself left running.
s3_end() {
    s3_stop
    [ -z "${proxy_pid:-}" ] || kill "$proxy_pid" 2>/dev/null || true
    [ -n "${KEEP_WORK:-}" ] || rm -rf "$work"
}

s3_stop() {
    [ -n "${s3_pid:-}" ] || return 0
    kill "$s3_pid" 2>/dev/null || true
    wait "$s3_pid" 2>/dev/null || true
    s3_pid=
}

s3_policy() {
    local file=$1 state=$2 option options
    declare -A options=([endpoint]="\"$s3_url\"" [bucket]=dr-prod [prefix]=lab [proxy]=none
        [access_key]="{ file: $work/ak }" [secret_key]="{ file: $work/sk }"
        [passphrase]="{ file: $work/key }")
    shift 2
    while [ $# -gt 0 ]; do
        options[$1]=$2
        shift 2
    done
    (umask 077 && {
        cat <<END
version: 1
node: { name: lab, state: $state, instance: machine-1 }
disks: { include: [$image], block_size: 16KiB }
snapshot: { use: none }
transport:
  use: s3
END
        for option in "${!options[@]}"; do
            [ -z "${options[$option]}" ] || echo "  $option: ${options[$option]}"
        done
    } >"$file")
}

s3_faults() { printf '%s\n' "$@" >"$work/faults"; }
s3_mark() { s3_from=$(wc -l <"$work/requests"); }
s3_since() { tail -n +$((s3_from + 1)) "$work/requests"; }
