/* SPDX-License-Identifier: Apache-2.0 */
/* document.h - what a policy keeps behind its values, and how its sections become values. */
#ifndef CORE_POLICY_DOCUMENT_H
#define CORE_POLICY_DOCUMENT_H

#include "core/policy/check.h"

/* What policy_check_plugin found, for policy_show. */
struct policy_checked {
    const char *section; /* as in schema.h */
    const struct ds_plugin *plugin;
    const struct ds_kv *kv;
    size_t n;
};

struct policy_document {
    struct arena arena; /* of everything but struct policy and this */
    const char *name;   /* of the file in messages */
    const struct policy_node *effective;
    struct policy_checked checked[3];
    size_t n_checked;
};

/* Checks one section of the document or of an override; keys of a plugin are left to it. */
int section_check(const struct policy_source *src, const struct schema_section *section,
                  const struct policy_node *node);
/* Checks a section as it is in the end, fills in defaults and puts its values into the policy.
 * root: the document, for the place of a section that is not there. */
int section_bind(const struct policy_source *src, struct policy *policy,
                 const struct schema_section *section, const struct policy_node *root);

#endif
