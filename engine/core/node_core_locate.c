/* Who leads which group. A node hears it from its own replica; of groups of which it has none it
 * asks those that should have one. And a replica that should not be one any more asks whether it is
 * still needed: the leader that let it go may have been unable to tell it. */
#include "core/node_core_internal.h"

#define LOOK_EVERY CFS_MS(250)

static void send_located(struct cfs_core *core, const struct cfs_group *group, cfs_node_id to)
{
    cfs_node_set all = cfs_membership_all(&group->raft.members);
    cfs_node_id leader = cfs_group_leader(group);
    struct cfs_message message = {
        .type = CFS_MSG_LOCATED,
        .group = group->id,
        .to = to,
        .term = group->raft.term,
        .located = {.leader = leader,
                    .member =
                        all & CFS_NODE_BIT(to) || group->raft.members_index > group->raft.commit}};

    cfs_env_send(&core->env, &message);
}

void cfs_core_answer_locate(struct cfs_core *core, const struct cfs_message *message)
{
    const struct cfs_group *group = &core->groups[message->group];

    if (group->home.serving ? cfs_home_lease_valid(&group->home) : cfs_group_leader(group) != 0)
        send_located(core, group, message->from);
}

void cfs_core_redirect(struct cfs_core *core, const struct cfs_message *message)
{
    if (message->from != core->config.node)
        cfs_core_answer_locate(core, message);
}

void cfs_core_announce(struct cfs_core *core, cfs_group_id group)
{
    const struct cfs_node_table *nodes = &core->groups[0].machine->nodes;

    CFS_EACH_NODE (node, cfs_node_table_all(nodes))
        if (node != core->config.node)
            send_located(core, &core->groups[group], node);
}

bool cfs_core_is_replica(const struct cfs_core *core, cfs_group_id group)
{
    return cfs_membership_all(&core->groups[group].raft.members) & CFS_NODE_BIT(core->config.node);
}

void cfs_core_located(struct cfs_core *core, const struct cfs_message *message)
{
    struct cfs_group *group = &core->groups[message->group];
    bool from_leader = message->located.leader == message->from;

    if (from_leader && !message->located.member && cfs_core_is_replica(core, group->id) &&
        group->raft.role == CFS_FOLLOWER && message->term >= group->raft.term)
        cfs_group_retire(group);
    /* What one's own replica knows of the leader counts for more than what others say. */
    if (!cfs_core_is_replica(core, group->id) || !cfs_group_leader(group) ||
        cfs_group_leader(group) == message->located.leader)
        cfs_client_located(&core->client, message);
}

static void follow_leader(struct cfs_core *core, const struct cfs_group *group)
{
    const struct cfs_channel *channel = &core->client.channels[group->id];
    cfs_node_id leader = cfs_group_leader(group);
    uint64_t term = group->raft.term;

    /* Whom nobody has made a replica yet has nobody to ask: it might hear that it is not one. */
    if (!cfs_membership_all(&group->raft.members))
        leader = 0;
    if (group->id && (!cfs_core_is_replica(core, group->id) || !leader))
        return;
    if (leader != channel->leader || (leader && term != channel->leader_term))
        cfs_client_leader(&core->client, group->id, leader, term);
}

void cfs_core_follow_leaders(struct cfs_core *core)
{
    for (uint32_t i = 0; i < core->group_count; i++)
        follow_leader(core, &core->groups[i]);
}

static bool is_misplaced(const struct cfs_core *core, const struct cfs_group *group)
{
    return cfs_core_is_replica(core, group->id) && group->raft.role != CFS_LEADER &&
           !group->install &&
           !(cfs_placement_set(&core->placement, group->id) & CFS_NODE_BIT(core->config.node));
}

static void ask_whether_needed(struct cfs_core *core, const struct cfs_group *group)
{
    cfs_node_set others =
        cfs_placement_set(&core->placement, group->id) | cfs_membership_all(&group->raft.members);

    CFS_EACH_NODE (node, others & ~CFS_NODE_BIT(core->config.node)) {
        struct cfs_message message = {.type = CFS_MSG_LOCATE, .group = group->id, .to = node};
        cfs_env_send(&core->env, &message);
    }
}

bool cfs_core_is_needed(const struct cfs_core *core)
{
    for (uint32_t i = 1; i < core->group_count; i++)
        if (cfs_core_is_replica(core, i))
            return true;
    return false;
}

void cfs_core_look_for_misplaced(struct cfs_core *core)
{
    core->misplaced_due = CFS_NEVER;
    for (uint32_t i = 1; i < core->group_count; i++) {
        if (!is_misplaced(core, &core->groups[i]))
            continue;
        ask_whether_needed(core, &core->groups[i]);
        core->misplaced_due = core->env.now + LOOK_EVERY;
    }
}
