/* What pages, metrics and checkers may look at. */
#include "core/node_core_internal.h"

static const char *role_name(const struct cfs_raft *raft)
{
    static const char *const names[] = {[CFS_FOLLOWER] = "follower",
                                        [CFS_PRE_CANDIDATE] = "pre-candidate",
                                        [CFS_CANDIDATE] = "candidate",
                                        [CFS_LEADER] = "leader"};

    return names[raft->role];
}

static const char *membership_role(const struct cfs_membership *members, cfs_node_id node)
{
    if (members->voters & CFS_NODE_BIT(node))
        return "voter";
    return members->outgoing & CFS_NODE_BIT(node) ? "outgoing" : "learner";
}

static cfs_time heard_from(const struct cfs_core *core, cfs_group_id group, cfs_node_id node)
{
    const struct cfs_raft *raft = &core->groups[group].raft;

    if (node == core->config.node)
        return raft->role == CFS_LEADER ? core->env.now : 0;
    if (raft->role == CFS_LEADER)
        return raft->progress[node].acked;
    return raft->role == CFS_FOLLOWER && node == raft->leader ? raft->heard : 0;
}

uint32_t cfs_core_members(const struct cfs_core *core, cfs_group_id group,
                          struct cfs_member_view out[CFS_NODE_MAX])
{
    const struct cfs_raft *raft = &core->groups[group].raft;
    uint32_t count = 0;

    CFS_EACH_NODE (node, cfs_membership_all(&raft->members)) {
        const struct cfs_progress *progress = &raft->progress[node];
        const struct cfs_session *session =
            cfs_sessions_of_node(&core->groups[group].machine->sessions, node);
        bool self = node == core->config.node, leads = raft->role == CFS_LEADER;
        out[count++] = (struct cfs_member_view){.node = node,
                                                .role = membership_role(&raft->members, node),
                                                .match = !leads ? 0
                                                         : self ? raft->durable_index
                                                                : progress->match,
                                                .heard = heard_from(core, group, node),
                                                .session = session ? session->id : 0};
    }
    return count;
}

void cfs_core_view(const struct cfs_core *core, cfs_group_id group, struct cfs_core_view *view)
{
    const struct cfs_raft *raft = &core->groups[group].raft;

    *view = (struct cfs_core_view){
        .role = role_name(raft),
        .leader =
            cfs_core_is_replica(core, group) ? raft->leader : core->client.channels[group].leader,
        .term = raft->term,
        .commit = raft->commit,
        .applied = raft->applied,
        .last_index = cfs_log_last_index(&raft->log),
        .durable_index = raft->durable_index,
        .base_index = raft->log.base.index,
        .log_bytes = raft->log.bytes,
        .amnesia = raft->amnesia,
        .doubted = raft->doubted,
        .changing = raft->members.outgoing || raft->members_index > raft->commit,
        .installing = core->groups[group].install != NULL,
        .installed_chunks = cfs_snapshot_received(&core->groups[group]),
        .replica = cfs_core_is_replica(core, group),
        .elections = raft->elections,
        .leaderships = raft->leaderships,
        .serving = core->groups[group].home.serving,
        .leader_since = raft->role == CFS_LEADER ? raft->leader_since : 0,
        .lease_until = cfs_raft_lease_until(raft),
        .session = core->client.state == CFS_SESSION_OPEN ? core->client.session : 0,
        .available = core->client.channels[group].available,
        .held = cfs_lock_table_held_count(core->groups[group].machine->locks),
        .waiting = cfs_lock_table_waiter_count(core->groups[group].machine->locks),
        .lines = cfs_lines_count(&core->groups[group].home.lines),
        .line_changes = cfs_lines_change_count(&core->groups[group].home.lines),
        .outstanding = core->client.call_count,
        .session_count = HASH_COUNT(core->groups[group].machine->sessions.by_id)};
    view->member_count = cfs_node_set_count(cfs_membership_all(&raft->members));
}

uint32_t cfs_core_nodes(const struct cfs_core *core, struct cfs_node_info out[CFS_NODE_MAX])
{
    const struct cfs_node_table *table = &core->groups[0].machine->nodes;
    uint32_t count = 0;

    CFS_EACH_NODE (node, cfs_node_table_all(table))
        out[count++] = table->nodes[node];
    return count;
}

bool cfs_core_in_touch(const struct cfs_core *core, cfs_time now)
{
    const struct cfs_raft *raft = &core->groups[0].raft;

    if (core->client.state != CFS_SESSION_OPEN || !core->client.channels[0].leader)
        return false;
    if (raft->role == CFS_LEADER)
        return now < cfs_raft_lease_until(raft);
    return !raft->leader_gone && now < raft->heard + core->config.election;
}

cfs_time cfs_core_cache_valid(const struct cfs_core *core, const struct cfs_cache_share *share,
                              cfs_time now)
{
    return cfs_sharing_valid(&core->client.sharing, share, now);
}

uint64_t cfs_core_commit(const struct cfs_core *core, bool *leads)
{
    *leads = core->groups[0].raft.role == CFS_LEADER;
    return core->groups[0].raft.commit;
}

const struct cfs_entry *cfs_core_entry(const struct cfs_core *core, cfs_group_id group,
                                       uint64_t index)
{
    return cfs_log_get(&core->groups[group].raft.log, index);
}

const struct cfs_lock_table *cfs_core_locks(const struct cfs_core *core)
{
    return core->groups[0].machine->locks;
}

const struct cfs_queues *cfs_core_queues(const struct cfs_core *core, cfs_group_id group)
{
    return core->groups[group].machine->queues;
}

uint64_t cfs_core_digest(const struct cfs_core *core, cfs_group_id group)
{
    return cfs_machine_digest(core->groups[group].machine);
}

uint32_t cfs_core_placement(const struct cfs_core *core, cfs_group_id group,
                            cfs_node_id out[CFS_MEMBERS_MAX])
{
    uint32_t count = 0;

    while (count < CFS_MEMBERS_MAX && core->placement.nodes[group][count]) {
        out[count] = core->placement.nodes[group][count];
        count++;
    }
    return count;
}

cfs_node_set cfs_core_partners(const struct cfs_core *core)
{
    cfs_node_set all = 0;

    for (uint32_t i = 0; i < core->group_count; i++) {
        if (cfs_core_is_replica(core, i))
            all |= cfs_membership_all(&core->groups[i].raft.members);
    }
    return all & ~CFS_NODE_BIT(core->config.node);
}
