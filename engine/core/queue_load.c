/* Queues made of what was saved, one piece after the other in the order of their keys: the counter,
 * queues, then what refers to them by serial. Nothing is believed: what makes no sense is refused.
 * Bodies may be left out; those that come stay where they are. */
#include <stdlib.h>
#include <string.h>

#include "core/command_internal.h"
#include "core/queue_internal.h"

#define VERSION 1u

static int load_counter(struct cfs_queues *queues, struct cfs_reader *value)
{
    if (queues->last)
        return -1;
    queues->last = queues->saved_last = cfs_get_u64(value);
    return cfs_reader_whole(value) && queues->last ? 0 : -1;
}

/* A number that was given out. */
static bool is_given(const struct cfs_queues *queues, uint64_t number)
{
    return number && number <= queues->last;
}

static struct cfs_queue *get_queue(const struct cfs_queues *queues, struct cfs_reader *value)
{
    struct cfs_id_item *item = cfs_id_find(&queues->by_serial, cfs_get_u64(value));

    if (!item)
        value->failed = true;
    return (struct cfs_queue *)item;
}

static int load_queue(struct cfs_queues *queues, struct cfs_reader *key, struct cfs_reader *value)
{
    uint64_t serial = cfs_get_u64(value);
    char name[CFS_NAME_MAX + 1];
    struct cfs_queue *queue;

    cfs_piece_name(key, name);
    if (key->failed || value->failed || !cfs_queue_name_valid(name) || !is_given(queues, serial) ||
        cfs_queue_find(queues, name) || cfs_id_find(&queues->by_serial, serial))
        return -1;
    queue = cfs_queue_new(queues, name, serial);
    queue->saved = true;
    queue->uid = cfs_get_u32(value);
    queue->gid = cfs_get_u32(value);
    queue->perm = cfs_get_u32(value);
    queue->mtime = cfs_get_u64(value);
    queue->ctime = cfs_get_u64(value);
    cfs_get_queue_config(value, CFS_CONFIG_ALL, &queue->config);
    return cfs_reader_whole(value) ? 0 : -1;
}

static int load_key(struct cfs_queues *queues, cfs_message_id id, struct cfs_reader *value)
{
    struct cfs_queue *queue = get_queue(queues, value);
    uint64_t key = cfs_get_u64(value);
    cfs_time since = cfs_get_u64(value);
    struct cfs_produce_key *known;

    if (!cfs_reader_whole(value) || !is_given(queues, id) ||
        HASH_COUNT(queue->keys) >= CFS_PRODUCE_KEYS_MAX)
        return -1;
    HASH_FIND(hh, queue->keys, &key, sizeof key, known);
    if (!key || known)
        return -1;
    cfs_produce_key_add(queues, queue, key, id, since);
    return 0;
}

static struct cfs_queue_grant get_grant(struct cfs_reader *value)
{
    struct cfs_queue_grant grant = {0};

    grant.asker.session = cfs_get_u64(value);
    grant.asker.sequence = cfs_get_u64(value);
    grant.session = cfs_get_u64(value);
    grant.node = cfs_get_u32(value);
    grant.bound = cfs_get_bool(value);
    return grant;
}

/* A claim as it was saved, of a message that is in no place. */
static int load_claim(struct cfs_queues *queues, struct cfs_queue_message *message,
                      struct cfs_reader *value)
{
    cfs_claim_id id = cfs_get_u64(value);
    cfs_time expiry = cfs_get_u64(value);
    struct cfs_queue_grant like = get_grant(value), *grant;

    HASH_FIND(hh, queues->grants, &like.asker, sizeof like.asker, grant);
    if (!cfs_reader_whole(value) || !is_given(queues, id) || cfs_id_find(&queues->claims, id) ||
        like.node > CFS_NODE_MAX)
        return -1;
    if (grant &&
        (grant->session != like.session || grant->node != like.node || grant->bound != like.bound ||
         id + CFS_CONSUME_MAX <= grant->last || id >= grant->first + CFS_CONSUME_MAX))
        return -1;
    cfs_queue_claim_new(queues, message, id, expiry, &like);
    return 0;
}

static int load_move(struct cfs_queues *queues, struct cfs_queue_message *message,
                     struct cfs_reader *value)
{
    struct cfs_queue_move move = {.message = message, .id = cfs_get_u64(value)};

    move.asker.session = cfs_get_u64(value);
    move.asker.sequence = cfs_get_u64(value);
    move.node = cfs_get_u32(value);
    cfs_get_string(value, move.to, sizeof move.to);
    move.place = cfs_get_enum(value, CFS_INFLIGHT, CFS_DEAD);
    move.claim = cfs_get_u64(value);
    move.grant = get_grant(value);
    if (!cfs_reader_whole(value) || !is_given(queues, move.id) || move.node > CFS_NODE_MAX ||
        !cfs_queue_name_valid(move.to) || move.grant.node > CFS_NODE_MAX ||
        (move.place == CFS_INFLIGHT) != is_given(queues, move.claim))
        return -1;
    cfs_queue_move_add(queues, &move);
    return 0;
}

static int load_deliveries(struct cfs_queues *queues, uint64_t group, struct cfs_reader *value)
{
    struct cfs_deliveries *from = &queues->deliveries[group <= CFS_GROUPS_MAX ? group : 0];
    uint32_t count;

    if (group > CFS_GROUPS_MAX || from->count || from->oldest)
        return -1;
    from->oldest = cfs_get_u64(value);
    for (count = cfs_get_u32(value); count && !value->failed; count--) {
        uint64_t id = cfs_get_u64(value);
        cfs_delivery_add(from, id, cfs_get_enum(value, 0, CFS_ERROR_COUNT - 1));
    }
    return cfs_reader_whole(value) ? 0 : -1;
}

