/* SPDX-License-Identifier: Apache-2.0 */
/* policy.h - the YAML policy as typed values, after host matching. Immutable once loaded, but for
 * policy_check_plugin, which the main thread calls before there are others; then any thread may
 * read it. Strings live as long as the policy. Relative paths are already absolute (based on the
 * policy's folder). Format: docs/policy.md. */
#ifndef CORE_POLICY_POLICY_H
#define CORE_POLICY_POLICY_H

#include "core/base/os.h"

#include <disksync/abi.h>

/* The use of a plugin: `snapshot: { use: vss, diff_area: {...} }`. The keys beside `use` are the
 * plugin's own; policy_check_plugin turns them into canonical key/values by its option table. */
struct policy_node;
struct policy_plugin {
    const char *use; /* "auto" and "none" mean what they say; never NULL, never "auto" or "none" for
                        the transport. With snapshot or tracker "auto" and with tracker "none" there
                        are no plugin keys */
    const struct policy_node *node; /* the raw YAML mapping, for policy_check_plugin; never NULL */
};

struct policy_retention { /* 0 = rule absent */
    uint64_t last, hourly, daily, weekly, monthly, yearly;
};

struct policy_hook { /* one command: argv, NULL-terminated; argv[0] is an absolute path */
    const char *const *argv;
};

/* What one entry of `hosts` matches: facts of a host that it would match. NULL: says nothing. */
struct policy_match {
    const char *name, *os, *label; /* the first of each; name is a glob */
    unsigned line;
};

struct plugin_pin;
struct policy_document;

struct policy {
    char path[OS_PATH_MAX];   /* absolute */
    char folder[OS_PATH_MAX]; /* of the file */
    const char *node_name;    /* node.name; default: the host name */
    const char *const *labels;
    size_t n_labels;
    char state[OS_PATH_MAX];  /* node.state; default: os_default_state() for the default policy,
                                 else <folder>/disksync-state */
    const char *instance;     /* node.instance or NULL: overrides os_machine_identity */
    const char *const *include; /* disks.include: selectors; empty = every disk. Each is a number,
                                   "serial:S", "gpt:GUID", "mbr:SIG", or an absolute path or glob */
    size_t n_include;
    const char *const *exclude;
    size_t n_exclude;
    uint64_t block_size;      /* disks.block_size, default 64 KiB: 16 KiB..1 MiB, a power of two */
    struct policy_plugin snapshot, tracker, transport;
    const char *passphrase;   /* secret reference in canonical form ("env:NAME", "file:/abs") or
                                 NULL */
    const char *node_key;     /* likewise: the node's own key instead of a passphrase */
    unsigned cpu_percent;     /* limits.cpu; 100 = no limit */
    uint64_t memory;          /* limits.memory, default 256 MiB */
    uint64_t upload;          /* limits.upload, bytes per second; 0 = no limit */
    unsigned workers;         /* limits.workers; 0 = as many as processors, at most 4 */
    unsigned compression;     /* transport.compression: zstd level, default 1 */
    uint64_t schedule_every_ns; /* schedule.every; 0 = nothing is scheduled */
    unsigned window_from, window_to; /* schedule.window: minutes of the local day, from 0..1439, to
                                        0..1440; to < from runs over midnight; 0, 1440 = always */
    struct policy_retention retention;
    struct policy_hook *before_snapshot, *after_snapshot;
    size_t n_before_snapshot, n_after_snapshot;
    const char *const *secret_variables; /* names of the variables that hold secrets; ends with
                                            NULL */
    uint64_t hook_limit_ns;   /* hooks.timeout: of each command */
    const char *plugin_folder; /* plugins.folder or NULL */
    const struct plugin_pin *pins; /* plugins.pin, for plugin_set_load; lower-case hex */
    size_t n_pins;
    const struct policy_match *matches; /* of the entries of hosts */
    size_t n_matches;
    struct policy_document *document; /* owner of everything above */
};

/* Facts that `hosts: - match:` is tested against. */
struct policy_host {
    const char *name, *os; /* NULL: of this machine */
    const char *label;     /* a label that the host has beside those of node.labels, or NULL */
};

/* Reads, validates against core's table and merges the matching host overrides (later wins;
 * mappings merge, everything else replaces). On failure err->msg begins with
 * "FILE:LINE:COLUMN: " and names the nearest valid word where there is one. DS_EPOLICY, DS_ENOENT,
 * DS_EACCES. host NULL: this host. Free with policy_free. */
int policy_load(struct policy **policy, const char *path, const struct policy_host *host,
                struct ds_error *err);
/* The same from memory; name stands for the file in messages. Fuzzed. */
int policy_parse(struct policy **policy, const char *name, const void *text, size_t len,
                 const struct policy_host *host, struct ds_error *err);
void policy_free(struct policy *policy);

/* Canonical options of one plugin section, checked against its option table and then by its own
 * check(), which gets a host with a log and nothing else. section_name: "snapshot", "tracker" or
 * "transport". `kv` is an array of *n pairs owned by the policy, in the order of the table;
 * defaults of absent options are filled in. Core's own keys of the section (use, passphrase, ...)
 * are not among them. DS_EPOLICY with file:line:column, also for what check() says. Main thread
 * only. */
int policy_check_plugin(struct policy *policy, const struct policy_plugin *section,
                        const char *section_name, const struct ds_plugin *plugin,
                        const struct ds_kv **kv, size_t *n, struct ds_error *err);

/* Calls use() with the bytes of a secret (final newline cut off), wiped afterwards; returns what
 * it returns. ref: canonical, "env:NAME" or "file:/abs". A file must be a regular one of at most
 * 64 KiB; if others may read it, a warning is logged. DS_ENOENT, DS_EACCES, DS_EINVAL (no
 * reference, no regular file, or empty), DS_EFORMAT (too large). Any thread. */
int policy_secret(const char *ref, int (*use)(void *ud, const char *secret, size_t len), void *ud,
                  struct ds_error *err);

/* Writes the effective policy as YAML with all defaults, secrets as references; it parses back to
 * the same policy in the same folder. Plugin sections that policy_check_plugin has seen are shown
 * by its table with defaults; others as they stand, but text under a key that sounds like a secret
 * is not shown. */
struct dynbuf;
void policy_show(const struct policy *policy, struct dynbuf *out);

#endif
