/* SPDX-License-Identifier: Apache-2.0 */
/* temp.c - temporary files: their names, their folder, and those that a killed process left. The
 * folder is made with the first one and removed by probe when empty, so its creation is tried
 * again when it vanished in between. A live writer holds a lock on its file; the age limit beside
 * the lock covers file systems on which locks of other machines don't show. */
#include "dir.h"

#define STALE_NS (INT64_C(86400) * 1000000000)

static void name_of(const struct dir *dir, char *path, const uint8_t random[16])
{
    static const char digits[] = "0123456789abcdef";
    char name[sizeof DIR_TEMP + 1 + 32];
    size_t n = sizeof DIR_TEMP - 1;
    memcpy(name, DIR_TEMP, n);
    name[n++] = '/';
    for (size_t i = 0; i < 16; i++) {
        name[n++] = digits[random[i] >> 4];
        name[n++] = digits[random[i] & 15];
    }
    name[n] = 0;
    key_path(dir, path, name);
}

int temp_create(struct dir *dir, struct dir_file *file, char *path, struct ds_error *err)
{
    uint8_t random[16];
    char folder[DIR_PATH_MAX];
    bool made;
    if (dir->host->random(dir->host->ctx, random, sizeof random))
        return ds_fail(err, DS_EIO, "the system gives no random numbers");
    name_of(dir, path, random);
    int rc = dir_os_create(file, path, err);
    for (int tries = 0; rc == DS_ENOENT && tries < 5; tries++) {
        rc = dir_os_mkdir(dir->root, &made, err);
        key_path(dir, folder, DIR_TEMP);
        if (!rc)
            rc = dir_os_mkdir(folder, &made, err);
        if (!rc)
            rc = dir_os_create(file, path, err);
    }
    return rc;
}

struct sweep {
    struct dir *dir;
    int64_t before_ns;
};

static int sweep_one(void *ud, const char *name, bool is_folder)
{
    struct sweep *sweep = ud;
    char path[DIR_PATH_MAX];
    size_t n = strlen(DIR_TEMP) + 1;
    char key[64] = DIR_TEMP "/";
    if (is_folder || strlen(name) != 32)
        return 0;
    memcpy(key + n, name, 33);
    key_path(sweep->dir, path, key);
    dir_os_sweep(path, sweep->before_ns);
    return 0;
}

void temp_sweep(struct dir *dir)
{
    struct ds_error err = DS_ERROR_INIT;
    struct sweep sweep = { dir, dir->host->now_wall(dir->host->ctx) - STALE_NS };
    char folder[DIR_PATH_MAX];
    key_path(dir, folder, DIR_TEMP);
    /* A repository that can only be read has nothing to sweep: failures don't matter here. */
    dir_os_list(folder, sweep_one, &sweep, &err);
}
