/* SPDX-License-Identifier: Apache-2.0 */
/* error_xml.h - the document that tells why a request was refused. */
#ifndef TRANSPORT_S3_ERROR_XML_H
#define TRANSPORT_S3_ERROR_XML_H

#include <stdbool.h>
#include <stddef.h>

#define ERROR_XML_MAX ((size_t)64 << 10)

struct error_text { /* "" = not told; control characters are gone */
    char code[64], message[200], region[64], endpoint[256];
};

/* One element of it. Others are passed over: some hold what was signed. */
void error_xml_take(struct error_text *error, const char *parent, const char *name,
                    const char *text);
/* A whole document; false if it is no error, and then *error is empty. */
bool error_xml_parse(struct error_text *error, const char *data, size_t n);

#endif
