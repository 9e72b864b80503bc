/* What nodes say to each other. One-way values: a reply is a message too. How they travel
 * (requests, responses, batches) is the transport's affair. */
#ifndef CFS_CORE_MESSAGE_H
#define CFS_CORE_MESSAGE_H

#include "coordfs/request.h"
#include "core/entry.h"

enum cfs_message_type {
    CFS_MSG_VOTE = 1, /* RequestVote, or its dry run (thesis 3.4, 9.6) */
    CFS_MSG_VOTE_REPLY,
    CFS_MSG_APPEND, /* AppendEntries, also as heartbeat (3.5) */
    CFS_MSG_APPEND_REPLY,
    CFS_MSG_FORWARD,   /* a command, from the node that was asked to the leader */
    CFS_MSG_READ,      /* a linearizable read, likewise */
    CFS_MSG_ANSWER,    /* the leader's answer to either */
    CFS_MSG_KEEPALIVE, /* renews the sender's session */
    CFS_MSG_KEEPALIVE_REPLY,
    CFS_MSG_DRAIN, /* leader to a holder's node: finish the releases you have queued */
    CFS_MSG_DRAIN_REPLY,
    CFS_MSG_COLLECT, /* leader to a node: which of your handles are stuck behind which waits? */
    CFS_MSG_COLLECT_REPLY,
    CFS_MSG_SNAPSHOT, /* InstallSnapshot, a chunk of it (thesis 5.3) */
    CFS_MSG_SNAPSHOT_REPLY,
    CFS_MSG_TIMEOUT_NOW, /* the leader to its successor: stand at once (3.10) */
    CFS_MSG_LOCATE,      /* who leads the group? */
    CFS_MSG_LOCATED,     /* the answer, of whoever knows; also unasked, from who begins to lead */
    CFS_MSG_RECALL,      /* leader to a node: give up what you keep of these (coherence.md) */
    CFS_MSG_RECALLED,
    CFS_MSG_SHARE_KEEP, /* renews the lease of what the sender keeps of the cache */
    CFS_MSG_SHARE_KEPT, /* the answer; also unasked, to a read under an epoch that is over */
    CFS_MSG_TYPE_COUNT
};

struct cfs_msg_vote {
    bool pre;
    bool founding; /* all members were asked before: nobody has anything, the cluster begins */
    bool transfer; /* the leader of the term before has asked for it, and given up its lease */
    uint64_t last_index, last_term; /* of the candidate's log */
};

struct cfs_msg_vote_reply {
    bool pre, granted;
    uint32_t amnesia; /* enum cfs_amnesia of the voter */
    cfs_time promise; /* microseconds for which the voter still owes the old leader its lease */
};

struct cfs_msg_append {
    uint64_t prev_index, prev_term, commit;
    cfs_time sent;     /* leader's clock, echoed: renews the lease from the moment of sending */
    cfs_time lease;    /* for how long the leader relies on the answer */
    uint64_t sound_at; /* the receiver, if it may have forgotten promises, has them all again once
                          it has the log up to here; 0: this leader cannot tell */
    bool serving;      /* the leader takes commands and reads */
    uint32_t entry_count;
    struct cfs_entry **entries; /* owned array of references */
};

struct cfs_msg_append_reply {
    bool success;
    uint64_t
        match; /* success: durable and equal up to here; else: a hint, the follower's last index */
    cfs_time sent; /* echo; 0: it acknowledges nothing */
    bool sound;    /* the sender has forgotten nothing: what it has counts towards a majority */
    bool full;     /* its disk is */
};

struct cfs_msg_forward {
    uint64_t epoch; /* a change of the cache: of the share it asks for; 0: none */
    bool outside;   /* the sender's own copies are to be given up too */
    uint32_t len;
    uint8_t *command; /* owned; an encoded struct cfs_command */
};

struct cfs_msg_read {
    uint64_t id; /* the asker's, echoed in the answer */
    enum cfs_op op;
    char name[CFS_NAME_MAX + 1];
    struct cfs_queue_read queue; /* reads of queues */
    struct cfs_cache_read cache; /* reads of the cache */
};

enum cfs_answer_to { CFS_TO_COMMAND = 1, CFS_TO_READ = 2 };

