/* SPDX-License-Identifier: Apache-2.0 */
/* repository.c - see repository.h. The header object `h` is
 *
 *   magic "S3BLOCK1" | u16 major | u16 minor | u32 size | repository | u64 features to read |
 *   u64 to write | u64 to ignore | u32 id algorithm | u32 flags | u32 epoch | u32 zero |
 *   i64 created | HMAC-SHA-256 over all before
 *
 * under a key derived from the repository's key, or from the node's in the copy n/NODE/h. The
 * header is put last, so that a repository exists once its header does. */
#include "core/s3block/repository.h"

#include "core/base/bytes.h"
#include "core/base/os.h"

#include <stdio.h>

static const char header_magic[] = "S3BLOCK1";
#define HEADER_SIZE 120u /* with the HMAC */

/* ---- header ---- */

static bool header_key(uint8_t key[KEY_SIZE], const struct keyring *ring, uint32_t epoch,
                       const uint8_t uuid[UUID_SIZE])
{
    for (unsigned i = 0; i < ring->n; i++)
        if (ring->epochs[i] == epoch)
            return crypto_hkdf(key, ring->keys[i], KEY_SIZE, uuid, UUID_SIZE, "s3block header",
                               NULL, 0);
    return false;
}

static bool header_write(struct repository *repository)
{
    uint8_t key[KEY_SIZE], *p = repository->header;
    memset(p, 0, HEADER_SIZE);
    memcpy(p, header_magic, 8);
    put_le16(p + 8, 1);
    put_le32(p + 12, HEADER_SIZE);
    memcpy(p + 16, repository->uuid, UUID_SIZE);
    put_le64(p + 32, repository->features_read);
    put_le64(p + 40, repository->features_write);
    put_le64(p + 48, repository->features_ignore);
    put_le32(p + 56, repository->id_algorithm);
    put_le32(p + 60, repository->flags);
    put_le32(p + 64, repository->epoch);
    put_le64(p + 72, (uint64_t)repository->created_ns);
    repository->header_len = HEADER_SIZE;
    bool good = header_key(key, &repository->ring, repository->epoch, repository->uuid) &&
                crypto_hmac(p + HEADER_SIZE - HASH_SIZE, key, p, HEADER_SIZE - HASH_SIZE, NULL, 0);
    wipe(key, sizeof key);
    return good;
}

/* What can be told without a key. */
static int header_parse(struct repository *repository, const void *object, size_t len,
                        struct ds_error *err)
{
    const uint8_t *p = object;
    if (len < HEADER_SIZE || len > HEADER_MAX || memcmp(p, header_magic, 8) != 0)
        return ds_fail(err, DS_EDAMAGED, "h is not the header of a repository (magic)");
    if (get_le16(p + 8) != 1)
        return ds_fail(err, DS_EVERSION,
                       "h: the repository has format version %u, this program knows 1: use a newer "
                       "disksync", get_le16(p + 8));
    repository->features_read = get_le64(p + 32);
    if (repository->features_read & ~FEATURES_READ)
        return ds_fail(err, DS_EFEATURE,
                       "h: the repository needs the features %llx to be read, which this program "
                       "does not know: use a newer disksync",
                       (unsigned long long)(repository->features_read & ~FEATURES_READ));
    if (len != HEADER_SIZE || get_le32(p + 12) != HEADER_SIZE)
        return ds_fail(err, DS_EDAMAGED, "h has a wrong length");
    memcpy(repository->uuid, p + 16, UUID_SIZE);
    repository->features_write = get_le64(p + 40);
    repository->features_ignore = get_le64(p + 48);
    repository->id_algorithm = get_le32(p + 56);
    repository->flags = get_le32(p + 60);
    repository->epoch = get_le32(p + 64);
    repository->created_ns = (int64_t)get_le64(p + 72);
    if (repository->id_algorithm != ID_GMAC && repository->id_algorithm != ID_HMAC_SHA256)
        return ds_fail(err, DS_EFEATURE, "h: the id algorithm %u is unknown",
                       (unsigned)repository->id_algorithm);
    memcpy(repository->header, p, len);
    repository->header_len = len;
    return DS_OK;
}

