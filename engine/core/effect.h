/* Everything the core may order. The shell performs effects in the order given and needs no rule
 * but that: a message or an answer that promises something durable is ordered only after the event
 * CFS_EV_PERSISTED for it has come in, so persist comes before send comes before answer by itself.
 */
#ifndef CFS_CORE_EFFECT_H
#define CFS_CORE_EFFECT_H

#include "core/codec.h"
#include "core/message.h"

enum cfs_effect_type {
    CFS_FX_PERSIST =
        1,         /* append `record` to the WAL; report its lsn by CFS_EV_PERSISTED when durable */
    CFS_FX_SEND,   /* hand `message` to the transport, which may lose, repeat or reorder it */
    CFS_FX_ANSWER, /* the local request `id` is answered; said once */
    CFS_FX_DRAIN,  /* finish queued releases of handles, then CFS_EV_DRAINED with `id` */
    CFS_FX_COLLECT,    /* look which handles are stuck, then CFS_EV_STUCK with `id` */
    CFS_FX_SESSION,    /* the node's session opened, was lost, or was closed by CFS_EV_LEAVE */
    CFS_FX_CHECKPOINT, /* make `checkpoint` durable as a whole, then CFS_EV_CHECKPOINTED; a full
                          disk only delays it */
    CFS_FX_STAGE, /* add `stage` to the state that is to replace its group's, then CFS_EV_STAGED */
    CFS_FX_FETCH, /* read on in a checkpoint for the transfer `id`, then CFS_EV_FETCHED */
    CFS_FX_END_FETCH, /* nothing more is read for the transfer `id` */
    CFS_FX_READ,      /* read single pieces of the last checkpoint, then CFS_EV_READ with `id` */
    CFS_FX_NODES, /* the nodes of the cluster, or their addresses, are others now: cfs_core_nodes */
    CFS_FX_REMOVED,   /* this node is none of them any more: it has nothing left to do */
    CFS_FX_CAUGHT_UP, /* of group `id` the node has again what it may have forgotten (cfs_amnesia)
                       */
    CFS_FX_RECALL, /* give up what `recall` names, the kernel's copies too, then CFS_EV_RECALLED */
    CFS_FX_LAPSE,  /* and all shares of the group under older epochs, then CFS_EV_LAPSED */
};

enum cfs_record_type {
    CFS_RECORD_HARD_STATE = 1,
    CFS_RECORD_ENTRY = 2,
    CFS_RECORD_INSTALL = 3, /* the entries before it are void if snapshot `term` was installed */
};

/* What a node must not forget. An entry record replaces all entries of its group from its index on.
 */
struct cfs_record {
    cfs_group_id group;
    enum cfs_record_type type;
    uint64_t term;           /* HARD_STATE: current term; INSTALL: names the installation */
    cfs_node_id vote;        /* HARD_STATE: candidate voted for in it; 0: none */
    struct cfs_entry *entry; /* ENTRY: a reference */
};

enum cfs_session_change { CFS_SESSION_OPENED = 1, CFS_SESSION_LOST, CFS_SESSION_CLOSED };

/* One group's part of a checkpoint, or of a state that replaces the group's. */
struct cfs_part {
    cfs_group_id group;
    struct cfs_writer head;   /* owned; an encoded struct cfs_group_head; empty: it stays */
    struct cfs_writer pieces; /* owned; piece.h */
};

/* What changed in all groups since the last checkpoint: one transaction. */
struct cfs_checkpoint {
    struct cfs_part *parts; /* owned */
    uint32_t part_count;
    uint64_t keep_lsn; /* records before this one are not needed once it is durable */
    uint64_t led;      /* groups (bit n for group n) that this node led, under its lease: of these
                          everything is in it that was answered before */
};

/* Pieces of a snapshot as they come in. The last ones bring the head, and with it the whole takes
 * the place of the group's state, in one transaction. */
struct cfs_stage {
    struct cfs_part part; /* owned */
    bool first;           /* what was staged before for the group is dropped */
    bool last;
};

struct cfs_fetch {
    cfs_group_id group;
    uint32_t bytes; /* of pieces, about; at least one piece */
};

/* Pieces that are not kept in memory. */
struct cfs_read {
    cfs_group_id group;
    struct cfs_writer keys; /* owned; each with its length first (codec.h) */
};

struct cfs_effect {
    enum cfs_effect_type type;
    uint64_t lsn; /* PERSIST: goes on by one from the number of records restored */
    uint64_t id;  /* ANSWER, DRAIN, COLLECT, CHECKPOINT, STAGE, READ; FETCH, END_FETCH: the
                     transfer; CAUGHT_UP: the group */
    union {
        struct cfs_record record;
        struct cfs_message message;
        struct cfs_answer answer; /* its pointers are borrowed from `buffer` and `owned` */
        enum cfs_session_change session;
        struct cfs_checkpoint checkpoint;
        struct cfs_stage stage;
        struct cfs_fetch fetch;
        struct cfs_read read;
        struct cfs_cache_recall *recall; /* owned */
        struct cfs_cache_share lapse;    /* epoch: the shares under it are not void */
    };
    uint8_t *buffer; /* ANSWER: owned, what `answer` points into */
    void *owned;     /* ANSWER: its lock.holders, messages or ids */
};

/* A growing list, reused from step to step. Zeroed memory is an empty list. */
struct cfs_effects {
    struct cfs_effect *items;
    size_t count, capacity;
};

/* Appends a zeroed effect of `type`. The pointer is valid until the next one. */
struct cfs_effect *cfs_effects_add(struct cfs_effects *effects, enum cfs_effect_type type);

/* Frees what it owns; it is empty afterwards. */
void cfs_part_clear(struct cfs_part *part);
void cfs_checkpoint_clear(struct cfs_checkpoint *checkpoint);

/* Frees what the effects own and empties the list; what a performer took over it has set to zero.
 */
void cfs_effects_clear(struct cfs_effects *effects);

/* Clears, and frees the list's own memory. */
void cfs_effects_close(struct cfs_effects *effects);

#endif
