/* Records of queues, what may be changed about a queue as such, and what follows from any change:
 * who waits for room is let in, who waits for a message is served. */
#include <stdlib.h>
#include <string.h>

#include "core/command.h"
#include "core/queue_internal.h"

int cfs_queue_compare_names(const void *name, const struct cfs_tree_node *node)
{
    return strcmp(name, cfs_queue_of(node)->name);
}

struct cfs_queue *cfs_queue_of(const struct cfs_tree_node *node)
{
    uintptr_t at = (uintptr_t)node - offsetof(struct cfs_queue, by_name);

    return (struct cfs_queue *)at;
}

struct cfs_queues *cfs_queues_new(cfs_settled_fn settled, void *arg)
{
    struct cfs_queues *queues = cfs_alloc_zeroed(1, sizeof *queues);

    assert(settled);
    queues->settled = settled;
    queues->arg = arg;
    return queues;
}

struct cfs_queue *cfs_queue_find(const struct cfs_queues *queues, const char *name)
{
    struct cfs_queue *queue;

    HASH_FIND(hh, queues->by_name, name, strlen(name), queue);
    return queue;
}

struct cfs_queue *cfs_queue_new(struct cfs_queues *queues, const char *name, uint64_t serial)
{
    size_t len = strlen(name);
    struct cfs_queue *queue = cfs_alloc_zeroed(1, sizeof *queue + len + 1);

    assert(len <= CFS_NAME_MAX);
    memcpy(queue->name, name, len);
    queue->item.id = serial;
    queue->config = (struct cfs_queue_config){
        .visibility_ms = 30000, .max_deliveries = 20, .framing = CFS_FRAMING_WRITE};
    HASH_ADD_KEYPTR(hh, queues->by_name, queue->name, len, queue);
    cfs_tree_add(&queues->in_order, &queue->by_name, queue->name, cfs_queue_compare_names);
    cfs_id_add(&queues->by_serial, &queue->item);
    cfs_queue_changed(queues, queue);
    return queue;
}

/* One that is empty. */
static void forget(struct cfs_queues *queues, struct cfs_queue *queue)
{
    assert(!queue->ready_count && !queue->inflight_count && !queue->dead_count &&
           !queue->moving_count);
    assert(!queue->consumers && !queue->producers);
    while (queue->keys)
        cfs_produce_key_drop(queues, queue->keys);
    cfs_queue_gone(queues, queue);
    cfs_id_remove(&queues->by_serial, &queue->item);
    cfs_tree_remove(&queues->in_order, &queue->by_name, queue->name, cfs_queue_compare_names);
    HASH_DELETE(hh, queues->by_name, queue);
    free(queue);
}

static void drop_ready(struct cfs_queues *queues, struct cfs_queue *queue)
{
    while (queue->ready_count)
        cfs_queue_message_drop(queues, cfs_queue_message_take(queue));
}

static void drop_dead(struct cfs_queues *queues, struct cfs_queue *queue)
{
    while (queue->dead) {
        struct cfs_queue_message *message = cfs_queue_message_of(queue->dead);
        cfs_queue_message_exhume(message);
        cfs_queue_message_drop(queues, message);
    }
}

static void drop_inflight(struct cfs_queues *queues, struct cfs_queue *queue)
{
    while (queue->inflight) {
        struct cfs_queue_message *message = queue->inflight->message;
        cfs_queue_claim_drop(queues, queue->inflight);
        cfs_queue_message_drop(queues, message);
    }
}

void cfs_queues_free(struct cfs_queues *queues)
{
    struct cfs_queue *queue, *next;

    while (queues->moves) {
        struct cfs_queue_message *message = queues->moves->message;
        cfs_queue_move_drop(queues, queues->moves);
        cfs_queue_message_drop(queues, message);
    }
    for (size_t i = 0; i <= CFS_GROUPS_MAX; i++)
        free(queues->deliveries[i].items);
    HASH_ITER (hh, queues->by_name, queue, next) {
        while (queue->consumers)
            cfs_queue_wait_drop(queues, queue->consumers);
        while (queue->producers)
            cfs_queue_wait_drop(queues, queue->producers);
        drop_inflight(queues, queue);
        drop_ready(queues, queue);
        drop_dead(queues, queue);
        forget(queues, queue);
    }
    assert(!queues->grants && !queues->waits && !queues->sessions);
    cfs_id_table_close(&queues->by_serial);
    cfs_id_table_close(&queues->messages);
    cfs_id_table_close(&queues->claims);
    free(queues->expiries.items);
    free(queues->changes.messages.items);
    free(queues->changes.bodies.items);
    cfs_queue_bodies_free(&queues->bodies);
    cfs_queue_bodies_free(&queues->saved_bodies);
    free(queues->changes.gone.data);
    while (queues->woken_count)
        free(queues->woken[--queues->woken_count]);
    free(queues->woken);
    free(queues);
}

bool cfs_queue_fits(const struct cfs_queue *queue, uint32_t count, uint64_t len)
{
    const struct cfs_queue_config *config = &queue->config;
    uint64_t present = queue->ready_count + queue->inflight_count;
    uint64_t bytes = queue->bytes - queue->dead_bytes;

    return !present || ((!config->max_messages || present + count <= config->max_messages) &&
                        (!config->max_bytes || bytes + len <= config->max_bytes));
}

/* Room comes before messages: what is let in may be what somebody waits for, and what is handed out
 * goes on taking its room. */
