/* The queues as pieces: what changed since the last save, and queues made of what was saved.
 *
 * A message is two pieces: what is known about it, which changes when it is handed out, and its
 * body, which never does. What came and went between two saves is in neither of them. */
#include <stdlib.h>
#include <string.h>

#include "core/command_internal.h"
#include "core/queue_internal.h"

#define VERSION CFS_QUEUE_VERSION

static void delete_number(struct cfs_queues *queues, enum cfs_piece_tag tag, uint64_t number)
{
    struct cfs_piece_key key = cfs_piece_key_number(tag, number);

    cfs_piece_delete(&queues->changes.gone, &key);
}

void cfs_queue_changed(struct cfs_queues *queues, struct cfs_queue *queue)
{
    if (queue->changed || queues->loading)
        return;
    queue->changed = true;
    DL_APPEND2(queues->changes.queues, queue, changed_prev, changed_next);
}

void cfs_queue_gone(struct cfs_queues *queues, struct cfs_queue *queue)
{
    struct cfs_piece_key key = cfs_piece_key_name(CFS_PIECE_QUEUE, queue->name);

    if (queue->changed)
        DL_DELETE2(queues->changes.queues, queue, changed_prev, changed_next);
    if (queue->saved)
        cfs_piece_delete(&queues->changes.gone, &key);
}

static void list_id(struct cfs_id_list *list, uint64_t id)
{
    list->items = cfs_array_room(list->items, list->count, &list->capacity, sizeof *list->items);
    list->items[list->count++] = id;
}

static struct cfs_queue_message *find_message(const struct cfs_queues *queues, uint64_t id)
{
    return (struct cfs_queue_message *)cfs_id_find(&queues->messages, id);
}

void cfs_queue_message_changed(struct cfs_queues *queues, struct cfs_queue_message *message)
{
    if (message->changed || queues->loading)
        return;
    message->changed = true;
    list_id(&queues->changes.messages, message->item.id);
}

void cfs_queue_message_gone(struct cfs_queues *queues, struct cfs_queue_message *message)
{
    if (message->saved)
        delete_number(queues, CFS_PIECE_MESSAGE, message->item.id);
    if (message->body_saved)
        delete_number(queues, CFS_PIECE_BODY, message->item.id);
}

void cfs_queue_wait_changed(struct cfs_queues *queues, struct cfs_queue_wait *wait)
{
    if (wait->changed || queues->loading)
        return;
    wait->changed = true;
    DL_APPEND2(queues->changes.waits, wait, changed_prev, changed_next);
}

void cfs_queue_wait_gone(struct cfs_queues *queues, struct cfs_queue_wait *wait)
{
    if (wait->changed)
        DL_DELETE2(queues->changes.waits, wait, changed_prev, changed_next);
    if (wait->saved)
        delete_number(queues, CFS_PIECE_QUEUE_WAIT, wait->serial);
}

void cfs_produce_key_new(struct cfs_queues *queues, struct cfs_produce_key *key)
{
    key->saved = queues->loading;
    if (!key->saved)
        DL_APPEND2(queues->changes.keys, key, unsaved_prev, unsaved_next);
}

void cfs_produce_key_gone(struct cfs_queues *queues, struct cfs_produce_key *key)
{
    if (key->saved)
        delete_number(queues, CFS_PIECE_PRODUCE_KEY, key->id);
    else
        DL_DELETE2(queues->changes.keys, key, unsaved_prev, unsaved_next);
}

/* Saving. */

static void put(struct cfs_writer *pieces, enum cfs_piece_tag tag, uint64_t number,
                struct cfs_writer *value)
{
    struct cfs_piece_key key = cfs_piece_key_number(tag, number);

    cfs_piece_put(pieces, &key, value);
    value->len = 0;
}

static void save_counter(struct cfs_queues *queues, struct cfs_writer *pieces,
                         struct cfs_writer *value)
{
    struct cfs_piece_key key = {.bytes = {CFS_PIECE_QUEUES}, .len = 1};

