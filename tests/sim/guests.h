/* What goes on in groups other than 0 while programs ask for nothing there. On each node a guest
 * for each group looks something up through the node's core, and takes and removes a lock of its
 * own by commands that it sends to the group's leader itself, in the node's session. Nobody else
 * wants that lock, so each answer is known beforehand. Its sequence is that of the node's channel:
 * where programs use the group, there is no room for a guest. */
#ifndef SIM_GUESTS_H
#define SIM_GUESTS_H

#include "coordfs/request.h"
#include "core/message.h"
#include "swarm.h"

struct sim;
struct sim_node;

/* Requests of guests are told from those of processes by their ids. */
#define SIM_GUEST_ID ((uint64_t)1 << 61)

enum sim_guest_state {
    SIM_GUEST_UNSURE, /* the lock may be held, by an earlier life of the node */
    SIM_GUEST_FREE,
    SIM_GUEST_HOLDS,
};

struct sim_guest {
    struct sim_node *node;
    cfs_group_id group;
    char name[16];  /* of the lock */
    char queue[16]; /* what it looks up */
    uint64_t life;  /* of the node */
    cfs_session_id session;
    uint64_t sequence; /* of the newest command in that session */
    enum sim_guest_state state;
    bool waits;    /* for the answer to it */
    uint64_t term; /* of the leader it was sent to last */
    uint64_t id;   /* of the question that is open; 0: none */
    cfs_time asked;
    bool asked_in_peace; /* when everything had been repaired */
};

struct sim_guests {
    struct sim_guest guests[CFS_MEMBERS_MAX][SIM_GROUPS_MAX];
    uint64_t questions;
};

void sim_guests_start(struct sim *sim);

/* An answer arrives at a node; the node's core answers a guest's question. */
void sim_guests_heard(struct sim *sim, const struct sim_node *node,
                      const struct cfs_message *message);
void sim_guests_answered(struct sim *sim, const struct sim_node *node, uint64_t id,
                         enum cfs_error error);

#endif
