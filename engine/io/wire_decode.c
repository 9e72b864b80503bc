/* Bytes to batches. Whoever sent them is not trusted: every field must be there, be of its type and
 * within limits.h, the lengths must add up to exactly what came, and what is wrong is named. Fields
 * that are not known here are passed over, so that a later version may say more; another version of
 * the whole, and another type of message, are refused.
 *
 * Limit: while a head is parsed it may take some fifty times its size in memory, so a batch of
 * CFS_BATCH_BYTES_MAX from a peer that has the secret and means ill takes some 250 MB for a moment.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/planted.h"
#include "io/wire.h"
#include "io/wire_fields.h"
#include "io/wire_rows.h"

struct decoder {
    const uint8_t *body; /* the raw bytes not yet taken */
    size_t left;
    size_t capacity; /* of the batch's messages */
    char *why;
    size_t why_size;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct decoder *d, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(d->why, d->why_size, format, arguments);
    va_end(arguments);
    return -1;
}

static int get_number(struct decoder *d, const json_t *object, const char *key, uint64_t max,
                      uint64_t *out)
{
    const json_t *value = json_object_get(object, key);
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 0 || (uint64_t)number > max)
        return refuse(d, "'%s' is not an integer from 0 to %" PRIu64, key, max);
    *out = (uint64_t)number;
    return 0;
}

static int get_u32(struct decoder *d, const json_t *object, const char *key, uint32_t max,
                   uint32_t *out)
{
    uint64_t value = 0;

    if (get_number(d, object, key, max, &value) < 0)
        return -1;
    *out = (uint32_t)value;
    return 0;
}

static int get_bool(struct decoder *d, const json_t *object, const char *key, bool *out)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_boolean(value))
        return refuse(d, "'%s' is neither true nor false", key);
    *out = json_is_true(value);
    return 0;
}

static int get_list(struct decoder *d, const json_t *object, const char *key, uint32_t max,
                    json_t **list, uint32_t *count)
{
    *list = json_object_get(object, key);
    if (!json_is_array(*list) || json_array_size(*list) > max)
        return refuse(d, "'%s' is not a list of at most %" PRIu32, key, max);
    *count = (uint32_t)json_array_size(*list);
    return 0;
}

static int get_fields(struct decoder *d, const json_t *object, const struct cfs_wire_field *fields,
                      void *base)
{
    int result = 0;

    for (; fields->key && result == 0; fields++) {
        void *at = (char *)base + fields->offset;
        switch (fields->kind) {
        case CFS_WIRE_U64:
            result = get_number(d, object, fields->key, INT64_MAX, at);
            break;
        case CFS_WIRE_U32:
            result = get_u32(d, object, fields->key, UINT32_MAX, at);
            break;
        case CFS_WIRE_BOOL:
            result = get_bool(d, object, fields->key, at);
            break;
        }
    }
    return result;
}

/* The next `len` raw bytes. NULL when there are fewer, or more than `max` are announced. */
static const uint8_t *take_body(struct decoder *d, uint32_t len, uint32_t max)
{
    const uint8_t *body = d->body;

    if (len > max || len > d->left) {
        refuse(d, "a body of %" PRIu32 " bytes where %zu came and %" PRIu32 " are allowed", len,
               d->left, max);
        return NULL;
    }
    d->body += len;
    d->left -= len;
    return body;
}

static int decode_waits(struct decoder *d, const json_t *object, struct cfs_stuck *stuck,
                        uint32_t max)
{
    uint32_t count = 0;
    json_t *list;

    if (get_list(d, object, "waits", max, &list, &count) < 0)
        return -1;
    if (count)
        stuck->waits = cfs_alloc(count * sizeof *stuck->waits);
    for (; stuck->wait_count < count; stuck->wait_count++) {
        const json_t *wait = json_array_get(list, stuck->wait_count);
        if (!json_is_integer(wait) || json_integer_value(wait) < 0)
            return refuse(d, "'waits' lists something else than numbers");
        stuck->waits[stuck->wait_count] = (uint64_t)json_integer_value(wait);
    }
    return 0;
}

static int decode_stuck(struct decoder *d, const json_t *object,
                        struct cfs_msg_collect_reply *reply)
{
    uint32_t count = 0, waits_max = CFS_REQUESTS_MAX; /* of all handles together */
    json_t *list;

    if (get_list(d, object, "stuck", CFS_REQUESTS_MAX, &list, &count) < 0)
        return -1;
    if (count)
        reply->stuck = cfs_alloc_zeroed(count, sizeof *reply->stuck);
    for (uint32_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        struct cfs_stuck *stuck = &reply->stuck[i];

        reply->stuck_count = i + 1;
        if (get_number(d, item, "handle", INT64_MAX, &stuck->handle) < 0 ||
            decode_waits(d, item, stuck, waits_max) < 0)
            return -1;
        waits_max -= stuck->wait_count;
    }
    return 0;
}

