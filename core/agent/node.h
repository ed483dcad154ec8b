/* SPDX-License-Identifier: Apache-2.0 */
/* node.h - the node's own durable records in its state folder: who it is, and what it last
 * committed to each repository. They are hints and guards, never a second truth: the newest root
 * decides. Records are written by the process that holds the node's lock. */
#ifndef CORE_AGENT_NODE_H
#define CORE_AGENT_NODE_H

#include "core/base/text.h"
#include "core/s3block/point_writer.h"

#include <disksync/helpers.h>

#define NODE_EXCLUDED_MAX 256u
#define NODE_ATTEMPTS_MAX 8u

struct node {
    uint8_t uuid[UUID_SIZE];
    char name[65];
    int64_t registered_ns;
    uint8_t instance[HASH_SIZE]; /* of this machine, computed at start; not stored */
    char (*excluded)[160];       /* identities of the disks frozen out at registration */
    size_t n_excluded;
};

/* What a node knows of its points in one repository. */
struct node_memory {
    uint64_t seq;            /* newest root that it committed; 0 = none */
    uint8_t hash[HASH_SIZE];
    struct attempt attempts[NODE_ATTEMPTS_MAX]; /* syncs that did not end, oldest first */
    unsigned n_attempts;
    bool marked;             /* the tracker was told all that the last attempt's root leaves to the
                                next sync */
    bool takeover;           /* the next sync accepts a root of another instance */
    bool damaged;            /* verify has found damage that the next sync must heal */
};

/* DS_ENOENT: not registered. DS_EDAMAGED. */
int node_load(struct node *node, const char *state, struct ds_error *err);
int node_save(const struct node *node, const char *state, struct ds_error *err);
void node_free(struct node *node);
/* A fresh UUID. */
int node_create(struct node *node, const char *name, struct ds_error *err);
/* instance = hash of the override, or of this machine's identity. */
void node_instance(struct node *node, const char *override);
bool node_excludes(const struct node *node, const char *identity);
int node_exclude(struct node *node, const char *identity, struct ds_error *err);

/* An absent record is an empty memory. */
/* Remembers an attempt; the oldest goes when there are too many. */
void node_memory_attempt(struct node_memory *memory, uint64_t seq, uint64_t tag);
int node_memory_load(struct node_memory *memory, const char *state,
                     const uint8_t repository[UUID_SIZE], const uint8_t node[UUID_SIZE],
                     struct ds_error *err);
int node_memory_save(const struct node_memory *memory, const char *state,
                     const uint8_t repository[UUID_SIZE], const uint8_t node[UUID_SIZE],
                     struct ds_error *err);

#endif
