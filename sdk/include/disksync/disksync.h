/* SPDX-License-Identifier: Apache-2.0 */
/* disksync/disksync.h - everything a plugin may include. */
#ifndef DISKSYNC_DISKSYNC_H
#define DISKSYNC_DISKSYNC_H
#include <disksync/abi.h>
#include <disksync/fsmap.h>
#include <disksync/helpers.h>
#include <disksync/snapshot.h>
#include <disksync/store.h>
#include <disksync/tracker.h>
#include <disksync/transport.h>
#endif
