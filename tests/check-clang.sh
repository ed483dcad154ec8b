#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A second compiler's opinion: clang finds no warning in any C source of the Linux build.
set -u
[ -n "${CLANG:-}" ] || { echo "SKIP: clang is not installed"; exit 77; }
cd "${top_srcdir:?is set by make check}" || exit 1
bad=0 n=0
flags=(-std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
    -Werror -fsyntax-only -include "$top_builddir/config.h" -I. -Itests -Isdk/include
    -Ibuild-aux/ltdl '-DDS_PLUGINDIR="x"' '-DDS_SYSCONFDIR="x"' -pthread)
while IFS= read -r f; do
    case $f in
    core/recover/nbdkit_linux.c) # is built only where its header is
        pkg-config --exists nbdkit 2>/dev/null || continue ;;
    esac
    n=$((n + 1))
    case $f in
    tests/plugins/broken.c) extra=-DBROKEN_MAJOR ;; # wants to be told its fault
    *) extra=-Wall ;;
    esac
    "$CLANG" "${flags[@]}" $extra "$f" || bad=1
done < <(find core plugins tests -name '*.c' ! -name '*_windows.c' ! -name windows.c | sort)
[ $n -gt 0 ] || { echo "FAIL: no source found"; exit 1; }
echo "clang: $n files"
exit $bad
