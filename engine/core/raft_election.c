/* Elections: a dry run first (PreVote, thesis 9.6), then the vote (3.4), its replies carrying what
 * the voter still owes the old leader. */
#include "core/planted.h"
#include "core/raft.h"

static void ask_for_votes(struct cfs_raft *raft, bool pre)
{
    CFS_EACH_NODE (node, cfs_membership_deciding(&raft->members)) {
        struct cfs_message message = {.type = CFS_MSG_VOTE,
                                      .group = raft->group,
                                      .to = node,
                                      .term = pre ? raft->term + 1 : raft->term,
                                      .vote = {.pre = pre,
                                               .founding = raft->founding && !pre,
                                               .transfer = raft->transfer,
                                               .last_index = cfs_log_last_index(&raft->log),
                                               .last_term = cfs_log_last_term(&raft->log)}};
        if (message.to == raft->env->self)
            continue;
        /* What it stands on must outlive it: or it could stand again in this term, with another
         * log. */
        if (pre)
            cfs_env_send(raft->env, &message);
        else
            cfs_env_send_durable(raft->env, &message);
    }
}

static cfs_node_set own_bit(const struct cfs_raft *raft)
{
    return CFS_NODE_BIT(raft->env->self);
}

static bool is_unanimous(const struct cfs_raft *raft, cfs_node_set granted)
{
    return !(cfs_membership_deciding(&raft->members) & ~granted);
}

/* Votes of those who remember everything decide by majority. A node whose log was torn may have
 * forgotten its last promise: its vote counts only when everybody votes, for then the most complete
 * of all logs wins, and no promise to another candidate is open. Of a new disk nothing is known: it
 * has a voice only where nobody has anything. */
static bool is_won(const struct cfs_raft *raft, cfs_node_set granted, cfs_node_set sound)
{
    return cfs_membership_is_quorum(&raft->members, sound) || is_unanimous(raft, granted);
}

/* It has nothing, and as far as it knows nobody ever had. */
static bool may_found(const struct cfs_raft *raft)
{
    return !raft->founded && !cfs_raft_log_end(raft).index;
}

static void count_vote(struct cfs_raft *raft, cfs_node_id voter, enum cfs_amnesia amnesia)
{
    bool founds = raft->amnesia == CFS_BLANK && may_found(raft);

    raft->doubted &= ~CFS_NODE_BIT(voter);
    if (amnesia != CFS_REMEMBERS && voter != raft->env->self)
        raft->doubted |= CFS_NODE_BIT(voter);
    if (amnesia == CFS_REMEMBERS || CFS_PLANTED(BUG_COUNT_FORGETFUL) ||
        (amnesia == CFS_TORN && CFS_PLANTED(BUG_COUNT_TORN)))
        raft->sound |= CFS_NODE_BIT(voter);
    if (amnesia != CFS_BLANK || founds)
        raft->granted |= CFS_NODE_BIT(voter);
}

static enum cfs_amnesia present_amnesia(const struct cfs_raft *raft)
{
    return raft->recovered ? CFS_REMEMBERS : raft->amnesia;
}

/* All members would vote for an empty log, so none has anything, and there is nothing that could
 * have been forgotten. */
static void found(struct cfs_raft *raft)
{
    raft->founding =
        raft->amnesia == CFS_BLANK && may_found(raft) && is_unanimous(raft, raft->granted);
    if (raft->founding)
        raft->recovered = true;
}

static void begin_round(struct cfs_raft *raft)
{
    raft->granted = raft->sound = 0;
    count_vote(raft, raft->env->self, present_amnesia(raft));
    cfs_raft_reset_election(raft);
}

void cfs_raft_stand(struct cfs_raft *raft)
{
    raft->role = CFS_CANDIDATE;
    raft->elections++;
    raft->term++;
    raft->vote = raft->env->self;
    raft->leader = 0;
    raft->leader_serving = false;
    found(raft);
    raft->quiet_until = raft->promise;
    begin_round(raft);
    cfs_raft_persist_state(raft);
    cfs_trace(raft->env, "stands for term %lu", raft->term);
    ask_for_votes(raft, false);
}

/* Who does not vote does not stand; but a change that removes a voter may need him until it is
 * committed, for nobody else may have it in his log (4.2.2). After a restart that may be true of
 * any change in the log. */
