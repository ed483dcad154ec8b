/* SPDX-License-Identifier: Apache-2.0 */
/* disksync/abi.h - what every DiskSync plugin and the core share: errors, calls, host services,
 * options and the plugin table itself. The headers of each kind include this one.
 *
 * Rules that hold for every structure and function in this SDK:
 *
 *  Sizes    A structure that may grow starts with `size`. Whoever allocates it sets `size` to its
 *           own sizeof and nobody changes it; the other side touches only the first
 *           min(size, its own sizeof) bytes. Members are only ever appended. ds_extent, ds_kv,
 *           ds_iovec, ds_window and ds_token never grow. Arrays of growing structures are arrays
 *           of pointers or carry a stride.
 *  Types    Only fixed-width integers, size_t, pointers and UTF-8 text cross the boundary.
 *  Results  A function that can fail returns an int: DS_OK (0) or a negative enum ds_status, and
 *           then has filled call->err. A plugin classifies (ds_error.retry); only core retries.
 *  Memory   Nothing is freed across the boundary. Arguments are borrowed for the call; results
 *           are handed to callbacks and valid until the callback returns.
 *  Threads  As ds_plugin.threads declares; `cancel` may come from any thread at any time.
 *  Imports  A plugin imports nothing from core: all services come in struct ds_host. No globals,
 *           no standard output, no environment, no signal handlers.
 *
 * Source: docs/plugin-abi.md of this project. */
#ifndef DISKSYNC_ABI_H
#define DISKSYNC_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The ABI's version. The major one is in the entry symbol's name (ds_plugin_v1) and in the upper
 * half of ds_plugin.abi; the minor one counts additions. Core runs any minor of its own major. */
#define DS_ABI_MAJOR 1
#define DS_ABI_MINOR 0
#define DS_ABI(major, minor) ((uint32_t)(major) << 16 | (uint32_t)(minor))

/* True if the table *s of type struct T is long enough to hold slot f and the slot is filled. */
#define DS_HAS(T, s, f) ((s)->size >= offsetof(struct T, f) + sizeof((s)->f) && (s)->f)

#ifdef _WIN32
#define DS_EXPORT __declspec(dllexport)
#else
#define DS_EXPORT __attribute__((visibility("default")))
#endif

/* ---- results ------------------------------------------------------------------------------- */

/* Numbers are only ever added. `disksync explain CODE` tells the cause and remedy of each. */
enum ds_status {
    DS_OK = 0,
    DS_EINVAL = -1,     /* an argument or option is wrong */
    DS_ENOMEM = -2,     /* no memory */
    DS_EIO = -3,        /* a device or file could not be read or written */
    DS_ENOTSUP = -4,    /* this plugin, device or system can't do that */
    DS_ECANCELLED = -5, /* cancelled by the user or by shutdown */
    DS_ENOENT = -6,     /* the object, file or device does not exist */
    DS_EACCES = -7,     /* no permission */
    DS_EFORMAT = -8,    /* bytes that don't follow their format */
    DS_ELOST = -9,      /* a snapshot or a generation was lost; the message says why */
    DS_ENOSPC = -10,    /* no space left */
    DS_EBUSY = -11,     /* in use by someone else, or full for now */
    DS_EEXIST = -12,    /* IF_ABSENT was asked and the object is there */
    DS_ETIMEDOUT = -13, /* the deadline passed */
    DS_ENETWORK = -14,  /* name resolution, connection or TLS */
    /* Raised by core. */
    DS_EUSAGE = -30,      /* the command line */
    DS_EPOLICY = -31,     /* the policy file; the message says file:line:column */
    DS_EPLUGIN = -32,     /* a plugin was refused */
    DS_EPREFLIGHT = -33,  /* a check refused to start */
    DS_EPASSPHRASE = -34, /* no key slot opens with this passphrase or key */
    DS_EVERSION = -35,    /* written by a newer format version */
    DS_EFEATURE = -36,    /* needs a feature this program does not know */
    DS_EDAMAGED = -37,    /* stored data fails its check */
    DS_EINUSE = -38,      /* another process holds the node's lock */
    DS_ESHRANK = -39,     /* a disk is smaller than its partitions or than before */
    DS_EIDENTITY = -40,   /* a disk is not the one it was, or two have one identity */
    DS_ECLONE = -41,      /* the newest point was written by another machine of this identity */
    DS_EROLLBACK = -42,   /* the store went back in time */
    DS_EMOUNTED = -43,    /* the target is mounted or in use */
    DS_EPROTECTED = -44,  /* the target is a disk of the policy */
    DS_ENOPOINT = -45,    /* no such recovery point */
    DS_EDIFFERENT = -46,  /* a comparison found differences */
    DS_ECONFLICT = -47,   /* another writer committed first */
    DS_EHOOK = -48        /* a command of the policy failed */
};

