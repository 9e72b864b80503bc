/* Batches to bytes.
 *
 * A batch is one JSON object on one line, then, without separators, the raw bodies whose lengths
 * the object gives, in the order in which they are announced:
 *
 *     {"v":3,"cluster":"0123456789abcdef","from":2,"to":1,"messages":[{"type":"read",
 *      "group":0,"term":7,"id":5,...,"len":4}]}\n<4 bytes>
 *
 * Messages of the frequent types that follow one another are one object, {"type":"rows","len":N},
 * and rows of numbers and bytes in its body (wire_rows.c). Bodies are else snapshots and the names
 * of reads and recalls, which may be any bytes and so need not be UTF-8 as JSON demands. Numbers
 * are JSON integers from 0 to 2^63 - 1; what is larger does not travel (nothing in the core comes
 * near). */
#include "io/wire.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "io/wire_fields.h"
#include "io/wire_rows.h"

/* Upper bounds of the JSON text, with every number at its longest (wire_fields.c has the keys). */
enum {
    HEAD_SIZE = 128,
    ROWS_SIZE = 40,
    MESSAGE_SIZE = 320,
    ITEM_SIZE = 48,
    STUCK_SIZE = 64,
    WAIT_SIZE = 21
};

size_t cfs_wire_size_empty(void)
{
    return HEAD_SIZE;
}

/* Bytes of the message's bodies, and what its lists add to the head. */
static size_t body_size(const struct cfs_message *m)
{
    switch (m->type) {
    case CFS_MSG_READ:
        return strlen(m->read.name);
    case CFS_MSG_SNAPSHOT:
        return (size_t)m->snapshot.head_len + m->snapshot.len;
    default:
        return 0;
    }
}

static size_t list_size(const struct cfs_message *m)
{
    size_t size = 0;

    if (m->type == CFS_MSG_RECALL)
        for (uint32_t i = 0; i < m->recall.count; i++)
            size += ITEM_SIZE + strlen(m->recall.items[i].name);
    if (m->type == CFS_MSG_COLLECT_REPLY)
        for (uint32_t i = 0; i < m->collect_reply.stuck_count; i++)
            size += STUCK_SIZE + (size_t)m->collect_reply.stuck[i].wait_count * WAIT_SIZE;
    return size;
}

size_t cfs_wire_size(const struct cfs_message *message)
{
    if (cfs_wire_is_row(message))
        return ROWS_SIZE + cfs_wire_row_size(message);
    return MESSAGE_SIZE + body_size(message) + list_size(message);
}

/* The head as it is written, into memory that has room for it (cfs_wire_size). No tree of values is
 * built: that took a sixth of a leader's time. */
struct text {
    char *at;
    bool failed; /* by a number beyond the format */
};

static void put_text(struct text *text, const char *words)
{
    size_t len = strlen(words);

    memcpy(text->at, words, len);
    text->at += len;
}

static void put_number(struct text *text, uint64_t value)
{
    char digits[20], *end = digits + sizeof digits, *at = end;

    if (value > INT64_MAX) {
        text->failed = true;
        value = 0; /* there is no room for more digits */
    }
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    memcpy(text->at, at, (size_t)(end - at));
    text->at += end - at;
}

/* Keys and words need no escapes. */
static void put_key(struct text *text, const char *key)
{
    put_text(text, ",\"");
    put_text(text, key);
    put_text(text, "\":");
}

static void put_word(struct text *text, const char *key, const char *word)
{
    put_key(text, key);
    put_text(text, "\"");
    put_text(text, word);
    put_text(text, "\"");
}

static void put_keyed(struct text *text, const char *key, uint64_t value)
{
    put_key(text, key);
    put_number(text, value);
}

static void put_field(struct text *text, const struct cfs_wire_field *field, const void *base)
{
    const void *at = (const char *)base + field->offset;

    put_key(text, field->key);
    switch (field->kind) {
    case CFS_WIRE_U64:
        put_number(text, *(const uint64_t *)at);
        break;
    case CFS_WIRE_U32:
        put_number(text, *(const uint32_t *)at);
        break;
    case CFS_WIRE_BOOL:
        put_text(text, *(const bool *)at ? "true" : "false");
        break;
    }
}

static void put_fields(struct text *text, const struct cfs_wire_field *fields, const void *base)
{
    for (; fields->key; fields++)
        put_field(text, fields, base);
}

/* What is put between begin and end begins with a comma each, the first one too:
 * the bracket takes its place. */
static char *begin(struct text *text)
{
    return text->at;
}

static void end(struct text *text, char *begun, const char *brackets)
{
    if (text->at == begun)
        text->at++;
    *begun = brackets[0];
    *text->at++ = brackets[1];
}

static void put_items(struct text *text, const struct cfs_msg_recall *recall)
{
    char *list;

    put_key(text, "items");
    list = begin(text);
    for (uint32_t i = 0; i < recall->count; i++) {
        char *object;

        put_text(text, ",");
        object = begin(text);
        put_fields(text, cfs_wire_item_fields, &recall->items[i]);
        put_keyed(text, "len", strlen(recall->items[i].name));
        end(text, object, "{}");
    }
    end(text, list, "[]");
}

