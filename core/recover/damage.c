/* SPDX-License-Identifier: Apache-2.0 */
/* damage.c - the record n/NODE/d/SEQ that verify leaves for the next sync:
 *
 *   magic "S3BDMG01" | u64 seq | u32 n | n x {u16 disk, u64 first block, u64 count} | HMAC-SHA-256
 *
 * under the node's salt key. It only makes a sync read more, never less. */
#include "core/recover/damage.h"

#include "core/base/bytes.h"

#include <stdio.h>

static const char damage_magic[] = "S3BDMG01";

static void damage_key(char out[OBJECT_KEY_MAX + 1], const uint8_t node[UUID_SIZE], uint64_t seq)
{
    char uuid[UUID_TEXT];
    text_uuid(uuid, node);
    snprintf(out, OBJECT_KEY_MAX + 1, "n/%s/d/%016llx", uuid, (unsigned long long)seq);
}

int damage_write(const struct segment_space *space, uint64_t seq, const struct damage_run *runs,
                 uint32_t n, struct ds_error *err)
{
    struct dynbuf out = DYNBUF_INIT((size_t)4 << 20);
    char key[OBJECT_KEY_MAX + 1];
    uint8_t hash[HASH_SIZE];
    damage_key(key, space->node, seq);
    if (n == 0)
        return objects_remove(space->objects, key, err);
    dynbuf_add(&out, damage_magic, 8);
    dynbuf_le64(&out, seq);
    dynbuf_le32(&out, n);
    for (uint32_t i = 0; i < n; i++) {
        dynbuf_le16(&out, runs[i].disk);
        dynbuf_le64(&out, runs[i].first);
        dynbuf_le64(&out, runs[i].count);
    }
    int rc = DS_OK;
    if (!dynbuf_ok(&out) ||
        !crypto_hmac(hash, space->keys.salt, out.data, out.len, key, strlen(key)))
        rc = ds_fail(err, DS_ENOMEM, "no memory for the record of damage");
    dynbuf_add(&out, hash, sizeof hash);
    if (!rc)
        rc = objects_put(space->objects, key, out.data, out.len, 0, err);
    dynbuf_free(&out);
    return rc;
}

static int damage_parse(const struct dynbuf *object, const struct segment_space *space,
                        const char *key, uint64_t seq, damage_fn *fn, void *ud,
                        struct ds_error *err)
{
    uint8_t hash[HASH_SIZE];
    if (object->len < 20 + HASH_SIZE || memcmp(object->data, damage_magic, 8) != 0 ||
        !crypto_hmac(hash, space->keys.salt, object->data, object->len - HASH_SIZE, key,
                     strlen(key)) ||
        !crypto_equal(hash, object->data + object->len - HASH_SIZE, HASH_SIZE))
        return ds_fail(err, DS_EDAMAGED, "%s fails its check", key);
    struct reader r = reader_of(object->data + 8, object->len - 8 - HASH_SIZE);
    uint64_t found = reader_le64(&r);
    uint32_t n = reader_le32(&r);
    int rc = DS_OK;
    if (found != seq || n > DAMAGE_RUNS_MAX)
        return ds_fail(err, DS_EDAMAGED, "%s fails its check", key);
    for (uint32_t i = 0; !rc && i < n && !r.bad; i++) {
        uint16_t disk = reader_le16(&r);
        uint64_t first = reader_le64(&r);
        rc = fn(ud, disk, first, reader_le64(&r));
    }
    return rc;
}

int damage_read(const struct segment_space *space, uint64_t seq, damage_fn *fn, void *ud,
                struct ds_error *err)
{
    struct dynbuf object = DYNBUF_INIT((size_t)8 << 20);
    char key[OBJECT_KEY_MAX + 1];
    damage_key(key, space->node, seq);
    int rc = objects_get_all(space->objects, key, (size_t)4 << 20, &object, err);
    if (!rc)
        rc = damage_parse(&object, space, key, seq, fn, ud, err);
    dynbuf_free(&object);
    return rc;
}