struct cfs_msg_answer {
    enum cfs_answer_to to;
    cfs_session_id session; /* TO_COMMAND: of the command */
    uint64_t id;            /* sequence of the command, or id of the read */
    bool queued;            /* the acquire waits in the lock's queue; another answer follows */
    uint32_t len;
    uint8_t *answer; /* owned; an encoded struct cfs_answer; nothing when queued */
};

struct cfs_msg_keepalive {
    cfs_session_id session;
    uint64_t oldest; /* the oldest unanswered sequence */
    cfs_time sent;   /* echoed */
};

struct cfs_msg_keepalive_reply {
    cfs_session_id session;
    bool known; /* false: the session has ended */
    cfs_time sent;
};

struct cfs_msg_round {
    uint64_t id; /* of the drain or collection, echoed */
};

/* One stuck handle of the replying node and the sequences of its acquires it waits for. */
struct cfs_stuck {
    uint64_t handle;
    uint32_t wait_count;
    uint64_t *waits; /* owned; sequences within the node's session */
};

struct cfs_msg_collect_reply {
    uint64_t id;
    cfs_session_id session;
    uint32_t stuck_count;
    struct cfs_stuck *stuck; /* owned */
};

struct cfs_msg_snapshot {
    uint64_t transfer; /* names this sending of it */
    uint64_t offset;   /* the chunk's number, from 0 */
    bool last;
    uint32_t head_len, len;
    uint8_t *head;   /* owned; an encoded struct cfs_group_head */
    uint8_t *pieces; /* owned; len bytes of the state */
};

struct cfs_msg_snapshot_reply {
    uint64_t transfer;
    uint64_t next; /* the chunk that is wanted */
    bool done;     /* all of it is durable there and applied, or was before */
};

struct cfs_msg_located {
    cfs_node_id leader; /* that serves in the message's term; 0: none that is known */
    bool member;        /* the leader itself says so: the receiver has a replica, or needs one */
    uint64_t index;     /* so it is by all entries up to this one, which are committed */
};

struct cfs_msg_recall {
    uint64_t id;   /* of the change, echoed in RECALLED */
    bool contents; /* the items are of contents, else of names */
    uint32_t count;
    struct cfs_cache_recall_item *items; /* owned; CFS_RECALL_ITEMS_MAX at most */
};

struct cfs_msg_share_keep {
    uint64_t epoch;
    cfs_time sent; /* echoed */
};

struct cfs_msg_share_kept {
    uint64_t epoch; /* of what is answered */
    bool known;     /* false: what was shared under it may be void */
    uint64_t floor; /* !known: only larger epochs count */
    cfs_time sent;
};

struct cfs_message {
    enum cfs_message_type type;
    cfs_group_id group;
    cfs_node_id from, to;
    uint64_t term; /* the sender's; for VOTE with `pre` the term it would start */
    bool patient;  /* of the sender alone: it may go out some ms later, along with others */
    union {
        struct cfs_msg_vote vote;
        struct cfs_msg_vote_reply vote_reply;
        struct cfs_msg_append append;
        struct cfs_msg_append_reply append_reply;
        struct cfs_msg_forward forward;
        struct cfs_msg_read read;
        struct cfs_msg_answer answer;
        struct cfs_msg_keepalive keepalive;
        struct cfs_msg_keepalive_reply keepalive_reply;
        struct cfs_msg_round drain, drain_reply, collect;
        struct cfs_msg_collect_reply collect_reply;
        struct cfs_msg_snapshot snapshot;
        struct cfs_msg_snapshot_reply snapshot_reply;
        struct cfs_msg_located located;
        struct cfs_msg_recall recall;
        struct cfs_msg_round recalled;
        struct cfs_msg_share_keep share_keep;
        struct cfs_msg_share_kept share_kept;
    };
};

/* Frees what the message owns, not the message; it is empty afterwards. */
void cfs_message_clear(struct cfs_message *message);

/* A copy that owns its own; entries are shared by reference. */
struct cfs_message cfs_message_copy(const struct cfs_message *message);

/* "append", "vote_reply", ...: the word used on the wire and in traces; NULL for no such type. */
const char *cfs_message_type_name(enum cfs_message_type type);

#endif
