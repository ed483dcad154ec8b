/* SPDX-License-Identifier: Apache-2.0 */
/* volume.c - an open volume: how its parts come together into "used".
 *
 * used = $Bitmap's set bits
 *      + what a replay of an unclean log could set (pending.c)
 *      + the runs of all files, unless the log proves an orderly unmount (files.c)
 *      + the boot region, and everything behind the last cluster: the backup boot sector.
 *
 * The log is read on open, since facts and skip depend on it; the files are walked at the first
 * call of used (used.c), since that reads the whole $MFT. Where the log cannot be understood every
 * byte is used. */
#include "volume.h"

#include "bitmap.h"
#include "bytes.h"
#include "pending.h"
#include "record.h"

#include <disksync/helpers.h>
#include <stdlib.h>

#define INFORMATION_FLAGS 10u  /* offset in $VOLUME_INFORMATION */
#define VOLUME_DIRTY 1u

void ntfs_volume_doubt(struct ntfs_volume *v, const char *why)
{
    if (v->all_used)
        return;
    v->all_used = true;
    snprintf(v->note, sizeof v->note, "every byte counts as used: %s", why);
}

int ntfs_volume_add(struct ntfs_volume *v, uint64_t from, uint64_t count)
{
    uint64_t to;

    if (from >= v->boot.clusters)
        return DS_OK;
    if (!ntfs_add(from, count, &to) || to > v->boot.clusters)
        to = v->boot.clusters;
    if (!ntfs_set_add(&v->extra, from, to))
        return ds_fail(v->io.call->err, DS_ENOMEM, "NTFS: no memory for the used clusters");
    return DS_OK;
}

/* UTF-16LE of n units to UTF-8; unpaired surrogates and control characters become '?'. */
static void volume_label(char *out, size_t room, const uint8_t *utf16, size_t n)
{
    size_t i, at = 0;

    for (i = 0; i < n && at + 5 <= room; i++) {
        uint32_t c = ntfs_le16(utf16 + 2 * i);
        if (c >= 0xd800 && c < 0xdc00 && i + 1 < n &&
            (ntfs_le16(utf16 + 2 * i + 2) & 0xfc00) == 0xdc00)
            c = 0x10000 + ((c & 0x3ff) << 10) + (ntfs_le16(utf16 + 2 * ++i) & 0x3ff);
        if (c < 0x20 || c == 0x7f || (c >= 0xd800 && c < 0xe000))
            c = '?';
        if (c < 0x80) {
            out[at++] = (char)c;
        } else if (c < 0x800) {
            out[at++] = (char)(0xc0 | c >> 6);
            out[at++] = (char)(0x80 | (c & 0x3f));
        } else {
            if (c >= 0x10000) {
                out[at++] = (char)(0xf0 | c >> 18);
                out[at++] = (char)(0x80 | (c >> 12 & 0x3f));
            } else {
                out[at++] = (char)(0xe0 | c >> 12);
            }
            out[at++] = (char)(0x80 | (c >> 6 & 0x3f));
            out[at++] = (char)(0x80 | (c & 0x3f));
        }
    }
    out[at] = 0;
}

/* $Volume: the label and the dirty flag. What cannot be read counts as dirty. */
static int volume_information(struct ntfs_volume *v)
{
    struct ntfs_stream s = { 0 };
    int rc = ntfs_stream_open(v, NTFS_VOLUME, NTFS_ATTR_VOLUME_INFORMATION, "", &s);

    v->dirty = true;
    if (rc == DS_OK && s.resident && s.data_size >= INFORMATION_FLAGS + 2)
        v->dirty = (ntfs_le16(s.value + INFORMATION_FLAGS) & VOLUME_DIRTY) != 0;
    ntfs_stream_free(&s);
    if (rc == DS_ECANCELLED || rc == DS_ENOMEM)
        return rc;
    memset(&s, 0, sizeof s);
    rc = ntfs_stream_open(v, NTFS_VOLUME, NTFS_ATTR_VOLUME_NAME, "", &s);
    if (rc == DS_OK && s.resident)
        volume_label(v->label, sizeof v->label, s.value, (size_t)s.data_size / 2);
    ntfs_stream_free(&s);
    return rc == DS_ECANCELLED || rc == DS_ENOMEM ? rc : DS_OK;
}

