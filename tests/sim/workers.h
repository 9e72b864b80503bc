/* Programs that use queues: on each node one for each queue, which produces, consumes, waits and
 * gives up. Each does one thing at a time. In the end all of them give back what they have, and one
 * empties the queue. */
#ifndef SIM_WORKERS_H
#define SIM_WORKERS_H

#include "check_queues.h"
#include "core/message.h"
#include "guests.h"

/* Requests of workers are told from those of guests by their ids. */
#define SIM_WORKER_ID (SIM_GUEST_ID + ((uint64_t)1 << 60))

#define SIM_BATCH_MAX 3u  /* messages of one request */
#define SIM_CLAIMS_MAX 6u /* that a worker has */

struct sim_held_claim {
    cfs_claim_id claim;
    uint32_t number; /* of the message */
};

struct sim_worker {
    struct sim_node *node;
    uint32_t queue;
    uint64_t life; /* of the node */

    uint64_t id; /* of the request under way; 0: none */
    struct cfs_request request;
    cfs_session_id session;      /* in which it was asked */
    cfs_session_id session_seen; /* that of the node, by now */
    cfs_time session_since;
    cfs_time asked, give_up;
    cfs_time since; /* from when an answer may be expected */
    bool given_up, asked_in_peace;
    uint64_t settles;       /* the claim that it is about */
    uint32_t about;         /* and its message */
    cfs_time queued;        /* since when it is known to wait its turn; 0: it is not */
    uint64_t sequence;      /* of the newest CONSUME that the node was seen to send */
    uint64_t before;        /* the same when the request was asked: it is none of them */
    cfs_claim_id overtaken; /* by one who came later, while it waited; 0: it was not */

    uint32_t numbers[SIM_BATCH_MAX], count; /* of the messages of the newest PRODUCE */
    uint64_t key;                           /* of it, to be asked again; 0: none */

    struct sim_held_claim claims[SIM_CLAIMS_MAX];
    uint32_t claim_count;
    uint32_t steps;      /* of setting the queue up */
    cfs_message_id dead; /* a message to be tried again; 0: none is known */
    enum cfs_op look;    /* in the end: what it asks next; 0: what it likes */
    bool done;
};

struct sim_workers {
    struct sim_worker workers[CFS_MEMBERS_MAX][SIM_QUEUES_MAX];
    char names[SIM_QUEUES_MAX][16];
    cfs_group_id groups[SIM_QUEUES_MAX]; /* which they are in */
    uint64_t requests, keys;
};

void sim_workers_start(struct sim *sim);

/* Whether the node has the session in which it was asked: in the next one a worker waits anew. */
bool sim_worker_in_its_session(const struct sim_worker *worker);

/* Whether programs use the group. */
bool sim_workers_use(const struct sim *sim, cfs_group_id group);

/* A node sends a message; one arrives at it; the node's core answers a worker. */
void sim_workers_sent(struct sim *sim, const struct sim_node *node,
                      const struct cfs_message *message);
void sim_workers_heard(struct sim *sim, const struct sim_node *node,
                       const struct cfs_message *message);
void sim_workers_answered(struct sim *sim, const struct sim_node *node, uint64_t id,
                          const struct cfs_answer *answer);

/* In the end: they have nothing any more, and the queues are empty. */
bool sim_workers_done(const struct sim *sim);

#endif
