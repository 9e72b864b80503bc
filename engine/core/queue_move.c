/* Moving a message to another queue, exactly once.
 *
 * Within a group that is one step. To a queue of another group it takes three, each a command:
 *
 *   MESSAGE_MOVE   here: the message is in no place any more, its claim does not run out
 *   DELIVER        there: it is appended, once, whatever comes how often and how late
 *   MOVED          here: the message is done with or, if the other queue would not have it, back
 *                  under its claim; and who asked is told
 *
 * Whoever leads here drives a move from each step to the next (node_core_moves.c), so it goes on
 * under a new leader where the old one left it. There, outcomes are remembered by the number of the
 * move, until the group here says that no older one is open. */
#include <stdlib.h>
#include <string.h>

#include "core/queue_internal.h"

/* The message that is to be moved, or NULL and the error. */
static struct cfs_queue_message *find_moved(const struct cfs_queues *queues,
                                            const struct cfs_queue *from,
                                            const struct cfs_message_move *move,
                                            enum cfs_error *error)
{
    struct cfs_queue_claim *claim;

    if (move->place == CFS_DEAD) {
        *error = CFS_ERR_NO_MESSAGE;
        return cfs_queue_message_find(queues, from, move->id, CFS_DEAD);
    }
    *error = CFS_ERR_NOT_CLAIMED;
    claim = cfs_queue_claim_find(queues, from, move->id);
    return claim ? claim->message : NULL;
}

static void take_out(struct cfs_queues *queues, struct cfs_queue_message *message)
{
    if (message->place == CFS_DEAD)
        cfs_queue_message_exhume(message);
    else
        cfs_queue_claim_drop(queues, message->claim);
}

/* Within one queue it needs no more room than it has, but a dead letter, which has none. */
static bool has_room(const struct cfs_queue *from, const struct cfs_queue *to,
                     const struct cfs_queue_message *message)
{
    if (from == to && message->place != CFS_DEAD)
        return true;
    return !to->producers && cfs_queue_fits(to, 1, message->len);
}

enum cfs_error cfs_queues_move(struct cfs_queues *queues, struct cfs_moment moment,
                               const char *name, const struct cfs_message_move *move)
{
    struct cfs_queue *from = cfs_queue_find(queues, name), *to = cfs_queue_find(queues, move->to);
    enum cfs_error error;
    struct cfs_queue_message *message = find_moved(queues, from, move, &error);

    if (!message)
        return error;
    if (!to)
        return CFS_ERR_NO_QUEUE;
    if (!has_room(from, to, message))
        return CFS_ERR_FULL;
    if (from == to && message->place == CFS_INFLIGHT) {
        cfs_queue_claim_return(queues, message->claim);
    } else {
        take_out(queues, message);
        message->deliveries = 0;
        cfs_queue_message_append(queues, to, message, ++queues->last);
        to->mtime = moment.wall;
        cfs_queue_changed(queues, to);
    }
    cfs_queue_settle(queues, to, moment);
    if (from != to)
        cfs_queue_settle(queues, from, moment);
    return CFS_OK;
}

/* --- away -------------------------------------------------------------------------------- */

static struct cfs_queue_move *find_move(const struct cfs_queues *queues, uint64_t id)
{
    struct cfs_queue_move *move;

    DL_FOREACH (queues->moves, move)
        if (move->id == id)
            return move;
    return NULL;
}

void cfs_queue_move_add(struct cfs_queues *queues, const struct cfs_queue_move *like)
{
    struct cfs_queue_move *move = cfs_alloc_copy(like, sizeof *like);

    move->message->place = CFS_QUEUE_MOVING;
    move->message->move = move;
    move->message->queue->moving_count++;
    cfs_queue_message_changed(queues, move->message);
    DL_APPEND(queues->moves, move);
    queues->move_count++;
}

void cfs_queue_move_drop(struct cfs_queues *queues, struct cfs_queue_move *move)
{
    move->message->queue->moving_count--;
    DL_DELETE(queues->moves, move);
    queues->move_count--;
    free(move);
}

enum cfs_outcome cfs_queues_move_away(struct cfs_queues *queues, struct cfs_asker asker,
                                      const char *name, const struct cfs_message_move *ask,
                                      struct cfs_answer *answer)
{
    struct cfs_queue *from = cfs_queue_find(queues, name);
    struct cfs_queue_message *message = find_moved(queues, from, ask, &answer->error);
    struct cfs_queue_move move = {.asker = {asker.session, asker.sequence},
                                  .node = asker.node,
                                  .message = message,
                                  .place = ask->place};

    if (!message)
        return CFS_ANSWERED;
    answer->error = CFS_OK;
    memcpy(move.to, ask->to, sizeof move.to);
    move.id = ++queues->last;
    if (ask->place == CFS_INFLIGHT) {
        move.claim = ask->id;
        move.grant = *message->claim->grant;
    }
    take_out(queues, message);
    cfs_queue_move_add(queues, &move);
    return CFS_QUEUED;
}

