/* Requests to the cache, as far as they ask for shares; a part of client_call.c. */
#include "core/client.h"

/* Before it is sent for the first time, a change strikes out what it may overtake. */
uint64_t cfs_client_epoch_for(struct cfs_client *client, struct cfs_call *call)
{
    cfs_group_id group = call->channel->group;

    if (!cfs_op_is_of_cache(call->request.op) || call->request.outside)
        return 0;
    if (!call->read && !call->changes) {
        call->changes = true;
        cfs_sharing_change_begins(&client->sharing, group, &call->request);
    }
    return cfs_sharing_ask(&client->sharing, group, &call->ask);
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
