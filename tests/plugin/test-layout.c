/* SPDX-License-Identifier: Apache-2.0 */
/* test-layout.c - the binary layout of everything that crosses the plugin ABI, as this compiler
 * makes it, is the one of the golden file of this system. A plugin that was built years ago relies
 * on it: a member may be added at the end of a structure that carries its size, and then a line is
 * added to the golden files; no other line ever changes.
 *
 * DISKSYNC_WRITE_LAYOUT=FILE writes what is found instead of comparing. */
#include "tests/unit.h"

#include <disksync/disksync.h>
#include <stdbool.h>

#ifdef _WIN32
#define GOLDEN "sdk/abi/layout-1-win64.txt"
#else
#define GOLDEN "sdk/abi/layout-1-linux64.txt"
#endif

struct row {
    const char *structure, *member; /* member NULL: the structure itself */
    size_t offset, size;
};
#define STRUCT(T) { #T, NULL, 0, sizeof(struct T) }
#define MEMBER(T, m) { #T, #m, offsetof(struct T, m), sizeof(((struct T *)0)->m) }

static const struct row rows[] = {
    STRUCT(ds_error),
    MEMBER(ds_error, size), MEMBER(ds_error, code), MEMBER(ds_error, os_code),
    MEMBER(ds_error, os_domain), MEMBER(ds_error, retry), MEMBER(ds_error, retry_after_ms),
    MEMBER(ds_error, msg),
    STRUCT(ds_kv),
    MEMBER(ds_kv, key), MEMBER(ds_kv, value),
    STRUCT(ds_extent),
    MEMBER(ds_extent, offset), MEMBER(ds_extent, length),
    STRUCT(ds_window),
    MEMBER(ds_window, from), MEMBER(ds_window, to),
    STRUCT(ds_iovec),
    MEMBER(ds_iovec, data), MEMBER(ds_iovec, length),
    STRUCT(ds_token),
    MEMBER(ds_token, bytes),
    STRUCT(ds_disk),
    MEMBER(ds_disk, size), MEMBER(ds_disk, index), MEMBER(ds_disk, id), MEMBER(ds_disk, path),
    MEMBER(ds_disk, model), MEMBER(ds_disk, bytes), MEMBER(ds_disk, sector),
    MEMBER(ds_disk, physical_sector), MEMBER(ds_disk, flags), MEMBER(ds_disk, reserved),
    STRUCT(ds_call),
    MEMBER(ds_call, size), MEMBER(ds_call, flags), MEMBER(ds_call, deadline_ns),
    MEMBER(ds_call, id), MEMBER(ds_call, host), MEMBER(ds_call, err),
    STRUCT(ds_host),
    MEMBER(ds_host, size), MEMBER(ds_host, abi), MEMBER(ds_host, ctx), MEMBER(ds_host, log),
    MEMBER(ds_host, cancelled), MEMBER(ds_host, progress), MEMBER(ds_host, secret),
    MEMBER(ds_host, net), MEMBER(ds_host, state_put), MEMBER(ds_host, state_get),
    MEMBER(ds_host, task), MEMBER(ds_host, buffer_get), MEMBER(ds_host, buffer_put),
    MEMBER(ds_host, now_wall), MEMBER(ds_host, now_mono), MEMBER(ds_host, random),
    STRUCT(ds_option),
    MEMBER(ds_option, name), MEMBER(ds_option, help), MEMBER(ds_option, def),
    MEMBER(ds_option, choices), MEMBER(ds_option, type), MEMBER(ds_option, flags),
    MEMBER(ds_option, min), MEMBER(ds_option, max),
    STRUCT(ds_plugin),
    MEMBER(ds_plugin, size), MEMBER(ds_plugin, abi), MEMBER(ds_plugin, kind),
    MEMBER(ds_plugin, threads), MEMBER(ds_plugin, caps), MEMBER(ds_plugin, needs),
    MEMBER(ds_plugin, name), MEMBER(ds_plugin, version), MEMBER(ds_plugin, summary),
    MEMBER(ds_plugin, options), MEMBER(ds_plugin, n_options), MEMBER(ds_plugin, option_size),
    MEMBER(ds_plugin, check), MEMBER(ds_plugin, open), MEMBER(ds_plugin, close),
    MEMBER(ds_plugin, cancel), MEMBER(ds_plugin, ops),
    STRUCT(ds_view),
    MEMBER(ds_view, size), MEMBER(ds_view, kind), MEMBER(ds_view, disk), MEMBER(ds_view, volume),
    MEMBER(ds_view, volume_offset), MEMBER(ds_view, path), MEMBER(ds_view, path_offset),
    MEMBER(ds_view, count), MEMBER(ds_view, flags), MEMBER(ds_view, disk_step),
    MEMBER(ds_view, path_step),
    STRUCT(ds_snapshot_ops),
    MEMBER(ds_snapshot_ops, size), MEMBER(ds_snapshot_ops, reserved),
    MEMBER(ds_snapshot_ops, probe), MEMBER(ds_snapshot_ops, create),
    MEMBER(ds_snapshot_ops, views), MEMBER(ds_snapshot_ops, used),
    MEMBER(ds_snapshot_ops, altered), MEMBER(ds_snapshot_ops, read),
    MEMBER(ds_snapshot_ops, facts), MEMBER(ds_snapshot_ops, health),
    MEMBER(ds_snapshot_ops, finish), MEMBER(ds_snapshot_ops, release),
    MEMBER(ds_snapshot_ops, sweep),
    STRUCT(ds_generation),
    MEMBER(ds_generation, size), MEMBER(ds_generation, state), MEMBER(ds_generation, start),
    MEMBER(ds_generation, end), MEMBER(ds_generation, granularity),
    MEMBER(ds_generation, pending), MEMBER(ds_generation, changed_bytes),
    MEMBER(ds_generation, reason), MEMBER(ds_generation, flags),
    MEMBER(ds_generation, reserved),
    STRUCT(ds_tracker_ops),
    MEMBER(ds_tracker_ops, size), MEMBER(ds_tracker_ops, reserved), MEMBER(ds_tracker_ops, probe),
    MEMBER(ds_tracker_ops, attach), MEMBER(ds_tracker_ops, detach), MEMBER(ds_tracker_ops, cut),
    MEMBER(ds_tracker_ops, generation), MEMBER(ds_tracker_ops, changes),
    MEMBER(ds_tracker_ops, commit), MEMBER(ds_tracker_ops, abort), MEMBER(ds_tracker_ops, mark),
    STRUCT(ds_store_info),
    MEMBER(ds_store_info, size), MEMBER(ds_store_info, max_in_flight),
    MEMBER(ds_store_info, caps), MEMBER(ds_store_info, free_bytes),
    MEMBER(ds_store_info, clock_ns), MEMBER(ds_store_info, location),
    MEMBER(ds_store_info, flags), MEMBER(ds_store_info, reserved),
    STRUCT(ds_store_req),
    MEMBER(ds_store_req, size), MEMBER(ds_store_req, op), MEMBER(ds_store_req, flags),
    MEMBER(ds_store_req, n_iov), MEMBER(ds_store_req, key), MEMBER(ds_store_req, iov),
    MEMBER(ds_store_req, offset), MEMBER(ds_store_req, length), MEMBER(ds_store_req, data),
    MEMBER(ds_store_req, after), MEMBER(ds_store_req, until_ns),
    MEMBER(ds_store_req, deadline_ns), MEMBER(ds_store_req, got),
    MEMBER(ds_store_req, object_bytes), MEMBER(ds_store_req, mtime_ns),
    MEMBER(ds_store_req, item), MEMBER(ds_store_req, done), MEMBER(ds_store_req, user),
    STRUCT(ds_store_ops),
    MEMBER(ds_store_ops, size), MEMBER(ds_store_ops, reserved), MEMBER(ds_store_ops, probe),
    MEMBER(ds_store_ops, submit), MEMBER(ds_store_ops, run), MEMBER(ds_store_ops, wake),
    STRUCT(ds_transport_info),
    MEMBER(ds_transport_info, size), MEMBER(ds_transport_info, block),
    MEMBER(ds_transport_info, caps), MEMBER(ds_transport_info, max_in_flight),
    MEMBER(ds_transport_info, max_write), MEMBER(ds_transport_info, location),
    STRUCT(ds_transport_ops),
    MEMBER(ds_transport_ops, size), MEMBER(ds_transport_ops, reserved),
    MEMBER(ds_transport_ops, probe), MEMBER(ds_transport_ops, begin),
    MEMBER(ds_transport_ops, capacity), MEMBER(ds_transport_ops, write),
    MEMBER(ds_transport_ops, drop), MEMBER(ds_transport_ops, read),
    MEMBER(ds_transport_ops, flush), MEMBER(ds_transport_ops, commit),
    MEMBER(ds_transport_ops, abort), MEMBER(ds_transport_ops, stats),
    MEMBER(ds_transport_ops, end),
    STRUCT(ds_reader),
    MEMBER(ds_reader, size), MEMBER(ds_reader, sector), MEMBER(ds_reader, bytes),
    MEMBER(ds_reader, ctx), MEMBER(ds_reader, pread),
    STRUCT(ds_fsmap_ops),
    MEMBER(ds_fsmap_ops, size), MEMBER(ds_fsmap_ops, reserved), MEMBER(ds_fsmap_ops, probe),
    MEMBER(ds_fsmap_ops, open), MEMBER(ds_fsmap_ops, used), MEMBER(ds_fsmap_ops, skip),
    MEMBER(ds_fsmap_ops, facts), MEMBER(ds_fsmap_ops, close),
    STRUCT(ds_volmap_ops),
    MEMBER(ds_volmap_ops, size), MEMBER(ds_volmap_ops, reserved), MEMBER(ds_volmap_ops, volumes),
};
#define N_ROWS (sizeof rows / sizeof rows[0])

