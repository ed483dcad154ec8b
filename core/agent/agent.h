/* SPDX-License-Identifier: Apache-2.0 */
/* agent.h - one run of the program over one policy: its plugins, threads, store, repository and
 * node, opened step by step as a command needs them. Used by one thread, the main one. */
#ifndef CORE_AGENT_AGENT_H
#define CORE_AGENT_AGENT_H

#include "core/agent/node.h"
#include "core/plugin/plugin.h"
#include "core/policy/policy.h"
#include "core/s3block/repository.h"

struct agent {
    struct policy *policy; /* borrowed */
    struct plugin_set plugins;
    struct host_settings settings;
    struct plugin_instance store;
    struct objects *objects;
    uint8_t *secret; /* that opens the repository; wiped on close */
    size_t secret_len;
    struct repository repository;
    bool repository_open;
    bool repository_saved; /* it was opened by what an earlier run saved of it */
    struct node node;
    bool registered;
    struct segment_space space; /* of the node in use */
    struct os_file lock;
};

/* Loads the plugins and starts the threads. interrupted may be NULL. */
int agent_open(struct agent *agent, struct policy *policy, volatile int *interrupted,
               struct ds_error *err);
void agent_close(struct agent *agent);
/* The two halves of agent_open, for who opens two: the plugins of both are loaded, a module once,
 * before there is a thread. beside: what is loaded already, or NULL. agent_close serves at any
 * time. */
int agent_load(struct agent *agent, struct policy *policy, const struct agent *beside,
               struct ds_error *err);
int agent_start(struct agent *agent, volatile int *interrupted, struct ds_error *err);

/* Opens the store that transport names. DS_ENOTSUP if it is a block transport, which keeps no
 * points. */
int agent_open_store(struct agent *agent, struct ds_error *err);
/* Store and repository; DS_ENOENT if the store holds none. fresh: don't trust what an earlier run
 * saved. */
int agent_open_repository(struct agent *agent, bool fresh, struct ds_error *err);
/* Makes the repository in an empty store. */
int agent_create_repository(struct agent *agent, uint8_t recovery[RECOVERY_SIZE],
                            struct ds_error *err);
/* The registered node becomes the one in use. DS_ENOENT if there is none. */
int agent_use_own_node(struct agent *agent, struct ds_error *err);
/* Another node of the repository by UUID or name; NULL: the registered one, or the only one. */
int agent_use_node(struct agent *agent, const char *name, struct ds_error *err);
/* The node's lock: one writing process at a time. DS_EINUSE. */
int agent_lock(struct agent *agent, struct ds_error *err);
/* Opens the plugin of a policy section, with its options. */
int agent_open_plugin(struct agent *agent, struct plugin_instance *instance, uint32_t kind,
                      const struct policy_plugin *section, const char *section_name,
                      struct ds_error *err);

#endif
