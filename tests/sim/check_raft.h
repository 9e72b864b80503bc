/* Raft's five properties (Ongaro and Ousterhout 2014, figure 3), judged after every step of every
 * node, for each group: election safety, leader append-only, log matching, leader completeness,
 * state machine safety. Beside them: a node votes once a term, a leader commits through entries of
 * its own term only, and no node's term, commit and applied indices go back, but for a replica that
 * its group has let go, which has nothing any more. */
#ifndef SIM_CHECK_RAFT_H
#define SIM_CHECK_RAFT_H

#include <uthash.h>

#include "core/entry.h"
#include "core/message.h"

struct sim;
struct sim_node;

/* An entry as the cluster first saw it: (index, term) names it for ever. */
struct sim_known_entry {
    struct {
        uint64_t index, term;
    } key;
    uint64_t previous_term, digest;
    UT_hash_handle hh;
};

struct sim_committed {
    uint64_t term;      /* of the entry; 0: not committed yet */
    uint64_t committed; /* the term in which it was first seen to be committed */
};

/* A digest of the machine after applying up to an index. */
struct sim_state {
    uint64_t digest;
    cfs_node_id node; /* which had it first; 0: none */
};

/* A node's log as it was after its last step. */
struct sim_shadow {
    uint64_t *terms; /* of the entries from index 1 on */
    size_t count, capacity;
    bool leads;
    uint64_t term, commit, applied;
};

struct sim_term {
    cfs_node_id leader; /* 0: none yet */
    uint64_t life;
    cfs_node_id votes[CFS_MEMBERS_MAX + 1]; /* by voter, as its replies said */
};

/* Of one group. */
struct sim_raft_check {
    struct sim_known_entry *known;
    struct sim_committed *committed; /* from index 1 on */
    size_t committed_count, committed_capacity;
    struct sim_state *states; /* by applied index */
    size_t state_count, state_capacity;
    struct sim_term *terms; /* by term */
    size_t term_count, term_capacity;
    struct sim_shadow shadows[CFS_MEMBERS_MAX];
};

void sim_raft_close(struct sim_raft_check *check);

/* A node came (back) to life. */
void sim_raft_started(struct sim *sim, struct sim_node *node);

/* Looks at a node after a step, at all of its groups. */
void sim_raft_check(struct sim *sim, struct sim_node *node);

/* What a node had applied of group 0 before its last step. */
uint64_t sim_raft_root_before(const struct sim *sim, const struct sim_node *node);

/* Sees a message before it goes out. */
void sim_raft_sent(struct sim *sim, const struct cfs_message *message);

#endif
