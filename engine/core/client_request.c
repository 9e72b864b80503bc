/* What may be asked, and what has to be kept of it until it is answered; a part of client_call.c.
 */
#include "core/alloc.h"
#include "core/client.h"

static bool names_something(const struct cfs_request *request)
{
    bool lists = request->op == CFS_OP_LIST || request->op == CFS_OP_QUEUE_LIST;

    if (request->op == CFS_OP_MEMBER || (lists && !*request->name))
        return true;
    if (cfs_op_is_of_cache(request->op))
        return cfs_cache_name_valid(request->op, request->name);
    return cfs_op_is_of_queue(request->op) ? cfs_queue_name_valid(request->name)
                                           : cfs_name_valid(request->name);
}

/* Reads are not checked as commands are. */
static bool asks_of_a_place(const struct cfs_request *request)
{
    enum cfs_message_place place = request->queue_read.place;
    const struct cfs_cache_read *read = &request->cache_read;

    if (request->op == CFS_OP_MESSAGE_LIST || request->op == CFS_OP_MESSAGE_GET)
        return place >= CFS_READY && place <= CFS_DEAD;
    if (cfs_op_is_of_cache(request->op) && cfs_op_is_read(request->op))
        return read->ino && read->len <= CFS_PUT_MAX && read->offset <= INT64_MAX;
    return true;
}

/* As far as that can be told without knowing the file. */
static enum cfs_error check_cache(const struct cfs_request *request)
{
    const struct cfs_cache_put *put = &request->cache_put;
    uint64_t from = put->kind == CFS_PUT_WRITE || put->kind == CFS_PUT_TRUNCATE ? put->offset : 0;

    if (request->op == CFS_OP_CACHE_PUT && (from > put->max || put->len > put->max - from))
        return CFS_ERR_VALUE_TOO_BIG;
    if (request->op == CFS_OP_CACHE_XATTR && !request->cache_xattr.remove &&
        request->cache_xattr.len > CFS_XATTRS_MAX)
        return CFS_ERR_ATTRIBUTES_FULL;
    return CFS_OK;
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
    return check_cache(request);
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

static void own_cache(struct cfs_call *call)
{
    struct cfs_request *request = &call->request;
    struct cfs_cache_make *make = &request->cache_make;

    if (request->op == CFS_OP_CACHE_MAKE && make->type == CFS_INODE_SYMLINK)
        own_data(call, &make->target, make->target_len);
    else if (request->op == CFS_OP_CACHE_PUT)
        own_data(call, &request->cache_put.data, request->cache_put.len);
    else if (request->op == CFS_OP_CACHE_XATTR && !request->cache_xattr.remove)
        own_data(call, &request->cache_xattr.value, request->cache_xattr.len);
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
    else
        own_cache(call);
}