static int header_check(const struct repository *repository, struct ds_error *err)
{
    uint8_t key[KEY_SIZE], hash[HASH_SIZE];
    const uint8_t *p = repository->header;
    bool good = header_key(key, &repository->ring, repository->epoch, repository->uuid) &&
                crypto_hmac(hash, key, p, HEADER_SIZE - HASH_SIZE, NULL, 0) &&
                crypto_equal(hash, p + HEADER_SIZE - HASH_SIZE, HASH_SIZE);
    wipe(key, sizeof key);
    if (good && repository->epoch < repository->ring.epochs[repository->ring.n - 1])
        return ds_fail(err, DS_EROLLBACK, "h is older than the keys: the store went back in time");
    return good ? DS_OK : ds_fail(err, DS_EDAMAGED, "h fails its check: the header was altered");
}

/* ---- secrets and slots ---- */

static void slot_object_key(char out[OBJECT_KEY_MAX + 1], const char *name)
{
    snprintf(out, OBJECT_KEY_MAX + 1, "k/%s", name);
}

/* The secret as the slot's kind takes it; *out points into scratch or at the secret. */
static bool secret_for(uint32_t kind, const struct repository_secret *secret,
                       uint8_t scratch[RECOVERY_SIZE], const void **out, size_t *len)
{
    bool recovery = secret->kind == SLOT_RECOVERY || secret->kind == 0;
    if (kind == SLOT_RECOVERY) {
        *out = scratch;
        *len = RECOVERY_SIZE;
        return recovery && recovery_parse(scratch, secret->bytes, secret->len);
    }
    *out = secret->bytes;
    *len = secret->len;
    return secret->kind == kind || secret->kind == 0;
}

/* DS_EPASSPHRASE also where the secret is not of the slot's kind. */
static int slot_try(struct repository *repository, const char *name, const void *object, size_t n,
                    const struct repository_secret *secret, struct ds_error *err)
{
    struct slot_info info;
    uint8_t scratch[RECOVERY_SIZE];
    const void *bytes;
    size_t len;
    int rc = slot_parse(&info, name, object, n, err);
    if (rc)
        return rc;
    if (!secret_for(info.kind, secret, scratch, &bytes, &len))
        return DS_EPASSPHRASE;
    rc = slot_open(&repository->ring, name, object, n, repository->uuid, bytes, len, err);
    wipe(scratch, sizeof scratch);
    return rc;
}

static int slot_fetch(struct objects *objects, const char *name, struct dynbuf *object,
                      struct ds_error *err)
{
    char key[OBJECT_KEY_MAX + 1];
    slot_object_key(key, name);
    return objects_get_all(objects, key, 8192, object, err);
}

struct slot_search {
    struct repository *repository;
    const struct repository_secret *secret;
    struct names { char name[33]; } list[64];
    unsigned n;
};

static int slot_collect(void *ud, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    struct slot_search *search = ud;
    (void)bytes, (void)mtime_ns;
    if (strncmp(key, "k/", 2) == 0 && slot_name_valid(key + 2) && search->n < 64)
        text_copy(search->list[search->n++].name, sizeof search->list[0].name, key + 2);
    return 0;
}

/* The name that init gives the slot of a secret: tried first, to save the listing. */
static const char *usual_slot(const struct repository_secret *secret)
{
    uint8_t key[RECOVERY_SIZE];
    if (secret->kind == SLOT_KEY_FILE)
        return "key-file";
    bool recovery = secret->kind != SLOT_PASSPHRASE &&
                    recovery_parse(key, secret->bytes, secret->len);
    wipe(key, sizeof key);
    return recovery ? "recovery" : "passphrase";
}

