/* SPDX-License-Identifier: Apache-2.0 */
/* secret.c - policy_secret: the bytes behind a reference, for the time of one call. They are in one
 * buffer, which is wiped; messages name the reference alone. */
#include "core/base/log.h"
#include "core/base/os.h"
#include "core/policy/access.h"
#include "core/policy/policy.h"

#include <stdlib.h>

#define SECRET_MAX ((size_t)64 << 10)

/* Stores that the compiler may not leave out although the memory is freed next. */
static void wipe(void *data, size_t n)
{
    volatile unsigned char *p = data;
    while (n--)
        *p++ = 0;
}

static int read_variable(const char *name, void **data, size_t *len, struct ds_error *err)
{
    char *value = malloc(SECRET_MAX + 1);
    if (!value)
        return ds_fail(err, DS_ENOMEM, "no memory for a secret");
    if (!os_env(value, SECRET_MAX + 1, name)) {
        wipe(value, SECRET_MAX + 1);
        free(value);
        return ds_fail(
            err, DS_ENOENT,
            "the environment variable %.128s, which should hold a secret, is not set (or "
            "is longer than 64 KiB)",
            name);
    }
    *data = value;
    *len = strlen(value);
    return DS_OK;
}

static int read_file(const char *path, void **data, size_t *len, struct ds_error *err)
{
    char why[200];
    enum os_kind kind = os_kind(path);
    if (kind != OS_REGULAR && kind != OS_ABSENT)
        return ds_fail(err, DS_EINVAL, "%.300s should hold a secret, but is no regular file", path);
    int rc = os_read_file(path, SECRET_MAX, data, len, err);
    if (rc)
        return rc;
    if (access_is_open(path, why, sizeof why))
        log_printf(DS_LOG_WARNING, "secret.open",
                   "%s holds a secret and others may read it (%s); let only its owner read it",
                   path, why);
    return DS_OK;
}

int policy_secret(const char *ref, int (*use)(void *ud, const char *secret, size_t len), void *ud,
                  struct ds_error *err)
{
    void *data = NULL;
    size_t len = 0, cut;
    int rc;
    if (ref && strncmp(ref, "env:", 4) == 0 && ref[4])
        rc = read_variable(ref + 4, &data, &len, err);
    else if (ref && strncmp(ref, "file:", 5) == 0 && os_is_absolute(ref + 5))
        rc = read_file(ref + 5, &data, &len, err);
    else /* and not a word of it: it may be a secret that went astray */
        rc = ds_fail(err, DS_EINVAL, "this is no reference to a secret");
    if (rc)
        return rc;
    const char *secret = data;
    cut = len;
    if (cut && secret[cut - 1] == '\n')
        cut--;
    if (cut < len && cut && secret[cut - 1] == '\r')
        cut--;
    if (cut == 0)
        rc = ds_fail(err, DS_EINVAL, "the secret %.300s is empty", ref);
    else
        rc = use(ud, secret, cut);
    wipe(data, len);
    free(data);
    return rc;
}
