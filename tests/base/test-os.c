/* SPDX-License-Identifier: Apache-2.0 */
/* test-os.c - the seam to the system: the same promises on both. */
#include "core/base/os.h"

#include "core/base/bytes.h"
#include "core/base/thread.h"
#include "tests/base/scratch.h"
#include "tests/unit.h"

#include <string.h>

#define MIB ((size_t)1 << 20)

static struct ds_error err = DS_ERROR_INIT;

static bool on_windows(void)
{
    return strcmp(os_name(), "windows") == 0;
}

/* Bytes that tell their own offset. */
static void fill(uint8_t *data, size_t n, uint64_t offset)
{
    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)((offset + i) * 31 + ((offset + i) >> 9));
}

static struct os_file create(const char *path)
{
    struct os_file file = OS_FILE_INIT;
    ck_assert_ok(os_open(&file, path, OS_READ | OS_WRITE | OS_CREATE, &err), &err);
    return file;
}

START_TEST(io_is_at_the_offset_it_names)
{
    struct scratch s;
    char path[OS_PATH_MAX];
    uint8_t data[16];
    size_t got;
    uint64_t size;
    scratch_make(&s);
    struct os_file file = create(scratch_file(&s, path, "a"));
    ck_assert_ok(os_pwrite(&file, "tail", 4, 100, path, &err), &err);
    ck_assert_ok(os_pwrite(&file, "head", 4, 0, path, &err), &err);
    ck_assert_ok(os_file_size(&file, &size, path, &err), &err);
    ck_assert(size == 104);
    ck_assert_ok(os_pread(&file, data, sizeof data, 98, &got, path, &err), &err);
    ck_assert_uint_eq(got, 6);
    ck_assert_mem_eq(data, "\0\0tail", 6);
    ck_assert_ok(os_pread(&file, data, 4, 0, &got, path, &err), &err);
    ck_assert_mem_eq(data, "head", 4);
    ck_assert_ok(os_pread(&file, data, 4, 104, &got, path, &err), &err);
    ck_assert_uint_eq(got, 0);
    ck_assert_ok(os_pread(&file, data, 4, 5000, &got, path, &err), &err);
    ck_assert_uint_eq(got, 0);
    ck_assert_ok(os_sync(&file, path, &err), &err);
    os_close(&file);
    os_close(&file);
    scratch_free(&s);
}
END_TEST

START_TEST(open_flags_do_what_they_say)
{
    struct scratch s;
    struct os_file file = OS_FILE_INIT;
    char path[OS_PATH_MAX];
    uint8_t byte;
    uint64_t size;
    size_t got;
    scratch_make(&s);
    scratch_file(&s, path, "a");
    ck_assert_int_eq(os_open(&file, path, OS_READ, &err), DS_ENOENT);
    ck_assert_ptr_nonnull(strstr(err.msg, path));
    ck_assert_int_ne(err.os_code, 0);
    ck_assert(file.handle == OS_NO_FILE);
    ck_assert_ok(os_open(&file, path, OS_WRITE | OS_CREATE | OS_EXCL, &err), &err);
    ck_assert_ok(os_pwrite(&file, "x", 1, 0, path, &err), &err);
    ck_assert_int_ne(os_pread(&file, &byte, 1, 0, &got, path, &err), DS_OK);
    os_close(&file);
    ck_assert_int_eq(os_open(&file, path, OS_WRITE | OS_CREATE | OS_EXCL, &err), DS_EEXIST);
    ck_assert_ok(os_open(&file, path, OS_READ | OS_WRITE | OS_CREATE, &err), &err);
    ck_assert_ok(os_file_size(&file, &size, path, &err), &err);
    ck_assert(size == 1);
    os_close(&file);
    ck_assert_ok(os_open(&file, path, OS_READ, &err), &err);
    ck_assert_int_ne(os_pwrite(&file, "y", 1, 0, path, &err), DS_OK);
    os_close(&file);
    ck_assert_ok(os_open(&file, path, OS_WRITE | OS_TRUNC, &err), &err);
    ck_assert_ok(os_file_size(&file, &size, path, &err), &err);
    ck_assert(size == 0);
    os_close(&file);
    scratch_free(&s);
}
END_TEST

