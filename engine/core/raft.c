/* Roles, time and the lease of one Raft group. Elections and replication have files of their own.
 */
#include "core/raft.h"

#include <assert.h>
#include <stdlib.h>

#include "core/planted.h"

void cfs_raft_init(struct cfs_raft *raft, struct cfs_env *env, cfs_group_id group,
                   const struct cfs_core_config *config, const struct cfs_membership *members)
{
    *raft = (struct cfs_raft){.env = env,
                              .group = group,
                              .config = config,
                              .role = CFS_FOLLOWER,
                              .amnesia = config->amnesia};
    cfs_raft_log_reset(raft, (struct cfs_log_base){0}, members);
}

void cfs_raft_close(struct cfs_raft *raft)
{
    cfs_log_close(&raft->log);
    cfs_membership_history_close(&raft->history);
    free(raft->marks);
    raft->marks = NULL;
}

void cfs_raft_restore_head(struct cfs_raft *raft, const struct cfs_group_head *head)
{
    raft->term = head->term;
    raft->vote = head->vote;
    raft->install = head->install;
    raft->dropped = head->dropped;
    cfs_raft_log_reset(raft, head->base, &head->members);
    raft->commit = raft->applied = head->base.index;
}

/* Of the records before a checkpoint some are still there: what it says is newer. */
static void restore_state(struct cfs_raft *raft, uint64_t term, cfs_node_id vote)
{
    if (term > raft->term)
        raft->vote = 0;
    if (term >= raft->term && vote)
        raft->vote = vote;
    if (term > raft->term)
        raft->term = term;
}

/* An entry takes the place of all from its index on, also where that place is compacted. Segments
 * go as a whole, so what is left may begin amid entries that were replaced since: far behind the
 * checkpoint, and void, for what replaced them follows (cfs_raft_may_save). */
static void restore_entry(struct cfs_raft *raft, struct cfs_entry *entry, uint64_t lsn)
{
    uint64_t base = raft->log.base.index;

    raft->gap = entry->index > cfs_log_last_index(&raft->log) + 1;
    if (raft->gap)
        return;
    cfs_raft_log_truncate(raft, entry->index > base ? entry->index : base + 1);
    if (entry->index > base)
        cfs_raft_log_append(raft, cfs_entry_ref(entry), lsn);
}

void cfs_raft_restore(struct cfs_raft *raft, const struct cfs_record *record, uint64_t lsn)
{
    switch (record->type) {
    case CFS_RECORD_HARD_STATE:
        restore_state(raft, record->term, record->vote);
        break;
    case CFS_RECORD_ENTRY:
        restore_entry(raft, record->entry, lsn);
        break;
    case CFS_RECORD_INSTALL:
        if (record->term != raft->install || CFS_PLANTED(BUG_KEEP_OLD_LOG))
            break;
        cfs_raft_log_truncate(raft, raft->log.base.index + 1);
        raft->gap = false;
        break;
    }
}

bool cfs_raft_restored(const struct cfs_raft *raft)
{
    return !raft->gap;
}

struct cfs_group_head cfs_raft_head(const struct cfs_raft *raft)
{
    const struct cfs_entry *entry = cfs_log_get(&raft->log, raft->applied);
    struct cfs_group_head head = {.base = raft->log.base,
                                  .term = raft->term,
                                  .vote = raft->vote,
                                  .install = raft->install,
                                  .dropped = raft->dropped};
    const struct cfs_membership_mark *mark =
        cfs_membership_history_at(&raft->history, raft->applied);

    if (entry)
        head.base = (struct cfs_log_base){entry->index, entry->term, entry->time};
    head.members = mark->members;
    return head;
}

struct cfs_log_end cfs_raft_log_end(const struct cfs_raft *raft)
{
    struct cfs_log_end end = {cfs_log_last_index(&raft->log), cfs_log_last_term(&raft->log)};

    return cfs_raft_is_returning(raft) ? raft->dropped : end;
}

bool cfs_raft_is_returning(const struct cfs_raft *raft)
{
    uint64_t term = cfs_log_last_term(&raft->log);

    return raft->dropped.term > term ||
           (raft->dropped.term == term && raft->dropped.index > cfs_log_last_index(&raft->log));
}

bool cfs_raft_may_save(const struct cfs_raft *raft)
{
    return raft->replaced_lsn <= raft->env->durable;
}

uint64_t cfs_raft_keep_lsn(const struct cfs_raft *raft)
{
    uint64_t lsn = cfs_log_lsn(&raft->log, raft->applied + 1);

    return lsn ? lsn : raft->env->lsn + 1;
}

void cfs_raft_installed(struct cfs_raft *raft, const struct cfs_group_head *head)
{
    cfs_raft_log_reset(raft, head->base, &head->members);
    raft->commit = raft->applied = raft->durable_index = head->base.index;
    raft->mark_count = 0;
    raft->install = head->install;
    raft->dropped = head->dropped;
    raft->replaced = false;
}

