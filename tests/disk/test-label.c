/* SPDX-License-Identifier: Apache-2.0 */
/* test-label.c - names from disks become text that can be shown; and the checksum of GPT. */
#include "core/disk/label.h"

#include "core/base/bytes.h"
#include "core/disk/crc32.h"
#include "tests/unit.h"

static const char *bytes(const char *text, size_t cap)
{
    static char out[128];
    memset(out, 'X', sizeof out);
    label_of_bytes(out, cap, (const uint8_t *)text, strlen(text));
    ck_assert_ptr_nonnull(memchr(out, 0, cap));
    return out;
}

START_TEST(bytes_become_utf8)
{
    ck_assert_str_eq(bytes("DATA   ", 64), "DATA");
    ck_assert_str_eq(bytes("Gr\xc3\xb6\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x92\xbe", 64),
                     "Gr\xc3\xb6\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x92\xbe");
    ck_assert_str_eq(bytes("a\nb\x1b[2Jc\x7f", 64), "a?b?[2Jc?");
    ck_assert_str_eq(bytes("\xff\xfe", 64), "??");
    ck_assert_str_eq(bytes("\xc0\x80", 64), "??");         /* overlong */
    ck_assert_str_eq(bytes("\xed\xa0\x80", 64), "???");    /* half of a pair */
    ck_assert_str_eq(bytes("\xf4\x90\x80\x80", 64), "????"); /* beyond Unicode */
    ck_assert_str_eq(bytes("a\xe2\x82", 64), "a??");       /* cut off */
    ck_assert_str_eq(bytes("\xc2\x9b", 64), "?");          /* a control character */
    ck_assert_str_eq(bytes("ab\xe2\x82\xac", 5), "ab");    /* not split */
    ck_assert_str_eq(bytes("abcdef", 4), "abc");
}
END_TEST

static const char *units(const uint16_t *u, size_t n, size_t cap)
{
    static char out[128];
    uint8_t le[128];
    memset(out, 'X', sizeof out);
    for (size_t i = 0; i < n; i++)
        put_le16(le + 2 * i, u[i]);
    label_of_utf16(out, cap, le, n);
    return out;
}

START_TEST(utf16_becomes_utf8)
{
    const uint16_t plain[] = { 'D', 0xf6, 0x20ac, 0, 'x' };
    const uint16_t pair[] = { 0xd83d, 0xdcbe };
    const uint16_t broken[] = { 0xd83d, 'a', 0xdcbe, 0xd83d };
    const uint16_t control[] = { 'a', 7, 0x85, 'b' };
    ck_assert_str_eq(units(plain, 5, 64), "D\xc3\xb6\xe2\x82\xac");
    ck_assert_str_eq(units(pair, 2, 64), "\xf0\x9f\x92\xbe");
    ck_assert_str_eq(units(pair, 2, 4), "");
    ck_assert_str_eq(units(broken, 4, 64), "\xef\xbf\xbd" "a\xef\xbf\xbd\xef\xbf\xbd");
    ck_assert_str_eq(units(control, 4, 64), "a??b");
    ck_assert_str_eq(units(NULL, 0, 64), "");
}
END_TEST

START_TEST(crc32_is_the_one_of_ieee_802_3)
{
    ck_assert_uint_eq(crc32_of(0, "123456789", 9), 0xcbf43926);
    ck_assert_uint_eq(crc32_of(crc32_of(0, "1234", 4), "56789", 5), 0xcbf43926);
    ck_assert_uint_eq(crc32_of(0, "", 0), 0);
    ck_assert_uint_eq(crc32_of(0, "\0\0\0\0", 4), 0x2144df1c);
}
END_TEST

UNIT_MAIN("disk-label", bytes_become_utf8, utf16_becomes_utf8, crc32_is_the_one_of_ieee_802_3)
