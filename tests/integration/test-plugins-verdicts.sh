#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `disksync plugins` gives every module of the policy's folder a verdict: the plugin of sdk/template,
# built outside the tree from the headers alone, is loaded and its options are shown; the broken ones,
# one that others may write, and one that is not what the policy pins are refused with the reason.
set -eu
work=$(mktemp -d "${TMPDIR:-/tmp}/plugins.XXXXXX")
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
want() { # FILE TEXT
    grep -qF -- "$2" "$1" || { cat "$1" >&2; fail "wanted: $2"; }
}

cp -R "$top_srcdir/sdk/template" "$work/mine"
mkdir "$work/include" "$work/modules"
chmod 755 "$work/modules"
cp -R "$top_srcdir/sdk/include/disksync" "$work/include/"
make -s -C "$work/mine" CC="$CC" INCLUDE="$work/include" CFLAGS='-O1 -Wall -Wextra -Werror'
cp "$work/mine/transport-memory$MODULE_EXT" "$work/modules/"
for module in tracker-scripted broken-major broken-need broken-slot; do
    cp "$DISKSYNC_TEST_MODULES/$module$MODULE_EXT" "$work/modules/"
done
cp "$work/modules/tracker-scripted$MODULE_EXT" "$work/modules/snapshot-other$MODULE_EXT"
chmod 755 "$work"/modules/*
chmod 777 "$work/modules/snapshot-other$MODULE_EXT"

policy() { # extra keys of plugins
    cat >"$work/policy.yaml" <<END
version: 1
disks: { include: [disk.raw] }
transport: { use: transport-memory }
plugins:
  folder: modules
$*
END
}
run() { "$DISKSYNC" plugins --policy "$work/policy.yaml" "$@"; }

policy
run >"$work/out" || fail "plugins"
want "$work/out" 'transport-memory'
grep -E '^transport-memory +store +[0-9.]+ +loaded' "$work/out" >/dev/null || fail "not loaded"
want "$work/out" 'ABI major 2, wanted 1'
want "$work/out" 'needs something that this program does not know'
want "$work/out" 'mandatory slot store.submit'
want "$work/out" 'the file is not safe to load'
run transport-memory >"$work/out" || fail "plugins transport-memory"
want "$work/out" 'limit: size'
want "$work/out" 'default: 268435456'
run --json memory >"$work/out" || fail "plugins --json memory"
"$PYTHON" - "$work/out" <<'END'
import json, sys
p, = json.load(open(sys.argv[1]))["plugins"]
assert p["name"] == "transport-memory" and p["loaded"] and len(p["sha256"]) == 64, p
assert p["options"][0]["type"] == "size" and p["options"][0]["min"] == 1 << 20, p
END
code=0
run broken-slot >"$work/out" 2>&1 || code=$?
[ $code -ne 0 ] || fail "a refused plugin was shown"
want "$work/out" 'was refused'

sum=$(sha256sum "$work/modules/transport-memory$MODULE_EXT" | cut -d' ' -f1)
policy "  pin: { transport-memory: $sum }"
run transport-memory >/dev/null || fail "the right pin"
policy "  pin: { transport-memory: ${sum//[0-9]/f} }"
run >"$work/out" || fail "plugins with a wrong pin"
want "$work/out" "the policy's pin wants"

chmod 777 "$work/modules"
code=0
run >"$work/out" 2>&1 || code=$?
[ $code -ne 0 ] || fail "an unsafe folder was used"
want "$work/out" 'not safe to load from'
