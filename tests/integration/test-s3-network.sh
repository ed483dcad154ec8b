#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The ways to a bucket: a proxy that wants to know who asks, for http and https, and hosts that are
# reached without it; TLS whose certificate is checked, refused where it is unknown or another's, and
# an authority of one's own; IPv6.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
. "$top_srcdir/tests/tools/s3-lab.sh"
command -v openssl >/dev/null || skip 'no openssl'
lab_start s3-network

works() { # WHAT KEY VALUE...
    s3_policy "$policy" "$live/state" "${@:2}"
    ds preflight || fail "$1: preflight"
    grep -q '^ok *store' "$work/log" || fail "$1: the store is not proved"
    : >"$work/log"
}
refused() { # WHAT TEXT KEY VALUE...
    s3_policy "$policy" "$live/state" "${@:3}"
    ! ds points || fail "$1: it worked"
    grep -qE "$2" "$work/log" || fail "$1: it does not say $2"
    : >"$work/log"
}

# ---- a proxy, to plain HTTP ----
s3_start
(umask 077 && printf 'pass word' >"$work/pw" && printf wrong >"$work/pw2")
"$PYTHON" "$top_srcdir/tests/tools/proxy.py" "$work/proxy-port" "$work/proxied" 'me:pass word' \
    >>"$work/server.log" 2>&1 &
proxy_pid=$!
for _ in $(seq 100); do [ -s "$work/proxy-port" ] && break || sleep 0.1; done
proxy="\"http://127.0.0.1:$(cat "$work/proxy-port")\""
me=(proxy "$proxy" proxy_user me proxy_password "{ file: $work/pw }")
works 'proxy' "${me[@]}"
grep -q '^PUT http://' "$work/proxied" || fail 'nothing went through the proxy'
refused 'proxy, no password' 'proxy_user and proxy_password' proxy "$proxy"
refused 'proxy, wrong password' 'proxy_user and proxy_password' "${me[@]}" \
    proxy_password "{ file: $work/pw2 }"
: >"$work/proxied"
works 'no_proxy' "${me[@]}" no_proxy 127.0.0.1
[ ! -s "$work/proxied" ] || fail 'no_proxy is not heeded'
export http_proxy="http://me:pass%20word@127.0.0.1:$(cat "$work/proxy-port")"
works 'the environment'"'"'s proxy' proxy ''
[ -s "$work/proxied" ] || fail 'the proxy of the environment is not used'
unset http_proxy
s3_stop

# ---- TLS ----
certificate() { # NAME SUBJECT-ALTERNATIVES
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
        -addext "subjectAltName=$2" -keyout "$work/$1.key" -out "$work/$1.pem" 2>>"$work/log"
}
certificate ours IP:127.0.0.1
certificate other IP:127.0.0.2
s3_start --tls-cert "$work/ours.pem" --tls-key "$work/ours.key"
s3_url=https://${s3_url#*//}
refused 'unknown certificate' 'name it by ca_file'
works 'own authority' ca_file "$work/ours.pem"
refused 'another authority' 'name it by ca_file' ca_file "$work/other.pem"
refused 'no such file' 'ca_file' ca_file "$work/none.pem"
works 'not checked' verify false
: >"$work/proxied"
works 'TLS through a proxy' ca_file "$work/ours.pem" "${me[@]}"
grep -q '^CONNECT 127.0.0.1:' "$work/proxied" || fail 'no CONNECT'
s3_stop
s3_start --tls-cert "$work/other.pem" --tls-key "$work/other.key"
s3_url=https://${s3_url#*//}
refused 'certificate of another name' 'ca_file|subject name|IP address' ca_file "$work/other.pem"
s3_stop

# ---- IPv6 ----
if "$PYTHON" -c 'import socket; socket.create_server(("::1", 0), family=socket.AF_INET6)' 2>&1; then
    s3_start --listen '[::1]:0'
    s3_url="http://[::1]:$(grep -o '[0-9]*$' "$work/port")"
    works 'IPv6'
fi
