/* SPDX-License-Identifier: Apache-2.0 */
/* test-inventory.c - which disks a policy selects, their identity, and who is refused. The disks
 * are image files: the machine's own are in every list, and selected by none of these policies. */
#include "core/disk/disk.h"

#include "core/policy/policy.h"
#include "tests/base/scratch.h"
#include "tests/disk/tables.h"
#include "tests/unit.h"

#define IMAGE_BYTES (1u << 20)

static struct ds_error err = DS_ERROR_INIT;

/* A policy of selectors alone, based on a scratch folder. */
struct setup {
    struct scratch scratch;
    struct policy policy;
    const char *include[8], *exclude[8];
    struct disk_inventory inventory;
};

static void setup_make(struct setup *t)
{
    memset(t, 0, sizeof *t);
    scratch_make(&t->scratch);
    text_copy(t->policy.folder, sizeof t->policy.folder, t->scratch.path);
    t->policy.include = t->include;
    t->policy.exclude = t->exclude;
}

static void setup_free(struct setup *t)
{
    disk_inventory_free(&t->inventory);
    scratch_free(&t->scratch);
}

/* An image of `bytes` with an MBR of this signature, or blank with 0. */
static void make_image(struct setup *t, const char *name, size_t bytes, uint32_t signature)
{
    char path[OS_PATH_MAX];
    uint8_t *data = calloc(1, bytes);
    ck_assert_ptr_nonnull(data);
    if (signature) {
        put_le32(data + 440, signature);
        tables_mbr_entry(data, 0, 0x83, 8, 100);
    }
    ck_assert_ok(os_write_file(scratch_file(&t->scratch, path, name), data, bytes, &err), &err);
    free(data);
}

static void include(struct setup *t, const char *selector)
{
    t->include[t->policy.n_include++] = selector;
}

static void exclude(struct setup *t, const char *selector)
{
    t->exclude[t->policy.n_exclude++] = selector;
}

static void read_inventory(struct setup *t)
{
    disk_inventory_free(&t->inventory);
    ck_assert_ok(disk_inventory_read(&t->inventory, &t->policy, &err), &err);
}

static struct disk *find(struct setup *t, const char *name)
{
    char path[OS_PATH_MAX];
    scratch_file(&t->scratch, path, name);
    for (size_t i = 0; i < t->inventory.n; i++)
        if (os_same_file(t->inventory.disks[i].path, path))
            return &t->inventory.disks[i];
    return NULL;
}

static size_t count_selected(const struct setup *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->inventory.n; i++)
        n += t->inventory.disks[i].selected;
    return n;
}

START_TEST(images_are_named_by_any_form_of_their_path)
{
    struct setup t;
    char path[OS_PATH_MAX];
    setup_make(&t);
    make_image(&t, "a.raw", IMAGE_BYTES, 0x11111111);
    make_image(&t, "b.raw", IMAGE_BYTES, 0);
    include(&t, "a.raw");                                     /* relative to the policy */
    include(&t, scratch_file(&t.scratch, path, "b.raw"));
    include(&t, "./a.raw");                                   /* and once more */
    read_inventory(&t);
    ck_assert_uint_eq(count_selected(&t), 2);
    struct disk *a = find(&t, "a.raw"), *b = find(&t, "b.raw");
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert(a->selected && !a->refused && !a->why_not[0]);
    ck_assert(a->flags & DS_DISK_IMAGE);
    ck_assert(!(a->flags & DS_DISK_IN_USE));
    ck_assert_uint_eq(a->bytes, IMAGE_BYTES);
    ck_assert_uint_eq(a->sector, 512);
    ck_assert_str_eq(a->id, "mbr:11111111+bytes:1048576");
    ck_assert_int_eq(strncmp(b->id, "image:", 6), 0);
    ck_assert_ptr_nonnull(strstr(b->id, "b.raw"));
    for (size_t i = 0; i < t.inventory.n; i++)
        ck_assert_uint_eq(t.inventory.disks[i].number, i + 1);
    struct ds_disk abi = disk_abi(a, 7);
    ck_assert(abi.size == sizeof abi && abi.index == 7 && abi.bytes == IMAGE_BYTES &&
              abi.id == a->id && abi.path == a->path && abi.flags == a->flags);
    setup_free(&t);
}
END_TEST

