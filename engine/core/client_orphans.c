/* Files that have lost their names long ago, collected by the node that leads the names group: what
 * was in one is dropped, then the tree forgets it. Both steps can be repeated, so nothing is kept
 * of them but which files are under way; what is lost with the session, or with leadership, begins
 * anew. As with moves, none ends while moves are held: a backup that has the one step of another
 * group and not the other would keep bytes that nothing leads to. */
#include "core/client.h"

static bool is_under_way(const struct cfs_client *client, cfs_ino ino)
{
    for (uint32_t i = 0; i < client->orphan_count; i++)
        if (client->orphans[i] == ino)
            return true;
    return false;
}

static void ask(struct cfs_client *client, enum cfs_op op, cfs_ino ino, cfs_group_id group)
{
    struct cfs_call *call = cfs_client_add(client, &client->channels[group], CFS_CMD_REQUEST);

    call->orphan = ino;
    call->request.op = op;
    call->request.outside = true;
    call->request.cache_drop.ino = ino;
    cfs_client_send(client, call);
}

bool cfs_client_collect(struct cfs_client *client, cfs_ino orphan)
{
    if (is_under_way(client, orphan))
        return true;
    if (client->orphan_count == CFS_CLIENT_ORPHANS_MAX)
        return false;
    client->orphans[client->orphan_count++] = orphan;
    ask(client, CFS_OP_CACHE_DROP, orphan, cfs_placement_contents_group(client->placement, orphan));
    return true;
}

void cfs_client_orphan_dropped(struct cfs_client *client, struct cfs_call *call)
{
    for (uint32_t i = 0; call->orphan && i < client->orphan_count; i++) {
        if (client->orphans[i] != call->orphan)
            continue;
        client->orphans[i] = client->orphans[--client->orphan_count];
        break;
    }
    call->orphan = 0;
}

void cfs_client_orphan_answered(struct cfs_client *client, struct cfs_call *call,
                                const struct cfs_answer *answer)
{
    cfs_ino orphan = call->orphan;

    if (!orphan || call->request.op != CFS_OP_CACHE_DROP || answer->error ||
        client->env->now < client->env->moves_held)
        return; /* with the call it is over, or to be begun again */
    call->orphan = 0;
    ask(client, CFS_OP_CACHE_FORGET, orphan, cfs_placement_names_group(client->placement));
}
