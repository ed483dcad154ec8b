/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - one sync: cut, freeze, plan, copy, commit. The steps and their order are in
 * docs/sync.md; a crash between any two is repaired by the next session from the newest root. */
#ifndef CORE_SYNC_SESSION_H
#define CORE_SYNC_SESSION_H

#include "core/agent/agent.h"
#include "core/disk/disk.h"

struct session_options {
    bool full, compare; /* forced */
    /* what: a few words, such as the disk's path. May be NULL. */
    void (*progress)(void *ud, const char *what, uint64_t done, uint64_t total);
    void *ud;
};

struct session_disk {
    char identity[160], path[1024], reason[200];
    uint16_t number;
    uint8_t mode; /* enum root_mode */
    uint64_t disk_bytes, used_bytes, changed_bytes, read_bytes, sent_bytes, bad_bytes, torn_bytes,
        salvaged_bytes;
};

struct session_report {
    uint64_t point; /* seq; 0 if nothing was committed */
    int64_t time_ns;
    char snapshot[33], tracker[33], consistency[16];
    uint32_t n_disks;
    struct session_disk *disks;
    uint64_t stored_objects, stored_bytes, ns, cpu_ns;
    unsigned hooks_failed;                  /* commands of hooks.after_snapshot; also owed ones */
    bool registered_now, created_now;       /* this sync registered the node, made the repository */
    char recovery[RECOVERY_TEXT];           /* of a repository that was made; else "" */
};

/* Fills the report also on failure, as far as it came. */
int session_run(struct agent *agent, const struct session_options *options,
                struct session_report *report, struct ds_error *err);
void session_report_free(struct session_report *report);

/* Opens the repository and the node's identity, making both where `make` allows and they are not
 * there: what register does, and a first sync. *created, *registered tell. */
int session_register(struct agent *agent, bool make, bool *created, bool *registered,
                     char recovery[RECOVERY_TEXT], struct ds_error *err);

/* Identity without the size, so that a disk that grew is still itself. out: 160 bytes. */
void session_identity(char out[160], const struct disk *disk);

#endif
