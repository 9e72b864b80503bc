/* What may be asked, and what has to be kept of it until it is answered; a part of client_call.c.
 */
#include "core/alloc.h"
#include "core/client.h"

static bool names_something(const struct cfs_request *request)
{
    bool lists = request->op == CFS_OP_LIST || request->op == CFS_OP_QUEUE_LIST;

    if (request->op == CFS_OP_MEMBER || (lists && !*request->name))
        return true;
    return cfs_op_is_of_queue(request->op) ? cfs_queue_name_valid(request->name)
                                           : cfs_name_valid(request->name);
}

/* Reads are not checked as commands are. */
static bool asks_of_a_place(const struct cfs_request *request)
{
    enum cfs_message_place place = request->queue_read.place;

    return (request->op != CFS_OP_MESSAGE_LIST && request->op != CFS_OP_MESSAGE_GET) ||
           (place >= CFS_READY && place <= CFS_DEAD);
}

enum cfs_error cfs_client_check(const struct cfs_client *client, const struct cfs_request *request)
{
    /* Releases are bounded by what is held, and nobody would ask again. */
    if (client->call_count >= CFS_REQUESTS_MAX && request->op != CFS_OP_RELEASE)
        return CFS_ERR_TOO_MANY;
    if (!names_something(request) || !asks_of_a_place(request))
        return CFS_ERR_INVALID;
    if (request->op == CFS_OP_WRITE &&
        (request->write.len > CFS_CONTENT_MAX || request->write.offset > CFS_CONTENT_MAX))
        return CFS_ERR_TOO_BIG;
    if (request->op == CFS_OP_PRODUCE && request->produce.len > CFS_MESSAGE_MAX)
        return CFS_ERR_MESSAGE_TOO_BIG;
    return CFS_OK;
}

static void own_data(struct cfs_call *call, const uint8_t **data, uint32_t len)
{
    *data = call->data = cfs_alloc_copy(*data, len);
}

static void own_produce(struct cfs_call *call, struct cfs_produce *produce)
{
    own_data(call, &produce->data, produce->len);
    if (produce->lengths)
        produce->lengths = call->numbers =
            cfs_alloc_copy(produce->lengths, produce->count * sizeof *produce->lengths);
}

static void own_settle(struct cfs_call *call, struct cfs_settle *settle)
{
    settle->ids = call->numbers = cfs_alloc_copy(settle->ids, settle->count * sizeof *settle->ids);
}

void cfs_client_own(struct cfs_client *client, struct cfs_call *call,
                    const struct cfs_request *request)
{
    struct cfs_acquire *acquire = &call->request.acquire;

    call->request = *request;
    /* A LEASED hold outlives the session: asked anew in the next one it must be recognised, and
     * given back if nobody asks any more. */
    if (request->op == CFS_OP_ACQUIRE && acquire->kind == CFS_LEASED) {
        if (!acquire->key)
            acquire->key = cfs_env_random(client->env, INT64_MAX - 1) + 1;
        if (!acquire->handle)
            acquire->handle = cfs_env_random(client->env, INT64_MAX - 1) + 1;
    }
    if (request->op == CFS_OP_WRITE)
        own_data(call, &call->request.write.data, request->write.len);
    else if (request->op == CFS_OP_PRODUCE)
        own_produce(call, &call->request.produce);
    else if (request->op == CFS_OP_MESSAGE_MOVE)
        call->request.message_move.away =
            cfs_placement_group_of(client->placement, request->message_move.to) !=
            call->channel->group;
    else if (request->op >= CFS_OP_ACK && request->op <= CFS_OP_EXTEND)
        own_settle(call, &call->request.settle);
}
