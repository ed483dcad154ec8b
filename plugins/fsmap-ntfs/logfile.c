/* SPDX-License-Identifier: Apache-2.0 */
/* logfile.c - the log's two restart pages. Windows writes them in turn; each tells the sizes of the
 * log, whether it was closed in order, and the oldest record that a replay would need. Only where
 * every restart page that is there says so does the log count as clean. */
#include "logfile.h"

#include "bytes.h"
#include "record.h"
#include "volume.h"

#include <disksync/helpers.h>
#include <stdlib.h>

#define LOG_RESTART_MAX 65536u /* bytes of a restart page */
#define LOG_CLIENTS_MAX 16u    /* there is one, NTFS */
#define LOG_CLIENT_BYTES 160u
#define LOG_NO_CLIENT 0xffffu
#define LOG_VOLUME_IS_CLEAN 2u

enum { /* offsets in a restart page, and from there in its restart area */
    RESTART_PAGE_SIZE = 16,
    RESTART_LOG_PAGE_SIZE = 20,
    RESTART_AREA = 24,
    RESTART_MAJOR = 28,
    AREA_CURRENT = 0,
    AREA_CLIENTS = 8,
    AREA_IN_USE = 12,
    AREA_FLAGS = 14,
    AREA_SEQUENCE_BITS = 16,
    AREA_LENGTH = 20,
    AREA_CLIENT_ARRAY = 22,
    AREA_FILE_SIZE = 24,
    AREA_RECORD_HEADER = 36,
    AREA_DATA_OFFSET = 38,
    AREA_BYTES = 48,
    CLIENT_OLDEST = 0,
    CLIENT_NEXT = 18
};

static bool log_magic(const uint8_t *p)
{
    return memcmp(p, "RSTR", 4) == 0 || memcmp(p, "CHKD", 4) == 0;
}

/* The smallest `oldest` of the clients in use; 0 where one does not tell. */
static uint64_t log_oldest(const uint8_t *area, size_t length)
{
    size_t array = ntfs_le16(area + AREA_CLIENT_ARRAY), i = ntfs_le16(area + AREA_IN_USE);
    size_t clients = ntfs_le16(area + AREA_CLIENTS), steps;
    uint64_t oldest = UINT64_MAX;

    for (steps = 0; i != LOG_NO_CLIENT; steps++) {
        const uint8_t *client = area + array + i * LOG_CLIENT_BYTES;
        if (steps == LOG_CLIENTS_MAX || i >= clients ||
            array + (i + 1) * LOG_CLIENT_BYTES > length)
            return 0;
        oldest = ntfs_min(oldest, ntfs_le64(client + CLIENT_OLDEST));
        i = ntfs_le16(client + CLIENT_NEXT);
    }
    if (oldest == UINT64_MAX || oldest > ntfs_le64(area + AREA_CURRENT))
        return 0;
    return oldest;
}

static const char *log_geometry(struct ntfs_log *log, const uint8_t *page, const uint8_t *area)
{
    struct ntfs_log found = *log;

    found.restart_page = ntfs_le32(page + RESTART_PAGE_SIZE);
    found.page = ntfs_le32(page + RESTART_LOG_PAGE_SIZE);
    found.major = ntfs_le16(page + RESTART_MAJOR);
    found.sequence_bits = ntfs_le32(area + AREA_SEQUENCE_BITS);
    found.header = ntfs_le16(area + AREA_RECORD_HEADER);
    found.first = ntfs_le16(area + AREA_DATA_OFFSET);
    found.size = ntfs_le64(area + AREA_FILE_SIZE);
    if (found.page < 1024 || found.page > LOG_RESTART_MAX || !ntfs_power_of_two(found.page))
        return "$LogFile: its page size is out of range";
    if (found.major < 1 || found.major > 2)
        return "$LogFile: its version is not known";
    if (found.sequence_bits < 4 || found.sequence_bits > 62)
        return "$LogFile: its sequence number bits are out of range";
    if (found.header < 48 || found.header > 256 || found.header % 8 != 0)
        return "$LogFile: its record header length is out of range";
    if (found.first < 40 || found.first % 8 != 0 || found.first > found.page / 2)
        return "$LogFile: its data offset is out of range";
    if (found.size > log->data.data_size || found.size < 2 * (uint64_t)found.restart_page ||
        found.size % found.page != 0)
        return "$LogFile: its size is out of range";
    if (log->page != 0 &&
        (log->page != found.page || log->major != found.major || log->size != found.size ||
         log->restart_page != found.restart_page || log->header != found.header ||
         log->first != found.first || log->sequence_bits != found.sequence_bits))
        return "$LogFile: its two restart pages contradict one another";
    *log = found;
    return NULL;
}

