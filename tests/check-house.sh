#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The rules of the house that a machine can see: who may include whom, where the platform may show,
# banned functions, and that every source stands in a list of the build (one that does not is
# compiled by no one, and a test that does not is never run).
set -u
cd "${top_srcdir:?is set by make check}" || exit 1
bad=0
report() { # TEXT HITS
    [ -z "$2" ] || { printf 'FAIL: %s\n%s\n' "$1" "$2"; bad=1; }
}
sources() { find "$@" -name '*.[ch]' | sort; }

report 'core includes or names a plugin folder' \
    "$(grep -nE '#include.*plugins/' -r core --include='*.[ch]')"
report 'a plugin includes something of core' \
    "$(grep -nE '#include.*(core|base|plugin|disk|sync|s3block|recover|policy)/' -r plugins --include='*.[ch]' |
        grep -v '<disksync/')"
report 's3block includes more than the SDK and base/' \
    "$(grep -nE '#include "core/' -r core/s3block --include='*.[ch]' | grep -vE '"core/(base|s3block)/')"
report 'a platform shows outside the platform files' \
    "$(sources core plugins | grep -vE '(^|/|_)(linux|windows)\.[ch]$' |
        xargs -r grep -nE '(_WIN32|__MINGW32__|__linux__)\b')"
report 'a banned function' \
    "$(sources core plugins sdk | xargs -r grep -nE \
        '(^|[^A-Za-z0-9_.>])(strcpy|strcat|sprintf|vsprintf|atoi|atol|strtok|localtime|gmtime|system|gets)[[:space:]]*\(')"
report 'no licence line at the top' \
    "$(sources core plugins sdk tests | while read -r f; do head -n 1 "$f" | grep -q SPDX || echo "$f"; done)"
report 'lines over 100 columns' \
    "$(sources core plugins sdk tests | xargs -r awk 'length > 100 {print FILENAME ":" FNR}')"

listed() { # FILE MAKEFILE: FILE is a word of MAKEFILE
    grep -qE "(^|[[:space:]])${1//./\\.}([[:space:]]|$)" "$2"
}
lost=''
while IFS= read -r f; do
    listed "$f" core/local.mk || lost="$lost$f (core/local.mk)"$'\n'
done < <(sources core)
for f in man/*.pod; do
    grep -qE "(^|[[:space:]])${f%.pod}\.[15]([[:space:]]|$)" man/local.mk ||
        lost="$lost$f (man/local.mk)"$'\n'
done
for dir in plugins/*/; do
    [ -f "$dir/Makefile.am" ] || { lost="$lost$dir has no Makefile.am"$'\n'; continue; }
    grep -q "DS_PLUGIN(\[$(basename "$dir")\]" configure.ac || lost="$lost$dir (configure.ac)"$'\n'
    while IFS= read -r f; do
        listed "${f#"$dir"}" "$dir/Makefile.am" || lost="$lost$f ($dir""Makefile.am)"$'\n'
    done < <(sources "$dir")
done
for f in tests/*/test-*.c tests/fuzz/fuzz-*.c tests/integration/test-*.sh; do
    [ -f "$f" ] || continue
    word=${f#tests/}
    listed "${word%.c}" tests/Makefile.am || lost="$lost$f (tests/Makefile.am)"$'\n'
done
while IFS= read -r f; do # helpers, modules, tools and headers: in the list here or in the folder's
    case $f in */test-*.c | */fuzz-*.c | */integration/test-*.sh) continue ;; esac
    word=${f#tests/}
    listed "$word" tests/Makefile.am || listed "${word%.c}" tests/Makefile.am || {
        near=$(dirname "$f")/Makefile.am
        [ -f "$near" ] && listed "$(basename "$f")" "$near"
    } || lost="$lost$f (tests/Makefile.am)"$'\n'
done < <(find tests -name '*.[ch]' -o -name '*.sh' -o -name '*.py' | sort)
report 'a source in no list (the list that lacks it in brackets)' "${lost%$'\n'}"
exit $bad
