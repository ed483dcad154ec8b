dnl SPDX-License-Identifier: Apache-2.0
dnl disksync.m4 - what configure.ac says in one word each: host, compiler, libraries, plugins.

dnl DS_HOST: conditional WINDOWS, and what must be known before libtool is set up.
AC_DEFUN([DS_HOST], [
    AS_CASE([$host],
        [*-*-mingw*], [ds_windows=yes],
        [*-*-linux*], [ds_windows=no],
        [AC_MSG_ERROR([DiskSync is for Linux and Windows, not for $host])])
    AM_CONDITIONAL([WINDOWS], [test $ds_windows = yes])
    # libtool declines to link a static library into a DLL, and then builds no DLL at all while
    # make succeeds: tell it that every library may be linked.
    AS_IF([test $ds_windows = yes], [lt_cv_deplibs_check_method=pass_all])
])

dnl DS_COMPILER: DS_CFLAGS and DS_CPPFLAGS for our own sources (CFLAGS also serve libltdl, which is
dnl not written to our warnings), MODULE_EXT, PROGRAM_LDFLAGS.
AC_DEFUN([DS_COMPILER], [
    AC_ARG_ENABLE([werror],
        [AS_HELP_STRING([--enable-werror], [stop at the first warning])], [], [enable_werror=no])
    DS_CFLAGS="-std=c11 -fvisibility=hidden -Wall -Wextra -Wpedantic -Wshadow"
    DS_CFLAGS="$DS_CFLAGS -Wstrict-prototypes -Wmissing-prototypes -Wvla"
    # Sentences for people are cut to their buffer on purpose; paths are checked by the value that
    # snprintf returns. clang does not know this warning.
    ds_save_cflags=$CFLAGS
    CFLAGS="$CFLAGS -Werror -Wformat-truncation"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [DS_CFLAGS="$DS_CFLAGS -Wno-format-truncation"])
    CFLAGS=$ds_save_cflags
    AS_IF([test "x$enable_werror" = xyes], [DS_CFLAGS="$DS_CFLAGS -Werror"])
    DS_CPPFLAGS=
    MODULE_EXT=.so
    # libtool makes a wrapper script or program of what it links with its own shared libraries;
    # ours have none, and these flags tell it so.
    PROGRAM_LDFLAGS=-static
    # core is also linked into a module, for nbdkit; on Windows all code may be moved anyway
    PIC_CFLAGS=-fPIC
    AS_IF([test $ds_windows = yes], [
        PIC_CFLAGS=
        # NT 5.2 is the oldest system served: a newer number lets newer imports in.
        DS_CPPFLAGS="-D_WIN32_WINNT=0x0502 -DWINVER=0x0502 -D__USE_MINGW_ANSI_STDIO=1"
        DS_CPPFLAGS="$DS_CPPFLAGS -DYAML_DECLARE_STATIC -DUNICODE -D_UNICODE"
        MODULE_EXT=.dll
        PROGRAM_LDFLAGS=-all-static
    ])
    # automake's default asks ar for what it ignores, with a warning
    AC_SUBST([ARFLAGS], [cr])
    AC_SUBST([DS_CFLAGS])
    AC_SUBST([DS_CPPFLAGS])
    AC_SUBST([MODULE_EXT])
    AC_SUBST([PIC_CFLAGS])
    AC_SUBST([PROGRAM_LDFLAGS])
])

dnl DS_LIBRARIES: YAML, ZSTD, CRYPTO, CURL and EXPAT (of plugins), TLS (of the gateway) and, for the
dnl tests only, CHECK.
AC_DEFUN([DS_LIBRARIES], [
    PKG_PROG_PKG_CONFIG([0.29])
    PKG_CHECK_MODULES([YAML], [yaml-0.1 >= 0.2])
    PKG_CHECK_MODULES([ZSTD], [libzstd >= 1.4])
    PKG_CHECK_MODULES([CRYPTO], [libcrypto >= 3.0])
    AS_IF([test $ds_windows = no], [PKG_CHECK_MODULES([TLS], [libssl >= 3.0])])
    PKG_CHECK_MODULES([CURL], [libcurl >= 7.87])
    PKG_CHECK_MODULES([EXPAT], [expat >= 2.2])
    PKG_CHECK_MODULES([CHECK], [check >= 0.11], [ds_check=yes], [
        ds_check=no
        AC_MSG_WARN([libcheck not found: "make check" will build no unit tests])
    ])
    AM_CONDITIONAL([HAVE_CHECK], [test $ds_check = yes])
    AS_IF([test $ds_windows = no], [
        PTHREAD_FLAGS=-pthread
    ], [
        # Programs on Windows carry their libraries; winpthread would end support of NT 5.2.
        PTHREAD_FLAGS=
        SYSTEM_LIBS="-lws2_32 -ladvapi32 -lole32"
    ])
    AC_SUBST([PTHREAD_FLAGS])
    AC_SUBST([SYSTEM_LIBS])
])

