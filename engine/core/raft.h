/* One Raft group on one node (Ongaro, "Consensus: Bridging Theory and Practice", 2014): elections
 * with PreVote (9.6) and CheckQuorum (6.2), replication with batching and pipelining (10.2), leader
 * leases (6.4.1).
 *
 * One departure from the thesis. There a voter that heard from a leader within the shortest
 * election timeout ignores RequestVote, which protects the lease. Here a voter may vote at any
 * time, but its reply carries what is left of its promise to the old leader, and the new leader
 * serves nobody before the longest promise of its quorum has passed. So a follower that knows its
 * leader's process to be gone (connection refused) can stand at once, and if it was wrong the lease
 * is still honoured.
 *
 * Clocks: the lease runs on the leader from the moment an acknowledged heartbeat was SENT, the
 * promise on the follower from the moment it was RECEIVED. CFS_CLOCK_GUARD (env.h) covers their
 * drift. */
#ifndef CFS_CORE_RAFT_H
#define CFS_CORE_RAFT_H

#include "core/env.h"
#include "core/group_head.h"
#include "core/log.h"

enum cfs_role { CFS_FOLLOWER, CFS_PRE_CANDIDATE, CFS_CANDIDATE, CFS_LEADER };

/* What a leader knows of a follower (thesis 3.5, 10.2.1). */
struct cfs_progress {
    cfs_node_id node;
    uint64_t match; /* durable there up to here */
    uint64_t next;  /* to be sent next; match < next */
    bool probing;   /* its log's end is not known: one message at a time */
    bool snapshot;  /* what it needs is compacted: heartbeats alone, until a snapshot is there */
    uint64_t inflight[CFS_INFLIGHT_MAX]; /* last indices of the messages under way, ascending */
    uint32_t inflight_count;
    cfs_time held_until; /* entries wait here for more until then; 0: none do (is_spare) */
    bool forgetful;      /* it may have lost what it acknowledged: it does not count */
    bool full;           /* its disk is, as it said last */
    cfs_time
        since; /* when it became one of this leader's: what it said before is of another life */
    cfs_time acked; /* sending time of the newest message it acknowledged in this term; 0: none */
};

/* Which entries a durable lsn covers. */
struct cfs_mark {
    uint64_t lsn, index, term;
};

struct cfs_raft {
    struct cfs_env *env;
    cfs_group_id group;
    const struct cfs_core_config *config; /* the core's */

    uint64_t term;
    cfs_node_id vote;
    uint64_t state_lsn; /* of the newest hard state record */

    struct cfs_log log;
    uint64_t commit, applied;
    uint64_t durable_index; /* all entries up to it are on this node's disk */
    struct cfs_mark *marks; /* appended and not yet durable, oldest first */
    size_t mark_count, mark_capacity;

    struct cfs_membership_history history;
    struct cfs_membership members; /* the newest in the log, in force from when it is there */
    uint64_t members_index;        /* of the entry that says so */

    enum cfs_role role;
    cfs_node_id leader;          /* of this term; 0: unknown */
    bool leader_serving;         /* as it says in its heartbeats */
    bool leader_gone;            /* its process refused a connection */
    cfs_time heard;              /* from the leader, last */
    cfs_time counted;            /* when one last sent more than a greeting (cfs_raft_greet) */
    cfs_time promise;            /* the old leader's lease may run until then */
    cfs_time start_promise;      /* and that of whoever led before the start: no transfer ends it */
    cfs_time election_due;       /* follower and candidates */
    cfs_node_set granted, sound; /* votes of this round, and those of voters that have forgotten
                                    nothing */
    cfs_node_set doubted;        /* others whose votes did not count alone; empty under a leader */
    bool founding;               /* candidate: of a cluster that begins */
    bool transfer;               /* candidate: at the leader's request */
    bool unanimous;              /* leader: every member voted for it */
    enum cfs_amnesia amnesia;
    cfs_time started;
    bool recovered;   /* it has caught up, and that was not said yet */
    bool replaced;    /* its log is about to be replaced: takes no part for the moment */
    uint64_t install; /* the last snapshot that was installed; 0: none */
    uint64_t elections, leaderships; /* begun and won since the start: for people */
    uint64_t replaced_lsn; /* of the newest record that took the place of others; 0: none did */
    bool gap;              /* being restored: entries are missing before the newest record */
    struct cfs_log_end dropped; /* votes are compared by it until the log is longer again */
    bool founded; /* by others, for all that is known here: who has no log begins no new one */

    /* Leader. */
    struct cfs_progress progress[CFS_NODE_MAX + 1]; /* by node id; one's own is unused */
    cfs_time leader_since;
    cfs_time quiet_until; /* serves nobody before: the voters' promises */
    cfs_time heartbeat_due;
    uint64_t noop_index;   /* of this leadership */
    bool dirty;            /* something to replicate */
    cfs_node_set majority; /* as few as have committed the last entry; none after a heartbeat */
    cfs_time clock_base;   /* group time = time_base + (now - clock_base) */
    cfs_time time_base;
};

/* `members`: the first ones; none on a node that has no replica yet. */
void cfs_raft_init(struct cfs_raft *raft, struct cfs_env *env, cfs_group_id group,
                   const struct cfs_core_config *config, const struct cfs_membership *members);
void cfs_raft_close(struct cfs_raft *raft);

/* What a checkpoint says, before any record. */
void cfs_raft_restore_head(struct cfs_raft *raft, const struct cfs_group_head *head);

/* A record as recovered, in order. Then, after the last one: whether none is missing. */
void cfs_raft_restore(struct cfs_raft *raft, const struct cfs_record *record, uint64_t lsn);
bool cfs_raft_restored(const struct cfs_raft *raft);

void cfs_raft_start(struct cfs_raft *raft); /* after restore, at the first event */

