/* One row: u8 kind, u8 group, u8 truths (a bit each, the first named is the lowest), u64 term, then
 * the numbers of the kind in the order of the tables, u64 each, 0 to 2^63 - 1; then
 *
 *     ENTRIES   u32 how many, and of each u64 term, time, wall, u8 kind, u32 length, bytes; the
 *               first has the index behind prev_index, and so on
 *     FORWARD   u32 length, bytes: the command
 *     ANSWER    u8 to, u32 length, bytes: the answer
 *
 * Little-endian. */
#include "io/wire_rows.h"

#include "coordfs/limits.h"
#include "core/alloc.h"

enum row_kind { HEARTBEAT = 1, REPLY, ENTRIES, FORWARD, ANSWER, KIND_COUNT };

enum { HEAD_BYTES = 3 + 8, ENTRY_BYTES = 3 * 8 + 1 + 4 };

static const size_t append_numbers[] = {
    offsetof(struct cfs_message, append.prev_index), offsetof(struct cfs_message, append.prev_term),
    offsetof(struct cfs_message, append.commit),     offsetof(struct cfs_message, append.sent),
    offsetof(struct cfs_message, append.lease),      offsetof(struct cfs_message, append.sound_at),
};

static const size_t reply_numbers[] = {
    offsetof(struct cfs_message, append_reply.match),
    offsetof(struct cfs_message, append_reply.sent),
};

static const size_t forward_numbers[] = {
    offsetof(struct cfs_message, forward.epoch),
};

static const size_t answer_numbers[] = {
    offsetof(struct cfs_message, answer.session),
    offsetof(struct cfs_message, answer.id),
};

#define NUMBERS(list) (list), sizeof(list) / sizeof *(list)

static const struct kind {
    enum cfs_message_type type;
    const size_t *numbers;
    uint32_t number_count, truth_count;
    size_t truths[3];
} kinds[KIND_COUNT] = {
    [HEARTBEAT] = {CFS_MSG_APPEND,
                   NUMBERS(append_numbers),
                   1,
                   {offsetof(struct cfs_message, append.serving)}},
    [REPLY] = {CFS_MSG_APPEND_REPLY,
               NUMBERS(reply_numbers),
               3,
               {offsetof(struct cfs_message, append_reply.success),
                offsetof(struct cfs_message, append_reply.sound),
                offsetof(struct cfs_message, append_reply.full)}},
    [ENTRIES] = {CFS_MSG_APPEND,
                 NUMBERS(append_numbers),
                 1,
                 {offsetof(struct cfs_message, append.serving)}},
    [FORWARD] = {CFS_MSG_FORWARD,
                 NUMBERS(forward_numbers),
                 1,
                 {offsetof(struct cfs_message, forward.outside)}},
    [ANSWER] = {CFS_MSG_ANSWER,
                NUMBERS(answer_numbers),
                1,
                {offsetof(struct cfs_message, answer.queued)}},
};

/* 0: it is no row. */
static enum row_kind kind_of(const struct cfs_message *message)
{
    switch (message->type) {
    case CFS_MSG_APPEND:
        return message->append.entry_count ? ENTRIES : HEARTBEAT;
    case CFS_MSG_APPEND_REPLY:
        return REPLY;
    case CFS_MSG_FORWARD:
        return FORWARD;
    case CFS_MSG_ANSWER:
        return ANSWER;
    default:
        return (enum row_kind)0;
    }
}

bool cfs_wire_is_row(const struct cfs_message *message)
{
    return kind_of(message) != 0;
}

static size_t rest_size(const struct cfs_message *message, enum row_kind kind)
{
    size_t size = 0;

    switch (kind) {
    case ENTRIES:
        for (uint32_t i = 0; i < message->append.entry_count; i++)
            size += ENTRY_BYTES + message->append.entries[i]->len;
        return 4 + size;
    case FORWARD:
        return 4 + message->forward.len;
    case ANSWER:
        return 1 + 4 + message->answer.len;
    default:
        return 0;
    }
}

size_t cfs_wire_row_size(const struct cfs_message *message)
{
    enum row_kind kind = kind_of(message);

    return HEAD_BYTES + kinds[kind].number_count * 8 + rest_size(message, kind);
}

/* --- to bytes ------------------------------------------------------------------------------ */

static int put_number(struct cfs_writer *body, uint64_t value)
{
    cfs_put_u64(body, value);
    return value > INT64_MAX ? -1 : 0;
}

static uint8_t truths_of(const struct cfs_message *message, const struct kind *kind)
{
    uint8_t truths = 0;

    for (uint32_t i = 0; i < kind->truth_count; i++)
        if (*(const bool *)((const char *)message + kind->truths[i]))
            truths |= (uint8_t)(1u << i);
    return truths;
}

static int put_entries(struct cfs_writer *body, const struct cfs_msg_append *append)
{
    int result = 0;

    cfs_put_u32(body, append->entry_count);
    for (uint32_t i = 0; i < append->entry_count; i++) {
        const struct cfs_entry *entry = append->entries[i];
        result |= put_number(body, entry->term);
        result |= put_number(body, entry->time);
        result |= put_number(body, entry->wall);
        cfs_put_u8(body, (uint8_t)entry->kind);
        cfs_put_bytes(body, entry->data, entry->len);
    }
    return result;
}

