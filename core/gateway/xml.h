/* SPDX-License-Identifier: Apache-2.0 */
/* xml.h - the little XML that S3 speaks: writing text, and reading documents of nested elements.
 * No DTD, no entities but the five, no processing instructions besides the declaration. */
#ifndef CORE_GATEWAY_XML_H
#define CORE_GATEWAY_XML_H

#include "core/base/dynbuf.h"

#define XML_DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define XML_NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"
#define XML_DEPTH_MAX 8u

/* Text with what XML would take for markup escaped. Control characters, which XML 1.0 can't carry,
 * become references all the same, as S3 does; url encoding avoids them. */
void xml_text(struct dynbuf *out, const char *text);
/* <name>text</name> */
void xml_element(struct dynbuf *out, const char *name, const char *text);

/* Reads a document token by token. */
enum xml_kind { XML_OPEN, XML_CLOSE, XML_TEXT, XML_END, XML_BAD };
struct xml_reader {
    const char *p, *end;
    unsigned depth;
    const char *open[XML_DEPTH_MAX]; /* names of the open elements */
    size_t open_len[XML_DEPTH_MAX];
    bool closing; /* an element that closes itself has its XML_CLOSE to come */
    const char *name; /* of XML_OPEN and XML_CLOSE, without prefix; not ended by a zero */
    size_t name_len;
    char text[3200]; /* of XML_TEXT, decoded; a longer one is XML_BAD */
};
void xml_read(struct xml_reader *reader, const void *data, size_t len);
enum xml_kind xml_next(struct xml_reader *reader);
bool xml_is(const struct xml_reader *reader, const char *name);

#endif
