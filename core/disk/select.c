/* SPDX-License-Identifier: Apache-2.0 */
/* select.c - which disks the policy replicates. First every include that names a file or a device
 * beyond the list is made a disk of the inventory; then each selector is matched against all of
 * them, excludes last, so that exclude wins; then disks with one identity are refused, for a point
 * could not tell them apart. No state: any thread. */
#include "core/disk/inventory.h"

#include "core/base/log.h"
#include "core/base/text.h"

#include <ctype.h>
#include <stdlib.h>

static bool same_text(const char *a, const char *b)
{
    while (*a && tolower((unsigned char)*a) == tolower((unsigned char)*b)) {
        a++;
        b++;
    }
    return tolower((unsigned char)*a) == tolower((unsigned char)*b);
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_glob(const char *selector)
{
    return strpbrk(selector, "*?") != NULL;
}

static bool is_property(const char *selector)
{
    return has_prefix(selector, "serial:") || has_prefix(selector, "gpt:") ||
           has_prefix(selector, "mbr:") || has_prefix(selector, "image:") ||
           has_prefix(selector, "path:");
}

/* The selector as a path: as it is, or from the policy's folder. False if it can be none. */
static bool path_of(char *out, const struct policy *policy, const char *selector)
{
    struct ds_error ignored = DS_ERROR_INIT;
    uint64_t number;
    if (is_property(selector))
        return false;
    if (system_is_device_path(selector) || os_is_absolute(selector))
        return text_copy(out, OS_PATH_MAX, selector);
    if (text_parse_u64(&number, selector, UINT32_MAX))
        return false;
    const char *folder = policy->folder[0] ? policy->folder : NULL;
    return os_absolute(out, folder, selector, &ignored) == DS_OK;
}

/* Device names ignore case where the system does; the names of files are the file system's. */
static bool is_at(const struct disk *disk, const char *path)
{
    return strcmp(disk->path, path) == 0 || os_same_file(disk->path, path) ||
           (!(disk->flags & DS_DISK_IMAGE) && same_text(disk->path, path));
}

static struct disk *find_path(const struct disk_inventory *inventory, const char *path)
{
    for (size_t i = 0; i < inventory->n; i++)
        if (is_at(&inventory->disks[i], path))
            return &inventory->disks[i];
    return NULL;
}

/* ---- images and devices that only policy knows ---- */

struct expansion {
    struct disk_inventory *inventory;
    const struct system_usage *usage;
    const char *folder, *pattern;
    char (*paths)[OS_PATH_MAX];
    size_t n;
    struct ds_error *err;
};

static int add_named(struct disk_inventory *inventory, const char *path,
                     const struct system_usage *usage, struct ds_error *err)
{
    return find_path(inventory, path) ? DS_OK : inventory_add(inventory, path, usage, err);
}

static int expand_name(void *ud, const char *name)
{
    struct expansion *e = ud;
    char path[OS_PATH_MAX];
    if (!text_glob(e->pattern, name))
        return DS_OK;
    int rc = os_join(path, e->folder, name, e->err);
    if (rc || os_kind(path) != OS_REGULAR)
        return rc;
    void *paths = realloc(e->paths, (e->n + 1) * sizeof *e->paths);
    if (!paths)
        return ds_fail(e->err, DS_ENOMEM, "no memory to list the images in %s", e->folder);
    e->paths = paths;
    text_copy(e->paths[e->n++], OS_PATH_MAX, path);
    return DS_OK;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Image files that a glob names: a pattern may stand in the last part of the path only. */
static int add_glob(struct disk_inventory *inventory, const char *path,
                    const struct system_usage *usage, struct ds_error *err)
{
    char folder[OS_PATH_MAX];
    os_dirname(folder, path);
    size_t len = strlen(folder);
    const char *pattern = path + len + (path[len] == '/' || path[len] == '\\');
    struct expansion e = { inventory, usage, folder, pattern, NULL, 0, err };
    if (is_glob(folder) || os_kind(folder) != OS_DIRECTORY)
        return DS_OK;
    int rc = os_list(folder, expand_name, &e, err);
    if (e.n)
        qsort(e.paths, e.n, sizeof *e.paths, compare_paths);
    for (size_t i = 0; i < e.n && !rc; i++)
        rc = add_named(inventory, e.paths[i], usage, err);
    free(e.paths);
    return rc;
}

static int add_selector(struct disk_inventory *inventory, const struct policy *policy,
                        const char *selector, const struct system_usage *usage,
                        struct ds_error *err)
{
    char path[OS_PATH_MAX];
    if (!path_of(path, policy, selector))
        return DS_OK;
    if (is_glob(selector))
        return add_glob(inventory, path, usage, err);
    enum os_kind kind = os_kind(path);
    if (kind == OS_ABSENT && !system_is_device_path(path))
        return DS_OK; /* nothing matches: said later, with the selector's name */
    if (find_path(inventory, path))
        return DS_OK;
    struct ds_error cause = DS_ERROR_INIT;
    int rc = inventory_add(inventory, path, usage, &cause);
    if (!rc)
        return DS_OK;
    disk_free(&inventory->disks[--inventory->n]);
    if (rc == DS_ENOENT)
        return DS_OK;
    return ds_fail(err, rc, "disks.include: %.400s", cause.msg);
}

/* ---- matching ---- */

static bool matches(const struct disk *disk, const struct policy *policy, const char *selector)
{
    char path[OS_PATH_MAX];
    uint64_t number;
    if (text_parse_u64(&number, selector, UINT32_MAX))
        return disk->number == number;
    if (has_prefix(selector, "serial:") && disk->serial[0] &&
        same_text(selector + 7, disk->serial))
        return true;
    if (is_property(selector))
        return same_text(selector, disk->id) ||
               (disk->layout.id[0] && same_text(selector, disk->layout.id));
    if (!path_of(path, policy, selector))
        return false;
    if (is_glob(selector)) {
        bool named = !disk->backing[0] || strstr(selector, "loop");
        return named && (text_glob(path, disk->path) || text_glob(selector, disk->path));
    }
    return is_at(disk, path);
}

static const char *first_match(const struct disk *disk, const struct policy *policy,
                               const char *const *selectors, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (matches(disk, policy, selectors[i]))
            return selectors[i];
    return NULL;
}

static bool matches_any(const struct disk_inventory *inventory, const struct policy *policy,
                        const char *selector)
{
    for (size_t i = 0; i < inventory->n; i++)
        if (matches(&inventory->disks[i], policy, selector))
            return true;
    return false;
}

static int check_selectors(const struct disk_inventory *inventory, const struct policy *policy,
                           struct ds_error *err)
{
    for (size_t i = 0; i < policy->n_include; i++)
        if (!matches_any(inventory, policy, policy->include[i]))
            return ds_fail(err, DS_ENOENT, "disks.include: nothing matches \"%.200s\"; `disksync "
                           "disks` lists what there is", policy->include[i]);
    /* One policy serves many hosts, so an exclude may belong to another one. */
    for (size_t i = 0; i < policy->n_exclude; i++)
        if (!matches_any(inventory, policy, policy->exclude[i]))
            log_printf(DS_LOG_WARNING, "disks.exclude", "disks.exclude: nothing matches \"%s\"",
                       policy->exclude[i]);
    return DS_OK;
}

/* Selected or the reason why not. A reason to refuse it, found earlier, stays. */
static void judge(struct disk *disk, const struct policy *policy)
{
    const char *excluded = first_match(disk, policy, policy->exclude, policy->n_exclude);
    const char *why = NULL;
    disk->excluded = excluded != NULL;
    if (excluded) {
        snprintf(disk->why_not, sizeof disk->why_not, "excluded by disks.exclude: %.120s",
                 excluded);
        disk->refused = false;
        return;
    }
    if (policy->n_include)
        why = first_match(disk, policy, policy->include, policy->n_include)
                  ? NULL
                  : "not named in disks.include";
    else if (disk->backing[0])
        why = "a loop device; name it in disks.include to replicate it";
    else if (disk->flags & DS_DISK_REMOVABLE)
        why = "a removable disk; name it in disks.include to replicate it";
    disk->selected = !why;
    if (why && !disk->refused)
        text_copy(disk->why_not, sizeof disk->why_not, why);
    disk->refused = disk->refused && disk->selected;
}

static void refuse_twins(struct disk_inventory *inventory)
{
    for (size_t i = 0; i < inventory->n; i++)
        for (size_t j = 0; j < i; j++) {
            struct disk *a = &inventory->disks[j], *b = &inventory->disks[i];
            if (!a->selected || !b->selected || !same_text(a->id, b->id))
                continue;
            inventory_refuse(a, "it has the same identity as %.100s; exclude one of them, or give "
                             "it a new id", b->path);
            inventory_refuse(b, "it has the same identity as %.100s; exclude one of them, or give "
                             "it a new id", a->path);
        }
}

int inventory_select(struct disk_inventory *inventory, const struct policy *policy,
                     const struct system_usage *usage, struct ds_error *err)
{
    int rc = DS_OK;
    if (!policy) {
        for (size_t i = 0; i < inventory->n; i++) {
            struct disk *disk = &inventory->disks[i];
            if (!disk->refused)
                text_copy(disk->why_not, sizeof disk->why_not, "there is no policy");
            disk->refused = false;
        }
        return DS_OK;
    }
    for (size_t i = 0; i < policy->n_include && !rc; i++)
        rc = add_selector(inventory, policy, policy->include[i], usage, err);
    if (!rc)
        rc = check_selectors(inventory, policy, err);
    if (rc) {
        for (size_t i = 0; i < inventory->n; i++)
            inventory->disks[i].refused = false;
        return rc;
    }
    for (size_t i = 0; i < inventory->n; i++)
        judge(&inventory->disks[i], policy);
    refuse_twins(inventory);
    return DS_OK;
}
