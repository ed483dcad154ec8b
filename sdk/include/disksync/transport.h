/* SPDX-License-Identifier: Apache-2.0 */
/* disksync/transport.h - a block transport keeps one disk current on a target without history,
 * such as an iSCSI LUN. Between begin and commit the target is neither old nor new; core keeps a
 * durable record of the unfinished sync and repairs it with the next one. */
#ifndef DISKSYNC_TRANSPORT_H
#define DISKSYNC_TRANSPORT_H

#include <disksync/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    DS_TRANSPORT_CAP_DROP = 1u << 0,    /* dropped ranges read as zeros */
    DS_TRANSPORT_CAP_RESERVE = 1u << 1, /* no other initiator can write meanwhile */
    DS_TRANSPORT_CAP_READ = 1u << 2     /* the target can be read back */
};

struct ds_transport_info { /* core allocates, the plugin fills */
    uint32_t size;
    uint32_t block;      /* smallest aligned write, bytes */
    uint64_t caps;       /* DS_TRANSPORT_CAP_* */
    uint32_t max_in_flight;
    uint32_t max_write;  /* bytes of one write that help */
    char location[256];
};

struct ds_transport_ops {
    uint32_t size;
    uint32_t reserved;
    int (*probe)(void *self, struct ds_transport_info *info, struct ds_call *call);
    /* Maps each disk to a target of at least its capacity, reserves it, or fails for all. */
    int (*begin)(void *self, const struct ds_disk *const *disks, uint32_t n, void **sink,
                 struct ds_call *call);
    int (*capacity)(void *sink, uint32_t disk, uint64_t *bytes, struct ds_call *call);
    /* Any number of threads; the data is consumed on return, durable after flush. */
    int (*write)(void *sink, uint32_t disk, uint64_t offset, const void *data, size_t n,
                 struct ds_call *call);
    /* The range reads as zeros afterwards, or keeps its bytes where CAP_DROP is absent. */
    int (*drop)(void *sink, uint32_t disk, uint64_t offset, uint64_t n, struct ds_call *call);
    int (*read)(void *sink, uint32_t disk, uint64_t offset, void *data, size_t n,
                struct ds_call *call);
    /* All writes before it are durable on return. DS_ELOST: writes since the last good flush may
     * be gone, core sends them again. */
    int (*flush)(void *sink, struct ds_call *call);
    int (*commit)(void *sink, struct ds_call *call);
    int (*abort)(void *sink, struct ds_call *call);
    int (*stats)(void *sink, ds_kv_fn *fn, void *ud, struct ds_call *call);
    /* Ends the sink, committed or not. */
    void (*end)(void *sink);
};

#ifdef __cplusplus
}
#endif
#endif
