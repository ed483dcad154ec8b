/* SPDX-License-Identifier: Apache-2.0 */
/* stream.c - gathers an attribute's pieces. Loops cannot happen: an attribute list is read once,
 * each of its entries reads one record, and an extension record's own list is never followed. The
 * pieces must follow one another without gap or overlap. */
#include "stream.h"

#include "bytes.h"
#include "record.h"
#include "volume.h"

#include <disksync/helpers.h>
#include <stdlib.h>

enum { /* offsets in an attribute list's entry */
    ENTRY_LENGTH = 4,
    ENTRY_NAME_LENGTH = 6,
    ENTRY_NAME_OFFSET = 7,
    ENTRY_LOWEST_VCN = 8,
    ENTRY_REFERENCE = 16,
    ENTRY_INSTANCE = 24,
    ENTRY_HEADER = 26
};

struct stream_search { /* what is looked for, and the buffers of one search */
    struct ntfs_volume *v;
    uint64_t number; /* the base record */
    uint32_t type;
    const char *name;
    struct ntfs_stream *s;
    uint8_t *base, *extension; /* one record each */
    uint8_t *list;
    size_t list_length;
};

static struct ds_error *stream_error(const struct stream_search *q)
{
    return q->v->io.call->err;
}

static int stream_fail(const struct stream_search *q, const char *why)
{
    return ds_fail(stream_error(q), DS_EFORMAT, "NTFS: MFT record %llu, attribute 0x%x: %s",
                   (unsigned long long)q->number, (unsigned)q->type, why);
}

/* Adds one attribute's mapping pairs to the list of the stream. */
static int stream_runs(const struct stream_search *q, const struct ntfs_attr *attr)
{
    struct ntfs_runs *runs = &q->s->runs;
    struct ntfs_pairs it;
    struct ntfs_run run;
    const char *why = "";
    int more;

    if (attr->lowest_vcn != runs->vcns)
        return stream_fail(q, "run lists do not follow one another");
    ntfs_pairs_start(&it, attr->pairs, attr->pairs_length, attr->lowest_vcn,
                     q->v->boot.clusters);
    while ((more = ntfs_pairs_next(&it, &run, &why)) > 0) {
        int rc = ntfs_runs_append(runs, &run);
        if (rc == DS_ENOMEM)
            return ds_fail(stream_error(q), rc, "NTFS: no memory for a run list");
        if (rc != DS_OK)
            return ds_fail(stream_error(q), rc,
                           "NTFS: MFT record %llu: more than %u runs in one run list",
                           (unsigned long long)q->number, NTFS_RUNS_MAX);
    }
    return more < 0 ? stream_fail(q, why) : DS_OK;
}

static int stream_take(const struct stream_search *q, const struct ntfs_attr *attr)
{
    struct ntfs_stream *s = q->s;

    if (attr->nonresident != !s->resident && s->found)
        return stream_fail(q, "is resident and not resident at once");
    if (!s->found) {
        s->found = true;
        s->resident = !attr->nonresident;
        s->flags = attr->flags;
        s->data_size = attr->nonresident ? attr->data_size : attr->value_length;
        s->initialized_size = attr->nonresident ? attr->initialized_size : attr->value_length;
        if (s->resident) {
            s->value = malloc(attr->value_length ? attr->value_length : 1);
            if (!s->value)
                return ds_fail(stream_error(q), DS_ENOMEM, "NTFS: no memory for an attribute");
            memcpy(s->value, attr->value, attr->value_length);
        }
    } else if (s->resident) {
        return stream_fail(q, "exists twice");
    }
    return s->resident ? DS_OK : stream_runs(q, attr);
}

/* The attribute list's content, if the base record has one: q->list. */
static int stream_list(struct stream_search *q, const struct ntfs_attr *attr)
{
    struct ntfs_stream list = { 0 };
    struct stream_search inner = *q;
    int rc;

    inner.type = NTFS_ATTR_LIST;
    inner.s = &list;
    rc = stream_take(&inner, attr);
    if (rc == DS_OK && (list.data_size < ENTRY_HEADER || list.data_size > NTFS_LIST_MAX))
        rc = stream_fail(&inner, "attribute list has an impossible size");
    if (rc == DS_OK) {
        q->list_length = (size_t)list.data_size;
        q->list = malloc(q->list_length);
        if (!q->list)
            rc = ds_fail(stream_error(q), DS_ENOMEM, "NTFS: no memory for an attribute list");
    }
    if (rc == DS_OK)
        rc = ntfs_stream_read(q->v, &list, q->list, q->list_length, 0, "attribute list");
    ntfs_stream_free(&list);
    return rc;
}

/* Without an attribute list: the one attribute in the base record. */
static int stream_search_base(struct stream_search *q)
{
    size_t n = q->v->boot.record, pos = ntfs_record_attrs(q->base);
    struct ntfs_attr attr, wanted;
    bool have = false;
    int more;

    while ((more = ntfs_attr_next(q->base, n, &pos, &attr)) > 0) {
        if (attr.type == NTFS_ATTR_LIST)
            return stream_list(q, &attr);
        if (!have && attr.type == q->type && ntfs_attr_named(&attr, q->name)) {
            wanted = attr;
            have = true;
        }
    }
    if (more < 0)
        return stream_fail(q, "the record's attributes are malformed");
    return have ? stream_take(q, &wanted) : DS_OK;
}

