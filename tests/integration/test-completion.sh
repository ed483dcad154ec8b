#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Completion in bash offers exactly the commands and options that the program has, at every place
# of the command line, and files, folders or words where an option's value calls for them.
set -eu
source "$top_srcdir/packaging/completion/disksync.bash"
work=$(mktemp -d "${TMPDIR:-/tmp}/completion.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir folder
: >'a file.yaml'
table=$("$DISKSYNC" --completion)
[ -n "$table" ] || { echo "FAIL: --completion prints nothing" >&2; exit 1; }

# offered WORD...: what completes the last of the words, one a line, sorted
offered() {
    COMP_WORDS=("$DISKSYNC" "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _disksync
    printf '%s\n' ${COMPREPLY[@]+"${COMPREPLY[@]}"} | LC_ALL=C sort
}
want() { # EXPECTED WORD...
    local expected got
    expected=$(printf '%s\n' "$1" | LC_ALL=C sort)
    shift
    got=$(offered "$@")
    [ "$got" = "$expected" ] || {
        printf 'FAIL: disksync %s\nwanted:\n%s\ngot:\n%s\n' "$*" "$expected" "$got" >&2
        exit 1
    }
}

want "$(sed 's/[ :].*//' <<<"$table" | sort -u)" ''
want 'sync' sy
want '' nonsense
want '' nonsense ''
n=0
while IFS= read -r line; do # every command offers its own options and no others
    read -ra words <<<"${line%%:*}"
    read -ra options <<<"${line#*:}"
    want "$(printf '%s\n' "${options[@]}")" "${words[@]}" --
    if [ ${#words[@]} = 2 ]; then
        want "$(sed -n "s/^${words[0]} \([a-z]*\):.*/\1/p" <<<"$table")" "${words[0]}" ''
    fi
    n=$((n + 1))
done <<<"$table"
[ $n -ge 15 ] || { echo "FAIL: only $n commands" >&2; exit 1; }

want '--compare' sync --co
want 'a file.yaml' sync --policy 'a'
want 'a file.yaml' sync --policy = 'a'
want $'a file.yaml\nfolder' sync --policy =
want 'folder' init --dir ''
want 'latest' verify --point ''
want $'linux\nwindows' policy show --os ''
want 'linux' policy show --os l
want '' points --node ''
want $'--point\n--policy' restore --compare --po
want 'a file.yaml' disks a
want 'wrong-passphrase' explain wrong
want '' sync ''
echo "$n commands"
