#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Key slots as people meet them: a policy names a key file as it does a passphrase, whatever bytes
# it holds; `key list` goes on behind a slot that is damaged, says which, and ends with exit code 5; a
# damaged slot can be removed, and does not count as one that opens the repository.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
lab_start heal # under every sanitizer
repository=$live/repository
promise 1
ds sync || fail 'sync 1'

# ---- key files
"$PYTHON" - "$work" <<'END'
import os, sys
for name, data in (("zeros", bytes(20) + b"\n\r" + os.urandom(20)),
                   ("line", os.urandom(40) + b"\r\n"), ("long", os.urandom(65536))):
    with open(os.path.join(sys.argv[1], "file-" + name), "wb") as f:
        f.write(data)
END
chmod 600 "$work"/file-*
policy_of() { # KEY FOLDER: a policy with that key file and state folder
    sed "s|file: $work/key|file: $1|; s|state: [^,]*|state: $2|" "$work/policy.yaml" \
        >"$work/other.yaml"
    policy=$work/other.yaml
}
for name in zeros line long; do
    policy=$work/policy.yaml
    ds key add "$name" --key-file "$work/file-$name" || fail "key add $name"
    mkdir -m 700 "$live/fresh-$name"
    policy_of "$work/file-$name" "$live/fresh-$name"
    # A machine that never saw the repository, and then with what it saved of it.
    for turn in first second; do
        rm -f "$work/restored.raw"
        ds restore --node lab --point 1 --to "$work/restored.raw" || fail "$name, $turn: restore"
        cmp "$image" "$work/restored.raw" || fail "$name, $turn: it is not the image"
    done
    policy_of "$work/file-$name" "$live/state" # the node itself
    ds sync || fail "$name: sync"
done
head -c 31 /dev/urandom >"$work/short"
policy=$work/policy.yaml
! ds key add short --key-file "$work/short" || fail 'a key file of 31 bytes was taken'
# A key file alone is enough, also for the other slots.
policy_of "$work/file-zeros" "$live/state"
for slot in passphrase recovery line long; do
    ds key remove $slot || fail "key remove $slot by a key file"
done
! ds key remove zeros || fail 'the last slot was removed'
ds sync || fail 'sync by the last slot'
policy=$work/policy.yaml
! ds points || fail 'a passphrase without a slot opens the repository'
policy_of "$work/file-zeros" "$live/state"

# ---- damaged slots
slots() { # EXIT-CODE EXPRESSION WANTED
    local status=0 said
    ds_json "$work/slots.json" key list || status=$?
    [ $status = "$1" ] || fail "key list ended with $status, not $1"
    said=$(field "$work/slots.json" "$2")
    [ "$said" = "$3" ] || fail "key list says $said, not $3"
}
kinds='" ".join("%s=%s" % (s["slot"], s["kind"].replace(" ", "-")) for s in d["slots"])'
(umask 077 && echo 'another passphrase' >"$work/pass")
ds key add a-pass --passphrase-file "$work/pass" || fail 'key add a-pass'
ds key add b-cut --recovery || fail 'key add b-cut'
slots 0 "$kinds" 'a-pass=passphrase b-cut=recovery-key zeros=key-file'
truncate -s 50 "$repository/k/b-cut"
: >"$repository/k/c-empty"
head -c 20000 /dev/urandom >"$repository/k/d-huge"
slots 5 "$kinds" 'a-pass=passphrase b-cut=damaged c-empty=damaged d-huge=damaged zeros=key-file'
slots 5 'all("k/" + s["slot"] in s["why"] for s in d["slots"] if s["kind"] == "damaged")' True
status=0
"$DISKSYNC" key list --policy "$policy" >"$work/said" || status=$?
[ $status = 5 ] || fail "key list for people ended with $status"
grep -qE '^b-cut +damaged +k/b-cut is cut short' "$work/said" || fail "$(cat "$work/said")"
grep -q '^zeros  *key file' "$work/said" || fail 'the list ends at the damaged slot'
# A slot of a newer program is none of the damaged ones.
cp "$repository/k/a-pass" "$work/a-pass"
printf '\002' | dd of="$repository/k/a-pass" bs=1 seek=8 conv=notrunc status=none
slots 5 'd["slots"][0]["kind"]' newer
cp "$work/a-pass" "$repository/k/a-pass"
ds key remove a-pass || fail 'key remove a-pass'
! ds key remove zeros || fail 'the last slot that opens was removed: damaged ones counted'
for slot in b-cut c-empty d-huge; do
    ds key remove $slot || fail "key remove $slot, a damaged one"
done
slots 0 "$kinds" 'zeros=key-file'
ds sync || fail 'the last sync'
