#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# crossdeps.sh - the static libraries that the Windows build links: zstd, OpenSSL, libyaml, expat,
# libcurl and (for the tests) check, made from the source packages of this machine's own
# distribution, in the versions whose -dev packages are installed here.
#
#   packaging/crossdeps.sh          builds what is missing and prints the prefix
#   packaging/crossdeps.sh --path   prints the prefix only, builds nothing
#
# The prefix lies in the cache, outside the source tree, and its name is a hash of compiler,
# versions and recipe (the build_* functions below): a change of any of them makes a new one, and
# a finished one is used without network. It is built under a temporary name and renamed when whole.
# Everything is compiled for NT 5.2: a newer _WIN32_WINNT makes the libraries import functions that
# old systems lack. The system's apt configuration is read, never changed.
set -euo pipefail

HOST=x86_64-w64-mingw32
DEFS="-D_WIN32_WINNT=0x0502 -DWINVER=0x0502"
CACHE=${DISKSYNC_CACHE:-$HOME/.cache/disksync}
JOBS=${DISKSYNC_JOBS:-$(nproc)}

# source package, and the binary package whose installed version is wanted
PACKAGES="libzstd:libzstd-dev openssl:libssl-dev libyaml:libyaml-dev expat:libexpat1-dev
    curl:libcurl4-openssl-dev check:check"

die() { echo "crossdeps: $*" >&2; exit 1; }

source_version() { # BINARY -> version of its source package
    local v
    v=$(dpkg-query -W -f '${source:Version}' "$1" 2>/dev/null) && [ -n "$v" ] ||
        die "package $1 is not installed; run ./bootstrap windows, which installs it"
    echo "$v"
}

# Writes NAME.pc, relocatable because the prefix is renamed after the build.
pc() { # NAME VERSION LIBRARY CFLAGS OTHER-LIBRARIES
    cat >"$OUT/lib/pkgconfig/$1.pc" <<END
prefix=\${pcfiledir}/../..
Name: $1
Description: $1 for $HOST, static
Version: $2
Cflags: -I\${prefix}/include $4
Libs: -L\${prefix}/lib $3 $5
END
}

build_libzstd() { # also checked: a static libzstd without threads is all that core asks for
    make -s -j"$JOBS" -C lib libzstd.a CC=$HOST-gcc AR=$HOST-ar OS=Windows_NT \
        ZSTD_LEGACY_SUPPORT=0 CFLAGS="-O2 $DEFS"
    cp lib/libzstd.a "$OUT/lib/"
    cp lib/zstd.h lib/zstd_errors.h lib/zdict.h "$OUT/include/"
    pc libzstd "$1" -lzstd "" ""
}

# The folders named here end in the library: they are Windows paths, and not this machine's.
build_openssl() {
    CC='' ./Configure mingw64 --cross-compile-prefix=$HOST- --prefix=/DiskSync --libdir=lib \
        --openssldir=/ProgramData/DiskSync/ssl no-shared no-tests no-legacy no-engine no-async \
        no-autoload-config $DEFS >/dev/null
    make -s build_generated
    make -s -j"$JOBS" libcrypto.a libssl.a
    cp libcrypto.a libssl.a "$OUT/lib/"
    mkdir -p "$OUT/include/openssl"
    cp include/openssl/*.h "$OUT/include/openssl/"
    pc libcrypto "$1" -lcrypto "" "$OPENSSL_NEEDS"
    pc libssl "$1" -lssl "" "-lcrypto $OPENSSL_NEEDS"
}
OPENSSL_NEEDS="-lws2_32 -lgdi32 -lcrypt32 -ladvapi32 -luser32"

build_libyaml() {
    [ -x configure ] || autoreconf -fi >/dev/null
    ./configure -q --host=$HOST --prefix=/ --disable-shared --enable-static \
        CFLAGS="-O2 $DEFS -DYAML_DECLARE_STATIC"
    make -s -C src
    cp src/.libs/libyaml.a "$OUT/lib/"
    cp include/yaml.h "$OUT/include/"
    pc yaml-0.1 "$1" -lyaml -DYAML_DECLARE_STATIC ""
}

build_expat() {
    cd expat
    [ -x configure ] || autoreconf -fi >/dev/null
    ./configure -q --host=$HOST --prefix=/ --disable-shared --enable-static --without-docbook \
        --without-examples --without-tests --without-xmlwf CFLAGS="-O2 $DEFS -DXML_STATIC" || return
    make -s -C lib || return
    cp lib/.libs/libexpat.a "$OUT/lib/"
    cp lib/expat.h lib/expat_external.h "$OUT/include/"
    # a later version's header includes it
    if [ -f expat_config.h ]; then cp expat_config.h "$OUT/include/"; fi
    pc expat "$1" -lexpat -DXML_STATIC ""
}

# HTTP alone, with OpenSSL: the system's own TLS has no 1.2 on old systems. What ws2_32 lacks there
# (inet_pton and its peer) comes from curl itself.
build_curl() {
    [ -x configure ] || autoreconf -fi >/dev/null
    PKG_CONFIG_LIBDIR=$OUT/lib/pkgconfig curl_disallow_inet_pton=yes curl_disallow_inet_ntop=yes \
        ./configure -q --host=$HOST --prefix=/ --disable-shared --enable-static \
        --with-openssl="$OUT" --enable-threaded-resolver --disable-pthreads --enable-ipv6 \
        --without-zlib --without-brotli --without-zstd --without-libpsl --without-nghttp2 \
        --without-librtmp --without-libssh2 --without-libidn2 --disable-ldap --disable-ldaps \
        --disable-rtsp --disable-dict --disable-telnet --disable-tftp --disable-pop3 \
        --disable-imap --disable-smb --disable-smtp --disable-gopher --disable-mqtt --disable-ftp \
        --disable-file --disable-manual --disable-ntlm --disable-sspi --disable-alt-svc \
        --disable-hsts --disable-cookies --disable-unix-sockets --disable-debug \
        CPPFLAGS="$DEFS" CFLAGS=-O2 LIBS="$OPENSSL_NEEDS" || return
    make -s -j"$JOBS" -C lib libcurl.la || return
    cp lib/.libs/libcurl.a "$OUT/lib/"
    mkdir -p "$OUT/include/curl"
    cp include/curl/*.h "$OUT/include/curl/"
    pc libcurl "$1" -lcurl -DCURL_STATICLIB "-lssl -lcrypto $OPENSSL_NEEDS"
}

# Its messages use C99 formats: both the library and its header must take them so.
build_check() {
    ./configure -q --host=$HOST --prefix=/ --disable-shared --enable-static --disable-subunit \
        --disable-build-docs --disable-timeout-tests CFLAGS="-O2 -D__USE_MINGW_ANSI_STDIO=1"
    make -s -C lib
    make -s -C src libcheck.la
    cp src/.libs/libcheck.a "$OUT/lib/"
    sed 's/format (a, b, c)/format (gnu_##a, b, c)/' src/check.h >"$OUT/include/check.h"
    cp check_stdint.h "$OUT/include/"
    pc check "$1" -lcheck "" "-lpthread"
}

# A private view of apt: the machine's sources as deb-src, with lists of its own.
apt_setup() {
    local f d=$WORK/apt
    mkdir -p "$d/parts" "$d/lists/partial"
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$f" ] || continue
        sed -n -E 's/^[[:space:]]*deb([[:space:]])/deb-src\1/p' "$f" \
            >"$d/parts/$(basename "$f" .list)-src.list"
    done
    for f in /etc/apt/sources.list.d/*.sources; do
        [ -f "$f" ] || continue
        sed -E 's/^Types:.*/Types: deb-src/' "$f" >"$d/parts/$(basename "$f" .sources)-src.sources"
    done
    APT=(-qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$d/parts"
        -o "Dir::State::Lists=$d/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
        -o APT::Sandbox::User=root)
    # A third party's source may have no deb-src: what counts is whether our packages are found.
    apt-get "${APT[@]}" update >"$WORK/apt/log" 2>&1 || true
}

