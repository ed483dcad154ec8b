/* SPDX-License-Identifier: Apache-2.0 */
/* value.h - one scalar of the policy, by its option's type, as canonical text (disksync/abi.h) and
 * back into text for people. Errors name the key, what was found and what is wanted; what stands
 * in the place of a secret is never repeated. */
#ifndef CORE_POLICY_VALUE_H
#define CORE_POLICY_VALUE_H

#include "core/policy/node.h"

#include <disksync/abi.h>
#include <stdint.h>

#define VALUE_QUOTE 72 /* room for value_quote */

/* Canonical text of node as one value of the option; where: the key's full name ("limits.cpu").
 * *value lives in the source's arena. DS_EPOLICY, DS_ENOMEM; DS_EPLUGIN for a type that this
 * program does not know. */
int value_read(const struct policy_source *src, const struct ds_option *option, const char *where,
               const struct policy_node *node, const char **value);
/* How a policy would write a canonical value of a numeric type: "256MiB", "15m", "30%". Other types
 * are copied. Returns out. */
char *value_show(char *out, size_t cap, uint32_t type, const char *canonical);
/* True for the types whose canonical text is a number. */
bool value_is_number(uint32_t type);
/* Text for a message, cut where it is long, with what could not be shown replaced. Returns out. */
char *value_quote(char out[VALUE_QUOTE], const char *text);

/* Collects words and keeps the one nearest to a wrong one. */
struct nearest {
    const char *wrong;
    const char *word; /* the nearest so far, NULL if none is near */
    size_t distance;
    char all[160];    /* all words, for a message, while they fit */
    bool overflow;
};
struct nearest nearest_to(const char *wrong);
void nearest_add(struct nearest *nearest, const char *word);
/* "; did you mean `cpu`?", else "; what there is: a, b, c". Returns out. */
char *nearest_hint(const struct nearest *nearest, char *out, size_t cap);

#endif
