/* SPDX-License-Identifier: Apache-2.0 */
/* hosts.h - the `hosts` list: which entries match a host, and the document with their overrides
 * merged in, later over earlier. Mappings merge, everything else replaces; a plugin section whose
 * `use` changes is replaced whole, and so is a reference to a secret. */
#ifndef CORE_POLICY_HOSTS_H
#define CORE_POLICY_HOSTS_H

#include "core/policy/check.h"

/* Checks the form of the list, and every override by the tables, whether it matches or not. */
int hosts_check(const struct policy_source *src, const struct policy_node *hosts);
/* The document as this host has it, without `hosts`. The host's facts are all filled but label. */
int hosts_merge(const struct policy_source *src, const struct policy_node *root,
                const struct policy_host *host, const struct policy_node **effective);
/* What each entry of a checked list matches. */
int hosts_matches(const struct policy_source *src, const struct policy_node *root,
                  const struct policy_match **matches, size_t *n);

#endif
