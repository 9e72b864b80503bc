/* Producing and consuming, at once or in one's turn. */
#include <stdlib.h>
#include <string.h>

#include "core/queue_internal.h"

static void index_wait(struct cfs_queues *queues, struct cfs_queue_wait *wait)
{
    struct cfs_queue_session *session = cfs_queue_session_get(queues, wait->asker.session);

    HASH_ADD(hh, queues->waits, asker, sizeof wait->asker, wait);
    DL_APPEND2(session->waits, wait, session_prev, session_next);
}

static void unindex_wait(struct cfs_queues *queues, struct cfs_queue_wait *wait)
{
    struct cfs_queue_session *session = cfs_queue_session_get(queues, wait->asker.session);

    HASH_DELETE(hh, queues->waits, wait);
    DL_DELETE2(session->waits, wait, session_prev, session_next);
    cfs_queue_session_tidy(queues, session);
}

/* Among the last of its kind in the queue. */
static void enqueue(struct cfs_queues *queues, struct cfs_queue_wait *wait)
{
    struct cfs_queue *queue = wait->queue;

    index_wait(queues, wait);
    if (!wait->produces) {
        DL_APPEND(queue->consumers, wait);
        queue->consumer_count++;
        return;
    }
    DL_APPEND(queue->producers, wait);
    queue->producer_count++;
    queues->waiting_bytes += wait->len;
    if (wait->key)
        HASH_ADD(hh_key, queue->waiting_keys, key, sizeof wait->key, wait);
}

static void dequeue(struct cfs_queues *queues, struct cfs_queue_wait *wait)
{
    struct cfs_queue *queue = wait->queue;

    unindex_wait(queues, wait);
    if (!wait->produces) {
        DL_DELETE(queue->consumers, wait);
        queue->consumer_count--;
        return;
    }
    DL_DELETE(queue->producers, wait);
    queue->producer_count--;
    queues->waiting_bytes -= wait->len;
    if (wait->key)
        HASH_DELETE(hh_key, queue->waiting_keys, wait);
}

void cfs_queue_wait_drop(struct cfs_queues *queues, struct cfs_queue_wait *wait)
{
    dequeue(queues, wait);
    cfs_queue_wait_gone(queues, wait);
    free(wait->lengths);
    free(wait->data);
    free(wait);
}

void cfs_queue_wait_settle(struct cfs_queues *queues, struct cfs_queue_wait *wait,
                           const struct cfs_answer *answer)
{
    struct cfs_asker asker = {wait->asker.session, wait->asker.sequence, wait->node};

    cfs_queue_wait_drop(queues, wait);
    queues->settled(queues->arg, asker, answer);
}

static struct cfs_queue_wait *wait_new(struct cfs_queues *queues, struct cfs_queue *queue,
                                       struct cfs_asker asker)
{
    struct cfs_queue_wait *wait = cfs_alloc_zeroed(1, sizeof *wait);

    wait->asker = (struct cfs_asker_key){asker.session, asker.sequence};
    wait->node = asker.node;
    wait->serial = ++queues->last;
    wait->queue = queue;
    return wait;
}

struct cfs_queue_wait *cfs_queue_wait_restore(struct cfs_queues *queues,
                                              const struct cfs_queue_wait *saved)
{
    struct cfs_queue_wait *wait, *same = NULL;

    HASH_FIND(hh, queues->waits, &saved->asker, sizeof saved->asker, wait);
    if (saved->key)
        HASH_FIND(hh_key, saved->queue->waiting_keys, &saved->key, sizeof saved->key, same);
    if (wait || same)
        return NULL;
    wait = cfs_alloc_copy(saved, sizeof *saved);
    enqueue(queues, wait);
    return wait;
}

/* Produce. */

/* Bodies have to be kept already. The id of the last one: those before it count down. */
static cfs_message_id append(struct cfs_queues *queues, struct cfs_queue *queue,
                             struct cfs_moment moment, const struct cfs_produce *produce)
{
    uint32_t count = produce->lengths ? produce->count : 1;
    const uint8_t *body = produce->data;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t len = produce->lengths ? produce->lengths[i] : produce->len;
        struct cfs_queue_message *message =
            cfs_queue_message_new(queues, ++queues->last, body, len);
        message->sent = moment.wall;
        cfs_queue_message_append(queues, queue, message, message->item.id);
        body += len;
    }
    queue->mtime = moment.wall;
    cfs_queue_changed(queues, queue);
    if (produce->key)
        cfs_produce_key_add(queues, queue, produce->key, queues->last, moment.time);
    return queues->last;
}

void cfs_queue_let_in(struct cfs_queues *queues, struct cfs_queue_wait *wait,
                      struct cfs_moment moment)
{
    struct cfs_produce produce = {.data = wait->data,
                                  .len = wait->len,
                                  .lengths = wait->lengths,
                                  .count = wait->lengths ? wait->count : 0,
                                  .key = wait->key};
    struct cfs_answer answer = {0};

    cfs_queue_bodies_take(queues, wait->data);
    wait->data = NULL;
    answer.id = append(queues, wait->queue, moment, &produce);
    cfs_queue_wait_settle(queues, wait, &answer);
}

/* The place in the queue passes to who asks again. */
static enum cfs_outcome ask_again(struct cfs_queues *queues, struct cfs_queue_wait *wait,
                                  struct cfs_asker asker, const struct cfs_produce *produce,
                                  struct cfs_answer *answer)
{
    struct cfs_asker before = {wait->asker.session, wait->asker.sequence, wait->node};

