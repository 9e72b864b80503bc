/* A command of the replicated machine, and answers, as bytes. */
#ifndef CFS_CORE_COMMAND_H
#define CFS_CORE_COMMAND_H

#include "coordfs/request.h"
#include "core/codec.h"

enum cfs_command_kind {
    CFS_CMD_REQUEST = 1,    /* a client's change */
    CFS_CMD_CANCEL,         /* sequence `target` is never to be applied, or its wait ends here */
    CFS_CMD_OPEN_SESSION,   /* a node joins or comes back */
    CFS_CMD_CLOSE_SESSION,  /* a node leaves, giving back all it held */
    CFS_CMD_EXPIRE_SESSION, /* the leader: `session` was not renewed in time */
    CFS_CMD_EXPIRE_LEASED,  /* the leader: HTTP locks, and claims of messages, whose time is over at
                               this entry's */
    CFS_CMD_REFUSE,         /* the leader: the wait `target` of `session` closes a cycle */
    CFS_CMD_FILL_NODES,     /* the first leader: `nodes` are the cluster */
    CFS_CMD_DROP_NODE,      /* the leader: node `target` has been replaced */
    CFS_CMD_ADOPT_SESSION,  /* the leader of a group other than 0: `target` is, in group 0, the
                               session of node `owner`, which goes on from `target_session` */
    CFS_CMD_RENEW,          /* the first of a restored cluster, in each group: no session of before
                               is left, nobody holds anything, numbers that are given out go on
                               as cfs_renewed says, `nodes` (group 0) are the cluster */
};

/* Where the numbers that must not be given out twice go on after a RENEW that says `clock`:
 * microseconds since the epoch. No cluster gives out so many, so that is beyond all that any
 * cluster has given out before, from whatever backup it came. Unless the clock was wrong: then they
 * go on a good way behind the `last` one of the backup. */
uint64_t cfs_renewed(uint64_t last, uint64_t clock);

struct cfs_command {
    enum cfs_command_kind kind;
    cfs_node_id node;       /* the sender */
    cfs_session_id session; /* it acts in; 0 for OPEN_SESSION and the leader's own */
    uint64_t sequence;      /* identity within the session, 1 and up; 0 for the leader's own */
    uint64_t oldest;        /* every sequence below this one has its answer, or waits in a queue */
    uint64_t acks[CFS_ACKS_MAX]; /* sequences below `oldest` that waited in a queue and have
                                    their answer by now */
    uint32_t ack_count;
    struct cfs_request request; /* REQUEST */
    uint64_t target;            /* CANCEL, REFUSE: the sequence meant; EXPIRE_SESSION: the session;
                                   OPEN_SESSION: the session it replaces, 0: none;
                                   RENEW: the clock */
    struct cfs_node_info nodes[CFS_MEMBERS_MAX]; /* FILL_NODES, RENEW */
    uint32_t node_count;
    cfs_session_id target_session; /* REFUSE; ADOPT_SESSION: the session's `began` */
    cfs_node_id owner;             /* ADOPT_SESSION */
    bool undo;                     /* CANCEL: also give back what `target` was granted */
    uint64_t
        nonce; /* OPEN_SESSION: grows with every opening of the node; asking twice is asking once */
    cfs_time session_term; /* OPEN_SESSION: how long it lives without being renewed */
    bool resume; /* OPEN_SESSION: keep the lockfiles of the node's session before, if it lives */
    void *owned; /* decoded: what request.produce.lengths or request.settle.ids points to */
};

/* Appends the command to `writer`. */
void cfs_command_encode(struct cfs_writer *writer, const struct cfs_command *command);

/* 0, or -1 if the bytes are no command of this version. Bodies (request.write.data,
 * request.produce.data, request.cache_put.data and their like) are borrowed from `data`;
 * cfs_command_clear frees what is owned. */
int cfs_command_decode(struct cfs_command *command, const uint8_t *data, size_t len);
void cfs_command_clear(struct cfs_command *command);

/* Whether the leader may refuse it without the log: a request that does not wait for its turn, nor
 * is to be logged in any case. */
bool cfs_command_is_try(const struct cfs_command *command);

/* Whether they are one. To be asked before bytes get into a log, by whoever lets them in: a replica
 * that finds what it cannot read among committed entries has to stop, and again at each restart. */
bool cfs_command_valid(const uint8_t *data, size_t len);

void cfs_answer_encode(struct cfs_writer *writer, const struct cfs_answer *answer);

/* 0 or -1. Pointers in the answer are borrowed from `data`, but for an array (lock.holders,
 * messages, ids or cache.entries), which `owned` receives and the caller frees. */
int cfs_answer_decode(struct cfs_answer *answer, void **owned, const uint8_t *data, size_t len);

#endif
