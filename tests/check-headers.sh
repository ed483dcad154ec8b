#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each header compiles alone: those of the SDK as C11, C99 and C++, with every warning; those of core
# as C11. A header that works only after another one is a trap for its next user.
set -u
cd "${top_srcdir:?is set by make check}" || exit 1
bad=0
warn="-Wall -Wextra -Wpedantic -Werror -fsyntax-only"

for h in sdk/include/disksync/*.h; do
    for std in c11 c99; do
        $CC -std=$std $warn -Isdk/include -x c "$h" || { echo "FAIL: $h as $std"; bad=1; }
    done
    if command -v g++ >/dev/null; then
        g++ -std=c++11 $warn -Isdk/include -x c++ "$h" || { echo "FAIL: $h as C++"; bad=1; }
    fi
done
while IFS= read -r h; do
    $CC -std=c11 $warn -include "${top_builddir:?}/config.h" -I. -Isdk/include -Ibuild-aux/ltdl \
        -x c "$h" || {
        echo "FAIL: $h"
        bad=1
    }
done < <(find core -name '*.h' ! -name '*windows.h' | sort)
exit $bad
