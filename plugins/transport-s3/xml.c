/* SPDX-License-Identifier: Apache-2.0 */
/* xml.c - see xml.h. What is kept is the path of names to the element being read and the text of
 * the innermost one; only elements without children have text that anyone asks for. */
#include "xml.h"

#include <expat.h>
#include <stdlib.h>
#include <string.h>

struct xml {
    XML_Parser parser;
    xml_fn *ended;
    void *ud;
    uint64_t left;
    const char *wrong;
    unsigned depth;
    char names[XML_DEPTH][XML_NAME];
    char text[XML_TEXT];
    size_t len;
    bool cut;
};

static void stop(struct xml *xml, const char *why)
{
    if (!xml->wrong)
        xml->wrong = why;
    XML_StopParser(xml->parser, XML_FALSE);
}

static void XMLCALL on_start(void *ud, const XML_Char *name, const XML_Char **attributes)
{
    struct xml *xml = ud;
    size_t n = strlen(name);
    (void)attributes;
    if (xml->wrong)
        return;
    if (xml->depth == XML_DEPTH) {
        stop(xml, "is nested too deep");
        return;
    }
    /* A longer name is none of ours: cut, it equals none of ours either. */
    if (n >= XML_NAME)
        n = XML_NAME - 1;
    memcpy(xml->names[xml->depth], name, n);
    xml->names[xml->depth++][n] = 0;
    xml->len = 0;
    xml->cut = false;
}

static void XMLCALL on_end(void *ud, const XML_Char *name)
{
    struct xml *xml = ud;
    (void)name;
    if (xml->wrong || xml->depth == 0)
        return;
    xml->depth--;
    xml->text[xml->len] = 0;
    xml->ended(xml->ud, xml->depth ? xml->names[xml->depth - 1] : "", xml->names[xml->depth],
               xml->text, xml->cut);
    xml->len = 0;
    xml->cut = false;
}

static void XMLCALL on_text(void *ud, const XML_Char *text, int n)
{
    struct xml *xml = ud;
    size_t room = XML_TEXT - 1 - xml->len, take = (size_t)n;
    if (take > room) {
        take = room;
        xml->cut = true;
    }
    memcpy(xml->text + xml->len, text, take);
    xml->len += take;
}

static void XMLCALL on_doctype(void *ud, const XML_Char *name, const XML_Char *system,
                               const XML_Char *public, int has_subset)
{
    (void)name, (void)system, (void)public, (void)has_subset;
    stop(ud, "has a document type, which no answer of a store has");
}

struct xml *xml_new(xml_fn *ended, void *ud, uint64_t max)
{
    struct xml *xml = calloc(1, sizeof *xml);
    if (!xml)
        return NULL;
    xml->parser = XML_ParserCreate(NULL);
    if (!xml->parser) {
        free(xml);
        return NULL;
    }
    xml->ended = ended;
    xml->ud = ud;
    xml->left = max;
    XML_SetUserData(xml->parser, xml);
    XML_SetElementHandler(xml->parser, on_start, on_end);
    XML_SetCharacterDataHandler(xml->parser, on_text);
    XML_SetStartDoctypeDeclHandler(xml->parser, on_doctype);
    return xml;
}

static bool feed(struct xml *xml, const char *data, size_t n, int final)
{
    if (xml->wrong)
        return false;
    if (XML_Parse(xml->parser, data, (int)n, final) == XML_STATUS_OK)
        return true;
    if (!xml->wrong)
        xml->wrong = XML_GetErrorCode(xml->parser) == XML_ERROR_NO_MEMORY ? "needs too much memory"
                     : final                                              ? "is cut short"
                                                                          : "is no XML";
    return false;
}

bool xml_feed(struct xml *xml, const char *data, size_t n)
{
    while (n > 0) {
        size_t piece = n < 65536 ? n : 65536;
        if (piece > xml->left && !xml->wrong)
            xml->wrong = "is too long";
        if (!feed(xml, data, piece, 0))
            return false;
        xml->left -= piece;
        data += piece;
        n -= piece;
    }
    return true;
}

const char *xml_end(struct xml *xml)
{
    feed(xml, "", 0, 1);
    return xml->wrong;
}

void xml_free(struct xml *xml)
{
    if (!xml)
        return;
    XML_ParserFree(xml->parser);
    free(xml);
}