void cfs_queue_settle(struct cfs_queues *queues, struct cfs_queue *queue, struct cfs_moment moment)
{
    struct cfs_queue_wait *wait;

    while ((wait = queue->producers) && cfs_queue_fits(queue, wait->count, wait->len))
        cfs_queue_let_in(queues, wait, moment);
    while ((wait = queue->consumers) && queue->ready_count) {
        wait = CFS_PLANTED(BUG_NEWEST_FIRST) ? wait->prev : wait;
        struct cfs_asker asker = {wait->asker.session, wait->asker.sequence, wait->node};
        struct cfs_answer answer = {0};
        cfs_queue_grant(queues, queue, asker, moment, &wait->consume, &answer);
        cfs_queue_wait_settle(queues, wait, &answer);
    }
    if (queue->ready_count)
        cfs_queue_wake(queues, queue);
}

void cfs_queue_wake(struct cfs_queues *queues, struct cfs_queue *queue)
{
    if (!queue->watched)
        return;
    queue->watched = false;
    queues->woken = cfs_array_room(queues->woken, queues->woken_count, &queues->woken_capacity,
                                   sizeof *queues->woken);
    queues->woken[queues->woken_count++] = cfs_alloc_copy(queue->name, strlen(queue->name) + 1);
}

void cfs_queues_watch(struct cfs_queues *queues, const char *name)
{
    struct cfs_queue *queue = cfs_queue_find(queues, name);

    if (queue)
        queue->watched = true;
}

bool cfs_queues_take_woken(struct cfs_queues *queues, char name[CFS_NAME_MAX + 1])
{
    if (!queues->woken_count)
        return false;
    strcpy(name, queues->woken[--queues->woken_count]);
    free(queues->woken[queues->woken_count]);
    return true;
}

enum cfs_error cfs_queues_make(struct cfs_queues *queues, struct cfs_moment moment,
                               const char *name, const struct cfs_queue_make *make)
{
    struct cfs_queue *queue = cfs_queue_find(queues, name);

    assert(cfs_queue_name_valid(name));
    if (queue)
        return make->exclusive ? CFS_ERR_QUEUE_EXISTS : CFS_OK;
    queue = cfs_queue_new(queues, name, ++queues->last);
    queue->uid = make->uid;
    queue->gid = make->gid;
    queue->perm = make->perm & 07777u;
    queue->mtime = queue->ctime = moment.wall;
    return CFS_OK;
}

static enum cfs_error check_owner(const struct cfs_queue *queue, uint32_t uid)
{
    if (!queue)
        return CFS_ERR_NO_QUEUE;
    return uid == 0 || uid == queue->uid ? CFS_OK : CFS_ERR_NOT_PERMITTED;
}

enum cfs_error cfs_queues_remove(struct cfs_queues *queues, const char *name, uint32_t uid)
{
    struct cfs_queue *queue = cfs_queue_find(queues, name);
    enum cfs_error error = check_owner(queue, uid);
    struct cfs_answer none = {.error = CFS_ERR_NO_QUEUE};

    if (error)
        return error;
    if (queue->ready_count || queue->inflight_count || queue->dead_count || queue->moving_count)
        return CFS_ERR_NOT_EMPTY;
    while (queue->consumers)
        cfs_queue_wait_settle(queues, queue->consumers, &none);
    cfs_queue_wake(queues, queue);
    forget(queues, queue);
    return CFS_OK;
}

enum cfs_error cfs_queues_purge(struct cfs_queues *queues, struct cfs_moment moment,
                                const char *name, uint32_t uid)
{
    struct cfs_queue *queue = cfs_queue_find(queues, name);
    enum cfs_error error = check_owner(queue, uid);

    if (error)
        return error;
    drop_ready(queues, queue);
    drop_dead(queues, queue);
    cfs_queue_settle(queues, queue, moment);
    return CFS_OK;
}

enum cfs_error cfs_queues_setattr(struct cfs_queues *queues, struct cfs_moment moment,
                                  const char *name, const struct cfs_setattr *setattr)
{
    struct cfs_queue *queue = cfs_queue_find(queues, name);
    enum cfs_error error = check_owner(queue, setattr->caller);

    if (error)
        return error;
    cfs_queue_changed(queues, queue);
    if (setattr->fields & CFS_SET_PERM)
        queue->perm = setattr->perm & 07777u;
    if (setattr->fields & CFS_SET_UID)
        queue->uid = setattr->uid;
    if (setattr->fields & CFS_SET_GID)
        queue->gid = setattr->gid;
    if (setattr->fields & (CFS_SET_PERM | CFS_SET_UID | CFS_SET_GID))
        queue->ctime = moment.wall;
    if (setattr->fields & CFS_SET_MTIME_NOW)
        queue->mtime = moment.wall;
    if (setattr->fields & CFS_SET_MTIME)
        queue->mtime = setattr->mtime;
    return CFS_OK;
}

enum cfs_error cfs_queues_configure(struct cfs_queues *queues, struct cfs_moment moment,
                                    const char *name, const struct cfs_queue_set *set)
{
    struct cfs_queue *queue = cfs_queue_find(queues, name);
    enum cfs_error error = check_owner(queue, set->uid);

    if (error)
        return error;
    cfs_queue_changed(queues, queue);
    if (set->fields & CFS_CONFIG_VISIBILITY)
        queue->config.visibility_ms = set->config.visibility_ms;
    if (set->fields & CFS_CONFIG_MAX_DELIVERIES)
        queue->config.max_deliveries = set->config.max_deliveries;
    if (set->fields & CFS_CONFIG_MAX_MESSAGES)
        queue->config.max_messages = set->config.max_messages;
    if (set->fields & CFS_CONFIG_MAX_BYTES)
        queue->config.max_bytes = set->config.max_bytes;
    if (set->fields & CFS_CONFIG_FRAMING)
        queue->config.framing = set->config.framing;
    cfs_queue_settle(queues, queue, moment);
    return CFS_OK;
}

void cfs_queues_renew(struct cfs_queues *queues, uint64_t clock)
{
    queues->last = cfs_renewed(queues->last, clock);
}