START_TEST(open_file_may_be_removed)
{
    struct scratch s;
    char path[OS_PATH_MAX];
    struct os_file second = OS_FILE_INIT;
    scratch_make(&s);
    struct os_file file = create(scratch_file(&s, path, "a"));
    ck_assert_ok(os_open(&second, path, OS_READ | OS_WRITE, &err), &err);
    ck_assert_ok(os_remove(path, &err), &err);
    os_close(&second);
    os_close(&file);
    ck_assert_int_eq(os_kind(path), OS_ABSENT);
    scratch_free(&s);
}
END_TEST

START_TEST(transfers_larger_than_a_piece_are_whole)
{
    const size_t n = 33 * MIB + 5;
    struct scratch s;
    char path[OS_PATH_MAX];
    uint8_t *data = malloc(n), *back = malloc(n + 1);
    size_t got;
    ck_assert(data && back);
    scratch_make(&s);
    struct os_file file = create(scratch_file(&s, path, "a"));
    fill(data, n, 7);
    ck_assert_ok(os_pwrite(&file, data, n, 7, path, &err), &err);
    ck_assert_ok(os_pread(&file, back, n + 1, 7, &got, path, &err), &err);
    ck_assert_uint_eq(got, n);
    ck_assert(memcmp(data, back, n) == 0);
    os_close(&file);
    free(data);
    free(back);
    scratch_free(&s);
}
END_TEST

START_TEST(offsets_have_64_bits)
{
    const uint64_t there = (UINT64_C(5) << 30) + 123;
    struct scratch s;
    char path[OS_PATH_MAX];
    uint8_t data[8];
    uint64_t size;
    size_t got;
    scratch_make(&s);
    struct os_file file = create(scratch_file(&s, path, "a"));
    ck_assert_ok(os_make_sparse(&file, path, &err), &err);
    ck_assert_ok(os_pwrite(&file, "far", 3, there, path, &err), &err);
    ck_assert_ok(os_file_size(&file, &size, path, &err), &err);
    ck_assert(size == there + 3);
    ck_assert_ok(os_pread(&file, data, 8, there - 2, &got, path, &err), &err);
    ck_assert_uint_eq(got, 5);
    ck_assert_mem_eq(data, "\0\0far", 5);
    ck_assert_ok(os_pread(&file, data, 8, there & 0xffffffffu, &got, path, &err), &err);
    ck_assert(got == 8 && is_zero(data, 8));
    uint64_t next = os_next_data(&file, 0);
    ck_assert(next <= there);
    ck_assert(os_next_data(&file, there) == there);
    ck_assert_ok(os_truncate(&file, there - 1, path, &err), &err);
    ck_assert_ok(os_file_size(&file, &size, path, &err), &err);
    ck_assert(size == there - 1);
    os_close(&file);
    scratch_free(&s);
}
END_TEST

START_TEST(cut_off_bytes_come_back_as_zeros)
{
    struct scratch s;
    char path[OS_PATH_MAX];
    uint8_t data[9000];
    size_t got;
    scratch_make(&s);
    struct os_file file = create(scratch_file(&s, path, "a"));
    memset(data, 0xff, sizeof data);
    ck_assert_ok(os_pwrite(&file, data, sizeof data, 0, path, &err), &err);
    ck_assert_ok(os_truncate(&file, 10, path, &err), &err);
    ck_assert_ok(os_truncate(&file, 8000, path, &err), &err);
    ck_assert_ok(os_pread(&file, data, sizeof data, 0, &got, path, &err), &err);
    ck_assert_uint_eq(got, 8000);
    ck_assert_uint_eq(data[9], 0xff);
    ck_assert(is_zero(data + 10, 7990));
    os_close(&file);
    scratch_free(&s);
}
END_TEST

