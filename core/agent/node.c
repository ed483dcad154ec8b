/* SPDX-License-Identifier: Apache-2.0 */
/* node.c - see node.h. The node's record is lines of KEY=VALUE, so that people can read it. */
#include "core/agent/node.h"

#include "core/base/bytes.h"
#include "core/base/dynbuf.h"
#include "core/base/os.h"
#include "core/plugin/plugin.h"

#include <stdio.h>
#include <stdlib.h>

void node_free(struct node *node)
{
    free(node->excluded);
    memset(node, 0, sizeof *node);
}

int node_create(struct node *node, const char *name, struct ds_error *err)
{
    memset(node, 0, sizeof *node);
    int rc = os_random(node->uuid, UUID_SIZE, err);
    /* RFC 9562, version 4 */
    node->uuid[6] = (uint8_t)((node->uuid[6] & 0x0f) | 0x40);
    node->uuid[8] = (uint8_t)((node->uuid[8] & 0x3f) | 0x80);
    text_copy(node->name, sizeof node->name, name);
    node->registered_ns = os_wall_ns();
    return rc;
}

void node_instance(struct node *node, const char *override)
{
    char text[512] = "";
    if (override)
        text_copy(text, sizeof text, override);
    else
        os_machine_identity(text, sizeof text);
    crypto_sha256(node->instance, text, strlen(text));
}

bool node_excludes(const struct node *node, const char *identity)
{
    for (size_t i = 0; i < node->n_excluded; i++)
        if (strcmp(node->excluded[i], identity) == 0)
            return true;
    return false;
}

int node_exclude(struct node *node, const char *identity, struct ds_error *err)
{
    if (node_excludes(node, identity))
        return DS_OK;
    if (node->n_excluded >= NODE_EXCLUDED_MAX)
        return ds_fail(err, DS_EINVAL, "more than %u disks are excluded", NODE_EXCLUDED_MAX);
    void *more = realloc(node->excluded, (node->n_excluded + 1) * sizeof *node->excluded);
    if (!more)
        return ds_fail(err, DS_ENOMEM, "no memory for the node's record");
    node->excluded = more;
    text_copy(node->excluded[node->n_excluded++], sizeof *node->excluded, identity);
    return DS_OK;
}

int node_save(const struct node *node, const char *state, struct ds_error *err)
{
    struct dynbuf text = DYNBUF_INIT((size_t)128 << 10);
    char uuid[UUID_TEXT];
    text_uuid(uuid, node->uuid);
    dynbuf_printf(&text, "uuid=%s\nname=%s\nregistered=%lld\n", uuid, node->name,
                  (long long)node->registered_ns);
    for (size_t i = 0; i < node->n_excluded; i++)
        dynbuf_printf(&text, "excluded=%s\n", node->excluded[i]);
    int rc = dynbuf_ok(&text) ? state_put(state, "node", text.data, text.len, err)
                              : ds_fail(err, DS_ENOMEM, "no memory for the node's record");
    dynbuf_free(&text);
    return rc;
}

static int node_line(struct node *node, const char *key, const char *value, struct ds_error *err)
{
    uint64_t ns;
    if (strcmp(key, "uuid") == 0)
        return text_parse_uuid(node->uuid, value) ? DS_OK : DS_EDAMAGED;
    if (strcmp(key, "name") == 0)
        text_copy(node->name, sizeof node->name, value);
    else if (strcmp(key, "registered") == 0 && text_parse_u64(&ns, value, INT64_MAX))
        node->registered_ns = (int64_t)ns;
    else if (strcmp(key, "excluded") == 0)
        return node_exclude(node, value, err);
    return DS_OK;
}

