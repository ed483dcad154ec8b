#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The commands of the policy around the snapshot. They run in order, before the cut and as soon as
# the snapshot stands. Whoever was frozen is thawed: when a command fails, hangs or is interrupted,
# when cut or snapshot fail, and by the next sync when the process was killed in between. What can't
# be run is refused before anything is touched.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start heal # under every sanitizer
plugins=${DISKSYNC_TEST_MODULES:?is set by make check}
hook="$work/a hook"
mkdir "$work/copies"

cat >"$hook" <<'END'
#!/bin/sh
# WHAT FILE: says so, and does what FILE.WHAT says, if it is there
echo "$1" >>"$2"
echo "$DISKSYNC_HOOK $DISKSYNC_NODE $DISKSYNC_POLICY $DISKSYNC_SNAPSHOT" >>"$2.env"
echo "this is $1"
[ ! -f "$2.$1" ] || . "$2.$1"
END
chmod 700 "$hook"
did=$work/did

hooked() { # KEY-OF-hooks...: a policy whose scripted plugins have $snapshot and $tracker as options
    cat >"$policy" <<END
version: 1
node: { name: lab, state: $live/state, instance: machine-1 }
disks: { include: [$image], block_size: 16KiB }
plugins: { folder: $plugins }
snapshot: { use: scripted, dir: $work/copies${snapshot:+, $snapshot} }
tracker: { use: scripted, log: $work/writes, state: $work/tracked${tracker:+, $tracker} }
transport: { use: dir, path: $live/repository, passphrase: { file: $work/key } }
hooks:
  before_snapshot:
    - ["$hook", freeze-1, "$did"]
    - ["$hook", freeze-2, "$did"]
  after_snapshot:
    - ["$hook", thaw-1, "$did"]
    - ["$hook", thaw-2, "$did"]
$(printf '  %s\n' "$@")
END
    chmod 600 "$policy"
}
normal() { snapshot='' tracker='' hooked; }

begin() { rm -f "$did" "$did".*; : >"$work/log"; }
ran() { # WHAT WORD...: these ran, in this order
    local now
    now=$([ ! -f "$did" ] || paste -sd' ' "$did")
    [ "$now" = "${*:2}" ] || fail "$1: ran '$now', not '${*:2}'"
}
record() { [ -e "$live/state/hooks.state" ]; }
ends() { # EXIT-CODE COMMAND...
    local status=0
    "$DISKSYNC" "${@:2}" --policy "$policy" >>"$work/log" 2>&1 || status=$?
    [ $status = "$1" ] || fail "${*:2} ended with $status, not $1"
}
said() { grep -qE "$1" "$work/log" || fail "the log does not say /$1/"; }
all=(freeze-1 freeze-2 thaw-1 thaw-2)
: >"$work/writes"

# ---- as they should
normal
begin
ends 0 preflight
said 'ok +hooks +4 commands can be run'
ran 'preflight runs none'
ends 0 sync
ran 'a sync' "${all[@]}"
said "^disksync: $hook: this is freeze-2\$"
said "^disksync: $hook: this is thaw-2\$"
! record || fail 'the record of hooks is left'
cat >"$work/wanted" <<END
before_snapshot lab $policy none
before_snapshot lab $policy none
after_snapshot lab $policy stands
after_snapshot lab $policy stands
END
cmp "$did.env" "$work/wanted" || fail 'the environment of the commands'

# Between the two: at freeze nothing is cut and no copy is made; at thaw both are.
begin
echo 'echo "freeze $(ls '"$work/copies"' | wc -l)" >>"$2.seen"' >"$did.freeze-2"
echo 'echo "thaw $(ls '"$work/copies"' | wc -l)" >>"$2.seen"' >"$did.thaw-1"
cp "$work/tracked" "$work/tracked-before"
echo 'cmp -s '"$work/tracked $work/tracked-before"' && echo "not cut" >>"$2.seen"' >>"$did.freeze-2"
echo 'cmp -s '"$work/tracked $work/tracked-before"' || echo "cut" >>"$2.seen"' >>"$did.thaw-1"
ends 0 sync
[ "$(paste -sd, "$did.seen")" = 'freeze 0,not cut,thaw 1,cut' ] ||
    fail "the order: $(paste -sd, "$did.seen")"
points=$(listed)

# ---- a command that fails
begin
echo 'echo "no such database" >&2; exit 7' >"$did.freeze-1"
ds_json "$work/error.json" sync && fail 'a sync whose command failed'
ran 'freeze-1 failed' freeze-1 thaw-1 thaw-2
[ "$(field "$work/error.json" 'd["error"]["code"], d["error"]["exit_code"]')" = "('hook-failed', 1)" ] ||
    fail "the code: $(cat "$work/error.json")"
field "$work/error.json" 'd["error"]["message"]' |
    grep -qF "hooks.before_snapshot: $hook ended with exit status 7: no such database" ||
    fail "the message: $(cat "$work/error.json")"
