/* SPDX-License-Identifier: Apache-2.0 */
/* node.h - a YAML document as a tree whose every node knows its line and column. One document in
 * UTF-8; anchors, aliases and tags are refused, keys are text and stand once in their mapping.
 * Bounded: NODE_MAX_* below. Nodes are immutable once read and live in the source's arena, so that
 * trees may share them. */
#ifndef CORE_POLICY_NODE_H
#define CORE_POLICY_NODE_H

#include "core/policy/arena.h"

#include <disksync/helpers.h>
#include <stdbool.h>
#include <stddef.h>

#define NODE_MAX_FILE ((size_t)1 << 20) /* bytes */
#define NODE_MAX_DEPTH 32
#define NODE_MAX_COUNT 65536u /* nodes in all */
#define NODE_MAX_KEYS 1024u   /* of one mapping: it is searched from end to end */

/* Where nodes come from and where errors go. */
struct policy_source {
    const char *name;   /* of the file, as messages begin */
    const char *folder; /* absolute: the base of relative paths */
    struct arena *arena;
    struct ds_error *err;
};

enum node_type { NODE_SCALAR, NODE_LIST, NODE_MAP };
struct policy_node;
struct policy_pair {
    const struct policy_node *key, *value; /* key: a scalar */
};
struct policy_node {
    enum node_type type;
    bool plain;                       /* a scalar without quotes */
    unsigned line, column;            /* from 1; columns count characters */
    const char *text;                 /* of a scalar; holds no zero byte */
    const struct policy_node **items; /* of a list */
    struct policy_pair *pairs;        /* of a mapping, in the file's order */
    size_t n, cap;                    /* of items or pairs */
};

/* DS_EPOLICY with the place, DS_ENOMEM. An empty text is an error too. */
int node_parse(const struct policy_source *src, const void *text, size_t len,
               const struct policy_node **root);
/* Fills src->err with "NAME:LINE:COLUMN: ..." and returns DS_EPOLICY. at NULL: the first line. */
DS_PRINTF(3, 4)
int node_fail(const struct policy_source *src, const struct policy_node *at, const char *fmt, ...);
int node_no_memory(const struct policy_source *src);
/* An unquoted `null`, `~` or nothing at all; true for NULL. It means: as if the key were absent. */
bool node_is_null(const struct policy_node *node);
/* "nothing", "text", "a list", "a mapping" */
const char *node_kind(const struct policy_node *node);
/* The value of a key, NULL if absent or null. */
const struct policy_node *node_get(const struct policy_node *map, const char *key);
/* The pair of a key whatever its value, or NULL. */
const struct policy_pair *node_pair(const struct policy_node *map, const char *key);
/* A new mapping at the place of `at`, to be filled by node_add. NULL without memory. */
struct policy_node *node_new_map(const struct policy_source *src, const struct policy_node *at);
int node_add(const struct policy_source *src, struct policy_node *map,
             const struct policy_node *key, const struct policy_node *value);

#endif
