/* SPDX-License-Identifier: Apache-2.0 */
/* test-names.c - keys and the file names that stand for them, queries, and XML. */
#include "core/gateway/key.h"
#include "core/gateway/uri.h"
#include "core/gateway/xml.h"

#include "tests/unit.h"

#include <string.h>

START_TEST(test_key_paths)
{
    static const struct {
        const char *key, *path;
    } cases[] = {
        { "n/0a-b.c/p/1", "n/0a-b.c/p/1" }, { "a b", "a%20b" }, { "A", "%41" }, { "%", "%25" },
        { "..", "%2E%2E" }, { "../x", "%2E%2E/x" }, { ".", "%2E" }, { "...", "..." },
        { ".a", ".a" }, { "/a", "%/a" }, { "a//b/", "a/%/b/%" }, { "_tmp", "%5Ftmp" },
        { "\xc3\xbc", "%C3%BC" }, { "a\\b", "a%5Cb" },
    };
    char path[KEY_PATH_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert(key_to_path(path, cases[i].key));
        ck_assert_str_eq(path, cases[i].path);
    }
}
END_TEST

START_TEST(test_every_byte_returns)
{
    char path[KEY_PATH_MAX], part[KEY_PATH_MAX];
    for (unsigned a = 1; a < 256; a++)
        for (unsigned b = 1; b < 256; b++) {
            const char key[] = { (char)a, (char)b, 0 };
            if (a == '/' || b == '/')
                continue;
            ck_assert(key_to_path(path, key));
            ck_assert_ptr_null(strchr(path, '/'));
            ck_assert_ptr_null(strchr(path, '_'));
            ck_assert_str_ne(path, "..");
            ck_assert(key_part(part, path));
            ck_assert_str_eq(part, key);
        }
}
END_TEST

START_TEST(test_names_of_no_key)
{
    static const char *const names[] = { "", "_tmp", "A", "%4", "%zz", "%61", "%2e", "%2E%2Ea",
                                         "%00", "a b", ".", "..", "%%", "%2F", "a%" };
    char part[KEY_PATH_MAX], key[KEY_MAX + 2];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_msg(!key_part(part, names[i]), "%s", names[i]);
    memset(key, 'a', sizeof key);
    key[KEY_MAX + 1] = 0;
    ck_assert(!key_is_good(key));
    key[KEY_MAX] = 0;
    ck_assert(key_is_good(key));
    ck_assert(!key_to_path(part, key)); /* longer than a file name */
    ck_assert(!key_is_good("\xff") && !key_is_good("\xc0\xaf") && !key_is_good("\xed\xa0\x80"));
    ck_assert(!key_is_good(""));
    ck_assert(key_is_bucket("a-b.c1") && !key_is_bucket("ab") && !key_is_bucket("A-b"));
    ck_assert(!key_is_bucket("a..b") && !key_is_bucket(".ab") && !key_is_bucket("a/b"));
    ck_assert(!key_is_bucket("_tmp") && !key_is_bucket("ab-"));
}
END_TEST

START_TEST(test_query)
{
    static struct uri_query query;
    char text[8 * URI_PARAMETERS_MAX] = "";
    ck_assert(uri_parse_query(&query, "prefix=a%2Fb+c&delete&x=&&y=1=2"));
    ck_assert_uint_eq(query.n, 4);
    ck_assert_str_eq(uri_get(&query, "prefix"), "a/b c");
    ck_assert_str_eq(uri_get(&query, "delete"), "");
    ck_assert_str_eq(uri_get(&query, "y"), "1=2");
    ck_assert_ptr_null(uri_get(&query, "z"));
    ck_assert(!uri_parse_query(&query, "a=%"));
    ck_assert(!uri_parse_query(&query, "a=%4"));
    ck_assert(!uri_parse_query(&query, "a=%00"));
    for (unsigned i = 0; i < URI_PARAMETERS_MAX; i++)
        strcat(text, "a=b&");
    ck_assert(uri_parse_query(&query, text));
    strcat(text, "a");
    ck_assert(!uri_parse_query(&query, text));
}
END_TEST

START_TEST(test_encode)
{
    struct dynbuf out = DYNBUF_INIT(256);
    uri_encode(&out, "aZ09-_.~ /+\xc3", 12, true);
    ck_assert_str_eq((char *)out.data, "aZ09-_.~%20/%2B%C3");
    dynbuf_reset(&out);
    uri_encode(&out, "a/b", 3, false);
    ck_assert_str_eq((char *)out.data, "a%2Fb");
    dynbuf_free(&out);
}
END_TEST

START_TEST(test_xml_text)
{
    struct dynbuf out = DYNBUF_INIT(256);
    xml_element(&out, "K", "a<b>&\"'\x01\xc3\xbc");
    ck_assert_str_eq((char *)out.data, "<K>a&lt;b&gt;&amp;&quot;'&#x1;\xc3\xbc</K>");
    dynbuf_free(&out);
}
END_TEST

START_TEST(test_xml_read)
{
    static const char text[] = "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<Delete xmlns=\"u\"><x:Object>"
                               "<Key>a&amp;&#x41;&#66;</Key></x:Object><Empty/></Delete>\n";
    static const enum xml_kind kinds[] = { XML_OPEN, XML_OPEN, XML_OPEN, XML_TEXT, XML_CLOSE,
                                           XML_CLOSE, XML_OPEN, XML_CLOSE, XML_CLOSE, XML_END };
    static struct xml_reader reader;
    xml_read(&reader, text, sizeof text - 1);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        ck_assert_int_eq(xml_next(&reader), kinds[i]);
        if (i == 1)
            ck_assert(xml_is(&reader, "Object"));
        if (i == 3)
            ck_assert_str_eq(reader.text, "a&AB");
        if (i == 7)
            ck_assert(xml_is(&reader, "Empty"));
    }
}
END_TEST

START_TEST(test_xml_refuses)
{
    static const char *const bad[] = { "x", "<a>", "<a></b>", "</a>", "<a><b></a></b>",
                                       "<a>&b;</a>",
                                       "<a>&amp</a>", "<a>&#0;</a>", "<a>&#xD800;</a>", "<",
                                       "<a>&#1114112;</a>", "<!DOCTYPE a>", "<a><![CDATA[]]></a>",
                                       "<a><!-- --></a>", "<>", "<a></a>x", "<a:></a:>",
                                       "<a>&#;</a>",
                                       "<a><a><a><a><a><a><a><a><a>" };
    static struct xml_reader reader;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        enum xml_kind kind;
        xml_read(&reader, bad[i], strlen(bad[i]));
        while ((kind = xml_next(&reader)) != XML_END && kind != XML_BAD)
            ;
        ck_assert_msg(kind == XML_BAD, "%s", bad[i]);
    }
}
END_TEST

UNIT_MAIN("names", test_key_paths, test_every_byte_returns, test_names_of_no_key, test_query,
          test_encode, test_xml_text, test_xml_read, test_xml_refuses)
