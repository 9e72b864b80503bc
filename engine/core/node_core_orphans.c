/* Files without a name: the node that leads the names group sees to it that they are collected. */
#include "core/node_core_internal.h"

void cfs_core_collect_orphans(struct cfs_core *core)
{
    const struct cfs_group *group = &core->groups[cfs_placement_names_group(&core->placement)];
    const struct cfs_names *names = group->machine->names;
    cfs_time now = cfs_raft_group_time(&group->raft);
    cfs_ino orphan = 0;

    if (!group->home.serving || core->env.now < core->env.moves_held)
        return;
    while ((orphan = cfs_names_next_orphan(names, orphan, now)) != 0)
        if (!cfs_client_collect(&core->client, orphan))
            return;
}
