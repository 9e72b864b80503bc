/* A table of verbs, and for each its arguments in the script's order. */
#include "io/redis_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Of a new queue. */
#define VISIBILITY_MS 30000u
#define DELIVERIES 20u

static const char *place_word(enum cfs_message_place place)
{
    static const char *const words[] = {
        [CFS_READY] = "ready", [CFS_INFLIGHT] = "inflight", [CFS_DEAD] = "dead"};

    return words[place];
}

static bool is_place(enum cfs_message_place place)
{
    return place >= CFS_READY && place <= CFS_DEAD;
}

static enum cfs_error check_produce(const struct cfs_produce *produce)
{
    uint64_t len = 0;

    if (produce->len > CFS_MESSAGE_MAX)
        return CFS_ERR_MESSAGE_TOO_BIG;
    if (!produce->lengths)
        return produce->count == 0 ? CFS_OK : CFS_ERR_INVALID;
    if (produce->count < 1 || produce->count > CFS_PRODUCE_MAX)
        return CFS_ERR_INVALID;
    for (uint32_t i = 0; i < produce->count; i++)
        len += produce->lengths[i];
    return len == produce->len ? CFS_OK : CFS_ERR_INVALID;
}

static enum cfs_error check_settle(enum cfs_op op, const struct cfs_settle *settle)
{
    bool possible =
        settle->place == CFS_INFLIGHT || (settle->place == CFS_DEAD && op == CFS_OP_ACK);

    return possible && settle->count >= 1 && settle->count <= CFS_CONSUME_MAX ? CFS_OK
                                                                              : CFS_ERR_INVALID;
}

static enum cfs_error check_set(const struct cfs_queue_set *set)
{
    const struct cfs_queue_config *config = &set->config;
    bool right = true;

    if (set->fields & CFS_CONFIG_VISIBILITY)
        right = right && config->visibility_ms >= 1;
    if (set->fields & CFS_CONFIG_MAX_DELIVERIES)
        right = right && config->max_deliveries >= 1;
    if (set->fields & CFS_CONFIG_FRAMING)
        right =
            right && config->framing >= CFS_FRAMING_WRITE && config->framing <= CFS_FRAMING_FILE;
    return right ? CFS_OK : CFS_ERR_INVALID;
}

enum cfs_error cfs_redis_check(const struct cfs_request *request)
{
    bool right = true;

    if (!cfs_redis_verb(request->op)) /* groups say it to each other */
        return CFS_ERR_INVALID;
    if (!cfs_queue_name_valid(request->name) &&
        (request->op != CFS_OP_QUEUE_LIST || *request->name))
        return CFS_ERR_INVALID;
    switch (request->op) {
    case CFS_OP_PRODUCE:
        return check_produce(&request->produce);
    case CFS_OP_CONSUME:
        right = request->consume.max >= 1 && request->consume.max <= CFS_CONSUME_MAX &&
                !(request->consume.bound && request->consume.leased);
        break;
    case CFS_OP_ACK:
    case CFS_OP_GIVE_BACK:
    case CFS_OP_EXTEND:
        return check_settle(request->op, &request->settle);
    case CFS_OP_MESSAGE_MOVE:
        right = (request->message_move.place == CFS_INFLIGHT ||
                 request->message_move.place == CFS_DEAD) &&
                cfs_queue_name_valid(request->message_move.to);
        break;
    case CFS_OP_QUEUE_CONFIG:
        return check_set(&request->queue_set);
    case CFS_OP_MESSAGE_LIST:
    case CFS_OP_MESSAGE_GET:
        right = is_place(request->queue_read.place);
        break;
    default:
        break;
    }
    return right ? CFS_OK : CFS_ERR_INVALID;
}

const char *cfs_redis_verb(enum cfs_op op)
{
    static const char *const verbs[] = {
        [CFS_OP_PRODUCE] = "produce",
        [CFS_OP_CONSUME] = "consume",
        [CFS_OP_ACK] = "ack",
        [CFS_OP_GIVE_BACK] = "give_back",
        [CFS_OP_EXTEND] = "extend",
        [CFS_OP_MESSAGE_MOVE] = "move",
        [CFS_OP_QUEUE_MAKE] = "make",
        [CFS_OP_QUEUE_REMOVE] = "remove",
        [CFS_OP_PURGE] = "purge",
        [CFS_OP_QUEUE_SETATTR] = "set",
        [CFS_OP_QUEUE_CONFIG] = "set",
        [CFS_OP_QUEUE_STAT] = "stat",
        [CFS_OP_QUEUE_LIST] = "list",
        [CFS_OP_MESSAGE_LIST] = "messages",
        [CFS_OP_MESSAGE_GET] = "message",
        [CFS_OP_QUEUE_AWAIT] = "await",
    };

    return verbs[op];
}

bool cfs_redis_is_change(enum cfs_op op)
{
    return !cfs_op_is_read(op) || op == CFS_OP_QUEUE_AWAIT; /* whose place in line is a change */
}