/* Opens the ring by the usual slot, else by any other. used: the slot's bytes, for saving. */
static int slots_open(struct repository *repository, const struct repository_secret *secret,
                      char used_name[33], struct dynbuf *used, struct ds_error *err)
{
    struct slot_search search = { .repository = repository, .secret = secret };
    struct ds_error why = DS_ERROR_INIT, bad = DS_ERROR_INIT;
    text_copy(search.list[0].name, sizeof search.list[0].name, usual_slot(secret));
    search.n = 1;
    for (unsigned i = 0; i < search.n; i++) {
        dynbuf_reset(used);
        int rc = i && strcmp(search.list[i].name, search.list[0].name) == 0 ? DS_EPASSPHRASE
                 : slot_fetch(repository->objects, search.list[i].name, used, &why);
        if (!rc)
            rc = slot_try(repository, search.list[i].name, used->data, used->len, secret, &why);
        if (!rc) {
            text_copy(used_name, 33, search.list[i].name);
            return DS_OK;
        }
        if (rc == DS_EVERSION || rc == DS_EFEATURE || rc == DS_EDAMAGED || rc == DS_EFORMAT)
            bad = why;
        else if (rc != DS_EPASSPHRASE && rc != DS_ENOENT) {
            *err = why;
            return rc;
        }
        if (i == 0) {
            rc = objects_list(repository->objects, "k/", NULL, slot_collect, &search, err);
            if (rc)
                return rc;
        }
    }
    if (bad.code == DS_EFORMAT)
        bad.code = DS_EDAMAGED; /* what was stored had its format */
    if (bad.code) {
        *err = bad;
        return bad.code;
    }
    return ds_fail(err, DS_EPASSPHRASE,
                   "no key slot of the repository opens with this passphrase: check "
                   "transport.passphrase, or use the recovery key");
}

/* ---- life ---- */

static int count_one(void *ud, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    (void)key, (void)bytes, (void)mtime_ns;
    ++*(unsigned *)ud;
    return 1;
}

/* What an init that did not end has left: slots without a header. */
static int leftover_slots_remove(struct objects *objects, struct ds_error *err)
{
    struct slot_search search = { .n = 0 };
    char key[OBJECT_KEY_MAX + 1];
    int rc = objects_list(objects, "k/", NULL, slot_collect, &search, err);
    for (unsigned i = 0; !rc && i < search.n; i++) {
        slot_object_key(key, search.list[i].name);
        rc = objects_remove(objects, key, err);
    }
    return rc;
}

/* Two inits at once can mix their slots: only a repository that opens is one. */
static int created_check(const struct repository *repository,
                         const struct repository_secret *secret, struct ds_error *err)
{
    struct repository again;
    int rc = repository_open(&again, repository->objects, secret, err);
    if (!rc && memcmp(again.uuid, repository->uuid, UUID_SIZE) != 0)
        rc = DS_ECONFLICT;
    repository_close(&again);
    if (!rc)
        return DS_OK;
    objects_remove(repository->objects, "h", NULL);
    return ds_fail(err, DS_ECONFLICT, "another init ran in %s at the same time: run it again",
                   objects_info(repository->objects)->location);
}

static int create_slots(struct repository *repository, const struct repository_secret *secret,
                        uint8_t recovery[RECOVERY_SIZE], struct ds_error *err)
{
    char text[RECOVERY_TEXT];
    struct slot_info info = { .kind = secret->kind ? secret->kind : SLOT_PASSPHRASE,
                              .created_ns = repository->created_ns };
    text_copy(info.name, sizeof info.name,
              info.kind == SLOT_KEY_FILE ? "key-file" : "passphrase");
    struct repository_secret first = { info.kind, secret->bytes, secret->len };
    int rc = repository_key_add(repository, &info, &first, err);
    if (rc)
        return rc;
    rc = os_random(recovery, RECOVERY_SIZE, err);
    if (rc)
        return rc;
    recovery_text(text, recovery);
    info.kind = SLOT_RECOVERY;
    text_copy(info.name, sizeof info.name, "recovery");
    struct repository_secret second = { SLOT_RECOVERY, text, strlen(text) };
    rc = repository_key_add(repository, &info, &second, err);
    wipe(text, sizeof text);
    return rc;
}

/* Where there is no header: DS_ENOENT if there is nothing else either. */
static int check_no_nodes(struct objects *objects, struct ds_error *err)
{
    unsigned nodes = 0;
    int rc = objects_list(objects, "n/", NULL, count_one, &nodes, err);
    if (nodes)
        return ds_fail(err, DS_EDAMAGED,
                       "%s holds the data of nodes but no header: restore the object h from a "
                       "copy of the store, or use another place", objects_info(objects)->location);
    return rc ? rc : DS_ENOENT;
}

