/* SPDX-License-Identifier: Apache-2.0 */
/* machine.h - a disk whose blocks have versions, and its points: what tests of the point writer
 * share. Version 0 is UNKNOWN, ZEROS is zeros, any other is bytes that do not compress, made from
 * block and version. One thread. */
#ifndef TESTS_S3BLOCK_MACHINE_H
#define TESTS_S3BLOCK_MACHINE_H

#include "core/s3block/point_writer.h"
#include "tests/s3block/fixture.h"

#define ZEROS 255u

struct machine {
    struct fixture f;
    struct map_shape shape;
    struct root base; /* the newest; seq 0: none yet */
    uint8_t base_hash[HASH_SIZE];
    struct preparer *preparer;
    struct point_writer *writer; /* between machine_begin and machine_end */
    struct salvage *salvage;     /* used if not NULL; machine_close frees it */
    unsigned damaged;            /* base pages that could not be read */
    unsigned sent, same, salvaged; /* blocks placed since machine_begin */
};
void machine_open(struct machine *m, uint64_t bytes, uint32_t block_size);
void machine_close(struct machine *m);

/* Starts a point over the base, and its one disk. */
void machine_begin(struct machine *m);
/* The bytes of a block; returns its length. */
uint32_t machine_content(const struct machine *m, uint64_t block, unsigned version, uint8_t *out);
/* Sets blocks[i] to versions[i]; ascending, and each leaf in one call. */
int machine_write(struct machine *m, const uint64_t *blocks, const uint8_t *versions, size_t n);
/* Blocks from..to - 1 to one version. */
int machine_write_range(struct machine *m, uint64_t from, uint64_t to, uint8_t version);
/* Ends disk and writer, with a commit if asked; a commit that went well is the new base. */
int machine_end(struct machine *m, bool commit);
/* Reads the newest root (checkpoints too) as the new base, as a new process would. */
void machine_reopen(struct machine *m);

/* Compares through a cache of its own; aborts the test where a block is another. */
void machine_check(struct machine *m, const struct root *root, const uint64_t *blocks,
                   const uint8_t *versions, size_t n);
void machine_check_range(struct machine *m, const struct root *root, uint64_t from, uint64_t to,
                         uint8_t version);

#endif
