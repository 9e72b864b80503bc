/* Reads of queues at the leader, and who waits for a message without taking one (poll). */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "core/alloc.h"
#include "core/home.h"

/* Who has not asked again for that long does not wait any more. */
#define FORGET_AFTER CFS_SECONDS(10)

/* A queue that some wait for. */
struct cfs_awaited {
    struct cfs_await *awaits;
    UT_hash_handle hh;
    char name[CFS_NAME_MAX + 1];
};

struct key {
    uint64_t node, id; /* of the read */
};

struct cfs_await {
    struct key key;
    struct cfs_awaited *queue;
    cfs_time heard;
    struct cfs_await *older, *newer;
    struct cfs_await *prev, *next; /* of the same queue */
    UT_hash_handle hh;
};

/* Of group g, part g - 1 of the cluster. */
static uint32_t next_part(const struct cfs_home *home)
{
    cfs_group_id group = home->raft->group;

    return home->placement && group < cfs_placement_shards(home->placement) ? group : 0;
}

void *cfs_home_look(struct cfs_home *home, const struct cfs_msg_read *read,
                    struct cfs_answer *answer)
{
    struct cfs_queues *queues = home->machine->queues;
    void *owned = NULL;

    switch (read->op) {
    case CFS_OP_QUEUE_STAT:
        if (!cfs_queues_stat(queues, read->name, &answer->queue))
            answer->error = CFS_ERR_NO_QUEUE;
        answer->queue.node = answer->error ? 0 : home->env->self;
        break;
    case CFS_OP_QUEUE_LIST:
        owned = cfs_queues_list(queues, read->name, answer);
        answer->part = next_part(home);
        break;
    case CFS_OP_MESSAGE_LIST:
        owned = cfs_queues_list_messages(queues, read->name, &read->queue, answer);
        break;
    case CFS_OP_MESSAGE_GET:
        cfs_queues_get(queues, read->name, &read->queue, cfs_raft_group_time(home->raft), answer);
        break;
    default:
        answer->error = CFS_ERR_INVALID;
    }
    return owned;
}

static struct cfs_await *find(const struct cfs_home *home, const struct cfs_message *message)
{
    struct key key;
    struct cfs_await *await;

    memset(&key, 0, sizeof key); /* uthash takes all its bytes */
    key.node = message->from;
    key.id = message->read.id;
    HASH_FIND(hh, home->awaits.by_asker, &key, sizeof key, await);
    return await;
}

static struct cfs_awaited *awaited(struct cfs_home *home, const char *name)
{
    struct cfs_awaited *queue;

    HASH_FIND(hh, home->awaits.queues, name, strlen(name), queue);
    return queue;
}

static struct cfs_awaited *begin_to_watch(struct cfs_home *home, const char *name)
{
    struct cfs_awaited *queue = cfs_alloc_zeroed(1, sizeof *queue);

    strcpy(queue->name, name);
    HASH_ADD(hh, home->awaits.queues, name, strlen(name), queue);
    cfs_queues_watch(home->machine->queues, name);
    return queue;
}

static void drop(struct cfs_home *home, struct cfs_await *await)
{
    struct cfs_awaited *queue = await->queue;

    HASH_DELETE(hh, home->awaits.by_asker, await);
    DL_DELETE2(home->awaits.oldest, await, older, newer);
    DL_DELETE(queue->awaits, await);
    free(await);
    if (queue->awaits)
        return;
    HASH_DELETE(hh, home->awaits.queues, queue);
    free(queue);
}

void cfs_home_drop_awaits(struct cfs_home *home)
{
    while (home->awaits.oldest)
        drop(home, home->awaits.oldest);
}

/* What an await is answered now; false: nothing yet. */
static bool is_over(const struct cfs_home *home, const char *name, struct cfs_answer *answer)
{
    struct cfs_queue_info info;

    *answer = (struct cfs_answer){0};
    if (!cfs_queues_stat(home->machine->queues, name, &info))
        answer->error = CFS_ERR_NO_QUEUE;
    return answer->error || info.ready;
}

bool cfs_home_awaits(struct cfs_home *home, const struct cfs_message *message)
{
    struct cfs_await *await = message->read.op == CFS_OP_QUEUE_AWAIT ? find(home, message) : NULL;
    struct cfs_answer answer;

    if (!await)
        return false;
    if (cfs_home_lease_valid(home) && is_over(home, await->queue->name, &answer)) {
        cfs_home_answer_read(home, message->from, message->read.id, &answer);
        drop(home, await);
        return true;
    }
    await->heard = home->env->now;
    DL_DELETE2(home->awaits.oldest, await, older, newer);
    DL_APPEND2(home->awaits.oldest, await, older, newer);
    cfs_home_answer_read(home, message->from, message->read.id, NULL);
    return true;
}

void cfs_home_await(struct cfs_home *home, const struct cfs_message *message)
{
    struct cfs_await *await;
    struct cfs_answer answer;

    if (is_over(home, message->read.name, &answer)) {
        cfs_home_answer_read(home, message->from, message->read.id, &answer);
        return;
    }
    await = cfs_alloc_zeroed(1, sizeof *await);
    await->key = (struct key){message->from, message->read.id};
    await->heard = home->env->now;
    await->queue = awaited(home, message->read.name);
    if (!await->queue)
        await->queue = begin_to_watch(home, message->read.name);
    HASH_ADD(hh, home->awaits.by_asker, key, sizeof await->key, await);
    DL_APPEND2(home->awaits.oldest, await, older, newer);
    DL_APPEND(await->queue->awaits, await);
    cfs_home_answer_read(home, message->from, message->read.id, NULL);
}

/* All of those that wait for one queue; it goes with the last of them. */
static void answer_all(struct cfs_home *home, struct cfs_awaited *queue,
                       const struct cfs_answer *answer)
{
    bool more = true;

    while (more) {
        struct cfs_await *await = queue->awaits;
        more = await->next != NULL;
        cfs_home_answer_read(home, (cfs_node_id)await->key.node, await->key.id, answer);
        drop(home, await);
    }
}

/* They asked before, so the applied state will do, under the lease. Without it they go on waiting,
 * and hear it when they ask again. */
void cfs_home_wake(struct cfs_home *home)
{
    char name[CFS_NAME_MAX + 1];
    struct cfs_answer answer;

    while (cfs_queues_take_woken(home->machine->queues, name)) {
        struct cfs_awaited *queue = awaited(home, name);
        if (!queue)
            continue;
        if (cfs_home_lease_valid(home) && is_over(home, name, &answer))
            answer_all(home, queue, &answer);
        else
            cfs_queues_watch(home->machine->queues, name);
    }
}

void cfs_home_await_tick(struct cfs_home *home)
{
    while (home->awaits.oldest && home->env->now >= home->awaits.oldest->heard + FORGET_AFTER)
        drop(home, home->awaits.oldest);
}

cfs_time cfs_home_await_deadline(const struct cfs_home *home)
{
    return home->awaits.oldest ? home->awaits.oldest->heard + FORGET_AFTER : CFS_NEVER;
}
