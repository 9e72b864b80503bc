/* Elections: a dry run first (PreVote, thesis 9.6), then the vote (3.4), its replies carrying what
 * the voter still owes the old leader. */
#include "core/planted.h"
#include "core/raft.h"

static void ask_for_votes(struct cfs_raft *raft, bool pre)
{
    for (uint32_t i = 0; i < raft->config->member_count; i++) {
        struct cfs_message message = {.type = CFS_MSG_VOTE,
                                      .group = raft->group,
                                      .to = raft->config->members[i],
                                      .term = pre ? raft->term + 1 : raft->term,
                                      .vote = {.pre = pre,
                                               .last_index = cfs_log_last_index(&raft->log),
                                               .last_term = cfs_log_last_term(&raft->log)}};
        if (message.to != raft->env->self)
            cfs_env_send(raft->env, &message);
    }
}

static uint32_t own_bit(const struct cfs_raft *raft)
{
    return 1u << cfs_raft_position(raft, raft->env->self);
}

static void stand(struct cfs_raft *raft)
{
    raft->role = CFS_CANDIDATE;
    raft->elections++;
    raft->term++;
    raft->vote = raft->env->self;
    raft->leader = 0;
    raft->leader_serving = false;
    raft->granted = own_bit(raft);
    raft->quiet_until = raft->promise;
    cfs_raft_persist_state(raft);
    cfs_raft_reset_election(raft);
    cfs_trace(raft->env, "stands for term %lu", raft->term);
    ask_for_votes(raft, false);
}

void cfs_raft_campaign(struct cfs_raft *raft)
{
    /* A disk slower than the timeout must not start a new term for ever. */
    if (raft->role == CFS_CANDIDATE && raft->env->durable < raft->state_lsn) {
        cfs_raft_reset_election(raft);
        return;
    }
    raft->role = CFS_PRE_CANDIDATE;
    raft->leader = 0;
    raft->leader_serving = false;
    raft->granted = own_bit(raft);
    cfs_raft_reset_election(raft);
    cfs_trace(raft->env, "asks whether it could win term %lu", raft->term + 1);
    ask_for_votes(raft, true);
    if (cfs_raft_is_quorum(raft, raft->granted))
        stand(raft);
}

void cfs_raft_check_election(struct cfs_raft *raft)
{
    /* Its own vote counts like any other once it is durable. */
    bool own_durable = raft->env->durable >= raft->state_lsn;
    uint32_t granted = own_durable ? raft->granted : raft->granted & ~own_bit(raft);

    if (raft->role == CFS_CANDIDATE && cfs_raft_is_quorum(raft, granted))
        cfs_raft_become_leader(raft);
}

/* The candidate's log is at least as complete as ours (3.6.1). */
static bool log_up_to_date(const struct cfs_raft *raft, const struct cfs_msg_vote *vote)
{
    uint64_t term = cfs_log_last_term(&raft->log);

    if (CFS_PLANTED(BUG_STALE_LOG_VOTE))
        return true;
    return vote->last_term > term ||
           (vote->last_term == term && vote->last_index >= cfs_log_last_index(&raft->log));
}

static bool leader_alive(const struct cfs_raft *raft)
{
    if (raft->role == CFS_LEADER)
        return true;
    return raft->leader && !raft->leader_gone &&
           raft->env->now < raft->heard + raft->config->election;
}

static void reply_to_vote(struct cfs_raft *raft, const struct cfs_message *request, bool granted)
{
    bool pre = request->vote.pre;
    cfs_time now = raft->env->now;
    struct cfs_message reply = {
        .type = CFS_MSG_VOTE_REPLY,
        .group = raft->group,
        .to = request->from,
        .term = pre && granted ? request->term : raft->term,
        .vote_reply = {.pre = pre,
                       .granted = granted,
                       .promise = raft->promise > now ? raft->promise - now : 0}};

    cfs_trace(raft->env, "%s %s to node %u for term %lu", granted ? "grants" : "refuses",
              pre ? "pre-vote" : "vote", request->from, request->term);
    if (pre)
        cfs_env_send(raft->env, &reply);
    else
        cfs_env_send_durable(raft->env, &reply);
}

void cfs_raft_handle_vote(struct cfs_raft *raft, const struct cfs_message *message)
{
    bool granted;

    if (message->vote.pre) {
        granted = message->term > raft->term && log_up_to_date(raft, &message->vote) &&
                  !leader_alive(raft);
        reply_to_vote(raft, message, granted);
        return;
    }
    if (message->term > raft->term)
        cfs_raft_become_follower(raft, message->term, 0);
    granted = message->term == raft->term &&
              (!raft->vote || raft->vote == message->from || CFS_PLANTED(BUG_VOTE_TWICE)) &&
              raft->role != CFS_LEADER && log_up_to_date(raft, &message->vote);
    if (granted && raft->vote != message->from) {
        raft->vote = message->from;
        cfs_raft_persist_state(raft);
    }
    if (granted)
        cfs_raft_reset_election(raft);
    reply_to_vote(raft, message, granted);
}

void cfs_raft_handle_vote_reply(struct cfs_raft *raft, const struct cfs_message *message)
{
    const struct cfs_msg_vote_reply *reply = &message->vote_reply;
    uint32_t bit = 1u << cfs_raft_position(raft, message->from);
    cfs_time quiet = raft->env->now + reply->promise + CFS_CLOCK_GUARD(reply->promise);

    if (!reply->granted && message->term > raft->term) {
        cfs_raft_become_follower(raft, message->term, 0);
        return;
    }
    if (reply->pre ? raft->role != CFS_PRE_CANDIDATE || message->term != raft->term + 1
                   : raft->role != CFS_CANDIDATE || message->term != raft->term)
        return;
    if (!reply->granted)
        return;
    raft->granted |= bit;
    if (!reply->pre && quiet > raft->quiet_until)
        raft->quiet_until = quiet;
    if (!reply->pre)
        cfs_raft_check_election(raft);
    else if (cfs_raft_is_quorum(raft, raft->granted))
        stand(raft);
}
