/* SPDX-License-Identifier: Apache-2.0 */
/* layout_mbr.c - the MBR's four entries, and the chain of extended boot records (EBR): each EBR
 * holds a logical partition, counted from itself, and a link to the next one, counted from the
 * start of the extended partition. The chain is followed at most LOGICAL_MAX links, never out of
 * its extended partition and never to a place seen before. */
#include "core/disk/layout.h"

#include "core/base/bytes.h"

#define LOGICAL_MAX 128
#define FIRST_LOGICAL 5

struct entry {
    uint8_t type;
    uint32_t first, count;
};

/* Entry i of a sector; false if it is not in use. */
static bool entry_of(const uint8_t sector[512], size_t i, struct entry *e)
{
    const uint8_t *p = sector + 446 + 16 * i;
    e->type = p[4];
    e->first = get_le32(p + 8);
    e->count = get_le32(p + 12);
    return e->type && e->count;
}

static bool is_extended(uint8_t type)
{
    return type == 0x05 || type == 0x0f || type == 0x85;
}

static bool is_signed(const uint8_t sector[512])
{
    return sector[510] == 0x55 && sector[511] == 0xaa;
}

enum layout_mbr layout_mbr_judge(const uint8_t mbr[512], uint64_t bytes)
{
    struct entry e[4];
    bool used[4], doubtful = false, protective = false;
    unsigned n = 0;
    if (!is_signed(mbr))
        return LAYOUT_MBR_NONE;
    for (size_t i = 0; i < 4; i++) {
        if (mbr[446 + 16 * i] & 0x7f) /* the boot flag is 0x80 or nothing */
            return LAYOUT_MBR_NONE;
        used[i] = entry_of(mbr, i, &e[i]);
        n += used[i];
        if (used[i] && e[i].type == 0xee)
            protective = true;
        else if (used[i] && (e[i].first == 0 ||
                             ((uint64_t)e[i].first + e[i].count) * 512 > bytes))
            doubtful = true;
    }
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            if (used[i] && used[j] && e[i].type != 0xee && e[j].type != 0xee &&
                e[i].first < (uint64_t)e[j].first + e[j].count &&
                e[j].first < (uint64_t)e[i].first + e[i].count)
                doubtful = true;
    if (n == 0)
        return LAYOUT_MBR_EMPTY;
    return protective ? LAYOUT_MBR_PROTECTIVE : doubtful ? LAYOUT_MBR_DOUBTFUL : LAYOUT_MBR_SOUND;
}

static int add_partition(struct layout_builder *b, unsigned number, const struct entry *e,
                         uint64_t first)
{
    int rc;
    struct disk_partition *p = layout_add(b, number, b->layout->sector, first, e->count, &rc);
    if (p)
        snprintf(p->type, sizeof p->type, "0x%02x", e->type);
    return rc;
}

/* The walk along one chain. */
struct chain {
    uint64_t first, count; /* the extended partition, in sectors */
    uint64_t at;           /* the EBR that is read */
    uint64_t seen[LOGICAL_MAX];
    size_t n_seen;
};

/* False, with the damage noted, if the chain may not go to sector `at`. */
static bool chain_may_go(struct layout_builder *b, const struct chain *chain, uint64_t at)
{
    uint32_t sector = b->layout->sector;
    if (at < chain->first || at - chain->first >= chain->count ||
        at >= b->reader->bytes / sector) {
        layout_damage(b->layout, "the chain of logical partitions leads out of the extended one");
        return false;
    }
    for (size_t i = 0; i < chain->n_seen; i++)
        if (chain->seen[i] == at) {
            layout_damage(b->layout, "the chain of logical partitions is a loop");
            return false;
        }
    if (chain->n_seen == LOGICAL_MAX) {
        layout_damage(b->layout, "there are more than %d logical partitions", LOGICAL_MAX);
        return false;
    }
    return true;
}

/* Takes the logical partitions of one EBR; *link is the next EBR, 0 at the end. */
static int read_ebr(struct layout_builder *b, const struct chain *chain, const uint8_t ebr[512],
                    unsigned *number, uint64_t *link)
{
    int rc = DS_OK;
    *link = 0;
    for (size_t i = 0; i < 4 && !rc; i++) {
        struct entry e;
        if (!entry_of(ebr, i, &e))
            continue;
        if (is_extended(e.type)) {
            /* a link to the first EBR is 0 counted from the start: the loop that it makes is
             * found by its place */
            if (!*link)
                *link = chain->first + e.first;
            continue;
        }
        uint64_t first = chain->at + e.first;
        if (first + e.count > chain->first + chain->count) {
            layout_damage(b->layout, "logical partition %u ends beyond the extended one", *number);
            (*number)++;
            continue;
        }
        rc = add_partition(b, (*number)++, &e, first);
    }
    return rc;
}

static int read_chain(struct layout_builder *b, const struct entry *extended, unsigned *number,
                      struct ds_error *err)
{
    struct chain chain = { extended->first, extended->count, extended->first, { 0 }, 0 };
    uint32_t sector = b->layout->sector;
    int rc = DS_OK;
    while (!rc && chain_may_go(b, &chain, chain.at)) {
        uint8_t ebr[512];
        uint64_t link;
        rc = layout_pread(b, ebr, sizeof ebr, chain.at * sector, err);
        if (rc)
            break;
        if (!is_signed(ebr)) {
            /* an extended partition that was never filled has no EBR at all */
            if (chain.n_seen)
                layout_damage(b->layout, "the chain of logical partitions is broken after %zu",
                              chain.n_seen);
            break;
        }
        chain.seen[chain.n_seen++] = chain.at;
        layout_add(b, LAYOUT_RESERVED, sector, chain.at, 1, &rc);
        if (!rc)
            rc = read_ebr(b, &chain, ebr, number, &link);
        if (rc || !link)
            break;
        chain.at = link;
    }
    return rc;
}

int layout_mbr_read(struct layout_builder *b, const uint8_t mbr[512], struct ds_error *err)
{
    unsigned number = FIRST_LOGICAL;
    int rc;
    layout_add(b, LAYOUT_RESERVED, b->layout->sector, 0, 1, &rc);
    for (size_t i = 0; i < 4 && !rc; i++) {
        struct entry e;
        if (!entry_of(mbr, i, &e))
            continue;
        if (e.type == 0xee)
            continue; /* stands for a GPT that is not there */
        if (is_extended(e.type))
            rc = read_chain(b, &e, &number, err);
        else
            rc = add_partition(b, (unsigned)i + 1, &e, e.first);
    }
    return rc;
}
