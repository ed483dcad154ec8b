/* SPDX-License-Identifier: Apache-2.0 */
/* keys.c - see keys.h. A slot object is
 *
 *   magic "S3BKEY01" | u16 major | u16 minor | u32 kind | repository | i64 created |
 *   u8 log2 N | u8[3] zero | u32 r | u32 p | salt[32] | u8 label length | label |
 *   u32 sealed length | sealed {u32 0 = keys of the repository, 1 = of one node | node | u32 n,
 *   n x {u32 epoch, key[32]}} | tag
 *
 * sealed under KEK = scrypt or HKDF of the secret and salt, with everything before it and the
 * slot's name authenticated, so that slots can't be swapped. */
#include "core/s3block/keys.h"

#include "core/base/bytes.h"
#include "core/base/os.h"

#include <stdio.h>

static const char slot_magic[] = "S3BKEY01";

bool keyring_new(struct keyring *ring, struct ds_error *err)
{
    memset(ring, 0, sizeof *ring);
    ring->n = 1;
    ring->epochs[0] = 1;
    return os_random(ring->keys[0], KEY_SIZE, err) == DS_OK;
}

void keyring_wipe(struct keyring *ring)
{
    wipe(ring, sizeof *ring);
}

static const uint8_t *keyring_find(const struct keyring *ring, uint32_t epoch)
{
    for (unsigned i = 0; i < ring->n; i++)
        if (ring->epochs[i] == epoch)
            return ring->keys[i];
    return NULL;
}

int node_keys_derive(struct node_keys *keys, const struct keyring *ring,
                     const uint8_t repository[UUID_SIZE], const uint8_t node[UUID_SIZE],
                     uint32_t epoch, struct ds_error *err)
{
    const uint8_t *key = keyring_find(ring, epoch);
    uint8_t k_node[KEY_SIZE], extra[UUID_SIZE + 4];
    if (!key)
        return ds_fail(err, DS_EPASSPHRASE, "the key of epoch %u is not among the keys at hand",
                       (unsigned)epoch);
    memcpy(extra, node, UUID_SIZE);
    put_le32(extra + UUID_SIZE, epoch);
    if (!ring->node_only) {
        if (!crypto_hkdf(k_node, key, KEY_SIZE, repository, UUID_SIZE, "s3block node ", extra,
                         sizeof extra))
            return ds_fail(err, DS_ENOMEM, "libcrypto could not derive a key");
    } else if (memcmp(ring->node, node, UUID_SIZE) == 0) {
        memcpy(k_node, key, KEY_SIZE);
    } else {
        return ds_fail(err, DS_EPASSPHRASE, "the key at hand belongs to another node");
    }
    struct {
        uint8_t *out;
        const char *label;
    } parts[] = {
        { keys->data, "s3block data" }, { keys->map, "s3block map" },
        { keys->id, "s3block id" },     { keys->salt, "s3block salt" },
        { keys->root, "s3block root" }, { keys->header, "s3block header" },
    };
    bool good = true;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        good =
            good && crypto_hkdf(parts[i].out, k_node, KEY_SIZE, NULL, 0, parts[i].label, NULL, 0);
    keys->epoch = epoch;
    wipe(k_node, sizeof k_node);
    return good ? DS_OK : ds_fail(err, DS_ENOMEM, "libcrypto could not derive a key");
}

bool slot_name_valid(const char *name)
{
    size_t n = strlen(name);
    if (n < 1 || n > 32)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') ||
              (name[i] == '-' && i > 0)))
            return false;
    return true;
}

/* The key that seals the slot. */
static bool slot_kek(uint8_t kek[KEY_SIZE], uint32_t kind, const void *secret, size_t len,
                     const uint8_t salt[SALT_SIZE], const struct scrypt_cost *cost)
{
    if (kind == SLOT_PASSPHRASE)
        return crypto_scrypt(kek, secret, len, salt, cost);
    return crypto_hkdf(kek, secret, len, salt, SALT_SIZE, "s3block slot", NULL, 0);
}

/* Seals or opens the payload under the slot's key; name and clear part are authenticated. */
static bool slot_crypt(bool seal, const uint8_t kek[KEY_SIZE], const char *name, const void *clear,
                       size_t n_clear, void *payload, size_t len, uint8_t *tag)
{
    struct dynbuf aad = DYNBUF_INIT(4096);
    struct sealer *sealer = sealer_new(kek);
    dynbuf_add(&aad, clear, n_clear);
    dynbuf_text(&aad, name);
    bool good = sealer && dynbuf_ok(&aad) &&
                (seal ? sealer_seal(sealer, 0, aad.data, aad.len, payload, len, tag)
                      : sealer_open(sealer, 0, aad.data, aad.len, payload, len, tag));
    sealer_free(sealer);
    dynbuf_free(&aad);
    return good;
}