enum ds_domain { /* what ds_error.os_code is */
    DS_DOMAIN_NONE = 0,
    DS_DOMAIN_ERRNO,
    DS_DOMAIN_WIN32,
    DS_DOMAIN_HRESULT,
    DS_DOMAIN_HTTP,
    DS_DOMAIN_SCSI,
    DS_DOMAIN_CURL
};

enum ds_retry {
    DS_RETRY_NEVER = 0, /* the same call would fail again */
    DS_RETRY_SAME,      /* the same call may work later */
    DS_RETRY_REOPEN     /* close and open the plugin again first */
};

/* The caller allocates and sets size; the callee fills the rest on failure. */
struct ds_error {
    uint32_t size;
    int32_t code;            /* enum ds_status */
    int32_t os_code;         /* the system's or protocol's own number, 0 if none */
    uint32_t os_domain;      /* enum ds_domain */
    uint32_t retry;          /* enum ds_retry */
    uint32_t retry_after_ms; /* the other side's wish, 0 if none */
    char msg[488];           /* a sentence for people: names the thing and, where there is one, the
                                remedy; no newline, no secret; always terminated */
};

/* ---- small types that never grow ----------------------------------------------------------- */

/* Canonical text: sizes in bytes, times in nanoseconds, `true` and `false`; a map's entries as
 * name[key]; a list repeats its name in order; secrets as references for ds_host.secret. */
struct ds_kv {
    const char *key, *value;
};
struct ds_extent { /* bytes; lists of extents are ascending and disjoint */
    uint64_t offset, length;
};
struct ds_window { /* bytes [from, to): callers walk a disk in windows so that memory is bounded */
    uint64_t from, to;
};
struct ds_iovec { /* bytes to write */
    const void *data;
    size_t length;
};
#define DS_TOKEN_SIZE 16
struct ds_token { /* names one cut; never issued twice, by any machine, ever */
    uint8_t bytes[DS_TOKEN_SIZE];
};

/* Results come in batches. Non-zero from a callback stops the walk and is returned by the call. */
typedef int ds_extent_fn(void *ud, const struct ds_extent *extents, size_t n);
typedef int ds_kv_fn(void *ud, const char *key, const char *value);

/* A disk as core's inventory knows it; valid for the call it is passed to. */
enum {
    DS_DISK_IMAGE = 1u << 0,     /* a regular file stands for the disk */
    DS_DISK_READONLY = 1u << 1,  /* cannot be written */
    DS_DISK_REMOVABLE = 1u << 2, /* removable medium */
    DS_DISK_IN_USE = 1u << 3     /* mounted, or held open by someone: may change while read */
};
struct ds_disk {
    uint32_t size;
    uint32_t index;           /* position in the list of disks of this run */
    const char *id;           /* stable identity, as in the points: "gpt:GUID", "mbr:SIG", ... */
    const char *path;         /* what to open */
    const char *model;        /* for people; may be empty */
    uint64_t bytes;           /* capacity */
    uint32_t sector;          /* logical sector size, bytes */
    uint32_t physical_sector; /* physical sector size, bytes */
    uint32_t flags;           /* DS_DISK_* */
    uint32_t reserved;
};

