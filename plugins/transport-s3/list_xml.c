/* SPDX-License-Identifier: Apache-2.0 */
/* list_xml.c - see list_xml.h. Keys are asked for with encoding-type=url, since XML has no way to
 * write some of the characters that a foreign key may have. Keys longer than S3 allows are not ours
 * and are passed over. */
#include "list_xml.h"

#include "moment.h"
#include "strbuf.h"
#include "url.h"
#include "xml.h"

#include <stdlib.h>

static bool parse_bytes(uint64_t *out, const char *text)
{
    uint64_t v = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || v > UINT64_MAX / 10 - 1)
            return false;
        v = v * 10 + (uint64_t)(*text - '0');
    }
    *out = v;
    return true;
}

static void take_object_part(struct list_xml *list, const char *name, const char *text, bool cut)
{
    if (strcmp(name, "Key") == 0) {
        char decoded[XML_TEXT];
        str_copy(decoded, sizeof decoded, text);
        list->has_key = true;
        if (cut || !url_decode(decoded) || !str_copy(list->key, sizeof list->key, decoded))
            list->key[0] = 0;
    } else if (strcmp(name, "Size") == 0) {
        list->has_bytes = !cut && parse_bytes(&list->bytes, text);
    } else if (strcmp(name, "LastModified") == 0) {
        list->has_mtime = !cut && moment_parse_iso(&list->mtime_ns, text);
    }
}

static void object_ended(struct list_xml *list)
{
    if (!list->has_key || !list->has_bytes || !list->has_mtime)
        list->bad = true;
    else if (list->key[0] && !list->stopped && !list->bad)
        list->stopped = list->item(list->ud, list->key, list->bytes, list->mtime_ns) != 0;
    list->has_key = list->has_bytes = list->has_mtime = false;
}

static void element(void *ud, const char *parent, const char *name, const char *text, bool cut)
{
    struct list_xml *list = ud;
    error_xml_take(&list->error, parent, name, text);
    if (!parent[0] && strcmp(name, "ListBucketResult") == 0)
        list->is_list = true;
    else if (strcmp(parent, "Contents") == 0)
        take_object_part(list, name, text, cut);
    else if (strcmp(parent, "ListBucketResult") != 0)
        return;
    else if (strcmp(name, "Contents") == 0)
        object_ended(list);
    else if (strcmp(name, "IsTruncated") == 0)
        list->more = strcmp(text, "true") == 0;
    else if (strcmp(name, "NextContinuationToken") == 0 &&
             (cut || !str_copy(list->token, sizeof list->token, text)))
        list->bad = true;
}

bool list_xml_start(struct list_xml *list, list_xml_fn *item, void *ud)
{
    memset(list, 0, sizeof *list);
    list->item = item;
    list->ud = ud;
    list->xml = xml_new(element, list, LIST_XML_MAX);
    return list->xml != NULL;
}

void list_xml_feed(struct list_xml *list, const char *data, size_t n)
{
    xml_feed(list->xml, data, n);
}

const char *list_xml_end(struct list_xml *list)
{
    const char *wrong = xml_end(list->xml);
    if (wrong)
        return wrong;
    if (!list->is_list)
        return "is no listing";
    if (list->bad)
        return "has an object without key, size or time";
    if (list->more && !list->token[0])
        return "is not the last page, and names no next one";
    return NULL;
}

void list_xml_free(struct list_xml *list)
{
    xml_free(list->xml);
    list->xml = NULL;
}