START_TEST(a_glob_names_the_images_of_a_folder)
{
    struct setup t;
    setup_make(&t);
    make_image(&t, "vm1.raw", IMAGE_BYTES, 1);
    make_image(&t, "vm2.raw", IMAGE_BYTES, 2);
    make_image(&t, "vm3.raw", IMAGE_BYTES, 3);
    make_image(&t, "notes.txt", IMAGE_BYTES, 4);
    include(&t, "vm?.raw");
    exclude(&t, "vm2.raw");
    read_inventory(&t);
    ck_assert_uint_eq(count_selected(&t), 2);
    ck_assert(find(&t, "vm1.raw")->selected && find(&t, "vm3.raw")->selected);
    ck_assert(!find(&t, "vm2.raw")->selected);
    ck_assert_ptr_nonnull(strstr(find(&t, "vm2.raw")->why_not, "exclude"));
    ck_assert_ptr_null(find(&t, "notes.txt"));
    setup_free(&t);
}
END_TEST

START_TEST(exclude_wins_by_any_selector)
{
    static const char *const selectors[] = { "a.raw", "mbr:0000ABCD", "mbr:0000abcd+bytes:1048576",
                                             "*.raw" };
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++) {
        struct setup t;
        setup_make(&t);
        make_image(&t, "a.raw", IMAGE_BYTES, 0xabcd);
        include(&t, "a.raw");
        exclude(&t, "serial:of-another-host");
        exclude(&t, selectors[i]);
        read_inventory(&t);
        ck_assert_msg(count_selected(&t) == 0, "%s", selectors[i]);
        ck_assert_ptr_nonnull(strstr(find(&t, "a.raw")->why_not, selectors[i]));
        setup_free(&t);
    }
}
END_TEST

START_TEST(an_include_that_matches_nothing_is_an_error_by_name)
{
    static const char *const selectors[] = { "no-such.raw", "serial:NOT-THERE", "gpt:00000000",
                                             "9999", "no-*.raw", "a.raw.bak", "serial:" };
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++) {
        struct setup t;
        setup_make(&t);
        make_image(&t, "a.raw", IMAGE_BYTES, 1);
        include(&t, "a.raw");
        include(&t, selectors[i]);
        ck_assert_int_eq(disk_inventory_read(&t.inventory, &t.policy, &err), DS_ENOENT);
        ck_assert_msg(strstr(err.msg, "disks.include: nothing matches") &&
                          strstr(err.msg, selectors[i]), "%s", err.msg);
        ck_assert_uint_eq(count_selected(&t), 0);
        setup_free(&t);
    }
}
END_TEST

START_TEST(twins_are_refused_and_each_names_the_other)
{
    struct setup t;
    setup_make(&t);
    make_image(&t, "a.raw", IMAGE_BYTES, 0x77);
    make_image(&t, "copy.raw", IMAGE_BYTES, 0x77);
    make_image(&t, "other.raw", IMAGE_BYTES, 0x78);
    include(&t, "*.raw");
    read_inventory(&t);
    struct disk *a = find(&t, "a.raw"), *copy = find(&t, "copy.raw");
    ck_assert(a->selected && a->refused && strstr(a->why_not, "identity"));
    ck_assert(copy->selected && copy->refused && strstr(copy->why_not, "identity"));
    ck_assert(find(&t, "other.raw")->selected && !find(&t, "other.raw")->refused);
    exclude(&t, "copy.raw");
    read_inventory(&t);
    a = find(&t, "a.raw");
    ck_assert(a->selected && !a->refused && !a->why_not[0]);
    setup_free(&t);
}
END_TEST

