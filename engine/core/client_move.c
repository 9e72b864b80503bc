/* Messages on their way from a group that this node leads to another one (queue_move.c): reads the
 * message, delivers it there, says here how that ended. Each step is a call like any other, resent
 * until it is answered. What is lost with the session begins anew: the other group knows what it
 * has. So does a move that would end while moves are held. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/client.h"

/* Bodies of that many are in memory. */
#define MOVING_MAX 16u

enum step { READING, DELIVERING, ENDING };

struct moving_key {
    uint64_t group, id;
};

struct cfs_moving {
    struct moving_key key;
    enum step step;
    uint64_t oldest;
    char from[CFS_NAME_MAX + 1], to[CFS_NAME_MAX + 1];
    UT_hash_handle hh;
};

static struct cfs_call *call_for(struct cfs_client *client, struct cfs_moving *moving,
                                 cfs_group_id group, enum cfs_op op, const char *name)
{
    struct cfs_call *call = cfs_client_add(client, &client->channels[group], CFS_CMD_REQUEST);

    call->request.op = op;
    strcpy(call->request.name, name);
    call->read = cfs_op_is_read(op);
    call->moving = moving;
    return call;
}

static void read_message(struct cfs_client *client, struct cfs_moving *moving)
{
    struct cfs_call *call =
        call_for(client, moving, (cfs_group_id)moving->key.group, CFS_OP_MESSAGE_GET, moving->from);

    moving->step = READING;
    call->request.queue_read.number = moving->key.id;
    cfs_client_send(client, call);
}

static void deliver(struct cfs_client *client, struct cfs_moving *moving,
                    const struct cfs_message_info *message)
{
    cfs_group_id group = cfs_placement_group_of(client->placement, moving->to);
    struct cfs_call *call = call_for(client, moving, group, CFS_OP_DELIVER, moving->to);

    moving->step = DELIVERING;
    call->data = cfs_alloc_copy(message->body, message->len);
    call->request.delivery = (struct cfs_delivery){.group = (uint32_t)moving->key.group,
                                                   .id = moving->key.id,
                                                   .oldest = moving->oldest,
                                                   .sent = message->sent,
                                                   .data = call->data,
                                                   .len = message->len};
    cfs_client_send(client, call);
}

static void end(struct cfs_client *client, struct cfs_moving *moving, enum cfs_error error)
{
    struct cfs_call *call =
        call_for(client, moving, (cfs_group_id)moving->key.group, CFS_OP_MOVED, moving->from);

    moving->step = ENDING;
    call->request.moved = (struct cfs_moved){.id = moving->key.id, .error = error};
    cfs_client_send(client, call);
}

bool cfs_client_move(struct cfs_client *client, cfs_group_id group,
                     const struct cfs_move_info *move)
{
    struct moving_key key;
    struct cfs_moving *moving;

    memset(&key, 0, sizeof key); /* uthash takes all its bytes */
    key.group = group;
    key.id = move->id;
    HASH_FIND(hh, client->moving, &key, sizeof key, moving);
    if (moving)
        return true;
    if (HASH_COUNT(client->moving) >= MOVING_MAX)
        return false;
    moving = cfs_alloc_zeroed(1, sizeof *moving);
    moving->key = key;
    moving->oldest = move->oldest;
    strcpy(moving->from, move->from);
    strcpy(moving->to, move->to);
    HASH_ADD(hh, client->moving, key, sizeof moving->key, moving);
    read_message(client, moving);
    return true;
}

static void drop(struct cfs_client *client, struct cfs_moving *moving)
{
    HASH_DEL(client->moving, moving);
    free(moving);
}

void cfs_client_move_dropped(struct cfs_client *client, struct cfs_call *call)
{
    if (call->moving)
        drop(client, call->moving);
    call->moving = NULL;
}

void cfs_client_move_answered(struct cfs_client *client, struct cfs_call *call,
                              const struct cfs_answer *answer)
{
    struct cfs_moving *moving = call->moving;
    enum cfs_error error = answer->error;

    if (!moving)
        return;
    call->moving = NULL;
    if (moving->step == READING && !error && answer->message_count)
        deliver(client, moving, &answer->messages[0]);
    else if (moving->step == DELIVERING && error != CFS_ERR_LOST && error != CFS_ERR_INTERRUPTED &&
             client->env->now >= client->env->moves_held)
        end(client, moving, error);
    else
        drop(client, moving);
}
