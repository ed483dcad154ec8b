/* SPDX-License-Identifier: Apache-2.0 */
/* state.c - small durable records: one file each, replaced whole. A record says its version, length
 * and SHA-256, all integers little-endian:
 *
 *      0  8  magic "DSSTATE\n"      8  4  version 1      12  4  flags: 1 = removed
 *     16  8  length                24 32  SHA-256 of bytes 0..23 and the data     56  data
 *
 * A removal first writes a durable "removed" record, so that the old one can't come back. */
#include "core/plugin/plugin.h"

#include "core/base/bytes.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define STATE_MAGIC "DSSTATE\n"
#define STATE_VERSION 1u
#define STATE_REMOVED 1u
#define STATE_HEAD 56u
#define STATE_MAX (1u << 20)

static int state_path(char *path, const char *folder, const char *name, struct ds_error *err)
{
    char file[80];
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (n == 0 || n > 64 || name[n])
        return ds_fail(err, DS_EINVAL, "\"%.70s\" is no name of a record: 1 to 64 of [a-z0-9-]",
                       name);
    snprintf(file, sizeof file, "%s.state", name);
    return os_join(path, folder, file, err);
}

static int digest(uint8_t out[32], const uint8_t *head, const void *data, size_t len,
                  struct ds_error *err)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
                EVP_DigestUpdate(ctx, head, 24) && (!len || EVP_DigestUpdate(ctx, data, len)) &&
                EVP_DigestFinal_ex(ctx, out, NULL);
    EVP_MD_CTX_free(ctx);
    return good ? DS_OK : ds_fail(err, DS_ENOMEM, "no memory for a checksum");
}

static int state_write(const char *path, uint32_t flags, const void *data, size_t len,
                       struct ds_error *err)
{
    uint8_t *record = malloc(STATE_HEAD + len);
    if (!record)
        return ds_fail(err, DS_ENOMEM, "no memory to write %s", path);
    memcpy(record, STATE_MAGIC, 8);
    put_le32(record + 8, STATE_VERSION);
    put_le32(record + 12, flags);
    put_le64(record + 16, len);
    if (len)
        memcpy(record + STATE_HEAD, data, len);
    int rc = digest(record + 24, record, data, len, err);
    if (!rc)
        rc = os_write_file(path, record, STATE_HEAD + len, err);
    free(record);
    return rc;
}

int state_put(const char *folder, const char *name, const void *data, size_t len,
              struct ds_error *err)
{
    char path[OS_PATH_MAX];
    int rc = state_path(path, folder, name, err);
    if (rc)
        return rc;
    if (data && len > STATE_MAX)
        return ds_fail(err, DS_EINVAL, "the record %s is larger than %u bytes", name, STATE_MAX);
    if (!data && os_kind(path) == OS_ABSENT)
        return DS_OK;
    rc = os_mkdirs(folder, err);
    if (!rc)
        rc = state_write(path, data ? 0 : STATE_REMOVED, data, data ? len : 0, err);
    return rc || data ? rc : os_remove(path, err);
}

static int state_parse(const char *path, const uint8_t *record, size_t n, size_t *len,
                       struct ds_error *err)
{
    uint8_t sum[32];
    if (n < STATE_HEAD || memcmp(record, STATE_MAGIC, 8) != 0)
        return ds_fail(err, DS_EDAMAGED, "%s is no record of this program: its magic is wrong",
                       path);
    if (get_le32(record + 8) != STATE_VERSION)
        return ds_fail(err, DS_EVERSION, "%s is of version %u, this program knows %u: install a "
                                         "newer one", path, get_le32(record + 8), STATE_VERSION);
    *len = n - STATE_HEAD;
    if (get_le64(record + 16) != *len)
        return ds_fail(err, DS_EDAMAGED, "%s holds %zu bytes and says %llu", path, *len,
                       (unsigned long long)get_le64(record + 16));
    int rc = digest(sum, record, record + STATE_HEAD, *len, err);
    if (rc)
        return rc;
    if (memcmp(sum, record + 24, sizeof sum) != 0)
        return ds_fail(err, DS_EDAMAGED, "%s is damaged: its checksum is wrong", path);
    if (get_le32(record + 12) & STATE_REMOVED)
        return ds_fail(err, DS_ENOENT, "%s was removed", path);
    return DS_OK;
}

int state_get(const char *folder, const char *name, void **data, size_t *len, struct ds_error *err)
{
    char path[OS_PATH_MAX];
    void *record;
    size_t n;
    int rc = state_path(path, folder, name, err);
    if (!rc)
        rc = os_read_file(path, STATE_HEAD + STATE_MAX, &record, &n, err);
    if (rc)
        return rc == DS_EFORMAT ? ds_fail(err, DS_EDAMAGED, "%s is too long for a record", path)
                                : rc;
    rc = state_parse(path, record, n, len, err);
    if (rc) {
        free(record);
        return rc;
    }
    /* os_read_file ends its data with a zero, so the record's data does too. */
    memmove(record, (uint8_t *)record + STATE_HEAD, *len + 1);
    *data = record;
    return DS_OK;
}
