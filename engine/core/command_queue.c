/* Requests to queues as bytes; as command.c, of which this is a part. */
#include <assert.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/command_internal.h"

void cfs_put_produce(struct cfs_writer *writer, const struct cfs_produce *produce)
{
    uint32_t count = produce->lengths ? produce->count : 0;

    cfs_put_u8(writer, produce->wait);
    cfs_put_u64(writer, produce->key);
    cfs_put_u32(writer, count);
    for (uint32_t i = 0; i < count; i++)
        cfs_put_u32(writer, produce->lengths[i]);
    cfs_put_bytes(writer, produce->data, produce->len);
}

void cfs_get_produce(struct cfs_reader *reader, struct cfs_produce *produce, uint32_t **owned)
{
    uint64_t sum = 0;

    produce->wait = cfs_get_bool(reader);
    produce->key = cfs_get_u64(reader);
    produce->count = cfs_get_u32(reader);
    if (reader->failed || produce->count > CFS_PRODUCE_MAX) {
        reader->failed = true;
        return;
    }
    if (produce->count)
        produce->lengths = *owned = cfs_alloc(produce->count * sizeof **owned);
    for (uint32_t i = 0; i < produce->count; i++)
        sum += (*owned)[i] = cfs_get_u32(reader);
    produce->data = cfs_get_bytes(reader, &produce->len);
    if (produce->len > CFS_MESSAGE_MAX || (produce->count && sum != produce->len))
        reader->failed = true;
}

void cfs_put_consume(struct cfs_writer *writer, const struct cfs_consume *consume)
{
    cfs_put_u8(writer, consume->wait);
    cfs_put_u8(writer, consume->bound);
    cfs_put_u8(writer, consume->leased);
    cfs_put_u32(writer, consume->max);
}

/* Claims that do not end with the session cannot end with the daemon's life. */
void cfs_get_consume(struct cfs_reader *reader, struct cfs_consume *consume)
{
    consume->wait = cfs_get_bool(reader);
    consume->bound = cfs_get_bool(reader);
    consume->leased = cfs_get_bool(reader);
    consume->max = cfs_get_u32(reader);
    if (!consume->max || consume->max > CFS_CONSUME_MAX || (consume->bound && consume->leased))
        reader->failed = true;
}

static void put_settle(struct cfs_writer *writer, const struct cfs_settle *settle)
{
    cfs_put_u8(writer, (uint8_t)settle->place);
    cfs_put_u32(writer, settle->count);
    for (uint32_t i = 0; i < settle->count && i < CFS_CONSUME_MAX; i++)
        cfs_put_u64(writer, settle->ids[i]);
}

static void get_settle(struct cfs_reader *reader, enum cfs_op op, struct cfs_settle *settle,
                       void **owned)
{
    uint64_t *ids;

    settle->place = cfs_get_enum(reader, CFS_INFLIGHT, op == CFS_OP_ACK ? CFS_DEAD : CFS_INFLIGHT);
    settle->count = cfs_get_u32(reader);
    if (reader->failed || !settle->count || settle->count > CFS_CONSUME_MAX) {
        reader->failed = true;
        return;
    }
    settle->ids = *owned = ids = cfs_alloc(settle->count * sizeof *ids);
    for (uint32_t i = 0; i < settle->count; i++)
        ids[i] = cfs_get_u64(reader);
}

static void get_move(struct cfs_reader *reader, struct cfs_message_move *move)
{
    move->place = cfs_get_enum(reader, CFS_INFLIGHT, CFS_DEAD);
    move->id = cfs_get_u64(reader);
    cfs_get_string(reader, move->to, sizeof move->to);
    move->away = cfs_get_bool(reader);
    if (!cfs_queue_name_valid(move->to))
        reader->failed = true;
}

