/* One row: u8 kind, u8 group, u8 truths (a bit each, the first named is the lowest), u64 term, then
 * the numbers of the kind in the order of the tables, u64 each; little-endian, 0 to 2^63 - 1. */
#include "io/wire_beats.h"

#include "coordfs/limits.h"

enum { HEARTBEAT = 1, REPLY = 2, NUMBERS_MAX = 6 };

static const size_t heartbeat_numbers[] = {
    offsetof(struct cfs_message, append.prev_index), offsetof(struct cfs_message, append.prev_term),
    offsetof(struct cfs_message, append.commit),     offsetof(struct cfs_message, append.sent),
    offsetof(struct cfs_message, append.lease),      offsetof(struct cfs_message, append.sound_at),
};

static const size_t reply_numbers[] = {
    offsetof(struct cfs_message, append_reply.match),
    offsetof(struct cfs_message, append_reply.sent),
};

static const struct kind {
    enum cfs_message_type type;
    const size_t *numbers;
    uint32_t number_count, truth_count;
    size_t truths[3];
} kinds[] = {
    [HEARTBEAT] = {CFS_MSG_APPEND,
                   heartbeat_numbers,
                   sizeof heartbeat_numbers / sizeof *heartbeat_numbers,
                   1,
                   {offsetof(struct cfs_message, append.serving)}},
    [REPLY] = {CFS_MSG_APPEND_REPLY,
               reply_numbers,
               sizeof reply_numbers / sizeof *reply_numbers,
               3,
               {offsetof(struct cfs_message, append_reply.success),
                offsetof(struct cfs_message, append_reply.sound),
                offsetof(struct cfs_message, append_reply.full)}},
};

static_assert(3 + 8 + NUMBERS_MAX * 8 <= CFS_WIRE_BEAT_MAX, "any row fits");

bool cfs_wire_is_beat(const struct cfs_message *message)
{
    return message->type == CFS_MSG_APPEND_REPLY ||
           (message->type == CFS_MSG_APPEND && !message->append.entry_count);
}

static uint64_t number_at(const struct cfs_message *message, size_t offset)
{
    return *(const uint64_t *)((const char *)message + offset);
}

static uint8_t truths_of(const struct cfs_message *message, const struct kind *kind)
{
    uint8_t truths = 0;

    for (uint32_t i = 0; i < kind->truth_count; i++)
        if (*(const bool *)((const char *)message + kind->truths[i]))
            truths |= (uint8_t)(1u << i);
    return truths;
}

static const struct kind *kind_of(const struct cfs_message *message)
{
    return &kinds[message->type == CFS_MSG_APPEND ? HEARTBEAT : REPLY];
}

size_t cfs_wire_beat_size(const struct cfs_message *message)
{
    return 3 + 8 + kind_of(message)->number_count * 8;
}

int cfs_wire_put_beat(struct cfs_writer *body, const struct cfs_message *message)
{
    const struct kind *kind = kind_of(message);

    if (message->group > CFS_GROUPS_MAX || message->term > INT64_MAX)
        return -1;
    cfs_put_u8(body, (uint8_t)(kind - kinds));
    cfs_put_u8(body, (uint8_t)message->group);
    cfs_put_u8(body, truths_of(message, kind));
    cfs_put_u64(body, message->term);
    for (uint32_t i = 0; i < kind->number_count; i++) {
        uint64_t value = number_at(message, kind->numbers[i]);
        if (value > INT64_MAX)
            return -1;
        cfs_put_u64(body, value);
    }
    return 0;
}

static uint64_t get_number(struct cfs_reader *body)
{
    uint64_t value = cfs_get_u64(body);

    if (value > INT64_MAX)
        body->failed = true;
    return value;
}

int cfs_wire_get_beat(struct cfs_reader *body, struct cfs_message *message)
{
    uint8_t number = cfs_get_u8(body), group = cfs_get_u8(body), truths = cfs_get_u8(body);
    const struct kind *kind = &kinds[number == HEARTBEAT ? HEARTBEAT : REPLY];

    if ((number != HEARTBEAT && number != REPLY) || group > CFS_GROUPS_MAX ||
        truths >> kind->truth_count)
        return -1;
    message->type = kind->type;
    message->group = group;
    message->term = get_number(body);
    for (uint32_t i = 0; i < kind->truth_count; i++)
        *(bool *)((char *)message + kind->truths[i]) = truths >> i & 1;
    for (uint32_t i = 0; i < kind->number_count; i++)
        *(uint64_t *)((char *)message + kind->numbers[i]) = get_number(body);
    return body->failed ? -1 : 0;
}
