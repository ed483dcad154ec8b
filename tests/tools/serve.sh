# SPDX-License-Identifier: Apache-2.0
# serve.sh - sourced behind lab.sh by tests that read points through nbdkit.
#
#   serve_needs PROGRAM...   skips the test where the module or one of these is not there
#   serve [OPTION...]        starts `disksync serve` and waits for it: $server, $uri, $socket; what it
#                            says is in $work/served.json and $work/served.log
#   serve_end [SIGNAL]       ends it: it must stop in order and leave no process and no socket
serve_needs() {
    local program
    [ -f "$(dirname "$DISKSYNC")/nbdkit/nbdkit-disksync-plugin.so" ] ||
        skip 'disksync was built without nbdkit-plugin-dev'
    for program in nbdkit "$@"; do
        command -v "$program" >/dev/null || skip "no $program"
    done
}

server=''
serve() {
    local i
    : >"$work/served.json" # the one of an earlier server is not taken for this one's
    "$DISKSYNC" serve "$@" --policy "$policy" --json >"$work/served.json" 2>"$work/served.log" &
    server=$!
    for ((i = 0; i < 300; i++)); do
        ! grep -q '^}' "$work/served.json" || break
        kill -0 $server 2>/dev/null || break
        sleep 0.1
    done
    grep -q '"uri"' "$work/served.json" || {
        cat "$work/served.log" >>"$work/log"
        fail "serve $* did not start"
    }
    uri=$(field "$work/served.json" 'd["uri"]')
    socket=${uri#*socket=}
    child=$(pgrep -P $server) || fail "serve $* has no nbdkit"
}

serve_gone() { # nothing is left of it
    local i
    for ((i = 0; i < 100; i++)); do
        kill -0 "$child" 2>/dev/null || break
        sleep 0.1
    done
    ! kill -0 "$child" 2>/dev/null || fail 'nbdkit is still there'
}

serve_end() {
    local status=0
    kill -"${1:-TERM}" $server
    wait $server || status=$?
    server=''
    [ $status = 0 ] || { cat "$work/served.log"; fail "serve ended with $status on ${1:-TERM}"; }
    serve_gone
    [ ! -e "$socket" ] || fail "$socket is still there"
}

serve_trap() { # ends what this test started, whatever happens
    [ -z "$server" ] || kill $server 2>/dev/null || true
    [ -n "${KEEP_WORK:-}" ] || rm -rf "$work"
}