/* Ready ones go to the tree: their turns come in no order. */
static int place_message(struct cfs_queues *queues, struct cfs_queue_message *message,
                         enum cfs_message_place place, struct cfs_reader *value)
{
    if (place == CFS_INFLIGHT)
        return load_claim(queues, message, value);
    if (place == CFS_QUEUE_MOVING)
        return load_move(queues, message, value);
    if (!cfs_reader_whole(value))
        return -1;
    if (place == CFS_READY)
        cfs_queue_message_return(queues, message);
    else
        cfs_queue_message_bury(queues, message);
    return 0;
}

static int load_message(struct cfs_queues *queues, cfs_message_id id, struct cfs_reader *value)
{
    struct cfs_queue *queue = get_queue(queues, value);
    enum cfs_message_place place = cfs_get_enum(value, CFS_QUEUE_MOVING, CFS_DEAD);
    uint64_t turn = cfs_get_u64(value);
    cfs_wall_time sent = cfs_get_u64(value);
    uint32_t deliveries = cfs_get_u32(value), len = cfs_get_u32(value);
    struct cfs_queue_message *message;

    if (value->failed || len > CFS_MESSAGE_MAX || !is_given(queues, id) ||
        !is_given(queues, turn) || cfs_id_find(&queues->messages, id))
        return -1;
    message = cfs_queue_message_new(queues, id, NULL, 0);
    message->queue = queue;
    message->turn = turn;
    message->sent = sent;
    message->deliveries = deliveries;
    message->len = len;
    message->saved = true;
    message->body_saved = len > 0;
    if (place_message(queues, message, place, value) == 0)
        return 0;
    cfs_id_remove(&queues->messages, &message->item);
    free(message);
    return -1;
}

static int load_body(const struct cfs_queues *queues, cfs_message_id id,
                     const struct cfs_piece *piece)
{
    const struct cfs_queue_message *message =
        (const struct cfs_queue_message *)cfs_id_find(&queues->messages, id);

    return message && message->len && message->len == piece->value_len ? 0 : -1;
}

static void get_produce(struct cfs_reader *value, struct cfs_queue_wait *wait)
{
    struct cfs_produce produce = {0};

    cfs_get_produce(value, &produce, &wait->lengths);
    wait->key = produce.key;
    wait->len = produce.len;
    wait->count = produce.lengths ? produce.count : 1;
    wait->data = cfs_alloc_copy(produce.data, produce.len);
    if (!produce.wait)
        value->failed = true;
}

static int load_wait(struct cfs_queues *queues, uint64_t serial, struct cfs_reader *value)
{
    struct cfs_queue_wait wait = {.serial = serial, .saved = true};
    bool good;

    wait.queue = get_queue(queues, value);
    wait.asker.session = cfs_get_u64(value);
    wait.asker.sequence = cfs_get_u64(value);
    wait.node = cfs_get_u32(value);
    wait.produces = cfs_get_bool(value);
    if (wait.produces)
        get_produce(value, &wait);
    else
        cfs_get_consume(value, &wait.consume);
    good = cfs_reader_whole(value) && is_given(queues, serial) &&
           (wait.produces || wait.consume.wait) && cfs_queue_wait_restore(queues, &wait);
    if (good)
        return 0;
    free(wait.lengths);
    free(wait.data);
    return -1;
}

int cfs_queues_load(struct cfs_queues *queues, const struct cfs_piece *piece)
{
    struct cfs_reader key = {.data = piece->key, .len = piece->key_len};
    struct cfs_reader value = {.data = piece->value, .len = piece->value_len};
    uint8_t tag = piece->key[0];
    uint64_t number;

    queues->loading = true;
    if (tag != CFS_PIECE_BODY)
        cfs_get_enum(&value, VERSION, VERSION);
    if (!piece->put || value.failed)
        return -1;
    if (tag == CFS_PIECE_QUEUES)
        return key.len == 1 ? load_counter(queues, &value) : -1;
    if (tag == CFS_PIECE_QUEUE)
        return load_queue(queues, &key, &value);
    number = cfs_piece_number(&key);
    if (key.failed)
        return -1;
    switch (tag) {
    case CFS_PIECE_PRODUCE_KEY:
        return load_key(queues, number, &value);
    case CFS_PIECE_MESSAGE:
        return load_message(queues, number, &value);
    case CFS_PIECE_QUEUE_WAIT:
        return load_wait(queues, number, &value);
    case CFS_PIECE_DELIVERIES:
        return load_deliveries(queues, number, &value);
    case CFS_PIECE_BODY:
        return load_body(queues, number, piece);
    default:
        return -1;
    }
}

static int by_claim(const struct cfs_queue_claim *a, const struct cfs_queue_claim *b)
{
    return (a->item.id > b->item.id) - (a->item.id < b->item.id);
}

static int by_move(const struct cfs_queue_move *a, const struct cfs_queue_move *b)
{
    return (a->id > b->id) - (a->id < b->id);
}

/* Nobody waits who need not. */
static bool makes_sense(const struct cfs_queue *queue)
{
    const struct cfs_queue_wait *wait = queue->producers;

    return !(queue->consumers && queue->ready_count) &&
           !(wait && cfs_queue_fits(queue, wait->count, wait->len));
}

bool cfs_queues_loaded(struct cfs_queues *queues)
{
    bool good = true;

    for (struct cfs_queue *queue = queues->by_name; queue; queue = queue->hh.next) {
        DL_SORT(queue->inflight, by_claim);
        good &= makes_sense(queue);
    }
    DL_SORT(queues->moves, by_move);
    queues->loading = false;
    return good;
}
