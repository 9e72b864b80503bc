/* What answers say of queues, as bytes; a part of command_answer.c. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/command_internal.h"

void cfs_put_queue_info(struct cfs_writer *writer, const struct cfs_queue_info *info)
{
    cfs_put_u32(writer, info->uid);
    cfs_put_u32(writer, info->gid);
    cfs_put_u32(writer, info->perm);
    cfs_put_u64(writer, info->mtime);
    cfs_put_u64(writer, info->ctime);
    cfs_put_u64(writer, info->ready);
    cfs_put_u64(writer, info->inflight);
    cfs_put_u64(writer, info->dead);
    cfs_put_u64(writer, info->bytes);
    cfs_put_u32(writer, info->consumers);
    cfs_put_u32(writer, info->producers);
    cfs_put_u32(writer, info->node);
    cfs_put_queue_config(writer, CFS_CONFIG_ALL, &info->config);
}

void cfs_get_queue_info(struct cfs_reader *reader, struct cfs_queue_info *info)
{
    info->uid = cfs_get_u32(reader);
    info->gid = cfs_get_u32(reader);
    info->perm = cfs_get_u32(reader);
    info->mtime = cfs_get_u64(reader);
    info->ctime = cfs_get_u64(reader);
    info->ready = cfs_get_u64(reader);
    info->inflight = cfs_get_u64(reader);
    info->dead = cfs_get_u64(reader);
    info->bytes = cfs_get_u64(reader);
    info->consumers = cfs_get_u32(reader);
    info->producers = cfs_get_u32(reader);
    info->node = cfs_get_u32(reader);
    cfs_get_queue_config(reader, CFS_CONFIG_ALL, &info->config);
}

void cfs_put_messages(struct cfs_writer *writer, const struct cfs_answer *answer)
{
    cfs_put_u32(writer, answer->message_count);
    for (uint32_t i = 0; i < answer->message_count; i++) {
        const struct cfs_message_info *message = &answer->messages[i];
        cfs_put_u64(writer, message->id);
        cfs_put_u64(writer, message->claim);
        cfs_put_u32(writer, message->deliveries);
        cfs_put_u64(writer, message->sent);
        cfs_put_u64(writer, message->left);
        cfs_put_u32(writer, message->node);
        cfs_put_bytes(writer, message->body, message->len);
    }
}

static void get_message(struct cfs_reader *reader, struct cfs_message_info *message)
{
    message->id = cfs_get_u64(reader);
    message->claim = cfs_get_u64(reader);
    message->deliveries = cfs_get_u32(reader);
    message->sent = cfs_get_u64(reader);
    message->left = cfs_get_u64(reader);
    message->node = cfs_get_u32(reader);
    message->body = cfs_get_bytes(reader, &message->len);
    if (message->len > CFS_MESSAGE_MAX)
        reader->failed = true;
}

void cfs_get_messages(struct cfs_reader *reader, struct cfs_answer *answer, void **owned)
{
    uint32_t count = cfs_get_u32(reader);
    struct cfs_message_info *messages;

    if (reader->failed || !count || count > CFS_CONSUME_MAX) {
        reader->failed = true;
        return;
    }
    *owned = messages = cfs_alloc_zeroed(count, sizeof *messages);
    for (uint32_t i = 0; i < count; i++)
        get_message(reader, &messages[i]);
    answer->messages = messages;
    answer->message_count = count;
}

void cfs_put_ids(struct cfs_writer *writer, const struct cfs_answer *answer)
{
    cfs_put_u8(writer, answer->more);
    cfs_put_u32(writer, answer->id_count);
    for (uint32_t i = 0; i < answer->id_count; i++)
        cfs_put_u64(writer, answer->ids[i]);
}

void cfs_get_ids(struct cfs_reader *reader, struct cfs_answer *answer, void **owned)
{
    uint64_t *ids;
    uint32_t count;

    answer->more = cfs_get_bool(reader);
    count = cfs_get_u32(reader);
    if (reader->failed || !count || count > CFS_MESSAGE_LIST_MAX) {
        reader->failed = true;
        return;
    }
    *owned = ids = cfs_alloc(count * sizeof *ids);
    for (uint32_t i = 0; i < count; i++)
        ids[i] = cfs_get_u64(reader);
    answer->ids = ids;
    answer->id_count = count;
}
