/* SPDX-License-Identifier: Apache-2.0 */
/* xml.h - the XML of S3's answers, read as it arrives, with bounded memory: a document has elements
 * with text in them, at most XML_DEPTH deep. The parser is expat's; a document type is refused at
 * its first word, and with it every entity that a document could define. */
#ifndef TRANSPORT_S3_XML_H
#define TRANSPORT_S3_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XML_DEPTH 8
#define XML_NAME 48
#define XML_TEXT 4096 /* text of one element; longer is cut, and said to be */

struct xml;
/* An element ended. parent is the one around it, "" for the root; cut: its text was longer. */
typedef void xml_fn(void *ud, const char *parent, const char *name, const char *text, bool cut);

/* NULL without memory. max: bytes of the whole document. */
struct xml *xml_new(xml_fn *ended, void *ud, uint64_t max);
/* False once the document is not well formed, too long or too deep; later bytes are ignored. */
bool xml_feed(struct xml *xml, const char *data, size_t n);
/* The document ends here: NULL if it is whole, else what is wrong with it. */
const char *xml_end(struct xml *xml);
void xml_free(struct xml *xml);

#endif