/* As many bytes as the object says. */
static int take_name(struct decoder *d, const json_t *object, char out[CFS_NAME_MAX + 1])
{
    const uint8_t *name;
    uint32_t len = 0;

    if (get_u32(d, object, "len", CFS_NAME_MAX, &len) < 0)
        return -1;
    name = take_body(d, len, CFS_NAME_MAX);
    if (!name)
        return -1;
    if (memchr(name, 0, len))
        return refuse(d, "a name with a zero byte");
    memcpy(out, name, len);
    out[len] = 0;
    return 0;
}

static int decode_items(struct decoder *d, const json_t *object, struct cfs_msg_recall *recall)
{
    uint32_t count = 0;
    json_t *list;

    if (get_list(d, object, "items", CFS_RECALL_ITEMS_MAX, &list, &count) < 0)
        return -1;
    if (count)
        recall->items = cfs_alloc_zeroed(count, sizeof *recall->items);
    recall->count = count;
    for (uint32_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        if (get_fields(d, item, cfs_wire_item_fields, &recall->items[i]) < 0 ||
            take_name(d, item, recall->items[i].name) < 0)
            return -1;
    }
    return 0;
}

static int decode_name(struct decoder *d, const json_t *object, struct cfs_msg_read *read)
{
    if (!cfs_op_is_read(read->op) || read->op > CFS_OP_LAST)
        return refuse(d, "'op' %u is no read", (unsigned)read->op);
    if ((unsigned)read->queue.place > CFS_DEAD)
        return refuse(d, "'place' %u is no place", (unsigned)read->queue.place);
    if (read->cache.len > CFS_PUT_MAX)
        return refuse(d, "'bytes': %" PRIu32 " are asked for, %u allowed", read->cache.len,
                      CFS_PUT_MAX);
    return take_name(d, object, read->name);
}

/* What the lengths in `m` promise. They become true with the copy: until then nothing is owned. */
static int decode_body(struct decoder *d, uint32_t *len, uint8_t **out, uint32_t max)
{
    uint32_t announced = *len;
    const uint8_t *body;

    *len = 0;
    body = take_body(d, announced, max);
    if (!body)
        return -1;
    *out = cfs_alloc_copy(body, announced);
    *len = announced;
    return 0;
}

static int decode_snapshot(struct decoder *d, struct cfs_msg_snapshot *snapshot)
{
    uint32_t len = snapshot->len;

    snapshot->len = 0;
    if (decode_body(d, &snapshot->head_len, &snapshot->head, CFS_GROUP_HEAD_MAX) < 0)
        return -1;
    snapshot->len = len;
    return decode_body(d, &snapshot->len, &snapshot->pieces, CFS_BATCH_BYTES_MAX);
}

static int decode_rest(struct decoder *d, const json_t *object, struct cfs_message *m)
{
    switch (m->type) {
    case CFS_MSG_COLLECT_REPLY:
        return decode_stuck(d, object, &m->collect_reply);
    case CFS_MSG_READ:
        return decode_name(d, object, &m->read);
    case CFS_MSG_RECALL:
        return decode_items(d, object, &m->recall);
    case CFS_MSG_SNAPSHOT:
        return decode_snapshot(d, &m->snapshot);
    default:
        return 0;
    }
}

/* 0 when the type is missing or unknown. */
static enum cfs_message_type get_type(struct decoder *d, const json_t *object)
{
    const char *word = json_string_value(json_object_get(object, "type"));

    for (int i = 1; word && i < CFS_MSG_TYPE_COUNT; i++)
        if (strcmp(word, cfs_message_type_name((enum cfs_message_type)i)) == 0)
            return (enum cfs_message_type)i;
    refuse(d, "'type': '%.32s' is no type of message", word ? word : "");
    return (enum cfs_message_type)0;
}

static int decode_message(struct decoder *d, const json_t *object, struct cfs_message *m)
{
    enum cfs_message_type type = get_type(d, object);

    if (type && !cfs_wire_fields(type))
        return refuse(d, "'type': '%s' travels among 'rows'", cfs_message_type_name(type));
    if (!type || get_u32(d, object, "group", CFS_GROUPS_MAX, &m->group) < 0 ||
        get_number(d, object, "term", INT64_MAX, &m->term) < 0 ||
        get_fields(d, object, cfs_wire_fields(type), m) < 0)
        return -1; /* without a type yet: the lengths read so far own nothing */
    m->type = type;
    if (CFS_PLANTED(BUG_WIRE_FORGETS) && type == CFS_MSG_VOTE_REPLY)
        m->vote_reply.promise = 0;
    return decode_rest(d, object, m);
}

