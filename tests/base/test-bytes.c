/* SPDX-License-Identifier: Apache-2.0 */
/* test-bytes.c - integers at any alignment, checked arithmetic, the zero test. */
#include "core/base/bytes.h"
#include "tests/unit.h"

START_TEST(integers_are_little_endian_at_any_alignment)
{
    static const uint8_t bytes[] = { 0xff, 0x01, 0x82, 0x03, 0x84, 0x05, 0x86, 0x07, 0x88, 0xff };
    ck_assert_uint_eq(get_le16(bytes + 1), 0x8201);
    ck_assert_uint_eq(get_le32(bytes + 1), 0x84038201u);
    ck_assert(get_le64(bytes + 1) == UINT64_C(0x8807860584038201));
    for (size_t at = 0; at < 8; at++) {
        uint8_t room[18], same[18];
        memset(room, 0xee, sizeof room);
        memset(same, 0xee, sizeof same);
        put_le64(room + at, UINT64_C(0x8807860584038201));
        memcpy(same + at, bytes + 1, 8);
        ck_assert_mem_eq(room, same, sizeof room);
        put_le32(room + at, 0xffeeddccu);
        ck_assert_uint_eq(get_le32(room + at), 0xffeeddccu);
        ck_assert_uint_eq(get_le32(room + at + 4), 0x88078605u);
        put_le16(room + at, 0x1234);
        ck_assert_uint_eq(get_le32(room + at), 0xffee1234u);
    }
}
END_TEST

START_TEST(checked_arithmetic_refuses_what_does_not_fit)
{
    uint64_t out = 7;
    ck_assert(add_u64(UINT64_MAX - 1, 1, &out) && out == UINT64_MAX);
    out = 7;
    ck_assert(!add_u64(UINT64_MAX, 1, &out));
    ck_assert(mul_u64(UINT64_C(1) << 32, UINT64_C(0xffffffff), &out));
    ck_assert(out == UINT64_C(0xffffffff00000000));
    ck_assert(!mul_u64(UINT64_C(1) << 32, UINT64_C(1) << 32, &out));
    ck_assert(mul_u64(0, UINT64_MAX, &out) && out == 0);
}
END_TEST

START_TEST(rounding_up_never_overflows)
{
    ck_assert(div_round_up(0, 65536) == 0);
    ck_assert(div_round_up(1, 65536) == 1);
    ck_assert(div_round_up(65536, 65536) == 1);
    ck_assert(div_round_up(65537, 65536) == 2);
    ck_assert(div_round_up(UINT64_MAX, 1) == UINT64_MAX);
    ck_assert(div_round_up(UINT64_MAX, 2) == UINT64_C(1) << 63);
    ck_assert(min_u64(3, 4) == 3 && max_u64(3, 4) == 4);
}
END_TEST

START_TEST(one_set_bit_anywhere_is_not_zero)
{
    static uint8_t data[4096 + 64];
    static const size_t sizes[] = { 1, 2, 15, 16, 17, 31, 32, 33, 63, 100, 4096 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t at = 0; at < 3; at++) {
            size_t n = sizes[i];
            memset(data, 0xff, sizeof data);
            memset(data + at, 0, n);
            ck_assert(is_zero(data + at, n));
            for (size_t bit = 0; bit < n; bit += n > 100 ? 13 : 1) {
                data[at + bit] = 0x40;
                ck_assert_msg(!is_zero(data + at, n), "n %zu, byte %zu", n, bit);
                data[at + bit] = 0;
            }
            data[at + n - 1] = 1;
            ck_assert(!is_zero(data + at, n));
        }
    ck_assert(is_zero(data, 0));
}
END_TEST

START_TEST(wipe_leaves_zeros_and_touches_no_neighbour)
{
    uint8_t data[40];
    memset(data, 0xaa, sizeof data);
    wipe(data + 4, 32);
    ck_assert(is_zero(data + 4, 32));
    ck_assert_uint_eq(get_le32(data), 0xaaaaaaaau);
    ck_assert_uint_eq(get_le32(data + 36), 0xaaaaaaaau);
}
END_TEST

UNIT_MAIN("bytes", integers_are_little_endian_at_any_alignment,
          checked_arithmetic_refuses_what_does_not_fit, rounding_up_never_overflows,
          one_set_bit_anywhere_is_not_zero, wipe_leaves_zeros_and_touches_no_neighbour)