static void put_delivery(struct cfs_writer *writer, const struct cfs_delivery *delivery)
{
    cfs_put_u32(writer, delivery->group);
    cfs_put_u64(writer, delivery->id);
    cfs_put_u64(writer, delivery->oldest);
    cfs_put_u64(writer, delivery->sent);
    cfs_put_bytes(writer, delivery->data, delivery->len);
}

static void get_delivery(struct cfs_reader *reader, struct cfs_delivery *delivery)
{
    delivery->group = cfs_get_u32(reader);
    delivery->id = cfs_get_u64(reader);
    delivery->oldest = cfs_get_u64(reader);
    delivery->sent = cfs_get_u64(reader);
    delivery->data = cfs_get_bytes(reader, &delivery->len);
    if (delivery->group > CFS_GROUPS_MAX || delivery->oldest > delivery->id ||
        delivery->len > CFS_MESSAGE_MAX)
        reader->failed = true;
}

static void put_make(struct cfs_writer *writer, const struct cfs_queue_make *make)
{
    cfs_put_u32(writer, make->uid);
    cfs_put_u32(writer, make->gid);
    cfs_put_u32(writer, make->perm);
    cfs_put_u8(writer, make->exclusive);
}

static void get_make(struct cfs_reader *reader, struct cfs_queue_make *make)
{
    make->uid = cfs_get_u32(reader);
    make->gid = cfs_get_u32(reader);
    make->perm = cfs_get_u32(reader);
    make->exclusive = cfs_get_bool(reader);
}

/* A queue has no tokens, and no size that could be set. */
static void put_setattr(struct cfs_writer *writer, const struct cfs_setattr *setattr)
{
    cfs_put_u32(writer, setattr->fields);
    cfs_put_u32(writer, setattr->caller);
    cfs_put_u32(writer, setattr->perm);
    cfs_put_u32(writer, setattr->uid);
    cfs_put_u32(writer, setattr->gid);
    cfs_put_u64(writer, setattr->mtime);
}

static void get_setattr(struct cfs_reader *reader, struct cfs_setattr *setattr)
{
    setattr->fields = cfs_get_u32(reader);
    if (setattr->fields >= CFS_SET_SIZE)
        reader->failed = true;
    setattr->caller = cfs_get_u32(reader);
    setattr->perm = cfs_get_u32(reader);
    setattr->uid = cfs_get_u32(reader);
    setattr->gid = cfs_get_u32(reader);
    setattr->mtime = cfs_get_u64(reader);
}

void cfs_put_queue_config(struct cfs_writer *writer, uint32_t fields,
                          const struct cfs_queue_config *config)
{
    if (fields & CFS_CONFIG_VISIBILITY)
        cfs_put_u32(writer, config->visibility_ms);
    if (fields & CFS_CONFIG_MAX_DELIVERIES)
        cfs_put_u32(writer, config->max_deliveries);
    if (fields & CFS_CONFIG_MAX_MESSAGES)
        cfs_put_u64(writer, config->max_messages);
    if (fields & CFS_CONFIG_MAX_BYTES)
        cfs_put_u64(writer, config->max_bytes);
    if (fields & CFS_CONFIG_FRAMING)
        cfs_put_u8(writer, (uint8_t)config->framing);
}

static uint32_t get_positive(struct cfs_reader *reader)
{
    uint32_t value = cfs_get_u32(reader);

    if (!value)
        reader->failed = true;
    return value;
}

void cfs_get_queue_config(struct cfs_reader *reader, uint32_t fields,
                          struct cfs_queue_config *config)
{
    if (fields & ~CFS_CONFIG_ALL)
        reader->failed = true;
    if (fields & CFS_CONFIG_VISIBILITY)
        config->visibility_ms = get_positive(reader);
    if (fields & CFS_CONFIG_MAX_DELIVERIES)
        config->max_deliveries = get_positive(reader);
    if (fields & CFS_CONFIG_MAX_MESSAGES)
        config->max_messages = cfs_get_u64(reader);
    if (fields & CFS_CONFIG_MAX_BYTES)
        config->max_bytes = cfs_get_u64(reader);
    if (fields & CFS_CONFIG_FRAMING)
        config->framing = cfs_get_enum(reader, CFS_FRAMING_WRITE, CFS_FRAMING_FILE);
}