int slot_seal(struct dynbuf *out, const struct keyring *ring, const struct slot_info *info,
              const uint8_t repository[UUID_SIZE], const void *secret, size_t len,
              struct ds_error *err)
{
    /* What is as long as a generated key needs no stretching to speak of. */
    struct scrypt_cost cost = { len >= 48 ? 14 : 17, 8, 1 };
    uint8_t salt[SALT_SIZE], kek[KEY_SIZE];
    size_t label = strlen(info->label);
    int rc = os_random(salt, sizeof salt, err);
    if (rc)
        return rc;
    dynbuf_add(out, slot_magic, 8);
    dynbuf_le16(out, 1);
    dynbuf_le16(out, 0);
    dynbuf_le32(out, info->kind);
    dynbuf_add(out, repository, UUID_SIZE);
    dynbuf_le64(out, (uint64_t)info->created_ns);
    dynbuf_u8(out, cost.log2_n);
    dynbuf_add(out, "\0\0\0", 3);
    dynbuf_le32(out, cost.r);
    dynbuf_le32(out, cost.p);
    dynbuf_add(out, salt, sizeof salt);
    dynbuf_u8(out, (uint8_t)label);
    dynbuf_add(out, info->label, label);
    uint32_t payload = 4 + UUID_SIZE + 4 + ring->n * (4 + KEY_SIZE);
    dynbuf_le32(out, payload);
    size_t clear = out->len;
    dynbuf_le32(out, ring->node_only);
    dynbuf_add(out, ring->node, UUID_SIZE);
    dynbuf_le32(out, ring->n);
    for (unsigned i = 0; i < ring->n; i++) {
        dynbuf_le32(out, ring->epochs[i]);
        dynbuf_add(out, ring->keys[i], KEY_SIZE);
    }
    uint8_t *tag = dynbuf_room(out, TAG_SIZE);
    if (!tag || !slot_kek(kek, info->kind, secret, len, salt, &cost) ||
        !slot_crypt(true, kek, info->name, out->data, clear, out->data + clear, payload, tag))
        rc = ds_fail(err, DS_ENOMEM, "the key slot %s could not be sealed", info->name);
    wipe(kek, sizeof kek);
    return rc;
}

struct slot_parts {
    struct scrypt_cost cost;
    const uint8_t *repository, *salt, *sealed;
    size_t clear;     /* bytes before the sealed part */
    uint32_t payload; /* sealed bytes without the tag */
};

static int slot_split(struct slot_info *info, struct slot_parts *parts, const char *name,
                      const void *object, size_t n, struct ds_error *err)
{
    struct reader r = reader_of(object, n);
    const uint8_t *magic = reader_take(&r, 8);
    if (!magic || memcmp(magic, slot_magic, 8) != 0)
        return ds_fail(err, DS_EFORMAT, "k/%s is not a key slot", name);
    uint16_t major = reader_le16(&r);
    reader_le16(&r);
    if (major != 1)
        return ds_fail(err, DS_EVERSION,
                       "k/%s has format version %u, this program knows 1: use a newer disksync",
                       name, major);
    memset(info, 0, sizeof *info);
    text_copy(info->name, sizeof info->name, name);
    info->kind = reader_le32(&r);
    parts->repository = reader_take(&r, UUID_SIZE);
    info->created_ns = (int64_t)reader_le64(&r);
    parts->cost.log2_n = reader_u8(&r);
    reader_take(&r, 3);
    parts->cost.r = reader_le32(&r);
    parts->cost.p = reader_le32(&r);
    parts->salt = reader_take(&r, SALT_SIZE);
    uint8_t label = reader_u8(&r);
    const uint8_t *text = reader_take(&r, label);
    parts->payload = reader_le32(&r);
    parts->clear = n - reader_left(&r);
    if (r.bad || label > 64 || parts->payload < 4 || parts->payload > 4096 ||
        reader_left(&r) != (size_t)parts->payload + TAG_SIZE)
        return ds_fail(err, DS_EFORMAT, "k/%s is cut short or has a wrong length", name);
    if (label)
        memcpy(info->label, text, label);
    if (info->kind < SLOT_PASSPHRASE || info->kind > SLOT_RECOVERY)
        return ds_fail(err, DS_EFEATURE, "k/%s is of unknown kind %u", name, (unsigned)info->kind);
    if (info->kind == SLOT_PASSPHRASE && !scrypt_cost_valid(&parts->cost))
        return ds_fail(err, DS_EFORMAT, "k/%s asks for a scrypt cost outside of what is accepted",
                       name);
    parts->sealed = r.p;
    return DS_OK;
}

int slot_parse(struct slot_info *info, const char *name, const void *object, size_t n,
               struct ds_error *err)
{
    struct slot_parts parts;
    return slot_split(info, &parts, name, object, n, err);
}

