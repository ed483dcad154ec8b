/* SPDX-License-Identifier: Apache-2.0 */
/* test-source.c - a reader over a file: the same bytes at any alignment, direct or not. */
#include "core/disk/disk.h"

#include "core/base/bytes.h"
#include "tests/base/scratch.h"
#include "tests/unit.h"

#define BYTES (3u * 1024 * 1024 + 512) /* ends within a unit of direct I/O */

static struct ds_error err = DS_ERROR_INIT;

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 131 + (offset >> 9) * 7);
}

static void make_file(const char *path, size_t n)
{
    uint8_t *data = malloc(n);
    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < n; i++)
        data[i] = byte_at(i);
    ck_assert_ok(os_write_file(path, data, n, &err), &err);
    free(data);
}

static void expect_bytes(const struct ds_reader *reader, uint64_t offset, size_t n, size_t shift)
{
    uint8_t *block = malloc(n + shift + 1);
    uint8_t *data = block + shift;
    ck_assert_ptr_nonnull(block);
    data[n] = 0x5a; /* the byte behind must stay */
    ck_assert_ok(reader->pread(reader->ctx, data, n, offset, &err), &err);
    for (size_t i = 0; i < n; i++)
        if (data[i] != byte_at(offset + i))
            ck_abort_msg("byte %zu of %zu at %llu", i, n, (unsigned long long)offset);
    ck_assert_uint_eq(data[n], 0x5a);
    free(block);
}

static void read_everywhere(bool direct)
{
    static const uint64_t offsets[] = { 0, 1, 511, 512, 4095, 4096, 65536 - 1, BYTES / 2 };
    static const size_t lengths[] = { 1, 2, 512, 4095, 4096, 4097, 12288, 1u << 20,
                                      (1u << 20) + 4097 };
    struct disk_source source;
    struct scratch s;
    char path[OS_PATH_MAX];
    scratch_make(&s);
    make_file(scratch_file(&s, path, "disk.img"), BYTES);
    ck_assert_ok(disk_source_open(&source, path, direct, &err), &err);
    printf("direct: %s\n", source.direct ? "yes" : "no");
    ck_assert_uint_eq(source.bytes, BYTES);
    struct ds_reader reader = disk_source_reader(&source, 512);
    ck_assert_uint_eq(reader.bytes, BYTES);
    ck_assert_uint_eq(reader.sector, 512);
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
        for (size_t j = 0; j < sizeof lengths / sizeof lengths[0]; j++)
            expect_bytes(&reader, offsets[i], lengths[j], j % 3);
    for (size_t n = 1; n < 9000; n += 511) /* up to the end */
        expect_bytes(&reader, BYTES - n, n, 0);
    expect_bytes(&reader, 0, BYTES, 0);
    expect_bytes(&reader, BYTES, 0, 0);
    disk_source_close(&source);
    scratch_free(&s);
}

START_TEST(buffered_reads_are_right_at_any_alignment)
{
    read_everywhere(false);
}
END_TEST

START_TEST(direct_reads_are_right_at_any_alignment)
{
    read_everywhere(true);
}
END_TEST

START_TEST(reads_beyond_the_end_and_of_shrunk_files_fail)
{
    struct os_file file = OS_FILE_INIT;
    struct scratch s;
    char path[OS_PATH_MAX];
    uint8_t data[4096];
    scratch_make(&s);
    make_file(scratch_file(&s, path, "disk.img"), 65536);
    for (int direct = 0; direct < 2; direct++) {
        struct disk_source source;
        make_file(path, 65536);
        ck_assert_ok(disk_source_open(&source, path, direct, &err), &err);
        struct ds_reader r = disk_source_reader(&source, 512);
        ck_assert_int_eq(r.pread(r.ctx, data, 2, 65535, &err), DS_EIO);
        ck_assert_int_eq(r.pread(r.ctx, data, 1, UINT64_MAX, &err), DS_EIO);
        ck_assert_int_eq(r.pread(r.ctx, data, 4096, UINT64_MAX - 100, &err), DS_EIO);
        ck_assert_ok(os_open(&file, path, OS_WRITE, &err), &err);
        ck_assert_ok(os_truncate(&file, 5000, path, &err), &err);
        os_close(&file);
        ck_assert_int_eq(r.pread(r.ctx, data, 4096, 4096, &err), DS_EIO);
        ck_assert_msg(strstr(err.msg, "disk.img"), "%s", err.msg);
        ck_assert_int_eq(r.pread(r.ctx, data, 100, 4950, &err), DS_EIO);
        ck_assert_ok(r.pread(r.ctx, data, 100, 400, &err), &err);
        disk_source_close(&source);
    }
    scratch_free(&s);
}
END_TEST

START_TEST(what_is_not_there_can_not_be_opened)
{
    struct disk_source source;
    ck_assert_int_eq(disk_source_open(&source, "no-such.img", false, &err), DS_ENOENT);
    ck_assert_int_eq(disk_source_open(&source, "no-such.img", true, &err), DS_ENOENT);
    disk_source_close(&source);
}
END_TEST

UNIT_MAIN("disk-source", buffered_reads_are_right_at_any_alignment,
          direct_reads_are_right_at_any_alignment,
          reads_beyond_the_end_and_of_shrunk_files_fail, what_is_not_there_can_not_be_opened)