int repository_create(struct repository *repository, struct objects *objects,
                      const struct repository_secret *secret, uint8_t recovery[RECOVERY_SIZE],
                      struct ds_error *err)
{
    memset(repository, 0, sizeof *repository);
    int rc = objects_head(objects, "h", NULL, NULL, err);
    if (rc == DS_OK)
        return ds_fail(err, DS_EEXIST, "%s holds a repository already",
                       objects_info(objects)->location);
    if (rc != DS_ENOENT)
        return rc;
    rc = check_no_nodes(objects, err);
    if (rc != DS_ENOENT)
        return rc;
    repository->objects = objects;
    repository->id_algorithm = ID_GMAC;
    repository->epoch = 1;
    repository->created_ns = os_wall_ns();
    if (!(objects_info(objects)->caps & DS_STORE_CAP_IF_ABSENT))
        repository->flags |= HEADER_ONE_WRITER;
    rc = os_random(repository->uuid, UUID_SIZE, err);
    if (!rc && !keyring_new(&repository->ring, err))
        rc = DS_EIO;
    if (!rc && !header_write(repository))
        rc = ds_fail(err, DS_ENOMEM, "libcrypto could not make the header");
    if (!rc)
        rc = leftover_slots_remove(objects, err);
    if (!rc)
        rc = create_slots(repository, secret, recovery, err);
    if (!rc)
        rc = objects_put(objects, "h", repository->header, repository->header_len,
                         DS_STORE_IF_ABSENT, err);
    if (!rc)
        rc = created_check(repository, secret, err);
    if (rc)
        repository_close(repository);
    return rc;
}

int repository_open(struct repository *repository, struct objects *objects,
                    const struct repository_secret *secret, struct ds_error *err)
{
    struct dynbuf object = DYNBUF_INIT((size_t)128 << 10);
    char name[33];
    memset(repository, 0, sizeof *repository);
    repository->objects = objects;
    int rc = objects_get_all(objects, "h", HEADER_MAX, &object, err);
    if (rc == DS_ENOENT)
        rc = check_no_nodes(objects, err);
    if (rc == DS_ENOENT)
        rc = ds_fail(err, DS_ENOENT, "%s holds no repository: make one with disksync init",
                     objects_info(objects)->location);
    if (!rc)
        rc = header_parse(repository, object.data, object.len, err);
    if (!rc)
        rc = slots_open(repository, secret, name, &object, err);
    if (!rc)
        rc = header_check(repository, err);
    dynbuf_free(&object);
    if (rc)
        repository_close(repository);
    return rc;
}

int repository_save(const struct repository *repository, const struct repository_secret *secret,
                    struct dynbuf *out, struct ds_error *err)
{
    struct repository again = *repository;
    struct dynbuf slot = DYNBUF_INIT((size_t)128 << 10);
    char name[33];
    int rc = slots_open(&again, secret, name, &slot, err);
    keyring_wipe(&again.ring);
    if (!rc) {
        dynbuf_le16(out, (uint16_t)repository->header_len);
        dynbuf_add(out, repository->header, repository->header_len);
        dynbuf_u8(out, (uint8_t)strlen(name));
        dynbuf_text(out, name);
        dynbuf_add(out, slot.data, slot.len);
    }
    dynbuf_free(&slot);
    return rc;
}

int repository_open_saved(struct repository *repository, struct objects *objects, const void *saved,
                          size_t len, const struct repository_secret *secret, struct ds_error *err)
{
    struct reader r = reader_of(saved, len);
    char name[33] = "";
    memset(repository, 0, sizeof *repository);
    repository->objects = objects;
    size_t n = reader_le16(&r);
    const uint8_t *header = reader_take(&r, n);
    size_t name_len = reader_u8(&r);
    const uint8_t *text = reader_take(&r, name_len);
    if (!header || !text || name_len >= sizeof name)
        return ds_fail(err, DS_EFORMAT, "the saved header is cut short");
    memcpy(name, text, name_len);
    int rc = header_parse(repository, header, n, err);
    if (!rc)
        rc = slot_try(repository, name, r.p, reader_left(&r), secret, err);
    if (!rc)
        rc = header_check(repository, err);
    if (rc)
        repository_close(repository);
    return rc;
}

