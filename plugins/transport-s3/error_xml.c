/* SPDX-License-Identifier: Apache-2.0 */
/* error_xml.c - see error_xml.h. */
#include "error_xml.h"

#include "strbuf.h"
#include "xml.h"

static void keep(char *out, size_t size, const char *text)
{
    if (out[0])
        return;
    str_copy(out, size, text);
    for (; *out; out++)
        if ((unsigned char)*out < 0x20 || *out == 0x7f)
            *out = ' ';
}

void error_xml_take(struct error_text *error, const char *parent, const char *name,
                    const char *text)
{
    if (strcmp(parent, "Error") != 0)
        return;
    if (strcmp(name, "Code") == 0)
        keep(error->code, sizeof error->code, text);
    else if (strcmp(name, "Message") == 0)
        keep(error->message, sizeof error->message, text);
    else if (strcmp(name, "Region") == 0)
        keep(error->region, sizeof error->region, text);
    else if (strcmp(name, "Endpoint") == 0)
        keep(error->endpoint, sizeof error->endpoint, text);
}

static void element(void *ud, const char *parent, const char *name, const char *text, bool cut)
{
    (void)cut;
    error_xml_take(ud, parent, name, text);
}

bool error_xml_parse(struct error_text *error, const char *data, size_t n)
{
    memset(error, 0, sizeof *error);
    struct xml *xml = xml_new(element, error, ERROR_XML_MAX);
    if (!xml)
        return false;
    xml_feed(xml, data, n); /* a code that came before the break is better than none */
    xml_free(xml);
    if (!error->code[0])
        memset(error, 0, sizeof *error);
    return error->code[0] != 0;
}