bool cfs_raft_caught_up(struct cfs_raft *raft)
{
    bool leads = raft->role == CFS_LEADER && raft->applied >= raft->noop_index;

    if (leads && raft->amnesia)
        raft->recovered = true;
    if (!raft->recovered)
        return false;
    cfs_trace(raft->env, "has caught up: its votes count again");
    raft->amnesia = CFS_REMEMBERS;
    raft->recovered = false;
    return true;
}

void cfs_raft_start(struct cfs_raft *raft)
{
    bool alone = cfs_raft_is_alone(raft);

    raft->started = raft->env->now;
    raft->durable_index = cfs_log_last_index(&raft->log);
    /* What this node promised before it stopped is not known any more: assume the most. */
    if (!alone)
        raft->promise = raft->start_promise = raft->env->now + raft->config->lease;
    cfs_raft_reset_election(raft);
    if (alone)
        raft->election_due = raft->env->now;
}

void cfs_raft_reset_election(struct cfs_raft *raft)
{
    cfs_time spread = cfs_env_random(raft->env, raft->config->election + 1);

    raft->election_due = raft->env->now + raft->config->election + spread;
}

void cfs_raft_persist_state(struct cfs_raft *raft)
{
    if (CFS_PLANTED(BUG_FORGET_VOTE))
        return;
    raft->state_lsn = cfs_env_persist_state(raft->env, raft->group, raft->term, raft->vote);
}

void cfs_raft_become_follower(struct cfs_raft *raft, uint64_t term, cfs_node_id leader)
{
    if (raft->role == CFS_LEADER)
        cfs_trace(raft->env, "steps down as leader of term %lu", raft->term);
    if (term > raft->term) {
        raft->term = term;
        raft->vote = 0;
        cfs_raft_persist_state(raft);
    }
    if (leader && leader != raft->leader)
        cfs_trace(raft->env, "follows node %u in term %lu", leader, term);
    raft->role = CFS_FOLLOWER;
    raft->leader = leader;
    if (leader)
        raft->doubted = 0;
    raft->leader_serving = false;
    raft->leader_gone = false;
    cfs_raft_reset_election(raft);
}

void cfs_raft_become_leader(struct cfs_raft *raft)
{
    uint64_t last = cfs_log_last_index(&raft->log);

    cfs_trace(raft->env, "leads term %lu from index %lu", raft->term, last + 1);
    raft->role = CFS_LEADER;
    raft->doubted = 0;
    raft->leaderships++;
    raft->leader = raft->env->self;
    raft->leader_since = raft->env->now;
    raft->clock_base = raft->env->now;
    raft->time_base = cfs_log_last_time(&raft->log);
    CFS_EACH_NODE (node, cfs_membership_all(&raft->members))
        raft->progress[node] = (struct cfs_progress){
            .node = node, .next = last + 1, .probing = true, .since = raft->env->now};
    raft->noop_index = cfs_raft_propose(raft, CFS_ENTRY_NOOP, NULL, 0);
    cfs_raft_broadcast_heartbeat(raft, false);
}

uint64_t cfs_raft_propose(struct cfs_raft *raft, enum cfs_entry_kind kind, const void *data,
                          uint32_t len)
{
    uint64_t index = cfs_log_last_index(&raft->log) + 1;
    struct cfs_entry *entry = cfs_entry_new(kind, index, raft->term, data, len);

    assert(raft->role == CFS_LEADER);
    entry->time = cfs_raft_group_time(raft);
    entry->wall = raft->env->wall;
    cfs_raft_append_local(raft, entry);
    raft->dirty = true;
    return index;
}

bool cfs_raft_serving(const struct cfs_raft *raft)
{
    return raft->role == CFS_LEADER && raft->applied >= raft->noop_index &&
           (raft->env->now >= raft->quiet_until || CFS_PLANTED(BUG_IGNORE_PROMISE));
}

cfs_time cfs_raft_group_time(const struct cfs_raft *raft)
{
    return raft->time_base + (raft->env->now - raft->clock_base);
}

/* The moment by which a quorum, this leader included, has acknowledged messages sent since. */
static cfs_time quorum_acked(const struct cfs_raft *raft)
{
    uint64_t acked[CFS_NODE_MAX + 1] = {0};

    CFS_EACH_NODE (node, cfs_membership_deciding(&raft->members))
        if (!raft->progress[node].forgetful)
            acked[node] = raft->progress[node].acked;
    acked[raft->env->self] = raft->env->now;
    return cfs_membership_reached(&raft->members, acked);
}

cfs_time cfs_raft_lease_until(const struct cfs_raft *raft)
{
    cfs_time acked;

    if (raft->role != CFS_LEADER)
        return 0;
    if (cfs_raft_is_alone(raft))
        return CFS_NEVER;
    acked = quorum_acked(raft);
    return acked ? acked + raft->config->lease - CFS_CLOCK_GUARD(raft->config->lease) : 0;
}

