/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-partitions.c - a partition table and the file systems it leads to, from bytes that anyone
 * may have written. The input is a sparse disk (disk/sparse.h), so that tables at both ends of a
 * large disk are a small input. A read beyond the disk, a broken promise of disk.h, or a number of
 * reads that grows out of bounds is a fault. */
#include "core/disk/disk.h"

#include "tests/disk/sparse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "broken promise: %s\n", what);
        abort();
    }
}

static void check_layout(const struct disk_layout *layout, uint64_t bytes)
{
    uint64_t end = 0;
    for (size_t i = 0; i < layout->n_partitions; i++) {
        const struct disk_partition *p = &layout->partitions[i];
        require(p->extent.length > 0, "a partition is not empty");
        require(p->extent.offset >= end, "partitions ascend and are disjoint");
        require(p->extent.offset <= bytes && p->extent.length <= bytes - p->extent.offset,
                "a partition is within the disk");
        end = p->extent.offset + p->extent.length;
        require(memchr(p->name, 0, sizeof p->name) && memchr(p->label, 0, sizeof p->label) &&
                    memchr(p->fs, 0, sizeof p->fs) && memchr(p->type, 0, sizeof p->type),
                "text ends");
    }
    require(layout->table != DISK_TABLE_NONE || layout->n_partitions <= 1, "no table, no entries");
    require(!layout->damaged || layout->note[0], "damage is told");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sparse s;
    struct ds_error err = DS_ERROR_INIT;
    struct disk_layout layout;
    sparse_parse(&s, data, size);
    struct ds_reader reader = sparse_reader(&s);
    require(disk_layout_read(&layout, &reader, &err) == DS_OK, "hostile bytes are no error");
    check_layout(&layout, s.bytes);
    /* tables, and per partition what the probes read */
    require(s.reads < 1000 + 40 * (layout.n_partitions + 256), "reads are bounded");
    disk_layout_free(&layout);
    return 0;
}
