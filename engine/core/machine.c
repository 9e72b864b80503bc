/* One function per kind of command; the request's own operations are a second switch, those of
 * queues in machine_queue.c, those of the cache in machine_cache.c. */
#include <assert.h>

#include "core/machine_internal.h"
#include "core/planted.h"

static void answer_error(struct cfs_machine *machine, struct cfs_asker asker, enum cfs_error error)
{
    machine->answer(machine->arg, asker, false, &(struct cfs_answer){.error = error});
}

void cfs_machine_finish(struct cfs_machine *machine, struct cfs_asker asker,
                        const struct cfs_answer *answer)
{
    struct cfs_session *session = cfs_sessions_find(&machine->sessions, asker.session);

    if (session)
        cfs_session_remember(session, asker.sequence, CFS_ANSWER_DONE, answer);
    machine->answer(machine->arg, asker, false, answer);
}

void cfs_machine_wait(struct cfs_machine *machine, struct cfs_asker asker)
{
    struct cfs_session *session = cfs_sessions_find(&machine->sessions, asker.session);

    if (session)
        cfs_session_remember(session, asker.sequence, CFS_ANSWER_WAITING, NULL);
    machine->answer(machine->arg, asker, true, NULL);
}

/* Somebody's wait in a table has ended. */
static void settled(void *arg, struct cfs_asker asker, const struct cfs_answer *answer)
{
    cfs_machine_finish(arg, asker, answer);
}

void cfs_machine_init(struct cfs_machine *machine, cfs_machine_answer_fn answer, void *arg)
{
    *machine = (struct cfs_machine){.answer = answer, .arg = arg};
    machine->locks = cfs_lock_table_new(settled, machine);
    machine->queues = cfs_queues_new(settled, machine);
    machine->names = cfs_names_new();
    machine->contents = cfs_contents_new();
}

void cfs_machine_close(struct cfs_machine *machine)
{
    cfs_sessions_close(&machine->sessions);
    cfs_lock_table_free(machine->locks);
    cfs_queues_free(machine->queues);
    cfs_names_free(machine->names);
    cfs_contents_free(machine->contents);
    machine->locks = NULL;
    machine->queues = NULL;
    machine->names = NULL;
    machine->contents = NULL;
}

/* What a consume was handed is not remembered, but looked up: the claims may have passed. */
static struct cfs_answer answer_of(struct cfs_machine *machine, const struct cfs_remembered *known)
{
    struct cfs_answer answer = {.error = known->error,
                                .token = known->token,
                                .ticket = known->ticket,
                                .id = known->count ? 0 : known->id};

    if (known->count &&
        !cfs_queues_handed(machine->queues, machine->moment, known->id, known->count, &answer))
        answer.error = CFS_ERR_NOT_CLAIMED;
    return answer;
}

bool cfs_machine_recall(struct cfs_machine *machine, struct cfs_asker asker)
{
    const struct cfs_session *session = cfs_sessions_find(&machine->sessions, asker.session);
    const struct cfs_remembered *known =
        session ? cfs_session_recall(session, asker.sequence) : NULL;
    struct cfs_answer answer;

    if (!known)
        return false;
    if (known->state == CFS_ANSWER_WAITING) {
        machine->answer(machine->arg, asker, true, NULL);
        return true;
    }
    answer = answer_of(machine, known);
    machine->answer(machine->arg, asker, false, &answer);
    return true;
}

static void apply_acquire(struct cfs_machine *machine, struct cfs_asker asker,
                          const struct cfs_request *request)
{
    struct cfs_answer answer = {0};

    if (cfs_lock_table_acquire(machine->locks, asker, machine->moment, request->name,
                               &request->acquire, &answer) == CFS_ANSWERED) {
        cfs_machine_finish(machine, asker, &answer);
        return;
    }
    machine->queued++;
    cfs_machine_wait(machine, asker);
}

