/* Requests to queues; a part of machine.c. */
#include "core/machine_internal.h"

static bool waits_for_others(const struct cfs_request *request)
{
    return request->op == CFS_OP_PRODUCE || request->op == CFS_OP_CONSUME ||
           (request->op == CFS_OP_MESSAGE_MOVE && request->message_move.away);
}

static bool session_lives(void *arg, cfs_session_id session)
{
    const struct cfs_machine *machine = arg;

    return cfs_sessions_find(&machine->sessions, session);
}

/* Adds, takes or moves messages, which may have to wait. */
static enum cfs_outcome apply_flow(struct cfs_machine *machine, struct cfs_asker asker,
                                   const struct cfs_request *request, struct cfs_answer *answer)
{
    if (request->op == CFS_OP_MESSAGE_MOVE)
        return cfs_queues_move_away(machine->queues, asker, request->name, &request->message_move,
                                    answer);
    if (request->op == CFS_OP_PRODUCE)
        return cfs_queues_produce(machine->queues, asker, machine->moment, request->name,
                                  &request->produce, answer);
    return cfs_queues_consume(machine->queues, asker, machine->moment, request->name,
                              &request->consume, answer);
}

static enum cfs_error apply_settle(struct cfs_machine *machine, const struct cfs_request *request)
{
    if (request->op == CFS_OP_ACK)
        return cfs_queues_ack(machine->queues, machine->moment, request->name, &request->settle);
    if (request->op == CFS_OP_GIVE_BACK)
        return cfs_queues_give_back(machine->queues, machine->moment, request->name,
                                    &request->settle);
    return cfs_queues_extend(machine->queues, machine->moment, request->name, &request->settle);
}

static enum cfs_error apply_change(struct cfs_machine *machine, const struct cfs_request *request)
{
    struct cfs_queues *queues = machine->queues;
    struct cfs_moment moment = machine->moment;
    const char *name = request->name;

    switch (request->op) {
    case CFS_OP_ACK:
    case CFS_OP_GIVE_BACK:
    case CFS_OP_EXTEND:
        return apply_settle(machine, request);
    case CFS_OP_MESSAGE_MOVE:
        return cfs_queues_move(queues, moment, name, &request->message_move);
    case CFS_OP_DELIVER:
        return cfs_queues_deliver(queues, moment, name, &request->delivery);
    case CFS_OP_MOVED:
        cfs_queues_moved(queues, moment, &request->moved, session_lives, machine);
        return CFS_OK;
    case CFS_OP_QUEUE_MAKE:
        return cfs_queues_make(queues, moment, name, &request->queue_make);
    case CFS_OP_QUEUE_REMOVE:
        return cfs_queues_remove(queues, name, request->queue_caller.uid);
    case CFS_OP_PURGE:
        return cfs_queues_purge(queues, moment, name, request->queue_caller.uid);
    case CFS_OP_QUEUE_SETATTR:
        return cfs_queues_setattr(queues, moment, name, &request->setattr);
    case CFS_OP_QUEUE_CONFIG:
        return cfs_queues_configure(queues, moment, name, &request->queue_set);
    default:
        return CFS_ERR_INVALID; /* reads are not replicated */
    }
}

void cfs_machine_apply_queue(struct cfs_machine *machine, struct cfs_asker asker,
                             const struct cfs_request *request)
{
    struct cfs_answer answer = {0};

    if (waits_for_others(request)) {
        if (apply_flow(machine, asker, request, &answer) == CFS_QUEUED) {
            cfs_machine_wait(machine, asker);
            return;
        }
    } else {
        answer.error = apply_change(machine, request);
    }
    cfs_machine_finish(machine, asker, &answer);
}