static void row_text(const struct row *row, char *text, size_t cap)
{
    if (row->member)
        snprintf(text, cap, "%s.%s offset %zu size %zu", row->structure, row->member, row->offset,
                 row->size);
    else
        snprintf(text, cap, "%s size %zu", row->structure, row->size);
}

static bool write_layout(const char *path)
{
    char text[128];
    FILE *f = fopen(path, "wb");
    ck_assert_msg(f != NULL, "cannot write %s", path);
    for (size_t i = 0; i < N_ROWS; i++) {
        row_text(&rows[i], text, sizeof text);
        fprintf(f, "%s\n", text);
    }
    ck_assert_int_eq(fclose(f), 0);
    return true;
}

START_TEST(layout_is_golden)
{
    char path[4096], text[128], line[160];
    const char *out = getenv("DISKSYNC_WRITE_LAYOUT"), *top = getenv("top_srcdir");
    if (out && *out && write_layout(out))
        return;
    snprintf(path, sizeof path, "%s/%s", top ? top : ".", GOLDEN);
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "cannot open %s", path);
    for (size_t i = 0; i < N_ROWS; i++) {
        row_text(&rows[i], text, sizeof text);
        ck_assert_msg(fgets(line, sizeof line, f) != NULL, "%s ends before: %s", path, text);
        line[strcspn(line, "\r\n")] = 0;
        ck_assert_str_eq(text, line);
    }
    ck_assert_msg(fgets(line, sizeof line, f) == NULL, "%s goes on: %s", path, line);
    fclose(f);
}
END_TEST

