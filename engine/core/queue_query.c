/* What may be asked of the queues without changing them. */
#include <stdlib.h>
#include <string.h>

#include "core/queue_internal.h"

static struct cfs_queue_info info_of(const struct cfs_queue *queue)
{
    return (struct cfs_queue_info){
        .uid = queue->uid,
        .gid = queue->gid,
        .perm = queue->perm,
        .mtime = queue->mtime,
        .ctime = queue->ctime,
        .ready = queue->ready_count,
        .inflight = queue->inflight_count,
        .dead = queue->dead_count,
        .bytes = queue->bytes,
        .consumers = queue->consumer_count,
        .producers = queue->producer_count,
        .config = queue->config,
    };
}

bool cfs_queues_stat(const struct cfs_queues *queues, const char *name, struct cfs_queue_info *info)
{
    const struct cfs_queue *queue = cfs_queue_find(queues, name);

    *info = queue ? info_of(queue) : (struct cfs_queue_info){0};
    return queue;
}

void cfs_queues_each(const struct cfs_queues *queues, cfs_queue_fn queue, void *arg)
{
    for (const struct cfs_queue *q = queues->by_name; q; q = q->hh.next) {
        struct cfs_queue_info info = info_of(q);
        if (!queue(arg, q->name, &info))
            return;
    }
}

/* A page of names that is being filled. */
struct names {
    struct cfs_writer writer;
    bool more;
};

static bool add_name(void *arg, struct cfs_tree_node *node)
{
    struct names *names = arg;
    const char *name = cfs_queue_of(node)->name;
    size_t size = strlen(name) + 1;

    names->more = names->writer.len + size > CFS_LIST_BYTES_MAX;
    if (!names->more)
        cfs_put_raw(&names->writer, name, size);
    return !names->more;
}

char *cfs_queues_list(const struct cfs_queues *queues, const char *after, struct cfs_answer *answer)
{
    struct names names = {0};

    cfs_tree_each(queues->in_order, after, cfs_queue_compare_names, add_name, &names);
    answer->names = (char *)names.writer.data;
    answer->names_len = (uint32_t)names.writer.len;
    answer->more = names.more;
    return (char *)names.writer.data;
}

/* A page of ids that is being filled. */
struct ids {
    uint64_t *items;
    size_t count, capacity;
    bool more;
};

static bool add_id(struct ids *ids, uint64_t id)
{
    ids->more = ids->count == CFS_MESSAGE_LIST_MAX;
    if (ids->more)
        return false;
    ids->items = cfs_array_room(ids->items, ids->count, &ids->capacity, sizeof *ids->items);
    ids->items[ids->count++] = id;
    return true;
}

static bool add_node(void *arg, struct cfs_tree_node *node)
{
    return add_id(arg, cfs_queue_message_of(node)->item.id);
}

static bool is_fresh(const struct cfs_queue *queue, const struct cfs_queue_message *message)
{
    return message->place == CFS_READY && queue->fresh && message->turn >= queue->fresh->turn;
}

/* What is gone has left at the head: its number is taken for its turn. */
static void list_ready(const struct cfs_queues *queues, const struct cfs_queue *queue,
                       uint64_t after, struct ids *ids)
{
    const struct cfs_queue_message *last =
        (const struct cfs_queue_message *)cfs_id_find(&queues->messages, after);
    bool known = last && last->queue == queue;
    uint64_t turn = known ? last->turn : after;
    const struct cfs_queue_message *next =
        known && is_fresh(queue, last) ? last->next : queue->fresh;

    if (!cfs_tree_each(queue->returned, &turn, cfs_queue_message_compare, add_node, ids))
        return;
    for (; next; next = next->next)
        if (next->turn > turn && !add_id(ids, next->item.id))
            return;
}

static void list_inflight(const struct cfs_queues *queues, const struct cfs_queue *queue,
                          uint64_t after, struct ids *ids)
{
    const struct cfs_queue_claim *claim = cfs_queue_claim_find(queues, queue, after);

    claim = claim ? claim->next : queue->inflight;
    for (; claim; claim = claim->next)
        if (claim->item.id > after && !add_id(ids, claim->item.id))
            return;
}

uint64_t *cfs_queues_list_messages(const struct cfs_queues *queues, const char *name,
                                   const struct cfs_queue_read *read, struct cfs_answer *answer)
{
    const struct cfs_queue *queue = cfs_queue_find(queues, name);
    struct ids ids = {0};

    if (!queue)
        answer->error = CFS_ERR_NO_QUEUE;
    else if (read->place == CFS_READY)
        list_ready(queues, queue, read->number, &ids);
    else if (read->place == CFS_INFLIGHT)
        list_inflight(queues, queue, read->number, &ids);
    else
        cfs_tree_each(queue->dead, &read->number, cfs_queue_message_compare, add_node, &ids);
    answer->ids = ids.items;
    answer->id_count = (uint32_t)ids.count;
    answer->more = ids.more;
    return ids.items;
}

bool cfs_queues_have(const struct cfs_queues *queues, cfs_message_id id)
{
    return cfs_id_find(&queues->messages, id);
}

void cfs_queues_get(struct cfs_queues *queues, const char *name, const struct cfs_queue_read *read,
                    cfs_time now, struct cfs_answer *answer)
{
    const struct cfs_queue *queue = cfs_queue_find(queues, name);
    const struct cfs_queue_message *message = NULL;
    const struct cfs_queue_claim *claim;

    if (!queue) {
        answer->error = CFS_ERR_NO_QUEUE;
        return;
    }
    if (read->place == CFS_QUEUE_MOVING) {
        message = cfs_queue_move_message(queues, read->number);
    } else if (read->place == CFS_INFLIGHT) {
        claim = cfs_queue_claim_find(queues, queue, read->number);
        message = claim ? claim->message : NULL;
    } else {
        message = cfs_queue_message_find(queues, queue, read->number, read->place);
    }
    if (!message) {
        answer->error = read->place == CFS_INFLIGHT ? CFS_ERR_NOT_CLAIMED : CFS_ERR_NO_MESSAGE;
        return;
    }
    queues->infos[0] = cfs_queue_message_info(message, now);
    answer->messages = queues->infos;
    answer->message_count = 1;
}
