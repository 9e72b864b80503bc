/* Commands and sessions at the leader. */
#include "core/home.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/planted.h"

/* Looks at the sessions: that many in the shortest term, so that none ends much later than it may;
 * this often at least, so that a new one is seen. */
#define CHECKS 10u
#define CHECK_MAX CFS_MS(500)

struct refusal {
    uint64_t sequence;
    enum cfs_error error;
};

/* A command that is in the log: its resends need no second entry. */
struct proposal {
    uint64_t sequence, index;
};

/* When a session was last renewed, by this leader's clock. */
struct cfs_renewal {
    cfs_session_id session; /* key */
    cfs_time renewed;
    uint64_t oldest; /* sequences below it are answered: late copies are dropped */
    bool doomed;     /* its expiry is in the log: too late to renew */
    struct refusal *refusals;
    size_t refusal_count, refusal_capacity;
    struct proposal *proposals; /* in the log and not applied, by index */
    size_t proposal_count, proposal_capacity;
    UT_hash_handle hh;
};

void cfs_home_init(struct cfs_home *home, struct cfs_env *env, struct cfs_raft *raft,
                   struct cfs_machine *machine, const struct cfs_core_config *config)
{
    *home = (struct cfs_home){.env = env,
                              .raft = raft,
                              .machine = machine,
                              .config = config,
                              .check_due = CFS_NEVER,
                              .first_ready = CFS_NEVER,
                              .collection = {.due = CFS_NEVER, .deadline = CFS_NEVER}};
}

static void drop_renewal(struct cfs_home *home, struct cfs_renewal *renewal)
{
    HASH_DEL(home->renewals, renewal);
    free(renewal->refusals);
    free(renewal->proposals);
    free(renewal);
}

void cfs_home_close(struct cfs_home *home)
{
    cfs_home_stop(home);
}

static struct cfs_renewal *find_renewal(const struct cfs_home *home, cfs_session_id session)
{
    struct cfs_renewal *renewal;

    HASH_FIND(hh, home->renewals, &session, sizeof session, renewal);
    return renewal;
}

/* Every session begins with a full term in the eyes of a new leader, a new session likewise. */
static struct cfs_renewal *renewal_of(struct cfs_home *home, cfs_session_id session)
{
    struct cfs_renewal *renewal = find_renewal(home, session);

    if (!renewal) {
        renewal = cfs_alloc_zeroed(1, sizeof *renewal);
        renewal->session = session;
        renewal->renewed = home->env->now;
        HASH_ADD(hh, home->renewals, session, sizeof renewal->session, renewal);
    }
    return renewal;
}

void cfs_home_start(struct cfs_home *home)
{
    home->serving = true;
    home->expiry_index = home->reconciled = 0;
    home->first_ready = CFS_NEVER;
    memset(home->adopted, 0, sizeof home->adopted);
    home->check_due = home->members_due = home->env->now;
    for (struct cfs_session *s = home->machine->sessions.by_id; s; s = s->hh.next)
        renewal_of(home, s->id);
    if (cfs_lock_table_waiter_count(home->machine->locks))
        cfs_home_waiter_queued(home);
    cfs_lines_open(&home->lines, home->env->now,
                   home->config->cache_lease + CFS_CLOCK_GUARD(home->config->cache_lease));
    cfs_trace(home->env, "serves in term %lu", home->raft->term);
}

void cfs_home_stop(struct cfs_home *home)
{
    home->serving = false;
    home->check_due = CFS_NEVER;
    if (home->env->moving == home->raft->group)
        home->env->moving = 0;
    while (home->renewals)
        drop_renewal(home, home->renewals);
    cfs_home_drop_questions(home);
    cfs_home_drop_awaits(home);
    cfs_home_drop_held(home);
    cfs_lines_close(&home->lines);
    cfs_home_stop_collecting(home);
}

bool cfs_home_lease_valid(const struct cfs_home *home)
{
    return home->env->now < cfs_raft_lease_until(home->raft) || CFS_PLANTED(BUG_STALE_READ);
}