/* The table above lists every member: nothing but padding lies between and after them. */
START_TEST(table_is_complete)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (rows[i].member)
            continue;
        size_t end = 0, j = i + 1;
        for (; j < N_ROWS && rows[j].member; j++) {
            ck_assert_msg(rows[j].offset >= end && rows[j].offset - end < sizeof(void *),
                          "a member before %s.%s is not in the table", rows[j].structure,
                          rows[j].member);
            end = rows[j].offset + rows[j].size;
        }
        ck_assert_msg(rows[i].size - end < sizeof(void *),
                      "the last members of %s are not in the table", rows[i].structure);
    }
}
END_TEST

/* What the rules of abi.h promise of every structure that may grow. */
START_TEST(growing_structures_begin_with_their_size)
{
    static const char *const fixed[] = { "ds_kv",    "ds_extent", "ds_window",
                                         "ds_iovec", "ds_token",  "ds_option" };
    for (size_t i = 0; i + 1 < N_ROWS; i++) {
        bool grows = rows[i].member == NULL;
        for (size_t k = 0; k < sizeof fixed / sizeof fixed[0]; k++)
            grows = grows && strcmp(rows[i].structure, fixed[k]) != 0;
        if (!grows)
            continue;
        ck_assert_msg(strcmp(rows[i + 1].member, "size") == 0 && rows[i + 1].size == 4,
                      "%s does not begin with its size", rows[i].structure);
    }
}
END_TEST

UNIT_MAIN("layout", layout_is_golden, table_is_complete, growing_structures_begin_with_their_size)
