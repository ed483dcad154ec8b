/* SPDX-License-Identifier: Apache-2.0 */
/* keys.h - the key hierarchy: a random repository key per epoch, wrapped in key slots; each node's
 * keys are derived from it. Format: docs/s3block.md, "Keys". Keys are wiped when freed. */
#ifndef CORE_S3BLOCK_KEYS_H
#define CORE_S3BLOCK_KEYS_H

#include "core/base/dynbuf.h"
#include "core/base/text.h"
#include "core/s3block/crypto.h"

#define KEY_EPOCHS_MAX 16

/* Repository keys, or the keys of one node (an agent that may not read others'). */
struct keyring {
    bool node_only;            /* entries are K_node of `node`, not K_repository */
    uint8_t node[UUID_SIZE];
    unsigned n;
    uint32_t epochs[KEY_EPOCHS_MAX]; /* ascending; the last is the one to write with */
    uint8_t keys[KEY_EPOCHS_MAX][KEY_SIZE];
};

bool keyring_new(struct keyring *ring, struct ds_error *err); /* one random key, epoch 1 */
void keyring_wipe(struct keyring *ring);

/* What a node's objects are sealed with, in one epoch. */
struct node_keys {
    uint32_t epoch;
    uint8_t data[KEY_SIZE], map[KEY_SIZE], id[KEY_SIZE], salt[KEY_SIZE], root[KEY_SIZE],
        header[KEY_SIZE];
};
/* DS_EPASSPHRASE if the ring does not have that epoch or is another node's. */
int node_keys_derive(struct node_keys *keys, const struct keyring *ring,
                     const uint8_t repository[UUID_SIZE], const uint8_t node[UUID_SIZE],
                     uint32_t epoch, struct ds_error *err);

enum slot_kind { SLOT_PASSPHRASE = 1, SLOT_KEY_FILE = 2, SLOT_RECOVERY = 3 };

struct slot_info {
    char name[33];
    uint32_t kind;
    int64_t created_ns;
    char label[65];
};

/* Seals the ring under a secret. For SLOT_PASSPHRASE the secret is stretched by scrypt; the others
 * have full entropy of their own. */
int slot_seal(struct dynbuf *out, const struct keyring *ring, const struct slot_info *info,
              const uint8_t repository[UUID_SIZE], const void *secret, size_t len,
              struct ds_error *err);
/* Reads what is not secret; name is the object's. DS_EFORMAT, DS_EVERSION. */
int slot_parse(struct slot_info *info, const char *name, const void *object, size_t n,
               struct ds_error *err);
/* DS_EPASSPHRASE if the secret does not open it. */
int slot_open(struct keyring *ring, const char *name, const void *object, size_t n,
              const uint8_t repository[UUID_SIZE], const void *secret, size_t len,
              struct ds_error *err);
bool slot_name_valid(const char *name);

/* The recovery key: 160 random bits and a checksum as nine groups of four letters and digits. */
#define RECOVERY_SIZE 20
#define RECOVERY_TEXT 45
void recovery_text(char out[RECOVERY_TEXT], const uint8_t key[RECOVERY_SIZE]);
/* Takes any case, spaces or dashes, and O for 0, I and L for 1. False if the checksum is wrong. */
bool recovery_parse(uint8_t key[RECOVERY_SIZE], const char *text, size_t len);

#endif