static void put_waits(struct text *text, const struct cfs_stuck *stuck)
{
    char *list;

    put_key(text, "waits");
    list = begin(text);
    for (uint32_t i = 0; i < stuck->wait_count; i++) {
        put_text(text, ",");
        put_number(text, stuck->waits[i]);
    }
    end(text, list, "[]");
}

static void put_stuck(struct text *text, const struct cfs_msg_collect_reply *reply)
{
    char *list;

    put_key(text, "stuck");
    list = begin(text);
    for (uint32_t i = 0; i < reply->stuck_count; i++) {
        char *object;

        put_text(text, ",");
        object = begin(text);
        put_keyed(text, "handle", reply->stuck[i].handle);
        put_waits(text, &reply->stuck[i]);
        end(text, object, "{}");
    }
    end(text, list, "[]");
}

static void put_lists(struct text *text, const struct cfs_message *m)
{
    if (m->type == CFS_MSG_COLLECT_REPLY)
        put_stuck(text, &m->collect_reply);
    else if (m->type == CFS_MSG_RECALL)
        put_items(text, &m->recall);
    else if (m->type == CFS_MSG_READ)
        put_keyed(text, "len", strlen(m->read.name));
}

static void put_message(struct text *text, const struct cfs_message *m)
{
    const struct cfs_wire_field *fields = cfs_wire_fields(m->type);

    assert(fields);
    put_word(text, "type", cfs_message_type_name(m->type));
    put_keyed(text, "group", m->group);
    put_keyed(text, "term", m->term);
    put_fields(text, fields, m);
    put_lists(text, m);
}

/* How many messages from the first on share an object, and the bytes of their rows. */
static uint32_t run_of(const struct cfs_message *messages, uint32_t count, size_t *bytes)
{
    uint32_t run = 0;

    *bytes = 0;
    while (run < count && cfs_wire_is_row(&messages[run]))
        *bytes += cfs_wire_row_size(&messages[run++]);
    return run ? run : 1;
}

static void put_rows(struct text *text, size_t bytes)
{
    put_word(text, "type", "rows");
    put_keyed(text, "len", bytes);
}

static void put_messages(struct text *text, const struct cfs_message *messages, uint32_t count)
{
    char *list;

    put_key(text, "messages");
    list = begin(text);
    for (uint32_t i = 0, run; i < count; i += run) {
        size_t bytes;
        char *object;

        run = run_of(&messages[i], count - i, &bytes);
        put_text(text, ",");
        object = begin(text);
        if (bytes)
            put_rows(text, bytes);
        else
            put_message(text, &messages[i]);
        end(text, object, "{}");
    }
    end(text, list, "[]");
}

static void put_head(struct text *text, const struct cfs_batch_head *of,
                     const struct cfs_message *messages, uint32_t count)
{
    char *object = begin(text);
    char digits[17]; /* they may be any 64 bits, which are no number of the format */

    snprintf(digits, sizeof digits, "%016" PRIx64, of->cluster);
    put_keyed(text, "v", CFS_WIRE_VERSION);
    put_word(text, "cluster", digits);
    put_keyed(text, "from", of->from);
    put_keyed(text, "to", of->to);
    put_messages(text, messages, count);
    end(text, object, "{}");
}

static int put_body(struct cfs_writer *body, const struct cfs_message *m)
{
    if (cfs_wire_is_row(m))
        return cfs_wire_put_row(body, m);
    switch (m->type) {
    case CFS_MSG_READ:
        cfs_put_raw(body, m->read.name, strlen(m->read.name));
        break;
    case CFS_MSG_RECALL:
        for (uint32_t i = 0; i < m->recall.count; i++)
            cfs_put_raw(body, m->recall.items[i].name, strlen(m->recall.items[i].name));
        break;
    case CFS_MSG_SNAPSHOT:
        cfs_put_raw(body, m->snapshot.head, m->snapshot.head_len);
        cfs_put_raw(body, m->snapshot.pieces, m->snapshot.len);
        break;
    default:
        break;
    }
    return 0;
}

static size_t batch_size(const struct cfs_message *messages, uint32_t count)
{
    size_t size = HEAD_SIZE;

    for (uint32_t i = 0; i < count; i++)
        size += cfs_wire_size(&messages[i]);
    return size;
}

int cfs_wire_encode(uint8_t **out, size_t *len, const struct cfs_batch_head *of,
                    const struct cfs_message *messages, uint32_t count)
{
    struct cfs_writer batch = {.capacity = batch_size(messages, count)};
    struct text head = {0};

    batch.data = cfs_alloc(batch.capacity);
    head.at = (char *)batch.data;
    put_head(&head, of, messages, count);
    put_text(&head, "\n");
    batch.len = (size_t)(head.at - (char *)batch.data);
    for (uint32_t i = 0; i < count; i++)
        if (put_body(&batch, &messages[i]) < 0)
            head.failed = true;
    assert(batch.len <= batch_size(messages, count));
    if (head.failed) {
        free(batch.data);
        return -1;
    }
    *out = batch.data;
    *len = batch.len;
    return 0;
}

void cfs_batch_clear(struct cfs_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++)
        cfs_message_clear(&batch->messages[i]);
    free(batch->messages);
    *batch = (struct cfs_batch){0};
}
