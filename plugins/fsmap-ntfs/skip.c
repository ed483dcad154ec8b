/* SPDX-License-Identifier: Apache-2.0 */
/* skip.c - files whose content is worthless after a restore. To skip a cluster that is somebody
 * else's loses data, so each file must prove itself: its own record bears the name and the parent
 * under which the directory lists it, it has no second long name, and where the log is unclean, no
 * record newer than what is on disk changes it (its clusters may be another file's by then). A
 * volume marked dirty, or with an unreadable log, skips nothing.
 *
 * hiberfil.sys goes whole, its header too: an image that is not there makes Windows boot afresh,
 * half an image would be worse than either. The shadow copy catalogue goes with the storage that it
 * describes; the pointer to it in the boot region stays, and leads to zeros: no shadow copies. */
#include "skip.h"

#include "bytes.h"
#include "directory.h"
#include "record.h"
#include "volume.h"

#include <disksync/helpers.h>
#include <stdlib.h>

#define SKIP_FILES_MAX 4096u /* candidates of one directory; shadow copies stop at 512 */
#define SKIP_BATCH 256u      /* extents handed out at once */

static const char skip_storage[] = "{3808876b-c176-4e48-b7ae-04046e6cc752}";
static const char *const skip_root[] = { "pagefile.sys", "hiberfil.sys", "swapfile.sys" };

struct skip {
    struct ntfs_volume *v;
    uint64_t directory;   /* record number of the one that is walked */
    bool storage;         /* looking for shadow copy storage, else for the files of the root */
    uint64_t *candidate;  /* file references */
    size_t n;
    uint64_t storage_directory; /* reference of System Volume Information; 0 for none */
    struct ntfs_set clusters;
};

static bool skip_wanted(const struct skip *s, const struct ntfs_name *name)
{
    size_t i;

    if (s->storage)
        return ntfs_name_is(name, skip_storage, true);
    for (i = 0; i < sizeof skip_root / sizeof skip_root[0]; i++)
        if (ntfs_name_is(name, skip_root[i], false))
            return true;
    return false;
}

static int skip_entry(void *ud, uint64_t reference, const struct ntfs_name *name)
{
    struct skip *s = ud;

    if (!s->storage && ntfs_name_is(name, "System Volume Information", false))
        s->storage_directory = reference;
    if (skip_wanted(s, name) && s->n < SKIP_FILES_MAX)
        s->candidate[s->n++] = reference;
    return DS_OK;
}

/* Does the record say itself that it is the file which the directory lists? */
static bool skip_proves(const struct skip *s, const uint8_t *record, uint64_t reference)
{
    size_t pos = ntfs_record_attrs(record), n = s->v->boot.record;
    struct ntfs_attr attr;
    struct ntfs_name name;

    if (!ntfs_record_in_use(record) || ntfs_record_is_directory(record) ||
        ntfs_record_sequence(record) != reference >> 48 || ntfs_record_base(record) != 0 ||
        ntfs_record_links(record) > 2)
        return false;
    while (ntfs_attr_next(record, n, &pos, &attr) > 0)
        if (attr.type == NTFS_ATTR_FILE_NAME && !attr.nonresident &&
            ntfs_name_parse(attr.value, attr.value_length, &name) &&
            NTFS_REFERENCE(name.parent) == s->directory && skip_wanted(s, &name))
            return true;
    return false;
}

static int skip_runs(struct skip *s, uint64_t number)
{
    struct ntfs_stream data = { 0 };
    size_t i;
    int rc = ntfs_stream_open(s->v, number, NTFS_ATTR_DATA, "", &data);

    if (rc == DS_OK && !data.resident && !data.stale &&
        !(data.flags & (NTFS_ATTR_COMPRESSED | NTFS_ATTR_ENCRYPTED | NTFS_ATTR_SPARSE)))
        for (i = 0; rc == DS_OK && i < data.runs.n; i++)
            if (data.runs.run[i].lcn != NTFS_HOLE &&
                !ntfs_set_add(&s->clusters, data.runs.run[i].lcn,
                              data.runs.run[i].lcn + data.runs.run[i].count))
                rc = ds_fail(s->v->io.call->err, DS_ENOMEM, "NTFS: no memory for skip extents");
    ntfs_stream_free(&data);
    return rc;
}

/* Only these end the walk: a file that cannot be read is not skipped, that is all. */
static int skip_grave(int rc)
{
    return rc == DS_ECANCELLED || rc == DS_ENOMEM ? rc : DS_OK;
}

static int skip_file(struct skip *s, uint8_t *record, uint64_t reference)
{
    int rc = ntfs_mft_record(s->v, NTFS_REFERENCE(reference), record);

    if (rc == DS_OK && skip_proves(s, record, reference))
        rc = skip_runs(s, NTFS_REFERENCE(reference));
    return skip_grave(rc);
}

static int skip_directory(struct skip *s, uint8_t *record, uint64_t number, bool storage)
{
    size_t i;
    int rc;

    s->directory = number;
    s->storage = storage;
    s->n = 0;
    rc = skip_grave(ntfs_directory_walk(s->v, number, skip_entry, s));
    for (i = 0; rc == DS_OK && i < s->n; i++)
        rc = skip_file(s, record, s->candidate[i]);
    return rc;
}

static int skip_emit(const struct skip *s, ds_extent_fn *fn, void *ud)
{
    struct ds_extent batch[SKIP_BATCH];
    uint64_t cluster = s->v->boot.cluster;
    size_t i, n = 0;
    int rc = DS_OK;

    for (i = 0; rc == DS_OK && i < s->clusters.n; i++) {
        batch[n].offset = s->clusters.range[i].from * cluster;
        batch[n].length = (s->clusters.range[i].to - s->clusters.range[i].from) * cluster;
        if (++n == SKIP_BATCH || i + 1 == s->clusters.n) {
            rc = fn(ud, batch, n);
            n = 0;
        }
    }
    return rc;
}

int ntfs_skip_walk(struct ntfs_volume *v, ds_extent_fn *fn, void *ud)
{
    struct skip s = { 0 };
    uint8_t *record;
    int rc = DS_OK;

    if (v->dirty || v->all_used || v->log.state == NTFS_LOG_UNREADABLE)
        return DS_OK;
    s.v = v;
    ntfs_set_init(&s.clusters, NTFS_SKIP_MAX, NTFS_SET_DROP);
    s.candidate = calloc(SKIP_FILES_MAX, sizeof *s.candidate);
    record = malloc(v->boot.record);
    if (!s.candidate || !record)
        rc = ds_fail(v->io.call->err, DS_ENOMEM, "NTFS: no memory for skip extents");
    if (rc == DS_OK)
        rc = skip_directory(&s, record, NTFS_ROOT, false);
    if (rc == DS_OK && s.storage_directory != 0)
        rc = skip_directory(&s, record, NTFS_REFERENCE(s.storage_directory), true);
    ntfs_set_sort(&s.clusters);
    if (rc == DS_OK)
        rc = skip_emit(&s, fn, ud);
    free(record);
    free(s.candidate);
    ntfs_set_free(&s.clusters);
    return rc;
}
