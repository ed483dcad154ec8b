/* SPDX-License-Identifier: Apache-2.0 */
/* root.c - see root.h. A root object is
 *
 *   magic "S3BROOT1" | u16 major | u16 minor | u32 header size | repository | node | u64 seq |
 *   u32 epoch | u32 body length | u64 features to read | u64 features to write | salt[32] |
 *   sealed body | tag */
#include "core/s3block/root.h"

#include "core/base/bytes.h"
#include "core/base/os.h"

#include <stdio.h>
#include <stdlib.h>

static const char root_magic[] = "S3BROOT1";
#define ROOT_HEADER_SIZE 112u

void root_free(struct root *root)
{
    for (uint32_t i = 0; i < root->n_blobs; i++)
        free(root->blobs[i].data);
    free(root->blobs);
    free(root->disks);
    memset(root, 0, sizeof *root);
}

struct root_disk *root_find_disk(const struct root *root, const char *identity)
{
    for (uint32_t i = 0; i < root->n_disks; i++)
        if (strcmp(root->disks[i].identity, identity) == 0)
            return &root->disks[i];
    return NULL;
}

const char *root_mode_name(uint8_t mode)
{
    static const char *const names[] = { "unknown", "full", "incremental", "compare" };
    return names[mode <= MODE_COMPARE ? mode : 0];
}

const char *consistency_name(uint8_t consistency)
{
    static const char *const names[] = { "none", "crash", "filesystem", "application" };
    return names[consistency <= DS_CONSISTENCY_APPLICATION ? consistency : 0];
}

int root_add_blob(struct root *root, const char *name, const void *data, size_t len,
                  struct ds_error *err)
{
    if (root->n_blobs >= ROOT_BLOBS_MAX || len > ROOT_MAX / 4)
        return ds_fail(err, DS_EINVAL, "too much to store in a point (%s)", name);
    struct root_blob *blobs = realloc(root->blobs, (root->n_blobs + 1) * sizeof *blobs);
    if (blobs)
        root->blobs = blobs;
    uint8_t *copy = blobs ? malloc(len + 1) : NULL;
    if (!copy)
        return ds_fail(err, DS_ENOMEM, "no memory for a point");
    memcpy(copy, data, len);
    copy[len] = 0;
    struct root_blob *blob = &root->blobs[root->n_blobs++];
    text_copy(blob->name, sizeof blob->name, name);
    blob->data = copy;
    blob->len = (uint32_t)len;
    return DS_OK;
}

void root_key(char out[OBJECT_KEY_MAX + 1], const uint8_t node[UUID_SIZE], uint64_t seq)
{
    char uuid[UUID_TEXT];
    text_uuid(uuid, node);
    snprintf(out, OBJECT_KEY_MAX + 1, "n/%s/p/%016llx", uuid, (unsigned long long)seq);
}

bool root_key_parse(uint64_t *seq, char kind, const char *key)
{
    /* n/UUID/p/SEQ */
    uint8_t bytes[8];
    if (strlen(key) != 41 + 16 || key[38] != '/' || key[39] != kind || key[40] != '/' ||
        !text_unhex(bytes, 8, key + 41))
        return false;
    *seq = 0;
    for (unsigned i = 0; i < 8; i++)
        *seq = *seq << 8 | bytes[i];
    return true;
}

bool forgotten_make(uint8_t mark[FORGOTTEN_SIZE], uint64_t seq, const struct segment_space *space)
{
    memcpy(mark, "S3BFGT01", 8);
    put_le64(mark + 8, seq);
    return crypto_hmac(mark + 16, space->keys.root, mark, 16, space->node, UUID_SIZE);
}

/* ---- body ---- */

static void put_text(struct dynbuf *out, const char *text)
{
    size_t n = strlen(text);
    dynbuf_le16(out, (uint16_t)n);
    dynbuf_add(out, text, n);
}

static bool take_text(struct reader *r, char *out, size_t cap)
{
    size_t n = reader_le16(r);
    const uint8_t *text = reader_take(r, n);
    if (!text || n >= cap || memchr(text, 0, n))
        return false;
    memcpy(out, text, n);
    out[n] = 0;
    return true;
}