START_TEST(punched_range_reads_as_zeros_and_keeps_its_neighbours)
{
    struct scratch s;
    char path[OS_PATH_MAX];
    uint8_t *data = malloc(MIB), *back = malloc(MIB);
    uint64_t size;
    size_t got;
    ck_assert(data && back);
    scratch_make(&s);
    struct os_file file = create(scratch_file(&s, path, "a"));
    fill(data, MIB, 0);
    ck_assert_ok(os_make_sparse(&file, path, &err), &err);
    ck_assert_ok(os_pwrite(&file, data, MIB, 0, path, &err), &err);
    int rc = os_punch(&file, 65536, 3 * 65536 + 100, path, &err);
    if (rc == DS_OK)
        memset(data + 65536, 0, 3 * 65536 + 100);
    else
        ck_assert_int_eq(rc, DS_ENOTSUP);
    ck_assert_ok(os_pread(&file, back, MIB, 0, &got, path, &err), &err);
    ck_assert_uint_eq(got, MIB);
    ck_assert(memcmp(data, back, MIB) == 0);
    ck_assert_ok(os_file_size(&file, &size, path, &err), &err);
    ck_assert(size == MIB);
    /* The hole may be told or not, but no data may lie in what is passed over. */
    for (uint64_t at = 0; at < MIB;) {
        uint64_t next = os_next_data(&file, at);
        ck_assert(next >= at && next <= MIB);
        ck_assert(is_zero(data + at, (size_t)(next - at)));
        at = next + 32768;
    }
    os_close(&file);
    free(data);
    free(back);
    scratch_free(&s);
}
END_TEST

START_TEST(direct_io_moves_whole_sectors)
{
    struct scratch s;
    char path[OS_PATH_MAX];
    struct os_file file = OS_FILE_INIT;
    uint8_t *memory = malloc(5 * 4096);
    size_t got;
    ck_assert_ptr_nonnull(memory);
    uint8_t *data = memory + 4096 - (uintptr_t)memory % 4096;
    scratch_make(&s);
    scratch_file(&s, path, "a");
    int rc = os_open(&file, path, OS_READ | OS_WRITE | OS_CREATE | OS_DIRECT, &err);
    if (rc == DS_OK) {
        fill(data, 8192, 0);
        ck_assert_ok(os_pwrite(&file, data, 8192, 4096, path, &err), &err);
        ck_assert_ok(os_pread(&file, data + 8192, 8192, 8192, &got, path, &err), &err);
        ck_assert_uint_eq(got, 4096);
        ck_assert_mem_eq(data + 8192, data + 4096, 4096);
        os_close(&file);
    } else {
        ck_assert_int_eq(rc, DS_ENOTSUP);
    }
    free(memory);
    scratch_free(&s);
}
END_TEST

struct worker {
    struct os_file *file;
    const char *path;
    unsigned number;
    bool good;
};

static void write_and_read(void *arg)
{
    enum { PIECE = 4099 };
    struct worker *w = arg;
    struct ds_error own = DS_ERROR_INIT;
    uint8_t data[PIECE], back[PIECE];
    size_t got;
    w->good = true;
    for (unsigned i = 0; i < 100 && w->good; i++) {
        uint64_t offset = (uint64_t)(i * 4 + w->number) * PIECE;
        fill(data, PIECE, offset);
        w->good = os_pwrite(w->file, data, PIECE, offset, w->path, &own) == DS_OK &&
                  os_pread(w->file, back, PIECE, offset, &got, w->path, &own) == DS_OK &&
                  got == PIECE && memcmp(data, back, PIECE) == 0;
    }
}

START_TEST(threads_share_one_file)
{
    struct scratch s;
    char path[OS_PATH_MAX];
    struct thread threads[4];
    struct worker workers[4];
    scratch_make(&s);
    struct os_file file = create(scratch_file(&s, path, "a"));
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (struct worker){ &file, path, i, false };
        ck_assert(thread_start(&threads[i], write_and_read, &workers[i]));
    }
    for (unsigned i = 0; i < 4; i++) {
        thread_join(&threads[i]);
        ck_assert(workers[i].good);
    }
    os_close(&file);
    scratch_free(&s);
}
END_TEST