bool cfs_home_node_alive(const struct cfs_home *home, cfs_node_id node)
{

    if (node == home->env->self)
        return true;
    if (!(cfs_membership_all(&home->raft->members) & CFS_NODE_BIT(node)))
        return false;
    /* A new leader has not heard from everyone yet. */
    cfs_time heard = home->raft->progress[node].acked;
    if (heard < home->raft->leader_since)
        heard = home->raft->leader_since;
    return heard + 2 * home->config->election > home->env->now;
}

void cfs_home_propose(struct cfs_home *home, const struct cfs_command *command)
{
    struct cfs_writer writer = {0};

    cfs_command_encode(&writer, command);
    cfs_raft_propose(home->raft, CFS_ENTRY_COMMAND, writer.data, (uint32_t)writer.len);
    free(writer.data);
}

void cfs_home_say(struct cfs_home *home, enum cfs_answer_to to, struct cfs_asker asker,
                  const struct cfs_writer *answer)
{
    struct cfs_message message = {
        .type = CFS_MSG_ANSWER,
        .group = home->raft->group,
        .to = asker.node,
        .term = home->raft->term,
        .answer = {.to = to, .session = asker.session, .id = asker.sequence, .queued = !answer}};

    if (answer) {
        message.answer.answer = answer->data;
        message.answer.len = (uint32_t)answer->len;
    }
    cfs_env_send(home->env, &message);
}

void cfs_home_answer(struct cfs_home *home, struct cfs_asker asker, bool queued,
                     const struct cfs_answer *answer)
{
    struct cfs_answer shared;
    struct cfs_writer writer = {0};
    enum cfs_change_word word;

    if (!home->serving || (!queued && cfs_home_hold(home, CFS_TO_COMMAND, asker, answer)))
        return;
    if (queued) {
        cfs_home_say(home, CFS_TO_COMMAND, asker, NULL);
        return;
    }
    word = cfs_home_changed(home, asker, answer, &shared);
    if (word == CFS_CHANGE_HELD)
        return;
    cfs_answer_encode(&writer, word == CFS_CHANGE_SHARED ? &shared : answer);
    cfs_home_say(home, CFS_TO_COMMAND, asker, &writer);
}

static const struct refusal *find_refusal(const struct cfs_renewal *renewal, uint64_t sequence)
{
    for (size_t i = 0; renewal && i < renewal->refusal_count; i++)
        if (renewal->refusals[i].sequence == sequence)
            return &renewal->refusals[i];
    return NULL;
}

static void forget_refusals(struct cfs_renewal *renewal, uint64_t oldest)
{
    size_t kept = 0;

    if (oldest <= renewal->oldest)
        return;
    renewal->oldest = oldest;
    for (size_t i = 0; i < renewal->refusal_count; i++)
        if (renewal->refusals[i].sequence >= oldest)
            renewal->refusals[kept++] = renewal->refusals[i];
    renewal->refusal_count = kept;
}

void cfs_home_refuse(struct cfs_home *home, struct cfs_asker asker, enum cfs_error error)
{
    struct cfs_renewal *renewal = renewal_of(home, asker.session);

    renewal->refusals = cfs_array_room(renewal->refusals, renewal->refusal_count,
                                       &renewal->refusal_capacity, sizeof *renewal->refusals);
    renewal->refusals[renewal->refusal_count++] =
        (struct refusal){.sequence = asker.sequence, .error = error};
    cfs_home_answer(home, asker, false, &(struct cfs_answer){.error = error});
}

bool cfs_home_known(struct cfs_home *home, struct cfs_asker asker)
{
    const struct refusal *refusal = find_refusal(find_renewal(home, asker.session), asker.sequence);

    if (refusal) {
        cfs_home_answer(home, asker, false, &(struct cfs_answer){.error = refusal->error});
        return true;
    }
    return cfs_machine_recall(home->machine, asker);
}

static bool is_proposed(const struct cfs_home *home, struct cfs_renewal *renewal,
                        struct cfs_asker asker)
{
    size_t kept = 0;
    bool found = false;

