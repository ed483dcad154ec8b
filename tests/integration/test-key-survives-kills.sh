#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A change of the key slots that is killed at any operation or cut off by a power cut never locks
# anybody out: every other key still opens the repository, a slot that is listed opens, and the
# change can be made again. Full counts with DISKSYNC_SOAK=1.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start key-kills
kills=5

promise 1
ds_json "$work/made.json" register || fail 'register'
(umask 077 && field "$work/made.json" 'd["recovery_key"]' >"$work/recovery" &&
    echo 'another passphrase, as long as one that init makes: quick' >"$work/other")
ds sync || fail 'sync'
save before

cat >"$work/common.sh" <<'END'
# Each time as a machine that never saw the repository: it has no copy of a slot.
opens() { # KEY
    local here=$work/fresh.yaml
    rm -rf "$work/fresh"
    mkdir -m 700 "$work/fresh"
    sed "s|file: $work/key|file: $work/$1|; s|state: [^,]*|state: $work/fresh|" "$policy" >"$here"
    local policy=$here
    ds points --node lab
}
slots() { # names of the slots
    ds_json "$work/slots.json" key list || fail "$1: key list"
    field "$work/slots.json" '" ".join(sorted(s["slot"] for s in d["slots"]))'
}
others_open() { # WHAT
    opens key || fail "$1: the passphrase does not open the repository"
    opens recovery || fail "$1: the recovery key does not open the repository"
}
check_add() { # WHAT
    others_open "$1"
    if [[ " $(slots "$1") " = *" spare "* ]]; then
        opens other || fail "$1: the slot spare is listed and opens nothing"
    else
        ! opens other || fail "$1: a slot opens that is not listed"
        ds key add spare --passphrase-file "$work/other" || fail "$1: key add again"
        opens other || fail "$1: the slot that was added again opens nothing"
    fi
}
check_remove() { # WHAT
    others_open "$1"
    if [[ " $(slots "$1") " = *" spare "* ]]; then
        opens other || fail "$1: the slot spare is listed and opens nothing"
        ds key remove spare || fail "$1: key remove again"
    fi
    ! opens other || fail "$1: the removed slot opens the repository"
    others_open "$1, removed"
}
END
. "$work/common.sh"

killed_change() { # STATE add|remove COMMAND...
    local n total killed=0
    put_back "$1"
    total=$(operations "${@:3}")
    echo "key $2: $total operations"
    for n in $(moments "$total"); do
        put_back "$1"
        ! killed_at "$n" "${@:3}" || killed=$((killed + 1))
        "check_$2" "key $2 killed at operation $n"
    done
    [ $((killed * 2)) -ge "$(moments "$total" | wc -l)" ] || fail "only $killed were killed"
}
add=(key add spare --passphrase-file "$work/other")
remove=(key remove spare)
killed_change before add "${add[@]}"
put_back before
logged "${add[@]}" || fail 'key add'
save added
killed_change added remove "${remove[@]}"

put_back added
logged "${remove[@]}" || fail 'key remove'
{
    echo '. "$top_srcdir/tests/tools/lab.sh"'
    cat "$work/common.sh"
    cat <<'END'
now=" $(slots "$say") "
case $CRASH_EXITS in
0) check_add "$say" ;;
1)  # the removal was under way: done or not
    check_remove "$say" ;;
2)
    [[ $now != *" spare "* ]] || fail "$say: the slot that was removed is back"
    check_remove "$say" ;;
esac
END
} >"$work/check.sh"
replay before 10

# The last slot stays.
put_back before
ds key remove recovery || fail 'key remove recovery'
ds key remove passphrase && fail 'the last slot was removed'
opens key || fail 'the last slot is gone'
