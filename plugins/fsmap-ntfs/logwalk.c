/* SPDX-License-Identifier: Apache-2.0 */
/* logwalk.c - finds the change records of $LogFile without following their chains. An LSN's low
 * bits are its record's place in the file, so a record announces itself: eight bytes that decode to
 * their own place. Everything from log.oldest on is found this way, also where the end of the log
 * is torn, and nothing that a replay would use is missed; what is found by accident only makes more
 * clusters count as used. The newest pages may stand only in the tail area (version 1) or the fast
 * pages (version 2) before the circular area; these carry their true place in their header. */
#include "logfile.h"

#include "bytes.h"
#include "record.h"
#include "volume.h"

#include <disksync/helpers.h>
#include <stdlib.h>

#define WALK_COPIES_MAX 32u     /* pages before the circular area, at most */
#define WALK_CLIENT_MAX 65536u  /* bytes of a change; larger records are table dumps */
#define WALK_BUDGET 16u         /* bytes gathered per byte of the log: honest logs need 1 */

enum { /* offsets in a log page */
    PAGE_COPY_OF_1 = 8,
    PAGE_COPY_OF_2 = 0x3c
};

enum { /* offsets in a record's header; then in what follows it */
    RECORD_LENGTH = 24,
    RECORD_TYPE = 32,
    RECORD_FLAGS = 40,
    RECORD_IS_CHANGE = 1,
    RECORD_NO_REDO = 2,
    RECORD_NO_UNDO = 4,
    CHANGE_REDO_OP = 0,
    CHANGE_UNDO_OP = 2,
    CHANGE_REDO = 4, /* offset, length */
    CHANGE_UNDO = 8,
    CHANGE_LCNS = 14,
    CHANGE_RECORD_OFFSET = 16,
    CHANGE_ATTR_OFFSET = 18,
    CHANGE_BLOCK = 20, /* in units of 512 bytes */
    CHANGE_VCN = 24,
    CHANGE_HEADER = 32,
    CHANGE_LCN = 32
};

struct walk_copy {
    uint64_t at, of; /* byte in the file; byte of the page that it is a copy of */
    uint32_t page;   /* number in w->copies */
};

struct walk {
    struct ntfs_volume *v;
    ntfs_log_fn *fn;
    void *ud;
    uint64_t start;   /* of the circular area */
    uint64_t budget;  /* bytes that may still be gathered */
    uint8_t *page;    /* the page looked at */
    uint8_t *next;    /* the page that its last record runs into */
    uint8_t *client;  /* what follows a record's header, gathered: WALK_CLIENT_MAX */
    uint8_t *copies;  /* the pages before the circular area */
    struct walk_copy copy[WALK_COPIES_MAX];
    uint32_t n_copies;
};

static int walk_unreadable(struct walk *w, const char *why)
{
    w->v->log.state = NTFS_LOG_UNREADABLE;
    w->v->log.why = why;
    return DS_OK;
}

enum walk_page { WALK_GOOD, WALK_UNUSED, WALK_DAMAGED };

static enum walk_page walk_judge(uint8_t *page, size_t n)
{
    size_t i;

    if (memcmp(page, "RCRD", 4) == 0)
        return ntfs_fixup(page, n) ? WALK_DAMAGED : WALK_GOOD;
    for (i = 0; i < n; i++)
        if (page[i] != page[0])
            return WALK_DAMAGED;
    return page[0] == 0 || page[0] == 0xff ? WALK_UNUSED : WALK_DAMAGED;
}

static int walk_read(struct walk *w, uint8_t *page, uint64_t at, enum walk_page *judged)
{
    int rc = ntfs_stream_read(w->v, &w->v->log.data, page, w->v->log.page, at, "$LogFile");

    if (rc == DS_OK)
        *judged = walk_judge(page, w->v->log.page);
    return rc;
}

static const uint8_t *walk_copy_of(const struct walk *w, uint64_t at, uint32_t *from)
{
    for (; *from < w->n_copies; ++*from)
        if (w->copy[*from].of == at)
            return w->copies + (size_t)w->copy[(*from)++].page * w->v->log.page;
    return NULL;
}