    if (!produce->wait) {
        answer->error = CFS_ERR_FULL;
        return CFS_ANSWERED;
    }
    unindex_wait(queues, wait);
    wait->asker = (struct cfs_asker_key){asker.session, asker.sequence};
    wait->node = asker.node;
    index_wait(queues, wait);
    cfs_queue_wait_changed(queues, wait);
    queues->settled(queues->arg, before, &(struct cfs_answer){.error = CFS_ERR_INTERRUPTED});
    return CFS_QUEUED;
}

static enum cfs_outcome wait_for_room(struct cfs_queues *queues, struct cfs_queue *queue,
                                      struct cfs_asker asker, const struct cfs_produce *produce)
{
    struct cfs_queue_wait *wait = wait_new(queues, queue, asker);

    wait->produces = true;
    wait->key = produce->key;
    wait->count = produce->lengths ? produce->count : 1;
    wait->len = produce->len;
    wait->data = cfs_alloc_copy(produce->data, produce->len);
    if (produce->lengths)
        wait->lengths = cfs_alloc_copy(produce->lengths, produce->count * sizeof *wait->lengths);
    enqueue(queues, wait);
    cfs_queue_wait_changed(queues, wait);
    return CFS_QUEUED;
}

static bool is_full(const struct cfs_queue *queue, const struct cfs_produce *produce)
{
    uint32_t count = produce->lengths ? produce->count : 1;

    return queue->producers || !cfs_queue_fits(queue, count, produce->len);
}

enum cfs_outcome cfs_queues_produce(struct cfs_queues *queues, struct cfs_asker asker,
                                    struct cfs_moment moment, const char *name,
                                    const struct cfs_produce *produce, struct cfs_answer *answer)
{
    struct cfs_queue *queue = cfs_queue_find(queues, name);
    const struct cfs_produce_key *known = NULL;
    struct cfs_queue_wait *same = NULL;
    struct cfs_produce kept = *produce;

    *answer = (struct cfs_answer){0};
    if (!queue) {
        answer->error = CFS_ERR_NO_QUEUE;
        return CFS_ANSWERED;
    }
    if (produce->key) {
        known = cfs_produce_key_find(queues, queue, produce->key, moment.time);
        HASH_FIND(hh_key, queue->waiting_keys, &produce->key, sizeof produce->key, same);
    }
    if (known) {
        answer->id = known->id;
        return CFS_ANSWERED;
    }
    if (same)
        return ask_again(queues, same, asker, produce, answer);
    if (!is_full(queue, produce)) {
        kept.data = cfs_queue_bodies_keep(queues, produce->data, produce->len);
        answer->id = append(queues, queue, moment, &kept);
        cfs_queue_settle(queues, queue, moment);
        return CFS_ANSWERED;
    }
    if (produce->wait && queues->waiting_bytes + produce->len <= CFS_PRODUCE_WAITING_MAX)
        return wait_for_room(queues, queue, asker, produce);
    answer->error = produce->wait ? CFS_ERR_TOO_MANY : CFS_ERR_FULL;
    return CFS_ANSWERED;
}

/* Consume. */

enum cfs_outcome cfs_queues_consume(struct cfs_queues *queues, struct cfs_asker asker,
                                    struct cfs_moment moment, const char *name,
                                    const struct cfs_consume *consume, struct cfs_answer *answer)
{
    struct cfs_queue *queue = cfs_queue_find(queues, name);
    struct cfs_queue_wait *wait;

    *answer = (struct cfs_answer){0};
    if (!queue) {
        answer->error = CFS_ERR_NO_QUEUE;
        return CFS_ANSWERED;
    }
    if (queue->ready_count) {
        cfs_queue_grant(queues, queue, asker, moment, consume, answer);
        return CFS_ANSWERED;
    }
    if (!consume->wait) {
        answer->error = CFS_ERR_EMPTY;
        return CFS_ANSWERED;
    }
    wait = wait_new(queues, queue, asker);
    wait->consume = *consume;
    enqueue(queues, wait);
    cfs_queue_wait_changed(queues, wait);
    return CFS_QUEUED;
}

bool cfs_queues_dismiss(struct cfs_queues *queues, cfs_session_id session, uint64_t sequence,
                        struct cfs_moment moment, enum cfs_error error)
{
    struct cfs_asker_key key;
    struct cfs_queue_wait *wait;
    struct cfs_queue *queue;

    memset(&key, 0, sizeof key); /* uthash takes all its bytes */
    key.session = session;
    key.sequence = sequence;
    HASH_FIND(hh, queues->waits, &key, sizeof key, wait);
    if (!wait)
        return false;
    queue = wait->queue;
    cfs_queue_wait_settle(queues, wait, &(struct cfs_answer){.error = error});
    cfs_queue_settle(queues, queue, moment);
    return true;
}

static enum cfs_error refuse_produce(const struct cfs_queue *queue,
                                     const struct cfs_produce *produce)
{
    const struct cfs_produce_key *known = NULL;

    if (produce->key)
        HASH_FIND(hh, queue->keys, &produce->key, sizeof produce->key, known);
    return !known && is_full(queue, produce) ? CFS_ERR_FULL : CFS_OK;
}

enum cfs_error cfs_queues_refusal(const struct cfs_queues *queues,
                                  const struct cfs_request *request)
{
    const struct cfs_queue *queue = cfs_queue_find(queues, request->name);

    if (!queue)
        return CFS_ERR_NO_QUEUE;
    if (request->op == CFS_OP_PRODUCE)
        return refuse_produce(queue, &request->produce);
    return queue->ready_count ? CFS_OK : CFS_ERR_EMPTY;
}