static void disk_encode(struct dynbuf *out, const struct root_disk *disk)
{
    struct dynbuf body = DYNBUF_INIT(ROOT_MAX);
    dynbuf_le16(&body, disk->number);
    dynbuf_u8(&body, disk->mode);
    dynbuf_u8(&body, disk->consistency);
    dynbuf_le32(&body, disk->flags);
    dynbuf_le64(&body, disk->shape.bytes);
    dynbuf_le32(&body, disk->shape.block_size);
    dynbuf_le32(&body, disk->sector);
    dynbuf_le32(&body, disk->physical_sector);
    dynbuf_add(&body, disk->token.bytes, DS_TOKEN_SIZE);
    dynbuf_le64(&body, disk->used_bytes);
    dynbuf_le64(&body, disk->changed_bytes);
    dynbuf_le64(&body, disk->read_bytes);
    dynbuf_le64(&body, disk->sent_bytes);
    dynbuf_le64(&body, disk->unknown_used);
    put_text(&body, disk->identity);
    put_text(&body, disk->path);
    put_text(&body, disk->reason);
    put_text(&body, disk->tracker);
    refs_encode(&body, disk->shape.levels + 1, disk->top, (unsigned)disk->shape.n_top);
    dynbuf_le32(out, (uint32_t)body.len);
    dynbuf_add(out, body.data, body.len);
    if (!dynbuf_ok(&body))
        out->failed = true;
    dynbuf_free(&body);
}

static int disk_decode(struct root_disk *disk, struct reader *r, uint64_t seq, struct ds_error *err)
{
    char what[64];
    disk->number = reader_le16(r);
    disk->mode = reader_u8(r);
    disk->consistency = reader_u8(r);
    disk->flags = reader_le32(r);
    uint64_t bytes = reader_le64(r);
    uint32_t block_size = reader_le32(r);
    disk->sector = reader_le32(r);
    disk->physical_sector = reader_le32(r);
    const uint8_t *token = reader_take(r, DS_TOKEN_SIZE);
    if (token)
        memcpy(disk->token.bytes, token, DS_TOKEN_SIZE);
    disk->used_bytes = reader_le64(r);
    disk->changed_bytes = reader_le64(r);
    disk->read_bytes = reader_le64(r);
    disk->sent_bytes = reader_le64(r);
    disk->unknown_used = reader_le64(r);
    if (r->bad || !map_shape_of(&disk->shape, bytes, block_size))
        return ds_fail(err, DS_EDAMAGED, "point %llu: size or block size of a disk is impossible",
                       (unsigned long long)seq);
    if (!take_text(r, disk->identity, sizeof disk->identity) ||
        !take_text(r, disk->path, sizeof disk->path) ||
        !take_text(r, disk->reason, sizeof disk->reason) ||
        !take_text(r, disk->tracker, sizeof disk->tracker))
        return ds_fail(err, DS_EDAMAGED, "point %llu: a text of disk %u is impossible",
                       (unsigned long long)seq, disk->number);
    unsigned n;
    snprintf(what, sizeof what, "point %llu, disk %u", (unsigned long long)seq, disk->number);
    int rc = refs_decode(r, disk->shape.levels + 1, disk->top, &n, FANOUT, what, err);
    if (!rc && n != disk->shape.n_top)
        rc = ds_fail(err, DS_EDAMAGED, "%s: wrong number of references", what);
    return rc;
}

static void body_encode(struct dynbuf *out, const struct root *root)
{
    dynbuf_le64(out, root->previous);
    dynbuf_add(out, root->previous_hash, HASH_SIZE);
    dynbuf_add(out, root->instance, HASH_SIZE);
    dynbuf_le64(out, root->tag);
    dynbuf_le32(out, root->flags);
    dynbuf_le64(out, (uint64_t)root->time_ns);
    dynbuf_le64(out, (uint64_t)root->begun_ns);
    dynbuf_le64(out, (uint64_t)root->ended_ns);
    dynbuf_le64(out, (uint64_t)root->immutable_until_ns);
    put_text(out, root->node_name);
    put_text(out, root->agent);
    dynbuf_le32(out, root->n_disks);
    for (uint32_t i = 0; i < root->n_disks; i++)
        disk_encode(out, &root->disks[i]);
    dynbuf_le32(out, root->n_blobs);
    for (uint32_t i = 0; i < root->n_blobs; i++) {
        put_text(out, root->blobs[i].name);
        dynbuf_le32(out, root->blobs[i].len);
        dynbuf_add(out, root->blobs[i].data, root->blobs[i].len);
    }
}

static int disks_decode(struct root *root, struct reader *r, struct ds_error *err)
{
    uint32_t n = reader_le32(r);
    if (r->bad || n > ROOT_DISKS_MAX || (size_t)n * 64 > reader_left(r))
        return ds_fail(err, DS_EDAMAGED, "point %llu: impossible number of disks",
                       (unsigned long long)root->seq);
    root->disks = calloc(n ? n : 1, sizeof *root->disks);
    if (!root->disks)
        return ds_fail(err, DS_ENOMEM, "no memory for a point");
    for (; root->n_disks < n; root->n_disks++) {
        uint32_t len = reader_le32(r);
        const uint8_t *bytes = reader_take(r, len);
        struct reader disk = reader_of(bytes, bytes ? len : 0);
        int rc = disk_decode(&root->disks[root->n_disks], &disk, root->seq, err);
        if (rc)
            return rc;
    }
    return DS_OK;
}

