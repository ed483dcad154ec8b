/* SPDX-License-Identifier: Apache-2.0 */
/* segment_format.c - names and the clear header of segments:
 *
 *   magic "S3BSEG01" | u16 major | u16 minor | u32 header size | repository | node | u64 seq |
 *   u64 tag | u32 index | u32 epoch | u32 map slots | u32 block slots | salt[32]
 *
 * followed by a bitmap of the slots that are present, the sealed table, and the sealed slots: maps
 * first, so that one read of an object's beginning brings the table and the pages. */
#include "core/s3block/segment_internal.h"

#include "core/base/bytes.h"

#include <stdio.h>

static const char segment_magic[] = "S3BSEG01";

void segment_key(char out[OBJECT_KEY_MAX + 1], const uint8_t node[UUID_SIZE],
                 const struct segment_name *name)
{
    char uuid[UUID_TEXT];
    text_uuid(uuid, node);
    snprintf(out, OBJECT_KEY_MAX + 1, "n/%s/s/%016llx-%016llx/%08x", uuid,
             (unsigned long long)name->seq, (unsigned long long)name->tag, (unsigned)name->index);
}

static bool hex_u64(uint64_t *out, const char *text, size_t digits)
{
    uint64_t v = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = text[i];
        unsigned d;
        if (c >= '0' && c <= '9')
            d = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            d = (unsigned)(c - 'a') + 10;
        else
            return false;
        v = v << 4 | d;
    }
    *out = v;
    return true;
}

bool segment_key_parse(struct segment_name *name, const char *key)
{
    /* n/UUID/s/SEQ-TAG/INDEX */
    enum { SEQ = 2 + 36 + 3, TAG = SEQ + 17, INDEX = TAG + 17, END = INDEX + 8 };
    uint64_t index;
    if (strlen(key) != END || strncmp(key, "n/", 2) != 0 || strncmp(key + 38, "/s/", 3) != 0 ||
        key[TAG - 1] != '-' || key[INDEX - 1] != '/')
        return false;
    if (!hex_u64(&name->seq, key + SEQ, 16) || !hex_u64(&name->tag, key + TAG, 16) ||
        !hex_u64(&index, key + INDEX, 8))
        return false;
    name->index = (uint32_t)index;
    return true;
}

void segment_header_write(uint8_t out[SEGMENT_HEADER_SIZE], const struct segment_head *head,
                          const uint8_t repository[UUID_SIZE])
{
    memcpy(out, segment_magic, 8);
    put_le16(out + 8, 1);
    put_le16(out + 10, 0);
    put_le32(out + 12, SEGMENT_HEADER_SIZE);
    memcpy(out + 16, repository, UUID_SIZE);
    memcpy(out + 32, head->node, UUID_SIZE);
    put_le64(out + 48, head->name.seq);
    put_le64(out + 56, head->name.tag);
    put_le32(out + 64, head->name.index);
    put_le32(out + 68, head->epoch);
    put_le32(out + 72, head->n_maps);
    put_le32(out + 76, head->n_blocks);
    memcpy(out + 80, head->salt, SALT_SIZE);
}

int segment_head_parse(struct segment_head *head, size_t *bitmap_len, size_t *table_len,
                       const void *object, size_t n, const char *key, struct ds_error *err)
{
    const uint8_t *p = object;
    if (n < SEGMENT_HEADER_SIZE || memcmp(p, segment_magic, 8) != 0)
        return ds_fail(err, DS_EDAMAGED, "%s is not a segment (magic)", key);
    if (get_le16(p + 8) != 1)
        return ds_fail(err, DS_EVERSION,
                       "%s has format version %u, this program knows 1: use a newer disksync", key,
                       get_le16(p + 8));
    if (get_le32(p + 12) != SEGMENT_HEADER_SIZE)
        return ds_fail(err, DS_EDAMAGED, "%s: wrong header size", key);
    memcpy(head->node, p + 32, UUID_SIZE);
    head->name.seq = get_le64(p + 48);
    head->name.tag = get_le64(p + 56);
    head->name.index = get_le32(p + 64);
    head->epoch = get_le32(p + 68);
    head->n_maps = get_le32(p + 72);
    head->n_blocks = get_le32(p + 76);
    memcpy(head->salt, p + 80, SALT_SIZE);
    if (head->n_maps > SLOT_MAP || head->n_blocks > SLOT_MAP || head->n_maps + head->n_blocks == 0)
        return ds_fail(err, DS_EDAMAGED, "%s: impossible number of slots", key);
    size_t slots = (size_t)head->n_maps + head->n_blocks;
    *bitmap_len = (slots + 7) / 8;
    *table_len = slots * SLOT_ROW_SIZE + TAG_SIZE;
    return DS_OK;
}

void slot_write(uint8_t out[SLOT_ROW_SIZE], const struct slot *slot)
{
    out[0] = slot->type;
    out[1] = slot->codec;
    put_le16(out + 2, slot->disk);
    put_le32(out + 4, slot->stored);
    put_le64(out + 8, slot->number);
    memcpy(out + 16, slot->id, ID_SIZE);
}

bool slot_parse_row(struct slot *slot, const uint8_t in[SLOT_ROW_SIZE])
{
    slot->type = in[0];
    slot->codec = in[1];
    slot->disk = get_le16(in + 2);
    slot->stored = get_le32(in + 4);
    slot->number = get_le64(in + 8);
    memcpy(slot->id, in + 16, ID_SIZE);
    return slot->type >= SLOT_BLOCK && slot->type <= SLOT_INNER && slot->codec <= CODEC_ZSTD &&
           slot->stored >= 1 && slot->stored <= BLOCK_SIZE_MAX;
}

bool segment_salt(uint8_t salt[SALT_SIZE], const struct segment_space *space,
                  const uint8_t random[SALT_SIZE], const struct segment_content *content)
{
    uint8_t input[SALT_SIZE + SEGMENT_HEADER_SIZE + 2 * ID_SIZE], *digests;
    struct hasher *hasher = hasher_new(space->id_algorithm, space->keys.id);
    memcpy(input, random, SALT_SIZE);
    memcpy(input + SALT_SIZE, content->header, SEGMENT_HEADER_SIZE);
    digests = input + SALT_SIZE + SEGMENT_HEADER_SIZE;
    bool good = hasher &&
                hasher_id(hasher, content->maps.data, content->maps.length, digests) &&
                hasher_id(hasher, content->blocks.data, content->blocks.length,
                          digests + ID_SIZE) &&
                crypto_hmac(salt, space->keys.salt, input, sizeof input, content->table,
                            content->table_len);
    hasher_free(hasher);
    return good;
}

bool segment_keys(uint8_t data_key[KEY_SIZE], uint8_t map_key[KEY_SIZE],
                  const struct node_keys *keys, const uint8_t salt[SALT_SIZE])
{
    return crypto_hkdf(data_key, keys->data, KEY_SIZE, salt, SALT_SIZE, "s3block segment", NULL,
                       0) &&
           crypto_hkdf(map_key, keys->map, KEY_SIZE, salt, SALT_SIZE, "s3block segment", NULL, 0);
}
