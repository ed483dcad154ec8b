# SPDX-License-Identifier: Apache-2.0
# local.mk - core: libcore.a, which the program and the unit tests link, and the program. A new
# source is one line in its list; platform files (linux.c, *_linux.c and their peers) have lists of
# their own. tests/check-house.sh finds a source that stands in none.

CORE_CPPFLAGS = -include $(top_builddir)/config.h -I$(top_srcdir) -I$(top_srcdir)/sdk/include \
	-I$(top_srcdir)/build-aux/ltdl -DDS_PLUGINDIR='"$(pkglibdir)"' \
	-DDS_SYSCONFDIR='"$(sysconfdir)/disksync"' \
	$(DS_CPPFLAGS) $(YAML_CFLAGS) $(ZSTD_CFLAGS) $(CRYPTO_CFLAGS)
CORE_CFLAGS = $(DS_CFLAGS) $(PTHREAD_FLAGS)
CORE_LIBS = libcore.a $(LIBLTDL) $(YAML_LIBS) $(ZSTD_LIBS) $(CRYPTO_LIBS) $(SYSTEM_LIBS)

noinst_LIBRARIES += libcore.a
libcore_a_CPPFLAGS = $(CORE_CPPFLAGS)
libcore_a_CFLAGS = $(CORE_CFLAGS) $(PIC_CFLAGS)
libcore_a_SOURCES = \
	core/base/bitmap.c \
	core/base/bitmap.h \
	core/base/bytes.h \
	core/base/dynbuf.c \
	core/base/dynbuf.h \
	core/base/json.c \
	core/base/json.h \
	core/base/log.c \
	core/base/log.h \
	core/base/os.c \
	core/base/os.h \
	core/base/os_process.c \
	core/base/os_process.h \
	core/base/pool.c \
	core/base/pool.h \
	core/base/text.c \
	core/base/text.h \
	core/base/thread.h \
	core/policy/access.h \
	core/policy/arena.c \
	core/policy/arena.h \
	core/policy/check.c \
	core/policy/check.h \
	core/policy/document.h \
	core/policy/hosts.c \
	core/policy/hosts.h \
	core/policy/node.c \
	core/policy/node.h \
	core/policy/plugin.c \
	core/policy/policy.c \
	core/policy/policy.h \
	core/policy/schema.c \
	core/policy/schema.h \
	core/policy/secret.c \
	core/policy/section.c \
	core/policy/show.c \
	core/policy/value.c \
	core/policy/value.h \
	core/plugin/host.c \
	core/plugin/judge.c \
	core/plugin/loader.c \
	core/plugin/module.c \
	core/plugin/module.h \
	core/plugin/plugin.h \
	core/plugin/state.c \
	core/disk/crc32.c \
	core/disk/crc32.h \
	core/disk/disk.h \
	core/disk/fsname.c \
	core/disk/fsname.h \
	core/disk/fsname_dos.c \
	core/disk/inventory.c \
	core/disk/inventory.h \
	core/disk/label.c \
	core/disk/label.h \
	core/disk/layout.c \
	core/disk/layout.h \
	core/disk/layout_gpt.c \
	core/disk/layout_mbr.c \
	core/disk/select.c \
	core/disk/source.c \
	core/disk/system.h \
	core/sync/base.c \
	core/sync/choose.c \
	core/sync/copy.c \
	core/sync/copy.h \
	core/sync/estimate.c \
	core/sync/estimate.h \
	core/sync/hooks.c \
	core/sync/hooks.h \
	core/sync/memory.c \
	core/sync/memory.h \
	core/sync/resume.c \
	core/sync/session.c \
	core/sync/session.h \
	core/sync/session_internal.h \
	core/sync/source.c \
	core/sync/source.h \
	core/sync/tracking.c \
	core/sync/volumes.c \
	core/sync/volumes.h \
	core/s3block/collect.c \
	core/s3block/collect.h \
	core/s3block/crypto.c \
	core/s3block/crypto.h \
	core/s3block/keys.c \
	core/s3block/keys.h \
	core/s3block/map.h \
	core/s3block/map_reader.c \
	core/s3block/map_writer.c \
	core/s3block/marks.c \
	core/s3block/marks.h \
	core/s3block/objects.c \
	core/s3block/objects.h \
	core/s3block/page.c \
	core/s3block/page.h \
	core/s3block/point_writer.c \
	core/s3block/point_writer.h \
	core/s3block/points.c \
	core/s3block/repository.c \
	core/s3block/repository.h \
	core/s3block/retention.c \
	core/s3block/root.c \
	core/s3block/root.h \
	core/s3block/salvage.c \
	core/s3block/segment.h \
	core/s3block/segment_cache.c \
	core/s3block/segment_format.c \
	core/s3block/segment_internal.h \
	core/s3block/segment_writer.c \
	core/recover/block_cache.c \
	core/recover/block_cache.h \
	core/recover/damage.c \
	core/recover/damage.h \
	core/recover/export.c \
	core/recover/export.h \
	core/recover/restore.c \
	core/recover/restore.h \
	core/recover/target.c \
	core/recover/target.h \
	core/recover/transfer.c \
	core/recover/transfer.h \
	core/recover/verify.c \
	core/recover/verify.h \
	core/agent/agent.c \
	core/agent/agent.h \
	core/agent/node.c \
	core/agent/node.h \
	core/preflight/preflight.c \
	core/preflight/preflight.h

