/* A whole node as a pure state machine: step(event) -> effects. No clock, thread, descriptor,
 * system call or randomness but the seed it is given, so the daemon, the scenarios and the
 * simulator run the same code. The caller serialises all calls. */
#ifndef CFS_CORE_NODE_CORE_H
#define CFS_CORE_NODE_CORE_H

#include "core/effect.h"
#include "core/event.h"

struct cfs_core;
struct cfs_raft;
struct cfs_lock_table;

/* A sentence for each decision: log, test oracle and documentation at once. */
typedef void (*cfs_trace_fn)(void *arg, const char *sentence);

struct cfs_core_config {
    cfs_node_id node;
    cfs_node_id members[CFS_MEMBERS_MAX]; /* sorted; contains node */
    uint32_t member_count;
    cfs_time heartbeat; /* between heartbeats of an idle leader */
    cfs_time lease;     /* the leader's, from the sending of an acknowledged heartbeat */
    cfs_time election;  /* shortest election timeout; the longest is twice it */
    cfs_time session;   /* a node's session */
    cfs_time timeout;   /* how long a request waits for a majority */
    uint64_t seed;      /* for election timeouts and the session's nonce */
    /* The disk is new, or was damaged where it cannot be told from an unfinished write: the node
     * may have forgotten votes and entries. Its votes count only when all members vote, until it
     * has caught up with a leader and CFS_FX_CAUGHT_UP says so. */
    bool behind;
    uint64_t checkpoint_bytes; /* of log between checkpoints; 0: never */
    uint32_t snapshot_bytes;   /* of pieces in a chunk of a snapshot */
    cfs_trace_fn trace;        /* NULL: silent */
    void *trace_arg;
};

/* A core that has just started, with an empty log. The first event's time is its start. */
struct cfs_core *cfs_core_new(const struct cfs_core_config *config);
void cfs_core_free(struct cfs_core *core);

/* Before the first step: what the last checkpoint holds, for each group its head, then its pieces
 * in the order of their keys. 0, or -1: it is of another version, or makes no sense. */
int cfs_core_restore_head(struct cfs_core *core, cfs_group_id group, const uint8_t *head,
                          size_t len);
int cfs_core_restore_piece(struct cfs_core *core, cfs_group_id group, const uint8_t *key,
                           uint32_t key_len, const uint8_t *value, uint32_t value_len);

/* Then every record that recovery found, in the order they were written: they are numbered from 1
 * on, and the core's own go on from there. 0, or -1: it is of no group here. */
int cfs_core_restore(struct cfs_core *core, const struct cfs_record *record);

/* At last: 0, or -1 when records or pieces are missing, and the node must not start. */
int cfs_core_restored(const struct cfs_core *core);

/* Lets one event happen; appends what is to be done to `effects`. */
void cfs_core_step(struct cfs_core *core, const struct cfs_event *event,
                   struct cfs_effects *effects);

/* When the core wants a CFS_EV_TICK at the latest, as node time. */
cfs_time cfs_core_deadline(const struct cfs_core *core);

/* True when replication or records wait for CFS_EV_FLUSH. */
bool cfs_core_wants_flush(const struct cfs_core *core);

/* What pages and checkers may look at. */
struct cfs_core_view {
    const char *role;   /* "leader", "follower", "candidate", "pre-candidate" */
    cfs_node_id leader; /* 0: unknown */
    uint64_t term, commit, applied, last_index, durable_index;
    uint64_t base_index; /* entries up to it are compacted */
    uint64_t log_bytes;  /* of the entries in memory */
    bool behind;
    bool installing;        /* a snapshot is coming in */
    bool serving;           /* leader: takes commands and reads */
    cfs_time lease_until;   /* leader: node time */
    cfs_session_id session; /* this node's; 0: none */
    bool available;         /* false: calls are answered TIMED_OUT at once */
    uint32_t held, waiting; /* locks */
    uint32_t outstanding;   /* this node's requests without an answer */
    uint32_t session_count;
    struct {
        cfs_node_id node;
        uint64_t match;         /* leader: durable on that member up to here */
        cfs_time heard;         /* leader: when it last acknowledged; else 0 */
        cfs_session_id session; /* as applied here; 0: none */
    } members[CFS_MEMBERS_MAX];
    uint32_t member_count;
};
void cfs_core_view(const struct cfs_core *core, struct cfs_core_view *view);

/* For checkers: the log as it stands (NULL when there is no such index) and the applied lock table.
 */
const struct cfs_entry *cfs_core_entry(const struct cfs_core *core, uint64_t index);
const struct cfs_lock_table *cfs_core_locks(const struct cfs_core *core);

/* A digest of the whole applied machine: equal on all replicas at one applied index. */
uint64_t cfs_core_digest(const struct cfs_core *core);

#endif