void cfs_raft_tick(struct cfs_raft *raft);
void cfs_raft_receive(struct cfs_raft *raft, struct cfs_message *message);
void cfs_raft_persisted(struct cfs_raft *raft);
void cfs_raft_flush(struct cfs_raft *raft);
void cfs_raft_refused(struct cfs_raft *raft, cfs_node_id peer);
void cfs_raft_unreachable(struct cfs_raft *raft, cfs_node_id peer);
cfs_time cfs_raft_deadline(const struct cfs_raft *raft);

/* What a checkpoint of the applied state has to say beside it. */
struct cfs_group_head cfs_raft_head(const struct cfs_raft *raft);

/* By what votes are compared: the end of the log, or of the one that was dropped. */
struct cfs_log_end cfs_raft_log_end(const struct cfs_raft *raft);

/* A replica that was dropped and is needed again, before it has got everything anew: of what it
 * once acknowledged something is not there, and its log may name members of long ago. */
bool cfs_raft_is_returning(const struct cfs_raft *raft);

/* Not as long as entries that were replaced may come back: a crash could leave some of these as the
 * last ones of the log, and nothing to tell that they are void. */
bool cfs_raft_may_save(const struct cfs_raft *raft);

/* The oldest record that is needed beside a checkpoint of the applied state. */
uint64_t cfs_raft_keep_lsn(const struct cfs_raft *raft);

/* Follower: the state was replaced by a snapshot, and its log with it. */
void cfs_raft_installed(struct cfs_raft *raft, const struct cfs_group_head *head);

/* Leader: the members change. At most one change is under way: false while one is. Voters may only
 * change through a joint membership. */
bool cfs_raft_change_members(struct cfs_raft *raft, const struct cfs_membership *members);

/* Leader that serves: hands leadership to `to` and steps down; false when it is not up to date. */
bool cfs_raft_transfer(struct cfs_raft *raft, cfs_node_id to);

/* A leader speaks, in whatever kind of message. False: it is of an older term. */
bool cfs_raft_hear_leader(struct cfs_raft *raft, const struct cfs_message *message);

/* Leader: `peer` has everything up to `index` by a snapshot; the log goes on from there. */
void cfs_raft_snapshot_done(struct cfs_raft *raft, cfs_node_id peer, uint64_t index);

/* Whether everything that the node may have forgotten is there again; said once. */
bool cfs_raft_caught_up(struct cfs_raft *raft);

/* Whether the entry can be applied: one that no replica understands would end each of them. */
bool cfs_raft_understands(const struct cfs_entry *entry);

/* Leader: appends to its log, to be replicated at the next flush. Returns the index. */
uint64_t cfs_raft_propose(struct cfs_raft *raft, enum cfs_entry_kind kind, const void *data,
                          uint32_t len);

/* Takes commands and reads: leader, its first entry applied, the voters' promises over. */
bool cfs_raft_serving(const struct cfs_raft *raft);

/* Until when no other leader can serve, as far as acknowledgements tell (6.4.1); 0: no lease. */
cfs_time cfs_raft_lease_until(const struct cfs_raft *raft);

/* Replicated time, continued by the leader's clock. */
cfs_time cfs_raft_group_time(const struct cfs_raft *raft);

/* Shared by the parts of the implementation. */
void cfs_raft_become_follower(struct cfs_raft *raft, uint64_t term, cfs_node_id leader);
void cfs_raft_become_leader(struct cfs_raft *raft);
void cfs_raft_campaign(struct cfs_raft *raft);
void cfs_raft_handle_vote(struct cfs_raft *raft, const struct cfs_message *message);
void cfs_raft_handle_vote_reply(struct cfs_raft *raft, const struct cfs_message *message);
void cfs_raft_check_election(struct cfs_raft *raft);
void cfs_raft_handle_append(struct cfs_raft *raft, struct cfs_message *message);
void cfs_raft_handle_append_reply(struct cfs_raft *raft, const struct cfs_message *message);
/* patient: nothing depends on these but the lease. */
void cfs_raft_broadcast_heartbeat(struct cfs_raft *raft, bool patient);
/* Leader: when entries that wait for more have waited for long enough; CFS_NEVER: none do. */
cfs_time cfs_raft_held_until(const struct cfs_raft *raft);
/* Leader: a heartbeat that claims nothing, to a node that is no replica. */
void cfs_raft_greet(struct cfs_raft *raft, cfs_node_id node);
/* Takes the reference; orders the entry to be persisted. */
void cfs_raft_append_local(struct cfs_raft *raft, struct cfs_entry *entry);
void cfs_raft_advance_commit(struct cfs_raft *raft);
void cfs_raft_reset_election(struct cfs_raft *raft);
void cfs_raft_persist_state(struct cfs_raft *raft);
/* The log and what it says of the members, together. Append takes the reference. */
void cfs_raft_log_append(struct cfs_raft *raft, struct cfs_entry *entry, uint64_t lsn);
void cfs_raft_log_truncate(struct cfs_raft *raft, uint64_t index);
void cfs_raft_log_compact(struct cfs_raft *raft, uint64_t index);
void cfs_raft_log_reset(struct cfs_raft *raft, struct cfs_log_base base,
                        const struct cfs_membership *members);
/* A node that no replica of the group is, nor may be needed as one: it waits to become one. */
bool cfs_raft_is_outside(const struct cfs_raft *raft);
bool cfs_raft_is_alone(const struct cfs_raft *raft);
void cfs_raft_handle_timeout_now(struct cfs_raft *raft, const struct cfs_message *message);
/* Leader: who is not among the voters once a change is committed makes room. */
void cfs_raft_leave_if_removed(struct cfs_raft *raft);
void cfs_raft_stand(struct cfs_raft *raft);

#endif