static int blobs_decode(struct root *root, struct reader *r, struct ds_error *err)
{
    uint32_t n = reader_le32(r);
    for (uint32_t i = 0; i < n && !r->bad; i++) {
        char name[33];
        bool named = take_text(r, name, sizeof name);
        uint32_t len = reader_le32(r);
        const uint8_t *data = reader_take(r, len);
        if (!named || !data)
            break;
        int rc = root_add_blob(root, name, data, len, err);
        if (rc)
            return rc;
    }
    if (r->bad || root->n_blobs != n)
        return ds_fail(err, DS_EDAMAGED, "point %llu: its facts are cut short",
                       (unsigned long long)root->seq);
    return DS_OK;
}

static int body_decode(struct root *root, const uint8_t *body, size_t len, struct ds_error *err)
{
    struct reader r = reader_of(body, len);
    root->previous = reader_le64(&r);
    const uint8_t *hash = reader_take(&r, HASH_SIZE), *instance = reader_take(&r, HASH_SIZE);
    if (hash && instance) {
        memcpy(root->previous_hash, hash, HASH_SIZE);
        memcpy(root->instance, instance, HASH_SIZE);
    }
    root->tag = reader_le64(&r);
    root->flags = reader_le32(&r);
    root->time_ns = (int64_t)reader_le64(&r);
    root->begun_ns = (int64_t)reader_le64(&r);
    root->ended_ns = (int64_t)reader_le64(&r);
    root->immutable_until_ns = (int64_t)reader_le64(&r);
    if (!take_text(&r, root->node_name, sizeof root->node_name) ||
        !take_text(&r, root->agent, sizeof root->agent))
        return ds_fail(err, DS_EDAMAGED, "point %llu: its head is cut short",
                       (unsigned long long)root->seq);
    if (root->previous >= root->seq) /* who walks the chain must come to its end */
        return ds_fail(err, DS_EDAMAGED, "point %llu: names point %llu as the one before it",
                       (unsigned long long)root->seq, (unsigned long long)root->previous);
    int rc = disks_decode(root, &r, err);
    return rc ? rc : blobs_decode(root, &r, err);
}

/* ---- sealing ---- */

static struct sealer *root_sealer(const struct node_keys *keys, const uint8_t salt[SALT_SIZE])
{
    uint8_t key[KEY_SIZE];
    if (!crypto_hkdf(key, keys->root, KEY_SIZE, salt, SALT_SIZE, "s3block root", NULL, 0))
        return NULL;
    struct sealer *sealer = sealer_new(key);
    wipe(key, sizeof key);
    return sealer;
}

int root_seal(struct dynbuf *out, const struct root *root, const struct segment_space *space,
              struct ds_error *err)
{
    uint8_t *header = dynbuf_room(out, ROOT_HEADER_SIZE), random[SALT_SIZE];
    if (header)
        memset(header, 0, ROOT_HEADER_SIZE);
    size_t start = out->len;
    body_encode(out, root);
    size_t body = out->len - start;
    uint8_t *tag = dynbuf_room(out, TAG_SIZE);
    if (!tag)
        return ds_fail(err, DS_ENOMEM, "the root of a point is too large (%zu bytes)", body);
    int rc = os_random(random, sizeof random, err);
    if (rc)
        return rc;
    header = out->data;
    memcpy(header, root_magic, 8);
    put_le16(header + 8, 1);
    put_le32(header + 12, ROOT_HEADER_SIZE);
    memcpy(header + 16, space->repository, UUID_SIZE);
    memcpy(header + 32, space->node, UUID_SIZE);
    put_le64(header + 48, root->seq);
    put_le32(header + 56, space->keys.epoch);
    put_le32(header + 60, (uint32_t)body);
    /* The salt, still zero in the header, is bound to all that it will seal. */
    uint8_t salt[SALT_SIZE];
    bool good = crypto_hmac(salt, space->keys.salt, random, sizeof random, out->data,
                            ROOT_HEADER_SIZE + body);
    memcpy(header + 80, salt, SALT_SIZE);
    struct sealer *sealer = good ? root_sealer(&space->keys, header + 80) : NULL;
    good = sealer && sealer_seal(sealer, 0, header, ROOT_HEADER_SIZE, out->data + start, body, tag);
    sealer_free(sealer);
    return good ? DS_OK : ds_fail(err, DS_ENOMEM, "libcrypto could not seal a root");
}