START_TEST(files_that_are_no_disks_are_refused)
{
    struct setup t;
    setup_make(&t);
    make_image(&t, "odd.raw", 70000, 0);
    make_image(&t, "empty.raw", 0, 0);
    include(&t, "odd.raw");
    include(&t, "empty.raw");
    read_inventory(&t);
    ck_assert(find(&t, "odd.raw")->refused && find(&t, "empty.raw")->refused);
    ck_assert_ptr_nonnull(strstr(find(&t, "odd.raw")->why_not, "70000"));
    ck_assert_ptr_nonnull(strstr(find(&t, "empty.raw")->why_not, "size"));
    t.include[t.policy.n_include++] = t.scratch.path; /* a folder */
    disk_inventory_free(&t.inventory);
    ck_assert_int_eq(disk_inventory_read(&t.inventory, &t.policy, &err), DS_EINVAL);
    ck_assert_msg(strstr(err.msg, "folder"), "%s", err.msg);
    setup_free(&t);
}
END_TEST

START_TEST(without_a_policy_nothing_is_selected)
{
    struct setup t;
    setup_make(&t);
    ck_assert_ok(disk_inventory_read(&t.inventory, NULL, &err), &err);
    ck_assert_uint_eq(count_selected(&t), 0);
    for (size_t i = 0; i < t.inventory.n; i++)
        ck_assert(t.inventory.disks[i].why_not[0] && t.inventory.disks[i].id[0] &&
                  !(t.inventory.disks[i].flags & DS_DISK_IMAGE));
    setup_free(&t);
}
END_TEST

START_TEST(a_long_path_has_an_identity_of_its_own)
{
    struct setup t;
    char name[121] = "", other[121], path[OS_PATH_MAX];
    struct disk a, b;
    setup_make(&t);
    memset(name, 'n', 120);
    text_copy(other, sizeof other, name);
    other[0] = 'm'; /* differs only where it is cut off */
    make_image(&t, name, IMAGE_BYTES, 0);
    make_image(&t, other, IMAGE_BYTES, 0);
    ck_assert_ok(disk_probe(&a, scratch_file(&t.scratch, path, name), &err), &err);
    ck_assert_ok(disk_probe(&b, scratch_file(&t.scratch, path, other), &err), &err);
    ck_assert_str_ne(a.id, b.id);
    ck_assert_uint_lt(strlen(a.id), DISK_ID_MAX);
    disk_free(&a);
    disk_free(&b);
    setup_free(&t);
}
END_TEST

START_TEST(probe_tells_what_an_image_holds)
{
    struct setup t;
    char path[OS_PATH_MAX];
    struct disk disk;
    setup_make(&t);
    make_image(&t, "a.raw", IMAGE_BYTES, 5);
    scratch_file(&t.scratch, path, "a.raw");
    ck_assert_ok(disk_probe(&disk, path, &err), &err);
    ck_assert_int_eq(disk.layout.table, DISK_TABLE_MBR);
    ck_assert_uint_eq(disk.layout.n_partitions, 1);
    ck_assert_uint_eq(disk.layout.partitions[0].extent.offset, 4096);
    disk_free(&disk);
    ck_assert_ok(disk_check_unused(path, &err), &err);
    scratch_file(&t.scratch, path, "absent.raw");
    ck_assert_int_eq(disk_probe(&disk, path, &err), DS_ENOENT);
    disk_free(&disk);
    ck_assert_ok(disk_check_unused(path, &err), &err);
    setup_free(&t);
}
END_TEST

UNIT_MAIN("disk-inventory", images_are_named_by_any_form_of_their_path,
          a_glob_names_the_images_of_a_folder, exclude_wins_by_any_selector,
          an_include_that_matches_nothing_is_an_error_by_name,
          twins_are_refused_and_each_names_the_other, files_that_are_no_disks_are_refused,
          without_a_policy_nothing_is_selected, a_long_path_has_an_identity_of_its_own,
          probe_tells_what_an_image_holds)
