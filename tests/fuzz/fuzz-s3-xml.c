/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-s3-xml.c - any bytes as a listing, as an error, as headers, as a profile and as metadata: no
 * crash, bounded memory; and a listing that came in one piece and one that came byte by byte tell
 * the same. */
#include "plugins/transport-s3/answer.h"
#include "plugins/transport-s3/list_xml.h"
#include "plugins/transport-s3/metadata.h"
#include "plugins/transport-s3/profile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

struct sum {
    uint64_t objects, hash;
};

static int add(void *ud, const char *key, uint64_t bytes, int64_t mtime_ns)
{
    struct sum *sum = ud;
    require(key[0] && strlen(key) <= 1024);
    sum->objects++;
    sum->hash = sum->hash * 31 + bytes + (uint64_t)mtime_ns;
    for (; *key; key++)
        sum->hash = sum->hash * 31 + (unsigned char)*key;
    return 0;
}

/* True if the page was whole. */
static int list(struct sum *sum, const char *text, size_t size, size_t piece)
{
    struct list_xml l;
    require(list_xml_start(&l, add, sum));
    for (size_t at = 0; at < size; at += piece)
        list_xml_feed(&l, text + at, size - at < piece ? size - at : piece);
    int good = list_xml_end(&l) == NULL;
    require(!good || !l.more || l.token[0]);
    list_xml_free(&l);
    return good;
}

static void headers(const char *text, size_t size)
{
    struct answer answer = { .http = 0 };
    while (size) {
        const char *end = memchr(text, '\n', size);
        size_t n = end ? (size_t)(end - text) + 1 : size;
        answer_header(&answer, text, n);
        text += n;
        size -= n;
    }
    require(!answer.has_range || answer.first <= answer.last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct sum whole = { 0, 0 }, bytewise = { 0, 0 };
    struct error_text error;
    struct profile profile;
    char out[64], *copy = malloc(size + 1);
    require(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    copy[size] = 0;
    int good = list(&whole, text, size, size ? size : 1);
    require(list(&bytewise, text, size, 1) == good);
    require(!good || (whole.objects == bytewise.objects && whole.hash == bytewise.hash));
    require(error_xml_parse(&error, text, size) == (error.code[0] != 0));
    headers(text, size);
    profile_parse(&profile, text, size, "default");
    metadata_member(out, sizeof out, copy, "Token");
    free(copy);
    return 0;
}
