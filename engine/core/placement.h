/* Where each group lives: the nodes that should have its replicas, the one that should lead it
 * first. Follows from the table of nodes by the ring alone, so every node comes to the same. */
#ifndef CFS_CORE_PLACEMENT_H
#define CFS_CORE_PLACEMENT_H

#include "core/node_table.h"
#include "core/ring.h"

#define CFS_REPLICAS 3u /* of a group other than 0 and the names group */

/* Zeroed memory: nothing is placed. */
struct cfs_placement {
    uint32_t groups;                                        /* beside group 0 */
    cfs_node_id nodes[CFS_GROUPS_MAX + 1][CFS_MEMBERS_MAX]; /* by group, best first; 0: none */
};

/* Places groups 1 to `groups` on the nodes of the table but for `gone`; one that is being replaced
 * counts only where there is no other. */
void cfs_placement_follow(struct cfs_placement *placement, uint32_t groups,
                          const struct cfs_node_table *table, cfs_node_set gone);

/* The same on the first members, before there is a table. */
void cfs_placement_found(struct cfs_placement *placement, uint32_t groups,
                         const cfs_node_id *members, uint32_t count);

/* The nodes that should have a replica of `group`, which is not 0. */
cfs_node_set cfs_placement_set(const struct cfs_placement *placement, cfs_group_id group);

/* How many replicas `group`, which is not 0, should have. */
uint32_t cfs_placement_replicas(const struct cfs_placement *placement, cfs_group_id group);

/* The group that is responsible for the queue `name`; 0 where there is no other. */
cfs_group_id cfs_placement_group_of(const struct cfs_placement *placement, const char *name);

/* The names group, which has the cache's tree: the last; it has no queues and contents where there
 * are others. */
cfs_group_id cfs_placement_names_group(const struct cfs_placement *placement);

/* The group that has the contents of inode `ino`. */
cfs_group_id cfs_placement_contents_group(const struct cfs_placement *placement, uint64_t ino);

/* How many groups there are for queues and contents: 1 to that. */
uint32_t cfs_placement_shards(const struct cfs_placement *placement);

#endif
