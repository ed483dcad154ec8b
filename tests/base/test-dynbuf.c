/* SPDX-License-Identifier: Apache-2.0 */
/* test-dynbuf.c - growth, the mandatory maximum and its sticky failure, and reading back. */
#include "core/base/dynbuf.h"
#include "tests/unit.h"

START_TEST(appends_keep_order_and_end_with_zero)
{
    struct dynbuf buf = DYNBUF_INIT(1000);
    ck_assert_ptr_null(buf.data);
    dynbuf_text(&buf, "ab");
    dynbuf_add(&buf, "c\0d", 3);
    dynbuf_printf(&buf, "%d-%s", 42, "x");
    dynbuf_u8(&buf, 'z');
    ck_assert(dynbuf_ok(&buf));
    ck_assert_uint_eq(buf.len, 10);
    ck_assert_mem_eq(buf.data, "abc\0d42-xz\0", 11);
    dynbuf_free(&buf);
    ck_assert_ptr_null(buf.data);
    dynbuf_free(&buf);
}
END_TEST

START_TEST(maximum_is_reached_and_never_passed)
{
    struct dynbuf buf = DYNBUF_INIT(100);
    for (int i = 0; i < 100; i++)
        dynbuf_u8(&buf, (uint8_t)i);
    ck_assert(dynbuf_ok(&buf));
    ck_assert_uint_eq(buf.len, 100);
    dynbuf_u8(&buf, 1);
    ck_assert(!dynbuf_ok(&buf));
    ck_assert_uint_eq(buf.len, 100);
    /* Sticky: what would fit is refused too, and nothing is half written. */
    ck_assert_ptr_null(dynbuf_room(&buf, 0));
    dynbuf_reset(&buf);
    ck_assert(dynbuf_ok(&buf));
    ck_assert_uint_eq(buf.data[0], 0);
    dynbuf_text(&buf, "again");
    ck_assert_str_eq((char *)buf.data, "again");
    dynbuf_free(&buf);
}
END_TEST

START_TEST(huge_request_fails_without_overflow)
{
    struct dynbuf buf = DYNBUF_INIT(SIZE_MAX);
    dynbuf_text(&buf, "0123456789");
    ck_assert_ptr_null(dynbuf_room(&buf, SIZE_MAX - 5));
    ck_assert(!dynbuf_ok(&buf));
    ck_assert_uint_eq(buf.len, 10);
    dynbuf_free(&buf);
    struct dynbuf small = DYNBUF_INIT(8);
    dynbuf_printf(&small, "%s", "123456789");
    ck_assert(!dynbuf_ok(&small));
    ck_assert_uint_eq(small.len, 0);
    dynbuf_free(&small);
}
END_TEST

START_TEST(content_survives_growth)
{
    struct dynbuf buf = DYNBUF_INIT(1 << 20);
    for (uint32_t i = 0; i < 50000; i++)
        dynbuf_le32(&buf, i * 2654435761u);
    ck_assert(dynbuf_ok(&buf));
    struct reader r = reader_of(buf.data, buf.len);
    for (uint32_t i = 0; i < 50000; i++)
        ck_assert_uint_eq(reader_le32(&r), i * 2654435761u);
    ck_assert(!r.bad && reader_left(&r) == 0);
    dynbuf_free(&buf);
}
END_TEST

START_TEST(integers_read_back_as_written)
{
    struct dynbuf buf = DYNBUF_INIT(100);
    dynbuf_u8(&buf, 0xfe);
    dynbuf_le16(&buf, 0x8123);
    dynbuf_le32(&buf, 0x80000001u);
    dynbuf_le64(&buf, UINT64_C(0xfedcba9876543210));
    static const uint8_t bytes[] = { 0xfe, 0x23, 0x81, 1,    0,    0,    0x80, 0x10,
                                     0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe };
    ck_assert_uint_eq(buf.len, sizeof bytes);
    ck_assert_mem_eq(buf.data, bytes, sizeof bytes);
    struct reader r = reader_of(buf.data, buf.len);
    ck_assert_uint_eq(reader_u8(&r), 0xfe);
    ck_assert_uint_eq(reader_le16(&r), 0x8123);
    ck_assert_uint_eq(reader_le32(&r), 0x80000001u);
    ck_assert(reader_le64(&r) == UINT64_C(0xfedcba9876543210));
    ck_assert(!r.bad);
    dynbuf_free(&buf);
}
END_TEST

START_TEST(reading_past_the_end_is_sticky)
{
    static const uint8_t bytes[] = { 1, 2, 3, 4, 5 };
    struct reader r = reader_of(bytes, sizeof bytes);
    ck_assert_uint_eq(reader_le32(&r), 0x04030201);
    ck_assert_uint_eq(reader_le16(&r), 0);
    ck_assert(r.bad);
    ck_assert_uint_eq(reader_u8(&r), 0); /* though one byte is left */
    ck_assert_ptr_null(reader_take(&r, 0));
    struct reader huge = reader_of(bytes, sizeof bytes);
    ck_assert_ptr_null(reader_take(&huge, SIZE_MAX));
    ck_assert(huge.bad);
    struct reader none = reader_of(NULL, 0);
    ck_assert_uint_eq(reader_left(&none), 0);
    ck_assert(reader_le64(&none) == 0 && none.bad);
}
END_TEST

UNIT_MAIN("dynbuf", appends_keep_order_and_end_with_zero, maximum_is_reached_and_never_passed,
          huge_request_fails_without_overflow, content_survives_growth,
          integers_read_back_as_written, reading_past_the_end_is_sticky)
