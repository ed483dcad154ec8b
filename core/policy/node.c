/* SPDX-License-Identifier: Apache-2.0 */
/* node.c - see node.h. libyaml's events become nodes as they come, so that the bounds stop a
 * hostile file before it has cost more than they allow. libyaml tells its own faults by a mark or,
 * where a byte is wrong, by an offset; both become line and column here. */
#include "core/policy/node.h"

#include <string.h>
#include <yaml.h>

struct builder {
    const struct policy_source *src;
    yaml_parser_t parser;
    const char *text;
    size_t len;
    size_t count; /* nodes made */
};

static int node_vfail(const struct policy_source *src, unsigned line, unsigned column,
                      const char *fmt, va_list ap)
{
    char text[420];
    vsnprintf(text, sizeof text, fmt, ap);
    return ds_fail(src->err, DS_EPOLICY, "%s:%u:%u: %s", src->name, line, column, text);
}

int node_fail(const struct policy_source *src, const struct policy_node *at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = node_vfail(src, at ? at->line : 1, at ? at->column : 1, fmt, ap);
    va_end(ap);
    return rc;
}

DS_PRINTF(4, 5)
static int fail_at(const struct policy_source *src, size_t line, size_t column, const char *fmt,
                   ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = node_vfail(src, (unsigned)line + 1, (unsigned)column + 1, fmt, ap);
    va_end(ap);
    return rc;
}

int node_no_memory(const struct policy_source *src)
{
    return ds_fail(src->err, DS_ENOMEM, "no memory for the policy %s", src->name);
}

bool node_is_null(const struct policy_node *node)
{
    static const char *const words[] = { "", "~", "null", "Null", "NULL" };
    if (!node)
        return true;
    if (node->type != NODE_SCALAR || !node->plain)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(node->text, words[i]) == 0)
            return true;
    return false;
}

const char *node_kind(const struct policy_node *node)
{
    if (node_is_null(node))
        return "nothing";
    return node->type == NODE_SCALAR ? "text" : node->type == NODE_LIST ? "a list" : "a mapping";
}

const struct policy_pair *node_pair(const struct policy_node *map, const char *key)
{
    if (map && map->type == NODE_MAP)
        for (size_t i = 0; i < map->n; i++)
            if (strcmp(map->pairs[i].key->text, key) == 0)
                return &map->pairs[i];
    return NULL;
}

const struct policy_node *node_get(const struct policy_node *map, const char *key)
{
    const struct policy_pair *pair = node_pair(map, key);
    return pair && !node_is_null(pair->value) ? pair->value : NULL;
}

struct policy_node *node_new_map(const struct policy_source *src, const struct policy_node *at)
{
    struct policy_node *map = arena_alloc(src->arena, sizeof *map);
    if (map) {
        map->type = NODE_MAP;
        map->line = at ? at->line : 1;
        map->column = at ? at->column : 1;
    }
    return map;
}

int node_add(const struct policy_source *src, struct policy_node *map,
             const struct policy_node *key, const struct policy_node *value)
{
    struct policy_pair *pairs =
        arena_grow(src->arena, map->pairs, map->n, &map->cap, sizeof *pairs);
    if (!pairs)
        return node_no_memory(src);
    map->pairs = pairs;
    map->pairs[map->n++] = (struct policy_pair){ key, value };
    return DS_OK;
}

/* ---- reading ---- */

