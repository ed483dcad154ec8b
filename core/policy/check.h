/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - reads a mapping by a table of options: core's rows or a plugin's, of whatever age. All
 * keys are checked, in the file's order, so that the first fault of the file is the one reported;
 * then the values are collected in the table's order. */
#ifndef CORE_POLICY_CHECK_H
#define CORE_POLICY_CHECK_H

#include "core/policy/schema.h"

/* Options with a stride: core's rows or a plugin's table of whatever age. */
struct option_table {
    const void *rows;
    size_t n, stride;
    bool core; /* the rows are struct schema_row */
};
struct option_table option_table_core(const struct schema_section *section);
/* One option; what an older plugin's shorter struct lacks is zero. */
struct ds_option option_table_get(const struct option_table *table, size_t i);

/* Canonical values in the order of the table. */
struct value_list {
    struct ds_kv *kv;
    size_t n, cap;
};

struct check {
    const struct policy_source *src;
    const char *section;        /* begins every key in messages */
    struct option_table table;  /* the keys that are read */
    struct option_table others; /* keys that are known and not read */
    bool open;                  /* unknown keys are somebody else's */
    bool complete;              /* fill in defaults; a missing required key is an error */
};
/* Checks every key of map in the file's order, then collects the values in the table's order.
 * DS_EPOLICY, DS_ENOMEM, DS_EPLUGIN. out may be NULL. */
int check_mapping(const struct check *check, const struct policy_node *map,
                  struct value_list *out);
/* A node that stands for a mapping: itself, or an empty one where there is nothing. DS_EPOLICY if
 * it is something else. at: the place of the empty one. */
int check_is_mapping(const struct policy_source *src, const char *what,
                     const struct policy_node *node, const struct policy_node *at,
                     const struct policy_node **map);
/* A list of commands, each a list of words or one path, with argv[0] made absolute. commands and n
 * may be NULL. */
int commands_read(const struct policy_source *src, const char *where,
                  const struct policy_node *node, struct policy_hook **commands, size_t *n);

#endif