static void end_session(struct cfs_machine *machine, struct cfs_session *session)
{
    cfs_session_id id = session->id;

    cfs_sessions_remove(&machine->sessions, session);
    cfs_lock_table_end_session(machine->locks, id, machine->moment);
    cfs_queues_end_session(machine->queues, id, machine->moment);
}

/* A node that goes keeps its session until its term is over: it may rely on its lease. */
static enum cfs_error change_member(struct cfs_machine *machine,
                                    const struct cfs_member_change *change)
{
    enum cfs_error error = cfs_node_table_change(&machine->nodes, change);
    struct cfs_session *session = cfs_sessions_of_node(&machine->sessions, change->info.id);

    if (!error && change->remove && session)
        session->doomed = true;
    return error;
}

static void drop_node(struct cfs_machine *machine, uint64_t node)
{
    if (node <= CFS_NODE_MAX)
        change_member(machine, &(struct cfs_member_change){.remove = true,
                                                           .info = {.id = (cfs_node_id)node}});
}

static void apply_request(struct cfs_machine *machine, struct cfs_asker asker,
                          const struct cfs_request *request)
{
    struct cfs_moment moment = machine->moment;
    struct cfs_answer answer = {0};

    switch (request->op) {
    case CFS_OP_ACQUIRE:
        apply_acquire(machine, asker, request);
        return;
    case CFS_OP_RELEASE:
        answer.error = cfs_lock_table_release(machine->locks, asker.session, moment, request->name,
                                              &request->release);
        break;
    case CFS_OP_REMOVE:
        answer.error =
            cfs_lock_table_remove(machine->locks, moment, request->name, &request->remove);
        break;
    case CFS_OP_WRITE:
        answer.error = cfs_lock_table_write(machine->locks, moment, request->name, &request->write);
        break;
    case CFS_OP_SETATTR:
        answer.error =
            cfs_lock_table_setattr(machine->locks, moment, request->name, &request->setattr);
        break;
    case CFS_OP_MEMBER:
        answer.error = change_member(machine, &request->member);
        break;
    default:
        if (cfs_op_is_of_cache(request->op))
            cfs_machine_apply_cache(machine, asker, request);
        else
            cfs_machine_apply_queue(machine, asker, request);
        return;
    }
    cfs_machine_finish(machine, asker, &answer);
}

/* Ends the wait of a request that is remembered to wait. */
static void dismiss(struct cfs_machine *machine, cfs_session_id session, uint64_t sequence,
                    enum cfs_error error)
{
    if (!cfs_lock_table_dismiss(machine->locks, session, sequence, machine->moment, error))
        cfs_queues_dismiss(machine->queues, session, sequence, machine->moment, error);
}

static void apply_cancel(struct cfs_machine *machine, struct cfs_session *session,
                         struct cfs_asker asker, const struct cfs_command *command)
{
    const struct cfs_remembered *known = cfs_session_recall(session, command->target);
    struct cfs_asker target = {session->id, command->target, session->node};

    if (!known && command->target >= session->oldest) {
        if (!CFS_PLANTED(BUG_FORGET_CANCEL))
            cfs_machine_finish(machine, target, &(struct cfs_answer){.error = CFS_ERR_INTERRUPTED});
    } else if (known && known->state == CFS_ANSWER_WAITING) {
        dismiss(machine, session->id, command->target, CFS_ERR_INTERRUPTED);
    } else if (command->undo) {
        /* Also where the answer is forgotten: hold and claims know who asked for them. */
        cfs_lock_table_undo(machine->locks, session->id, command->target, machine->moment);
        cfs_queues_undo(machine->queues, session->id, command->target, machine->moment);
    }
    cfs_machine_finish(machine, asker, &(struct cfs_answer){0});
}

static void answer_open(struct cfs_machine *machine, const struct cfs_command *command,
                        enum cfs_error error, cfs_session_id session)
{
    machine->answer(machine->arg, (struct cfs_asker){0, command->nonce, command->node}, false,
                    &(struct cfs_answer){.error = error, .token = session});
}

