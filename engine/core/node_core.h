/* A whole node as a pure state machine: step(event) -> effects. No clock, thread, descriptor,
 * system call or randomness but the seed it is given, so the daemon, the scenarios and the
 * simulator run the same code. The caller serialises all calls. */
#ifndef CFS_CORE_NODE_CORE_H
#define CFS_CORE_NODE_CORE_H

#include "core/effect.h"
#include "core/event.h"
#include "core/placement.h"

struct cfs_core;
struct cfs_raft;
struct cfs_lock_table;

/* A sentence for each decision: log, test oracle and documentation at once. */
typedef void (*cfs_trace_fn)(void *arg, const char *sentence);

enum cfs_amnesia {
    CFS_REMEMBERS, /* all that was ever durable */
    CFS_TORN,      /* but perhaps its last batch, which was damaged or not finished */
    CFS_BLANK,     /* nothing: the disk is new */
};

struct cfs_core_config {
    cfs_node_id node;
    /* The first voters of the cluster, sorted; none for a node that joins one. What the disk holds
     * is newer. */
    cfs_node_id members[CFS_MEMBERS_MAX];
    uint32_t member_count;
    const struct cfs_node_info *addresses; /* of those members; NULL: nobody may join or go */
    cfs_time heartbeat;                    /* between heartbeats of an idle leader */
    cfs_time lease;       /* the leader's, from the sending of an acknowledged heartbeat */
    cfs_time election;    /* shortest election timeout; the longest is twice it */
    cfs_time session;     /* a node's session */
    cfs_time timeout;     /* how long a request waits for a majority */
    cfs_time cache_lease; /* what nodes keep of the cache: the same on all of them */
    uint32_t groups;      /* beside group 0: the same on all nodes, for ever */
    uint64_t seed;        /* for election timeouts and the session's nonce */
    /* What the disk lost: a node that may have forgotten votes and entries neither counts as a
     * voter, but when all members vote, nor as a replica, until it has caught up with a leader and
     * CFS_FX_CAUGHT_UP says so. */
    enum cfs_amnesia amnesia;
    uint64_t checkpoint_bytes; /* of log between checkpoints; 0: never */
    uint32_t snapshot_bytes;   /* of pieces in a chunk of a snapshot */
    cfs_trace_fn trace;        /* NULL: silent */
    void *trace_arg;
};

/* A core that has just started, with an empty log. The first event's time is its start. */
struct cfs_core *cfs_core_new(const struct cfs_core_config *config);
void cfs_core_free(struct cfs_core *core);

/* Before the first step: what the disk lost of a group, as far as its keeper can tell. */
void cfs_core_set_amnesia(struct cfs_core *core, cfs_group_id group, enum cfs_amnesia amnesia);

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

/* Instead of the first step, for what is left of a cluster: all that is in the logs counts as
 * committed, whether it was or not, and `out`, zeroed, receives what a checkpoint would then say of
 * each group. A group of which the node has nothing is not in it. The core is of no other use
 * afterwards. */
void cfs_core_salvage(struct cfs_core *core, struct cfs_checkpoint *out);

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
    cfs_node_id leader; /* 0: unknown; of a group without a replica here, as others said last */
    uint64_t term, commit, applied, last_index, durable_index;
    uint64_t base_index; /* entries up to it are compacted */
    uint64_t log_bytes;  /* of the entries in memory */
    enum cfs_amnesia amnesia;
    cfs_node_set doubted;      /* while nobody leads: others whose votes for this node did not count
                                  alone, for they may have forgotten */
    bool changing;             /* the newest members are not settled: joint, or not committed */
    bool installing;           /* a snapshot is coming in */
    uint64_t installed_chunks; /* of it, so far */
    bool replica;              /* this node has one of the group */
    uint64_t elections, leaderships; /* begun and won by this node since its start */
    bool serving;                    /* leader: takes commands and reads */
    cfs_time leader_since;           /* leader: of this term; node time, as all below */
    cfs_time lease_until;            /* leader */
    cfs_session_id session;          /* this node's; 0: none */
    bool available;                  /* false: calls are answered TIMED_OUT at once */
    uint32_t held, waiting;          /* locks */
    uint32_t lines, line_changes;    /* serving: of the cache, as the home of the group */
    uint32_t outstanding;            /* this node's requests without an answer */
    uint32_t session_count;
    uint32_t member_count; /* as cfs_core_members lists them */
};
void cfs_core_view(const struct cfs_core *core, cfs_group_id group, struct cfs_core_view *view);

struct cfs_member_view {
    cfs_node_id node;
    const char *role; /* "voter", "outgoing", "learner" */
    uint64_t match;   /* leader: durable on that member up to here */
    /* Leader: when what that member last acknowledged in this term had been sent. Follower: when
     * the leader was last heard, of other members nothing. 0: never, or unknown. */
    cfs_time heard;
    cfs_session_id session; /* as applied here; 0: none */
};
/* All replicas of a group, by id, as far as this node knows; how many there are. */
uint32_t cfs_core_members(const struct cfs_core *core, cfs_group_id group,
                          struct cfs_member_view out[CFS_NODE_MAX]);

/* Where a group should be: up to CFS_MEMBERS_MAX nodes, the one that should lead first; how many.
 * `group` is not 0. */
uint32_t cfs_core_placement(const struct cfs_core *core, cfs_group_id group,
                            cfs_node_id out[CFS_MEMBERS_MAX]);

/* All nodes that have a replica of a group that this one has a replica of too. */
cfs_node_set cfs_core_partners(const struct cfs_core *core);

/* The nodes of the cluster as applied here, by id; how many there are. 0: not known yet. */
uint32_t cfs_core_nodes(const struct cfs_core *core, struct cfs_node_info out[CFS_NODE_MAX]);

/* Whether the node has a session, and leads group 0 under a lease or heard its leader within an
 * election timeout before `now`. */
bool cfs_core_in_touch(const struct cfs_core *core, cfs_time now);

/* For how long from `now`, the time of an event or later, what was answered under `share` may be
 * kept; 0: it may not. */
cfs_time cfs_core_cache_valid(const struct cfs_core *core, const struct cfs_cache_share *share,
                              cfs_time now);

/* The commit index of group 0, and whether this node leads it: cheap enough after each step. */
uint64_t cfs_core_commit(const struct cfs_core *core, bool *leads);

/* For checkers and pages: a group's log as it stands (NULL when there is no such index) and the
 * applied lock table. */
const struct cfs_entry *cfs_core_entry(const struct cfs_core *core, cfs_group_id group,
                                       uint64_t index);
const struct cfs_lock_table *cfs_core_locks(const struct cfs_core *core);

/* The applied queues of a group. */
const struct cfs_queues *cfs_core_queues(const struct cfs_core *core, cfs_group_id group);

/* A digest of a group's whole applied machine: equal on all replicas at one applied index. */
uint64_t cfs_core_digest(const struct cfs_core *core, cfs_group_id group);

#endif