/* The sound pages before the circular area, with the place that each is a copy of. */
static int walk_copies(struct walk *w)
{
    const struct ntfs_log *log = &w->v->log;
    uint64_t at = 2 * (uint64_t)log->restart_page;
    uint32_t n = 0;

    for (; at < w->start; at += log->page, n++) {
        uint8_t *page = w->copies + (size_t)n * log->page;
        struct walk_copy *copy = &w->copy[w->n_copies];
        enum walk_page judged = WALK_DAMAGED;
        int rc = walk_read(w, page, at, &judged);
        if (rc != DS_OK)
            return rc;
        if (judged != WALK_GOOD)
            continue; /* it was being written: its original is still whole */
        copy->at = at;
        copy->of = log->major == 1 ? ntfs_le64(page + PAGE_COPY_OF_1)
                                   : ntfs_le32(page + PAGE_COPY_OF_2);
        copy->page = n;
        if (copy->of >= w->start && copy->of < log->size && copy->of % log->page == 0)
            w->n_copies++;
    }
    return DS_OK;
}

/* One side of a change. False where its data lies outside of the record. */
static bool walk_side(struct ntfs_log_side *side, const uint8_t *client, size_t n, uint16_t op,
                      size_t field, bool absent)
{
    size_t offset = ntfs_le16(client + field), length = ntfs_le16(client + field + 2);

    side->op = op;
    side->data = client;
    side->length = 0;
    if (absent || length == 0)
        return true;
    if (offset > n || length > n - offset)
        return false;
    side->data = client + offset;
    side->length = length;
    return true;
}

static int walk_change(struct walk *w, uint64_t lsn, const uint8_t *client, size_t n,
                       unsigned flags)
{
    struct ntfs_log_record r;
    uint64_t block, cluster = w->v->boot.cluster;

    r.lsn = lsn;
    if (!walk_side(&r.redo, client, n, ntfs_le16(client + CHANGE_REDO_OP), CHANGE_REDO,
                   (flags & RECORD_NO_REDO) != 0) ||
        !walk_side(&r.undo, client, n, ntfs_le16(client + CHANGE_UNDO_OP), CHANGE_UNDO,
                   (flags & RECORD_NO_UNDO) != 0))
        return walk_unreadable(w, "$LogFile: a record's redo or undo data lies outside of it");
    block = ntfs_le16(client + CHANGE_BLOCK) * (uint64_t)NTFS_STRIDE;
    r.vcn = ntfs_le64(client + CHANGE_VCN);
    if (!ntfs_mul(r.vcn, cluster, &r.target) || !ntfs_add(r.target, block, &r.target))
        return walk_unreadable(w, "$LogFile: a record names an impossible cluster");
    r.lcn = NTFS_HOLE;
    if (ntfs_le16(client + CHANGE_LCNS) > 0 && n >= CHANGE_LCN + 8)
        r.lcn = ntfs_le64(client + CHANGE_LCN);
    r.record_offset = ntfs_le16(client + CHANGE_RECORD_OFFSET);
    r.attr_offset = ntfs_le16(client + CHANGE_ATTR_OFFSET);
    return w->fn(w->ud, &r);
}

/* What continues a record at page `at`: version 0 is the page itself (in w->next, if sound),
 * version k its k-th copy. NULL where there is none. */
static const uint8_t *walk_version(const struct walk *w, uint64_t at, enum walk_page judged,
                                   uint32_t version)
{
    const uint8_t *page = judged == WALK_GOOD ? w->next : NULL;
    uint32_t from = 0;

    for (; version > 0; version--)
        page = walk_copy_of(w, at, &from);
    return page;
}

/* Gathers the rest of a record from the pages after its first. Of the first of these pages version
 * `version` is taken (all are tried: which is the newest is not worth knowing), of the others the
 * best. *more: a higher version exists; *whole: nothing was missing. */
static int walk_gather(struct walk *w, uint64_t at, size_t have, size_t length, uint32_t version,
                       bool *more, bool *whole)
{
    const struct ntfs_log *log = &w->v->log;
    bool first = true;

    *more = *whole = false;
    while (have < length) {
        enum walk_page judged = WALK_DAMAGED;
        const uint8_t *page;
        size_t n = (size_t)ntfs_min(length - have, log->page - log->first);
        int rc;
        at = at + log->page >= log->size ? w->start : at + log->page;
        rc = walk_read(w, w->next, at, &judged);
        if (rc != DS_OK)
            return rc;
        page = walk_version(w, at, judged, first ? version : 0);
        if (!first && !page)
            page = walk_version(w, at, judged, 1);
        if (first)
            *more = walk_version(w, at, judged, version + 1) != NULL;
        first = false;
        if (!page)
            return DS_OK;
        memcpy(w->client + have, page + log->first, n);
        have += n;
    }
    *whole = true;
    return DS_OK;
}

