/* SPDX-License-Identifier: Apache-2.0 */
/* model-session.c - one process of the model: the real session, with a clock that the model can put
 * forward, so that checkpoints come when it wants them. For that session.c is part of this file;
 * its object in the library is then not linked. */
#include "core/base/os.h"

#include <stdint.h>

static uint64_t model_mono_ns(void);
#define os_mono_ns model_mono_ns
#include "core/sync/session.c"
#undef os_mono_ns

#include "tests/sync/model.h"

static uint64_t clock_ahead;

static uint64_t model_mono_ns(void)
{
    return os_mono_ns() + clock_ahead;
}

/* Between two leaves of a copy. */
static void on_progress(void *ud, const char *what, uint64_t done, uint64_t total)
{
    struct world *world = ud;
    (void)what, (void)done, (void)total;
    if (world->dead)
        return;
    if (model_chance(world, world->checkpoints_percent)) {
        clock_ahead += CHECKPOINT_NS;
        world->n_checkpoints++;
    }
    while (world->events && model_chance(world, 20))
        model_change(world);
    if (model_chance(world, world->moment_percent))
        model_save_moment(world);
    if (model_step(world, "pause", "before"))
        world->interrupted = 1; /* how a copy is stopped at once */
}

static void policy_make(struct world *world)
{
    char path[OS_PATH_MAX], text[OS_PATH_MAX + 256];
    struct ds_error err = DS_ERROR_INIT;
    scratch_file(&world->scratch, path, "key");
    ck_assert_ok(os_write_file(path, "a model of a secret", 19, &err), &err);
    scratch_file(&world->scratch, path, "policy.yaml");
    snprintf(text, sizeof text, "version: 1\ndisks: { include: ['%s'] }\n"
             "transport: { use: model-store, passphrase: { file: key } }\n"
             "snapshot: { use: model-snapshot }\ntracker: { use: model-tracker }\n",
             world->disks[0].path);
    ck_assert_ok(os_write_file(path, text, strlen(text), &err), &err);
    ck_assert_ok(policy_load(&world->policy, path, NULL, &err), &err);
    world->policy->block_size = world->block;
    world->policy->workers = 2;
    ck_assert_ok(os_mkdirs(world->policy->state, &err), &err);
    world->pool = pool_new(4);
}

int model_sync(struct world *world, bool full, bool compare, struct session_report *report,
               struct ds_error *err)
{
    struct session_options options = { .full = full, .compare = compare, .progress = on_progress,
                                       .ud = world };
    if (!world->policy)
        policy_make(world);
    struct agent agent = { .policy = world->policy };
    world->dead = false;
    world->interrupted = 0;
    agent.lock.handle = OS_NO_FILE;
    agent.plugins.plugins = world->plugins;
    agent.plugins.n = sizeof world->plugins / sizeof world->plugins[0];
    agent.settings = (struct host_settings){ .state_folder = world->policy->state,
                                             .pool = world->pool,
                                             .interrupted = &world->interrupted };
    world->policy->n_include = 0;
    world->policy->include = world->include;
    for (unsigned i = 0; i < MODEL_DISKS; i++)
        if (world->disks[i].present)
            world->include[world->policy->n_include++] = world->disks[i].path;
    /* The repository stays open from process to process: stretching its passphrase takes longer
     * than a sync here. */
    int rc = world->has_repository ? agent_open_store(&agent, err) : DS_OK;
    if (!rc && world->has_repository) {
        agent.repository = world->repository;
        agent.repository.objects = agent.objects;
        agent.repository_open = true;
    }
    rc = rc ? rc : session_run(&agent, &options, report, err);
    if (agent.repository_open) {
        world->repository = agent.repository;
        world->has_repository = true;
        memcpy(world->node, agent.node.uuid, UUID_SIZE);
        world->space = agent.space;
        agent.repository_open = false;
    }
    agent.settings.pool = NULL; /* not agent_close's to free */
    agent.plugins.plugins = NULL;
    agent.plugins.n = 0;
    objects_free(agent.objects);
    plugin_close(&agent.store);
    node_free(&agent.node);
    os_close(&agent.lock);
    wipe(agent.secret, agent.secret_len);
    free(agent.secret);
    memory_store_clear_faults(world->store);
    return rc;
}
