/* SPDX-License-Identifier: Apache-2.0 */
/* schema.h - what keys there are. Core's own are one row each in schema.c: an option as plugins
 * have them, where it goes in struct policy, and what its type alone can't say. check.h reads a
 * mapping by these rows as it does by a plugin's option table. A new key is a new row. */
#ifndef CORE_POLICY_SCHEMA_H
#define CORE_POLICY_SCHEMA_H

#include "core/policy/policy.h"
#include "core/policy/value.h"

/* Where a row's values go in struct policy. */
enum schema_bind {
    BIND_NONE = 0,
    BIND_TEXT,     /* const char * */
    BIND_PATH,     /* char[OS_PATH_MAX] */
    BIND_U64,      /* uint64_t */
    BIND_UNSIGNED, /* unsigned */
    BIND_LIST,     /* const char *const *, and its count */
    BIND_PINS,     /* struct plugin_pin *, and its count */
    BIND_COMMANDS, /* struct policy_hook *, and its count */
    BIND_WINDOW    /* two unsigned: from, to */
};

/* A type of core's own beside those of enum ds_option_type: a list of commands. */
#define SCHEMA_COMMANDS 1000u

struct schema_row {
    struct ds_option option; /* first: a table of rows is a table of options with a stride */
    enum schema_bind bind;
    size_t offset, count; /* in struct policy */
    /* Checks further, and may put another canonical text. May be NULL. */
    int (*check)(const struct policy_source *src, const char *where, const struct policy_node *node,
                 const char **value);
};

struct schema_section {
    const char *name;
    const struct schema_row *rows;
    size_t n;
    bool plugin; /* holds the keys of a plugin too */
};
extern const struct schema_section schema_sections[];
extern const size_t schema_n_sections;
/* The section of that name, or NULL. */
const struct schema_section *schema_section(const char *name);
/* The keys of hosts[].match. */
extern const struct schema_section schema_match;

/* "20:00-06:00" as minutes of the day; to may be 1440. False if it is not of that form or empty. */
bool window_parse(const char *text, unsigned *from, unsigned *to);

#endif
