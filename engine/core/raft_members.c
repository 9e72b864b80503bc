/* Changing who takes part (thesis 4), and handing leadership on (3.10). */
#include <assert.h>
#include <stdlib.h>

#include "core/raft.h"

/* The newest membership in the log is in force, committed or not (4.1). */
static void adopt(struct cfs_raft *raft)
{
    const struct cfs_membership_mark *mark =
        cfs_membership_history_at(&raft->history, cfs_log_last_index(&raft->log));
    cfs_node_set before = cfs_membership_all(&raft->members);
    uint64_t last = cfs_log_last_index(&raft->log);

    raft->members = mark->members;
    raft->members_index = mark->index;
    if (raft->role != CFS_LEADER)
        return;
    CFS_EACH_NODE (node, cfs_membership_all(&raft->members) & ~before)
        raft->progress[node] = (struct cfs_progress){
            .node = node, .next = last + 1, .probing = true, .since = raft->env->now};
}

void cfs_raft_log_append(struct cfs_raft *raft, struct cfs_entry *entry, uint64_t lsn)
{
    struct cfs_membership members;

    cfs_log_append(&raft->log, entry, lsn);
    if (entry->kind != CFS_ENTRY_MEMBERS ||
        cfs_membership_decode(&members, entry->data, entry->len) != 0)
        return;
    cfs_membership_history_add(&raft->history, entry->index, &members);
    adopt(raft);
}

void cfs_raft_log_truncate(struct cfs_raft *raft, uint64_t index)
{
    cfs_log_truncate(&raft->log, index);
    cfs_membership_history_truncate(&raft->history, index);
    adopt(raft);
}

void cfs_raft_log_compact(struct cfs_raft *raft, uint64_t index)
{
    cfs_log_compact(&raft->log, index);
    cfs_membership_history_compact(&raft->history, raft->log.base.index);
}

void cfs_raft_log_reset(struct cfs_raft *raft, struct cfs_log_base base,
                        const struct cfs_membership *members)
{
    cfs_log_reset(&raft->log, base);
    cfs_membership_history_reset(&raft->history, base.index, members);
    adopt(raft);
}

bool cfs_raft_is_alone(const struct cfs_raft *raft)
{
    return cfs_membership_deciding(&raft->members) == CFS_NODE_BIT(raft->env->self);
}

/* Either the voters stay as they are, or the old and the new ones decide together for a while. */
static bool is_allowed(const struct cfs_membership *from, const struct cfs_membership *to)
{
    if (!to->voters)
        return false;
    if (from->outgoing)
        return !to->outgoing && to->voters == from->voters;
    return to->voters == from->voters ? !to->outgoing : to->outgoing == from->voters;
}

bool cfs_raft_change_members(struct cfs_raft *raft, const struct cfs_membership *members)
{
    struct cfs_writer data = {0};

    if (raft->role != CFS_LEADER || raft->members_index > raft->commit ||
        raft->applied < raft->noop_index || !is_allowed(&raft->members, members))
        return false;
    cfs_trace(raft->env, "voters become %lx%s%lx, learners %lx", members->voters,
              members->outgoing ? " together with " : ", without ", members->outgoing,
              members->learners);
    cfs_membership_encode(&data, members);
    cfs_raft_propose(raft, CFS_ENTRY_MEMBERS, data.data, (uint32_t)data.len);
    free(data.data);
    return true;
}

bool cfs_raft_transfer(struct cfs_raft *raft, cfs_node_id to)
{
    struct cfs_message message = {
        .type = CFS_MSG_TIMEOUT_NOW, .group = raft->group, .to = to, .term = raft->term};
    struct cfs_progress *progress = &raft->progress[to];

    if (!cfs_raft_serving(raft) || to == raft->env->self ||
        !(raft->members.voters & CFS_NODE_BIT(to)) || progress->forgetful || progress->probing)
        return false;
    progress->held_until = raft->env->now; /* what is held for it goes ahead */
    cfs_raft_flush(raft);
    if (progress->next != cfs_log_last_index(&raft->log) + 1)
        return false; /* all is on its way there, ahead of this message */
    cfs_trace(raft->env, "hands leadership to node %u", to);
    /* It never serves again in this term, so its lease ends here, and the successor need not wait
     * for it. */
    cfs_raft_become_follower(raft, raft->term, 0);
    cfs_env_send(raft->env, &message);
    return true;
}

void cfs_raft_handle_timeout_now(struct cfs_raft *raft, const struct cfs_message *message)
{
    if (message->term != raft->term || raft->role != CFS_FOLLOWER ||
        raft->leader != message->from || raft->replaced ||
        !(cfs_membership_deciding(&raft->members) & CFS_NODE_BIT(raft->env->self)))
        return;
    raft->promise = raft->start_promise;
    raft->transfer = true;
    cfs_raft_stand(raft);
}

void cfs_raft_leave_if_removed(struct cfs_raft *raft)
{
    if (raft->role != CFS_LEADER || raft->members.outgoing || raft->members_index > raft->commit ||
        raft->members.voters & CFS_NODE_BIT(raft->env->self))
        return;
    cfs_trace(raft->env, "is no voter any more: makes room for another leader");
    CFS_EACH_NODE (node, raft->members.voters)
        if (cfs_raft_transfer(raft, node))
            return;
    cfs_raft_become_follower(raft, raft->term, 0);
}