/* A message to be filled in; NULL when there are too many. */
static struct cfs_message *next_message(struct decoder *d, struct cfs_batch *batch)
{
    struct cfs_message *m;

    if (batch->count == CFS_WIRE_MESSAGES_MAX) {
        refuse(d, "more than %d messages", CFS_WIRE_MESSAGES_MAX);
        return NULL;
    }
    batch->messages =
        cfs_array_room(batch->messages, batch->count, &d->capacity, sizeof *batch->messages);
    m = &batch->messages[batch->count++];
    *m = (struct cfs_message){.from = batch->head.from, .to = batch->head.to};
    return m;
}

static int decode_rows(struct decoder *d, const json_t *object, struct cfs_batch *batch)
{
    struct cfs_reader rows = {0};
    uint32_t len = 0;

    if (get_u32(d, object, "len", CFS_BATCH_BYTES_MAX, &len) < 0)
        return -1;
    rows.data = take_body(d, len, CFS_BATCH_BYTES_MAX);
    if (!rows.data)
        return -1;
    for (rows.len = len; rows.at < rows.len;) {
        struct cfs_message *m = next_message(d, batch);
        if (!m)
            return -1;
        if (cfs_wire_get_row(&rows, m) < 0)
            return refuse(d, "byte %zu of 'rows' belongs to no row that can be", rows.at);
    }
    return 0;
}

static bool is_rows(const json_t *object)
{
    const char *word = json_string_value(json_object_get(object, "type"));

    return word && strcmp(word, "rows") == 0;
}

static int decode_messages(struct decoder *d, const json_t *head, struct cfs_batch *batch)
{
    uint32_t count = 0;
    json_t *list;

    if (get_list(d, head, "messages", CFS_WIRE_MESSAGES_MAX, &list, &count) < 0)
        return -1;
    for (uint32_t i = 0; i < count; i++) {
        const json_t *object = json_array_get(list, i);
        struct cfs_message *m;
        if (is_rows(object)) {
            if (decode_rows(d, object, batch) < 0)
                return -1;
            continue;
        }
        m = next_message(d, batch);
        if (!m || decode_message(d, object, m) < 0)
            return -1;
    }
    return d->left ? refuse(d, "%zu bytes too many", d->left) : 0;
}

static int get_cluster(struct decoder *d, const json_t *head, uint64_t *cluster)
{
    const char *digits = json_string_value(json_object_get(head, "cluster"));

    if (!digits || strlen(digits) != 16 || strspn(digits, "0123456789abcdef") != 16)
        return refuse(d, "'cluster' is not 16 hexadecimal digits");
    *cluster = strtoull(digits, NULL, 16);
    return 0;
}

static int decode_head(struct decoder *d, const json_t *head, struct cfs_batch *batch)
{
    uint64_t version = 0;

    if (get_number(d, head, "v", INT64_MAX, &version) < 0)
        return -1;
    if (version != CFS_WIRE_VERSION)
        return refuse(d, "version %" PRIu64 " of the batch format; this node speaks version %d",
                      version, CFS_WIRE_VERSION);
    if (get_cluster(d, head, &batch->head.cluster) < 0 ||
        get_u32(d, head, "from", UINT32_MAX, &batch->head.from) < 0 ||
        get_u32(d, head, "to", UINT32_MAX, &batch->head.to) < 0)
        return -1;
    return decode_messages(d, head, batch);
}

int cfs_wire_decode(struct cfs_batch *batch, const uint8_t *data, size_t len, char *why,
                    size_t size)
{
    struct decoder d = {.why = why, .why_size = size};
    const uint8_t *end = len ? memchr(data, '\n', len) : NULL;
    json_error_t error;
    json_t *head;
    int result;

    *batch = (struct cfs_batch){0};
    if (!end)
        return refuse(&d, "no end of the head in %zu bytes", len);
    if (len > CFS_BATCH_BYTES_MAX)
        return refuse(&d, "a batch of %zu bytes; %u are allowed", len, CFS_BATCH_BYTES_MAX);
    head = json_loadb((const char *)data, (size_t)(end - data), JSON_REJECT_DUPLICATES, &error);
    if (!head)
        return refuse(&d, "the head is no JSON: %s at byte %d", error.text, error.position);
    d.body = end + 1;
    d.left = len - (size_t)(d.body - data);
    result = decode_head(&d, head, batch);
    json_decref(head);
    if (result < 0)
        cfs_batch_clear(batch);
    return result;
}
