/* Applying, leadership, and who gets which message. */
#include "core/group.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/planted.h"

void cfs_group_answered(void *arg, struct cfs_asker asker, bool queued,
                        const struct cfs_answer *answer)
{
    struct cfs_group *group = arg;

    cfs_home_answer(&group->home, asker, queued, answer);
}

void cfs_group_init(struct cfs_group *group, struct cfs_env *env, cfs_group_id id,
                    const struct cfs_core_config *config, const struct cfs_membership *members)
{
    *group = (struct cfs_group){.id = id, .env = env, .config = config};
    group->machine = cfs_alloc_zeroed(1, sizeof *group->machine);
    cfs_raft_init(&group->raft, env, id, config, members);
    cfs_machine_init(group->machine, cfs_group_answered, group);
    cfs_home_init(&group->home, env, &group->raft, group->machine, config);
}

void cfs_group_place(struct cfs_group *group, const struct cfs_group *root,
                     const struct cfs_placement *placement)
{
    group->home.root = root;
    group->home.placement = placement;
}

void cfs_group_close(struct cfs_group *group)
{
    cfs_snapshot_stop(group);
    cfs_snapshot_drop(group);
    cfs_home_close(&group->home);
    cfs_machine_close(group->machine);
    free(group->machine);
    cfs_raft_close(&group->raft);
}

int cfs_group_restore_head(struct cfs_group *group, const uint8_t *data, size_t len)
{
    struct cfs_group_head head;

    if (cfs_group_head_decode(&head, data, len) != 0)
        return -1;
    cfs_raft_restore_head(&group->raft, &head);
    group->ordered_index = group->saved_index = head.base.index;
    return 0;
}

int cfs_group_restore_piece(struct cfs_group *group, const struct cfs_piece *piece)
{
    return cfs_machine_load(group->machine, piece);
}

bool cfs_group_restored(const struct cfs_group *group)
{
    bool has_checkpoint = group->saved_index > 0;

    return cfs_raft_restored(&group->raft) &&
           (!has_checkpoint || cfs_machine_loaded(group->machine));
}

void cfs_group_receive(struct cfs_group *group, struct cfs_message *message)
{
    switch (message->type) {
    case CFS_MSG_VOTE:
    case CFS_MSG_VOTE_REPLY:
    case CFS_MSG_APPEND:
    case CFS_MSG_APPEND_REPLY:
    case CFS_MSG_TIMEOUT_NOW:
        cfs_raft_receive(&group->raft, message);
        break;
    case CFS_MSG_SNAPSHOT:
        cfs_snapshot_receive(group, message);
        break;
    case CFS_MSG_SNAPSHOT_REPLY:
        cfs_snapshot_replied(group, message);
        break;
    default:
        cfs_home_receive(&group->home, message);
    }
}

static void apply(struct cfs_group *group)
{
    struct cfs_raft *raft = &group->raft;
    uint64_t end =
        CFS_PLANTED(BUG_APPLY_UNCOMMITTED) ? cfs_log_last_index(&raft->log) : raft->commit;

    while (raft->applied < end) {
        uint64_t queued = group->machine->queued;
        struct cfs_entry *entry = cfs_log_get(&raft->log, ++raft->applied);
        cfs_machine_apply(group->machine, entry);
        group->unsaved_bytes += cfs_entry_bytes(entry->len);
        if (group->home.serving && group->machine->queued > queued)
            cfs_home_waiter_queued(&group->home);
    }
}

void cfs_group_take_all(struct cfs_group *group)
{
    group->raft.commit = cfs_log_last_index(&group->raft.log);
    apply(group);
}

static void follow_leadership(struct cfs_group *group)
{
    struct cfs_raft *raft = &group->raft;

    if (raft->role != CFS_LEADER)
        cfs_snapshot_stop(group);
    if (cfs_raft_serving(raft) == group->home.serving)
        return;
    if (group->home.serving) {
        cfs_home_stop(&group->home);
        return;
    }
    cfs_home_start(&group->home);
    cfs_raft_broadcast_heartbeat(raft, false); /* so that the others send what they hold back */
}

void cfs_group_settle(struct cfs_group *group)
{
    apply(group);
    cfs_raft_leave_if_removed(&group->raft);
    follow_leadership(group);
    if (group->home.serving)
        cfs_home_progress(&group->home);
}

void cfs_group_tick(struct cfs_group *group)
{
    cfs_raft_tick(&group->raft);
    follow_leadership(group); /* who has just stepped down proposes nothing */
    cfs_home_tick(&group->home);
    cfs_snapshot_tick(group);
}

void cfs_group_persisted(struct cfs_group *group)
{
    cfs_raft_persisted(&group->raft);
    cfs_snapshot_persisted(group);
}

void cfs_group_flush(struct cfs_group *group)
{
    cfs_raft_flush(&group->raft);
    if (group->raft.role == CFS_LEADER)
        cfs_snapshot_send(group);
}

void cfs_group_unreachable(struct cfs_group *group, cfs_node_id peer)
{
    cfs_raft_unreachable(&group->raft, peer);
}

cfs_node_id cfs_group_leader(const struct cfs_group *group)
{
    if (group->home.serving)
        return group->env->self;
    return group->raft.leader_serving ? group->raft.leader : 0;
}

cfs_time cfs_group_deadline(const struct cfs_group *group)
{
    cfs_time due = cfs_raft_deadline(&group->raft);

    due = cfs_earlier(due, cfs_home_deadline(&group->home));
    return cfs_earlier(due, cfs_snapshot_deadline(group));
}