    if (queues->last == queues->saved_last)
        return;
    queues->saved_last = queues->last;
    cfs_put_u8(value, VERSION);
    cfs_put_u64(value, queues->last);
    cfs_piece_put(pieces, &key, value);
    value->len = 0;
}

static void save_queue(struct cfs_queue *queue, struct cfs_writer *pieces, struct cfs_writer *value)
{
    struct cfs_piece_key key = cfs_piece_key_name(CFS_PIECE_QUEUE, queue->name);

    cfs_put_u8(value, VERSION);
    cfs_put_u64(value, queue->item.id);
    cfs_put_u32(value, queue->uid);
    cfs_put_u32(value, queue->gid);
    cfs_put_u32(value, queue->perm);
    cfs_put_u64(value, queue->mtime);
    cfs_put_u64(value, queue->ctime);
    cfs_put_queue_config(value, CFS_CONFIG_ALL, &queue->config);
    cfs_piece_put(pieces, &key, value);
    value->len = 0;
    queue->saved = true;
    queue->changed = false;
}

static void save_queues(struct cfs_queues *queues, struct cfs_writer *pieces,
                        struct cfs_writer *value)
{
    struct cfs_queue *queue, *next;

    DL_FOREACH_SAFE2(queues->changes.queues, queue, next, changed_next)
    save_queue(queue, pieces, value);
    queues->changes.queues = NULL;
}

static void save_keys(struct cfs_queues *queues, struct cfs_writer *pieces,
                      struct cfs_writer *value)
{
    struct cfs_produce_key *key, *next;

    DL_FOREACH_SAFE2(queues->changes.keys, key, next, unsaved_next)
    {
        cfs_put_u8(value, VERSION);
        cfs_put_u64(value, key->queue->item.id);
        cfs_put_u64(value, key->key);
        cfs_put_u64(value, key->since);
        put(pieces, CFS_PIECE_PRODUCE_KEY, key->id, value);
        key->saved = true;
    }
    queues->changes.keys = NULL;
}

static void put_grant(struct cfs_writer *value, const struct cfs_queue_grant *grant)
{
    cfs_put_u64(value, grant->asker.session);
    cfs_put_u64(value, grant->asker.sequence);
    cfs_put_u64(value, grant->session);
    cfs_put_u32(value, grant->node);
    cfs_put_u8(value, grant->bound);
}

static void put_claim(struct cfs_writer *value, const struct cfs_queue_claim *claim)
{
    cfs_put_u64(value, claim->item.id);
    cfs_put_u64(value, claim->due.at);
    put_grant(value, claim->grant);
}

static void put_move(struct cfs_writer *value, const struct cfs_queue_move *move)
{
    cfs_put_u64(value, move->id);
    cfs_put_u64(value, move->asker.session);
    cfs_put_u64(value, move->asker.sequence);
    cfs_put_u32(value, move->node);
    cfs_put_string(value, move->to);
    cfs_put_u8(value, (uint8_t)move->place);
    cfs_put_u64(value, move->claim);
    put_grant(value, &move->grant);
}

static void save_body(struct cfs_queues *queues, struct cfs_queue_message *message,
                      struct cfs_writer *pieces, struct cfs_writer *value)
{
    cfs_put_raw(value, message->body, message->len);
    put(pieces, CFS_PIECE_BODY, message->item.id, value);
    message->body_saved = true;
    list_id(&queues->changes.bodies, message->item.id);
}

static void save_message(struct cfs_queues *queues, struct cfs_queue_message *message,
                         struct cfs_writer *pieces, struct cfs_writer *value)
{
    cfs_put_u8(value, VERSION);
    cfs_put_u64(value, message->queue->item.id);
    cfs_put_u8(value, (uint8_t)message->place);
    cfs_put_u64(value, message->turn);
    cfs_put_u64(value, message->sent);
    cfs_put_u32(value, message->deliveries);
    cfs_put_u32(value, message->len);
    if (message->place == CFS_INFLIGHT)
        put_claim(value, message->claim);
    if (message->place == CFS_QUEUE_MOVING)
        put_move(value, message->move);
    put(pieces, CFS_PIECE_MESSAGE, message->item.id, value);
    message->saved = true;
    message->changed = false;
    if (message->len && !message->body_saved)
        save_body(queues, message, pieces, value);
}