static int keyring_parse(struct keyring *ring, const uint8_t *payload, size_t len, const char *name,
                         struct ds_error *err)
{
    struct reader r = reader_of(payload, len);
    memset(ring, 0, sizeof *ring);
    uint32_t kind = reader_le32(&r);
    const uint8_t *node = reader_take(&r, UUID_SIZE);
    uint32_t n = reader_le32(&r);
    if (!node || kind > 1)
        return ds_fail(err, DS_EFEATURE, "k/%s holds keys of unknown kind %u", name,
                       (unsigned)kind);
    ring->node_only = kind == 1;
    memcpy(ring->node, node, UUID_SIZE);
    if (n < 1 || n > KEY_EPOCHS_MAX || reader_left(&r) != (size_t)n * (4 + KEY_SIZE))
        return ds_fail(err, DS_EFORMAT, "k/%s holds %u keys, which it can't", name, (unsigned)n);
    for (uint32_t i = 0; i < n; i++) {
        ring->epochs[i] = reader_le32(&r);
        if (i && ring->epochs[i] <= ring->epochs[i - 1])
            return ds_fail(err, DS_EFORMAT, "k/%s holds epochs out of order", name);
        memcpy(ring->keys[i], reader_take(&r, KEY_SIZE), KEY_SIZE);
    }
    ring->n = n;
    return DS_OK;
}

int slot_open(struct keyring *ring, const char *name, const void *object, size_t n,
              const uint8_t repository[UUID_SIZE], const void *secret, size_t len,
              struct ds_error *err)
{
    struct slot_info info;
    struct slot_parts parts;
    uint8_t kek[KEY_SIZE], payload[4096], tag[TAG_SIZE];
    int rc = slot_split(&info, &parts, name, object, n, err);
    if (rc)
        return rc;
    if (memcmp(parts.repository, repository, UUID_SIZE) != 0)
        return ds_fail(err, DS_EDAMAGED, "k/%s and h belong to different repositories", name);
    memcpy(payload, parts.sealed, parts.payload);
    memcpy(tag, parts.sealed + parts.payload, TAG_SIZE);
    if (!slot_kek(kek, info.kind, secret, len, parts.salt, &parts.cost) ||
        !slot_crypt(false, kek, name, object, parts.clear, payload, parts.payload, tag))
        rc = ds_fail(err, DS_EPASSPHRASE, "the key slot %s does not open with this secret", name);
    else
        rc = keyring_parse(ring, payload, parts.payload, name, err);
    wipe(kek, sizeof kek);
    wipe(payload, sizeof payload);
    return rc;
}

/* Crockford's base 32 alphabet: no I, L, O, U. */
static const char recovery_alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
#define RECOVERY_DIGITS 36 /* 32 of the key, 4 of the checksum */

static uint32_t recovery_checksum(const uint8_t key[RECOVERY_SIZE])
{
    uint8_t hash[HASH_SIZE];
    if (!crypto_sha256(hash, key, RECOVERY_SIZE))
        return UINT32_MAX;
    return get_le32(hash) & 0xfffff;
}

void recovery_text(char out[RECOVERY_TEXT], const uint8_t key[RECOVERY_SIZE])
{
    uint32_t check = recovery_checksum(key);
    size_t n = 0;
    for (unsigned i = 0; i < RECOVERY_DIGITS; i++) {
        unsigned digit;
        if (i < 32) {
            unsigned bit = i * 5;
            unsigned pair = (unsigned)key[bit / 8] << 8 |
                            (bit / 8 + 1 < RECOVERY_SIZE ? key[bit / 8 + 1] : 0u);
            digit = pair >> (11 - bit % 8) & 31;
        } else {
            digit = check >> (5 * (i - 32)) & 31;
        }
        if (i && i % 4 == 0)
            out[n++] = '-';
        out[n++] = recovery_alphabet[digit];
    }
    out[n] = 0;
}

static int recovery_digit(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'O')
        c = '0';
    if (c == 'I' || c == 'L')
        c = '1';
    const char *at = c ? strchr(recovery_alphabet, c) : NULL;
    return at ? (int)(at - recovery_alphabet) : -1;
}

bool recovery_parse(uint8_t key[RECOVERY_SIZE], const char *text, size_t len)
{
    unsigned digits = 0;
    uint32_t check = 0;
    memset(key, 0, RECOVERY_SIZE);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '-' || text[i] == ' ' || text[i] == '\r' || text[i] == '\n')
            continue;
        int digit = recovery_digit(text[i]);
        if (digit < 0 || digits == RECOVERY_DIGITS)
            return false;
        if (digits >= 32)
            check |= (uint32_t)digit << (5 * (digits - 32));
        for (unsigned b = 0; digits < 32 && b < 5; b++)
            if (digit >> (4 - b) & 1)
                key[(digits * 5 + b) / 8] |= (uint8_t)(0x80 >> ((digits * 5 + b) % 8));
        digits++;
    }
    return digits == RECOVERY_DIGITS && check == recovery_checksum(key);
}