/* An opening names the session that it replaces, so a late copy of one, from this life of the node
 * or an earlier one, replaces nothing that was opened since. */
static void apply_open(struct cfs_machine *machine, const struct cfs_command *command)
{
    struct cfs_session *old = cfs_sessions_of_node(&machine->sessions, command->node);
    cfs_session_id present = old ? old->id : 0, id = machine->moment.index, began = id;
    cfs_node_set all = cfs_node_table_all(&machine->nodes);

    if (all && !(all & CFS_NODE_BIT(command->node))) {
        answer_open(machine, command, CFS_ERR_BUSY, present);
        return;
    }

    if (old && old->nonce == command->nonce) {
        answer_open(machine, command, CFS_OK, present);
        return;
    }
    if (command->target != present || (old && old->doomed)) {
        answer_open(machine, command, CFS_ERR_BUSY, present);
        return;
    }
    if (old && command->resume) {
        began = old->began;
        cfs_lock_table_move_session(machine->locks, old->id, id, machine->moment);
        cfs_queues_move_session(machine->queues, old->id, id, machine->moment);
        cfs_sessions_remove(&machine->sessions, old);
    } else if (old) {
        end_session(machine, old);
    }
    cfs_sessions_add(&machine->sessions, id, command->node, command->nonce, command->session_term)
        ->began = began;
    answer_open(machine, command, CFS_OK, id);
}

/* In a group other than 0: what group 0 said of a node's session. */
static void apply_adopt(struct cfs_machine *machine, const struct cfs_command *command)
{
    struct cfs_session *old = cfs_sessions_of_node(&machine->sessions, command->owner);
    struct cfs_session *new;

    if (old && old->id >= command->target)
        return;
    if (old && command->target_session <= old->id) {
        cfs_lock_table_move_session(machine->locks, old->id, command->target, machine->moment);
        cfs_queues_move_session(machine->queues, old->id, command->target, machine->moment);
        cfs_sessions_remove(&machine->sessions, old);
    } else if (old) {
        end_session(machine, old);
    }
    new = cfs_sessions_add(&machine->sessions, command->target, command->owner, 0, 0);
    new->began = command->target_session;
}

/* First the sessions, whose waiters might be granted what others gave back; then HTTP locks, which
 * end with their time: all time is over. */
static void apply_renew(struct cfs_machine *machine, const struct cfs_command *command)
{
    struct cfs_moment end = machine->moment;

    end.time = CFS_NEVER - 1; /* never is when nothing ends */
    while (machine->sessions.by_id)
        end_session(machine, machine->sessions.by_id);
    cfs_lock_table_expire(machine->locks, end);
    cfs_lock_table_set_token(machine->locks,
                             cfs_renewed(cfs_lock_table_token(machine->locks), command->target));
    cfs_queues_renew(machine->queues, command->target);
    cfs_names_renew(machine->names, command->target);
    if (command->node_count)
        cfs_node_table_replace(&machine->nodes, command->nodes, command->node_count);
}

/* A command within a session: refused without one, done once, in whatever order it arrives. */
static void apply_in_session(struct cfs_machine *machine, const struct cfs_command *command)
{
    struct cfs_session *session = cfs_sessions_find(&machine->sessions, command->session);
    struct cfs_asker asker = {command->session, command->sequence, command->node};

    if (!session || session->node != command->node) {
        answer_error(machine, asker, CFS_ERR_LOST);
        return;
    }
    cfs_session_forget(session, command->oldest);
    for (uint32_t i = 0; i < command->ack_count; i++)
        if (command->acks[i] < session->oldest)
            cfs_session_acknowledge(session, command->acks[i]);
    if (cfs_machine_recall(machine, asker) || command->sequence < session->oldest)
        return;
    if (command->kind == CFS_CMD_REQUEST) {
        apply_request(machine, asker, &command->request);
    } else if (command->kind == CFS_CMD_CANCEL) {
        apply_cancel(machine, session, asker, command);
    } else {
        end_session(machine, session);
        answer_error(machine, asker, CFS_OK);
    }
}