static void put_config(struct cfs_writer *writer, const struct cfs_queue_set *set)
{
    cfs_put_u32(writer, set->fields);
    cfs_put_u32(writer, set->uid);
    cfs_put_queue_config(writer, set->fields, &set->config);
}

static void get_config(struct cfs_reader *reader, struct cfs_queue_set *set)
{
    set->fields = cfs_get_u32(reader);
    set->uid = cfs_get_u32(reader);
    cfs_get_queue_config(reader, set->fields, &set->config);
}

void cfs_put_queue_request(struct cfs_writer *writer, const struct cfs_request *request)
{
    switch (request->op) {
    case CFS_OP_PRODUCE:
        cfs_put_produce(writer, &request->produce);
        break;
    case CFS_OP_CONSUME:
        cfs_put_consume(writer, &request->consume);
        break;
    case CFS_OP_ACK:
    case CFS_OP_GIVE_BACK:
    case CFS_OP_EXTEND:
        put_settle(writer, &request->settle);
        break;
    case CFS_OP_MESSAGE_MOVE:
        cfs_put_u8(writer, (uint8_t)request->message_move.place);
        cfs_put_u64(writer, request->message_move.id);
        cfs_put_string(writer, request->message_move.to);
        cfs_put_u8(writer, request->message_move.away);
        break;
    case CFS_OP_DELIVER:
        put_delivery(writer, &request->delivery);
        break;
    case CFS_OP_MOVED:
        cfs_put_u64(writer, request->moved.id);
        cfs_put_u8(writer, (uint8_t)request->moved.error);
        break;
    case CFS_OP_QUEUE_MAKE:
        put_make(writer, &request->queue_make);
        break;
    case CFS_OP_QUEUE_REMOVE:
    case CFS_OP_PURGE:
        cfs_put_u32(writer, request->queue_caller.uid);
        break;
    case CFS_OP_QUEUE_SETATTR:
        put_setattr(writer, &request->setattr);
        break;
    case CFS_OP_QUEUE_CONFIG:
        put_config(writer, &request->queue_set);
        break;
    default:
        break; /* reads are no commands: decoding refuses them */
    }
}

void cfs_get_queue_request(struct cfs_reader *reader, struct cfs_request *request, void **owned)
{
    uint32_t *lengths = NULL;

    if (!cfs_queue_name_valid(request->name))
        reader->failed = true;
    switch (request->op) {
    case CFS_OP_PRODUCE:
        cfs_get_produce(reader, &request->produce, &lengths);
        *owned = lengths;
        break;
    case CFS_OP_CONSUME:
        cfs_get_consume(reader, &request->consume);
        break;
    case CFS_OP_ACK:
    case CFS_OP_GIVE_BACK:
    case CFS_OP_EXTEND:
        get_settle(reader, request->op, &request->settle, owned);
        break;
    case CFS_OP_MESSAGE_MOVE:
        get_move(reader, &request->message_move);
        break;
    case CFS_OP_DELIVER:
        get_delivery(reader, &request->delivery);
        break;
    case CFS_OP_MOVED:
        request->moved.id = cfs_get_u64(reader);
        request->moved.error = cfs_get_enum(reader, 0, CFS_ERROR_COUNT - 1);
        break;
    case CFS_OP_QUEUE_MAKE:
        get_make(reader, &request->queue_make);
        break;
    case CFS_OP_QUEUE_REMOVE:
    case CFS_OP_PURGE:
        request->queue_caller.uid = cfs_get_u32(reader);
        break;
    case CFS_OP_QUEUE_SETATTR:
        get_setattr(reader, &request->setattr);
        break;
    case CFS_OP_QUEUE_CONFIG:
        get_config(reader, &request->queue_set);
        break;
    default:
        reader->failed = true;
    }
}
