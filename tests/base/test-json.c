/* SPDX-License-Identifier: Apache-2.0 */
/* test-json.c - what the writer writes, byte by byte. */
#include "core/base/json.h"
#include "tests/unit.h"

static void write_sample(struct json *j)
{
    json_object(j, NULL);
    json_string(j, "name", "web");
    json_array(j, "list");
    json_u64(j, NULL, UINT64_MAX);
    json_i64(j, NULL, INT64_MIN);
    json_object(j, NULL);
    json_object_end(j);
    json_array(j, NULL);
    json_array_end(j);
    json_array_end(j);
    json_object(j, "in");
    json_bool(j, "yes", true);
    json_bool(j, "no", false);
    json_string(j, "none", NULL);
    json_double(j, "half", 0.5, 3);
    json_object_end(j);
    json_object_end(j);
}

START_TEST(commas_and_nesting)
{
    struct dynbuf out = DYNBUF_INIT(4096);
    struct json j = json_to(&out, false);
    write_sample(&j);
    ck_assert_str_eq((char *)out.data,
                     "{\"name\":\"web\",\"list\":[18446744073709551615,-9223372036854775808,{},[]],"
                     "\"in\":{\"yes\":true,\"no\":false,\"none\":null,\"half\":0.500}}\n");
    dynbuf_free(&out);
}
END_TEST

START_TEST(pretty_has_a_line_per_value)
{
    struct dynbuf out = DYNBUF_INIT(4096);
    struct json j = json_to(&out, true);
    write_sample(&j);
    ck_assert_str_eq((char *)out.data,
                     "{\n  \"name\": \"web\",\n  \"list\": [\n    18446744073709551615,\n"
                     "    -9223372036854775808,\n    {},\n    []\n  ],\n  \"in\": {\n"
                     "    \"yes\": true,\n    \"no\": false,\n    \"none\": null,\n"
                     "    \"half\": 0.500\n  }\n}\n");
    dynbuf_free(&out);
}
END_TEST

/* What one string becomes, without the quotes around it. */
static void check_string(const char *value, const char *expected)
{
    struct dynbuf out = DYNBUF_INIT(4096);
    struct json j = json_to(&out, false);
    json_array(&j, NULL);
    json_string(&j, NULL, value);
    json_array_end(&j);
    ck_assert(dynbuf_ok(&out));
    ck_assert_uint_eq(out.len, strlen(expected) + 5);
    ck_assert_msg(memcmp(out.data + 2, expected, strlen(expected)) == 0, "%s", out.data);
    dynbuf_free(&out);
}

START_TEST(strings_are_escaped)
{
    check_string("", "");
    check_string("C:\\a \"b\"/c", "C:\\\\a \\\"b\\\"/c");
    check_string("\x01\n\t\x1f\x7f", "\\u0001\\u000a\\u0009\\u001f\x7f");
    check_string("\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe");
}
END_TEST

#define NOT "\xef\xbf\xbd"

START_TEST(invalid_utf8_is_replaced)
{
    check_string("a\xff" "b", "a" NOT "b");
    check_string("\xc3", NOT);                 /* cut off at the end */
    check_string("\xe2\x82", NOT NOT);
    check_string("\xf0\x9f\x92", NOT NOT NOT);
    check_string("\xc0\xaf", NOT NOT);         /* longer than needed */
    check_string("\xe0\x80\xaf", NOT NOT NOT);
    check_string("\xf0\x80\x80\xaf", NOT NOT NOT NOT);
    check_string("\xed\xa0\x80", NOT NOT NOT); /* half of a surrogate pair */
    check_string("\xf4\x90\x80\x80", NOT NOT NOT NOT); /* above U+10FFFF */
    check_string("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
                 "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"); /* the last ones allowed */
}
END_TEST

START_TEST(failure_shows_in_the_buffer)
{
    struct dynbuf out = DYNBUF_INIT(20);
    struct json j = json_to(&out, false);
    write_sample(&j);
    ck_assert(!dynbuf_ok(&out));
    ck_assert_uint_le(out.len, 20);
    dynbuf_free(&out);
}
END_TEST

UNIT_MAIN("json", commas_and_nesting, pretty_has_a_line_per_value, strings_are_escaped,
          invalid_utf8_is_replaced, failure_shows_in_the_buffer)
