/* SPDX-License-Identifier: Apache-2.0 */
/* hooks.h - the commands of the policy around the snapshot. Who was frozen is thawed, whatever
 * happens in between: a record in the state folder, written before the first command runs, makes a
 * later process run hooks.after_snapshot where this one was killed, or where one of them failed. It
 * names the first command, so that one which outlived a killed process is ended first. From then
 * on nothing is written to the state folder, which may be frozen, until all have run. The node's
 * lock is held; main thread. */
#ifndef CORE_SYNC_HOOKS_H
#define CORE_SYNC_HOOKS_H

#include "core/policy/policy.h"

/* Every command can be run, and neither it nor the policy can be changed by anyone else.
 * DS_EPREFLIGHT. */
int hooks_check(const struct policy *policy, struct ds_error *err);
/* True if an earlier process was killed before it had run hooks.after_snapshot, if one of them
 * failed, or if it can't be told. */
bool hooks_left(const struct policy *policy);
/* Then runs them now. What goes wrong is logged. Returns how many failed; the record stays then. */
unsigned hooks_sweep(const struct policy *policy);
/* hooks.before_snapshot in order, up to the first that fails: DS_EHOOK, DS_ECANCELLED. Whatever it
 * returns, hooks_after must follow; until then nothing is logged to where it may be frozen. */
int hooks_before(const struct policy *policy, volatile int *interrupted, struct ds_error *err);
/* All of hooks.after_snapshot, in order; one that fails is a warning, and keeps the record. They
 * can't be interrupted. stands: there is a snapshot. Returns how many failed. */
unsigned hooks_after(const struct policy *policy, bool stands);

#endif