static int root_header_check(const uint8_t *p, size_t len, uint64_t seq,
                             const struct segment_space *space, struct ds_error *err)
{
    unsigned long long n = seq;
    if (len < ROOT_HEADER_SIZE + TAG_SIZE || memcmp(p, root_magic, 8) != 0)
        return ds_fail(err, DS_EDAMAGED, "point %llu: not a root (magic)", n);
    if (get_le16(p + 8) != 1)
        return ds_fail(err, DS_EVERSION,
                       "point %llu has format version %u, this program knows 1: use a newer "
                       "disksync", n, get_le16(p + 8));
    if (get_le64(p + 64) & ~FEATURES_READ)
        return ds_fail(err, DS_EFEATURE,
                       "point %llu needs the features %llx, which this program does not know: use "
                       "a newer disksync", n, (unsigned long long)get_le64(p + 64));
    if (get_le32(p + 12) != ROOT_HEADER_SIZE ||
        get_le32(p + 60) != len - ROOT_HEADER_SIZE - TAG_SIZE)
        return ds_fail(err, DS_EDAMAGED, "point %llu: wrong length", n);
    if (memcmp(p + 16, space->repository, UUID_SIZE) != 0 ||
        memcmp(p + 32, space->node, UUID_SIZE) != 0 || get_le64(p + 48) != seq)
        return ds_fail(err, DS_EDAMAGED, "point %llu: holds the root of another point", n);
    return DS_OK;
}

/* The keys of a root that another epoch sealed; or its number says so wrongly. */
static int epoch_keys(struct node_keys *keys, const struct segment_space *space, uint64_t seq,
                      uint32_t epoch, struct ds_error *err)
{
    struct ds_error why = DS_ERROR_INIT;
    int rc = node_keys_derive(keys, &space->ring, space->repository, space->node, epoch, &why);
    return rc ? ds_fail(err, rc, "point %llu: %.400s", (unsigned long long)seq, why.msg) : DS_OK;
}

int root_open(struct root *root, const void *object, size_t len, uint64_t seq,
              const struct segment_space *space, struct ds_error *err)
{
    const uint8_t *p = object;
    struct node_keys keys = space->keys;
    memset(root, 0, sizeof *root);
    root->seq = seq;
    int rc = root_header_check(p, len, seq, space, err);
    if (!rc && get_le32(p + 56) != keys.epoch)
        rc = epoch_keys(&keys, space, seq, get_le32(p + 56), err);
    if (rc) {
        root_free(root);
        return rc;
    }
    root->features_write = get_le64(p + 72);
    size_t body = len - ROOT_HEADER_SIZE - TAG_SIZE;
    uint8_t *plain = malloc(body ? body : 1);
    struct sealer *sealer = plain ? root_sealer(&keys, p + 80) : NULL;
    if (!sealer) {
        free(plain);
        root_free(root);
        return ds_fail(err, DS_ENOMEM, "no memory for a point");
    }
    memcpy(plain, p + ROOT_HEADER_SIZE, body);
    if (!sealer_open(sealer, 0, p, ROOT_HEADER_SIZE, plain, body, p + len - TAG_SIZE))
        rc = ds_fail(err, DS_EDAMAGED, "point %llu: its root fails its check",
                     (unsigned long long)seq);
    else
        rc = body_decode(root, plain, body, err);
    sealer_free(sealer);
    wipe(&keys, sizeof keys);
    free(plain);
    if (rc)
        root_free(root);
    return rc;
}

int root_read(struct root *root, uint8_t hash[HASH_SIZE], const struct segment_space *space,
              uint64_t seq, struct ds_error *err)
{
    char key[OBJECT_KEY_MAX + 1];
    struct dynbuf object = DYNBUF_INIT(ROOT_MAX + ((size_t)4 << 20));
    memset(root, 0, sizeof *root);
    root_key(key, space->node, seq);
    int rc = objects_get_all(space->objects, key, ROOT_MAX, &object, err);
    if (!rc && hash && !crypto_sha256(hash, object.data, object.len))
        rc = ds_fail(err, DS_ENOMEM, "libcrypto could not hash a root");
    if (!rc)
        rc = root_open(root, object.data, object.len, seq, space, err);
    dynbuf_free(&object);
    return rc;
}

void root_map(struct map_reader *reader, const struct root_disk *disk, struct segment_cache *cache,
              struct segment_reader *scratch)
{
    memset(reader, 0, sizeof *reader);
    reader->cache = cache;
    reader->scratch = scratch;
    reader->shape = disk->shape;
    reader->disk = disk->number;
    memcpy(reader->top, disk->top, sizeof reader->top);
}