static void save_messages(struct cfs_queues *queues, struct cfs_writer *pieces,
                          struct cfs_writer *value)
{
    struct cfs_id_list *list = &queues->changes.messages;

    for (size_t i = 0; i < list->count; i++) {
        struct cfs_queue_message *message = find_message(queues, list->items[i]);
        if (message && message->place == CFS_INFLIGHT && CFS_PLANTED(BUG_SAVE_SKIPS_CLAIMED))
            continue;
        if (message)
            save_message(queues, message, pieces, value);
    }
    free(list->items);
    *list = (struct cfs_id_list){0};
}

static void put_produce(struct cfs_writer *value, const struct cfs_queue_wait *wait)
{
    cfs_put_produce(value, &(struct cfs_produce){.data = wait->data,
                                                 .len = wait->len,
                                                 .lengths = wait->lengths,
                                                 .count = wait->lengths ? wait->count : 0,
                                                 .wait = true,
                                                 .key = wait->key});
}

static void save_waits(struct cfs_queues *queues, struct cfs_writer *pieces,
                       struct cfs_writer *value)
{
    struct cfs_queue_wait *wait, *next;

    DL_FOREACH_SAFE2(queues->changes.waits, wait, next, changed_next)
    {
        cfs_put_u8(value, VERSION);
        cfs_put_u64(value, wait->queue->item.id);
        cfs_put_u64(value, wait->asker.session);
        cfs_put_u64(value, wait->asker.sequence);
        cfs_put_u32(value, wait->node);
        cfs_put_u8(value, wait->produces);
        if (wait->produces)
            put_produce(value, wait);
        else
            cfs_put_consume(value, &wait->consume);
        put(pieces, CFS_PIECE_QUEUE_WAIT, wait->serial, value);
        wait->saved = true;
        wait->changed = false;
    }
    queues->changes.waits = NULL;
}

static void save_deliveries(struct cfs_deliveries *from, uint32_t group, struct cfs_writer *pieces,
                            struct cfs_writer *value)
{
    cfs_put_u8(value, VERSION);
    cfs_put_u64(value, from->oldest);
    cfs_put_u32(value, (uint32_t)from->count);
    for (size_t i = 0; i < from->count; i++) {
        cfs_put_u64(value, from->items[i].id);
        cfs_put_u8(value, (uint8_t)from->items[i].error);
    }
    put(pieces, CFS_PIECE_DELIVERIES, group, value);
    from->changed = false;
}

static void save_all_deliveries(struct cfs_queues *queues, struct cfs_writer *pieces,
                                struct cfs_writer *value)
{
    for (uint32_t group = 0; group <= CFS_GROUPS_MAX; group++)
        if (queues->deliveries[group].changed)
            save_deliveries(&queues->deliveries[group], group, pieces, value);
}

void cfs_queues_save(struct cfs_queues *queues, struct cfs_writer *pieces)
{
    struct cfs_writer *gone = &queues->changes.gone, value = {0};

    /* First what went: a name may have come back since. */
    cfs_put_raw(pieces, gone->data, gone->len);
    free(gone->data);
    *gone = (struct cfs_writer){0};
    save_counter(queues, pieces, &value);
    save_queues(queues, pieces, &value);
    save_keys(queues, pieces, &value);
    save_messages(queues, pieces, &value);
    save_waits(queues, pieces, &value);
    save_all_deliveries(queues, pieces, &value);
    cfs_queue_bodies_move(&queues->saved_bodies, &queues->bodies);
    free(value.data);
}

void cfs_queues_saved(struct cfs_queues *queues)
{
    struct cfs_id_list *list = &queues->changes.bodies;

    for (size_t i = 0; i < list->count; i++) {
        struct cfs_queue_message *message = find_message(queues, list->items[i]);
        if (message)
            message->body = NULL;
    }
    free(list->items);
    *list = (struct cfs_id_list){0};
    cfs_queue_bodies_free(&queues->saved_bodies);
}
