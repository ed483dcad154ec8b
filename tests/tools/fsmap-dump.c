/* SPDX-License-Identifier: Apache-2.0 */
/* fsmap-dump.c - runs the fsmap plugin that it is linked with over an image or a device, and
 * prints what the plugin answers: for tests that compare it with other programs.
 *
 *   fsmap-dump probe|facts|used|skip FILE [WINDOW_BYTES [SECTOR_BYTES]]
 *
 * used and skip print "OFFSET LENGTH" lines, after checking that extents ascend, do not overlap and
 * stay within the window and the volume. Exit code: 0, 1 where the plugin failed, 2 usage. */
#define _FILE_OFFSET_BITS 64
#define _POSIX_C_SOURCE 200809L
#include <disksync/fsmap.h>
#include <disksync/helpers.h>

#include <stdlib.h>
#include <sys/types.h>

struct dump {
    FILE *file;
    struct ds_window window;
    uint64_t last; /* end of the extent before */
    uint64_t read; /* bytes that the plugin read */
};

static int dump_pread(void *ctx, void *data, size_t n, uint64_t offset, struct ds_error *err)
{
    struct dump *d = ctx;

    d->read += n;
    if (fseeko(d->file, (off_t)offset, SEEK_SET) != 0 || fread(data, 1, n, d->file) != n)
        return ds_fail(err, DS_EIO, "cannot read %zu bytes at %llu", n,
                       (unsigned long long)offset);
    return DS_OK;
}

static int dump_extents(void *ud, const struct ds_extent *extents, size_t n)
{
    struct dump *d = ud;
    size_t i;

    for (i = 0; i < n; i++) {
        uint64_t end = extents[i].offset + extents[i].length;
        if (extents[i].length == 0 || extents[i].offset < d->last ||
            extents[i].offset < d->window.from || end > d->window.to || end < extents[i].offset) {
            fprintf(stderr, "fsmap-dump: extent %llu+%llu is out of order or out of the window\n",
                    (unsigned long long)extents[i].offset, (unsigned long long)extents[i].length);
            return DS_EINVAL;
        }
        d->last = end;
        printf("%llu %llu\n", (unsigned long long)extents[i].offset,
               (unsigned long long)extents[i].length);
    }
    return DS_OK;
}

static int dump_fact(void *ud, const char *key, const char *value)
{
    (void)ud;
    printf("%s=%s\n", key, value);
    return DS_OK;
}

static int dump_volume(const struct ds_fsmap_ops *ops, const char *what, struct dump *d,
                       const struct ds_reader *reader, uint64_t window, struct ds_call *call)
{
    void *volume = NULL;
    uint64_t at;
    int rc = ops->open(NULL, reader, &volume, call);

    d->window.from = 0;
    d->window.to = reader->bytes;
    if (rc == DS_OK && strcmp(what, "facts") == 0)
        rc = ops->facts(volume, dump_fact, NULL, call);
    else if (rc == DS_OK && strcmp(what, "skip") == 0)
        rc = ops->skip(volume, dump_extents, d, call);
    else
        for (at = 0; rc == DS_OK && at < reader->bytes; at = d->window.to) {
            d->window.from = at;
            d->window.to = window && window < reader->bytes - at ? at + window : reader->bytes;
            rc = ops->used(volume, d->window, dump_extents, d, call);
        }
    if (volume)
        ops->close(volume);
    return rc;
}

int main(int argc, char **argv)
{
    const struct ds_fsmap_ops *ops = ds_plugin_v1()->ops;
    struct ds_error err = DS_ERROR_INIT;
    struct ds_call call = { .size = sizeof call, .err = &err };
    struct ds_reader reader = { .size = sizeof reader, .sector = 512, .pread = dump_pread };
    struct dump d = { 0 };
    uint32_t score = 0;
    char name[16];
    int rc;

    if (argc < 3 || argc > 5) {
        fprintf(stderr, "usage: fsmap-dump probe|facts|used|skip FILE [WINDOW [SECTOR]]\n");
        return 2;
    }
    d.file = fopen(argv[2], "rb");
    if (!d.file || fseeko(d.file, 0, SEEK_END) != 0) {
        fprintf(stderr, "fsmap-dump: cannot open %s\n", argv[2]);
        return 2;
    }
    reader.bytes = (uint64_t)ftello(d.file);
    reader.ctx = &d;
    if (argc > 4)
        reader.sector = (uint32_t)strtoul(argv[4], NULL, 10);
    if (strcmp(argv[1], "probe") == 0) {
        rc = ops->probe(NULL, &reader, &score, name, sizeof name, &call);
        printf("score=%u\nname=%s\nread=%llu\n", (unsigned)score, name,
               (unsigned long long)d.read);
    } else {
        rc = dump_volume(ops, argv[1], &d, &reader, argc > 3 ? strtoull(argv[3], NULL, 10) : 0,
                         &call);
    }
    if (rc != DS_OK)
        fprintf(stderr, "fsmap-dump: error %d: %s\n", rc, err.msg);
    fclose(d.file);
    return rc == DS_OK ? 0 : 1;
}