    for (size_t i = 0; i < renewal->proposal_count; i++) {
        struct proposal proposal = renewal->proposals[i];
        if (proposal.index <= home->raft->applied)
            continue;
        found |= proposal.sequence == asker.sequence;
        renewal->proposals[kept++] = proposal;
    }
    renewal->proposal_count = kept;
    return found;
}

/* A copy of what was answered: it is answered again, or dropped when the asker must have the answer
 * or will get it. */
static bool answered_before(struct cfs_home *home, struct cfs_asker asker, uint64_t oldest)
{
    struct cfs_renewal *renewal = find_renewal(home, asker.session);

    if (renewal)
        forget_refusals(renewal, oldest);
    return cfs_home_known(home, asker) ||
           (renewal && (asker.sequence < renewal->oldest || is_proposed(home, renewal, asker)));
}

void cfs_home_log(struct cfs_home *home, struct cfs_asker asker,
                  const struct cfs_msg_forward *forward)
{
    uint64_t index =
        cfs_raft_propose(home->raft, CFS_ENTRY_COMMAND, forward->command, forward->len);
    struct cfs_renewal *renewal;

    if (!asker.session)
        return;
    renewal = renewal_of(home, asker.session);
    renewal->proposals = cfs_array_room(renewal->proposals, renewal->proposal_count,
                                        &renewal->proposal_capacity, sizeof *renewal->proposals);
    renewal->proposals[renewal->proposal_count++] =
        (struct proposal){.sequence = asker.sequence, .index = index};
}

/* What the leader alone decides comes from no other node; and sessions are for group 0. */
static bool may_forward(const struct cfs_home *home, enum cfs_command_kind kind)
{
    return kind == CFS_CMD_REQUEST || kind == CFS_CMD_CANCEL ||
           (!home->root && (kind == CFS_CMD_OPEN_SESSION || kind == CFS_CMD_CLOSE_SESSION));
}

/* A node that is not wanted any more is told so when nobody needs its vote for the change. One that
 * has come back under its old name waits until the session of before has ended: whoever had that
 * may still rely on it. */
static bool has_to_wait(struct cfs_home *home, const struct cfs_command *open)
{
    const struct cfs_session *session = cfs_sessions_of_node(&home->machine->sessions, open->node);
    cfs_node_set all = cfs_node_table_all(&home->machine->nodes);

    if (!all || all & CFS_NODE_BIT(open->node))
        return session && session->doomed;
    if (!(cfs_membership_all(&home->raft->members) & CFS_NODE_BIT(open->node)) &&
        home->raft->members_index <= home->raft->commit)
        cfs_home_answer(home, (struct cfs_asker){0, open->nonce, open->node}, false,
                        &(struct cfs_answer){.error = CFS_ERR_REMOVED});
    return true;
}

/* A commit need not rest on a disk that is full: so that what is left there remains for what frees
 * some. Where nothing can be committed at all, that is another matter. */
static bool has_room(const struct cfs_home *home)
{
    const struct cfs_membership *members = &home->raft->members;
    cfs_node_set alive = 0, full = 0;

    CFS_EACH_NODE (node, cfs_membership_deciding(members)) {
        bool own = node == home->env->self;
        if (cfs_home_node_alive(home, node))
            alive |= CFS_NODE_BIT(node);
        if (own ? home->env->disk_full : home->raft->progress[node].full)
            full |= CFS_NODE_BIT(node);
    }
    return cfs_membership_is_quorum(members, alive & ~full) ||
           !cfs_membership_is_quorum(members, alive);
}

static bool adds_to_cache(const struct cfs_request *request)
{
    const struct cfs_cache_put *put = &request->cache_put;

    switch (request->op) {
    case CFS_OP_CACHE_MAKE:
        return true;
    case CFS_OP_CACHE_PUT:
        return put->len && put->kind != CFS_PUT_TRUNCATE;
    case CFS_OP_CACHE_XATTR:
        return !request->cache_xattr.remove;
    default:
        return false;
    }
}