START_TEST(whole_files_are_replaced_and_bounded)
{
    struct scratch s;
    char path[OS_PATH_MAX], temp[OS_PATH_MAX], why[200];
    void *data;
    size_t len;
    scratch_make(&s);
    scratch_file(&s, path, "record");
    scratch_file(&s, temp, "record.new");
    ck_assert_int_eq(os_read_file(path, 10, &data, &len, &err), DS_ENOENT);
    ck_assert_ok(os_write_file(path, "first one", 9, &err), &err);
    ck_assert_ok(os_write_file(path, "second", 6, &err), &err);
    ck_assert_int_eq(os_kind(temp), OS_ABSENT);
    ck_assert_ok(os_read_file(path, 6, &data, &len, &err), &err);
    ck_assert_uint_eq(len, 6);
    ck_assert_mem_eq(data, "second", 7);
    free(data);
    ck_assert_int_eq(os_read_file(path, 5, &data, &len, &err), DS_EFORMAT);
    ck_assert_msg(os_is_trusted(path, why, sizeof why), "%s", why);
    ck_assert_int_eq(os_write_file(s.path, "x", 1, &err), err.code);
    ck_assert_int_ne(err.code, DS_OK); /* a folder is not replaced */
    ck_assert_int_eq(os_kind(s.path), OS_DIRECTORY);
    scratch_free(&s);
}
END_TEST

struct names {
    char found[4][OS_PATH_MAX];
    unsigned n;
    int stop;
};

static int add_name(void *ud, const char *name)
{
    struct names *names = ud;
    if (names->n < 4)
        text_copy(names->found[names->n], OS_PATH_MAX, name);
    names->n++;
    return names->stop;
}

START_TEST(list_names_each_entry_once_and_stops_when_told)
{
    struct scratch s;
    char path[OS_PATH_MAX];
    struct names names = { .n = 0 };
    scratch_make(&s);
    ck_assert_ok(os_list(s.path, add_name, &names, &err), &err);
    ck_assert_uint_eq(names.n, 0);
    struct os_file file = create(scratch_file(&s, path, "a"));
    os_close(&file);
    ck_assert_ok(os_mkdirs(scratch_file(&s, path, "b"), &err), &err);
    ck_assert_ok(os_list(s.path, add_name, &names, &err), &err);
    ck_assert_uint_eq(names.n, 2);
    ck_assert_int_eq(names.found[0][0] + names.found[1][0], 'a' + 'b');
    names.stop = 42;
    names.n = 0;
    ck_assert_int_eq(os_list(s.path, add_name, &names, &err), 42);
    ck_assert_uint_eq(names.n, 1);
    ck_assert_int_eq(os_list(scratch_file(&s, path, "c"), add_name, &names, &err), DS_ENOENT);
    scratch_free(&s);
}
END_TEST

START_TEST(names_are_utf8_and_paths_may_be_long)
{
    /* An a with dots, a euro sign, a floppy disk from beyond the first plane; 150 bytes each. */
    static const char unit[] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe-";
    struct scratch s;
    char name[160] = "", path[OS_PATH_MAX], file_path[OS_PATH_MAX];
    struct names names = { .n = 0 };
    void *data;
    size_t len;
    scratch_make(&s);
    for (int i = 0; i < 15; i++)
        memcpy(name + 10 * i, unit, sizeof unit);
    text_copy(path, sizeof path, s.path);
    for (int i = 0; i < 10; i++) {
        char longer[OS_PATH_MAX];
        ck_assert_ok(os_join(longer, path, name, &err), &err);
        text_copy(path, sizeof path, longer);
    }
    ck_assert_uint_gt(strlen(path), 1500);
    ck_assert_ok(os_mkdirs(path, &err), &err);
    ck_assert_int_eq(os_kind(path), OS_DIRECTORY);
    ck_assert_ok(os_join(file_path, path, name, &err), &err);
    ck_assert_ok(os_write_file(file_path, "deep", 4, &err), &err);
    ck_assert_ok(os_list(path, add_name, &names, &err), &err);
    ck_assert_uint_eq(names.n, 1);
    ck_assert_str_eq(names.found[0], name);
    ck_assert_ok(os_read_file(file_path, 10, &data, &len, &err), &err);
    ck_assert_str_eq(data, "deep");
    free(data);
    scratch_free(&s);
}
END_TEST