static int put_rest(struct cfs_writer *body, const struct cfs_message *message, enum row_kind kind)
{
    switch (kind) {
    case ENTRIES:
        return put_entries(body, &message->append);
    case FORWARD:
        cfs_put_bytes(body, message->forward.command, message->forward.len);
        return 0;
    case ANSWER:
        cfs_put_u8(body, (uint8_t)message->answer.to);
        cfs_put_bytes(body, message->answer.answer, message->answer.len);
        return 0;
    default:
        return 0;
    }
}

int cfs_wire_put_row(struct cfs_writer *body, const struct cfs_message *message)
{
    enum row_kind number = kind_of(message);
    const struct kind *kind = &kinds[number];
    int result = 0;

    cfs_put_u8(body, (uint8_t)number);
    cfs_put_u8(body, (uint8_t)message->group);
    cfs_put_u8(body, truths_of(message, kind));
    result |= put_number(body, message->term);
    for (uint32_t i = 0; i < kind->number_count; i++)
        result |= put_number(body, *(const uint64_t *)((const char *)message + kind->numbers[i]));
    result |= put_rest(body, message, number);
    return message->group > CFS_GROUPS_MAX ? -1 : result;
}

/* --- from bytes ---------------------------------------------------------------------------- */

static uint64_t get_number(struct cfs_reader *body)
{
    uint64_t value = cfs_get_u64(body);

    if (value > INT64_MAX)
        body->failed = true;
    return value;
}

/* A copy of the next counted bytes. */
static uint8_t *get_copy(struct cfs_reader *body, uint32_t max, uint32_t *len)
{
    uint32_t count = 0;
    const uint8_t *bytes = cfs_get_bytes(body, &count);

    if (!bytes || count > max) {
        body->failed = true;
        return NULL;
    }
    *len = count;
    return cfs_alloc_copy(bytes, count);
}

static struct cfs_entry *get_entry(struct cfs_reader *body, uint64_t index)
{
    uint64_t term = get_number(body), time = get_number(body), wall = get_number(body);
    uint8_t kind = cfs_get_u8(body);
    uint32_t len = 0;
    const uint8_t *data = cfs_get_bytes(body, &len);
    struct cfs_entry *entry;

    if (body->failed || len > CFS_COMMAND_MAX || kind < CFS_ENTRY_NOOP || kind > CFS_ENTRY_MEMBERS)
        return NULL;
    entry = cfs_entry_new((enum cfs_entry_kind)kind, index, term, data, len);
    entry->time = time;
    entry->wall = wall;
    return entry;
}

static int get_entries(struct cfs_reader *body, struct cfs_msg_append *append)
{
    uint32_t count = cfs_get_u32(body);
    size_t bytes = 0;

    if (!count || count > CFS_APPEND_ENTRIES_MAX)
        return -1;
    append->entries = cfs_alloc(count * sizeof *append->entries);
    for (uint32_t i = 0; i < count; i++) {
        struct cfs_entry *entry = get_entry(body, append->prev_index + 1 + i);
        if (!entry)
            return -1;
        append->entries[append->entry_count++] = entry; /* what is counted is freed */
        bytes += entry->len;
    }
    return bytes > CFS_APPEND_BYTES_MAX ? -1 : 0;
}

static int get_rest(struct cfs_reader *body, struct cfs_message *message, enum row_kind kind)
{
    switch (kind) {
    case ENTRIES:
        return get_entries(body, &message->append);
    case FORWARD:
        message->forward.command = get_copy(body, CFS_COMMAND_MAX, &message->forward.len);
        return 0;
    case ANSWER:
        message->answer.to = (enum cfs_answer_to)cfs_get_u8(body);
        message->answer.answer = get_copy(body, CFS_BATCH_BYTES_MAX, &message->answer.len);
        return message->answer.to == CFS_TO_COMMAND || message->answer.to == CFS_TO_READ ? 0 : -1;
    default:
        return 0;
    }
}

int cfs_wire_get_row(struct cfs_reader *body, struct cfs_message *message)
{
    uint8_t number = cfs_get_u8(body), group = cfs_get_u8(body), truths = cfs_get_u8(body);
    const struct kind *kind = &kinds[number < KIND_COUNT ? number : 0];

    if (!kind->type || group > CFS_GROUPS_MAX || truths >> kind->truth_count)
        return -1;
    message->type = kind->type;
    message->group = group;
    message->term = get_number(body);
    for (uint32_t i = 0; i < kind->truth_count; i++)
        *(bool *)((char *)message + kind->truths[i]) = truths >> i & 1;
    for (uint32_t i = 0; i < kind->number_count; i++)
        *(uint64_t *)((char *)message + kind->numbers[i]) = get_number(body);
    if (body->failed || get_rest(body, message, (enum row_kind)number) < 0)
        return -1;
    return body->failed ? -1 : 0;
}
