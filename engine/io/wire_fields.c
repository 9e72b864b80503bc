/* The vocabulary of the wire: one line per field, one table per type of message. What has a length
 * of its own (names, lists) stands in wire.c and wire_decode.c. */
#include "io/wire_fields.h"

#define FIELD(type, kind, key, member)                                                             \
    {                                                                                              \
        key, CFS_WIRE_##kind, offsetof(struct type, member)                                        \
    }
#define MESSAGE(kind, key, member) FIELD(cfs_message, kind, key, member)
#define END                                                                                        \
    {                                                                                              \
        NULL, CFS_WIRE_U64, 0                                                                      \
    }

static_assert(sizeof(enum cfs_op) == 4 && sizeof(enum cfs_message_place) == 4,
              "enumerations travel as U32");

static const struct cfs_wire_field vote[] = {
    MESSAGE(BOOL, "pre", vote.pre),
    MESSAGE(BOOL, "founding", vote.founding),
    MESSAGE(BOOL, "transfer", vote.transfer),
    MESSAGE(U64, "last_index", vote.last_index),
    MESSAGE(U64, "last_term", vote.last_term),
    END,
};

static const struct cfs_wire_field vote_reply[] = {
    MESSAGE(BOOL, "pre", vote_reply.pre),
    MESSAGE(BOOL, "granted", vote_reply.granted),
    MESSAGE(U32, "amnesia", vote_reply.amnesia),
    MESSAGE(U64, "promise", vote_reply.promise),
    END,
};

static const struct cfs_wire_field read[] = {
    MESSAGE(U64, "id", read.id),
    MESSAGE(U32, "op", read.op),
    MESSAGE(U32, "place", read.queue.place),
    MESSAGE(U64, "number", read.queue.number),
    MESSAGE(U64, "ino", read.cache.ino),
    MESSAGE(U64, "offset", read.cache.offset),
    MESSAGE(U32, "bytes", read.cache.len),
    MESSAGE(BOOL, "patient", read.cache.patient),
    MESSAGE(U64, "epoch", read.cache.epoch),
    END, /* and the name's length */
};

static const struct cfs_wire_field keepalive[] = {
    MESSAGE(U64, "session", keepalive.session),
    MESSAGE(U64, "oldest", keepalive.oldest),
    MESSAGE(U64, "sent", keepalive.sent),
    END,
};

static const struct cfs_wire_field keepalive_reply[] = {
    MESSAGE(U64, "session", keepalive_reply.session),
    MESSAGE(BOOL, "known", keepalive_reply.known),
    MESSAGE(U64, "sent", keepalive_reply.sent),
    END,
};

static const struct cfs_wire_field drain[] = {
    MESSAGE(U64, "id", drain.id),
    END,
};

static const struct cfs_wire_field collect_reply[] = {
    MESSAGE(U64, "id", collect_reply.id), MESSAGE(U64, "session", collect_reply.session),
    END, /* and the stuck handles */
};

static const struct cfs_wire_field snapshot[] = {
    MESSAGE(U64, "transfer", snapshot.transfer), MESSAGE(U64, "offset", snapshot.offset),
    MESSAGE(BOOL, "last", snapshot.last),        MESSAGE(U32, "head_len", snapshot.head_len),
    MESSAGE(U32, "len", snapshot.len),           END,
};

static const struct cfs_wire_field snapshot_reply[] = {
    MESSAGE(U64, "transfer", snapshot_reply.transfer),
    MESSAGE(U64, "next", snapshot_reply.next),
    MESSAGE(BOOL, "done", snapshot_reply.done),
    END,
};

static const struct cfs_wire_field located[] = {
    MESSAGE(U32, "leader", located.leader),
    MESSAGE(BOOL, "member", located.member),
    MESSAGE(U64, "index", located.index),
    END,
};

static const struct cfs_wire_field recall[] = {
    MESSAGE(U64, "id", recall.id), MESSAGE(BOOL, "contents", recall.contents), END, /* and items */
};

const struct cfs_wire_field cfs_wire_item_fields[] = {
    FIELD(cfs_cache_recall_item, U64, "ino", ino), END, /* and the name's length */
};

static const struct cfs_wire_field share_keep[] = {
    MESSAGE(U64, "epoch", share_keep.epoch),
    MESSAGE(U64, "sent", share_keep.sent),
    END,
};

static const struct cfs_wire_field share_kept[] = {
    MESSAGE(U64, "epoch", share_kept.epoch),
    MESSAGE(BOOL, "known", share_kept.known),
    MESSAGE(U64, "floor", share_kept.floor),
    MESSAGE(U64, "sent", share_kept.sent),
    END,
};

static const struct cfs_wire_field nothing[] = {
    END,
};

const struct cfs_wire_field *cfs_wire_fields(enum cfs_message_type type)
{
    static const struct cfs_wire_field *const tables[CFS_MSG_TYPE_COUNT] = {
        [CFS_MSG_VOTE] = vote,
        [CFS_MSG_VOTE_REPLY] = vote_reply,
        [CFS_MSG_READ] = read,
        [CFS_MSG_KEEPALIVE] = keepalive,
        [CFS_MSG_KEEPALIVE_REPLY] = keepalive_reply,
        [CFS_MSG_DRAIN] = drain,
        [CFS_MSG_DRAIN_REPLY] = drain,
        [CFS_MSG_COLLECT] = drain,
        [CFS_MSG_COLLECT_REPLY] = collect_reply,
        [CFS_MSG_SNAPSHOT] = snapshot,
        [CFS_MSG_SNAPSHOT_REPLY] = snapshot_reply,
        [CFS_MSG_TIMEOUT_NOW] = nothing,
        [CFS_MSG_LOCATE] = nothing,
        [CFS_MSG_LOCATED] = located,
        [CFS_MSG_RECALL] = recall,
        [CFS_MSG_RECALLED] = drain,
        [CFS_MSG_SHARE_KEEP] = share_keep,
        [CFS_MSG_SHARE_KEPT] = share_kept,
    };

    return (unsigned)type < CFS_MSG_TYPE_COUNT ? tables[type] : NULL;
}
