/* SPDX-License-Identifier: Apache-2.0 */
/* root.h - the root of a point: one sealed object whose put is the commit. It names and hashes the
 * root before it, and holds each disk's identity, token and top references. Format:
 * docs/s3block.md, "Roots". */
#ifndef CORE_S3BLOCK_ROOT_H
#define CORE_S3BLOCK_ROOT_H

#include "core/s3block/map.h"

#include <disksync/snapshot.h>

#define ROOT_MAX ((size_t)16 << 20) /* bytes of one root object */
#define ROOT_DISKS_MAX 4096u
#define ROOT_BLOBS_MAX 256u

/* Feature bits that this program knows; the classes are in the header and in every root. */
#define FEATURES_READ UINT64_C(0)  /* must be known to read */
#define FEATURES_WRITE UINT64_C(0) /* must be known to write */

enum { ROOT_PARTIAL = 1u << 0 }; /* a checkpoint: a base, not a point */

enum root_mode { MODE_FULL = 1, MODE_INCREMENTAL, MODE_COMPARE };
enum { ROOT_DISK_HAS_TOKEN = 1u << 0, ROOT_DISK_NOT_PROVED = 1u << 1 };

struct root_disk {
    uint16_t number; /* of this disk among the node's, for ever */
    uint8_t mode;    /* enum root_mode */
    uint8_t consistency; /* enum ds_consistency */
    uint32_t flags;
    char identity[160], path[1024], reason[200], tracker[33];
    struct ds_token token; /* the end token of the generation that this point closed */
    uint32_t sector, physical_sector;
    uint64_t used_bytes, changed_bytes, read_bytes, sent_bytes; /* of the sync that made it */
    uint64_t unknown_used; /* used bytes that could not be kept: unreadable */
    struct map_shape shape;
    struct ref top[FANOUT];
};

struct root_blob { /* "facts": lines KEY=VALUE; unknown names are kept */
    char name[33];
    uint8_t *data;
    uint32_t len;
};

struct root {
    uint64_t seq;
    uint64_t previous;                  /* 0 = none */
    uint8_t previous_hash[HASH_SIZE];
    uint8_t instance[HASH_SIZE];        /* SHA-256 of the machine's identity */
    uint64_t tag;                       /* of the attempt */
    uint64_t features_write;            /* as read: what who builds on it must know */
    uint32_t flags;
    int64_t time_ns;                    /* the instant that the point shows */
    int64_t begun_ns, ended_ns;
    int64_t immutable_until_ns;         /* 0 = not */
    char node_name[65], agent[33];
    uint32_t n_disks, n_blobs;
    struct root_disk *disks;
    struct root_blob *blobs;
};

void root_free(struct root *root);
struct root_disk *root_find_disk(const struct root *root, const char *identity);
const char *root_mode_name(uint8_t mode);
const char *consistency_name(uint8_t consistency);
/* DS_ENOMEM. Copies data. */
int root_add_blob(struct root *root, const char *name, const void *data, size_t len,
                  struct ds_error *err);

void root_key(char out[OBJECT_KEY_MAX + 1], const uint8_t node[UUID_SIZE], uint64_t seq);
/* seq of a key under n/NODE/p/ (kind 'p') or f/; false otherwise. */
bool root_key_parse(uint64_t *seq, char kind, const char *key);

/* The mark f/SEQ that forgets a point: only who has the node's key can make one. */
#define FORGOTTEN_SIZE (8u + 8u + HASH_SIZE)
bool forgotten_make(uint8_t mark[FORGOTTEN_SIZE], uint64_t seq, const struct segment_space *space);

/* Seals into a whole object. */
int root_seal(struct dynbuf *out, const struct root *root, const struct segment_space *space,
              struct ds_error *err);
/* Opens an object read from p/SEQ. DS_EDAMAGED, DS_EVERSION, DS_EFEATURE, DS_EPASSPHRASE. */
int root_open(struct root *root, const void *object, size_t len, uint64_t seq,
              const struct segment_space *space, struct ds_error *err);
/* Reads and opens; hash (may be NULL) gets the object's SHA-256. DS_ENOENT if absent. */
int root_read(struct root *root, uint8_t hash[HASH_SIZE], const struct segment_space *space,
              uint64_t seq, struct ds_error *err);
/* A map reader over one disk of a root. */
void root_map(struct map_reader *reader, const struct root_disk *disk, struct segment_cache *cache,
              struct segment_reader *scratch);

#endif
