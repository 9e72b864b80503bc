/* Everything that can happen to a node. The time is inside: the core has no clock. */
#ifndef CFS_CORE_EVENT_H
#define CFS_CORE_EVENT_H

#include "core/effect.h"

enum cfs_event_type {
    CFS_EV_TICK = 1, /* time has passed: due when cfs_core_deadline says so, harmless at any time */
    CFS_EV_FLUSH,    /* the last events of a batch were delivered: replicate what they proposed */
    CFS_EV_MESSAGE,  /* a peer's message; the core takes what it owns and leaves it empty */
    CFS_EV_PERSISTED,    /* every CFS_FX_PERSIST up to and including `lsn` is on stable storage */
    CFS_EV_REFUSED,      /* `peer` refused a connection: no process serves there */
    CFS_EV_UNREACHABLE,  /* a message to `peer` may be lost */
    CFS_EV_REQUEST,      /* a local client asks; answered by CFS_FX_ANSWER with `id` */
    CFS_EV_CANCEL,       /* that client gives up waiting for `id` */
    CFS_EV_DRAINED,      /* the files did what CFS_FX_DRAIN asked for */
    CFS_EV_STUCK,        /* the files' reply to CFS_FX_COLLECT */
    CFS_EV_SAVE,         /* a backup begins: a checkpoint is to be ordered, in this step or as soon
                            as none is under way, whatever has happened since the last one */
    CFS_EV_HOLD_MOVES,   /* and none of the messages that move to other groups is to leave this one
                            before `until`: what a backup has of there may be older */
    CFS_EV_CHECKPOINTED, /* the checkpoint `id` is durable */
    CFS_EV_STAGED,       /* what CFS_FX_STAGE `id` brought is durable */
    CFS_EV_FETCHED,      /* what CFS_FX_FETCH asked for; the core takes what it owns */
    CFS_EV_READ,         /* what CFS_FX_READ asked for */
    CFS_EV_RECALLED,     /* the files did what CFS_FX_RECALL `id` asked for */
    CFS_EV_LAPSED,       /* and what CFS_FX_LAPSE did, of `lapsed` */
    CFS_EV_DISK,         /* `full` or not: whether the log has room for more than what frees room */
    CFS_EV_LEAVE,        /* close the session: a clean unmount; ends with CFS_FX_SESSION closed */
};

/* As struct cfs_stuck_handle: waits are ids of local requests. */
struct cfs_event_stuck {
    uint64_t handle;
    const uint64_t *waits;
    uint32_t wait_count;
};

/* The next pieces of a consistent copy of a group's checkpoint. */
struct cfs_fetched {
    uint64_t transfer;
    struct cfs_part part; /* owned; the head is that of the copy; empty: it cannot be read */
    bool last;
};

/* Single pieces of a group's checkpoint: puts of those that are there. */
struct cfs_read_pieces {
    uint64_t id; /* of the effect */
    cfs_group_id group;
    const uint8_t *data; /* borrowed during the step; piece.h */
    size_t len;
};

struct cfs_event {
    enum cfs_event_type type;
    cfs_time now;       /* CLOCK_BOOTTIME of this node; never smaller than at the event before */
    cfs_wall_time wall; /* CLOCK_REALTIME */
    union {
        struct cfs_message *message;
        uint64_t lsn;
        cfs_time until;
        cfs_node_id peer;
        bool full;
        struct cfs_fetched *fetched;
        const struct cfs_read_pieces *read;
        struct cfs_cache_share lapsed; /* group and epoch of the effect */
        struct {
            uint64_t id; /* REQUEST and CANCEL: the shell's, never 0, never reused; else echoed */
            const struct cfs_request *request;   /* borrowed during the step */
            const struct cfs_event_stuck *stuck; /* borrowed during the step */
            uint32_t stuck_count;
        };
    };
};

#endif
