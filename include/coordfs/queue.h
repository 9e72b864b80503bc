/* What may be asked of a queue. A queue holds messages; each is in one of three places: ready, in
 * flight (handed out by a claim, until that is acknowledged), or dead (handed out too often).
 *
 * A message keeps its id wherever it is. A claim has an id of its own, never used twice, so that
 * who was too slow cannot touch what was handed to somebody else meanwhile. */
#ifndef COORDFS_QUEUE_H
#define COORDFS_QUEUE_H

#include "coordfs/error.h"
#include "coordfs/limits.h"
#include "coordfs/types.h"

typedef uint64_t cfs_message_id; /* 1 and up, unique among the queues of a group; 0: none */
typedef uint64_t cfs_claim_id;   /* 1 and up, unique among the queues of a group; 0: none */

enum cfs_message_place { CFS_READY = 1, CFS_INFLIGHT = 2, CFS_DEAD = 3 };

/* What one message is on the writing side. The engine is told whole messages; files cut them. */
enum cfs_framing {
    CFS_FRAMING_WRITE = 1, /* each write(2) */
    CFS_FRAMING_LINE = 2,  /* each line, without its newline */
    CFS_FRAMING_FILE = 3,  /* all between open and close */
};

struct cfs_queue_config {
    uint32_t visibility_ms;  /* how long a claim lasts without being extended; 1 and up */
    uint32_t max_deliveries; /* handed out that often, a message is dead; 1 and up */
    uint64_t max_messages;   /* ready and in flight, that make the queue full; 0: no bound */
    uint64_t max_bytes;      /* likewise, of bodies; 0: no bound */
    enum cfs_framing framing;
};

enum cfs_queue_config_field {
    CFS_CONFIG_VISIBILITY = 1,
    CFS_CONFIG_MAX_DELIVERIES = 2,
    CFS_CONFIG_MAX_MESSAGES = 4,
    CFS_CONFIG_MAX_BYTES = 8,
    CFS_CONFIG_FRAMING = 16,
};

/* PRODUCE: NO_QUEUE; FULL when the queue is and `wait` is not set, else it waits for room, first
 * come, first served. All messages or none. A queue with no message in it is never full. */
struct cfs_produce {
    const uint8_t *data;     /* borrowed; the bodies, one after the other */
    uint32_t len;            /* of all: CFS_MESSAGE_MAX at most */
    const uint32_t *lengths; /* borrowed; of each message, NULL: data is one message */
    uint32_t count;          /* of lengths: 1 to CFS_PRODUCE_MAX; 0 when lengths is NULL */
    bool wait;
    uint64_t key; /* producing twice with the same key is producing once (for some minutes);
                     0: none */
};

/* CONSUME: hands out the oldest ready messages. NO_QUEUE; EMPTY when none is ready and `wait` is
 * not set, else it waits its turn, first come, first served; NO_QUEUE also when the queue is
 * removed meanwhile. */
struct cfs_consume {
    bool wait;
    bool bound;   /* the claims end with the node's session, though it be resumed by the node's next
                     life: open files do not outlive their daemon */
    bool leased;  /* the claims do not end with the session, only with their time: HTTP */
    uint32_t max; /* messages, 1 to CFS_CONSUME_MAX; more than one as far as CFS_MESSAGE_MAX bytes
                     go */
};

/* ACK: the messages are done with. `place` INFLIGHT: ids of claims, NOT_CLAIMED if one of them is
 * none any more. DEAD: ids of messages, NO_MESSAGE. Those that are there are taken out in any case.
 * GIVE_BACK: claims, which go back to the head of the queue in their order. EXTEND: claims, whose
 * time begins anew. */
struct cfs_settle {
    enum cfs_message_place place;
    const uint64_t *ids; /* borrowed */
    uint32_t count;      /* 1 to CFS_CONSUME_MAX */
};

/* MESSAGE_MOVE: a claim (INFLIGHT) or a dead letter (DEAD) goes to the tail of queue `to`, exactly
 * once: NOT_CLAIMED, NO_MESSAGE, NO_QUEUE when `to` is none, FULL when it is. `to` the same queue:
 * a claim goes back to the head as by GIVE_BACK, a dead letter to the tail, to be tried anew. */
struct cfs_message_move {
    enum cfs_message_place place;
    uint64_t id; /* of the claim or the message */
    char to[CFS_NAME_MAX + 1];
    bool away; /* filled in by the engine: `to` is in another group */
};

/* DELIVER, MOVED: what groups say to each other about a message that moves between them. */
struct cfs_delivery {
    uint32_t group;     /* where the message comes from */
    uint64_t id;        /* of the move, in that group */
    uint64_t oldest;    /* of that group's moves that are not done with */
    cfs_wall_time sent; /* of the message */
    const uint8_t *data;
    uint32_t len;
};

struct cfs_moved {
    uint64_t id;
    enum cfs_error error; /* CFS_OK: it has arrived */
};

/* QUEUE_MAKE: QUEUE_EXISTS when it is there and `exclusive`. */
struct cfs_queue_make {
    uint32_t uid, gid, perm; /* perm: the lower 12 mode bits */
    bool exclusive;
};

/* QUEUE_REMOVE: NOT_EMPTY while messages are in any place; PURGE: drops what is ready and what is
 * dead. Both: NO_QUEUE, NOT_PERMITTED unless `uid` is the queue's owner or root. */
struct cfs_queue_caller {
    uint32_t uid;
};

/* QUEUE_CONFIG: sets the named fields: NO_QUEUE, NOT_PERMITTED as above, INVALID out of range. */
struct cfs_queue_set {
    uint32_t fields; /* of enum cfs_queue_config_field */
    uint32_t uid;
    struct cfs_queue_config config;
};

/* Reads: QUEUE_STAT (a queue), QUEUE_LIST, MESSAGE_LIST, MESSAGE_GET, QUEUE_AWAIT (answers once a
 * message is ready, and takes none). */
struct cfs_queue_read {
    enum cfs_message_place
        place;       /* MESSAGE_LIST, MESSAGE_GET: INFLIGHT counts in claims, else in messages */
    uint64_t number; /* MESSAGE_LIST: those behind this one in the place's order, 0: all;
                        MESSAGE_GET: the one; QUEUE_LIST: the part of the cluster to list */
};

/* A message as it is handed out or looked at. */
struct cfs_message_info {
    cfs_message_id id;
    cfs_claim_id claim;  /* INFLIGHT */
    uint32_t deliveries; /* times it was handed out, this one included */
    cfs_wall_time sent;
    cfs_time left;    /* INFLIGHT: microseconds until it goes back */
    cfs_node_id node; /* INFLIGHT: to which it was handed out; 0: over HTTP */
    const uint8_t *body;
    uint32_t len;
};

/* A queue as everyone sees it. */
struct cfs_queue_info {
    uint32_t uid, gid, perm;
    cfs_wall_time mtime; /* of the last produce, or as set */
    cfs_wall_time ctime; /* of the last change of anything that stat shows but the mtime */
    uint64_t ready, inflight, dead; /* messages */
    uint64_t bytes;                 /* of bodies, in all places */
    uint32_t consumers, producers;  /* that wait */
    cfs_node_id node;               /* who is responsible */
    struct cfs_queue_config config;
};

#endif
