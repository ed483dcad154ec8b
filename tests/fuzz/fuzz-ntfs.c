/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-ntfs.c - the NTFS parser over hostile volumes: probe, open, used, facts, skip, close. Checks
 * besides that extents ascend, are disjoint and stay within the window and the volume.
 *
 * A volume is mostly zeros, so an input is a sparse image, little-endian:
 *   u32 bytes of the volume / 512 (taken modulo 2 GiB)
 *   { u32 offset / 256, u16 length, bytes }...   later pieces lie over earlier ones
 * Each input may read a bounded number of bytes; then the host says cancelled, which must end every
 * call. Link with the plugin's own sources. */
#include <disksync/fsmap.h>
#include <disksync/helpers.h>

#include <stdlib.h>

#define FUZZ_PIECES 256u
#define FUZZ_READ_MAX (24u << 20) /* bytes until the host says cancelled */
#define FUZZ_WINDOWS 3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct piece {
    uint64_t offset;
    size_t length;
    const uint8_t *bytes;
};

struct fuzz {
    struct ds_host host;
    struct ds_call call; /* disk_cancelled finds the fuzz through it: call is inside */
    struct ds_error err;
    struct ds_reader reader;
    struct piece piece[FUZZ_PIECES];
    size_t pieces;
    uint64_t read, last;
    struct ds_window window;
};

static uint64_t fuzz_number(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

static int fuzz_pread(void *ctx, void *data, size_t n, uint64_t offset, struct ds_error *err)
{
    struct fuzz *f = ctx;
    uint64_t end = offset + n;
    size_t i;

    if (offset > f->reader.bytes || n > f->reader.bytes - offset)
        return ds_fail(err, DS_EIO, "read past the end");
    f->read += n + 64;
    memset(data, 0, n);
    for (i = 0; i < f->pieces; i++) {
        const struct piece *p = &f->piece[i];
        uint64_t from = p->offset > offset ? p->offset : offset;
        uint64_t to = p->offset + p->length < end ? p->offset + p->length : end;
        if (from < to)
            memcpy((uint8_t *)data + (from - offset), p->bytes + (from - p->offset),
                   (size_t)(to - from));
    }
    return DS_OK;
}

static int fuzz_cancelled(const struct ds_call *call)
{
    const struct fuzz *f =
        (const void *)((const uint8_t *)call - offsetof(struct fuzz, call));

    return f->read > FUZZ_READ_MAX;
}

static int fuzz_extents(void *ud, const struct ds_extent *extents, size_t n)
{
    struct fuzz *f = ud;
    size_t i;

    for (i = 0; i < n; i++) {
        uint64_t end = extents[i].offset + extents[i].length;
        if (extents[i].length == 0 || end < extents[i].offset || extents[i].offset < f->last ||
            extents[i].offset < f->window.from || end > f->window.to)
            abort();
        f->last = end;
    }
    return DS_OK;
}

static int fuzz_fact(void *ud, const char *key, const char *value)
{
    (void)ud;
    if (!key[0] || strlen(value) > 4096)
        abort();
    return DS_OK;
}

static void fuzz_volume(struct fuzz *f, const struct ds_fsmap_ops *ops)
{
    void *volume = NULL;
    uint64_t bytes = f->reader.bytes, step = bytes / FUZZ_WINDOWS + 1;

    if (ops->open(NULL, &f->reader, &volume, &f->call) == DS_OK) {
        for (f->window.from = 0; f->window.from < bytes; f->window.from = f->window.to) {
            f->window.to = step < bytes - f->window.from ? f->window.from + step : bytes;
            f->last = 0;
            if (ops->used(volume, f->window, fuzz_extents, f, &f->call) != DS_OK)
                break;
        }
        f->window.from = f->last = 0;
        f->window.to = bytes;
        ops->skip(volume, fuzz_extents, f, &f->call);
        ops->facts(volume, fuzz_fact, f, &f->call);
    }
    if (volume)
        ops->close(volume);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ds_fsmap_ops *ops = ds_plugin_v1()->ops;
    struct fuzz *f = calloc(1, sizeof *f);
    uint32_t score = 0;
    char name[16];

    if (!f || size < 4) {
        free(f);
        return 0;
    }
    f->host.size = sizeof f->host;
    f->host.cancelled = fuzz_cancelled;
    f->err.size = sizeof f->err;
    f->call.size = sizeof f->call;
    f->call.host = &f->host;
    f->call.err = &f->err;
    f->reader.size = sizeof f->reader;
    f->reader.sector = 512;
    f->reader.bytes = fuzz_number(data, 4) * 512 % ((uint64_t)2 << 30);
    f->reader.ctx = f;
    f->reader.pread = fuzz_pread;
    data += 4;
    size -= 4;
    while (size > 6 && f->pieces < FUZZ_PIECES) {
        struct piece *p = &f->piece[f->pieces++];
        p->offset = fuzz_number(data, 4) * 256;
        p->length = (size_t)fuzz_number(data + 4, 2);
        p->length = p->length < size - 6 ? p->length : size - 6;
        p->bytes = data + 6;
        data += 6 + p->length;
        size -= 6 + p->length;
    }
    if (ops->probe(NULL, &f->reader, &score, name, sizeof name, &f->call) == DS_OK && score > 100)
        abort();
    if (f->read > 1 << 20)
        abort();
    fuzz_volume(f, ops);
    free(f);
    return 0;
}