/* ---- calls and host services ---------------------------------------------------------------- */

struct ds_host;

/* Last argument of every call that can fail. The caller allocates; valid for the call. */
struct ds_call {
    uint32_t size;
    uint32_t flags;              /* none yet: 0 */
    uint64_t deadline_ns;        /* on host->now_mono's clock; 0 = none */
    uint64_t id;                 /* for logs */
    const struct ds_host *host;
    struct ds_error *err;        /* never NULL */
};

enum ds_log_level { DS_LOG_DEBUG = 0, DS_LOG_INFO, DS_LOG_WARNING, DS_LOG_ERROR };

/* Services of the agent. Every function may be called from any thread of the plugin, from open
 * until close returns. The table is constant and outlives the plugin. */
struct ds_host {
    uint32_t size;
    uint32_t abi; /* core's DS_ABI */
    void *ctx;    /* first argument of the functions below */

    /* event: a stable id such as "store.retry"; text: a sentence. */
    void (*log)(void *ctx, int32_t level, const char *event, const char *text,
                const struct ds_kv *kv, size_t n);
    /* Non-zero once the call should end with DS_ECANCELLED; poll at least every second. */
    int (*cancelled)(const struct ds_call *call);
    /* Bytes done of total (0 = unknown); cheap, call at will. */
    void (*progress)(const struct ds_call *call, uint64_t done, uint64_t total);
    /* Resolves a secret reference; the bytes are wiped after use() returns, whose result is
     * returned. DS_ENOENT, DS_EACCES with err filled otherwise. */
    int (*secret)(void *ctx, const char *ref, int (*use)(void *ud, const char *secret, size_t len),
                  void *ud, struct ds_error *err);
    /* Proxy, CA and TLS settings for a URL as key/values: proxy, no_proxy, ca_file, tls_min. */
    int (*net)(void *ctx, const char *url, ds_kv_fn *fn, void *ud);
    /* Small records (at most 1 MiB) in the node's state folder, private to this plugin: put is
     * atomic and durable, get checks a checksum (DS_ENOENT absent, DS_EDAMAGED broken). A NULL
     * data removes the record. name: [a-z0-9-], at most 64. */
    int (*state_put)(void *ctx, const char *name, const void *data, size_t len,
                     struct ds_error *err);
    int (*state_get)(void *ctx, const char *name,
                     int (*use)(void *ud, const void *data, size_t len), void *ud,
                     struct ds_error *err);
    /* Runs fn(arg) on one of core's I/O threads (at least four), so that a plugin with blocking
     * calls needs no threads of its own. Tasks must end within 5 s of cancel; close must find
     * none running. DS_ENOMEM if it could not be queued. */
    int (*task)(void *ctx, void (*fn)(void *arg), void *arg);
    /* Buffers for direct I/O: aligned to 4096 bytes, at least len bytes; NULL without memory. */
    void *(*buffer_get)(void *ctx, size_t len);
    void (*buffer_put)(void *ctx, void *buffer);
    int64_t (*now_wall)(void *ctx);  /* nanoseconds since 1970-01-01 UTC */
    uint64_t (*now_mono)(void *ctx); /* nanoseconds, never goes back */
    int (*random)(void *ctx, void *out, size_t len); /* cryptographic randomness; 0 or DS_EIO */
};

/* ---- options -------------------------------------------------------------------------------- */

