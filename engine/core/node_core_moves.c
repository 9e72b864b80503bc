/* Messages that move to other groups: the node that leads the group they come from sees to it. */
#include "core/node_core_internal.h"

static void drive(struct cfs_core *core, const struct cfs_group *group)
{
    const struct cfs_queues *queues = group->machine->queues;
    struct cfs_move_info move = {0};

    while (cfs_queues_next_move(queues, move.id, &move))
        if (!cfs_client_move(&core->client, group->id, &move))
            return;
}

void cfs_core_drive_moves(struct cfs_core *core)
{
    for (uint32_t i = 0; i < core->group_count; i++) {
        const struct cfs_group *group = &core->groups[i];
        if (group->home.serving && cfs_queues_move_count(group->machine->queues))
            drive(core, group);
    }
}
