/* The kinds of pieces as a table. */
#include "core/format.h"

#include "core/command_internal.h"
#include "core/group_head.h"
#include "core/piece.h"

static const struct kind {
    const char *one, *many;
    unsigned version;
} kinds[CFS_PIECE_TAG_COUNT] = {
    [CFS_PIECE_MACHINE] = {"the counters", "counters", CFS_MACHINE_VERSION},
    [CFS_PIECE_SESSION] = {"a session", "sessions", CFS_SESSION_VERSION},
    [CFS_PIECE_LOCK] = {"a lock", "locks", CFS_LOCK_VERSION},
    [CFS_PIECE_CLAIM] = {"a claim on a lock", "claims", CFS_LOCK_VERSION},
    [CFS_PIECE_NODE] = {"a node", "nodes", CFS_NODE_VERSION},
    [CFS_PIECE_QUEUES] = {"the counter of queues", "counters of queues", CFS_QUEUE_VERSION},
    [CFS_PIECE_QUEUE] = {"a queue", "queues", CFS_QUEUE_VERSION},
    [CFS_PIECE_PRODUCE_KEY] = {"the key of a message", "keys of messages", CFS_QUEUE_VERSION},
    [CFS_PIECE_MESSAGE] = {"a message", "messages", CFS_QUEUE_VERSION},
    [CFS_PIECE_QUEUE_WAIT] = {"a wait for a queue", "waits for queues", CFS_QUEUE_VERSION},
    [CFS_PIECE_DELIVERIES] = {"an account of moves", "accounts of moves", CFS_QUEUE_VERSION},
    [CFS_PIECE_NAMES] = {"the counter of files", "counters of files", CFS_NAMES_VERSION},
    [CFS_PIECE_INODE] = {"a file", "files", CFS_NAMES_VERSION},
    [CFS_PIECE_CONTENT] = {"a file's contents", "contents of files", CFS_CONTENT_VERSION},
};
/* Nothing but bytes, of no version. */
static const struct kind body = {"a message's body", "bodies of messages", 0};
static const struct kind extent = {"a part of a file", "parts of files", 0};

static const struct kind *find_kind(unsigned tag)
{
    if (tag == CFS_PIECE_BODY)
        return &body;
    if (tag == CFS_PIECE_EXTENT)
        return &extent;
    return tag < CFS_PIECE_TAG_COUNT && kinds[tag].one ? &kinds[tag] : NULL;
}

static bool differs(struct cfs_format *format, const char *what, unsigned known,
                    const uint8_t *bytes, size_t len)
{
    *format = (struct cfs_format){.what = what, .found = len ? bytes[0] : 0, .known = known};
    return len && format->found != known;
}

bool cfs_format_of_head(const uint8_t *head, size_t len, struct cfs_format *format)
{
    return differs(format, "a group's head", CFS_GROUP_HEAD_VERSION, head, len);
}

bool cfs_format_of_entry(const struct cfs_entry *entry, struct cfs_format *format)
{
    if (entry->kind == CFS_ENTRY_MEMBERS)
        return differs(format, "a change of members", CFS_MEMBERSHIP_VERSION, entry->data,
                       entry->len);
    return entry->kind == CFS_ENTRY_COMMAND &&
           differs(format, "a command", CFS_COMMAND_VERSION, entry->data, entry->len);
}

bool cfs_format_of_piece(const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len,
                         struct cfs_format *format)
{
    const struct kind *kind = key_len ? find_kind(key[0]) : NULL;

    if (!kind)
        return differs(format, "a piece of an unknown kind", 0, key, key_len);
    if (kind == &body || kind == &extent)
        return false;
    return differs(format, kind->one, kind->version, value, value_len);
}

const char *cfs_format_kind(unsigned tag)
{
    const struct kind *kind = find_kind(tag);

    return kind ? kind->many : NULL;
}