static void apply_command(struct cfs_machine *machine, const struct cfs_command *command)
{
    struct cfs_session *session;

    switch (command->kind) {
    case CFS_CMD_REQUEST:
    case CFS_CMD_CANCEL:
    case CFS_CMD_CLOSE_SESSION:
        apply_in_session(machine, command);
        break;
    case CFS_CMD_OPEN_SESSION:
        apply_open(machine, command);
        break;
    case CFS_CMD_EXPIRE_SESSION:
        session = cfs_sessions_find(&machine->sessions, command->target);
        if (session)
            end_session(machine, session);
        break;
    case CFS_CMD_ADOPT_SESSION:
        apply_adopt(machine, command);
        break;
    case CFS_CMD_EXPIRE_LEASED:
        cfs_lock_table_expire(machine->locks, machine->moment);
        cfs_queues_expire(machine->queues, machine->moment);
        break;
    case CFS_CMD_RENEW:
        apply_renew(machine, command);
        break;
    case CFS_CMD_FILL_NODES:
        cfs_node_table_fill(&machine->nodes, command->nodes, command->node_count);
        break;
    case CFS_CMD_DROP_NODE:
        if (cfs_node_table_heir(&machine->nodes, command->target)) /* else it was called off */
            drop_node(machine, command->target);
        break;
    case CFS_CMD_REFUSE:
        cfs_lock_table_dismiss(machine->locks, command->target_session, command->target,
                               machine->moment, CFS_ERR_DEADLOCK);
        break;
    }
}

void cfs_machine_apply(struct cfs_machine *machine, struct cfs_entry *entry)
{
    struct cfs_command command;

    machine->moment = (struct cfs_moment){entry->index, entry->time, entry->wall};
    if (entry->kind != CFS_ENTRY_COMMAND)
        return;
    /* Whoever let it into a log could read it: the leader, and a follower that took it over. */
    if (cfs_command_decode(&command, entry->data, entry->len) != 0)
        assert(!"a committed command cannot be decoded");
    cfs_queues_set_source(machine->queues, entry);
    cfs_contents_set_source(machine->contents, entry);
    apply_command(machine, &command);
    cfs_queues_set_source(machine->queues, NULL);
    cfs_contents_set_source(machine->contents, NULL);
    cfs_command_clear(&command);
}

cfs_time cfs_machine_next_expiry(const struct cfs_machine *machine)
{
    cfs_time lock = cfs_lock_table_next_expiry(machine->locks);
    cfs_time claim = cfs_queues_next_expiry(machine->queues);

    return lock < claim ? lock : claim;
}

static uint64_t mix(uint64_t digest, uint64_t value)
{
    return (digest ^ value) * 0x100000001b3u;
}

static uint64_t session_digest(const struct cfs_session *s)
{
    uint64_t digest = mix(mix(mix(mix(0xcbf29ce484222325u, s->id), s->node), s->began), s->term);

    digest = mix(mix(digest, s->oldest), s->doomed);
    return mix(mix(digest, HASH_COUNT(s->answers)), HASH_COUNT(s->waits));
}

/* Sessions stand in the order in which they came, or were loaded. */
uint64_t cfs_machine_digest(const struct cfs_machine *machine)
{
    uint64_t digest = mix(0xcbf29ce484222325u, cfs_lock_table_digest(machine->locks));
    uint64_t sessions = 0;

    for (const struct cfs_session *s = machine->sessions.by_id; s; s = s->hh.next)
        sessions += session_digest(s);
    digest = mix(digest, cfs_queues_digest(machine->queues));
    digest = mix(digest, cfs_names_digest(machine->names));
    digest = mix(digest, cfs_contents_digest(machine->contents));
    digest = mix(digest, cfs_node_table_digest(&machine->nodes));
    return mix(digest, sessions);
}