static bool may_stand(const struct cfs_raft *raft)
{
    const struct cfs_membership_history *history = &raft->history;
    cfs_node_set deciding = 0;

    if (cfs_raft_is_returning(raft))
        return false;
    for (size_t i = history->count; i-- > 0;) {
        deciding |= cfs_membership_deciding(&history->marks[i].members);
        if (history->marks[i].index <= raft->commit)
            break;
    }
    return deciding & own_bit(raft);
}

bool cfs_raft_is_outside(const struct cfs_raft *raft)
{
    return !(cfs_membership_all(&raft->members) & own_bit(raft)) && !may_stand(raft);
}

void cfs_raft_campaign(struct cfs_raft *raft)
{
    if (!may_stand(raft)) {
        cfs_raft_reset_election(raft);
        return;
    }
    /* A disk slower than the timeout must not start a new term for ever. */
    if (raft->role == CFS_CANDIDATE && raft->env->durable < raft->state_lsn) {
        cfs_raft_reset_election(raft);
        return;
    }
    raft->role = CFS_PRE_CANDIDATE;
    raft->transfer = false;
    raft->leader = 0;
    raft->leader_serving = false;
    begin_round(raft);
    cfs_trace(raft->env, "asks whether it could win term %lu", raft->term + 1);
    ask_for_votes(raft, true);
    if (is_won(raft, raft->granted, raft->sound))
        cfs_raft_stand(raft);
}

static void win(struct cfs_raft *raft, cfs_node_set granted)
{
    raft->unanimous = is_unanimous(raft, granted);
    cfs_raft_become_leader(raft);
}

void cfs_raft_check_election(struct cfs_raft *raft)
{
    /* Its own vote counts like any other once it is durable. */
    bool own_durable = raft->env->durable >= raft->state_lsn;
    cfs_node_set counted = own_durable ? ~(cfs_node_set)0 : ~own_bit(raft);

    if (raft->role == CFS_CANDIDATE && is_won(raft, raft->granted & counted, raft->sound & counted))
        win(raft, raft->granted & counted);
}

/* The candidate's log is at least as complete as ours (3.6.1). */
static bool log_up_to_date(const struct cfs_raft *raft, const struct cfs_msg_vote *vote)
{
    struct cfs_log_end end = cfs_raft_log_end(raft);

    if (CFS_PLANTED(BUG_STALE_LOG_VOTE))
        return true;
    return vote->last_term > end.term ||
           (vote->last_term == end.term && vote->last_index >= end.index);
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
                       .amnesia = present_amnesia(raft),
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

    if (raft->replaced)
        return;
    if (message->vote.pre) {
        granted = message->term > raft->term && log_up_to_date(raft, &message->vote) &&
                  !leader_alive(raft);
        reply_to_vote(raft, message, granted);
        /* A voter that was removed may never hear of it, and look for a leader for ever. Told who
         * leads it asks that one for its session, and hears. */
        if (raft->role == CFS_LEADER &&
            !(cfs_membership_all(&raft->members) & CFS_NODE_BIT(message->from)))
            cfs_raft_greet(raft, message->from);
        return;
    }
    /* The leader of the term before has given up its lease: what was promised to it is void. */
    if (message->vote.transfer && message->term == raft->term + 1)
        raft->promise = raft->start_promise;
    if (message->term > raft->term)
        cfs_raft_become_follower(raft, message->term, 0);
    granted = message->term == raft->term &&
              (!raft->vote || raft->vote == message->from || CFS_PLANTED(BUG_VOTE_TWICE)) &&
              raft->role != CFS_LEADER && log_up_to_date(raft, &message->vote) &&
              !(message->vote.founding && raft->founded);
    if (granted && raft->vote != message->from) {
        raft->vote = message->from;
        cfs_raft_persist_state(raft);
    }
    if (granted)
        cfs_raft_reset_election(raft);
    if (granted && message->vote.founding && may_found(raft))
        raft->recovered = raft->amnesia != CFS_REMEMBERS;
    reply_to_vote(raft, message, granted);
}

void cfs_raft_handle_vote_reply(struct cfs_raft *raft, const struct cfs_message *message)
{
    const struct cfs_msg_vote_reply *reply = &message->vote_reply;
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
    count_vote(raft, message->from, (enum cfs_amnesia)reply->amnesia);
    if (!reply->pre && quiet > raft->quiet_until)
        raft->quiet_until = quiet;
    if (!reply->pre)
        cfs_raft_check_election(raft);
    else if (is_won(raft, raft->granted, raft->sound))
        cfs_raft_stand(raft);
}
