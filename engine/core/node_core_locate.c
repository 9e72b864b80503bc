/* Who leads which group, and where a group is. A node hears of leaders from its own replicas; of
 * groups of which it has none it asks those that should have one. And a replica that should not be
 * one any more asks whether it is still needed: the leader that let it go may have been unable to
 * tell it. */
#include "core/node_core_internal.h"
#include "core/planted.h"

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
                        all & CFS_NODE_BIT(to) || group->raft.members_index > group->raft.commit,
                    .index = group->raft.commit}};

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

/* It has, or had, a replica of the group: there is something to drop. */
static bool has_any(const struct cfs_group *group)
{
    return cfs_membership_all(&group->raft.members) != 0;
}

/* The message may be old, and the node a replica again since then, on whom others count. A leader
 * that serves has all that was decided before its term: it can only be mistaken about what it did
 * itself afterwards. */
static bool is_overtaken(const struct cfs_raft *raft, const struct cfs_message *message)
{
    return raft->members_index > message->located.index &&
           (raft->members_index <= raft->commit ||
            cfs_log_term_at(&raft->log, raft->members_index) >= message->term);
}

static void hear_whether_needed(struct cfs_group *group, const struct cfs_message *message)
{
    struct cfs_raft *raft = &group->raft;

    if (message->located.leader != message->from || message->located.member || !has_any(group) ||
        raft->role == CFS_LEADER || message->term < raft->term || is_overtaken(raft, message))
        return;
    cfs_group_retire(group, message->term);
}

void cfs_core_located(struct cfs_core *core, const struct cfs_message *message)
{
    struct cfs_group *group = &core->groups[message->group];
    cfs_node_id known = cfs_group_leader(group);

    if (!group->id)
        return; /* of group 0 every node is a replica */
    hear_whether_needed(group, message);
    /* What one's own replica knows of the leader counts for more than what others say, and whether
     * it leads itself nobody knows better. */
    if (message->located.leader != core->config.node || group->home.serving)
        if (!cfs_core_is_replica(core, group->id) || !known || known == message->located.leader)
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
    /* It has been said since that this node leads a later term. To go back and forth between the
     * two would have all calls sent again each time, and each be answered by whoever leads. */
    if (group->id && term < channel->leader_term)
        return;
    if (leader != channel->leader || (leader && term != channel->leader_term))
        cfs_client_leader(&core->client, group->id, leader, term);
}

void cfs_core_follow_leaders(struct cfs_core *core)
{
    for (uint32_t i = 0; i < core->group_count; i++)
        follow_leader(core, &core->groups[i]);
}

static void ask(struct cfs_core *core, const struct cfs_group *group, cfs_node_set nodes)
{
    CFS_EACH_NODE (node, nodes & ~CFS_NODE_BIT(core->config.node)) {
        struct cfs_message message = {.type = CFS_MSG_LOCATE, .group = group->id, .to = node};
        cfs_env_send(&core->env, &message);
    }
}

/* Also while a snapshot comes in: whoever sent it may have been let go himself before its end. */
static bool is_misplaced(const struct cfs_core *core, const struct cfs_group *group)
{
    return has_any(group) && group->raft.role != CFS_LEADER && !cfs_snapshot_switching(group) &&
           !(cfs_placement_set(&core->placement, group->id) & CFS_NODE_BIT(core->config.node));
}

/* Its log says that it is no replica any more, and that this is so for good; and nobody is making
 * it one again. */
static bool knows_its_end(const struct cfs_core *core, const struct cfs_group *group)
{
    return !group->install && !cfs_core_is_replica(core, group->id) &&
           group->raft.members_index <= group->raft.commit;
}

static void ask_whether_needed(struct cfs_core *core, const struct cfs_group *group)
{
    cfs_node_set others = cfs_node_table_all(&core->groups[0].machine->nodes) |
                          cfs_membership_all(&group->raft.members);

    if (core->client.channels[group->id].leader)
        others |= CFS_NODE_BIT(core->client.channels[group->id].leader);
    ask(core, group, others);
}

/* Also while the change that removes it is not committed: nobody else may have it. */
bool cfs_core_is_needed(const struct cfs_core *core)
{
    for (uint32_t i = 1; i < core->group_count; i++)
        if (CFS_PLANTED(BUG_LEAVE_EARLY) ? cfs_core_is_replica(core, i) : has_any(&core->groups[i]))
            return true;
    return false;
}

static bool is_heard_of(const struct cfs_core *core, const struct cfs_group *group)
{
    return group->home.serving || core->client.channels[group->id].leader;
}

void cfs_core_look_around(struct cfs_core *core)
{
    const struct cfs_home *root = &core->groups[0].home;

    core->look_due = cfs_env_beat_before(&core->env, &core->config, core->env.now + LOOK_EVERY);
    for (uint32_t i = 1; i < core->group_count; i++) {
        struct cfs_group *group = &core->groups[i];
        if (is_misplaced(core, group) && knows_its_end(core, group))
            cfs_group_retire(group, group->raft.term);
        else if (is_misplaced(core, group))
            ask_whether_needed(core, group);
        else if (root->serving && root->awaits_groups && !is_heard_of(core, group))
            ask(core, group, cfs_placement_set(&core->placement, i));
    }
}

void cfs_core_place(struct cfs_core *core)
{
    const struct cfs_node_table *table = &core->groups[0].machine->nodes;

    if (table->version && !(CFS_PLANTED(BUG_OLD_PLACEMENT) && table->version > 1))
        cfs_placement_follow(&core->placement, core->config.groups, table,
                             core->removed ? CFS_NODE_BIT(core->config.node) : 0);
}

/* Once the nodes of the cluster are written down every group has been founded: whoever has a blank
 * disk then lost it, and a group may live where none of its first members is. */
void cfs_core_note_founding(struct cfs_core *core)
{
    struct cfs_group *root = &core->groups[0];
    bool sound = !root->raft.amnesia || root->raft.recovered;
    bool written_down = root->machine->nodes.version != 0; /* it is never empty again */

    root->home.awaits_groups = false;
    for (uint32_t i = 1; i < core->group_count; i++) {
        core->groups[i].raft.founded = written_down || !sound;
        if (!written_down && !is_heard_of(core, &core->groups[i]))
            root->home.awaits_groups = true;
    }
}
