# SPDX-License-Identifier: Apache-2.0
# local.mk - man pages: NAME.1 or NAME.5 is made of NAME.pod. A new page is one line in its list;
# tests/check-docs.sh finds a page that stands in none, and a command without one. The plugins' pages
# (section 7) lie in their own folders.

man1_MANS = \
	man/disksync.1 \
	man/disksync-collect.1 \
	man/disksync-copy.1 \
	man/disksync-disks.1 \
	man/disksync-explain.1 \
	man/disksync-forget.1 \
	man/disksync-init.1 \
	man/disksync-key-add.1 \
	man/disksync-key-list.1 \
	man/disksync-key-remove.1 \
	man/disksync-plugins.1 \
	man/disksync-points.1 \
	man/disksync-policy-check.1 \
	man/disksync-policy-show.1 \
	man/disksync-preflight.1 \
	man/disksync-register.1 \
	man/disksync-restore.1 \
	man/disksync-serve.1 \
	man/disksync-status.1 \
	man/disksync-sync.1 \
	man/disksync-unregister.1 \
	man/disksync-verify.1
man5_MANS = \
	man/disksync-policy.5

SUFFIXES = .pod .1 .5
POD_TO_MAN = $(AM_V_GEN)$(MKDIR_P) man && $(POD2MAN) --center=DiskSync \
	--release='$(PACKAGE_VERSION)'
.pod.1:
	$(POD_TO_MAN) --section=1 $< $@
.pod.5:
	$(POD_TO_MAN) --section=5 $< $@

EXTRA_DIST += $(man1_MANS:.1=.pod) $(man5_MANS:.5=.pod)
CLEANFILES += $(man1_MANS) $(man5_MANS)
