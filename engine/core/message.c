/* What a message owns, and the names of its types. */
#include "core/message.h"

#include <stdlib.h>

#include "core/alloc.h"

static void append_clear(struct cfs_msg_append *append)
{
    for (uint32_t i = 0; i < append->entry_count; i++)
        cfs_entry_unref(append->entries[i]);
    free(append->entries);
}

static void collect_reply_clear(struct cfs_msg_collect_reply *reply)
{
    for (uint32_t i = 0; i < reply->stuck_count; i++)
        free(reply->stuck[i].waits);
    free(reply->stuck);
}

void cfs_message_clear(struct cfs_message *message)
{
    switch (message->type) {
    case CFS_MSG_APPEND:
        append_clear(&message->append);
        break;
    case CFS_MSG_FORWARD:
        free(message->forward.command);
        break;
    case CFS_MSG_ANSWER:
        free(message->answer.answer);
        break;
    case CFS_MSG_COLLECT_REPLY:
        collect_reply_clear(&message->collect_reply);
        break;
    case CFS_MSG_SNAPSHOT:
        free(message->snapshot.head);
        free(message->snapshot.pieces);
        break;
    case CFS_MSG_RECALL:
        free(message->recall.items);
        break;
    default:
        break;
    }
    *message = (struct cfs_message){0};
}

static void append_copy(struct cfs_msg_append *to, const struct cfs_msg_append *from)
{
    to->entries = cfs_alloc_copy(from->entries, from->entry_count * sizeof *from->entries);
    for (uint32_t i = 0; i < from->entry_count; i++)
        cfs_entry_ref(to->entries[i]);
}

static void collect_reply_copy(struct cfs_msg_collect_reply *to,
                               const struct cfs_msg_collect_reply *from)
{
    to->stuck = cfs_alloc_copy(from->stuck, from->stuck_count * sizeof *from->stuck);
    for (uint32_t i = 0; i < from->stuck_count; i++)
        to->stuck[i].waits =
            cfs_alloc_copy(from->stuck[i].waits, from->stuck[i].wait_count * sizeof(uint64_t));
}

struct cfs_message cfs_message_copy(const struct cfs_message *message)
{
    struct cfs_message copy = *message;

    switch (message->type) {
    case CFS_MSG_APPEND:
        append_copy(&copy.append, &message->append);
        break;
    case CFS_MSG_FORWARD:
        copy.forward.command = cfs_alloc_copy(message->forward.command, message->forward.len);
        break;
    case CFS_MSG_ANSWER:
        copy.answer.answer = cfs_alloc_copy(message->answer.answer, message->answer.len);
        break;
    case CFS_MSG_COLLECT_REPLY:
        collect_reply_copy(&copy.collect_reply, &message->collect_reply);
        break;
    case CFS_MSG_SNAPSHOT:
        copy.snapshot.head = cfs_alloc_copy(message->snapshot.head, message->snapshot.head_len);
        copy.snapshot.pieces = cfs_alloc_copy(message->snapshot.pieces, message->snapshot.len);
        break;
    case CFS_MSG_RECALL:
        copy.recall.items = cfs_alloc_copy(message->recall.items,
                                           message->recall.count * sizeof *message->recall.items);
        break;
    default:
        break;
    }
    return copy;
}

const char *cfs_message_type_name(enum cfs_message_type type)
{
    static const char *const names[CFS_MSG_TYPE_COUNT] = {
        [CFS_MSG_VOTE] = "vote",
        [CFS_MSG_VOTE_REPLY] = "vote_reply",
        [CFS_MSG_APPEND] = "append",
        [CFS_MSG_APPEND_REPLY] = "append_reply",
        [CFS_MSG_FORWARD] = "forward",
        [CFS_MSG_READ] = "read",
        [CFS_MSG_ANSWER] = "answer",
        [CFS_MSG_KEEPALIVE] = "keepalive",
        [CFS_MSG_KEEPALIVE_REPLY] = "keepalive_reply",
        [CFS_MSG_DRAIN] = "drain",
        [CFS_MSG_DRAIN_REPLY] = "drain_reply",
        [CFS_MSG_COLLECT] = "collect",
        [CFS_MSG_COLLECT_REPLY] = "collect_reply",
        [CFS_MSG_SNAPSHOT] = "snapshot",
        [CFS_MSG_SNAPSHOT_REPLY] = "snapshot_reply",
        [CFS_MSG_TIMEOUT_NOW] = "timeout_now",
        [CFS_MSG_LOCATE] = "locate",
        [CFS_MSG_LOCATED] = "located",
        [CFS_MSG_RECALL] = "recall",
        [CFS_MSG_RECALLED] = "recalled",
        [CFS_MSG_SHARE_KEEP] = "share_keep",
        [CFS_MSG_SHARE_KEPT] = "share_kept",
    };

    return type < CFS_MSG_TYPE_COUNT ? names[type] : NULL;
}