enum ds_option_type {
    DS_OPT_STRING = 1,
    DS_OPT_BOOL,
    DS_OPT_INT,      /* min..max */
    DS_OPT_SIZE,     /* bytes: "256MiB" */
    DS_OPT_DURATION, /* nanoseconds: "15m" */
    DS_OPT_RATE,     /* bytes per second: "50Mbit/s" */
    DS_OPT_PERCENT,  /* 0..100: "30%" */
    DS_OPT_PATH,     /* a path; relative to the policy's folder */
    DS_OPT_CHOICE,   /* one of `choices`, separated by '|' */
    DS_OPT_SECRET    /* a reference: { env: NAME } or { file: PATH } */
};
enum {
    DS_OPTF_REQUIRED = 1u << 0,
    DS_OPTF_LIST = 1u << 1, /* may be a list; the key repeats */
    DS_OPTF_MAP = 1u << 2   /* a map from text to this type */
};
/* The only source of what an option means: policy check, `disksync plugins NAME` and the
 * reference documents are made from it. Strings are constant. */
struct ds_option {
    const char *name, *help; /* help: one line */
    const char *def;         /* default in canonical text; NULL = none */
    const char *choices;
    uint32_t type;           /* enum ds_option_type */
    uint32_t flags;          /* DS_OPTF_* */
    int64_t min, max;        /* for numeric types, in canonical units; both 0 = any */
};

/* ---- the plugin ------------------------------------------------------------------------------ */

enum ds_kind {
    DS_KIND_SNAPSHOT = 1,
    DS_KIND_TRACKER,
    DS_KIND_STORE,
    DS_KIND_TRANSPORT,
    DS_KIND_FSMAP,
    DS_KIND_VOLMAP
};
enum ds_threads {             /* gaps on purpose */
    DS_THREADS_ONE = 100,     /* every call from the one thread that called open */
    DS_THREADS_SERIAL = 200,  /* any thread, one call at a time per self */
    DS_THREADS_PARALLEL = 300 /* any thread, any number */
};
enum { /* ds_plugin.caps */
    DS_CAP_SCRIPTED = 1u << 0 /* a test double: core uses it only where policy names it */
};
enum { /* ds_plugin.needs: core refuses a plugin with a bit that it does not know */
    DS_NEED_ADMIN = 1u << 0 /* works only with administrator rights */
};
#define DS_NEEDS_KNOWN ((uint64_t)DS_NEED_ADMIN)

struct ds_plugin {
    uint32_t size;
    uint32_t abi;     /* DS_ABI(DS_ABI_MAJOR, DS_ABI_MINOR) it was built with */
    uint32_t kind;    /* enum ds_kind */
    uint32_t threads; /* enum ds_threads */
    uint64_t caps;    /* DS_CAP_*: unknown bits are ignored */
    uint64_t needs;   /* DS_NEED_*: an unknown bit refuses the load */
    const char *name; /* as policy names it: [a-z0-9-], at most 32 */
    const char *version;
    const char *summary; /* one line */
    const struct ds_option *options;
    uint32_t n_options;
    uint32_t option_size; /* sizeof(struct ds_option): the stride */
    /* Rules across options; no I/O. May be NULL. */
    int (*check)(const struct ds_kv *kv, size_t n, struct ds_call *call);
    /* One self per session. On failure *self may be set: then close is called on it. */
    int (*open)(const struct ds_host *host, const struct ds_kv *kv, size_t n, void **self,
                struct ds_call *call);
    /* Ends what runs, joins every thread, frees self. Accepts a half-open self. */
    void (*close)(void *self);
    /* Makes running and later calls end with DS_ECANCELLED within 5 s; any thread; sticky. May be
     * NULL where no call can block. */
    void (*cancel)(void *self);
    const void *ops; /* struct ds_<kind>_ops, whose first member is its size */
};

/* The one exported symbol; no side effect; the table is constant. */
typedef const struct ds_plugin *ds_plugin_fn(void);
#define DS_PLUGIN_SYMBOL "ds_plugin_v1"
DS_EXPORT const struct ds_plugin *ds_plugin_v1(void);

#ifdef __cplusplus
}
#endif
#endif