/* Since when all who decide have answered, whatever they may have forgotten. */
static cfs_time all_acked(const struct cfs_raft *raft)
{
    cfs_time since = raft->env->now;

    CFS_EACH_NODE (node, cfs_membership_deciding(&raft->members))
        if (node != raft->env->self)
            since = cfs_earlier(since, raft->progress[node].acked);
    return since;
}

/* CheckQuorum: a leader that a majority does not answer makes room for another (6.2). One for whom
 * all have voted stays also if all are there and too many of them may have forgotten something:
 * they can catch up from it (stands_without), for as long as a snapshot takes. All have to be:
 * whoever leads a later term, by a vote that was forgotten since, would say so. */
static void check_quorum(struct cfs_raft *raft)
{
    cfs_time acked = cfs_later(quorum_acked(raft), raft->leader_since);

    if (raft->unanimous)
        acked = cfs_later(acked, all_acked(raft));
    if (raft->env->now < acked + 2 * raft->config->election)
        return;
    cfs_trace(raft->env, "hears from no majority");
    cfs_raft_become_follower(raft, raft->term, 0);
}

/* When one was lost the lease has no time left for the next one to wait. */
static bool may_wait(const struct cfs_raft *raft)
{
    return raft->env->now < quorum_acked(raft) + raft->config->heartbeat * 3 / 2;
}

void cfs_raft_tick(struct cfs_raft *raft)
{
    if (raft->role == CFS_LEADER) {
        raft->dirty |= raft->env->now >= cfs_raft_held_until(raft);
        check_quorum(raft);
        if (raft->role == CFS_LEADER && raft->env->now >= raft->heartbeat_due)
            cfs_raft_broadcast_heartbeat(raft, may_wait(raft));
    } else if (raft->env->now >= raft->election_due && !raft->replaced) {
        cfs_raft_campaign(raft);
    }
}

cfs_time cfs_raft_deadline(const struct cfs_raft *raft)
{
    cfs_time due = raft->role == CFS_LEADER ? raft->heartbeat_due : raft->election_due;

    if (raft->replaced || cfs_raft_is_outside(raft))
        return CFS_NEVER;

    if (raft->role != CFS_LEADER)
        return due;
    if (raft->env->now < raft->quiet_until)
        due = cfs_earlier(due, raft->quiet_until);
    return cfs_earlier(due, cfs_raft_held_until(raft));
}

void cfs_raft_receive(struct cfs_raft *raft, struct cfs_message *message)
{
    if (message->from < 1 || message->from > CFS_NODE_MAX)
        return;
    switch (message->type) {
    case CFS_MSG_VOTE:
        cfs_raft_handle_vote(raft, message);
        break;
    case CFS_MSG_VOTE_REPLY:
        cfs_raft_handle_vote_reply(raft, message);
        break;
    case CFS_MSG_APPEND:
        cfs_raft_handle_append(raft, message);
        break;
    case CFS_MSG_APPEND_REPLY:
        cfs_raft_handle_append_reply(raft, message);
        break;
    case CFS_MSG_TIMEOUT_NOW:
        cfs_raft_handle_timeout_now(raft, message);
        break;
    default:
        break;
    }
}

void cfs_raft_persisted(struct cfs_raft *raft)
{
    size_t done = 0;

    for (; done < raft->mark_count && raft->marks[done].lsn <= raft->env->durable; done++) {
        const struct cfs_mark *mark = &raft->marks[done];
        /* A mark of entries that were replaced since says nothing about what stands there now. */
        if (cfs_log_term_at(&raft->log, mark->index) == mark->term &&
            mark->index > raft->durable_index)
            raft->durable_index = mark->index;
    }
    raft->mark_count -= done;
    for (size_t i = 0; i < raft->mark_count; i++)
        raft->marks[i] = raft->marks[i + done];
    if (raft->role == CFS_CANDIDATE)
        cfs_raft_check_election(raft);
    else if (raft->role == CFS_LEADER)
        cfs_raft_advance_commit(raft);
}

void cfs_raft_refused(struct cfs_raft *raft, cfs_node_id peer)
{
    cfs_raft_unreachable(raft, peer);
    if (raft->role != CFS_FOLLOWER || raft->leader != peer || raft->leader_gone)
        return;
    cfs_trace(raft->env, "leader %u refuses connections: it is gone", peer);
    raft->leader_gone = true;
    /* Who stands first wins; a small spread keeps two followers from splitting the vote. */
    raft->election_due = raft->env->now + cfs_env_random(raft->env, raft->config->election / 8 + 1);
}

void cfs_raft_unreachable(struct cfs_raft *raft, cfs_node_id peer)
{
    struct cfs_progress *progress = &raft->progress[peer];

    if (raft->role != CFS_LEADER)
        return;
    /* Whether it needs what is compacted it will say itself, when it is there. */
    progress->next =
        (progress->match > raft->log.base.index ? progress->match : raft->log.base.index) + 1;
    progress->inflight_count = 0;
    progress->probing = true;
}