/* What takes room for long. Releases, removals, sessions and changes of members go on while there
 * is some left: they are what frees it. */
static bool adds(const struct cfs_command *command)
{
    const struct cfs_request *request = &command->request;

    return command->kind == CFS_CMD_REQUEST &&
           (request->op == CFS_OP_WRITE || request->op == CFS_OP_PRODUCE ||
            request->op == CFS_OP_QUEUE_MAKE || adds_to_cache(request) ||
            (request->op == CFS_OP_ACQUIRE && !request->acquire.renew));
}

static void take_command(struct cfs_home *home, struct cfs_message *message,
                         struct cfs_command *command)
{
    struct cfs_asker asker = {command->session, command->sequence, command->node};

    if (command->kind == CFS_CMD_OPEN_SESSION && has_to_wait(home, command))
        return;
    if (command->session && answered_before(home, asker, command->oldest))
        return;
    if (cfs_home_changes(home, asker, message->forward.epoch))
        return;
    if (home->root && !cfs_home_admit(home, command))
        return;
    if (adds(command) && !has_room(home))
        cfs_home_refuse(home, asker, CFS_ERR_NO_SPACE);
    else if (cfs_command_is_try(command))
        cfs_home_ask(home, message, command);
    else if (command->kind == CFS_CMD_REQUEST && command->request.op == CFS_OP_CACHE_PUT)
        cfs_home_launder(home, asker, &command->request, &message->forward);
    else
        cfs_home_log(home, asker, &message->forward);
}

static void receive_forward(struct cfs_home *home, struct cfs_message *message)
{
    struct cfs_msg_forward *forward = &message->forward;
    struct cfs_command command;

    /* A copy that was meant for an earlier leadership may be of a request long given up. */
    if (message->term != home->raft->term)
        return;
    if (cfs_command_decode(&command, forward->command, forward->len) != 0 ||
        command.node != message->from || !may_forward(home, command.kind))
        cfs_trace(home->env, "ignores a malformed command from node %u", message->from);
    else
        take_command(home, message, &command);
    cfs_command_clear(&command);
}

static void receive_read(struct cfs_home *home, struct cfs_message *message)
{
    if (!cfs_home_awaits(home, message))
        cfs_home_ask(home, message, NULL);
}

static void receive_keepalive(struct cfs_home *home, const struct cfs_message *message)
{
    const struct cfs_msg_keepalive *keepalive = &message->keepalive;
    const struct cfs_session *session =
        cfs_sessions_find(&home->machine->sessions, keepalive->session);
    struct cfs_message reply = {
        .type = CFS_MSG_KEEPALIVE_REPLY,
        .group = home->raft->group,
        .to = message->from,
        .term = home->raft->term,
        .keepalive_reply = {.session = keepalive->session, .sent = keepalive->sent}};

    if (!cfs_home_lease_valid(home) || home->root)
        return;
    if (session && session->node == message->from && !session->doomed) {
        struct cfs_renewal *renewal = renewal_of(home, session->id);
        if (renewal->doomed)
            return;
        renewal->renewed = home->env->now;
        forget_refusals(renewal, keepalive->oldest);
        reply.keepalive_reply.known = true;
    }
    cfs_env_send(home->env, &reply);
}

void cfs_home_receive(struct cfs_home *home, struct cfs_message *message)
{
    if (!home->serving)
        return;
    switch (message->type) {
    case CFS_MSG_FORWARD:
        receive_forward(home, message);
        break;
    case CFS_MSG_READ:
        receive_read(home, message);
        break;
    case CFS_MSG_KEEPALIVE:
        receive_keepalive(home, message);
        break;
    case CFS_MSG_DRAIN_REPLY:
        cfs_home_drained(home, message);
        break;
    case CFS_MSG_COLLECT_REPLY:
        cfs_home_collected(home, message);
        break;
    case CFS_MSG_RECALLED:
        cfs_home_recalled(home, message);
        break;
    case CFS_MSG_SHARE_KEEP:
        cfs_home_keep_share(home, message);
        break;
    default:
        break;
    }
}

