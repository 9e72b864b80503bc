/* A group's state as pieces, key and value: the form it has in checkpoints and in snapshots.
 *
 * Many pieces stand in one buffer, one after the other: u8 1 for put, 2 for delete, then the key,
 * for put the value, each with its length first (codec.h). Keys begin with a tag, and pieces are
 * loaded in the order of their keys: so what others refer to has the smaller tag. */
#ifndef CFS_CORE_PIECE_H
#define CFS_CORE_PIECE_H

#include "coordfs/limits.h"
#include "core/codec.h"

enum cfs_piece_tag {
    CFS_PIECE_MACHINE = 1, /* counters; one */
    CFS_PIECE_SESSION,     /* by id */
    CFS_PIECE_LOCK,        /* by name: what it looks like, its content */
    CFS_PIECE_CLAIM,       /* by serial: a holder or waiter of a lock */
    CFS_PIECE_NODE,        /* by id: a node of the cluster */
    CFS_PIECE_QUEUES,      /* the counter of queues; one */
    CFS_PIECE_QUEUE,       /* by name */
    CFS_PIECE_PRODUCE_KEY, /* by the id it was answered with */
    CFS_PIECE_MESSAGE,    /* by id: a message of a queue, and its claim or move, but not its body */
    CFS_PIECE_QUEUE_WAIT, /* by serial: who waits for a message or for room */
    CFS_PIECE_DELIVERIES, /* by group: how moves from there ended */
    CFS_PIECE_NAMES,      /* the counters of the cache's tree; one */
    CFS_PIECE_INODE,      /* by number: of the cache's tree, and its name */
    CFS_PIECE_CONTENT,    /* by inode number: its extents, times and attributes */
    CFS_PIECE_TAG_COUNT,
    CFS_PIECE_BODY = 0x80, /* of a message, by id: nothing but its bytes */
    CFS_PIECE_EXTENT,      /* of a content, by number: likewise */
};

/* In which the values of each kind are written here, and alone understood: their first byte. */
enum cfs_piece_version {
    CFS_MACHINE_VERSION = 1,
    CFS_SESSION_VERSION = 2,
    CFS_LOCK_VERSION = 1, /* of locks and claims */
    CFS_NODE_VERSION = 2,
    CFS_QUEUE_VERSION = 1, /* of all that is said of queues; a body is its bytes alone */
    CFS_NAMES_VERSION = 1, /* of all that is said of the tree */
    CFS_CONTENT_VERSION = 1,
};

struct cfs_piece_key {
    uint8_t bytes[CFS_PIECE_KEY_MAX];
    uint32_t len;
};

struct cfs_piece_key cfs_piece_key_number(enum cfs_piece_tag tag, uint64_t number);
struct cfs_piece_key cfs_piece_key_name(enum cfs_piece_tag tag, const char *name);

/* What such a key says; the reader fails when it is none. */
uint64_t cfs_piece_number(struct cfs_reader *key);
void cfs_piece_name(struct cfs_reader *key, char name[CFS_NAME_MAX + 1]);

void cfs_piece_put(struct cfs_writer *pieces, const struct cfs_piece_key *key,
                   const struct cfs_writer *value);
void cfs_piece_delete(struct cfs_writer *pieces, const struct cfs_piece_key *key);

struct cfs_piece {
    bool put;
    const uint8_t *key, *value; /* borrowed from the buffer */
    uint32_t key_len, value_len;
};

/* The next piece; false at the end and when the reader failed. */
bool cfs_piece_next(struct cfs_reader *pieces, struct cfs_piece *piece);

#endif
