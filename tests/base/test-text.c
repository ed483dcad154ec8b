/* SPDX-License-Identifier: Apache-2.0 */
/* test-text.c - values to text and back: hex, UUIDs, sizes, times, numbers, names. */
#include "core/base/text.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

START_TEST(hex_goes_there_and_back)
{
    uint8_t data[256], back[256];
    char text[513];
    for (unsigned i = 0; i < 256; i++)
        data[i] = (uint8_t)i;
    text_hex(text, data, 256);
    ck_assert_uint_eq(strlen(text), 512);
    ck_assert_str_eq(text + 506, "fdfeff");
    ck_assert(text_unhex(back, 256, text));
    ck_assert_mem_eq(data, back, 256);
    ck_assert(text_unhex(back, 2, "aBCd"));
    ck_assert_mem_eq(back, "\xab\xcd", 2);
    ck_assert(text_unhex(back, 0, ""));
}
END_TEST

START_TEST(hex_of_wrong_length_or_digits_is_refused)
{
    static const char *const bad[] = { "", "a", "ab", "abc", "abcde", "abcdef", "abcg", "ab d",
                                       "/bcd", ":bcd", "@bcd", "Gbcd", "`bcd" };
    uint8_t out[2];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!text_unhex(out, 2, bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(uuid_has_one_spelling)
{
    static const char canonical[] = "00112233-4455-6677-8899-aabbccddeeff";
    static const char *const bad[] = {
        "", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeeff0",
        "00112233445566778899aabbccddeeff", "001122334-455-6677-8899-aabbccddeeff",
        "{0112233-4455-6677-8899-aabbccddeef}", "00112233-4455-6677-8899-aabbccddeegf",
        "00112233-4455-6677-8899aaabbccddeeff",
    };
    uint8_t uuid[UUID_SIZE];
    char text[UUID_TEXT];
    ck_assert(text_parse_uuid(uuid, canonical));
    for (unsigned i = 0; i < UUID_SIZE; i++)
        ck_assert_uint_eq(uuid[i], i * 0x11);
    text_uuid(text, uuid);
    ck_assert_str_eq(text, canonical);
    ck_assert(text_parse_uuid(uuid, "00112233-4455-6677-8899-AABBCCDDEEFF"));
    text_uuid(text, uuid);
    ck_assert_str_eq(text, canonical);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!text_parse_uuid(uuid, bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(sizes_have_three_digits)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        { 0, "0 B" }, { 1, "1 B" }, { 1023, "1023 B" }, { 1024, "1.00 KiB" },
        { 1536, "1.50 KiB" }, { 10240, "10.0 KiB" }, { 102400, "100 KiB" },
        { 1048575, "1.00 MiB" }, { 65536, "64.0 KiB" }, { UINT64_C(4) << 30, "4.00 GiB" },
        { UINT64_C(16) << 40, "16.0 TiB" }, { UINT64_MAX, "16.0 EiB" },
    };
    char out[32];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_str_eq(text_size(out, sizeof out, cases[i].bytes), cases[i].text);
}
END_TEST

START_TEST(durations_and_times_read_well)
{
    char out[40];
    const uint64_t s = 1000000000u;
    ck_assert_str_eq(text_duration(out, sizeof out, 1500000000u), "1.50s");
    ck_assert_str_eq(text_duration(out, sizeof out, 12 * s + s / 2), "12.5s");
    ck_assert_str_eq(text_duration(out, sizeof out, 125 * s), "2m 05s");
    ck_assert_str_eq(text_duration(out, sizeof out, 7384 * s), "2h 03m");
    ck_assert_str_eq(text_time(out, sizeof out, 0, false), "1970-01-01 00:00:00");
    ck_assert_str_eq(text_time(out, sizeof out, INT64_C(951868799) * 1000000000, true),
                     "2000-02-29T23:59:59Z");
    ck_assert_str_eq(text_time(out, sizeof out, INT64_C(951868800) * 1000000000, true),
                     "2000-03-01T00:00:00Z");
    ck_assert_str_eq(text_time(out, sizeof out, INT64_C(4102444799) * 1000000000, false),
                     "2099-12-31 23:59:59");
    ck_assert_str_eq(text_time(out, sizeof out, -1, false), "1969-12-31 23:59:59");
}
END_TEST

START_TEST(numbers_are_strict)
{
    static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x1", "1a",
                                       "18446744073709551616", "99999999999999999999999" };
    uint64_t v = 77;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!text_parse_u64(&v, bad[i], UINT64_MAX), "%s", bad[i]);
    ck_assert(text_parse_u64(&v, "18446744073709551615", UINT64_MAX) && v == UINT64_MAX);
    ck_assert(text_parse_u64(&v, "007", 7) && v == 7);
    ck_assert(!text_parse_u64(&v, "8", 7));
    ck_assert(v == 7); /* untouched by a refusal */
}
END_TEST

START_TEST(copy_is_cut_between_characters)
{
    char out[8];
    ck_assert(text_copy(out, sizeof out, "1234567"));
    ck_assert_str_eq(out, "1234567");
    ck_assert(!text_copy(out, sizeof out, "12345678"));
    ck_assert_str_eq(out, "1234567");
    ck_assert(!text_copy(out, sizeof out, "12345\xe2\x82\xac")); /* a euro sign */
    ck_assert_str_eq(out, "12345");
    ck_assert(text_copy(out, sizeof out, "1234\xe2\x82\xac"));
    ck_assert(!text_copy(out, sizeof out, "1234\xe2\x82\xac" "5"));
    ck_assert_str_eq(out, "1234\xe2\x82\xac");
    ck_assert(!text_copy(out, 1, "x"));
    ck_assert_str_eq(out, "");
    ck_assert(!text_copy(out, 0, "x"));
}
END_TEST

START_TEST(distance_counts_single_typing_errors)
{
    ck_assert_uint_eq(text_distance("", ""), 0);
    ck_assert_uint_eq(text_distance("policy", "policy"), 0);
    ck_assert_uint_eq(text_distance("policy", "polcy"), 1);
    ck_assert_uint_eq(text_distance("policy", "pollicy"), 1);
    ck_assert_uint_eq(text_distance("policy", "polizy"), 1);
    ck_assert_uint_eq(text_distance("policy", "poilcy"), 1);
    ck_assert_uint_eq(text_distance("", "abc"), 3);
    ck_assert_uint_eq(text_distance("kitten", "sitting"), 3);
}
END_TEST

START_TEST(globs_match_whole_names)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        { "", "", true }, { "", "a", false }, { "*", "", true }, { "**", "abc", true },
        { "db-*", "DB-01", true }, { "db-*", "xdb-01", false }, { "?", "", false },
        { "w?b", "web", true }, { "w?b", "wb", false }, { "*a*b*c", "xxaxbxbxc", true },
        { "*a*b*c", "xxaxcxb", false }, { "a*", "a", true }, { "*.raw", "disk.raw.raw", true },
        { "*.raw", "disk.rawx", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(text_glob(cases[i].pattern, cases[i].text) == cases[i].match, "%s on %s",
                      cases[i].pattern, cases[i].text);
}
END_TEST

UNIT_MAIN("text", hex_goes_there_and_back, hex_of_wrong_length_or_digits_is_refused,
          uuid_has_one_spelling, sizes_have_three_digits, durations_and_times_read_well,
          numbers_are_strict, copy_is_cut_between_characters, distance_counts_single_typing_errors,
          globs_match_whole_names)
