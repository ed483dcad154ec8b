# SPDX-License-Identifier: Apache-2.0
# faultfs.sh - sourced by tests: where faultfs.so is and how a program is run under it.
#
#   faultfs_find DIR               sets FAULTFS; builds it into DIR where the build has none
#   faultfs ROOTS [VAR=VALUE...] PROGRAM [ARGUMENT...]
#
# A build with sanitizers has one that only programs with the same sanitizer can load; a plain one
# serves all.
faultfs_find() {
    if [ ! -f "${FAULTFS:-}" ] || [ "${SANITIZER:-no}" != no ]; then
        FAULTFS=$1/faultfs.so
        ${CC:-cc} -std=c11 -D_GNU_SOURCE -O1 -g -shared -fPIC -fvisibility=hidden -o "$FAULTFS" \
            "${top_srcdir:?}"/tests/tools/faultfs*.c -ldl -lpthread || exit 99
    fi
}

faultfs() {
    local roots=$1 set=()
    shift
    while [[ $1 == *=* ]]; do set+=("$1"); shift; done
    env FAULTFS_ROOTS="$roots" "${set[@]}" LD_PRELOAD="$FAULTFS" "$@"
}