/* The other queue would not have it. Its claim has stood still meanwhile, and begins anew; where
 * the session it belonged to has ended by now, the message goes back. */
static void put_back(struct cfs_queues *queues, const struct cfs_queue_move *move,
                     struct cfs_moment moment, bool session_lives)
{
    struct cfs_queue_message *message = move->message;
    cfs_time expiry = moment.time + CFS_MS(message->queue->config.visibility_ms);

    if (move->place == CFS_DEAD) {
        cfs_queue_message_bury(queues, message);
        return;
    }
    cfs_queue_claim_new(queues, message, move->claim, expiry, &move->grant);
    if (!session_lives)
        cfs_queue_claim_return(queues, message->claim);
}

void cfs_queues_moved(struct cfs_queues *queues, struct cfs_moment moment,
                      const struct cfs_moved *moved, cfs_session_lives_fn lives, void *arg)
{
    struct cfs_queue_move *move = find_move(queues, moved->id), ended;
    struct cfs_queue *queue;

    if (!move)
        return;
    ended = *move;
    queue = ended.message->queue;
    cfs_queue_move_drop(queues, move);
    if (moved->error)
        put_back(queues, &ended, moment, !ended.grant.session || lives(arg, ended.grant.session));
    else
        cfs_queue_message_drop(queues, ended.message);
    queues->settled(queues->arg,
                    (struct cfs_asker){ended.asker.session, ended.asker.sequence, ended.node},
                    &(struct cfs_answer){.error = moved->error});
    cfs_queue_settle(queues, queue, moment);
}

uint32_t cfs_queues_move_count(const struct cfs_queues *queues)
{
    return queues->move_count;
}

bool cfs_queues_next_move(const struct cfs_queues *queues, uint64_t after,
                          struct cfs_move_info *info)
{
    const struct cfs_queue_move *move;

    DL_FOREACH (queues->moves, move) {
        if (move->id <= after)
            continue;
        *info = (struct cfs_move_info){.id = move->id,
                                       .oldest = queues->moves->id,
                                       .from = move->message->queue->name,
                                       .to = move->to};
        return true;
    }
    return false;
}

const struct cfs_queue_message *cfs_queue_move_message(const struct cfs_queues *queues, uint64_t id)
{
    const struct cfs_queue_move *move = find_move(queues, id);

    return move ? move->message : NULL;
}

/* --- and there --------------------------------------------------------------------------- */

static enum cfs_error append(struct cfs_queues *queues, struct cfs_moment moment, const char *name,
                             const struct cfs_delivery *delivery)
{
    struct cfs_queue *queue = cfs_queue_find(queues, name);
    struct cfs_queue_message *message;
    const uint8_t *body;

    if (!queue)
        return CFS_ERR_NO_QUEUE;
    if (queue->producers || !cfs_queue_fits(queue, 1, delivery->len))
        return CFS_ERR_FULL;
    body = cfs_queue_bodies_keep(queues, delivery->data, delivery->len);
    message = cfs_queue_message_new(queues, ++queues->last, body, delivery->len);
    message->sent = delivery->sent;
    cfs_queue_message_append(queues, queue, message, message->item.id);
    queue->mtime = moment.wall;
    cfs_queue_changed(queues, queue);
    cfs_queue_settle(queues, queue, moment);
    return CFS_OK;
}

static void forget_older(struct cfs_deliveries *from, uint64_t oldest)
{
    size_t kept = 0;

    if (oldest <= from->oldest)
        return;
    from->oldest = oldest;
    for (size_t i = 0; i < from->count; i++)
        if (from->items[i].id >= oldest)
            from->items[kept++] = from->items[i];
    from->count = kept;
}

void cfs_delivery_add(struct cfs_deliveries *from, uint64_t id, enum cfs_error error)
{
    from->items = cfs_array_room(from->items, from->count, &from->capacity, sizeof *from->items);
    from->items[from->count++] = (struct cfs_delivered){.id = id, .error = error};
}

enum cfs_error cfs_queues_deliver(struct cfs_queues *queues, struct cfs_moment moment,
                                  const char *name, const struct cfs_delivery *delivery)
{
    struct cfs_deliveries *from = &queues->deliveries[delivery->group];
    enum cfs_error error;

    if (delivery->id < from->oldest)
        return CFS_ERR_INTERRUPTED; /* a late copy of what is settled */
    for (size_t i = 0; i < from->count; i++)
        if (from->items[i].id == delivery->id)
            return from->items[i].error;
    forget_older(from, delivery->oldest);
    error = append(queues, moment, name, delivery);
    cfs_delivery_add(from, delivery->id, error);
    from->changed = true;
    return error;
}