START_TEST(folders_are_made_as_needed)
{
    struct scratch s;
    char path[OS_PATH_MAX], why[200];
    scratch_make(&s);
    scratch_file(&s, path, "x/y/z");
    ck_assert_ok(os_mkdirs(path, &err), &err);
    ck_assert_ok(os_mkdirs(path, &err), &err);
    ck_assert_int_eq(os_kind(path), OS_DIRECTORY);
    ck_assert_msg(os_is_trusted(path, why, sizeof why), "%s", why);
    ck_assert_ok(os_mkdirs(scratch_file(&s, path, "x/y/w/"), &err), &err);
    ck_assert_int_eq(os_kind(scratch_file(&s, path, "x/y/w")), OS_DIRECTORY);
    struct os_file file = create(scratch_file(&s, path, "x/file"));
    os_close(&file);
    ck_assert_int_eq(os_kind(path), OS_REGULAR);
    ck_assert_int_ne(os_mkdirs(path, &err), DS_OK);
    ck_assert_int_ne(os_mkdirs(scratch_file(&s, path, "x/file/below"), &err), DS_OK);
    ck_assert_int_eq(os_kind(path), OS_ABSENT);
    ck_assert_int_ne(os_mkdirs("", &err), DS_OK);
    scratch_free(&s);
}
END_TEST

START_TEST(removing_what_is_absent_is_fine)
{
    struct scratch s;
    char path[OS_PATH_MAX];
    scratch_make(&s);
    struct os_file file = create(scratch_file(&s, path, "a"));
    os_close(&file);
    ck_assert_ok(os_remove(path, &err), &err);
    ck_assert_int_eq(os_kind(path), OS_ABSENT);
    ck_assert_ok(os_remove(path, &err), &err);
    ck_assert_int_ne(os_remove(s.path, &err), DS_OK);
    scratch_free(&s);
}
END_TEST

START_TEST(lock_has_one_holder)
{
    struct scratch s;
    char path[OS_PATH_MAX];
    struct os_file first = OS_FILE_INIT, second = OS_FILE_INIT;
    void *data;
    size_t len;
    scratch_make(&s);
    ck_assert_ok(os_lock(&first, scratch_file(&s, path, "lock"), &err), &err);
    ck_assert_int_eq(os_lock(&second, path, &err), DS_EINUSE);
    ck_assert(second.handle == OS_NO_FILE);
    ck_assert_ok(os_pwrite(&first, "who", 3, 0, path, &err), &err);
    ck_assert_ok(os_read_file(path, 10, &data, &len, &err), &err); /* by others, too */
    ck_assert_str_eq(data, "who");
    free(data);
    os_close(&first);
    ck_assert_ok(os_lock(&second, path, &err), &err);
    os_close(&second);
    scratch_free(&s);
}
END_TEST

START_TEST(paths_are_joined_and_split)
{
    char out[OS_PATH_MAX], big[OS_PATH_MAX];
    const char *sep = on_windows() ? "\\" : "/";
    char expected[32];
    snprintf(expected, sizeof expected, "a%sb", sep);
    ck_assert_ok(os_join(out, "a", "b", &err), &err);
    ck_assert_str_eq(out, expected);
    ck_assert_ok(os_join(out, "a/", "b", &err), &err);
    ck_assert_str_eq(out, "a/b");
    os_dirname(out, "a/b/c");
    ck_assert_str_eq(out, "a/b");
    os_dirname(out, "/a");
    ck_assert_str_eq(out, "/");
    os_dirname(out, "a");
    ck_assert_str_eq(out, ".");
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    ck_assert_int_eq(os_join(out, big, "b", &err), DS_EINVAL);
    big[sizeof big - 3] = 0;
    ck_assert_int_eq(os_join(out, big, "bc", &err), DS_EINVAL);
    ck_assert_ok(os_join(out, big, "", &err), &err);
}
END_TEST

