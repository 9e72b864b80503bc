/* Attributes, and what all judges of the cache share. */
#include "check_inode.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/names.h"
#include "sim.h"

/* Times of a group are its leader's, whose clock may run a little fast. */
#define ORPHANS_STAY (CFS_ORPHAN_TIME - CFS_ORPHAN_TIME / 20)

static void free_inode(struct sim_inode_check *inode)
{
    for (uint32_t i = 0; i < SIM_CACHE_NAMES_MAX; i++)
        free(inode->names[i].sets);
    free(inode->node.items);
    free(inode->content.items);
    free(inode->versions);
    free(inode);
}

void sim_cache_check_close(struct sim_cache_check *check)
{
    struct sim_inode_check *inode, *next;

    HASH_ITER (hh, check->inodes, inode, next) {
        HASH_DEL(check->inodes, inode);
        free_inode(inode);
    }
    free(check->puts);
}

uint64_t sim_cache_begins(struct sim *sim)
{
    return ++sim->cache.order;
}

struct sim_inode_check *sim_inode_check(struct sim *sim, cfs_ino ino)
{
    struct sim_inode_check *inode;

    HASH_FIND(hh, sim->cache.inodes, &ino, sizeof ino, inode);
    if (!inode) {
        inode = cfs_alloc_zeroed(1, sizeof *inode);
        inode->ino = ino;
        HASH_ADD(hh, sim->cache.inodes, ino, sizeof inode->ino, inode);
    }
    return inode;
}

uint64_t sim_floor_at(const struct sim_floors *floors, uint64_t order)
{
    size_t i = floors->count;

    while (i && floors->items[i - 1].order > order)
        i--;
    return i ? floors->items[i - 1].version : 0;
}

void sim_floor_add(struct sim *sim, struct sim_floors *floors, uint64_t version)
{
    if (version <= sim_floor_at(floors, UINT64_MAX))
        return;
    floors->items =
        cfs_array_room(floors->items, floors->count, &floors->capacity, sizeof *floors->items);
    floors->items[floors->count++] = (struct sim_floor){++sim->cache.order, version};
}

bool sim_cache_refuses(enum cfs_error error)
{
    return error && error != CFS_ERR_TIMED_OUT && error != CFS_ERR_INTERRUPTED &&
           error != CFS_ERR_LOST;
}

void sim_check_node(struct sim *sim, const struct sim_node *node, uint64_t begin, cfs_ino ino,
                    const struct sim_seen *seen)
{
    struct sim_inode_check *inode = sim_inode_check(sim, ino);
    uint64_t floor = sim_floor_at(&inode->node, begin);

    if (seen->version < floor)
        sim_fail(sim, "cache-attributes",
                 "node %u is told attributes of inode %" PRIu64 " of version %" PRIu64
                 ", after somebody had been told those of %" PRIu64,
                 node->id, ino, seen->version, floor);
    if (seen->version == inode->seen.version &&
        (seen->perm != inode->seen.perm || seen->nlink != inode->seen.nlink ||
         seen->parent != inode->seen.parent))
        sim_fail(sim, "cache-attributes", "inode %" PRIu64 " has two faces of version %" PRIu64,
                 ino, seen->version);
    if (seen->nlink && inode->orphaned && inode->orphaned < begin)
        sim_fail(sim, "cache-attributes",
                 "node %u is told that inode %" PRIu64 " has a name, which it lost before",
                 node->id, ino);
    if (seen->version > inode->seen.version)
        inode->seen = *seen;
    sim_floor_add(sim, &inode->node, seen->version);
}

void sim_check_gone(struct sim *sim, const struct sim_node *node, cfs_ino ino)
{
    const struct sim_inode_check *inode = sim_inode_check(sim, ino);

    if (sim->world.now < inode->lost_at + ORPHANS_STAY)
        sim_fail(sim, "cache-gone", "node %u is told that there is no inode %" PRIu64 " (any more)",
                 node->id, ino);
}
