/* SPDX-License-Identifier: Apache-2.0 */
/* preflight.h - what could stop a sync, found before it is tried. A check is one function and one
 * row of the table; checks that need the repository run after the one that opens it. */
#ifndef CORE_PREFLIGHT_PREFLIGHT_H
#define CORE_PREFLIGHT_PREFLIGHT_H

#include "core/agent/agent.h"

enum preflight_verdict { PREFLIGHT_OK, PREFLIGHT_WARNING, PREFLIGHT_REFUSAL, PREFLIGHT_SKIPPED };

struct preflight_result {
    const char *check;              /* stable name */
    enum preflight_verdict verdict;
    char text[488];                 /* what was found, and the remedy */
};
typedef int preflight_fn(void *ud, const struct preflight_result *result);
/* Runs every check and tells each result. DS_OK also where checks refuse. Touches nothing but what
 * probing a store leaves no trace of. */
int preflight_run(struct agent *agent, preflight_fn *fn, void *ud, struct ds_error *err);

#endif