START_TEST(absolute_paths_keep_their_base)
{
    char out[OS_PATH_MAX], expected[OS_PATH_MAX], here[OS_PATH_MAX];
    const char *root = on_windows() ? "C:\\base" : "/base";
    ck_assert(os_is_absolute(root) && !os_is_absolute("base") && !os_is_absolute(""));
    ck_assert_ok(os_absolute(out, root, "x", &err), &err);
    ck_assert_ok(os_join(expected, root, "x", &err), &err);
    ck_assert_str_eq(out, expected);
    ck_assert_ok(os_absolute(out, root, "././x", &err), &err);
    ck_assert_str_eq(out, expected);
    ck_assert_ok(os_absolute(out, "elsewhere", root, &err), &err);
    ck_assert_str_eq(out, root);
    ck_assert_ok(os_absolute(out, NULL, "x", &err), &err);
    ck_assert(os_is_absolute(out));
    os_dirname(here, out);
    ck_assert(os_same_file(here, "."));
    ck_assert_ok(os_absolute(expected, ".", "x", &err), &err);
    ck_assert_str_eq(out, expected);
    ck_assert_ok(os_absolute(out, "sub", "x", &err), &err);
    ck_assert_ok(os_join(expected, here, on_windows() ? "sub\\x" : "sub/x", &err), &err);
    ck_assert_str_eq(out, expected);
    char big[OS_PATH_MAX];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    ck_assert_int_eq(os_absolute(out, root, big, &err), DS_EINVAL);
    if (on_windows()) {
        ck_assert(os_is_absolute("c:/x") && os_is_absolute("\\\\server\\share\\x"));
        ck_assert(os_is_absolute("\\\\.\\PhysicalDrive0") && !os_is_absolute("c:x"));
        ck_assert(!os_is_absolute("\\x"));
        ck_assert_ok(os_absolute(out, "C:/base", "sub/x", &err), &err);
        ck_assert_str_eq(out, "C:\\base\\sub\\x");
    }
}
END_TEST

START_TEST(same_file_is_known_by_any_name)
{
    struct scratch s;
    char a[OS_PATH_MAX], b[OS_PATH_MAX], other[OS_PATH_MAX];
    scratch_make(&s);
    struct os_file file = create(scratch_file(&s, a, "a"));
    os_close(&file);
    file = create(scratch_file(&s, other, "other"));
    os_close(&file);
    scratch_file(&s, b, "./a");
    ck_assert(os_same_file(a, a));
    ck_assert(os_same_file(a, b));
    ck_assert(!os_same_file(a, other));
    ck_assert(!os_same_file(a, s.path));
    scratch_file(&s, b, "absent");
    ck_assert(!os_same_file(a, b) && !os_same_file(b, b));
    scratch_free(&s);
}
END_TEST

START_TEST(file_that_others_may_write_is_not_trusted)
{
    struct scratch s;
    char path[OS_PATH_MAX], why[200] = "";
    scratch_make(&s);
    struct os_file file = create(scratch_file(&s, path, "a"));
    os_close(&file);
    ck_assert_msg(os_is_trusted(path, why, sizeof why), "%s", why);
    ck_assert(expose_file(path));
    ck_assert(!os_is_trusted(path, why, sizeof why));
    ck_assert_str_ne(why, "");
    scratch_file(&s, path, "absent");
    ck_assert(!os_is_trusted(path, why, sizeof why));
    scratch_free(&s);
}
END_TEST

START_TEST(way_to_a_file_is_trusted_as_a_whole)
{
    char folder[OS_PATH_MAX], path[OS_PATH_MAX], why[300] = "";
    struct scratch s;
    if (strcmp(os_name(), "windows") == 0) {
        ck_assert(os_env(folder, sizeof folder, "SystemRoot"));
        ck_assert_ok(os_join(path, folder, "system32\\cmd.exe", &err), &err);
        ck_assert_msg(os_is_trusted_path(path, why, sizeof why), "%s", why);
    } else {
        ck_assert_msg(os_is_trusted_path("/bin/sh", why, sizeof why), "%s", why);
    }
    scratch_make(&s);
    ck_assert(!os_is_trusted_path(scratch_file(&s, path, "absent"), why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "can't be examined"));
    ck_assert_ok(os_write_file(scratch_file(&s, path, "a"), "a", 1, &err), &err);
    ck_assert(expose_file(path));
    ck_assert(!os_is_trusted_path(path, why, sizeof why));
    scratch_free(&s);
}
END_TEST