if WINDOWS
libcore_a_SOURCES += \
	core/base/os_file_windows.c \
	core/base/os_path_windows.c \
	core/base/os_process_windows.c \
	core/base/os_trust_windows.c \
	core/base/os_windows.c \
	core/base/os_windows.h \
	core/base/thread_windows.c \
	core/base/wide_windows.c \
	core/base/wide_windows.h \
	core/policy/access_windows.c \
	core/plugin/ltdl_windows.c \
	core/disk/disk_windows.c \
	core/disk/disk_windows.h \
	core/disk/usage_windows.c
else
libcore_a_SOURCES += \
	core/base/os_linux.c \
	core/base/os_process_linux.c \
	core/base/os_trust_linux.c \
	core/base/thread_linux.c \
	core/policy/access_linux.c \
	core/plugin/ltdl_linux.c \
	core/disk/disk_linux.c \
	core/disk/sysfs_linux.c \
	core/disk/sysfs_linux.h \
	core/disk/usage_linux.c
endif

# The S3 server: tests use it, and no program links it yet. Its sockets and folders know Linux alone.
if !WINDOWS
noinst_LIBRARIES += libgateway.a
libgateway_a_CPPFLAGS = $(CORE_CPPFLAGS)
libgateway_a_CFLAGS = $(CORE_CFLAGS)
libgateway_a_SOURCES = \
	core/gateway/access.c \
	core/gateway/access.h \
	core/gateway/batch.c \
	core/gateway/bucket.c \
	core/gateway/channel.c \
	core/gateway/channel.h \
	core/gateway/conn.c \
	core/gateway/conn.h \
	core/gateway/errors.c \
	core/gateway/faults.c \
	core/gateway/faults.h \
	core/gateway/folder.c \
	core/gateway/folder.h \
	core/gateway/folder_linux.c \
	core/gateway/folder_os.h \
	core/gateway/folder_put.c \
	core/gateway/folder_upload.c \
	core/gateway/folder_walk.c \
	core/gateway/gateway.c \
	core/gateway/gateway.h \
	core/gateway/http.c \
	core/gateway/http.h \
	core/gateway/key.c \
	core/gateway/key.h \
	core/gateway/list.c \
	core/gateway/lock.c \
	core/gateway/meta.c \
	core/gateway/meta.h \
	core/gateway/multipart.c \
	core/gateway/net.h \
	core/gateway/net_linux.c \
	core/gateway/objects.c \
	core/gateway/requestlog.c \
	core/gateway/requestlog.h \
	core/gateway/s3.c \
	core/gateway/s3.h \
	core/gateway/sign.c \
	core/gateway/sign.h \
	core/gateway/store.h \
	core/gateway/uri.c \
	core/gateway/uri.h \
	core/gateway/xml.c \
	core/gateway/xml.h
endif

# No libtool wrapper: the program in the build folder is the program, and finds modules/ beside it.
bin_PROGRAMS += disksync
disksync_CPPFLAGS = $(CORE_CPPFLAGS)
disksync_CFLAGS = $(CORE_CFLAGS)
disksync_LDADD = $(CORE_LIBS)
EXTRA_disksync_DEPENDENCIES = $(LTDLDEPS)
disksync_LDFLAGS = $(PROGRAM_LDFLAGS)
disksync_SOURCES = \
	core/cli/cli.h \
	core/cli/collect.c \
	core/cli/copy.c \
	core/cli/disks.c \
	core/cli/explain.c \
	core/cli/forget.c \
	core/cli/init.c \
	core/cli/key.c \
	core/cli/main.c \
	core/cli/output.c \
	core/cli/output.h \
	core/cli/pick.c \
	core/cli/pick.h \
	core/cli/plugins.c \
	core/cli/points.c \
	core/cli/policy.c \
	core/cli/preflight.c \
	core/cli/register.c \
	core/cli/restore.c \
	core/cli/serve.c \
	core/cli/server.h \
	core/cli/status.c \
	core/cli/sync.c \
	core/cli/verify.c

if WINDOWS
disksync_SOURCES += \
	core/cli/server_windows.c
else
disksync_SOURCES += \
	core/cli/server_linux.c
endif

# What nbdkit loads for `disksync serve`. A program to automake, because libtool does not make a
# module of a library that is not its own; it exports nbdkit's entry point alone, and is never
# unloaded, because libcrypto and the plugins below it are not.
if NBDKIT
nbdkitdir = $(pkglibdir)/nbdkit
nbdkit_PROGRAMS = nbdkit/nbdkit-disksync-plugin.so
nbdkit_nbdkit_disksync_plugin_so_CPPFLAGS = $(CORE_CPPFLAGS) $(NBDKIT_CFLAGS)
nbdkit_nbdkit_disksync_plugin_so_CFLAGS = $(CORE_CFLAGS) $(PIC_CFLAGS)
nbdkit_nbdkit_disksync_plugin_so_LDADD = $(CORE_LIBS)
EXTRA_nbdkit_nbdkit_disksync_plugin_so_DEPENDENCIES = $(LTDLDEPS)
nbdkit_nbdkit_disksync_plugin_so_LDFLAGS = $(PROGRAM_LDFLAGS) -XCClinker -shared \
	-Wl,--exclude-libs,ALL -Wl,-z,nodelete
nbdkit_nbdkit_disksync_plugin_so_SOURCES = \
	core/recover/nbdkit_linux.c

# the program loads no module that others may write
all-local: $(nbdkit_PROGRAMS)
	@chmod go-w nbdkit $(nbdkit_PROGRAMS)
endif