/* Line and column of a byte, both from 0. Bytes that continue a character are not counted. */
static void place_of(const struct builder *b, size_t offset, size_t *line, size_t *column)
{
    *line = *column = 0;
    for (size_t i = 0; i < offset && i < b->len; i++) {
        if (b->text[i] == '\n') {
            ++*line;
            *column = 0;
        } else if (((unsigned char)b->text[i] & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

/* The byte at a mark, 0 past the end. */
static char byte_at(const struct builder *b, const yaml_mark_t *mark)
{
    size_t line = 0, column = 0;
    for (size_t i = 0; i < b->len; i++) {
        if (((unsigned char)b->text[i] & 0xc0) == 0x80)
            continue;
        if (line == mark->line && column == mark->column)
            return b->text[i];
        column++;
        if (b->text[i] == '\n') {
            line++;
            column = 0;
        }
    }
    return 0;
}

static int yaml_fault(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    const char *problem = p->problem ? p->problem : "it can't be understood";
    size_t line, column;
    switch (p->error) {
    case YAML_MEMORY_ERROR:
        return node_no_memory(b->src);
    case YAML_READER_ERROR:
        place_of(b, p->problem_offset, &line, &column);
        return fail_at(b->src, line, column, "this is not text in UTF-8: %s", problem);
    default:
        if (byte_at(b, &p->problem_mark) == '\t')
            return fail_at(b->src, p->problem_mark.line, p->problem_mark.column,
                           "a tab stands here; YAML is indented with spaces");
        return fail_at(b->src, p->problem_mark.line, p->problem_mark.column,
                       "not valid YAML: %s%s%s", p->context ? p->context : "",
                       p->context ? ", " : "", problem);
    }
}

static int next_event(struct builder *b, yaml_event_t *event)
{
    return yaml_parser_parse(&b->parser, event) ? DS_OK : yaml_fault(b);
}

static int refuse_extras(struct builder *b, const yaml_mark_t *at, const void *anchor,
                         const void *tag)
{
    if (anchor)
        return fail_at(b->src, at->line, at->column,
                       "anchors (&) are not used in a policy: write the value where it is wanted, "
                       "or share it through `hosts`");
    if (tag)
        return fail_at(b->src, at->line, at->column,
                       "tags (!) are not used in a policy: write the value alone");
    return DS_OK;
}

static int new_node(struct builder *b, enum node_type type, const yaml_mark_t *at,
                    struct policy_node **node)
{
    if (++b->count > NODE_MAX_COUNT)
        return fail_at(b->src, at->line, at->column, "the policy has more than %u values",
                       NODE_MAX_COUNT);
    *node = arena_alloc(b->src->arena, sizeof **node);
    if (!*node)
        return node_no_memory(b->src);
    (*node)->type = type;
    (*node)->line = (unsigned)at->line + 1;
    (*node)->column = (unsigned)at->column + 1;
    return DS_OK;
}

static int build_scalar(struct builder *b, const yaml_event_t *event, struct policy_node **node)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    int rc = refuse_extras(b, &event->start_mark, event->data.scalar.anchor,
                           event->data.scalar.tag);
    if (rc)
        return rc;
    if (memchr(value, 0, len))
        return fail_at(b->src, event->start_mark.line, event->start_mark.column,
                       "the text holds a zero character");
    rc = new_node(b, NODE_SCALAR, &event->start_mark, node);
    if (rc)
        return rc;
    (*node)->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    (*node)->text = arena_text(b->src->arena, value, len);
    return (*node)->text ? DS_OK : node_no_memory(b->src);
}

static int build_node(struct builder *b, yaml_event_t *event, unsigned depth,
                      struct policy_node **node);

static int build_list(struct builder *b, struct policy_node *list, unsigned depth)
{
    for (;;) {
        yaml_event_t event;
        struct policy_node *item;
        int rc = next_event(b, &event);
        if (rc)
            return rc;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return DS_OK;
        }
        rc = build_node(b, &event, depth, &item);
        if (rc)
            return rc;
        list->items =
            arena_grow(b->src->arena, list->items, list->n, &list->cap, sizeof *list->items);
        if (!list->items)
            return node_no_memory(b->src);
        list->items[list->n++] = item;
    }
}

static int check_key(struct builder *b, const struct policy_node *map,
                     const struct policy_node *key)
{
    if (key->type != NODE_SCALAR)
        return node_fail(b->src, key, "a key must be text, not %s", node_kind(key));
    const struct policy_pair *first = node_pair(map, key->text);
    if (first)
        return node_fail(b->src, key, "the key `%.60s` stands twice here; the first is at %u:%u",
                         key->text, first->key->line, first->key->column);
    if (map->n == NODE_MAX_KEYS)
        return node_fail(b->src, key, "a mapping may have at most %u keys", NODE_MAX_KEYS);
    return DS_OK;
}

static int build_map(struct builder *b, struct policy_node *map, unsigned depth)
{
    for (;;) {
        yaml_event_t event;
        struct policy_node *key, *value;
        int rc = next_event(b, &event);
        if (rc)
            return rc;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return DS_OK;
        }
        rc = build_node(b, &event, depth, &key);
        if (!rc)
            rc = check_key(b, map, key);
        if (!rc)
            rc = next_event(b, &event);
        if (!rc)
            rc = build_node(b, &event, depth, &value);
        if (!rc)
            rc = node_add(b->src, map, key, value);
        if (rc)
            return rc;
    }
}

/* Makes the node that begins with *event, which is used up. */
static int build_node(struct builder *b, yaml_event_t *event, unsigned depth,
                      struct policy_node **node)
{
    yaml_mark_t at = event->start_mark;
    yaml_event_type_t type = event->type;
    int rc;
    if (type == YAML_SCALAR_EVENT)
        rc = build_scalar(b, event, node);
    else if (type == YAML_SEQUENCE_START_EVENT)
        rc = refuse_extras(b, &at, event->data.sequence_start.anchor,
                           event->data.sequence_start.tag);
    else if (type == YAML_MAPPING_START_EVENT)
        rc = refuse_extras(b, &at, event->data.mapping_start.anchor,
                           event->data.mapping_start.tag);
    else
        rc = fail_at(b->src, at.line, at.column,
                     "aliases (*) are not used in a policy; text that begins with * needs quotes");
    yaml_event_delete(event);
    if (rc || type == YAML_SCALAR_EVENT)
        return rc;
    if (depth == NODE_MAX_DEPTH)
        return fail_at(b->src, at.line, at.column, "nested deeper than %d levels", NODE_MAX_DEPTH);
    rc = new_node(b, type == YAML_MAPPING_START_EVENT ? NODE_MAP : NODE_LIST, &at, node);
    if (rc)
        return rc;
    return type == YAML_MAPPING_START_EVENT ? build_map(b, *node, depth + 1)
                                            : build_list(b, *node, depth + 1);
}

/* Takes the next event, which has to be `want`; otherwise says `else_text`. */
static int expect(struct builder *b, yaml_event_type_t want, const char *else_text)
{
    yaml_event_t event;
    int rc = next_event(b, &event);
    if (rc)
        return rc;
    if (event.type != want)
        rc = fail_at(b->src, event.start_mark.line, event.start_mark.column, "%s", else_text);
    yaml_event_delete(&event);
    return rc;
}

static int build_document(struct builder *b, struct policy_node **root)
{
    yaml_event_t event;
    int rc = expect(b, YAML_STREAM_START_EVENT, "this is not a YAML stream");
    if (!rc)
        rc = expect(b, YAML_DOCUMENT_START_EVENT,
                    "the policy is empty; it needs at least `version: 1` and `transport`");
    if (!rc)
        rc = next_event(b, &event);
    if (!rc)
        rc = build_node(b, &event, 0, root);
    if (!rc)
        rc = expect(b, YAML_DOCUMENT_END_EVENT, "the document does not end here");
    if (!rc)
        rc = expect(b, YAML_STREAM_END_EVENT, "a policy is one document, and here begins another");
    return rc;
}

int node_parse(const struct policy_source *src, const void *text, size_t len,
               const struct policy_node **root)
{
    const unsigned char *bytes = text;
    struct builder b = { .src = src, .text = text, .len = len };
    struct policy_node *node = NULL;
    if (len > NODE_MAX_FILE)
        return node_fail(src, NULL, "the policy is larger than 1 MiB");
    if (len >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0))
        return node_fail(src, NULL, "the policy is stored as UTF-16; save it as UTF-8");
    if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        b.text += 3;
        b.len -= 3;
    }
    if (!yaml_parser_initialize(&b.parser))
        return node_no_memory(src);
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)b.text, b.len);
    int rc = build_document(&b, &node);
    yaml_parser_delete(&b.parser);
    *root = node;
    return rc;
}