/* The record whose header stands at page[at]; real: the page's true place. */
static int walk_record(struct walk *w, const uint8_t *page, uint64_t real, size_t at)
{
    const struct ntfs_log *log = &w->v->log;
    const uint8_t *header = page + at;
    size_t length = ntfs_le32(header + RECORD_LENGTH), have = log->page - at - log->header;
    unsigned flags = ntfs_le16(header + RECORD_FLAGS);
    uint64_t lsn = ntfs_le64(header);
    uint32_t version;
    bool more = true, whole = false;
    int rc = DS_OK;

    if (ntfs_le32(header + RECORD_TYPE) != RECORD_IS_CHANGE || length < CHANGE_HEADER ||
        length > WALK_CLIENT_MAX)
        return DS_OK;
    if (w->budget < length + w->v->boot.record)
        return walk_unreadable(w, "$LogFile: its records overlap");
    w->budget -= length + w->v->boot.record;
    if (length <= have)
        return walk_change(w, lsn, header + log->header, length, flags);
    memcpy(w->client, header + log->header, have);
    for (version = 0; rc == DS_OK && more; version++) {
        rc = walk_gather(w, real, have, length, version, &more, &whole);
        if (rc == DS_OK && whole)
            rc = walk_change(w, lsn, w->client, length, flags);
    }
    return rc;
}

static int walk_page(struct walk *w, const uint8_t *page, uint64_t real)
{
    const struct ntfs_log *log = &w->v->log;
    unsigned bits = log->sequence_bits;
    size_t at;
    int rc = DS_OK;

    for (at = log->first; rc == DS_OK && at + log->header <= log->page; at += 8) {
        uint64_t lsn = ntfs_le64(page + at);
        if (lsn != 0 && lsn >= log->oldest && lsn << bits >> (bits - 3) == real + at)
            rc = walk_record(w, page, real, at);
    }
    return rc;
}

static int walk_all(struct walk *w)
{
    const struct ntfs_log *log = &w->v->log;
    uint64_t at;
    uint32_t i, from;
    int rc = walk_copies(w);

    for (i = 0; rc == DS_OK && i < w->n_copies; i++)
        rc = walk_page(w, w->copies + (size_t)w->copy[i].page * log->page, w->copy[i].of);
    for (at = w->start; rc == DS_OK && at < log->size; at += log->page) {
        enum walk_page judged = WALK_DAMAGED;
        rc = walk_read(w, w->page, at, &judged);
        from = 0;
        if (rc == DS_OK && judged == WALK_DAMAGED && !walk_copy_of(w, at, &from))
            return walk_unreadable(w, "$LogFile: a page is damaged and has no good copy");
        if (rc == DS_OK && judged == WALK_GOOD)
            rc = walk_page(w, w->page, at);
        if (log->state == NTFS_LOG_UNREADABLE)
            break;
    }
    return rc;
}

int ntfs_log_walk(struct ntfs_volume *v, ntfs_log_fn *fn, void *ud)
{
    struct walk *w = calloc(1, sizeof *w);
    uint32_t copies = v->log.major == 1 ? 2 : WALK_COPIES_MAX;
    int rc = DS_OK;

    if (w) {
        w->v = v;
        w->fn = fn;
        w->ud = ud;
        w->start = 2 * (uint64_t)v->log.restart_page + copies * (uint64_t)v->log.page;
        w->budget = v->log.size * WALK_BUDGET;
        w->page = malloc(v->log.page);
        w->next = malloc(v->log.page);
        w->client = malloc(WALK_CLIENT_MAX);
        w->copies = malloc((size_t)copies * v->log.page);
    }
    if (!w || !w->page || !w->next || !w->client || !w->copies)
        rc = ds_fail(v->io.call->err, DS_ENOMEM, "NTFS: no memory to read $LogFile");
    else if (w->start >= v->log.size)
        walk_unreadable(w, "$LogFile: it is too small");
    else
        rc = walk_all(w);
    if (w) {
        free(w->page);
        free(w->next);
        free(w->client);
        free(w->copies);
    }
    free(w);
    return rc;
}