[ "$(tail -n 1 "$did.env")" = "after_snapshot lab $policy failed" ] || fail 'thaw is not told'
begin
echo 'kill -9 $$' >"$did.freeze-2"
ends 1 sync
ran 'freeze-2 was killed' "${all[@]}"
said 'was ended by signal 9: this is freeze-2 \[hook-failed\]'
begin
echo 'exit 3' >"$did.thaw-1"
ends 0 sync
ran 'thaw-1 failed' "${all[@]}"
said 'warning: hooks.after_snapshot: .* ended with exit status 3: this is thaw-1 \[hook.failed\]'
! record || fail 'the record is left behind a thaw that failed'
points="$points $(listed | tr ' ' '\n' | tail -n 1)"

# ---- what they run around
for step in create; do
    snapshot="fail_at: $step" hooked
    begin
    ends 1 sync
    ran "$step failed" "${all[@]}"
    [ "$(tail -n 1 "$did.env")" = "after_snapshot lab $policy failed" ] || fail 'thaw is not told'
done

# ---- time
snapshot='' tracker='' hooked 'timeout: 1s'
begin
echo '(sleep 1; sleep 1; sleep 1; echo outlived >>"$2") & sleep 300' >"$did.freeze-2"
time_begin=$(date +%s)
ends 1 sync
[ $(($(date +%s) - time_begin)) -lt 30 ] || fail 'the time limit took long'
said 'did not end within .*1.*s and was killed: this is freeze-2 \[hook-failed\]'
sleep 3
ran 'freeze-2 hung' "${all[@]}"
begin
echo 'sleep 300' >"$did.thaw-1"
ends 0 sync
ran 'thaw-1 hung' "${all[@]}"

# ---- an interrupt: the command is ended, thaw runs to its end
normal
begin
echo 'kill -INT $PPID; exec sleep 300' >"$did.freeze-1"
echo 'sleep 1; echo thawed >>"$2"' >"$did.thaw-2"
ends 1 sync
ran 'interrupted' freeze-1 thaw-1 thaw-2 thawed
said 'interrupted.*\[cancelled\]'

# ---- killed in between: the next sync thaws first, then does its own
killed() { # WHAT WORD...: what had run
    local status=0
    { "$DISKSYNC" sync --policy "$policy" >>"$work/log" 2>&1 || status=$?; } 2>/dev/null
    [ $status = 137 ] || fail "$1: the sync was to be killed, and ended with $status"
    ran "$1" "${@:2}"
    record || fail "$1: no record is left"
    normal
    begin
    ends 0 preflight
    said 'warning +hooks +a sync was cut off between its hooks'
    ends 0 sync
    ran "behind: $1" thaw-1 thaw-2 "${all[@]}"
    said 'an earlier sync was cut off between its hooks'
    head -n 1 "$did.env" | grep -qx "after_snapshot lab $policy unknown" || fail "$1: thaw's environment"
    ! record || fail "$1: the record is left"
}
begin
echo 'kill -9 $PPID; sleep 1' >"$did.freeze-2"
killed 'killed by freeze-2' freeze-1 freeze-2
begin
tracker='die_at: "cut:after"' hooked
killed 'killed behind the cut' freeze-1 freeze-2
begin
snapshot='die_at: "create:after"' tracker='' hooked
killed 'killed behind the snapshot' freeze-1 freeze-2
begin
echo 'kill -9 $PPID; sleep 1' >"$did.thaw-1"
killed 'killed by thaw-1' freeze-1 freeze-2 thaw-1
# Where the repository does not answer, too.
begin
echo 'kill -9 $PPID; sleep 1' >"$did.freeze-1"
{ "$DISKSYNC" sync --policy "$policy" >>"$work/log" 2>&1 || true; } 2>/dev/null
mv "$live/repository" "$live/away"
begin
ends 3 sync
ran 'without the repository' thaw-1 thaw-2
mv "$live/away" "$live/repository"

# ---- what can't be run
begin
chmod 600 "$hook"
ends 3 sync
said "hooks.before_snapshot: $hook can't be run: it may not be executed .*\[preflight\]"
ends 3 preflight
said 'refused +hooks'
chmod 720 "$hook"
ends 3 sync
said "$hook is not safe to run: others may write it"
chmod 700 "$hook"
sed -i 's|\["[^"]*", thaw-1|["/no/such/program", thaw-1|' "$policy"
ends 3 sync
said "hooks.after_snapshot: /no/such/program can't be run: it does not exist"
ran 'nothing was run'

# ---- much output
normal
begin
echo 'yes "a line of a long story" | head -n 100000; echo "the end"; exit 1' >"$did.freeze-1"
ends 1 sync
said 'said more than is kept here'
said 'exit status 1: the end \[hook-failed\]'
[ "$(wc -c <"$work/log")" -lt 400000 ] || fail 'the log is long'

begin
rm -rf "$work/copies"/*
ends 0 verify --all
echo 'all hooks ran as they should'
