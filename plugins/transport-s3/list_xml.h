/* SPDX-License-Identifier: Apache-2.0 */
/* list_xml.h - one page of a listing (ListObjectsV2), told object by object as it arrives. */
#ifndef TRANSPORT_S3_LIST_XML_H
#define TRANSPORT_S3_LIST_XML_H

#include "error_xml.h"

#include <stdint.h>

#define LIST_XML_MAX ((uint64_t)16 << 20) /* 1000 keys of 1024 bytes, each of which may be 3 */
#define LIST_XML_TOKEN 2048

/* Keys as the bucket has them, decoded, in the order of the page. Non-zero: no more of them. */
typedef int list_xml_fn(void *ud, const char *key, uint64_t bytes, int64_t mtime_ns);

struct list_xml {
    list_xml_fn *item;
    void *ud;
    struct xml *xml;
    bool is_list, more, stopped, bad; /* bad: an object without what every object has */
    bool has_key, has_bytes, has_mtime;
    char key[1025];
    uint64_t bytes;
    int64_t mtime_ns;
    char token[LIST_XML_TOKEN]; /* where the next page goes on, if there is more */
    struct error_text error;    /* a page can turn out to be an error */
};

/* False without memory. */
bool list_xml_start(struct list_xml *list, list_xml_fn *item, void *ud);
void list_xml_feed(struct list_xml *list, const char *data, size_t n);
/* NULL if the page was whole, and more and token are to be believed; else what is wrong. */
const char *list_xml_end(struct list_xml *list);
void list_xml_free(struct list_xml *list);

#endif
