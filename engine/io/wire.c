/* Batches to bytes.
 *
 * A batch is one JSON object on one line, then, without separators, the raw bodies whose lengths
 * the object gives, in the order in which they are announced:
 *
 *     {"v":1,"cluster":"0123456789abcdef","from":2,"to":1,"messages":[{"type":"append",
 *      "group":0,"term":7,...,"entries":[{"index":5,"term":7,"time":...,"wall":...,"kind":2,
 *      "len":93}]}]}\n<93 bytes>
 *
 * Heartbeats and acknowledgements that follow one another are one object, {"type":"beats","len":N},
 * and rows of numbers in its body (wire_beats.c). Bodies are else the data of entries, forwarded
 * commands, answers, and the names of reads and recalls, which may be any bytes and so need not be
 * UTF-8 as JSON demands. Numbers are JSON integers from 0 to 2^63 - 1; what is larger does not
 * travel (nothing in the core comes near). */
#include "io/wire.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "io/wire_beats.h"
#include "io/wire_fields.h"

/* Upper bounds of the JSON text, with every number at its longest (wire_fields.c has the keys). */
enum {
    HEAD_SIZE = 128,
    MESSAGE_SIZE = 320,
    ENTRY_SIZE = 176,
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
    case CFS_MSG_FORWARD:
        return m->forward.len;
    case CFS_MSG_ANSWER:
        return m->answer.len;
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

    if (m->type == CFS_MSG_APPEND)
        for (uint32_t i = 0; i < m->append.entry_count; i++)
            size += ENTRY_SIZE + m->append.entries[i]->len;
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

static void put_entries(struct text *text, const struct cfs_msg_append *append)
{
    char *list;

    put_key(text, "entries");
    list = begin(text);
    for (uint32_t i = 0; i < append->entry_count; i++) {
        char *object;

        put_text(text, ",");
        object = begin(text);
        put_fields(text, cfs_wire_entry_fields, append->entries[i]);
        end(text, object, "{}");
    }
    end(text, list, "[]");
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
    if (m->type == CFS_MSG_APPEND)
        put_entries(text, &m->append);
    else if (m->type == CFS_MSG_COLLECT_REPLY)
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

/* How many messages from the first on share an object. */
static uint32_t run_of(const struct cfs_message *messages, uint32_t count)
{
    uint32_t run = 0;

    while (run < count && cfs_wire_is_beat(&messages[run]))
        run++;
    return run ? run : 1;
}

static void put_beats(struct text *text, const struct cfs_message *messages, uint32_t count,
                      struct cfs_writer *beats)
{
    size_t before = beats->len;

    for (uint32_t i = 0; i < count; i++)
        if (cfs_wire_put_beat(beats, &messages[i]) < 0)
            text->failed = true;
    put_word(text, "type", "beats");
    put_keyed(text, "len", beats->len - before);
}

/* The rows of all beats go to `beats`, one run after the other. */
static void put_messages(struct text *text, const struct cfs_message *messages, uint32_t count,
                         struct cfs_writer *beats)
{
    char *list;

    put_key(text, "messages");
    list = begin(text);
    for (uint32_t i = 0, run; i < count; i += run) {
        char *object;

        run = run_of(&messages[i], count - i);
        put_text(text, ",");
        object = begin(text);
        if (cfs_wire_is_beat(&messages[i]))
            put_beats(text, &messages[i], run, beats);
        else
            put_message(text, &messages[i]);
        end(text, object, "{}");
    }
    end(text, list, "[]");
}

static void put_head(struct text *text, const struct cfs_batch_head *of,
                     const struct cfs_message *messages, uint32_t count, struct cfs_writer *beats)
{
    char *object = begin(text);
    char digits[17]; /* they may be any 64 bits, which are no number of the format */

    snprintf(digits, sizeof digits, "%016" PRIx64, of->cluster);
    put_keyed(text, "v", CFS_WIRE_VERSION);
    put_word(text, "cluster", digits);
    put_keyed(text, "from", of->from);
    put_keyed(text, "to", of->to);
    put_messages(text, messages, count, beats);
    end(text, object, "{}");
}

static uint8_t *put_bytes(uint8_t *at, const void *data, size_t len)
{
    assert(data || !len);
    if (len)
        memcpy(at, data, len);
    return at + len;
}

static uint8_t *put_bodies(uint8_t *at, const struct cfs_message *m)
{
    switch (m->type) {
    case CFS_MSG_APPEND:
        for (uint32_t i = 0; i < m->append.entry_count; i++)
            at = put_bytes(at, m->append.entries[i]->data, m->append.entries[i]->len);
        return at;
    case CFS_MSG_FORWARD:
        return put_bytes(at, m->forward.command, m->forward.len);
    case CFS_MSG_ANSWER:
        return put_bytes(at, m->answer.answer, m->answer.len);
    case CFS_MSG_READ:
        return put_bytes(at, m->read.name, strlen(m->read.name));
    case CFS_MSG_RECALL:
        for (uint32_t i = 0; i < m->recall.count; i++)
            at = put_bytes(at, m->recall.items[i].name, strlen(m->recall.items[i].name));
        return at;
    case CFS_MSG_SNAPSHOT:
        at = put_bytes(at, m->snapshot.head, m->snapshot.head_len);
        return put_bytes(at, m->snapshot.pieces, m->snapshot.len);
    default:
        return at;
    }
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
    struct cfs_writer beats = {0};
    size_t size = batch_size(messages, count);
    uint8_t *bytes = cfs_alloc(size), *at;
    struct text head = {.at = (char *)bytes};
    const uint8_t *rows;

    put_head(&head, of, messages, count, &beats);
    if (head.failed) {
        free(beats.data);
        free(bytes);
        return -1;
    }
    rows = beats.data;
    at = (uint8_t *)head.at;
    *at++ = '\n';
    for (uint32_t i = 0; i < count; i++) {
        if (cfs_wire_is_beat(&messages[i])) {
            at = put_bytes(at, rows, cfs_wire_beat_size(&messages[i]));
            rows += cfs_wire_beat_size(&messages[i]);
        } else {
            at = put_bodies(at, &messages[i]);
        }
    }
    free(beats.data);
    *out = bytes;
    *len = (size_t)(at - bytes);
    assert(*len <= size);
    return 0;
}

void cfs_batch_clear(struct cfs_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++)
        cfs_message_clear(&batch->messages[i]);
    free(batch->messages);
    *batch = (struct cfs_batch){0};
}
