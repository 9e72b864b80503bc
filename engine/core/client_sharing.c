/* Requests to the cache, as far as they ask for shares; a part of client_call.c. */
#include "core/client.h"

static bool is_of_files(const struct cfs_call *call)
{
    return cfs_op_is_of_cache(call->request.op) && !call->request.outside;
}

/* Whenever it is sent: what it touches the files have given up by now, not when it comes to that.
 * It strikes out what it may overtake. */
void cfs_client_change_asked(struct cfs_client *client, struct cfs_call *call)
{
    if (call->read || !is_of_files(call))
        return;
    call->changes = true;
    cfs_sharing_change_begins(&client->sharing, call->channel->group, &call->request);
}

uint64_t cfs_client_epoch_for(struct cfs_client *client, struct cfs_call *call)
{
    if (!is_of_files(call))
        return 0;
    return cfs_sharing_ask(&client->sharing, call->channel->group, &call->ask);
}

void cfs_client_confirm_share(struct cfs_client *client, struct cfs_call *call,
                              struct cfs_answer *answer)
{
    cfs_group_id group = call->channel->group;
    bool changes = call->changes;

    if (call->kind != CFS_CMD_REQUEST || !cfs_op_is_of_cache(call->request.op))
        return;
    call->changes = false;
    if (changes)
        cfs_sharing_change_ends(&client->sharing, group, &call->request);
    cfs_sharing_confirm(&client->sharing, group, &call->ask, &call->request, answer);
    if (changes)
        cfs_sharing_changed(&client->sharing, group, &call->request, answer);
}

void cfs_client_change_dropped(struct cfs_client *client, struct cfs_call *call)
{
    cfs_group_id group = call->channel->group;

    if (!call->changes)
        return;
    call->changes = false;
    cfs_sharing_change_ends(&client->sharing, group, &call->request);
    cfs_sharing_changed(&client->sharing, group, &call->request, NULL);
}
