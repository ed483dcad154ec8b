/* SPDX-License-Identifier: Apache-2.0 */
/* memory-store.h - a store in memory for tests: asynchronous as a real one (done comes from another
 * thread, or inside run), strict about the SDK's rules (a broken one aborts the test), with a log
 * of requests, faults on demand, and the stored bytes open to be damaged.
 *
 * Faults and damage are set while no request is in flight, or from any thread: all is locked. */
#ifndef TESTS_S3BLOCK_MEMORY_STORE_H
#define TESTS_S3BLOCK_MEMORY_STORE_H

#include <disksync/store.h>
#include <stdbool.h>

struct memory_store;
/* threads: that many carry out requests; 0: the store has `run` and lives on core's loop thread.
 * Never NULL: aborts without memory. */
struct memory_store *memory_store_new(unsigned threads);
void memory_store_free(struct memory_store *store); /* accepts NULL */
/* What to give to objects_new, with the store as self. */
const struct ds_store_ops *memory_store_ops(const struct memory_store *store);
/* DS_STORE_CAP_*; without IF_ABSENT such puts replace, as in a store that ignores the condition. */
void memory_store_set_caps(struct memory_store *store, uint64_t caps);
/* submit answers DS_EBUSY above this; 0 (at first) = no limit. */
void memory_store_set_limit(struct memory_store *store, unsigned in_flight);

/* ---- what was asked ---- */

struct memory_counts {
    uint64_t puts, gets, heads, lists, removes, retains; /* carried out, failed ones too */
    uint64_t total;
    uint64_t put_bytes, get_bytes;
    uint64_t busy; /* submits refused with DS_EBUSY */
};
void memory_store_count(struct memory_store *store, struct memory_counts *out);
void memory_store_count_reset(struct memory_store *store); /* and empties the log */
struct memory_request {
    uint32_t op, flags;
    int status;
    uint64_t offset, bytes; /* PUT: size of the object; GET: bytes delivered; LIST: keys */
    char key[201];
};
/* The i-th request since the reset; false beyond the last. */
bool memory_store_log(struct memory_store *store, size_t i, struct memory_request *out);

/* ---- faults ---- */

struct memory_fault {
    uint32_t op;            /* enum ds_store_op; 0 = any */
    const char *key;        /* part of the key; NULL = any. Not copied */
    unsigned skip;          /* that many matching requests go well first */
    unsigned count;         /* then that many fail; 0 = all from there on */
    int code;               /* what they answer */
    uint32_t retry;         /* enum ds_retry */
    uint32_t retry_after_ms;
    bool lost;              /* carried out, and only then fails: a lost answer */
    unsigned items;         /* LIST: keys delivered before it fails */
};
/* The first matching one acts. At most 16; aborts above. */
void memory_store_fault(struct memory_store *store, const struct memory_fault *fault);
void memory_store_clear_faults(struct memory_store *store);
/* Calls fn once, in the thread that carries it out, before the next matching put. fn may change
 * the store: another writer is faster. */
void memory_store_before_put(struct memory_store *store, const char *key,
                             void (*fn)(void *ud, const char *key), void *ud);

/* ---- the objects ---- */

size_t memory_store_objects(struct memory_store *store);
/* Keys ascend. NULL beyond the last; valid until the next change. */
const char *memory_store_key(struct memory_store *store, size_t i);
/* The bytes to read or damage, or NULL; valid until the next change. */
uint8_t *memory_store_bytes(struct memory_store *store, const char *key, size_t *len);
void memory_store_put(struct memory_store *store, const char *key, const void *data, size_t len);
/* The rest abort if the object does not exist. */
void memory_store_remove(struct memory_store *store, const char *key);
void memory_store_truncate(struct memory_store *store, const char *key, size_t len);
void memory_store_flip(struct memory_store *store, const char *key, size_t offset, uint8_t mask);
void memory_store_swap(struct memory_store *store, const char *a, const char *b);
/* Makes the objects of `to` those of `from`, as of now: a state to come back to. */
void memory_store_copy(struct memory_store *to, struct memory_store *from);

#endif
