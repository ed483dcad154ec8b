/* SPDX-License-Identifier: Apache-2.0 */
/* repository.h - a repository: its header, key slots, and the roots of its nodes. Format:
 * docs/s3block.md. Not locked: one thread at a time per struct repository; a segment_space taken
 * from it is constant and may be shared. */
#ifndef CORE_S3BLOCK_REPOSITORY_H
#define CORE_S3BLOCK_REPOSITORY_H

#include "core/s3block/root.h"

#define HEADER_MAX 4096u

enum { HEADER_ONE_WRITER = 1u << 0 }; /* the store has no conditional put */

struct repository {
    struct objects *objects;
    uint8_t uuid[UUID_SIZE];
    uint64_t features_read, features_write, features_ignore;
    uint32_t id_algorithm, flags, epoch;
    int64_t created_ns;
    struct keyring ring;
    uint8_t header[HEADER_MAX]; /* the object as stored, for the copies under the nodes */
    size_t header_len;
};

/* A secret that opens a repository. */
struct repository_secret {
    uint32_t kind; /* enum slot_kind; 0: whatever it opens: passphrase, key file, recovery key */
    const void *bytes;
    size_t len;
};

/* Makes a repository in an empty store, with one slot for the secret ("passphrase" or "key-file")
 * and one for a fresh recovery key. DS_EEXIST if there is one; DS_EDAMAGED if the store holds
 * nodes but no header. */
int repository_create(struct repository *repository, struct objects *objects,
                      const struct repository_secret *secret, uint8_t recovery[RECOVERY_SIZE],
                      struct ds_error *err);
/* DS_ENOENT: the store holds no repository. DS_EPASSPHRASE, DS_EVERSION, DS_EFEATURE,
 * DS_EDAMAGED. */
int repository_open(struct repository *repository, struct objects *objects,
                    const struct repository_secret *secret, struct ds_error *err);
/* With what an earlier open of the same repository saved: no request if the secret still opens it.
 * The saved bytes hold nothing that the store does not hold. */
int repository_save(const struct repository *repository, const struct repository_secret *secret,
                    struct dynbuf *out, struct ds_error *err);
int repository_open_saved(struct repository *repository, struct objects *objects, const void *saved,
                          size_t len, const struct repository_secret *secret,
                          struct ds_error *err);
void repository_close(struct repository *repository); /* wipes the keys */

/* DS_EFEATURE if writing needs a feature that this program does not know. */
int repository_check_write(const struct repository *repository, struct ds_error *err);
/* The header as it is in the store now, for who opened a saved one: DS_EVERSION or DS_EFEATURE if a
 * newer program has raised what is needed since. One request. */
int repository_check_header(const struct repository *repository, struct ds_error *err);
int repository_space(struct segment_space *space, const struct repository *repository,
                     const uint8_t node[UUID_SIZE], struct ds_error *err);
/* Puts the header's copy under the node, so that a node's key alone is enough. */
int repository_add_node(const struct repository *repository, const uint8_t node[UUID_SIZE],
                        struct ds_error *err);
typedef int repository_node_fn(void *ud, const uint8_t node[UUID_SIZE]);
int repository_nodes(const struct repository *repository, repository_node_fn *fn, void *ud,
                     struct ds_error *err);

/* Key slots. */
int repository_key_add(const struct repository *repository, const struct slot_info *info,
                       const struct repository_secret *secret, struct ds_error *err);
/* The last slot that is left can't be removed; damaged ones don't count. */
int repository_key_remove(const struct repository *repository, const char *name,
                          struct ds_error *err);
/* bad: why the slot can't be read (info then holds its name alone): DS_EDAMAGED, or DS_EVERSION or
 * DS_EFEATURE if a newer program made it. NULL if it can. What needs a secret is not looked at. */
typedef int repository_key_fn(void *ud, const struct slot_info *info, const struct ds_error *bad);
int repository_key_list(struct objects *objects, repository_key_fn *fn, void *ud,
                        struct ds_error *err);

/* ---- roots of one node ---- */

/* Newest root, checkpoints included. hint: a seq that existed: only what comes after it is looked
 * for, one request as a rule, and the caller finds out whether the hint is still there by reading
 * it. 0: no hint; the roots are listed, and *seq is 0 if the node has none. */
int roots_newest(const struct segment_space *space, uint64_t hint, uint64_t *seq,
                 struct ds_error *err);

/* The newest point: no checkpoint, not forgotten. Usually one listing of keys and two reads,
 * however many points there are. root->seq is 0 if there is none. */
int point_newest(struct root *root, const struct segment_space *space, struct ds_error *err);

struct point { /* one root as listed */
    uint64_t seq;
    bool partial, forgotten, damaged; /* damaged: its root can't be read */
    int64_t stored_ns, forgotten_ns;  /* by the store's clock */
    struct root root;                 /* zero if damaged; without references */
};
struct points {
    struct point *list; /* ascending */
    size_t n;
};
/* Every root of the node. A damaged root is listed as such; why (may be NULL) is told. */
int points_read(struct points *points, const struct segment_space *space,
                void (*damaged)(void *ud, uint64_t seq, const struct ds_error *why), void *ud,
                struct ds_error *err);
void points_free(struct points *points);

#endif
