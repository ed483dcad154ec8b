/* SPDX-License-Identifier: Apache-2.0 */
/* base.c - finds the node's newest root and says whether this session may build on it: not on one
 * that another machine wrote, nor on a store that went back in time. */
#include "core/sync/session_internal.h"

#include "core/base/log.h"

static int check_memory(const struct session *session, uint64_t newest, struct ds_error *err)
{
    const struct node_memory *memory = &session->memory;
    if (memory->takeover || memory->seq == 0 || newest > memory->seq)
        return DS_OK;
    if (newest == 0)
        return ds_fail(err, DS_EROLLBACK,
                       "%s holds no point of this node, which committed point %llu: is it the "
                       "right place, and mounted? If that is intended: disksync register "
                       "--takeover", objects_info(session->agent->objects)->location,
                       (unsigned long long)memory->seq);
    if (newest < memory->seq)
        return ds_fail(err, DS_EROLLBACK,
                       "the store went back in time: this node committed point %llu, the newest "
                       "there is %llu. If that is intended: disksync register --takeover",
                       (unsigned long long)memory->seq, (unsigned long long)newest);
    if (memcmp(memory->hash, session->base_hash, HASH_SIZE) != 0)
        return ds_fail(err, DS_EROLLBACK,
                       "point %llu in the store is not the one that this node committed: the "
                       "store went back in time or was altered. If that is intended: disksync "
                       "register --takeover", (unsigned long long)newest);
    return DS_OK;
}

static int check_instance(const struct session *session, struct ds_error *err)
{
    if (session->memory.takeover ||
        memcmp(session->base.instance, session->agent->node.instance, HASH_SIZE) == 0)
        return DS_OK;
    return ds_fail(err, DS_ECLONE,
                   "point %llu of this node was written by another machine: this one is a clone or "
                   "was moved. To go on as the same node: disksync register --takeover; to become "
                   "a node of its own: disksync register --new",
                   (unsigned long long)session->base.seq);
}

/* A hint that is gone: the newest that is there tells how far back the store went. */
static int hint_gone(struct session *session, struct ds_error *err)
{
    uint64_t newest;
    int rc = roots_newest(&session->agent->space, 0, &newest, err);
    if (!rc)
        rc = check_memory(session, newest, err);
    return rc ? rc : ds_fail(err, DS_ECONFLICT, "the newest root of this node vanished while it "
                             "was read: sync again");
}

/* A root that a newer program wrote may mean more than what this one would carry on. */
static int check_features(const struct session *session, struct ds_error *err)
{
    uint64_t unknown = session->base.features_write & ~FEATURES_WRITE;
    if (unknown)
        return ds_fail(err, DS_EFEATURE,
                       "point %llu needs the features %llx to be built upon, which this program "
                       "does not know: use a newer disksync",
                       (unsigned long long)session->base.seq, (unsigned long long)unknown);
    return DS_OK;
}

/* Did this machine make its newest root, as far as it remembers? One that went back in time did
 * not: its tracker never heard of the writes that the root holds. An attempt that was remembered
 * right before its root was put is as good as a commit. */
static void recognize(struct session *session)
{
    struct node_memory *memory = &session->memory;
    const struct root *base = &session->base;
    session->knows_base = memory->seq == base->seq &&
                          memcmp(memory->hash, session->base_hash, HASH_SIZE) == 0;
    if (memory->n_attempts && memory->marked) {
        const struct attempt *last = &memory->attempts[memory->n_attempts - 1];
        session->knows_base |= last->seq == base->seq && last->tag == base->tag;
    }
    if (!session->knows_base)
        return;
    memory->seq = base->seq; /* the attempt itself will be forgotten */
    memcpy(memory->hash, session->base_hash, HASH_SIZE);
}

int session_base(struct session *session, struct ds_error *err)
{
    struct agent *agent = session->agent;
    uint64_t newest;
    int rc = repository_check_write(&agent->repository, err);
    if (!rc)
        rc = node_memory_load(&session->memory, agent->policy->state, agent->repository.uuid,
                              agent->node.uuid, err);
    if (!rc)
        rc = roots_newest(&agent->space, session->memory.takeover ? 0 : session->memory.seq,
                          &newest, err);
    if (rc || newest == 0)
        return rc ? rc : check_memory(session, 0, err);
    rc = root_read(&session->base, session->base_hash, &agent->space, newest, err);
    if (rc == DS_ENOENT)
        return hint_gone(session, err);
    if (rc == DS_EDAMAGED)
        return ds_fail(err, rc, "the newest root of this node, point %llu, is damaged: restore it "
                       "from a copy of the store, or begin anew with disksync register --new",
                       (unsigned long long)newest);
    if (rc)
        return rc;
    session->has_base = true;
    rc = check_features(session, err);
    if (!rc)
        rc = check_memory(session, newest, err);
    if (!rc)
        rc = check_instance(session, err);
    if (!rc)
        recognize(session);
    return rc;
}