void repository_close(struct repository *repository)
{
    keyring_wipe(&repository->ring);
}

int repository_check_write(const struct repository *repository, struct ds_error *err)
{
    uint64_t unknown = repository->features_write & ~FEATURES_WRITE;
    if (unknown)
        return ds_fail(err, DS_EFEATURE,
                       "h: the repository needs the features %llx to be written, which this "
                       "program does not know: use a newer disksync", (unsigned long long)unknown);
    return DS_OK;
}

int repository_check_header(const struct repository *repository, struct ds_error *err)
{
    struct dynbuf object = DYNBUF_INIT((size_t)128 << 10);
    struct repository now = { .objects = repository->objects };
    int rc = objects_get_all(repository->objects, "h", HEADER_MAX, &object, err);
    if (!rc)
        rc = header_parse(&now, object.data, object.len, err);
    if (!rc)
        rc = repository_check_write(&now, err);
    dynbuf_free(&object);
    return rc;
}

int repository_space(struct segment_space *space, const struct repository *repository,
                     const uint8_t node[UUID_SIZE], struct ds_error *err)
{
    memset(space, 0, sizeof *space);
    space->objects = repository->objects;
    memcpy(space->repository, repository->uuid, UUID_SIZE);
    memcpy(space->node, node, UUID_SIZE);
    space->ring = repository->ring;
    space->id_algorithm = repository->id_algorithm;
    return node_keys_derive(&space->keys, &space->ring, space->repository, node, repository->epoch,
                            err);
}

int repository_add_node(const struct repository *repository, const uint8_t node[UUID_SIZE],
                        struct ds_error *err)
{
    char key[OBJECT_KEY_MAX + 1], uuid[UUID_TEXT];
    uint8_t copy[HEADER_MAX];
    struct segment_space space;
    int rc = repository_space(&space, repository, node, err);
    if (rc)
        return rc;
    memcpy(copy, repository->header, repository->header_len);
    bool good = crypto_hmac(copy + HEADER_SIZE - HASH_SIZE, space.keys.header, copy,
                            HEADER_SIZE - HASH_SIZE, NULL, 0);
    wipe(&space, sizeof space);
    if (!good)
        return ds_fail(err, DS_ENOMEM, "libcrypto could not make the header");
    text_uuid(uuid, node);
    snprintf(key, sizeof key, "n/%s/h", uuid);
    return objects_put(repository->objects, key, copy, repository->header_len, 0, err);
}

static int first_key(void *ud, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    (void)bytes, (void)mtime_ns;
    text_copy(ud, OBJECT_KEY_MAX + 1, key);
    return 1;
}

/* From node to node: a listing of all that they hold would be as long as their history. fn makes
 * requests of its own, which it could not from inside a listing. */
int repository_nodes(const struct repository *repository, repository_node_fn *fn, void *ud,
                     struct ds_error *err)
{
    char after[OBJECT_KEY_MAX + 1] = "n/", found[OBJECT_KEY_MAX + 1], key[OBJECT_KEY_MAX + 1];
    for (;;) {
        uint8_t uuid[UUID_SIZE];
        found[0] = 0;
        int rc = objects_list(repository->objects, "n/", after, first_key, found, err);
        if (rc < 0 || !found[0])
            return rc;
        size_t n = strcspn(found + 2, "/");
        found[2 + n] = 0;
        /* '0' follows '/': behind all keys of this node */
        snprintf(after, sizeof after, "%.198s0", found);
        if (!text_parse_uuid(uuid, found + 2))
            continue;
        snprintf(key, sizeof key, "%.198s/h", found);
        rc = objects_head(repository->objects, key, NULL, NULL, err);
        if (!rc)
            rc = fn(ud, uuid);
        if (rc && rc != DS_ENOENT)
            return rc;
    }
}