START_TEST(facts_of_the_process_are_plausible)
{
    struct scratch s;
    char text[OS_PATH_MAX], again[OS_PATH_MAX];
    uint8_t a[32], b[32];
    scratch_make(&s);
    uint64_t space = os_free_bytes(s.path);
    ck_assert(space > 0 && space < UINT64_C(1) << 60);
    scratch_file(&s, text, "absent");
    ck_assert(os_free_bytes(text) == UINT64_MAX);
    ck_assert_ok(os_random(a, sizeof a, &err), &err);
    ck_assert_ok(os_random(b, sizeof b, &err), &err);
    ck_assert(memcmp(a, b, sizeof a) != 0 && !is_zero(a, sizeof a));
    ck_assert_uint_ge(os_cpu_count(), 1);
    ck_assert(os_peak_rss() > 100000 && os_peak_rss() < UINT64_C(1) << 40);
    os_hostname(text, sizeof text);
    ck_assert_str_ne(text, "");
    os_machine_identity(text, sizeof text);
    os_machine_identity(again, sizeof again);
    ck_assert_str_eq(text, again);
    ck_assert_ok(os_program_folder(text, &err), &err);
    ck_assert_int_eq(os_kind(text), OS_DIRECTORY);
    ck_assert(os_is_absolute(os_default_policy()) && os_is_absolute(os_default_state()));
    ck_assert_uint_ge(os_columns(), 20);
    scratch_free(&s);
}
END_TEST

START_TEST(clocks_advance)
{
    uint64_t cpu = os_cpu_ns(), mono = os_mono_ns();
    int64_t wall = os_wall_ns();
    ck_assert(wall > INT64_C(1600000000) * 1000000000);
    os_sleep_ns(30500000);
    uint64_t slept = os_mono_ns() - mono;
    ck_assert_msg(slept >= 30000000 && slept < 10000000000u, "%llu", (unsigned long long)slept);
    ck_assert(os_wall_ns() > wall);
    volatile unsigned busy = 0;
    for (uint64_t end = os_mono_ns() + 100000000; os_mono_ns() < end;)
        busy = busy + 1;
    ck_assert(os_cpu_ns() > cpu);
    os_sleep_ns(0);
}
END_TEST

START_TEST(environment_is_read_whole_or_not)
{
    char text[8192], small[2];
    ck_assert(os_env(text, sizeof text, "PATH"));
    ck_assert_uint_gt(strlen(text), 1);
    ck_assert(!os_env(small, sizeof small, "PATH"));
    ck_assert(!os_env(text, sizeof text, "DISKSYNC_NOT_SET_ANYWHERE"));
}
END_TEST

UNIT_MAIN("os", io_is_at_the_offset_it_names, open_flags_do_what_they_say,
          open_file_may_be_removed, transfers_larger_than_a_piece_are_whole,
          offsets_have_64_bits, cut_off_bytes_come_back_as_zeros,
          punched_range_reads_as_zeros_and_keeps_its_neighbours, direct_io_moves_whole_sectors,
          threads_share_one_file, whole_files_are_replaced_and_bounded,
          list_names_each_entry_once_and_stops_when_told, names_are_utf8_and_paths_may_be_long,
          folders_are_made_as_needed, removing_what_is_absent_is_fine, lock_has_one_holder,
          paths_are_joined_and_split, absolute_paths_keep_their_base,
          same_file_is_known_by_any_name, file_that_others_may_write_is_not_trusted,
          way_to_a_file_is_trusted_as_a_whole,
          facts_of_the_process_are_plausible, clocks_advance, environment_is_read_whole_or_not)