# Leaves the upstream tarball, checked by apt, in $CACHE/sources/PACKAGE_VERSION.
fetch() { # PACKAGE VERSION
    local dir=$CACHE/sources/$1_$2
    if [ ! -d "$dir" ]; then
        [ -n "${APT:-}" ] || apt_setup
        mkdir "$WORK/get"
        (cd "$WORK/get" && apt-get "${APT[@]}" --download-only --tar-only source "$1=$2") >&2 ||
            (cd "$WORK/get" && echo "crossdeps: $1 $2 is gone, taking the newest" >&2 &&
                apt-get "${APT[@]}" --download-only --tar-only source "$1") >&2 ||
            { cat "$WORK/apt/log" >&2; die "cannot download the source of $1"; }
        mkdir -p "$CACHE/sources"
        mv "$WORK/get" "$dir"
    fi
}

build() { # PACKAGE VERSION
    local tar src=$WORK/src-$1
    fetch "$1" "$2"
    tar=$(find "$CACHE/sources/$1_$2" -name '*.orig.tar.*' ! -name '*.asc' | head -n 1)
    mkdir "$src"
    tar -xf "$tar" -C "$src" --strip-components=1
    echo "crossdeps: building $1 $2" >&2
    (cd "$src" && "build_$1" "${2%%-*}") >"$WORK/$1.log" 2>&1 || {
        tail -n 40 "$WORK/$1.log" >&2
        die "$1 $2 does not build"
    }
    rm -rf "$src"
}

main() {
    local p list='' hash prefix
    for p in $PACKAGES; do
        list="$list${p%%:*} $(source_version "${p##*:}")"$'\n'
    done
    hash=$({
        echo "$list$DEFS"
        $HOST-gcc -dumpfullversion
        for p in $PACKAGES; do declare -f "build_${p%%:*}"; done
        declare -f pc
        echo "$OPENSSL_NEEDS"
    } | sha256sum | cut -c1-16)
    prefix=$CACHE/$HOST-$hash
    if [ "${1:-}" = --path ] || [ -d "$prefix" ]; then echo "$prefix"; return; fi

    mkdir -p "$CACHE"
    exec 9>"$CACHE/crossdeps.lock"
    flock 9
    if [ -d "$prefix" ]; then echo "$prefix"; return; fi
    WORK=$(mktemp -d "$CACHE/crossdeps.XXXXXX")
    trap 'rm -rf "$WORK"' EXIT
    OUT=$WORK/prefix
    mkdir -p "$OUT/lib/pkgconfig" "$OUT/include"
    while read -r p v; do
        [ -z "$p" ] || build "$p" "$v"
    done <<<"$list"
    echo "$list" >"$OUT/versions"
    mv "$OUT" "$prefix"
    echo "$prefix"
}

main "$@"
