# SPDX-License-Identifier: Apache-2.0
# plugin.mk - what every plugin's Makefile.am includes. A plugin adds
#     noinst_LTLIBRARIES = libNAME.la          its inside, which unit tests link too
#     libNAME_la_LDFLAGS =
#     libNAME_la_SOURCES = ...
#     pkglib_LTLIBRARIES = NAME.la             the module, made of nothing else
#     NAME_la_SOURCES =
#     NAME_la_LIBADD = libNAME.la
#     man7_MANS = disksync-NAME.7              from disksync-NAME.pod
#     EXTRA_DIST = README.md disksync-NAME.pod
# NAME is the folder's name, the module's file name and the word in the policy. The module exports
# its entry point alone, and a copy in modules/ beside the program makes the build tree runnable.

AM_CPPFLAGS = -include $(top_builddir)/config.h -I$(top_srcdir)/sdk/include $(DS_CPPFLAGS)
AM_CFLAGS = $(DS_CFLAGS) $(PTHREAD_FLAGS)
AM_LDFLAGS = -module -avoid-version -no-undefined -export-symbols-regex '^ds_plugin_v1$$'

# libtool can build no shared module at all and still succeed: look for it. The loader refuses a
# folder or file that others may write.
all-local: $(pkglib_LTLIBRARIES)
	@sh $(top_srcdir)/plugins/place-modules $(top_builddir)/modules $(MODULE_EXT) $(pkglib_LTLIBRARIES)

clean-local:
	for la in $(pkglib_LTLIBRARIES); do \
	  rm -f $(top_builddir)/modules/`basename $$la .la`$(MODULE_EXT); \
	done

# The .la files serve no one once installed.
install-exec-hook:
	for la in $(pkglib_LTLIBRARIES); do rm -f $(DESTDIR)$(pkglibdir)/$$la; done

uninstall-hook:
	for la in $(pkglib_LTLIBRARIES); do \
	  rm -f $(DESTDIR)$(pkglibdir)/`basename $$la .la`$(MODULE_EXT); \
	done

SUFFIXES = .pod .7
.pod.7:
	$(AM_V_GEN)$(POD2MAN) --section=7 --center=DiskSync --release='$(PACKAGE_VERSION)' $< $@
CLEANFILES = $(man7_MANS)
