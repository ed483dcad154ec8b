#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every program and module that the build promises is there (libtool can build none and succeed),
# exports its entry point alone (nbdkit's module: nbdkit's) and, on Windows, imports nothing that NT 5.2 lacks or that is not
# part of the system.
set -u
bad=0
fail() { echo "FAIL: $*" >&2; bad=1; }

files=("$DISKSYNC")
for plugin in $DISKSYNC_PLUGINS; do
    files+=("$DISKSYNC_MODULES/${plugin##*/}$MODULE_EXT")
done

served=${DISKSYNC%/*}/nbdkit/nbdkit-disksync-plugin.so # where there is nbdkit-plugin-dev
[ ! -f "$served" ] || files+=("$served")

exports() { # FILE: names it defines for others, one a line
    if [ "$MODULE_EXT" = .dll ]; then
        "$OBJDUMP" -p "$1" | awk '/^\[Ordinal\/Name Pointer\]/{on=1;next} on&&/^\t\[/{print $NF;next} on&&!/^\t/{on=0}'
    else
        nm -D --defined-only "$1" | awk '{print $3}'
    fi
}

# API sets of systems after NT 5.2, by the names that core or a library is most likely to drag in.
newer='GetTickCount64|CancelIoEx|CancelSynchronousIo|GetFinalPathNameByHandle[AW]|InitializeSRWLock
AcquireSRWLock(Exclusive|Shared)|ReleaseSRWLock(Exclusive|Shared)|InitializeConditionVariable
SleepConditionVariable(CS|SRW)|Wake(All)?ConditionVariable|InitOnceExecuteOnce|InitializeCriticalSectionEx
SetFileInformationByHandle|GetFileInformationByHandleEx|CreateSymbolicLink[AW]|inet_(pton|ntop)|InetPtonW?
WSAPoll|BCrypt[A-Za-z]+|GetNativeSystemInfoEx|GetSystemTimePreciseAsFileTime|RegGetValue[AW]|OpenFileById
GetThreadId|SetThreadDescription|CreateFile2|QueryFullProcessImageName[AW]|GetVolumeInformationByHandleW'
newer=$(echo "$newer" | paste -sd'|')
system='kernel32|msvcrt|advapi32|ws2_32|ole32|user32|gdi32|crypt32|shell32|rpcrt4|oleaut32|setupapi|vssapi|secur32'

for f in "${files[@]}"; do
    if [ ! -s "$f" ]; then
        fail "$f was not built"
        continue
    fi
    case $f in
    *"$MODULE_EXT")
        names=$(exports "$f" | sort -u | paste -sd' ')
        wanted=ds_plugin_v1
        [ "$f" != "$served" ] || wanted=plugin_init
        [ "$names" = $wanted ] || fail "$f exports '$names', wanted $wanted alone"
        ;;
    *)
        head -c 2 "$f" | grep -q '^#!' && fail "$f is a libtool wrapper, not the program"
        ;;
    esac
    [ "$MODULE_EXT" = .dll ] || continue
    dlls=$("$OBJDUMP" -p "$f" | awk '/DLL Name:/{print tolower($3)}')
    for dll in $dlls; do
        echo "${dll%.dll}" | grep -qE "^($system)$" || fail "$f imports $dll, which no system has"
    done
    hits=$("$OBJDUMP" -p "$f" | awk '/^\t[0-9a-f]+\t +[0-9]+  /{print $NF}' | grep -xE "$newer" | paste -sd' ')
    [ -z "$hits" ] || fail "$f imports what NT 5.2 lacks: $hits"
done
[ $bad = 0 ] && echo "${#files[@]} binaries checked"
exit $bad
