/* The leader's side of a snapshot: fetch a chunk from the last checkpoint, send it, wait for the
 * follower to have it on its disk, fetch the next. One chunk is under way, so a follower takes as
 * much as its disk can, and the leader's memory holds one chunk for each. */
#include <stdlib.h>
#include <utlist.h>

#include "core/alloc.h"
#include "core/group.h"
#include "core/planted.h"

#define RESEND_AFTER CFS_MS(500)
/* A copy that cannot be read now is asked for again. */
#define RETRY_AFTER CFS_SECONDS(1)

struct cfs_transfer {
    uint64_t id;
    cfs_node_id to;
    uint64_t index;       /* of the snapshot; 0: not known yet */
    uint64_t offset;      /* of the chunk below */
    bool fetching;        /* it is being read */
    bool last;            /* it is the last one */
    struct cfs_part part; /* the chunk */
    cfs_time due;         /* sent again then; CFS_NEVER while it is being read */
    struct cfs_transfer *prev, *next;
};

static struct cfs_transfer *find(const struct cfs_group *group, uint64_t id)
{
    struct cfs_transfer *transfer;

    DL_FOREACH (group->transfers, transfer)
        if (transfer->id == id)
            return transfer;
    return NULL;
}

static bool is_under_way(const struct cfs_group *group, cfs_node_id to)
{
    const struct cfs_transfer *transfer;

    DL_FOREACH (group->transfers, transfer)
        if (transfer->to == to)
            return true;
    return false;
}

static void fetch(struct cfs_group *group, struct cfs_transfer *transfer)
{
    struct cfs_effect *effect = cfs_effects_add(group->env->effects, CFS_FX_FETCH);

    effect->id = transfer->id;
    effect->fetch = (struct cfs_fetch){group->id, group->config->snapshot_bytes};
    transfer->fetching = true;
    transfer->due = CFS_NEVER;
}

static void end(struct cfs_group *group, struct cfs_transfer *transfer)
{
    if (group->env->effects)
        cfs_effects_add(group->env->effects, CFS_FX_END_FETCH)->id = transfer->id;
    DL_DELETE(group->transfers, transfer);
    cfs_part_clear(&transfer->part);
    free(transfer);
}

void cfs_snapshot_stop(struct cfs_group *group)
{
    while (group->transfers)
        end(group, group->transfers);
}

void cfs_snapshot_send(struct cfs_group *group)
{
    CFS_EACH_NODE (node, cfs_membership_all(&group->raft.members)) {
        const struct cfs_progress *progress = &group->raft.progress[node];
        struct cfs_transfer *transfer;
        if (!progress->snapshot || is_under_way(group, progress->node))
            continue;
        transfer = cfs_alloc_zeroed(1, sizeof *transfer);
        transfer->id = ++group->env->last_id;
        transfer->to = progress->node;
        DL_APPEND(group->transfers, transfer);
        cfs_trace(group->env, "begins to send node %u a snapshot", transfer->to);
        fetch(group, transfer);
    }
}

static void send_chunk(struct cfs_group *group, struct cfs_transfer *transfer)
{
    const struct cfs_part *part = &transfer->part;
    struct cfs_message message = {
        .type = CFS_MSG_SNAPSHOT,
        .group = group->id,
        .to = transfer->to,
        .term = group->raft.term,
        .snapshot = {.transfer = transfer->id,
                     .offset = transfer->offset,
                     .last = transfer->last,
                     .head_len = (uint32_t)part->head.len,
                     .len = (uint32_t)part->pieces.len,
                     .head = cfs_alloc_copy(part->head.data, part->head.len),
                     .pieces = cfs_alloc_copy(part->pieces.data, part->pieces.len)}};

    transfer->due = group->env->now + RESEND_AFTER;
    cfs_env_send(group->env, &message);
}

/* The head as it goes to others: without what this node promised. */
static int strip_head(struct cfs_part *part, uint64_t *index)
{
    struct cfs_group_head head;

    if (cfs_group_head_decode(&head, part->head.data, part->head.len) != 0)
        return -1;
    head.term = head.install = 0;
    head.vote = 0;
    head.dropped = (struct cfs_log_end){0};
    part->head.len = 0;
    cfs_group_head_encode(&part->head, &head);
    *index = head.base.index;
    return 0;
}

void cfs_snapshot_fetched(struct cfs_group *group, struct cfs_fetched *fetched)
{
    struct cfs_transfer *transfer = find(group, fetched->transfer);

    if (!transfer || !transfer->fetching)
        return;
    cfs_part_clear(&transfer->part);
    transfer->part = fetched->part;
    fetched->part = (struct cfs_part){0};
    transfer->last = fetched->last;
    if (strip_head(&transfer->part, &transfer->index) != 0) {
        cfs_trace(group->env, "cannot read a checkpoint for node %u", transfer->to);
        transfer->due = group->env->now + RETRY_AFTER;
        return;
    }
    transfer->fetching = false;
    if (CFS_PLANTED(BUG_SNAPSHOT_SKIPS) && transfer->offset)
        transfer->part.pieces.len = 0;
    send_chunk(group, transfer);
}

void cfs_snapshot_replied(struct cfs_group *group, const struct cfs_message *message)
{
    const struct cfs_msg_snapshot_reply *reply = &message->snapshot_reply;
    struct cfs_transfer *transfer = find(group, reply->transfer);

    if (message->term > group->raft.term) {
        cfs_raft_become_follower(&group->raft, message->term, 0);
        return;
    }
    if (message->term < group->raft.term || !transfer || transfer->to != message->from ||
        transfer->fetching)
        return;
    if (reply->done) {
        uint64_t index = transfer->index;
        cfs_trace(group->env, "node %u has the snapshot up to index %lu", transfer->to, index);
        end(group, transfer);
        cfs_raft_snapshot_done(&group->raft, message->from, index);
    } else if (reply->next == 0 && transfer->offset > 0) {
        end(group, transfer); /* it has forgotten what it had: from the beginning */
        group->raft.dirty = true;
    } else if (reply->next == transfer->offset + 1 && !transfer->last) {
        transfer->offset++;
        fetch(group, transfer);
    }
}

void cfs_snapshot_tick(struct cfs_group *group)
{
    struct cfs_transfer *transfer, *next;

    DL_FOREACH_SAFE (group->transfers, transfer, next) {
        if (group->env->now < transfer->due)
            continue;
        if (transfer->fetching)
            fetch(group, transfer);
        else
            send_chunk(group, transfer);
    }
}

cfs_time cfs_snapshot_deadline(const struct cfs_group *group)
{
    const struct cfs_transfer *transfer;
    cfs_time due = CFS_NEVER;

    DL_FOREACH (group->transfers, transfer)
        due = cfs_earlier(due, transfer->due);
    return due;
}

uint64_t cfs_snapshot_oldest(const struct cfs_group *group)
{
    const struct cfs_transfer *transfer;
    uint64_t oldest = UINT64_MAX;

    DL_FOREACH (group->transfers, transfer)
        if (transfer->index && transfer->index < oldest)
            oldest = transfer->index;
    return oldest;
}
