/* Queues as their users see them. Every message has a number of its own, which is its body, and
 * what a user is told is all that the checker goes by:
 *
 *   - what is handed out was produced, into that queue, and not refused; under one id;
 *   - a message that was acknowledged is handed out no more, and was handed to nobody else before;
 *   - a claim that its holder can rely on is respected for as long as it lasts;
 *   - a message is not handed out while an older one is ready: claims count up, so their order is
 *     that of the queue, whenever the answers arrive;
 *   - who waits is served before him who came when it was known that the first one waits;
 *   - in the end everything that was produced has been handed out.
 */
#ifndef SIM_CHECK_QUEUES_H
#define SIM_CHECK_QUEUES_H

#include "coordfs/request.h"
#include "swarm.h"

struct sim;
struct sim_node;
struct sim_worker;

enum sim_message_state {
    SIM_ASKED,   /* produced, as far as anyone knows */
    SIM_IN,      /* its producer was told that it is in the queue */
    SIM_REFUSED, /* or that it is not */
};

struct sim_message {
    uint32_t queue;
    enum sim_message_state state;
    cfs_time submitted, answered; /* of its PRODUCE; submitted: the first time */
    cfs_message_id id;            /* 0: not seen yet */
    bool handed;
    uint32_t deliveries;        /* as last seen */
    cfs_claim_id newest, acked; /* claims; 0: none */
    bool given_back;            /* known to be ready since `ready` */
    cfs_time ready;
    cfs_claim_id overtaken; /* by a younger one, while it was ready; 0: not */
    /* The newest claim as its holder has it. */
    const struct sim_worker *holder; /* NULL: nobody relies on it */
    uint64_t life;
    cfs_session_id session; /* 0: it ends with its time alone */
    cfs_time asked, heard;  /* of the CONSUME */
};

struct sim_queues_check {
    struct sim_message *items; /* by number */
    size_t count, capacity;
    bool undone[SIM_QUEUES_MAX]; /* something may have gone back as if it had never been handed out,
                                    or have come to the tail again: its order tells nothing */
};

void sim_queues_close(struct sim_queues_check *check);

/* The number of a new message. */
uint32_t sim_queues_message(struct sim *sim, uint32_t queue);
/* Its body. */
void sim_queues_body(uint32_t number, char body[16]);

/* What became of the worker's request. */
void sim_queues_produced(struct sim *sim, const struct sim_worker *worker,
                         const struct cfs_answer *answer);
void sim_queues_handed(struct sim *sim, struct sim_worker *worker, const struct cfs_answer *answer);
void sim_queues_settling(struct sim *sim, const struct sim_worker *worker);
void sim_queues_settled(struct sim *sim, const struct sim_worker *worker, enum cfs_error error);

/* Whoever consumes from now on is to be handed nothing that is younger. */
void sim_queues_undone(struct sim *sim, uint32_t queue);

/* The queue is empty. */
void sim_queues_finished(struct sim *sim, uint32_t queue);

#endif