/* By the term that the session was opened with: its node counts by that one. */
static cfs_time session_term(const struct cfs_home *home, const struct cfs_session *session)
{
    cfs_time term = CFS_PLANTED(BUG_OWN_TERM) ? home->config->session : session->term;

    return CFS_PLANTED(BUG_EARLY_EXPIRY) ? term / 2 : term + CFS_CLOCK_GUARD(term);
}

/* Nothing of that session is in the log and still to come, its adoption neither. */
static bool is_over(const struct cfs_home *home, const struct cfs_renewal *renewal)
{
    size_t count = renewal->proposal_count;

    return !count || renewal->proposals[count - 1].index <= home->raft->applied;
}

static void expire(struct cfs_home *home, struct cfs_renewal *renewal,
                   const struct cfs_session *session)
{
    cfs_trace(home->env, "session %lu of node %u was not renewed: expires", session->id,
              session->node);
    renewal->doomed = true;
    cfs_home_propose(home, &(struct cfs_command){.kind = CFS_CMD_EXPIRE_SESSION,
                                                 .node = home->env->self,
                                                 .target = session->id});
}

/* When to look again: that many times in the shortest term. Other groups than 0 know no terms. */
static cfs_time next_check(const struct cfs_home *home)
{
    cfs_time shortest = CHECK_MAX * CHECKS;

    for (struct cfs_session *s = home->machine->sessions.by_id; s && !home->root; s = s->hh.next)
        shortest = s->term < shortest ? s->term : shortest;
    return cfs_env_beat_before(home->env, home->config, home->env->now + shortest / CHECKS);
}

static void check_sessions(struct cfs_home *home)
{
    struct cfs_renewal *renewal, *next;

    for (struct cfs_session *s = home->machine->sessions.by_id; s; s = s->hh.next)
        renewal_of(home, s->id);
    HASH_ITER (hh, home->renewals, renewal, next) {
        const struct cfs_session *session =
            cfs_sessions_find(&home->machine->sessions, renewal->session);
        if (!session && is_over(home, renewal))
            drop_renewal(home, renewal);
        else if (session && !home->root && !renewal->doomed &&
                 home->env->now >= renewal->renewed + session_term(home, session))
            expire(home, renewal, session);
    }
    if (home->root)
        cfs_home_reconcile(home);
    home->check_due = next_check(home);
}

/* The node time at which the next HTTP lock or claim expires, unless its expiry is on its way. */
static cfs_time leased_due(const struct cfs_home *home)
{
    cfs_time at = cfs_machine_next_expiry(home->machine);
    cfs_time group_now = cfs_raft_group_time(home->raft);

    if (at == CFS_NEVER || home->expiry_index > home->raft->applied)
        return CFS_NEVER;
    return home->env->now + (at > group_now ? at - group_now : 0);
}

static void check_leased(struct cfs_home *home)
{
    if (home->env->now < leased_due(home))
        return;
    cfs_home_propose(home,
                     &(struct cfs_command){.kind = CFS_CMD_EXPIRE_LEASED, .node = home->env->self});
    home->expiry_index = cfs_log_last_index(&home->raft->log);
}

void cfs_home_tick(struct cfs_home *home)
{
    if (!home->serving)
        return;
    if (home->env->now >= home->check_due)
        check_sessions(home);
    check_leased(home);
    cfs_home_await_tick(home);
    cfs_home_changes_tick(home);
    cfs_home_members_tick(home);
    if (home->raft->role != CFS_LEADER)
        return; /* it has handed on */
    cfs_home_collect_tick(home);
}

cfs_time cfs_home_deadline(const struct cfs_home *home)
{
    cfs_time due = home->check_due;

    if (!home->serving)
        return CFS_NEVER;
    due = cfs_earlier(due, leased_due(home));
    due = cfs_earlier(due, cfs_home_question_deadline(home));
    due = cfs_earlier(due, cfs_home_await_deadline(home));
    due = cfs_earlier(due, cfs_home_changes_deadline(home));
    return cfs_earlier(due, cfs_home_collect_deadline(home));
}