/* One restart page, fix-ups undone. */
static const char *log_restart(struct ntfs_log *log, uint8_t *page, size_t n)
{
    size_t at = ntfs_le16(page + RESTART_AREA), length;
    const uint8_t *area = page + at;
    const char *why;
    uint64_t oldest;
    bool first = log->page == 0;

    if (at < 30 || at % 8 != 0 || at > n - AREA_BYTES)
        return "$LogFile: its restart area is out of place";
    length = ntfs_le16(area + AREA_LENGTH);
    if (length < AREA_BYTES || length > n - at)
        return "$LogFile: its restart area has an impossible length";
    why = log_geometry(log, page, area);
    if (why)
        return why;
    oldest = log_oldest(area, length);
    log->oldest = first ? oldest : ntfs_min(log->oldest, oldest);
    if (memcmp(page, "CHKD", 4) == 0 ||
        (ntfs_le16(area + AREA_IN_USE) != LOG_NO_CLIENT &&
         !(ntfs_le16(area + AREA_FLAGS) & LOG_VOLUME_IS_CLEAN)))
        log->state = NTFS_LOG_UNCLEAN;
    return NULL;
}

/* Is all of the log one and the same reset pattern? */
static int log_is_empty(struct ntfs_volume *v, uint8_t *page, bool *empty)
{
    uint64_t at, size = v->log.data.data_size;
    uint8_t fill = 0;

    *empty = false;
    for (at = 0; at < size; at += LOG_RESTART_MAX) {
        size_t i, n = (size_t)ntfs_min(LOG_RESTART_MAX, size - at);
        int rc = ntfs_stream_read(v, &v->log.data, page, n, at, "$LogFile");
        if (rc != DS_OK)
            return rc;
        if (at == 0)
            fill = page[0];
        if (fill != 0 && fill != 0xff)
            return DS_OK;
        for (i = 0; i < n; i++)
            if (page[i] != fill)
                return DS_OK;
    }
    *empty = true;
    return DS_OK;
}

/* Where the second restart page is, by its own word: the first may be damaged. */
static bool log_restart_at(const uint8_t *two, size_t n, size_t at)
{
    return at + NTFS_STRIDE <= n && log_magic(two + at) &&
           (at == 0 || ntfs_le32(two + at + RESTART_PAGE_SIZE) == at);
}

/* Reads the restart pages; *found: how many of the two are sound. */
static const char *log_restarts(struct ntfs_log *log, uint8_t *two, size_t n, unsigned *found)
{
    const char *why = NULL;
    size_t at;

    for (at = 0; at < n && !why; at = at ? at * 2 : NTFS_STRIDE) {
        size_t size;
        if (!log_restart_at(two, n, at))
            continue;
        size = ntfs_le32(two + at + RESTART_PAGE_SIZE);
        if (size < NTFS_STRIDE || size > LOG_RESTART_MAX || !ntfs_power_of_two(size) ||
            size > n - at || ntfs_fixup(two + at, size) != NULL)
            continue;
        why = log_restart(log, two + at, size);
        if (!why)
            ++*found;
    }
    return why;
}

static int log_classify(struct ntfs_volume *v, uint8_t *two)
{
    struct ntfs_log *log = &v->log;
    size_t n = (size_t)ntfs_min(2 * LOG_RESTART_MAX, log->data.data_size);
    unsigned found = 0;
    bool empty;
    int rc = ntfs_stream_read(v, &log->data, two, n, 0, "$LogFile");

    if (rc != DS_OK)
        return rc;
    log->state = NTFS_LOG_CLEAN;
    log->why = log_restarts(log, two, n, &found);
    if (log->why) {
        log->state = NTFS_LOG_UNREADABLE;
    } else if (found == 1) {
        log->state = NTFS_LOG_UNCLEAN; /* a torn restart page: no order in that */
        log->oldest = 0;               /* the torn one may have asked for older records */
    } else if (found == 0) {
        rc = log_is_empty(v, two, &empty);
        log->state = empty ? NTFS_LOG_EMPTY : NTFS_LOG_UNREADABLE;
        log->why = "$LogFile: no restart page is sound";
    }
    return rc;
}

int ntfs_log_open(struct ntfs_volume *v)
{
    struct ntfs_log *log = &v->log;
    uint8_t *two;
    int rc = ntfs_stream_open(v, NTFS_LOGFILE, NTFS_ATTR_DATA, "", &log->data);

    log->state = NTFS_LOG_UNREADABLE;
    log->why = "$LogFile: its record is damaged";
    if (rc != DS_OK)
        return rc == DS_EFORMAT || rc == DS_ENOENT ? DS_OK : rc;
    log->why = "$LogFile: its size is impossible";
    if (log->data.data_size < 2 * NTFS_STRIDE || log->data.data_size > v->io.reader->bytes)
        return DS_OK;
    two = malloc(2 * LOG_RESTART_MAX);
    if (!two)
        return ds_fail(v->io.call->err, DS_ENOMEM, "NTFS: no memory for $LogFile's restart pages");
    rc = log_classify(v, two);
    free(two);
    return rc;
}
