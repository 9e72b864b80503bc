/* Looking for deadlocks: some milliseconds after a request began to wait, the leader asks all nodes
 * which of their open files are stuck behind which waits, and judges the wait-for graph. A cycle
 * that two collections in a row find, the second begun after the first had ended, is real: what was
 * stuck in between can have got no nearer. */
#include "core/home.h"
#include "core/wait_graph.h"

/* Short waits, the rule under contention, cost no collection. */
#define COLLECT_AFTER CFS_MS(8)
/* Between collections while requests keep queueing up; a cycle is found within 50 ms. */
#define COLLECT_GAP CFS_MS(30)
/* While anybody waits: a process may become stuck long after it asked. */
#define COLLECT_IDLE CFS_SECONDS(1)
#define COLLECT_MAX CFS_MS(20)
#define COLLECT_REPEATS 2

static void clear_replies(struct cfs_collection *collection)
{
    for (uint32_t i = 1; i <= CFS_NODE_MAX; i++) {
        struct cfs_message message = {.type = CFS_MSG_COLLECT_REPLY,
                                      .collect_reply = collection->replies[i]};
        cfs_message_clear(&message);
        collection->replies[i] = (struct cfs_msg_collect_reply){0};
    }
}

void cfs_home_stop_collecting(struct cfs_home *home)
{
    clear_replies(&home->collection);
    home->collection.active = false;
    home->collection.suspected = false;
    home->collection.due = CFS_NEVER;
    home->collection.deadline = CFS_NEVER;
}

void cfs_home_waiter_queued(struct cfs_home *home)
{
    struct cfs_collection *collection = &home->collection;

    if (collection->repeats == 0 || collection->due > home->env->now + COLLECT_GAP)
        collection->due = home->env->now + COLLECT_AFTER;
    collection->repeats = COLLECT_REPEATS;
}

static void start(struct cfs_home *home)
{
    struct cfs_collection *collection = &home->collection;

    clear_replies(collection);
    collection->active = true;
    collection->id++;
    collection->awaited = 0;
    collection->deadline = home->env->now + COLLECT_MAX;
    CFS_EACH_NODE (node, cfs_membership_all(&home->raft->members)) {
        struct cfs_message message = {.type = CFS_MSG_COLLECT,
                                      .group = home->raft->group,
                                      .to = node,
                                      .term = home->raft->term,
                                      .collect = {.id = collection->id}};
        if (!cfs_home_node_alive(home, node))
            continue;
        collection->awaited |= CFS_NODE_BIT(node);
        cfs_env_send(home->env, &message);
    }
}

static bool find(const struct cfs_home *home, struct cfs_asker *victim)
{
    struct cfs_report reports[CFS_NODE_MAX];
    uint32_t count = 0;

    CFS_EACH_NODE (node, cfs_membership_all(&home->raft->members)) {
        const struct cfs_msg_collect_reply *reply = &home->collection.replies[node];
        if (reply->id == home->collection.id)
            reports[count++] = (struct cfs_report){.node = node,
                                                   .session = reply->session,
                                                   .stuck = reply->stuck,
                                                   .stuck_count = reply->stuck_count};
    }
    return cfs_wait_graph_find(home->machine->locks, reports, count, victim);
}

static void schedule(struct cfs_home *home)
{
    struct cfs_collection *collection = &home->collection;

    if (collection->repeats) {
        collection->repeats--;
        collection->due = home->env->now + COLLECT_GAP;
    } else if (cfs_lock_table_waiter_count(home->machine->locks)) {
        collection->due = home->env->now + COLLECT_IDLE;
    } else {
        collection->due = CFS_NEVER;
    }
}

static bool same(struct cfs_asker a, struct cfs_asker b)
{
    return a.session == b.session && a.sequence == b.sequence;
}

static void judge(struct cfs_home *home)
{
    struct cfs_collection *collection = &home->collection;
    struct cfs_asker victim;
    bool found = find(home, &victim);

    collection->active = false;
    collection->deadline = CFS_NEVER;
    if (!found) {
        collection->suspected = false;
        schedule(home);
    } else if (!collection->suspected || !same(victim, collection->suspect)) {
        collection->suspected = true;
        collection->suspect = victim;
        start(home);
    } else {
        cfs_trace(home->env, "request %lu of node %u closes a cycle of waits: refused",
                  victim.sequence, victim.node);
        collection->suspected = false;
        collection->repeats = COLLECT_REPEATS;
        schedule(home);
        cfs_home_propose(home, &(struct cfs_command){.kind = CFS_CMD_REFUSE,
                                                     .node = home->env->self,
                                                     .target_session = victim.session,
                                                     .target = victim.sequence});
    }
}

void cfs_home_collect_tick(struct cfs_home *home)
{
    struct cfs_collection *collection = &home->collection;

    if (collection->active && home->env->now >= collection->deadline)
        judge(home);
    else if (!collection->active && home->env->now >= collection->due)
        start(home);
}

void cfs_home_collected(struct cfs_home *home, struct cfs_message *message)
{
    struct cfs_collection *collection = &home->collection;

    if (!collection->active || message->term != home->raft->term ||
        message->collect_reply.id != collection->id ||
        !(collection->awaited & CFS_NODE_BIT(message->from)))
        return;
    collection->replies[message->from] = message->collect_reply;
    message->collect_reply = (struct cfs_msg_collect_reply){0};
    collection->awaited &= ~CFS_NODE_BIT(message->from);
    if (!collection->awaited)
        judge(home);
}

cfs_time cfs_home_collect_deadline(const struct cfs_home *home)
{
    return home->collection.active ? home->collection.deadline : home->collection.due;
}