static void add_produce(struct cfs_redis_args *args, const struct cfs_produce *produce)
{
    struct cfs_writer lengths = {0};
    char text[16];

    for (uint32_t i = 0; produce->lengths && i < produce->count; i++)
        cfs_put_raw(&lengths, text,
                    (size_t)snprintf(text, sizeof text, "%" PRIu32 " ", produce->lengths[i]));
    cfs_redis_add_number(args, produce->wait);
    cfs_redis_add_number(args, produce->key);
    cfs_redis_add(args, lengths.data, lengths.len);
    cfs_redis_add(args, produce->data, produce->len);
    free(lengths.data);
}

static void add_consume(struct cfs_redis_args *args, const struct cfs_consume *consume)
{
    cfs_redis_add_number(args, consume->wait);
    cfs_redis_add_text(args, consume->leased ? "leased" : consume->bound ? "bound" : "held");
    cfs_redis_add_number(args, consume->max);
}

static void add_settle(struct cfs_redis_args *args, const struct cfs_request *request, bool undo)
{
    if (request->op == CFS_OP_ACK)
        cfs_redis_add_text(args, place_word(request->settle.place));
    else
        cfs_redis_add_number(args, undo);
    for (uint32_t i = 0; i < request->settle.count; i++)
        cfs_redis_add_number(args, request->settle.ids[i]);
}

static void add_make(struct cfs_redis_args *args, const struct cfs_queue_make *make)
{
    const uint64_t numbers[] = {make->exclusive,  make->uid,  make->gid, make->perm & 07777u,
                                VISIBILITY_MS,    DELIVERIES, 0,         0,
                                CFS_FRAMING_WRITE};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        cfs_redis_add_number(args, numbers[i]);
}

static void add_field(struct cfs_redis_args *args, bool is_set, const char *field, uint64_t value)
{
    if (!is_set)
        return;
    cfs_redis_add_text(args, field);
    cfs_redis_add_number(args, value);
}

static void add_now(struct cfs_redis_args *args, bool is_set, const char *field)
{
    if (!is_set)
        return;
    cfs_redis_add_text(args, field);
    cfs_redis_add_text(args, "now");
}

static void add_setattr(struct cfs_redis_args *args, const struct cfs_setattr *setattr)
{
    uint32_t fields = setattr->fields;

    cfs_redis_add_number(args, setattr->caller);
    add_field(args, fields & CFS_SET_PERM, "perm", setattr->perm & 07777u);
    add_field(args, fields & CFS_SET_UID, "uid", setattr->uid);
    add_field(args, fields & CFS_SET_GID, "gid", setattr->gid);
    add_field(args, fields & CFS_SET_MTIME, "mtime", setattr->mtime);
    add_now(args, fields & CFS_SET_MTIME_NOW, "mtime");
    add_now(args, fields & (CFS_SET_PERM | CFS_SET_UID | CFS_SET_GID), "ctime");
}

static void add_config(struct cfs_redis_args *args, const struct cfs_queue_set *set)
{
    const struct cfs_queue_config *config = &set->config;

    cfs_redis_add_number(args, set->uid);
    add_field(args, set->fields & CFS_CONFIG_VISIBILITY, "visibility", config->visibility_ms);
    add_field(args, set->fields & CFS_CONFIG_MAX_DELIVERIES, "deliveries", config->max_deliveries);
    add_field(args, set->fields & CFS_CONFIG_MAX_MESSAGES, "messages", config->max_messages);
    add_field(args, set->fields & CFS_CONFIG_MAX_BYTES, "bytes", config->max_bytes);
    add_field(args, set->fields & CFS_CONFIG_FRAMING, "framing", config->framing);
}

void cfs_redis_add_request(struct cfs_redis_args *args, const struct cfs_request *request,
                           bool undo)
{
    cfs_redis_add_text(args, request->name);
    switch (request->op) {
    case CFS_OP_PRODUCE:
        add_produce(args, &request->produce);
        break;
    case CFS_OP_CONSUME:
        add_consume(args, &request->consume);
        break;
    case CFS_OP_ACK:
    case CFS_OP_GIVE_BACK:
    case CFS_OP_EXTEND:
        add_settle(args, request, undo);
        break;
    case CFS_OP_MESSAGE_MOVE:
        cfs_redis_add_text(args, place_word(request->message_move.place));
        cfs_redis_add_number(args, request->message_move.id);
        cfs_redis_add_text(args, request->message_move.to);
        break;
    case CFS_OP_QUEUE_MAKE:
        add_make(args, &request->queue_make);
        break;
    case CFS_OP_QUEUE_REMOVE:
    case CFS_OP_PURGE:
        cfs_redis_add_number(args, request->queue_caller.uid);
        break;
    case CFS_OP_QUEUE_SETATTR:
        add_setattr(args, &request->setattr);
        break;
    case CFS_OP_QUEUE_CONFIG:
        add_config(args, &request->queue_set);
        break;
    case CFS_OP_MESSAGE_LIST:
    case CFS_OP_MESSAGE_GET:
        cfs_redis_add_text(args, place_word(request->queue_read.place));
        cfs_redis_add_number(args, request->queue_read.number);
        break;
    default: /* the name says it all */
        break;
    }
}
