/* The ring is built anew with each change of the table: that is rare, and takes a millisecond. */
#include "core/placement.h"

#include <assert.h>
#include <string.h>

static void place(struct cfs_placement *placement, uint32_t groups,
                  const struct cfs_ring_node *nodes, uint32_t count)
{
    struct cfs_ring ring;

    *placement = (struct cfs_placement){.groups = groups};
    if (!groups || cfs_ring_init(&ring, nodes, count) != 0)
        return;
    for (cfs_group_id group = 1; group <= groups; group++)
        cfs_ring_preference(&ring, group, placement->nodes[group],
                            cfs_placement_replicas(placement, group));
    cfs_ring_close(&ring);
}

void cfs_placement_follow(struct cfs_placement *placement, uint32_t groups,
                          const struct cfs_node_table *table, cfs_node_set gone)
{
    struct cfs_ring_node nodes[CFS_NODE_MAX];
    cfs_node_set all = cfs_node_table_all(table) & ~gone, staying = 0;
    uint32_t count = 0;

    CFS_EACH_NODE (node, all)
        if (!cfs_node_table_heir(table, node))
            staying |= CFS_NODE_BIT(node);
    CFS_EACH_NODE (node, staying ? staying : all)
        nodes[count++] = (struct cfs_ring_node){node, table->nodes[node].weight};
    place(placement, groups, nodes, count);
}

void cfs_placement_found(struct cfs_placement *placement, uint32_t groups,
                         const cfs_node_id *members, uint32_t count)
{
    struct cfs_ring_node nodes[CFS_NODE_MAX];

    assert(count <= CFS_NODE_MAX);
    for (uint32_t i = 0; i < count; i++)
        nodes[i] = (struct cfs_ring_node){members[i], 1};
    place(placement, groups, nodes, count);
}

cfs_node_set cfs_placement_set(const struct cfs_placement *placement, cfs_group_id group)
{
    cfs_node_set set = 0;

    for (uint32_t i = 0; i < CFS_MEMBERS_MAX && placement->nodes[group][i]; i++)
        set |= CFS_NODE_BIT(placement->nodes[group][i]);
    return set;
}

uint32_t cfs_placement_replicas(const struct cfs_placement *placement, cfs_group_id group)
{
    return group == cfs_placement_names_group(placement) && placement->groups > 1 ? CFS_MEMBERS_MAX
                                                                                  : CFS_REPLICAS;
}

uint32_t cfs_placement_shards(const struct cfs_placement *placement)
{
    return placement->groups > 1 ? placement->groups - 1 : placement->groups;
}

cfs_group_id cfs_placement_group_of(const struct cfs_placement *placement, const char *name)
{
    uint32_t shards = cfs_placement_shards(placement);

    return shards ? cfs_ring_group_of(name, strlen(name), shards) : 0;
}

cfs_group_id cfs_placement_names_group(const struct cfs_placement *placement)
{
    return placement->groups;
}

cfs_group_id cfs_placement_contents_group(const struct cfs_placement *placement, uint64_t ino)
{
    uint32_t shards = cfs_placement_shards(placement);
    uint8_t bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(ino >> (8 * i));
    return shards ? cfs_ring_group_of(bytes, sizeof bytes, shards) : 0;
}
