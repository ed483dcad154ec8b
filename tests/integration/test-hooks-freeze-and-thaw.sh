#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The commands of the policy around the snapshot. They run in order, before the cut and as soon as
# the snapshot stands. Whoever was frozen is thawed: when a command fails, hangs or is interrupted,
# when cut or snapshot fail, and by the next sync when the process was killed in between, or a thaw
# failed; a freeze that outlived its sync is ended first. What can't be run, or could be changed by
# others, is refused before anything is touched.
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
said '^ +1 commands of hooks.after_snapshot failed: .* they are run again next time'
record || fail 'a thaw that failed is forgotten'
points="$points $(listed | tr ' ' '\n' | tail -n 1)"
# ... is run again by the next sync, as often as it takes.
begin
echo '[ "$DISKSYNC_SNAPSHOT" != unknown ] || exit 4' >"$did.thaw-2"
echo 'exit 3' >"$did.thaw-1"
ds_json "$work/failed.json" sync || fail 'a sync whose thaws fail'
ran 'behind a thaw that failed' thaw-1 thaw-2 "${all[@]}"
[ "$(field "$work/failed.json" 'd["hooks_failed"]')" = 3 ] || fail "$(cat "$work/failed.json")"
record || fail 'a thaw that failed again is forgotten'
ends 0 preflight
said 'warning +hooks +a sync was cut off between its hooks, or a thaw failed'
begin
ds_json "$work/failed.json" sync || fail 'a sync behind thaws that failed'
ran 'a thaw that failed, once more' thaw-1 thaw-2 "${all[@]}"
[ "$(field "$work/failed.json" 'd["hooks_failed"]')" = 0 ] || fail "$(cat "$work/failed.json")"
! record || fail 'the record is left behind a thaw that went well in the end'
points="$points $(listed | tr ' ' '\n' | tail -n 2)"

# ---- what they run around
for step in cut create; do
    snapshot='' tracker=''
    case $step in cut) tracker='fail_at: cut' ;; *) snapshot="fail_at: $step" ;; esac
    hooked
    begin
    ends 1 sync
    ran "$step failed" "${all[@]}"
    [ "$(tail -n 1 "$did.env")" = "after_snapshot lab $policy failed" ] || fail 'thaw is not told'
done
# No sync that failed has made a point, and each that did not has made one.
now=$(listed)
[ "$now" = "$(echo $points)" ] || fail "points: $now, not" $points

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
begin
ends 0 sync
ran 'behind a thaw that hung' thaw-1 thaw-2 "${all[@]}"

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
# A freeze that outlives its sync, with what it has started, is ended before the thaw.
begin
echo '(trap "" TERM; sleep 300; sleep 300) & kill -9 $PPID; sleep 5; echo outlived >>"$2"' \
    >"$did.freeze-1"
{ "$DISKSYNC" sync --policy "$policy" >>"$work/log" 2>&1 || true; } 2>/dev/null
begin
ends 0 sync
said 'a hook of a sync that was killed was still running, and was ended'
sleep 3
ran 'a freeze outlived its sync' thaw-1 thaw-2 "${all[@]}"
# A record that can't be read says that there is one.
head -c 20 /dev/urandom >"$live/state/hooks.state"
begin
ends 0 sync
ran 'a damaged record' thaw-1 thaw-2 "${all[@]}"
rm -f "$live/state/hooks.state"
mkdir "$live/state/hooks.state"
begin
ends 1 sync
ran 'a record that is no file' thaw-1 thaw-2 thaw-1 thaw-2
rmdir "$live/state/hooks.state"
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
said "$hook is not safe to run: .*others may write it \(mode 0720\)"
chmod 700 "$hook"
# ... or could be another one tomorrow: by its folder, by a link on the way, by the policy.
mkdir -m 700 "$work/open" "$work/open/inner"
cp -p "$hook" "$work/open/inner/hook"
ln -s "$work/open/inner/hook" "$work/link"
for program in "$work/open/inner/hook" "$work/link"; do
    sed "s|\"$hook\"|\"$program\"|" "$policy" >"$work/other.yaml"
    chmod 600 "$work/other.yaml"
    chmod 777 "$work/open"
    "$DISKSYNC" sync --policy "$work/other.yaml" >"$work/log" 2>&1 && fail "$program was run"
    said "hooks.before_snapshot: $program is not safe to run: $work/open: others may write it"
    chmod 1777 "$work/open" # as /tmp: no one touches what belongs to others
    "$DISKSYNC" preflight --policy "$work/other.yaml" >"$work/log" 2>&1 || true
    said 'hooks +4 commands can be run'
done
chmod 620 "$policy"
ends 3 sync
said "$policy names hooks, and is not safe: .*others may write it .*\[preflight\]"
chmod 600 "$policy"
chmod 777 "$work"
ends 3 sync
said "$policy names hooks, and is not safe: $work: others may write it"
chmod 700 "$work"
sed -i 's|\["[^"]*", thaw-1|["/no/such/program", thaw-1|' "$policy"
ends 3 sync
said "hooks.after_snapshot: /no/such/program can't be run: it does not exist"
ran 'nothing was run'

# ---- what they are not told
normal
begin
echo '[ -z "${LAB_SECRET+x}" ] && [ "$LAB_OTHER" = other ] && echo kept >>"$2"' >"$did.freeze-1"
sed -i "s|passphrase: { file: [^}]*}|passphrase: { env: LAB_SECRET }|" "$policy"
LAB_OTHER=other LAB_SECRET=$(cat "$work/key") ends 0 sync
ran 'a secret' freeze-1 kept freeze-2 thaw-1 thaw-2

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