int node_load(struct node *node, const char *state, struct ds_error *err)
{
    void *data;
    size_t len;
    memset(node, 0, sizeof *node);
    int rc = state_get(state, "node", &data, &len, err);
    if (rc == DS_ENOENT)
        return ds_fail(err, rc, "this node is not registered: run disksync register");
    if (rc)
        return rc;
    char *line = data;
    while (!rc && *line) {
        char *end = line + strcspn(line, "\n"), *equals = strchr(line, '=');
        bool more = *end != 0;
        *end = 0;
        if (equals && equals < end) {
            *equals = 0;
            rc = node_line(node, line, equals + 1, err);
        }
        line = more ? end + 1 : end;
    }
    free(data);
    if (rc == DS_EDAMAGED)
        ds_fail(err, rc, "the node's record in %s is damaged: restore it, or register again with "
                "disksync register --node UUID", state);
    if (rc)
        node_free(node);
    return rc;
}

static void memory_name(char out[64], const uint8_t repository[UUID_SIZE],
                        const uint8_t node[UUID_SIZE])
{
    uint8_t both[2 * UUID_SIZE], hash[HASH_SIZE];
    char hex[33];
    memcpy(both, repository, UUID_SIZE);
    memcpy(both + UUID_SIZE, node, UUID_SIZE);
    crypto_sha256(hash, both, sizeof both);
    text_hex(hex, hash, 16);
    snprintf(out, 64, "points-%s", hex);
}

enum { MEMORY_TAKEOVER = 1, MEMORY_DAMAGED = 2, MEMORY_MARKED = 4 };

void node_memory_attempt(struct node_memory *memory, uint64_t seq, uint64_t tag)
{
    if (memory->n_attempts == NODE_ATTEMPTS_MAX) {
        memory->n_attempts--;
        memmove(memory->attempts, memory->attempts + 1,
                memory->n_attempts * sizeof memory->attempts[0]);
    }
    memory->attempts[memory->n_attempts++] = (struct attempt){ seq, tag };
}

int node_memory_save(const struct node_memory *memory, const char *state,
                     const uint8_t repository[UUID_SIZE], const uint8_t node[UUID_SIZE],
                     struct ds_error *err)
{
    struct dynbuf record = DYNBUF_INIT(4096);
    char name[64];
    dynbuf_le64(&record, memory->seq);
    dynbuf_add(&record, memory->hash, HASH_SIZE);
    dynbuf_le32(&record, (memory->takeover ? MEMORY_TAKEOVER : 0u) |
                             (memory->damaged ? MEMORY_DAMAGED : 0u) |
                             (memory->marked ? MEMORY_MARKED : 0u));
    dynbuf_le32(&record, memory->n_attempts);
    for (unsigned i = 0; i < memory->n_attempts; i++) {
        dynbuf_le64(&record, memory->attempts[i].seq);
        dynbuf_le64(&record, memory->attempts[i].tag);
    }
    memory_name(name, repository, node);
    int rc = dynbuf_ok(&record) ? state_put(state, name, record.data, record.len, err)
                                : ds_fail(err, DS_ENOMEM, "no memory for the node's record");
    dynbuf_free(&record);
    return rc;
}

int node_memory_load(struct node_memory *memory, const char *state,
                     const uint8_t repository[UUID_SIZE], const uint8_t node[UUID_SIZE],
                     struct ds_error *err)
{
    void *data;
    size_t len;
    char name[64];
    memset(memory, 0, sizeof *memory);
    memory_name(name, repository, node);
    int rc = state_get(state, name, &data, &len, err);
    if (rc == DS_ENOENT || rc == DS_EDAMAGED)
        return DS_OK; /* hints only: without them the newest root is looked for */
    if (rc)
        return rc;
    struct reader r = reader_of(data, len);
    memory->seq = reader_le64(&r);
    const uint8_t *hash = reader_take(&r, HASH_SIZE);
    if (hash)
        memcpy(memory->hash, hash, HASH_SIZE);
    uint32_t flags = reader_le32(&r), n = reader_le32(&r);
    memory->takeover = flags & MEMORY_TAKEOVER;
    memory->damaged = flags & MEMORY_DAMAGED;
    memory->marked = flags & MEMORY_MARKED;
    for (uint32_t i = 0; i < n && i < NODE_ATTEMPTS_MAX; i++) {
        uint64_t seq = reader_le64(&r);
        node_memory_attempt(memory, seq, reader_le64(&r));
    }
    if (r.bad)
        memset(memory, 0, sizeof *memory);
    free(data);
    return DS_OK;
}
