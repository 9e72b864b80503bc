/* The life of a message: new, ready, taken out, returned or buried, dropped. Each step keeps counts
 * and indices; which steps are taken is decided in the other files. And where bodies are while they
 * are in memory. */
#include <stdlib.h>
#include <string.h>

#include "core/queue_internal.h"

struct cfs_queue_message *cfs_queue_message_of(struct cfs_tree_node *node)
{
    return (struct cfs_queue_message *)((char *)node - offsetof(struct cfs_queue_message, node));
}

int cfs_queue_message_compare(const void *turn, const struct cfs_tree_node *node)
{
    uint64_t here = *(const uint64_t *)turn;
    uintptr_t at = (uintptr_t)node - offsetof(struct cfs_queue_message, node);
    uint64_t there = ((const struct cfs_queue_message *)at)->turn;

    return (here > there) - (here < there);
}

struct cfs_queue_message *cfs_queue_message_find(const struct cfs_queues *queues,
                                                 const struct cfs_queue *queue, cfs_message_id id,
                                                 enum cfs_message_place place)
{
    struct cfs_queue_message *message =
        (struct cfs_queue_message *)cfs_id_find(&queues->messages, id);

    return message && message->queue == queue && message->place == place ? message : NULL;
}

struct cfs_queue_message *cfs_queue_message_new(struct cfs_queues *queues, cfs_message_id id,
                                                const uint8_t *body, uint32_t len)
{
    struct cfs_queue_message *message = cfs_alloc_zeroed(1, sizeof *message);

    message->item.id = id;
    message->len = len;
    message->body = len ? body : NULL;
    cfs_id_add(&queues->messages, &message->item);
    return message;
}

void cfs_queue_message_drop(struct cfs_queues *queues, struct cfs_queue_message *message)
{
    cfs_queue_message_gone(queues, message);
    cfs_id_remove(&queues->messages, &message->item);
    free(message);
}

static void count_ready(struct cfs_queue *queue, const struct cfs_queue_message *message, bool in)
{
    queue->ready_count += in ? 1 : -1;
    queue->bytes += in ? message->len : -(uint64_t)message->len;
}

void cfs_queue_message_append(struct cfs_queues *queues, struct cfs_queue *queue,
                              struct cfs_queue_message *message, uint64_t turn)
{
    message->queue = queue;
    message->turn = turn;
    message->place = CFS_READY;
    message->next = NULL;
    if (queue->fresh)
        queue->newest->next = message;
    else
        queue->fresh = message;
    queue->newest = message;
    count_ready(queue, message, true);
    cfs_queue_message_changed(queues, message);
}

void cfs_queue_message_return(struct cfs_queues *queues, struct cfs_queue_message *message)
{
    struct cfs_queue *queue = message->queue;

    message->place = CFS_READY;
    cfs_tree_add(&queue->returned, &message->node, &message->turn, cfs_queue_message_compare);
    count_ready(queue, message, true);
    cfs_queue_message_changed(queues, message);
}

void cfs_queue_message_bury(struct cfs_queues *queues, struct cfs_queue_message *message)
{
    struct cfs_queue *queue = message->queue;

    message->place = CFS_DEAD;
    message->turn = message->item.id;
    cfs_tree_add(&queue->dead, &message->node, &message->turn, cfs_queue_message_compare);
    queue->dead_count++;
    queue->dead_bytes += message->len;
    queue->bytes += message->len;
    cfs_queue_message_changed(queues, message);
}

void cfs_queue_message_exhume(struct cfs_queue_message *message)
{
    struct cfs_queue *queue = message->queue;

    assert(message->place == CFS_DEAD);
    cfs_tree_remove(&queue->dead, &message->node, &message->turn, cfs_queue_message_compare);
    queue->dead_count--;
    queue->dead_bytes -= message->len;
    queue->bytes -= message->len;
}

/* What came back is older than anything that did not go out yet. */
static bool has_older(const struct cfs_queue *queue)
{
    return queue->returned && !(CFS_PLANTED(BUG_BACK_TO_TAIL) && queue->fresh);
}

struct cfs_queue_message *cfs_queue_message_take(struct cfs_queue *queue)
{
    struct cfs_queue_message *message = queue->fresh;

    if (has_older(queue))
        message = cfs_queue_message_of(cfs_tree_take_first(&queue->returned));
    else
        queue->fresh = message->next;
    count_ready(queue, message, false);
    return message;
}

struct cfs_queue_message *cfs_queue_message_first(const struct cfs_queue *queue)
{
    return has_older(queue) ? cfs_queue_message_of(cfs_tree_first(queue->returned)) : queue->fresh;
}

void cfs_queues_set_source(struct cfs_queues *queues, struct cfs_entry *entry)
{
    queues->source = entry;
}

/* Takes the reference. */
static void add_entry(struct cfs_body_memory *memory, struct cfs_entry *entry)
{
    memory->entries = cfs_array_room(memory->entries, memory->entry_count, &memory->entry_capacity,
                                     sizeof *memory->entries);
    memory->entries[memory->entry_count++] = entry;
}

static void add_buffer(struct cfs_body_memory *memory, uint8_t *buffer)
{
    memory->buffers = cfs_array_room(memory->buffers, memory->buffer_count,
                                     &memory->buffer_capacity, sizeof *memory->buffers);
    memory->buffers[memory->buffer_count++] = buffer;
}

void cfs_queue_bodies_take(struct cfs_queues *queues, uint8_t *buffer)
{
    add_buffer(&queues->bodies, buffer);
}

const uint8_t *cfs_queue_bodies_keep(struct cfs_queues *queues, const uint8_t *bodies, size_t len)
{
    struct cfs_body_memory *memory = &queues->bodies;
    struct cfs_entry *source = queues->source;
    uint8_t *copy;

    if (!len)
        return NULL;
    if (!source) {
        copy = cfs_alloc_copy(bodies, len);
        add_buffer(memory, copy);
        return copy;
    }
    assert(bodies >= source->data && bodies + len <= source->data + source->len);
    add_entry(memory, cfs_entry_ref(source));
    return bodies;
}

void cfs_queue_bodies_move(struct cfs_body_memory *to, struct cfs_body_memory *from)
{
    for (size_t i = 0; i < from->entry_count; i++)
        add_entry(to, from->entries[i]);
    for (size_t i = 0; i < from->buffer_count; i++)
        add_buffer(to, from->buffers[i]);
    from->entry_count = from->buffer_count = 0;
    cfs_queue_bodies_free(from);
}

void cfs_queue_bodies_free(struct cfs_body_memory *memory)
{
    for (size_t i = 0; i < memory->entry_count; i++)
        cfs_entry_unref(memory->entries[i]);
    for (size_t i = 0; i < memory->buffer_count; i++)
        free(memory->buffers[i]);
    free(memory->entries);
    free(memory->buffers);
    *memory = (struct cfs_body_memory){0};
}