dnl DS_NBDKIT: conditional NBDKIT: whether the module for `disksync serve` is built.
AC_DEFUN([DS_NBDKIT], [
    ds_nbdkit=no
    AS_IF([test $ds_windows = no], [
        PKG_CHECK_MODULES([NBDKIT], [nbdkit >= 1.26], [ds_nbdkit=yes], [
            AC_MSG_WARN([nbdkit >= 1.26 not found: "disksync serve" will not work; install nbdkit-plugin-dev])
        ])
    ])
    AM_CONDITIONAL([NBDKIT], [test $ds_nbdkit = yes])
])

dnl DS_TOOLS: programs that man pages, tests and the cross build ask for.
AC_DEFUN([DS_TOOLS], [
    AC_PATH_PROGS([POD2MAN], [pod2man])
    AS_IF([test -z "$POD2MAN"], [AC_MSG_ERROR([pod2man not found: it comes with perl])])
    AC_PATH_PROGS([PYTHON], [python3], [python3])
    AC_PATH_PROGS([CLANG], [clang], [])
    AS_IF([test $ds_windows = yes], [AC_PATH_PROGS([WINE], [wine64 wine], [], [$PATH:/usr/lib/wine])])
])

dnl DS_SANITIZE: --enable-sanitize=address|undefined|thread and --enable-fuzzers. Called last: the
dnl flags must not disturb configure's own test programs, and serve all that is built, libltdl too.
AC_DEFUN([DS_SANITIZE], [
    AC_ARG_ENABLE([sanitize],
        [AS_HELP_STRING([--enable-sanitize=KIND],
            [build with a sanitizer: address (undefined included), undefined or thread])],
        [], [enable_sanitize=no])
    AC_ARG_ENABLE([fuzzers],
        [AS_HELP_STRING([--enable-fuzzers], [build the libFuzzer programs (needs CC=clang)])],
        [], [enable_fuzzers=no])
    ds_sanitize=
    AS_CASE([$enable_sanitize],
        [no], [],
        [address], [ds_sanitize=address,undefined],
        [undefined|thread], [ds_sanitize=$enable_sanitize],
        [AC_MSG_ERROR([--enable-sanitize=$enable_sanitize: say address, undefined or thread])])
    FUZZ_LDFLAGS=
    AS_IF([test "x$enable_fuzzers" = xyes], [
        ds_sanitize=address,undefined,fuzzer-no-link
        FUZZ_LDFLAGS=-fsanitize=fuzzer
    ])
    AS_IF([test -n "$ds_sanitize"], [
        CFLAGS="$CFLAGS -fsanitize=$ds_sanitize -fno-sanitize-recover=all -fno-omit-frame-pointer"
        LDFLAGS="$LDFLAGS -fsanitize=$ds_sanitize"
        AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [],
            [AC_MSG_ERROR([$CC cannot link with -fsanitize=$ds_sanitize])])
    ])
    AC_SUBST([FUZZ_LDFLAGS])
    AC_SUBST([SANITIZER], [$enable_sanitize])
    AM_CONDITIONAL([SANITIZE], [test -n "$ds_sanitize"])
    AM_CONDITIONAL([FUZZERS], [test "x$enable_fuzzers" = xyes])
])

dnl DS_PLUGIN(FOLDER, [linux]): adds plugins/FOLDER to the build.
AC_DEFUN([DS_PLUGIN], [
    AC_CONFIG_FILES([plugins/$1/Makefile])
    m4_case([$2],
        [], [PLUGIN_DIRS="$PLUGIN_DIRS plugins/$1"],
        [linux], [AS_IF([test $ds_windows = no], [PLUGIN_DIRS="$PLUGIN_DIRS plugins/$1"])],
        [m4_fatal([DS_PLUGIN: unknown system $2])])
    ALL_PLUGIN_DIRS="$ALL_PLUGIN_DIRS plugins/$1"
    AC_SUBST([PLUGIN_DIRS])
    AC_SUBST([ALL_PLUGIN_DIRS])
])