/* How the volume was left, and what follows from that. */
static int volume_state(struct ntfs_volume *v)
{
    int rc = volume_information(v);

    if (rc == DS_OK)
        rc = ntfs_log_open(v);
    if (rc == DS_OK && v->log.state == NTFS_LOG_UNCLEAN)
        rc = ntfs_pending_read(v);
    if (rc != DS_OK)
        return rc;
    if (v->log.state == NTFS_LOG_UNREADABLE)
        ntfs_volume_doubt(v, v->log.why);
    v->unclean = v->dirty || v->log.state == NTFS_LOG_UNCLEAN ||
                 v->log.state == NTFS_LOG_UNREADABLE;
    v->walk_files = v->dirty || v->log.state != NTFS_LOG_CLEAN;
    return DS_OK;
}

static int volume_parts(struct ntfs_volume *v)
{
    uint64_t boot = (NTFS_BOOT_REGION + v->boot.cluster - 1) / v->boot.cluster;
    int rc = ntfs_mft_open(v);

    if (rc == DS_OK)
        rc = ntfs_bitmap_open(v);
    if (rc == DS_OK)
        rc = ntfs_volume_add(v, 0, boot);
    if (rc == DS_OK)
        rc = volume_state(v);
    if (rc == DS_OK)
        ntfs_set_sort(&v->extra);
    if (rc == DS_OK && v->boot.from_backup && v->note[0] == 0)
        snprintf(v->note, sizeof v->note, "the boot sector is damaged; its backup was used");
    return rc;
}

int ntfs_volume_open(const struct ntfs_io *io, struct ntfs_volume **volume)
{
    struct ntfs_volume *v = calloc(1, sizeof *v);
    int rc;

    *volume = NULL;
    if (!v)
        return ds_fail(io->call->err, DS_ENOMEM, "NTFS: no memory to open a volume");
    v->io = *io;
    ntfs_set_init(&v->extra, NTFS_EXTRA_MAX, NTFS_SET_COARSEN);
    ntfs_set_init(&v->stale, NTFS_STALE_MAX, NTFS_SET_COARSEN);
    rc = ntfs_boot_read(&v->io, &v->boot);
    if (rc == DS_OK)
        rc = volume_parts(v);
    if (rc == DS_OK)
        *volume = v;
    else
        ntfs_volume_close(v);
    return rc;
}

void ntfs_volume_close(struct ntfs_volume *v)
{
    if (!v)
        return;
    ntfs_stream_free(&v->mft);
    ntfs_stream_free(&v->bitmap);
    ntfs_stream_free(&v->log.data);
    ntfs_set_free(&v->extra);
    ntfs_set_free(&v->stale);
    free(v);
}

int ntfs_volume_probe(const struct ntfs_io *io, uint32_t *score)
{
    struct ntfs_boot boot;
    uint8_t magic[4];
    int rc = ntfs_boot_read(io, &boot);

    *score = 0;
    if (rc != DS_OK)
        return rc == DS_EFORMAT ? DS_OK : rc;
    rc = ntfs_io_read(io, magic, sizeof magic, boot.mft_lcn * boot.cluster, "$MFT");
    if (rc != DS_OK)
        return rc;
    if (memcmp(magic, "FILE", 4) != 0 && boot.mirror_lcn < boot.clusters)
        rc = ntfs_io_read(io, magic, sizeof magic, boot.mirror_lcn * boot.cluster, "$MFTMirr");
    if (rc == DS_OK && memcmp(magic, "FILE", 4) == 0)
        *score = boot.from_backup ? 80 : 100;
    return rc;
}

int ntfs_volume_facts(struct ntfs_volume *v, ds_kv_fn *fn, void *ud)
{
    char bytes[16];
    int rc = DS_OK;

    snprintf(bytes, sizeof bytes, "%u", (unsigned)v->boot.cluster);
    if (v->label[0])
        rc = fn(ud, "label", v->label);
    if (rc == DS_OK)
        rc = fn(ud, "cluster_bytes", bytes);
    if (rc == DS_OK)
        rc = fn(ud, "unclean", v->unclean ? "true" : "false");
    if (rc == DS_OK && v->note[0])
        rc = fn(ud, "note", v->note);
    return rc;
}
