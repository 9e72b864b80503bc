#include "io/queue_store.h"

#include <string.h>

#include "io/redis_queue.h"

int cfs_queue_store_open(struct cfs_queue_store *store, struct cfs_loop *loop,
                         const struct cfs_config *config, uint64_t cluster,
                         const struct cfs_queue_store_events *events)
{
    *store = (struct cfs_queue_store){0};
    if (strcmp(config->store, CFS_STORE_EMBEDDED) == 0)
        return 0;
    return cfs_redis_queue_open(store, loop, config, cluster, events);
}

bool cfs_queue_store_takes(const struct cfs_queue_store *store, enum cfs_op op)
{
    return store->self && cfs_op_is_of_queue(op);
}

void cfs_queue_store_session(const struct cfs_queue_store *store, cfs_session_id session)
{
    if (store->self)
        store->session_changed(store->self, session);
}

void cfs_queue_store_leave(const struct cfs_queue_store *store)
{
    if (store->self)
        store->leave(store->self);
}

bool cfs_queue_store_has_left(const struct cfs_queue_store *store)
{
    return !store->self || store->has_left(store->self);
}

void cfs_queue_store_flush(const struct cfs_queue_store *store)
{
    if (store->self)
        store->flush(store->self);
}

bool cfs_queue_store_available(const struct cfs_queue_store *store)
{
    return !store->self || store->available(store->self);
}

const char *cfs_queue_store_name(const struct cfs_queue_store *store)
{
    return store->self ? store->name : CFS_STORE_EMBEDDED;
}

const struct cfs_queue_overview *cfs_queue_store_overview(const struct cfs_queue_store *store)
{
    return store->self ? store->overview(store->self) : NULL;
}

void cfs_queue_store_close(struct cfs_queue_store *store)
{
    if (store->self)
        store->close(store->self);
    *store = (struct cfs_queue_store){0};
}

enum cfs_session_fate cfs_session_fate(const struct cfs_core *core, cfs_node_id node,
                                       cfs_session_id session)
{
    struct cfs_member_view members[CFS_NODE_MAX];
    uint32_t count = cfs_core_members(core, 0, members);
    cfs_session_id now = 0;
    struct cfs_core_view view;

    cfs_core_view(core, 0, &view);
    for (uint32_t i = 0; i < count; i++)
        if (members[i].node == node)
            now = members[i].session;
    if (now == session)
        return CFS_SESSION_LIVES;
    if (session > view.applied) /* it is numbered by the entry that opened it */
        return CFS_SESSION_UNHEARD;
    return now ? CFS_SESSION_SUCCEEDED : CFS_SESSION_OVER;
}
