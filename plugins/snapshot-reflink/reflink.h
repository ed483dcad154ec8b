/* SPDX-License-Identifier: Apache-2.0 */
/* reflink.h - the snapshot provider snapshot-reflink: a clone (FICLONE) of the file behind each
 * disk, an image or what a loop device stands on. What its sources share.
 *
 * A clone is a hidden file beside its source, or in the folder that the option names. All names are
 * put into the state record before the first file is made, so that a killed process leaves nothing
 * that sweep does not find. A set is constant once created; calls may come from any thread. */
#ifndef SNAPSHOT_REFLINK_H
#define SNAPSHOT_REFLINK_H

#include <disksync/disksync.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define CLONE_PREFIX ".disksync-snapshot-"

struct reflink {
    const struct ds_host *host;
    char *folder; /* option, or NULL: beside the source */
    bool freeze;
};

/* ---- source.c: the file behind a disk ---- */

struct source {
    char file[PATH_MAX];   /* real path */
    char device[PATH_MAX]; /* the loop device, or "" */
    dev_t rdev;            /* of the loop device */
    uint64_t offset;       /* of the disk within the file */
};
/* DS_ENOTSUP, saying why, where no file stands behind the disk. */
int source_find(struct source *source, const struct ds_disk *disk, struct ds_error *err);

/* ---- clone.c ---- */

struct clone {
    char path[PATH_MAX];
    int from, to;   /* -1 when closed */
    int device;     /* loop device, -1 */
    uint64_t bytes; /* of the file */
};
#define CLONE_INIT { "", -1, -1, -1, 0 }
/* Whether a clone of the source into folder works, by cloning its first block into a file that has
 * no name. */
int clone_try(const struct source *source, const char *folder, struct ds_error *err);
/* Chooses the name; no file yet. */
int clone_name(struct clone *clone, const struct reflink *reflink, const struct source *source,
               unsigned index, struct ds_error *err);
/* Opens both ends and writes back what is dirty, so that the clone itself is quick. */
int clone_prepare(struct clone *clone, const struct source *source, struct ds_error *err);
int clone_make(struct clone *clone, const struct source *source, struct ds_error *err);
void clone_close(struct clone *clone);
void clone_remove(const char *path); /* only a file that has our name */
/* Folder of the clone of this source. */
void clone_folder(char *out, const struct reflink *reflink, const struct source *source);

/* ---- freeze.c: mounted file systems on the loop devices ---- */

#define FREEZE_MAX 64
struct freeze {
    int fds[FREEZE_MAX]; /* of the mount points */
    bool frozen[FREEZE_MAX]; /* by us */
    unsigned n;
    bool whole;          /* every file system on every disk is, or was, frozen to the end */
    int watchdog;        /* socket to it, -1 */
    pid_t pid;
};
/* Finds the mounted file systems of the loop devices; those that hold a source or a clone must not
 * be frozen and are left out. */
int freeze_find(struct freeze *freeze, const struct reflink *reflink, const struct source *sources,
                unsigned n, struct ds_error *err);
/* Freezes all, or none. They are thawed in any case after FREEZE_LIMIT_MS, or when this process
 * dies. */
#define FREEZE_LIMIT_MS 10000
int freeze_start(struct freeze *freeze, struct ds_error *err);
/* False if they had been thawed before. Accepts one that was not started. */
bool freeze_end(struct freeze *freeze);

/* ---- set.c ---- */

int set_create(struct reflink *reflink, const struct ds_disk *const *disks, uint32_t n, void **out,
               struct ds_call *call);
int set_views(void *set, uint32_t disk, struct ds_window window, ds_view_fn *fn, void *ud,
              struct ds_call *call);
int set_facts(void *set, ds_kv_fn *fn, void *ud, struct ds_call *call);
int set_health(void *set, struct ds_call *call);
int set_finish(void *set, uint32_t outcome, struct ds_call *call);
void set_release(void *set);
int set_sweep(struct reflink *reflink, struct ds_call *call);

/* ---- fail.c ---- */

/* From errno: "cannot WHAT PATH: reason". */
int reflink_fail(struct ds_error *err, const char *what, const char *path);

#endif