/* ---- slots ---- */

int repository_key_add(const struct repository *repository, const struct slot_info *info,
                       const struct repository_secret *secret, struct ds_error *err)
{
    struct dynbuf object = DYNBUF_INIT(8192);
    char key[OBJECT_KEY_MAX + 1];
    uint8_t scratch[RECOVERY_SIZE];
    const void *bytes;
    size_t len;
    if (!slot_name_valid(info->name))
        return ds_fail(err, DS_EINVAL,
                       "'%s' can't name a key slot: use 1 to 32 of a-z, 0-9 and '-'", info->name);
    if (!secret_for(info->kind, secret, scratch, &bytes, &len) || len == 0)
        return ds_fail(err, DS_EINVAL, "the secret for the key slot %s is empty or of another kind",
                       info->name);
    if (info->kind == SLOT_KEY_FILE && len < 32)
        return ds_fail(err, DS_EINVAL, "a key file needs at least 32 random bytes, this has %zu",
                       len);
    int rc = slot_seal(&object, &repository->ring, info, repository->uuid, bytes, len, err);
    wipe(scratch, sizeof scratch);
    slot_object_key(key, info->name);
    if (!rc)
        rc = objects_put(repository->objects, key, object.data, object.len, DS_STORE_IF_ABSENT,
                         err);
    if (rc == DS_EEXIST)
        ds_fail(err, rc, "there is a key slot %s already: remove it first or choose another name",
                info->name);
    dynbuf_free(&object);
    return rc;
}

int repository_key_list(struct objects *objects, repository_key_fn *fn, void *ud,
                        struct ds_error *err)
{
    struct slot_search search = { .n = 0 };
    int rc = objects_list(objects, "k/", NULL, slot_collect, &search, err);
    for (unsigned i = 0; !rc && i < search.n; i++) {
        struct dynbuf object = DYNBUF_INIT((size_t)128 << 10);
        struct slot_info info;
        struct ds_error why = DS_ERROR_INIT;
        const char *name = search.list[i].name;
        rc = slot_fetch(objects, name, &object, &why);
        if (!rc)
            rc = slot_parse(&info, name, object.data, object.len, &why);
        dynbuf_free(&object);
        if (rc == DS_EFORMAT) /* what was stored had its format */
            rc = why.code = DS_EDAMAGED;
        if (rc == DS_ENOENT) { /* removed since it was listed */
            rc = DS_OK;
        } else if (rc == DS_EDAMAGED || rc == DS_EVERSION || rc == DS_EFEATURE) {
            memset(&info, 0, sizeof info);
            text_copy(info.name, sizeof info.name, name);
            rc = fn(ud, &info, &why);
        } else if (rc) {
            *err = why;
        } else {
            rc = fn(ud, &info, NULL);
        }
    }
    return rc;
}

struct slot_count {
    const char *name;
    unsigned others;
    bool found;
};

/* A damaged slot may be removed, and opens nothing if it is left. */
static int slot_counted(void *ud, const struct slot_info *info, const struct ds_error *bad)
{
    struct slot_count *tally = ud;
    if (strcmp(info->name, tally->name) == 0)
        tally->found = true;
    else if (!bad || bad->code != DS_EDAMAGED)
        tally->others++;
    return 0;
}

int repository_key_remove(const struct repository *repository, const char *name,
                          struct ds_error *err)
{
    struct slot_count tally = { .name = name };
    char key[OBJECT_KEY_MAX + 1];
    if (!slot_name_valid(name))
        return ds_fail(err, DS_EINVAL, "'%s' can't be the name of a key slot", name);
    int rc = repository_key_list(repository->objects, slot_counted, &tally, err);
    if (rc)
        return rc;
    if (!tally.found)
        return ds_fail(err, DS_ENOENT, "there is no key slot %s", name);
    if (tally.others == 0)
        return ds_fail(err, DS_EINVAL,
                       "%s is the last key slot: add another first, else nothing opens the "
                       "repository any more", name);
    slot_object_key(key, name);
    return objects_remove(repository->objects, key, err);
}