static bool stream_entry_matches(const struct stream_search *q, const uint8_t *e, size_t length)
{
    size_t i, n = strlen(q->name), at = e[ENTRY_NAME_OFFSET];

    if (ntfs_le32(e) != q->type || e[ENTRY_NAME_LENGTH] != n || (n > 0 && at + 2 * n > length))
        return false;
    for (i = 0; i < n; i++)
        if (ntfs_le16(e + at + 2 * i) != (uint8_t)q->name[i])
            return false;
    return true;
}

/* The piece that one entry of the attribute list names. */
static int stream_entry(struct stream_search *q, const uint8_t *e)
{
    uint64_t reference = ntfs_le64(e + ENTRY_REFERENCE), number = NTFS_REFERENCE(reference);
    const uint8_t *record = q->base;
    struct ntfs_attr attr;
    size_t pos;
    int more, rc;

    if (number != q->number) {
        rc = ntfs_mft_record(q->v, number, q->extension);
        if (rc != DS_OK)
            return rc;
        record = q->extension;
        if (!ntfs_record_in_use(record) || ntfs_record_base(record) != q->number)
            return stream_fail(q, "attribute list names a record of another file");
        q->s->stale |= ntfs_set_has(&q->v->stale, number);
    }
    pos = ntfs_record_attrs(record);
    while ((more = ntfs_attr_next(record, q->v->boot.record, &pos, &attr)) > 0)
        if (attr.type == q->type && attr.instance == ntfs_le16(e + ENTRY_INSTANCE) &&
            ntfs_attr_named(&attr, q->name) &&
            attr.lowest_vcn == ntfs_le64(e + ENTRY_LOWEST_VCN))
            return stream_take(q, &attr);
    return stream_fail(q, "attribute list names an attribute that is not there");
}

static int stream_search_list(struct stream_search *q)
{
    size_t pos = 0;

    while (q->list_length - pos >= ENTRY_HEADER) {
        const uint8_t *e = q->list + pos;
        size_t length = ntfs_le16(e + ENTRY_LENGTH);
        int rc;
        if (length < ENTRY_HEADER || length > q->list_length - pos)
            return stream_fail(q, "attribute list has an entry of impossible length");
        if (stream_entry_matches(q, e, length)) {
            rc = stream_entry(q, e);
            if (rc != DS_OK)
                return rc;
        }
        pos += length;
    }
    return DS_OK;
}

int ntfs_stream_open(struct ntfs_volume *v, uint64_t number, uint32_t type, const char *name,
                     struct ntfs_stream *s)
{
    struct stream_search q = { 0 };
    int rc;

    q.v = v;
    q.number = number;
    q.type = type;
    q.name = name;
    q.s = s;
    q.base = malloc(2 * (size_t)v->boot.record);
    if (!q.base)
        return ds_fail(v->io.call->err, DS_ENOMEM, "NTFS: no memory for an MFT record");
    q.extension = q.base + v->boot.record;
    rc = ntfs_mft_record(v, number, q.base);
    if (rc == DS_OK && !ntfs_record_in_use(q.base))
        rc = stream_fail(&q, "the record is not in use");
    if (rc == DS_OK) {
        s->stale = ntfs_set_has(&v->stale, number);
        rc = stream_search_base(&q);
    }
    if (rc == DS_OK && q.list)
        rc = stream_search_list(&q);
    if (rc == DS_OK && !s->found)
        rc = ds_fail(v->io.call->err, DS_ENOENT, "NTFS: MFT record %llu has no attribute 0x%x",
                     (unsigned long long)number, (unsigned)type);
    free(q.list);
    free(q.base);
    return rc;
}

/* The longest piece at offset that comes from one place. *at: on the volume, or NTFS_HOLE. */
static size_t stream_piece(const struct ntfs_volume *v, const struct ntfs_stream *s, size_t n,
                           uint64_t offset, uint64_t *at)
{
    uint64_t cluster = v->boot.cluster, limit = s->resident ? s->data_size : s->initialized_size;
    uint64_t lcn, count, within = offset % cluster;

    limit = ntfs_min(limit, s->data_size);
    *at = NTFS_HOLE;
    if (offset >= limit)
        return n;
    n = (size_t)ntfs_min(n, limit - offset);
    if (s->resident) {
        *at = offset;
        return n;
    }
    if (!ntfs_runs_find(&s->runs, offset / cluster, &lcn, &count))
        return n;
    if (count <= UINT64_MAX / cluster)
        n = (size_t)ntfs_min(n, count * cluster - within);
    if (lcn != NTFS_HOLE)
        *at = lcn * cluster + within;
    return n;
}

int ntfs_stream_read(struct ntfs_volume *v, const struct ntfs_stream *s, void *data, size_t n,
                     uint64_t offset, const char *what)
{
    uint8_t *out = data;

    while (n > 0) {
        uint64_t at;
        size_t piece = stream_piece(v, s, n, offset, &at);
        int rc = DS_OK;
        if (at == NTFS_HOLE)
            memset(out, s->hole, piece);
        else if (s->resident)
            memcpy(out, s->value + at, piece);
        else
            rc = ntfs_io_read(&v->io, out, piece, at, what);
        if (rc != DS_OK)
            return rc;
        out += piece;
        offset += piece;
        n -= piece;
    }
    return DS_OK;
}

void ntfs_stream_free(struct ntfs_stream *s)
{
    free(s->value);
    s->value = NULL;
    ntfs_runs_free(&s->runs);
}
