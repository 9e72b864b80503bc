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
 * commands, answers, and the names of reads, which may be any bytes and so need not be UTF-8 as
 * JSON demands. Numbers are JSON integers from 0 to 2^63 - 1; what is larger does not travel
 * (nothing in the core comes near). */
#include "io/wire.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "io/wire_beats.h"
#include "io/wire_fields.h"

/* Upper bounds of the JSON text, with every number at its longest (wire_fields.c has the keys). */
enum { HEAD_SIZE = 128, MESSAGE_SIZE = 320, ENTRY_SIZE = 176, STUCK_SIZE = 64, WAIT_SIZE = 21 };

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
    if (m->type == CFS_MSG_COLLECT_REPLY)
        for (uint32_t i = 0; i < m->collect_reply.stuck_count; i++)
            size += STUCK_SIZE + (size_t)m->collect_reply.stuck[i].wait_count * WAIT_SIZE;
    return size;
}

size_t cfs_wire_size(const struct cfs_message *message)
{
    return MESSAGE_SIZE + body_size(message) + list_size(message);
}

/* All of put_... and make_... give NULL or -1 for a number beyond the format, and for lack of
 * memory. */
static json_t *make_number(uint64_t value)
{
    return value <= INT64_MAX ? json_integer((json_int_t)value) : NULL;
}

static int put_number(json_t *object, const char *key, uint64_t value)
{
    return json_object_set_new_nocheck(object, key, make_number(value));
}

static json_t *make_field(const struct cfs_wire_field *field, const void *base)
{
    const void *at = (const char *)base + field->offset;

    switch (field->kind) {
    case CFS_WIRE_U64:
        return make_number(*(const uint64_t *)at);
    case CFS_WIRE_U32:
        return make_number(*(const uint32_t *)at);
    case CFS_WIRE_BOOL:
        return json_boolean(*(const bool *)at);
    }
    return NULL;
}

static int put_fields(json_t *object, const struct cfs_wire_field *fields, const void *base)
{
    for (; fields->key; fields++)
        if (json_object_set_new_nocheck(object, fields->key, make_field(fields, base)) < 0)
            return -1;
    return 0;
}

static json_t *make_entries(const struct cfs_msg_append *append)
{
    json_t *list = json_array();

    for (uint32_t i = 0; list && i < append->entry_count; i++) {
        json_t *entry = json_object();
        if (json_array_append_new(list, entry) < 0 ||
            put_fields(entry, cfs_wire_entry_fields, append->entries[i]) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *make_waits(const struct cfs_stuck *stuck)
{
    json_t *list = json_array();

    for (uint32_t i = 0; list && i < stuck->wait_count; i++)
        if (json_array_append_new(list, make_number(stuck->waits[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *make_stuck(const struct cfs_msg_collect_reply *reply)
{
    json_t *list = json_array();

    for (uint32_t i = 0; list && i < reply->stuck_count; i++) {
        json_t *stuck = json_object();
        if (json_array_append_new(list, stuck) < 0 ||
            put_number(stuck, "handle", reply->stuck[i].handle) < 0 ||
            json_object_set_new_nocheck(stuck, "waits", make_waits(&reply->stuck[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static int put_lists(json_t *object, const struct cfs_message *m)
{
    switch (m->type) {
    case CFS_MSG_APPEND:
        return json_object_set_new_nocheck(object, "entries", make_entries(&m->append));
    case CFS_MSG_COLLECT_REPLY:
        return json_object_set_new_nocheck(object, "stuck", make_stuck(&m->collect_reply));
    case CFS_MSG_READ:
        return put_number(object, "len", strlen(m->read.name));
    default:
        return 0;
    }
}

static int put_message(json_t *messages, const struct cfs_message *m)
{
    const struct cfs_wire_field *fields = cfs_wire_fields(m->type);
    json_t *object = json_object();

    if (json_array_append_new(messages, object) < 0 || !fields)
        return -1;
    if (json_object_set_new_nocheck(object, "type",
                                    json_string_nocheck(cfs_message_type_name(m->type))) < 0 ||
        put_number(object, "group", m->group) < 0 || put_number(object, "term", m->term) < 0 ||
        put_fields(object, fields, m) < 0)
        return -1;
    return put_lists(object, m);
}

/* As digits: it may be any 64 bits, which are no number of the format. */
static int put_cluster(json_t *object, uint64_t cluster)
{
    char digits[17];

    snprintf(digits, sizeof digits, "%016" PRIx64, cluster);
    return json_object_set_new_nocheck(object, "cluster", json_string_nocheck(digits));
}

/* How many messages from the first on share an object. */
static uint32_t run_of(const struct cfs_message *messages, uint32_t count)
{
    uint32_t run = 0;

    while (run < count && cfs_wire_is_beat(&messages[run]))
        run++;
    return run ? run : 1;
}

static int put_beats(json_t *list, const struct cfs_message *messages, uint32_t count,
                     struct cfs_writer *beats)
{
    json_t *object = json_object();
    size_t before = beats->len;

    if (json_array_append_new(list, object) < 0)
        return -1;
    for (uint32_t i = 0; i < count; i++)
        if (cfs_wire_put_beat(beats, &messages[i]) < 0)
            return -1;
    if (json_object_set_new_nocheck(object, "type", json_string_nocheck("beats")) < 0)
        return -1;
    return put_number(object, "len", beats->len - before);
}

static int put_run(json_t *list, const struct cfs_message *messages, uint32_t count,
                   struct cfs_writer *beats)
{
    if (cfs_wire_is_beat(messages))
        return put_beats(list, messages, run_of(messages, count), beats);
    return put_message(list, messages);
}

/* The rows of all beats go to `beats`, one run after the other. */
static json_t *make_head(const struct cfs_batch_head *of, const struct cfs_message *messages,
                         uint32_t count, struct cfs_writer *beats)
{
    json_t *head = json_object(), *list = json_array();

    if (put_number(head, "v", CFS_WIRE_VERSION) < 0 || put_cluster(head, of->cluster) < 0 ||
        put_number(head, "from", of->from) < 0 || put_number(head, "to", of->to) < 0 ||
        json_object_set_nocheck(head, "messages", list) < 0)
        goto failed;
    for (uint32_t i = 0; i < count; i += run_of(&messages[i], count - i))
        if (put_run(list, &messages[i], count - i, beats) < 0)
            goto failed;
    json_decref(list);
    return head;
failed:
    json_decref(list);
    json_decref(head);
    return NULL;
}

static uint8_t *put_bytes(uint8_t *at, const void *data, size_t len)
{
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
    json_t *head = make_head(of, messages, count, &beats);
    size_t size = batch_size(messages, count), head_len;
    const uint8_t *rows = beats.data;

    if (!head) {
        free(beats.data);
        return -1;
    }
    *out = cfs_alloc(size);
    head_len = json_dumpb(head, (char *)*out, size, JSON_COMPACT);
    json_decref(head);
    assert(head_len > 0 && head_len < size);
    uint8_t *at = *out + head_len;
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
    *len = (size_t)(at - *out);
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
